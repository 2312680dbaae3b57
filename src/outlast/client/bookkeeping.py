"""The one place where orders change: ledger, journal and listeners move together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from outlast.client.events import AmendmentChanged, EventBus, ExecutionBooked, OrderChanged
from outlast.client.journal import History, Journal
from outlast.client.logs import logger
from outlast.core.orders import Change, OrderEvent, OrderLedger
from outlast.errors import JournalUnavailable
from outlast.model import Execution, Order, OrderReport, OrderRequest, OrderStatus, Side
from outlast.wire import Clock

__all__ = ["Fill", "OrderBookkeeper"]

_BECAUSE: Final = {event: event.value for event in OrderEvent}
_SENT: Final = _BECAUSE[OrderEvent.SENT]


@dataclass(frozen=True, slots=True)
class Fill:
    """What one of our orders did to a position: signed quantity, and when by the venue's time."""

    order: Order
    """As it is with this fill."""
    qty: Decimal
    value: Decimal
    """What it took of the quote currency (negative) or gave, as well as the average price tells."""
    venue_time_ms: int | None
    """At or after the fill: where an order's report tells of it, when the order changed last."""


class OrderBookkeeper:
    """All orders of the session. Nothing else changes the ledger."""

    def __init__(self, *, venue: str, clock: Clock, journal: Journal, events: EventBus) -> None:
        self.ledger = OrderLedger()
        self.on_fill: Callable[[Fill], None] = lambda _: None
        self.on_execution: Callable[[Execution, str], None] = lambda _, __: None
        """Hears each fill that is booked, and the client order id of its order."""
        self.on_change: Callable[[Order, Order | None], None] = lambda _, __: None
        """Hears each order that is new here or has changed: what it is, and what it was."""
        self._clock = clock
        self._journal = journal
        self._events = events
        self._log = logger(venue=venue)
        self._waiters: dict[str, asyncio.Event] = {}
        self.is_closed = False
        """True once the session ends: nobody changes an order any more."""

    def restore(self, history: History) -> list[Order]:
        """Put back what the journal tells; returns the orders whose outcome it does not know."""
        for order in history.orders.values():
            self.ledger.restore(order)
        at = self._clock.wall()
        for execution in history.executions:
            self.ledger.book(execution, at=at)
        return [order for order in self.ledger if not order.status.is_final]

    def intend(
        self, client_order_id: str, request: OrderRequest, *, not_before_ms: int | None = None
    ) -> tuple[Order, str | None]:
        """Write a new intent down, before anything of it is sent; returns it and its evidence id.

        A reducing order goes on without a journal that cannot be written (the disk is full): the
        way out stays open, and the journal has said so loudly.

        Raises:
            JournalUnavailable: the intent adds risk and could not be written.
            ValueError: the id was used before.
        """
        order = self.ledger.create(
            client_order_id, request, at=self._clock.wall(), not_before_ms=not_before_ms
        )
        if request.reduce_only:
            return order, self._journal.note_now("order.intent", order=order)
        try:
            return order, self._journal.append("order.intent", {"order": order})
        except JournalUnavailable:
            self.ledger.forget(client_order_id)
            raise

    def apply(self, client_order_id: str, event: OrderEvent, *, reason: str = "") -> Order:
        """Fold in something that we did or concluded."""
        at = self._clock.wall()
        change = self.ledger.apply(client_order_id, event, at=at, reason=reason)
        return self._tell(change, because=_BECAUSE[event])

    def report(self, report: OrderReport) -> Order:
        """Fold in what the venue says about one order."""
        known = self.ledger.get(report.client_order_id) is not None
        change = self.ledger.report(report, at=self._clock.wall())
        if not known:
            self._write(change.after, because="adopted")
            self.on_change(change.after, None)
            self._note_fill(change, gained=change.after.filled_qty)
            return change.after
        self._note_fill(change, gained=change.after.filled_qty - change.before.filled_qty)
        return self._tell(change, because="amended" if change.amended else "report")

    def book(self, execution: Execution) -> bool:
        """Book one fill, once. False when it is of no order that we know."""
        change = self.ledger.book(execution, at=self._clock.wall())
        if change is None:
            return False
        if change.executions:
            gained = change.after.filled_qty - change.before.filled_qty
            at_ms = execution.venue_time_ms if gained == execution.qty else None
            self._note_fill(change, gained=gained, at_ms=at_ms)
            client_order_id = change.after.client_order_id
            self.on_execution(execution, client_order_id)
            self._journal.note("execution", execution=execution)
            self._events.publish(
                ExecutionBooked(execution=execution, client_order_id=client_order_id)
            )
        self._tell(change, because="amended" if change.amended else "execution")
        return True

    def intend_amend(
        self, client_order_id: str, *, price: Decimal | None, qty: Decimal, adds_risk: bool
    ) -> str | None:
        """Write down that other terms are asked for, before anything is sent; its evidence id.

        Raises:
            JournalUnavailable: it adds risk and could not be written.
        """
        at = self._clock.wall()
        change = self.ledger.ask_amend(client_order_id, price=price, qty=qty, at=at)
        try:
            evidence_id = (
                self._journal.append("order.amend", {"order": change.after})
                if adds_risk
                else self._journal.note_now("order.amend", order=change.after)
            )
        except JournalUnavailable:
            self.ledger.restore(change.before)
            raise
        self._tell(change, because="amend", is_written=True)
        return evidence_id

    def amend_unanswered(self, client_order_id: str, *, reason: str) -> Order:
        """The answer to an amendment is lost."""
        at = self._clock.wall()
        change = self.ledger.amend_unanswered(client_order_id, at=at, reason=reason)
        return self._tell(change, because="amend_unanswered")

    def amend_settled(
        self,
        client_order_id: str,
        *,
        terms: tuple[Decimal | None, Decimal] | None,
        because: str,
        reason: str = "",
    ) -> Order:
        """What became of an amendment: the terms in force now, as price and quantity; None: the
        old ones.
        """
        at = self._clock.wall()
        change = self.ledger.amend_settled(client_order_id, at=at, terms=terms, reason=reason)
        return self._tell(change, because="amended" if change.amended else because)

    def ask_cancel(self, client_order_id: str, *, asked: bool) -> None:
        self.ledger.ask_cancel(client_order_id, asked)

    def close(self) -> None:
        """Let nobody wait for changes that will not come."""
        self.is_closed = True
        for event in self._waiters.values():
            event.set()

    async def changed(self, client_order_id: str, *, until: float) -> bool:
        """Wait until the order changes, at most until `until` (monotonic). True when it did."""
        event = self._waiters.setdefault(client_order_id, asyncio.Event())
        left_s = until - self._clock.now()
        if left_s <= 0 or self.is_closed:
            return False
        try:
            async with asyncio.timeout(left_s):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def _note_fill(self, change: Change, *, gained: Decimal, at_ms: int | None = None) -> None:
        order = change.after
        if gained > 0:
            signed = gained if order.side is Side.BUY else -gained
            value = -signed * (order.avg_price or order.price or 0)
            self.on_fill(Fill(order, signed, value, at_ms or order.venue_time_ms))

    def _tell(self, change: Change, *, because: str, is_written: bool = False) -> Order:
        order, before = change.after, change.before
        if not _is_news(before, order):
            return order  # confirmed, and nothing new: no news for anybody
        if is_written:
            pass
        elif because != _SENT or before.status is not OrderStatus.INITIALIZED:
            # That it may have left is what its intent says: it is not written again.
            self._write(order, because=because)
        self.on_change(order, change.before)
        if change.contradicts:
            self._log.error(
                "outlast.order_contradicted",
                client_order_id=order.client_order_id,
                held=change.before.status.value,
                venue=order.status.value,
            )
        if self._events.has_readers:
            self._events.publish(
                OrderChanged(order=order, previous=before, contradicts=change.contradicts)
            )
            if order.amendment != before.amendment or change.amended:
                self._publish_amendment(change, because)
        event = self._waiters.pop(order.client_order_id, None)
        if event is not None:
            event.set()
        return order

    def _publish_amendment(self, change: Change, because: str) -> None:
        order = change.after
        asked = order.amendment or change.before.amendment
        if change.amended:
            state = "in_force"
        elif order.amendment is not None:
            state = "unknown" if order.amendment.is_unknown else "asked"
        elif order.status.is_final:
            state = "ended"
        else:
            state = "refused" if because == "amend_refused" else "not_in_force"
        price, qty = (order.price, order.qty) if asked is None else (asked.price, asked.qty)
        self._events.publish(
            AmendmentChanged(order=order, state=state, price=price, qty=qty, reason=order.reason)
        )

    def _write(self, order: Order, *, because: str) -> None:
        self._journal.note("order.changed", order=order, because=because)
        if order.status.is_final or because == "amended":
            self._journal.flush()  # a verdict is written before anybody hears it


def _is_news(before: Order, after: Order) -> bool:
    """True when more is different than when and from where it was heard."""
    if after.status is not before.status:
        return True
    return after != replace(before, as_of=after.as_of, source=after.source)
