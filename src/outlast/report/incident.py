"""An incident as a journal tells it: what failed and when, what became of every order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from outlast.core.histories import Histories, HistoryFault
from outlast.core.journal import ChainFault, decode_fields, verify
from outlast.model import Execution, Order, OrderStatus
from outlast.wire import Record

__all__ = ["Failing", "Incident", "OrderStory", "Span", "Total", "read_incident"]

_QUIET: Final = {"breaker": "closed", "recovery": "free"}
"""The state in which nothing is the matter."""


@dataclass(slots=True)
class Span:
    """How long something was in one state."""

    lane: str
    """`trading`, `account`, `market_data`, `new risk`, `ban ip`, `unknown orders`."""
    state: str
    begins: float
    """Seconds since the epoch, as all instants in here."""
    ends: float
    reason: str = ""


@dataclass(slots=True)
class Failing:
    """Attempts that failed alike."""

    request: str
    kind: str
    http_status: int | None
    venue_code: str | None
    outcome: str
    message: str
    first: float
    last: float
    count: int = 0


@dataclass(slots=True)
class OrderStory:
    order: Order
    evidence: str
    """The record of its intent, or the first that names it."""
    attempts: int = 0
    unknown_since: float | None = None
    unknown_s: float = 0.0
    """How long it may have been live without our knowing, in all."""
    fills: list[Execution] = field(default_factory=list)
    contradicted: bool = False
    """It was held for not live, and the venue showed it all the same."""


@dataclass(slots=True)
class Total:
    """What one bin of time saw."""

    begins: float
    well: int = 0
    failed: int = 0


@dataclass(slots=True)
class Incident:
    venue: str = ""
    begins: float = 0.0
    ends: float = 0.0
    records: int = 0
    chain_hash: str = ""
    """Of the last record: kept elsewhere, it proves that none was cut off."""
    chain_fault: ChainFault | None = None
    order_faults: list[HistoryFault] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    """When a session opened the journal: the first is a start, the others are restarts."""
    spans: list[Span] = field(default_factory=list)
    failing: list[Failing] = field(default_factory=list)
    orders: list[OrderStory] = field(default_factory=list)
    exits: list[dict[str, Any]] = field(default_factory=list)
    doubts: list[tuple[float, str]] = field(default_factory=list)
    """What the venue said of the account and was not believed."""
    attempts: list[tuple[float, bool]] = field(default_factory=list)
    """When each left, and whether it did well."""

    def bins(self, count: int) -> list[Total]:
        """Attempts by time, in `count` equal bins over the whole span."""
        width = max(self.ends - self.begins, 1.0) / count
        totals = [Total(self.begins + i * width) for i in range(count)]
        for at, well in self.attempts:
            total = totals[min(count - 1, max(0, int((at - self.begins) / width)))]
            if well:
                total.well += 1
            else:
                total.failed += 1
        return totals

    @property
    def statuses(self) -> Counter[str]:
        return Counter(story.order.status.value for story in self.orders)


def read_incident(records: Iterable[Record]) -> Incident:
    """Fold a whole journal. A record that cannot be read is named in `order_faults`, not lost."""
    reader = _Reader()
    incident = reader.incident

    def folded() -> Iterable[Record]:
        for record in records:
            reader.fold(record)
            yield record

    incident.chain_fault = verify(folded())
    reader.finish()
    return incident


class _Reader:
    def __init__(self) -> None:
        self.incident = Incident()
        self._histories = Histories()
        self._open: dict[str, Span] = {}
        self._failing: dict[tuple[object, ...], Failing] = {}
        self._stories: dict[str, OrderStory] = {}
        self._by_venue_id: dict[str, str] = {}

    def fold(self, record: Record) -> None:
        incident = self.incident
        incident.records += 1
        incident.chain_hash = record.chain_hash
        incident.begins = incident.begins or record.at
        incident.ends = max(incident.ends, record.at)
        incident.order_faults += self._histories.fold(record)
        try:
            fields = decode_fields(record.data)
            self._take(record, fields)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            problem = f"{record.kind} cannot be read: {error}"
            incident.order_faults.append(HistoryFault(record.seq, "", problem))

    def _take(self, record: Record, fields: dict[str, Any]) -> None:
        kind, at = record.kind, record.at
        if kind == "journal.opened":
            self.incident.venue = fields["venue"]
            self.incident.starts.append(at)
        elif kind == "journal.resumed":
            self._end_all(at)  # what an earlier process had open ended with it
            self.incident.starts.append(at)
        elif kind == "attempt":
            self._attempt(at, fields)
        elif kind in ("order.intent", "order.amend", "order.changed"):
            self._order(record, msgspec.convert(fields["order"], Order))
        elif kind == "execution":
            execution = msgspec.convert(fields["execution"], Execution)
            name = self._by_venue_id.get(execution.venue_order_id, execution.client_order_id or "")
            if name in self._stories:
                self._stories[name].fills.append(execution)
        elif kind == "breaker.changed":
            self._state(fields["plane"], fields["state"], at, quiet=_QUIET["breaker"])
        elif kind == "recovery.changed":
            reason = fields["reason"]
            self._state("new risk", fields["stage"], at, quiet=_QUIET["recovery"], reason=reason)
        elif kind == "ban.began":
            lane = f"ban {fields['scope']}"
            self.incident.spans.append(Span(lane, "banned", at, fields["until"], fields["reason"]))
        elif kind == "exit.ended":
            self.incident.exits.append({"at": at, **fields})
        elif kind == "account.doubted":
            said = f"{fields['what']} {fields['key']}: {fields['reason']}"
            self.incident.doubts.append((at, said))

    def _attempt(self, at: float, fields: dict[str, Any]) -> None:
        failure = fields["failure"]
        self.incident.attempts.append((at, failure is None))
        story = self._stories.get(fields["client_order_id"] or "")
        if story is not None and fields["request"] == "order.place":
            story.attempts += 1
        if failure is None:
            return
        key = (fields["request"], failure["kind"], failure["http_status"], failure["venue_code"])
        failing = self._failing.get(key)
        if failing is None:
            failing = self._failing[key] = Failing(
                *key, failure["outcome"], failure["message"], first=at, last=at
            )
        failing.last = at
        failing.count += 1

    def _order(self, record: Record, order: Order) -> None:
        at, name = record.at, order.client_order_id
        story = self._stories.setdefault(name, OrderStory(order, record.id))
        before, story.order = story.order, order
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = name
        gone = (OrderStatus.REJECTED, OrderStatus.NOT_PLACED, OrderStatus.DENIED)
        if before.status in gone and order.status not in gone:
            story.contradicted = True
        asked = order.amendment
        if order.status is OrderStatus.UNKNOWN or (asked is not None and asked.is_unknown):
            if story.unknown_since is None:
                story.unknown_since = at
        elif story.unknown_since is not None:
            story.unknown_s += at - story.unknown_since
            self.incident.spans.append(Span("unknown orders", name, story.unknown_since, at))
            story.unknown_since = None

    def _state(self, lane: str, state: str, at: float, *, quiet: str, reason: str = "") -> None:
        former = self._open.get(lane)
        if former is not None and former.state == state:
            return  # said again, as after each probe in vain
        if former is not None:
            del self._open[lane]
            former.ends = at
            self.incident.spans.append(former)
        if state != quiet:
            self._open[lane] = Span(lane, state, at, at, reason)

    def _end_all(self, at: float) -> None:
        for span in self._open.values():
            span.ends = at
            self.incident.spans.append(span)
        self._open.clear()

    def finish(self) -> None:
        incident = self.incident
        self._end_all(incident.ends)
        for name, story in self._stories.items():
            if story.unknown_since is not None:
                story.unknown_s += incident.ends - story.unknown_since
                span = Span("unknown orders", name, story.unknown_since, incident.ends)
                incident.spans.append(span)
        incident.orders = list(self._stories.values())
        incident.failing = sorted(self._failing.values(), key=lambda f: -f.count)
        incident.spans.sort(key=lambda span: span.begins)
