import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.limiter import CounterSpec, Granted, Limiter, Wait
from outlast.errors import ConfigurationError
from outlast.mock.limits import Charge, LimitKind, LimitWindow
from outlast.mock.limits import Limiter as MockLimits
from outlast.mock.scenario.model import Limits
from outlast.wire import Cost, Lane

NOON = 1_760_011_200.0  # the start of a minute, an hour and of every window used here
SPOT = CounterSpec("weight_1m", 60, 6000)
ORDERS_10S = CounterSpec("orders_10s", 10, 50)
SAFETY, RECONCILE, TRADE, DATA = Lane


def weight(units: int) -> tuple[Cost, ...]:
    return (Cost("weight_1m", units),)


def fill(limiter: Limiter, lane: Lane, start: float, counter: str = "weight_1m") -> int:
    """Take units one by one until this window is full, as fast as the bursts allow; count them."""
    taken, now, end = 0, start, limiter.window_end(counter, start)
    while now < end:
        verdict = limiter.try_take((Cost(counter, 1),), lane, now)
        if isinstance(verdict, Granted):
            taken += 1
        else:
            now = verdict.until
    return taken


# Lanes.


def test_each_lane_has_its_share_and_the_last_of_it_is_for_safety():
    limiter = Limiter([SPOT])
    filled = [fill(limiter, lane, NOON + 5) for lane in (DATA, TRADE, RECONCILE, SAFETY)]
    assert filled == [3600, 1500, 300, 480]
    assert limiter.used("weight_1m", NOON + 30) == 5880


def test_a_flood_of_data_leaves_480_cancels():
    limiter = Limiter([SPOT])
    fill(limiter, DATA, NOON + 5)
    fill(limiter, TRADE, NOON + 10)
    fill(limiter, RECONCILE, NOON + 15)
    assert all(
        isinstance(limiter.try_take(weight(1), SAFETY, NOON + 20), Granted) for _ in range(480)
    )


def test_bursts_are_capped_at_a_quarter_per_second_but_not_for_safety():
    limiter = Limiter([SPOT])
    for _ in range(15):
        assert isinstance(limiter.try_take(weight(100), DATA, NOON + 5.5), Granted)
    verdict = limiter.try_take(weight(1), DATA, NOON + 5.6)
    assert isinstance(verdict, Wait)
    assert NOON + 6 <= verdict.until <= NOON + 6.001
    assert isinstance(limiter.try_take(weight(1), SAFETY, NOON + 5.6), Granted)
    assert isinstance(limiter.try_take(weight(1), DATA, verdict.until), Granted)


def test_one_request_heavier_than_a_burst_still_passes_alone():
    limiter = Limiter([CounterSpec("weight_1m", 60, 400)])
    assert isinstance(limiter.try_take(weight(150), DATA, NOON + 5), Granted)
    assert isinstance(limiter.try_take(weight(1), DATA, NOON + 5), Wait)


@pytest.mark.parametrize("limit", range(1, 60))
def test_small_limits_keep_a_unit_for_safety_and_never_shut_a_lane_out(limit):
    def room(*lanes: Lane) -> list[int]:
        limiter = Limiter([CounterSpec("n", 1, limit)], clock_doubt_s=0)
        return [fill(limiter, lane, NOON, "n") for lane in lanes]

    for lane in Lane:
        assert 1 <= room(lane)[0] <= limit
    if limit > 1:
        assert room(RECONCILE, SAFETY)[1] >= 1


# Windows.


def test_a_window_turns_by_the_venues_clock_not_by_the_first_request():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=0)
    cost = (Cost("orders_10s", 12),)
    for second in (6, 7, 8):
        assert isinstance(limiter.try_take(cost, TRADE, NOON + second), Granted)
    verdict = limiter.try_take(cost, TRADE, NOON + 9)
    assert isinstance(verdict, Wait)
    assert verdict.counter == "orders_10s"
    assert NOON + 10 <= verdict.until <= NOON + 10.001
    assert isinstance(limiter.try_take(cost, TRADE, verdict.until), Granted)
    assert limiter.used("orders_10s", NOON + 10.5) == 12
    assert limiter.window_end("orders_10s", NOON + 10.5) == NOON + 20


