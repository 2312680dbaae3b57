"""How much of its share DATA may use: less after each "too many requests", a little more again in
every quiet minute.

With an honest mirror no such answer comes. One that does says that somebody behind the same address
spends more than we can see, or that the venue allows less than it declares. Then what can wait
gives way, so that what cannot has room. (Additive increase, multiplicative decrease: Chiu and Jain,
"Analysis of the Increase and Decrease Algorithms", 1989.)
"""

from __future__ import annotations

from math import floor, inf
from typing import Final

__all__ = ["DataShare"]

CUT: Final = 0.5
LEAST: Final = 0.1
"""Never nothing: a book that is never read again is of no use to anybody."""
STEP: Final = 0.1
EVERY_S: Final = 60.0
"""The length of the usual window: what was refused in one is counted anew in the next."""


class DataShare:
    """Told of each refusal; says which part of its share is left. `now` is monotonic seconds."""

    __slots__ = ("_at", "_since")

    def __init__(self) -> None:
        self._at = 1.0
        self._since = -inf

    def throttled(self, now: float) -> bool:
        """The venue has said "too many requests"; True when that was news.

        Answers to what was on its way already are no news: one cut for each window.
        """
        at = self.value(now)
        if now - self._since < EVERY_S:
            return False
        self._at, self._since = max(LEAST, at * CUT), now
        return True

    def value(self, now: float) -> float:
        """From 0.1 to 1: a tenth more in each whole minute since the last cut."""
        if self._at >= 1.0:
            return 1.0
        quiet = max(0, floor((now - self._since) / EVERY_S))
        return min(1.0, self._at + STEP * quiet)
