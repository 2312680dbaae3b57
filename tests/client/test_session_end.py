"""What waits for a session when it is closed is let go."""

from __future__ import annotations

import asyncio

import pytest
from venue_in_sim import BTC, PASSIVE, World, play

import outlast

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


@pytest.mark.parametrize("timeout_s", [None, 500.0])
def test_settle_ends_with_its_session(timeout_s, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="unknown", effect="none", times=1)
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY, deadline_s=1)
            name = caught.value.client_order_id
            waiting = asyncio.create_task(venue.settle(name, timeout_s=timeout_s))
            await asyncio.sleep(1)
        async with asyncio.timeout(20):
            with pytest.raises(outlast.OutcomeUnknown, match="session was closed"):
                await waiting
        async with w.connect() as heir:
            await heir.settle(name, timeout_s=60)

    play(story, tmp_path)


def test_readers_of_events_end_with_their_session_after_what_they_have_not_read(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            early, late = venue.events(), venue.events()
            reading = asyncio.create_task(collect(early))
            await venue.submit(BUY)
        async with asyncio.timeout(1):
            heard = await reading
            assert heard
            assert await collect(late) == heard
            assert await collect(venue.events()) == []

    async def collect(events):
        return [event async for event in events]

    play(story, tmp_path)
