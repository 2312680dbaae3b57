import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.limiter import CounterSpec, DataShare, Granted, Limiter, Wait
from outlast.core.limiter.data_share import EVERY_S, LEAST
from outlast.wire import Cost, Lane

NOON = 1_760_011_200.0


def test_each_window_with_a_refusal_halves_it_down_to_a_tenth():
    share = DataShare()
    found = []
    for minute in range(6):
        assert share.throttled(60.0 * minute)
        found.append(share.value(60.0 * minute))
    assert found == pytest.approx([0.5, 0.3, 0.2, 0.15, 0.125, 0.1125])
    assert all(share.throttled(600.0 + 60.0 * n) or True for n in range(20))
    assert share.value(1_740.0) >= LEAST


def test_answers_to_what_was_on_its_way_are_no_news():
    share = DataShare()
    assert share.throttled(10.0)
    assert not share.throttled(10.2)
    assert not share.throttled(69.9)
    assert share.value(10.2) == 0.5


def test_every_quiet_minute_gives_a_tenth_back():
    share = DataShare()
    share.throttled(0.0)
    assert [round(share.value(60.0 * n), 2) for n in range(7)] == [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1]
    share.throttled(1_000.0)
    assert share.value(1_000.0) == 0.5


@given(gaps=st.lists(st.floats(0, 1_000), max_size=50))
@settings(max_examples=100, deadline=None)
def test_it_stays_between_a_tenth_and_all(gaps):
    share, now = DataShare(), 0.0
    for gap in gaps:
        now += gap
        before = share.value(now)
        if share.throttled(now):
            assert share.value(now) <= max(LEAST, before / 2)
        assert LEAST <= share.value(now) <= 1.0
    assert share.value(now + 10 * EVERY_S) == 1.0


def test_only_data_gives_way_and_only_in_windows():
    limiter = Limiter([CounterSpec("w", 60, 1_000), CounterSpec("level", 45, 15, 0.33)])
    limiter.set_data_share(0.5)
    limiter.observe({"w": 300}, NOON + 30)
    one = (Cost("w", 1),)
    assert isinstance(limiter.try_take(one, Lane.DATA, NOON + 31), Wait)
    assert isinstance(limiter.try_take(one, Lane.TRADE, NOON + 31), Granted)
    assert isinstance(limiter.try_take((Cost("level", 2),), Lane.DATA, NOON + 31), Granted)
    limiter.set_limits([CounterSpec("w", 60, 2_000)])
    assert isinstance(limiter.try_take((Cost("w", 400),), Lane.DATA, NOON + 31), Wait)
    limiter.set_data_share(1.0)
    assert isinstance(limiter.try_take((Cost("w", 400),), Lane.DATA, NOON + 31), Granted)
