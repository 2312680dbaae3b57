"""Brings together what all witnesses say of one venue, and says what follows from it.

Breakers, streams, the venue's own status, its page and the schedule of maintenances come in;
verdicts per plane, the venue's mode and what is ahead go out: to `Session.health`, to the gate, to
the way back from an outage, to journal, log and listeners.
"""

from __future__ import annotations

import random
from typing import Final

from outlast.client.calls import CallDesk
from outlast.client.events import EventBus, HealthChanged
from outlast.client.guard import Guard
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.modes import Modes
from outlast.client.schedule import Schedule
from outlast.client.settings import Settings
from outlast.client.status_pages import StatusPagePoller
from outlast.client.venue_health import PlaneReport, VenueHealth, clock_text
from outlast.core.breaker import COMPONENT_DOWN, BreakerState
from outlast.core.health import PlaneHealth, Verdict, Witness
from outlast.core.status_page import Component, Grade, PageReport
from outlast.model import Health, Plane
from outlast.notices import SystemStatus, VenueMode
from outlast.wire import Clock, VenueCodec

__all__ = ["HealthDesk"]

ODDITIES_MAX: Final = 100
"""Remembered, so that each is told once."""
PAGE_WORD_S: Final = 300.0
"""What a page has said counts for so long: five polls, or the two that its breaker still makes."""
_SHOWN: Final = (Plane.TRADING, Plane.ACCOUNT, Plane.MARKET_DATA, Plane.STATUS)


