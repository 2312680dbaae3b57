"""What is asked of Kraken spot over REST, as unsigned requests.

Margin is not used: orders go without leverage, and there are no positions.

Source: Kraken docs, REST API pages on trading, account data and market data, read 2026-05-27; guide
"Client order identifiers"; measurements of cancels and namesakes of 2026-09.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.errors import ConfigurationError, InvalidOrder, Scope
from outlast.model import Instrument, OrderRequest, OrderType, Plane, Product, TimeInForce
from outlast.venues.kraken_spot.limits import costs
from outlast.wire import Auth, Lane, Traits, WireRequest

__all__ = [
    "CONDITIONAL_APART",
    "DEFAULT_ENDPOINTS",
    "PRICED",
    "PRODUCT",
    "READ_WITHIN_S",
    "TRAITS",
    "VENUE",
    "WRITE_WITHIN_S",
    "cancel_all_orders",
    "cancel_order",
    "canonical",
    "dead_mans_switch",
    "is_venue_id",
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

VENUE: Final = "kraken-spot"
PRODUCT: Final = Product.SPOT
CONDITIONAL_APART: Final = False
TRAITS: Final = Traits(
    lists_account=True,
    dead_mans_switch=Scope.ACCOUNT,
    uses_nonce=True,
    uuid_order_ids=True,
    time_step_ms=1000.0,
    tells_state=False,
    cancels_at_once=50,
)
DEFAULT_ENDPOINTS: Final[Mapping[str, str]] = {
    "rest": "https://api.kraken.com",
    "stream": "wss://ws.kraken.com",
    "private_stream": "wss://ws-auth.kraken.com",
    "trade_stream": "wss://ws-auth.kraken.com",
}

WRITE_WITHIN_S: Final = 12.0
"""As long as an order's default validity and the venue's own time-outs together: giving up sooner
turns a clean answer into a guess. Answers after 30 s are on record (knowm/XChange issue 1758)."""
READ_WITHIN_S: Final = 5.0
DEPTH_MAX: Final = 500
EXPIRY_MIN_S: Final = 5.0
"""Source: Add Order, `expiretm`: at least 5 s from now."""
_EXPONENT_MAX: Final = 20

_TYPES: Final = {
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.STOP_MARKET: "stop-loss",
    OrderType.STOP_LIMIT: "stop-loss-limit",
    OrderType.TAKE_PROFIT_MARKET: "take-profit",
    OrderType.TAKE_PROFIT_LIMIT: "take-profit-limit",
}
PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
"""Orders with a limit price."""

_VENUE_ID: Final = re.compile(r"O[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{6}")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_HEX: Final = re.compile(r"[0-9a-f]{32}")
_TEXT: Final = re.compile(r"[a-z0-9]{1,18}")


def is_venue_id(order_id: str) -> bool:
    """True for ids of the venue's own: 19 characters, one more than free text may have."""
    return _VENUE_ID.fullmatch(order_id) is not None


def canonical(client_order_id: str) -> str:
    """One spelling for each id: the venue keeps UUIDs as numbers and may spell them otherwise."""
    plain_hex = client_order_id.lower().replace("-", "")
    if not _HEX.fullmatch(plain_hex):
        return client_order_id
    parts = (plain_hex[:8], plain_hex[8:12], plain_hex[12:16], plain_hex[16:20], plain_hex[20:])
    return "-".join(parts)


# Writes -------------------------------------------------------------------------------------------


