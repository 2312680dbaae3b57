"""Reads a status page (Statuspage v2) for one product. Pure, and tolerant of anything.

A page says something only by what it lists and understands here. What is missing, misspelt or new
changes nothing but a line for the log (`PageReport.oddities`); what is no such page at all is told
as a reason (text), and means "no information": neither up nor down.

Source: the API documentation that every Statuspage publishes under `/api`; values as in its pages
on components, incidents and scheduled maintenances (2026).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

import msgspec

from outlast.model import Plane
from outlast.notices import PageMap, PlannedMaintenance

__all__ = ["Component", "Grade", "PageIncident", "PageReport", "read_page"]

TEXT_MAX: Final = 200
"""Of a name or title: a page is written by hand, and goes into logs and onto a terminal."""
ODDITIES_MAX: Final = 20
ROWS_MAX: Final = 5_000
"""Of components; Kraken's page had 826 in July 2026."""


class Grade(IntEnum):
    """How bad a component is shown; the greater the worse."""

    OPERATIONAL = 0
    UNKNOWN = 1
    """A word that is not listed here. It counts neither for the venue nor against it."""
    DEGRADED = 2
    PARTIAL = 3
    MAINTENANCE = 4
    MAJOR = 5


_GRADES: Final[Mapping[str, Grade]] = {
    "operational": Grade.OPERATIONAL,
    "degraded_performance": Grade.DEGRADED,
    "partial_outage": Grade.PARTIAL,
    "major_outage": Grade.MAJOR,
    "under_maintenance": Grade.MAINTENANCE,
}
_OVER: Final = frozenset({"resolved", "postmortem"})
_INCIDENT_WORDS: Final = frozenset({"investigating", "identified", "monitoring", *_OVER})
_MAINTENANCE_ON: Final = frozenset({"in_progress", "verifying"})
_MAINTENANCE_WORDS: Final = frozenset({"scheduled", "completed", *_MAINTENANCE_ON})


@dataclass(frozen=True, slots=True)
class Component:
    """One component that matters to the product."""

    id: str
    name: str
    """With its group: `API - REST`."""
    grade: Grade
    word: str
    """The status as the page has it."""
    planes: frozenset[Plane]


@dataclass(frozen=True, slots=True)
class PageIncident:
    """One open incident that touches the product."""

    id: str
    name: str
    status: str
    update_id: str
    """Of its newest update: an incident keeps its id from first to last."""
    planes: frozenset[Plane]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageReport:
    """What the page says about the product, and nothing of the rest."""

    page_id: str
    components: tuple[Component, ...]
    incidents: tuple[PageIncident, ...]
    planned: tuple[PlannedMaintenance, ...]
    oddities: tuple[str, ...]

    def worst(self, plane: Plane) -> Component | None:
        """The component of `plane` that is shown worst; None when no component carries it."""
        carriers = [c for c in self.components if plane in c.planes]
        return max(carriers, key=lambda c: c.grade, default=None)


