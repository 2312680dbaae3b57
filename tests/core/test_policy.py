"""Again, settle, or give up: a table of failures, and what must never be decided."""

import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.backoff import Backoff
from outlast.core.policy import (
    CANCEL,
    EXIT_TRY,
    NEW_RISK,
    PRIVATE_READ,
    PUBLIC_READ,
    REDUCING,
    GiveUp,
    RetryAt,
    RetryPolicy,
    SettleFirst,
    decide,
    policy_for,
)
from outlast.errors import Failure, Layer, Outcome, Remedy
from outlast.model import Plane
from outlast.wire import Lane, WireRequest


def request(name="order.place", **fields):
    known = {"method": "POST", "path": "/", "plane": Plane.TRADING, "lane": Lane.TRADE}
    return WireRequest(**(known | {"name": name} | fields))


NEW_ORDER = request(is_write=True, safe_to_repeat=False)
EXIT = request(is_write=True, safe_to_repeat=False, lane=Lane.SAFETY)
CANCEL_ORDER = request("order.cancel", is_write=True, lane=Lane.SAFETY)
POSITIONS = request("positions.read", plane=Plane.ACCOUNT, lane=Lane.RECONCILE)
BOOK = request("book.read", plane=Plane.MARKET_DATA, lane=Lane.DATA)


def failure(outcome, remedy, **fields):
    return Failure(layer=Layer.VENUE, kind="overloaded", outcome=outcome, remedy=remedy, **fields)


def decided(what, fails, *, attempt=1, now=0.0, deadline=30.0, seed=1, policy=None):
    return decide(
        what,
        fails,
        policy if policy is not None else policy_for(what),
        attempt=attempt,
        now=now,
        deadline=deadline,
        rng=random.Random(seed),
    )


@pytest.mark.parametrize(
    ("what", "policy"),
    [
        (NEW_ORDER, NEW_RISK),
        (EXIT, REDUCING),
        (CANCEL_ORDER, CANCEL),
        (POSITIONS, PRIVATE_READ),
        (BOOK, PUBLIC_READ),
    ],
)
def test_each_kind_of_call_has_its_policy(what, policy):
    assert policy_for(what) is policy


NOT_SENT, REFUSED, UNKNOWN = Outcome
AGAIN = {Remedy.RETRY, Remedy.RESYNC, Remedy.WAIT_BAN}

TABLE = {
    # What is repeated, settled or given up: a new order, and everything that may be sent twice.
    (NOT_SENT, Remedy.RETRY): (RetryAt, RetryAt),
    (NOT_SENT, Remedy.RESYNC): (RetryAt, RetryAt),
    (NOT_SENT, Remedy.WAIT_BAN): (RetryAt, RetryAt),
    (NOT_SENT, Remedy.SETTLE): (GiveUp, GiveUp),
    (NOT_SENT, Remedy.RESHAPE): (GiveUp, GiveUp),
    (NOT_SENT, Remedy.GIVE_UP): (GiveUp, GiveUp),
    (REFUSED, Remedy.RETRY): (RetryAt, RetryAt),
    (REFUSED, Remedy.RESYNC): (RetryAt, RetryAt),
    (REFUSED, Remedy.WAIT_BAN): (RetryAt, RetryAt),
    (REFUSED, Remedy.SETTLE): (GiveUp, GiveUp),
    (REFUSED, Remedy.RESHAPE): (GiveUp, GiveUp),
    (REFUSED, Remedy.GIVE_UP): (GiveUp, GiveUp),
    (UNKNOWN, Remedy.RETRY): (SettleFirst, RetryAt),
    (UNKNOWN, Remedy.RESYNC): (SettleFirst, RetryAt),
    (UNKNOWN, Remedy.WAIT_BAN): (SettleFirst, RetryAt),
    (UNKNOWN, Remedy.SETTLE): (SettleFirst, RetryAt),
    (UNKNOWN, Remedy.RESHAPE): (SettleFirst, RetryAt),
    (UNKNOWN, Remedy.GIVE_UP): (SettleFirst, RetryAt),
}


