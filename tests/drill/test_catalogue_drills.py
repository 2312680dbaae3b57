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

_GATE = "the gate: health from in-band status and status pages, and the way back in steps"
_CACHES = "caches that say when what the venue shows may not be true"
_CERTAINTY = "order certainty: what the polls find missing is doubted, and repetition is bounded"

NEEDS: dict[str, str] = {
    "binance-um-halt-2025-08-29": f"attempts_per_intent; {_CERTAINTY}",
    "fills-reported-late": f"no_trade_on_untrusted, reconciled_by_end; {_CACHES}",
    "five-minute-flap": f"no_new_exposure_before, requests_total; {_GATE}",
    "kraken-degraded-cancel-only-recovery": (
        f"no_new_exposure_before, no_trade_on_untrusted, attempts_per_intent; {_GATE}"
    ),
    "maintenance-overrun": f"no_new_exposure_before; {_GATE}",
    "preopen-post-only": f"attempts_per_intent, reconciled_by_end; {_GATE}",
    "quorum-loss-backlog": f"no_new_exposure_before, reconciled_by_end; {_GATE}",
    "zero-balances": f"no_trade_on_untrusted; {_CACHES}",
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
