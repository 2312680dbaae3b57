import random
from dataclasses import replace
from itertools import pairwise

import pytest

from outlast.core.breaker import (
    COMPONENT_DEGRADED,
    COMPONENT_DOWN,
    ORDERS,
    READS,
    SLOW_CALL,
    STREAM_SILENT,
    USER_STREAM_LOST,
    Breaker,
    BreakerSettings,
    BreakerState,
    Result,
)
from outlast.errors import ConfigurationError

CLOSED, OPEN, PROBING, CANARY, RAMP = BreakerState
OK, FAILED, NEUTRAL = Result


def make(settings: BreakerSettings = ORDERS, seed: int = 1) -> Breaker:
    return Breaker(settings, random.Random(seed))


def call(breaker: Breaker, result: Result, now: float) -> None:
    permit = breaker.admit(now)
    assert permit is not None
    breaker.record(permit, result, now)


def opened(settings: BreakerSettings = ORDERS, now: float = 100.0) -> Breaker:
    breaker = make(settings)
    for _ in range(18):
        call(breaker, FAILED, now)
    assert breaker.state is OPEN
    return breaker


def at_canary(settings: BreakerSettings = ORDERS) -> tuple[Breaker, float]:
    breaker = opened(settings)
    now = breaker.next_probe_at()
    assert breaker.probe_due(now)
    breaker.probe_result(True, now + 0.1)
    assert breaker.state is CANARY
    return breaker, now + 0.1


def at_ramp(settings: BreakerSettings = ORDERS) -> tuple[Breaker, float]:
    breaker, now = at_canary(settings)
    call(breaker, OK, now)
    assert breaker.state is RAMP
    return breaker, now


def close_by_calls(breaker: Breaker, now: float) -> float:
    for _ in range(100):
        if breaker.state is CLOSED:
            return now
        now += 1.0
        call(breaker, OK, now)
    raise AssertionError(f"still {breaker.state}")


# When it opens.


def test_eighteen_failures_in_a_row_open_it_and_seventeen_do_not():
    breaker = make()
    for n in range(17):
        call(breaker, FAILED, 10.0 + n)
        assert breaker.state is CLOSED
    call(breaker, FAILED, 20.0)
    assert breaker.state is OPEN
    assert breaker.admit(20.1) is None


def test_one_success_takes_back_more_than_six_failures():
    breaker = make()
    for _ in range(10):
        call(breaker, FAILED, 1.0)
    call(breaker, OK, 1.0)
    for _ in range(14):
        call(breaker, FAILED, 1.0)
    assert breaker.state is CLOSED
    call(breaker, FAILED, 1.0)
    assert breaker.state is OPEN


@pytest.mark.parametrize("seed", range(5))
def test_thirty_percent_random_failures_never_open_it(seed):
    chance = random.Random(seed)
    breaker = make(READS, seed)
    for n in range(2_000):
        call(breaker, FAILED if chance.random() < 0.3 else OK, n * 0.2)
    assert breaker.state is CLOSED, f"seed {seed}"


@pytest.mark.parametrize("seed", range(5))
def test_sixty_percent_random_failures_do_not_become_a_total_outage(seed):
    """Five in a row come every thirty calls at 60 %: a counting breaker lets 3 % of them through.

    A run of eleven has a chance of 0.4 % at each call, so now and then this one opens too; what
    counts is that the calls go on. Ten minutes, one call a second, probes as they are asked for.
    """
    chance = random.Random(seed)
    breaker = make(READS, seed)
    admitted = 0
    for tick in range(12_000):
        now = tick * 0.05
        if breaker.probe_due(now):
            breaker.probe_result(chance.random() >= 0.6, now)
        if tick % 20 == 0:
            permit = breaker.admit(now)
            if permit is not None:
                admitted += 1
                breaker.record(permit, FAILED if chance.random() < 0.6 else OK, now)
    assert admitted >= 0.93 * 600, f"seed {seed}: {admitted} of 600 admitted"


@pytest.mark.parametrize("seed", range(5))
def test_a_near_total_failure_is_found_within_thirty_calls(seed):
    chance = random.Random(seed)
    breaker = make(ORDERS, seed)
    calls = 0
    while breaker.state is CLOSED:
        call(breaker, FAILED if chance.random() < 0.95 else OK, calls * 0.2)
        calls += 1
    assert calls <= 30, f"seed {seed}"


