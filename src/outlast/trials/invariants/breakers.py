"""Breakers: by their own plane, in their own era, step by step, and closed in the end.

Invariants 9, 11 and 17, and promise P6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from outlast.core.breaker import ORDERS, READS, BreakerSettings
from outlast.errors import BreakerOpen, ConfigurationError
from outlast.model import Plane, TradingState
from outlast.trials.invariants.case import Case, Family
from outlast.trials.invariants.facts import Attempt, ClientFacts, Note
from outlast.trials.watching import Answer, Asked, Ending

__all__ = ["CLOSED_WITHIN_S", "COOL_DOWN_S", "Breakers"]

COOL_DOWN_S: Final = 60.0
"""How long no new risk is taken after the reconciliation that ends an outage."""
CLOSED_WITHIN_S: Final = 60.0
_TRIES_ENOUGH: Final = 20
"""So many calls that found the plane well should have closed its breaker: twice what the way back
asks for. Without calls nobody can know that orders work again."""

_TRADING: Final = "trading"
_RECONCILED_BY: Final = frozenset({"orders.read", "positions.read", "balances.read"})
"""What must have been read, by name of the request, before the state counts as aligned."""
_HAS_POSITIONS: Final = frozenset({"binance-um"})
"""Elsewhere nobody can read them."""
_SHUT: Final = frozenset({"open", "probing"})
_PLANE_OF: Final = {"mark_price": Plane.MARKET_DATA.value, "submit": _TRADING}
"""Whose breaker a call may be turned away by; cancels and exits by none."""
_SAME_INSTANT_S: Final = 0.05
_EVIDENCE_S: Final = 30.0
"""What opens a breaker has come together in less; a full disk may have kept it from the journal."""


@dataclass(slots=True)
class _Plane:
    """One breaker, as the journal of the present process tells it."""

    state: str = "closed"
    since_s: float = 0.0
    era: int = 0
    half_open: list[Attempt] = field(default_factory=list)
    """Calls that the present era let pass on its way back."""
    ramp_s: float | None = None
    """When the steps began."""
    last: deque[Attempt] = field(default_factory=lambda: deque(maxlen=8))
    wells: int = 0
    """Calls of lane TRADE and DATA that succeeded since faults have stopped."""


@dataclass(slots=True)
class _Recovery:
    """The way back from one opening of the trading breaker."""

    opened_s: float
    left_open_s: float | None = None
    read: set[str] = field(default_factory=set)
    reconciled_s: float | None = None


class Breakers(Family):
    slugs = (
        "no-risk-before-reconcile",
        "breaker-generations",
        "breakers-close",
        "p6-failure-stays-where-it-is",
    )

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self._planes: dict[tuple[str, str], _Plane] = {}
        self._recovery: dict[str, _Recovery] = {}
        self._rate_due_s: float | None = None
        self._turned_away: list[tuple[str, str, float, str]] = []
        """Client, plane, instant and story of calls whose breaker is not known to be open."""
        self._cool_down_s: dict[str, float] = {}
        """By client: how long its last cool-down was to be, which grows with the outage."""

    def opened(self, c: ClientFacts) -> None:
        for plane in Plane:
            self._plane(c, plane.value)

    def ended(self, c: ClientFacts, how: Ending) -> None:
        del how
        self._recovery.pop(c.name, None)
        self._forget(c)

    def _forget(self, c: ClientFacts) -> None:
        """The next session has breakers of its own, from its first attempt on."""
        for plane in Plane:
            self._planes.pop((c.name, plane.value), None)

    def _plane(self, c: ClientFacts, name: str) -> _Plane:
        return self._planes.setdefault((c.name, name), _Plane(since_s=self.case.now_s))

    # What moves a breaker.

    def noted(self, c: ClientFacts, note: Note) -> None:
        if note.kind in ("journal.opened", "journal.resumed"):
            self._forget(c)  # one that was killed while it was being opened has told no end
        if note.kind == "recovery.changed":
            self._cool_down_s[c.name] = note.fields.get("cool_down_s", 0.0)
        if note.kind != "breaker.changed":
            return
        self.case.examined["breaker-generations"] += 1
        name, state = note.fields["plane"], note.fields["state"]
        era, moved_by = note.fields["era"], note.fields["moved_by"]
        plane = self._plane(c, name)
        is_untold = c.had_no_journal(plane.since_s, note.at_s)
        # While it is shut its probes open it anew again and again, of which the journal does not
        # tell: there a result may be of a later era than is known here, never of an earlier one.
        is_known = moved_by == plane.era or (plane.state in _SHUT and (moved_by or 0) > plane.era)
        if moved_by is not None and not is_known and not is_untold:
            self.fail(
                "breaker-generations",
                f"{c.name}: a result of era {moved_by} moved the breaker of {name} from "
                f"{plane.state} to {state} in era {plane.era}",
            )
        if self.case.safety_over_s is not None and state == "closed":
            self._check_closed_in_time(c, name, note.at_s)
        was = plane.state
        if state != "closed":
            self._turned_away = [
                entry
                for entry in self._turned_away
                if entry[:2] != (c.name, name) or note.at_s - entry[2] >= _SAME_INSTANT_S
            ]
        if state == "open" and moved_by is None and was not in _SHUT:
            self._check_something_failed(c, name, note)
        plane.state, plane.since_s, plane.era = state, note.at_s, era
        plane.half_open = [] if state in ("open", "canary") else plane.half_open
        plane.ramp_s = note.at_s if state == "ramp" else None
        if name == _TRADING:
            self._follow_recovery(c, was, note)

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        plane = self._plane(c, attempt.plane)
        if plane.state == "open" and plane.since_s == attempt.done_s and not plane.half_open:
            self._check_cause(c, attempt, plane)
        plane.last.append(attempt)
        if attempt.lane == "safety" or attempt.is_probe:
            self._note_read(c, attempt)
            return
        if plane.state in ("canary", "ramp") and attempt.era == plane.era:
            self._check_in_flight(c, attempt, plane)
        if attempt.is_ok and self.case.safety_over_s is not None:
            plane.wells += 1
        self._note_read(c, attempt)
        if attempt.request == "order.place" and attempt.lane == "trade":
            self._check_risk(c, attempt)

    def _check_cause(self, c: ClientFacts, attempt: Attempt, plane: _Plane) -> None:
        """A breaker has just opened: its own plane must have failed, this call or the last."""
        self.case.examined["p6-failure-stays-where-it-is"] += 1
        causes = [attempt, *(other for other in plane.last if other.done_s == attempt.done_s)]
        if not any(cause.is_evidence_of_failure for cause in causes):
            self.fail(
                "p6-failure-stays-where-it-is",
                f"{c.name}: the breaker of {attempt.plane} opened, but the last call of that plane "
                f"was {attempt}",
                key=f"{c.name}/{attempt.plane}/{plane.since_s}",
            )

    def _check_something_failed(self, c: ClientFacts, name: str, note: Note) -> None:
        """A breaker opened by no call of its own: by probes, or because nobody could be dialled."""
        self.case.examined["p6-failure-stays-where-it-is"] += 1
        own = any(a.is_evidence_of_failure for a in self._plane(c, name).last)
        undialled = any(
            attempt.outcome == "not_sent"
            for other in Plane
            for attempt in self._plane(c, other.value).last
        )
        untold = c.had_no_journal(note.at_s - _EVIDENCE_S, note.at_s)
        if not own and not undialled and not untold:
            self.fail(
                "p6-failure-stays-where-it-is",
                f"{c.name}: the breaker of {name} opened, and none of the last calls had failed",
                key=f"{c.name}/{name}/{note.at_s}",
            )

    def answered(self, c: ClientFacts, asked: Asked, answer: Answer) -> None:
        """Nobody is turned away by the breaker of another plane: its own must say so."""
        if not isinstance(answer.error, BreakerOpen) or asked.call not in _PLANE_OF:
            return
        self.case.examined["p6-failure-stays-where-it-is"] += 1
        name, now_s = _PLANE_OF[asked.call], self.case.now_s
        plane = self._plane(c, name)
        was_open = plane.state != "closed" or now_s - plane.since_s < _SAME_INSTANT_S
        if not was_open and not c.had_no_journal(plane.since_s, now_s):
            text = (
                f"{c.name}: {asked.call} (call {asked.number}) was turned away, though the breaker "
                f"of {name} is closed since {plane.since_s:.3f} s: {answer.error}"
            )
            self._turned_away.append((c.name, name, now_s, text))

    def _check_turned_away(self, *, is_over: bool = False) -> None:
        """The journal tells of a breaker some turns of the loop after it has opened."""
        waiting, self._turned_away = self._turned_away, []
        for entry in waiting:
            client, name, at_s, text = entry
            if self.case.now_s - at_s < _SAME_INSTANT_S and not is_over:
                self._turned_away.append(entry)
            else:
                self.fail("p6-failure-stays-where-it-is", text, key=f"{client}/{name}/{at_s}")

    def _check_in_flight(self, c: ClientFacts, attempt: Attempt, plane: _Plane) -> None:
        self.case.examined["breaker-generations"] += 1
        settings = _settings(attempt.plane)
        plane.half_open.append(attempt)
        for one in plane.half_open:
            if not attempt.sent_s <= one.sent_s <= attempt.done_s and one is not attempt:
                continue
            beside = sum(
                other.sent_s <= one.sent_s < other.done_s
                and one.sent_s - other.sent_s < settings.permit_expiry_s
                for other in plane.half_open
                if other is not one
            )
            cap = _cap(settings, plane, one.sent_s)
            if beside + 1 > cap:
                self.fail(
                    "breaker-generations",
                    f"{c.name}: {one} was let go on the way back of {attempt.plane} with {beside} "
                    f"in flight, and the step allows {cap}",
                    key=f"{c.name}/{attempt.plane}/{one.sent_s}",
                )

    # No risk before everything is reconciled.

    def _follow_recovery(self, c: ClientFacts, was: str, note: Note) -> None:
        state = note.fields["state"]
        if state in _SHUT and was not in _SHUT:
            self._recovery[c.name] = _Recovery(note.at_s)
            return
        recovery = self._recovery.get(c.name)
        if recovery is not None and was in _SHUT and state not in _SHUT:
            recovery.left_open_s = note.at_s
            recovery.read.clear()
            recovery.reconciled_s = None

    def _note_read(self, c: ClientFacts, attempt: Attempt) -> None:
        recovery = self._recovery.get(c.name)
        if recovery is None or not attempt.is_ok or recovery.reconciled_s is not None:
            return
        left_s = recovery.left_open_s
        needed = _reconciled_by(c)
        if left_s is not None and attempt.sent_s >= left_s and attempt.request in needed:
            recovery.read.add(attempt.request)
        unknown = any(o.status == "unknown" for o in c.orders.values() if not o.is_external)
        if recovery.read >= needed and not unknown:
            recovery.reconciled_s = attempt.done_s

    def _check_risk(self, c: ClientFacts, attempt: Attempt) -> None:
        recovery = self._recovery.get(c.name)
        if recovery is None or attempt.sent_s <= recovery.opened_s:
            return
        self.case.examined["no-risk-before-reconcile"] += 1
        reconciled_s = recovery.reconciled_s
        if reconciled_s is not None and attempt.sent_s >= reconciled_s + COOL_DOWN_S:
            del self._recovery[c.name]
            return
        if recovery.left_open_s is None or attempt.sent_s < recovery.left_open_s:
            state = "the breaker is open"
        elif reconciled_s is None or attempt.sent_s < reconciled_s:
            missing = ", ".join(sorted(_reconciled_by(c) - recovery.read)) or "unknown orders"
            state = f"not reconciled (open: {missing})"
        else:
            state = f"only {attempt.sent_s - reconciled_s:.1f} s after the reconciliation"
        self.fail(
            "no-risk-before-reconcile",
            f"{c.name}: {attempt} adds risk; the trading breaker opened at "
            f"{recovery.opened_s:.3f} s and {state}",
            key=f"{c.name}/{recovery.opened_s}",
        )

    # Closed in the end.

    def safety_over(self) -> None:
        for plane in self._planes.values():
            plane.wells = 0

    def _due_s(self, c: ClientFacts) -> float:
        """When breakers are to be closed: a session that opened later has as long from then on."""
        assert self.case.safety_over_s is not None
        cool_down_s = max(COOL_DOWN_S, self._cool_down_s.get(c.name, 0.0))
        within_s = CLOSED_WITHIN_S + cool_down_s + self.case.limits_take_s(c)
        return max(self.case.safety_over_s, c.opened_s) + within_s

    def _check_closed_in_time(self, c: ClientFacts, name: str, at_s: float) -> None:
        self.case.examined["breakers-close"] += 1
        late_s = at_s - self._due_s(c)
        plane = self._plane(c, name)
        if late_s > 0 and plane.wells > _TRIES_ENOUGH:
            self.fail("breakers-close", f"{c.name}: {name} closed {late_s:.1f} s too late")

    def looked(self, clients: Iterable[ClientFacts]) -> None:
        self._check_turned_away()
        if self.case.safety_over_s is None:
            return
        for c in clients:
            session = c.client.session
            if session is None or self.case.now_s < self._due_s(c):
                continue
            for plane in Plane:
                facts = self._plane(c, plane.value)
                state = facts.state
                if c.had_no_journal(facts.since_s, self.case.now_s):
                    state = session.breakers[plane].state.value  # nobody could write it down
                stuck = state in _SHUT
                slow = state != "closed" and facts.wells > _TRIES_ENOUGH
                if stuck or slow:
                    self.fail(
                        "breakers-close",
                        f"{c.name}: the breaker of {plane.value} is {state} since "
                        f"{facts.since_s:.1f} s, {facts.wells} calls have found it well",
                        key=f"{c.name}/{plane.value}",
                    )

    def finish(self) -> None:
        self._check_turned_away(is_over=True)
        if self.case.safety_over_s is None:
            return
        self.looked(self.case.clients.values())
        for c in self.case.clients.values():
            session = c.client.session
            if session is None or self.case.now_s < self._due_s(c):
                continue
            for symbol in sorted({action.symbol for action in c.client.plan.actions} - {""}):
                self.case.examined["breakers-close"] += 1
                try:
                    state = session.trading_state(symbol)
                except ConfigurationError:
                    continue
                if state is not TradingState.ACTIVE:
                    self.fail(
                        "breakers-close",
                        f"{c.name}: {symbol} is still {state.value} at the end",
                        key=f"{c.name}/{symbol}",
                    )


def _reconciled_by(c: ClientFacts) -> frozenset[str]:
    return _RECONCILED_BY if c.venue in _HAS_POSITIONS else _RECONCILED_BY - {"positions.read"}


def _settings(plane: str) -> BreakerSettings:
    return ORDERS if plane == _TRADING else READS


def _cap(settings: BreakerSettings, plane: _Plane, at_s: float) -> int:
    """The most calls in flight at `at_s`: one while CANARY, then by the steps, none sooner."""
    if plane.ramp_s is None or at_s < plane.ramp_s:
        return 1
    steps = settings.ramp_in_flight
    return steps[min(len(steps) - 1, int((at_s - plane.ramp_s) // settings.ramp_step_s))]
