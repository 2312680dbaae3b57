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

    def begin(self) -> None:
        self._under_way += 1
        if self._handle is None:
            self._last_at = self._clock.now()
            self._handle = asyncio.get_running_loop().call_later(BEAT_S, self._beat)

    def end(self) -> None:
        self._under_way -= 1

    def look(self) -> None:
        """Measure now, not at the next beat: before what came back is judged."""
        if self._handle is not None:
            now = self._clock.now()
            if self._own.lagged(now - self._last_at, beat_s=BEAT_S, now=now):
                self._last_at = now

    def _beat(self) -> None:
        self.look()
        self._last_at = self._clock.now()
        self._handle = None
        if self._under_way:
            self._handle = asyncio.get_running_loop().call_later(BEAT_S, self._beat)
