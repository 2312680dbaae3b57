"""The way back to new risk after an outage, carried out: see `core.recovery` for the stages.

It watches breakers and bans, compares everything with the venue once they are open again, and says
why an entry may not pass. Cancels, reduce-only orders and exits never ask it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from outlast.client.events import EventBus, RecoveryChanged
from outlast.client.guard import Guard, local_failure
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.recovery import Recovery, RecoverySettings, Stage
from outlast.errors import Failure, Remedy
from outlast.model import Plane
from outlast.wire import Clock

__all__ = ["Held", "RecoveryDesk"]

BAN_MIN_S: Final = 65.0
"""A ban of so long is an outage: nothing could be cancelled, and the market went on without us. The
wait that comes with a 429 ends with the minute of the venue's counter, and only paces us."""
UNWELL_WITHIN_S: Final = 30.0
UNWELL_SHARE: Final = 0.2
UNWELL_MIN: Final = 2
"""A venue that fails a fifth of the calls of the last half minute, and more than one, is not well,
though far too much gets through to open a breaker: the false dawn of 19 May 2020 let a fifth to
three fifths through for 18 minutes, and then came the second crash (BitMEX)."""
COOLING_PROBE_EVERY_S: Final = 3.0
"""Nobody knows that a venue stays well by not asking: ten cheap reads in half a minute, in which a
venue that fails two calls in five shows it 19 times in 20."""
COOLING_PROBE_LATER_S: Final = 12.0
"""In a long cool-down, after the first minutes."""
LOOK_EVERY_S: Final = 1.0
RECONCILE_AGAIN_FIRST_S: Final = 2.0
RECONCILE_AGAIN_MOST_S: Final = 15.0
"""A comparison costs up to 60 of USD-M's 2,400 weight a minute: four a minute are a tenth of it."""

_WATCHED: Final = (Plane.TRADING, Plane.ACCOUNT)
"""Without the one nobody can trade, without the other nobody knows what with."""
_BANNED: Final = "the venue told us to stay away"
_HALTED: Final = frozenset({"maintenance", "shutting_down"})
"""What a venue says that has closed the whole product. One closed symbol is not an outage."""


@dataclass(frozen=True, slots=True)
class Held:
    """Why new risk may not be taken now: one clause, and when to ask again (monotonic) if known."""

    why: str
    retry_at: float | None = None


