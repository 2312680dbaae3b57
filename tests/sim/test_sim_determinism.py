"""The same seed gives the same run to the byte, in this process and in another."""

from __future__ import annotations

import asyncio
import decimal
import gc
import os
import subprocess
import sys
import warnings
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidMessage

from outlast import sim


async def trading_day() -> sim.Trace:
    """HTTP and WebSocket clients through every kind of fault, all at once."""
    network = sim.network()
    trace = sim.Trace()
    network.watch(trace)
    network.host("venue", "api.venue.test")
    rng = sim.random("story")
    link = network.link(to="venue")
    link.latency = sim.heavy_tailed(0.02, tail=0.05, tail_max_s=4)
    link.loss, link.cut, link.refuse, link.segment_max = 0.02, 0.01, 0.05, 1000

    async def http(reader, writer):
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(rng.uniform(0, 0.2))
                body = os.urandom(rng.randrange(3000))
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def push(stream):
        try:
            while True:
                await stream.send("tick")
                await asyncio.sleep(rng.uniform(0, 5))
        except ConnectionClosed:
            return

    async def bot(number):
        async with httpx.AsyncClient(trust_env=False, timeout=3) as client:
            for _ in range(20):
                try:
                    await client.post("http://api.venue.test/", headers={"bot": str(number)})
                except httpx.TransportError:
                    await asyncio.sleep(rng.uniform(0, 1))

    async def listener():
        for _ in range(5):
            try:
                async with connect("ws://api.venue.test:8080", proxy=None, open_timeout=5) as ws:
                    async with asyncio.timeout(30):
                        while True:
                            await ws.recv()
            except (OSError, TimeoutError, ConnectionClosed, InvalidMessage):
                await asyncio.sleep(1)

    async def weather():
        for _ in range(20):
            await asyncio.sleep(rng.uniform(0, 4))
            rng.choice([lambda: link.stall(2), network.reset, network.names.fail])()
            await asyncio.sleep(1)
            network.names.mend()

    web = await asyncio.start_server(http, "venue", 80)
    async with serve(push, "venue", 8080, ping_interval=5), asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(bot(number))
        group.create_task(listener())
        group.create_task(weather())
    web.close()
    return trace


def test_the_same_seed_repeats_to_the_byte_and_another_does_not():
    one, again, other = (sim.run(trading_day, seed=seed) for seed in (7, 7, 8))
    assert one.lines() == again.lines()
    assert one.hexdigest() == again.hexdigest()
    assert one.hexdigest() != other.hexdigest()
    assert one.count > 300


def test_another_process_with_another_hash_seed_repeats_it():
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import test_sim_determinism as story\n"
        "from outlast import sim\n"
        "print(sim.run(story.trading_day, seed=11).hexdigest())"
    )
    digests = {sim.run(trading_day, seed=11).hexdigest()}
    for hash_seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1


def test_nothing_is_left_open():
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("counts descriptors as Linux shows them")
    before = sum(1 for _ in descriptors.iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seed in range(3):
            sim.run(trading_day, seed=seed)
        gc.collect()
    assert sum(1 for _ in descriptors.iterdir()) == before


def test_a_trace_may_count_without_keeping():
    async def main():
        trace, kept = sim.Trace(keep=False), sim.Trace()
        sim.network().watch(trace)
        sim.network().watch(kept)
        await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 80)
        reader, writer = await asyncio.open_connection("127.0.0.1", 80)
        await reader.read()
        writer.close()
        return trace, kept

    trace, kept = sim.run(main, seed=1)
    assert trace.packets == []
    assert trace.count == kept.count == len(kept.packets) > 0
    assert trace.hexdigest() == kept.hexdigest()


def test_the_callers_decimal_context_does_not_reach_a_run():
    """ccxt sets the rounding of whoever calls it, and figures then differ in their last digit."""

    async def main():
        return decimal.getcontext().rounding, decimal.getcontext().prec

    with decimal.localcontext() as context:
        context.rounding, context.prec = decimal.ROUND_HALF_UP, 9
        assert sim.run(main, seed=1) == (decimal.ROUND_HALF_EVEN, 28)
        assert context.rounding == decimal.ROUND_HALF_UP
