from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.limiter import (
    BINANCE_DIALS,
    BINANCE_MESSAGES,
    KRAKEN_DIALS,
    SlidingLimit,
    SlidingSpec,
)
from outlast.errors import ConfigurationError


def flood(limit: SlidingLimit, now: float, *, urgent: bool = False) -> int:
    taken = 0
    while limit.try_take(now, urgent=urgent) is None:
        taken += 1
    return taken


def test_a_storm_of_dials_leaves_some_for_the_socket_that_tells_of_our_orders():
    dials = SlidingLimit(BINANCE_DIALS)
    assert (flood(dials, 10.0), flood(dials, 10.0, urgent=True)) == (216, 54)
    assert dials.used(10.0) == 270
    again_at = dials.next_at(20.0, urgent=True)
    assert 310.0 <= again_at <= 310.2
    assert dials.try_take(again_at - 0.01, urgent=True) == again_at
    assert dials.try_take(again_at, urgent=True) is None


def test_kraken_is_dialled_120_times_in_ten_minutes_at_most():
    assert flood(SlidingLimit(KRAKEN_DIALS), 0.0, urgent=True) == 120


def test_of_five_messages_a_second_one_is_kept_for_pongs():
    messages = SlidingLimit(BINANCE_MESSAGES, doubt_s=0.0)
    assert (flood(messages, 3.0), flood(messages, 3.0, urgent=True)) == (4, 1)
    assert flood(messages, 4.1) == 4


def test_after_maintenance_two_dials_are_five_seconds_apart():
    dials = SlidingLimit(SlidingSpec(limit=150, period_s=600.0, apart_s=5.0))
    assert dials.try_take(0.0) is None
    assert dials.try_take(1.0, urgent=True) == 5.0
    assert dials.try_take(5.0) is None


def test_what_may_go_may_also_be_asked_without_going():
    dials = SlidingLimit(SlidingSpec(limit=1, period_s=10.0))
    assert dials.next_at(3.0) == dials.next_at(3.0) == 3.0
    assert dials.used(3.0) == 0


@given(
    gaps=st.lists(st.floats(0, 3), max_size=80),
    flights=st.lists(st.floats(0, 1), min_size=80, max_size=80),
    limit=st.integers(1, 12),
)
@settings(max_examples=150, deadline=None)
def test_the_venue_never_counts_more_than_its_limit_in_any_period(gaps, flights, limit):
    spec = SlidingSpec(limit=limit, period_s=5.0, spare_share=0.0, urgent_share=0.0)
    mine, now, arrivals = SlidingLimit(spec, doubt_s=0.1), 0.0, []
    for gap, flight in zip(gaps, flights, strict=False):
        now += gap
        if mine.try_take(now) is None:
            arrivals.append(now + flight * 0.1)
    window = deque()
    for at in sorted(arrivals):
        window.append(at)
        while window[0] <= at - 5.0:
            window.popleft()
        assert len(window) <= limit


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"limit": 0, "period_s": 1.0}, "limit"),
        ({"limit": 1, "period_s": 0.0}, "period_s"),
        ({"limit": 1, "period_s": 1.0, "apart_s": -1.0}, "apart_s"),
        ({"limit": 1, "period_s": 1.0, "spare_share": 1.0}, "spare_share"),
    ],
)
def test_impossible_limits_are_refused_by_name(terms, field):
    with pytest.raises(ConfigurationError, match=field):
        SlidingSpec(**terms)


def test_an_impossible_doubt_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="doubt_s"):
        SlidingLimit(BINANCE_DIALS, doubt_s=-1.0)
