"""A trial is played as written: strategies act, machines fail, and watchers hear of it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextvars import Context
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from small_trials import BTC, ETH, THREE, UM, Diary, befall, builder, do, played, told, trial

from outlast import sim
from outlast.client.session import Session
from outlast.core.journal import decode_fields, verify
from outlast.errors import JournalUnavailable, StaleData
from outlast.mock.scenario.builder import fault
from outlast.trials.model import Action, ActionKind, ClientPlan, DisruptionKind, DrawnFault
from outlast.trials.watching import Ending
from outlast.trials.world import healed, run_trial

QUOTE = do(20, ActionKind.QUOTE)


def test_three_actions_on_a_calm_venue():
    result, diary = played(trial(*THREE))
    assert result.ok, told(result.violations)
    assert diary.ends("submit") == ["returned"] * 2
    assert diary.ends("cancel") == ["returned"]
    assert diary.ends("close_position") == ["returned"]
    assert [order.status.value for order in diary.orders] == ["canceled", "filled", "filled"]
    assert diary.position("ETHUSDT") == 0
    assert result.virtual_s == pytest.approx(240, abs=1)
    assert result.requests == len(diary.world.mock.truth.traffic)
    assert result.crashes == 0
    assert result.cpu_s > 0


def test_what_a_watcher_hears_is_in_order():
    _, diary = played(trial(QUOTE))
    lines = [said for at, said in diary.lines if 20 <= at < 21 or at >= 120]
    assert lines[:9] == [
        "asked mark_price",
        "answered mark_price returned",
        "asked submit",
        "recorded attempt",  # of the price, in one transaction with the intent
        "recorded instrument.kept",  # which is used for the first time
        "recorded order.intent",
        "answered submit returned",
        "recorded attempt",
        "recorded order.changed",
    ]
    after = [said for said in lines[9:] if not said.startswith("recorded")]
    assert after == [
        "safety over",
        "asked reconcile",
        "answered reconcile returned",
        "finish",
        "ended closed",
    ]


def test_every_kind_of_action_is_done_and_answered():
    actions = [do(10 + 5 * n, kind, ETH) for n, kind in enumerate(ActionKind)]
    result, diary = played(trial(do(5, ActionKind.QUOTE, ETH), *actions))
    assert result.ok, told(result.violations)
    asked = {line.removeprefix("asked ") for _, line in diary.lines if line.startswith("asked ")}
    assert asked == {
        "mark_price",
        "submit",
        "close_position",
        "cancel",
        "cancel_all",
        "reconcile",
        "balances",
        "positions",
    }
    assert len(diary.answers) == sum(line.startswith("asked ") for _, line in diary.lines)


def test_a_truth_that_changes_is_told_once_per_step():
    @dataclass
    class Counting(Diary):
        changes: int = 0

        def venue_changed(self):
            self.changes += 1
            account = self.history
            held = {s: account.position(s, self.world.mock.truth.now_ms) for s in ("ETHUSDT",)}
            fills = sum(
                (fill.qty if fill.side.value == "buy" else -fill.qty for fill in account.fills),
                Decimal(0),
            )
            assert held["ETHUSDT"] == fills  # never in the middle of a trade

    result, diary = played(trial(*THREE), Counting())
    assert result.ok, told(result.violations)
    assert result.requests <= diary.changes < 4 * result.requests


# --- killed --------------------------------------------------------------------------------------


@dataclass
class KillerAtRecord(Diary):
    """Kills the process when a record of this kind has been written: between two of its steps."""

    kind: str = "order.intent"
    struck: bool = False

    def recorded(self, client, record):
        super().recorded(client, record)
        if record.kind == self.kind and not self.struck:
            self.struck = True
            client.disk.kill()
            sim.network().kill(client.process)
            client.died(Ending.KILLED)
            sim.loop().call_later(5, client.start, context=Context())  # not by the dead process


def test_killed_between_journal_and_send_there_is_no_order_and_after_the_restart_none_is_unknown():
    result, diary = played(trial(QUOTE), KillerAtRecord())
    assert result.ok, told(result.violations)
    assert diary.struck
    assert diary.times("opened 2")
    assert diary.orders == []
    (intent,) = (r for r in diary.client.disk.records() if r.kind == "order.intent")
    name = decode_fields(intent.data)["order"]["client_order_id"]
    assert diary.session_orders[name].status.value == "not_placed"
    assert verify(diary.client.disk.records()) is None


@pytest.mark.parametrize("awaits", [*range(0, 24, 2), 40])
def test_killed_at_any_step_of_a_submission_there_is_at_most_one_order_and_it_is_known(awaits):
    kill = befall(19.999, DisruptionKind.KILL, awaits=awaits, for_s=3)
    result, diary = played(trial(QUOTE, disruptions=(kill,)))
    assert result.ok, told(result.violations)
    assert result.crashes == 1
    assert len(diary.orders) <= 1
    assert all(order.client_order_id in diary.session_orders for order in diary.orders)
    assert not any(order.status.value == "unknown" for order in diary.session_orders.values())
    assert len(diary.times("ended killed")) == 1


def test_a_call_under_way_is_cut_off_by_the_kill_and_nothing_of_the_dead_is_heard():
    kill = befall(20.005, DisruptionKind.KILL, awaits=0, for_s=10)
    _, diary = played(trial(QUOTE, do(25, ActionKind.READ), disruptions=(kill,)))
    died = diary.times("disrupted kill")[0]
    back = next(at for at in diary.times("recorded journal.resumed") if at > died)
    between = [said for at, said in diary.lines if died <= at < back]
    assert between == ["disrupted kill", "answered mark_price cut_off", "ended killed"]
    assert back >= died + 10
    assert diary.times("asked balances") == []  # its time came while nobody lived


def test_a_kill_that_waits_for_steps_which_never_come_strikes_all_the_same():
    kill = befall(30, DisruptionKind.KILL, awaits=10_000, for_s=1)
    result, diary = played(trial(disruptions=(kill,)))
    assert result.crashes == 1
    assert diary.times("disrupted kill") == [50.0]


def test_who_is_down_when_safety_ends_is_started():
    kill = befall(110, DisruptionKind.KILL, for_s=500)
    result, diary = played(trial(disruptions=(kill,)))
    assert result.ok, told(result.violations)
    assert 120 <= diary.times("opened 2")[0] < 122


def test_a_power_cut_may_take_the_newest_records_and_the_chain_still_holds():
    lost = 0
    for seed in range(1, 9):
        cut = befall(20.3, DisruptionKind.POWER_LOSS, awaits=0, for_s=5)
        plan = trial(QUOTE, disruptions=(cut,), seed=seed)
        result, diary = played(plan)
        assert result.ok, told(result.violations)
        records = list(diary.client.disk.records())
        assert verify(records) is None
        lost += not any(r.kind == "order.intent" for r in records)
        assert len(diary.orders) == 1
        shown = diary.session_orders.values()
        assert [order.venue_order_id for order in shown] == [str(diary.orders[0].order_id)]
    assert 0 < lost < 8, "by chance some lose the intent and some do not"


# --- frozen, stepped, cut off --------------------------------------------------------------------


def test_a_freeze_of_a_minute_leaves_no_doubt_behind():
    freeze = befall(20.012, DisruptionKind.FREEZE, for_s=60)
    result, diary = played(trial(QUOTE, disruptions=(freeze,)))
    assert result.ok, told(result.violations)
    still = [said for at, said in diary.lines if 20.013 < at < 80.01]
    assert still == []
    assert len(diary.orders) <= 1
    assert not any(o.status.value == "unknown" for o in diary.session_orders.values())


@pytest.mark.parametrize("by_s", [-3600.0, 3600.0])
def test_a_step_of_the_wall_clock_is_survived(by_s):
    step = befall(15, DisruptionKind.CLOCK_STEP, by_s=by_s)
    result, diary = played(trial(*THREE, QUOTE, disruptions=(step,)))
    assert result.ok, told(result.violations)
    assert diary.position("ETHUSDT") == 0
    assert diary.ends("submit") == ["returned"] * 3


def test_a_partition_heals_and_what_was_asked_meanwhile_was_not_sent_twice():
    cut = befall(20.012, DisruptionKind.PARTITION, for_s=30)
    result, diary = played(trial(QUOTE, do(60, ActionKind.TAKE, ETH), disruptions=(cut,)))
    assert result.ok, told(result.violations)
    assert [order.symbol for order in diary.orders].count("BTCUSDT") <= 1
    assert [order.symbol for order in diary.orders].count("ETHUSDT") == 1


def test_without_a_name_service_a_session_opens_when_it_is_back():
    out = befall(0, DisruptionKind.DNS_FAILURE, for_s=50)
    result, diary = played(trial(do(60, ActionKind.TAKE, ETH), disruptions=(out,)))
    assert result.ok, told(result.violations)
    assert diary.times("ended unopened")
    assert 50 <= diary.times("opened 1")[0] <= 60
    assert len(diary.orders) == 1


def test_one_clients_trouble_is_not_anothers():
    troubles = (
        befall(5, DisruptionKind.DNS_FAILURE, for_s=100),
        befall(5, DisruptionKind.PARTITION, for_s=100),
        befall(5, DisruptionKind.REFUSE, for_s=100),
        befall(5, DisruptionKind.DISK_FULL, for_s=100),
        befall(6, DisruptionKind.RESET),
    )
    plan = trial(do(20, ActionKind.TAKE, ETH), disruptions=troubles, clients=2)
    result, diary = played(plan)
    assert result.ok, told(result.violations)
    by_account = {h.account: len(h.orders) for h in diary.world.mock.truth.history.all()}
    assert by_account == {"bot-1": 0, "bot-2": 1, "main": 0}


def test_a_full_disk_stops_new_risk_and_no_exit():
    full = befall(15, DisruptionKind.DISK_FULL, for_s=60)
    actions = (do(10, ActionKind.TAKE, ETH), QUOTE, do(40, ActionKind.EXIT, ETH, deadline_s=60.0))
    result, diary = played(trial(*actions, disruptions=(full,)))
    assert result.ok, told(result.violations)
    (refused,) = (a.error for _, a in diary.answers if a.error is not None)
    assert isinstance(refused, JournalUnavailable)
    assert diary.position("ETHUSDT") == 0


def test_slow_segments_slow_everything_down_and_only_for_a_while():
    slow = befall(10, DisruptionKind.SLOW, for_s=50, by_s=0.5)
    actions = (do(20, ActionKind.READ), do(80, ActionKind.READ))
    _, diary = played(trial(*actions, disruptions=(slow,)))
    asked, answered = diary.times("asked mark_price"), diary.times("answered mark_price returned")
    took = [round(b - a, 3) for a, b in zip(asked, answered, strict=True)]
    assert took[0] > 0.6
    assert took[1] < 0.1


def test_all_disruptions_end_with_the_safety_phase():
    lasting = [
        befall(100, kind, for_s=1000, by_s=1.0)
        for kind in DisruptionKind
        if kind not in (DisruptionKind.CLOCK_STEP, DisruptionKind.RESET)
    ]
    result, diary = played(trial(do(150, ActionKind.TAKE, ETH), disruptions=tuple(lasting)))
    assert result.ok, told(result.violations)
    assert len(diary.orders) == 1
    assert set(result.faults) >= {"freeze", "partition", "disk_full", "kill"}


# --- strategies ----------------------------------------------------------------------------------


def test_a_strategy_that_gives_up_leaves_its_order_to_the_session():
    plan = trial(replace(QUOTE, gives_up_after_s=0.018))
    result, diary = played(plan)
    assert result.ok, told(result.violations)
    assert diary.ends("submit") == ["given_up"]
    assert [order.status.value for order in diary.orders] == ["new"]
    (order,) = diary.session_orders.values()
    assert order.status.value == "accepted"


def test_a_bug_that_a_strategy_sees_is_a_violation(monkeypatch):
    async def broken(self, symbol):
        raise KeyError(symbol)

    monkeypatch.setattr(Session, "mark_price", broken)
    result, _ = played(trial(QUOTE, replace(QUOTE, at_s=25)))
    (violation,) = result.violations
    assert violation.invariant == "strategy-saw-a-bug"
    assert violation.at_s == 20.0
    assert "KeyError" in violation.detail
    assert "quote" in violation.detail
    assert any("asked" in line or "mark_price" in line for line in violation.last_events)


def test_stale_data_is_an_answer_and_no_bug():
    cut = befall(10, DisruptionKind.PARTITION, for_s=600)
    plan = trial(do(400, ActionKind.READ), disruptions=(cut,), safety_s=600)
    result, diary = played(plan)
    assert result.ok, told(result.violations)
    assert isinstance(diary.answers[0][1].error, StaleData)


def test_a_session_that_falls_over_is_a_violation_told_once(monkeypatch):
    monkeypatch.setattr(
        "outlast.client.upkeep.Upkeep.poll_account", lambda _: (_ for _ in ()).throw(OSError("bad"))
    )
    result, diary = played(trial(safety_s=200))
    assert [v.invariant for v in result.violations] == ["session-stays-up", "strategy-saw-a-bug"]
    assert "OSError: bad" in result.violations[0].detail
    assert len(diary.times("ended failed")) > 1


def test_a_simulation_that_falls_over_is_a_violation():
    class Loud(Diary):
        def safety_over(self):
            def fail():
                raise ZeroDivisionError("in a callback")

            sim.loop().call_soon(fail)

    result, _ = played(trial(QUOTE), Loud())
    (violation,) = result.violations
    assert violation.invariant == "nothing-fails-unheard"
    assert "ZeroDivisionError" in violation.detail


# --- the venue's faults --------------------------------------------------------------------------


def test_the_venues_faults_are_counted_by_type_and_end_with_the_safety_phase():
    bad = fault("market.read", p=1.0, reply={"http": {"status": 502}})
    scenario = builder().phase("storm", "10m", faults=[bad]).phase("calm", "rest").build()
    faults = (
        DrawnFault(fault="bad_gateway", at_s=0, until_s=600, rule_id="storm/0"),
        DrawnFault(fault="thin_book", at_s=30, until_s=60),
        DrawnFault(fault="never", at_s=900, until_s=901),
    )
    actions = (do(60, ActionKind.READ), do(130, ActionKind.READ))
    plan = replace(trial(*actions, scenario=scenario), faults=faults)
    result, diary = played(plan)
    assert diary.ends("mark_price") == ["raised", "returned"]
    assert result.faults["bad_gateway"] > 0
    assert result.faults["thin_book"] == 1
    assert not result.faults.get("never")


def test_a_scenario_is_healed_in_the_middle_of_a_phase():
    scenario = (
        builder()
        .phase("one", "1m")
        .phase("two", "2m", timeline=[{"at": "90s", "engine": {"mode": "cancel_only"}}])
        .phase("three", "rest")
        .status("100s", "major")
        .build()
    )
    ended = healed(scenario, 120.0)
    assert [(p.name, p.duration_s) for p in ended.phases] == [("one", 60.0), ("two", 60.0)]
    assert ended.phases[1].timeline == ()
    assert [(e.at_s, e.page) for e in ended.status_page] == [(100.0, "major"), (120.0, "green")]


# --- repeatable ----------------------------------------------------------------------------------

_STORM = (
    befall(19.9, DisruptionKind.KILL, awaits=17, for_s=4),
    befall(45.0, DisruptionKind.SLOW, for_s=20, by_s=0.4),
    befall(70.2, DisruptionKind.POWER_LOSS, awaits=9, for_s=6),
    befall(95.0, DisruptionKind.FREEZE, for_s=10),
)
_BUSY = (*THREE, QUOTE, do(50, ActionKind.RESIZE), do(70, ActionKind.TAKE, ETH))


def stormy(seed: int = 1):
    faults = [
        fault("orders.*", p=0.3, reply={"reset": "headers"}, effect={"apply": 0.5}),
        fault("*", p=0.1, reply={"http": {"status": 502}}, effect="none"),
    ]
    scenario = builder().phase("storm", "90s", faults=faults).phase("calm", "rest").build()
    return trial(*_BUSY, disruptions=_STORM, scenario=scenario, seed=seed, clients=2)


def test_the_same_trial_has_the_same_hash_and_another_seed_another():
    one, again, other = (run_trial(stormy(seed)) for seed in (1, 1, 2))
    assert one.log_hash == again.log_hash
    assert one.log_hash != other.log_hash
    assert one.crashes == 2
    assert (one.requests, one.faults, one.virtual_s) == (
        again.requests,
        again.faults,
        again.virtual_s,
    )


def test_another_process_with_another_hash_seed_plays_the_same():
    """The real client and the real mock: sets of names must not decide about anything."""
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_trial_world as story\n"
        "print(story.run_trial(story.stormy()).log_hash)"
    )
    hashes = {run_trial(stormy()).log_hash}
    for hash_seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        hashes.add(done.stdout.strip())
    assert len(hashes) == 1


# --- refused -------------------------------------------------------------------------------------


def test_a_trial_that_contradicts_itself_is_refused_in_words():
    plan = trial(QUOTE)
    twice = replace(plan, clients=plan.clients * 2)
    elsewhere = replace(plan, clients=(ClientPlan(name="b", venue="kraken-spot", actions=()),))
    nobody = replace(plan, disruptions=(befall(1, DisruptionKind.RESET, client="bot-9"),))
    for wrong, words in ((twice, "two are called"), (elsewhere, UM), (nobody, "bot-9")):
        with pytest.raises(ValueError, match=words):
            run_trial(wrong)


def test_actions_are_done_by_their_time_not_by_their_order():
    late, early = Action(at_s=50, kind=ActionKind.READ, symbol=BTC), do(10, ActionKind.READ)
    _, diary = played(trial(late, early))
    assert diary.times("asked balances") == [10.0, 50.0]
