"""What all families of checks share: the facts, the last events, and how a violation is told."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from math import inf
from typing import Final

from outlast.mock.engine.events import BalanceEvent, FundingEvent, OrderEvent, PositionEvent
from outlast.mock.history import OrderHistory
from outlast.mock.records import RequestRecord
from outlast.mock.truth import Truth
from outlast.trials.invariants.facts import Attempt, ClientFacts, Note, Order
from outlast.trials.invariants.registry import by_slug
from outlast.trials.model import Disruption, Trial, Violation
from outlast.trials.watching import Answer, Asked, Ending, World

__all__ = ["FILLS_LATE_MAX_S", "TIGHT_FACTOR", "Case", "Family", "Line"]

LAST_EVENTS: Final = 20
TOLD_MAX: Final = 3
"""Of one invariant in one trial: the first shows what is wrong, the hundredth shows it again."""

_BANNED: Final = "418"
_LOCKOUT_S: Final = 900.0
"""Kraken locks a key out for a quarter of an hour, of which no liveness phase sees the end. Source:
Kraken support, "Temporary lockout"; venue notes."""
_CONVERGES: Final = frozenset(
    {"caches-fresh", "intents-end", "nothing-unknown-or-orphaned", "breakers-close"}
)
"""What nobody can be held to while locked out."""

Line = tuple[float, Callable[[], str]]
"""An event: when, and what makes its line. Most are never read, so most are never written."""

FILLS_LATE_MAX_S: Final = 45.0
"""The truth hears of a fill when the venue reports it; by then that is late enough."""

TIGHT_FACTOR: Final = 0.1
"""With a tenth of the usual limits or less it is they that space the questions out."""
TIGHT_S: Final = 120.0
"""A comparison of everything costs 90 of weight, more than such a minute has; and the window in
which the trouble ended is used up, as is the next after a correction of the clock."""


class Case:
    """One trial before the judges."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clients: dict[str, ClientFacts] = {}
        self.by_account: dict[tuple[str, str], ClientFacts] = {}
        self.examined: Counter[str] = Counter()
        """How often each invariant had something to look at."""
        self.excused: Counter[str] = Counter()
        """Violations of what the trial says that nobody can be held to."""
        self.violations: list[Violation] = []
        self.untold: Counter[str] = Counter()
        """Further violations of the same invariant, beyond those that are told."""
        self.lines: deque[Line] = deque(maxlen=LAST_EVENTS)
        self.safety_over_s: float | None = None
        self._locked_out_until_s = -inf
        self._told: set[tuple[str, str]] = set()
        world.mock.run.clock.catch_up()  # it moves when it is asked, and once a second
        self._venue_ms = world.mock.run.clock.now_ms - round(world.now_s * 1000)

    @property
    def trial(self) -> Trial:
        return self.world.trial

    def limits_take_s(self, c: ClientFacts) -> float:
        """What tight limits add to the time that everything takes.

        A session goes by what it was told when it was opened: in a shared address's bad hour that
        is what the neighbour has left, long after the hour is over.
        """
        usual = self.trial.scenario.limits.factor
        told = usual if c.limits_told_s is None else self._limits_at(c.limits_told_s)
        tight = [f for f in (usual, told) if f is not None and f <= TIGHT_FACTOR]
        return TIGHT_S if tight else 0.0

    def _limits_at(self, at_s: float) -> float | None:
        """The part of the usual limits that the venue allows, and tells who asks."""
        begins_s = 0.0
        for phase in self.trial.scenario.phases:
            ends_s = begins_s + (inf if phase.duration_s is None else phase.duration_s)
            if begins_s <= at_s < ends_s and phase.limits.factor is not None:
                return phase.limits.factor
            begins_s = ends_s
        return self.trial.scenario.limits.factor

    @property
    def truth(self) -> Truth:
        return self.world.mock.truth

    @property
    def now_s(self) -> float:
        return self.world.now_s

    def at_s(self, venue_ms: int) -> float:
        """The time of the trial at a (true) time of the venue."""
        return (venue_ms - self._venue_ms) / 1000

    def at_ms(self, at_s: float) -> int:
        """The venue's (true) time at a time of the trial."""
        return self._venue_ms + round(at_s * 1000)

    def take_lockout(self, record: RequestRecord) -> None:
        """Note that a stranger on our address has had it locked out.

        Where there is no stranger it is the client's own doing, and no excuse.
        """
        if record.limited != _BANNED or record.venue != "kraken-spot":
            return
        if not self.trial.is_header_honest:
            self._locked_out_until_s = self.at_s(record.arrived_ms) + _LOCKOUT_S

    def last_events(self) -> tuple[str, ...]:
        return tuple(f"{when:10.3f} {line()}" for when, line in self.lines)

    def fail(
        self,
        slug: str,
        detail: str,
        *,
        key: str = "",
        at_s: float | None = None,
        events: tuple[str, ...] | None = None,
    ) -> None:
        """An invariant does not hold. The same `key` (else the same detail) is told once.

        `at_s` and `events`: of a violation that could only be told later than it was seen.
        """
        assert slug in by_slug, slug
        is_locked_out = slug in _CONVERGES and self.now_s < self._locked_out_until_s
        if slug in self.trial.not_held_to or is_locked_out:
            self.excused[slug] += 1
            return
        name = (slug, key or detail)
        if name in self._told:
            return
        self._told.add(name)
        if sum(violation.invariant == slug for violation in self.violations) >= TOLD_MAX:
            self.untold[slug] += 1
            return
        at_s = self.now_s if at_s is None else at_s
        told = self.last_events() if events is None else events
        self.violations.append(Violation(slug, at_s, detail, told))


