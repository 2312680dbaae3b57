"""From a seed, a trial: markets, users, and what goes wrong.

Swarm testing: each fault type is off in half of the seeds, because faults hide one another; a night
with everything in it never gets as far as the rare cases. Then a liveness phase without any fault.
Source: Groce et al., "Swarm Testing", ISSTA 2012.

Every choice has its own stream, `random.Random("seed/name")`: one fault type more does not shift
what the others draw, and a failing seed stays the same night for longer.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE
from outlast.trials.focus import FOCUSES, plot
from outlast.trials.honesty import is_header_honest, late_apply_max_s, not_held_to
from outlast.trials.machine_faults import MACHINE_FAULTS, draw_disruptions
from outlast.trials.model import ClientPlan, Disruption, DrawnFault, Trial
from outlast.trials.paths import draw_paths
from outlast.trials.reply_faults import REPLY_FAULTS, Builder
from outlast.trials.sketch import PhaseSketch, Sketch, Stroke, stream_of
from outlast.trials.venue_faults import LIES, VENUE_FAULTS
from outlast.trials.workload import GIVING_UP, declare_limits, declare_world, draw_clients, unified

__all__ = [
    "BOOK_FAULTS",
    "FAULT_TYPES",
    "SOCKET_FAULTS",
    "STREAM_FAULTS",
    "VENUES",
    "draw_focused_trial",
    "draw_trial",
    "draw_trial_of",
    "venues_of",
]

VENUES: Final = ("binance-um",)
"""The venues that trials are drawn on: those that the client speaks."""

_IN_SCENARIO: Final[Mapping[str, tuple[str, tuple[str, ...], Builder]]] = {
    **REPLY_FAULTS,
    **VENUE_FAULTS,
}
FAULT_TYPES: Final[Mapping[str, str]] = {
    **{slug: line for slug, (line, _, _) in _IN_SCENARIO.items()},
    **MACHINE_FAULTS,
    GIVING_UP: "the strategy cancels its own task, at any of its awaits",
}
"""Every fault type, in one line."""
STREAM_FAULTS: Final = frozenset(slug for slug in VENUE_FAULTS if slug.startswith("stream_"))
"""Those that only strike a client that listens to a stream."""
BOOK_FAULTS: Final = frozenset({"stream_bad_checksum"})
"""Those that only strike a client that reads a book."""
SOCKET_FAULTS: Final = frozenset(slug for slug in VENUE_FAULTS if slug.startswith("socket_"))
"""Those that only strike a client whose orders go by socket."""

_NOT_TOGETHER: Final = (("order_denied", "history_late"),)
"""Pairs of which a seed has one at most. A filled order that the query denies and that the history
does not show yet has left no trace to be found: nobody can settle it."""

_FEW_QUESTIONS: Final = "kraken-spot"
_LONGER_S: Final = 150.0
"""Of Kraken's lowest tier: 20 questions a minute, and less of those for history."""

_T0: Final = (datetime(2026, 3, 2, 14, tzinfo=UTC), datetime(2025, 10, 10, 21, tzinfo=UTC))
"""Before and after 23 October 2025, when -1008 got other words."""


def venues_of(slug: str) -> tuple[str, ...]:
    """The venues that have a fault type; disruptions and strategies do not ask where."""
    return _IN_SCENARIO[slug][1] if slug in _IN_SCENARIO else tuple(PRODUCT_OF_VENUE)


def draw_trial(seed: int, *, venues: Sequence[str] = VENUES) -> Trial:
    """Draw the trial of a seed.

    Raises:
        ValueError: a negative seed, or a venue that the mock does not have.
    """
    _check(seed, venues)
    switched_on = [slug for slug in FAULT_TYPES if _is_on(seed, slug)]
    time = stream_of(seed, "time")
    t0 = time.choice((_T0[0], _T0[0], _T0[1])) + timedelta(seconds=time.randrange(3600))
    safety_s, liveness_s = float(time.randint(60, 300)), _liveness_s(time, venues)
    must_open = any(slug in LIES for slug in switched_on)
    sketch = _sketch(seed, tuple(venues), safety_s, must_open=must_open)
    for slug in switched_on:
        if slug in _IN_SCENARIO:
            _, has_it, build = _IN_SCENARIO[slug]
            here = tuple(venue for venue in venues if venue in has_it)
            if here:
                rng = stream_of(seed, "fault", slug)
                build(Stroke(slug, here, rng, sketch, round(t0.timestamp() * 1000)))
    builder = ScenarioBuilder(
        f"trial-{seed}",
        title=f"drawn from seed {seed}",
        venue=list(venues),
        seed=seed,
        t0=t0,
    )
    declare_limits(builder, seed=seed, venues=venues)
    declare_world(builder, seed=seed, venues=venues)
    opening_s = sketch.phases[0].at_s
    if opening_s:
        builder.phase("opening", f"{opening_s:.0f}s")
    sketch.add_to(builder)
    scenario = builder.phase("liveness", "rest").build()
    return _trial(
        seed,
        scenario,
        switched_on,
        venues=venues,
        faults=sketch.faults(),
        disruptions=[slug for slug in MACHINE_FAULTS if slug in switched_on],
        quiet_s=opening_s,
        safety_s=safety_s,
        liveness_s=liveness_s,
    )


