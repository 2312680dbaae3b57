from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outlast.core.budget import RETRIES, SAFETY_RETRIES, RetryBudget
from outlast.errors import ConfigurationError


def spend_all(budget: RetryBudget, now: float) -> int:
    spent = 0
    while budget.try_spend(now):
        spent += 1
    return spent


def test_a_burst_may_spend_the_bucket_and_no_more():
    budget = RetryBudget.of(RETRIES)
    assert spend_all(budget, now=100.0) == 20
    assert not budget.try_spend(100.5)
    assert budget.try_spend(101.0)


def test_five_successes_pay_one_retry():
    budget = RetryBudget(tokens_max=20, per_success=0.2, per_second=0)
    spend_all(budget, now=0.0)
    for _ in range(4):
        budget.earn(0.0)
    assert not budget.try_spend(0.0)
    budget.earn(0.0)
    assert budget.try_spend(0.0)


def test_a_total_outage_leaves_the_safety_budget_its_income():
    """No success ever comes, and one cancel in three seconds may still be tried again."""
    budget = RetryBudget.of(SAFETY_RETRIES)
    spend_all(budget, now=0.0)
    assert sum(budget.try_spend(float(second)) for second in range(1, 301)) >= 104


def test_failing_reads_cannot_spend_what_a_cancel_needs():
    reads, safety = RetryBudget.of(RETRIES), RetryBudget.of(SAFETY_RETRIES)
    spend_all(reads, now=0.0)
    assert not reads.try_spend(0.0)
    assert safety.try_spend(0.0)


def test_a_slow_bot_in_a_partial_failure_is_not_starved():
    """0.2 calls a second, 60 % failing: one retry each is far below one token a second."""
    budget = RetryBudget.of(RETRIES)
    assert all(budget.try_spend(5.0 * call) for call in range(1000))


def test_a_dearer_retry_takes_what_it_says_or_nothing():
    budget = RetryBudget(tokens_max=5, per_success=0, per_second=0.5)
    assert budget.try_spend(0.0, tokens=2.0)
    assert budget.try_spend(0.0, tokens=2.0)
    assert not budget.try_spend(0.0, tokens=2.0)
    assert budget.available(0.0) == 1.0
    assert budget.next_token_at(0.0, tokens=2.0) == 2.0
    budget.give_back(0.0, tokens=2.0)
    assert budget.available(0.0) == 3.0


def test_retries_in_an_outage_are_bounded_by_bucket_and_income():
    budget = RetryBudget.of(RETRIES)
    asked_every_s, outage_s = 0.05, 300
    spent = sum(budget.try_spend(n * asked_every_s) for n in range(int(outage_s / asked_every_s)))
    assert spent <= 20 + outage_s


def test_a_now_from_before_a_wait_neither_earns_nor_costs():
    budget = RetryBudget(tokens_max=2, per_success=0, per_second=1)
    spend_all(budget, now=10.0)
    assert budget.available(9.0) == 0.0
    assert budget.available(10.0) == 0.0
    assert budget.available(10.5) == 0.5


def test_it_says_when_the_next_retry_can_be_paid():
    budget = RetryBudget(tokens_max=1, per_success=0.2, per_second=0.5)
    assert budget.next_token_at(7.0) == 7.0
    assert budget.try_spend(7.0)
    assert budget.next_token_at(7.0) == 9.0
    assert not budget.try_spend(8.9)
    assert budget.try_spend(9.0)


def test_without_income_by_time_nobody_can_say_when():
    budget = RetryBudget(tokens_max=1, per_success=0.2, per_second=0)
    assert budget.try_spend(0.0)
    assert budget.next_token_at(0.0) is None


@pytest.mark.parametrize("field", ["tokens_max", "per_success", "per_second"])
@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_impossible_numbers_are_refused_by_name(field, value):
    numbers = {"tokens_max": 20.0, "per_success": 0.2, "per_second": 1.0, field: value}
    with pytest.raises(ConfigurationError, match=field):
        RetryBudget(**numbers)


class Conservation(RuleBasedStateMachine):
    """The bucket against a ledger in exact fractions: nothing appears, nothing is spent twice."""

    @initialize(
        tokens_max=st.integers(1, 30),
        per_success=st.sampled_from([0.0, 0.125, 0.25, 1.0]),
        per_second=st.sampled_from([0.0, 0.5, 1.0, 4.0]),
    )
    def start(self, tokens_max, per_success, per_second):
        self.budget = RetryBudget(
            tokens_max=tokens_max, per_success=per_success, per_second=per_second
        )
        self.tokens_max = Fraction(tokens_max)
        self.per_success, self.per_second = Fraction(per_success), Fraction(per_second)
        self.now = Fraction(1000)
        self.tokens = self.tokens_max
        self.spent = self.successes = 0
        self.budget.available(float(self.now))

    def top_up(self, amount):
        self.tokens = min(self.tokens_max, self.tokens + amount)

    @rule(sixteenths=st.integers(0, 200))
    def time_passes(self, sixteenths):
        self.now += Fraction(sixteenths, 16)
        self.top_up(self.per_second * Fraction(sixteenths, 16))

    @rule()
    def a_call_succeeds(self):
        self.budget.earn(float(self.now))
        self.successes += 1
        self.top_up(self.per_success)

    @rule(times=st.integers(1, 5))
    def retries_are_asked_for(self, times):
        for _ in range(times):
            may = self.tokens >= 1
            assert self.budget.try_spend(float(self.now)) is may
            if may:
                self.tokens -= 1
                self.spent += 1

    @precondition(lambda self: self.spent)
    @rule()
    def a_retry_was_not_made_after_all(self):
        self.budget.give_back(float(self.now))
        self.spent -= 1
        self.top_up(1)

    @invariant()
    def the_ledger_balances(self):
        assert Fraction(self.budget.available(float(self.now))) == self.tokens
        income = self.per_second * (self.now - 1000) + self.per_success * self.successes
        assert self.spent <= self.tokens_max + income


TestConservation = Conservation.TestCase
TestConservation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(
    gaps=st.lists(st.floats(0, 10), max_size=60),
    earned=st.lists(st.booleans(), min_size=60, max_size=60),
)
@settings(max_examples=60, deadline=None)
def test_the_bound_holds_for_any_arrival_pattern(gaps, earned):
    budget = RetryBudget.of(RETRIES)
    now, spent, successes = 0.0, 0, 0
    budget.available(now)
    for gap, success in zip(gaps, earned, strict=False):
        now += gap
        if success:
            budget.earn(now)
            successes += 1
        spent += spend_all(budget, now)
    assert spent <= 20 + 1.0 * now + 0.2 * successes + 1e-6
