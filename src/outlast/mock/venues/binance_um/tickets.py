"""Reads what a client asks for: new orders and new conditional orders, checked as the venue does.

Everything that needs no account and no matching is decided here; the rest is the engine's.
Source: Binance USD-M futures docs, New Order, New Algo Order, Error Codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import (
    Instrument,
    NewOrder,
    OrderType,
    Side,
    StpMode,
    TimeInForce,
)
from outlast.mock.engine.views import BookSnapshot
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.figures import decimals
from outlast.mock.venues.binance_um.order_views import price_places
from outlast.mock.venues.binance_um.params import Params

__all__ = ["CONDITIONAL_TYPES", "OrderReader", "Ticket", "amendment", "side_of"]

CONDITIONAL_TYPES: Final[Mapping[str, OrderType]] = {
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP_MARKET,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT_MARKET,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP_MARKET,
}
_PLAIN_TYPES: Final[Mapping[str, OrderType]] = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
}
_TIMES_IN_FORCE: Final[Mapping[str, TimeInForce]] = {
    "GTC": TimeInForce.GTC,
    "GTX": TimeInForce.GTC,  # post-only
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
}
_STP_MODES: Final[Mapping[str, StpMode]] = {
    "NONE": StpMode.NONE,
    "EXPIRE_TAKER": StpMode.EXPIRE_TAKER,
    "EXPIRE_MAKER": StpMode.EXPIRE_MAKER,
    "EXPIRE_BOTH": StpMode.EXPIRE_BOTH,
}
_PRICE_MATCHES: Final[Mapping[str, tuple[bool, int]]] = {
    # the other side of the book?, which level of it
    "OPPONENT": (True, 1),
    "OPPONENT_5": (True, 5),
    "OPPONENT_10": (True, 10),
    "OPPONENT_20": (True, 20),
    "QUEUE": (False, 1),
    "QUEUE_5": (False, 5),
    "QUEUE_10": (False, 10),
    "QUEUE_20": (False, 20),
}
_GTD_AHEAD_MS: Final = 600_000
_GTD_MAX_MS: Final = 253_402_300_799_000
_CALLBACK_RATE_MIN: Final = Decimal("0.1")
_CALLBACK_RATE_MAX: Final = Decimal(10)


@dataclass(frozen=True, slots=True)
class Ticket:
    """One new order, understood."""

    request: NewOrder
    wants_result: bool = False
    """`newOrderRespType=RESULT`: wait for what became of it."""
    price_match: str = "NONE"


@dataclass(frozen=True, slots=True)
class OrderReader:
    """What reading an order needs to know of the venue."""

    instruments: Mapping[str, Instrument]
    book: Callable[[str, int], BookSnapshot]
    new_id: Callable[[], str]
    now_ms: int

    def order(self, params: Params) -> Ticket:
        """Read `POST order`, one entry of `batchOrders`, or `POST order/test`."""
        instrument = self.instrument(params)
        side = side_of(params)
        kind = self._type(params)
        _one_way(params)
        reduce_only = params.flag("reduceOnly") or False
        if params.flag("closePosition"):
            raise VenueRefusal(
                -4136, f"Target strategy invalid for orderType {kind.name},closePosition true"
            )
        time_in_force = self._time_in_force(params, required=kind is OrderType.LIMIT)
        qty = _qty(params, instrument)
        match = self._price_match(params, kind)
        price = self._price(params, instrument, side, kind, match)
        wants_result = _response_type(params)
        client_id = params.client_id("newClientOrderId")
        return Ticket(
            NewOrder(
                symbol=instrument.symbol,
                side=side,
                type=kind,
                qty=qty,
                price=price,
                time_in_force=_TIMES_IN_FORCE[time_in_force],
                post_only=time_in_force == "GTX",
                reduce_only=reduce_only,
                client_order_id=client_id or self.new_id(),
                expires_ms=self._expiry(params, time_in_force),
                stp=_stp(params),
            ),
            wants_result=wants_result,
            price_match=match,
        )

    def algo(self, params: Params) -> Ticket:
        """Read `POST algoOrder`."""
        if params.need("algoType") != "CONDITIONAL":
            raise VenueRefusal.invalid("algoType")
        instrument = self.instrument(params)
        side = side_of(params)
        kind = CONDITIONAL_TYPES.get(params.need("type"))
        if kind is None:
            raise VenueRefusal(-1116)
        _one_way(params)
        with_limit = kind in (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
        trailing = kind is OrderType.TRAILING_STOP_MARKET
        close, reduce_only, qty = self._closing(params, instrument, kind)
        time_in_force = self._time_in_force(params, required=False)
        if time_in_force == "GTX" and not with_limit:
            raise VenueRefusal(-1115)
        if with_limit and "price" not in params:
            raise VenueRefusal.mandatory("price")
        return Ticket(
            NewOrder(
                symbol=instrument.symbol,
                side=side,
                type=kind,
                qty=qty,
                price=_limit_price(params, instrument, "price") if with_limit else None,
                stop_price=_stop_price(params, instrument, trailing=trailing),
                time_in_force=_TIMES_IN_FORCE[time_in_force],
                post_only=time_in_force == "GTX",
                reduce_only=reduce_only,
                close_position=close,
                client_order_id=params.client_id("clientAlgoId") or self.new_id(),
                expires_ms=self._expiry(params, time_in_force),
                stp=_stp(params),
                trigger_on_mark=_works_on_mark(params),
                trailing_rate=_callback_rate(params) if trailing else None,
            )
        )

    def instrument(self, params: Params) -> Instrument:
        """Give the instrument that `symbol` names (-1102 missing, -1121 not listed)."""
        instrument = self.instruments.get(params.need("symbol"))
        if instrument is None:
            raise VenueRefusal(-1121)
        return instrument

    def _type(self, params: Params) -> OrderType:
        word = params.need("type")
        if word in CONDITIONAL_TYPES:
            raise VenueRefusal(-4120)
        kind = _PLAIN_TYPES.get(word)
        if kind is None:
            raise VenueRefusal(-1116)
        return kind

    def _time_in_force(self, params: Params, *, required: bool) -> str:
        word = params.text("timeInForce")
        if word is None:
            if required:
                raise VenueRefusal.mandatory("timeInForce")
            return "GTC"
        if word not in _TIMES_IN_FORCE:
            raise VenueRefusal(-1115)
        if params.text("type") == "MARKET":
            raise VenueRefusal.not_required("timeInForce")
        return word

    def _expiry(self, params: Params, time_in_force: str) -> int | None:
        instant = params.whole("goodTillDate")
        if time_in_force != "GTD":
            if instant:
                raise VenueRefusal.not_required("goodTillDate")
            return None
        if instant is None:
            raise VenueRefusal.mandatory("goodTillDate")
        if not self.now_ms + _GTD_AHEAD_MS < instant < _GTD_MAX_MS:
            raise VenueRefusal(-5040)
        return instant // 1000 * 1000  # the venue keeps whole seconds

    def _price_match(self, params: Params, kind: OrderType) -> str:
        word = params.text("priceMatch")
        if word is None or word == "NONE":
            return "NONE"
        if word not in _PRICE_MATCHES:
            raise VenueRefusal(-5037)
        if kind is not OrderType.LIMIT:
            raise VenueRefusal(-5038)
        if "price" in params:
            raise VenueRefusal.not_required("price")
        return word

    def _price(
        self, params: Params, instrument: Instrument, side: Side, kind: OrderType, match: str
    ) -> Decimal | None:
        if kind is OrderType.MARKET:
            if "price" in params:
                raise VenueRefusal.not_required("price")
            return None
        if match != "NONE":
            return self.matched_price(instrument.symbol, side, match)
        params.need("price")
        return _limit_price(params, instrument, "price")

    def matched_price(self, symbol: str, side: Side, match: str) -> Decimal:
        """Give the price that a `priceMatch` stands for now (-5041 when there is no such level)."""
        other, level = _PRICE_MATCHES[match]
        book = self.book(symbol, level)
        buys = (side is Side.BUY) is not other
        levels = book.bids if buys else book.asks
        if len(levels) < level:
            raise VenueRefusal(-5041)
        return levels[level - 1].price

    def _closing(
        self, params: Params, instrument: Instrument, kind: OrderType
    ) -> tuple[bool, bool, Decimal]:
        """Read closePosition, reduceOnly and quantity, which exclude each other in part."""
        close = params.flag("closePosition") or False
        reduce_only = params.flag("reduceOnly")
        if not close:
            return False, reduce_only or False, _qty(params, instrument)
        if kind not in (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET):
            word = params.need("type")
            raise VenueRefusal(
                -4136, f"Target strategy invalid for orderType {word},closePosition true"
            )
        qty = params.decimal("quantity")
        if qty:
            raise VenueRefusal(-4137)
        if reduce_only is False:
            raise VenueRefusal(-4138)
        return True, True, Decimal(0)


def amendment(params: Params, instrument: Instrument) -> tuple[Decimal, Decimal | None]:
    """Read quantity and price of `PUT order`; both are mandatory (price None: a priceMatch)."""
    qty = _qty(params, instrument)
    if params.text("priceMatch") not in (None, "NONE"):
        word = params.need("priceMatch")
        if word not in _PRICE_MATCHES:
            raise VenueRefusal(-5037)
        if "price" in params:
            raise VenueRefusal.not_required("price")
        return qty, None
    params.need("price")
    return qty, _limit_price(params, instrument, "price")


def side_of(params: Params) -> Side:
    match params.need("side"):
        case "BUY":
            return Side.BUY
        case "SELL":
            return Side.SELL
    raise VenueRefusal(-1117)


def _one_way(params: Params) -> None:
    """The mock's accounts are in one-way mode: `positionSide` is BOTH or left out."""
    side = params.text("positionSide")
    if side in (None, "BOTH"):
        return
    raise VenueRefusal(-4061 if side in ("LONG", "SHORT") else -4060)


