"""What is asked of Binance spot, as unsigned requests.

Conditional orders (stops, take-profits) live at the same paths as all others. There are no
positions and so no reduce-only orders, and no orders that expire at an instant.

Source: Binance spot REST docs, Trading, Account and Market Data endpoints, 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from outlast.errors import InvalidOrder
from outlast.model import Instrument, OrderRequest, OrderType, Plane, Product, Side, TimeInForce
from outlast.venues import _binance
from outlast.venues.binance_spot.limits import DEPTH_MAX, costs
from outlast.wire import Auth, Lane, Traits, WireRequest

__all__ = [
    "CONDITIONAL_APART",
    "DEFAULT_ENDPOINTS",
    "EXECUTIONS_MAX",
    "PRODUCT",
    "TRAITS",
    "VENUE",
    "WRITE_WITHIN_S",
    "cancel_all_orders",
    "cancel_order",
    "dead_mans_switch",
    "executions_after",
    "executions_since",
    "place_order",
    "plain",
    "probe",
    "query_balances",
    "query_book",
    "query_closed_order",
    "query_executions",
    "query_instruments",
    "query_mark_price",
    "query_open_orders",
    "query_order",
    "query_positions",
    "query_time",
    "write",
]

VENUE: Final = "binance-spot"
PRODUCT: Final = Product.SPOT
CONDITIONAL_APART: Final = False
TRAITS: Final = Traits(
    spare_roots=tuple(f"https://api{n}.binance.com" for n in (1, 2, 3, 4)),
)
"""api1 to api4 serve the same, "faster but less stable". Source: Binance Spot API docs,
"General API Information" (rest-api.md)."""
DEFAULT_ENDPOINTS: Final[Mapping[str, str]] = {
    "rest": "https://api.binance.com",
    "stream": "wss://stream.binance.com:9443",
    "private_stream": "wss://ws-api.binance.com",
    "trade_stream": "wss://ws-api.binance.com",
}

WRITE_WITHIN_S: Final = 12.0
"""The API gives the engine 10 s before it answers -1007; giving up sooner turns a clean answer into
a guess."""
READ_WITHIN_S: Final = 3.0
EXECUTIONS_MAX: Final = 1000
"""Rows of one answer about executions. A full page means that there may be more."""

_SIDES: Final = {side: side.name for side in Side}
_TIMES_IN_FORCE: Final = {time: time.name for time in TimeInForce}
_TYPES: Final = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP_MARKET: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
_PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})

plain = partial(_binance.plain, venue=VENUE)
"""A number as this venue's text; see `_binance.plain`."""


