"""Changing what rests at Binance USD-M futures: new terms for one order, the end of several.

A modified order keeps both its ids, and loses its place in the queue; the venue wants quantity and
price, changed or not. Conditional orders wait in the Algo service, which modifies none, and cancels
one by one.

Source: Binance USD-M futures docs, Modify Order, Cancel Multiple Orders, 2026-09.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure, InvalidOrder
from outlast.model import Instrument, Order, OrderReport, OrderType
from outlast.venues._binance import failure_of, look
from outlast.venues.binance_um.codes import HOLLOW, meaning_of_row
from outlast.venues.binance_um.orders import read_order, report_of
from outlast.venues.binance_um.replies import decode, read
from outlast.venues.binance_um.requests import VENUE, plain, write
from outlast.wire import Lane, WireReply, WireRequest

__all__ = [
    "CANCELS_MAX",
    "amend_order",
    "cancel_orders",
    "query_orders",
    "read_amended",
    "read_canceled",
]

CANCELS_MAX: Final = 10
"""Source: Cancel Multiple Orders, origClientOrderIdList."""


def amend_order(
    order: Order,
    instrument: Instrument,
    *,
    price: Decimal | None,
    qty: Decimal,
    adds_risk: bool,
) -> WireRequest:
    """New terms for a limit order. Where its new price would take, a post-only one is cancelled.

    So is one of which the new quantity is filled already.

    Raises:
        InvalidOrder: it is no limit order.
    """
    if order.order_type is not OrderType.LIMIT or price is None:
        raise InvalidOrder(
            f"order {order.client_order_id} is a {order.order_type.value} order, and {VENUE} "
            "amends limit orders only; cancel it and submit another",
            field="client_order_id",
            venue=VENUE,
        )
    params = [
        ("symbol", instrument.venue_symbol),
        ("origClientOrderId", order.client_order_id),
        ("side", order.side.name),
        ("quantity", plain(qty, instrument.qty_step, field="qty")),
        ("price", plain(price, instrument.tick_size, field="price")),
    ]
    return write(
        "order.amend",
        "PUT",
        "/fapi/v1/order",
        params,
        lane=Lane.TRADE if adds_risk else Lane.SAFETY,
        safe_to_repeat=False,
        symbol=instrument.symbol,
        client_order_id=order.client_order_id,
    )


def cancel_orders(instrument: Instrument, orders: Sequence[Order]) -> WireRequest | None:
    """Cancel up to ten plain orders; each has its own answer."""
    names = tuple(order.client_order_id for order in orders)
    listed = msgspec.json.encode(names).decode()
    return write(
        "orders.cancel_many",
        "DELETE",
        "/fapi/v1/batchOrders",
        [("symbol", instrument.venue_symbol), ("origClientOrderIdList", listed)],
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
        client_order_ids=names,
    )


def query_orders(instrument: Instrument, venue_order_ids: Sequence[str]) -> WireRequest | None:
    """None: one by one."""
    return None


def read_amended(
    request: WireRequest, reply: WireReply, instrument: Instrument, order: Order
) -> OrderReport | Failure:
    """The answer is the order as it is now, cancelled perhaps."""
    return read_order(request, reply, instrument)


def read_canceled(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> Mapping[str, OrderReport | Failure] | Failure:
    """Rows come in the order of the ids: an order, or a code with words."""

    def values(body: bytes) -> dict[str, OrderReport | Failure]:
        rows = decode(body, list[msgspec.Raw])
        names = request.client_order_ids
        if len(rows) != len(names):
            raise ValueError(f"{len(rows)} rows for {len(names)} orders")
        return {
            name: _row(request, reply, bytes(row), instrument, name)
            for name, row in zip(names, rows, strict=True)
        }

    return read(request, reply, values)


def _row(
    request: WireRequest, reply: WireReply, row: bytes, instrument: Instrument, name: str
) -> OrderReport | Failure:
    told = look(row)
    if told.code not in (None, "200"):
        meaning = meaning_of_row(told.code)
        return failure_of(request, reply, meaning, code=told.code, message=told.message)
    report = report_of(row, {instrument.venue_symbol: instrument}, is_algo=False)
    if report.client_order_id != name or report.symbol != instrument.symbol:
        found = f"row about {report.client_order_id!r} on {report.symbol} instead of {name!r}"
        return failure_of(request, reply, HOLLOW, message=found)
    return report
