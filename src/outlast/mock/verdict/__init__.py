"""The verdict: a scenario's `expect`, judged on what the mock itself saw.

One function judges one invariant (incidents and scenarios call it by its name); its docstring is
the definition. Families: `orders` (one intent, one order), `budgets` (how much is asked), `risk`
(safety first, gated return), `trust` (nothing traded on untruth), `knowledge` (what the client
knows in the end), `products` (other products go on).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from outlast.mock.belief import Belief
from outlast.mock.scenario.model import Expectation
from outlast.mock.verdict.budgets import connects_max, no_ban, requests_total
from outlast.mock.verdict.case import Case, Judge, Judgement
from outlast.mock.verdict.knowledge import evidence_complete, reconciled_by_end
from outlast.mock.verdict.orders import (
    attempts_per_intent,
    no_duplicate_exposure,
    no_orphans,
    unknowns_resolved,
)
from outlast.mock.verdict.products import breaker_scope
from outlast.mock.verdict.risk import no_new_exposure_before, risk_first
from outlast.mock.verdict.trust import no_trade_on_untrusted, stale_within

if TYPE_CHECKING:
    from outlast.mock.truth import Truth

__all__ = ["INVARIANTS", "judge"]

INVARIANTS: Final[Mapping[str, Judge]] = {
    "no_duplicate_exposure": no_duplicate_exposure,
    "no_orphans": no_orphans,
    "unknowns_resolved": unknowns_resolved,
    "attempts_per_intent": attempts_per_intent,
    "requests_total": requests_total,
    "no_ban": no_ban,
    "connects_max": connects_max,
    "risk_first": risk_first,
    "no_new_exposure_before": no_new_exposure_before,
    "no_trade_on_untrusted": no_trade_on_untrusted,
    "stale_within": stale_within,
    "reconciled_by_end": reconciled_by_end,
    "evidence_complete": evidence_complete,
    "breaker_scope": breaker_scope,
}


def judge(
    truth: Truth, belief: Belief | None, *, account: str | None = None
) -> list[dict[str, Any]]:
    """Judge every expectation of the scenario, for one account or for all that took part."""
    accounts = truth.accounts() if account is None else [account]
    return [
        {
            "invariant": expectation.name,
            "holds": judgement.holds,
            "evidence": judgement.evidence,
        }
        for expectation in truth.scenario.expect
        for judgement in [_judge(truth, belief, accounts, expectation)]
    ]


def _judge(
    truth: Truth, belief: Belief | None, accounts: list[str], expectation: Expectation
) -> Judgement:
    invariant = INVARIANTS.get(expectation.name)
    if invariant is None:
        raise ValueError(
            f"expect: unknown invariant {expectation.name!r}; known are {', '.join(INVARIANTS)}"
        )
    found = []
    for account in accounts:
        is_its_own = belief is not None and belief.account in (None, account)
        case = Case(truth, account, belief if is_its_own else None)
        found.append((account, invariant(case, expectation.argument)))
    if not found:
        return Judgement(holds=True, evidence="nobody took part")
    if len(found) == 1:
        return found[0][1]
    telling = [(name, j) for name, j in found if not j.holds] or found
    evidence = "; ".join(f"account {name}: {j.evidence}" for name, j in telling)
    return Judgement(holds=all(j.holds for _name, j in found), evidence=evidence)
