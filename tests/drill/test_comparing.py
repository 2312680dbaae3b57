"""What `outlast drill --compare` says of two bots."""

from __future__ import annotations

from outlast.drill.comparing import compare
from outlast.drill.result import BotResult


def result(name, **card):
    verdict = [{"invariant": "no_ban", "holds": card.pop("no_ban", True), "evidence": ""}]
    return BotResult(bot=name, scorecard=card, verdict=verdict)


def test_figures_and_invariants_that_differ_are_named_with_their_direction():
    before = result("a", duplicates=3, lost=0, realised_loss="10.5", no_ban=False)
    after = result("b", duplicates=0, lost=1, realised_loss="10.50", first_exit_after_s=None)
    told = [(change.what, change.is_better) for change in compare(before, after)]
    assert told == [("duplicates", True), ("lost", False), ("no_ban", True)]


def test_the_same_bot_twice_differs_in_nothing():
    assert compare(result("a", duplicates=1), result("a", duplicates=1)) == []