def test_what_leaves_near_a_boundary_is_charged_to_both_windows():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=1.0)
    limiter.try_take((Cost("orders_10s", 10),), TRADE, NOON + 9.5)
    assert limiter.used("orders_10s", NOON + 9.9) == 10
    assert limiter.used("orders_10s", NOON + 11) == 10
    assert limiter.used("orders_10s", NOON + 20) == 0


def test_just_after_a_boundary_the_old_window_must_have_room_too():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=1.0)
    assert fill(limiter, SAFETY, NOON + 5, "orders_10s") == 49
    verdict = limiter.try_take((Cost("orders_10s", 2),), SAFETY, NOON + 10.3)
    assert isinstance(verdict, Wait)
    assert NOON + 11 <= verdict.until <= NOON + 11.001
    assert isinstance(limiter.try_take((Cost("orders_10s", 2),), SAFETY, NOON + 11.1), Granted)


def test_without_room_in_the_next_window_the_end_of_this_one_waits():
    limiter = Limiter([CounterSpec("n", 5, 10)], clock_doubt_s=1.0)
    limiter.try_take((Cost("n", 8),), SAFETY, NOON + 4.5)
    verdict = limiter.try_take((Cost("n", 8),), SAFETY, NOON + 4.6)
    assert isinstance(verdict, Wait)
    assert isinstance(limiter.try_take((Cost("n", 8),), SAFETY, NOON + 5.5), Wait)
    assert isinstance(limiter.try_take((Cost("n", 8),), SAFETY, NOON + 11.01), Granted)


def test_what_leaves_just_after_a_boundary_uses_up_the_old_window_too():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=1.0)
    limiter.observe({"orders_10s": 40}, NOON + 8)
    for _ in range(9):
        assert isinstance(limiter.try_take((Cost("orders_10s", 1),), SAFETY, NOON + 10.3), Granted)
    assert isinstance(limiter.try_take((Cost("orders_10s", 1),), SAFETY, NOON + 10.4), Wait)


def test_what_leaves_just_before_a_boundary_uses_up_the_new_window_too():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=1.0)
    fill(limiter, SAFETY, NOON + 9.5, "orders_10s")
    assert isinstance(limiter.try_take((Cost("orders_10s", 1),), SAFETY, NOON + 15), Wait)
    limiter.set_limits([CounterSpec("orders_10s", 10, 100)])
    limiter.observe({"orders_10s": 0}, NOON + 15)
    assert isinstance(limiter.try_take((Cost("orders_10s", 49),), SAFETY, NOON + 15), Granted)


def test_a_window_that_was_only_charged_in_advance_still_counts_as_the_old_one():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=1.0)
    limiter.try_take((Cost("orders_10s", 40),), SAFETY, NOON + 9.5)
    assert isinstance(limiter.try_take((Cost("orders_10s", 10),), SAFETY, NOON + 20.3), Wait)
    assert isinstance(limiter.try_take((Cost("orders_10s", 10),), SAFETY, NOON + 21.1), Granted)


@pytest.mark.parametrize("doubt_s", [0.1, 0.3, 0.7, 1 / 3])
def test_the_time_it_names_is_late_enough_even_where_the_sum_rounds_down(doubt_s):
    limiter = Limiter([SPOT], clock_doubt_s=doubt_s)
    for minute in range(50):
        start = NOON + 60 * minute
        limiter.observe({"weight_1m": 6000}, start + 30)
        verdict = limiter.try_take(weight(1), TRADE, start + 30)
        assert isinstance(verdict, Wait)
        assert isinstance(limiter.try_take(weight(1), TRADE, verdict.until), Granted)