def draw_trial_of(seed: int, slug: str, *, venues: Sequence[str] = VENUES) -> Trial:
    """Draw a trial in a scenario of the catalogue: its faults, and a few disruptions on top.

    The safety phase lasts as long as the scenario; the liveness phase comes after its end.

    Raises:
        ScenarioError: there is no such scenario.
        ValueError: a negative seed, or a scenario that is about none of `venues`.
    """
    scenario = load(slug)
    here = [venue for venue in scenario.venues if venue in venues]
    if not here:
        raise ValueError(
            f"scenario {slug} is about {', '.join(scenario.venues)}; "
            f"trials are played on {', '.join(venues)}: choose another one"
        )
    _check(seed, here)
    assert scenario.duration_s is not None, "the catalogue's scenarios end"
    rng = stream_of(seed, "catalogue")
    few = rng.sample(list(MACHINE_FAULTS), rng.randint(0, 3))
    switched_on = [slug for slug in MACHINE_FAULTS if slug in few]
    if _is_on(seed, GIVING_UP):
        switched_on.append(GIVING_UP)
    return _trial(
        seed,
        scenario,
        switched_on,
        venues=here,
        faults=(),
        disruptions=[slug for slug in MACHINE_FAULTS if slug in switched_on],
        quiet_s=0.0,
        safety_s=scenario.duration_s,
        liveness_s=_liveness_s(rng, here),
    )


def draw_focused_trial(seed: int, focus: str, *, venues: Sequence[str] = VENUES) -> Trial:
    """Draw the trial of a seed that is about one thing: see `focus.FOCUSES`.

    Raises:
        ValueError: a negative seed, an unknown focus, or a venue that the mock does not have.
    """
    _check(seed, venues)
    if focus not in FOCUSES:
        raise ValueError(f"focus is {focus!r}; it must be one of {', '.join(FOCUSES)}")
    time = stream_of(seed, "focus", focus, "time")
    t0 = _T0[0] + timedelta(seconds=time.randrange(3600))
    builder = ScenarioBuilder(
        f"trial-{seed}-{focus}",
        title=f"drawn from seed {seed} about {focus}",
        venue=list(venues),
        seed=seed,
        t0=t0,
    )
    traded = declare_world(builder, seed=seed, venues=venues)
    venue = time.choice(list(venues))
    drawn = plot(seed, focus, venue=venue, symbols=traded[venue])
    if drawn.limits_factor is not None and _FEW_QUESTIONS not in venues:
        builder.limits(factor=drawn.limits_factor)
    sketch = Sketch(tuple(venues), tuple(drawn.phases), drawn.ends_s, intensity=1.0)
    sketch.add_to(builder)
    faults = sketch.faults()
    struck = {fault.fault for fault in faults} | {d.kind.value for d in drawn.disruptions}
    return _played_by(
        drawn.clients,
        seed,
        builder.phase("liveness", "rest").build(),
        [slug for slug in FAULT_TYPES if slug in struck],
        faults=faults,
        disruptions=drawn.disruptions,
        safety_s=drawn.ends_s,
        liveness_s=_liveness_s(time, venues),
    )


def _liveness_s(rng: random.Random, venues: Sequence[str]) -> float:
    """How long all may take to converge. Where questions are few, proofs take minutes."""
    usual_s = float(rng.randint(135, 180))
    return usual_s + _LONGER_S if _FEW_QUESTIONS in venues else usual_s


def _check(seed: int, venues: Sequence[str]) -> None:
    if seed < 0:
        raise ValueError(f"seed is {seed}; it must be 0 or more")
    for venue in venues:
        if venue not in PRODUCT_OF_VENUE:
            known = ", ".join(PRODUCT_OF_VENUE)
            raise ValueError(f"venues has {venue!r}; each must be one of {known}")
    if not venues:
        raise ValueError("venues is empty; name at least one")


