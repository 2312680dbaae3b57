"""Windows, 429, bans and dials, against the venue's documented rules and a plain model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.limits import Charge, Limiter, LimitKind, LimitWindow
from outlast.mock.scenario.model import Ban, Connects, Limits

MINUTE = 60_000
T0 = 1_760_000_040_000  # a whole minute
WEIGHT = LimitWindow(name="1M", kind=LimitKind.WEIGHT, interval_s=60, limit=100)
ORDERS_10S = LimitWindow(name="10S", kind=LimitKind.ORDERS, interval_s=10, limit=3)
ORDERS_1M = LimitWindow(name="1M", kind=LimitKind.ORDERS, interval_s=60, limit=8)
RAW = LimitWindow(name="5M", kind=LimitKind.RAW, interval_s=300, limit=50)
LIMITS = Limits(ban=Ban(after_429=3, first_s=120, grow=4, max_s=3000))
IP = "127.0.0.1"


def ask(limiter, at_ms, *, weight=0, orders=0, ip=IP, account="a", limits=LIMITS):
    """One request as the pipeline handles it: banned? fits? count it."""
    breach = limiter.banned(ip, limits, at_ms)
    if breach is None:
        charge = Charge(weight=weight, orders=orders)
        breach = limiter.admit(ip, account, charge, limits, at_ms)
        if breach is None:
            limiter.count(ip, account, charge, at_ms)
    return breach


def test_windows_are_aligned_to_the_clock_not_sliding():
    limiter = Limiter([WEIGHT])
    assert ask(limiter, T0 + 59_000, weight=100) is None
    breach = ask(limiter, T0 + 59_500, weight=1)
    assert breach is not None
    assert (breach.status, breach.kind, breach.window) == (429, LimitKind.WEIGHT, WEIGHT)
    assert (breach.until_ms, breach.retry_after_s) == (T0 + MINUTE, 1)
    assert ask(limiter, T0 + MINUTE, weight=100) is None  # a second later all is free again


@pytest.mark.parametrize(
    ("asked_ms", "retry_after_s"), [(0, 60), (1, 60), (1000, 59), (59_000, 1), (59_999, 1)]
)
def test_retry_after_is_whole_seconds_and_never_too_early(asked_ms, retry_after_s):
    limiter = Limiter([WEIGHT])
    breach = ask(limiter, T0 + asked_ms, weight=101)
    assert breach.retry_after_s == retry_after_s


def test_exactly_the_limit_fits_and_one_more_does_not():
    limiter = Limiter([WEIGHT])
    assert ask(limiter, T0, weight=99) is None
    assert ask(limiter, T0, weight=1) is None
    assert ask(limiter, T0, weight=1).used == 101


def test_weight_belongs_to_the_address_and_orders_to_the_account():
    limiter = Limiter([WEIGHT, ORDERS_10S])
    assert ask(limiter, T0, weight=100, ip="1.1.1.1", account="a") is None
    assert ask(limiter, T0, weight=1, ip="2.2.2.2", account="a") is None
    assert ask(limiter, T0, weight=1, ip="1.1.1.1", account="b") is not None
    for ip in ("3.3.3.3", "4.4.4.4", "5.5.5.5"):
        assert ask(limiter, T0, orders=1, ip=ip, account="c") is None
    breach = ask(limiter, T0, orders=1, ip="6.6.6.6", account="c")
    assert (breach.kind, breach.window.name) == (LimitKind.ORDERS, "10S")
    assert ask(limiter, T0, orders=1, ip="6.6.6.6", account="d") is None


def test_a_full_order_counter_does_not_stop_reads():
    limiter = Limiter([WEIGHT, ORDERS_10S])
    for _ in range(3):
        assert ask(limiter, T0, orders=1) is None
    assert ask(limiter, T0, orders=1).status == 429
    assert ask(limiter, T0, weight=1) is None


def test_every_order_window_counts_for_itself():
    limiter = Limiter([ORDERS_10S, ORDERS_1M])
    for start in (0, 10_000):
        for _ in range(3):
            assert ask(limiter, T0 + start, orders=1) is None
    for _ in range(2):
        assert ask(limiter, T0 + 20_000, orders=1) is None
    assert ask(limiter, T0 + 20_000, orders=1).window == ORDERS_1M


def test_a_batch_may_count_differently_in_each_window():
    limiter = Limiter([ORDERS_10S, ORDERS_1M])
    charge = Charge(orders=3, orders_by_window={"1M": 1})
    assert limiter.admit(IP, "a", charge, LIMITS, T0) is None
    limiter.count(IP, "a", charge, T0)
    assert limiter.usage(IP, "a", T0).orders == {"10S": 3, "1M": 1}


def test_raw_requests_count_whatever_their_weight():
    limiter = Limiter([RAW])
    for _ in range(50):
        assert ask(limiter, T0) is None
    assert ask(limiter, T0).kind is LimitKind.RAW


def test_a_breach_is_seen_in_the_usage():
    limiter = Limiter([WEIGHT])
    ask(limiter, T0, weight=90)
    ask(limiter, T0, weight=20)
    assert limiter.usage(IP, None, T0).weight == {"1M": 110}
    assert limiter.usage(IP, None, T0 + MINUTE).weight == {"1M": 0}
    assert limiter.breaches_total == 1


def test_waiting_as_asked_never_leads_to_a_ban():
    limiter = Limiter([WEIGHT])
    for minute in range(20):
        at = T0 + minute * MINUTE
        assert ask(limiter, at, weight=100) is None
        assert ask(limiter, at, weight=1).status == 429
    assert limiter.bans_total == 0


def test_ignored_429s_are_a_ban_and_it_stops_everything_of_that_address():
    limiter = Limiter([WEIGHT])
    ask(limiter, T0, weight=100)
    answers = [ask(limiter, T0 + n, weight=1).status for n in range(4)]
    assert answers == [429, 429, 429, 418]  # the first, and three that did not heed it
    breach = ask(limiter, T0 + 1000)
    assert breach.is_ban
    assert breach.until_ms == T0 + 3 + 120_000
    assert ask(limiter, T0 + 1000, ip="9.9.9.9", weight=1) is None
    assert ask(limiter, T0 + 3 + 119_999).is_ban  # though the window is long over
    assert ask(limiter, T0 + 3 + 120_000, weight=1) is None


def test_bans_grow_up_to_the_longest():
    limiter = Limiter([WEIGHT])
    at, lengths = T0, []
    for _ in range(5):
        at += MINUTE - at % MINUTE
        ask(limiter, at, weight=100)
        breach = None
        while breach is None or not breach.is_ban:
            breach = ask(limiter, at, weight=1)
        lengths.append((breach.until_ms - at) / 1000)
        at = breach.until_ms
    assert lengths == [120, 480, 1920, 3000, 3000]


def test_asking_during_a_ban_does_not_make_it_longer():
    limiter = Limiter([WEIGHT])
    ask(limiter, T0, weight=100)
    for n in range(4):
        ask(limiter, T0 + n, weight=1)
    until = {ask(limiter, T0 + 5000 + n).until_ms for n in range(50)}
    assert until == {T0 + 3 + 120_000}


def test_factor_scales_every_limit_and_leaves_at_least_one():
    limiter = Limiter([WEIGHT, ORDERS_10S])
    half = replace(LIMITS, factor=0.5)
    assert [w.limit for w in limiter.windows(half)] == [50, 1]
    assert ask(limiter, T0, weight=50, limits=half) is None
    breach = ask(limiter, T0, weight=1, limits=half)
    assert breach.window.limit == 50
    assert [w.limit for w in limiter.windows(replace(LIMITS, factor=0.0001))] == [1, 1]


def test_without_enforcement_nothing_is_limited_and_usage_still_counts():
    limiter = Limiter([WEIGHT, ORDERS_10S])
    free = replace(LIMITS, enforce=False)
    for n in range(50):
        assert ask(limiter, T0 + n, weight=50, orders=5, limits=free) is None
    assert limiter.usage(IP, "a", T0).weight == {"1M": 2500}
    assert limiter.bans_total == 0


def test_dials_over_the_limit_are_a_ban_of_dials_alone():
    limiter = Limiter([WEIGHT])
    limits = replace(LIMITS, connects=Connects(max=3, per_s=60, ban_s=600))
    assert [limiter.dial(IP, limits, T0 + n * 1000) for n in range(3)] == [None] * 3
    breach = limiter.dial(IP, limits, T0 + 3000)
    assert (breach.kind, breach.status) == (LimitKind.CONNECTS, 429)
    assert breach.until_ms == T0 + 3000 + 600_000
    assert limiter.dial(IP, limits, T0 + 300_000).until_ms == breach.until_ms
    assert ask(limiter, T0 + 4000, weight=1) is None
    assert limiter.dial(IP, limits, breach.until_ms) is None


def test_dials_are_counted_over_a_sliding_period():
    limiter = Limiter([WEIGHT])
    limits = replace(LIMITS, connects=Connects(max=2, per_s=60, ban_s=600))
    assert limiter.dial(IP, limits, T0) is None
    assert limiter.dial(IP, limits, T0 + 50_000) is None
    assert limiter.dial(IP, limits, T0 + 60_000) is None  # the first is a minute ago
    assert limiter.dial(IP, limits, T0 + 61_000) is not None


def test_dials_without_a_rule_or_without_enforcement_are_free():
    limiter = Limiter([WEIGHT])
    strict = replace(LIMITS, connects=Connects(max=1, per_s=60, ban_s=600))
    for limits in (LIMITS, replace(strict, enforce=False)):
        assert [limiter.dial(IP, limits, T0) for _ in range(5)] == [None] * 5


def test_a_banned_address_cannot_dial():
    limiter = Limiter([WEIGHT])
    ask(limiter, T0, weight=100)
    for n in range(4):
        ask(limiter, T0 + n, weight=1)
    assert limiter.dial(IP, LIMITS, T0 + 1000).is_ban


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 40), st.integers(0, 2)), max_size=60)
)
def test_what_is_admitted_never_exceeds_the_limit_of_any_window(steps):
    """A plain model: sum what was admitted in each aligned window, per address and account."""
    limiter = Limiter([WEIGHT, ORDERS_10S, ORDERS_1M])
    at, admitted = T0, []
    for gap_ms, weight, orders in steps:
        at += gap_ms
        if ask(limiter, at, weight=weight, orders=orders) is None:
            admitted.append((at, weight, orders))
    for window in (WEIGHT, ORDERS_10S, ORDERS_1M):
        sums: dict[int, int] = {}
        for when, weight, orders in admitted:
            cost = weight if window.kind is LimitKind.WEIGHT else orders
            start = when - when % (window.interval_s * 1000)
            sums[start] = sums.get(start, 0) + cost
        assert all(total <= window.limit for total in sums.values())
