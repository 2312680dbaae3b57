"""After an outage: reconcile, cool down, return in steps. What reduces risk never waits for it."""

from __future__ import annotations

import asyncio

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, calm, play

import outlast
from outlast.client.events import RecoveryChanged
from outlast.client.settings import Settings
from outlast.core.recovery import RecoverySettings
from outlast.model import OrderStatus

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)
SMALL = outlast.limit(ETH, "buy", "0.1", "1900")
LONG = {"BTCUSDT": ("0.5", "68000")}


async def fail_until_it_is_left_alone(w: World, venue: outlast.Session) -> None:
    w.fault("*", reply="unavailable")
    for _ in range(40):
        with pytest.raises(outlast.OutlastError):
            await venue.submit(SMALL, deadline_s=0.5)
        if venue.trading_state(BTC) is outlast.REDUCING:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the breaker did not open")


async def entry_passes(w: World, venue: outlast.Session) -> float:
    """When the first entry passes, tried every second."""
    while True:
        try:
            await venue.submit(BUY)
        except outlast.TradingHalted:
            await asyncio.sleep(1)
        else:
            return w.clock.now()


def test_new_risk_returns_after_reconciliation_and_cool_down_and_says_when(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            events = venue.events()
            await fail_until_it_is_left_alone(w, venue)
            await asyncio.sleep(20)
            w.heal()
            healed = w.clock.now()
            healed_ms = w.mock.truth.now_ms
            # Out, at once.
            assert (await venue.submit(outlast.market(BTC, "sell", "0.1", reduce_only=True))).status
            await asyncio.sleep(50)
            with pytest.raises(outlast.TradingHalted, match="cooling down") as caught:
                await venue.submit(BUY)
            assert 0 < caught.value.retry_at - w.clock.wall() <= 60
            asked = {r.endpoint for r in w.requests() if r.arrived_ms >= healed_ms}
            assert asked >= {"orders.open", "account.positions", "account.balances"}
            passed = await entry_passes(w, venue)
            assert 60 <= passed - healed <= 125
            # A tenth of six a minute is one.
            with pytest.raises(outlast.TradingHalted, match="10 %"):
                await venue.submit(BUY)
            await asyncio.sleep(240)
            for _ in range(4):
                assert (await venue.submit(SMALL)).status is OrderStatus.ACCEPTED
        stages = [e.stage async for e in events if isinstance(e, RecoveryChanged)]
        assert stages == ["shut", "cooling", "stepping", "free"]
        w.judge()

    play(story, tmp_path, scenario=calm(positions=LONG))


def test_while_something_is_not_reconciled_new_risk_stays_held(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await fail_until_it_is_left_alone(w, venue)
            w.heal()
            w.fault("orders.open", reply="unavailable")
            await asyncio.sleep(150)
            with pytest.raises(outlast.TradingHalted, match="not all is reconciled"):
                await venue.submit(BUY)
            w.heal()
            healed = w.clock.now()
            assert await entry_passes(w, venue) - healed >= 60

    play(story, tmp_path)


def test_an_entry_that_has_waited_through_the_beginning_of_an_outage_does_not_leave(tmp_path):
    """It was let through before; its retry would be the first to reach the venue afterwards."""

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="unavailable")
            many = [venue.submit(SMALL, deadline_s=9) for _ in range(12)]
            gathered = asyncio.gather(*many, return_exceptions=True)
            await asyncio.sleep(3)
            opened = venue.trading_state(BTC) is outlast.REDUCING
            w.heal()
            results = await gathered
            assert opened
            assert not [r for r in results if isinstance(r, outlast.Order)]
            assert w.orders == []

    play(story, tmp_path)


def test_a_restart_does_not_cut_the_way_back_short(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await fail_until_it_is_left_alone(w, venue)
        w.heal()
        async with w.connect() as heir:
            opened = w.clock.now()
            with pytest.raises(outlast.TradingHalted, match="after an outage"):
                await heir.submit(BUY)
            assert 60 <= await entry_passes(w, heir) - opened <= 80

    play(story, tmp_path)


def test_the_way_back_can_be_made_short(tmp_path):
    quick = RecoverySettings(cool_down_s=0, steps=())

    async def story(w: World):
        async with w.connect(settings=Settings(seed=1, recovery=quick)) as venue:
            await fail_until_it_is_left_alone(w, venue)
            w.heal()
            healed = w.clock.now()
            assert await entry_passes(w, venue) - healed < 20

    play(story, tmp_path)


@pytest.mark.parametrize("down_s", [10, 120])
def test_a_session_that_is_opened_into_an_outage_has_to_come_back_from_it(down_s, tmp_path):
    """Whether it waits for the end itself, or gives up and the next one on its journal opens."""

    async def story(w: World):
        w.fault("*", reply="unavailable")
        asyncio.get_running_loop().call_later(down_s, w.heal)
        while True:
            try:
                async with w.connect() as venue:
                    opened = w.clock.now()
                    with pytest.raises(outlast.TradingHalted, match="after an outage"):
                        await venue.submit(BUY)
                    least_s = max(60, down_s)  # it has to be well for as long as it was down
                    assert least_s <= await entry_passes(w, venue) - opened <= least_s + 65
                    return
            except outlast.ReadFailed:
                await asyncio.sleep(5)

    play(story, tmp_path)
