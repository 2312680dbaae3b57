"""The scenarios of the catalogue as a person reads them: YAML, a reader of durations, wildcards.

Nothing of the mock's own reading is used, so that a word it misreads shows as a disagreement. Only
what the catalogue uses is understood; anything else is an error of this reader.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

REQUESTS = (
    "market.read market.meta time system.status orders.create orders.amend orders.cancel "
    "orders.cancel_all orders.deadman orders.query orders.open fills.query account.balances "
    "account.positions account.transfer stream.key"
).split()
SOCKETS = "ws.market.connect ws.market.stream ws.user.connect ws.user.stream ws.api".split()
CLASSES = [*REQUESTS, "status.page", *SOCKETS]
PRODUCTS = {"binance-um": "um", "binance-spot": "spot", "kraken-spot": "spot"}
T0_MS = 1_772_460_000_000
"""2026-03-02T14:00:00Z: when a scenario plays that does not say."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """`1h30m`, `90s`, `300ms`, `-3s`."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", rest)
    assert "".join(n + u for n, u in parts) == rest, f"{text!r} is no duration"
    return sign * sum(float(n) * _UNITS[unit] for n, unit in parts)


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True)
class Rule:
    """One fault rule. `reply`, `effect`, `stream` are (kind, argument), or None where not said."""

    id: str
    classes: frozenset[str]
    where: dict[str, Any]
    p: float
    latency: tuple[float, float] | None
    reply: tuple[str, Any] | None
    effect: tuple[str, float]
    stream: tuple[str, Any] | None

    @property
    def decides(self) -> bool:
        return self.reply is not None or self.stream is not None

    def covers(self, endpoint: str, venue: str, *, reduces: bool | None = None) -> bool:
        """Whether it is about such requests of this venue, whatever its chances."""
        products = as_list(self.where.get("product", PRODUCTS[venue]))
        wanted = self.where.get("reduces")
        return (
            endpoint in self.classes
            and PRODUCTS[venue] in products
            and (wanted is None or wanted is reduces)
        )

    @property
    def share(self) -> float:
        """The share of the covered requests that get as far as this rule and that it takes."""
        return self.p * self.where.get("share_of_keys", 1.0)


@dataclass
class Phase:
    name: str
    start_s: float
    length_s: float
    said: dict[str, Any]
    rules: list[Rule] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        return self.start_s + self.length_s

    def part(self, name: str) -> dict[str, Any]:
        return self.said.get(name) or {}

    def changes(self) -> list[tuple[float, dict[str, Any]]]:
        """The timeline: (instant since the start of the scenario, what it says)."""
        return [(self.start_s + seconds(c["at"]), c) for c in self.said.get("timeline", [])]

    def ramp(self) -> list[tuple[float, float]]:
        """(start of the step, share admitted); without a ramp one step that admits nothing."""
        said = self.said.get("ramp")
        if said is None:
            return [(self.start_s, 0.0)]
        low, high, steps = said["from"], said["to"], said["steps"]
        return [
            (
                self.start_s + self.length_s * step / steps,
                low + (high - low) * step / (steps - 1),
            )
            for step in range(steps)
        ]


class Story:
    """One scenario file.

    `longest_s` cuts its phases to that, as far as they have no course that takes longer: a wave of
    a flap, the timeline, and with `waits` ramps and reports that are late, with `moves` what the
    market does. The entries of the status page stay at their places among the phases.
    """

    def __init__(
        self,
        slug: str,
        *,
        longest_s: float | None = None,
        waits: bool = False,
        moves: bool = False,
    ) -> None:
        self.document: dict[str, Any] = copy.deepcopy(_read(slug))
        self.slug = slug
        if longest_s is not None:
            _shorten(self.document, longest_s, waits=waits, moves=moves)
        self.venues = as_list(self.document["venue"])
        self.status_page = [
            {**entry, "at_s": seconds(entry["at"])}
            for entry in self.document.get("status_page", [])
        ]
        t0 = self.document.get("t0")
        self.t0_ms = T0_MS if t0 is None else round(t0.timestamp() * 1000)
        self.phases: list[Phase] = []
        at = 0.0
        for said in self.document["phases"]:
            length = seconds(said["for"])
            phase = Phase(said["name"], at, length, said)
            phase.rules = [
                _rule(f"{phase.name}/{n}", rule) for n, rule in enumerate(said.get("faults", []))
            ]
            self.phases.append(phase)
            at += length
        self.duration_s = at

    def fails(self, venue: str) -> bool:
        """Whether `engine` speaks of this venue: `breaker_scope` names the products that fail."""
        for expectation in self.document["expect"]:
            if isinstance(expectation, dict) and "breaker_scope" in expectation:
                return PRODUCTS[venue] in expectation["breaker_scope"]
        return True


