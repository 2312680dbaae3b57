import random

import pytest

from outlast.core.breaker import (
    ORDERS,
    READS,
    STREAM_SILENT,
    USER_STREAM_LOST,
    Breaker,
    BreakerState,
    Result,
)
from outlast.core.breaker_door import FORGET_AFTER_S, SHUT_AFTER, Door

CLOSED, OPEN, PROBING, CANARY, _ = BreakerState
OK, FAILED, _ = Result


def shut() -> Door:
    door = Door()
    for number in range(SHUT_AFTER):
        assert not door.is_shut
        door.failed(100.0 + number / 10, sent_at=100.0)
    return door


def call(breaker: Breaker, result: Result, now: float) -> None:
    permit = breaker.admit(now)
    assert permit is not None
    breaker.record(permit, result, now)


# The door.


def test_a_door_is_shut_after_so_many_failures_in_a_row_and_open_after_one_answer():
    door = shut()
    assert door.is_shut
    door.answered(103.0)
    assert not door.is_shut
    assert door.unanswered == 0


def test_a_failure_that_was_sent_before_the_last_answer_says_nothing_of_today():
    door = Door()
    door.answered(50.0)
    for _ in range(2 * SHUT_AFTER):
        door.failed(60.0, sent_at=49.9)
    assert door.unanswered == 0
    door.failed(60.0, sent_at=50.0)
    assert door.unanswered == 1


def test_a_row_of_failures_with_a_long_pause_in_it_is_no_row():
    door = shut()
    later = 102.9 + FORGET_AFTER_S
    door.failed(later, sent_at=later - 1)  # just not too long
    assert door.is_shut
    door.failed(later + FORGET_AFTER_S + 0.1, sent_at=later)
    assert door.unanswered == 1


@pytest.mark.parametrize("seed", range(5))
def test_at_sixty_percent_random_failures_no_door_is_found_shut_in_ten_thousand_requests(seed):
    door, rng = Door(), random.Random(seed)
    for number in range(10_000):
        if rng.random() < 0.6:
            door.failed(float(number), sent_at=float(number))
        else:
            door.answered(float(number))
        assert not door.is_shut


# A breaker behind it.


@pytest.mark.parametrize("settings", [READS, ORDERS])
def test_behind_a_shut_door_the_third_failure_in_a_row_opens_a_breaker(settings):
    breaker = Breaker(settings, random.Random(1), shut())
    call(breaker, FAILED, 110.0)
    call(breaker, FAILED, 110.1)
    assert breaker.state is CLOSED
    call(breaker, FAILED, 110.2)
    assert breaker.state is OPEN


def test_a_plane_that_works_stays_open_for_business_whatever_the_door_says():
    breaker = Breaker(READS, random.Random(1), shut())
    for number in range(40):
        call(breaker, OK if number % 3 == 2 else FAILED, 110.0 + number)
        assert breaker.state is CLOSED


def test_a_plane_of_which_no_call_has_failed_is_opened_by_no_door():
    """Signs that are no calls do not count as failures of its own."""
    breaker = Breaker(READS, random.Random(1), shut())
    breaker.add_evidence(STREAM_SILENT + USER_STREAM_LOST, 110.0)
    assert breaker.state is CLOSED
    assert breaker.evidence > 2


def test_behind_an_open_door_three_failures_open_nothing():
    breaker = Breaker(READS, random.Random(1), Door())
    for _ in range(17):
        call(breaker, FAILED, 110.0)
    assert breaker.state is CLOSED
    call(breaker, FAILED, 110.0)
    assert breaker.state is OPEN


def test_on_the_way_back_the_door_has_no_say():
    """The probe was answered: who judges there is the canary."""
    door = shut()
    breaker = Breaker(READS, random.Random(1), door)
    for _ in range(3):
        call(breaker, FAILED, 110.0)
    at = breaker.next_probe_at()
    assert breaker.probe_due(at)
    breaker.probe_result(True, at)
    assert breaker.state is CANARY
    for number in range(4):  # READS' canary may fail four times in a row
        call(breaker, FAILED, at + number)
        assert breaker.state is CANARY