def test_cancelled_calls_do_not_open_it():
    breaker = make()
    for n in range(1_000):
        call(breaker, NEUTRAL, float(n))
    assert breaker.state is CLOSED
    assert breaker.evidence == 0.0


def test_business_refusals_between_failures_neither_open_nor_close():
    """A night of mixed 503 and -2022: as successes the refusals would keep the breaker closed."""
    breaker = make()
    for _ in range(18):
        call(breaker, NEUTRAL, 5.0)
        call(breaker, FAILED, 5.0)
    assert breaker.state is OPEN


def test_old_failures_are_no_case_against_the_venue_of_today():
    breaker = make()
    for _ in range(10):
        call(breaker, FAILED, 0.0)
    call(breaker, FAILED, 301.0)
    assert breaker.state is CLOSED
    assert breaker.evidence == pytest.approx(ORDERS.failure_weight)


# Evidence that is not a call.


def test_all_signs_together_do_not_open_it_but_shorten_the_way():
    breaker = make()
    for weight in (STREAM_SILENT, USER_STREAM_LOST, COMPONENT_DOWN, COMPONENT_DEGRADED):
        breaker.add_evidence(weight, 1.0)
    breaker.add_evidence(SLOW_CALL, 1.0)
    for _ in range(7):
        call(breaker, FAILED, 2.0)
    assert breaker.state is CLOSED
    call(breaker, FAILED, 2.0)
    assert breaker.state is OPEN


def test_good_news_takes_evidence_back_but_not_below_nothing():
    breaker = make()
    breaker.add_evidence(STREAM_SILENT, 1.0)
    breaker.add_evidence(-10.0, 1.0)
    assert breaker.evidence == 0.0


def test_evidence_while_open_changes_nothing():
    breaker = opened()
    before = breaker.retry_at(100.0)
    breaker.add_evidence(COMPONENT_DOWN, 100.1)
    breaker.add_evidence(-COMPONENT_DOWN, 100.1)
    assert (breaker.state, breaker.retry_at(100.1), breaker.evidence) == (OPEN, before, 0.0)


def test_evidence_on_the_way_back_can_open_it_again():
    breaker, now = at_canary()
    breaker.add_evidence(STREAM_SILENT, now)
    assert breaker.state is OPEN


# Waits and probes.


def test_nothing_passes_until_the_probe_was_answered():
    breaker = opened(now=100.0)
    retry_at = breaker.retry_at(100.0)
    assert 100.375 <= retry_at <= 100.625
    assert not breaker.probe_due(retry_at - 0.001)
    assert breaker.probe_due(retry_at)
    assert breaker.state is PROBING
    assert breaker.admit(retry_at + 1.0) is None
    assert breaker.retry_at(retry_at + 0.5) == pytest.approx(retry_at + 2.0)
    breaker.probe_result(True, retry_at + 1.0)
    assert breaker.state is CANARY
    assert breaker.retry_at(retry_at + 1.0) is None


def waits(settings: BreakerSettings, seed: int, probes: int) -> list[float]:
    breaker = make(settings, seed)
    now = 0.0
    for _ in range(18):
        call(breaker, FAILED, now)
    seen = []
    for _ in range(probes):
        due = breaker.next_probe_at()
        seen.append(due - now)
        now = due
        assert breaker.probe_due(now)
        breaker.probe_result(False, now)
        assert breaker.state is OPEN
    return seen


def test_the_wait_doubles_with_each_probe_that_fails():
    for settings, expected in ((READS, (0.5, 1, 2, 3, 3)), (ORDERS, (0.5, 1, 2, 4, 8, 10, 10))):
        for wait, mean in zip(waits(settings, 3, len(expected)), expected, strict=True):
            assert 0.75 * mean <= wait <= 1.25 * mean


def test_jitter_survives_the_cap():
    at_cap = [waits(READS, seed, 8)[-1] for seed in range(40)]
    assert len(set(at_cap)) == 40
    assert max(at_cap) > 3.4
    assert min(at_cap) < 2.6


def test_a_very_long_outage_does_not_overflow_the_wait():
    assert waits(ORDERS, 1, 1_200)[-1] <= 150.0


def test_an_outage_of_minutes_is_probed_every_few_seconds_and_one_of_days_every_two_minutes():
    for seed in range(5):
        breaker = opened(READS)
        asked: list[float] = []
        while (now := breaker.next_probe_at()) < 100.0 + 49 * 3600:
            assert breaker.probe_due(now)
            breaker.probe_result(False, now)
            asked.append(now - 100.0)
        gaps = [later - sooner for sooner, later in pairwise(asked)]
        assert max(gap for gap, at in zip(gaps, asked, strict=False) if at < 300) <= 6.25
        assert 90 <= gaps[-1] <= 150, seed
        assert len(asked) < 2_000


