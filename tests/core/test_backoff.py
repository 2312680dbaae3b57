import random

import pytest

from outlast.core.backoff import NEW_ORDER, READ, RECONNECT, SAFETY, Backoff
from outlast.errors import ConfigurationError


def test_the_range_doubles_up_to_the_cap():
    backoff = Backoff(base_s=0.2, cap_s=5.0)
    rng = random.Random(1)
    for attempt, ceiling in ((1, 0.2), (2, 0.4), (3, 0.8), (5, 3.2), (6, 5.0), (20, 5.0)):
        draws = [backoff.delay_s(attempt, rng) for _ in range(400)]
        assert max(draws) <= ceiling
        assert max(draws) > 0.9 * ceiling
        assert min(draws) < 0.1 * ceiling


def test_jitter_survives_the_cap():
    """Clients that clamp after jittering all wait exactly the cap, attempt after attempt."""
    rng = random.Random(2)
    draws = {READ.delay_s(attempt, rng) for attempt in range(8, 11) for _ in range(100)}
    assert len(draws) == 300


def test_an_attempt_number_beyond_every_float_still_gives_the_cap():
    draws = [READ.delay_s(10_000, random.Random(seed)) for seed in range(50)]
    assert all(0 <= delay <= READ.cap_s for delay in draws)
    assert max(draws) > 0.8 * READ.cap_s


def test_a_retry_after_is_never_shortened_not_even_three_days():
    rng = random.Random(3)
    for floor_s in (0.5, 30.0, 259_200.0):
        for attempt in (1, 9):
            assert READ.delay_s(attempt, rng, floor_s=floor_s) >= floor_s


def test_everybody_told_the_same_retry_after_returns_at_a_different_moment():
    delays = {READ.delay_s(1, random.Random(seed), floor_s=30.0) for seed in range(100)}
    assert len(delays) == 100
    assert max(delays) <= 30.0 + READ.base_s


def test_a_venue_that_asks_for_a_negative_wait_gets_none():
    assert READ.delay_s(1, random.Random(4), floor_s=-5.0) >= 0.0


def test_the_same_seed_draws_the_same_delays():
    first, second = random.Random(5), random.Random(5)
    assert [SAFETY.delay_s(n, first) for n in range(1, 9)] == [
        SAFETY.delay_s(n, second) for n in range(1, 9)
    ]


@pytest.mark.parametrize("backoff", [READ, NEW_ORDER, SAFETY, RECONNECT])
def test_the_named_backoffs_begin_below_their_cap(backoff):
    assert 0 < backoff.base_s < backoff.cap_s


@pytest.mark.parametrize(("base_s", "cap_s"), [(0, 1), (2, 1), (-1, 1), (1, float("inf"))])
def test_impossible_numbers_are_refused_by_name(base_s, cap_s):
    with pytest.raises(ConfigurationError, match=r"base_s .* cap_s"):
        Backoff(base_s=base_s, cap_s=cap_s)
