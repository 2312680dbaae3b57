"""What `Session.health` gives: how the venue fares, in words that a tired person can read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from outlast.core.health.evidence import SEVERITY
from outlast.model import Health, Plane, Product
from outlast.notices import PlannedMaintenance, VenueMode

__all__ = ["PlaneReport", "VenueHealth"]


@dataclass(frozen=True, slots=True)
class PlaneReport:
    """The verdict on one plane."""

    plane: Plane
    health: Health
    since: float
    """Seconds since the epoch."""
    evidence: tuple[str, ...]
    """What speaks against it, the weightiest first: `own calls: left alone after failures`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueHealth:
    """One product of one venue, as it looked at `as_of`. A value: ask the session for a new one."""

    venue: str
    product: Product
    as_of: float
    """Seconds since the epoch, as every instant in here."""
    planes: Mapping[Plane, PlaneReport]
    mode: VenueMode
    """What the venue says that it takes; ONLINE where it says nothing of this product."""
    mode_asked_at: float | None
    """When it last said so; None where it does not, or has not yet."""
    planned: tuple[PlannedMaintenance, ...]
    """Maintenances announced and not over, the next first."""
    page: str
    """One clause about the status page; empty where none is read."""
    own_network: str
    """What is wrong on this side; empty when nothing is. Verdicts rest on what was before it."""
    warnings: tuple[str, ...] = ()
    """What does not count against the venue and should be known."""

    def __getitem__(self, plane: Plane) -> PlaneReport:
        return self.planes[plane]

    @property
    def trading(self) -> Health:
        return self.planes[Plane.TRADING].health

    @property
    def market_data(self) -> Health:
        return self.planes[Plane.MARKET_DATA].health

    @property
    def account(self) -> Health:
        return self.planes[Plane.ACCOUNT].health

    @property
    def worst(self) -> Health:
        """Of all planes."""
        return max((p.health for p in self.planes.values()), key=SEVERITY.__getitem__)

    def __repr__(self) -> str:
        """Several lines, one for each plane; made for a terminal and for a log."""
        lines = [f"{self.venue}: {self.worst.value} at {clock_text(self.as_of)}"]
        for report in self.planes.values():
            line = f"  {report.plane.value:<12} {report.health.value:<12} "
            line += f"since {clock_text(report.since)}"
            if report.evidence:
                line += f"  ({'; '.join(report.evidence)})"
            lines.append(line)
        if self.mode is not VenueMode.ONLINE:
            lines.append(f"  the venue says: {self.mode.value}")
        lines += [f"  ahead: {planned_text(planned)}" for planned in self.planned]
        if self.page:
            lines.append(f"  status page: {self.page}")
        if self.own_network:
            lines.append(f"  own network: {self.own_network}")
        lines += [f"  note: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def planned_text(planned: PlannedMaintenance) -> str:
    """One clause: what, and from when to when."""
    text = planned.title
    if planned.is_on:
        text += ", has begun"
    if planned.starts_at is not None:
        text += f", from {day_text(planned.starts_at)}"
    if planned.ends_at is not None:
        text += f" to about {clock_text(planned.ends_at)}"
    if Plane.TRADING not in planned.planes:
        text += " (not about trading)"
    return f"{text} [{planned.source}]"


def clock_text(at: float) -> str:
    """`05:12:07Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def day_text(at: float) -> str:
    """`2026-08-03 08:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ")