def test_windows_nobody_used_are_skipped():
    limiter = Limiter([SPOT])
    fill(limiter, SAFETY, NOON + 5)
    assert limiter.used("weight_1m", NOON + 3600) == 0
    assert isinstance(limiter.try_take(weight(1000), TRADE, NOON + 3600), Granted)


def test_a_clock_set_back_a_little_does_not_reopen_the_old_window():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=1.0)
    fill(limiter, SAFETY, NOON + 12, "orders_10s")
    assert isinstance(limiter.try_take((Cost("orders_10s", 2),), SAFETY, NOON + 9.8), Wait)


def test_a_clock_set_back_into_a_full_window_finds_it_full():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=1.0)
    fill(limiter, SAFETY, NOON + 5, "orders_10s")
    assert isinstance(limiter.try_take((Cost("orders_10s", 5),), SAFETY, NOON + 11.5), Granted)
    assert isinstance(limiter.try_take((Cost("orders_10s", 5),), SAFETY, NOON + 9.5), Wait)


def test_a_clock_that_was_an_hour_ahead_blocks_for_a_window_not_for_an_hour():
    limiter = Limiter([SPOT])
    fill(limiter, SAFETY, NOON + 3605)
    verdict = limiter.try_take(weight(1000), SAFETY, NOON + 5)
    assert isinstance(verdict, Wait)
    assert verdict.until <= NOON + 61.001
    assert isinstance(limiter.try_take(weight(1000), SAFETY, verdict.until), Granted)


def test_a_correction_of_the_clock_is_no_time_that_has_passed():
    """A machine set right by 90 s must not find its minute empty: the venue's has not ended."""
    limiter = Limiter([SPOT])
    limiter.set_offset(NOON, 0.0)
    fill(limiter, SAFETY, 5.0)
    for offset in (NOON + 90, NOON - 90, NOON + 7_200, NOON):
        limiter.set_offset(offset, 6.0)
        assert limiter.used("weight_1m", 6.0) == 5_880
        assert isinstance(limiter.try_take(weight(1), SAFETY, 6.0), Wait)
    assert limiter.used("weight_1m", 130.0) == 0


def test_windows_turn_by_the_offset_and_waits_are_told_in_our_own_time():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=0.0)
    limiter.set_offset(NOON + 7.0, 0.0)
    for second in (1.0, 2.0, 2.5):
        limiter.try_take((Cost("orders_10s", 12),), SAFETY, second)
    verdict = limiter.try_take((Cost("orders_10s", 20),), SAFETY, 2.9)
    assert isinstance(verdict, Wait)
    assert 3.0 <= verdict.until <= 3.001
    assert isinstance(limiter.try_take((Cost("orders_10s", 20),), SAFETY, verdict.until), Granted)
    assert limiter.window_end("orders_10s", 4.0) == 13.0


def test_noise_between_two_clocks_is_no_correction():
    limiter = Limiter([ORDERS_10S], clock_doubt_s=0.0)
    limiter.set_offset(NOON, 0.0)
    limiter.try_take((Cost("orders_10s", 30),), SAFETY, 9.99)
    limiter.set_offset(NOON + 0.03, 9.99)
    assert limiter.window_end("orders_10s", 9.99) == 10.0


# Costs.


def test_all_counters_or_none():
    limiter = Limiter([SPOT, ORDERS_10S])
    costs = (Cost("weight_1m", 5), Cost("orders_10s", 12))
    for second in (2, 3, 4):
        assert isinstance(limiter.try_take(costs, TRADE, NOON + second), Granted)
    assert isinstance(limiter.try_take(costs, TRADE, NOON + 5), Wait)
    assert limiter.used("weight_1m", NOON + 5) == 15


