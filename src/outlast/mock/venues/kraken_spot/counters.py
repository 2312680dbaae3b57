"""What asking costs: the private call counter, and the trading engine's counter of each pair.

Source: Kraken docs, "Spot REST Rate Limits" and "Spot Trading Rate Limits" (2026-05-27). The
trading counter is charged before an order is looked at, so a refused order costs its point too;
cancelling and amending cost more the younger the order is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from outlast.mock.limits import DrainingCounter, LimitKind, LimitWindow
from outlast.mock.scenario.model import Limits
from outlast.mock.venues.kraken_spot.errors import ORDER_RATE, VenueRefusal

__all__ = ["INTERMEDIATE", "PRO", "STARTER", "Tier", "TradingCounters", "Work", "windows"]


@dataclass(frozen=True, slots=True)
class Tier:
    """What an account of this verification level may ask."""

    calls_max: int
    calls_decay_per_s: float
    points_max: int
    points_decay_per_s: float
    open_orders_max: int
    """Per pair."""


STARTER: Final = Tier(15, 0.33, 60, 1.0, 60)
INTERMEDIATE: Final = Tier(20, 0.5, 125, 2.34, 80)
PRO: Final = Tier(20, 1.0, 180, 3.75, 225)

_PUBLIC_MAX: Final = 60
_PUBLIC_DECAY_PER_S: Final = 2.0
"""Public calls of one address. Documented is only that about one call a second is safe (support
article 206548367); the burst and the exact rate are choices."""


def windows(tier: Tier) -> tuple[LimitWindow, ...]:
    """The counters in front of the API; the trading counter sits in the engine."""
    return (
        LimitWindow(
            name="public",
            kind=LimitKind.WEIGHT,
            interval_s=round(_PUBLIC_MAX / _PUBLIC_DECAY_PER_S),
            limit=_PUBLIC_MAX,
            decay_per_s=_PUBLIC_DECAY_PER_S,
        ),
        LimitWindow(
            name="private",
            kind=LimitKind.CALLS,
            interval_s=round(tier.calls_max / tier.calls_decay_per_s),
            limit=tier.calls_max,
            decay_per_s=tier.calls_decay_per_s,
        ),
        # Source: Kraken docs, "Spot WebSockets Introduction": about 150 dials in 10 minutes.
        LimitWindow(name="dials", kind=LimitKind.CONNECTS, interval_s=600, limit=150, ban_s=600.0),
    )


@dataclass(frozen=True, slots=True)
class Work:
    """What one kind of transaction costs: always, and more on a young order."""

    fixed: float
    young: tuple[int, ...] = ()
    """On an order younger than 5, 10, 15, 45, 90 and 300 s since it was made or last amended."""

    def cost(self, age_ms: int | None) -> float:
        if age_ms is None or not self.young:
            return self.fixed
        for limit_s, extra in zip(_AGES_S, self.young, strict=True):
            if age_ms < limit_s * 1000:
                return self.fixed + extra
        return self.fixed


_AGES_S: Final = (5, 10, 15, 45, 90, 300)
WORK: Final[Mapping[str, Work]] = {
    "add": Work(1),
    "amend": Work(1, (3, 2, 1, 0, 0, 0)),
    "edit": Work(1, (6, 5, 4, 2, 1, 0)),
    "cancel": Work(0, (8, 6, 5, 4, 2, 1)),
    "cancel_all": Work(1),
}
"""cancel_all: per pair, as the venue's own SDK assumes; the page does not list it. Nor does it list
the dead man's switch, which belongs to no pair: it is free."""


class TradingCounters:
    """One counter per account and pair, shared by REST and WebSocket."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self._counters: dict[tuple[str, str], DrainingCounter] = {}

    def level(self, account: str, symbol: str, now_ms: int) -> float:
        return self._counter(account, symbol).level(now_ms)

    def charge(
        self,
        kind: str,
        account: str,
        symbol: str,
        limits: Limits,
        now_ms: int,
        *,
        age_ms: int | None = None,
        share: float = 1.0,
        always: bool = False,
    ) -> None:
        """Charge one transaction.

        `share` scales the cost (a batch of n orders costs n/2). `always`: it is accepted even over
        the threshold (a batch of cancels).

        Raises:
            VenueRefusal: the counter would go over the threshold; nothing was charged.
        """
        cost = WORK[kind].cost(age_ms) * share
        counter = self._counter(account, symbol)
        limit = self.tier.points_max * limits.factor
        over = counter.level(now_ms) + cost > limit
        if limits.enforce and over and not always:
            raise VenueRefusal(ORDER_RATE, limited="429")
        counter.add(cost, now_ms)

    def _counter(self, account: str, symbol: str) -> DrainingCounter:
        counter = self._counters.get((account, symbol))
        if counter is None:
            counter = DrainingCounter(decay_per_s=self.tier.points_decay_per_s)
            self._counters[account, symbol] = counter
        return counter
