"""The way back to new risk, by hand and under random events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.recovery import Recovery, RecoverySettings, Stage
from outlast.errors import ConfigurationError

QUICK = RecoverySettings(
    cool_down_s=60, cool_down_share=0, steps=(0.1, 0.5), step_s=60, entries_per_minute=10
)


def after_an_outage(recovery, *, at):
    recovery.outage("orders fail", now=at)
    recovery.over(now=at + 10)
    recovery.reconciled(began_at=at + 10, now=at + 12)


def test_before_any_outage_nothing_is_held():
    assert Recovery().held(now=0.0) is None


def test_new_risk_waits_for_the_end_the_reconciliation_and_the_cool_down():
    recovery = Recovery(QUICK)
    assert recovery.outage("orders fail", now=100)
    assert recovery.held(now=500) == ("after an outage (orders fail): it is on", None)
    recovery.over(now=510)
    assert recovery.wants_reconciliation
    assert "not all is reconciled" in recovery.held(now=511)[0]
    recovery.reconciled(began_at=511, now=515)
    assert recovery.held(now=516) == ("cooling down after an outage (orders fail)", 575)
    assert recovery.held(now=575) is None
    assert recovery.stage is Stage.STEPPING


def test_a_reconciliation_that_began_during_the_outage_proves_nothing():
    recovery = Recovery(QUICK)
    recovery.outage("orders fail", now=100)
    recovery.over(now=110)
    recovery.reconciled(began_at=109, now=111)
    assert recovery.stage is Stage.SHUT
    recovery.reconciled(began_at=110, now=112)
    assert recovery.stage is Stage.COOLING


def test_one_that_ends_in_the_next_outage_proves_nothing_either():
    recovery = Recovery(QUICK)
    recovery.outage("orders fail", now=100)
    recovery.over(now=110)
    assert not recovery.outage("again", now=111)
    recovery.reconciled(began_at=110, now=112)
    assert recovery.stage is Stage.SHUT


def test_the_steps_let_a_share_of_the_usual_through():
    recovery = Recovery(QUICK)
    after_an_outage(recovery, at=0)
    begun = 72.0
    assert recovery.held(now=begun) is None
    recovery.passed(now=begun)
    why, retry_at = recovery.held(now=begun + 1)
    assert "10 % of the usual" in why
    assert retry_at == begun + 60
    passed = 0
    for second in range(60):
        if recovery.held(now=begun + 60 + second) is None:
            recovery.passed(now=begun + 60 + second)
            passed += 1
    assert passed == 5
    assert recovery.held(now=begun + 120) is None
    assert recovery.stage is Stage.FREE


def test_the_usual_is_the_busiest_minute_before_the_outage():
    recovery = Recovery(QUICK)
    for second in range(40):
        recovery.passed(now=second)
    after_an_outage(recovery, at=100)
    passed = 0
    for tenth in range(600):
        at = 172 + tenth / 10
        if recovery.held(now=at) is None:
            recovery.passed(now=at)
            passed += 1
    assert passed == 4


def test_a_relapse_on_a_step_shuts_again_and_comes_back_one_step_earlier():
    recovery = Recovery(
        RecoverySettings(steps=(0.1, 0.25, 0.5), entries_per_minute=40, cool_down_share=0)
    )
    after_an_outage(recovery, at=0)
    assert recovery.held(now=72 + 130) is None
    assert recovery.stage is Stage.STEPPING
    recovery.outage("orders fail again", now=210)  # on the third step
    recovery.over(now=220)
    recovery.reconciled(began_at=220, now=221)
    for at in range(282, 292):
        assert recovery.held(now=at) is None
        recovery.passed(now=at)
    assert "25 %" in recovery.held(now=293)[0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"cool_down_s": -1.0}, "cool_down_s"),
        ({"step_s": float("inf")}, "step_s"),
        ({"steps": (0.5, 0.1)}, "steps"),
        ({"steps": (0.0, 0.1)}, "steps"),
        ({"entries_per_minute": 0}, "entries_per_minute"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes, named):
    with pytest.raises(ConfigurationError, match=named):
        RecoverySettings(**changes)


EVENTS = st.sampled_from(["outage", "over", "reconciled", "stale", "entry", "wait"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.floats(0.1, 50)), max_size=60))
def test_no_entry_passes_between_an_outage_and_the_end_of_the_cool_down(events):
    recovery, now = Recovery(QUICK), 0.0
    ill, ended_at, well_since = False, None, None
    passed = []
    for event, after_s in events:
        before, now = now, now + after_s
        if event == "outage":
            recovery.outage("x", now=now)
            ill, ended_at, well_since = True, None, None
        elif event == "over":
            recovery.over(now=now)
            if ill and ended_at is None:
                ended_at = now
        elif event in ("reconciled", "stale"):
            began_at = now if event == "reconciled" else (ended_at or now) - 0.05
            recovery.reconciled(began_at=began_at, now=now)
            if ill and ended_at is not None and began_at >= ended_at:
                ill, well_since = False, now
        elif event == "entry" and recovery.held(now=now) is None:
            assert not ill
            assert well_since is None or now >= well_since + QUICK.cool_down_s
            recovery.passed(now=now)
            passed.append(now)
            if well_since is not None and now < well_since + QUICK.cool_down_s + QUICK.step_s:
                assert sum(at > now - 60 and at >= well_since for at in passed) <= 1
        assert now > before


def test_a_long_outage_is_followed_by_a_long_cool_down_up_to_its_most():
    for lasted in (10, 600, 49 * 3600):
        recovery = Recovery()
        recovery.outage("trading is left alone", now=0)
        recovery.over(now=lasted)
        recovery.reconciled(began_at=lasted, now=lasted + 1)
        _, until = recovery.held(now=lasted + 1)
        assert until == lasted + 1 + min(1800, max(60, lasted + 1))


def test_good_and_bad_in_turns_of_five_minutes_is_one_outage_without_an_entry():
    recovery = Recovery()
    for bad in range(0, 3600 * 3, 600):
        recovery.outage("it fails again", now=bad)
        good = bad + 300
        recovery.over(now=good)
        recovery.reconciled(began_at=good, now=good + 5)
        for now in range(good + 5, good + 300, 5):
            assert recovery.held(now=now) is not None
    assert recovery.out_since == 0


def test_an_outage_that_began_before_anybody_knew_counts_from_its_beginning():
    recovery = Recovery()
    recovery.outage("it was on", now=100, since=-200)
    recovery.over(now=110)
    recovery.reconciled(began_at=110, now=111)
    assert recovery.held(now=112)[1] == 111 + 311


def test_a_ban_is_followed_by_the_short_cool_down_unless_the_venue_fails_as_well():
    for fails_too, cool_down_s in ((False, 60), (True, 901)):
        recovery = Recovery()
        recovery.outage("the venue told us to stay away", now=0, is_ours=True)
        if fails_too:
            recovery.outage("trading is left alone", now=10)
        recovery.over(now=900)
        recovery.reconciled(began_at=900, now=901)
        assert recovery.held(now=901)[1] == 901 + cool_down_s