AFTER_S = 120.0
"""So long a phase goes on after the last of its course."""


def _shorten(document: dict[str, Any], longest_s: float, **kept: bool) -> None:
    cuts, was_s, is_s = [], 0.0, 0.0
    for phase in document["phases"]:
        length = seconds(phase["for"])
        short = min(length, max(longest_s, _course_s(phase, **kept)))
        cuts.append((was_s, length, is_s, short))
        was_s, is_s = was_s + length, is_s + short
        phase["for"] = f"{short:g}s"
    for entry in document.get("status_page", []):
        entry["at"] = f"{_moved(seconds(entry['at']), cuts):.1f}s"


def _moved(at_s: float, cuts: list[tuple[float, float, float, float]]) -> float:
    """Where an instant lies in the shortened story: as far into its phase as before, in share."""
    for was_s, length, is_s, short in cuts:
        if at_s <= was_s + length:
            return is_s + (at_s - was_s) * short / length
    was_s, length, is_s, short = cuts[-1]
    return is_s + short + (at_s - was_s - length)


def _course_s(phase: dict[str, Any], *, waits: bool, moves: bool) -> float:
    """How long it takes until a phase has done all that its text says."""
    ends = [seconds(phase["for"]) if waits and "ramp" in phase else 0.0]
    if "flap" in phase:
        ends.append(sum(seconds(phase["flap"][half]) for half in ("good", "bad")))
    ends += [seconds(item["at"]) for key in ("timeline", "events") for item in phase.get(key, [])]
    late = ("fills_delay", "history_lag", "inband_lag") if waits else ()
    ends.append(sum(seconds(phase.get("engine", {}).get(key, "0s")) for key in late))
    for said in (phase, *phase.get("timeline", [])) if moves else ():
        market, at_s = said.get("market", {}), seconds(said.get("at", "0s"))
        away = market.get("deviate", {"peak": "0s", "decay": "0s"})
        ends.append(at_s + seconds(away["peak"]) + seconds(away["decay"]))
        ends.append(at_s + seconds(market.get("over", "0s")))
    return max(ends) + AFTER_S


@cache
def _read(slug: str) -> Any:
    text = (files("outlast.mock.scenarios") / f"{slug}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


@cache
def slugs() -> list[str]:
    names = (entry.name for entry in files("outlast.mock.scenarios").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def _rule(rule_id: str, said: dict[str, Any]) -> Rule:
    known = {"match", "where", "p", "latency", "reply", "effect", "stream"}
    assert set(said) <= known, f"{rule_id}: this reader does not know {set(said) - known}"
    classes = frozenset(
        name
        for pattern in as_list(said["match"])
        for name in (REQUESTS if pattern == "*" else CLASSES)
        if fnmatchcase(name, pattern)
    )
    assert classes, f"{rule_id} is about nothing"
    latency = said.get("latency")
    reply = _kind(said.get("reply"))
    effect = _kind(said.get("effect")) or ("apply" if reply == ("ok", None) else "none", None)
    return Rule(
        id=rule_id,
        classes=classes,
        where=said.get("where", {}),
        p=float(said.get("p", 1.0)),
        latency=None if latency is None else (seconds(latency["p50"]), seconds(latency["p99"])),
        reply=reply,
        effect=_effect(effect),
        stream=_kind(said.get("stream")),
    )


def _kind(said: Any) -> tuple[str, Any] | None:
    if said is None:
        return None
    if isinstance(said, str):
        return said, None
    ((kind, argument),) = said.items()
    return kind, argument


def _effect(effect: tuple[str, Any]) -> tuple[str, float]:
    """(kind, share or seconds): `apply` without a number is all of them."""
    kind, argument = effect
    if kind == "apply":
        return kind, 1.0 if argument is None else float(argument)
    if kind in ("apply_after", "apply_then_void"):
        return kind, seconds(argument)
    return kind, 0.0
