"""Reads what a client asks for: new orders, checked as the venue does before it looks at accounts.

REST and the WebSocket share this: `stream_params.py` turns the latter's fields into these names.
Source: Kraken docs, Add Order, Add Order Batch; support article "API error messages".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from outlast.mock.engine.model import NewOrder, OrderType, Side, StpMode, TimeInForce
from outlast.mock.engine.views import BookSnapshot
from outlast.mock.venues.kraken_spot.errors import (
    INVALID_ORDER,
    NO_POSITION,
    UNKNOWN_PAIR,
    VenueRefusal,
    invalid,
)
from outlast.mock.venues.kraken_spot.figures import fixed, places
from outlast.mock.venues.kraken_spot.order_log import Particulars
from outlast.mock.venues.kraken_spot.params import Params
from outlast.mock.venues.kraken_spot.symbols import Listing, Pair

__all__ = ["OrderReader", "Ticket", "client_id", "description", "user_reference"]

_TYPES: Final[Mapping[str, OrderType]] = {
    "limit": OrderType.LIMIT,
    "iceberg": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop-loss": OrderType.STOP_MARKET,
    "stop-loss-limit": OrderType.STOP_LIMIT,
    "take-profit": OrderType.TAKE_PROFIT_MARKET,
    "take-profit-limit": OrderType.TAKE_PROFIT_LIMIT,
    "trailing-stop": OrderType.TRAILING_STOP_MARKET,
}
_TIMES: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
}
_STP: Final = {
    "cancel-newest": StpMode.EXPIRE_TAKER,
    "cancel-oldest": StpMode.EXPIRE_MAKER,
    "cancel-both": StpMode.EXPIRE_BOTH,
}
_FLAGS: Final = ("post", "fcib", "fciq", "viqc", "nompp")
_ICEBERG_PARTS: Final = 15
"""An iceberg shows at least one fifteenth of itself. Source: Kraken docs, Add Order, displayvol."""
_LONG_UUID: Final = re.compile(
    r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}\Z"
)
_SHORT_UUID: Final = re.compile(r"[0-9A-Fa-f]{32}\Z")
_FREE_TEXT: Final = re.compile(r"[\x20-\x7e]{1,18}\Z")
_OFFSET: Final = re.compile(r"([+-]?)([0-9]{1,12}(?:\.[0-9]{0,10})?)(%?)\Z")
_INT32: Final = 2**31


@dataclass(frozen=True, slots=True)
class Ticket:
    """One new order, understood."""

    pair: Pair
    request: NewOrder
    particulars: Particulars


@dataclass(frozen=True, slots=True)
class OrderReader:
    """What reading an order needs to know of the venue."""

    listing: Listing
    book: Callable[[str, int], BookSnapshot]
    last_price: Callable[[str], Decimal]
    now_ms: int

    def pair(self, params: Params) -> Pair:
        """The pair that `pair` names."""
        pair = self.listing.find(params.need("pair"))
        if pair is None:
            raise VenueRefusal(UNKNOWN_PAIR)
        return pair

    def order(self, params: Params) -> Ticket:
        """Read one order of AddOrder, AddOrderBatch or EditOrder."""
        pair = self.pair(params)
        word = params.choice("ordertype", (*_TYPES, "trailing-stop-limit", "settle-position"))
        if word is None:
            raise invalid("ordertype")
        kind = _TYPES.get(word)
        if kind is None:
            # Needs a margin position, or a trigger that this engine does not have.
            raise invalid("ordertype")
        side = _side(params)
        flags = _flags(params)
        _no_margin(params)
        limited = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
        post_only = "post" in flags
        if post_only and not limited:
            raise invalid("oflags")
        time_in_force = _time_in_force(params, kind, post_only=post_only)
        price, stop, rate = self._prices(params, pair, side, kind)
        reference = params.choice("stptype", tuple(_STP)) or "cancel-newest"
        qty, in_quote = self._qty(params, pair, side, kind, flags)
        expires_ms = params.instant("expiretm", self.now_ms)
        if expires_ms is not None and expires_ms <= self.now_ms:
            raise invalid("expiretm")
        if time_in_force is TimeInForce.GTD and expires_ms is None:
            raise invalid("expiretm")
        if expires_ms is not None and time_in_force is TimeInForce.GTC:
            time_in_force = TimeInForce.GTD
        base_fee = "fcib" in flags
        display = _display(params, word, qty)
        return Ticket(
            pair,
            NewOrder(
                symbol=pair.symbol,
                side=side,
                type=kind,
                qty=qty,
                price=price,
                stop_price=stop,
                trailing_rate=rate,
                time_in_force=time_in_force,
                post_only=post_only,
                client_order_id=client_id(params) or "",
                expires_ms=expires_ms if time_in_force is TimeInForce.GTD else None,
                stp=_STP[reference],
                fee_asset=pair.base.name if base_fee else pair.quote.name,
                ends_if_taking=True,
            ),
            Particulars(
                ordertype=word,
                userref=user_reference(params) or 0,
                cl_ord_id=client_id(params) or "",
                price=_price_word(params, pair, kind, price, stop, rate),
                price2=fixed(price, pair.price_decimals)
                if price is not None and stop is not None
                else "0",
                oflags=_shown_flags(flags),
                trigger=_trigger(params),
                display_qty=display,
                starts_ms=params.instant("starttm", self.now_ms),
                expires_ms=expires_ms,
                volume_in_quote=in_quote,
            ),
        )

    def _prices(
        self, params: Params, pair: Pair, side: Side, kind: OrderType
    ) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
        """Limit price, trigger price and trailing share."""
        match kind:
            case OrderType.MARKET:
                return None, None, None
            case OrderType.LIMIT:
                return self._price(params, "price", pair, side), None, None
            case OrderType.TRAILING_STOP_MARKET:
                return None, None, self._trail(params, pair)
            case OrderType.STOP_MARKET | OrderType.TAKE_PROFIT_MARKET:
                return None, self._price(params, "price", pair, side), None
        stop = self._price(params, "price", pair, side)
        return self._price(params, "price2", pair, side, base=stop), stop, None

    def _price(
        self, params: Params, name: str, pair: Pair, side: Side, *, base: Decimal | None = None
    ) -> Decimal:
        """A price: plain, or an offset (`+5`, `-1.5%`, `#5`) from the last trade or `base`."""
        text = params.need(name)
        base = self.last_price(pair.symbol) if base is None else base
        signless = text.removeprefix("#")
        found = _OFFSET.match(signless)
        if found is None:
            raise VenueRefusal(f"EGeneral:Invalid arguments:{name}")
        sign, digits, percent = found.groups()
        if text == digits:
            return _checked_price(Decimal(digits), pair)
        if not (sign or percent or text.startswith("#")):
            raise VenueRefusal(f"EGeneral:Invalid arguments:{name}")
        offset = Decimal(digits) * (base / 100 if percent else 1)
        if sign == "-" or (text.startswith("#") and side is Side.SELL and not sign):
            offset = -offset
        price = (base + offset) // pair.instrument.tick * pair.instrument.tick
        if price <= 0:
            raise VenueRefusal("EOrder:Invalid price")
        return price

    def _trail(self, params: Params, pair: Pair) -> Decimal:
        """A trailing offset as a share of the price: `+1.5%`, or `+50` of the quote currency."""
        found = _OFFSET.match(params.need("price"))
        if found is None or found[1] == "-":
            raise VenueRefusal("EGeneral:Invalid arguments:price")
        share = Decimal(found[2]) / (100 if found[3] else self.last_price(pair.symbol))
        if not 0 < share < 1:
            raise VenueRefusal("EOrder:Invalid price")
        return share

    def _qty(
        self, params: Params, pair: Pair, side: Side, kind: OrderType, flags: tuple[str, ...]
    ) -> tuple[Decimal, Decimal | None]:
        params.need("volume")
        volume = params.decimal("volume")
        assert volume is not None
        if "viqc" not in flags:
            if places(volume) > pair.lot_decimals:
                raise VenueRefusal(
                    "EGeneral:Invalid arguments:volume can only be specified up to "
                    f"{pair.lot_decimals} decimals"
                )
            return volume, None
        # Volume in quote currency is for market buys. Source: Kraken docs, Add Order, oflags.
        if kind is not OrderType.MARKET or side is not Side.BUY:
            raise invalid("viqc")
        return self._for_money(pair, volume), volume

    def _for_money(self, pair: Pair, money: Decimal) -> Decimal:
        """How much of the base `money` buys from the book of now."""
        left, qty = money, Decimal(0)
        for level in self.book(pair.symbol, 500).asks:
            taken = min(level.qty, left / level.price)
            qty += taken
            left -= taken * level.price
            if left <= 0:
                break
        step = pair.instrument.qty_step
        return (qty / step).to_integral_value(ROUND_FLOOR) * step


def description(ticket: Ticket) -> str:
    """The sentence in `descr.order`: `buy 1.25000000 XBTUSD @ limit 27500.0`."""
    request, detail = ticket.request, ticket.particulars
    return order_sentence(ticket.pair, request, detail)


def order_sentence(pair: Pair, request: NewOrder, detail: Particulars) -> str:
    words = detail.ordertype.removesuffix("-limit").replace("-", " ")
    text = f"{request.side.value} {fixed(request.qty, pair.lot_decimals)} {pair.altname} @ {words}"
    if request.type is OrderType.MARKET:
        return text
    text += f" {detail.price}"
    return f"{text} -> limit {detail.price2}" if detail.price2 != "0" else text


def client_id(params: Params) -> str | None:
    """`cl_ord_id`: a UUID, 32 hex digits, or up to 18 printable characters.

    Source: Kraken docs, guide "Client order identifiers".
    """
    text = params.text("cl_ord_id")
    if text is None:
        return None
    if not (_LONG_UUID.match(text) or _SHORT_UUID.match(text) or _FREE_TEXT.match(text)):
        raise invalid("cl_ord_id")
    if "userref" in params and params.text("userref") != "0":
        raise VenueRefusal("EGeneral:Invalid arguments:cl_ord_id and userref")
    return text


def user_reference(params: Params) -> int | None:
    """`userref`: a signed 32-bit number."""
    return params.whole("userref", least=-_INT32, most=_INT32 - 1)


def _side(params: Params) -> Side:
    word = params.choice("type", ("buy", "sell"))
    if word is None:
        raise invalid("type")
    return Side(word)


def _flags(params: Params) -> tuple[str, ...]:
    flags = tuple(params.words("oflags"))
    if any(flag not in _FLAGS for flag in flags) or ("fcib" in flags and "fciq" in flags):
        raise invalid("oflags")
    return flags


def _shown_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    """The flags as the venue keeps them; the fee is taken in the quote unless asked otherwise."""
    kept = [flag for flag in ("post", "viqc") if flag in flags]
    return ("fcib" if "fcib" in flags else "fciq", *kept)


def _no_margin(params: Params) -> None:
    """The mock's accounts may not trade on margin."""
    leverage = params.text("leverage")
    if leverage is not None and leverage.lower() not in ("none", "0", "1", "1:1"):
        if not re.match(r"[0-9]{1,2}(:1)?\Z", leverage):
            raise invalid("leverage")
        raise VenueRefusal("EOrder:Cannot open position")
    if params.flag("reduce_only"):
        raise VenueRefusal(NO_POSITION)
    if any(name in params for name in ("close[ordertype]", "close")):
        raise VenueRefusal(INVALID_ORDER)


