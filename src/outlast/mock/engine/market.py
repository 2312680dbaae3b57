"""One instrument's market: its path, the makers' ladder, the public tape and the four prices."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs, MarkPolicy
from outlast.mock.engine.ladder import Ladder
from outlast.mock.engine.model import Instrument, Side
from outlast.mock.engine.path import ONE, PRICE_UNITS, PricePath, nano
from outlast.mock.engine.views import PublicTrade

__all__ = ["Flow", "Market"]

_TAPE_KEPT: Final = 1000
"""What Binance's `GET /fapi/v1/trades` can show at most."""


class Flow(NamedTuple):
    """What other traders take in one step: `steps` at `ticks`, from the makers' `maker_side`."""

    maker_side: Side
    ticks: int
    steps: int


class _Print(NamedTuple):
    trade_id: int
    ticks: int
    steps: int
    taker_side: Side
    at_ms: int
    by_client: bool


class Market:
    """Moves by itself on a fixed grid; what clients do shows in the ladder and on the tape only."""

    def __init__(self, instrument: Instrument, *, seed: int) -> None:
        self.instrument = instrument
        self.path = PricePath(instrument, seed)
        self.ladder = Ladder(instrument, seed)
        self.knobs = MarketKnobs()
        self.update_id = 1
        self._flow = Random(  # noqa: S311
            f"{seed}/{instrument.product.value}/{instrument.symbol}/flow"
        )
        self._step = 0
        self._quoted = self.path.own
        self._last = _round(self._quoted)
        self._trades = 0
        self._tape: deque[_Print] = deque(maxlen=_TAPE_KEPT)
        self._mark_factor = ONE
        self._mark_frozen: int | None = None
        self._mark_cache: tuple[int, Decimal] = (0, Decimal(0))
        self.requote()

    # -- time -------------------------------------------------------------------------------

    def step(self, at_ms: int, *, live: bool, flowing: bool) -> Flow | None:
        """Move to the next point of the grid; return what other traders took, if they did.

        `live`: the makers follow the price; `flowing`: others trade. The draws are made in any
        case, so that a halt does not change what comes after it.
        """
        before = self.path.own
        self._step += 1
        self.path.step(at_ms)
        bits = self._flow.getrandbits(32)
        if not live:
            return None
        self.requote()
        if self._step & 63 == 0:
            self.ladder.forget(at_ms)
        if not flowing or bits & 7 > 4:  # somebody trades in five steps of eight
            return None
        with_move = bits >> 3 & 3 > 0  # and with the move three times out of four
        maker_side = Side.SELL if (self.path.own >= before) == with_move else Side.BUY
        ticks, size = self.ladder.untouched_best(maker_side)
        if not size:
            return None
        draw = bits >> 5 & 1023  # mostly small: the square of a uniform share of the touch
        steps = max(1, size * draw * draw >> 20)
        self.record(ticks, steps, maker_side.opposite, at_ms, by_client=False)
        return Flow(maker_side, ticks, steps)

    def set(self, knobs: MarketKnobs, now_ms: int) -> None:
        self.knobs = knobs
        self.path.set(knobs, now_ms)
        self.ladder.shape(knobs.spread_x, knobs.depth_bid_x, knobs.depth_ask_x)

    def requote(self) -> None:
        """Let the makers quote around the price of now."""
        self._quoted = self.path.own
        self.ladder.quote(self._quoted, self._step)
        self.update_id += 1

    def open(self) -> None:
        """Begin to be traded now: with nothing printed, the last price is where it is quoted."""
        self._last = _round(self._quoted)

    def regrid(self, instrument: Instrument, factor: int) -> None:
        """Take other price rules; prices are counted in units `factor` times as fine as before.

        No price changes by it: the makers go to the new tick when they quote next.
        """
        self.instrument = instrument
        self.path.regrid(factor)
        self.ladder.regrid(instrument, factor)
        self._quoted *= factor
        self._last *= factor
        if self._mark_frozen is not None:
            self._mark_frozen *= factor
        self._mark_cache = (0, Decimal(0))
        finer = [entry._replace(ticks=entry.ticks * factor) for entry in self._tape]
        self._tape = deque(finer, maxlen=_TAPE_KEPT)
        self.update_id += 1

    def set_mark(self, knobs: EngineKnobs) -> None:
        """Let the mark follow the index (with an offset), or hold it where it is."""
        if knobs.mark is MarkPolicy.LIVE:
            self._mark_frozen = None
            self._mark_factor = ONE + nano(knobs.mark_offset)
        elif self._mark_frozen is None:
            self._mark_frozen = self._mark_units()

    # -- tape -------------------------------------------------------------------------------

    def record(
        self, ticks: int, steps: int, taker_side: Side, at_ms: int, *, by_client: bool
    ) -> None:
        """Print a trade."""
        self._trades += 1
        self._last = ticks
        self._tape.append(_Print(self._trades, ticks, steps, taker_side, at_ms, by_client))

    def tape(self, limit: int) -> list[PublicTrade]:
        """The newest prints, oldest first."""
        newest = list(self._tape)[-limit:] if limit > 0 else []
        return [self._public(entry) for entry in newest]

    def newest_trade(self) -> PublicTrade:
        return self._public(self._tape[-1])

    # -- prices -----------------------------------------------------------------------------

    @property
    def last(self) -> Decimal:
        return self.instrument.price_unit * self._last

    @property
    def mid(self) -> Decimal:
        """The price around which the makers quote, traded or not."""
        return self.instrument.price_unit * _round(self._quoted)

    @property
    def peer(self) -> Decimal:
        return self.instrument.price_unit * _round(self.path.peer)

    @property
    def mark(self) -> Decimal:
        """The index (what the peers trade at), shifted or frozen by the scenario."""
        units = self._mark_units()
        if self._mark_cache[0] != units:
            self._mark_cache = (units, self.instrument.price_unit * _round(units))
        return self._mark_cache[1]

    def state(self) -> tuple[object, ...]:
        """For the digest."""
        return (
            (self.instrument.tick, self.instrument.unit, self.instrument.listed_ms),
            self.path.state(),
            self.ladder.state(),
            self._step,
            self._quoted,
            self._last,
            self._trades,
            self.update_id,
            self._mark_factor,
            self._mark_frozen,
            tuple(self._tape)[-50:],
        )

    def _mark_units(self) -> int:
        if self._mark_frozen is not None:
            return self._mark_frozen
        return self.path.peer * self._mark_factor // ONE

    def _public(self, entry: _Print) -> PublicTrade:
        return PublicTrade(
            trade_id=entry.trade_id,
            symbol=self.instrument.symbol,
            price=self.instrument.price_unit * entry.ticks,
            qty=self.instrument.qty_step * entry.steps,
            taker_side=entry.taker_side,
            at_ms=entry.at_ms,
            by_client=entry.by_client,
        )


def _round(units: int) -> int:
    """Thousandths to whole price units, at least one."""
    return max(1, (units + PRICE_UNITS // 2) // PRICE_UNITS)
