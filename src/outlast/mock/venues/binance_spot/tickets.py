"""Reads what a client asks for: new orders, checked as the venue does.

Everything that needs no account and no matching is decided here; the rest is the engine's.
Source: Binance spot API docs, rest-api.md (New order), filters.md, errors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import Instrument, NewOrder, OrderType, Side, StpMode, TimeInForce
from outlast.mock.engine.views import BookSnapshot
from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal
from outlast.mock.venues.binance_spot.order_views import STP_WORDS, Note
from outlast.mock.venues.binance_spot.params import SpotParams

__all__ = [
    "ASK_UP",
    "BID_DOWN",
    "NOTIONAL_MAX",
    "ORDER_TYPES",
    "STP_DEFAULT",
    "OrderReader",
    "Ticket",
]

ORDER_TYPES: Final[Mapping[str, OrderType]] = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP_MARKET,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_MARKET,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
STP_DEFAULT: Final = StpMode.EXPIRE_MAKER
BID_DOWN: Final = Decimal("0.2")
"""A buy below this share of the market's price is refused (PERCENT_PRICE_BY_SIDE)."""
ASK_UP: Final = Decimal(5)
"""A sale above this multiple of the market's price is refused."""
NOTIONAL_MAX: Final = Decimal(9_000_000)

_PRICED: Final = frozenset({"LIMIT", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_TIMED: Final = frozenset({"LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"})
_STOPPED: Final = frozenset({"STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"})
_TIMES_IN_FORCE: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
}
_STP_MODES: Final = {word: mode for mode, word in STP_WORDS.items()}
_RESPONSES: Final = ("ACK", "RESULT", "FULL")
_PEGS: Final = ("pegPriceType", "pegOffsetValue", "pegOffsetType")
_BOOK_DEPTH: Final = 5000


@dataclass(frozen=True, slots=True)
class Ticket:
    """One new order, understood."""

    request: NewOrder
    response: str
    """`ACK`, `RESULT` or `FULL`."""
    note: Note


@dataclass(frozen=True, slots=True)
class OrderReader:
    """What reading an order needs to know of the venue."""

    instruments: Mapping[str, Instrument]
    book: Callable[[str, int], BookSnapshot]
    price: Callable[[str], Decimal]
    """What the price filters refer to."""
    new_id: Callable[[], str]

    def order(self, params: SpotParams) -> Ticket:
        """Read `POST order`, `order/test`, or the new half of `cancelReplace`."""
        instrument = self._instrument(params)
        side = _side(params)
        word = params.need("type")
        if word not in ORDER_TYPES:
            raise SpotRefusal(-1116)
        _refuse_unlisted(params)
        _check_fields(params, word)
        price = params.amount("price") if word in _PRICED else None
        stop = params.amount("stopPrice") if word in _STOPPED else None
        quote_qty = params.amount("quoteOrderQty")
        qty = params.amount("quantity")
        if quote_qty is not None:
            qty = self._bought_for(quote_qty, side, instrument)
        assert qty is not None
        self._check_bounds(instrument, side, price, qty)
        request = NewOrder(
            symbol=instrument.symbol,
            side=side,
            type=ORDER_TYPES[word],
            qty=qty,
            price=price,
            stop_price=stop,
            time_in_force=_time_in_force(params, word),
            post_only=word == "LIMIT_MAKER",
            client_order_id=params.client_id("newClientOrderId") or self.new_id(),
            stp=_stp(params),
        )
        note = Note(quote_qty or Decimal(0), params.whole("strategyId"), _strategy_type(params))
        return Ticket(request, _response(params, word), note)

    def _instrument(self, params: SpotParams) -> Instrument:
        instrument = self.instruments.get(params.symbol())
        if instrument is None:
            raise SpotRefusal(-1121)
        return instrument

    def _bought_for(self, quote_qty: Decimal, side: Side, instrument: Instrument) -> Decimal:
        """The quantity that this much of the quote asset buys, or has to be sold for it."""
        if quote_qty < instrument.notional_min:
            raise SpotRefusal.filter("NOTIONAL")
        book = self.book(instrument.symbol, _BOOK_DEPTH)
        qty, left = Decimal(0), quote_qty
        for price, size in book.asks if side is Side.BUY else book.bids:
            taken = min(size, left / price)
            qty += taken
            left -= taken * price
            if left <= 0:
                break
        if not qty:
            raise SpotRefusal(-2010, "Order book liquidity is less than symbol minimum quantity.")
        qty -= qty % instrument.qty_step
        if qty < instrument.qty_min:
            raise SpotRefusal(
                -2010, "Order book liquidity is less than `LOT_SIZE` filter minimum quantity."
            )
        return qty

    def _check_bounds(
        self, instrument: Instrument, side: Side, price: Decimal | None, qty: Decimal
    ) -> None:
        """The outer ends of filters whose inner ends the engine knows."""
        if price is None or price < instrument.tick:
            return  # too low for PRICE_FILTER, which comes first
        reference = self.price(instrument.symbol)
        too_low = side is Side.BUY and price < reference * BID_DOWN
        if too_low or (side is Side.SELL and price > reference * ASK_UP):
            raise SpotRefusal.filter("PERCENT_PRICE_BY_SIDE")
        if price * qty > NOTIONAL_MAX:
            raise SpotRefusal.filter("NOTIONAL")


def _side(params: SpotParams) -> Side:
    match params.need("side"):
        case "BUY":
            return Side.BUY
        case "SELL":
            return Side.SELL
    raise SpotRefusal(-1117)


def _refuse_unlisted(params: SpotParams) -> None:
    """What no symbol of the mock allows, as its exchangeInfo says."""
    if "icebergQty" in params:
        raise SpotRefusal(-1013, "Iceberg orders are not supported for this symbol.")
    if "trailingDelta" in params:
        raise SpotRefusal(-1013, "Trailing stop orders are not supported for this symbol.")
    if any(name in params for name in _PEGS):
        raise SpotRefusal(-1014)


def _check_fields(params: SpotParams, word: str) -> None:
    """Each type has fields that it needs and fields that it must not have."""
    if word == "MARKET":
        if "quantity" in params and "quoteOrderQty" in params:
            raise SpotRefusal(-1128)
        if "quantity" not in params and "quoteOrderQty" not in params:
            raise VenueRefusal.one_of("quantity", "quoteOrderQty")
    else:
        params.need("quantity")
        if "quoteOrderQty" in params:
            raise VenueRefusal.not_required("quoteOrderQty")
    for name, needed in (
        ("price", word in _PRICED),
        ("timeInForce", word in _TIMED),
        ("stopPrice", word in _STOPPED),
    ):
        if needed:
            params.need(name)
        elif name in params:
            raise VenueRefusal.not_required(name)


def _time_in_force(params: SpotParams, word: str) -> TimeInForce:
    if word not in _TIMED:
        return TimeInForce.GTC
    given = params.need("timeInForce")
    if given not in _TIMES_IN_FORCE:
        raise SpotRefusal(-1115)
    return _TIMES_IN_FORCE[given]


def _stp(params: SpotParams) -> StpMode:
    word = params.text("selfTradePreventionMode")
    if word is None:
        return STP_DEFAULT
    if word not in _STP_MODES:
        raise SpotRefusal(
            -1013, "This symbol does not allow the specified self-trade prevention mode."
        )
    return _STP_MODES[word]


def _strategy_type(params: SpotParams) -> int | None:
    value = params.whole("strategyType")
    if value is not None and value < 1_000_000:
        raise SpotRefusal(-1134)
    return value


def _response(params: SpotParams, word: str) -> str:
    """FULL for market and limit orders, ACK for the others, unless the client says."""
    given = params.text("newOrderRespType")
    if given is None:
        return "FULL" if word in ("MARKET", "LIMIT") else "ACK"
    if given not in _RESPONSES:
        raise VenueRefusal.invalid("newOrderRespType")
    return given
