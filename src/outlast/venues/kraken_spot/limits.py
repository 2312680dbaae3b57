"""What requests cost and what the counters allow.

Three counters, none of them a window: each call raises a level that falls steadily.

- `rest`: private calls of one account (Kraken counts by key; two keys of one account may only have
  more room than we think). Cancels and new orders do not count here.
- `public`: public calls of one address.
- `trading`: orders and cancels of one account, one level for each pair. A new order adds 1, its
  cancel up to 8, the more the younger the order: the mirror in `core.limiter` knows the ages.

No answer tells what is used, and none tells the tier: it follows from the account's verification.

Source: Kraken docs, "Spot REST Rate Limits" and "Spot Trading Rate Limits", read 2026-05-27; the
SDK's guide "rate limits" for the tier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from outlast.errors import ConfigurationError, Failure, Scope
from outlast.wire import Cost, Counter, WireReply, WireRequest

__all__ = ["TIERS", "Tier", "costs", "limits", "read_limits", "read_usage"]


@dataclass(frozen=True, slots=True)
class Tier:
    """What an account of one verification level may ask."""

    calls_max: int
    calls_decay_per_s: float
    points_max: int
    """Of the trading counter of each pair."""
    points_decay_per_s: float


TIERS: Final[Mapping[str, Tier]] = {
    "starter": Tier(15, 0.33, 60, 1.0),
    "intermediate": Tier(20, 0.5, 125, 2.34),
    "pro": Tier(20, 1.0, 180, 3.75),
}
LOWEST: Final = "starter"

_PUBLIC_MAX: Final = 40
_PUBLIC_DECAY_PER_S: Final = 1.0
"""Documented is only that about one call a second is safe (support article 206548367). The burst is
our choice: probes ask twice a second for some seconds when a plane comes back, and what reads
prices meanwhile needs its share."""

_HISTORY: Final = 4
"""TradesHistory and ClosedOrders. 4 in the docs of 2026-05-27, 2 in older ones and in the SDK: the
larger is budgeted."""

_TRADING: Final[Mapping[str, int]] = {
    "AddOrder": 1,
    "AmendOrder": 1,
    "CancelOrder": 0,
    "CancelOrderBatch": 0,
    "CancelAll": 1,
    "CancelAllOrdersAfter": 1,
}
"""What these always add to the trading counter, where they count instead. Of the last two: 1 for
each pair, as the SDK assumes; the page does not list them."""
_HISTORIES: Final = frozenset({"TradesHistory", "ClosedOrders"})


def limits(tier: str | None = None) -> tuple[Counter, ...]:
    """The counters of an account of `tier`: starter (also for None), intermediate or pro.

    Raises:
        ConfigurationError: there is no such tier.
    """
    found = TIERS.get(LOWEST if tier is None else tier)
    if found is None:
        raise ConfigurationError(
            f"tier is {tier!r}; kraken-spot has {', '.join(TIERS)}", venue="kraken-spot"
        )
    return (
        _level("public", _PUBLIC_MAX, _PUBLIC_DECAY_PER_S, Scope.IP),
        _level("rest", found.calls_max, found.calls_decay_per_s, Scope.ACCOUNT),
        replace(
            _level("trading", found.points_max, found.points_decay_per_s, Scope.ACCOUNT),
            per_symbol=True,
        ),
    )


def _level(name: str, limit: int, decay_per_s: float, scope: Scope) -> Counter:
    return Counter(name, limit / decay_per_s, limit, scope, decay_per_s)


def costs(path: str) -> tuple[Cost, ...]:
    """What one attempt takes. It is spent at sending, answered or not."""
    _, _, area, method = path.split("/")
    if area == "public":
        return (Cost("public", 1),)
    if method in _TRADING:
        return (Cost("trading", _TRADING[method]),)
    return (Cost("rest", _HISTORY if method in _HISTORIES else 1),)


def read_limits(request: WireRequest, reply: WireReply) -> Sequence[Counter] | Failure:
    """Nothing: no answer of this venue tells its limits, so the documented ones stay in force."""
    return ()


def read_usage(headers: Mapping[str, str]) -> Mapping[str, int]:
    """Nothing: this venue does not say over REST what is used."""
    return {}
