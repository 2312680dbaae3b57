"""The life of an order: one table, and a ledger that folds answers, reports and fills into it.

What the venue believes (`status`) and what we have asked (`pending`) are two fields. A pair that is
not in the table is illegal and changes nothing. The venue's word outranks our conclusions: an order
that we held for refused or absent and that shows up after all becomes what the venue says, and the
change is marked as a contradiction so that it is never silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.model import (
    Execution,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Pending,
    Side,
    Source,
)

__all__ = ["TRANSITIONS", "Change", "OrderEvent", "OrderLedger"]


class OrderEvent(Enum):
    DENIED = "denied"
    """We said no before anything was sent."""
    SENT = "sent"
    UNSENT = "unsent"
    """Provably nothing left this process."""
    UNANSWERED = "unanswered"
    DOUBTED = "doubted"
    """It was acknowledged, and now the venue says that it does not exist."""
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    PROVED_ABSENT = "proved_absent"

    __hash__ = object.__hash__  # as the words of the model


_S, _E = OrderStatus, OrderEvent

_VENUE_SAYS: Final[Mapping[OrderEvent, OrderStatus]] = {
    _E.ACCEPTED: _S.ACCEPTED,
    _E.PARTIALLY_FILLED: _S.PARTIALLY_FILLED,
    _E.FILLED: _S.FILLED,
    _E.CANCELED: _S.CANCELED,
    _E.EXPIRED: _S.EXPIRED,
}


def _table() -> dict[tuple[OrderStatus, OrderEvent], OrderStatus]:
    table = {
        (_S.INITIALIZED, _E.DENIED): _S.DENIED,
        (_S.INITIALIZED, _E.SENT): _S.SUBMITTED,
        (_S.SUBMITTED, _E.SENT): _S.SUBMITTED,  # a retry of a send that is known not to have landed
        (_S.SUBMITTED, _E.UNSENT): _S.DENIED,
        (_S.SUBMITTED, _E.REJECTED): _S.REJECTED,
        (_S.SUBMITTED, _E.UNANSWERED): _S.UNKNOWN,
        (_S.UNKNOWN, _E.REJECTED): _S.REJECTED,
        (_S.UNKNOWN, _E.PROVED_ABSENT): _S.NOT_PLACED,
        (_S.ACCEPTED, _E.DOUBTED): _S.UNKNOWN,
        (_S.ACCEPTED, _E.REJECTED): _S.REJECTED,
        (_S.PARTIALLY_FILLED, _E.DOUBTED): _S.UNKNOWN,
        (_S.CANCELED, _E.FILLED): _S.FILLED,  # crossed on the wire; it happens
        (_S.EXPIRED, _E.FILLED): _S.FILLED,
    }
    for told in (_S.SUBMITTED, _S.UNKNOWN, _S.REJECTED, _S.NOT_PLACED, _S.DENIED):
        table |= {(told, event): status for event, status in _VENUE_SAYS.items()}
    for event in (_E.PARTIALLY_FILLED, _E.FILLED, _E.CANCELED, _E.EXPIRED):
        table[_S.ACCEPTED, event] = _VENUE_SAYS[event]
        table[_S.PARTIALLY_FILLED, event] = _VENUE_SAYS[event]
    return table


TRANSITIONS: Final[Mapping[tuple[OrderStatus, OrderEvent], OrderStatus]] = _table()

_CONTRADICTED: Final = frozenset({_S.REJECTED, _S.NOT_PLACED, _S.DENIED})
"""States in which we held that nothing is live."""

_EVENT_OF: Final[Mapping[OrderStatus, OrderEvent]] = {
    _S.ACCEPTED: _E.ACCEPTED,
    _S.PARTIALLY_FILLED: _E.PARTIALLY_FILLED,
    _S.FILLED: _E.FILLED,
    _S.CANCELED: _E.CANCELED,
    _S.EXPIRED: _E.EXPIRED,
    _S.REJECTED: _E.REJECTED,
}


class Change(msgspec.Struct, frozen=True):
    """What one event did. `before` equals `after` when it was illegal or said nothing new."""

    before: Order
    after: Order
    contradicts: bool = False
    """True when the venue shows an order that we held for refused or absent."""
    executions: tuple[Execution, ...] = ()

    @property
    def is_news(self) -> bool:
        return self.before != self.after or bool(self.executions)


class OrderLedger:
    """All orders of one session, by client order id; fills are booked once."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._live: dict[str, Order] = {}
        """Those of them that have not ended: a few, where a day's orders are thousands."""
        self._doubtful: dict[str, Order] = {}
        """Those of them that may be live without our knowing."""
        self._unknown: set[str] = set()
        """Those of these that are not merely under way: asked for with every new order."""
        self._by_venue_id: dict[str, str] = {}
        self._executions: dict[tuple[str, str], Execution] = {}
        self._executed: dict[str, dict[str, Execution]] = {}

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, client_order_id: str) -> Order | None:
        return self._orders.get(client_order_id)

    def by_venue_id(self, venue_order_id: str) -> Order | None:
        client_order_id = self._by_venue_id.get(venue_order_id)
        return None if client_order_id is None else self._orders[client_order_id]

    def executions(self, client_order_id: str | None = None) -> list[Execution]:
        if client_order_id is None:
            return list(self._executions.values())
        return list(self._executed.get(client_order_id, {}).values())

    def open(self, symbol: str | None = None) -> list[Order]:
        """Orders that the venue has acknowledged and that can still fill."""
        live = (_S.ACCEPTED, _S.PARTIALLY_FILLED)
        return [o for o in self._live.values() if o.status in live and symbol in (None, o.symbol)]

    @property
    def has_unknown(self) -> bool:
        """True while any order is of unknown outcome; those under way do not count."""
        return bool(self._unknown)

    def unknown(self, symbol: str | None = None) -> list[Order]:
        """Orders that may be live without our knowing; those under way count too."""
        return [o for o in self._doubtful.values() if symbol in (None, o.symbol)]

    def create(
        self,
        client_order_id: str,
        request: OrderRequest,
        *,
        at: float,
        not_before_ms: int | None = None,
    ) -> Order:
        """Note a new intent. `not_before_ms`: see `Order`.

        Raises:
            ValueError: the id was used before; an id names one order for ever.
        """
        if client_order_id in self._orders:
            raise ValueError(
                f"client_order_id {client_order_id!r} was used before; leave it out for a new one"
            )
        order = Order(
            client_order_id=client_order_id,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            qty=request.qty,
            status=_S.INITIALIZED,
            price=request.price,
            stop_price=request.stop_price,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            created_at=at,
            not_before_ms=not_before_ms,
            as_of=at,
            source=Source.DERIVED,
        )
        self._put(order)
        return order

    def forget(self, client_order_id: str) -> None:
        """Take back an intent that was never written down and never sent."""
        assert self._orders[client_order_id].status is _S.INITIALIZED
        del self._orders[client_order_id], self._live[client_order_id]

    def restore(self, order: Order) -> None:
        """Put back an order as the journal tells it."""
        self._put(order)
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = order.client_order_id

    def apply(
        self, client_order_id: str, event: OrderEvent, *, at: float, reason: str = ""
    ) -> Change:
        """Fold one event of our own in. An illegal one changes nothing."""
        before = self._orders[client_order_id]
        status = TRANSITIONS.get((before.status, event))
        if status is None:
            return Change(before, before)
        pending = before.pending
        if event is _E.SENT:
            pending = Pending.SUBMIT
        elif pending is Pending.SUBMIT:
            pending = Pending.NOTHING
        after = replace(before, status=status, pending=pending, as_of=at, reason=reason)
        return Change(before, self._keep(after))

    def ask_cancel(self, client_order_id: str, asked: bool) -> None:
        """Note that a cancel is under way, or that it has been answered."""
        order = self._orders[client_order_id]
        pending = Pending.CANCEL if asked else Pending.NOTHING
        self._put(replace(order, pending=pending))

    def report(self, report: OrderReport, *, at: float) -> Change:
        """Fold in what the venue says about one order; an unknown id is adopted as external.

        State never goes backwards: a report older than what we know, or with fewer fills, only adds
        what is missing. One of a namesake (the same id, another of the venue's) changes nothing:
        the venues let an id be used again once its order is closed.
        """
        before = self._orders.get(report.client_order_id)
        if before is None:
            external = self._adopt(report, at=at)
            return Change(external, external)
        if _is_other(before, report.venue_order_id):
            return Change(before, before)
        event = _EVENT_OF.get(report.status)
        status = before.status if event is None else TRANSITIONS.get((before.status, event))
        contradicts = (
            status is not None and before.status in _CONTRADICTED and status is not _S.REJECTED
        )
        filled = max(before.filled_qty, report.filled_qty)
        news = filled > before.filled_qty
        after = replace(
            before,
            qty=_qty_left_standing(before, report, filled),
            status=before.status if status is None else status,
            pending=Pending.NOTHING if before.pending is Pending.SUBMIT else before.pending,
            venue_order_id=before.venue_order_id or report.venue_order_id or None,
            filled_qty=filled,
            avg_price=report.avg_price if news or before.avg_price is None else before.avg_price,
            venue_time_ms=max(before.venue_time_ms or 0, report.updated_ms or 0) or None,
            as_of=at,
            source=report.source,
            reason=report.reason if status is not None else before.reason,
        )
        return Change(before, self._keep(after), contradicts)

    def book(self, execution: Execution, *, at: float) -> Change | None:
        """Book one fill, once, whichever path brings it. None when it names no order of ours."""
        order = self.by_venue_id(execution.venue_order_id)
        if order is None and execution.client_order_id is not None:
            order = self.get(execution.client_order_id)
        if order is None or _is_other(order, execution.venue_order_id):
            return None
        key = (execution.venue_order_id, execution.execution_id)
        if key in self._executions:
            return Change(order, order)
        self._executions[key] = execution
        mine = self._executed.setdefault(order.client_order_id, {})
        mine[execution.execution_id] = execution
        booked = sum((e.qty for e in mine.values()), Decimal(0))
        filled = max(order.filled_qty, booked)
        avg_price = order.avg_price
        if booked == filled:
            avg_price = sum((e.qty * e.price for e in mine.values()), Decimal(0)) / booked
        event = _E.FILLED if filled >= order.qty else _E.PARTIALLY_FILLED
        status = TRANSITIONS.get((order.status, event))
        contradicts = status is not None and order.status in _CONTRADICTED
        after = replace(
            order,
            status=order.status if status is None else status,
            pending=Pending.NOTHING if order.pending is Pending.SUBMIT else order.pending,
            filled_qty=filled,
            avg_price=avg_price,
            venue_order_id=order.venue_order_id or execution.venue_order_id,
            venue_time_ms=max(order.venue_time_ms or 0, execution.venue_time_ms) or None,
            as_of=at,
        )
        return Change(order, self._keep(after), contradicts, (execution,))

    def exposure(self, symbol: str, side: Side) -> Decimal:
        """What orders that are or may be live could still fill; an unknown one counts in full."""
        return sum(
            (o.leaves_qty for o in self._live.values() if o.symbol == symbol and o.side is side),
            Decimal(0),
        )

    def _put(self, order: Order) -> None:
        """Keep the newest state of one order."""
        client_order_id, status = order.client_order_id, order.status
        self._orders[client_order_id] = order
        if status.is_final:
            self._live.pop(client_order_id, None)
        else:
            self._live[client_order_id] = order
        if status is _S.UNKNOWN or status is _S.SUBMITTED:
            self._doubtful[client_order_id] = order
        else:
            self._doubtful.pop(client_order_id, None)
        if status is _S.UNKNOWN:
            self._unknown.add(client_order_id)
        else:
            self._unknown.discard(client_order_id)

    def _adopt(self, report: OrderReport, *, at: float) -> Order:
        order = Order(
            client_order_id=report.client_order_id,
            symbol=report.symbol,
            side=report.side,
            order_type=report.order_type,
            qty=report.qty,
            status=report.status,
            price=report.price,
            stop_price=report.stop_price,
            time_in_force=report.time_in_force,
            post_only=report.post_only,
            reduce_only=report.reduce_only,
            venue_order_id=report.venue_order_id or None,
            filled_qty=report.filled_qty,
            avg_price=report.avg_price,
            created_at=(report.created_ms or 0) / 1000 or at,
            not_before_ms=report.created_ms,
            as_of=at,
            venue_time_ms=report.updated_ms,
            source=report.source,
            reason=report.reason,
            is_external=True,
        )
        return self._keep(order)

    def _keep(self, order: Order) -> Order:
        """Store `order`, with the status that its fills prove and nothing pending after its end."""
        if order.filled_qty > 0 and order.status is _S.ACCEPTED:
            order = replace(order, status=_S.PARTIALLY_FILLED)
        elif order.filled_qty > 0 and order.status in _CONTRADICTED:
            order = replace(order, status=_S.CANCELED)  # it was in the book; what was left is gone
        if order.status.is_final:
            order = replace(order, pending=Pending.NOTHING)
        self._put(order)
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = order.client_order_id
        return order


def _qty_left_standing(order: Order, report: OrderReport, filled: Decimal) -> Decimal:
    """The order's quantity: a reduce-only one may be cut by the venue to what there is to reduce.

    Never below what is filled, and never up again. Source: nautilus_trader issue 3983 (Binance
    lowers `origQty` of reduce-only orders, at once or while they rest).
    """
    if not order.reduce_only or not 0 < report.qty < order.qty:
        return order.qty
    return max(report.qty, filled)


def _is_other(order: Order, venue_order_id: str) -> bool:
    """True when the venue's id shows that another order is meant. Empty: it has none yet."""
    return bool(venue_order_id) and order.venue_order_id not in (None, venue_order_id)
