"""Counters that never start anew: what is asked fills them, time drains them. Kraken's calls.

Source: Kraken docs, "Spot REST Rate Limits": at most 15 (Starter) or 20 points, draining by 0.33,
0.5 or 1 a second; a call costs 1, a look at history more.
"""

from __future__ import annotations

from math import inf
from typing import Final

from outlast.core.limiter.shares import level_ceilings
from outlast.core.limiter.terms import TICK_S, CounterSpec, Move
from outlast.wire import Lane

__all__ = ["ROUNDING", "Level"]

ROUNDING: Final = 1e-9
"""Draining a float by seconds leaves dust; a thousand millionth of a point is none."""


class Level:
    """One counter. Where the venue's stands nobody can see; it is never above this one plus doubt.

    Two calls can come nearer to each other on their way. Between them the venue's counter drains
    for less time than ours did, at most `doubt_s` less: that many points are left free.
    """

    __slots__ = ("_at", "_ceilings", "_level", "spec")

    def __init__(self, spec: CounterSpec, doubt_s: float) -> None:
        self._level, self._at = 0.0, -inf
        self.configure(spec, doubt_s)

    def configure(self, spec: CounterSpec, doubt_s: float) -> None:
        assert spec.decay_per_s is not None
        self.spec = spec
        self._ceilings = level_ceilings(spec.limit, doubt=spec.decay_per_s * doubt_s)

    def wait_until(
        self, units: int, lane: Lane, now: float, *, move: Move | None = None, ahead: int = 0
    ) -> float:
        if not units:
            return 0.0
        ceiling = self._ceilings[lane]
        if units > ceiling:
            return inf
        over = self.used(now) + ahead + units - ceiling
        if over <= ROUNDING:
            return 0.0
        assert self.spec.decay_per_s is not None
        return now + over / self.spec.decay_per_s + TICK_S

    def take(self, units: int, now: float, *, move: Move | None = None) -> None:
        self._level, self._at = self.used(now) + units, max(self._at, now)

    def take_at_once(self, units: int, lane: Lane, now: float) -> bool:
        if self.wait_until(units, lane, now):
            return False
        self.take(units, now)
        return True

    def untake(self, units: int) -> None:
        self._level -= units

    def observe(self, used: float, now: float, *, asked_at: float | None = None) -> None:
        self._level, self._at = max(self.used(now), used), max(self._at, now)

    def used(self, now: float) -> float:
        if not self._level:
            return 0.0
        assert self.spec.decay_per_s is not None
        return max(0.0, self._level - max(0.0, now - self._at) * self.spec.decay_per_s)

    def ends_at(self, now: float) -> float:
        assert self.spec.decay_per_s is not None
        return now + self.used(now) / self.spec.decay_per_s

    def has_headroom(self, units: int, now: float, *, share: float) -> bool:
        """True below half of it: what drains is an even pace already, the rest is for bursts."""
        return self.used(now) + units <= min(share, 0.5) * self.spec.limit
