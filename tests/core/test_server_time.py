import random
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.server_time import DEFAULTS, ServerClock
from outlast.errors import ConfigurationError

EPOCH_MS = 1_760_000_000_000


class World:
    """A local clock pair and a venue whose clock is `ahead_ms` of the wall clock."""

    def __init__(self, ahead_ms: float = 0.0) -> None:
        self.now = 500.0
        self.wall_ms = EPOCH_MS + 500_000.0
        self.venue_ms = self.wall_ms + ahead_ms

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        self.wall_ms += seconds * 1e3
        self.venue_ms += seconds * 1e3

    def ask(self, clock: ServerClock, *, there_s: float = 0.01, back_s: float = 0.01) -> bool:
        sent_at = self.now
        self.pass_s(there_s)
        server_ms = int(self.venue_ms)
        self.pass_s(back_s)
        return clock.add_sample(
            sent_at=sent_at, received_at=self.now, server_ms=server_ms, wall_ms=self.wall_ms
        )

    def error_ms(self, clock: ServerClock) -> float:
        return abs(clock.offset_ms(self.now) - (self.venue_ms - self.wall_ms))


def test_before_the_first_sample_the_local_clock_is_all_there_is():
    clock = ServerClock()
    assert clock.resync_needed(0.0)
    assert clock.offset_ms(0.0) == 0.0
    assert clock.uncertainty_ms(0.0) == inf
    assert clock.server_ms(EPOCH_MS + 0.9) == EPOCH_MS


@pytest.mark.parametrize("ahead_ms", [0.0, 7.0, -4_200.0, 3_600_000.0])
def test_one_sample_gives_the_offset_within_half_its_round_trip(ahead_ms):
    world, clock = World(ahead_ms), ServerClock()
    assert world.ask(clock, there_s=0.03, back_s=0.01)
    assert world.error_ms(clock) <= clock.uncertainty_ms(world.now) == pytest.approx(20.5)
    assert not clock.resync_needed(world.now)
    assert clock.server_ms(world.wall_ms) == pytest.approx(world.venue_ms, abs=21)


def test_the_shortest_round_trip_wins():
    world, clock = World(100.0), ServerClock()
    world.ask(clock, there_s=0.001, back_s=0.031)
    world.pass_s(1)
    world.ask(clock, there_s=0.002, back_s=0.002)
    world.pass_s(1)
    world.ask(clock, there_s=0.015, back_s=0.001)
    assert clock.uncertainty_ms(world.now) == pytest.approx(2.5, abs=0.2)
    assert world.error_ms(clock) <= 2.5


def test_a_round_trip_far_above_the_best_is_ignored():
    world, clock = World(100.0), ServerClock()
    assert world.ask(clock)
    assert not world.ask(clock, there_s=0.01, back_s=2.0)
    assert world.ask(clock, there_s=0.02, back_s=0.02)
    assert world.error_ms(clock) <= 11.0


def test_a_route_that_became_slower_is_accepted_in_the_end():
    world, clock = World(100.0), ServerClock()
    world.ask(clock)
    accepted_after_s = None
    for minute in range(30):
        world.pass_s(60)
        if world.ask(clock, there_s=0.3, back_s=0.3):
            accepted_after_s = minute * 60
            break
    assert accepted_after_s is not None
    assert accepted_after_s <= DEFAULTS.sample_age_max_s


def test_certainty_fades_with_time():
    world, clock = World(), ServerClock()
    world.ask(clock)
    fresh = clock.uncertainty_ms(world.now)
    world.pass_s(60)
    assert clock.uncertainty_ms(world.now) == pytest.approx(fresh + 6.0)
    world.pass_s(241)
    assert clock.resync_needed(world.now)


def test_a_refused_timestamp_asks_for_a_resync_and_drops_what_was_known():
    world, clock = World(0.0), ServerClock()
    world.ask(clock, there_s=0.001, back_s=0.001)
    world.venue_ms += 4_000  # the venue's clock was set
    clock.timestamp_refused(world.now)
    assert clock.resync_needed(world.now)
    world.pass_s(0.1)
    assert world.ask(clock, there_s=0.2, back_s=0.2)  # slower than all before, and all there is
    assert not clock.resync_needed(world.now)
    assert world.error_ms(clock) <= clock.uncertainty_ms(world.now)


def test_a_burst_of_refusals_does_not_make_the_measurement_worthless_that_came_between():
    """Five requests left with the wrong time; the venue is asked while they are refused."""
    world, clock = World(0.0), ServerClock()
    world.ask(clock)
    left_at = world.now
    world.venue_ms += 4_000
    world.pass_s(0.05)
    clock.timestamp_refused(left_at)
    sent_at = world.now
    world.pass_s(0.05)
    server_ms = int(world.venue_ms)
    clock.timestamp_refused(left_at)  # the second of them
    world.pass_s(0.05)
    assert clock.add_sample(
        sent_at=sent_at, received_at=world.now, server_ms=server_ms, wall_ms=world.wall_ms
    )
    clock.timestamp_refused(left_at)  # the third, late
    assert not clock.resync_needed(world.now)