def read_page(body: bytes, page: PageMap) -> PageReport | str:
    """What `summary.json` says; a reason when it is no such document, or that of another page."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return f"not JSON ({error})"[:TEXT_MAX]
    if not isinstance(document, dict) or not isinstance(document.get("page"), dict):
        return "JSON, but no status page: it has no `page`"
    page_id = _text(document["page"].get("id"))
    if page.page_id is not None and page_id != page.page_id:
        return f"the page of somebody else: its id is {page_id or 'missing'}, not {page.page_id}"
    if not isinstance(document.get("components"), list):
        return "a status page without `components`"
    return _Reader(page).report(document, page_id)


class _Reader:
    def __init__(self, page: PageMap) -> None:
        self._page = page
        self._odd: list[str] = []
        self._groups: dict[str, str] = {}

    def report(self, document: Mapping[str, Any], page_id: str) -> PageReport:
        rows = list(self._rows(document, "components"))
        for row in rows:
            if row.get("group") is True:
                self._groups[_text(row.get("id"))] = _text(row.get("name"))
        components = [c for row in rows if (c := self._component(row)) is not None]
        incidents = [
            incident
            for row in self._rows(document, "incidents", optional=True)
            if (incident := self._incident(row)) is not None
        ]
        planned = [
            planned
            for row in self._rows(document, "scheduled_maintenances", optional=True)
            if (planned := self._planned(row)) is not None
        ]
        return PageReport(
            page_id=page_id,
            components=tuple(components),
            incidents=tuple(incidents),
            planned=tuple(planned),
            oddities=tuple(dict.fromkeys(self._odd)),
        )

    def _rows(
        self, document: Mapping[str, Any], key: str, *, optional: bool = False
    ) -> Iterator[Mapping[str, Any]]:
        found = document.get(key)
        if found is None and optional:
            return
        if not isinstance(found, list):
            self._note(f"`{key}` is no list")
            return
        for row in found[:ROWS_MAX]:
            if isinstance(row, dict):
                yield row
            else:
                self._note(f"a row of `{key}` is no object")

    def _component(self, row: Mapping[str, Any]) -> Component | None:
        name, group_id = _text(row.get("name")), _text(row.get("group_id"))
        if not name:
            self._note("a component without a name")
            return None
        if row.get("group") is True and row.get("components"):
            return None  # the sum of its children, which speak for themselves
        if group := self._groups.get(group_id):
            name = f"{group} - {name}"
        planes = self._planes_of(name)
        if not planes:
            return None
        word = _text(row.get("status"))
        grade = _GRADES.get(word)
        if grade is None:
            self._note(f"component {name!r} is {word!r}, which is not known")
            grade = Grade.UNKNOWN
        return Component(_text(row.get("id")), name, grade, word, planes)

    def _incident(self, row: Mapping[str, Any]) -> PageIncident | None:
        word = _text(row.get("status"))
        if word in _OVER:
            return None
        planes = self._planes_touched(row)
        if not planes:
            return None
        if word not in _INCIDENT_WORDS:
            self._note(f"an incident is {word!r}, which is not known")
        updates = row.get("incident_updates")
        newest = updates[0] if isinstance(updates, list) and updates else None
        update_id = _text(newest.get("id")) if isinstance(newest, dict) else ""
        name = _text(row.get("name"))
        return PageIncident(_text(row.get("id")), name, word, update_id, planes)

    def _planned(self, row: Mapping[str, Any]) -> PlannedMaintenance | None:
        word = _text(row.get("status"))
        if word not in _MAINTENANCE_WORDS:
            self._note(f"a maintenance is {word!r}, which is not known")
        if word == "completed":
            return None
        planes = self._planes_touched(row)
        if not planes:
            return None
        starts_at, ends_at = (
            _instant(row.get("scheduled_for")),
            _instant(row.get("scheduled_until")),
        )
        if starts_at is None:
            self._note("a maintenance without a time at which it begins")
        return PlannedMaintenance(
            id=_text(row.get("id")),
            title=_text(row.get("name")) or "maintenance",
            starts_at=starts_at,
            ends_at=ends_at,
            is_on=word in _MAINTENANCE_ON,
            about=tuple(_names(row)),
            planes=planes,
            source="status page",
        )

    def _planes_touched(self, row: Mapping[str, Any]) -> frozenset[Plane]:
        """By the components that it names; by its own title where it names none."""
        names = list(_names(row)) or [_text(row.get("name"))]
        return frozenset(plane for name in names for plane in self._planes_of(name))

    def _planes_of(self, name: str) -> frozenset[Plane]:
        if any(_compiled(pattern).search(name) for pattern in self._page.ignored):
            return frozenset()
        for rule in self._page.rules:
            if _compiled(rule.pattern).search(name):
                return rule.planes
        return frozenset()

    def _note(self, text: str) -> None:
        if len(self._odd) < ODDITIES_MAX:
            self._odd.append(text[:TEXT_MAX])


def _names(row: Mapping[str, Any]) -> Iterator[str]:
    """The components that an incident or a maintenance is about.

    The closing update names none (`affected_components` is null there), so the list of the whole is
    read first, and then the newest update that names any.
    """
    named = [_text(c.get("name")) for c in _objects(row.get("components"))]
    for update in _objects(row.get("incident_updates")):
        if any(named):
            break
        named = [_text(c.get("name")) for c in _objects(update.get("affected_components"))]
    yield from (name for name in named if name)


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    """Printable and short, or empty where it is no text."""
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())[:TEXT_MAX]


def _instant(value: Any) -> float | None:
    """Seconds since the epoch of an ISO-8601 date with its offset."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return at.timestamp() if at.tzinfo is not None else None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
