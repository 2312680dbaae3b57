"""The ccxt bot before and after its one line."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_drill import short_night

from outlast.drill.run import GUARDED, run_bot
from outlast.mock.scenario.load import load

ZERO = ("duplicates", "lost", "unresolved", "bans", "over_limit")


def shortened(slug: str):
    """The first half hour of a scenario, each phase at most eight minutes."""
    story = load(slug)
    phases = [replace(p, duration_s=min(p.duration_s or 300.0, 480.0)) for p in story.phases]
    return replace(story, phases=tuple(phases[:4]))


@pytest.mark.parametrize(
    "slug", ["gateway-lost-reply", "unknown-503-landed", "empty-and-slow-bodies"]
)
def test_one_line_makes_an_unmodified_bot_keep_the_promises(slug):
    card = run_bot(load(slug), GUARDED, seed=1).scorecard
    assert {name: card[name] for name in ZERO} == dict.fromkeys(ZERO, 0)
    assert card["orders"] > 0


def test_without_the_line_the_same_bot_breaks_them():
    card = run_bot(shortened("gateway-lost-reply"), "ccxt", seed=1).scorecard
    assert card["duplicates"] > 0
    assert card["lost"] > 0


def test_the_guards_journal_is_evidence_of_every_request():
    result = run_bot(short_night(), GUARDED, seed=7)
    verdict = {row["invariant"]: row for row in result.verdict}
    assert verdict["evidence_complete"]["holds"], verdict["evidence_complete"]
    assert result.died_of is None
    assert result.scorecard["open_position_at_end"] == {}


def test_a_seed_repeats_for_the_guarded_bot_too():
    story = shortened("gateway-lost-reply")
    first, second = (run_bot(story, GUARDED, seed=5).as_json() for _ in range(2))
    assert first == second
