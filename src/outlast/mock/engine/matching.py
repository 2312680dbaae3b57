"""The book of one instrument: client orders among the makers' quotes, in price-time priority.

`plan` says what a taker would get and changes nothing; the floor carries it out. The book is never
crossed: quotes of makers that would cross a client's resting order are not in it (the floor
matches them with that order as soon as matching runs).

Prices are in ticks and quantities in steps, as in the ladder.
"""

from __future__ import annotations

import heapq
from bisect import insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby, takewhile
from typing import Final

from outlast.mock.engine.ladder import Ladder
from outlast.mock.engine.model import Instrument, Order, Side, StpMode

__all__ = ["Fill", "OrderBook", "Plan", "Resting", "Stop"]

_NO_LIMIT: Final = 1 << 62


@dataclass(slots=True, eq=False)
class Resting:
    """A client order in the book. It is told from others by being itself."""

    order: Order
    ticks: int
    steps: int
    """What is left of it."""
    ahead: int
    """Makers' quantity that stood at this price before it came."""
    rank: tuple[int, int]
    """Best price first, then earliest."""


@dataclass(frozen=True, slots=True)
class Fill:
    ticks: int
    steps: int
    maker: Resting | None
    """None: a maker of the market's own."""


class Stop(Enum):
    """Why a plan ends before the wanted quantity is reached."""

    NONE = "none"
    EMPTY = "empty"
    LIMIT = "limit"
    OWN_ORDER = "own_order"


@dataclass(slots=True)
class Plan:
    """What a taker would get, in order."""

    fills: list[Fill] = field(default_factory=list)
    steps: int = 0
    expired: list[Resting] = field(default_factory=list)
    """Own resting orders in the way that self-trade prevention ends."""
    stop: Stop = Stop.NONE

    def cost_ticks(self) -> int:
        """Σ ticks × steps."""
        return sum(fill.ticks * fill.steps for fill in self.fills)


