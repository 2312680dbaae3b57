"""The makers' quotes on one instrument, made only when somebody looks.

Levels stand on a fixed price grid, so that the book moves by whole levels and a price keeps its
level while the market breathes. A level's size is a function of (seed, price, slow time). What a
client took is missing at that price until the makers come back, some seconds later.

Prices are integers in price units (ticks, until the tick is changed), quantities integers in
quantity steps; sides are those of the makers (`Side.BUY`: the bids).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from outlast.mock.engine.draws import key_of, mix
from outlast.mock.engine.model import Instrument, Side
from outlast.mock.engine.path import ONE, PRICE_UNITS, nano

__all__ = ["Ladder"]

_GRID_OF_MID: Final = 20_000
"""Quiet levels are half a basis point of the starting price apart, and at least one tick."""
_REQUOTE_BITS: Final = 5
"""A level keeps its size for 2⁵ steps of 250 ms = 8 s; the levels change at different times."""
_REFILL_MIN_MS: Final = 1_500
_REFILL_SPAN_MS: Final = 4_500
"""Makers return to a price 1.5 to 6 s after they were taken there."""
_PRICES_KEPT: Final = 4096
_SCATTER: Final = 0x9E3779B97F4A7C15


class Ladder:
    """`depth_levels` quotes a side around the price given to `quote`."""

    def __init__(self, instrument: Instrument, seed: int) -> None:
        self._key = key_of(seed, instrument.product.value, instrument.symbol, "ladder")
        self._levels = instrument.depth_levels
        self._instrument = instrument
        unit = instrument.price_unit
        self._notional = int(instrument.level_notional / (unit * instrument.qty_step))
        self._finer = 1  # price units now for each at the start
        self._depth = {Side.BUY: ONE, Side.SELL: ONE}
        self._taken: dict[Side, dict[int, list[tuple[int, int]]]] = {Side.BUY: {}, Side.SELL: {}}
        self._places: dict[int, int] = {}
        self._jitters: dict[int, tuple[int, int]] = {}
        """By price: the slow time that it holds for, and the jitter."""
        self._step = 0
        self._spread_x = Decimal(1)
        self.best_bid = self.best_ask = 0
        self.grid = self._next_grid = 1
        self.shape(Decimal(1), Decimal(1), Decimal(1))

    def shape(self, spread_x: Decimal, depth_bid_x: Decimal, depth_ask_x: Decimal) -> None:
        """Set how far apart and how big the quotes are, from the next `quote` on."""
        self._spread_x = spread_x
        self._next_grid = self._grid_for(spread_x)
        self._depth = {Side.BUY: nano(depth_bid_x), Side.SELL: nano(depth_ask_x)}

    def regrid(self, instrument: Instrument, factor: int) -> None:
        """Count in price units `factor` times as fine; what stands keeps its prices and sizes.

        Quotes stand on the new tick from the next `quote` on.
        """
        self._instrument = instrument
        self._notional *= factor
        self._finer *= factor
        self._places.clear()
        self._jitters.clear()
        self.best_bid *= factor
        self.best_ask *= factor
        self.grid *= factor
        self._next_grid = self._grid_for(self._spread_x)
        self._taken = {
            side: {ticks * factor: entries for ticks, entries in taken.items()}
            for side, taken in self._taken.items()
        }

    def _grid_for(self, spread_x: Decimal) -> int:
        """The distance of two levels, in price units: whole ticks."""
        tick, mid = self._instrument.tick, self._instrument.mid
        quiet = max(int(mid / tick), _GRID_OF_MID)  # at least one tick, and that grows as well
        ticks = max(1, quiet * nano(spread_x) // (_GRID_OF_MID * ONE))
        return ticks * int(tick / self._instrument.price_unit)

    def quote(self, mid: int, step: int) -> None:
        """Quote around `mid` (price units): the touch is one to two grid distances wide."""
        self.grid = self._next_grid
        distance = self.grid * PRICE_UNITS
        self.best_bid = (mid - distance // 2) // distance * self.grid
        self.best_ask = -((-mid - distance // 2) // distance) * self.grid
        self._step = step

    def levels(self, side: Side, now_ms: int) -> Iterator[tuple[int, int]]:
        """(ticks, steps) best first; prices without quantity are left out."""
        ticks = self.best_bid if side is Side.BUY else self.best_ask
        stride = -self.grid if side is Side.BUY else self.grid
        taken = self._taken[side]
        for index in range(self._levels):
            if ticks <= 0:
                return
            size = self._size(side, ticks, index)
            if ticks in taken:
                size -= self._missing(side, ticks, now_ms)
            if size > 0:
                yield ticks, size
            ticks += stride

    def size_at(self, side: Side, ticks: int, now_ms: int) -> int:
        """What the makers have at exactly this price."""
        away = self.best_bid - ticks if side is Side.BUY else ticks - self.best_ask
        index, off_grid = divmod(away, self.grid)
        if off_grid or ticks <= 0 or not 0 <= index < self._levels:
            return 0
        return max(0, self._size(side, ticks, index) - self._missing(side, ticks, now_ms))

    def untouched_best(self, side: Side) -> tuple[int, int]:
        """The touch as if no client had ever taken from it; (0, 0) when there is none."""
        ticks = self.best_bid if side is Side.BUY else self.best_ask
        return (ticks, self._size(side, ticks, 0)) if ticks > 0 else (0, 0)

    def take(self, side: Side, ticks: int, steps: int, now_ms: int) -> None:
        """Remember that clients took `steps` here; the makers come back some seconds later."""
        chance = mix(self._key ^ ticks * _SCATTER ^ now_ms)
        back_ms = now_ms + _REFILL_MIN_MS + chance % _REFILL_SPAN_MS
        self._taken[side].setdefault(ticks, []).append((steps, back_ms))

    def forget(self, now_ms: int) -> None:
        """Drop what has been refilled."""
        for taken in self._taken.values():
            for ticks in list(taken):
                taken[ticks] = [entry for entry in taken[ticks] if entry[1] > now_ms]
                if not taken[ticks]:
                    del taken[ticks]

    def absent(self, now_ms: int) -> int:
        """How much of what clients took has not come back yet; while nobody takes, it shrinks."""
        return sum(
            steps
            for taken in self._taken.values()
            for entries in taken.values()
            for steps, back_ms in entries
            if back_ms > now_ms
        )

    def state(self) -> tuple[object, ...]:
        """What is not a function of the path, for the digest."""
        return (
            self.best_bid,
            self.best_ask,
            self._step,
            *(tuple(sorted((t, tuple(e)) for t, e in s.items())) for s in self._taken.values()),
        )

    def _size(self, side: Side, ticks: int, index: int) -> int:
        """About `level_notional`, a quarter more at the far end; give or take a half."""
        place = self._places.get(ticks)
        if place is None:
            place = self._scattered(ticks)
        slow = self._step + (place & 31) >> _REQUOTE_BITS
        known = self._jitters.get(ticks)
        if known is None or known[0] != slow:
            known = self._jitters[ticks] = (slow, 512 + (mix(place + slow) & 1023))
        jitter = known[1]
        growth = 4 * self._levels + index
        scale = 4 * self._levels * 1024 * ONE * ticks
        return self._notional * self._depth[side] * growth * jitter // scale

    def _scattered(self, ticks: int) -> int:
        """The number that a price's sizes follow from; kept, because it is asked four times a
        second."""
        if len(self._places) >= _PRICES_KEPT:
            self._places.clear()
            self._jitters.clear()
        place = self._places[ticks] = mix(self._key ^ self._place(ticks) * _SCATTER)
        return place

    def _place(self, ticks: int) -> int:
        """A number for each price; one that was on the first grid keeps its own."""
        if self._finer == 1:
            return ticks
        whole, rest = divmod(ticks, self._finer)
        return -ticks if rest else whole

    def _missing(self, side: Side, ticks: int, now_ms: int) -> int:
        return sum(steps for steps, back_ms in self._taken[side].get(ticks, ()) if back_ms > now_ms)