def _time_in_force(params: Params, kind: OrderType, *, post_only: bool) -> TimeInForce:
    word = params.choice("timeinforce", tuple(_TIMES)) or "GTC"
    at_once = word in ("IOC", "FOK")
    if at_once and (post_only or kind.is_conditional):
        raise invalid("timeinforce")
    # A market order never rests: whatever it is told, it is worked at once.
    return TimeInForce.GTC if kind is OrderType.MARKET else _TIMES[word]


def _trigger(params: Params) -> str:
    word = params.choice("trigger", ("last", "index")) or "last"
    if word == "index":
        raise VenueRefusal("EGeneral:Invalid arguments:Index unavailable")
    return word


def _display(params: Params, word: str, qty: Decimal) -> Decimal | None:
    display = params.decimal("displayvol")
    if word != "iceberg":
        if display is not None:
            raise invalid("displayvol")
        return None
    if display is None or display * _ICEBERG_PARTS < qty or display > qty:
        raise invalid("displayvol")
    return display


def _price_word(
    params: Params,
    pair: Pair,
    kind: OrderType,
    price: Decimal | None,
    stop: Decimal | None,
    rate: Decimal | None,
) -> str:
    """`descr.price`."""
    if rate is not None:
        text = params.need("price")
        return f"+{rate * 100:.4f}%" if text.endswith("%") else f"+{text.lstrip('+')}"
    shown = stop if kind.is_conditional else price
    return "0" if shown is None else fixed(shown, pair.price_decimals)


def _checked_price(price: Decimal, pair: Pair) -> Decimal:
    if price <= 0:
        raise VenueRefusal("EGeneral:Invalid arguments:price")
    if places(price) > pair.price_decimals:
        raise VenueRefusal(
            f"EOrder:Invalid price:{pair.wsname} price can only be specified up to "
            f"{pair.price_decimals} decimals."
        )
    return price
