"""What is asked of Binance USD-M futures, as unsigned requests.

One-way position mode is meant throughout (`positionSide` stays at its default, BOTH). Conditional
orders live in the venue's Algo service since 2025-12-02, with paths and ids of their own.

Source: Binance USD-M futures docs, Trade, Account and Market Data endpoints, 2026-09.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from outlast.errors import InvalidOrder, Scope
from outlast.model import Instrument, OrderRequest, OrderType, Plane, Product, Side, TimeInForce
from outlast.venues import _binance
from outlast.venues.binance_um.limits import DEPTH_COSTS, costs
from outlast.wire import Auth, Lane, Traits, WireRequest

__all__ = [
    "CONDITIONAL_APART",
    "DEFAULT_ENDPOINTS",
    "PRODUCT",
    "TRAITS",
    "VENUE",
    "WRITE_WITHIN_S",
    "cancel_all_orders",
    "cancel_order",
    "dead_mans_switch",
    "place_order",
    "plain",
    "probe",
    "query",
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

VENUE: Final = "binance-um"
PRODUCT: Final = Product.USDM_FUTURES
CONDITIONAL_APART: Final = True
TRAITS: Final = Traits(dead_mans_switch=Scope.SYMBOL, cancels_at_once=10)
DEFAULT_ENDPOINTS: Final[Mapping[str, str]] = {
    "rest": "https://fapi.binance.com",
    "stream": "wss://fstream.binance.com",
    "private_stream": "wss://fstream.binance.com",
    "trade_stream": "wss://ws-fapi.binance.com",
}

WRITE_WITHIN_S: Final = 12.0
"""The back end answers -1007 after 10 s; giving up sooner turns a clean answer into a guess."""
READ_WITHIN_S: Final = 3.0
EXECUTIONS_MAX: Final = 1000
"""Rows of one answer about executions. A full page means that there may be more."""

_SIDES: Final = {side: side.name for side in Side}
_TIMES_IN_FORCE: Final = {time: time.name for time in TimeInForce}
_TYPES: Final = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP_MARKET: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
}
_PLAIN: Final = frozenset({OrderType.LIMIT, OrderType.MARKET})
_PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_RESERVED_IDS: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
"""The venue's own: liquidations, deleveraging, settlement."""
_EXPIRY_MIN_MS: Final = 600_000
"""goodTillDate must lie more than this ahead. Source: Error Codes, -5040."""
_EXPIRY_MAX_S: Final = 365 * 86400.0
"""The venue ends every order after a year. Source: New Order, timeInForce."""

plain = partial(_binance.plain, venue=VENUE)
"""A number as this venue's text; see `_binance.plain`."""


