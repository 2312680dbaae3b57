"""The venue's limits are kept, bans are waited for, retries are paid for (4, 10)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from outlast.core.budget import (
    LATE_AFTER,
    LATE_TOKENS,
    RETRIES,
    SAFETY_RETRIES,
    BudgetSettings,
)
from outlast.mock.records import RequestRecord
from outlast.mock.traffic import settled_ms
from outlast.trials.invariants.case import TIGHT_FACTOR, Case, Family
from outlast.trials.invariants.facts import Attempt, ClientFacts, Note, mark_of, mark_of_record
from outlast.trials.watching import Ending

__all__ = ["Limits", "RetryLedger"]

_TURNED_AWAY: Final = frozenset({418, 429})
_ORDERS_FULL: Final = "-1015"
"""The order counter alone is full: reads and cancels may go on."""
_SAME_INSTANT_S: Final = 0.001
"""What left in the same millisecond in which the answer was read had left before it."""


@dataclass(frozen=True, slots=True)
class _Quiet:
    """A time in which the venue, or the client itself, had said that nothing may be sent."""

    from_s: float
    until_s: float
    scope: str
    """`ip` or `venue` (everything), `key` (what is signed), `orders` (new orders), or the name of a
    counter: what takes from it."""
    told_by: str
    noted: float | None = None
    """How the client's journal has its end."""

    def is_about(self, attempt: Attempt) -> bool:
        match self.scope:
            case "ip" | "venue":
                return True
            case "key" | "account":
                return bool(attempt.stamp)
            case "orders":
                return attempt.request == "order.place"
            case counter:
                return bool(attempt.costs.get(counter))


_OUT_OF_ORDER: Final = 8.0
"""Attempts are told when they end, not when they were paid for: what a success earned in between
was capped before the retry's token was taken. So many are under way at a time."""


class RetryLedger:
    """The account of one retry budget, kept from the journal: what was earned, what was spent."""

    def __init__(self, settings: BudgetSettings, *, began_s: float) -> None:
        self._settings = settings
        self._tokens = settings.tokens_max
        self._as_of_s = began_s

    def earn(self, at_s: float) -> None:
        self._grow(at_s)
        self._tokens = min(self._settings.tokens_max, self._tokens + self._settings.per_success)

    def spend(self, at_s: float, *, tokens: float = 1.0) -> bool:
        """Book a retry; False when there was nothing to pay it with."""
        self._grow(at_s)
        self._tokens -= tokens
        return self._tokens > -_OUT_OF_ORDER

    def _grow(self, at_s: float) -> None:
        passed_s = max(0.0, at_s - self._as_of_s)
        self._tokens = min(
            self._settings.tokens_max, self._tokens + passed_s * self._settings.per_second
        )
        self._as_of_s = max(self._as_of_s, at_s)


