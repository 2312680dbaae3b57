"""Late, wrong, broken and missing status pages; the long ones are in tests/client."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.page_cases import CASES, play, row

SHORT = {case.name: replace(case, well_s=120.0) for case in CASES}


@pytest.mark.parametrize("name", ["HTML", "green for a product that is down"])
def test_an_outage_is_found_whatever_the_page_says(name):
    case = replace(SHORT[name], down_s=120.0)
    seen = play(case, seed=1)
    print(row(case, seen))
    assert seen.verdicts == {"healthy"}
    assert seen.held_in_health == 0
    assert seen.down_after_s <= 20
    assert seen.held_after_s <= 60
    assert seen.well_after_s <= 90


@pytest.mark.parametrize("name", ["red for the wrong product", "red for a product that is well"])
def test_a_red_page_alone_holds_nothing(name):
    case = replace(SHORT[name], well_s=600.0)
    seen = play(case, seed=1)
    print(row(case, seen))
    assert seen.held_in_health == 0
    warned = name == "red for a product that is well"
    assert seen.verdicts == ({"healthy", "degraded"} if warned else {"healthy"})
    assert bool(seen.cautious_s) is warned
