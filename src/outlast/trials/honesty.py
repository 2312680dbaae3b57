"""What no client can promise in a scenario, because the venue itself breaks its word in it.

The list is short on purpose: an invariant that is not asked for finds nothing. Not on it are

- lies that a client can see through (zeros, single denials, wrong answers of all kinds);
- what the mock's truth knows order by order or instant by instant, where a checker can be exact:
  orders that the venue took and let vanish (`voided`), sweeps, fills that are reported late.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from outlast.client.settings import Settings
from outlast.mock.scenario.model import AccountSettings, FaultRule, Phase, Scenario
from outlast.trials.model import Disruption, DisruptionKind
from outlast.trials.reply_faults import PROVED_AFTER_S

__all__ = ["is_header_honest", "late_apply_max_s", "not_held_to"]


_UNDER_WAY_S: Final = 1.0
"""From leaving to arriving, on a network that is well."""
_SLOWED: Final = (DisruptionKind.SLOW, DisruptionKind.PARTITION)


def not_held_to(scenario: Scenario, disruptions: Sequence[Disruption]) -> Mapping[str, str]:
    """The invariants that nobody is held to in this trial, each with its reason."""
    excused: dict[str, str] = {}
    late_s = late_apply_max_s(scenario)
    slowed = any(disruption.kind in _SLOWED for disruption in disruptions)
    # A request that took longer than its validity is not taken at all.
    under_way_s = Settings().valid_for_s if slowed else _UNDER_WAY_S
    if late_s and late_s + under_way_s > PROVED_AFTER_S:
        # Proof of absence rests on the declared horizon. An order that comes to life after it
        # contradicts the proof, and what was sent on the strength of the proof doubles it.
        why = f"the venue carries out requests up to {late_s:.0f} s late, beyond the horizon"
        excused["verdicts-stand"] = why
        excused["one-order-per-intent"] = why
    views = [view for phase in scenario.phases for view in _account_views(phase)]
    old = [
        what
        for what in ("balances", "positions")
        if any(getattr(view, what) == "stale" for view in views)
    ]
    if old:
        # Zero where money was can be doubted. A number that was true a minute ago cannot: REST
        # answers of both venues do not say how old they are.
        why = f"the venue shows old {' and '.join(old)} as those of now"
        excused["nothing-stale-as-fresh"] = why
        excused["books-balance"] = why
    return excused


def _account_views(phase: Phase) -> Iterator[AccountSettings]:
    yield phase.account
    yield from (change.account for change in phase.timeline if change.account is not None)


def late_apply_max_s(scenario: Scenario) -> float:
    """How long after its arrival a request is carried out at the latest, waiting included; 0: none.

    A latency is drawn up to twice its 99th percentile.
    """
    longest_s = 0.0
    for phase in scenario.phases:
        for rule in phase.faults:
            if rule.effect is not None and rule.effect.kind == "apply_after":
                longest_s = max(longest_s, rule.effect.value + _wait_max_s(rule, phase))
    return longest_s


def _wait_max_s(rule: FaultRule, phase: Phase) -> float:
    """The longest wait in front of `rule`: its own latency, else that of the phase's rules."""
    if rule.latency is not None:
        return 2 * rule.latency.p99_s
    waits = [
        2 * other.latency.p99_s
        for other in phase.faults
        if not other.decides and other.latency is not None and other.endpoints & rule.endpoints
    ]
    return max(waits, default=0.0)


def is_header_honest(scenario: Scenario) -> bool:
    """Whether the limits are the whole time those that the venue tells at the beginning.

    A factor on the whole scenario is told with the limits; one that a phase brings is not.
    """
    usual = scenario.limits.factor
    return all(
        phase.limits.factor is None or phase.limits.factor == usual for phase in scenario.phases
    )
