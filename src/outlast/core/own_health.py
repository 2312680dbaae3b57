"""Whether it is us: no name service, no route, no sockets left, an event loop that stood still.

Such faults say nothing about any venue. They are counted here, they hold what would only fail in
the same way, and what happened during a stall is no evidence.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Final

from outlast.errors import ConfigurationError

__all__ = ["OWN_HEALTH", "OwnHealth", "OwnHealthSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnHealthSettings:
    faults_max: int = 3
    """Local faults in a row before calls are held; one may be a cable being moved."""
    pause_s: float = 0.5
    """One call passes per pause, to see whether it still is so. It doubles each time."""
    pause_s_max: float = 5.0
    stall_s: float = 0.25
    """Longer than this the loop must not stand still: answers lie unread, timeouts fire late."""

    def __post_init__(self) -> None:
        if self.faults_max < 1:
            raise ConfigurationError(f"faults_max is {self.faults_max}; it must be at least 1")
        if not 0 < self.pause_s <= self.pause_s_max < inf:
            raise ConfigurationError(
                f"pause_s is {self.pause_s} and pause_s_max {self.pause_s_max}; "
                "they must be finite with 0 < pause_s <= pause_s_max"
            )
        if not 0 < self.stall_s < inf:
            raise ConfigurationError(f"stall_s is {self.stall_s}; it must be finite and above 0")


OWN_HEALTH: Final = OwnHealthSettings()
_STALLS_KEPT: Final = 16
_DOUBLINGS_MAX: Final = 60


class OwnHealth:
    """The domain "self": told of local faults and stalls, asked before a call leaves."""

    __slots__ = ("_faults", "_next_try_at", "_pauses", "_settings", "_stalls", "reason")

    def __init__(self, settings: OwnHealthSettings = OWN_HEALTH) -> None:
        self._settings = settings
        self._faults = 0  # in a row
        self._pauses = 0
        self._next_try_at: float | None = None  # None while nothing is held
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_STALLS_KEPT)
        self.reason = ""
        """What the last local fault was."""

    @property
    def is_troubled(self) -> bool:
        return self._next_try_at is not None

    def admit(self, now: float) -> bool:
        """False while a call would only find the same fault; one passes per pause."""
        if self._next_try_at is None:
            return True
        if now < self._next_try_at:
            return False
        self._next_try_at = now + self._pause_s()
        return True

    def retry_at(self) -> float | None:
        """When the next call may try; None while nothing is held."""
        return self._next_try_at

    def fault(self, now: float, reason: str) -> None:
        """A call failed inside this machine or before the first router."""
        self._faults += 1
        self.reason = reason
        if self._faults >= self._settings.faults_max:
            self._next_try_at = now + self._pause_s()
            self._pauses += 1

    def reached(self) -> None:
        """Something out there answered, or was at least dialled: the fault is not ours."""
        self._faults = self._pauses = 0
        self._next_try_at = None

    def lagged(self, gap_s: float, *, beat_s: float, now: float) -> bool:
        """A heartbeat due every `beat_s` came after `gap_s`; True when that was a stall.

        Up to one beat of the gap is the beat itself.
        """
        if gap_s - beat_s <= self._settings.stall_s:
            return False
        self._stalls.append((now - gap_s, now))
        return True

    def was_stalled(self, *, since: float) -> bool:
        """True when the loop stood still at any time after `since`."""
        return any(ended > since for _, ended in self._stalls)

    def _pause_s(self) -> float:
        doublings = min(self._pauses, _DOUBLINGS_MAX)
        return float(min(self._settings.pause_s_max, self._settings.pause_s * 2.0**doublings))
