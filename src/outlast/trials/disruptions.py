"""What happens to the clients' machines and to their way to the venues, carried out."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from outlast import sim
from outlast.trials.model import Disruption, DisruptionKind, Trial
from outlast.trials.processes import SimulatedClient
from outlast.trials.watching import Ending, Watcher

__all__ = ["VENUE_HOST", "Disruptor", "name_of_venue_for"]

VENUE_HOST: Final = "venue.test"
"""The machine that all venues are on."""

KILL_WITHIN_S: Final = 20.0
"""A program that does too little to reach the step at which it is to be killed dies after so long:
an idle session makes a few steps a minute."""

_SAME_INSTANT_S: Final = 1e-6
_USUAL_MEDIAN_S: Final = 0.005  # of a fresh network: see `sim.Network`
_SLOW_TAIL: Final = 0.05
_SLOW_TAIL_X: Final = 10.0


def name_of_venue_for(client: str) -> str:
    """Each client knows the venues' machine by a name of its own.

    So the name service can fail one of them alone.
    """
    return f"{client}.{VENUE_HOST}"


class Disruptor:
    """Strikes when it is time, and takes back what does not last for ever."""

    def __init__(
        self, trial: Trial, clients: Mapping[str, SimulatedClient], watcher: Watcher
    ) -> None:
        self._trial, self._clients, self._watcher = trial, clients, watcher
        self._network = sim.network()
        self._until: dict[tuple[str, DisruptionKind], float] = {}
        self._fuses: dict[str, _Fuse] = {}  # of clients that are about to be killed
        self._down: dict[str, None] = {}  # killed, and not started again
        self.struck: Counter[str] = Counter()
        self.crashes = 0

    def begin(self) -> None:
        for disruption in self._trial.disruptions:
            sim.loop().call_at(disruption.at_s, self._strike, disruption)

    def end(self) -> None:
        """Nothing holds any more, and who is down is started."""
        for client, fuse in list(self._fuses.items()):
            self._blow(client, fuse)
        for name, kind in list(self._until):
            self._take_back(name, kind)
        for name in list(self._down):
            self._restart(name)

    # Striking.

    def _strike(self, disruption: Disruption) -> None:
        client, kind = self._clients[disruption.client], disruption.kind
        now_s = self._network.now
        if kind in _DEADLY:
            self._arm(client, disruption)
            return
        if kind is DisruptionKind.FREEZE and not client.is_alive:
            return
        self._told(disruption)
        if kind is DisruptionKind.CLOCK_STEP:
            client.clock.step(disruption.by_s)
            return
        if kind is DisruptionKind.RESET:
            self._link(client).reset()
            return
        key = (client.name, kind)
        until_s = min(now_s + disruption.for_s, self._trial.safety_s)
        self._until[key] = max(until_s, self._until.get(key, -math.inf))
        self._lay_on(client, disruption)
        sim.loop().call_at(until_s, self._take_back_if_due, *key)

    def _lay_on(self, client: SimulatedClient, disruption: Disruption) -> None:
        match disruption.kind:
            case DisruptionKind.FREEZE:
                assert client.process is not None
                self._network.freeze(client.process)
            case DisruptionKind.DISK_FULL:
                client.disk.is_full = True
            case DisruptionKind.PARTITION:
                self._link(client).partition()
            case DisruptionKind.REFUSE:
                self._link(client).refuse = 1.0
            case DisruptionKind.SLOW:
                self._link(client).latency = _slower_by(disruption.by_s)
            case DisruptionKind.DNS_FAILURE:
                self._network.names.fail(name_of_venue_for(client.name))

    def _take_back_if_due(self, name: str, kind: DisruptionKind) -> None:
        # The loop's clock may round an instant down by as much as its own resolution.
        if self._until.get((name, kind), math.inf) <= self._network.now + _SAME_INSTANT_S:
            self._take_back(name, kind)

    def _take_back(self, name: str, kind: DisruptionKind) -> None:
        del self._until[name, kind]
        client = self._clients[name]
        match kind:
            case DisruptionKind.FREEZE:
                if client.process is not None:
                    self._network.thaw(client.process)
            case DisruptionKind.DISK_FULL:
                client.disk.is_full = False
            case DisruptionKind.PARTITION:
                self._link(client).heal()
            case DisruptionKind.REFUSE:
                self._link(client).refuse = None
            case DisruptionKind.SLOW:
                self._link(client).latency = None
            case DisruptionKind.DNS_FAILURE:
                self._network.names.mend(name_of_venue_for(name))

    def _link(self, client: SimulatedClient) -> sim.Link:
        return self._network.link(client.name, VENUE_HOST)

    def _told(self, disruption: Disruption) -> None:
        self.struck[disruption.kind.value] += 1
        self._watcher.disrupted(disruption)

    # Killing.

    def _arm(self, client: SimulatedClient, disruption: Disruption) -> None:
        if not client.is_alive or client.name in self._fuses:
            return  # it is dead, or about to die
        fuse = _Fuse(disruption, burnt=lambda: self._blow(client.name, fuse))
        self._fuses[client.name] = fuse
        assert client.process is not None
        client.process.before_step = fuse.burn
        latest_s = min(self._network.now + KILL_WITHIN_S, self._trial.safety_s)
        sim.loop().call_at(latest_s, self._blow, client.name, fuse)

    def _blow(self, name: str, fuse: _Fuse) -> None:
        if self._fuses.get(name) is not fuse:
            return  # it has gone off
        del self._fuses[name]
        disruption, client = fuse.disruption, self._clients[name]
        assert client.process is not None
        if disruption.kind is DisruptionKind.POWER_LOSS:
            client.disk.lose_power()
            self._network.vanish(name)
            how = Ending.POWER_LOST
        else:
            client.disk.kill()
            self._network.kill(client.process)
            how = Ending.KILLED
        self.crashes += 1
        self._down[name] = None
        self._told(disruption)
        client.died(how)
        back_s = min(self._network.now + disruption.for_s, self._trial.safety_s)
        sim.loop().call_at(back_s, self._restart, name)

    def _restart(self, name: str) -> None:
        if name in self._down:
            del self._down[name]
            self._network.revive(name)
            self._clients[name].start()


class _Fuse:
    """Counts the steps that a program still makes."""

    def __init__(self, disruption: Disruption, *, burnt: Callable[[], None]) -> None:
        self.disruption = disruption
        self._left = disruption.awaits
        self._burnt = burnt

    def burn(self) -> None:
        """The program is about to make a step."""
        if self._left <= 0:
            self._burnt()
        self._left -= 1


_DEADLY: Final = (DisruptionKind.KILL, DisruptionKind.POWER_LOSS)


def _slower_by(seconds: float) -> sim.Latency:
    """The usual delay and `seconds` more, mostly; one in twenty up to ten times as much."""
    usual = sim.lognormal(_USUAL_MEDIAN_S)
    more = sim.heavy_tailed(seconds, tail=_SLOW_TAIL, tail_max_s=_SLOW_TAIL_X * seconds)

    def draw(rng: random.Random) -> float:
        return usual(rng) + more(rng)

    return draw
