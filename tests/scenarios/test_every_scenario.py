"""Every scenario of the catalogue does on the wire what its text says, phase by phase."""

from __future__ import annotations

from functools import partial

import fault_samples
import phase_probes
import pytest
import status_page_probes
from scenario_text import REQUESTS, Phase, Story, seconds, slugs
from stand import LIMITS_OFF, Stand, furnished, market_of, need_venue

from outlast import sim

LONGEST_S = 300.0
"""Nothing in a phase is said by the hour, but for what `Story` keeps whole."""


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
    return [(phase.start_s + 1, 0.0, True)]


def looks(story: Story, phase: Phase) -> list[float]:
    """When to look behind the faults of a phase: at its start, and after every change in it."""
    if phase.length_s < 60:
        return []
    lag = phase.part("engine").get("inband_lag")
    extra = [phase.start_s + seconds(lag) + 1] if lag else []
    return [phase.start_s + 2, *extra, *(at_s + 1 for at_s, _ in phase.changes())]


@pytest.mark.parametrize(("slug", "venue"), cases())
def test_scenario(slug, venue):
    need_venue(venue)
    story = Story(slug, longest_s=LONGEST_S, waits=True)
    market = market_of(story, venue)
    held = max(1, fault_samples.held_for(story, venue))
    document = furnished(story, market, held=held, limits=LIMITS_OFF)

    async def play():
        samples, problems = [], []
        async with Stand(document, market) as stand:

            async def look(phase):
                problems.extend(await phase_probes.look(stand, story, phase))

            async def read_page(_phase):
                problems.extend(await status_page_probes.look(stand, story))

            async def sample(phase, at_s, admitted, faults):
                samples.append(
                    await fault_samples.take(
                        stand, story, phase, at_s, admitted=admitted, faults=faults
                    )
                )

            for at_s, phase, action in agenda(story, look, read_page, sample):
                await stand.goto(at_s)
                await action(phase)
            await stand.goto(story.duration_s)
            orders = await stand.orders()
        for sample in samples:
            problems.extend(fault_samples.Judge(sample, story, venue, orders).judge())
        return problems

    problems = sim.run(play, seed=story.document["seed"])
    assert not problems, "\n".join(problems)


def agenda(story: Story, look, read_page, sample):
    """Everything that is to be done in the scenario, in the order of time."""
    items = []
    for phase in story.phases:
        items += [(at_s, phase, look) for at_s in looks(story, phase)]
        if any(rule.classes & set(REQUESTS) for rule in phase.rules):
            items += [
                (at_s, phase, partial(sample, at_s=at_s, admitted=admitted, faults=faults))
                for at_s, admitted, faults in instants(phase)
            ]
    items += [
        (at_s, None, read_page)
        for at_s in status_page_probes.instants(story)
        if 0 <= at_s < story.duration_s
    ]
    return sorted(items, key=lambda item: item[0])
