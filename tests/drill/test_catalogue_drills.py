"""Every scenario of the catalogue with the outlast bot: its verdict holds.

Whole, but for those that last longer than six hours: of these a phase is played for an hour at
most, since its second hour says what the first one did. `outlast drill` plays them whole.

What needs a capability that outlast does not have yet is listed by name, with the reason: it is
expected to fail, strictly, so that it must be taken off the list when it turns green.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from outlast.drill.run import REST_S, bots_for, run_bot
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario

LONG_S, PHASE_MAX_S = 6 * 3600.0, 3600.0

_CACHES = "caches that say when what the venue shows may not be true"
_CERTAINTY = "order certainty: what the polls find missing is doubted, and repetition is bounded"

NEEDS: dict[str, str] = {
    "binance-um-halt-2025-08-29": f"attempts_per_intent; {_CERTAINTY}",
    "fills-reported-late": f"no_trade_on_untrusted, reconciled_by_end; {_CACHES}",
    "kraken-degraded-cancel-only-recovery": (
        f"reconciled_by_end: an order that the venue cancelled without a word; {_CACHES}"
    ),
    "quorum-loss-backlog": f"reconciled_by_end: balances stale to the end; {_CACHES}",
    "zero-balances": f"no_trade_on_untrusted while balances are stale; {_CACHES}",
}
"""scenario -> the invariants that do not hold yet, and the capability that they wait for."""


def cases() -> list:
    return [
        pytest.param(
            slug,
            marks=[pytest.mark.xfail(reason=NEEDS[slug], strict=True)] if slug in NEEDS else [],
        )
        for slug in slugs()
    ]


def shortened(scenario: Scenario) -> Scenario:
    lengths = [phase.duration_s or REST_S for phase in scenario.phases]
    if sum(lengths) <= LONG_S:
        return scenario
    phases = tuple(
        replace(
            phase,
            duration_s=min(length_s, PHASE_MAX_S),
            timeline=tuple(c for c in phase.timeline if c.at_s < PHASE_MAX_S),
            events=tuple(e for e in phase.events if e.at_s < PHASE_MAX_S),
        )
        for phase, length_s in zip(scenario.phases, lengths, strict=True)
    )
    return replace(scenario, phases=phases)


@pytest.mark.timeout(600)  # a night of two hours takes some seconds of CPU; tests run side by side
@pytest.mark.parametrize("slug", cases())
def test_the_verdict_holds(slug):
    scenario = shortened(load(slug))
    assert "outlast" in bots_for(scenario), f"outlast does not trade on {scenario.venues}"
    result = run_bot(scenario, "outlast", seed=scenario.seed)
    assert result.died_of is None
    broken = [
        f"{row['invariant']}: {row['evidence']}" for row in result.verdict if row["holds"] is False
    ]
    assert not broken, "\n" + "\n".join(broken)


def test_the_catalogue_is_whole_and_the_list_names_nothing_else():
    assert len(slugs()) >= 25
    assert set(NEEDS) <= set(slugs())
