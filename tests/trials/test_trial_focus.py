"""Trials about one thing: drawn like all others, and each reaches what it is about."""

from __future__ import annotations

import pytest
from drawn_trials import digest, drawn
from test_trial_seeds import told

from outlast.mock.scenario.vocabulary import VENUES as ALL_VENUES
from outlast.trials.describe import describe
from outlast.trials.focus import FOCUSES
from outlast.trials.generator import FAULT_TYPES, draw_focused_trial, draw_trial
from outlast.trials.runner import play

SEEDS = range(1, 41)
PLAYED = range(1, 9)


@pytest.mark.parametrize("focus", FOCUSES)
def test_a_seed_is_always_the_same_trial_and_another_than_the_one_at_large(focus):
    trials = [draw_focused_trial(seed, focus) for seed in SEEDS]
    assert trials == [draw_focused_trial(seed, focus) for seed in SEEDS]
    assert len({digest(trial) for trial in trials}) == len(trials)
    assert draw_trial(3) == drawn(3)


@pytest.mark.parametrize("focus", FOCUSES)
def test_faults_are_of_known_types_and_over_before_the_liveness_phase(focus):
    for seed in SEEDS:
        trial = draw_focused_trial(seed, focus)
        assert 40 < trial.safety_s < 180
        assert 135 <= trial.liveness_s <= 180
        assert {fault.fault for fault in trial.faults} <= set(FAULT_TYPES)
        assert trial.switched_off == set(FAULT_TYPES) - {fault.fault for fault in trial.faults}
        assert not trial.not_held_to
        assert trial.is_header_honest
        assert all(fault.until_s <= trial.safety_s for fault in trial.faults)
        (client,) = trial.clients
        assert list(client.actions) == sorted(client.actions, key=lambda action: action.at_s)
        assert 8 < len(client.actions) < 250
        assert client.actions[-1].at_s < trial.safety_s
        assert describe(trial)[0] == f"seed {seed}: trial-{seed}-{focus} on binance-um"


@pytest.mark.parametrize("venue", ALL_VENUES)
def test_each_focus_can_be_drawn_on_each_venue(venue):
    for focus in FOCUSES:
        trial = draw_focused_trial(5, focus, venues=(venue,))
        assert trial.clients[0].venue == venue


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="focus is 'coffee'; it must be one of rush, limits"):
        draw_focused_trial(1, "coffee")
    with pytest.raises(ValueError, match="seed is -1"):
        draw_focused_trial(-1, "rush")


@pytest.mark.parametrize("focus", FOCUSES)
def test_every_invariant_holds_in_trials_about(focus):
    failed = [told(r) for r in (play(seed, focus=focus) for seed in PLAYED) if not r.ok]
    assert not failed, f"focus {focus}:\n" + "\n".join(failed)
