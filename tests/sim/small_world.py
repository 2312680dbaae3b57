"""A host named `venue` that echoes, 0.1 s away, and the words to talk to it."""

from __future__ import annotations

import asyncio

from outlast import sim


def run(main, **settings):
    return sim.run(main, seed=settings.pop("seed", 1), **settings)


async def served(handler, host="venue", port=80):
    """Listen on a host of that name, on paths of exactly 0.1 s each way."""
    sim.network().host(host)
    sim.network().link().latency = sim.fixed(0.1)
    sim.network().names.lag(sim.fixed(0.0))
    return await asyncio.start_server(handler, host, port)


async def echo(reader, writer):
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def say(reader, writer, data=b"ping"):
    writer.write(data)
    return await reader.readexactly(len(data))


def now():
    return round(asyncio.get_running_loop().time(), 9)
