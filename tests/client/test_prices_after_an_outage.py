"""The venue's price is held against others before new risk is taken again."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import kraken_in_sim
import pytest
import venue_in_sim
from venue_in_sim import World

import outlast
from outlast import sim
from outlast.client.events import PriceDoubted
from outlast.core.recovery import RecoverySettings
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import ScenarioBuilder

UM_BTC = venue_in_sim.BTC
UM_BUY = outlast.limit(UM_BTC, "buy", "0.010", venue_in_sim.PASSIVE)
BTC = kraken_in_sim.BTC
BUY = outlast.limit(BTC, "buy", "0.001", kraken_in_sim.PASSIVE)
QUICK = RecoverySettings(cool_down_s=10.0, cool_down_share=0.0, step_s=30.0)


def quick(**more):
    return outlast.Settings(seed=1, recovery=QUICK, **more)


def heard(venue):
    told = []

    async def listen():
        told.extend([e async for e in venue.events() if isinstance(e, PriceDoubted)])

    return told, asyncio.create_task(listen())


async def outage(w: World, venue: outlast.Session, symbol: str):
    """Two minutes of nothing but 503s; returns when reconciled and cooled down."""
    w.fault("*", reply="unavailable")
    for _ in range(40):
        with pytest.raises(outlast.OutlastError):
            await venue.mark_price(symbol)
        await asyncio.sleep(3)
    assert venue.trading_state(symbol) is outlast.REDUCING
    w.heal()
    while venue._rooms.recovery.stage.value != "stepping":
        await asyncio.sleep(1)
        venue.trading_state(symbol)


async def denied(venue, order):
    with pytest.raises(outlast.TradingHalted) as caught:
        await venue.submit(order)
    return caught.value


def drifting(off):
    """After four minutes the mark is off the index, for ten minutes."""
    return (
        venue_in_sim.builder()
        .phase("normal", "4m")
        .phase("off", "10m", engine={"mark": {"offset": off}})
        .phase("right", "rest")
        .build()
    )


def test_after_an_outage_a_mark_that_is_off_its_index_holds_new_risk_until_it_is_back(tmp_path):
    async def story(w: World):
        async with w.connect(settings=quick()) as venue:
            told, listening = heard(venue)
            await asyncio.sleep(90)
            await outage(w, venue, UM_BTC)
            assert 240 < w.mock.run.clock.elapsed_s < 800
            error = await denied(venue, UM_BUY)
            assert error.cause == "price guard"
            assert "off the index" in str(error)
            assert venue.health.market_data is outlast.Health.DEGRADED
            await asyncio.sleep(845 - w.mock.run.clock.elapsed_s)
            left = w.clock.now()
            while venue.trading_state(UM_BTC) is not outlast.ACTIVE:
                await asyncio.sleep(1)
            print(f"held for {w.clock.now() - left:.0f} s after the prices agree again")
            assert (await venue.submit(UM_BUY)).status is outlast.OrderStatus.ACCEPTED
        await listening
        assert [bool(event.reason) for event in told] == [True, False]
        assert told[0].symbol == UM_BTC

    venue_in_sim.play(story, tmp_path, scenario=drifting("0.03"), time_limit_s=7200)


def test_while_nothing_has_happened_a_mark_off_its_index_holds_nothing(tmp_path):
    """A premium is no outage: the index is asked for on the way back only."""

    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(300)
            await venue.mark_price(UM_BTC)
            assert (await venue.submit(UM_BUY)).status is outlast.OrderStatus.ACCEPTED

    venue_in_sim.play(story, tmp_path, scenario=drifting("0.03"), time_limit_s=7200)


def test_after_an_outage_no_entry_passes_before_its_price_can_be_read(tmp_path):
    async def story(w: World):
        async with w.connect(settings=quick()) as venue:
            await asyncio.sleep(60)
            await outage(w, venue, BTC)
            # One read in the stage of steps; not so many failures that it is an outage again.
            await asyncio.sleep(11)
            w.fault("market.read", reply="unavailable")
            error = await denied(venue, BUY)
            assert error.cause == "price guard"
            assert "cannot be read" in str(error)
            w.heal()
            began = w.clock.now()
            while venue.trading_state(BTC) is not outlast.ACTIVE:
                await asyncio.sleep(1)
                assert w.clock.now() - began < 900
            await asyncio.sleep(120)  # the steps are over
            placed = await venue.submit(BUY)
            assert placed.status is outlast.OrderStatus.ACCEPTED

    kraken_in_sim.play(story, tmp_path, time_limit_s=7200)


def test_the_last_trusted_book_bounds_what_is_possible_after_an_outage(tmp_path):
    """The book was kept before; after it the venue shows a price a fifth lower, and nobody else
    tells a price."""
    scenario = (
        kraken_in_sim.builder()
        .phase("normal", "3m")
        .phase("gap", "rest", market={"drift": "-0.2", "over": "10s"})
        .build()
    )

    async def story(w: World):
        async with w.connect(settings=quick()) as venue:
            await venue.book(BTC)
            await asyncio.sleep(120)
            assert venue._rooms.prices.price(BTC) > 67_000
            await outage(w, venue, BTC)
            error = await denied(venue, BUY)
            assert error.cause == "price guard"
            assert "off the last that was trusted" in str(error)
            await asyncio.sleep(700)  # after ten minutes the market may have been anywhere
            low = outlast.limit(BTC, "buy", "0.001", "50000")
            assert (await venue.submit(low)).status is outlast.OrderStatus.ACCEPTED

    kraken_in_sim.play(story, tmp_path, scenario=scenario, time_limit_s=7200)


def test_a_book_that_is_kept_is_the_venues_price_and_costs_no_request(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.book(BTC)
            await asyncio.sleep(15)
            before = len(w.requests("market.read"))
            await asyncio.sleep(120)
            assert len(w.requests("market.read")) == before
            venue.note_reference(BTC, "somebody", Decimal(70_000))
            error = await denied(venue, BUY)
            assert "off somebody (70000)" in str(error)

    kraken_in_sim.play(story, tmp_path)


def test_two_venues_that_disagree_are_both_held_for_as_long_as_they_do():
    """Which of them is right nobody knows: each stays the other's reference."""
    made = ScenarioBuilder("two", venue=["kraken-spot", "binance-spot"])
    calm = {"product": "spot", "tick": "0.1", "vol_bps_per_min": "0.1"}
    made.instrument("BTC/USD", mid="68000", venue="kraken-spot", **calm)
    made.instrument("BTCUSDT", mid="70500", venue="binance-spot", **calm)
    made.account(balances={"USD": "50000", "USDT": "50000"})
    document = made.phase("all", "rest").build()

    async def main():
        async with MockExchange(document, seed=1) as mock:
            wires = mock.describe()["venues"]
            terms = {
                venue: {
                    "key": wires[venue]["key"],
                    "secret": wires[venue]["secret"],
                    "endpoints": wires[venue]["endpoints"],
                    "journal": None,
                    "clock": sim.clock(),
                    "settings": outlast.Settings(seed=1),
                }
                for venue in document.venues
            }
            async with outlast.connect_many(terms, compare=["BTC/USD"]) as venues:
                await asyncio.sleep(5)
                kraken, binance = venues["kraken-spot"], venues["binance-spot"]
                for _ in range(60):
                    assert kraken.trading_state("BTC/USD") is outlast.REDUCING
                    assert binance.trading_state("BTC/USDT") is outlast.REDUCING
                    await asyncio.sleep(5)
                error = await denied(kraken, BUY)
                assert error.cause == "price guard"
                assert "binance-spot" in str(error)

    sim.run(main, seed=1, t0=document.t0_ms / 1000, time_limit_s=3600)