def place_order(
    order: OrderRequest, instrument: Instrument, client_order_id: str, *, now_ms: int
) -> WireRequest:
    """A new order. A write that is never safe to repeat: ids are unique among open orders only.

    `sign` adds its deadline. Fees are asked for in the quote currency, so that a buy of 1 gives 1.

    Raises:
        InvalidOrder: the venue has no such order; the message names the field and the remedy.
    """
    _check_id(client_order_id)
    if order.reduce_only:
        raise _invalid(
            "reduce_only",
            f"reduce_only needs a position and {VENUE} has none: drop it, a sell of what is held "
            "cannot become a short",
        )
    params = [
        ("pair", instrument.venue_symbol),
        ("type", order.side.value),
        ("ordertype", _TYPES[order.order_type]),
        ("volume", plain(order.qty, field="qty")),
        *_prices(order),
        *_terms(order, now_ms),
        ("oflags", "fciq,post" if order.post_only else "fciq"),
        ("cl_ord_id", client_order_id),
    ]
    return write(
        "order.place",
        "AddOrder",
        params,
        lane=Lane.TRADE,
        safe_to_repeat=False,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def _prices(order: OrderRequest) -> list[tuple[str, str]]:
    """`price` is the trigger where there is one; then the limit moves on to `price2`."""
    prices = []
    if order.order_type.is_conditional:
        if order.stop_price is None:
            raise _invalid("stop_price", f"{order.order_type.value} orders need a stop_price")
        prices.append(plain(order.stop_price, field="stop_price"))
    if order.order_type in PRICED:
        if order.price is None:
            raise _invalid("price", f"{order.order_type.value} orders need a price")
        prices.append(plain(order.price, field="price"))
    return list(zip(("price", "price2"), prices, strict=False))


def _terms(order: OrderRequest, now_ms: int) -> list[tuple[str, str]]:
    """Time in force and expiry, where the order type has them."""
    if order.post_only and order.order_type is not OrderType.LIMIT:
        raise _invalid("post_only", "only limit orders can be post_only; drop it")
    if order.order_type is OrderType.MARKET:
        return []
    tif = order.time_in_force
    if tif in (TimeInForce.IOC, TimeInForce.FOK):
        if order.order_type is not OrderType.LIMIT:
            raise _invalid("time_in_force", f"only limit orders can be {tif.value}; use gtc or gtd")
        if order.post_only:
            raise _invalid("post_only", f"post_only contradicts time_in_force={tif.value!r}")
    if tif is not TimeInForce.GTD:
        return [("timeinforce", tif.name)]
    if order.expires_in_s is None or order.expires_in_s < EXPIRY_MIN_S:
        raise _invalid(
            "expires_in_s",
            f"expires_in_s is {order.expires_in_s}; time_in_force='gtd' needs {EXPIRY_MIN_S:g} s "
            f"or more at {VENUE}",
        )
    # An instant, not a span: one that waits for its turn must not live longer for it.
    expires_s = -(-(now_ms + int(order.expires_in_s * 1000)) // 1000)
    return [("timeinforce", "GTD"), ("expiretm", str(expires_s))]


def cancel_order(
    instrument: Instrument, client_order_id: str, *, conditional: bool = False
) -> WireRequest:
    """A cancel. Sent twice it does no more than once, but then says that there is no such order."""
    return write(
        "order.cancel",
        "CancelOrder",
        [_named(client_order_id)],
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def cancel_all_orders(instrument: Instrument, *, conditional: bool = False) -> WireRequest:
    """Cancel every order of the account: this venue cannot confine it to one pair, nor to ours."""
    return write("orders.cancel", "CancelAll", [], lane=Lane.SAFETY)


def dead_mans_switch(instrument: Instrument | None, *, timeout_s: int) -> WireRequest:
    """One timer for the account: it cancels the orders of other programs, too.

    It runs on while the venue is down, and fires when the engine is back.

    Source: Kraken docs, Cancel All Orders After X.
    """
    return write(
        "orders.deadman", "CancelAllOrdersAfter", [("timeout", str(timeout_s))], lane=Lane.SAFETY
    )


# Private reads ------------------------------------------------------------------------------------


def query_order(
    instrument: Instrument,
    client_order_id: str | None = None,
    *,
    venue_order_id: str | None = None,
    conditional: bool = False,
) -> WireRequest:
    """One order. By the venue's id: open or closed. By ours: among the open ones.

    By our id the closed ones are a question of their own: `query_closed_order`.
    """
    assert (client_order_id is None) != (venue_order_id is None)
    if venue_order_id is None and client_order_id is not None and is_venue_id(client_order_id):
        venue_order_id = client_order_id
    if venue_order_id is not None:
        method, params = "QueryOrders", [("txid", venue_order_id)]
    else:
        assert client_order_id is not None
        method, params = "OpenOrders", [("cl_ord_id", client_order_id)]
    return query(
        "order.read",
        method,
        params,
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def query_closed_order(
    instrument: Instrument, client_order_id: str, *, since_ms: int
) -> WireRequest | None:
    """One order among those that ended since `since_ms`; None for an id of the venue's own."""
    if is_venue_id(client_order_id):
        return None
    return query(
        "order.read",
        "ClosedOrders",
        [("cl_ord_id", client_order_id), ("start", str(since_ms // 1000 - 1))],
        symbol=instrument.symbol,
        client_order_id=client_order_id,
    )


def query_open_orders(instrument: Instrument | None, *, conditional: bool = False) -> WireRequest:
    """All open orders; the venue does not filter by pair, so `read_orders` does."""
    return query("orders.read", "OpenOrders", [], symbol=instrument.symbol if instrument else None)


def query_executions(
    instrument: Instrument, *, since_ms: int | None, venue_order_id: str | None = None
) -> WireRequest:
    """Executions of the whole account since `since_ms`, newest first, 50 a page: see `next_page`.

    The venue filters neither by pair nor by order; `read_executions` keeps those of the pair.
    """
    params = [] if since_ms is None else [("start", str(since_ms // 1000 - 1))]
    return query("executions.read", "TradesHistory", params, symbol=instrument.symbol)


def query_positions() -> WireRequest:
    """Raises ConfigurationError: spot has balances, not positions."""
    raise ConfigurationError(f"{VENUE} has no positions; read the balances", venue=VENUE)


def query_balances() -> WireRequest:
    return query("balances.read", "BalanceEx", [])


# Public reads -------------------------------------------------------------------------------------


def query_instruments() -> WireRequest:
    return _public("instruments.read", "AssetPairs", [])


def query_book(instrument: Instrument, *, depth: int) -> WireRequest:
    """A book snapshot of `depth` levels a side, at most 500."""
    params = [("pair", instrument.venue_symbol), ("count", str(max(1, min(depth, DEPTH_MAX))))]
    return _public("book.read", "Depth", params, symbol=instrument.symbol)


def query_mark_price(instrument: Instrument) -> WireRequest:
    """The ticker: spot has no mark price, the middle of the best prices stands for it."""
    params = [("pair", instrument.venue_symbol)]
    return _public("mark_price.read", "Ticker", params, symbol=instrument.symbol)


def query_time() -> WireRequest:
    """Everything that is signed needs it, so it goes before what can wait."""
    return _public("time.read", "Time", [], lane=Lane.RECONCILE)


def probe() -> WireRequest:
    """The system status: it also tells of maintenance, in which the front door still answers."""
    return _public("probe", "SystemStatus", [], plane=Plane.STATUS, lane=Lane.RECONCILE)


# Inside -------------------------------------------------------------------------------------------


def plain(value: Decimal, *, field: str) -> str:
    """`value` as plain text, exactly: no exponent. What is off the grid the venue refuses.

    Raises:
        InvalidOrder: it is no positive number, or one that no instrument has.
    """
    if not value.is_finite() or value <= 0:
        raise _invalid(field, f"{field} is {value}; it must be a number above 0")
    if not -_EXPONENT_MAX <= value.adjusted() <= _EXPONENT_MAX:
        raise _invalid(field, f"{field} is {value}; no instrument has such a {field}")
    whole, _, fraction = format(value, "f").partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _check_id(client_order_id: str) -> None:
    """Only spellings that come back as they were sent, or every answer would name a stranger.

    Free text is documented as ASCII; a client reports that the venue takes only small letters and
    digits of it, so no more is allowed here.
    """
    if not (_UUID.fullmatch(client_order_id) or _TEXT.fullmatch(client_order_id)) or (
        _HEX.fullmatch(client_order_id)
    ):
        raise _invalid(
            "client_order_id",
            f"client_order_id is {client_order_id!r}; {VENUE} takes a UUID in small letters with "
            "dashes, or 1 to 18 of a-z 0-9",
        )


def _invalid(field: str, message: str) -> InvalidOrder:
    return InvalidOrder(message, field=field, venue=VENUE)


def _named(order_id: str) -> tuple[str, str]:
    return ("txid" if is_venue_id(order_id) else "cl_ord_id", order_id)


def write(
    name: str,
    method: str,
    params: list[tuple[str, str]],
    *,
    lane: Lane,
    safe_to_repeat: bool = True,
    symbol: str | None = None,
    client_order_id: str | None = None,
    client_order_ids: tuple[str, ...] = (),
) -> WireRequest:
    """A signed request that trades. `client_order_ids`: of one about several orders."""
    path = f"/0/private/{method}"
    return WireRequest(
        name=name,
        method="POST",
        path=path,
        params=tuple(params),
        auth=Auth.SIGNED,
        plane=Plane.TRADING,
        lane=lane,
        is_write=True,
        safe_to_repeat=safe_to_repeat,
        costs=costs(path),
        answer_within_s=WRITE_WITHIN_S,
        symbol=symbol,
        client_order_id=client_order_id,
        client_order_ids=client_order_ids,
    )


def query(
    name: str,
    method: str,
    params: list[tuple[str, str]],
    *,
    symbol: str | None = None,
    client_order_id: str | None = None,
) -> WireRequest:
    """A signed question about the account."""
    path = f"/0/private/{method}"
    return WireRequest(
        name=name,
        method="POST",
        path=path,
        params=tuple(params),
        auth=Auth.SIGNED,
        plane=Plane.ACCOUNT,
        lane=Lane.RECONCILE,
        costs=costs(path),
        answer_within_s=READ_WITHIN_S,
        symbol=symbol,
        client_order_id=client_order_id,
    )


def _public(
    name: str,
    method: str,
    params: list[tuple[str, str]],
    *,
    plane: Plane = Plane.MARKET_DATA,
    lane: Lane = Lane.DATA,
    symbol: str | None = None,
) -> WireRequest:
    path = f"/0/public/{method}"
    return WireRequest(
        name=name,
        method="GET",
        path=path,
        params=tuple(params),
        plane=plane,
        lane=lane,
        costs=costs(path),
        answer_within_s=READ_WITHIN_S,
        symbol=symbol,
    )
