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

_SAFETY: Final = Lane.SAFETY
"""At hand: looked up in its class it costs more than the comparison."""

_BURST_SHARE: Final = 0.25
"""Of a limit, per second of the venue's clock, for all lanes but SAFETY: a flood of one second must
not empty the minute, and an overloaded venue is not helped by the rest of it arriving at once."""
_BURST_WINDOW_MIN_S: Final = 10.0
"""Shorter windows are a pace of their own."""


class Window:
    """One counter: the window of now and its two neighbours.

    Our idea of the venue's clock may be off by `doubt_s`, the flight to the venue included. So what
    leaves that close to a boundary may be counted on either side of it, and is charged to both.

    A figure that the venue tells there may be of either window as well. For the old one it is taken
    as it is. To the new one it is only alleged: were it charged for good, the last figure of a busy
    minute would shut the next one. Until a figure comes that is surely of the new window, what goes
    above a lane's share by the alleged one leaves a piece at a time, and never above the limit.
    """

    __slots__ = (
        "_alleged",
        "_alleged_next",
        "_ask_at",
        "_burst_max",
        "_burst_second",
        "_burst_used",
        "_calm_from",
        "_calm_until",
        "_ceilings",
        "_data_share",
        "_doubt_s",
        "_index",
        "_near_end",
        "_near_start",
        "_next",
        "_offset_s",
        "_previous",
        "_told",
        "_told_previous",
        "_used",
        "spec",
    )

    def __init__(self, spec: CounterSpec, doubt_s: float, *, offset_s: float = 0.0) -> None:
        self._index = -inf  # no window yet
        self._previous = self._used = self._next = 0
        self._told = self._told_previous = 0  # the highest figure that is surely of that window
        self._alleged = self._alleged_next = 0  # by a figure that may be of another window
        self._ask_at = -inf
        self._data_share = 1.0
        self._burst_second = -1.0
        self._burst_used = 0
        self._calm_from = self._calm_until = -inf
        """Between the two no boundary is crossed, of seconds or of the doubt, nor is any figure in
        doubt: each `take` is charged as the one that found them."""
        self._near_start = self._near_end = False
        self._offset_s = offset_s
        self.spec = spec
        self.configure(spec, doubt_s)

    def configure(self, spec: CounterSpec, doubt_s: float) -> None:
        """Change the limit. What is used stays used, also in a window of another length."""
        if spec.window_s != self.spec.window_s:
            self._carry_over()
        self.spec, self._calm_until = spec, -inf
        # One neighbour on each side is remembered: a doubt longer than a window is not covered.
        self._doubt_s = min(doubt_s, spec.window_s)
        self._ceilings = window_ceilings(spec.limit, data_share=self._data_share)
        self._burst_max = (
            max(1.0, _BURST_SHARE * spec.limit) if spec.window_s >= _BURST_WINDOW_MIN_S else inf
        )

    def squeeze(self, data_share: float) -> None:
        """DATA may use this part of what is its own."""
        self._data_share = data_share
        self._ceilings = window_ceilings(self.spec.limit, data_share=data_share)

    def set_offset(self, offset_s: float, now: float) -> None:
        """The venue's clock is ahead of ours by this. Time that was corrected has not passed."""
        before = self._roll(now)[0]
        self._offset_s, self._calm_until = offset_s, -inf
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
        if self._alleged > room:
            if self._alleged + units > self.spec.limit:
                return (index + 1) * window_s + doubt_s + TICK_S - self._offset_s
            if now < self._ask_at:
                return self._ask_at
        if (
            lane is not _SAFETY
            and self._burst_used
            and self._burst_used + units > self._burst_max
            and self._burst_second == (now + self._offset_s) // 1.0
        ):
            return self._burst_second + 1.0 + TICK_S - self._offset_s
        return 0.0

    def take_at_once(self, units: int, lane: Lane, now: float) -> bool:
        """Take `units` where that needs no thought. False, and nothing taken: ask `wait_until`."""
        room = self._ceilings[lane] - units
        if not self._calm_from <= now < self._calm_until or self._used > room:
            return False
        if self._burst_used + units > self._burst_max and lane is not _SAFETY:
            return False
        if self._near_start and self._previous > room:
            return False
        self._used += units
        self._burst_used += units
        if self._near_start or self._near_end:
            self._charge_neighbours(units)
        return True

    def untake(self, units: int) -> None:
        """Undo a `take_at_once` of this very instant."""
        self._used -= units
        self._burst_used -= units
        self._charge_neighbours(-units)

    def _charge_neighbours(self, units: int) -> None:
        if self._near_start:
            self._previous += units
        if self._near_end:
            self._next += units
            if self._alleged_next:
                self._alleged_next += units

    def take(self, units: int, now: float, *, move: Move | None = None) -> None:
        into_s = self._roll(now)[1]
        to_end_s = self.spec.window_s - into_s
        self._near_start, self._near_end = into_s < self._doubt_s, to_end_s <= self._doubt_s
        second = (now + self._offset_s) // 1.0
        if second != self._burst_second:
            self._burst_second, self._burst_used = second, 0
        self._used += units
        self._burst_used += units
        self._charge_neighbours(units)
        if self._alleged:
            self._alleged += units
            self._ask_at = now + max(self._doubt_s, TICK_S)
            self._calm_until = -inf
            return
        ahead_s = to_end_s if self._near_end else to_end_s - self._doubt_s
        if self._near_start:
            ahead_s = min(ahead_s, self._doubt_s - into_s)
        self._calm_from = now
        self._calm_until = min(now + ahead_s, second + 1.0 - self._offset_s)

    def observe(self, used: float, now: float, *, asked_at: float | None = None) -> None:
        figure = ceil(used)
        into_s = self._roll(now)[1]
        asked_s = into_s if asked_at is None else into_s - max(0.0, now - asked_at)
        if asked_s >= self._doubt_s:
            self._used = max(self._used, figure)
            self._told = max(self._told, figure)
            self._alleged = 0
        elif self._told_previous > figure:
            # Within a window the venue's counter never falls: this one is the new window's.
            self._used = max(self._used, figure)
        else:
            self._previous = max(self._previous, figure)
            self._alleged = max(self._alleged, self._used, figure)
            self._calm_until = -inf
        if self.spec.window_s - into_s <= self._doubt_s:
            self._alleged_next = max(self._alleged_next, self._next, figure)

    def used(self, now: float) -> float:
        self._roll(now)
        return self._used

    def ends_at(self, now: float) -> float:
        return (self._roll(now)[0] + 1) * self.spec.window_s - self._offset_s

    def has_headroom(self, units: int, now: float, *, share: float) -> bool:
        """True while the window is used at less than `share` of an even pace."""
        into_s = self._roll(now)[1]
        used = max(self._used, self._alleged)
        return used + units <= share * self.spec.limit * into_s / self.spec.window_s

    def _roll(self, now: float) -> tuple[float, float]:
        """Move on to the window of `now`; return its number and how far into it that is."""
        window_s = self.spec.window_s
        server_now = now + self._offset_s
        index = server_now // window_s
        if index != self._index:
            ahead = index - self._index
            if ahead == 1:
                self._previous, self._used, self._next = self._used, self._next, 0
                self._told_previous, self._told = self._told, 0
                self._alleged, self._alleged_next = self._alleged_next, 0
                self._index = index
            elif ahead == inf:
                self._index = index
            elif ahead > 1:
                self._previous = self._next if ahead == 2 else 0
                self._used = self._next = 0
                self._forget_figures()
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
        self._index = self._calm_until = -inf
        most = max(self._previous, self._used, self._next, self._alleged, self._alleged_next)
        self._previous = self._used = most
        self._next = 0
        self._forget_figures()

    def _forget_figures(self) -> None:
        self._told = self._told_previous = 0
        self._alleged = self._alleged_next = 0