def test_the_table_is_complete():
    assert set(TABLE) == set(product(Outcome, Remedy))


@pytest.mark.parametrize(("outcome", "remedy"), TABLE)
def test_every_outcome_and_remedy(outcome, remedy):
    for_an_order, for_the_rest = TABLE[outcome, remedy]
    fails = failure(outcome, remedy)
    assert type(decided(NEW_ORDER, fails)) is for_an_order
    assert type(decided(EXIT, fails)) is for_an_order
    for harmless in (CANCEL_ORDER, POSITIONS, BOOK):
        assert type(decided(harmless, fails)) is for_the_rest


@pytest.mark.parametrize("what", [NEW_ORDER, EXIT, CANCEL_ORDER, POSITIONS, BOOK])
def test_attempts_are_counted_from_the_first(what):
    policy = policy_for(what)
    fails = failure(REFUSED, Remedy.RETRY)
    for attempt in range(1, policy.attempts_max):
        assert isinstance(decided(what, fails, attempt=attempt), RetryAt)
    last = decided(what, fails, attempt=policy.attempts_max)
    assert last == GiveUp(f"overloaded after {policy.attempts_max} attempts")


def test_one_try_of_an_exit_is_one_try():
    assert isinstance(decided(EXIT, failure(REFUSED, Remedy.RETRY), policy=EXIT_TRY), GiveUp)


def test_retry_after_is_honoured_with_jitter_on_top():
    fails = failure(REFUSED, Remedy.RETRY, retry_after_s=7.0)
    times = [decided(POSITIONS, fails, seed=seed).at for seed in range(50)]
    assert all(7.0 <= at <= 7.0 + PRIVATE_READ.backoff.cap_s for at in times)
    assert len(set(times)) > 40


def test_a_wait_that_would_end_after_the_deadline_is_not_begun():
    fails = failure(REFUSED, Remedy.WAIT_BAN, retry_after_s=30.0)
    answer = decided(POSITIONS, fails, now=100.0, deadline=112.0)
    assert isinstance(answer, GiveUp)
    assert "deadline" in answer.reason


def test_a_refusal_by_rule_says_why_it_is_not_repeated():
    assert decided(EXIT, failure(REFUSED, Remedy.RESHAPE)) == GiveUp("overloaded")


requests = st.sampled_from([NEW_ORDER, EXIT, CANCEL_ORDER, POSITIONS, BOOK])
failures = st.builds(
    failure,
    st.sampled_from(Outcome),
    st.sampled_from(Remedy),
    retry_after_s=st.none() | st.floats(0.0, 600.0),
)
policies = st.builds(
    RetryPolicy,
    attempts_max=st.integers(1, 8),
    deadline_s=st.just(10.0),
    backoff=st.sampled_from([Backoff(0.1, 1.0), Backoff(0.5, 5.0), Backoff(1.0, 16.0)]),
)


@settings(max_examples=300, deadline=None)
@given(
    what=requests,
    fails=failures,
    policy=policies,
    attempt=st.integers(1, 10),
    now=st.floats(0.0, 1e6),
    left_s=st.floats(-5.0, 700.0),
    seed=st.integers(0, 99),
)
def test_what_is_never_decided(what, fails, policy, attempt, now, left_s, seed):
    """No order of unknown outcome is sent again; nothing is sent after its deadline, nor sooner
    than the venue asked for, nor oftener than allowed."""
    answer = decided(
        what, fails, policy=policy, attempt=attempt, now=now, deadline=now + left_s, seed=seed
    )
    in_doubt = what.is_write and not what.safe_to_repeat and fails.outcome is UNKNOWN
    assert isinstance(answer, SettleFirst) == in_doubt
    if isinstance(answer, RetryAt):
        assert fails.outcome is UNKNOWN or fails.remedy in AGAIN
        assert attempt < policy.attempts_max
        assert now <= answer.at < now + left_s
        assert answer.at >= now + (fails.retry_after_s or 0.0)
        assert answer.at <= now + (fails.retry_after_s or 0.0) + policy.backoff.cap_s + 1e-6
    elif isinstance(answer, GiveUp):
        assert fails.kind in answer.reason
