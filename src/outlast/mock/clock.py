"""The venue's time: scenario seconds that follow the event loop's clock, faster if asked.

`elapsed_s` is the instant the exchange has been brought to. Nothing is jumped over: on the way
time stops at every alarm that is due and at least once a second, so that a jump of five minutes and
five minutes of waiting leave the same exchange behind.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Alarm", "VenueClock"]

STEP_S = 1.0
"""The market is moved on at least this often."""
_WAKE_EVERY_S = 0.02
"""Real seconds between two wake-ups that have no alarm to serve (at high speed)."""
_SLICE_STEPS = 300
"""A long jump lets others run after so many steps."""


@dataclass(order=True, slots=True)
class Alarm:
    """Something to be done at an instant of the scenario."""

    at_s: float
    rank: int
    number: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """Never do it, and hold on to nothing for it: its instant may be a day away."""
        self.cancelled = True
        self.action = _nothing


def _nothing() -> None:
    """What a cancelled alarm does."""


class VenueClock:
    """Scenario time, and what has to happen in it.

    `t0_ms` is venue time at the start, in milliseconds since the epoch; `speed` is venue seconds
    per second of the event loop. Time never goes backwards.
    """

    def __init__(self, *, t0_ms: int, speed: float = 1.0) -> None:
        self._t0_ms = t0_ms
        self._speed = _checked_speed(speed)
        self._elapsed_s = 0.0
        self._alarms: list[Alarm] = []
        self._numbers = 0
        self._steps: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._base_loop_s = 0.0  # at this instant of the loop's clock …
        self._base_elapsed_s = 0.0  # … the scenario was to be here
        self._paused = False
        self._wake: asyncio.TimerHandle | None = None
        self._moving = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start of the scenario."""
        return self._elapsed_s

    @property
    def t0_ms(self) -> int:
        return self._t0_ms

    @property
    def now_ms(self) -> int:
        """The venue's true time, in whole milliseconds since the epoch."""
        return self._t0_ms + math.floor(self._elapsed_s * 1000 + 1e-6)

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def paused(self) -> bool:
        return self._paused

    def loop_seconds(self, venue_s: float) -> float:
        """How long `venue_s` seconds of the scenario last on the event loop's clock."""
        return venue_s / self._speed

    def on_step(self, action: Callable[[], None]) -> None:
        """Call `action` each time the clock has moved, at least once per second of venue time."""
        self._steps.append(action)

    # -- alarms -----------------------------------------------------------------------------------

    def at(self, elapsed_s: float, action: Callable[[], None], *, first: bool = False) -> Alarm:
        """Do `action` at that instant, or now-next when it has passed.

        `first` goes before others of the same instant: the script's changes do.
        """
        self._numbers += 1
        at_s = max(elapsed_s, self._elapsed_s)
        alarm = Alarm(at_s, 0 if first else 1, self._numbers, action)
        heapq.heappush(self._alarms, alarm)
        self._arm()
        return alarm

    def later(self, delay_s: float, action: Callable[[], None]) -> Alarm:
        """Do `action` after `delay_s` venue seconds."""
        return self.at(self._elapsed_s + delay_s, action)

    # -- running ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Let time run from here, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._rebase()
        self._arm()

    def stop(self) -> None:
        """Stand still for ever; alarms that have not gone off never will."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        self._loop = None
        self._alarms.clear()

    def catch_up(self) -> None:
        """Bring the exchange to the instant that the event loop's clock says."""
        self._move_to(self._target_s())

    def pause(self) -> None:
        """Stop the clock. Requests are answered; what waits for a later instant waits."""
        self.catch_up()
        self._paused = True
        self._arm()

    def resume(self) -> None:
        self._paused = False
        self._rebase()
        self._arm()

    def set_speed(self, speed: float) -> None:
        """Venue seconds per loop second from now on.

        Raises:
            ValueError: not a positive number.
        """
        speed = _checked_speed(speed)
        self.catch_up()
        self._speed = speed
        self._rebase()
        self._arm()

    async def advance_to(self, elapsed_s: float) -> None:
        """Jump ahead, living through everything on the way.

        Raises:
            ValueError: the instant has passed.
        """
        self.catch_up()
        if elapsed_s < self._elapsed_s:
            raise ValueError(
                f"time does not go backwards: {elapsed_s:g} s is before {self._elapsed_s:g} s"
            )
        while self._elapsed_s < elapsed_s:
            self._move_to(min(elapsed_s, self._elapsed_s + _SLICE_STEPS * STEP_S))
            self._rebase()
            await asyncio.sleep(0)
        self._arm()

    # -- inside -----------------------------------------------------------------------------------

    def _target_s(self) -> float:
        if self._loop is None or self._paused:
            return self._elapsed_s
        passed_s = (self._loop.time() - self._base_loop_s) * self._speed
        return max(self._elapsed_s, self._base_elapsed_s + passed_s)

    def _rebase(self) -> None:
        if self._loop is not None:
            self._base_loop_s = self._loop.time()
        self._base_elapsed_s = self._elapsed_s

    def _move_to(self, target_s: float) -> None:
        if self._moving:
            return  # an alarm's action asked for the time; it is being moved already
        self._moving = True
        try:
            while True:
                self._drop_cancelled()
                due = self._alarms[0] if self._alarms else None
                stop_s = min(target_s, _next_step(self._elapsed_s))
                if due is not None and due.at_s <= stop_s:
                    heapq.heappop(self._alarms)
                    self._step_to(due.at_s)
                    due.action()
                elif self._elapsed_s < target_s:
                    self._step_to(stop_s)
                else:
                    return
        finally:
            self._moving = False
            self._arm()

    def _step_to(self, elapsed_s: float) -> None:
        if elapsed_s <= self._elapsed_s:
            return
        self._elapsed_s = elapsed_s
        for action in self._steps:
            action()

    def _drop_cancelled(self) -> None:
        while self._alarms and self._alarms[0].cancelled:
            heapq.heappop(self._alarms)

    def _arm(self) -> None:
        """Have the loop wake us for the next alarm, or for the next whole second."""
        if self._loop is None or self._moving:
            return
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if self._paused:
            return
        self._drop_cancelled()
        wake_s = max(_next_step(self._elapsed_s), self._elapsed_s + _WAKE_EVERY_S * self._speed)
        if self._alarms:
            wake_s = min(wake_s, self._alarms[0].at_s)
        loop_s = self._base_loop_s + (wake_s - self._base_elapsed_s) / self._speed
        self._wake = self._loop.call_at(loop_s, self._woken, wake_s)

    def _woken(self, wake_s: float) -> None:
        self._wake = None
        # The loop's clock may say a hair less than what was asked for, for rounding; without
        # `wake_s` a loop with virtual time would wake us for the same instant for ever.
        self._move_to(max(self._target_s(), wake_s))


def _next_step(elapsed_s: float) -> float:
    return math.floor(elapsed_s / STEP_S + 1) * STEP_S


def _checked_speed(speed: float) -> float:
    if not (isinstance(speed, int | float) and math.isfinite(speed) and speed > 0):
        raise ValueError(f"speed: {speed!r} is not a positive number; 1 is real time")
    return float(speed)
