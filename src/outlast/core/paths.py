"""Which way a request goes: by the trade socket while that is well, by REST otherwise.

Both doors lead to the same engine. The choice is made before anything is sent; afterwards there is
none, since what went through one door may have been done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["PathChoice", "PathSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    avoid_first_s: float = 15.0
    """How long the socket is left alone after it has swallowed a request."""
    avoid_grows_x: float = 2.0
    avoid_most_s: float = 300.0
    failures_max: int = 3
    """So many answers in a row that blame the venue's machinery: try the other door."""
    proven_after_s: float = 30.0
    """Well for so long, and what happened before no longer lengthens the next pause."""


DEFAULTS: Final = PathSettings()


class PathChoice:
    """Judges the trade socket by what became of the requests that it carried."""

    def __init__(self, settings: PathSettings = DEFAULTS) -> None:
        self._settings = settings
        self._avoid_until = 0.0
        self._pause_s = settings.avoid_first_s
        self._failures = 0
        self._well_since: float | None = None

    def may_use_socket(self, now: float) -> bool:
        """True while the socket may carry a request that could also go by REST."""
        return now >= self._avoid_until

    @property
    def avoided_until(self) -> float:
        """Monotonic; in the past when it is not avoided."""
        return self._avoid_until

    def swallowed(self, now: float) -> None:
        """A request was handed over and no answer came: cut off, or silent for too long.

        All that were under way when one connection ended are one event.
        """
        self._well_since = None
        if now < self._avoid_until:
            return
        self._avoid_until = now + self._pause_s
        grown = self._pause_s * self._settings.avoid_grows_x
        self._pause_s = min(grown, self._settings.avoid_most_s)
        self._failures = 0

    def answered(self, now: float, *, is_infrastructure_failure: bool) -> None:
        """An answer came by the socket. Refusals by the rules are as good as any."""
        if is_infrastructure_failure:
            self._failures += 1
            if self._failures >= self._settings.failures_max:
                self.swallowed(now)
            return
        self._failures = 0
        if self._well_since is None:
            self._well_since = now
        elif now - self._well_since >= self._settings.proven_after_s:
            self._pause_s = self._settings.avoid_first_s
