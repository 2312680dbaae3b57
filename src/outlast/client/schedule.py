"""The maintenances that a venue or its page has announced: told once, and known until they end.

Both ends of each are estimates. What is announced holds new risk; it never lets any through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from outlast.client.events import EventBus, MaintenanceAhead
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.model import Plane
from outlast.notices import PlannedMaintenance
from outlast.wire import Clock

__all__ = ["Schedule"]

UNKNOWN_END_S: Final = 3600.0
"""How long a maintenance holds new risk that has no announced end and of which nothing is seen."""


class Schedule:
    def __init__(
        self,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        close_before_s: float,
        venue: str,
    ) -> None:
        """`close_before_s`: how long before a maintenance of trading new risk is held."""
        self._clock = clock
        self._journal = journal
        self._events = events
        self._close_before_s = close_before_s
        self._log = logger(venue=venue)
        self._planned: dict[str, tuple[PlannedMaintenance, ...]] = {}
        """By who announced them."""
        self._told: set[tuple[str, str, float]] = set()
        self.on_change: Callable[[], None] = lambda: None

    @property
    def is_empty(self) -> bool:
        return not any(self._planned.values())

    def announced(self, source: str, planned: Sequence[PlannedMaintenance]) -> None:
        """All that `source` has announced, as of now; what it lists no more is called off."""
        relevant = tuple(p for p in planned if p.planes)
        if self._planned.get(source, ()) == relevant:
            return
        self._planned[source] = relevant
        for each in relevant:
            if each.starts_at is None or each.is_on:
                continue
            key = (source, each.id, each.starts_at)
            if key not in self._told:
                self._told.add(key)
                self._tell(each, each.starts_at)
        self.on_change()

    def planned(self) -> list[PlannedMaintenance]:
        """What is announced and not over, the next first."""
        wall = self._clock.wall()
        known = [
            planned
            for announced in self._planned.values()
            for planned in announced
            if planned.is_on or _until(planned) > wall
        ]
        return sorted(known, key=lambda p: (p.starts_at or 0.0, p.source, p.id))

    def closing(self, before_s: float | None = None) -> PlannedMaintenance | None:
        """The maintenance of trading that begins within `before_s`, or should be on now.

        `before_s`: None for as long before as new risk is held because of it.
        """
        if self.is_empty:
            return None
        wall = self._clock.wall()
        lead_s = self._close_before_s if before_s is None else before_s
        for planned in self.planned():
            if Plane.TRADING not in planned.planes or planned.starts_at is None:
                continue
            if planned.starts_at - lead_s <= wall < _until(planned):
                return planned
        return None

    def _tell(self, planned: PlannedMaintenance, starts_at: float) -> None:
        touches_trading = Plane.TRADING in planned.planes
        closes_at = starts_at - (self._close_before_s if touches_trading else 0.0)
        self._log.warning(
            "outlast.maintenance_ahead", title=planned.title, starts_at=starts_at, closes=closes_at
        )
        self._journal.note(
            "maintenance.ahead",
            id=planned.id,
            title=planned.title,
            starts_at=starts_at,
            ends_at=planned.ends_at,
            source=planned.source,
        )
        self._events.publish(
            MaintenanceAhead(
                id=planned.id,
                title=planned.title,
                starts_at=starts_at,
                ends_at=planned.ends_at,
                closes_at=closes_at,
                touches_trading=touches_trading,
                source=planned.source,
            )
        )


def _until(planned: PlannedMaintenance) -> float:
    """When an announced maintenance stops holding new risk by itself (seconds since the epoch).

    What is measured holds on: this is only for a maintenance that was called off, or ended early.
    """
    if planned.starts_at is None:
        return inf
    if planned.ends_at is None or planned.ends_at <= planned.starts_at:
        return planned.starts_at + UNKNOWN_END_S
    return planned.ends_at
