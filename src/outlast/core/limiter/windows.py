"""Counters that begin anew with each window of the venue's clock: Binance's weight and orders.

A 1-minute window starts at :00 and the counter restarts there; so does this mirror.
Source: Binance Spot API docs, "LIMITS" (rest-api.md) and `exchangeInfo.rateLimits`; the USD-M
futures docs have the same three limiters.
"""

from __future__ import annotations

from math import ceil, inf
from typing import Final

from outlast.core.limiter.shares import window_ceilings
from outlast.core.limiter.terms import TICK_S, CounterSpec, Move
from outlast.wire import Lane

__all__ = ["Window"]

_BURST_SHARE: Final = 0.25
"""Of a limit, per second of the venue's clock, for all lanes but SAFETY: a flood of one second must
not empty the minute, and an overloaded venue is not helped by the rest of it arriving at once."""
_BURST_WINDOW_MIN_S: Final = 10.0
"""Shorter windows are a pace of their own."""


class Window:
    """One counter: the window of now and its two neighbours.

    Our idea of the venue's clock may be off by `doubt_s`, the flight to the venue included. So what
    leaves that close to a boundary may be counted on either side of it, and is charged to both.
    """

    __slots__ = (
        "_burst_max",
        "_burst_second",
        "_burst_used",
        "_ceilings",
        "_doubt_s",
        "_index",
        "_next",
        "_offset_s",
        "_previous",
        "_used",
        "spec",
    )

    def __init__(self, spec: CounterSpec, doubt_s: float, *, offset_s: float = 0.0) -> None:
        self._index = -inf  # no window yet
        self._previous = self._used = self._next = 0
        self._burst_second = -1.0
        self._burst_used = 0
        self._offset_s = offset_s
        self.spec = spec
        self.configure(spec, doubt_s)

    def configure(self, spec: CounterSpec, doubt_s: float) -> None:
        """Change the limit. What is used stays used, also in a window of another length."""
        if spec.window_s != self.spec.window_s:
            self._carry_over()
        self.spec = spec
        # One neighbour on each side is remembered: a doubt longer than a window is not covered.
        self._doubt_s = min(doubt_s, spec.window_s)
        self._ceilings = window_ceilings(spec.limit)
        self._burst_max = (
            max(1.0, _BURST_SHARE * spec.limit) if spec.window_s >= _BURST_WINDOW_MIN_S else inf
        )

    def set_offset(self, offset_s: float, now: float) -> None:
        """The venue's clock is ahead of ours by this. Time that was corrected has not passed."""
        before = self._roll(now)[0]
        self._offset_s = offset_s
        window_s = self.spec.window_s
        if (now + offset_s) // window_s != before:
            self._carry_over()  # which window was charged is anybody's guess

    def wait_until(
        self, units: int, lane: Lane, now: float, *, move: Move | None = None, ahead: int = 0
    ) -> float:
        if not units:
            return 0.0
        window_s, doubt_s = self.spec.window_s, self._doubt_s
        index, into_s = self._roll(now)
        room = self._ceilings[lane] - units
        if room < 0:
            return inf
        # The next window needs no look: what it has been charged in advance, this one was as well.
        if self._used + ahead > room:
            # As the previous one it still counts for `doubt_s` into its successor.
            left_over = ahead + units - max(0, room + units - self._used)
            windows = max(1, ceil(left_over / self.spec.limit)) if ahead else 1
            return (index + windows) * window_s + doubt_s + TICK_S - self._offset_s
        if into_s < doubt_s and self._previous > room:
            return index * window_s + doubt_s + TICK_S - self._offset_s
        if (
            lane is not Lane.SAFETY
            and self._burst_used
            and self._burst_used + units > self._burst_max
            and self._burst_second == (now + self._offset_s) // 1.0
        ):
            return self._burst_second + 1.0 + TICK_S - self._offset_s
        return 0.0

    def take(self, units: int, now: float, *, move: Move | None = None) -> None:
        into_s = self._roll(now)[1]
        self._used += units
        if into_s < self._doubt_s:
            self._previous += units
        if self.spec.window_s - into_s <= self._doubt_s:
            self._next += units
        second = (now + self._offset_s) // 1.0
        if second != self._burst_second:
            self._burst_second, self._burst_used = second, 0
        self._burst_used += units

    def observe(self, used: float, now: float) -> None:
        if self._roll(now)[1] < self._doubt_s:
            # It may be the old window's figure: it must not fill the new one for a whole minute.
            self._previous = max(self._previous, ceil(used))
        else:
            self._used = max(self._used, ceil(used))

    def used(self, now: float) -> float:
        self._roll(now)
        return self._used

    def ends_at(self, now: float) -> float:
        return (self._roll(now)[0] + 1) * self.spec.window_s - self._offset_s

    def has_headroom(self, units: int, now: float, *, share: float) -> bool:
        """True while the window is used at less than `share` of an even pace."""
        into_s = self._roll(now)[1]
        return self._used + units <= share * self.spec.limit * into_s / self.spec.window_s

    def _roll(self, now: float) -> tuple[float, float]:
        """Move on to the window of `now`; return its number and how far into it that is."""
        window_s = self.spec.window_s
        server_now = now + self._offset_s
        index = server_now // window_s
        if index != self._index:
            ahead = index - self._index
            if ahead == 1:
                self._previous, self._used, self._next = self._used, self._next, 0
                self._index = index
            elif ahead == inf:
                self._index = index
            elif ahead > 1:
                self._previous = self._next if ahead == 2 else 0
                self._used = self._next = 0
                self._index = index
            elif ahead == -1:
                return self._index, 0.0  # Corrected a little: still the start of the present one.
            else:
                # It was wrong by more than a window; which one was charged is anybody's guess.
                self._carry_over()
                self._index = index
        return index, server_now - index * window_s

    def _carry_over(self) -> None:
        """Charge the window that comes next with the most that any of the three was charged."""
        self._index = -inf
        self._previous = self._used = max(self._previous, self._used, self._next)
        self._next = 0
