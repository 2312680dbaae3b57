"""The websockets library, client and server, unchanged."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError

from outlast import sim

URL = "ws://stream.venue.test:8080/ws"


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def world():
    network = sim.network()
    network.host("venue", "stream.venue.test")
    network.link().latency = sim.fixed(0.05)
    return network


def test_messages_pings_and_closing():
    async def main():
        network = await world()
        async with serve(echo, "venue", 8080) as server:
            assert server.sockets[0].getsockname()[1] == 8080
            async with connect(URL, proxy=None) as stream:
                await stream.send("depth")
                first = await stream.recv()
                await asyncio.sleep(3600)  # 180 pings
                await stream.send(b"\x00" * 200_000)
                second = await stream.recv()
                latency = stream.latency
        await asyncio.sleep(1)
        return first, len(second), round(latency, 6), network.open_connections

    assert sim.run(main, seed=1) == ("depth", 200_000, 0.1, 0)


def test_a_silent_partition_is_found_by_the_keepalive():
    async def main():
        network = await world()
        async with serve(echo, "venue", 8080):
            async with connect(URL, proxy=None, ping_interval=20, ping_timeout=20) as stream:
                opened = asyncio.get_running_loop().time()
                network.partition("localhost", "venue")
                with pytest.raises(ConnectionClosedError, match="keepalive ping timeout"):
                    await stream.recv()
                found = asyncio.get_running_loop().time() - opened
            network.heal()
        return round(found, 3)

    assert 40 <= sim.run(main, seed=1) <= 51  # ping after 20 s, no pong for 20, closing up to 10


def test_a_reset_ends_the_stream_with_an_error():
    async def main():
        network = await world()
        async with serve(echo, "venue", 8080), connect(URL, proxy=None) as stream:
            asyncio.get_running_loop().call_later(5, network.reset)
            with pytest.raises(ConnectionClosedError):
                await stream.recv()
            return round(asyncio.get_running_loop().time())

    assert sim.run(main, seed=1) == 5


def test_opening_against_a_black_hole_times_out():
    async def main():
        network = await world()
        network.link(to="venue").black_hole = 1.0
        with pytest.raises(TimeoutError):
            async with connect(URL, proxy=None, open_timeout=10):
                pass
        return asyncio.get_running_loop().time()

    assert sim.run(main, seed=1) == 10.0


def test_tls_is_refused_in_words():
    async def main():
        await world()
        with pytest.raises(sim.SimulationError, match="ws://"):
            async with connect("wss://stream.venue.test/", proxy=None):
                pass

    sim.run(main, seed=1)
