"""Kraken's counter of each pair: what is placed costs little, what is cancelled young costs much.

| transaction | always | on an order younger than 5, 10, 15, 45, 90, 300 s |
| add         | 1      |                                                   |
| amend       | 1      | 3, 2, 1, 0, 0, 0                                  |
| edit        | 1      | 6, 5, 4, 2, 1, 0                                  |
| cancel      | 0      | 8, 6, 5, 4, 2, 1                                  |

A batch of cancels costs as much as all of them, and is accepted over the limit as well.

The age counts from when the order was made or last amended. Eight cancels of young orders are 64
points, and a Starter account has 60. So the rule is: never place an order that you could not cancel
now. What stands on the counter, the new order, and the cancels of all live orders on the pair have
to fit together.

Source: Kraken docs, "Spot Trading Rate Limits".
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Final

from outlast.core.limiter.levels import ROUNDING, Level
from outlast.core.limiter.terms import TICK_S, CounterSpec, Move, MoveKind
from outlast.wire import Lane

__all__ = ["AGES_S", "PENALTIES", "TradingCounter", "penalty"]

AGES_S: Final = (5.0, 10.0, 15.0, 45.0, 90.0, 300.0)
PENALTIES: Final[Mapping[MoveKind, tuple[int, ...]]] = {
    MoveKind.PLACE: (0, 0, 0, 0, 0, 0, 0),
    MoveKind.AMEND: (3, 2, 1, 0, 0, 0, 0),
    MoveKind.EDIT: (6, 5, 4, 2, 1, 0, 0),
    MoveKind.CANCEL: (8, 6, 5, 4, 2, 1, 0),
    MoveKind.CANCEL_MANY: (8, 6, 5, 4, 2, 1, 0),
    MoveKind.CANCEL_ALL: (0, 0, 0, 0, 0, 0, 0),
}
"""By age: below each of `AGES_S`, and at last from 300 s on."""

_CANCEL_YOUNG: Final = PENALTIES[MoveKind.CANCEL][0]
_STEPS_MAX: Final = 8
"""So many birthdays ahead a wait is worked out exactly; after that it is asked again."""
_ORDERS_MAX: Final = 10_000
"""Orders remembered at a time; nobody may have so many open, so the oldest has ended unheard."""
_PAIRS_MAX: Final = 4096
"""More than any venue lists: a caller that makes up symbols must not fill the memory."""


def penalty(kind: MoveKind, age_s: float) -> int:
    """What `kind` costs on an order of this age, besides what it always costs."""
    return PENALTIES[kind][bisect_right(AGES_S, age_s)]


@dataclass(slots=True)
class _Pair:
    level: Level
    born_at: dict[str, float] = field(default_factory=dict)
    """Our orders that are or may be live: when each was made or last amended."""


class TradingCounter:
    """One counter per pair, and what it would take to cancel everything that is live on it."""

    __slots__ = ("_ceiling", "_doubt_s", "_pairs", "_symbols", "spec")

    def __init__(self, spec: CounterSpec, doubt_s: float) -> None:
        self._pairs: dict[str, _Pair] = {}
        self._symbols: dict[str, str] = {}  # client order id -> symbol
        self.configure(spec, doubt_s)

    def configure(self, spec: CounterSpec, doubt_s: float) -> None:
        assert spec.decay_per_s is not None
        self.spec = spec
        self._doubt_s = doubt_s
        self._ceiling = max(1.0, spec.limit - spec.decay_per_s * doubt_s)
        for pair in self._pairs.values():
            pair.level.configure(spec, doubt_s)

    # The counter.

    def wait_until(
        self, units: int, lane: Lane, now: float, *, move: Move | None = None, ahead: int = 0
    ) -> float:
        """`units` is what the transaction always costs; age and reserve come from `move`.

        SAFETY keeps no reserve: an exit that waits is worse than a cancel that waits a second.
        """
        assert move is not None, f"counter {self.spec.name!r} needs to know what is moved"
        if move.kind is MoveKind.CANCEL_MANY:
            return 0.0
        if move.symbol is None:
            return max((self._fits_at(p, units, now) for p in self._pairs.values()), default=0.0)
        pair = self._pairs.get(move.symbol)
        if pair is None:
            pair = _Pair(Level(self.spec, self._doubt_s))  # not kept: nothing has been sent
        reserves = lane is not Lane.SAFETY and move.kind is not MoveKind.CANCEL
        at = now
        for _ in range(_STEPS_MAX):
            cost = units + ahead + self._penalty(pair, move, at)
            if reserves:
                cost += self._cancel_cost(pair, at, besides=move.client_order_id) + _CANCEL_YOUNG
            over = pair.level.used(at) - (self._ceiling - cost)
            if over <= ROUNDING:
                return 0.0 if at == now else at + TICK_S
            assert self.spec.decay_per_s is not None
            drained_at = at + over / self.spec.decay_per_s if cost <= self._ceiling else inf
            birthday = self._next_birthday(pair, at)
            if drained_at <= birthday:
                return drained_at + TICK_S
            at = birthday
        return at + TICK_S

    def take(self, units: int, now: float, *, move: Move | None = None) -> None:
        assert move is not None, f"counter {self.spec.name!r} needs to know what is moved"
        if move.symbol is None:
            for pair in self._pairs.values():
                pair.level.take(units, now)
            return
        pair = self._pair(move.symbol)
        pair.level.take(units + self._penalty(pair, move, now), now)
        if move.client_order_id is not None and move.kind in (
            MoveKind.PLACE,
            MoveKind.AMEND,
            MoveKind.EDIT,
        ):
            self._adopt(pair, move.symbol, move.client_order_id, now)

    def take_at_once(self, units: int, lane: Lane, now: float) -> bool:
        """Never: what it costs depends on the order."""
        return False

    def untake(self, units: int) -> None:
        raise AssertionError("nothing is ever taken at once from a counter per symbol")

    def observe(self, used: float, now: float, *, asked_at: float | None = None) -> None:
        """The figure of nobody in particular says nothing: see `observe_pair`."""

    def observe_pair(self, symbol: str, used: float, now: float) -> None:
        """Raise one pair's counter to what the venue says (`executions`, `ratecounter`)."""
        self._pair(symbol).level.observe(used, now)

    def used(self, now: float) -> float:
        """The fullest pair's."""
        return max((pair.level.used(now) for pair in self._pairs.values()), default=0.0)

    def ends_at(self, now: float) -> float:
        return max((pair.level.ends_at(now) for pair in self._pairs.values()), default=now)

    def has_headroom(self, units: int, now: float, *, share: float) -> bool:
        return self.used(now) + units <= min(share, 0.5) * self.spec.limit

    # Our orders.

    def adopt(self, symbol: str, client_order_id: str, *, born_at: float) -> None:
        """An order that is live and was not placed through here: of a session before this one."""
        if client_order_id not in self._symbols:
            self._adopt(self._pair(symbol), symbol, client_order_id, born_at)

    def ended(self, client_order_id: str) -> None:
        """It is live no longer, or never was: nobody will have to cancel it."""
        symbol = self._symbols.pop(client_order_id, None)
        if symbol is not None and symbol in self._pairs:
            self._pairs[symbol].born_at.pop(client_order_id, None)

    def reserve(self, symbol: str, now: float) -> int:
        """What cancelling every live order of the pair would cost now."""
        pair = self._pairs.get(symbol)
        return 0 if pair is None else self._cancel_cost(pair, now)

    def _cancel_cost(self, pair: _Pair, now: float, *, besides: str | None = None) -> int:
        return sum(
            penalty(MoveKind.CANCEL, now - born_at - self._doubt_s)
            for client_order_id, born_at in pair.born_at.items()
            if client_order_id != besides
        )

    def _penalty(self, pair: _Pair, move: Move, now: float) -> int:
        if move.kind is MoveKind.PLACE or move.kind is MoveKind.CANCEL_ALL:
            return 0
        named = move.client_order_ids or (move.client_order_id or "",)
        # A stranger's order may have been made a moment ago.
        ages_s = (now - pair.born_at.get(name, now) - self._doubt_s for name in named)
        return sum(penalty(move.kind, age_s) for age_s in ages_s)

    def _next_birthday(self, pair: _Pair, now: float) -> float:
        """When the next of our orders becomes cheaper to cancel."""
        soonest = inf
        for born_at in pair.born_at.values():
            age_s = now - born_at - self._doubt_s
            step = bisect_right(AGES_S, age_s)
            if step < len(AGES_S):
                soonest = min(soonest, born_at + self._doubt_s + AGES_S[step])
        return soonest if soonest > now else now + TICK_S

    def _fits_at(self, pair: _Pair, units: int, now: float) -> float:
        return pair.level.wait_until(units, Lane.SAFETY, now)

    def _pair(self, symbol: str) -> _Pair:
        pair = self._pairs.get(symbol)
        if pair is None:
            if len(self._pairs) >= _PAIRS_MAX:
                self._pairs.pop(next(iter(self._pairs)))
            pair = self._pairs[symbol] = _Pair(Level(self.spec, self._doubt_s))
        return pair

    def _adopt(self, pair: _Pair, symbol: str, client_order_id: str, born_at: float) -> None:
        if len(self._symbols) >= _ORDERS_MAX:
            oldest = next(iter(self._symbols))
            self.ended(oldest)
        pair.born_at[client_order_id] = born_at
        self._symbols[client_order_id] = symbol
