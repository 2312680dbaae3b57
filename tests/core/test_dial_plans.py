import random

import pytest

from outlast.core.backoff import Backoff
from outlast.core.dialling import DIALS, DialBudget, DialSettings, Redial
from outlast.errors import ConfigurationError


def test_the_budget_lets_the_window_fill_and_then_waits_for_its_oldest_dial():
    budget = DialBudget(DialSettings(dials_max=3, window_s=100, urgent_share=0))
    for now in (0.0, 1.0, 2.0):
        assert budget.free_at(now) == now
        budget.spend(now)
    assert budget.free_at(3.0) == 100.0
    assert budget.free_at(100.0) == 100.0
    budget.spend(100.0)
    assert budget.free_at(100.5) == 101.0
    assert budget.spent(100.5) == 3


def test_the_last_dials_of_the_window_are_for_the_sockets_that_orders_depend_on():
    budget = DialBudget(DialSettings(dials_max=3, window_s=100, urgent_share=1))
    budget.spend(0.0)
    budget.spend(1.0)
    assert budget.free_at(2.0) == 100.0
    assert budget.free_at(2.0, urgent=True) == 2.0
    budget.spend(2.0)
    assert budget.free_at(3.0, urgent=True) == 100.0
    assert budget.free_at(3.0) == 101.0  # two of the three must be gone


def test_no_window_ever_holds_more_than_the_limit_at_random():
    for seed in range(20):
        rng = random.Random(seed)
        settings = DialSettings(dials_max=5, window_s=60, urgent_share=2)
        budget, now, dials = DialBudget(settings), 0.0, []
        for _ in range(200):
            urgent = rng.random() < 0.3
            now = max(now + rng.expovariate(1.0), budget.free_at(now, urgent=urgent))
            if budget.free_at(now, urgent=urgent) > now:
                continue
            budget.spend(now)
            dials.append(now)
        for begin in dials:
            within = [at for at in dials if begin <= at < begin + 60]
            assert len(within) <= 5, f"seed {seed}"


def test_the_defaults_stay_far_below_the_venues_limits():
    assert DIALS.dials_max <= 300 / 5
    assert DIALS.dials_max * 2 <= 150  # Kraken counts over ten minutes


@pytest.mark.parametrize(
    "wrong",
    [
        {"dials_max": 0},
        {"urgent_share": 60},
        {"urgent_share": -1},
        {"window_s": 0.0},
        {"stable_s": float("inf")},
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        DialSettings(**wrong)


def redial(**terms):
    return Redial(random.Random(1), backoff=Backoff(base_s=1.0, cap_s=8.0), **terms)


def test_waits_grow_to_the_cap_while_dials_fail():
    plan = redial()
    waits = [plan.failed(0.0) for _ in range(50)]
    assert waits[0] <= 1.0
    assert max(waits) <= 8.0
    assert max(waits[10:]) > 4.0
    assert plan.attempts == 50


def test_a_connection_that_lasted_begins_the_waits_anew():
    plan = redial(stable_s=30)
    for _ in range(10):
        plan.failed(0.0)
    plan.up(100.0)
    assert plan.lost(130.0) <= 131.0
    assert plan.attempts == 1


def test_one_that_did_not_last_does_not():
    plan = redial(stable_s=30)
    for _ in range(10):
        plan.failed(0.0)
    plan.up(100.0)
    plan.lost(129.9)
    assert plan.attempts == 11
    plan.lost(129.9)  # it was never up in between
    assert plan.attempts == 12


def test_floors_are_never_undercut_and_jitter_comes_on_top():
    plan = redial()
    assert 5.0 <= plan.lost(0.0, code=1008) <= 6.0
    assert 5.0 <= redial().failed(0.0, http_status=404) <= 6.0
    assert 90.0 <= redial().failed(0.0, http_status=429, floor_s=90.0) <= 91.0
    assert redial().failed(0.0, http_status=503) <= 1.0
    assert redial().lost(0.0, code=1001) <= 1.0


def test_connections_are_replaced_in_the_last_tenth_of_their_life_each_at_another_time():
    plan = redial()
    times = [plan.rollover_at(1000.0, 100.0) for _ in range(100)]
    assert min(times) >= 1090.0
    assert max(times) <= 1100.0
    assert len(set(times)) == 100
