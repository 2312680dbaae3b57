"""How much is held elsewhere for an exit that is shut: never more than the position it is for."""

from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from outlast.core.exit_hedge import HedgePlan

D = Decimal


def plan_of(position="2", after_s=120.0):
    plan = HedgePlan(hedge_after_s=after_s, position=D(position), now=0)
    plan.exit_began(0)
    return plan


def test_nothing_is_wanted_before_the_exit_was_shut_for_long_enough():
    plan = plan_of()
    assert plan.wanted(may_fill=D(0), now=119.9) == 0
    assert plan.wanted(may_fill=D(0), now=120) == 2
    assert plan.wanted(may_fill=D("0.5"), now=120) == D("1.5")
    assert plan.wanted(may_fill=D(3), now=120) == 0


def test_whatever_could_be_closed_begins_the_wait_anew():
    plan = plan_of("-2")
    plan.update(D("-1.5"), 100)
    assert plan.wanted(may_fill=D(0), now=219) == 0
    assert plan.wanted(may_fill=D(0), now=220) == D("1.5")


def test_nobody_who_does_not_try_to_get_out_is_hedged():
    plan = plan_of()
    plan.exit_ended()
    assert plan.shut_for_s(500) == 0
    assert plan.wanted(may_fill=D(0), now=500) == 0
    assert plan.is_over


def test_it_is_opened_once_and_given_back_in_step_with_the_exit():
    plan = plan_of()
    plan.opened(D("1.8"))
    assert plan.wanted(may_fill=D(0), now=900) == 0
    plan.update(D("1.9"), 901)
    assert plan.surplus == 0
    plan.update(D("0.5"), 902)
    assert plan.surplus == D("1.3")
    plan.unwound(D("1.3"))
    plan.exit_ended()
    assert not plan.is_over
    plan.update(D(0), 950)
    assert plan.surplus == D("0.5")
    plan.unwound(D("0.5"))
    assert plan.is_over


def test_a_position_that_has_turned_leaves_nothing_to_hedge():
    plan = plan_of()
    plan.opened(D(2))
    plan.update(D("-1"), 10)
    assert plan.surplus == 2


def test_what_is_held_from_before_a_restart_is_given_back_and_nothing_opened():
    plan = HedgePlan(hedge_after_s=120, position=D(1), now=0, hedged=D(1))
    plan.exit_began(0)
    assert plan.wanted(may_fill=D(0), now=900) == 0
    plan.update(D(0), 901)
    assert plan.surplus == 1


class AnyNight(RuleBasedStateMachine):
    """Against the plainest account of what is open and held."""

    def __init__(self):
        super().__init__()
        self.now, self.position, self.opens = 0.0, D(10), 0
        self.plan = HedgePlan(hedge_after_s=60, position=self.position, now=0)

    @rule(seconds=st.floats(0, 200))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(on=st.booleans())
    def exit(self, on):
        if on:
            self.plan.exit_began(self.now)
        else:
            self.plan.exit_ended()

    @rule(position=st.integers(-3, 12))
    def position_is_read(self, position):
        self.position = D(position)
        self.plan.update(self.position, self.now)

    @rule(may_fill=st.integers(0, 12), share=st.sampled_from([D(0), D("0.5"), D(1)]))
    def opened(self, may_fill, share):
        wanted = self.plan.wanted(may_fill=D(may_fill), now=self.now)
        if wanted:
            assert wanted <= max(D(0), self.position)
            self.plan.opened(wanted * share)
            self.opens += 1

    @rule(share=st.sampled_from([D("0.5"), D(1)]))
    def unwound(self, share):
        self.plan.unwound(self.plan.surplus * share)

    @invariant()
    def never_more_than_the_position_and_only_once(self):
        assert self.opens <= 1
        assert self.plan.hedged >= 0
        assert self.plan.hedged - self.plan.surplus <= max(D(0), self.position)


AnyNight.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_the_hedge_over_any_night = AnyNight.TestCase
