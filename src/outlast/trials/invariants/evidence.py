"""What the journal must be able to show, also after a crash, and without a secret (14, 15, P8)."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Final

from outlast.client.orders import CancelReport
from outlast.core.journal import verify
from outlast.mock.engine.events import OrderEvent
from outlast.mock.history import OrderHistory
from outlast.mock.records import RequestRecord
from outlast.mock.traffic import settled_ms
from outlast.model import Order as ModelOrder
from outlast.trials.invariants.case import Case, Family
from outlast.trials.invariants.facts import (
    FINAL,
    Attempt,
    ClientFacts,
    Mark,
    Note,
    Order,
    mark_of,
    mark_of_record,
    turned_away,
)
from outlast.trials.watching import Answer, Asked, Ending

__all__ = ["Evidence"]

_ON_ITS_WAY_S: Final = 65.0
"""What a process had on the wire when it died, or the trial when it ended, is not over: no request
waits longer for its answer than this, connecting and a slow network included."""

_WRITTEN_WITHIN_S: Final = 5.0
"""How long after the disk has room again everything that had to wait is written."""

_SAME_INSTANT_S: Final = 0.002
"""Instants of the venue are whole milliseconds."""

_LISTENING: Final = "stream.key"
"""The endpoint of what is said to a socket before it tells of an account."""

_Key = tuple[str, Mark]
"""The venue and the mark of the request. The venue cannot tell whose a request is that it refuses
at the door, and no two clients sign alike but by chance."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """One request by the client's journal."""

    c: ClientFacts
    sent_s: float
    done_s: float
    path: str
    says: str