def test_one_counter_named_twice_is_checked_for_the_sum():
    limiter = Limiter([CounterSpec("n", 10, 10)])
    assert isinstance(limiter.try_take((Cost("n", 5), Cost("n", 5)), TRADE, NOON + 5), Wait)
    assert isinstance(limiter.try_take((Cost("n", 4), Cost("n", 4)), TRADE, NOON + 5), Granted)
    assert limiter.used("n", NOON + 5) == 8


def test_what_costs_nothing_never_waits():
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 9_999}, NOON + 5)
    assert isinstance(limiter.try_take(weight(0), DATA, NOON + 6), Granted)
    assert isinstance(limiter.try_take((), DATA, NOON + 6), Granted)


def test_a_cost_above_a_lanes_share_can_never_be_granted_and_says_so():
    limiter = Limiter([CounterSpec("weight_1m", 60, 200)])
    assert limiter.try_take(weight(121), DATA, NOON) == Wait(math.inf, "weight_1m")
    assert isinstance(limiter.try_take(weight(121), RECONCILE, NOON), Granted)


def test_a_counter_nobody_declared_is_a_mistake_that_names_it():
    with pytest.raises(ConfigurationError, match=r"'orders_1d' is not mirrored.*weight_1m"):
        Limiter([SPOT]).try_take((Cost("orders_1d", 1),), TRADE, NOON)


# What the venue says.


def test_a_header_raises_the_mirror_for_this_window_and_never_lowers_it():
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 5_390, "weight_1s": 3}, NOON + 20)
    assert isinstance(limiter.try_take(weight(20), RECONCILE, NOON + 21), Wait)
    assert isinstance(limiter.try_take(weight(20), SAFETY, NOON + 21), Granted)
    limiter.observe({"weight_1m": 12}, NOON + 22)
    assert limiter.used("weight_1m", NOON + 23) == 5_410
    assert limiter.used("weight_1m", NOON + 61) == 0


def test_a_figure_of_the_old_window_does_not_fill_the_new_one():
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 5_890}, NOON + 60.2)
    assert limiter.used("weight_1m", NOON + 62) == 0
    assert isinstance(limiter.try_take(weight(20), SAFETY, NOON + 60.4), Wait)
    assert isinstance(limiter.try_take(weight(20), SAFETY, NOON + 61.1), Granted)


def test_a_figure_that_may_be_the_new_windows_counts_there_until_a_sure_one_comes():
    """Two strangers may spend a minute's weight in its first second; nothing says they did not."""
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 5_800}, NOON + 60.2)
    assert isinstance(limiter.try_take(weight(100), DATA, NOON + 61.5), Granted)  # a piece to ask
    verdict = limiter.try_take(weight(20), DATA, NOON + 61.6)
    assert isinstance(verdict, Wait)
    assert NOON + 62.5 <= verdict.until <= NOON + 62.501
    assert isinstance(limiter.try_take(weight(20), DATA, verdict.until), Granted)
    verdict = limiter.try_take(weight(81), SAFETY, NOON + 63.6)
    assert isinstance(verdict, Wait)  # 5,920 and 81 may be more than there is
    assert verdict.until >= NOON + 120
    limiter.observe({"weight_1m": 140}, NOON + 63.7)  # it was the old one's
    assert isinstance(limiter.try_take(weight(1_000), DATA, NOON + 64), Granted)
    assert limiter.used("weight_1m", NOON + 64) == 1_140


def test_a_figure_below_what_the_old_window_had_is_the_new_ones():
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 3_000}, NOON + 50)
    limiter.observe({"weight_1m": 2_000}, NOON + 60.2)
    assert limiter.used("weight_1m", NOON + 62) == 2_000


def test_an_answer_that_took_ten_seconds_may_tell_of_the_window_before():
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 5_000}, NOON + 68, asked_at=NOON + 58)
    assert limiter.used("weight_1m", NOON + 68) == 0
    assert not limiter.has_headroom(weight(1), NOON + 90)
    assert isinstance(limiter.try_take(weight(20), SAFETY, NOON + 69), Granted)
    limiter.observe({"weight_1m": 30}, NOON + 72, asked_at=NOON + 62)
    assert limiter.used("weight_1m", NOON + 72) == 30
    assert limiter.has_headroom(weight(1), NOON + 90)


