"""The documents of a Statuspage, made from what has been published on it so far. Pure.

Source: the API documentation that every Statuspage publishes under `/api`; field sets and values as
read there and in public adapters (2026). incident_updates are newest first; the closing update
carries no `affected_components`, as seen on live pages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from outlast.mock.conditions import utc
from outlast.mock.scenario.model import StatusPageEntry

__all__ = ["documents"]

_YEAR_MS: Final = 365 * 86_400_000
_MAINTENANCE_MS: Final = 2 * 3_600_000
"""How long a maintenance is announced for. It is an estimate: the script says what happens."""

# page: (component status, indicator, description, impact)
_LEVELS: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "green": ("operational", "none", "All Systems Operational", "none"),
    "degraded": ("degraded_performance", "minor", "Partially Degraded Service", "minor"),
    "partial": ("partial_outage", "major", "Partial System Outage", "major"),
    "major": ("major_outage", "critical", "Major Service Outage", "critical"),
    "maintenance": (
        "under_maintenance",
        "maintenance",
        "Service Under Maintenance",
        "maintenance",
    ),
}
_IMPACTS: Final = ("none", "maintenance", "minor", "major", "critical")
_MAINTENANCE_WORDS: Final = ("scheduled", "in_progress", "verifying", "completed")
_ENDED: Final = ("resolved", "completed")
_BODIES: Final[Mapping[str, str]] = {
    "scheduled": "A maintenance has been scheduled.",
    "in_progress": "The maintenance is in progress.",
    "verifying": "The maintenance is over; the result is being verified.",
    "completed": "The maintenance has been completed.",
    "investigating": "The issue is being investigated.",
    "identified": "The cause has been identified and a fix is being made.",
    "monitoring": "A fix has been made; the result is being watched.",
    "resolved": "The issue has been resolved.",
}
"""What an update says when the script gives it no text."""

# What each venue's page lists: (slug, name, group); the first of each is what an entry without a
# component is about. Kraken's ids and full list are not public; names as in its public entries.
_COMPONENTS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "kraken-spot": (
        ("spot-trading", "Spot Trading", ""),
        ("rest", "REST", "API"),
        ("websocket", "WebSocket", "API"),
        ("sui-funding", "Digital Currency Funding - Sui (SUI)", ""),
    ),
    "binance-spot": (("spot", "Spot", ""), ("transfers", "Transfers", "")),
    "binance-um": (("um-futures", "USD-M Futures", ""), ("transfers", "Transfers", "")),
}
_PAGES: Final[Mapping[str, tuple[str, str, str]]] = {
    "kraken-spot": ("lfz25gyhcpjf", "Kraken", "https://status.kraken.com"),
    "binance-spot": ("bnmockstatus", "Binance", "https://status.binance.example"),
    "binance-um": ("bnmockstatus", "Binance", "https://status.binance.example"),
}


@dataclass(slots=True)
class _Component:
    name: str
    slug: str
    group: str
    status: str = "operational"
    updated_ms: int = 0

    @property
    def id(self) -> str:
        return _id("component", self.name)


@dataclass(slots=True)
class _Notice:
    """One incident or maintenance with its updates, oldest first."""

    number: int
    name: str
    maintenance: bool
    started_ms: int
    impact: str = "none"
    updates: list[tuple[int, str, str, list[tuple[_Component, str, str]]]] = field(
        default_factory=list
    )
    """(instant, status, text, [(component, old status, new status)])"""
    components: list[_Component] = field(default_factory=list)

    @property
    def status(self) -> str:
        return self.updates[-1][1]

    @property
    def is_over(self) -> bool:
        return self.status in _ENDED

    def reached_ms(self, status: str) -> int | None:
        return next((at for at, word, _, _ in self.updates if word == status), None)


def documents(
    venues: Sequence[str], entries: Sequence[StatusPageEntry], *, t0_ms: int
) -> dict[str, dict[str, Any]]:
    """Every document of the page, by path; `entries` are those published, oldest first."""
    board = _Board(venues, t0_ms)
    for entry in entries:
        board.publish(entry)
    return board.documents()


class _Board:
    """The page while its entries are being put up one after the other."""

    def __init__(self, venues: Sequence[str], t0_ms: int) -> None:
        self._page = _PAGES[venues[0]]
        self._t0_ms = t0_ms
        self._created_ms = t0_ms - _YEAR_MS
        self._updated_ms = self._created_ms
        self._level = _LEVELS["green"]
        self._components: list[_Component] = []
        self._main: list[_Component] = []
        self._notices: list[_Notice] = []
        for venue in venues:
            for slug, name, group in _COMPONENTS[venue]:
                component = self._component(slug, name, group)
                if slug == _COMPONENTS[venue][0][0]:
                    self._main.append(component)

    def publish(self, entry: StatusPageEntry) -> None:
        if entry.page == "unreachable":
            return  # nobody can read what it says, and nothing new is said
        at_ms = self._updated_ms = self._t0_ms + round(entry.at_s * 1000)
        self._level = _LEVELS[entry.page]
        about = [self._component(entry.component)] if entry.component else self._main
        # A green page is green all over.
        touched = self._components if entry.page == "green" else about
        changed: list[tuple[_Component, str, str]] = []
        for component in touched:
            if component.status != self._level[0]:
                changed.append((component, component.status, self._level[0]))
                component.status, component.updated_ms = self._level[0], at_ms
        self._announce(entry, at_ms, about, changed)

    def documents(self) -> dict[str, dict[str, Any]]:
        page_id, name, url = self._page
        page = {
            "id": page_id,
            "name": name,
            "url": url,
            "time_zone": "Etc/UTC",
            "updated_at": utc(self._updated_ms),
        }
        status = {"indicator": self._level[1], "description": self._level[2]}
        components = self._component_rows()
        incidents = [n for n in reversed(self._notices) if not n.maintenance]
        maintenances = [n for n in reversed(self._notices) if n.maintenance]
        unresolved = [n for n in incidents if not n.is_over]
        upcoming = [n for n in maintenances if n.status == "scheduled"]
        active = [n for n in maintenances if n.status in ("in_progress", "verifying")]

        def listing(key: str, notices: Sequence[_Notice]) -> dict[str, Any]:
            return {"page": page, key: [self._notice_row(notice) for notice in notices[:50]]}

        at = "/api/v2/"
        planned = "scheduled_maintenances"
        return {
            f"{at}summary.json": {
                "page": page,
                "components": components,
                **{k: v for k, v in listing("incidents", unresolved).items() if k != "page"},
                **{k: v for k, v in listing(planned, upcoming + active).items() if k != "page"},
                "status": status,
            },
            f"{at}status.json": {"page": page, "status": status},
            f"{at}components.json": {"page": page, "components": components},
            f"{at}incidents.json": listing("incidents", incidents),
            f"{at}incidents/unresolved.json": listing("incidents", unresolved),
            f"{at}scheduled-maintenances.json": listing(planned, maintenances),
            f"{at}scheduled-maintenances/upcoming.json": listing(planned, upcoming),
            f"{at}scheduled-maintenances/active.json": listing(planned, active),
        }

    def _component(self, slug: str, name: str = "", group: str = "") -> _Component:
        for component in self._components:
            if component.slug == slug:
                return component
        name = name or slug.replace("-", " ").title()
        component = _Component(name, slug, group, updated_ms=self._created_ms)
        self._components.append(component)
        return component

    def _announce(
        self,
        entry: StatusPageEntry,
        at_ms: int,
        about: Sequence[_Component],
        changed: list[tuple[_Component, str, str]],
    ) -> None:
        """Open, continue or close an incident or a maintenance."""
        word = entry.incident
        open_ones = [notice for notice in self._notices if not notice.is_over]
        if not word:
            if not entry.text or not open_ones:
                return
            notice, word = open_ones[-1], open_ones[-1].status
        elif word == "resolved":
            # What is over is over: a maintenance that ran on ends with it.
            for other in open_ones:
                if other.maintenance:
                    other.updates.append((at_ms, "completed", entry.text, []))
            incidents = [other for other in open_ones if not other.maintenance]
            if not incidents:
                return
            notice = incidents[-1]
        else:
            maintenance = word in _MAINTENANCE_WORDS
            same = [other for other in open_ones if other.maintenance is maintenance]
            notice = same[-1] if same else self._open(entry, at_ms, maintenance=maintenance)
        notice.updates.append((at_ms, word, entry.text, changed))
        notice.impact = max(notice.impact, self._level[3], key=_IMPACTS.index)
        notice.components += [c for c in about if c not in notice.components]

    def _open(self, entry: StatusPageEntry, at_ms: int, *, maintenance: bool) -> _Notice:
        subject = self._component(entry.component).name if entry.component else self._page[1]
        kind = "Scheduled maintenance" if maintenance else "Service disruption"
        notice = _Notice(
            number=len(self._notices),
            name=f"{kind} - {subject}",
            maintenance=maintenance,
            started_ms=at_ms,
            impact="maintenance" if maintenance else "none",
        )
        self._notices.append(notice)
        return notice

    # -- rows -------------------------------------------------------------------------------------

    def _component_rows(self) -> list[dict[str, Any]]:
        groups: dict[str, list[_Component]] = {}
        for component in self._components:
            if component.group:
                groups.setdefault(component.group, []).append(component)
        rows = [self._group_row(name, members) for name, members in groups.items()]
        rows += [self._component_row(component) for component in self._components]
        return [{**row, "position": n} for n, row in enumerate(rows, start=1)]

    def _group_row(self, name: str, members: Sequence[_Component]) -> dict[str, Any]:
        order = [status for status, *_ in _LEVELS.values()]
        worst = max(members, key=lambda member: order.index(member.status))
        row = self._component_row(_Component(name, name, "", worst.status, worst.updated_ms))
        return {**row, "group": True, "components": [member.id for member in members]}

    def _component_row(self, component: _Component) -> dict[str, Any]:
        return {
            "id": component.id,
            "name": component.name,
            "status": component.status,
            "created_at": utc(self._created_ms),
            "updated_at": utc(component.updated_ms),
            "position": 1,
            "description": None,
            "showcase": not component.name.startswith("Digital Currency Funding"),
            "start_date": None,
            "group_id": _id("component", component.group) if component.group else None,
            "page_id": self._page[0],
            "group": False,
            "only_show_if_degraded": component.name.startswith("Digital Currency Funding"),
        }

    def _notice_row(self, notice: _Notice) -> dict[str, Any]:
        notice_id = _id("notice", str(notice.number))
        updates = [
            {
                "id": _id("update", str(notice.number), str(index)),
                "status": status,
                "body": text or _BODIES[status],
                "incident_id": notice_id,
                "created_at": utc(at_ms),
                "updated_at": utc(at_ms),
                "display_at": utc(at_ms),
                "affected_components": _affected(changed) if status not in _ENDED else None,
                "deliver_notifications": True,
                "custom_tweet": None,
                "tweet_id": None,
            }
            for index, (at_ms, status, text, changed) in enumerate(notice.updates)
        ]
        ended_ms = notice.reached_ms("completed" if notice.maintenance else "resolved")
        monitoring_ms = notice.reached_ms("monitoring")
        row: dict[str, Any] = {
            "id": notice_id,
            "name": notice.name,
            "status": notice.status,
            "created_at": utc(notice.started_ms),
            "updated_at": utc(notice.updates[-1][0]),
            "monitoring_at": None if monitoring_ms is None else utc(monitoring_ms),
            "resolved_at": None if ended_ms is None else utc(ended_ms),
            "impact": notice.impact,
            "shortlink": f"https://stspg.io/{notice_id}",
            "started_at": utc(notice.started_ms),
            "page_id": self._page[0],
            "incident_updates": updates[::-1],
            "components": [self._component_row(component) for component in notice.components],
        }
        if notice.maintenance:
            row["scheduled_for"] = utc(notice.started_ms)
            row["scheduled_until"] = utc(notice.started_ms + _MAINTENANCE_MS)
        else:
            row["reminder_intervals"] = None
        return row


def _affected(changed: Sequence[tuple[_Component, str, str]]) -> list[dict[str, str]]:
    return [
        {
            "code": component.id,
            "name": f"{component.group} - {component.name}" if component.group else component.name,
            "old_status": old,
            "new_status": new,
        }
        for component, old, new in changed
    ]


def _id(*parts: str) -> str:
    """Twelve characters, the same for the same thing in every run."""
    return hashlib.blake2b("/".join(parts).encode(), digest_size=6).hexdigest()
