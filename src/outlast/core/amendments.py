"""New terms for a live order that keeps its ids: whether they may be asked for, and what they do.

An amendment is an intent of its own. Asking for more than before, or for a price nearer to the
market, adds risk; asking for less takes some away and passes like a cancel. Whether it took effect
is told by the order: by the terms that the venue shows of it, in words newer than the asking.
"""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from outlast.core.order_checks import Problem
from outlast.core.order_checks import find_problem as find_order_problem
from outlast.model import (
    Amendment,
    Instrument,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Side,
)

__all__ = ["adds_risk", "as_request", "confirms", "find_problem", "has_terms", "in_force"]

_LIVE = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


def find_problem(
    order: Order, instrument: Instrument, *, price: Decimal | None, qty: Decimal
) -> Problem | None:
    """Why the order cannot get these terms, or None. `qty` is that of the whole order."""
    return _state_problem(order) or _terms_problem(order, instrument, price=price, qty=qty)


def _state_problem(order: Order) -> Problem | None:
    name = order.client_order_id
    if order.status.is_final:
        return Problem(
            "client_order_id",
            f"order {name} is {order.status.value}, and what has ended cannot be amended; submit a "
            "new order",
        )
    if order.status not in _LIVE:
        return Problem(
            "client_order_id",
            f"whether order {name} lives is not known yet; wait for it with settle({name!r}), or "
            "cancel it",
        )
    if order.amendment is not None:
        state = "not known yet" if order.amendment.is_unknown else "under way"
        return Problem(
            "client_order_id",
            f"an earlier amendment of order {name} is {state}; wait for it with "
            f"settle({name!r}), or cancel the order",
        )
    return None


def _terms_problem(
    order: Order, instrument: Instrument, *, price: Decimal | None, qty: Decimal
) -> Problem | None:
    if price is not None and order.price is None:
        return Problem(
            "price", f"order {order.client_order_id} has no price to amend; leave price out"
        )
    if has_terms(order, price=price, qty=qty):
        return Problem(
            "qty" if price is None else "price",
            f"order {order.client_order_id} has these terms already; give another price or qty",
        )
    if qty <= order.filled_qty:
        return Problem(
            "qty",
            f"qty {qty} is not above the {order.filled_qty} that are filled of order "
            f"{order.client_order_id}; to stop it, cancel it",
        )
    problem = find_order_problem(
        as_request(order, price=price, qty=qty), instrument, reference=None
    )
    if problem is None:
        return None
    stays = problem.field == "stop_price" or (problem.field == "price" and price == order.price)
    # What stays as it is may be off a grid that has changed since.
    return None if stays else problem


def has_terms(order: Order, *, price: Decimal | None, qty: Decimal) -> bool:
    return order.qty == qty and order.price == price


def adds_risk(order: Order, *, price: Decimal | None, qty: Decimal) -> bool:
    """True when the order could fill for more than before, or at prices at which it could not.

    What can only reduce a position never adds any.
    """
    if order.reduce_only:
        return False
    if qty > order.qty:
        return True
    if price is None or order.price is None or price == order.price:
        return False
    return (price > order.price) is (order.side is Side.BUY)


def as_request(order: Order, *, price: Decimal | None, qty: Decimal) -> OrderRequest:
    """The order as somebody would ask for it who wanted these terms from the beginning."""
    return OrderRequest(
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        qty=qty,
        price=price,
        stop_price=order.stop_price,
        time_in_force=order.time_in_force,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        client_order_id=order.client_order_id,
    )


def confirms(order: Order, report: OrderReport) -> bool:
    """True when what the venue says of an order shows that its amendment is in force.

    Words older than the asking show nothing, and where it goes back to former terms neither do
    words without a time.
    """
    asked = order.amendment
    if asked is None or has_terms(order, price=report.price, qty=report.qty):
        return False
    if report.price != asked.price or not _is_qty_asked_for(order, asked, report.qty):
        return False
    if report.updated_ms is None:
        return not asked.is_return
    if asked.after_ms is None or report.updated_ms > asked.after_ms:
        return True
    return report.updated_ms == asked.after_ms and not asked.is_return


def _is_qty_asked_for(order: Order, asked: Amendment, qty: Decimal) -> bool:
    """As asked for; a reduce-only order may be cut by the venue to what there is to reduce."""
    if qty == asked.qty:
        return True
    return order.reduce_only and asked.price != order.price and 0 < qty < asked.qty


def in_force(order: Order, *, price: Decimal | None, qty: Decimal) -> Order:
    """The order with new terms, and nothing asked any more."""
    return replace(order, price=price, qty=max(qty, order.filled_qty), amendment=None)
