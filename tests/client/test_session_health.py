"""How a venue fares, told by the session's own calls, the venue's word and its page."""

from __future__ import annotations

import asyncio
import contextlib

import kraken_in_sim
import pytest
import venue_in_sim
from venue_in_sim import World

import outlast
from outlast import sim
from outlast.client.events import (
    BreakerChanged,
    HealthChanged,
    MaintenanceAhead,
    RecoveryChanged,
)
from outlast.mock.exchange import MockExchange
from outlast.model import Health, Plane
from outlast.notices import VenueMode

BTC = kraken_in_sim.BTC
BUY = outlast.limit(BTC, "buy", "0.001", kraken_in_sim.PASSIVE)
SMALL = outlast.limit(venue_in_sim.BTC, "buy", "0.010", venue_in_sim.PASSIVE)


def all_day(builder=kraken_in_sim.builder, **account):
    return builder(**account).phase("all", "rest")


async def watch(w: World, venue: outlast.Session, *, for_s: float, every_s: float = 2.0):
    """What a bot that reads prices sees: (seconds, market data's health), when it changes."""
    seen: list[tuple[float, Health]] = []
    began = w.clock.now()
    while w.clock.now() - began < for_s:
        health = venue.health.market_data
        if not seen or seen[-1][1] is not health:
            seen.append((w.clock.now() - began, health))
        with contextlib.suppress(outlast.OutlastError):
            await venue.mark_price(next(iter(venue.instruments)))
        await asyncio.sleep(every_s)
    return seen


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_green_page_hides_no_outage_of_22_minutes(seed, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(90)
            assert "all operational" in venue.health.page
            w.fault("*", reply="unavailable")
            seen = await watch(w, venue, for_s=1320)
            detected_s = next(at for at, health in seen if health is Health.DOWN)
            assert [health for at, health in seen if at > detected_s] == []
            assert venue.health.trading is Health.DOWN
            assert "all operational" in venue.health.page
            assert venue.trading_state(BTC) is outlast.REDUCING
            w.heal()
            seen = await watch(w, venue, for_s=120)
            well_s = next(at for at, health in seen if health is Health.HEALTHY)
            print(f"seed {seed}: down after {detected_s:.0f} s, well after {well_s:.0f} s")
            assert detected_s <= 25
            assert well_s <= 60

    kraken_in_sim.play(story, tmp_path, scenario=all_day().status("0s", "green").build(), seed=seed)


def test_a_page_that_is_red_for_two_hours_of_health_stops_no_order(tmp_path):
    scenario = all_day().status("1m", "major", component="spot-trading", incident="identified")

    async def story(w: World):
        async with w.connect() as venue:
            events = venue.events()
            for _ in range(24):
                await asyncio.sleep(300)
                assert venue.trading_state(BTC) is outlast.ACTIVE
                order = await venue.submit(BUY)
                await venue.cancel(order.client_order_id)
            assert venue.health.trading is Health.HEALTHY
            assert "Spot Trading major_outage" in venue.health.page
            assert any("identified" in warning for warning in venue.health.warnings)
        told = [e async for e in events if isinstance(e, HealthChanged)]
        assert [(e.plane, e.health) for e in told] == [
            (Plane.TRADING, Health.DEGRADED),  # it is heeded for an hour
            (Plane.TRADING, Health.HEALTHY),
        ]

    kraken_in_sim.play(story, tmp_path, scenario=scenario.build(), time_limit_s=9000)


@pytest.mark.parametrize("reply", [{"html": "cdn-502"}, {"http": {"status": 429}}, {"hang": "60s"}])
def test_a_page_that_gives_no_page_says_nothing(reply, tmp_path):
    async def story(w: World):
        w.fault("status.page", reply=reply)
        async with w.connect() as venue:
            await asyncio.sleep(600)
            assert venue.health.worst is Health.HEALTHY
            assert "not read yet" in venue.health.page
            assert (await venue.submit(BUY)).status is outlast.OrderStatus.ACCEPTED

    kraken_in_sim.play(story, tmp_path)


def test_a_page_that_cannot_be_reached_is_asked_ever_more_rarely(tmp_path):
    scenario = all_day().status("0s", "unreachable").build()

    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(3600)
            assert venue.health.worst is Health.HEALTHY
            assert "no answer" in venue.health.page

    kraken_in_sim.play(story, tmp_path, scenario=scenario)


def test_a_page_about_another_product_is_not_about_this_one(tmp_path):
    scenario = all_day(venue_in_sim.builder).status("0s", "major", component="transfers").build()

    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(200)
            assert venue.health.worst is Health.HEALTHY
            assert (await venue.submit(SMALL)).status is outlast.OrderStatus.ACCEPTED

    venue_in_sim.play(story, tmp_path, scenario=scenario)


@pytest.mark.parametrize("how", ["names", "route"])
def test_our_own_network_is_gone_and_the_venue_is_not_to_blame(how, tmp_path):
    """Nothing trips, nothing is marked as down, and it goes on within seconds of the return."""
    scenario = venue_in_sim.calm()

    async def main():
        sim.network().host("venue")
        async with MockExchange(scenario, seed=1, host="venue") as mock:
            w = World(mock, tmp_path, 1)
            async with w.connect() as venue:
                symbol = venue_in_sim.BTC
                await venue.mark_price(symbol)
                events = venue.events()
                if how == "names":
                    sim.network().names.fail("venue")
                    sim.network().reset()
                else:
                    sim.network().partition("localhost", "venue")
                for _ in range(60):
                    with pytest.raises(outlast.OutlastError):
                        await venue.mark_price(symbol)
                    await asyncio.sleep(2)
                if how == "names":
                    assert venue.health.own_network
                    assert venue.health.worst is Health.HEALTHY
                    sim.network().names.mend("venue")
                else:
                    sim.network().heal()
                back = w.clock.now()
                while True:
                    try:
                        await venue.mark_price(symbol)
                        break
                    except outlast.OutlastError:
                        await asyncio.sleep(0.5)
                print(f"{how}: back after {w.clock.now() - back:.1f} s")
                assert w.clock.now() - back <= 8
                assert not venue.health.own_network
            if how == "names":
                kinds = (BreakerChanged, RecoveryChanged, HealthChanged)
                assert [e async for e in events if isinstance(e, kinds)] == []

    sim.run(main, seed=1, t0=scenario.t0_ms / 1000, time_limit_s=3600)


def test_an_announced_maintenance_is_told_and_closes_the_gate_before_it_begins(tmp_path):
    scenario = (
        kraken_in_sim.builder()
        .phase("announced", "30m")
        .phase("maintenance", "10m", engine={"mode": "maintenance"})
        .phase("online", "rest")
        .status("0s", "maintenance", incident="scheduled", text="spot trading, 10 minutes")
        .build()
    )

    async def story(w: World):
        endpoints = {**w.wires["endpoints"], "status_page": ""}
        async with w.connect(endpoints=endpoints) as venue:
            events = venue.events()
            await asyncio.sleep(60)
            assert venue.trading_state(BTC) is outlast.ACTIVE
            (planned,) = venue.health.planned
            begins_in_s = planned.starts_at - w.clock.wall()
            assert 1700 < begins_in_s < 1800
            await asyncio.sleep(begins_in_s - 299)
            with pytest.raises(outlast.TradingHalted, match="is announced for") as caught:
                await venue.submit(BUY)
            assert caught.value.cause == "planned maintenance"
            await asyncio.sleep(340)
            assert venue.trading_state(BTC) is outlast.HALTED
            assert venue.health.trading is Health.MAINTENANCE
            await asyncio.sleep(680)
            assert venue.health.mode is VenueMode.ONLINE
            with pytest.raises(outlast.TradingHalted) as caught:
                await venue.submit(BUY)
            assert caught.value.cause == "way back from an outage"
            await asyncio.sleep(1200)
            assert (await venue.submit(BUY)).status is outlast.OrderStatus.ACCEPTED
        ahead = [e async for e in events if isinstance(e, MaintenanceAhead)]
        assert [e.closes_at for e in ahead] == [ahead[0].starts_at - 300]

    kraken_in_sim.play(story, tmp_path, scenario=scenario, time_limit_s=14_400)


def test_the_report_of_health_is_made_to_be_read(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(70)
            said = repr(venue.health)
            assert said.splitlines()[0].startswith("kraken-spot: healthy at ")
            assert "trading      healthy" in said
            assert "status page: all operational" in said
            assert venue.health[Plane.ACCOUNT].evidence == ()

    kraken_in_sim.play(story, tmp_path)


def test_a_silent_stream_degrades_its_plane_only(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            health = venue._rooms.health
            health.note_stream(Plane.MARKET_DATA, False, w.clock.now(), "book BTC/USD")
            assert venue.health.market_data is Health.DEGRADED
            assert venue.health.trading is Health.HEALTHY
            assert "book BTC/USD is silent" in repr(venue.health)
            health.note_stream(Plane.MARKET_DATA, True, w.clock.now(), "book BTC/USD")
            await asyncio.sleep(16)
            assert venue.health.market_data is Health.HEALTHY

    kraken_in_sim.play(story, tmp_path)