def test_an_answer_asked_for_before_the_doubt_does_not_end_it():
    world, clock = World(), ServerClock()
    world.ask(clock)
    sent_at = world.now
    world.pass_s(0.05)
    clock.timestamp_refused(world.now)
    world.pass_s(0.05)
    used = clock.add_sample(
        sent_at=sent_at,
        received_at=world.now,
        server_ms=int(world.venue_ms),
        wall_ms=world.wall_ms,
    )
    assert not used
    assert clock.resync_needed(world.now)


@pytest.mark.parametrize("step_ms", [3_600_000.0, -3_600_000.0, 400.0])
def test_a_step_of_the_wall_clock_is_seen_and_mended_by_the_next_sample(step_ms):
    world, clock = World(50.0), ServerClock()
    world.ask(clock)
    assert not clock.check_wall(world.now, world.wall_ms)
    world.pass_s(5)
    world.wall_ms += step_ms
    assert clock.check_wall(world.now, world.wall_ms)
    assert not clock.check_wall(world.now, world.wall_ms)
    assert clock.resync_needed(world.now)
    assert clock.uncertainty_ms(world.now) >= abs(step_ms)
    assert world.error_ms(clock) <= clock.uncertainty_ms(world.now)
    world.pass_s(0.1)
    assert world.ask(clock)
    assert world.error_ms(clock) <= clock.uncertainty_ms(world.now) < 15


def test_a_step_in_the_middle_of_a_sample_spoils_it():
    world, clock = World(), ServerClock()
    world.ask(clock)
    sent_at = world.now
    world.pass_s(0.02)
    world.wall_ms += 60_000
    used = clock.add_sample(
        sent_at=sent_at,
        received_at=world.now,
        server_ms=int(world.venue_ms),
        wall_ms=world.wall_ms,
    )
    assert not used
    assert clock.resync_needed(world.now)
    world.pass_s(0.1)
    assert world.ask(clock)


def test_small_steps_of_disciplined_clocks_are_none():
    world, clock = World(), ServerClock()
    world.ask(clock)
    for _ in range(100):
        world.pass_s(1)
        world.wall_ms += 0.5
        assert not clock.check_wall(world.now, world.wall_ms)


def test_samples_that_contradict_each_other_are_settled_by_a_third():
    world, clock = World(), ServerClock()
    world.ask(clock)
    world.pass_s(1)
    world.venue_ms += 5_000
    assert not world.ask(clock)
    assert clock.resync_needed(world.now)
    world.pass_s(1)
    assert world.ask(clock)
    assert world.error_ms(clock) <= 11.0


def test_a_clock_in_whole_seconds_is_taken_for_what_it_is():
    clock = ServerClock()
    clock.add_sample(
        sent_at=10.0,
        received_at=10.02,
        server_ms=EPOCH_MS,
        wall_ms=EPOCH_MS + 700.0,
        resolution_ms=1000.0,
    )
    assert clock.uncertainty_ms(10.02) == pytest.approx(510.0)
    assert clock.offset_ms(10.02) == pytest.approx(-190.0)


@given(
    seed=st.integers(0, 2**32),
    ahead_ms=st.integers(-100_000, 100_000),
    count=st.integers(1, 40),
)
@settings(max_examples=100, deadline=None)
def test_the_error_is_never_more_than_it_admits(seed, ahead_ms, count):
    """Any delays, however lopsided, and a venue's clock that drifts by up to 50 ppm."""
    chance = random.Random(seed)
    world, clock = World(float(ahead_ms)), ServerClock()
    drift = chance.uniform(-50e-6, 50e-6)
    for _ in range(count):
        seconds = chance.uniform(0, 300)
        world.pass_s(seconds)
        world.venue_ms += seconds * 1e3 * drift
        world.ask(clock, there_s=chance.expovariate(20), back_s=chance.expovariate(20))
        assert world.error_ms(clock) <= clock.uncertainty_ms(world.now) + 0.01


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("drift_ppm", -1.0),
        ("rtt_slack_ms", inf),
        ("resync_every_s", 0.0),
        ("sample_age_max_s", -1.0),
        ("step_ms", 0.0),
        ("rtt_x_max", 0.5),
    ],
)
def test_impossible_settings_are_refused_by_name(field, value):
    with pytest.raises(ConfigurationError, match=field):
        replace(DEFAULTS, **{field: value})
