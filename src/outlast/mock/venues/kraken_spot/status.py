"""The venue's own word about itself: mode, planned maintenance, incidents.

`status` follows the trading engine (late, if the scenario says so); both arrays repeat what the
status page says. Source: Kraken docs, Get System Status (2026: `upcoming_maintenance` within 72
hours, `emergency`), Get Maintenance Schedule (7 days). The keys inside `emergency` and the name
`events` of the schedule are known from clients only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from outlast.mock.announcements import Incident, Maintenance
from outlast.mock.engine.model import EngineMode
from outlast.mock.venues.kraken_spot.figures import seconds_text
from outlast.mock.venues.kraken_spot.questions import Given, Question

__all__ = ["PAIR_STATUS", "SYSTEM_STATUS", "schedule", "system_status"]

SYSTEM_STATUS: Final[Mapping[EngineMode, str]] = {
    EngineMode.ONLINE: "online",
    EngineMode.CANCEL_ONLY: "cancel_only",
    EngineMode.POST_ONLY: "post_only",
    EngineMode.LIMIT_ONLY: "limit_only",
    EngineMode.MAINTENANCE: "maintenance",
    EngineMode.AUCTION: "post_only",
    EngineMode.REDUCE_ONLY: "online",
    EngineMode.HALTED: "online",
}
"""Reduce-only exists per pair. A halt is an outage that nobody has declared: the API goes on saying
that all is well."""
PAIR_STATUS: Final[Mapping[EngineMode, str]] = {
    **{mode: word for mode, word in SYSTEM_STATUS.items() if word != "maintenance"},
    EngineMode.MAINTENANCE: "cancel_only",
    EngineMode.REDUCE_ONLY: "reduce_only",
}
"""AssetPairs has no word for maintenance."""

_SOON_MS: Final = 72 * 3_600_000
_CANCEL_AHEAD_MS: Final = 300_000
_PHASES: Final = (
    # less than this to go: phase, order submission, what to do
    (30_000, "final_warning_30s", "blocked", "disconnect_and_wait"),
    (300_000, "imminent_5m", "discouraged", "cancel_open_orders"),
    (1_800_000, "approaching_30m", "allowed", "reduce_activity"),
    (86_400_000, "reminder_24h", "allowed", "continue"),
)
_IMPACTS: Final = {"degraded": "minor", "partial": "major", "major": "critical"}
_SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "spot-trading": ("spot_trading",),
    "rest": ("spot_rest",),
    "websocket": ("spot_ws",),
    "": ("spot_trading", "spot_rest", "spot_ws"),
}


def system_status(q: Question) -> Given:
    announced = q.view.announced()
    soon = [
        maintenance
        for maintenance in announced.upcoming
        if maintenance.starts_ms - q.engine.now_ms <= _SOON_MS
    ]
    return Given(
        {
            "status": SYSTEM_STATUS[q.view.shown_mode],
            "timestamp": seconds_text(q.now_ms),
            "upcoming_maintenance": [_maintenance(q, item) for item in soon],
            "emergency": [_incident(item) for item in announced.incidents],
        }
    )


def schedule(q: Question) -> Given:
    upcoming = q.view.announced().upcoming
    return Given({"events": [_maintenance(q, item) for item in upcoming]})


def _maintenance(q: Question, item: Maintenance) -> dict[str, object]:
    to_go_ms = item.starts_ms - q.engine.now_ms
    phase, submission, action = next(
        (row[1:] for row in _PHASES if to_go_ms < row[0]), ("announced", "allowed", "continue")
    )
    return {
        "event_id": item.number,
        "title": item.text or "Scheduled Maintenance - Spot Trading",
        "expected_start_utc": seconds_text(item.starts_ms),
        "expected_end_utc": seconds_text(item.ends_ms),
        "time_to_start_s": max(0, to_go_ms // 1000),
        "phase": phase,
        "affected_services": _services(item.component),
        "order_submission": submission,
        "recommended_action": action,
        "cancel_before_utc": seconds_text(item.starts_ms - _CANCEL_AHEAD_MS),
        "source_url": f"https://status.kraken.com/incidents/{_code(item.number, 12)}",
    }


def _incident(item: Incident) -> dict[str, object]:
    return {
        "event_id": item.number,
        "title": item.text or "Elevated API error rates",
        "incident_status": item.status,
        "impact": _IMPACTS.get(item.page, "none"),
        "affected_services": _services(item.component),
        "started_at": seconds_text(item.started_ms),
        "next_steps": [],
        "source_url": f"https://stspg.io/{_code(item.number, 12)}",
    }


def _services(component: str) -> list[str]:
    return list(_SERVICES.get(component, ("unspecified",)))


def _code(number: int, length: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=length).hexdigest()[:length]
