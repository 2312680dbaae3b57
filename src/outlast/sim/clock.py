"""The clock of a simulated program. It fits `outlast.wire.Clock`."""

from __future__ import annotations

import asyncio
import math

from outlast.sim.kernel import Kernel

__all__ = ["T0", "SimClock"]

T0 = 1_760_000_000.0
"""2025-10-09 08:53:20 UTC: when simulations begin that are not told otherwise."""


class SimClock:
    """Virtual time. `now` never steps; `wall` may be off, and may be stepped.

    Args:
        t0: what the wall clock shows at the beginning, in seconds since the epoch.
    """

    def __init__(self, kernel: Kernel, *, t0: float = T0) -> None:
        if not math.isfinite(t0):
            raise ValueError(f"t0: expected seconds since the epoch, got {t0!r}")
        self._kernel = kernel
        self._offset_ns = round(t0 * 1e9)

    def now(self) -> float:
        """Seconds since the simulation began: the loop's time."""
        return self._kernel.now

    def wall(self) -> float:
        """Seconds since the epoch, as this clock believes."""
        return self.wall_ns() / 1e9

    def wall_ns(self) -> int:
        return self._offset_ns + round(self._kernel.now * 1e9)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def step(self, seconds: float) -> None:
        """Set the wall clock forward, or back if negative. `now` does not notice."""
        self._offset_ns += round(seconds * 1e9)

    def skewed(self, seconds: float) -> SimClock:
        """Give another clock of the same time whose wall is ahead by so much."""
        other = SimClock(self._kernel, t0=0.0)
        other._offset_ns = self._offset_ns + round(seconds * 1e9)
        return other
