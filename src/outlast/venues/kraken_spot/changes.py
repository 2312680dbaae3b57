"""Changing what rests at Kraken spot: new terms for one order, the end of several.

An amended order keeps its ids and, where possible, its place in the queue. Its answer names the
amendment and not the order; the answer to a batch of cancels is a count. What became of the orders
takes the stream, or one question for up to fifty of them.

Source: Kraken docs, Amend Order, Cancel Order Batch, Query Orders Info, guide "Spot Atomic Amends";
read 2026-05-27.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure
from outlast.model import Instrument, Order, OrderReport, Source
from outlast.venues.kraken_spot.replies import decode, read
from outlast.venues.kraken_spot.requests import is_venue_id, plain, query, write
from outlast.wire import Lane, WireReply, WireRequest

__all__ = [
    "CANCELS_MAX",
    "amend_order",
    "cancel_orders",
    "query_orders",
    "read_amended",
    "read_canceled",
]

CANCELS_MAX: Final = 50
"""Source: Cancel Order Batch: ids of all kinds together."""


def amend_order(
    order: Order,
    instrument: Instrument,
    *,
    price: Decimal | None,
    qty: Decimal,
    adds_risk: bool,
) -> WireRequest:
    """New quantity, new limit price, or both. `sign` adds its deadline.

    A post-only order asks for its new price to be refused where it would take. The quantity goes
    along always: over WebSocket it has to.

    Raises:
        InvalidOrder: a number that no instrument has.
    """
    name = "txid" if is_venue_id(order.client_order_id) else "cl_ord_id"
    params = [(name, order.client_order_id), ("order_qty", plain(qty, field="qty"))]
    if price is not None and price != order.price:
        params.append(("limit_price", plain(price, field="price")))
        if order.post_only:
            params.append(("post_only", "true"))
    return write(
        "order.amend",
        "AmendOrder",
        params,
        lane=Lane.TRADE if adds_risk else Lane.SAFETY,
        safe_to_repeat=False,
        symbol=instrument.symbol,
        client_order_id=order.client_order_id,
    )


def cancel_orders(instrument: Instrument, orders: Sequence[Order]) -> WireRequest | None:
    """Cancel up to fifty orders; accepted even where the counter has no room left for them.

    Each goes by the venue's id where it is known, else by ours.

    Source: Kraken docs, "Spot Trading Rate Limits", batch cancel.
    """
    ids = [o.venue_order_id for o in orders if o.venue_order_id is not None]
    names = [o.client_order_id for o in orders if o.venue_order_id is None]
    params = [
        (name, msgspec.json.encode(listed).decode())
        for name, listed in (("orders", ids), ("cl_ord_ids", names))
        if listed
    ]
    return write(
        "orders.cancel_many",
        "CancelOrderBatch",
        params,
        lane=Lane.SAFETY,
        symbol=instrument.symbol,
        client_order_ids=tuple(order.client_order_id for order in orders),
    )


def query_orders(instrument: Instrument, venue_order_ids: Sequence[str]) -> WireRequest | None:
    """Up to fifty orders, open or ended, by the venue's ids."""
    assert 1 <= len(venue_order_ids) <= CANCELS_MAX
    return query(
        "orders.read",
        "QueryOrders",
        [("txid", ",".join(venue_order_ids))],
        symbol=instrument.symbol,
    )


class _Amended(msgspec.Struct):
    amend_id: str


class _Canceled(msgspec.Struct):
    count: int


def read_amended(
    request: WireRequest, reply: WireReply, instrument: Instrument, order: Order
) -> OrderReport | Failure:
    """What was asked for, as in force: the answer says no more than that it is."""

    def values(result: msgspec.Raw) -> OrderReport:
        decode(result, _Amended)
        asked = dict(request.params)
        price = asked.get("limit_price")
        return OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id or "",
            symbol=order.symbol,
            status=order.status,
            side=order.side,
            order_type=order.order_type,
            qty=Decimal(asked["order_qty"]),
            filled_qty=order.filled_qty,
            price=order.price if price is None else Decimal(price),
            stop_price=order.stop_price,
            avg_price=order.avg_price,
            time_in_force=order.time_in_force,
            post_only=order.post_only,
            reduce_only=order.reduce_only,
            source=Source.REST,
        )

    return read(request, reply, values)


def read_canceled(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> Mapping[str, OrderReport | Failure] | Failure:
    """Nothing of any order: a count of those that were open does not say which."""

    def values(result: msgspec.Raw) -> dict[str, OrderReport | Failure]:
        decode(result, _Canceled)
        return {}

    return read(request, reply, values)