class RecoveryDesk:
    def __init__(
        self,
        settings: RecoverySettings,
        guard: Guard,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        venue: str,
    ) -> None:
        self._recovery = Recovery(settings)
        self._guard = guard
        self._clock = clock
        self._journal = journal
        self._events = events
        self._log = logger(venue=venue)
        self._stage = Stage.FREE
        self._is_banned = False
        self._calls: deque[tuple[float, bool]] = deque()
        """When calls were answered, and whether they had failed; kept on the way back only."""
        self._begun = asyncio.Event()
        self.why_closed: Callable[[], str | None] = lambda: None
        """Says why the venue itself takes no new risk; None when it does not say so."""
        guard.on_change = self.look
        guard.hold_risk = self._hold_attempt
        if journal.history.recovery not in ("", Stage.FREE.value):
            self._begin(
                "the one that the session before was in",
                since=journal.history.recovery_since,
                is_ours=journal.history.recovery_is_ours,
            )

    @property
    def stage(self) -> Stage:
        return self._stage

    def held(self) -> Held | None:
        """Why an entry may not pass now; None when it may: then tell `passed`."""
        held = self._recovery.held(now=self._clock.now())
        self._tell()
        return None if held is None else Held(*held)

    def passed(self) -> None:
        """An entry has been let through."""
        self._recovery.passed(now=self._clock.now())

    def refused(self, failure: Failure) -> None:
        """The venue has refused an entry; where it has closed the product, an outage begins.

        No breaker opens for it, so none tells of the end: it counts as over at once, and the next
        entry, after reconciliation and cool-down, finds out.
        """
        if failure.kind in _HALTED:
            self._begin(f"the venue is closed: {failure.kind}")
            self.look()

    def opened_into(self, failure: Failure) -> None:
        """What a session asks first was not answered: it has come into an outage.

        Should it give up, the next one on this journal knows. A wait for a limit is no outage.
        """
        if failure.infrastructure and failure.remedy is not Remedy.WAIT_BAN:
            self._begin(f"it was on when the session was opened: {failure.kind}")

    def look(self) -> None:
        """See whether an outage has begun or ended."""
        why = self._why_out()
        if why is not None:
            self._begin(why, is_ours=why == _BANNED)
            return
        self._recovery.over(now=self._clock.now())
        self._recovery.held(now=self._clock.now())  # takes the steps that time brings
        self._tell()

    async def return_for_ever(
        self,
        reconcile: Callable[[float], Awaitable[bool]],
        probe: Callable[[], Awaitable[object]],
    ) -> None:
        """See every outage to its end.

        `reconcile(since)` compares what was not compared since then; True: now all has been.
        `probe` sends one cheap read, of which the guard tells what became.
        """
        pause_s = RECONCILE_AGAIN_FIRST_S
        while True:
            self.look()
            if self._stage is Stage.FREE:
                self._begun.clear()
                await self._begun.wait()
                pause_s = RECONCILE_AGAIN_FIRST_S
            elif self._stage is Stage.COOLING:
                await probe()
                cooled_s = self._clock.now() - self._recovery.since
                pace_s = min(COOLING_PROBE_LATER_S, max(COOLING_PROBE_EVERY_S, cooled_s / 20))
                await self._clock.sleep(pace_s)
            elif not self._recovery.wants_reconciliation:
                await self._clock.sleep(LOOK_EVERY_S)
            else:
                began_at = self._recovery.ended_at
                if await reconcile(began_at) and not self._is_unwell():
                    self._recovery.reconciled(began_at=began_at, now=self._clock.now())
                else:
                    await self._clock.sleep(pause_s)
                    pause_s = min(2 * pause_s, RECONCILE_AGAIN_MOST_S)

    # Inside.

    def _why_out(self) -> str | None:
        for plane in _WATCHED:
            if self._guard.is_left_alone(plane):
                return f"{plane.value} is being left alone after repeated failures"
        until = self._guard.banned_until()
        is_long = until is not None and until - self._clock.now() >= BAN_MIN_S
        self._is_banned = is_long or (self._is_banned and until is not None)
        return _BANNED if self._is_banned else self.why_closed()

    def _heard(self, failed: bool) -> None:
        """A call has been answered, on the way back."""
        self._calls.append((self._clock.now(), failed))
        if self._stage in (Stage.COOLING, Stage.STEPPING) and self._is_unwell():
            self._begin("the venue fails too many calls still")

    def _is_unwell(self) -> bool:
        now = self._clock.now()
        while self._calls and self._calls[0][0] < now - UNWELL_WITHIN_S:
            self._calls.popleft()
        failed = sum(failed for _, failed in self._calls)
        return failed >= UNWELL_MIN and failed >= UNWELL_SHARE * len(self._calls)

    def _begin(self, why: str, *, since: float | None = None, is_ours: bool = False) -> None:
        """`since`: seconds since the epoch, where a session before has written it down."""
        now = self._clock.now()
        began = None if since is None else now - max(0.0, self._clock.wall() - since)
        if self._recovery.outage(why, now=now, since=began, is_ours=is_ours):
            self._begun.set()
            self._tell(why)

    def _hold_attempt(self) -> Failure | None:
        """For an entry that passed before an outage began, and has waited for its turn since."""
        if self._recovery.stage not in (Stage.SHUT, Stage.COOLING):
            return None
        held = self.held()
        if held is None:
            return None
        now = self._clock.now()
        return local_failure(
            "recovering",
            f"new risk is held {held.why}",
            retry_after_s=None if held.retry_at is None else max(0.0, held.retry_at - now),
        )

    def _tell(self, why: str = "") -> None:
        """Tell journal, log and listeners of a stage that is new."""
        stage = self._recovery.stage
        if stage is self._stage:
            return
        self._stage = stage
        if stage is Stage.FREE:
            self._guard.on_result = None
            self._calls.clear()
        else:
            self._guard.on_result = self._heard
        self._log.warning("outlast.recovery_changed", stage=stage.value, reason=why)
        out_since = self._clock.wall() - (self._clock.now() - self._recovery.out_since)
        self._journal.note_now(
            "recovery.changed",
            stage=stage.value,
            reason=why,
            out_since=out_since,
            cool_down_s=self._recovery.cool_down_s,
            is_ours=self._recovery.is_ours,
        )
        self._events.publish(RecoveryChanged(stage=stage.value, reason=why))