class OrderBook:
    def __init__(
        self,
        instrument: Instrument,
        ladder: Ladder,
        reducible: Callable[[Order], int],
    ) -> None:
        """`reducible(order)`: the steps by which a reduce-only order may still reduce."""
        self.instrument = instrument
        self.ladder = ladder
        self.bids: list[Resting] = []
        self.asks: list[Resting] = []
        self._places: dict[int, Resting] = {}
        self._arrivals = 0
        self._reducible = reducible

    def __bool__(self) -> bool:
        """Whether any client order rests here."""
        return bool(self._places)

    def side(self, side: Side) -> list[Resting]:
        return self.bids if side is Side.BUY else self.asks

    def rest(self, order: Order, now_ms: int) -> None:
        """Put what is left of a limit order at the end of the queue at its price."""
        side = order.request.side
        assert order.request.price is not None
        ticks = int(order.request.price / self.instrument.price_unit)
        self._arrivals += 1
        place = Resting(
            order=order,
            ticks=ticks,
            steps=int(order.leaves_qty / self.instrument.qty_step),
            ahead=self.ladder.size_at(side, ticks, now_ms),
            rank=(-ticks if side is Side.BUY else ticks, self._arrivals),
        )
        insort(self.side(side), place, key=lambda other: other.rank)
        self._places[order.order_id] = place

    def remove(self, order_id: int) -> None:
        """Take an order out of the book, if it is there."""
        place = self._places.pop(order_id, None)
        if place is not None:
            self.side(place.order.request.side).remove(place)

    def regrid(self, instrument: Instrument, factor: int) -> None:
        """Count in price units `factor` times as fine; every order keeps its price and place."""
        self.instrument = instrument
        for place in self._places.values():
            place.ticks *= factor
            place.rank = (place.rank[0] * factor, place.rank[1])

    def place_of(self, order_id: int) -> Resting | None:
        return self._places.get(order_id)

    def makers(self, side: Side, now_ms: int) -> Iterator[tuple[int, int]]:
        """The ladder's levels that do not cross a client order."""
        against = self.side(side.opposite)
        if not against:
            yield from self.ladder.levels(side, now_ms)
            return
        wall = against[0].ticks
        for ticks, steps in self.ladder.levels(side, now_ms):
            if (ticks < wall) if side is Side.BUY else (ticks > wall):
                yield ticks, steps

    def levels(self, side: Side, now_ms: int) -> Iterator[tuple[int, int]]:
        """(ticks, steps) best first: makers and client orders together."""
        if not self.side(side):
            yield from self.makers(side, now_ms)  # each price once, in order
            return
        clients = ((place.ticks, place.steps) for place in self.side(side))
        best_first = heapq.merge(
            self.makers(side, now_ms), clients, key=lambda level: -side.sign * level[0]
        )
        for ticks, group in groupby(best_first, key=lambda level: level[0]):
            yield ticks, sum(steps for _, steps in group)

    def best(self, side: Side, now_ms: int) -> int | None:
        """The best price on this side, in ticks."""
        level = next(self.makers(side, now_ms), None)
        clients = self.side(side)
        if not clients:
            return None if level is None else level[0]
        if level is None or _better(side, clients[0].ticks, level[0]):
            return clients[0].ticks
        return level[0]

    def top(self, side: Side, now_ms: int) -> tuple[int, int] | None:
        """(ticks, steps) of the best level, makers and client orders together."""
        level = next(self.makers(side, now_ms), None)
        clients = self.side(side)
        if not clients or (level is not None and _better(side, level[0], clients[0].ticks)):
            return level
        ticks = clients[0].ticks
        steps = sum(p.steps for p in takewhile(lambda place: place.ticks == ticks, clients))
        return ticks, steps + (level[1] if level is not None and level[0] == ticks else 0)

    def would_take(self, side: Side, ticks: int, now_ms: int) -> bool:
        """Whether an order on `side` at this price meets the other side."""
        best = self.best(side.opposite, now_ms)
        if best is None:
            return False
        return best <= ticks if side is Side.BUY else best >= ticks

    def plan(
        self,
        *,
        side: Side,
        steps: int,
        limit_ticks: int | None,
        account: str,
        stp: StpMode,
        now_ms: int,
    ) -> Plan:
        """What a taker on `side` gets for `steps`, no price worse than `limit_ticks`."""
        plan = Plan()
        against = side.opposite
        limit = limit_ticks if limit_ticks is not None else side.sign * _NO_LIMIT
        clients = self.side(against)
        levels = self.makers(against, now_ms)
        level = next(levels, None)
        index = 0
        reduced: dict[tuple[str, Side], int] = {}
        while plan.steps < steps:
            at_client = index < len(clients) and (
                level is None or not _better(against, level[0], clients[index].ticks)
            )
            if not at_client and level is None:
                plan.stop = Stop.EMPTY
                return plan
            ticks = clients[index].ticks if at_client else _ticks(level)
            if (ticks > limit) if side is Side.BUY else (ticks < limit):
                plan.stop = Stop.LIMIT
                return plan
            quoted = level[1] if level is not None and level[0] == ticks else 0
            taken = 0  # of what the makers quote here
            while index < len(clients) and clients[index].ticks == ticks and plan.steps < steps:
                maker = clients[index]
                front = min(maker.ahead, quoted) - taken
                if front > 0:
                    taken += _add(plan, ticks, min(front, steps - plan.steps), None)
                    if plan.steps == steps:
                        return plan
                if maker.order.account == account and stp is not StpMode.NONE:
                    if stp is not StpMode.EXPIRE_TAKER:
                        plan.expired.append(maker)
                        index += 1
                    if stp is not StpMode.EXPIRE_MAKER:
                        plan.stop = Stop.OWN_ORDER
                        return plan
                    continue
                size = min(maker.steps, steps - plan.steps)
                key = (maker.order.account, against)
                if maker.order.request.reduce_only:
                    size = min(size, self._reducible(maker.order) - reduced.get(key, 0))
                if size > 0:
                    _add(plan, ticks, size, maker)
                    if maker.order.account != account:  # a trade with oneself moves no position
                        reduced[key] = reduced.get(key, 0) + size
                index += 1
            rest = min(quoted - taken, steps - plan.steps)
            if rest > 0:
                _add(plan, ticks, rest, None)
            if quoted:
                level = next(levels, None)
        return plan

    def took_from_makers(self, side: Side, ticks: int, steps: int) -> None:
        """Move the client orders at this price up in the queue behind the makers."""
        for place in self.side(side):
            if _better(side, ticks, place.ticks):
                return
            if place.ticks == ticks:
                place.ahead = max(0, place.ahead - steps)

    def state(self) -> tuple[object, ...]:
        """For the digest."""
        return tuple(
            (place.order.order_id, place.ticks, place.steps, place.ahead, place.rank)
            for place in (*self.bids, *self.asks)
        )


def _better(side: Side, ticks: int, than: int) -> bool:
    return ticks > than if side is Side.BUY else ticks < than


def _ticks(level: tuple[int, int] | None) -> int:
    assert level is not None
    return level[0]


def _add(plan: Plan, ticks: int, steps: int, maker: Resting | None) -> int:
    plan.fills.append(Fill(ticks, steps, maker))
    plan.steps += steps
    return steps
