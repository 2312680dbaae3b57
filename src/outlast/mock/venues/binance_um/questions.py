"""One call on its way through the dialect, and what its handler gives back."""

from __future__ import annotations

from dataclasses import dataclass

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import Instrument, Order, Rejected
from outlast.mock.venues.binance_um.errors import Purpose, VenueRefusal, refusal_of
from outlast.mock.venues.binance_um.params import Params
from outlast.mock.venues.dialect import Call
from outlast.mock.view import VenueView

__all__ = ["Given", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """One call, who asks, and the venue as it may be seen."""

    call: Call
    params: Params
    account: str
    """The engine's name of the account; empty for public calls."""
    view: VenueView
    now_ms: int
    """The venue's clock as the venue shows it."""

    @property
    def engine(self) -> Engine:
        return self.view.engine

    def instrument(self) -> Instrument:
        """Give the instrument of the mandatory `symbol` (-1102 missing, -1121 not listed)."""
        return self.listed(self.params.need("symbol"))

    def instruments(self) -> list[Instrument]:
        """Give the instrument of an optional `symbol`, or all of them."""
        if "symbol" in self.params:
            return [self.instrument()]
        return list(self.engine.instruments.values())

    def listed(self, symbol: str) -> Instrument:
        instrument = self.engine.instruments.get(symbol)
        if instrument is None:
            raise VenueRefusal(-1121)
        return instrument

    def taken(self, result: Order | Rejected, instrument: Instrument, purpose: Purpose) -> Order:
        """Give the order, or refuse in the venue's words when the engine said no."""
        if isinstance(result, Rejected):
            mark = self.engine.mark_price(instrument.symbol)
            raise refusal_of(result, purpose=purpose, instrument=instrument, mark=mark)
        return result


@dataclass(frozen=True, slots=True)
class Given:
    """What a handler answers: a body for JSON, and what it lets the client know."""

    body: object
    order_ids: tuple[int, ...] = ()
    shown: tuple[int, ...] = ()
    told_absent: tuple[str, ...] = ()
