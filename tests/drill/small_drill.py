"""The night of 11 October 2025 in a quarter of an hour: for tests that run drills in process."""

from __future__ import annotations

from dataclasses import replace

from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario

SLUG = "binance-reduce-only-lockout-2025-10-11"

SCORECARD_KEYS = {
    # docs/mock.md, the scorecard
    "intents",
    "orders",
    "duplicates",
    "lost",
    "unresolved",
    "requests",
    "requests_per_intent",
    "bans",
    "over_limit",
    "time_to_flat_s",
    "exposure_minutes",
    "first_exit_after_s",
    "realised_loss",
    # and what the mock adds
    "refused_exits",
    "accepted_exits",
    "requests_in_outage",
    "requests_per_minute_in_outage",
    "open_position_at_end",
}

INVARIANTS = [
    "risk_first",
    "attempts_per_intent",
    "no_duplicate_exposure",
    "no_orphans",
    "no_trade_on_untrusted",
    "no_ban",
    "requests_total",
    "reconciled_by_end",
    "evidence_complete",
]


def short_night() -> Scenario:
    """As on file, the 106 minutes of the lockout and the 20 of the relief cut to three each."""
    night = load(SLUG)
    lengths = {"lockout": 180.0, "relief": 180.0}
    phases = tuple(
        replace(phase, duration_s=lengths.get(phase.name, phase.duration_s))
        for phase in night.phases
    )
    return replace(night, phases=phases)
