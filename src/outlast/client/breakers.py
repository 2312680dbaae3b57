"""What the breakers say, and the operator's hand on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from outlast.client.guard import Guard
from outlast.core.breaker import BreakerState
from outlast.model import Plane
from outlast.wire import Clock

__all__ = ["BreakerView", "Breakers"]


@dataclass(frozen=True, slots=True)
class BreakerView:
    """One breaker as it stands."""

    plane: Plane
    state: BreakerState
    """What callers meet."""
    measured_state: BreakerState
    """What the evidence says; it differs from `state` only while the breaker is forced."""
    is_forced: bool
    evidence: float
    """The case for "down", from 0; at 12 it opens."""
    retry_at: float | None
    """When asking again is worth it (seconds since the epoch); None: now, or nobody can say."""


class Breakers:
    """`Session.breakers`: one for each plane of the venue, by `Plane` or by its name.

    Forcing is for a person who knows more than the evidence: it is written to the journal and lasts
    until `auto`, or until the session ends.
    """

    def __init__(self, guard: Guard, clock: Clock) -> None:
        self._guard = guard
        self._clock = clock

    def __getitem__(self, plane: Plane | str) -> BreakerView:
        """Raises ValueError for a plane that there is not."""
        plane = Plane(plane)
        breaker = self._guard.breakers[plane]
        now = self._clock.now()
        retry_at = breaker.retry_at(now)
        return BreakerView(
            plane=plane,
            state=breaker.state,
            measured_state=breaker.measured_state,
            is_forced=breaker.is_forced,
            evidence=breaker.evidence,
            retry_at=None if retry_at is None else self._clock.wall() + retry_at - now,
        )

    def __iter__(self) -> Iterator[BreakerView]:
        return (self[plane] for plane in self._guard.breakers)

    def force_open(self, plane: Plane | str) -> None:
        """Let nothing of this plane pass but cancels and exits: a kill switch."""
        self._guard.force_open(Plane(plane))

    def force_closed(self, plane: Plane | str) -> None:
        """Let everything pass, whatever the evidence says. It is still taken in."""
        self._guard.force_closed(Plane(plane))

    def auto(self, plane: Plane | str) -> None:
        """Let the evidence decide again, from where it has come to meanwhile."""
        self._guard.auto(Plane(plane))

    def shadow(self) -> None:
        """Force all of them closed: they measure, and hold nothing. See `Settings.shadow`."""
        self._guard.shadow()
