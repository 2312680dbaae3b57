"""The breaker under anything that can happen to it, in any order."""

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outlast.core.breaker import ORDERS, READS, Breaker, BreakerState, Result

CLOSED, OPEN, PROBING, CANARY, RAMP = BreakerState


class AnythingHappens(RuleBasedStateMachine):
    @initialize(breaker_settings=st.sampled_from([READS, ORDERS]), seed=st.integers(0, 2**16))
    def start(self, breaker_settings, seed):
        self.settings = breaker_settings
        self.breaker = Breaker(breaker_settings, random.Random(seed))
        self.now = 0.0
        self.out = []  # (permit, granted at, whether it was granted while forced)
        self.era = self.breaker.era

    # What the shell does.

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.0, 3.0, 25.0, 400.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(times=st.integers(1, 12), safety=st.booleans())
    def calls_ask(self, times, safety):
        for _ in range(times):
            permit = self.breaker.admit(self.now, safety=safety)
            assert permit is not None or not safety
            if permit is None:
                assert self.breaker.state is not CLOSED
                retry_at = self.breaker.retry_at(self.now)
                assert self.breaker.is_forced or retry_at >= self.now
            else:
                assert permit.era == self.breaker.era
                if not safety:
                    assert self.breaker.state not in (OPEN, PROBING)
                self.out.append((permit, self.now, self.breaker.is_forced))

    @precondition(lambda self: self.out)
    @rule(which=st.randoms(use_true_random=False), result=st.sampled_from(Result))
    def a_call_reports(self, which, result):
        permit, _, _ = self.out.pop(which.randrange(len(self.out)))
        before = self.facts()
        stale = permit.era != self.breaker.era
        in_open = self.breaker.measured_state in (OPEN, PROBING)
        self.breaker.record(permit, result, self.now)
        if stale or permit.safety or in_open or result is Result.NEUTRAL:
            assert self.facts() == before

    @rule(times=st.integers(1, 15), result=st.sampled_from([Result.OK, Result.FAILED]))
    def calls_come_and_go(self, times, result):
        for _ in range(times):
            permit = self.breaker.admit(self.now)
            if permit is not None:
                self.breaker.record(permit, result, self.now)

    @rule(answer=st.sampled_from([True, False, None]))
    def the_prober_looks(self, answer):
        if self.breaker.probe_due(self.now):
            assert not self.breaker.probe_due(self.now)
            if answer is not None:
                self.breaker.probe_result(answer, self.now)

    @rule(ok=st.booleans())
    def a_probe_result_comes_from_nowhere(self, ok):
        self.breaker.probe_result(ok, self.now)

    @rule(weight=st.sampled_from([-3.0, 0.3, 1.0, 3.0, 8.0]))
    def something_else_is_seen(self, weight):
        self.breaker.add_evidence(weight, self.now)

    @rule(how=st.sampled_from(["force_open", "force_closed", "auto", "auto", "auto"]))
    def the_operator_acts(self, how):
        getattr(self.breaker, how)()

    # What must hold.

    def facts(self):
        breaker = self.breaker
        return breaker.measured_state, breaker.evidence, breaker.era, breaker.next_probe_at()

    @invariant()
    def eras_only_grow(self):
        assert self.breaker.era >= self.era
        self.era = self.breaker.era

    @invariant()
    def in_flight_is_bounded_on_the_way_back(self):
        bound = {CANARY: 1, RAMP: self.settings.ramp_in_flight[-1]}
        state = self.breaker.measured_state
        if state in bound:
            holding = [
                permit
                for permit, granted_at, forced in self.out
                if permit.era == self.breaker.era
                and not permit.safety
                and not forced
                and self.now - granted_at < self.settings.permit_expiry_s
            ]
            assert len(holding) <= bound[state]
        assert self.breaker.in_flight <= self.settings.ramp_in_flight[-1]

    @invariant()
    def evidence_stays_below_the_opening_point(self):
        assert 0.0 <= self.breaker.evidence < self.settings.open_at

    def teardown(self):
        """From wherever it is, a venue that answers closes it: by probes and calls that succeed."""
        if not hasattr(self, "breaker"):
            return
        self.breaker.auto()
        give_up_at = self.now + 90.0
        while self.breaker.state is not CLOSED:
            assert self.now < give_up_at, f"stuck in {self.breaker.state}"
            self.now += 0.5
            if self.breaker.probe_due(self.now):
                self.breaker.probe_result(True, self.now)
            permit = self.breaker.admit(self.now)
            if permit is not None:
                self.breaker.record(permit, Result.OK, self.now)


TestAnythingHappens = AnythingHappens.TestCase
TestAnythingHappens.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
