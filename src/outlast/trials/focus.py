"""Trials about one thing: states that a night drawn at large seldom reaches.

A breaker opens after eighteen failures in a row, lanes matter when places are short, limits when
they are nearly used up. Swarms of faults seldom come to that with the few orders of a trial, so
each focus goes there straight: many requests in a short time, and little else that goes wrong.

A focus draws from streams of its own, `seed/focus/name`: the same seed without a focus stays the
trial that it was.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from outlast.mock.scenario.builder import fault
from outlast.trials.model import Action, ActionKind, ClientPlan, Disruption, DisruptionKind
from outlast.trials.reply_faults import rate_limited
from outlast.trials.sketch import PhaseSketch, lasting, stream_of

__all__ = ["FOCUSES", "Plot", "plot"]

_K = ActionKind
_ENTRIES: Final = (_K.QUOTE, _K.QUOTE, _K.TAKE)
_EXITS: Final = (_K.CANCEL, _K.CANCEL, _K.CANCEL_ALL, _K.EXIT)
_CREATES: Final = ["orders.create"]
_LOOKUPS: Final = ["orders.query", "orders.open", "fills.query"]
_READS: Final = [*_LOOKUPS, "account.*", "market.read"]


@dataclass(slots=True)
class Plot:
    """One such trial while it is being drawn."""

    venue: str
    symbols: Sequence[str]
    rng: random.Random
    phases: list[PhaseSketch] = field(default_factory=list)
    limits_factor: float | None = None
    disruptions: list[Disruption] = field(default_factory=list)
    has_few_slots: bool = False
    _actions: list[Action] = field(default_factory=list)

    @property
    def ends_s(self) -> float:
        return self.phases[-1].until_s if self.phases else 0.0

    @property
    def clients(self) -> tuple[ClientPlan, ...]:
        asked = (action for action in self._actions if action.at_s < self.ends_s - 1.0)
        actions = sorted(asked, key=lambda action: action.at_s)
        few = self.has_few_slots
        plan = ClientPlan(name="bot-1", venue=self.venue, actions=tuple(actions), has_few_slots=few)
        return (plan,)

    def stretch(self, name: str, length_s: float) -> PhaseSketch:
        """Add a phase after those that there are."""
        phase = PhaseSketch(name, self.ends_s, round(length_s, 1))
        self.phases.append(phase)
        return phase

    def rule(self, phase: PhaseSketch, slug: str, match: Sequence[str], **terms: Any) -> None:
        """Let a fault of type `slug` strike in `phase`, after the rules that are there already."""
        at = float(len(phase.rules))
        phase.rules.append((at, slug, fault(match, **terms)))

    def slow_wire(self, at_s: float, *, for_s: float, by_s: float) -> None:
        """Let everything take longer on its way."""
        for_s, by_s = round(for_s, 1), round(by_s, 2)
        kind = DisruptionKind.SLOW
        self.disruptions.append(
            Disruption(at_s=at_s, client="bot-1", kind=kind, for_s=for_s, by_s=by_s)
        )

    def ask(self, at_s: float, *kinds: ActionKind, **terms: Any) -> None:
        """Have the strategy do one of `kinds` at `at_s`."""
        kind = self.rng.choice(kinds)
        said: dict[str, Any] = {
            "symbol": self.rng.choice(self.symbols),
            "side": self.rng.choice(("buy", "sell")),
            "worth": Decimal(self.rng.randint(200, 900)),
            "price_off": Decimal(f"{self.rng.uniform(0.002, 0.01):.4f}"),
            "deadline_s": round(self.rng.uniform(10, 40), 1) if kind is _K.EXIT else None,
        }
        said |= terms
        self._actions.append(Action(at_s=round(at_s, 2), kind=kind, **said))

    def ask_often(
        self, from_s: float, until_s: float, pace_s: float, *kinds: ActionKind, **terms: Any
    ) -> None:
        """Have it do one of `kinds` again and again, on average every `pace_s` seconds."""
        at_s = from_s + self.rng.uniform(0.0, pace_s)
        while at_s < until_s:
            self.ask(at_s, *kinds, **terms)
            at_s += self.rng.expovariate(1 / pace_s)


def _latency(usual_s: float, most_s: float) -> dict[str, str]:
    """Around `usual_s`, seldom above `most_s`."""
    return {"p50": lasting(usual_s), "p99": lasting(max(most_s, usual_s))}


# --- what they are about -------------------------------------------------------------------------


def _rush(p: Plot) -> None:
    """Waves of questions that are answered slowly, and cancels and exits in the middle of them."""
    rng = p.rng
    p.has_few_slots = True
    phase = p.stretch("rush", rng.uniform(50, 80))
    slow = _latency(rng.uniform(0.6, 1.8), rng.uniform(2.0, 2.8))
    p.rule(phase, "delays", _READS, latency=slow)
    if rng.random() < 0.5:
        p.rule(phase, "delays", _CREATES, latency=_latency(rng.uniform(0.5, 3), rng.uniform(3, 6)))
    if rng.random() < 0.5:
        wait_s = rng.randint(3, 15)
        reply = rate_limited(p.venue, wait_s)
        where = {"nth": rng.randint(5, 40)}
        p.rule(phase, "rate_limited", ["market.read"], where=where, reply=reply, effect="none")
        p.stretch("after", wait_s + 1)
    at_s = rng.uniform(3, 6)
    while at_s < phase.until_s - 6:
        for _ in range(rng.randint(1, 3)):
            p.ask(at_s, *_ENTRIES)
        wave_s = at_s + rng.uniform(2, 4)
        for _ in range(rng.randint(10, 22)):
            p.ask(wave_s + rng.uniform(0.0, 0.3), _K.READ, _K.READ, _K.READ, _K.QUOTE)
        for _ in range(rng.randint(2, 5)):
            p.ask(wave_s + rng.uniform(0.1, 1.5), *_EXITS)
        at_s = wave_s + rng.uniform(5, 10)


def _limits(p: Plot) -> None:
    """As much is asked for as the limits allow, on a slow wire or with answers that say nothing."""
    rng = p.rng
    p.limits_factor = round(rng.uniform(0.035, 0.06), 3)
    opening = p.stretch("opening", rng.uniform(4, 7))
    phase = p.stretch("at-the-limit", rng.uniform(70, 120))
    how = rng.choice(("slow", "slow", "failing", "failing", "both"))
    if how != "failing":
        by_s = rng.uniform(0.4, 1.1)
        p.slow_wire(opening.until_s, for_s=phase.length_s - 8, by_s=by_s)
    if how != "slow":
        # Neither says in a header how much is used, so that the client's own count is all it has.
        reply = rng.choice(({"reset": "headers"}, {"reset": "request"}))
        share = round(rng.uniform(0.3, 0.7), 2)
        p.rule(phase, "answer_lost", _READS, p=share, reply=reply, effect="apply")
    at_s = opening.until_s
    while at_s < phase.until_s - 6:
        for _ in range(rng.choice((1, 3, 6, 10))):
            p.ask(at_s + rng.uniform(0.0, 1.5), *_ENTRIES, _K.READ, _K.READ, _K.RECONCILE)
        if rng.random() < 0.4:
            p.ask(at_s + rng.uniform(0.0, 4.0), *_EXITS)
        at_s += rng.uniform(3, 6)


_OUT: Final = (
    ("orders", _CREATES),
    ("orders", _CREATES),
    ("orders", _CREATES),
    ("everything", ["*"]),
    ("reads", [*_LOOKUPS, "account.*"]),
    ("prices", ["market.read"]),
)


def _outage(p: Plot) -> None:
    """One plane fails until its breaker opens; some of its calls are answered long after that."""
    rng = p.rng
    _what, match = rng.choice(_OUT)
    opening = p.stretch("opening", rng.uniform(8, 14))
    trouble = p.stretch("trouble", rng.uniform(15, 40))
    again = p.stretch("again", rng.uniform(70, 100))
    reply = rng.choice(("overload", "overload", "unavailable", "internal"))
    # Answered when the venue is well again: too late to say anything about it.
    late = _latency(rng.uniform(2, 6), rng.uniform(6, 9))
    p.rule(trouble, "outage", match, p=0.2, reply=reply, effect="none", latency=late)
    p.rule(trouble, "outage", match, p=0.98, reply=reply, effect="none")
    p.ask_often(1.0, opening.until_s, 2.0, *_ENTRIES)
    p.ask_often(trouble.at_s, trouble.until_s, 0.5, _K.QUOTE, _K.TAKE, _K.TAKE, _K.READ)
    p.ask_often(trouble.at_s, trouble.until_s, 3.0, *_EXITS)
    p.ask_often(again.at_s, again.until_s - 2, rng.uniform(1.5, 4), *_ENTRIES, _K.READ, *_EXITS)


def _fills(p: Plot) -> None:
    """Orders are filled piece by piece, and what is told of it comes slowly and out of order."""
    rng = p.rng
    phase = p.stretch("thin", rng.uniform(45, 75))
    depth = {side: f"{rng.uniform(0.0005, 0.01):.4f}" for side in ("bid", "ask")}
    phase.changes.append((0.0, "market", {"depth_x": depth, "vol_x": f"{rng.uniform(4, 15):.1f}"}))
    if rng.random() < 0.6:
        p.slow_wire(4.0, for_s=phase.length_s - 8, by_s=rng.uniform(0.2, 0.8))
    if rng.random() < 0.3:
        lag = {"fills_delay": lasting(rng.uniform(1, 5))}
        phase.changes.append((5.0, "engine", lag))
        phase.changes.append((phase.length_s - 20, "engine", {"fills_delay": "0s"}))
    near = {"hold_s": round(rng.uniform(5, 25), 1)}
    at_s = rng.uniform(2, 4)
    while at_s < phase.until_s - 4:
        off = Decimal(f"{rng.uniform(-0.001, 0.0005):.5f}")
        p.ask(at_s, _K.QUOTE, worth=Decimal(rng.randint(2000, 15000)), price_off=off, **near)
        for _ in range(rng.randint(0, 2)):
            p.ask(at_s + rng.uniform(0.5, 6), _K.RECONCILE, _K.RECONCILE, _K.READ, _K.CANCEL)
        if rng.random() < 0.2:
            p.ask(at_s + rng.uniform(1, 6), _K.EXIT, _K.CANCEL_ALL, _K.TAKE)
        at_s += rng.uniform(2, 6)


def _doubt(p: Plot) -> None:
    """Orders are lost or their answers are, and hardly a question after them is answered."""
    rng = p.rng
    opening = p.stretch("opening", rng.uniform(4, 8))
    doubt = p.stretch("doubt", rng.uniform(40, 80))
    after = p.stretch("after", rng.uniform(15, 30))
    reply = rng.choice(("unknown", "backend_timeout", {"reset": "headers"}, {"empty": 200}))
    effect = rng.choice(("apply", "apply", "none", {"apply": 0.5}))
    p.rule(doubt, "unknown_error", _CREATES, p=0.6, reply=reply, effect=effect)
    silent = rng.choice(({"reset": "headers"}, "unavailable", {"http": {"status": 502}}))
    dark = rng.choice((_LOOKUPS, ["orders.query", "fills.query"], [*_LOOKUPS, "orders.cancel"]))
    share = round(rng.uniform(0.7, 0.97), 2)
    p.rule(doubt, "outage", dark, p=share, reply=silent, effect="none")
    p.ask_often(1.0, opening.until_s, 2.0, *_ENTRIES)
    for at_s in range(int(doubt.at_s), int(doubt.until_s), 6):
        p.ask(at_s + rng.uniform(0, 5), *_ENTRIES, deadline_s=round(rng.uniform(2, 9), 1))
        if rng.random() < 0.3:
            p.ask(at_s + rng.uniform(0, 5), *_EXITS)
    p.ask_often(after.at_s, after.until_s - 2, 4.0, *_ENTRIES, *_EXITS)


FOCUSES: Final[Mapping[str, tuple[str, Callable[[Plot], None]]]] = {
    # name: (what it is about, who draws it)
    "rush": ("more is asked for at once than there are places for", _rush),
    "limits": ("as much is asked for as the venue's limits allow", _limits),
    "outage": ("a plane fails until its breaker opens, and comes back", _outage),
    "fills": ("orders are filled piece by piece, and told of out of order", _fills),
    "doubt": ("orders are lost, and hardly a question after them is answered", _doubt),
}


def plot(seed: int, focus: str, *, venue: str, symbols: Sequence[str]) -> Plot:
    """Draw what the trial of `seed` under `focus` is about: phases, actions, disruptions."""
    made = Plot(venue, symbols, stream_of(seed, "focus", focus))
    FOCUSES[focus][1](made)
    return made
