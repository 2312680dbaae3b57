"""A healthy sibling goes on as if nothing had happened elsewhere (8): told by a second run.

A trial is played twice: as it is, and without what disturbs the others. What the sibling asked for
must be the same request for request. Requests are compared by kind, symbol and time, not by id: a
breaker, a queue or a limit that is shared by mistake shows as a request that is missing or late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from outlast.mock.scenario.model import FaultRule, Phase, Scenario
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE
from outlast.trials.invariants.facts import Attempt, ClientFacts
from outlast.trials.invariants.registry import numbered
from outlast.trials.model import Trial, Violation
from outlast.trials.watching import Client, NoWatcher, Watcher, World
from outlast.wire import Record

__all__ = ["SiblingWatch", "compare_siblings", "without_the_fault"]

SAME_INSTANT_S: Final = 0.001

Admission = tuple[float, str, str]
"""When it was sent, which request, for which symbol."""

Play = Callable[[Trial, Watcher], object]
"""`world.run_trial`, or anything like it."""


class SiblingWatch(NoWatcher):
    """Notes what each client's venue let leave, and looks at nothing else."""

    def __init__(self, read: Callable[[ClientFacts, Record], Attempt | None]) -> None:
        self.admitted: dict[str, list[Admission]] = {}
        self._read = read
        self._facts: dict[str, ClientFacts] = {}
        self._world: World | None = None

    def began(self, world: World) -> None:
        self._world = world

    def recorded(self, client: Client, record: Record) -> None:
        if record.kind != "attempt" or self._world is None:
            return
        facts = self._facts.get(client.name)
        if facts is None:
            now_s = self._world.now_s
            facts = self._facts[client.name] = ClientFacts(
                client=client,
                name=client.name,
                venue=client.venue,
                account=client.account,
                mono_s=client.clock.now() - now_s,
            )
        attempt = self._read(facts, record)
        if attempt is not None:
            symbol = attempt.params.get("symbol", "")
            admissions = self.admitted.setdefault(client.name, [])
            admissions.append((attempt.sent_s, attempt.request, symbol))


def without_the_fault(trial: Trial, sibling: str) -> Trial:
    """The same trial with nothing that disturbs other clients than `sibling`.

    Disruptions of the others' machines are taken out, and the scenario's fault rules that are about
    other venues than the sibling's.
    """
    venue = next(plan.venue for plan in trial.clients if plan.name == sibling)
    return replace(
        trial,
        scenario=_on_venue_only(trial.scenario, venue),
        disruptions=tuple(d for d in trial.disruptions if d.client == sibling),
    )


def _on_venue_only(scenario: Scenario, venue: str) -> Scenario:
    return replace(scenario, phases=tuple(_quiet(phase, venue) for phase in scenario.phases))


def _quiet(phase: Phase, venue: str) -> Phase:
    return replace(phase, faults=tuple(rule for rule in phase.faults if _touches(rule, venue)))


def _touches(rule: FaultRule, venue: str) -> bool:
    where = rule.where
    if where.venue and venue not in where.venue:
        return False
    return not where.product or PRODUCT_OF_VENUE[venue] in where.product


def compare_siblings(
    trial: Trial,
    *,
    play: Play,
    watch: Callable[[], SiblingWatch],
    siblings: Iterable[str] | None = None,
) -> Sequence[Violation]:
    """Play `trial` once as it is and once for each sibling without the others' faults.

    Args:
        siblings: the clients to compare; None: those that no disruption strikes and that trade on
            another venue than one that a fault rule names.
    """
    names = _healthy(trial) if siblings is None else list(siblings)
    if not names:
        return []
    found: list[Violation] = []
    disturbed = watch()
    play(trial, disturbed)
    for name in names:
        quiet = watch()
        play(without_the_fault(trial, name), quiet)
        difference = _first_difference(
            disturbed.admitted.get(name, []), quiet.admitted.get(name, [])
        )
        if difference is not None:
            at_s, detail = difference
            found.append(Violation(numbered("8").slug, at_s, f"{name}: {detail}"))
    return found


def _healthy(trial: Trial) -> list[str]:
    struck = {disruption.client for disruption in trial.disruptions}
    rules = [rule for phase in trial.scenario.phases for rule in phase.faults]
    return [
        plan.name
        for plan in trial.clients
        if plan.name not in struck and not any(_touches(rule, plan.venue) for rule in rules)
    ]


def _first_difference(
    disturbed: Sequence[Admission], quiet: Sequence[Admission]
) -> tuple[float, str] | None:
    ours, theirs = sorted(disturbed), sorted(quiet)
    for with_fault, without in zip(ours, theirs, strict=False):
        same = with_fault[1:] == without[1:]
        if not same or abs(with_fault[0] - without[0]) > SAME_INSTANT_S:
            return with_fault[0], f"{_told(with_fault)}; without the fault: {_told(without)}"
    if len(ours) != len(theirs):
        extra = ours[len(theirs)] if len(ours) > len(theirs) else theirs[len(ours)]
        which = "only with" if len(ours) > len(theirs) else "only without"
        return extra[0], f"{_told(extra)} {which} the fault"
    return None


def _told(admission: Admission) -> str:
    at_s, request, symbol = admission
    return f"{request} {symbol} at {at_s:.3f} s".replace("  ", " ")
