"""Holds the venue's reports of the account against our own fills, and says when they stand still.

The signs are `core.report_watch`'s. Here they are collected: from reports on orders, from lists of
fills, from cancels, and from every reading of balances and positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from outlast.client.bookkeeping import Fill, OrderBookkeeper
from outlast.client.instruments import Instruments
from outlast.core.report_watch import ReportWatch
from outlast.model import Execution, Order, OrderStatus, OrderType, Side, TimeInForce
from outlast.wire import Clock

__all__ = ["LateReports"]

_LIVE: Final = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
_AT_ONCE: Final = (TimeInForce.IOC, TimeInForce.FOK)


_ORDERS_MAX: Final = 1_000
"""Whose sending is remembered. Fills of older ones are judged by the venue's times."""


@dataclass(frozen=True, slots=True)
class _Report:
    number: int
    asked_at: float
    answered_at: float


class LateReports:
    def __init__(
        self,
        orders: OrderBookkeeper,
        instruments: Instruments,
        *,
        clock: Clock,
        server_now_ms: Callable[[], int],
        has_positions: bool,
    ) -> None:
        self._orders = orders
        self._instruments = instruments
        self._clock = clock
        self._server_now_ms = server_now_ms
        self._has_positions = has_positions
        self._watch = ReportWatch()
        self._names: dict[str, set[str]] = {"balances": set(), "positions": set()}
        self._first: _Report | None = None
        """Of the positions: what it did not list, and none since, was flat then."""
        self._reports = 0
        self._from_before: frozenset[str] = frozenset()
        self._sent_after: dict[str, int] = {}
        """By client order id: how many reports had come when it was sent."""

    # What is heard.

    def restore(self, client_order_ids: Iterable[str]) -> None:
        """Orders of the session before: they were sent before any report that comes now."""
        self._from_before = frozenset(client_order_ids)

    def note_order(self, order: Order) -> None:
        """An order is new here or has changed."""
        status, name = order.status, order.client_order_id
        if status in _LIVE:
            if order.order_type is OrderType.MARKET or order.time_in_force in _AT_ONCE:
                self._watch.taken(name, now=self._clock.now())
        elif status is not OrderStatus.SUBMITTED:
            self._watch.ended(name)
        elif name not in self._from_before:
            self._sent_after[name] = self._reports
            if len(self._sent_after) > _ORDERS_MAX:
                del self._sent_after[next(iter(self._sent_after))]

    def note_cancel(self, order: Order) -> None:
        """A cancel found nothing to cancel; this is what the venue then reports of the order."""
        if order.status in _LIVE:
            self._watch.contradicted(order.client_order_id, now=self._clock.now())

    def is_contradicted(self, client_order_id: str) -> bool:
        """True while the venue reports an order open whose cancel it does not know."""
        return self._watch.is_contradicted(client_order_id, self._clock.now())

    def note_fill(self, fill: Fill) -> None:
        """A report on an order tells of a fill; its exact time and its fee are not known yet."""
        order, instrument = fill.order, self._instruments.get(fill.order.symbol)
        if instrument is None or order.is_external:
            return
        at = (fill.venue_time_ms or self._server_now_ms()) / 1000
        moved = order.symbol if self._has_positions else instrument.base
        self._expect(order.symbol)
        for name in (moved, instrument.quote):
            self._moved(name, None, at, order.client_order_id)

    def note_execution(self, execution: Execution, client_order_id: str) -> None:
        """The venue's own list has a fill."""
        self._watch.listed(client_order_id)
        instrument = self._instruments.get(execution.symbol)
        if instrument is None:
            return
        self._expect(execution.symbol)
        signed = execution.qty if execution.side is Side.BUY else -execution.qty
        moves = {execution.fee_currency: -execution.fee}
        if self._has_positions:
            gained = ((execution.symbol, signed), (instrument.quote, execution.realised_pnl))
        else:
            gained = ((instrument.base, signed), (instrument.quote, -signed * execution.price))
        for name, amount in gained:
            moves[name] = moves.get(name, Decimal(0)) + amount
        for name, amount in moves.items():
            self._moved(name, amount, execution.venue_time_ms / 1000, client_order_id)

    def note_report(
        self, what: str, amounts: Mapping[str, Decimal], *, asked_ms: int, is_whole: bool
    ) -> None:
        """Balances or positions as the venue has shown them, as far as they are believed.

        `is_whole`: all of the report is. Then what it does not list is zero; in another, what is
        missing may be the lie.
        """
        self._reports += 1
        report = _Report(self._reports, asked_ms / 1000, self._server_now_ms() / 1000)
        if what == "positions" and is_whole and self._first is None:
            self._first = report
        self._names[what].update(amounts)
        for name, amount in amounts.items():
            self._show(name, amount, report)

    def _expect(self, symbol: str) -> None:
        """A position in `symbol` has come to be; no report has listed it yet."""
        if self._first is not None and symbol not in self._names["positions"]:
            self._names["positions"].add(symbol)
            self._show(symbol, Decimal(0), self._first)

    def _show(self, name: str, amount: Decimal, report: _Report) -> None:
        self._watch.shown(
            name,
            amount,
            asked_at=report.asked_at,
            answered_at=report.answered_at,
            number=report.number,
        )

    def _moved(self, name: str, amount: Decimal | None, at: float, client_order_id: str) -> None:
        sent_after = self._sent_after.get(client_order_id)
        self._watch.moved(name, amount, at=at, order_id=client_order_id, sent_after=sent_after)

    # What follows.

    def doubts(self) -> dict[str, str]:
        """By name, why what is reported of it is not believed."""
        return {
            name: f"the venue shows the same as before our fill of {_clock_text(since)}"
            for name, since in sorted(self._watch.behind.items())
        }

    @property
    def is_behind(self) -> bool:
        return bool(self._watch.behind)

    def is_named(self, name: str) -> bool:
        return name in self._watch.behind

    def why(self) -> str | None:
        """Why new risk is held; None while the reports keep up."""
        if self._watch.is_quiet:
            return None  # as nearly always, and asked for each order
        for name, reason in self.doubts().items() if self._watch.behind else ():
            return f"{name}: {reason}"
        overdue = self._watch.overdue(self._clock.now())
        if overdue is None:
            return None
        return f"order {overdue} cannot rest and is reported open: fills are reported late"

    def explain(self, name: str, flows: Sequence[tuple[float, Decimal]]) -> None:
        """The venue's complete list of what moved `name`; see `lists_wanted`."""
        self._watch.explain(name, flows)

    def lists_wanted(self) -> dict[str, int]:
        """Symbols whose list of fills would tell more, and since when (venue ms)."""
        wanted = {
            name: int(since * 1000)
            for name, since in self._watch.listed_from().items()
            if name in self._names["positions"]
        }
        for client_order_id, since in self._watch.unlisted().items():
            order = self._orders.ledger.get(client_order_id)
            if order is not None:
                since_ms = order.not_before_ms or int(since * 1000)
                wanted[order.symbol] = min(since_ms, wanted.get(order.symbol, since_ms))
        return wanted

    def accept(self, name: str) -> bool:
        """See `Session.accept_report`."""
        return self._watch.accept(name)


def _clock_text(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
