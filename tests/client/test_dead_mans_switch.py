"""The venue cancels by itself when it has not heard of us; judged by the mock's own book."""

from __future__ import annotations

import asyncio
from typing import Any

import binance_spot_in_sim
import kraken_in_sim
import pytest
import venue_in_sim
from venue_in_sim import BTC, ETH, PASSIVE, World

import outlast
from outlast.client.events import DeadMansSwitchChanged

VENUES = {"binance-um": (venue_in_sim, BTC), "kraken-spot": (kraken_in_sim, "BTC/USD")}


def on_both(test):
    return pytest.mark.parametrize("venue", VENUES)(test)


def bid(symbol: str, **changes: Any) -> outlast.OrderRequest:
    return outlast.limit(symbol, "buy", "0.010", PASSIVE, **changes)


def starts(w: World) -> list[Any]:
    return w.requests("orders.deadman")


def resting(w: World) -> int:
    return sum(order.ended_ms is None for order in w.orders)


def play(venue: str, story: Any, folder: Any, **terms: Any) -> None:
    room, symbol = VENUES[venue]
    room.play(lambda w: story(w, symbol), folder, **terms)


@on_both
def test_while_the_bot_lives_the_orders_rest_and_at_its_end_they_stay(venue, tmp_path):
    async def story(w: World, symbol: str):
        async with w.connect() as session:
            await session.submit(bid(symbol))
            async with session.dead_mans_switch(timeout_s=60) as switch:
                await asyncio.sleep(600)
                assert switch.is_armed
                assert 600 / 15 <= len(starts(w)) <= 600 / 12
            assert not switch.is_armed
            assert switch.fires_at == {}
            await asyncio.sleep(180)
        assert resting(w) == 1

    play(venue, story, tmp_path)


@on_both
def test_when_the_venue_does_not_hear_of_us_it_cancels_and_we_find_out(venue, tmp_path):
    async def story(w: World, symbol: str):
        async with w.connect() as session:
            order = await session.submit(bid(symbol))
            told: list[str] = []

            async def listen() -> None:
                async for event in session.events():
                    if isinstance(event, DeadMansSwitchChanged):
                        told.append(event.state)

            listening = asyncio.create_task(listen())
            async with session.dead_mans_switch(timeout_s=60) as switch:
                await asyncio.sleep(30)
                w.fault("*", reply={"http": {"status": 502}}, effect="none")
                await asyncio.sleep(90)
                assert resting(w) == 0
                assert not switch.is_armed
                w.heal()
                await asyncio.sleep(120)
                known = session.orders.get(order.client_order_id)
                assert known is not None
                assert known.status is outlast.OrderStatus.CANCELED
            listening.cancel()
            assert told[:3] == ["armed", "unrefreshed", "expired"]

    play(venue, story, tmp_path)


@on_both
def test_a_bot_that_fails_leaves_the_switch_to_fire(venue, tmp_path):
    async def story(w: World, symbol: str):
        async with w.connect() as session:
            await session.submit(bid(symbol))
            with pytest.raises(KeyError):
                async with session.dead_mans_switch(timeout_s=60):
                    raise KeyError("a mistake of the bot's")
            await asyncio.sleep(61)
            assert resting(w) == 0

    play(venue, story, tmp_path)


def test_a_symbol_gets_its_timer_with_its_first_order(tmp_path):
    async def story(w: World, _symbol: str):
        async with w.connect() as session, session.dead_mans_switch(timeout_s=60) as switch:
            await asyncio.sleep(10)
            assert starts(w) == []
            await session.submit(outlast.limit(ETH, "buy", "0.5", "1900"))
            await asyncio.sleep(2)
            assert list(switch.fires_at) == [ETH]

    play("binance-um", story, tmp_path)


@on_both
def test_a_start_whose_answer_was_lost_does_not_undo_the_end(venue, tmp_path):
    """It may arrive after the switch was turned off; that is then done a second time."""

    async def story(w: World, symbol: str):
        async with w.connect() as session:
            await session.submit(bid(symbol))
            async with session.dead_mans_switch(timeout_s=60):
                await asyncio.sleep(11)
                w.fault("orders.deadman", reply={"http": {"status": 502}}, effect="apply")
                await asyncio.sleep(5)
                w.heal()
                before = len(starts(w))
                assert before >= 2
            assert len(starts(w)) == before + 2
            await asyncio.sleep(120)
        assert resting(w) == 1

    play(venue, story, tmp_path)


@on_both
def test_a_switch_that_cannot_be_started_is_an_error_at_once(venue, tmp_path):
    async def story(w: World, symbol: str):
        async with w.connect() as session:
            await session.submit(bid(symbol))
            w.fault("orders.deadman", reply={"http": {"status": 502}}, effect="none")
            with pytest.raises(
                outlast.OutlastError, match="the dead man's switch could not be set"
            ):
                async with session.dead_mans_switch():
                    raise AssertionError("it cannot have begun")

    play(venue, story, tmp_path)


@pytest.mark.parametrize("timeout_s", [5, 90.5, 86400])
def test_a_timeout_that_the_venue_does_not_take_is_named(timeout_s, tmp_path):
    async def story(w: World, _symbol: str):
        async with w.connect() as session:
            with pytest.raises(ValueError, match=rf"timeout_s is {timeout_s}; give whole seconds"):
                session.dead_mans_switch(timeout_s=timeout_s)

    play("binance-um", story, tmp_path)


def test_a_venue_without_one_says_what_to_do_instead(tmp_path):
    async def story(w: World):
        async with w.connect() as session:
            with pytest.raises(outlast.ConfigurationError, match="no dead man's switch"):
                session.dead_mans_switch()

    binance_spot_in_sim.play(story, tmp_path)
