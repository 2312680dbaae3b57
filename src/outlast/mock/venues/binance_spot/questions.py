"""One call on its way through the dialect."""

from __future__ import annotations

from dataclasses import dataclass

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import Instrument, NewOrder, Order, Rejected
from outlast.mock.venues.binance_spot.errors import Purpose, SpotRefusal, refusal_of
from outlast.mock.venues.binance_spot.params import SpotParams
from outlast.mock.venues.dialect import Call
from outlast.mock.view import VenueView

__all__ = ["Given", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, who asks, and the venue as it may be seen."""

    call: Call
    params: SpotParams
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
        return self.listed(self.params.symbol())

    def instruments(self) -> list[Instrument]:
        """Give those of `symbol` or `symbols` (not both: -1128), or all."""
        named = self.params.symbols()
        if "symbol" in self.params:
            if named is not None:
                raise SpotRefusal(-1128)
            return [self.instrument()]
        if named is not None:
            return [self.listed(symbol) for symbol in named]
        return list(self.engine.instruments.values())

    def listed(self, symbol: str) -> Instrument:
        instrument = self.engine.instruments.get(symbol)
        if instrument is None:
            raise SpotRefusal(-1121)
        return instrument

    def taken(self, result: Order | Rejected, request: NewOrder, purpose: Purpose) -> Order:
        """Give the order, or refuse in the venue's words when the engine said no."""
        if isinstance(result, Rejected):
            raise refusal_of(result, purpose=purpose, request=request)
        return result


@dataclass(frozen=True, slots=True)
class Given:
    """What a handler answers: a body for JSON, and what it lets the client know."""

    body: object
    order_ids: tuple[int, ...] = ()
    shown: tuple[int, ...] = ()
    told_absent: tuple[str, ...] = ()
    status: int = 200
    code: int | None = None
    """The error code of an answer that is half a success."""
