"""Every scenario of the catalogue, whole, with the outlast bot: its verdict holds.

What needs a capability that outlast does not have yet is listed by name, with the reason: it is
expected to fail, strictly, so that it must be taken off the list when it turns green.
"""

from __future__ import annotations

import pytest

from outlast.drill.run import bots_for, run_bot
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load

NEEDS: dict[str, str] = {}
"""scenario -> what is missing, and which capability brings it."""


def cases() -> list:
    return [
        pytest.param(
            slug,
            marks=[pytest.mark.xfail(reason=NEEDS[slug], strict=True)] if slug in NEEDS else [],
        )
        for slug in slugs()
    ]


@pytest.mark.timeout(600)  # a night of two hours takes some seconds of CPU; tests run side by side
@pytest.mark.parametrize("slug", cases())
def test_the_verdict_holds(slug):
    scenario = load(slug)
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
