"""Limits over a period that slides: dials per address, messages per socket.

Source: Binance Spot docs, "WebSocket Limits" (300 dials in 5 minutes and IP; 5 messages a second
from us) and USD-M futures docs (10 a second); Kraken docs, "Spot WebSockets Introduction" (about
150 dials in 10 minutes, then 10 minutes of ban).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor, inf
from typing import Final

from outlast.core.limiter.terms import TICK_S
from outlast.errors import ConfigurationError

__all__ = ["BINANCE_DIALS", "BINANCE_MESSAGES", "KRAKEN_DIALS", "SlidingLimit", "SlidingSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlidingSpec:
    """At most `limit` within any `period_s`."""

    limit: int
    period_s: float
    spare_share: float = 0.10
    """Nobody's: what a neighbour on the same address does, unseen by us."""
    urgent_share: float = 0.20
    """Of the rest, kept for what is urgent: the socket that tells of our orders."""
    apart_s: float = 0.0
    """The least time between two."""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ConfigurationError(f"limit is {self.limit}; it must be at least 1")
        if not 0 < self.period_s < inf or not 0 <= self.apart_s < inf:
            raise ConfigurationError(
                f"period_s is {self.period_s} and apart_s {self.apart_s}; give finite seconds"
            )
        for field in ("spare_share", "urgent_share"):
            if not 0 <= getattr(self, field) < 1:
                raise ConfigurationError(f"{field} is {getattr(self, field)}; a share below 1")


BINANCE_DIALS: Final = SlidingSpec(limit=300, period_s=300.0)
KRAKEN_DIALS: Final = SlidingSpec(limit=150, period_s=600.0, spare_share=0.20)
"""120, as Kraken's own command line program allows itself: the figure is an "about"."""
BINANCE_MESSAGES: Final = SlidingSpec(limit=5, period_s=1.0, spare_share=0.0, urgent_share=0.20)
"""Of one spot socket, pongs included: one is kept for them. More than that is a disconnect."""


class SlidingLimit:
    """Remembers when each was let go. Pure: told the time, and nothing of sockets."""

    __slots__ = ("_doubt_s", "_gone", "_max", "_usual_max", "spec")

    def __init__(self, spec: SlidingSpec, *, doubt_s: float = 0.1) -> None:
        """`doubt_s`: by how much two may come nearer to each other on their way to the venue."""
        if not 0 <= doubt_s < inf:
            raise ConfigurationError(f"doubt_s is {doubt_s}; it must be finite and not negative")
        self.spec = spec
        self._doubt_s = doubt_s
        self._max = max(1, floor((1 - spec.spare_share) * spec.limit))
        self._usual_max = max(1, floor((1 - spec.urgent_share) * self._max))
        self._gone: deque[float] = deque(maxlen=self._max)

    def next_at(self, now: float, *, urgent: bool = False) -> float:
        """When the next may go: `now` when it may at once. Nothing is taken."""
        self._forget(now)
        at = now
        most = self._max if urgent else self._usual_max
        if len(self._gone) >= most:
            first = self._gone[len(self._gone) - most]
            at = first + self.spec.period_s + self._doubt_s + 2 * TICK_S
        if self._gone and self.spec.apart_s:
            at = max(at, self._gone[-1] + self.spec.apart_s)
        return at

    def try_take(self, now: float, *, urgent: bool = False) -> float | None:
        """Count one and return None, or take nothing and return when the next may go.

        It counts when it goes, refused or not: the venue counts attempts.
        """
        at = self.next_at(now, urgent=urgent)
        if at > now:
            return at
        self._gone.append(now)
        return None

    def used(self, now: float) -> int:
        self._forget(now)
        return len(self._gone)

    def _forget(self, now: float) -> None:
        since = now - self.spec.period_s - self._doubt_s - TICK_S
        while self._gone and self._gone[0] <= since:
            self._gone.popleft()
