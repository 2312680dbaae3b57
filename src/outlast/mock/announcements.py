"""What an operator has announced, for venues that repeat it in-band (Kraken's SystemStatus).

It is made from what the script puts on the status page, so that page and API tell one story. A
maintenance is announced for the instant at which the script has it begin, if the script says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from outlast.mock.engine.model import EngineMode
from outlast.mock.scenario.model import StatusPageEntry
from outlast.mock.scenario.script import Script

__all__ = ["Announced", "Incident", "Maintenance", "announced_at"]

_MAINTENANCE_S: Final = 7200.0
"""How long a maintenance is announced for. It is an estimate: the script says what happens."""
_NOTICE_S: Final = 3600.0
"""How far ahead a maintenance is announced that the script never lets begin."""
_PLANNED: Final = ("scheduled", "in_progress", "verifying", "completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """A maintenance that has been announced and has not begun."""

    number: int
    starts_ms: int
    ends_ms: int
    component: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident that has not been resolved."""

    number: int
    started_ms: int
    status: str
    """`investigating`, `identified`, `monitoring`."""
    page: str
    """How bad the status page calls it: `degraded`, `partial`, `major`, …"""
    component: str
    text: str


@dataclass(frozen=True, slots=True)
class Announced:
    upcoming: tuple[Maintenance, ...] = ()
    incidents: tuple[Incident, ...] = ()


def announced_at(script: Script, elapsed_s: float, *, t0_ms: int) -> Announced:
    """What stands announced `elapsed_s` seconds after the start of the scenario."""
    upcoming: Maintenance | None = None
    incident: Incident | None = None
    for number, entry in enumerate(script.status_at(elapsed_s).entries, start=1):
        if entry.incident == "scheduled":
            upcoming = _maintenance(script, entry, number, t0_ms)
        elif entry.incident in _PLANNED:
            upcoming = None
        elif entry.incident == "resolved":
            incident = None
        elif entry.incident:
            incident = _incident(entry, number, t0_ms, before=incident)
    if upcoming is not None and upcoming.starts_ms <= t0_ms + elapsed_s * 1000:
        upcoming = None
    return Announced(
        upcoming=() if upcoming is None else (upcoming,),
        incidents=() if incident is None else (incident,),
    )


def _maintenance(script: Script, entry: StatusPageEntry, number: int, t0_ms: int) -> Maintenance:
    starts_s = _start_of_maintenance(script, entry.at_s)
    return Maintenance(
        number=number,
        starts_ms=t0_ms + round(starts_s * 1000),
        ends_ms=t0_ms + round((starts_s + _MAINTENANCE_S) * 1000),
        component=entry.component,
        text=entry.text,
    )


def _start_of_maintenance(script: Script, after_s: float) -> float:
    """When the page or the engine will say that a maintenance announced at `after_s` has begun."""
    begun = [
        entry.at_s
        for entry in script.scenario.status_page
        if entry.incident == "in_progress" and entry.at_s >= after_s
    ]
    at_s: float | None = after_s
    while at_s is not None:
        if script.at(at_s).engine.mode is EngineMode.MAINTENANCE:
            begun.append(at_s)
            break
        at_s = script.changes_after(at_s)
    return min(begun, default=after_s + _NOTICE_S)


def _incident(
    entry: StatusPageEntry, number: int, t0_ms: int, *, before: Incident | None
) -> Incident:
    return Incident(
        number=number if before is None else before.number,
        started_ms=t0_ms + round(entry.at_s * 1000) if before is None else before.started_ms,
        status=entry.incident,
        page=entry.page,
        component=entry.component or (before.component if before else ""),
        text=entry.text or (before.text if before else ""),
    )