def test_a_figure_of_the_last_second_may_be_the_next_windows_by_our_clock():
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 5_990}, NOON + 59.5)
    limiter.try_take(weight(1), SAFETY, NOON + 59.6)
    assert isinstance(limiter.try_take(weight(20), SAFETY, NOON + 65), Wait)
    assert isinstance(limiter.try_take(weight(9), SAFETY, NOON + 65), Granted)


def test_a_correction_of_the_clock_keeps_what_was_only_alleged():
    limiter = Limiter([SPOT])
    limiter.observe({"weight_1m": 5_800}, NOON + 60.2)
    limiter.set_offset(200.0, NOON + 62)
    assert limiter.used("weight_1m", NOON + 62) == 5_800


def test_a_lower_limit_counts_what_is_used_already():
    limiter = Limiter([SPOT, ORDERS_10S])
    limiter.try_take(weight(1400), SAFETY, NOON + 5)
    limiter.set_limits([CounterSpec("weight_1m", 60, 1200)])
    assert isinstance(limiter.try_take(weight(1), SAFETY, NOON + 6), Wait)
    limiter.set_limits([SPOT])
    assert isinstance(limiter.try_take(weight(1), SAFETY, NOON + 6), Granted)
    assert [spec.name for spec in limiter.counters] == ["weight_1m", "orders_10s"]


def test_another_length_of_window_keeps_what_is_used():
    limiter = Limiter([SPOT])
    limiter.try_take(weight(1400), SAFETY, NOON + 5)
    limiter.set_limits([CounterSpec("weight_1m", 300, 6000)])
    assert limiter.used("weight_1m", NOON + 6) == 1400


def test_a_new_counter_is_mirrored_from_now_on():
    limiter = Limiter([SPOT])
    limiter.set_limits([ORDERS_10S])
    assert isinstance(limiter.try_take((Cost("orders_10s", 1),), TRADE, NOON), Granted)


def test_more_doubt_about_the_clock_widens_the_boundary():
    limiter = Limiter([SPOT], clock_doubt_s=1.0)
    limiter.set_clock_doubt(5.0)
    limiter.try_take(weight(100), TRADE, NOON + 56)
    assert limiter.used("weight_1m", NOON + 66) == 100


def test_headroom_is_what_an_even_pace_would_leave():
    limiter = Limiter([SPOT])
    assert not limiter.has_headroom(weight(5), NOON)
    assert limiter.has_headroom(weight(5), NOON + 30)
    limiter.observe({"weight_1m": 2_096}, NOON + 30)
    assert not limiter.has_headroom(weight(5), NOON + 30)
    assert limiter.has_headroom(weight(4), NOON + 30)
    assert limiter.has_headroom(weight(5), NOON + 31)


@pytest.mark.parametrize(
    ("numbers", "field"),
    [((0, 10), "window_s"), ((math.inf, 10), "window_s"), ((60, 0), "limit")],
)
def test_impossible_counters_are_refused_by_name(numbers, field):
    with pytest.raises(ConfigurationError, match=rf"{field} of counter 'n'"):
        CounterSpec("n", *numbers)


@pytest.mark.parametrize("doubt", [-1.0, math.inf, math.nan])
def test_an_impossible_doubt_is_refused_by_name(doubt):
    with pytest.raises(ConfigurationError, match="clock_doubt_s"):
        Limiter([SPOT], clock_doubt_s=doubt)


# Against the venue's own counter.


