"""`outlast mock`: the exchange as a server, for bots in any language."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import Annotated

import typer

from outlast.mock.exchange import MockExchange

__all__ = ["mock"]


def mock(
    venue: Annotated[
        list[str] | None, typer.Option(help="A venue's id; may be repeated. Default: all.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option(help="A scenario's name, or a file. Default: nothing goes wrong.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the scenario's own.")] = None,
    speed: Annotated[float, typer.Option(min=0.01, help="Venue seconds per real second.")] = 1.0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The first port; the rest follow. 0: any.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Nothing but JSON on stdout (as without it).")
    ] = False,
) -> None:
    """Serve a mock exchange until stopped. The first line says where, with a test key."""
    exchange = MockExchange(
        scenario,
        venues=venue,
        seed=seed,
        speed=speed,
        host=host,
        port=port,
        now_ms=lambda: time.time_ns() // 1_000_000,
    )
    asyncio.run(_serve(exchange))


async def _serve(exchange: MockExchange) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with exchange:
        print(json.dumps(exchange.describe()), flush=True)
        await stop.wait()