class Limits(Family):
    slugs = ("limits-kept", "retry-budget-balances")

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._away: deque[RequestRecord] = deque(maxlen=32)
        """The last requests that were turned away, whoever sent them."""
        self._quiets: dict[str, list[_Quiet]] = {}
        self._ledgers: dict[tuple[str, bool], RetryLedger] = {}

    def opened(self, c: ClientFacts) -> None:
        now_s = self.case.now_s
        self._ledgers[c.name, False] = RetryLedger(RETRIES, began_s=now_s)
        self._ledgers[c.name, True] = RetryLedger(SAFETY_RETRIES, began_s=now_s)

    def ended(self, c: ClientFacts, how: Ending) -> None:
        del how
        for key in ((c.name, False), (c.name, True)):
            self._ledgers.pop(key, None)

    def requested(self, c: ClientFacts | None, record: RequestRecord) -> None:
        self.case.examined["limits-kept"] += 1
        if record.status in _TURNED_AWAY and record.retry_after_s is not None:
            self._away.append(record)
        if record.limited is None or not self.case.trial.is_header_honest:
            return
        if self._cannot_know(record.venue):
            return
        whose = "a client without a key" if c is None else c.name
        self.fail(
            "limits-kept",
            f"{whose}: request {record.ordinal} ({record.endpoint}, weight {record.weight}) was "
            f"over a limit of {record.venue}: {record.limited}",
            key=f"{whose}/{record.limited}/{record.ordinal}",
            at_s=self.case.at_s(record.arrived_ms),
        )

    def _cannot_know(self, venue: str) -> bool:
        """True where a client does not know what others have used of tight limits.

        A new process is told with its first answer what the one before has used; a neighbour on the
        same address, with what it has used since our last answer, nobody tells of. Of the usual
        limits neither makes a difference.
        """
        factor = self.case.trial.scenario.limits.factor
        if factor is None or factor > TIGHT_FACTOR:
            return False
        here = [c for c in self.case.clients.values() if c.venue == venue]
        return len(here) > 1 or any(c.client.incarnation != c.limits_told_to for c in here)

    def reread(self, c: ClientFacts) -> None:
        """A ban that was told just before a loss of power went with it."""
        quiets = self._quiets.get(c.name, [])
        lost_s = [q.from_s for q in quiets if q.noted and q.noted not in c.kept_bans]
        self._quiets[c.name] = [
            q for q in quiets if all(abs(q.from_s - at_s) > _SAME_INSTANT_S for at_s in lost_s)
        ]

    def noted(self, c: ClientFacts, note: Note) -> None:
        if note.kind != "ban.began":
            return
        until_s = note.fields["until"] - c.walls[-1]
        told_by = "the client's own ban clock"
        scope, noted = note.fields["scope"], note.fields["until"]
        quiet = _Quiet(note.at_s, until_s, scope, told_by, noted)
        self._quiets.setdefault(c.name, []).append(quiet)

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        self._check_waits(c, attempt)
        if attempt.http_status in _TURNED_AWAY:
            self._be_quiet(c, attempt)
        self._account_for(c, attempt)

    def _check_waits(self, c: ClientFacts, attempt: Attempt) -> None:
        if attempt.outcome == "not_sent":
            return  # it came as far as a dial or a name: the venue heard nothing
        for quiet in self._quiets.get(c.name, ()):
            within = (
                quiet.from_s + _SAME_INSTANT_S < attempt.sent_s < quiet.until_s - _SAME_INSTANT_S
            )
            if within and quiet.is_about(attempt):
                self.fail(
                    "limits-kept",
                    f"{c.name}: {attempt} left {quiet.until_s - attempt.sent_s:.3f} s before the "
                    f"end of a wait, told by {quiet.told_by} at {quiet.from_s:.3f} s",
                    key=f"{c.name}/{quiet.from_s}",
                )

    def _be_quiet(self, c: ClientFacts, attempt: Attempt) -> None:
        """The client has read a 429 or 418: until when it may send nothing, by the venue's word."""
        record = next((r for r in reversed(self._away) if _is_the_same(attempt, r, c)), None)
        if record is None or record.retry_after_s is None:
            return
        until_s = self.case.at_s(settled_ms(record)) + record.retry_after_s
        quiet = _Quiet(
            attempt.done_s,
            until_s,
            # Of an answer that a scenario spells out in full the truth knows no code.
            "orders" if _ORDERS_FULL in (record.code, attempt.venue_code) else "ip",
            f"the answer {record.status} to request {record.ordinal}",
        )
        self._quiets.setdefault(c.name, []).append(quiet)

    def _account_for(self, c: ClientFacts, attempt: Attempt) -> None:
        own = self._ledgers.get((c.name, attempt.lane == "safety"))
        if own is None:
            return
        if attempt.number > 1:
            self.case.examined["retry-budget-balances"] += 1
            if attempt.paid_by is None:
                self.fail("retry-budget-balances", f"{c.name}: nobody paid for {attempt}")
                return
            is_late = attempt.number > LATE_AFTER and attempt.lane != "safety"
            tokens = LATE_TOKENS if is_late else 1.0
            if is_late and attempt.paid_by != "budget":
                said = f"{c.name}: late, {attempt} was paid by {attempt.paid_by}"
                self.fail("retry-budget-balances", said)
            elif attempt.paid_by == "budget" and not own.spend(attempt.asked_s, tokens=tokens):
                self.fail(
                    "retry-budget-balances",
                    f"{c.name}: {attempt} was paid by a budget that had nothing left",
                )
        if attempt.is_ok:
            self._ledgers[c.name, False].earn(attempt.done_s)


def _is_the_same(attempt: Attempt, record: RequestRecord, c: ClientFacts) -> bool:
    """Whether the record is the venue's side of the attempt."""
    if record.venue != c.venue or record.status != attempt.http_status:
        return False
    return mark_of_record(record) == mark_of(attempt) and record.account in (None, c.account)
