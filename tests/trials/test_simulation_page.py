"""docs/simulation.md tells what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from outlast.trials.generator import FAULT_TYPES
from outlast.trials.invariants.registry import INVARIANTS

PAGE = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("invariant", INVARIANTS, ids=lambda invariant: invariant.slug)
def test_every_invariant_is_told_as_the_registry_has_it(invariant):
    row = f"| {invariant.number} | `{invariant.slug}` | {invariant.statement}"
    assert row in PAGE
    for slug in invariant.rests_on:
        assert f"`{slug}`" in PAGE[PAGE.index(row) :].split("\n")[0]
    assert (f"needs `{invariant.needs}`" in PAGE) == bool(invariant.needs)


def test_every_fault_type_is_told_and_none_that_is_not_there():
    rows = [f"| `{slug}` | {line} |" for slug, line in FAULT_TYPES.items()]
    told = PAGE.partition("## What goes wrong")[2].partition("## Planted bugs")[0]
    assert [line for line in told.splitlines() if line.startswith("| `")] == rows


def test_the_table_of_planted_bugs_has_thirty_that_were_found():
    table = PAGE.partition("<!-- planted bugs -->")[2].partition("<!-- end of planted bugs -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert sum("not found" not in row for row in rows) >= 2 + 30
