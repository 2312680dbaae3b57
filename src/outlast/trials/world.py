"""Plays one trial: mock venues, clients on machines of their own, and what happens to both.

    result = run_trial(trial, watcher=Checker())

Everything lives in one simulation, so the same trial plays the same way, to the byte. The watcher
hears of everything that is done, written and changed (`watching.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, deque
from collections.abc import Coroutine, Mapping
from contextvars import Context
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.model import Phase, Scenario, StatusPageEntry
from outlast.trials.disruptions import VENUE_HOST, Disruptor, name_of_venue_for
from outlast.trials.model import DisruptionKind, Trial, TrialResult, Violation
from outlast.trials.processes import SimulatedClient
from outlast.trials.watching import Answer, Asked, Client, Ending, NoWatcher, Watcher
from outlast.wire import Record

__all__ = ["TrialWorld", "healed", "run_trial"]

LAST_EVENTS_MAX: Final = 20
"""What a violation that the world itself finds shows of what was before."""

LAST_LOOK_WITHIN_S: Final = 120.0
"""For the reconciliation at the end: longer than any request and its repetitions."""

TIME_LIMIT_S: Final = 3_600.0
"""How far past its end a trial may run before it counts as one that does not end."""


def run_trial(trial: Trial, *, watcher: Watcher | None = None) -> TrialResult:
    """Play a trial, from its first second to the verdict.

    Raises:
        ValueError: a client or a disruption of the trial names what is not in it.
    """
    started = time.process_time()
    world = TrialWorld(trial, NoWatcher() if watcher is None else watcher)
    limit_s = trial.safety_s + trial.liveness_s + TIME_LIMIT_S
    t0 = trial.scenario.t0_ms / 1000
    try:
        sim.run(world.play, seed=trial.seed, t0=t0, time_limit_s=limit_s)
    except sim.SimulationError as error:
        world.fell_over(error)
    return world.result(cpu_s=time.process_time() - started)


class TrialWorld:
    """A trial being played. What a `Watcher` sees as `World`, and a client as its stage."""

    def __init__(self, trial: Trial, watcher: Watcher) -> None:
        _check(trial)
        self._trial = trial
        self._watcher = watcher
        self._mock = MockExchange(healed(trial.scenario, trial.safety_s), host=VENUE_HOST)
        self._clients: dict[str, SimulatedClient] = {}
        self._disruptor: Disruptor | None = None
        self._numbers = 0
        self._is_telling = False
        self._violations: list[Violation] = []
        self._found: set[tuple[str, str]] = set()
        self._last_events: deque[str] = deque(maxlen=LAST_EVENTS_MAX)
        self._trace = sim.Trace(keep=False)
        self._events = hashlib.sha256()
        self._ended_s = 0.0
        self._has_begun = False

    # What watchers see.

    @property
    def trial(self) -> Trial:
        return self._trial

    @property
    def mock(self) -> MockExchange:
        return self._mock

    @property
    def clients(self) -> Mapping[str, Client]:
        return MappingProxyType(self._clients)

    @property
    def now_s(self) -> float:
        """Seconds since the trial began; after its end, those of its end."""
        try:
            return sim.loop().time()
        except sim.SimulationError:
            return self._ended_s

    @property
    def is_safety_over(self) -> bool:
        return self._has_begun and self.now_s >= self._trial.safety_s

    # Playing.

    async def play(self) -> None:
        trial, network = self._trial, sim.network()
        network.watch(self._trace)
        with network.process(VENUE_HOST):
            await self._mock.start()
        self._has_begun = True
        try:
            self._settle_clients()
            self._mock.truth.on_change = self._truth_changed
            self._watcher.began(self)
            for client in self._clients.values():
                client.start()
            self._disruptor = Disruptor(trial, self._clients, self._watcher)
            self._disruptor.begin()
            await asyncio.sleep(trial.safety_s - self.now_s)
            self._disruptor.end()
            self._watcher.safety_over()
            await asyncio.sleep(trial.safety_s + trial.liveness_s - self.now_s)
            await self._all("reconciled", [c.reconcile() for c in self._clients.values()])
            self._violations += self._watcher.finish()
            await self._all("stopped", [c.stop() for c in self._clients.values()])
            self._violations += self._watcher.closed()
        finally:
            self._mock.truth.on_change = None
            self._ended_s = self.now_s
            await self._mock.stop()

    def result(self, *, cpu_s: float) -> TrialResult:
        digest = hashlib.sha256()
        digest.update(self._trace.hexdigest().encode())
        digest.update(self._events.digest())
        for violation in self._violations:
            digest.update(f"{violation.invariant} {violation.at_s!r}\n".encode())
        return TrialResult(
            seed=self._trial.seed,
            violations=tuple(self._violations),
            log_hash=digest.hexdigest(),
            virtual_s=self._ended_s,
            requests=len(self._mock.truth.traffic),
            faults=dict(self._faults()),
            crashes=0 if self._disruptor is None else self._disruptor.crashes,
            cpu_s=cpu_s,
        )

    def fell_over(self, error: BaseException) -> None:
        """The simulation could not go on: something failed unheard, or all stood still."""
        self.found("nothing-fails-unheard", f"{type(error).__name__}: {error}")

    def _settle_clients(self) -> None:
        """Give each client an account, and its own name for the venue."""
        for plan in self._trial.clients:
            _name, accounts = self._mock.run.open_account(plan.name)
            account = accounts[plan.venue]
            alias = name_of_venue_for(plan.name)
            sim.network().host(VENUE_HOST, alias)
            endpoints = {
                name: url.replace(VENUE_HOST, alias)
                for name, url in self._mock.endpoints(plan.venue).items()
            }
            self._clients[plan.name] = SimulatedClient(
                self, plan, endpoints=endpoints, key=account.key, secret=account.secret
            )

    async def _all(self, what: str, works: list[Coroutine[Any, Any, None]]) -> None:
        """Let all clients do something at once, for a limited time."""
        tasks = [asyncio.create_task(work) for work in works]
        _done, late = await asyncio.wait(tasks, timeout=LAST_LOOK_WITHIN_S)
        for task, client in zip(tasks, self._clients.values(), strict=True):
            if task in late:
                task.cancel()
                self.found("ends-in-time", f"{client!r} has not {what} in {LAST_LOOK_WITHIN_S:g} s")
        await asyncio.gather(*tasks, return_exceptions=True)

    def _faults(self) -> Counter[str]:
        """How often each fault type struck: a rule whenever it decided, a setting when it held."""
        desk, disruptor = self._mock.run.desk, self._disruptor
        struck: Counter[str] = Counter() if disruptor is None else disruptor.struck.copy()
        for fault in self._trial.faults:
            if fault.rule_id:
                struck[fault.fault] += desk.used(fault.rule_id)
            elif fault.fault not in _DISRUPTIONS and fault.at_s <= self._ended_s:
                struck[fault.fault] += 1
        return struck

    # Told by the clients, and told on.

    def next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def session_opened(self, client: SimulatedClient) -> None:
        self._log(client.name, "opened")
        self._watcher.session_opened(client)

    def session_ended(self, client: SimulatedClient, how: Ending) -> None:
        self._log(client.name, "ended", how.value)
        self._watcher.session_ended(client, how)

    def recorded(self, client: SimulatedClient, record: Record) -> None:
        self._log(client.name, "recorded", record.kind, record.chain_hash)
        self._watcher.recorded(client, record)

    def asked(self, client: SimulatedClient, asked: Asked) -> None:
        self._log(client.name, str(asked.number), asked.call)
        self._watcher.asked(client, asked)

    def answered(self, client: SimulatedClient, asked: Asked, answer: Answer) -> None:
        told = repr(answer.value) if answer.error is None else repr(answer.error)
        self._log(client.name, str(asked.number), answer.end.value, told)
        self._watcher.answered(client, asked, answer)

    def found(self, invariant: str, detail: str) -> None:
        if (invariant, detail) in self._found:
            return  # a bug that strikes again at each start is told of once
        self._found.add((invariant, detail))
        events = tuple(self._last_events)
        self._violations.append(Violation(invariant, self.now_s, detail, events))

    def _truth_changed(self) -> None:
        """Tell it once, after the step in which it changed."""
        if not self._is_telling:
            self._is_telling = True
            sim.loop().call_soon(self._tell_of_truth, context=Context())

    def _tell_of_truth(self) -> None:
        self._is_telling = False
        self._watcher.venue_changed()

    def _log(self, *words: str) -> None:
        line = f"{self.now_s:.6f} {' '.join(words)}"
        self._events.update(f"{line}\n".encode())
        self._last_events.append(line)


_DISRUPTIONS: Final = frozenset(kind.value for kind in DisruptionKind)


def healed(scenario: Scenario, after_s: float) -> Scenario:
    """The scenario with nothing wrong any more `after_s` seconds after its beginning."""
    phases: list[Phase] = []
    begun_s = 0.0
    for phase in scenario.phases:
        left_s = after_s - begun_s
        if left_s <= 0:
            break
        length_s = left_s if phase.duration_s is None else min(phase.duration_s, left_s)
        phases.append(
            replace(
                phase,
                duration_s=length_s,
                timeline=tuple(c for c in phase.timeline if c.at_s < length_s),
                events=tuple(e for e in phase.events if e.at_s < length_s),
            )
        )
        begun_s += length_s
    page = tuple(entry for entry in scenario.status_page if entry.at_s < after_s)
    if page and page[-1].page != "green":
        page = (*page, StatusPageEntry(at_s=after_s, page="green", incident="resolved"))
    return replace(scenario, phases=tuple(phases), status_page=page, expect=())


def _check(trial: Trial) -> None:
    names = [plan.name for plan in trial.clients]
    for plan in trial.clients:
        if names.count(plan.name) > 1:
            raise ValueError(f"clients: two are called {plan.name!r}; each needs its own name")
        if plan.venue not in trial.scenario.venues:
            has = ", ".join(trial.scenario.venues)
            raise ValueError(f"client {plan.name!r}: venue {plan.venue!r}; the scenario has {has}")
    for disruption in trial.disruptions:
        if disruption.client not in names:
            raise ValueError(
                f"disruption {disruption.kind.value}: client {disruption.client!r}; "
                f"the trial has {', '.join(names)}"
            )
