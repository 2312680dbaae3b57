"""Pause and lateness, and the order in which books are mended."""

from random import Random

import pytest

from outlast.core.books import (
    BOOKS,
    BookSettings,
    Distrust,
    NeedSnapshot,
    Resubscribe,
    ResyncPlan,
    ResyncSettings,
)
from outlast.core.books.trust import Lag, Pace
from outlast.errors import ConfigurationError


def test_a_busy_stream_is_missed_sooner_once_its_pace_is_known():
    pace = Pace(BOOKS)
    assert pace.limit_s == 4.0
    pace.passed(0.0)
    pace.paused(0.6)
    assert pace.limit_s == 4.0  # one minute first
    pace.passed(60.0)
    assert pace.limit_s == pytest.approx(1.8)
    pace.passed(120.0)
    assert pace.limit_s == 1.5


def test_a_symbol_that_falls_quiet_is_learned_and_one_outage_is_not():
    pace = Pace(BOOKS)
    pace.paused(3600.0)
    assert pace.limit_s == 4.7
    for _ in range(30):
        pace.paused(3600.0)
    assert pace.limit_s == BOOKS.silence_s_max
    pace.passed(0.0)
    pace.passed(60.0)
    pace.passed(120.0)
    assert pace.limit_s == 1.5


def test_silence_shows_within_five_seconds_unless_longer_pauses_are_usual():
    for pause_s in (0.1, 0.9, 1.6, 2.5, 4.6):
        pace = Pace(BOOKS)
        pace.passed(0.0)
        for _ in range(10):
            pace.paused(pause_s)
        assert 4.0 <= pace.limit_s <= 4.7
    for _ in range(3):
        pace.paused(5.0)
    assert pace.limit_s == 15.0


def test_lateness_is_measured_against_the_least_of_late():
    lag = Lag()
    assert lag.measure(1000.0, 5.0) == 0.0
    assert lag.measure(1001.0, 6.2) == pytest.approx(0.2)
    assert lag.measure(1002.0, 6.9) == 0.0  # quicker than ever
    assert lag.measure(1003.0, 10.9) == pytest.approx(3.0)
    for minute in range(60):  # the clocks drift apart by a millisecond a minute
        lag.measure(1060.0 + 60 * minute, 64.9 + 60 * minute + minute / 1000)
    assert lag.measure(4660.0, 3664.96) < 0.03


def test_an_hour_of_lateness_does_not_become_the_usual():
    lag = Lag()
    for second in range(10):
        lag.measure(second, second + 0.1)
    for second in range(10, 3600, 10):
        assert lag.measure(second, second + 30.0) > 29


@pytest.mark.parametrize(
    ("field", "value"), [("late_s", 0.0), ("silence_s_first", 0.5), ("buffer_max", float("inf"))]
)
def test_settings_that_cannot_be_meant_are_refused(field, value):
    with pytest.raises(ConfigurationError, match=field):
        BookSettings(**{field: value})


def need(symbol, *, urgent=True):
    return NeedSnapshot(symbol, 1000, Distrust.GAP, urgent=urgent)


def test_one_book_at_a_time_and_none_too_soon_after_another():
    plan = ResyncPlan(Random(1))
    needs = [need("A"), need("B")]
    assert plan.next_at() is None
    assert plan.pick(needs, 0.0) == need("A")
    assert plan.pick(needs, 0.1) is None
    plan.done("A", 0.1)
    assert plan.next_at() == 0.25
    assert plan.pick(needs[1:], 0.2) is None
    assert plan.pick(needs[1:], 0.25) == need("B")


def test_untrusted_books_and_those_with_something_at_stake_go_first():
    plan = ResyncPlan(Random(1))
    needs = [need("A", urgent=False), need("B"), Resubscribe("C", Distrust.SILENT)]
    assert plan.pick(needs, 0.0, first={"C"}).symbol == "C"
    plan.done("C", 0.0)
    assert plan.pick(needs[:2], 1.0).symbol == "B"
    plan.done("B", 1.0)
    assert plan.pick(needs[:1], 2.0).symbol == "A"


def test_the_same_book_again_waits_longer_each_time_and_starts_anew_once_whole():
    plan = ResyncPlan(Random(1))
    now, waits = 0.0, []
    for attempt in range(1, 9):
        assert plan.pick([need("A")], now) == need("A")
        assert plan.attempts("A") == attempt
        plan.done("A", now)
        at = plan.next_at()
        assert plan.pick([need("A")], at - 0.001) is None
        waits.append(at - now)
        now = at
    for number, wait in enumerate(waits):
        ceiling = min(0.25 * 2.0**number, 1.0)
        assert min(0.25, ceiling / 2) <= wait <= ceiling
    assert plan.pick([], now) is None
    assert plan.attempts("A") == 8, "nobody knows yet whether it stays whole"
    assert plan.pick([], now + 9.9) is None
    assert plan.attempts("A") == 8
    assert plan.pick([], now + 10.0) is None
    assert plan.attempts("A") == 0
    assert plan.pick([need("A")], now + 10.1) == need("A")


def test_a_book_that_is_lost_again_soon_goes_on_counting_and_waiting():
    plan = ResyncPlan(Random(1))
    for lost_at in (0.0, 1.0, 2.0):
        assert plan.pick([need("A")], lost_at) == need("A")
        plan.done("A", lost_at + 0.1)
        assert plan.pick([], lost_at + 0.2) is None
        assert plan.next_at() is None
    assert plan.attempts("A") == 3
    assert plan.pick([need("A")], 2.3) is None
    assert 2.6 <= plan.next_at() <= 3.1


def test_an_attempt_without_a_word_ends_and_others_get_their_turn():
    plan = ResyncPlan(Random(1), ResyncSettings(answer_s=5.0))
    assert plan.pick([need("A"), need("B")], 0.0).symbol == "A"
    assert plan.next_at() == 5.0
    assert plan.pick([need("A"), need("B")], 4.9) is None
    assert plan.pick([need("A"), need("B")], 5.0).symbol == "B"
    plan.done("A", 5.1)  # the late answer of A ends nothing
    assert plan.pick([need("A"), need("B")], 9.0) is None


def test_a_book_mended_while_its_attempt_runs_leaves_the_plan_when_it_ends():
    plan = ResyncPlan(Random(1))
    plan.pick([need("A")], 0.0)
    assert plan.pick([], 0.1) is None
    plan.done("A", 0.2)
    assert plan.pick([], 0.3) is None
    assert plan.next_at() is None


def test_pacing_that_cannot_be_meant_is_refused():
    with pytest.raises(ConfigurationError, match="retry_s"):
        ResyncSettings(retry_s=100.0)
    with pytest.raises(ConfigurationError, match="spacing_s"):
        ResyncSettings(spacing_s=0.0)
