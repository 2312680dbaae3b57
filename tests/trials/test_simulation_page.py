"""docs/simulation.md tells what the code does."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import pytest

from outlast.trials.focus import FOCUSES
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


def test_every_focus_is_told_and_none_that_is_not_there():
    rows = [f"| `{name}` | {about} |" for name, (about, _) in FOCUSES.items()]
    told = PAGE.partition("## Seeded trials")[2].partition("## Replay a seed")[0]
    assert [line for line in told.splitlines() if line.startswith("| `")] == rows


def test_all_planted_bugs_were_found_and_the_sums_above_the_table_are_its_own():
    table = PAGE.partition("<!-- planted bugs -->")[2].partition("<!-- end of planted bugs -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert len(rows) >= 30
    assert "not found" not in table
    medians = [float(row.split("|")[-2]) for row in rows]
    assert f"{len(rows)} of {len(rows)} planted bugs found" in table
    told = f"Median of the medians: {median(medians):g} seeds; the highest: {max(medians):g}."
    assert told in table
