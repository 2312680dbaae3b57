"""A scenario while it is being drawn: phases that faults are put into, then one document.

Faults of requests and streams become rules of a phase, settings of engine, market and account
become a window inside one. Each fault draws from its own stream of chance, so one fault type more
changes nothing of what the others draw.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.mock.scenario.durations import format_duration
from outlast.trials.model import DrawnFault

__all__ = ["How", "PhaseSketch", "Sketch", "Stroke", "heavy_tailed", "lasting", "stream_of"]

Data = Mapping[str, Any]


class How(Enum):
    """How often a rule strikes, of the requests that it is about."""

    SELDOM = "seldom"
    """What only refuses: many of them, and nothing is ever placed."""
    NOW_AND_THEN = "now and then"
    """What leaves doubt: each time it strikes is worth something."""
    MOSTLY = "mostly"
    """What only matters when it holds for most requests."""


def stream_of(seed: int, *names: object) -> random.Random:
    """Give the stream of chance of one purpose; what one draws does not shift what another will."""
    return random.Random("/".join(map(str, (seed, *names))))  # noqa: S311 repeatable, not secret


def heavy_tailed(rng: random.Random, usual: float, most: float, *, tail: float = 0.15) -> float:
    """Draw a magnitude: mostly around `usual`; with chance `tail` anything up to `most`."""
    if rng.random() < tail:
        return usual * math.exp(rng.random() * math.log(most / usual))
    return usual * rng.uniform(0.3, 1.5)


def lasting(seconds: float) -> str:
    """Write a duration for a document; what is drawn is never shorter than a tenth of a second."""
    return format_duration(max(0.1, round(seconds, 1)))


@dataclass(slots=True)
class PhaseSketch:
    name: str
    at_s: float
    length_s: float
    rules: list[tuple[float, str, Data]] = field(default_factory=list)
    """(place in the order of asking, fault type, rule)."""
    changes: list[tuple[float, str, Data]] = field(default_factory=list)
    """(seconds after the start of the phase, section, settings)."""
    limits: dict[str, Any] = field(default_factory=dict)
    flap: Data | None = None
    ramp: Data | None = None

    @property
    def until_s(self) -> float:
        return self.at_s + self.length_s

    def ordered(self) -> list[tuple[float, str, Data]]:
        """The rules as they will be asked: the first that holds decides."""
        return sorted(self.rules, key=lambda rule: rule[:2])

    def timeline(self) -> list[dict[str, Any]]:
        """The changes by time; the end of a window before the start of the next one."""
        return [
            {"at": format_duration(at_s), section: settings}
            for at_s, section, settings in sorted(self.changes, key=lambda change: change[0])
        ]


@dataclass(slots=True)
class Sketch:
    """Everything drawn so far."""

    venues: tuple[str, ...]
    phases: tuple[PhaseSketch, ...]
    safety_s: float
    intensity: float
    """What every chance of a rule is multiplied by: a storm of all fault types at full strength
    would let nothing through, and what never happens is not tested."""
    drawn: list[DrawnFault] = field(default_factory=list)
    """Those that are no rules."""
    status_page: list[tuple[float, str, Data]] = field(default_factory=list)
    """(seconds since the trial began, state, the entry's other keys)."""

    def add_to(self, builder: ScenarioBuilder) -> None:
        """Put phases and status page into a document."""
        for phase in self.phases:
            has_faults = bool(phase.rules)
            builder.phase(
                phase.name,
                format_duration(phase.length_s),
                faults=[rule for _, _, rule in phase.ordered()] or None,
                timeline=phase.timeline() or None,
                limits=phase.limits or None,
                # Waves and ramps are of rules: without any the language refuses them.
                flap=phase.flap if has_faults else None,
                ramp=phase.ramp if has_faults else None,
            )
        for at_s, page, keys in sorted(self.status_page, key=lambda entry: entry[0]):
            builder.status(format_duration(at_s), page, **keys)

    def faults(self) -> tuple[DrawnFault, ...]:
        """All faults, by time; rules under the ids that the document's reader will give them."""
        rules = [
            DrawnFault(
                fault=slug,
                at_s=phase.at_s,
                until_s=phase.until_s,
                rule_id=f"{phase.name}/{index}",
            )
            for phase in self.phases
            for index, (_, slug, _) in enumerate(phase.ordered())
        ]
        return tuple(sorted([*self.drawn, *rules], key=lambda f: (f.at_s, f.fault, f.rule_id)))


@dataclass(slots=True)
class Stroke:
    """One fault type on its way into a sketch, with its own stream of chance."""

    slug: str
    venues: tuple[str, ...]
    """Those of the trial's venues that have this fault."""
    rng: random.Random
    sketch: Sketch
    t0_ms: int

    def phases(self, *, lingers_s: float = 0.0, from_s: float = 0.0) -> Sequence[PhaseSketch]:
        """Choose a phase, sometimes two; none when there is no room.

        Args:
            lingers_s: how long after its phase the fault can still be felt. It is over before the
                safety phase is.
            from_s: the phase begins no earlier than this.
        """
        last_s = self.sketch.safety_s - lingers_s + 1e-6
        fitting = [p for p in self.sketch.phases if p.until_s <= last_s and p.at_s >= from_s]
        count = 2 if self.rng.random() < 0.25 else 1
        return self.rng.sample(fitting, min(count, len(fitting)))

    def rule(
        self,
        match: str | Sequence[str],
        *,
        where: Data | None = None,
        lingers_s: float = 0.0,
        how: How = How.NOW_AND_THEN,
        comes_last: bool = False,
        **terms: Any,
    ) -> None:
        """Put a rule into a phase; `how` often it strikes there is drawn.

        `comes_last`: after all others, whose numbers it leaves as they are. Rules for `ws.api` are
        asked first wherever they stand.
        """
        for phase in self.phases(lingers_s=lingers_s):
            p, asked = self._chance(how)
            asked |= where or {}
            if self.venues != self.sketch.venues:
                asked["venue"] = list(self.venues)
            rule = fault(match, where=asked or None, p=p, **terms)
            rank = self.rng.random() + (1.0 if comes_last else 0.0)
            phase.rules.append((rank, self.slug, rule))

    def _chance(self, how: How) -> tuple[float | None, dict[str, Any]]:
        """`p` and what of `where` goes with it. A `p` of 1 would silence all rules below."""
        style = self.rng.random()
        if how is How.MOSTLY:
            return round(self.rng.uniform(0.4, 0.97), 2), {}
        low, high = (0.1, 0.5) if how is How.NOW_AND_THEN else (0.02, 0.15)
        if style < 0.35:
            return None, {"nth": self.rng.randint(1, 4)}
        p = self.rng.uniform(0.3, 0.97) if style < 0.45 else self.rng.uniform(low, high)
        p = max(0.02, round(p * self.sketch.intensity, 2))
        return p, {"share_of_keys": 0.5} if style > 0.95 else {}

    def window(
        self,
        section: str,
        during: Data,
        after: Data,
        *,
        usual_s: float,
        most_s: float,
        from_s: float = 0.0,
        lingers_s: float = 0.0,
    ) -> None:
        """Let settings of `engine`, `market` or `account` hold for some seconds inside a phase.

        `after` takes them back; `from_s`: not in the first seconds of the trial.
        """
        for phase in self.phases(lingers_s=lingers_s):
            length_s = min(heavy_tailed(self.rng, usual_s, most_s), 0.8 * phase.length_s)
            earliest_s = max(0.0, from_s - phase.at_s)
            at_s = earliest_s + self.rng.random() * (phase.length_s - length_s - earliest_s)
            at_s, end_s = round(at_s, 1), round(at_s + length_s, 1)
            if at_s < earliest_s:
                continue  # The phase is over before it could begin.
            phase.changes.append((at_s, section, during))
            if end_s < phase.length_s:
                phase.changes.append((end_s, section, after))
            self.note(phase.at_s + at_s, min(phase.at_s + end_s, phase.until_s))

    def note(self, at_s: float, until_s: float) -> None:
        """Record that this fault has been drawn where no rule says so."""
        self.sketch.drawn.append(
            DrawnFault(fault=self.slug, at_s=round(at_s, 1), until_s=round(until_s, 1))
        )
