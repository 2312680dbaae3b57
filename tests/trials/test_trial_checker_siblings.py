"""Invariant 8: what a healthy sibling asks for is the same with and without the others' fault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from checked_world import BTC, HandClient, calm_trial

from outlast import sim
from outlast.core.journal import Chain
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.trials.checker import siblings_of
from outlast.trials.invariants.siblings import without_the_fault
from outlast.trials.model import Action, ActionKind, ClientPlan, Disruption, DisruptionKind, Trial

READ = Action(at_s=0.0, kind=ActionKind.READ, symbol=BTC)


def two_venues(**changes: Any) -> Trial:
    scenario = ScenarioBuilder("two", venue=["binance-um", "kraken-spot"])
    scenario.phase(
        "trouble",
        "rest",
        faults=[fault("orders.create", where={"venue": "binance-um"}, reply="unavailable")],
    )
    plans = (
        ClientPlan(name="um", venue="binance-um", actions=(READ,)),
        ClientPlan(name="spot", venue="kraken-spot", actions=(READ,)),
    )
    return calm_trial(scenario=scenario.build(), clients=plans, **changes)


def playing(asks: Callable[[Trial], list[tuple[float, str]]]) -> Callable[..., None]:
    """A world in which the client `spot` sends what `asks` says, each at its time."""

    def play(trial: Trial, watcher: Any) -> None:
        async def main() -> None:
            plan = next(p for p in trial.clients if p.name == "spot")
            client = HandClient(plan, sim.clock().skewed(0.0))
            watcher.began(SimpleNamespace(now_s=sim.clock().now()))
            chain = Chain()
            for at_s, request in asks(trial):
                fields = {
                    "request": request,
                    "method": "GET",
                    "path": "/",
                    "params": {"symbol": "XBTUSD"},
                    "plane": "account",
                    "lane": "data",
                    "costs": {},
                    "client_order_id": None,
                    "timestamp_ms": None,
                    "number": 1,
                    "paid_by": None,
                    "era": 0,
                    "asked_at": at_s,
                    "sent_at": at_s,
                    "deadline_at": at_s + 1,
                    "http_status": 200,
                    "failure": None,
                }
                record = chain.seal("attempt", fields, at=0.0)
                chain.accept(record)
                watcher.recorded(client, record)

        sim.run(main, seed=trial.seed)

    return play


def has_trouble(trial: Trial) -> bool:
    return bool(trial.scenario.phases[0].faults)


def test_a_sibling_that_is_held_back_by_the_others_fault_is_caught():
    def asks(trial: Trial) -> list[tuple[float, str]]:
        return [(1.0, "book.read")] if has_trouble(trial) else [(1.0, "book.read"), (2.0, "x.read")]

    [violation] = siblings_of(two_venues(), play=playing(asks))
    assert violation.invariant == "sibling-unaffected"
    assert violation.at_s == 2.0
    assert violation.detail == "spot: x.read XBTUSD at 2.000 s only without the fault"


def test_a_sibling_that_is_late_because_of_the_others_fault_is_caught():
    def asks(trial: Trial) -> list[tuple[float, str]]:
        return [(1.5 if has_trouble(trial) else 1.0, "book.read")]

    [violation] = siblings_of(two_venues(), play=playing(asks))
    assert "at 1.500 s; without the fault: book.read XBTUSD at 1.000 s" in violation.detail


def test_a_sibling_that_goes_on_as_before_is_fine():
    assert siblings_of(two_venues(), play=playing(lambda _: [(1.0, "book.read")])) == []


def test_a_client_that_is_struck_itself_is_no_healthy_sibling():
    struck = Disruption(at_s=1.0, client="spot", kind=DisruptionKind.RESET)

    def asks(trial: Trial) -> list[tuple[float, str]]:
        raise AssertionError("nothing is to be played")

    assert siblings_of(two_venues(disruptions=(struck,)), play=playing(asks)) == []


def test_without_the_fault_only_what_concerns_the_sibling_is_left():
    mine = Disruption(at_s=1.0, client="spot", kind=DisruptionKind.RESET)
    other = replace(mine, client="um")
    trial = without_the_fault(two_venues(disruptions=(mine, other)), "spot")
    assert trial.disruptions == (mine,)
    assert not has_trouble(trial)
    assert has_trouble(without_the_fault(two_venues(), "um"))
