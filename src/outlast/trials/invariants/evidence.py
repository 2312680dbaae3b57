"""What the journal must be able to show, also after a crash, and without a secret (14, 15, P8)."""

from __future__ import annotations

from typing import Final

from outlast.core.journal import verify
from outlast.mock.engine.events import OrderEvent
from outlast.mock.history import OrderHistory
from outlast.mock.records import RequestRecord
from outlast.mock.traffic import settled_ms
from outlast.trials.invariants.case import Case, Family
from outlast.trials.invariants.facts import Attempt, ClientFacts, Note, Order, stamp_of
from outlast.trials.watching import Ending

__all__ = ["Evidence"]

_ON_ITS_WAY_S: Final = 65.0
"""What a process had on the wire when it died, or the trial when it ended, is not over: no request
waits longer for its answer than this, connecting and a slow network included."""

_SAME_INSTANT_S: Final = 0.002
"""Instants of the venue are whole milliseconds."""

_Key = tuple[str, str, str, str]
"""Venue, method, path and the timestamp or nonce that was signed. The venue cannot tell whose a
request is that it refuses at the door, and no two clients sign alike but by chance."""


class Evidence(Family):
    slugs = ("evidence-complete", "crash-safe", "p8-shown-without-secrets")

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._unshown: dict[_Key, list[tuple[ClientFacts | None, RequestRecord]]] = {}
        """Requests at the venue that no attempt has been matched with yet."""
        self._unmet: dict[_Key, list[tuple[ClientFacts, Attempt]]] = {}
        """Answered attempts that no request at the venue has been matched with yet."""
        self._unanswered: dict[_Key, list[Attempt]] = {}
        """Attempts without an answer: their requests may have arrived, then, later or never."""

    # Each request is an attempt, and each answered attempt a request.

    def requested(self, c: ClientFacts | None, record: RequestRecord) -> None:
        if record.transport != "rest":
            return  # over a socket of the venue: nothing of today's client
        self.case.examined["evidence-complete"] += 1
        key = (record.venue, record.method, record.path, stamp_of(record))
        unmet = self._unmet.get(key, [])
        for index, (_c, attempt) in enumerate(unmet):
            if self._may_be(attempt, record):
                del unmet[index]
                return
        self._unshown.setdefault(key, []).append((c, record))

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        self.case.examined["evidence-complete"] += 1
        if attempt.http_status is None and attempt.is_ok:
            self.fail(
                "evidence-complete", f"{c.name}: {attempt} is said to be well without an answer"
            )
        if attempt.outcome == "not_sent":
            return  # should the venue have got it all the same, it will be missed there
        key = (c.venue, attempt.method, attempt.path, attempt.stamp)
        if attempt.http_status is None:
            self._unanswered.setdefault(key, []).append(attempt)
            return
        unshown = self._unshown.get(key, [])
        for index, (_c, record) in enumerate(unshown):
            if self._may_be(attempt, record):
                del unshown[index]
                return
        self._unmet.setdefault(key, []).append((c, attempt))

    def _may_be(self, attempt: Attempt, record: RequestRecord) -> bool:
        """Whether the request can be the venue's side of the attempt, of those with one key."""
        return attempt.sent_s <= self.case.at_s(record.arrived_ms) + _SAME_INSTANT_S

    def finish(self) -> None:
        for c in self.case.clients.values():
            self._check_chain(c)
        for unmet in self._unmet.values():
            for c, attempt in unmet:
                # The venue may not have settled one yet whose answer comes in pieces.
                if self.case.now_s - attempt.done_s > _ON_ITS_WAY_S:
                    self.fail(
                        "evidence-complete",
                        f"{c.name}: {attempt} is on record, but the venue got no such request",
                        key=f"unmet/{attempt.path}/{attempt.sent_s}",
                    )
        for key, unshown in self._unshown.items():
            unanswered = list(self._unanswered.get(key, ()))
            for whose, record in unshown:
                own = next((a for a in unanswered if self._may_be(a, record)), None)
                if own is None:
                    self._check_unshown(whose, record)
                else:
                    unanswered.remove(own)

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
            if c.had_no_journal(arrived_s - 1, over_s + _ON_ITS_WAY_S):
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

    # No secrets.

    def noted(self, c: ClientFacts, note: Note) -> None:
        self.case.examined["p8-shown-without-secrets"] += 1
        for secret in c.secrets:
            if secret in note.data:
                self.fail(
                    "p8-shown-without-secrets",
                    f"{c.name}: record {note.seq} ({note.kind}) shows the key or the secret",
                    key=f"{c.name}/{note.kind}",
                )
