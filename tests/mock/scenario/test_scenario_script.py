"""Scenarios laid out in time: phases, timelines, ramps, flaps, and what ends when."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.engine.model import EngineMode, Product
from outlast.mock.scenario import Script, load, loads, slugs
from outlast.mock.scenario.model import Ban, Connects, Depth, Mark
from outlast.mock.scenario.moment import Jump, RunningDeviation, RunningDrift

MIN = 60.0


def script(phases: str, **more: str) -> Script:
    extra = "".join(f"{key}: {value}\n" for key, value in more.items())
    return Script(loads(f"scenario: x\nvenue: binance-um\n{extra}phases:\n{phases}"))


def walk(of: Script, until_s: float = 1e9) -> list[float]:
    """Every instant at which something changes, from the start."""
    instants, at = [], 0.0
    while (after := of.changes_after(at)) is not None and after < until_s:
        assert after > at
        instants.append(at := after)
    return instants


def test_a_phase_holds_from_its_first_instant_to_the_next_ones():
    run = script("  - {name: a, for: 90s}\n  - {name: b, for: 1m}\n")
    assert run.at(0).phase.name == "a"
    assert run.at(89.999).phase.name == "a"
    moment = run.at(90)
    assert (moment.phase.name, moment.phase_index, moment.phase_elapsed_s) == ("b", 1, 0.0)
    assert run.at(100).phase_elapsed_s == 10.0
    assert (run.duration_s, run.starts) == (150.0, {"a": 0.0, "b": 90.0})
    assert walk(run) == [90.0, 150.0]


def test_after_the_end_the_venue_is_well_again():
    run = script(
        "  - {name: a, for: 1m, engine: {mode: halted}, account: {balances: zero},"
        " limits: {factor: 0.5}, faults: [{match: '*', reply: refuse}]}\n"
    )
    assert run.at(59).faults_active
    after = run.at(60)
    assert after.ended
    assert not after.faults_active
    assert after.engine.mode is EngineMode.ONLINE
    assert after.account.balances == "true_value"
    assert after.limits.factor == 1.0
    assert after.phase.name == "a"


def test_rest_never_ends():
    run = script("  - {name: a, for: 1m}\n  - {name: b, for: rest}\n")
    assert run.duration_s is None
    assert run.scenario.duration_s is None
    assert not run.at(1e9).ended
    assert walk(run) == [60.0]


def test_settings_end_with_their_phase():
    run = Script(load("double-restart-failover"))
    assert run.at(19 * MIN).engine.mode is EngineMode.HALTED
    assert not run.at(19 * MIN).engine.liquidations
    assert run.at(39 * MIN).engine.liquidations
    assert run.at(95 * MIN).engine.mode is EngineMode.CANCEL_ONLY
    assert run.at(101 * MIN).engine.mode is EngineMode.ONLINE
    assert run.at(101 * MIN).engine.matching


def test_the_lockout_lies_from_2118_to_2151():
    run = Script(load("binance-reduce-only-lockout-2025-10-11"))
    at_2107 = 0.0

    def shown(hour: int, minute: int, second: int = 0) -> tuple[str, str, str]:
        elapsed = ((hour - 21) * 60 + minute - 7) * 60 + second + at_2107
        account = run.at(elapsed).account
        return account.balances, account.positions, account.transfers

    assert shown(21, 15, 59) == ("true_value", "true_value", "ok")
    assert shown(21, 16) == ("true_value", "true_value", "slow")
    assert shown(21, 17, 59) == ("true_value", "true_value", "slow")
    assert shown(21, 18) == ("zero", "stale", "fail")
    assert shown(21, 50, 59) == ("zero", "stale", "fail")
    assert shown(21, 51) == ("true_value", "true_value", "ok")
    lying = run.at(30 * MIN).account
    assert (lying.balances_since_s, lying.positions_since_s) == (11 * MIN, 11 * MIN)


def test_the_lockout_shifts_the_mark_for_39_minutes():
    run = Script(load("binance-reduce-only-lockout-2025-10-11"))
    assert run.at(28 * MIN).engine.mark == Mark("live")
    assert run.at(29 * MIN).engine.mark == Mark("offset", Decimal("-0.12"))
    assert run.at(68 * MIN - 1).engine.mark == Mark("offset", Decimal("-0.12"))
    assert run.at(68 * MIN).engine.mark == Mark("live")
    assert run.at(40 * MIN).engine.fills_delay_s == 5.0


def test_what_was_set_in_motion_is_told_once_with_its_start():
    run = Script(load("binance-reduce-only-lockout-2025-10-11"))
    first = run.at(6 * MIN).market
    assert first.drift == RunningDrift(Decimal("-0.25"), 9 * MIN, 5 * MIN)
    assert first.deviate == RunningDeviation(Decimal("-0.08"), 6 * MIN, 25 * MIN, 5 * MIN)
    assert first.depth_x == Depth(Decimal("0.05"), Decimal("0.5"))
    lockout = run.at(10 * MIN).market
    assert lockout.drift == RunningDrift(Decimal("0.09"), 60 * MIN, 9 * MIN)
    low = run.at(13 * MIN).market
    assert low.drift == RunningDrift(Decimal("-0.02"), 1 * MIN, 13 * MIN)
    assert (low.vol_x, low.spread_x) == (Decimal(8), Decimal(10))
    reopening = Script(load("binance-um-halt-2025-08-29")).at(35 * MIN).market
    assert reopening.reopen_gap == Jump(Decimal("-0.004"), 35 * MIN)


def test_a_drift_without_a_length_takes_the_rest_of_its_phase():
    run = script(
        "  - {name: a, for: 10m, market: {drift: 0.1},"
        " timeline: [{at: 4m, market: {drift: -0.1}}]}\n"
    )
    assert run.at(0).market.drift == RunningDrift(Decimal("0.1"), 600.0, 0.0)
    assert run.at(300).market.drift == RunningDrift(Decimal("-0.1"), 360.0, 240.0)


def test_orders_are_swept_once_when_it_is_said():
    run = script(
        "  - {name: a, for: 1m}\n"
        "  - name: b\n    for: 10m\n    engine: {keep_orders: 0.9}\n"
        "    timeline:\n      - {at: 2m, engine: {mark: frozen}}\n"
        "      - {at: 5m, engine: {cancel_types: [STOP_MARKET]}}\n"
    )
    assert run.at(61).engine.sweep_s == 60.0
    assert run.at(200).engine.sweep_s == 60.0
    assert run.at(200).engine.keep_orders == Decimal("0.9")
    assert run.at(400).engine.sweep_s == 360.0


def test_only_the_products_in_scope_fail():
    moment = Script(load("binance-um-halt-2025-08-29")).at(15 * MIN)
    assert moment.scope == (Product.UM,)
    assert moment.engine_on("binance-um").mode is EngineMode.HALTED
    assert moment.engine_on("binance-spot").mode is EngineMode.ONLINE
    both = Script(load("nonce-and-clock")).at(5 * MIN)
    assert both.engine_on("kraken-spot").clock_step_s == -3.0
    assert both.engine_on("binance-spot").clock_step_s == -3.0


def test_the_scope_can_be_said_outright():
    text = (
        "scenario: x\nvenue: [binance-um, binance-spot]\nscope: spot\n"
        "phases: [{name: a, for: 1m, engine: {mode: halted}}]\nexpect: [{breaker_scope: [um]}]\n"
    )
    moment = Script(loads(text)).at(0)
    assert moment.engine_on("binance-um").mode is EngineMode.ONLINE
    assert moment.engine_on("binance-spot").mode is EngineMode.HALTED


def test_a_ramp_climbs_in_steps_of_equal_length():
    run = Script(load("binance-um-halt-2025-08-29"))
    start = run.starts["staged-return"]
    shares = [run.at(start + 120 * step).admitted_share for step in range(5)]
    assert shares == pytest.approx([0.1, 0.325, 0.55, 0.775, 1.0])
    assert run.at(start + 119.9).admitted_share == pytest.approx(0.1)
    assert run.at(start - 1).admitted_share == 0.0
    assert run.at(start + 600).admitted_share == 0.0
    assert [t - start for t in walk(run) if start < t < start + 600] == [120, 240, 360, 480]


def test_a_ramp_of_one_step_stands_still():
    run = script(
        "  - {name: a, for: 1m, ramp: {from: 0.3, to: 0.9, steps: 1},"
        " faults: [{match: time, reply: mode}]}\n"
    )
    assert run.at(0).admitted_share == run.at(59).admitted_share == 0.3


def test_a_flap_has_faults_in_the_bad_half_waves_only():
    run = Script(load("five-minute-flap"))
    assert [run.at(m * 5 * MIN).faults_active for m in range(12)] == [True, False] * 6
    assert run.at(5 * MIN - 0.001).faults_active
    assert walk(run, until_s=61 * MIN) == [m * 5 * MIN for m in range(1, 13)]


def test_a_flap_may_begin_well_and_be_lopsided_and_endless():
    run = script(
        "  - {name: a, for: 7s}\n"
        "  - {name: b, for: rest, flap: {good: 100ms, bad: 200ms, start: good},"
        " faults: [{match: time, reply: mode}]}\n"
    )
    assert not run.at(7.05).faults_active
    assert run.at(7.1).faults_active
    assert run.at(7.299).faults_active
    assert not run.at(7.3).faults_active
    instants = walk(run, until_s=1000.0)
    assert instants[:4] == [7.0, 7.1, 7.3, 7.4]
    assert len(instants) == 6620
    states = [run.at(at).faults_active for at in instants[1:]]
    assert states == [True, False] * (len(states) // 2) + [True] * (len(states) % 2)


def test_limits_of_a_phase_lie_over_those_of_the_document():
    run = script(
        "  - {name: a, for: 1m}\n"
        "  - {name: b, for: 1m, limits: {count: all, connects: {max: 3, per: 1m, ban: 2m}}}\n",
        limits="{factor: 0.5, ban: {first: 1m}}",
    )
    first, second = run.at(0).limits, run.at(60).limits
    assert (first.enforce, first.factor, first.ban) == (True, 0.5, Ban(first_s=60.0))
    assert (first.count, first.connects, first.nonce) == (None, None, None)
    assert (second.factor, second.count) == (0.5, "all")
    assert second.connects == Connects(max=3, per_s=60.0, ban_s=120.0)
    assert first.count_on("binance-um") == "unknown_half"
    assert first.count_on("kraken-spot") == "all"
    assert second.count_on("binance-um") == "all"


def test_events_stand_on_the_scenarios_own_clock():
    run = Script(load("binance-um-halt-2025-08-29"))
    assert [(event.kind, event.at_s) for event in run.events] == [("funding", 50 * MIN)]
    assert 50 * MIN in walk(run)


def test_the_page_lags_behind_as_written():
    run = Script(load("green-page-red-api"))
    assert run.at(22 * MIN).faults_active
    early = run.status_at(22 * MIN)
    assert (early.page, early.entries) == ("green", ())
    late = run.status_at(100 * MIN)
    assert (late.page, late.since_s) == ("major", 50 * MIN)
    assert [entry.incident for entry in late.entries] == ["investigating", "identified"]
    assert Script(load("five-minute-flap")).status_at(0).page == "unreachable"


@pytest.mark.parametrize("slug", slugs())
def test_between_two_changes_nothing_changes(slug):
    run = Script(load(slug))
    instants = [0.0, *walk(run)]
    assert run.duration_s is not None
    assert instants[-1] == run.duration_s
    for at, after in pairwise(instants):
        early, late = run.at(at), run.at(after - 0.000_002)
        for name in ("phase", "engine", "market", "account", "limits", "admitted_share"):
            assert getattr(early, name) == getattr(late, name)
        assert early.faults_active == late.faults_active


@given(
    lengths=st.lists(st.integers(1, 10_000_000), min_size=1, max_size=6),
    good_ms=st.integers(1, 5000),
    bad_ms=st.integers(1, 5000),
    steps=st.integers(1, 7),
)
@settings(max_examples=100, deadline=None)
def test_every_instant_told_is_one_at_which_something_is_new(lengths, good_ms, bad_ms, steps):
    phases = ""
    for i, length in enumerate(lengths):
        phases += (
            f"  - name: p{i}\n    for: {length}ms\n"
            f"    flap: {{good: {good_ms}ms, bad: {bad_ms}ms}}\n"
            f"    ramp: {{from: 0, to: 1, steps: {steps}}}\n"
            "    faults: [{match: time, reply: mode}]\n"
        )
    run = script(phases)
    at = 0.0
    for _ in range(60):
        after = run.changes_after(at)
        if after is None:
            assert run.at(at).ended
            return
        before, now = run.at(after - 0.000_001), run.at(after)
        assert after > at
        assert (
            before.phase is not now.phase
            or before.faults_active != now.faults_active
            or before.admitted_share != now.admitted_share
            or now.ended
        )
        at = after
