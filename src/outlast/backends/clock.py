"""The machine's own clocks, behind the `Clock` port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

__all__ = ["SystemClock"]


class SystemClock:
    """Monotonic time of the loop in which it is first read, wall time of the machine."""

    def __init__(self) -> None:
        self._time: Callable[[], float] | None = None
        """Kept: to ask which loop runs takes four times as long as to ask it for the time."""

    def now(self) -> float:
        if self._time is None:
            loop = asyncio.get_running_loop()
            is_plain = type(loop).time is asyncio.BaseEventLoop.time
            self._time = time.monotonic if is_plain else loop.time  # the same, at first hand
            # From now on itself and no call more: an order asks for the time twenty times.
            self.now = self._time  # type: ignore[method-assign]
        return self._time()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
