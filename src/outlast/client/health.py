"""Brings together what all witnesses say of one venue, and says what follows from it.

Breakers, streams, the venue's own status, its page and the schedule of maintenances come in;
verdicts per plane, the venue's mode and what is ahead go out: to `Session.health`, to the gate, to
the way back from an outage, to journal, log and listeners.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from outlast.client.calls import CallDesk
from outlast.client.events import EventBus, HealthChanged, MaintenanceAhead
from outlast.client.guard import Guard
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.settings import Settings
from outlast.client.status_pages import StatusPagePoller
from outlast.client.venue_health import PlaneReport, VenueHealth, clock_text
from outlast.core.backoff import Backoff
from outlast.core.breaker import COMPONENT_DOWN, BreakerState
from outlast.core.health import PlaneHealth, Verdict, Witness
from outlast.core.policy import RetryPolicy
from outlast.core.status_page import Component, Grade, PageReport
from outlast.errors import Failure, ReadFailed
from outlast.model import Health, Plane
from outlast.notices import STANDING_STILL, PlannedMaintenance, SystemStatus, VenueMode
from outlast.wire import Clock, VenueCodec

__all__ = ["HealthDesk"]

ASK_SOON_S: Final = 5.0
"""How often the venue is asked for its mode just after it has left `online`: a cancel-only window
may last a few minutes."""
ASK_LATER_SHARE: Final = 1 / 30
ASK_LATER_S_MAX: Final = 120.0
"""What has lasted for an hour is asked for every two minutes: 49 hours of maintenance cost 1,500
questions."""
ASK_ONCE: Final = RetryPolicy(attempts_max=1, deadline_s=6.0, backoff=Backoff(0.2, 5.0))
"""The next question comes soon enough; a repeated one would only be load."""
RELIST_S: Final = 30.0
"""How often the list of instruments is read while a symbol in use is restricted."""
PAGE_WORD_S: Final = 300.0
"""What a page has said counts for so long: five polls, or the two that its breaker still makes."""
JITTER: Final = 0.2
UNKNOWN_END_S: Final = 3600.0
"""How long a maintenance holds new risk that has no announced end and of which nothing is seen."""

_SHOWN: Final = (Plane.TRADING, Plane.ACCOUNT, Plane.MARKET_DATA, Plane.STATUS)
_CLOSED_MODES: Final = frozenset(
    {VenueMode.MAINTENANCE, VenueMode.CANCEL_ONLY, VenueMode.REDUCE_ONLY, VenueMode.CLOSED}
)
_SHAPED_MODES: Final = frozenset({VenueMode.POST_ONLY, VenueMode.LIMIT_ONLY})
_MODE_REFUSALS: Final = frozenset(
    {
        "maintenance",
        "post_only_mode",
        "limit_only_mode",
        "only_reduce_allowed",
        "symbol_closed",
        "shutting_down",
    }
)
"""Refusals that tell of a mode: the venue is asked for it at once."""


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
        self.mode = VenueMode.ONLINE
        self.mode_since = now
        self._mode_asked_at: float | None = None
        self._asked_at = -inf
        self._said: SystemStatus | None = None
        self._planned: dict[str, tuple[PlannedMaintenance, ...]] = {}
        """By who announced them."""
        self._ahead_told: set[tuple[str, str, float]] = set()
        self._oddities: set[str] = set()
        self._page_grades: dict[Plane, Grade] = {}
        self.page: StatusPagePoller | None = None
        self._relisted_at = -inf
        self.restricted: set[str] = set()
        """Symbols in use that the venue restricts, by its list: it is read again for them."""
        self._ask_now = asyncio.Event()
        self.is_returning: Callable[[], bool] = lambda: False
        """True while an outage is on or being come back from."""
        self.on_change: Callable[[], None] = lambda: None
        self.on_mode: Callable[[str | None, VenueMode], None] = lambda _symbol, _mode: None
        """Hears what the venue (None) or a symbol takes when that may have changed."""
        self._still: set[str] = set()
        """Symbols on which nothing moved when the list was read last."""
        """Called when the venue's mode or a maintenance has changed."""
        before = guard.on_change

        def look_after() -> None:
            before()
            self.look()

        guard.on_change = look_after
        guard.is_shut_by_venue = lambda: self.mode is VenueMode.MAINTENANCE

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

    def why_closed(self) -> str | None:
        """Why the venue, by its own word, takes no new risk; None when it does not say so.

        A mode that takes some orders closes nothing by itself. On the way back from an outage it
        counts as closed still: what rests there can fill in one stroke when matching begins.
        """
        is_closed = self.mode in _CLOSED_MODES
        if is_closed or (self.mode in _SHAPED_MODES and self.is_returning()):
            return f"the venue says that it is in {self.mode.value} mode"
        return None

    def planned(self) -> list[PlannedMaintenance]:
        """What is announced and not over, the next first."""
        wall = self._clock.wall()
        known = [
            planned
            for announced in self._planned.values()
            for planned in announced
            if planned.is_on or _until(planned) > wall
        ]
        return sorted(known, key=lambda p: (p.starts_at or 0.0, p.source, p.id))

    def is_unrestricted(self, symbol: str) -> bool:
        """True while nothing is announced, and the venue takes every order on `symbol`."""
        return (
            self.mode is VenueMode.ONLINE
            and not any(self._planned.values())
            and self.symbol_mode(symbol) is VenueMode.ONLINE
        )

    def closing_for(self) -> PlannedMaintenance | None:
        """The announced maintenance of trading because of which new risk is held now."""
        if not any(self._planned.values()):
            return None
        wall, before_s = self._clock.wall(), self._settings.gate.close_before_s
        for planned in self.planned():
            if Plane.TRADING not in planned.planes or planned.starts_at is None:
                continue
            if planned.starts_at - before_s <= wall < _until(planned):
                return planned
        return None

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
        asked_at = self._mode_asked_at
        own = self._guard.own
        return VenueHealth(
            venue=self._codec.VENUE,
            product=self._codec.PRODUCT,
            as_of=wall,
            planes=planes,
            mode=self.mode,
            mode_asked_at=None if asked_at is None else wall - (now - asked_at),
            planned=tuple(self.planned()),
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

    def note_refusal(self, failure: Failure) -> None:
        """The venue has refused an order; where it named a mode, it is asked for it at once."""
        if failure.kind in _MODE_REFUSALS:
            self._ask_now.set()

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
        self._announced("status page", report.planned)
        self._tell()

    def note_system_status(self, said: SystemStatus) -> None:
        """The venue has said how it is."""
        now = self._clock.now()
        self._mode_asked_at, self._said = now, said
        for oddity in said.oddities:
            if oddity not in self._oddities and len(self._oddities) < 100:
                self._oddities.add(oddity)
                self._log.info("outlast.system_status_odd", detail=oddity)
        self._announced("system status", said.planned)
        if said.mode is VenueMode.UNKNOWN:
            return  # a word that nobody has listed changes nothing
        says = Health.HEALTHY
        if said.mode is VenueMode.MAINTENANCE:
            says = Health.MAINTENANCE
        elif said.mode is not VenueMode.ONLINE:
            says = Health.DEGRADED
        self._planes[Plane.TRADING].note(
            Witness.VENUE, says, now=now, detail=f"the venue is in {said.mode.value} mode"
        )
        if said.mode is not self.mode:
            self._log.warning(
                "outlast.venue_mode_changed", mode=said.mode.value, before=self.mode.value
            )
            self._journal.note_now(
                "venue.mode_changed", mode=said.mode.value, before=self.mode.value, word=said.word
            )
            self.mode, self.mode_since = said.mode, now
            self._relisted_at = -inf  # what each symbol takes has changed with it
            self.restricted.update(self._in_use())
            self._tell_modes()
            self.on_change()
        self._tell()

    # Asking.

    async def watch_for_ever(self) -> None:
        """Ask the venue how it is, and read its list again where it restricts what is traded."""
        self.restricted.update(self._in_use())  # the list of the start may already say so
        while True:
            if self._clock.now() - self._asked_at >= ASK_SOON_S:
                await self.ask()
            if self.restricted and self._clock.now() - self._relisted_at >= RELIST_S:
                await self._relist()
            self._ask_now.clear()
            wait_s = self._wait_s() * self._rng.uniform(1 - JITTER, 1 + JITTER)
            try:
                async with asyncio.timeout(wait_s):
                    await self._ask_now.wait()
            except TimeoutError:
                continue
            await self._clock.sleep(1.0)  # a burst of refusals is one question

    async def ask(self) -> Failure | None:
        """Ask the venue how it is, once; what prevented an answer, else None."""
        request = self._codec.query_system_status()
        if request is None:
            return None
        self._asked_at = self._clock.now()
        answer = await self._calls.call(request, policy=ASK_ONCE)
        said = self._codec.read_system_status(request, answer)
        if isinstance(said, Failure):
            return said  # no information: what was known stands
        self.note_system_status(said)
        return None

    async def probe(self) -> None:
        """One cheap read for the way back, of which the guard tells what became.

        Where the venue tells how it is, that is the read.
        """
        if self._codec.query_system_status() is None:
            await self._calls.probe(self._codec.probe())
        else:
            await self.ask()

    async def _relist(self) -> None:
        self._relisted_at = self._clock.now()
        try:
            await self._instruments.load()
        except ReadFailed:
            return
        self.restricted = {
            s for s in self.restricted if self.symbol_mode(s) is not VenueMode.ONLINE
        }
        self._tell_modes()

    def _tell_modes(self) -> None:
        """Say what stands still now, and what does not any more."""
        self.on_mode(None, self.mode)
        modes = {symbol: self.symbol_mode(symbol) for symbol in self._instruments}
        still = {symbol for symbol, mode in modes.items() if mode in STANDING_STILL}
        for symbol in sorted(self._still | still):
            self.on_mode(symbol, modes.get(symbol, VenueMode.CLOSED))
        self._still = still

    def symbol_mode(self, symbol: str) -> VenueMode:
        """What the venue takes on `symbol`, by its list; ONLINE for one that it does not list."""
        instrument = self._instruments.get(symbol)
        return VenueMode.ONLINE if instrument is None else self._codec.symbol_mode(instrument)

    # Inside.

    def _wait_s(self) -> float:
        if self.mode is VenueMode.ONLINE:
            return self._settings.status_poll_s
        lasted_s = self._clock.now() - self.mode_since
        return min(ASK_LATER_S_MAX, max(ASK_SOON_S, ASK_LATER_SHARE * lasted_s))

    def _in_use(self) -> Sequence[str]:
        return [s for s in self._instruments if self.symbol_mode(s) is not VenueMode.ONLINE]

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

    def _announced(self, source: str, planned: tuple[PlannedMaintenance, ...]) -> None:
        relevant = tuple(p for p in planned if p.planes)
        if self._planned.get(source, ()) == relevant:
            return
        self._planned[source] = relevant
        for each in relevant:
            if each.starts_at is None or each.is_on:
                continue
            key = (source, each.id, each.starts_at)
            if key not in self._ahead_told:
                self._ahead_told.add(key)
                self._tell_ahead(each, each.starts_at)
        self.on_change()

    def _tell_ahead(self, planned: PlannedMaintenance, starts_at: float) -> None:
        touches_trading = Plane.TRADING in planned.planes
        closes_at = starts_at - (self._settings.gate.close_before_s if touches_trading else 0.0)
        self._log.warning(
            "outlast.maintenance_ahead", title=planned.title, starts_at=starts_at, closes=closes_at
        )
        self._journal.note(
            "maintenance.ahead",
            id=planned.id,
            title=planned.title,
            starts_at=starts_at,
            ends_at=planned.ends_at,
            source=planned.source,
        )
        self._events.publish(
            MaintenanceAhead(
                id=planned.id,
                title=planned.title,
                starts_at=starts_at,
                ends_at=planned.ends_at,
                closes_at=closes_at,
                touches_trading=touches_trading,
                source=planned.source,
            )
        )

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
        said, found = self._said, []
        if said is not None:
            found += [f"the venue tells of an incident: {incident}" for incident in said.incidents]
        if self.page is not None and self.page.state.report is not None:
            found += [
                f"the status page tells of an incident: {incident.name} ({incident.status})"
                for incident in self.page.state.report.incidents
            ]
        closing = self.closing_for()
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


def _until(planned: PlannedMaintenance) -> float:
    """When an announced maintenance stops holding new risk by itself (seconds since the epoch).

    What is measured holds on: this is only for a maintenance that was called off, or ended early.
    """
    if planned.starts_at is None:
        return inf
    if planned.ends_at is None or planned.ends_at <= planned.starts_at:
        return planned.starts_at + UNKNOWN_END_S
    return planned.ends_at
