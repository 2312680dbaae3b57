"""The comparison of how soon outages are noticed: its stories, its figures, and one run of each."""

from __future__ import annotations

import pytest

pytest.importorskip("ccxt")

from benchmarks import detection
from benchmarks.detection import BOTS, LEAD_S, TAIL_S, Figures, measure, medians, story_of
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load


@pytest.mark.parametrize("slug", slugs())
def test_every_scenario_becomes_a_story_with_calm_around_it(slug):
    story = story_of(load(slug))
    phases = story.scenario.phases
    whole_s = sum(phase.duration_s for phase in phases)
    assert (phases[0].duration_s, phases[-1].duration_s) == (LEAD_S, TAIL_S)
    assert LEAD_S <= story.begins_s < story.ends_s <= whole_s - TAIL_S
    expected = story.scenario.expectation("no_new_exposure_before")
    if expected is not None:
        before = [p for p in phases if p.name == expected.argument]
        start_s = sum(p.duration_s for p in phases[: phases.index(before[0])])
        assert story.ends_s == start_s
    assert all(entry.at_s <= whole_s for entry in story.scenario.status_page)


def test_what_happened_in_most_runs_is_told_and_the_rest_is_never():
    runs = [Figures(10.0, None, 5, 0), Figures(20.0, None, 7, 0), Figures(None, 100.0, 9, 0)]
    assert medians(runs) == ("15 s", "never", "7")


def test_each_bot_stops_and_goes_on_in_a_short_outage(monkeypatch):
    """A frozen engine of 95 s, which the page admits."""
    monkeypatch.setattr(detection, "TAIL_S", 480.0)  # enough for a minute and a half of outage
    figures = {bot: measure("engine-frozen-socket-alive", bot, 1) for bot in BOTS}
    print(figures)
    for bot, seen in figures.items():
        assert seen.early == 0, bot
        assert 0 < seen.detected_s < 95, bot
        assert seen.resumed_s is not None, bot
    assert figures["outlast"].sent < figures["errors only"].sent