class Evidence(Family):
    slugs = ("evidence-complete", "crash-safe", "p8-shown-without-secrets")

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._requests: dict[_Key, list[tuple[ClientFacts | None, RequestRecord]]] = {}
        """What the venue got."""
        self._answered: dict[_Key, list[_Sent]] = {}
        self._unanswered: dict[_Key, list[_Sent]] = {}
        """Attempts without an answer: their requests may have arrived, then, later or never."""

    # Each request is an attempt, and each answered attempt a request.

    def requested(self, c: ClientFacts | None, record: RequestRecord) -> None:
        if record.transport != "rest" and record.endpoint == _LISTENING:
            return  # a stream opens with it: it asks for nothing but to be told
        self.case.examined["evidence-complete"] += 1
        key = (record.venue, mark_of_record(record))
        self._requests.setdefault(key, []).append((c, record))

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        self.case.examined["evidence-complete"] += 1
        if attempt.http_status is None and attempt.is_ok:
            self.fail(
                "evidence-complete", f"{c.name}: {attempt} is said to be well without an answer"
            )
        if attempt.outcome == "not_sent":
            return  # should the venue have got it all the same, it will be missed there
        key = (c.venue, mark_of(attempt))
        sent = _Sent(c, attempt.sent_s, attempt.done_s, attempt.path, str(attempt))
        side = self._unanswered if attempt.http_status is None else self._answered
        side.setdefault(key, []).append(sent)

    def finish(self) -> None:
        for c in self.case.clients.values():
            self._check_chain(c)
        for key in dict.fromkeys((*self._answered, *self._requests)):
            self._match(key)

    def _match(self, key: _Key) -> None:
        """Pair the two sides of all requests of one key.

        Unsigned ones have no stamp, and overtake each other on the way: a pair must only not have
        arrived before it was sent. So the last to leave chooses first, and takes what came next.
        """
        by_arrival = sorted(
            self._requests.get(key, ()), key=lambda entry: (entry[1].arrived_ms, entry[1].ordinal)
        )
        arrivals = [self.case.at_s(record.arrived_ms) for _c, record in by_arrival]

        def take(sent: _Sent) -> bool:
            first = bisect_left(arrivals, sent.sent_s - _SAME_INSTANT_S)
            for at in range(first, len(arrivals)):
                if by_arrival[at][0] in (sent.c, None):
                    del arrivals[at], by_arrival[at]
                    return True
            return False

        answered = self._answered.get(key, ())
        for sent in sorted(answered, key=lambda sent: sent.sent_s, reverse=True):
            # The venue may not have settled one yet whose answer comes in pieces.
            if not take(sent) and self.case.now_s - sent.done_s > _ON_ITS_WAY_S:
                self.fail(
                    "evidence-complete",
                    f"{sent.c.name}: {sent.says} is on record, but the venue got no such request",
                    key=f"unmet/{sent.path}/{sent.sent_s}",
                )
        unanswered = self._unanswered.get(key, ())
        for sent in sorted(unanswered, key=lambda sent: sent.sent_s, reverse=True):
            take(sent)
        for whose, record in by_arrival:
            self._check_unshown(whose, record)

    def _check_unshown(self, whose: ClientFacts | None, record: RequestRecord) -> None:
        arrived_s = self.case.at_s(record.arrived_ms)
        over_s = max(arrived_s, self.case.at_s(settled_ms(record)))
        suspects = [whose] if whose is not None else list(self.case.clients.values())
        for c in suspects:
            ends = [*c.deaths, self.case.now_s]
            if any(arrived_s - 1 <= end <= over_s + _ON_ITS_WAY_S for end in ends):
                return
            # What a dead process had sent may arrive when the way is open again.
            if any(end < arrived_s and c.was_disturbed(end, arrived_s) for end in c.deaths):
                return
            # One that was held up on its way was given up, and written down, before it arrived.
            sent_s = min([arrived_s, *c.disturbed_from(arrived_s)]) - 1
            if c.had_no_journal(sent_s, over_s + _ON_ITS_WAY_S):
                return
        name = record.venue if whose is None else whose.name
        self.fail(
            "evidence-complete",
            f"{name}: request {record.ordinal} ({record.method} {record.path}), which came at "
            f"{arrived_s:.3f} s, is no attempt in the journal",
            key=f"unshown/{record.ordinal}",
        )

    # Crashes.

    def intended(self, c: ClientFacts, order: Order, before: Order | None) -> None:
        self.case.examined["crash-safe"] += 1
        name = order.client_order_id
        if before is None:
            return
        was_there = bool(c.made_at_venue(name))
        if name in c.lost and not was_there:
            return  # taken by a loss of power, and it had not reached the venue
        self.fail(
            "crash-safe",
            f"{c.name}: id {name} is used again for {order}; it was {before}",
            key=f"reused/{name}",
        )

    def ordered(self, c: ClientFacts, event: OrderEvent, order: OrderHistory) -> None:
        del event
        name = order.client_order_id
        if not name or order.from_the_start or order.triggered_from is not None:
            return
        self.case.examined["crash-safe"] += 1
        if name in c.intents:
            return
        created_s = self.case.at_s(order.created_ms)
        # An exit goes on without a journal: the way out stays open.
        excused = order.reduces and c.had_no_journal(created_s - _ON_ITS_WAY_S, created_s)
        if not excused:
            self.fail(
                "crash-safe",
                f"{c.name}: the venue has {order}, and no intent of it is in the journal",
                key=f"unwritten/{name}",
            )

    def opened(self, c: ClientFacts) -> None:
        """After a restart: all that the disk kept is known, and none of it has gone back."""
        self._check_chain(c)
        session = c.client.session
        if session is None or c.lives < 2:
            return
        for name, order in c.orders.items():
            if order.is_external:
                continue
            self.case.examined["crash-safe"] += 1
            known = session.orders.get(name)
            if known is None:
                self.fail("crash-safe", f"{c.name}: after the restart {order} is forgotten")
            elif known.filled_qty < order.filled_qty:
                self.fail(
                    "crash-safe",
                    f"{c.name}: after the restart {order} has {known.filled_qty} filled",
                )

    def ended(self, c: ClientFacts, how: Ending) -> None:
        if how is Ending.CLOSED:
            self._check_chain(c)

    def _check_chain(self, c: ClientFacts) -> None:
        self.case.examined["crash-safe"] += 1
        fault = verify(c.client.disk.records())
        if fault is not None:
            self.fail(
                "crash-safe",
                f"{c.name}: the journal's chain breaks at record {fault.seq}: {fault.problem}",
                key=f"{c.name}/{fault.seq}",
            )

    # What was told is written.

    def answered(self, c: ClientFacts, asked: Asked, answer: Answer) -> None:
        """An end that a strategy hears of is in the journal, or nobody can show it later."""
        for order in _told_of(answer.value):
            if order.is_external or order.status.value not in FINAL:
                continue
            self.case.examined["p8-shown-without-secrets"] += 1
            written = c.orders.get(order.client_order_id)
            now_s = self.case.now_s
            if written is not None and written.status in FINAL:
                continue
            if not c.had_no_journal(now_s - _WRITTEN_WITHIN_S, now_s):
                self.fail(
                    "p8-shown-without-secrets",
                    f"{c.name}: {asked.call} (call {asked.number}) told that "
                    f"{order.client_order_id} is {order.status.value}; the journal has "
                    f"{'nothing of it' if written is None else written}",
                    key=f"untold/{order.client_order_id}",
                )

    # No secrets.

    def noted(self, c: ClientFacts, note: Note) -> None:
        if note.kind == "socket.turned_away":
            # The attempt goes on over REST, so that this is no attempt of its own.
            mark = turned_away(note.fields)
            sent_s = note.fields["sent_at"] - c.mono_s
            sent = _Sent(c, sent_s, note.at_s, mark[1], f"{mark[1]} {mark[2]}, turned away")
            self._answered.setdefault((c.venue, mark), []).append(sent)
        self.case.examined["p8-shown-without-secrets"] += 1
        for secret in c.secrets:
            if secret in note.data:
                self.fail(
                    "p8-shown-without-secrets",
                    f"{c.name}: record {note.seq} ({note.kind}) shows the key or the secret",
                    key=f"{c.name}/{note.kind}",
                )


def _told_of(value: object) -> tuple[ModelOrder, ...]:
    """The orders that an answer tells of."""
    if isinstance(value, ModelOrder):
        return (value,)
    if isinstance(value, CancelReport):
        return (*value.canceled, *value.ended_otherwise)
    return ()
