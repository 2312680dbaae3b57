"""Handshakes, pings, limits and endings of sockets, whatever the venue."""

from __future__ import annotations

import asyncio

import pytest
from toy_venue import CALM, play
from websockets.exceptions import InvalidStatus


def test_subscribers_hear_their_topics_until_they_leave_them():
    async def story(world):
        client = await world.subscribed("one")
        await asyncio.sleep(1.05)
        heard = client.take()
        assert heard[0] == "subscribed one"
        assert [int(text.split()[1]) for text in heard[1:]] == list(range(1, len(heard)))
        assert len(heard) == 11
        await client.say("unsub one")
        await asyncio.sleep(1)
        assert client.take() == ["unsubscribed True"]
        await client.say("what?")
        await asyncio.sleep(0.1)
        assert client.take() == ["error 5"]

    play(story)
