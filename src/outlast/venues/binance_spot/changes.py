"""Changing what rests at Binance spot: less of one order, at the same price and place in the queue.

More of it, or another price, takes a cancel and a new order. The amendment may rename the order;
ours name it as it was. Several orders are cancelled one by one.

Source: Binance spot docs, "Order Amend Keep Priority" (REST, WebSocket API and FAQ), 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure, InvalidOrder
from outlast.model import Instrument, Order, OrderReport, OrderType, Source
from outlast.venues._binance import failure_of
from outlast.venues._binance_rows import Row, decode, side_of, symbol_of
from outlast.venues.binance_spot.orders import OTHER_ORDER, status_of, time_in_force_of, type_of
from outlast.venues.binance_spot.replies import read
from outlast.venues.binance_spot.requests import VENUE, plain, write
from outlast.wire import Lane, WireReply, WireRequest

__all__ = ["amend_order", "cancel_orders", "query_orders", "read_amended", "read_canceled"]

_PATH: Final = "/api/v3/order/amend/keepPriority"


def amend_order(
    order: Order,
    instrument: Instrument,
    *,
    price: Decimal | None,
    qty: Decimal,
    adds_risk: bool,
) -> WireRequest:
    """Take quantity off a limit order, which keeps its place in the queue.

    Raises:
        InvalidOrder: another price, more quantity, or no limit order.
    """
    instead = (
        f"cancel order {order.client_order_id} and, once that is known, submit another with the new"
    )
    if order.order_type is not OrderType.LIMIT:
        raise _invalid(
            "client_order_id",
            f"order {order.client_order_id} is a {order.order_type.value} order, and {VENUE} "
            f"amends limit orders only; {instead} terms",
        )
    if price != order.price:
        raise _invalid(
            "price",
            f"{VENUE} does not amend prices, only quantities, and those down; {instead} price",
        )
    if qty > order.qty:
        raise _invalid(
            "qty",
            f"qty {qty} is more than the {order.qty} of order {order.client_order_id}, and {VENUE} "
            f"amends quantities down only; {instead} qty, or submit the difference",
        )
    params = [
        ("symbol", instrument.venue_symbol),
        ("origClientOrderId", order.client_order_id),
        # Left out, the venue would give it another name.
        ("newClientOrderId", order.client_order_id),
        ("newQty", plain(qty, instrument.qty_step, field="qty")),
    ]
    return write(
        "order.amend",
        "PUT",
        _PATH,
        params,
        lane=Lane.TRADE if adds_risk else Lane.SAFETY,
        safe_to_repeat=False,
        symbol=instrument.symbol,
        client_order_id=order.client_order_id,
    )


def _invalid(field: str, message: str) -> InvalidOrder:
    return InvalidOrder(message, field=field, venue=VENUE)


def cancel_orders(instrument: Instrument, orders: Sequence[Order]) -> WireRequest | None:
    """None: one by one."""
    return None


def query_orders(instrument: Instrument, venue_order_ids: Sequence[str]) -> WireRequest | None:
    """None: one by one."""
    return None


class _Amended(Row):
    """The order in the answer. Quantities have names of their own here; both are taken."""

    symbol: str
    order_id: int
    client_order_id: str
    status: str
    side: str
    type: str
    executed_qty: Decimal
    qty: Decimal | None = None
    orig_qty: Decimal | None = None
    cumulative_quote_qty: Decimal | None = None
    cummulative_quote_qty: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: str = "GTC"
    time: int | None = None


class _Answer(Row):
    transact_time: int
    amended_order: msgspec.Raw


def read_amended(
    request: WireRequest, reply: WireReply, instrument: Instrument, order: Order
) -> OrderReport | Failure:
    """The answer holds the order as it is now."""

    def values(body: bytes) -> OrderReport | Failure:
        answer = decode(body, _Answer)
        row = decode(answer.amended_order, _Amended)
        qty = row.qty if row.qty is not None else row.orig_qty
        if qty is None or qty < 0 or row.executed_qty < 0:
            raise ValueError(f"executedQty {row.executed_qty} of qty {qty}")
        symbol = symbol_of(row.symbol, {instrument.venue_symbol: instrument})
        if row.client_order_id != order.client_order_id or symbol != instrument.symbol:
            found = f"answer about {row.client_order_id!r} on {symbol}"
            return failure_of(request, reply, OTHER_ORDER, message=found)
        spent = row.cumulative_quote_qty
        spent = row.cummulative_quote_qty if spent is None else spent
        new: list[str] = []
        return OrderReport(
            client_order_id=row.client_order_id,
            venue_order_id=str(row.order_id),
            symbol=symbol,
            status=status_of(row.status, row.executed_qty, new),
            side=side_of(row.side),
            order_type=type_of(row.type, row.price, new),
            qty=qty,
            filled_qty=row.executed_qty,
            price=row.price or None,
            stop_price=row.stop_price or None,
            avg_price=spent / row.executed_qty or None if spent and row.executed_qty else None,
            time_in_force=time_in_force_of(row.time_in_force, new),
            post_only=row.type == "LIMIT_MAKER",
            created_ms=row.time,
            updated_ms=answer.transact_time,
            source=Source.REST,
            unrecognised=tuple(new),
        )

    return read(request, reply, values)


def read_canceled(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> Mapping[str, OrderReport | Failure] | Failure:
    """Nothing: there is no such request."""
    return {}