def _is_on(seed: int, slug: str) -> bool:
    if stream_of(seed, "switch", slug).random() < 0.5:
        return False
    for pair in _NOT_TOGETHER:
        if slug in pair:
            loser = stream_of(seed, "switch", *pair).choice(pair)
            other = pair[1 - pair.index(slug)]
            if slug == loser and stream_of(seed, "switch", other).random() >= 0.5:
                return False
    return True


def _sketch(seed: int, venues: tuple[str, ...], safety_s: float, *, must_open: bool) -> Sketch:
    """Cut the safety phase into one to four phases, sometimes after a quiet opening.

    `must_open`: there is an opening in any case, in which clients can learn the truth.
    """
    rng = stream_of(seed, "phases")
    opens, opening_s = rng.random() < 0.3, float(rng.randint(4, 12))
    opening_s = opening_s if opens or must_open else 0.0
    count = rng.choice((1, 2, 2, 3, 3, 3, 4, 4))
    parts = [rng.uniform(1, 3) for _ in range(count)]
    edges = [
        round(opening_s + (safety_s - opening_s) * sum(parts[:number]) / sum(parts), 1)
        for number in range(count + 1)
    ]
    phases = []
    for number in range(count):
        length_s = round(edges[number + 1] - edges[number], 1)
        phase = PhaseSketch(f"trouble-{number + 1}", edges[number], length_s)
        shape = rng.random()
        good_s, bad_s = rng.randint(4, 20), rng.randint(4, 20)
        start, steps = round(rng.uniform(0.0, 0.4), 2), rng.randint(2, 5)
        if shape < 0.12:
            first = "good" if rng.random() < 0.5 else "bad"
            phase.flap = {"good": f"{good_s}s", "bad": f"{bad_s}s", "start": first}
        elif shape < 0.22:
            phase.ramp = {"from": start, "to": 1.0, "steps": steps}
        phases.append(phase)
    intensity = rng.choice((0.3, 0.5, 0.5, 0.8, 1.0))
    return Sketch(venues, tuple(phases), safety_s, intensity)


def _trial(
    seed: int,
    scenario: Scenario,
    switched_on: Sequence[str],
    *,
    venues: Sequence[str],
    faults: Sequence[DrawnFault],
    disruptions: Sequence[str],
    quiet_s: float,
    safety_s: float,
    liveness_s: float,
) -> Trial:
    symbols = {
        venue: [unified(spec) for spec in scenario.world.listed_on(venue)] for venue in venues
    }
    clients = draw_clients(
        seed, symbols=symbols, until_s=safety_s - 1.0, gives_up=GIVING_UP in switched_on
    )
    made = draw_disruptions(
        seed, clients, from_s=quiet_s, until_s=safety_s - 1.0, slugs=disruptions
    )
    return _played_by(
        clients,
        seed,
        scenario,
        switched_on,
        faults=faults,
        disruptions=made,
        safety_s=safety_s,
        liveness_s=liveness_s,
    )


def _played_by(
    clients: tuple[ClientPlan, ...],
    seed: int,
    scenario: Scenario,
    switched_on: Sequence[str],
    *,
    faults: Sequence[DrawnFault],
    disruptions: Sequence[Disruption],
    safety_s: float,
    liveness_s: float,
) -> Trial:
    return Trial(
        seed=seed,
        scenario=scenario,
        clients=draw_paths(seed, clients),
        disruptions=tuple(disruptions),
        safety_s=safety_s,
        liveness_s=liveness_s,
        switched_off=frozenset(slug for slug in FAULT_TYPES if slug not in switched_on),
        faults=(*faults, *_outside(clients, disruptions)),
        is_header_honest=is_header_honest(scenario),
        late_apply_max_s=late_apply_max_s(scenario),
        not_held_to=not_held_to(scenario, disruptions),
    )


def _outside(clients: Sequence[ClientPlan], disruptions: Sequence[Disruption]) -> list[DrawnFault]:
    """What was drawn for machines, networks and strategies."""
    found = [
        DrawnFault(fault=d.kind.value, at_s=d.at_s, until_s=round(d.at_s + d.for_s, 3))
        for d in disruptions
    ]
    found += [
        DrawnFault(
            fault=GIVING_UP,
            at_s=action.at_s,
            until_s=round(action.at_s + action.gives_up_after_s, 3),
        )
        for client in clients
        for action in client.actions
        if action.gives_up_after_s is not None
    ]
    return found
