"""The one place where orders change: ledger, journal and listeners move together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import msgspec

from outlast.client.events import EventBus, ExecutionBooked, OrderChanged
from outlast.client.journal import History, Journal
from outlast.client.logs import logger
from outlast.core.orders import Change, OrderEvent, OrderLedger
from outlast.errors import JournalUnavailable
from outlast.model import Execution, Order, OrderReport, OrderRequest, Side
from outlast.wire import Clock

__all__ = ["Fill", "OrderBookkeeper"]


@dataclass(frozen=True, slots=True)
class Fill:
    """What one of our orders did to a position: signed quantity, and when by the venue's time."""

    symbol: str
    qty: Decimal
    value: Decimal
    """What it took of the quote currency (negative) or gave, as well as the average price tells."""
    venue_time_ms: int
    is_external: bool = False


class OrderBookkeeper:
    """All orders of the session. Nothing else changes the ledger."""

    def __init__(self, *, venue: str, clock: Clock, journal: Journal, events: EventBus) -> None:
        self.ledger = OrderLedger()
        self.on_fill: Callable[[Fill], None] = lambda _: None
        self.on_change: Callable[[Order, Order | None], None] = lambda _, __: None
        """Hears each order that is new here or has changed: what it is, and what it was."""
        self._clock = clock
        self._journal = journal
        self._events = events
        self._log = logger(venue=venue)
        self._waiters: dict[str, asyncio.Event] = {}

    def restore(self, history: History) -> list[Order]:
        """Put back what the journal tells; returns the orders whose outcome it does not know."""
        for order in history.orders.values():
            self.ledger.restore(order)
        at = self._clock.wall()
        for execution in history.executions:
            self.ledger.book(execution, at=at)
        return [order for order in self.ledger if not order.status.is_final]

    def intend(self, client_order_id: str, request: OrderRequest) -> tuple[Order, str | None]:
        """Write a new intent down, before anything of it is sent; returns it and its evidence id.

        A reducing order goes on without a journal that cannot be written (the disk is full): the
        way out stays open, and the journal has said so loudly.

        Raises:
            JournalUnavailable: the intent adds risk and could not be written.
            ValueError: the id was used before.
        """
        order = self.ledger.create(client_order_id, request, at=self._clock.wall())
        fields = {"order": msgspec.to_builtins(order)}
        if request.reduce_only:
            return order, self._journal.note("order.intent", **fields)
        try:
            return order, self._journal.append("order.intent", fields)
        except JournalUnavailable:
            self.ledger.forget(client_order_id)
            raise

    def apply(self, client_order_id: str, event: OrderEvent, *, reason: str = "") -> Order:
        """Fold in something that we did or concluded."""
        at = self._clock.wall()
        change = self.ledger.apply(client_order_id, event, at=at, reason=reason)
        return self._tell(change, because=event.value)

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
        return self._tell(change, because="report")

    def book(self, execution: Execution) -> bool:
        """Book one fill, once. False when it is of no order that we know."""
        change = self.ledger.book(execution, at=self._clock.wall())
        if change is None:
            return False
        if change.executions:
            self._note_fill(change, gained=change.after.filled_qty - change.before.filled_qty)
            client_order_id = change.after.client_order_id
            self._journal.note("execution", execution=msgspec.to_builtins(execution))
            self._events.publish(
                ExecutionBooked(execution=execution, client_order_id=client_order_id)
            )
        self._tell(change, because="execution")
        return True

    def ask_cancel(self, client_order_id: str, *, asked: bool) -> None:
        self.ledger.ask_cancel(client_order_id, asked)

    async def changed(self, client_order_id: str, *, until: float) -> bool:
        """Wait until the order changes, at most until `until` (monotonic). True when it did."""
        event = self._waiters.setdefault(client_order_id, asyncio.Event())
        left_s = until - self._clock.now()
        if left_s <= 0:
            return False
        try:
            async with asyncio.timeout(left_s):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def _note_fill(self, change: Change, *, gained: Decimal) -> None:
        order = change.after
        if gained > 0:
            signed = gained if order.side is Side.BUY else -gained
            at_ms = order.venue_time_ms or 0
            value = -signed * (order.avg_price or order.price or 0)
            self.on_fill(Fill(order.symbol, signed, value, at_ms, order.is_external))

    def _tell(self, change: Change, *, because: str) -> Order:
        order = change.after
        if order == replace(change.before, as_of=order.as_of, source=order.source):
            return order  # confirmed, and nothing new: no news for anybody
        self._write(order, because=because)
        self.on_change(order, change.before)
        if change.contradicts:
            self._log.error(
                "outlast.order_contradicted",
                client_order_id=order.client_order_id,
                held=change.before.status.value,
                venue=order.status.value,
            )
        self._events.publish(
            OrderChanged(order=order, previous=change.before, contradicts=change.contradicts)
        )
        event = self._waiters.pop(order.client_order_id, None)
        if event is not None:
            event.set()
        return order

    def _write(self, order: Order, *, because: str) -> None:
        fields: dict[str, Any] = msgspec.to_builtins(order)
        self._journal.note("order.changed", order=fields, because=because)
