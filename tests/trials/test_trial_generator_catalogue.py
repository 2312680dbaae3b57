"""Trials in the scenarios of the catalogue, and trials told in words."""

from __future__ import annotations

import pytest
from drawn_trials import all_drawn, digest

from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.load import load, slugs
from outlast.trials.describe import describe
from outlast.trials.generator import draw_trial_of
from outlast.trials.model import ActionKind

PLAYABLE = [slug for slug in slugs() if "binance-um" in load(slug).venues]


@pytest.mark.parametrize("slug", PLAYABLE)
def test_a_catalogue_scenario_is_played_whole_with_a_few_disruptions_on_top(slug):
    scenario = load(slug)
    for seed in range(1, 9):
        trial = draw_trial_of(seed, slug)
        assert trial == draw_trial_of(seed, slug)
        assert trial.scenario == scenario
        assert trial.safety_s == scenario.duration_s
        assert 120 <= trial.liveness_s <= 180
        assert {d.kind for d in trial.disruptions} <= {d.kind for d in trial.disruptions[:6]}
        for d in trial.disruptions:
            assert d.at_s + d.for_s < trial.safety_s
        listed = {f"{s.base}/{s.quote}:{s.quote}" for s in scenario.world.listed_on("binance-um")}
        for client in trial.clients:
            assert client.venue == "binance-um"
            assert {a.symbol for a in client.actions} - {""} <= listed
            assert 3 <= len(client.actions) <= 40
            assert client.actions[-1].at_s < trial.safety_s
    assert len({digest(draw_trial_of(seed, slug)) for seed in range(1, 9)}) == 8


def test_late_execution_beyond_the_horizon_excuses_the_verdict_and_within_it_does_not():
    late = draw_trial_of(1, "late-queue-execution")
    assert "verdicts-stand" in late.not_held_to
    assert late.late_apply_max_s == 180
    for seed in range(1, 30):
        trial = draw_trial_of(seed, "unknown-503-landed")
        slowed = {"slow", "partition"} & {d.kind.value for d in trial.disruptions}
        # 20 s late plus up to 5 s on a slow wire is after the last lookup at 24 s.
        assert ("verdicts-stand" in trial.not_held_to) == bool(slowed)


def test_old_numbers_shown_as_new_excuse_what_rests_on_them():
    assert set(draw_trial_of(1, "fills-reported-late").not_held_to) == {
        "books-balance",
        "nothing-stale-as-fresh",
    }
    assert draw_trial_of(2, "ack-then-lost").not_held_to == {}


def test_a_scenario_without_one_of_the_venues_or_without_existence_is_refused():
    with pytest.raises(ValueError, match=r"gateway-lost-reply is about kraken-spot.*another one"):
        draw_trial_of(1, "gateway-lost-reply")
    with pytest.raises(ScenarioError, match="no such scenario"):
        draw_trial_of(1, "no-such-night")
    with pytest.raises(ValueError, match="seed is -3"):
        draw_trial_of(-3, "unknown-503-landed")
    trial = draw_trial_of(1, "gateway-lost-reply", venues=("kraken-spot",))
    assert {client.venue for client in trial.clients} == {"kraken-spot"}


def test_a_description_names_everything_that_was_drawn():
    for trial in all_drawn()[::7]:
        lines = describe(trial)
        text = "\n".join(lines)
        assert all("\n" not in line for line in lines)
        assert lines[0].startswith(f"seed {trial.seed}: ")
        for fault in {fault.fault for fault in trial.faults} - {"strategy_gives_up"}:
            assert fault in text, f"seed {trial.seed}: {fault} is not told"
        for disruption in trial.disruptions:
            assert f"at {disruption.at_s:g} s {disruption.client}: {disruption.kind.value}" in text
        given_up = [a for c in trial.clients for a in c.actions if a.gives_up_after_s is not None]
        assert text.count("given up after") == len(given_up)
        quotes = [a for c in trial.clients for a in c.actions if a.kind is ActionKind.QUOTE]
        assert text.count(" quote ") == len(quotes)
        assert ("allows less than it says" in text) == (not trial.is_header_honest)
        assert text.count("not held to") == len(trial.not_held_to)