def place_order(
    order: OrderRequest, instrument: Instrument, client_order_id: str, *, now_ms: int
) -> WireRequest:
    """A new order. A write that is never safe to repeat: ids are unique among open orders only.

    Raises:
        InvalidOrder: the venue has no such order; the message names the field and the remedy.
    """
    _binance.check_client_order_id(client_order_id, venue=VENUE)
    if order.reduce_only:
        raise _invalid(
            "reduce_only",
            f"{VENUE} has no positions, so nothing can be reduce_only; drop it, and take qty "
            f"from the balance of {instrument.base}",
        )
    params = [
        ("symbol", instrument.venue_symbol),
        ("side", _SIDES[order.side]),
        ("type", "LIMIT_MAKER" if order.post_only else _TYPES[order.order_type]),
        *_terms(order),
        ("quantity", plain(order.qty, instrument.qty_step, field="qty")),
    ]
    if order.order_type in _PRICED:
        if order.price is None:
            raise _invalid("price", f"{order.order_type.value} orders need a price")
        params.append(("price", plain(order.price, instrument.tick_size, field="price")))
    if order.order_type.is_conditional:
        if order.stop_price is None:
            raise _invalid("stop_price", f"{order.order_type.value} orders need a stop_price")
        trigger = plain(order.stop_price, instrument.tick_size, field="stop_price")
        params.append(("stopPrice", trigger))
    params.append(("newClientOrderId", client_order_id))
    # FULL: the default of some types, ACK, would not even say whether the order is live.
    params.append(("newOrderRespType", "FULL"))
    return write(
        "order.place",
        "POST",
        "/api/v3/order",
        params,
        lane=Lane.TRADE,
        safe_to_repeat=False,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def _terms(order: OrderRequest) -> list[tuple[str, str]]:
    """Time in force, where the order type has one."""
    if order.time_in_force is TimeInForce.GTD or order.expires_in_s is not None:
        raise _invalid(
            "time_in_force",
            f"{VENUE} has no orders that expire at a time (gtd); use gtc, and cancel it when its "
            "time has come",
        )
    if order.post_only:
        if order.order_type is not OrderType.LIMIT:
            raise _invalid("post_only", f"only limit orders can be post_only at {VENUE}; drop it")
        if order.time_in_force is not TimeInForce.GTC:
            raise _invalid(
                "post_only",
                f"post_only is an order type of its own here, without a time in force, and "
                f"excludes time_in_force={order.time_in_force.value!r}; drop one of them",
            )
        return []
    if order.order_type not in _PRICED:
        return []
    return [("timeInForce", _TIMES_IN_FORCE[order.time_in_force])]


def cancel_order(
    instrument: Instrument, client_order_id: str, *, conditional: bool = False
) -> WireRequest:
    """A cancel. Sent twice it does no more than once, but then answers -2011."""
    return write(
        "order.cancel",
        "DELETE",
        "/api/v3/order",
        [("symbol", instrument.venue_symbol), ("origClientOrderId", client_order_id)],
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def cancel_all_orders(instrument: Instrument, *, conditional: bool = False) -> WireRequest:
    """Cancel what is open on one symbol, conditional orders too.

    Where nothing is open the venue answers -2011, which is success here.
    """
    return write(
        "orders.cancel",
        "DELETE",
        "/api/v3/openOrders",
        [("symbol", instrument.venue_symbol)],
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
    )


def dead_mans_switch(instrument: Instrument | None, *, timeout_s: int) -> None:
    """Spot has none. Source: Binance spot REST docs, Trading endpoints, 2026-07."""
    return


def query_order(
    instrument: Instrument,
    client_order_id: str | None = None,
    *,
    venue_order_id: str | None = None,
    conditional: bool = False,
) -> WireRequest:
    """One order, open or closed, by exactly one of the ids.

    The answer comes from memory or a database, not from the engine, and may lag behind it by more
    than 10 s. Archived (-2026) are orders that ended without a fill over 90 days ago.
    """
    assert (client_order_id is None) != (venue_order_id is None)
    if venue_order_id is not None:
        name = ("orderId", venue_order_id)
    else:
        assert client_order_id is not None
        name = ("origClientOrderId", client_order_id)
    return _read(
        "order.read",
        "/api/v3/order",
        [("symbol", instrument.venue_symbol), name],
        plane=Plane.ACCOUNT,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def query_closed_order(
    instrument: Instrument, client_order_id: str, *, since_ms: int
) -> WireRequest | None:
    """None: `query_order` finds open and closed orders alike."""
    return None


def query_open_orders(instrument: Instrument | None, *, conditional: bool = False) -> WireRequest:
    """The open orders of one symbol, or for None of all of them (13 times the weight)."""
    return _read(
        "orders.read",
        "/api/v3/openOrders",
        [("symbol", instrument.venue_symbol)] if instrument else [],
        plane=Plane.ACCOUNT,
        symbol=instrument.symbol if instrument else None,
    )


def query_executions(
    instrument: Instrument, *, since_ms: int | None, venue_order_id: str | None = None
) -> WireRequest:
    """Executions since `since_ms`, or of one order; neither: the latest 1000.

    One answer covers at most 24 hours from `since_ms` and 1000 rows: `next_page` goes on from it.
    """
    params = [("symbol", instrument.venue_symbol)]
    if venue_order_id is not None:
        params.append(("orderId", venue_order_id))
    elif since_ms is not None:
        params.append(("startTime", str(since_ms)))
    params.append(("limit", str(EXECUTIONS_MAX)))
    return _executions(params, instrument.symbol)


def executions_after(request: WireRequest, execution_id: int) -> WireRequest:
    """The page of executions after one, whenever they were: ids are not bound to 24 hours.

    `startTime` goes, as it may not be sent together with an id.
    """
    kept = [(name, text) for name, text in request.params if name not in ("startTime", "fromId")]
    return _executions([*kept, ("fromId", str(execution_id + 1))], request.symbol)


def executions_since(request: WireRequest, start_ms: int) -> WireRequest:
    """The executions of a later window."""
    kept = [(name, text) for name, text in request.params if name != "startTime"]
    return _executions([*kept, ("startTime", str(start_ms))], request.symbol)


def _executions(params: list[tuple[str, str]], symbol: str | None) -> WireRequest:
    return _read("executions.read", "/api/v3/myTrades", params, plane=Plane.ACCOUNT, symbol=symbol)


def query_positions() -> WireRequest:
    """There are none: a trade changes balances and nothing else (`Product.has_positions`).

    Raises:
        AssertionError: always.
    """
    raise AssertionError(f"{VENUE} has no positions; read its balances")


def query_balances() -> WireRequest:
    return _read(
        "balances.read",
        "/api/v3/account",
        [("omitZeroBalances", "true")],
        plane=Plane.ACCOUNT,
    )


def query_instruments() -> WireRequest:
    """All symbols. Without the permission sets, which are most of the answer's bytes."""
    return _public("instruments.read", "/api/v3/exchangeInfo", [("showPermissionSets", "false")])


def query_book(instrument: Instrument, *, depth: int) -> WireRequest:
    """A book snapshot of `depth` levels a side, at most 5000."""
    levels = min(max(depth, 1), DEPTH_MAX)
    params = [("symbol", instrument.venue_symbol), ("limit", str(levels))]
    return _public("book.read", "/api/v3/depth", params, symbol=instrument.symbol)


def query_mark_price(instrument: Instrument) -> WireRequest:
    """Best bid and ask: spot has no mark price, and their middle stands for it.

    The last trade would not do: in a thin or halted market it may be hours old.
    """
    params = [("symbol", instrument.venue_symbol)]
    path = "/api/v3/ticker/bookTicker"
    return _public("mark_price.read", path, params, symbol=instrument.symbol)


def query_time() -> WireRequest:
    """Everything that is signed needs it, so it goes before what can wait."""
    return _public("time.read", "/api/v3/time", [], lane=Lane.RECONCILE)


def probe() -> WireRequest:
    """The time: as cheap as `ping`, whose answer `{}` cannot be told from an empty failure."""
    return _public("probe", "/api/v3/time", [], plane=Plane.STATUS, lane=Lane.RECONCILE)


def _invalid(field: str, message: str) -> InvalidOrder:
    return InvalidOrder(message, field=field, venue=VENUE)


def write(
    name: str,
    method: str,
    path: str,
    params: list[tuple[str, str]],
    *,
    lane: Lane,
    safe_to_repeat: bool = True,
    symbol: str,
    client_order_id: str | None = None,
    client_order_ids: tuple[str, ...] = (),
) -> WireRequest:
    """A signed request that trades. `client_order_ids`: of one about several orders."""
    return WireRequest(
        name=name,
        method=method,
        path=path,
        params=tuple(params),
        auth=Auth.SIGNED,
        plane=Plane.TRADING,
        lane=lane,
        is_write=True,
        safe_to_repeat=safe_to_repeat,
        costs=costs(method, path, params),
        answer_within_s=WRITE_WITHIN_S,
        symbol=symbol,
        client_order_id=client_order_id,
        client_order_ids=client_order_ids,
    )


def _read(
    name: str,
    path: str,
    params: list[tuple[str, str]],
    *,
    plane: Plane,
    lane: Lane = Lane.RECONCILE,
    auth: Auth = Auth.SIGNED,
    symbol: str | None = None,
    client_order_id: str | None = None,
) -> WireRequest:
    return WireRequest(
        name=name,
        method="GET",
        path=path,
        params=tuple(params),
        auth=auth,
        plane=plane,
        lane=lane,
        costs=costs("GET", path, params),
        answer_within_s=READ_WITHIN_S,
        symbol=symbol,
        client_order_id=client_order_id,
    )


def _public(
    name: str,
    path: str,
    params: list[tuple[str, str]],
    *,
    plane: Plane = Plane.MARKET_DATA,
    lane: Lane = Lane.DATA,
    symbol: str | None = None,
) -> WireRequest:
    return _read(name, path, params, plane=plane, lane=lane, auth=Auth.NONE, symbol=symbol)