def test_when_anything_at_the_door_answers_after_a_silence_a_long_wait_ends_soon():
    breaker = opened(ORDERS)
    now = 100.0
    while now < 5_000.0:
        now = breaker.next_probe_at()
        assert breaker.probe_due(now)
        breaker.probe_result(False, now)
    assert breaker.next_probe_at() > now + 40.0
    breaker.door_answered(now + 1.0)
    assert breaker.next_probe_at() <= now + 1.0 + 0.625
    # That it answers on and on says nothing about this plane, which keeps its own pace.
    at = breaker.next_probe_at()
    assert breaker.probe_due(at)
    breaker.probe_result(False, at)
    for n in range(20):
        breaker.door_answered(at + 0.1 * n)
    assert breaker.next_probe_at() >= at + 7.5


def test_one_probe_at_a_time():
    breaker = opened()
    now = breaker.next_probe_at()
    assert breaker.probe_due(now)
    assert not any(breaker.probe_due(now + n * 0.1) for n in range(30))


def test_a_probe_that_never_reports_is_given_up_and_counts_as_failed():
    breaker = opened()
    sent_at = breaker.next_probe_at()
    assert breaker.probe_due(sent_at)
    lost_at = breaker.next_probe_at()
    assert lost_at == sent_at + 4.0
    assert not breaker.probe_due(lost_at)
    assert breaker.state is OPEN
    again_at = breaker.next_probe_at()
    assert lost_at + 0.75 <= again_at <= lost_at + 1.25
    assert breaker.probe_due(again_at)


def test_a_probe_result_nobody_waits_for_changes_nothing():
    breaker = opened()
    breaker.probe_result(True, 100.1)
    assert breaker.state is OPEN


def test_a_slow_bot_is_probed_for_after_three_failures_in_a_row():
    """One call a minute would take a quarter of an hour to find an outage; probes take 12 s."""
    breaker = make(READS)
    for n in range(3):
        assert breaker.next_probe_at() is None
        call(breaker, FAILED, 60.0 * n)
    now, probes = 120.0, 0
    while breaker.state is CLOSED:
        now += 0.1
        if breaker.probe_due(now):
            probes += 1
            breaker.probe_result(False, now)
    assert probes == 15
    assert now <= 133.0


def test_a_busy_bot_in_doubt_is_not_probed_for_until_the_case_is_nearly_made():
    """In a partial failure three in a row are nothing; probes would be load on top."""
    breaker = make(READS)
    for n in range(8):
        call(breaker, FAILED, 1.0 + 0.5 * n)
        assert not breaker.probe_due(1.4 + 0.5 * n)
    call(breaker, FAILED, 5.0)
    assert breaker.probe_due(5.1)
    breaker.probe_result(False, 5.2)
    assert not breaker.probe_due(5.4)
    assert breaker.probe_due(5.5)  # half the usual pause: it is nearly sure


def test_a_probe_that_is_answered_ends_the_suspicion():
    breaker = make(READS)
    for _ in range(3):
        call(breaker, FAILED, 1.0)
    assert not breaker.probe_due(1.9)
    assert breaker.probe_due(2.0)
    breaker.probe_result(True, 2.1)
    assert breaker.next_probe_at() is None
    assert breaker.evidence == 0.0


def test_a_read_that_works_does_not_speak_for_orders_that_are_shed():
    """-1008 on every order while reads are fine (11 October 2025)."""
    breaker = make(ORDERS)
    for n in range(18):
        assert not breaker.probe_due(float(n))
        call(breaker, FAILED, float(n))
    assert breaker.state is OPEN


def test_after_an_outage_a_read_breaker_closes_without_any_caller():
    breaker = opened(READS)
    now = 100.0
    while breaker.state is not CLOSED and now < 130.0:
        now += 0.25
        if breaker.probe_due(now):
            breaker.probe_result(True, now)
    assert breaker.state is CLOSED


