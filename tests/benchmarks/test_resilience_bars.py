"""The bars of `benchmarks/resilience` that outlast must hold, on two seeds each.

Two seeds say less than thirty: where a figure is a share of some hundred calls, the bar here leaves
room for luck. What must never happen at all must not happen here either.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.resilience.figures import figures
from benchmarks.resilience.scenarios import SCENARIOS
from benchmarks.resilience.trace import Kind, trace
from benchmarks.resilience.trial import run_simulated

SEEDS = (1, 2)


def row(scenario: str, seed: int, client: str = "outlast", **terms: Any) -> dict[str, Any]:
    trial = run_simulated(SCENARIOS[scenario], client, seed, **terms)
    found = figures(trial)
    print(found)
    return found | {"left_alone": len(trial.left_alone_s)}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_hard_outage_is_found_fast_asked_little_and_left_fast(seed):
    found = row("S1", seed)
    assert found["requests_per_call"] <= 0.30
    assert found["order_requests_per_call"] <= 0.05
    assert found["sibling_goodput"] >= 0.99
    assert found["detect_s"] <= 3.0
    assert found["recover_s"] <= 10
    assert_well_behaved(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_third_of_requests_failing_hardly_shows(seed):
    found = row("S2-30", seed)
    assert found["goodput"] >= 0.99
    assert found["requests_per_call"] <= 1.45
    assert found["left_alone"] == 0  # a partial failure is not made a total one
    assert_well_behaved(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_most_calls_get_through_where_three_in_five_requests_fail(seed):
    found = row("S2-60", seed)
    assert found["goodput"] >= 0.80
    assert found["requests_per_call"] <= 2.2
    assert found["left_alone"] == 0
    assert_well_behaved(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_an_overload_of_orders_cancels_and_exits_still_get_through(seed):
    found = row("S3", seed)
    assert found["cancel_success"] >= 0.97
    assert found["reduce_success"] >= 0.85
    assert found["order_requests_per_call"] <= 0.2
    assert found["read_goodput"] == 1.0
    assert_well_behaved(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_leaves_while_banned_not_even_beside_neighbours(seed):
    assert_well_behaved(row("S9", seed, neighbours=True))


def assert_well_behaved(found: dict[str, Any]) -> None:
    assert (found["bans"], found["over_limit"], found["while_banned"]) == (0, 0, 0)
    assert found["duplicates"] == 0


def test_the_figures_see_what_a_client_does_that_minds_no_ban():
    """Else a bar that holds might hold because nothing is counted."""
    outage = replace(SCENARIOS["S9"], calm_s=10.0, after_s=10.0)
    found = figures(run_simulated(outage, "no retry", 1))
    assert found["while_banned"] > 500  # 5 calls a second in 170 s of "stay away"
    assert found["requests_per_call"] == 1.0
    assert 0.1 < found["goodput"] < 0.3


def test_every_client_is_asked_for_the_same_calls():
    calls = trace(7, SCENARIOS["S1"].rates, 100.0)
    assert calls == trace(7, SCENARIOS["S1"].rates, 100.0)
    assert calls != trace(8, SCENARIOS["S1"].rates, 100.0)
    assert {call.kind for call in calls} == set(Kind)
    assert [call.at_s for call in calls] == sorted(call.at_s for call in calls)
    # The failing venue's calls are the same with and without a sibling.
    alone = trace(7, SCENARIOS["S3"].rates, 100.0)
    assert [call for call in calls if call.venue == "binance-um"] == alone
