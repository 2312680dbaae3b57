"""A maintenance that was announced: what rests is withdrawn before it, the switch is told."""

from __future__ import annotations

import asyncio

import kraken_in_sim
import pytest
from venue_in_sim import World

import outlast
from outlast.client.events import DeadMansSwitchChanged, QuotesWithdrawn
from outlast.notices import VenueMode

BTC = kraken_in_sim.BTC
BID = outlast.limit(BTC, "buy", "0.001", kraken_in_sim.PASSIVE)
STOP = outlast.stop(BTC, "sell", "0.001", "50000")
LEAD_S = 1800
"""From the beginning until the maintenance begins."""


def announced(lasts="10m", **engine):
    """Told from the first second: maintenance after half an hour, then a minute of cancel-only."""
    return (
        kraken_in_sim.builder()
        .phase("announced", "30m")
        .phase("maintenance", lasts, engine={"mode": "maintenance"})
        .phase("cancel-only", "1m", engine={"mode": "cancel_only"})
        .phase("online", "rest")
        .status("0s", "maintenance", incident="scheduled", text="spot trading, 10 minutes")
        .build()
    )


def without_page(w: World):
    """The mock's page would have the maintenance on at once; the venue's own word has its time."""
    return {**w.wires["endpoints"], "status_page": ""}


def live(w: World) -> list[str]:
    """Types of the orders that rest, by the venue's own book."""
    return sorted(order.type for order in w.orders if order.ended_ms is None)


def heard(venue, kind):
    told = []

    async def listen():
        told.extend([event async for event in venue.events() if isinstance(event, kind)])

    return told, asyncio.create_task(listen())


def test_quotes_are_withdrawn_with_the_closing_of_the_gate_and_what_protects_stays(tmp_path):
    async def story(w: World):
        async with w.connect(endpoints=without_page(w)) as venue:
            told, listening = heard(venue, QuotesWithdrawn)
            bid = await venue.submit(BID)
            await venue.submit(STOP)
            await asyncio.sleep(LEAD_S - 320 - w.mock.run.clock.elapsed_s)
            assert venue.orders.get(bid.client_order_id).status is outlast.OrderStatus.ACCEPTED
            await asyncio.sleep(40)  # it begins in less than five minutes
            assert venue.orders.get(bid.client_order_id).status is outlast.OrderStatus.CANCELED
            assert len(live(w)) == 1
            assert venue.trading_state(BTC) is outlast.REDUCING
        await listening
        (withdrawn,) = told
        assert withdrawn.client_order_ids == (bid.client_order_id,)
        assert "is announced" in withdrawn.reason

    kraken_in_sim.play(story, tmp_path, scenario=announced(), time_limit_s=7200)


def test_who_wants_the_quotes_to_rest_through_it_says_so(tmp_path):
    async def story(w: World):
        gate = outlast.GateSettings(withdraw_quotes=False, close_before_s=600)
        settings = outlast.Settings(seed=1, gate=gate)
        async with w.connect(endpoints=without_page(w), settings=settings) as venue:
            await venue.submit(BID)
            await asyncio.sleep(LEAD_S - 590 - w.mock.run.clock.elapsed_s)
            with pytest.raises(outlast.TradingHalted, match="is announced for"):
                await venue.submit(BID)  # the lead is settable
            await asyncio.sleep(580)
            assert live(w) == ["limit"]

    kraken_in_sim.play(story, tmp_path, scenario=announced(), time_limit_s=7200)


def test_quotes_are_withdrawn_at_the_beginning_of_a_cancel_only_window(tmp_path):
    """One that nobody has announced: what rested through it goes before matching begins."""
    scenario = (
        kraken_in_sim.builder()
        .phase("calm", "5m")
        .phase("maintenance", "5m", engine={"mode": "maintenance"})
        .phase("cancel-only", "3m", engine={"mode": "cancel_only"})
        .phase("online", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect(endpoints=without_page(w)) as venue:
            told, listening = heard(venue, QuotesWithdrawn)
            await venue.submit(BID)
            await venue.submit(STOP)
            while venue.health.mode is not VenueMode.CANCEL_ONLY:
                assert len(live(w)) == 2
                await asyncio.sleep(1)
            began = w.clock.now()
            while len(live(w)) == 2:
                await asyncio.sleep(0.5)
            print(f"withdrawn {w.clock.now() - began:.1f} s after the window was seen")
            assert w.clock.now() - began <= 5
            await asyncio.sleep(5)
        await listening
        assert [event.reason for event in told] == ["the venue takes only cancels"]

    kraken_in_sim.play(story, tmp_path, scenario=scenario, time_limit_s=7200)


def test_the_switch_is_off_through_an_announced_maintenance_and_armed_again_after_it(tmp_path):
    """The maintenance lasts longer than announced: that it is over is the venue's word."""

    async def story(w: World):
        async with w.connect(endpoints=without_page(w)) as venue:
            told, listening = heard(venue, DeadMansSwitchChanged)
            await venue.submit(STOP)
            async with venue.dead_mans_switch(timeout_s=60) as switch:
                await asyncio.sleep(LEAD_S - 90 - w.mock.run.clock.elapsed_s)
                assert switch.is_armed
                await asyncio.sleep(60)
                assert not switch.is_armed
                assert switch.fires_at == {}
                await asyncio.sleep(30 + 1500)
                assert venue.health.mode is VenueMode.MAINTENANCE
                assert switch.fires_at == {}
                await asyncio.sleep(500)
                assert switch.is_armed
                assert len(live(w)) == 1  # the stop has come through it
        await listening
        assert [event.state for event in told] == ["armed", "disarmed", "armed", "disarmed"]
        assert "is announced" in told[1].reason

    kraken_in_sim.play(story, tmp_path, scenario=announced("30m"), time_limit_s=9000)


def test_a_switch_that_is_kept_fires_in_the_maintenance(tmp_path):
    async def story(w: World):
        async with w.connect(endpoints=without_page(w)) as venue:
            await venue.submit(STOP)
            async with venue.dead_mans_switch(timeout_s=60, during_maintenance="keep") as switch:
                await asyncio.sleep(LEAD_S - 5 - w.mock.run.clock.elapsed_s)
                assert switch.is_armed
                w.fault("orders.deadman", reply="unavailable")
                await asyncio.sleep(900)
                assert live(w) == []

    kraken_in_sim.play(story, tmp_path, scenario=announced(), time_limit_s=9000)


def test_another_word_for_the_switch_is_refused(tmp_path):
    async def story(w: World):
        async with w.connect(endpoints=without_page(w)) as venue:
            with pytest.raises(ValueError, match="during_maintenance is 'off'"):
                venue.dead_mans_switch(during_maintenance="off")

    kraken_in_sim.play(story, tmp_path)