class Family:
    """Checks that belong together. Each hook is called with the facts already brought up to date.

    Override what is needed; what is not overridden costs nothing.
    """

    slugs: tuple[str, ...] = ()
    """The invariants that it checks."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def forgot(self, c: ClientFacts) -> None:
        """A loss of power has taken records; `c` is what the journal still has."""

    def reread(self, c: ClientFacts) -> None:
        """Another process has opened the journal; `c` is what it still has."""

    def opened(self, c: ClientFacts) -> None:
        """A session is open: the first of a client, or one after a restart."""

    def ended(self, c: ClientFacts, how: Ending) -> None: ...

    def noted(self, c: ClientFacts, note: Note) -> None:
        """A journal record, of any kind."""

    def intended(self, c: ClientFacts, order: Order, before: Order | None) -> None:
        """A record `order.intent`; `before` is an intent of the same id."""

    def changed(self, c: ClientFacts, before: Order | None, after: Order, because: str) -> None:
        """A record `order.changed`; `before` None: the client had not spoken of it."""

    def attempted(self, c: ClientFacts, attempt: Attempt) -> None:
        """A record `attempt`."""

    def requested(self, c: ClientFacts | None, record: RequestRecord) -> None:
        """A request is settled at the venue; of nobody in particular where it carried no key."""

    def ordered(self, c: ClientFacts, event: OrderEvent, order: OrderHistory) -> None:
        """An order at the venue has changed."""

    def moved(self, c: ClientFacts, event: BalanceEvent | PositionEvent | FundingEvent) -> None: ...

    def asked(self, c: ClientFacts, asked: Asked) -> None: ...

    def answered(self, c: ClientFacts, asked: Asked, answer: Answer) -> None: ...

    def disrupted(self, c: ClientFacts, disruption: Disruption) -> None: ...

    def looked(self, clients: Iterable[ClientFacts]) -> None:
        """Nothing in particular happened: about once a second, between two steps."""

    def safety_over(self) -> None: ...

    def finish(self) -> None:
        """The last look, with the sessions still open."""

    def fail(
        self,
        slug: str,
        detail: str,
        *,
        key: str = "",
        at_s: float | None = None,
        events: tuple[str, ...] | None = None,
    ) -> None:
        """As `Case.fail`."""
        assert slug in self.slugs, f"{slug} is not of {type(self).__name__}"
        self.case.fail(slug, detail, key=key, at_s=at_s, events=events)