class Venue:
    """Counts what arrives in aligned windows of its own clock; knows nothing of the limiter."""

    def __init__(self, specs):
        self.specs = specs
        self.counted = Counter()

    def arrive(self, costs, at):
        for cost in costs:
            spec = self.specs[cost.counter]
            self.counted[cost.counter, math.floor(at / spec.window_s)] += cost.units

    def used(self, name, at):
        return self.counted[name, math.floor(at / self.specs[name].window_s)]

    def over_limit(self):
        return {
            key: units
            for key, units in self.counted.items()
            if units > shares(self.specs[key[0]].limit)[1]
        }


def shares(limit: int) -> tuple[int, int]:
    """How much of a window everybody together, without SAFETY and with it, may take."""
    others = max(1, math.floor(0.90 * limit))
    return others, max(math.floor(0.98 * limit), min(limit, others + 1))


def eighths(low: float, high: float):
    """Exact binary fractions, so that neither side rounds a boundary away."""
    return st.integers(round(low * 8), round(high * 8)).map(lambda n: n / 8)


ARRIVALS = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.integers(0, 13), eighths(-1.5, 1.5)),  # about a boundary
            st.tuples(st.integers(0, 13), eighths(0, 10)),
        ).map(lambda when: NOON + 10 * when[0] + when[1]),
        eighths(-0.5, 0.5),  # error of our clock, another one each time
        eighths(0, 0.5),  # flight
        st.sampled_from([SAFETY, SAFETY, RECONCILE, TRADE, DATA]),
        st.sampled_from(["w", "o", "both"]),
        st.integers(1, 9),  # units
        st.integers(1, 12),  # as many at once
        st.booleans(),  # whether a header comes back
    ),
    max_size=40,
).map(sorted)


@given(arrivals=ARRIVALS, w_limit=st.integers(10, 120), o_limit=st.integers(1, 40))
@settings(max_examples=300, deadline=None)
def test_the_venues_windows_are_never_exceeded(arrivals, w_limit, o_limit):
    """Whatever comes when, and however our clock is off within the doubt.

    A request that we believe leaves at `true + error` arrives at `true + flight`, so both together
    stay within the doubt of 1 s. And SAFETY is never refused because of another lane: only when
    its own requests have used what is reserved for it.
    """
    specs = {"w": CounterSpec("w", 60, w_limit), "o": CounterSpec("o", 10, o_limit)}
    limiter, venue = Limiter(list(specs.values()), clock_doubt_s=1.0), Venue(specs)
    safety_taken = Counter()
    for true, error, flight, lane, which, units, times, header in arrivals:
        costs = tuple(Cost(name, units) for name in (("w", "o") if which == "both" else which))
        for _ in range(times):
            verdict = limiter.try_take(costs, lane, true + error)
            if isinstance(verdict, Granted):
                venue.arrive(costs, true + flight)
                if lane is SAFETY:
                    venue_windows = {
                        (cost.counter, math.floor((true + d) / specs[cost.counter].window_s))
                        for cost in costs
                        for d in (-2, -1, 0, 1, 2)
                    }
                    for key in venue_windows:
                        safety_taken[key] += units
            else:
                assert verdict.until > true + error
                if lane is SAFETY and verdict.until < math.inf:
                    assert any(reserve_is_used(specs, safety_taken, c, true) for c in costs)
        if header:
            used = {name: venue.used(name, true + flight) for name in specs}
            limiter.observe(used, true + error)
    assert not venue.over_limit()


def reserve_is_used(specs, safety_taken, cost, true):
    spec = specs[cost.counter]
    others_max, all_max = shares(spec.limit)
    own = max(
        safety_taken[cost.counter, math.floor((true + d) / spec.window_s)]
        for d in (-2, -1, 0, 1, 2)
    )
    return own + cost.units > all_max - others_max