def test_an_answer_to_a_probe_from_before_the_relapse_does_not_end_it():
    breaker, now = at_canary(READS)
    now = breaker.next_probe_at()
    assert breaker.probe_due(now)
    for _ in range(5):
        call(breaker, FAILED, now)
    assert breaker.state is OPEN
    assert not breaker.probe_due(now + 1.5)  # one at a time: its answer could not be told apart
    breaker.probe_result(True, now + 1.6)
    assert breaker.state is OPEN
    assert breaker.probe_due(now + 1.6)


# The way back.


def test_the_canary_is_alone_whoever_asks():
    breaker, now = at_canary()
    permits = [breaker.admit(now) for _ in range(100)]
    assert sum(permit is not None for permit in permits) == 1
    assert breaker.retry_at(now) == now + ORDERS.permit_expiry_s


def test_the_canary_is_full_until_its_call_is_answered_or_has_been_away_for_too_long():
    breaker, now = at_canary()
    assert not breaker.is_full(now)
    assert breaker.admit(now) is not None
    assert breaker.is_full(now + ORDERS.permit_expiry_s - 0.001)
    assert not breaker.is_full(now + ORDERS.permit_expiry_s)
    breaker, now = at_canary()
    permit = breaker.admit(now)
    breaker.record(permit, NEUTRAL, now)
    assert not breaker.is_full(now)


def test_the_ramp_admits_two_then_four_then_eight():
    breaker, now = at_ramp()
    for step in (2, 4, 8):
        permits = [permit for _ in range(100) if (permit := breaker.admit(now)) is not None]
        assert len(permits) == step
        now += ORDERS.ramp_step_s
        for permit in permits:
            breaker.record(permit, OK, now)
    assert breaker.state is CLOSED
    assert len([breaker.admit(now) for _ in range(100)]) == 100


def test_it_closes_only_after_the_last_step_and_eight_successes():
    breaker, now = at_ramp()
    for _ in range(50):
        call(breaker, OK, now + 1.0)
    assert breaker.state is RAMP  # many successes, too early
    breaker, now = at_ramp()
    for n in range(1, 4):
        call(breaker, OK, now + 6.0 * n)
    assert breaker.state is RAMP  # time enough, too few successes
    for n in range(4, 8):
        call(breaker, OK, now + 6.0 * n)
    assert breaker.state is CLOSED


def test_a_permit_that_never_reports_does_not_hold_its_place_for_ever():
    breaker, now = at_canary()
    assert breaker.admit(now) is not None
    free_at = breaker.retry_at(now)
    assert breaker.admit(free_at - 0.001) is None
    assert breaker.admit(free_at) is not None
    close_by_calls(breaker, free_at + ORDERS.permit_expiry_s)


def test_a_cancelled_canary_neither_closes_it_nor_blocks_the_next():
    breaker, now = at_canary()
    call(breaker, NEUTRAL, now)
    assert breaker.state is CANARY
    assert breaker.in_flight == 0
    assert breaker.admit(now) is not None


def test_two_failures_in_a_row_end_the_canary_one_does_not():
    breaker, now = at_canary()
    call(breaker, FAILED, now)
    assert breaker.state is CANARY
    call(breaker, FAILED, now)
    assert breaker.state is OPEN


def test_five_failures_in_a_row_end_the_ramp():
    breaker, now = at_ramp()
    for _ in range(4):
        call(breaker, FAILED, now)
    assert breaker.state is RAMP
    call(breaker, FAILED, now)
    assert breaker.state is OPEN


def test_after_eight_successes_a_relapse_needs_full_evidence_again():
    breaker, now = at_ramp()
    for _ in range(7):
        call(breaker, OK, now)
    for _ in range(17):
        call(breaker, FAILED, now)
    assert breaker.state is RAMP
    call(breaker, FAILED, now)
    assert breaker.state is OPEN


def test_a_relapse_waits_longer_unless_a_call_had_succeeded():
    breaker, now = at_canary()
    for _ in range(2):
        call(breaker, FAILED, now)
    assert breaker.next_probe_at() - now >= 0.75
    breaker, now = at_ramp()
    for _ in range(5):
        call(breaker, FAILED, now)
    assert breaker.next_probe_at() - now <= 0.625


def test_a_closed_breaker_has_forgotten_the_outage():
    breaker, now = at_ramp()
    now = close_by_calls(breaker, now)
    assert breaker.retry_at(now) is None
    for _ in range(10):
        call(breaker, FAILED, now)
    assert breaker.state is CLOSED


# Eras.


