"""Why a book is not believed, how silence and lateness show, and what a book asks of its shell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from outlast.errors import ConfigurationError

__all__ = [
    "BOOKS",
    "Action",
    "BookSettings",
    "Distrust",
    "Lag",
    "NeedSnapshot",
    "Pace",
    "Resubscribe",
]


class Distrust(Enum):
    """Why a book must not be read. The value is how it is said to the reader."""

    NO_SNAPSHOT = "no snapshot yet"
    NO_FIRST_DATA = "subscribed, and no data since"
    GAP = "updates are missing"
    CHECKSUM = "the venue's checksum does not match"
    CROSSED = "the best bid is not below the best ask"
    UNREADABLE = "a message could not be read"
    CONTRADICTED = "the venue's book ticker says otherwise"
    BEHIND = "the venue's book ticker is ahead"
    OUT_OF_DEPTH = "the market has left the levels that were fetched"
    INEXACT = "a number has more digits than the book keeps"
    SILENT = "silent for longer than is usual"
    LATE = "updates arrive late"
    SOCKET_GONE = "the connection is gone"
    HALTED = "the venue has halted"
    RESTORED = "restored from the journal; not confirmed by the venue"


@dataclass(frozen=True, slots=True)
class NeedSnapshot:
    """Fetch the book by REST and give it to `install`. `urgent` is False while it is trusted."""

    symbol: str
    depth: int
    reason: Distrust
    urgent: bool = True


@dataclass(frozen=True, slots=True)
class Resubscribe:
    """Unsubscribe, subscribe again, and tell `subscribed` when the venue has acknowledged it."""

    symbol: str
    reason: Distrust
    urgent: bool = True


Action = NeedSnapshot | Resubscribe


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSettings:
    """When a quiet or late book stops being believed. Seconds."""

    silence_s_first: float = 4.0
    """Until the usual rate is known. Below the 5 s within which silence must show."""
    silence_s_min: float = 1.5
    """Streams send ten times a second; a venue's own pause of a second is no outage."""
    silence_s_busy: float = 4.7
    """However long the pauses of a symbol, as long as they are shorter than this: silence must show
    within 5 s. Only where longer pauses are usual is there more patience."""
    silence_s_max: float = 60.0
    silence_x: float = 3.0
    """Silent for so many times the longest usual pause."""
    quiet_first_s: float = 1.0
    """After an acknowledgement without data: fetch the book anyway, the symbol may be quiet."""
    first_data_s: float = 4.0
    """After an acknowledgement without data: the subscription is dead."""
    late_s: float = 1.5
    """Updates whose venue time lies so much further back than usual are old."""
    behind_s: float = 1.5
    """The book ticker may be ahead of the book for so long: diffs are batched, up to a second."""
    buffer_max: int = 4096
    """Updates kept while a snapshot is fetched: three minutes of the fastest stream."""
    snapshot_depth: int = 1000

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            if not 0 < value < inf:
                raise ConfigurationError(f"{name} is {value}; it must be finite and above 0")
        if not self.silence_s_min <= self.silence_s_first <= self.silence_s_max:
            raise ConfigurationError(
                f"silence_s_first is {self.silence_s_first}; it must lie between silence_s_min "
                f"({self.silence_s_min}) and silence_s_max ({self.silence_s_max})"
            )


BOOKS: Final = BookSettings()

_WINDOW_S: Final = 60.0
"""The usual is what was so in the last one to two minutes."""


class Pace:
    """Learns how long a stream usually pauses, and says when a pause is a silence."""

    __slots__ = ("_longest", "_longest_before", "_settings", "_window_end", "limit_s")

    def __init__(self, settings: BookSettings) -> None:
        self._settings = settings
        self._longest = 0.0
        self._longest_before: float | None = None  # of the window before; None in the first
        self._window_end: float | None = None
        self.limit_s = settings.silence_s_first
        """Longer than this without a word is silence."""

    def paused(self, pause_s: float) -> None:
        """A message came `pause_s` after the one before it.

        A pause beyond the limit counts as half as long again as what would have passed: a symbol
        that falls quiet is learned step by step, and an outage does not teach that it is usual.
        """
        usual_s = max(self.limit_s / self._settings.silence_x, self._longest)
        believed_s = min(pause_s, 1.5 * usual_s)
        if believed_s > self._longest:
            self._longest = believed_s
            self._set_limit()

    def passed(self, now: float) -> None:
        """Time passes: forget what is no longer usual."""
        if self._window_end is None:
            self._window_end = now + _WINDOW_S
        elif now >= self._window_end:
            self._longest_before, self._longest = self._longest, 0.0
            self._window_end = now + _WINDOW_S
            self._set_limit()

    def _set_limit(self) -> None:
        settings, before = self._settings, self._longest_before
        least = settings.silence_s_first if before is None else settings.silence_s_min
        longest = max(self._longest, before or 0.0)
        usual = settings.silence_x * longest
        if longest < settings.silence_s_busy:
            usual = min(usual, settings.silence_s_busy)
        self.limit_s = min(max(least, usual), settings.silence_s_max)


class Lag:
    """How far a message's venue time lies behind, against the least that was seen lately.

    The two clocks need not agree: only the difference from the usual difference counts.
    """

    __slots__ = ("_least", "_least_before", "_window_end")

    def __init__(self) -> None:
        self._least = inf
        self._least_before = inf
        self._window_end = -inf

    def measure(self, venue_time_s: float, now: float) -> float:
        """Seconds later than usual; 0 for the earliest yet."""
        offset = now - venue_time_s
        usual = min(self._least, self._least_before)
        if now >= self._window_end and (usual == inf or offset - usual < 1.0):
            # A window begins on a punctual message only: an hour of lateness is not the usual.
            self._least_before, self._least = self._least, offset
            self._window_end = now + 10 * _WINDOW_S
        self._least = min(self._least, offset)
        return max(0.0, offset - min(self._least, self._least_before))
