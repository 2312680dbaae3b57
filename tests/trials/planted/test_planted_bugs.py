"""A dozen bugs, each planted into the client, and each found by the seed that is known to find it.

All of them, and how many seeds it takes: `python -m benchmarks.planted_bugs`.
"""

from __future__ import annotations

import pytest
from all_bugs import BUGS
from planting import Plant, violated_only_with

from outlast.trials.invariants.registry import by_slug
from outlast.trials.runner import play

KNOWN = {
    # bug: a seed that finds it. Where the generator deals this seed another trial, the command above
    # tells a new one.
    "unknown_orders_are_sent_again": 1,
    "unknown_is_taken_for_refused": 1,
    "every_5xx_is_a_refusal": 1,
    "exit_is_sent_twice": 1,
    "settling_is_given_up": 1,
    "absent_after_one_lookup": 1,
    "journal_is_written_after_sending": 1,
    "ids_are_used_again": 1,
    "restart_forgets_unknown_orders": 2,
    "fill_is_booked_twice": 2,
    "retry_after_is_ignored": 1,
    "safety_passes_a_ban": 1,
    "failed_attempts_are_not_written": 1,
    "the_secret_is_written_down": 1,
    "zero_is_believed": 1,
    "account_is_not_polled": 1,
}


@pytest.mark.parametrize(("bug", "seed"), KNOWN.items(), ids=KNOWN)
def test_a_planted_bug_is_found(bug, seed):
    assert violated_only_with(bug, seed), f"{bug} is not found by seed {seed} any more"


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