def test_late_503_does_not_trip_the_recovered_breaker():
    breaker = make()
    late = [breaker.admit(0.0) for _ in range(20)]
    for _ in range(18):
        call(breaker, FAILED, 1.0)
    now = breaker.next_probe_at()
    assert breaker.probe_due(now)
    breaker.probe_result(True, now)
    for permit in late:
        breaker.record(permit, FAILED, now + 31.0)
    assert breaker.state is CANARY
    now = close_by_calls(breaker, now)
    for permit in late:
        breaker.record(permit, FAILED, now)
    assert (breaker.state, breaker.evidence) == (CLOSED, 0.0)


def test_a_late_success_from_before_the_outage_does_not_close_it():
    breaker = make()
    late = breaker.admit(0.0)
    for _ in range(18):
        call(breaker, FAILED, 1.0)
    breaker.record(late, OK, 1.1)
    assert breaker.state is OPEN


# SAFETY.


def test_a_safety_call_passes_in_every_state_and_takes_no_place():
    breaker = opened()
    assert breaker.admit(100.0, safety=True) is not None
    assert breaker.probe_due(breaker.next_probe_at())
    assert breaker.admit(101.0, safety=True) is not None
    breaker, now = at_canary()
    assert all(breaker.admit(now, safety=True) for _ in range(50))
    assert breaker.admit(now) is not None
    breaker.force_open()
    assert breaker.admit(now, safety=True) is not None


def test_cancels_that_work_prove_nothing_about_orders():
    """The venue sheds new orders (-1008) and exempts cancels."""
    breaker = make()
    for _ in range(18):
        cancel = breaker.admit(1.0, safety=True)
        breaker.record(cancel, OK, 1.0)
        call(breaker, FAILED, 1.0)
    assert breaker.state is OPEN
    breaker.record(breaker.admit(1.1, safety=True), OK, 1.2)
    assert breaker.state is OPEN


# The operator.


def test_forced_open_lets_nothing_pass_and_sends_no_probe():
    breaker = opened(READS)
    breaker.force_open()
    assert breaker.next_probe_at() is None
    assert not breaker.probe_due(1e9)
    breaker = make(READS)
    breaker.force_open()
    assert breaker.state is OPEN
    assert breaker.is_forced
    assert breaker.admit(1.0) is None
    assert breaker.retry_at(1.0) is None
    breaker.auto()
    assert breaker.state is CLOSED
    assert breaker.admit(1.0) is not None


def test_forced_closed_is_a_shadow_of_itself():
    breaker = make()
    breaker.force_closed()
    for n in range(20):
        call(breaker, FAILED, float(n))
    assert (breaker.state, breaker.measured_state) == (CLOSED, OPEN)
    call(breaker, OK, 20.0)
    assert breaker.measured_state is OPEN  # the probe decides
    breaker.auto()
    assert breaker.state is OPEN


def test_it_says_since_when():
    breaker = make()
    assert breaker.since is None
    for _ in range(18):
        call(breaker, FAILED, 42.0)
    assert breaker.since == 42.0


# Settings.


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"failure_weight": 0.0}, "failure_weight"),
        ({"open_s": -1.0}, "open_s"),
        ({"permit_expiry_s": float("inf")}, "permit_expiry_s"),
        ({"open_s": 5.0, "open_s_max": 3.0}, "open_s_max"),
        ({"canary_reopen_at": 7.0}, "canary_reopen_at"),
        ({"ramp_in_flight": ()}, "ramp_in_flight"),
        ({"ramp_in_flight": (2, 0)}, "ramp_in_flight"),
    ],
)
def test_impossible_settings_are_refused_by_name(change, field):
    with pytest.raises(ConfigurationError, match=field):
        replace(ORDERS, **change)


def test_a_probe_that_never_left_says_nothing_about_the_plane():
    """It was held back by a ban or by our own limits: that opened breakers of healthy planes."""
    closed = make(READS)
    for _ in range(3):
        call(closed, FAILED, 100.0)
    now = 100.0
    for _ in range(100):
        now = max(now, closed.next_probe_at())
        assert closed.probe_due(now)
        closed.probe_result(None, now)
        assert closed.state is CLOSED
    waiting = opened()
    now = waiting.next_probe_at()
    assert waiting.probe_due(now)
    waiting.probe_result(None, now + 0.1)
    assert waiting.state is OPEN
    assert now < waiting.next_probe_at() < now + 10
    assert waiting.probe_due(waiting.next_probe_at())
    waiting.probe_result(True, now + 3)
    assert waiting.state is CANARY
