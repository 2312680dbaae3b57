"""The guard's orders: one ledger, one journal, moved together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from outlast.adapters.ccxt.dialects import Dialect
from outlast.adapters.ccxt.driving import Driver
from outlast.adapters.ccxt.terms import Terms, id_of, report_of
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.orders import Change, OrderEvent, OrderLedger
from outlast.errors import JournalUnavailable
from outlast.model import Order, OrderStatus

__all__ = ["Entry", "OrderRecords"]

_KEPT_MAX: Final = 2_000
"""Entries of orders that have ended; the journal keeps them all."""


@dataclass(slots=True)
class Entry:
    """One intent of the bot, and what is known of it."""

    terms: Terms
    order: Order
    has_id: bool
    """True when the venue was told our id, so that it is recognised by it."""
    sent_at: float
    """Monotonic."""
    evidence_id: str | None = None
    silent_s: float | None = None
    """How long the venue said nothing at all to it; None: it did, or the request broke off."""
    shown: dict[str, Any] | None = None
    """As ccxt showed it last."""
    was_told_unknown: bool = False
    """True when the bot was told that its outcome is unknown, and has not been given it since."""

    @property
    def client_order_id(self) -> str:
        return self.order.client_order_id

    @property
    def is_unknown(self) -> bool:
        return self.order.status in (
            OrderStatus.INITIALIZED,
            OrderStatus.SUBMITTED,
            OrderStatus.UNKNOWN,
        )


class OrderRecords:
    """Intents by client order id; nothing else changes ledger and journal."""

    def __init__(self, *, dialect: Dialect, driver: Driver, journal: Journal) -> None:
        self._dialect = dialect
        self._driver = driver
        self._journal = journal
        self._ledger = OrderLedger()
        self._entries: dict[str, Entry] = {}
        self._foreign: set[str] = set()
        self._log = logger(venue=f"ccxt:{dialect.exchange_id}")
        self._restore()

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def get(self, client_order_id: str) -> Entry | None:
        return self._entries.get(client_order_id)

    def by_venue_id(self, venue_order_id: str) -> Entry | None:
        order = self._ledger.by_venue_id(venue_order_id)
        return None if order is None else self._entries.get(order.client_order_id)

    def by_row(self, row: Mapping[str, Any]) -> Entry | None:
        """Whose order a row of ccxt's shows; None for one that is not of this journal."""
        return self.get(id_of(row) or "") or self.by_venue_id(str(row.get("id") or ""))

    def unknown(self, symbol: str | None = None) -> list[Entry]:
        """Intents that may be live without anybody knowing, oldest first."""
        doubtful = [self._entries[o.client_order_id] for o in self._ledger.unknown(symbol)]
        return sorted(doubtful, key=lambda entry: entry.order.created_at)

    def net_filled(self, symbol: str) -> Decimal:
        """What our own orders on `symbol` have bought, less what they have sold."""
        net = Decimal(0)
        for entry in self._entries.values():
            if entry.terms.symbol == symbol and entry.order.filled_qty:
                sold = entry.terms.side == "sell"
                net += -entry.order.filled_qty if sold else entry.order.filled_qty
        return net

    def knows(self, venue_order_id: str) -> bool:
        known = self._ledger.by_venue_id(venue_order_id) is not None
        return known or venue_order_id in self._foreign

    def note_foreign(self, venue_order_id: str) -> None:
        """Another program's order, or one from before: not looked at again."""
        self._foreign.add(venue_order_id)

    def is_taken(self, entry: Entry, row: Mapping[str, Any]) -> bool:
        """Whether a shown order is known to be another one of ours."""
        known = self._ledger.by_venue_id(str(row.get("id") or ""))
        return known is not None and known.client_order_id != entry.client_order_id

    def next_id(self) -> str:
        ids = self._journal.ids
        return ids.next() if self._dialect.ids is None else self._dialect.ids.write(ids.next())

    def intend(self, terms: Terms, client_order_id: str, *, has_id: bool) -> Entry:
        """Write an intent down, before anything of it is sent.

        A reducing order goes on without a journal that cannot be written: the way out stays open.

        Raises:
            JournalUnavailable: the intent adds risk and could not be written.
            ValueError: the id was used before.
        """
        request = terms.request(client_order_id)
        order = self._ledger.create(client_order_id, request, at=self._driver.clock.wall())
        try:
            if terms.reduce_only:
                evidence_id = self._journal.note_now("order.intent", order=order)
            else:
                evidence_id = self._journal.append("order.intent", {"order": order})
        except JournalUnavailable:
            self._ledger.forget(client_order_id)
            raise
        now = self._driver.clock.now()
        entry = Entry(terms, order, has_id, now, evidence_id)
        self._entries[client_order_id] = entry
        self._apply(entry, OrderEvent.SENT)
        self._forget_old()
        return entry

    def unsent(self, entry: Entry, reason: str) -> None:
        self._apply(entry, OrderEvent.UNSENT, reason)

    def refused(self, entry: Entry, reason: str) -> None:
        self._apply(entry, OrderEvent.REJECTED, reason)

    def unanswered(self, entry: Entry, reason: str) -> None:
        self._apply(entry, OrderEvent.UNANSWERED, reason)

    def prove_absent(self, entry: Entry) -> None:
        self._apply(
            entry,
            OrderEvent.PROVED_ABSENT,
            "the venue shows no trace of it, long after it could still arrive",
        )

    def found(self, entry: Entry, shown: Mapping[str, Any]) -> None:
        """Fold in an order as ccxt shows it."""
        entry.shown = dict(shown)
        change = self._ledger.report(report_of(shown, entry.order), at=self._driver.clock.wall())
        self._tell(entry, change, "report")

    def _apply(self, entry: Entry, event: OrderEvent, reason: str = "") -> None:
        change = self._ledger.apply(
            entry.client_order_id, event, at=self._driver.clock.wall(), reason=reason
        )
        self._tell(entry, change, event.value)

    def _tell(self, entry: Entry, change: Change, because: str) -> None:
        entry.order = change.after
        if change.before == change.after or because == OrderEvent.SENT.value:
            return
        self._journal.note("order.changed", order=change.after, because=because)
        if change.after.status.is_final or change.after.status is OrderStatus.UNKNOWN:
            self._journal.flush()
        if change.contradicts:
            self._log.error(
                "outlast.order_contradicted",
                client_order_id=entry.client_order_id,
                held=change.before.status.value,
                venue=change.after.status.value,
            )

    def _restore(self) -> None:
        """Orders that an earlier process left in doubt are in doubt still."""
        now = self._driver.clock.now()
        for order in self._journal.history.orders.values():
            self._ledger.restore(order)
            terms = Terms(
                symbol=order.symbol,
                type="market" if order.price is None else "limit",
                side=order.side.value,
                qty=order.qty.normalize(),
                price=None if order.price is None else order.price.normalize(),
                reduce_only=order.reduce_only,
                trigger=order.stop_price,
            )
            entry = Entry(terms, order, self._dialect.ids is not None, now)
            self._entries[order.client_order_id] = entry
            if order.status is OrderStatus.INITIALIZED:
                # Written down, and perhaps sent before the process ended.
                self._apply(entry, OrderEvent.SENT)
            if entry.is_unknown:
                entry.was_told_unknown = True
                self._apply(entry, OrderEvent.UNANSWERED, "an earlier process ended before")
        self._forget_old()

    def _forget_old(self) -> None:
        if len(self._entries) <= _KEPT_MAX:
            return
        ended = [name for name, entry in self._entries.items() if not entry.is_unknown]
        for name in ended[: len(self._entries) - _KEPT_MAX]:
            del self._entries[name]
