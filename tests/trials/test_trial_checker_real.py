"""The checker at real trials: the client as it is breaks nothing, a broken one is found out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from checked_world import BTC, NAME, VENUE, WIRE_BTC, calm_trial

from outlast.client import calls
from outlast.client.guard import Guard
from outlast.core.policy import RetryAt
from outlast.errors import Outcome
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.trials.checker import Checker
from outlast.trials.model import Action, ActionKind, ClientPlan, Trial, TrialResult
from outlast.trials.world import run_trial

TRADES = (
    Action(at_s=1.0, kind=ActionKind.READ, symbol=BTC),
    Action(at_s=2.0, kind=ActionKind.QUOTE, symbol=BTC, worth=Decimal(700), hold_s=5.0),
    Action(at_s=4.0, kind=ActionKind.TAKE, symbol=BTC, side="sell", worth=Decimal(1400)),
    Action(at_s=9.0, kind=ActionKind.QUOTE, symbol=BTC, worth=Decimal(700)),
    Action(at_s=11.0, kind=ActionKind.RESIZE, symbol=BTC, worth=Decimal(1400)),
    Action(at_s=14.0, kind=ActionKind.EXIT, symbol=BTC),
    Action(at_s=16.0, kind=ActionKind.CANCEL_ALL, symbol=""),
    Action(at_s=20.0, kind=ActionKind.RECONCILE, symbol=BTC),
)


def trading(*faults: Any) -> Trial:
    scenario = ScenarioBuilder("checked", venue=VENUE)
    scenario.instrument(WIRE_BTC, product="um", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    scenario.account(balances={"USDT": "100000"})
    scenario.phase("trouble", "40s", faults=list(faults)).phase("well", "rest")
    plan = ClientPlan(name=NAME, venue=VENUE, actions=TRADES)
    return calm_trial(scenario=scenario.build(), clients=(plan,), safety_s=40.0, liveness_s=150.0)


def check(trial: Trial) -> tuple[TrialResult, Checker]:
    checker = Checker()
    return run_trial(trial, watcher=checker), checker


def test_a_calm_day_breaks_nothing_and_exercises_most():
    result, checker = check(trading())
    assert result.violations == ()
    verdicts = {f.invariant.number: f.verdict for f in checker.findings()}
    assert set(verdicts.values()) <= {"held", "not exercised", "not applicable"}
    held = {number for number, verdict in verdicts.items() if verdict == "held"}
    assert {"1", "2", "3", "4", "5", "6", "7", "12", "13", "14", "15", "18", "19"} <= held


def test_whoever_watches_changes_nothing():
    trial = trading()
    assert check(trial)[0].log_hash == run_trial(trial).log_hash


def test_a_client_that_repeats_what_was_not_answered_is_found_out(monkeypatch):
    honest = calls.decide

    def decide(request: Any, failure: Any, *args: Any, now: float, **rest: Any) -> Any:
        if failure.outcome is Outcome.UNKNOWN:
            return RetryAt(now + 0.1)
        return honest(request, failure, *args, now=now, **rest)

    lost = fault("orders.create", reply={"reset": "headers"}, effect="apply", times=2)
    assert check(trading(lost))[0].violations == ()
    monkeypatch.setattr(calls, "decide", decide)
    found = {violation.invariant for violation in check(trading(lost))[0].violations}
    assert "no-blind-repeat" in found


def test_a_client_that_ignores_bans_is_found_out(monkeypatch):
    throttled = fault("market.read", reply="rate_limited", times=1)
    assert check(trading(throttled))[0].violations == ()
    monkeypatch.setattr(Guard, "_ban", lambda *_: None)
    found = {violation.invariant for violation in check(trading(throttled))[0].violations}
    assert found == {"limits-kept"}