def _qty(params: Params, instrument: Instrument) -> Decimal:
    params.need("quantity")
    qty = params.decimal("quantity")
    assert qty is not None
    if qty <= 0:
        raise VenueRefusal(-4003)
    if decimals(qty) > decimals(instrument.qty_step):
        raise VenueRefusal(-1111)
    return qty


def _limit_price(params: Params, instrument: Instrument, name: str) -> Decimal:
    price = params.decimal(name)
    assert price is not None
    if price <= 0:
        raise VenueRefusal(-4001)
    if decimals(price) > price_places(instrument):
        raise VenueRefusal(-1111)
    return price


def _stop_price(params: Params, instrument: Instrument, *, trailing: bool) -> Decimal | None:
    name = "activatePrice" if trailing else "triggerPrice"
    price = params.decimal(name)
    if price is None:
        if trailing:
            return None  # it trails from the price of the moment
        raise VenueRefusal.mandatory(name)
    if price <= 0:
        raise VenueRefusal(-4135 if trailing else -4006)
    if decimals(price) > price_places(instrument):
        raise VenueRefusal(-1111)
    if price % instrument.tick:
        raise VenueRefusal(-4014)
    return price


def _callback_rate(params: Params) -> Decimal:
    """Read `callbackRate`, in percent; 0.1 to 10."""
    params.need("callbackRate")
    rate = params.decimal("callbackRate")
    assert rate is not None
    if not _CALLBACK_RATE_MIN <= rate <= _CALLBACK_RATE_MAX:
        raise VenueRefusal.invalid("callbackRate")
    return rate / 100


def _works_on_mark(params: Params) -> bool:
    match params.text("workingType"):
        case None | "CONTRACT_PRICE":
            return False
        case "MARK_PRICE":
            return True
    raise VenueRefusal(-4031)


def _stp(params: Params) -> StpMode:
    word = params.text("selfTradePreventionMode")
    if word is None:
        return StpMode.EXPIRE_MAKER
    if word not in _STP_MODES:
        raise VenueRefusal(-5039)
    return _STP_MODES[word]


def _response_type(params: Params) -> bool:
    match params.text("newOrderRespType"):
        case None | "ACK":
            return False
        case "RESULT":
            return True
    raise VenueRefusal(-1136)
