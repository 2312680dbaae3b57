"""The life of an order: one table, and a ledger that folds answers, reports and fills into it.

What the venue believes (`status`) and what we have asked (`pending`) are two fields. A pair that is
not in the table is illegal and changes nothing. The venue's word outranks our conclusions: an order
that we held for refused or absent and that shows up after all becomes what the venue says, and the
change is marked as a contradiction so that it is never silent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec
from msgspec.structs import replace

from outlast.core.amendments import confirms, has_terms, in_force
from outlast.model import (
    Amendment,
    Execution,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Pending,
    Side,
    Source,
)

__all__ = ["TRANSITIONS", "Change", "OrderEvent", "OrderLedger", "is_our_conclusion"]


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

Terms = tuple[Decimal | None, Decimal]
"""Price and quantity."""
_TERMS_KEPT: Final = 64
"""Of one order: a word so old that it tells of earlier ones does not come any more."""

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
    amended: bool = False
    """True when it has put new terms in force."""

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
        self._former: dict[str, deque[Terms]] = {}
        """Terms that a live order had before it was amended."""
        self._refuted: dict[str, deque[Terms]] = {}
        """Terms that were asked for and held for not in force."""

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
        """True while any order or amendment is of unknown outcome; those under way do not count."""
        return bool(self._unknown)

    def unsure(self, symbol: str | None = None) -> list[Order]:
        """Live orders of which nobody knows whether their last amendment is in force."""
        return [o for o in self._live.values() if _is_unsure(o) and symbol in (None, o.symbol)]

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
        if status in _CONTRADICTED and before.filled_qty > 0:
            after = replace(after, source=Source.DERIVED)  # canceled, by nobody's word but ours
        return Change(before, self._keep(after))

    def ask_cancel(self, client_order_id: str, asked: bool) -> None:
        """Note that a cancel is under way, or that it has been answered."""
        order = self._orders[client_order_id]
        pending = Pending.CANCEL if asked else Pending.NOTHING
        self._put(replace(order, pending=pending))

    def ask_amend(
        self, client_order_id: str, *, price: Decimal | None, qty: Decimal, at: float
    ) -> Change:
        """Note that other terms are about to be asked for."""
        before = self._orders[client_order_id]
        asked = Amendment(
            qty=qty,
            price=price,
            asked_at=at,
            after_ms=before.venue_time_ms,
            is_return=(price, qty) in self._former.get(client_order_id, ()),
        )
        after = replace(before, amendment=asked, pending=Pending.AMEND)
        return Change(before, self._keep(after))

    def amend_unanswered(self, client_order_id: str, *, at: float, reason: str) -> Change:
        """Nobody knows whether the terms asked for are in force."""
        before = self._orders[client_order_id]
        if before.amendment is None:
            return Change(before, before)
        doubtful = replace(before.amendment, is_unknown=True)
        return Change(before, self._keep(replace(before, amendment=doubtful, reason=reason)))

    def amend_settled(
        self,
        client_order_id: str,
        *,
        at: float,
        terms: Terms | None = None,
        reason: str = "",
    ) -> Change:
        """What became of the terms asked for. None: they are not in force, and never will be.

        `terms` are those that the venue says are in force now. Nothing changes where it was known
        already.
        """
        before = self._orders[client_order_id]
        if before.amendment is None:
            return Change(before, before)
        pending = Pending.NOTHING if before.pending is Pending.AMEND else before.pending
        if terms is None or has_terms(before, price=terms[0], qty=terms[1]):
            asked = before.amendment
            _remember(self._refuted, client_order_id, (asked.price, asked.qty))
            after = replace(before, amendment=None, pending=pending, reason=reason)
            return Change(before, self._keep(_filled_up(after)))
        after = replace(self._amended(before, *terms), pending=pending, as_of=at, reason="")
        return Change(before, self._keep(_filled_up(after)), amended=True)

    def _amended(self, order: Order, price: Decimal | None, qty: Decimal) -> Order:
        """The order with new terms; those that it had are remembered."""
        _remember(self._former, order.client_order_id, (order.price, order.qty))
        return in_force(order, price=price, qty=qty)

    def _taken_up(self, order: Order, report: OrderReport) -> Order:
        """The order with the terms that `report` shows, where these have been asked for.

        They may have been held for not in force: then this contradicts a verdict, and is believed
        where it cannot be an old word: by the venue's clock, or as they never were in force before.
        """
        if order.amendment is None and not self._refuted:
            return order  # as nearly always
        if confirms(order, report):
            return self._amended(order, report.price, report.qty)
        terms = (report.price, report.qty)
        is_newer = (report.updated_ms or 0) > (order.venue_time_ms or 0)
        if report.updated_ms is None:
            is_newer = terms not in self._former.get(order.client_order_id, ())
        refuted = self._refuted.get(order.client_order_id, ())
        if is_newer and terms in refuted and not has_terms(order, price=terms[0], qty=terms[1]):
            asked = order.amendment
            return replace(self._amended(order, *terms), amendment=asked)
        return order

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
        known = self._taken_up(before, report)
        amended = known is not before
        event = _EVENT_OF.get(report.status)
        is_ours = is_our_conclusion(before)
        held = _S.NOT_PLACED if is_ours and not _is_old(before, report) else before.status
        status = before.status if event is None else TRANSITIONS.get((held, event))
        is_unmoved = status is None or event is None
        contradicts = (
            status is not None and before.status in _CONTRADICTED and status is not _S.REJECTED
        )
        if is_ours and status is not None and status.may_be_live:
            contradicts = True
        if amended and before.amendment is None:
            contradicts = True  # they were held for not in force
        filled = max(before.filled_qty, report.filled_qty)
        news = filled > before.filled_qty
        after = replace(
            known,
            qty=_qty_left_standing(known, report, filled),
            status=before.status if status is None else status,
            pending=_pending(known),
            venue_order_id=before.venue_order_id or report.venue_order_id or None,
            filled_qty=filled,
            avg_price=report.avg_price if news or before.avg_price is None else before.avg_price,
            venue_time_ms=max(before.venue_time_ms or 0, report.updated_ms or 0) or None,
            as_of=at,
            source=before.source if is_ours and is_unmoved else report.source,
            reason=report.reason if status is not None else before.reason,
        )
        return Change(before, self._keep(after), contradicts, amended=amended)

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
        known, asked = order, order.amendment
        if asked is not None and order.qty < filled <= asked.qty:
            known = self._amended(order, asked.price, asked.qty)  # the old terms had no room for it
        avg_price = order.avg_price
        if booked == filled:
            avg_price = sum((e.qty * e.price for e in mine.values()), Decimal(0)) / booked
        # While it may have been amended to more, what was all of it may be a part.
        event = _E.FILLED if filled >= known.qty_at_most else _E.PARTIALLY_FILLED
        status = TRANSITIONS.get((order.status, event))
        contradicts = status is not None and order.status in _CONTRADICTED
        after = replace(
            known,
            status=order.status if status is None else status,
            pending=_pending(known),
            filled_qty=filled,
            avg_price=avg_price,
            venue_order_id=order.venue_order_id or execution.venue_order_id,
            venue_time_ms=max(order.venue_time_ms or 0, execution.venue_time_ms) or None,
            as_of=at,
        )
        return Change(
            order, self._keep(after), contradicts, (execution,), amended=known is not order
        )

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
            self._former.pop(client_order_id, None)
            self._refuted.pop(client_order_id, None)
        else:
            self._live[client_order_id] = order
        if status is _S.UNKNOWN or status is _S.SUBMITTED:
            self._doubtful[client_order_id] = order
        else:
            self._doubtful.pop(client_order_id, None)
        if status is _S.UNKNOWN or (order.amendment is not None and _is_unsure(order)):
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
            order = replace(order, pending=Pending.NOTHING, amendment=None)
        self._put(order)
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = order.client_order_id
        return order


def _remember(kept: dict[str, deque[Terms]], client_order_id: str, terms: Terms) -> None:
    kept.setdefault(client_order_id, deque(maxlen=_TERMS_KEPT)).append(terms)


def _is_unsure(order: Order) -> bool:
    return order.amendment is not None and order.amendment.is_unknown


def is_our_conclusion(order: Order) -> bool:
    """True for one with fills that we, and not the venue, hold for gone: the rest is canceled."""
    return order.status is _S.CANCELED and order.source is Source.DERIVED


def _is_old(order: Order, report: OrderReport) -> bool:
    """True when `report` tells of a time before what we know of the order."""
    if report.filled_qty < order.filled_qty:
        return True
    return report.updated_ms is not None and report.updated_ms < (order.venue_time_ms or 0)


def _filled_up(order: Order) -> Order:
    """Now that it is known what all of it is, its fills may be all of it."""
    is_full = order.filled_qty >= order.qty and order.status is _S.PARTIALLY_FILLED
    return replace(order, status=_S.FILLED) if is_full else order


def _pending(order: Order) -> Pending:
    """What is still asked of an order that the venue has just told of."""
    if order.pending is Pending.SUBMIT:
        return Pending.NOTHING
    is_amended = order.pending is Pending.AMEND and order.amendment is None
    return Pending.NOTHING if is_amended else order.pending


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
