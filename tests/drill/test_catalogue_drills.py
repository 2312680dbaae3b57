"""Every scenario of the catalogue with the outlast bot, each with its own seed: its verdict holds.

Whole, but for those that last longer than six hours (see `benchmarks.catalogue.shortened`); `make
catalogue` plays each with twenty seeds, and `outlast drill` plays them whole.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are beside the package

from benchmarks.catalogue import Drill, play, shortened, summary
from outlast.drill.run import bots_for
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load


@pytest.mark.timeout(600)  # a night of two hours takes some seconds of CPU; tests run side by side
@pytest.mark.parametrize("slug", slugs())
def test_the_verdict_holds(slug):
    scenario = load(slug)
    assert "outlast" in bots_for(scenario), f"outlast does not trade on {scenario.venues}"
    drill = play(slug)
    assert not drill.broken, "\n" + "\n".join(f"{k}: {v}" for k, v in drill.broken.items())


def test_the_catalogue_is_whole():
    assert len(slugs()) >= 25


def test_only_what_lasts_longer_than_six_hours_is_shortened():
    short, long = load("zero-balances"), load("maintenance-overrun")
    assert shortened(short) is short
    lengths = [phase.duration_s for phase in shortened(long).phases]
    assert lengths == [3600.0, 3600.0, 1200.0, 3600.0, 3600.0]


def test_the_summary_says_what_breaks_in_which_seed():
    told = summary(
        [
            Drill("a", 1, {}, 0.5),
            Drill("b", 1, {"no_ban": "a ban"}, 0.5),
            Drill("b", 2, {}, 0.5),
            Drill("b", 3, {"no_ban": "a ban", "risk_first": "late"}, 0.5),
        ]
    )
    assert [" ".join(line.split()) for line in told] == [
        "a 1 of 1",
        "b 1 of 3 no_ban in 1, 3; risk_first in 3",
    ]
