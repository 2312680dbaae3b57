"""Trials written by hand: one client on a calm venue, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.mock.scenario.model import Scenario
from outlast.trials.model import (
    Action,
    ActionKind,
    ClientPlan,
    Disruption,
    DisruptionKind,
    Trial,
    TrialResult,
    Violation,
)
from outlast.trials.watching import Answer, Asked, NoWatcher
from outlast.trials.world import run_trial

UM = "binance-um"
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


def builder() -> ScenarioBuilder:
    made = ScenarioBuilder("by-hand", venue=UM)
    made.instrument("BTCUSDT", product="um", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.instrument("ETHUSDT", product="um", mid="2050", tick="0.01", vol_bps_per_min="0.1")
    return made.account(balances={"USDT": "50000"})


def calm() -> Scenario:
    return builder().phase("all", "rest").build()


def do(at_s: float, kind: ActionKind, symbol: str = BTC, **terms) -> Action:
    return Action(at_s=at_s, kind=kind, symbol=symbol, **terms)


THREE = (
    do(5, ActionKind.QUOTE, hold_s=20.0),
    do(10, ActionKind.TAKE, ETH),
    do(40, ActionKind.EXIT, ETH, deadline_s=60.0),
)


def befall(at_s: float, kind: DisruptionKind, client: str = "bot-1", **terms) -> Disruption:
    return Disruption(at_s=at_s, kind=kind, client=client, **terms)


def trial(
    *actions: Action,
    disruptions: tuple[Disruption, ...] = (),
    scenario: Scenario | None = None,
    safety_s: float = 120.0,
    liveness_s: float = 120.0,
    seed: int = 1,
    clients: int = 1,
) -> Trial:
    return Trial(
        seed=seed,
        scenario=scenario or calm(),
        clients=tuple(
            ClientPlan(name=f"bot-{number}", venue=UM, actions=actions)
            for number in range(1, clients + 1)
        ),
        disruptions=disruptions,
        safety_s=safety_s,
        liveness_s=liveness_s,
    )


@dataclass
class Diary(NoWatcher):
    """Writes down what it is told, as (seconds, words)."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    answers: list[tuple[Asked, Answer]] = field(default_factory=list)
    world: object = None
    session_orders: dict = field(default_factory=dict)
    """What the session of bot-1 believes at the end, by client order id."""

    def note(self, *words: object) -> None:
        self.lines.append((round(self.world.now_s, 3), " ".join(map(str, words))))

    def began(self, world):
        self.world = world

    def session_opened(self, client):
        self.note("opened", client.incarnation)

    def session_ended(self, client, how):
        self.note("ended", how.value)

    def recorded(self, client, record):
        self.note("recorded", record.kind)

    def asked(self, client, asked):
        self.note("asked", asked.call)

    def answered(self, client, asked, answer):
        self.answers.append((asked, answer))
        self.note("answered", asked.call, answer.end.value)

    def disrupted(self, disruption):
        self.note("disrupted", disruption.kind.value)

    def safety_over(self):
        self.note("safety over")

    def finish(self):
        self.note("finish")
        session = self.client.session
        self.session_orders = {o.client_order_id: o for o in session.orders.all()}
        return ()

    def times(self, words: str) -> list[float]:
        return [at for at, said in self.lines if said == words]

    def ends(self, call: str) -> list[str]:
        return [answer.end.value for asked, answer in self.answers if asked.call == call]

    @property
    def history(self):
        return self.world.mock.truth.history.at(UM, "bot-1")

    @property
    def orders(self):
        return list(self.history.orders.values())

    @property
    def client(self):
        return self.world.clients["bot-1"]

    def position(self, symbol: str) -> Decimal:
        truth = self.world.mock.truth
        return self.history.position(symbol, truth.now_ms)


def played(plan: Trial, watcher: Diary | None = None) -> tuple[TrialResult, Diary]:
    diary = watcher or Diary()
    result = run_trial(plan, watcher=diary)
    return result, diary


def told(violations: tuple[Violation, ...]) -> str:
    return "\n".join(f"{v.at_s:.3f} {v.invariant}: {v.detail}" for v in violations)
