"""Counters that drain: Kraken's calls, on their own and against the venue's own arithmetic."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.limiter import CounterSpec, Granted, Limiter, Wait
from outlast.errors import ConfigurationError
from outlast.mock.limits import DrainingCounter
from outlast.wire import Cost, Lane

SAFETY, RECONCILE, TRADE, DATA = Lane


def make(limit: int = 20, decay_per_s: float = 0.5, *, flight_s: float = 0.0) -> Limiter:
    return Limiter(
        [CounterSpec("rest", limit / decay_per_s, limit, decay_per_s)], flight_s=flight_s
    )


def fill(limiter: Limiter, lane: Lane, now: float = 0.0) -> int:
    taken = 0
    while isinstance(limiter.try_take((Cost("rest", 1),), lane, now), Granted):
        taken += 1
    return taken


def test_settling_an_order_keeps_five_points_and_safety_one():
    limiter = make()
    assert [fill(limiter, lane) for lane in (DATA, TRADE, RECONCILE, SAFETY)] == [12, 1, 5, 2]


def test_it_drains_with_time_and_never_below_nothing():
    limiter = make()
    fill(limiter, SAFETY)
    assert limiter.used("rest", 10.0) == pytest.approx(15.0)
    assert limiter.used("rest", 1_000.0) == 0.0
    assert limiter.used("rest", 990.0) == 0.0


def test_it_says_when_there_is_room_again():
    limiter = make()
    fill(limiter, SAFETY)
    verdict = limiter.try_take((Cost("rest", 4),), SAFETY, 0.0)
    assert isinstance(verdict, Wait)
    assert verdict.until == pytest.approx(8.0, abs=0.001)
    assert isinstance(limiter.try_take((Cost("rest", 4),), SAFETY, verdict.until), Granted)
    assert limiter.window_end("rest", 8.0) == pytest.approx(48.0, abs=0.01)


def test_a_cost_above_the_limit_never_fits_and_nothing_costs_nothing():
    limiter = make()
    assert limiter.try_take((Cost("rest", 21),), SAFETY, 0.0) == Wait(math.inf, "rest")
    assert isinstance(limiter.try_take((Cost("rest", 0),), DATA, 0.0), Granted)


def test_the_venues_figure_raises_it_and_never_lowers_it():
    limiter = make()
    limiter.observe({"rest": 18}, 0.0)
    limiter.observe({"rest": 2}, 1.0)
    assert limiter.used("rest", 2.0) == pytest.approx(17.0)


def test_another_tier_keeps_what_is_used():
    limiter = make(15, 0.33)
    fill(limiter, SAFETY)
    limiter.set_limits([CounterSpec("rest", 20, 20, 1.0)])
    assert limiter.used("rest", 5.0) == pytest.approx(10.0, abs=0.5)


def test_headroom_is_half_of_it():
    limiter = make()
    assert limiter.has_headroom((Cost("rest", 10),), 0.0)
    assert not limiter.has_headroom((Cost("rest", 11),), 0.0)


def test_the_venues_clock_has_no_part_in_it():
    limiter = make()
    fill(limiter, SAFETY)
    limiter.set_offset(1e9, 0.0)
    assert limiter.used("rest", 0.0) == pytest.approx(20.0)


def test_a_counter_that_becomes_another_kind_begins_anew():
    limiter = make()
    limiter.set_limits([CounterSpec("rest", 60, 100)])
    assert limiter.used("rest", 0.0) == 0
    assert limiter.counters[0].decay_per_s is None


@pytest.mark.parametrize("decay", [0.0, -1.0, math.inf])
def test_an_impossible_decay_is_refused_by_name(decay):
    with pytest.raises(ConfigurationError, match="decay_per_s of counter 'rest'"):
        CounterSpec("rest", 60, 20, decay)


@given(
    asked=st.lists(
        st.tuples(
            st.sampled_from([0, 0, 1, 30, 250, 1_000, 4_000, 30_000]),  # ms since the last
            st.floats(0, 1),  # its flight, as a share of the longest
            st.sampled_from(Lane),
            st.integers(1, 5),
            st.integers(1, 25),  # so many at once
        ),
        max_size=60,
    ),
    tier=st.sampled_from([(15, 0.33), (20, 0.5), (20, 1.0), (60, 2.0)]),
    flight_s=st.sampled_from([0.0, 0.25, 1.0]),
)
@settings(max_examples=250, deadline=None)
def test_what_the_client_admits_the_venue_admits(asked, tier, flight_s):
    """Requests overtake each other on the way; the venue counts them as they come."""
    limit, decay = tier
    limiter, arrivals, now_ms = make(limit, decay, flight_s=flight_s), [], 1_000_000
    for gap_ms, flight, lane, units, times in asked:
        now_ms += gap_ms
        for _ in range(times):
            verdict = limiter.try_take((Cost("rest", units),), lane, now_ms / 1000)
            if isinstance(verdict, Wait):
                assert verdict.until > now_ms / 1000
                break
            arrivals.append((now_ms + math.floor(flight * flight_s * 1000), units))
    venue = DrainingCounter(decay_per_s=decay)
    for at_ms, units in sorted(arrivals):
        assert venue.level(at_ms) + units <= limit + 1e-6
        venue.add(units, at_ms)
