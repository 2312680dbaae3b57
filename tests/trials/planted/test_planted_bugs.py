"""Twenty-five bugs, planted into the client one at a time, each found by a seed known to find it.

All of them, and how many seeds it takes: `python -m benchmarks.planted_bugs`.
"""

from __future__ import annotations

import pytest
from all_bugs import BUGS
from planting import Plant, hunt

from outlast.trials.invariants.registry import by_slug
from outlast.trials.runner import play

KNOWN = {
    # bug: seeds that find it, mostly the first. The client decides when it sends what, so that a
    # change of it may deal a bug a night in which it does not show; the command finds others.
    "unknown_orders_are_sent_again": (1, 2, 3),
    "unknown_is_taken_for_refused": (1, 2, 3),
    "every_5xx_is_a_refusal": (1, 2, 3),
    "exit_is_sent_twice": (1, 2, 3),
    "settling_is_given_up": (1, 2, 3),
    "absent_after_one_lookup": (1, 2, 3),
    "absent_without_a_fence": (1, 2, 3),
    "horizon_is_zero": (1, 2, 3),
    "journal_is_written_after_sending": (1, 2, 3),
    "ids_are_used_again": (1, 2, 3),
    "restart_forgets_unknown_orders": (2, 3, 4),
    "fill_is_booked_twice": (1, 3),
    "retry_after_is_ignored": (1, 2, 3),
    "safety_passes_a_ban": (1, 2, 3),
    "failed_attempts_are_not_written": (1, 2, 3),
    "the_secret_is_written_down": (1, 2, 3),
    "zero_is_believed": (5, 6, 12),
    "account_is_not_polled": (1, 2, 3),
    "changes_are_not_written": (1, 2, 3),
    "lanes_are_one_queue": (1, 2, 3),
    "safety_comes_last": (1, 2, 3),
    "header_lowers_the_count": (1, 2, 3),
    "results_of_an_older_era_count": (1, 2, 3),
    "risk_returns_at_once": (1, 2, 3),
    "later_fills_replace_the_first": (5, 1, 2),
}


@pytest.mark.parametrize(("bug", "seeds"), KNOWN.items(), ids=KNOWN)
def test_a_planted_bug_is_found(bug, seeds):
    assert hunt(bug, seeds) is not None, f"{bug} is not found by the seeds {seeds} any more"


def test_there_are_thirty_at_least_and_each_says_what_it_breaks():
    assert len(BUGS) >= 30
    for bug in BUGS.values():
        assert bug.says.endswith("."), bug.name
        assert set(bug.shown_by) <= set(by_slug), bug.name


def test_nothing_of_a_planted_bug_stays():
    before = play(2).log_hash
    with Plant.context() as plant:
        BUGS["restart_forgets_all_orders"].plant(plant)
        assert play(2).log_hash != before
    assert play(2).log_hash == before
