"""What a seed decides: the same every time, sound, balanced, and over when it must be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from drawn_trials import SEEDS, all_drawn, digest, drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.scenario.load import lint
from outlast.trials import generator, machine_faults, reply_faults
from outlast.trials.generator import FAULT_TYPES, VENUES, draw_trial, venues_of
from outlast.trials.model import ActionKind, DisruptionKind

ALL_VENUES = ("binance-um", "binance-spot", "kraken-spot")

# --- the same every time -------------------------------------------------------------------------


@given(st.integers(0, 2**63 - 1))
@settings(max_examples=25, deadline=None)
def test_a_seed_draws_the_same_trial_twice(seed):
    one, other = draw_trial(seed), draw_trial(seed)
    assert one == other
    assert digest(one) == digest(other)


def test_another_seed_is_another_trial():
    assert len({digest(drawn(seed)) for seed in SEEDS}) == len(SEEDS)


def test_hash_seeds_of_the_interpreter_do_not_reach_a_trial():
    here = str(Path(__file__).parent)
    program = (
        f"import sys; sys.path.insert(0, {here!r}); from drawn_trials import *; "
        "print([digest(drawn(seed)) for seed in range(1, 21)])"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "4242")
    ]
    assert said[0] == said[1]
    assert said[0].strip() == str([digest(drawn(seed)) for seed in range(1, 21)])


def test_one_fault_type_more_changes_nothing_of_what_the_others_draw(monkeypatch):
    def add_a_rule(stroke):
        stroke.rule("orders.create", reply="overload", effect="none")

    before = {seed: draw_trial(seed) for seed in range(1, 21)}
    fresh = ("a new one", ALL_VENUES, add_a_rule)
    monkeypatch.setattr(generator, "_IN_SCENARIO", {"brand_new": fresh, **generator._IN_SCENARIO})
    monkeypatch.setattr(generator, "FAULT_TYPES", {"brand_new": "a new one", **FAULT_TYPES})
    changed = 0
    for seed, old in before.items():
        new = draw_trial(seed)
        assert new.clients == old.clients
        assert new.disruptions == old.disruptions
        kept = [replace(f, rule_id="") for f in new.faults if f.fault != "brand_new"]
        assert kept == [replace(f, rule_id="") for f in old.faults]
        changed += len(new.faults) > len(old.faults)
    assert 3 <= changed <= 17


# --- sound ---------------------------------------------------------------------------------------


def test_every_scenario_passes_the_mocks_own_checker():
    # `draw_trial` builds through the checker, so five hundred have passed it; as text, some more.
    for trial in all_drawn()[::10]:
        assert lint(trial.scenario.text) == (), f"seed {trial.seed}"


@pytest.mark.parametrize("seed", range(40))
def test_scenarios_on_all_venues_at_once_pass_the_checker_too(seed):
    trial = draw_trial(seed, venues=ALL_VENUES)
    assert lint(trial.scenario.text) == ()
    assert trial.scenario.venues == ALL_VENUES
    spot = [c for c in trial.clients if c.venue != "binance-um"]
    assert all(":" not in action.symbol for client in spot for action in client.actions)


def test_symbols_are_those_that_the_clients_venue_lists():
    seen = set()
    for seed in range(1, 60):
        trial = draw_trial(seed, venues=ALL_VENUES)
        for client in trial.clients:
            listed = trial.scenario.world.listed_on(client.venue)
            names = {generator.unified(spec) for spec in listed}
            asked = {action.symbol for action in client.actions} - {""}
            assert asked <= names, f"seed {seed}"
            seen |= asked
    assert {"BTC/USDT:USDT", "BTC/USDT", "BTC/USD"} <= seen


def test_a_rule_of_one_venue_names_it_where_there_are_others():
    found = 0
    for seed in range(40):
        trial = draw_trial(seed, venues=ALL_VENUES)
        slugs = {fault.rule_id: fault.fault for fault in trial.faults}
        for phase in trial.scenario.phases:
            for rule in phase.faults:
                has_it = venues_of(slugs[rule.id])
                if set(has_it) < set(ALL_VENUES):
                    assert set(rule.where.venue) == set(has_it), rule
                    found += 1
    assert found > 40


def test_each_rule_of_the_scenario_belongs_to_a_fault_type():
    for trial in all_drawn():
        rules = {rule.id: phase.name for phase in trial.scenario.phases for rule in phase.faults}
        drawn_rules = {fault.rule_id for fault in trial.faults if fault.rule_id}
        assert drawn_rules == set(rules), f"seed {trial.seed}"
        assert {fault.fault for fault in trial.faults} <= set(FAULT_TYPES)


def test_what_is_switched_off_is_not_drawn():
    for trial in all_drawn():
        assert not trial.switched_off & {fault.fault for fault in trial.faults}


def test_what_the_venue_says_was_refused_is_not_applied():
    """A client that cannot know must not be blamed: no refusal hides a success."""
    refusals = {"overload", "unavailable", "internal", "closing", "order_rejected", "clock_skew"}
    refusals |= {"reduce_rejected", "reduce_failed", "rate_limited", "banned"}
    for trial in all_drawn():
        for phase in trial.scenario.phases:
            for rule in phase.faults:
                if rule.reply is None or rule.effect is None:
                    continue
                is_4xx = rule.reply.kind == "http" and 400 <= rule.reply.status < 500
                if rule.reply.kind in refusals or is_4xx:
                    assert rule.effect.kind == "none", f"seed {trial.seed}: {rule}"


def test_no_filled_order_is_denied_while_the_history_hides_it():
    together = [
        trial.seed
        for trial in all_drawn()
        if {"order_denied", "history_late"} <= {fault.fault for fault in trial.faults}
    ]
    assert together == []


def test_the_truth_about_the_account_is_told_before_the_first_lie():
    lied_to = 0
    for trial in all_drawn():
        lies = [f.at_s for f in trial.faults if f.fault in ("balances_lied", "positions_lied")]
        if not lies:
            continue
        opening = trial.scenario.phases[0]
        assert opening.name == "opening", f"seed {trial.seed}"
        assert opening.duration_s < min(lies)
        assert all(f.at_s >= opening.duration_s for f in trial.faults if "lied" in f.fault)
        assert all(d.at_s >= opening.duration_s for d in trial.disruptions)
        lied_to += 1
    assert lied_to > 200


# --- balanced ------------------------------------------------------------------------------------


def test_each_fault_type_is_drawn_in_a_fifth_to_three_fifths_of_the_trials():
    counted = Counter(slug for trial in all_drawn() for slug in {f.fault for f in trial.faults})
    here = [slug for slug in FAULT_TYPES if "binance-um" in venues_of(slug)]
    shares = {slug: counted[slug] / len(SEEDS) for slug in here}
    assert {slug: share for slug, share in shares.items() if not 0.2 <= share <= 0.6} == {}
    assert len(here) >= 55


def test_the_other_venues_fault_types_are_drawn_as_often_there():
    seeds = range(1, 121)
    trials = [draw_trial(seed, venues=("kraken-spot",)) for seed in seeds]
    counted = Counter(slug for trial in trials for slug in {f.fault for f in trial.faults})
    for slug in ("bad_nonce", "throttled", "stream_bad_checksum"):
        assert venues_of(slug) == ("kraken-spot",)
        assert 0.2 <= counted[slug] / len(seeds) <= 0.6, slug


def test_the_workload_is_neither_idle_nor_a_flood():
    actions = [sum(len(client.actions) for client in trial.clients) for trial in all_drawn()]
    assert 15 <= sum(actions) / len(actions) <= 60
    assert max(actions) <= 80
    kinds = Counter(a.kind for t in all_drawn() for c in t.clients for a in c.actions)
    assert all(kinds[kind] > 200 for kind in ActionKind), kinds
    clients = Counter(len(trial.clients) for trial in all_drawn())
    assert set(clients) == {1, 2}
    assert min(clients.values()) > 100


def test_phases_and_lengths_are_as_promised():
    counts = Counter()
    for trial in all_drawn():
        names = [phase.name for phase in trial.scenario.phases]
        troubles = [name for name in names if name.startswith("trouble-")]
        counts[len(troubles)] += 1
        assert names[-1] == "liveness"
        assert set(names) - set(troubles) <= {"opening", "liveness"}
        lengths = [phase.duration_s for phase in trial.scenario.phases[:-1]]
        assert round(sum(lengths), 1) == trial.safety_s
        assert 60 <= trial.safety_s <= 300
        assert 120 <= trial.liveness_s <= 180
    assert set(counts) == {1, 2, 3, 4}


def test_magnitudes_have_heavy_tails():
    outages = [d.for_s for t in all_drawn() for d in t.disruptions if d.for_s]
    outages.sort()
    assert outages[len(outages) // 2] < 15
    assert outages[-1] > 60
    steps = [abs(d.by_s) for t in all_drawn() for d in t.disruptions if d.by_s]
    assert max(steps) > 600


# --- over when it must be ------------------------------------------------------------------------


def test_nothing_is_wrong_in_the_liveness_phase():
    for trial in all_drawn():
        last = trial.scenario.phases[-1]
        assert last == replace(type(last)(name="liveness", duration_s=None), line=last.line)
        said = [entry for entry in trial.scenario.status_page if entry.at_s <= trial.safety_s]
        assert said == list(trial.scenario.status_page)
        assert not said or said[-1].page == "green"


def test_actions_fall_into_the_safety_phase():
    for trial in all_drawn():
        for client in trial.clients:
            times = [action.at_s for action in client.actions]
            assert times == sorted(times)
            assert times[0] >= 0
            assert times[-1] < trial.safety_s


def test_disruptions_are_over_and_killed_clients_back_before_the_liveness_phase():
    killed = (DisruptionKind.KILL, DisruptionKind.POWER_LOSS)
    crashes = 0
    for trial in all_drawn():
        names = {client.name for client in trial.clients}
        for d in trial.disruptions:
            assert d.client in names
            assert d.at_s >= 0
            spare_s = machine_faults.QUIET_S if d.kind in killed else 0.0
            assert d.at_s + d.for_s + spare_s <= trial.safety_s, f"seed {trial.seed}: {d}"
            crashes += d.kind in killed
    assert crashes > 300


def test_a_client_is_not_stopped_while_it_is_stopped():
    stopped = (DisruptionKind.KILL, DisruptionKind.POWER_LOSS, DisruptionKind.FREEZE)
    for trial in all_drawn():
        for client in trial.clients:
            ends_s = 0.0
            for d in trial.disruptions:
                if d.client == client.name and d.kind in stopped:
                    assert d.at_s >= ends_s, f"seed {trial.seed}: {d}"
                    ends_s = d.at_s + d.for_s


def test_what_lingers_is_over_before_the_liveness_phase():
    """Waits that the venue imposes, and requests that it carries out late."""
    for trial in all_drawn():
        until = {fault.rule_id: fault.until_s for fault in trial.faults if fault.rule_id}
        for phase in trial.scenario.phases:
            for rule in phase.faults:
                lingers_s = 0.0
                if rule.reply is not None and rule.reply.kind == "http" and rule.reply.status < 500:
                    headers = rule.reply.headers
                    lingers_s = float(headers.get("Retry-After", 60))
                if rule.effect is not None and rule.effect.kind in (
                    "apply_after",
                    "apply_then_void",
                ):
                    lingers_s = max(lingers_s, rule.effect.value)
                assert until[rule.id] + lingers_s <= trial.safety_s + 0.1, f"{trial.seed}: {rule}"


# --- what nobody is held to ----------------------------------------------------------------------


def test_few_trials_excuse_anything_and_each_excuse_has_its_fault():
    excused = Counter()
    for trial in all_drawn():
        excused.update(list(trial.not_held_to))
        slugs = {fault.fault for fault in trial.faults}
        assert trial.is_header_honest == ("address_shared" not in slugs)
        if trial.late_apply_max_s > reply_faults.PROVED_AFTER_S:
            assert "verdicts-stand" in trial.not_held_to
            assert "late_apply" in slugs
        if trial.late_apply_max_s <= reply_faults.HORIZON_S - 5:
            assert "verdicts-stand" not in trial.not_held_to
        if "books-balance" in trial.not_held_to:
            assert {"balances_lied", "positions_lied"} & slugs
    assert max(excused.values()) <= 0.15 * len(SEEDS), excused
    assert len(excused) == 4


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="seed is -1"):
        draw_trial(-1)
    with pytest.raises(ValueError, match=r"'ftx'.*binance-um"):
        draw_trial(1, venues=("ftx",))
    with pytest.raises(ValueError, match="venues is empty"):
        draw_trial(1, venues=())
    assert VENUES == ("binance-um",)
