"""Every scenario of the catalogue does on the wire what its text says, phase by phase."""

from __future__ import annotations

import fault_samples
import pytest
from scenario_text import REQUESTS, Phase, Story, slugs
from stand import LIMITS_OFF, Stand, furnished, market_of, need_venue

from outlast import sim

LONG_S = 1800.0


def cases() -> list[object]:
    """One test for each scenario; for each venue of it where it has several."""
    made = []
    for slug in slugs():
        venues = Story(slug).venues
        for venue in venues:
            name = slug if len(venues) == 1 else f"{slug}@{venue}"
            made.append(pytest.param(slug, venue, id=name))
    return made


def instants(phase: Phase) -> list[tuple[float, float, bool]]:
    """When to look at the faults of a phase: (instant, share admitted by the ramp, faults on)."""
    flap = phase.said.get("flap")
    if flap is not None:
        assert (flap["start"], flap["bad"], flap["good"]) == ("bad", "5m", "5m")
        return [(phase.start_s + 10, 0.0, True), (phase.start_s + 310, 0.0, False)]
    if "ramp" in phase.said:
        return [(start + 1, admitted, True) for start, admitted in phase.ramp()]
    # What rests in a long phase slows the mock's way through it: look at its end.
    start = phase.end_s - 900 if phase.length_s > LONG_S else phase.start_s + 1
    return [(start, 0.0, True)]


@pytest.mark.parametrize(("slug", "venue"), cases())
def test_scenario(slug, venue):
    need_venue(venue)
    story = Story(slug)
    market = market_of(story, venue)
    held = fault_samples.held_for(story, venue)
    document = furnished(story, market, held=held, limits=LIMITS_OFF)

    async def play():
        samples = []
        async with Stand(document, market) as stand:
            for phase in story.phases:
                spoken_of = any(rule.classes & set(REQUESTS) for rule in phase.rules)
                for at_s, admitted, faults in instants(phase) if spoken_of else []:
                    await stand.goto(at_s)
                    samples.append(
                        await fault_samples.take(
                            stand, story, phase, at_s, admitted=admitted, faults=faults
                        )
                    )
            await stand.goto(story.duration_s)
            orders = await stand.orders()
        return [
            problem
            for sample in samples
            for problem in fault_samples.Judge(sample, story, venue, orders).judge()
        ]

    problems = sim.run(play, seed=story.document["seed"])
    assert not problems, "\n".join(problems)
