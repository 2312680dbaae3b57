import random

import pytest

from outlast.core.latency import UsualLatency


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_95th_percentile(seed):
    chance, usual = random.Random(seed), UsualLatency()
    for _ in range(3_000):
        usual.is_slow(chance.uniform(0.1, 0.3))
    assert 0.26 <= usual.p95_s <= 0.31, f"seed {seed}"


def test_one_call_far_above_the_usual_is_slow():
    usual = UsualLatency()
    assert usual.p95_s is None
    assert not any(usual.is_slow(0.2) for _ in range(100))
    assert not usual.is_slow(0.9)
    assert usual.is_slow(1.5)


def test_on_a_fast_line_five_times_the_usual_is_still_fast():
    usual = UsualLatency()
    for _ in range(100):
        usual.is_slow(0.002)
    assert not usual.is_slow(0.1)
    assert usual.is_slow(0.51)


def test_the_first_calls_say_what_is_usual():
    usual = UsualLatency()
    assert not any(usual.is_slow(s) for s in (0.1, 9.0, 0.1))


def test_a_venue_that_stays_slow_becomes_usual():
    usual = UsualLatency()
    for _ in range(50):
        usual.is_slow(0.2)
    verdicts = [usual.is_slow(2.0) for _ in range(100)]
    assert verdicts[0]
    assert not verdicts[-1]