class HealthDesk:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        guard: Guard,
        instruments: Instruments,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        settings: Settings,
        rng: random.Random,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._guard = guard
        self._instruments = instruments
        self._clock = clock
        self._journal = journal
        self._events = events
        self._settings = settings
        self._rng = rng
        self._log = logger(venue=codec.VENUE)
        now = clock.now()
        self._planes = {p: PlaneHealth(settings.health, now=now) for p in _SHOWN}
        self._told = dict.fromkeys(_SHOWN, Health.HEALTHY)
        self.modes = Modes(
            codec,
            calls,
            instruments,
            clock=clock,
            journal=journal,
            rng=rng,
            poll_s=settings.status_poll_s,
        )
        self.modes.on_said = self._take_status
        self.schedule = Schedule(
            clock=clock,
            journal=journal,
            events=events,
            close_before_s=settings.gate.close_before_s,
            venue=codec.VENUE,
        )
        self._said: SystemStatus | None = None
        self._oddities: set[str] = set()
        self._page_grades: dict[Plane, Grade] = {}
        self.page: StatusPagePoller | None = None
        before = guard.on_change

        def look_after() -> None:
            before()
            self.look()

        guard.on_change = look_after
        guard.is_shut_by_venue = lambda: self.modes.mode is VenueMode.MAINTENANCE

    # What it says.

    def verdict(self, plane: Plane) -> Verdict:
        return self._planes[plane].verdict(self._clock.now())

    @property
    def is_well(self) -> bool:
        """True while no plane but the status has anything against it."""
        return all(
            self.verdict(plane).health is Health.HEALTHY
            for plane in _SHOWN
            if plane is not Plane.STATUS
        )

    @property
    def is_reference(self) -> bool:
        """True while nothing is against it but that its price differs from others.

        Of two venues that differ either may be right: each goes on being held against the other.
        """
        return all(
            verdict.health is Health.HEALTHY
            or (verdict.evidence and all(e.witness is Witness.PRICES for e in verdict.evidence))
            for plane in _SHOWN
            if plane is not Plane.STATUS and (verdict := self.verdict(plane))
        )

    def is_unrestricted(self, symbol: str) -> bool:
        """True while nothing is announced, and the venue takes every order on `symbol`."""
        return (
            self.modes.mode is VenueMode.ONLINE
            and self.schedule.is_empty
            and self.modes.of(symbol) is VenueMode.ONLINE
        )

    def snapshot(self) -> VenueHealth:
        """See `Session.health`."""
        now, wall = self._clock.now(), self._clock.wall()
        self.look()
        planes = {}
        for plane in _SHOWN:
            verdict = self._planes[plane].verdict(now)
            planes[plane] = PlaneReport(
                plane,
                verdict.health,
                wall - (now - verdict.since),
                tuple(f"{e.witness.value}: {e.detail}" for e in verdict.evidence),
            )
        asked_at = self.modes.told_at
        own = self._guard.own
        return VenueHealth(
            venue=self._codec.VENUE,
            product=self._codec.PRODUCT,
            as_of=wall,
            planes=planes,
            mode=self.modes.mode,
            mode_asked_at=None if asked_at is None else wall - (now - asked_at),
            planned=tuple(self.schedule.planned()),
            page=self._page_words(),
            own_network=own.reason if own.is_troubled else "",
            warnings=tuple(self._warnings()),
        )

    # Evidence.

    def look(self) -> None:
        """Take in what the breakers say, and tell of verdicts that are new."""
        for plane in _SHOWN:
            self._note_breaker(plane)
        self._tell()

    def note_stream(self, plane: Plane, up: bool, at: float, detail: str = "") -> None:
        """A stream of `plane` is up, or has been silent or lost since `at` (monotonic).

        `detail` names it: `book BTC/USD`, `executions`. Each is a piece of evidence of its own.
        """
        says = Health.HEALTHY if up else Health.DEGRADED
        told = f"{detail or 'a stream'} is silent or lost"
        self._planes[plane].note(Witness.STREAM, says, now=at, detail=told, about=detail)
        self._tell()

    def note_price(self, symbol: str, why: str | None) -> None:
        """The price guard's word on one symbol; None when nothing speaks against its price."""
        says = Health.HEALTHY if why is None else Health.DEGRADED
        detail = "" if why is None else f"{symbol}: {why}"
        self._planes[Plane.MARKET_DATA].note(
            Witness.PRICES, says, now=self._clock.now(), detail=detail, about=symbol
        )
        self._tell()

    def note_page(self, report: PageReport) -> None:
        """The status page has said something, or the same again."""
        now = self._clock.now()
        for plane in _SHOWN:
            worst = report.worst(plane)
            grade = Grade.OPERATIONAL if worst is None else worst.grade
            says = _page_says(grade)
            detail = "" if worst is None else f"{worst.name} is shown as {worst.word}"
            self._planes[plane].note(Witness.PAGE, says, now=now, detail=detail, for_s=PAGE_WORD_S)
            self._note_grade(plane, grade, worst)
        self.schedule.announced("status page", report.planned)
        self._tell()

    def _take_status(self, said: SystemStatus) -> None:
        """The venue has said how it is."""
        self._said = said
        for oddity in said.oddities:
            if oddity not in self._oddities and len(self._oddities) < ODDITIES_MAX:
                self._oddities.add(oddity)
                self._log.info("outlast.system_status_odd", detail=oddity)
        self.schedule.announced("system status", said.planned)
        if said.mode is VenueMode.UNKNOWN:
            return  # a word that nobody has listed changes nothing
        says = Health.HEALTHY
        if said.mode is VenueMode.MAINTENANCE:
            says = Health.MAINTENANCE
        elif said.mode is not VenueMode.ONLINE:
            says = Health.DEGRADED
        self._planes[Plane.TRADING].note(
            Witness.VENUE,
            says,
            now=self._clock.now(),
            detail=f"the venue is in {said.mode.value} mode",
        )
        self._tell()

    # Inside.

    def _note_breaker(self, plane: Plane) -> None:
        breaker, now = self._guard.breakers[plane], self._clock.now()
        says, detail = Health.HEALTHY, ""
        match breaker.measured_state:
            case BreakerState.OPEN | BreakerState.PROBING:
                says, detail = Health.DOWN, "left alone after repeated failures"
            case BreakerState.CANARY | BreakerState.RAMP:
                says, detail = Health.RECOVERING, "answers again, let in step by step"
            case BreakerState.CLOSED:
                if breaker.evidence >= breaker.settings.open_at / 2:
                    says, detail = Health.DEGRADED, "most calls of late have failed"
        if plane is Plane.TRADING and says is Health.HEALTHY:
            says, detail = self._of_neighbours()
        self._planes[plane].note(Witness.CALLS, says, now=now, detail=detail)

    def _of_neighbours(self) -> tuple[Health, str]:
        """What the reads say of trading while no order is sent that could say it itself."""
        if not self._guard.is_left_alone(Plane.ACCOUNT):
            return Health.HEALTHY, ""
        if self._guard.is_left_alone(Plane.MARKET_DATA):
            return Health.DOWN, "nothing at its host answers"
        return Health.DEGRADED, "the account cannot be read"

    def _note_grade(self, plane: Plane, grade: Grade, worst: Component | None) -> None:
        """A page that turns worse shortens the way to an open breaker. It never goes it."""
        before = self._page_grades.get(plane, Grade.OPERATIONAL)
        self._page_grades[plane] = grade
        if grade <= before or worst is None:
            return
        self._log.warning(
            "outlast.status_page_worse", plane=plane.value, component=worst.name, status=worst.word
        )
        breaker = self._guard.breakers[plane]
        goes_too_far = breaker.evidence + COMPONENT_DOWN >= breaker.settings.open_at
        if breaker.measured_state is not BreakerState.CLOSED or goes_too_far:
            return  # with so much against it the next call decides
        if grade is Grade.MAJOR:
            self._guard.component_down([plane])
        elif grade in (Grade.DEGRADED, Grade.PARTIAL):
            self._guard.component_degraded([plane])

    def _tell(self) -> None:
        """Tell journal, log and listeners of verdicts that are new."""
        now = self._clock.now()
        for plane in _SHOWN:
            verdict = self._planes[plane].verdict(now)
            if verdict.health is self._told[plane]:
                continue
            before, self._told[plane] = self._told[plane], verdict.health
            name, health = plane.value, verdict.health.value
            self._log.warning(
                "outlast.health_changed", plane=name, health=health, reason=verdict.why
            )
            self._journal.note(
                "health.changed", plane=name, health=health, before=before.value, why=verdict.why
            )
            self._events.publish(
                HealthChanged(plane=plane, health=verdict.health, reason=verdict.why)
            )
            if self.page is not None and verdict.health is not Health.HEALTHY:
                self.page.wanted.set()

    def _page_words(self) -> str:
        if self.page is None:
            return ""
        state, now = self.page.state, self._clock.now()
        if state.read_at is None:
            return f"{state.url} not read yet" + (f": {state.trouble}" if state.trouble else "")
        assert state.report is not None
        red = [c for c in state.report.components if c.grade > Grade.UNKNOWN]
        words = "; ".join(f"{c.name} {c.word}" for c in red) or "all operational for this product"
        if state.trouble:
            words += f" (as of {round(now - state.read_at)} s ago; now {state.trouble})"
        return words

    def _warnings(self) -> list[str]:
        said, found = self._said, list[str]()
        age_s = self._instruments.age_s
        if age_s is not None:
            why = self._instruments.why_kept()
            found.append(f"{why}: the journal's are up to {age_s:.0f} s old")
        if said is not None:
            found += [f"the venue tells of an incident: {incident}" for incident in said.incidents]
        if self.page is not None and self.page.state.report is not None:
            found += [
                f"the status page tells of an incident: {incident.name} ({incident.status})"
                for incident in self.page.state.report.incidents
            ]
        closing = self.schedule.closing()
        if closing is not None and closing.starts_at is not None:
            found.append(f"new risk is held for {closing.title}, {clock_text(closing.starts_at)}")
        return found


def _page_says(grade: Grade) -> Health:
    match grade:
        case Grade.OPERATIONAL | Grade.UNKNOWN:
            return Health.HEALTHY
        case Grade.MAJOR:
            return Health.DOWN
        case Grade.MAINTENANCE:
            return Health.MAINTENANCE
        case _:
            return Health.DEGRADED
