"""A quick look at a venue without a session."""

from __future__ import annotations

import asyncio

import kraken_in_sim
import venue_in_sim
from venue_in_sim import World

from outlast import sim
from outlast.client.connect import urls_of
from outlast.client.looking import Looker
from outlast.model import Health
from outlast.notices import VenueMode


async def look_at(w: World):
    looker = Looker(w.venue, urls_of(w.venue, w.wires["endpoints"]), w.clock)
    try:
        return await looker.look()
    finally:
        await looker.aclose()


def test_a_venue_that_is_well(tmp_path):
    async def story(w: World):
        look = await look_at(w)
        assert look.verdict.health is Health.HEALTHY
        assert look.probe.answers == look.probe.tries
        assert look.mode is VenueMode.ONLINE
        assert {c.name for c in look.page.components} >= {"Spot Trading", "API - REST"}

    kraken_in_sim.play(story, tmp_path)


def test_a_venue_without_a_status_of_its_own(tmp_path):
    async def story(w: World):
        look = await look_at(w)
        assert (look.mode, look.verdict.health) == (None, Health.HEALTHY)

    venue_in_sim.play(story, tmp_path)


def test_a_venue_in_maintenance_answers_that_it_is(tmp_path):
    scenario = kraken_in_sim.builder().phase("all", "rest", engine={"mode": "maintenance"}).build()

    async def story(w: World):
        look = await look_at(w)
        assert look.verdict.health is Health.MAINTENANCE
        assert look.verdict.why == "system status: the venue is in maintenance mode"

    kraken_in_sim.play(story, tmp_path, scenario=scenario)


def test_a_venue_that_fails_is_down_whatever_its_page_says(tmp_path):
    async def story(w: World):
        w.fault("*", reply="unavailable")
        look = await look_at(w)
        assert look.verdict.health is Health.DOWN
        assert not look.own_network

    venue_in_sim.play(story, tmp_path)


def test_without_a_name_service_it_is_us(tmp_path):
    async def story(w: World):
        sim.network().names.fail()
        urls = {"rest": "http://api.venue.example", "status_page": "http://page.example"}
        looker = Looker("kraken-spot", urls, w.clock)
        look = await looker.look()
        assert look.own_network
        assert look.verdict.health is Health.HEALTHY  # nothing was learnt about it
        assert look.page is None
        assert isinstance(await looker.measure_clock(), str)
        await looker.aclose()

    kraken_in_sim.play(story, tmp_path)


def test_the_clocks_are_compared(tmp_path):
    async def story(w: World):
        looker = Looker(w.venue, urls_of(w.venue, w.wires["endpoints"]), w.clock)
        ahead_ms, doubt_ms = await looker.measure_clock()
        await looker.aclose()
        assert abs(ahead_ms - 1500) <= doubt_ms < 400
        await asyncio.sleep(0)

    venue_in_sim.play(story, tmp_path, skew_s=1.5)
