"""A heartbeat that tells when the event loop stood still while an answer was awaited."""

from __future__ import annotations

import asyncio
from typing import Final

from outlast.core.own_health import OwnHealth
from outlast.wire import Clock

__all__ = ["LoopWatch"]

BEAT_S: Final = 0.1
"""Fine enough to find a stall of 250 ms, coarse enough to cost nothing."""


class LoopWatch:
    """Beats only while something is under way: at other times a stall harms no evidence."""

    __slots__ = ("_clock", "_handle", "_last_at", "_own", "_under_way")

    def __init__(self, clock: Clock, own: OwnHealth) -> None:
        self._clock = clock
        self._own = own
        self._under_way = 0
        self._last_at = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def begin(self, now: float) -> None:
        self._under_way += 1
        if self._handle is None:
            self._last_at = now
            self._handle = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def end(self) -> None:
        self._under_way -= 1

    def look(self, now: float) -> None:
        """Measure now, not at the next beat: before what came back is judged."""
        gap_s = now - self._last_at
        is_late = self._handle is not None and gap_s > BEAT_S
        if is_late and self._own.lagged(gap_s, beat_s=BEAT_S, now=now):
            self._last_at = now

    def _beat(self) -> None:
        now = self._clock.now()
        self.look(now)
        self._last_at = now
        self._handle = None
        if self._under_way:
            self._handle = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