def place_order(
    order: OrderRequest, instrument: Instrument, client_order_id: str, *, now_ms: int
) -> WireRequest:
    """A new order. A write that is never safe to repeat: ids are unique among open orders only.

    Raises:
        InvalidOrder: the venue has no such order; the message names the field and the remedy.
    """
    _check_id(client_order_id)
    conditional = order.order_type not in _PLAIN
    params = [
        ("symbol", instrument.venue_symbol),
        ("side", _SIDES[order.side]),
        ("type", _TYPES[order.order_type]),
    ]
    if conditional:
        if order.stop_price is None:
            raise _invalid("stop_price", f"{order.order_type.value} orders need a stop_price")
        trigger = plain(order.stop_price, instrument.tick_size, field="stop_price")
        params[:0] = [("algoType", "CONDITIONAL")]
        params.append(("triggerPrice", trigger))
    params.extend(_terms(order, now_ms))
    params.append(("quantity", plain(order.qty, instrument.qty_step, field="qty")))
    if order.order_type in _PRICED:
        if order.price is None:
            raise _invalid("price", f"{order.order_type.value} orders need a price")
        params.append(("price", plain(order.price, instrument.tick_size, field="price")))
    if order.reduce_only:
        params.append(("reduceOnly", "true"))
    params.append(("clientAlgoId" if conditional else "newClientOrderId", client_order_id))
    # RESULT: the default, ACK, would not say whether a market order was filled.
    params.append(("newOrderRespType", "RESULT"))
    return write(
        "order.place",
        "POST",
        "/fapi/v1/algoOrder" if conditional else "/fapi/v1/order",
        params,
        lane=Lane.SAFETY if order.reduce_only else Lane.TRADE,
        safe_to_repeat=False,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def _terms(order: OrderRequest, now_ms: int) -> list[tuple[str, str]]:
    """Time in force, where the order type has one."""
    if order.order_type not in _PRICED:
        if order.post_only:
            raise _invalid("post_only", "only orders with a price can be post_only; drop it")
        return []
    if not order.post_only and order.time_in_force is not TimeInForce.GTD:
        return [("timeInForce", _TIMES_IN_FORCE[order.time_in_force])]
    if order.post_only:
        if order.time_in_force is not TimeInForce.GTC:
            raise _invalid(
                "post_only",
                f"post_only is a time in force of its own here and excludes "
                f"time_in_force={order.time_in_force.value!r}; drop one of them",
            )
        return [("timeInForce", "GTX")]
    if order.expires_in_s is None or not 0 < order.expires_in_s < _EXPIRY_MAX_S:
        raise _invalid(
            "expires_in_s", f"time_in_force='gtd' needs expires_in_s, 601 to {_EXPIRY_MAX_S:g}"
        )
    # The venue ignores the milliseconds.
    expires_ms = (now_ms + int(order.expires_in_s * 1000)) // 1000 * 1000
    if expires_ms <= now_ms + _EXPIRY_MIN_MS:
        raise _invalid(
            "expires_in_s",
            f"expires_in_s is {order.expires_in_s:g}; {VENUE} takes more than 600 s (601 and up), "
            "so cancel earlier orders yourself",
        )
    return [("timeInForce", "GTD"), ("goodTillDate", str(expires_ms))]


def cancel_order(
    instrument: Instrument, client_order_id: str, *, conditional: bool = False
) -> WireRequest:
    """A cancel. Sent twice it does no more than once, but then answers -2011."""
    return write(
        "order.cancel",
        "DELETE",
        *_order_address(instrument, client_order_id, conditional=conditional),
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def cancel_all_orders(instrument: Instrument, *, conditional: bool = False) -> WireRequest:
    """Cancel what is open on one symbol: the plain orders, or the conditional ones."""
    return write(
        "orders.cancel",
        "DELETE",
        "/fapi/v1/algoOpenOrders" if conditional else "/fapi/v1/allOpenOrders",
        [("symbol", instrument.venue_symbol)],
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
    )


def dead_mans_switch(instrument: Instrument | None, *, timeout_s: int) -> WireRequest:
    """One countdown a symbol; each call starts it anew, 0 ends it.

    Conditional orders are not said to be included, so count on them to stay.

    Source: Binance USD-M futures docs, Auto-Cancel All Open Orders.
    """
    assert instrument is not None
    return write(
        "orders.deadman",
        "POST",
        "/fapi/v1/countdownCancelAll",
        [("symbol", instrument.venue_symbol), ("countdownTime", str(timeout_s * 1000))],
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
    )


def query_order(
    instrument: Instrument,
    client_order_id: str | None = None,
    *,
    venue_order_id: str | None = None,
    conditional: bool = False,
) -> WireRequest:
    """One order, open or closed, by exactly one of the ids; a conditional one by ours only.

    The answer may lag behind the engine by more than 10 s. Not found are orders older than 90 days,
    and those canceled or expired without a fill that are older than 3 days.
    """
    assert (client_order_id is None) != (venue_order_id is None)
    if venue_order_id is not None:
        assert not conditional
        path = "/fapi/v1/order"
        params = [("symbol", instrument.venue_symbol), ("orderId", venue_order_id)]
    else:
        assert client_order_id is not None
        path, params = _order_address(instrument, client_order_id, conditional=conditional)
    return query(
        "order.read",
        path,
        params,
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
    """The open orders of one symbol, or for None of all of them (40 times the weight)."""
    return query(
        "orders.read",
        "/fapi/v1/openAlgoOrders" if conditional else "/fapi/v1/openOrders",
        [("symbol", instrument.venue_symbol)] if instrument else [],
        plane=Plane.ACCOUNT,
        symbol=instrument.symbol if instrument else None,
    )


def query_executions(
    instrument: Instrument, *, since_ms: int | None, venue_order_id: str | None = None
) -> WireRequest:
    """Executions since `since_ms`, or of one order; neither: those of the last 7 days.

    At most 7 days from `since_ms` and 1000 rows; ask again from the last one's time for more.
    """
    params = [("symbol", instrument.venue_symbol)]
    if venue_order_id is not None:
        params.append(("orderId", venue_order_id))
    elif since_ms is not None:
        params.append(("startTime", str(since_ms)))
    params.append(("limit", str(EXECUTIONS_MAX)))
    return query(
        "executions.read",
        "/fapi/v1/userTrades",
        params,
        plane=Plane.ACCOUNT,
        symbol=instrument.symbol,
    )


def query_positions() -> WireRequest:
    return query("positions.read", "/fapi/v3/positionRisk", [], plane=Plane.ACCOUNT)


def query_balances() -> WireRequest:
    return query("balances.read", "/fapi/v3/balance", [], plane=Plane.ACCOUNT)


def query_instruments() -> WireRequest:
    return _public("instruments.read", "/fapi/v1/exchangeInfo", [])


def query_book(instrument: Instrument, *, depth: int) -> WireRequest:
    """A book snapshot of at least `depth` levels a side, at most 1000."""
    limit = next((known for known in DEPTH_COSTS if known >= depth), max(DEPTH_COSTS))
    params = [("symbol", instrument.venue_symbol), ("limit", str(limit))]
    return _public("book.read", "/fapi/v1/depth", params, symbol=instrument.symbol)


def query_mark_price(instrument: Instrument) -> WireRequest:
    params = [("symbol", instrument.venue_symbol)]
    return _public("mark_price.read", "/fapi/v1/premiumIndex", params, symbol=instrument.symbol)


def query_time() -> WireRequest:
    """Everything that is signed needs it, so it goes before what can wait."""
    return _public("time.read", "/fapi/v1/time", [], lane=Lane.RECONCILE)


def probe() -> WireRequest:
    """The time: as cheap as `ping`, whose answer `{}` cannot be told from an empty failure."""
    return _public("probe", "/fapi/v1/time", [], plane=Plane.STATUS, lane=Lane.RECONCILE)


def _check_id(client_order_id: str) -> None:
    _binance.check_client_order_id(client_order_id, venue=VENUE)
    if client_order_id.startswith(_RESERVED_IDS):
        raise _invalid(
            "client_order_id",
            f"client_order_id {client_order_id!r} begins like the venue's own liquidation and "
            "settlement orders; choose another",
        )


def _invalid(field: str, message: str) -> InvalidOrder:
    return InvalidOrder(message, field=field, venue=VENUE)


def _order_address(
    instrument: Instrument, client_order_id: str, *, conditional: bool
) -> tuple[str, list[tuple[str, str]]]:
    """Path and parameters that name one order."""
    if conditional:
        return "/fapi/v1/algoOrder", [("clientAlgoId", client_order_id)]
    return "/fapi/v1/order", [
        ("symbol", instrument.venue_symbol),
        ("origClientOrderId", client_order_id),
    ]


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


def query(
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
    """A question, signed unless `auth` says otherwise."""
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
    return query(name, path, params, plane=plane, lane=lane, auth=Auth.NONE, symbol=symbol)
