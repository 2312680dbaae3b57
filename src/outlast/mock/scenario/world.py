"""Reading `world`: instruments, the account and the peers."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import OrderType, Product, Side
from outlast.mock.scenario.defaults import (
    default_account,
    default_instruments,
    default_peers,
    split_symbol,
    to_instrument,
)
from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.model import (
    AccountSpec,
    InstrumentSpec,
    OpenOrderSpec,
    PositionSpec,
    World,
)
from outlast.mock.scenario.reading import (
    Place,
    Reader,
    each,
    flag,
    money,
    money_in,
    one_of,
    suggest,
    suggest_symbol,
    text,
    whole,
)
from outlast.mock.scenario.vocabulary import (
    ORDER_TYPE_NAMES,
    PRODUCT_OF_VENUE,
    VENUES,
    order_type_named,
)

__all__ = ["read_world"]

_positive: Final = money_in(above=Decimal(0))
_at_least_zero: Final = money_in(least=Decimal(0))

INSTRUMENT_KEYS: Final = (
    "product",
    "venue",
    "base",
    "quote",
    "mid",
    "tick",
    "depth_levels",
    "vol_bps_per_min",
    "qty_step",
    "qty_min",
    "qty_max",
    "market_qty_max",
    "notional_min",
    "maker_fee",
    "taker_fee",
    "leverage",
    "level_notional",
)


def read_world(venues: tuple[str, ...]) -> Reader[World]:
    """The reader of `world`; what it leaves out is filled from `defaults.py`."""

    def read(place: Place) -> World:
        fields = place.fields(("instruments", "account", "peers"))
        instruments = fields.get("instruments", _instruments(venues), None)
        if instruments is None:
            instruments = default_instruments(venues)
        return World(
            instruments=instruments,
            account=fields.get("account", _account(instruments, venues), default_account(venues)),
            peers=fields.get("peers", each(one_of(VENUES)), default_peers(venues)),
        )

    return read


def _instruments(venues: tuple[str, ...]) -> Reader[dict[str, InstrumentSpec]]:
    def read(place: Place) -> dict[str, InstrumentSpec]:
        instruments = {}
        for symbol, at in place.entries():
            try:
                instruments[symbol] = _instrument(symbol, at, venues)
            except ScenarioError as error:
                at.sheet.note(error)
        if not instruments and not place.sheet.problems:
            raise place.error("no instrument", "declare one, or leave `instruments` out")
        return instruments

    return read


def _instrument(symbol: str, place: Place, venues: tuple[str, ...]) -> InstrumentSpec:
    fields = place.fields(INSTRUMENT_KEYS)
    split = split_symbol(symbol)
    if split is None and not ("base" in fields and "quote" in fields):
        raise place.error(
            f"base and quote of {symbol} cannot be told apart", "add `base` and `quote`"
        )
    base, quote = split or ("", "")
    products = {PRODUCT_OF_VENUE[venue].value: PRODUCT_OF_VENUE[venue] for venue in venues}
    only = next(iter(products)) if len(products) == 1 else None
    if only is None and "product" not in fields:
        fields.note("`product` is missing", f"add one of {', '.join(products)}")
    remedy = "add it, such as `{mid: 68000, tick: 0.1}`"
    spec = InstrumentSpec(
        symbol=symbol,
        product=products[
            fields.get("product", one_of(tuple(products)), only or next(iter(products)))
        ],
        base=fields.get("base", text, base),
        quote=fields.get("quote", text, quote),
        mid=fields.need("mid", _positive, Decimal(1), remedy=remedy),
        tick=fields.need("tick", _positive, Decimal(1), remedy=remedy),
        venue=fields.get("venue", one_of(venues), None),
        depth_levels=fields.get("depth_levels", whole(least=1, most=5000), 50),
        vol_bps_per_min=fields.get("vol_bps_per_min", _at_least_zero, Decimal(5)),
        qty_step=fields.get("qty_step", _positive, None),
        qty_min=fields.get("qty_min", _positive, None),
        qty_max=fields.get("qty_max", _positive, None),
        market_qty_max=fields.get("market_qty_max", _positive, None),
        notional_min=fields.get("notional_min", _at_least_zero, None),
        maker_fee=fields.get("maker_fee", money, None),
        taker_fee=fields.get("taker_fee", money, None),
        leverage=fields.get("leverage", whole(least=1, most=125), None),
        level_notional=fields.get("level_notional", _positive, None),
    )
    if spec.venue is not None and PRODUCT_OF_VENUE[spec.venue] is not spec.product:
        fields.note(f"{spec.venue} has no {spec.product.value}", "fix one of the two", key="venue")
    if spec.mid < spec.tick and "mid" in fields and "tick" in fields:
        fields.note(f"the tick is larger than the mid {spec.mid}", "fix one of the two", key="tick")
    return spec


# --- the account ---------------------------------------------------------------------------------


def _account(
    instruments: Mapping[str, InstrumentSpec], venues: tuple[str, ...]
) -> Reader[AccountSpec]:
    def read(place: Place) -> AccountSpec:
        fields = place.fields(("balances", "positions", "open_orders"))
        return AccountSpec(
            balances=fields.get("balances", _balances, {}),
            positions=fields.get("positions", _positions(instruments, venues), {}),
            open_orders=fields.get("open_orders", each(_open_order(instruments, venues)), ()),
        )

    return read


def _balances(place: Place) -> dict[str, Decimal]:
    return {asset: _at_least_zero(at) for asset, at in place.entries()}


def _positions(
    instruments: Mapping[str, InstrumentSpec], venues: tuple[str, ...]
) -> Reader[dict[str, PositionSpec]]:
    def read(place: Place) -> dict[str, PositionSpec]:
        positions = {}
        for symbol, at in place.entries():
            spec = _known(symbol, at, instruments)
            if spec.product is not Product.UM:
                raise at.error(f"{symbol} is spot and has no position", "use `balances`")
            fields = at.fields(("qty", "entry"))
            remedy = 'write `{qty: "0.500", entry: "110900"}`, a negative qty for short'
            qty = fields.need("qty", money, Decimal(1), remedy=remedy)
            if qty == 0:
                fields.note("the position is empty", "leave it out", key="qty")
            if "qty" in fields:
                _note_off_step(fields.at("qty"), qty, spec, venues)
            entry = fields.need("entry", _positive, spec.mid, remedy=remedy)
            positions[symbol] = PositionSpec(qty, entry)
        return positions

    return read


def _open_order(
    instruments: Mapping[str, InstrumentSpec], venues: tuple[str, ...]
) -> Reader[OpenOrderSpec]:
    def read(place: Place) -> OpenOrderSpec:
        fields = place.fields(
            (
                "symbol",
                "side",
                "type",
                "qty",
                "price",
                "stop",
                "trailing_rate",
                "reduces",
                "client_order_id",
            )
        )
        symbol = fields.need("symbol", text, "", remedy="name one of the world's instruments")
        side = fields.need("side", _side, Side.BUY, remedy="write buy or sell")
        price = fields.get("price", _positive, None)
        kind = fields.need(
            "type",
            _resting_type(priced=price is not None),
            OrderType.LIMIT,
            remedy="write `type: LIMIT` or `type: STOP_MARKET`",
        )
        order = OpenOrderSpec(
            symbol=symbol,
            side=side,
            type=kind,
            qty=fields.need("qty", _positive, Decimal(1), remedy='write `qty: "0.100"`'),
            price=price,
            stop=fields.get("stop", _positive, None),
            trailing_rate=fields.get("trailing_rate", _positive, None),
            reduces=fields.get("reduces", flag, False),
            client_order_id=fields.get("client_order_id", text, ""),
        )
        if symbol:
            spec = _known(symbol, fields.at("symbol"), instruments)
            if "qty" in fields:
                _note_off_step(fields.at("qty"), order.qty, spec, venues)
            for key, value in (("price", order.price), ("stop", order.stop)):
                if value is not None and value % spec.tick:
                    fields.note(
                        f"{value} is not a multiple of the tick {spec.tick}", "round it", key=key
                    )
        for key, is_due in _PRICES[kind].items():
            if is_due and key not in fields:
                fields.note(f"a {kind.value} order needs `{key}`", f"add `{key}`", key="type")
            if not is_due and key in fields:
                fields.note(f"a {kind.value} order has no `{key}`", "remove it", key=key)
        return order

    return read


def _shape(
    *, price: bool = False, stop: bool = False, trailing_rate: bool = False
) -> dict[str, bool]:
    return {"price": price, "stop": stop, "trailing_rate": trailing_rate}


_PRICES: Final[Mapping[OrderType, Mapping[str, bool]]] = {
    OrderType.LIMIT: _shape(price=True),
    OrderType.STOP_MARKET: _shape(stop=True),
    OrderType.STOP_LIMIT: _shape(price=True, stop=True),
    OrderType.TAKE_PROFIT_MARKET: _shape(stop=True),
    OrderType.TAKE_PROFIT_LIMIT: _shape(price=True, stop=True),
    OrderType.TRAILING_STOP_MARKET: _shape(trailing_rate=True),
    OrderType.MARKET: _shape(),
}
"""Which prices an order of each type comes with."""


def _side(place: Place) -> Side:
    found = text(place)
    for side in Side:
        if side.value == found.casefold():
            return side
    raise place.error(f"{found!r} is no side", "write buy or sell")


def _resting_type(*, priced: bool) -> Reader[OrderType]:
    def read(place: Place) -> OrderType:
        found = text(place)
        kind = order_type_named(found, priced=priced)
        if kind is None:
            raise place.error(f"{found!r} is no order type", suggest(found, ORDER_TYPE_NAMES))
        if kind is OrderType.MARKET:
            raise place.error("a market order does not rest", "use a limit or a stop order")
        return kind

    return read


def _known(symbol: str, place: Place, instruments: Mapping[str, InstrumentSpec]) -> InstrumentSpec:
    spec = instruments.get(symbol)
    if spec is None:
        raise place.error(
            f"{symbol!r} is not in this scenario's `world`", suggest_symbol(symbol, instruments)
        )
    return spec


def _note_off_step(
    place: Place, qty: Decimal, spec: InstrumentSpec, venues: tuple[str, ...]
) -> None:
    """Note a quantity that the venue would not take."""
    venue = spec.venue or next(v for v in venues if PRODUCT_OF_VENUE[v] is spec.product)
    step = to_instrument(spec, venue).qty_step
    if qty % step:
        place.sheet.note(
            place.error(
                f"{qty} is not a multiple of the step {step}", "round it, or set `qty_step`"
            )
        )
