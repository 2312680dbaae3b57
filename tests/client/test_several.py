"""Several venues: one view, and each other's prices."""

from __future__ import annotations

from decimal import Decimal

import pytest

import outlast
from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import ScenarioBuilder

D = Decimal


def two_venues():
    made = ScenarioBuilder("two", venue=["kraken-spot", "binance-spot"])
    made.instrument("BTCUSDT", product="spot", mid="68010", tick="0.01", vol_bps_per_min="0.1")
    made.account(balances={"USD": "50000", "USDT": "50000"})
    return made.phase("all", "rest").build()


def play(story):
    document = two_venues()

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
            await story(terms)

    sim.run(main, seed=1, t0=document.t0_ms / 1000, time_limit_s=3600)


def test_a_price_that_differs_between_venues_holds_new_risk_until_it_agrees_again():
    async def story(terms):
        async with outlast.connect_many(terms) as venues:
            assert set(venues) == {"kraken-spot", "binance-spot"}
            prices = await venues.compare("BTC/USDT")
            assert len(prices) == 2
            kraken = venues["kraken-spot"]
            assert kraken.trading_state("BTC/USDT") is outlast.ACTIVE
            kraken.note_reference("BTC/USDT", "binance-spot", prices["binance-spot"] * D("1.03"))
            with pytest.raises(outlast.TradingHalted, match="off binance-spot") as caught:
                await kraken.submit(outlast.limit("BTC/USDT", "buy", "0.001", "60000"))
            assert caught.value.cause == "price guard"
            await venues.compare("BTC/USD")  # dollars are dollars here
            order = await kraken.submit(outlast.limit("BTC/USDT", "buy", "0.001", "60000"))
            assert order.status is outlast.OrderStatus.ACCEPTED

    play(story)


def test_one_view_and_one_kill_switch_for_all():
    async def story(terms):
        async with outlast.connect_many(terms, compare=["BTC/USDT"]) as venues:
            assert {h.trading for h in venues.health.values()} == {outlast.Health.HEALTHY}
            venues.halt("enough for today")
            for session in venues.values():
                assert session.trading_state("BTC/USDT") is outlast.HALTED
            venues.resume()
            assert venues["binance-spot"].trading_state("BTC/USDT") is outlast.ACTIVE

    play(story)


def test_what_is_wired_wrong_is_named():
    with pytest.raises(outlast.ConfigurationError, match="at least one venue"):
        outlast.connect_many({})
    with pytest.raises(outlast.ConfigurationError, match="share the journal"):
        outlast.connect_many({v: {"journal": "one.journal"} for v in ("kraken-spot", "binance-um")})
    assert repr(outlast.connect_many(["kraken-spot"])) == "<Venues kraken-spot>"