@given(arrivals=ARRIVALS, lane=st.sampled_from(Lane), units=st.integers(1, 6))
@settings(max_examples=100, deadline=None)
def test_a_wait_ends(arrivals, lane, units):
    """Asking again at the time it names is enough: a few times, and within two windows."""
    limiter = Limiter([CounterSpec("w", 60, 20), CounterSpec("o", 10, 10)])
    now = NOON
    for at, _, _, busy_lane, _, busy_units, times, _ in arrivals:
        now = at
        for _ in range(times):
            limiter.try_take((Cost("w", busy_units), Cost("o", 1)), busy_lane, now)
    start, asked = now, 0
    while isinstance(
        verdict := limiter.try_take((Cost("w", units), Cost("o", units)), lane, now), Wait
    ):
        assert verdict.until > now
        now = verdict.until
        asked += 1
        assert asked <= 8
    assert now - start <= 2 * 60 + 2


# Against the mock exchange's own limits, with strangers on the same address.

FOREIGN = st.lists(st.tuples(eighths(0, 120), st.integers(1, 400)), max_size=25).map(sorted)


@given(
    asked=st.lists(
        st.tuples(
            eighths(0, 3),  # seconds since the last
            eighths(0, 0.5),  # flight
            st.sampled_from([SAFETY, RECONCILE, TRADE, DATA]),
            st.sampled_from([1, 5, 20, 100, 400]),
            st.integers(1, 30),  # as many at once
        ),
        max_size=40,
    ),
    foreign=FOREIGN,
    begin=eighths(0, 59.875),
)
@settings(max_examples=150, deadline=None)
def test_the_mock_exchange_admits_what_the_client_admits(asked, foreign, begin):
    """Two other processes spend on the same address; each of our answers tells what is used.

    Between two answers strangers can spend what nobody can foresee. So what must hold is: with the
    figure of the last answer, and what we sent since, our own request never goes over the limit.
    """
    venue = MockLimits([LimitWindow(name="1M", kind=LimitKind.WEIGHT, interval_s=60, limit=6_000)])
    limiter, now = Limiter([SPOT]), NOON + begin
    strangers = [(NOON + begin + at, units) for at, units in foreign]
    for gap, flight, lane, units, times in asked:
        now += gap
        while strangers and strangers[0][0] <= now:
            at, theirs = strangers.pop(0)
            venue.count("ip", None, Charge(weight=theirs), round(at * 1000))
            # The other process's next answer, which any of ours in the same instant shows too.
            used = venue.usage("ip", None, round(at * 1000)).weight["1M"]
            limiter.observe({"weight_1m": used}, at)
        for _ in range(times):
            if isinstance(limiter.try_take(weight(units), lane, now), Wait):
                break
            at_ms = round((now + flight) * 1000)
            breach = venue.admit("ip", None, Charge(weight=units), Limits(), at_ms)
            assert breach is None, breach
            venue.count("ip", None, Charge(weight=units), at_ms)
    assert venue.breaches_total == 0


# The short way.


def state_of(limiter: Limiter) -> list[tuple[float, ...]]:
    return [
        (m._used, m._previous, m._next, m._burst_used, m._alleged, m._alleged_next)
        for m in limiter._mirrors.values()
    ]


@given(
    steps=st.lists(
        st.tuples(st.floats(0.0, 2.0), st.sampled_from(Lane), st.integers(0, 3), st.integers(0, 1)),
        max_size=60,
    )
)
@settings(max_examples=200, deadline=None)
def test_what_is_taken_at_first_sight_is_what_a_close_look_would_have_taken(steps):
    """Two limiters are asked the same; one of them has forgotten the short way."""
    pair = [Limiter([ORDERS_10S, SPOT], clock_doubt_s=1.0) for _ in range(2)]
    pair[1].take_at_once = lambda *_: False
    now = NOON + 3.0
    for passed_s, lane, units, told in steps:
        now += passed_s
        costs = (Cost("weight_1m", units), Cost("orders_10s", 7 * units))
        answers = [limiter.try_take(costs, lane, now) for limiter in pair]
        assert answers[0] == answers[1]
        if told:
            for limiter in pair:
                limiter.observe({"orders_10s": 20 * units}, now, asked_at=now - 0.05)
        assert state_of(pair[0]) == state_of(pair[1])
