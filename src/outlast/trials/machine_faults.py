"""What happens to the clients' machines and to their way to the venue."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from outlast.trials.model import ClientPlan, Disruption, DisruptionKind
from outlast.trials.sketch import heavy_tailed, stream_of

__all__ = ["MACHINE_FAULTS", "QUIET_S", "draw_disruptions"]

MACHINE_FAULTS: Final[Mapping[str, str]] = {
    "kill": "the process is killed at one of its awaits, and started again",
    "power_loss": "killed, and what was not on the disk is gone",
    "freeze": "the process is stopped for a while, as by SIGSTOP",
    "clock_step": "the machine's wall clock jumps, by up to an hour",
    "disk_full": "the journal cannot be written",
    "partition": "nothing passes between client and venue, and nobody is told",
    "reset": "every open connection of the client is reset",
    "refuse": "new connections are refused",
    "slow": "everything on the wire takes longer",
    "dns_failure": "the venue's name does not resolve",
}
"""The fault types, by the values of `DisruptionKind`."""

QUIET_S: Final = 20.0
"""A kill strikes some awaits after its time; the world waits so long for them (`KILL_WITHIN_S` in
`disruptions.py`). With that to spare, and the restart, the process is back before the liveness
phase."""
_STOPPED: Final = (DisruptionKind.KILL, DisruptionKind.POWER_LOSS, DisruptionKind.FREEZE)
"""In these the process does not run; they are not drawn on top of each other."""


def draw_disruptions(
    seed: int,
    clients: Sequence[ClientPlan],
    *,
    from_s: float,
    until_s: float,
    slugs: Sequence[str],
) -> tuple[Disruption, ...]:
    """Draw one or two disruptions of each type in `slugs`.

    None begins before `from_s`, which is a matter of seconds; all are over at `until_s`.
    """
    drawn: list[Disruption] = []
    for slug in slugs:
        rng = stream_of(seed, "fault", slug)
        for _ in range(2 if rng.random() < 0.25 else 1):
            client = rng.choice(clients)
            build = _BUILDERS[DisruptionKind(slug)]
            made = [replace(d, at_s=max(d.at_s, from_s)) for d in build(rng, client, until_s)]
            stopped = [d for d in drawn if d.client == client.name and d.kind in _STOPPED]
            if made[0].kind not in _STOPPED or not any(_overlap(made[0], d) for d in stopped):
                drawn += made
    return tuple(sorted(drawn, key=lambda d: (d.at_s, d.kind.value, d.client)))


def _overlap(one: Disruption, other: Disruption) -> bool:
    """Whether two stops of a process come too near each other: at a kill's awaits, nobody knows."""
    return (
        one.at_s < other.at_s + other.for_s + QUIET_S
        and other.at_s < one.at_s + one.for_s + QUIET_S
    )


Builder = Callable[[random.Random, ClientPlan, float], list[Disruption]]


def _stop(kind: DisruptionKind, usual_s: float, most_s: float) -> Builder:
    def build(rng: random.Random, client: ClientPlan, until_s: float) -> list[Disruption]:
        for_s = round(min(heavy_tailed(rng, usual_s, most_s), until_s / 3), 1)
        awaits = 0 if kind is DisruptionKind.FREEZE else round(heavy_tailed(rng, 8, 200))
        at_s = _near_an_action(rng, client, until_s - for_s - QUIET_S)
        return [Disruption(at_s=at_s, client=client.name, kind=kind, for_s=for_s, awaits=awaits)]

    return build


def _wire(
    kind: DisruptionKind, usual_s: float, most_s: float, *, by_s: tuple[float, float] = (0.0, 0.0)
) -> Builder:
    """The way to the venue, or the disk, fails for a while; `by_s`: usual and most, in seconds."""

    def build(rng: random.Random, client: ClientPlan, until_s: float) -> list[Disruption]:
        for_s = round(min(heavy_tailed(rng, usual_s, most_s), until_s / 2), 1)
        slower_s = round(heavy_tailed(rng, *by_s), 3) if by_s[0] else 0.0
        at_s = _near_an_action(rng, client, until_s - for_s)
        return [Disruption(at_s=at_s, client=client.name, kind=kind, for_s=for_s, by_s=slower_s)]

    return build


def _reset(rng: random.Random, client: ClientPlan, until_s: float) -> list[Disruption]:
    at_s = _near_an_action(rng, client, until_s)
    return [Disruption(at_s=at_s, client=client.name, kind=DisruptionKind.RESET)]


def _clock_step(rng: random.Random, client: ClientPlan, until_s: float) -> list[Disruption]:
    """A jump of some seconds, sometimes an hour; every other one is set right again."""
    kind = DisruptionKind.CLOCK_STEP
    by_s = round(rng.choice((-1, 1)) * heavy_tailed(rng, 5, 3600, tail=0.3), 3)
    at_s, back_s = sorted(round(rng.uniform(0.02, 0.98) * until_s, 2) for _ in range(2))
    steps = [Disruption(at_s=at_s, client=client.name, kind=kind, by_s=by_s)]
    if rng.random() < 0.5:
        steps.append(Disruption(at_s=back_s, client=client.name, kind=kind, by_s=-by_s))
    return steps


def _near_an_action(rng: random.Random, client: ClientPlan, latest_s: float) -> float:
    """When something is under way: mostly just after a strategy has asked for something."""
    at_s = rng.uniform(0.0, latest_s)
    at_random, after_s = rng.random() < 0.3, 0.002 * math.exp(rng.random() * math.log(1000))
    earlier = [action.at_s for action in client.actions if action.at_s + after_s <= latest_s]
    if earlier and not at_random:
        at_s = earlier[int(at_s / latest_s * (len(earlier) - 1))] + after_s
    return round(at_s, 3)


_BUILDERS: Final[Mapping[DisruptionKind, Builder]] = {
    DisruptionKind.KILL: _stop(DisruptionKind.KILL, 4, 60),
    DisruptionKind.POWER_LOSS: _stop(DisruptionKind.POWER_LOSS, 8, 90),
    DisruptionKind.FREEZE: _stop(DisruptionKind.FREEZE, 6, 120),
    DisruptionKind.CLOCK_STEP: _clock_step,
    DisruptionKind.DISK_FULL: _wire(DisruptionKind.DISK_FULL, 8, 60),
    DisruptionKind.PARTITION: _wire(DisruptionKind.PARTITION, 8, 90),
    DisruptionKind.RESET: _reset,
    DisruptionKind.REFUSE: _wire(DisruptionKind.REFUSE, 8, 60),
    DisruptionKind.SLOW: _wire(DisruptionKind.SLOW, 15, 120, by_s=(0.3, 5.0)),
    DisruptionKind.DNS_FAILURE: _wire(DisruptionKind.DNS_FAILURE, 10, 90),
}
