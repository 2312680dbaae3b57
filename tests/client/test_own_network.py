"""Our own name service or route is gone: no venue is blamed, and all goes on when it is back.

On every venue, with the stream of the account and a book that is kept: what a real bot has open.
"""

from __future__ import annotations

import asyncio
import contextlib

import binance_spot_in_sim
import kraken_in_sim
import pytest
import venue_in_sim
from venue_in_sim import World

import outlast
from outlast import sim
from outlast.client.events import (
    BreakerChanged,
    HealthChanged,
    RecoveryChanged,
    TradingStateChanged,
)
from outlast.mock.exchange import MockExchange
from outlast.model import Health

VENUES = {
    "binance-um": (venue_in_sim, venue_in_sim.BTC),
    "binance-spot": (binance_spot_in_sim, "BTC/USDT"),
    "kraken-spot": (kraken_in_sim, "BTC/USD"),
}
NOWHERE = "203.0.113.1"
"""Set aside for documentation (RFC 5737): no simulated host has it, so a dial finds no route."""
GONE_S = 120
BACK_WITHIN_S = 10


class OwnNetwork:
    """What is taken away, and given back. Every connection breaks with it."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.addresses = sim.network().names.addresses("venue")

    def take_away(self) -> None:
        if self.how == "names":
            sim.network().names.fail()
        else:
            sim.network().names.add("venue", NOWHERE)
        sim.network().reset()

    def give_back(self) -> None:
        sim.network().names.mend()
        sim.network().names.add("venue", *self.addresses)


@pytest.mark.parametrize("how", ["names", "route"])
@pytest.mark.parametrize("venue_id", VENUES)
def test_our_own_network_is_gone_for_two_minutes(venue_id, how, tmp_path):
    room, symbol = VENUES[venue_id]
    scenario = room.calm()
    bid = outlast.limit(symbol, "buy", "0.001", "60000")

    async def main():
        sim.network().host("venue")
        async with MockExchange(scenario, seed=1, host="venue") as mock:
            w = World(mock, tmp_path, 1, venue=venue_id)
            settings = outlast.Settings(seed=1, streams=True)
            async with w.connect(settings=settings) as venue:
                await venue.book(symbol)
                await venue.submit(bid)
                await asyncio.sleep(60)
                assert venue.health.worst is Health.HEALTHY
                events = venue.events()
                network = OwnNetwork(how)
                network.take_away()
                began = w.clock.now()
                verdicts = set()
                while w.clock.now() - began < GONE_S:
                    with pytest.raises((outlast.NotSent, outlast.ReadFailed)):
                        await venue.mark_price(symbol)
                    verdicts |= {venue.health.trading, venue.health.account}
                    assert venue.health.market_data is not Health.DOWN
                    await asyncio.sleep(2)
                assert verdicts == {Health.HEALTHY}
                assert venue.health.own_network
                requests = len(w.requests())
                network.give_back()
                back = w.clock.now()
                first = None
                while first is None:
                    with contextlib.suppress(outlast.OutlastError):
                        first = await venue.submit(bid)
                    await asyncio.sleep(0.25)
                entered_s = w.clock.now() - back
                while not (await venue.book(symbol, within_s=30)).is_fresh:
                    await asyncio.sleep(0.25)
                booked_s = w.clock.now() - back
                print(f"{venue_id}, {how}: order after {entered_s:.1f} s, book {booked_s:.1f} s")
                assert entered_s <= BACK_WITHIN_S
                assert booked_s <= BACK_WITHIN_S
                assert not venue.health.own_network
                assert len(w.requests()) - requests < 40  # nobody storms back in
            told = [e async for e in events]
            tripped = [e for e in told if isinstance(e, (BreakerChanged, RecoveryChanged))]
            assert tripped == []
            assert [e for e in told if isinstance(e, TradingStateChanged)] == []
            worse = [e for e in told if isinstance(e, HealthChanged)]
            assert {e.health for e in worse} <= {Health.DEGRADED, Health.HEALTHY}

    sim.run(main, seed=1, t0=scenario.t0_ms / 1000, time_limit_s=3600)
