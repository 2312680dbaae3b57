"""Order books from the socket: Kraken's `book` channel, every checksum verified, best prices read.

    python -m benchmarks.book_socket

A server in a process of its own sends the same flood of messages to each candidate in turn; what
counts is the CPU of the client's process per message, from the socket to best bid and ask. Ours is
the room that sessions use, with trust, checksums and acknowledgements. The peer is ccxt.pro's
`watch_order_book`, which verifies no checksum. Bars: ≥ 3 × ccxt.pro on `websockets`, ≥ 5 × with
picows (`pip install 'outlast[fast]'`; left out where it is missing).
"""

# ruff: noqa: SLF001  # the books' own ear is tapped, to count what it has heard
from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Final

from websockets.asyncio.server import serve

from benchmarks import book_streams
from benchmarks.book_peers import _ccxt_market
from benchmarks.book_streams import Stream
from benchmarks.side_by_side import Measured, ratio
from outlast.backends.clock import SystemClock
from outlast.backends.sockets import WebsocketsTransport
from outlast.client.streams.book_shard import BookShard, Feed
from outlast.client.streams.dialler import Dialler
from outlast.core.books import ChecksumBook, FloatDigits
from outlast.core.dialling import DialSettings
from outlast.model import Instrument, Product
from outlast.stream_wire import Channel, SocketTransport, Topic
from outlast.venues import market_streams

BARS: Final = {"outlast on websockets": 3.0, "outlast on picows": 5.0}
PEER: Final = "ccxt.pro"

Candidate = Callable[[str, Stream, int], Awaitable[float]]
"""(url, stream, messages) -> CPU seconds for so many messages."""


class OpenDoor:
    """A guard that has nothing against dials."""

    def held_dial(self, now: float) -> None:
        return None

    def dialled(self, **_: object) -> None:
        return None


def serve_floods(stream: Stream, messages: int, ready: Any) -> None:
    """Answer each subscription with its snapshot and then all messages, as fast as they are taken.

    They begin half a second after the snapshot, so that the first connection is not measured.
    """

    async def talk(connection: Any) -> None:
        with suppress(Exception):  # a candidate leaves when it has seen enough
            async for text in connection:
                if '"subscribe"' not in text:
                    continue
                await connection.send(
                    '{"method":"subscribe","req_id":1,"result":{"channel":"book","depth":'
                    f'{stream.depth},"snapshot":true,"symbol":"BTC/USD"}},"success":true}}'
                )
                await connection.send(stream.snapshot, text=True)
                await asyncio.sleep(0.5)
                for raw in stream.messages[:messages]:
                    await connection.send(raw, text=True)

    async def main() -> None:
        async with serve(talk, "127.0.0.1", 0, compression=None) as server:
            ready.put(next(iter(server.sockets)).getsockname()[1])
            await asyncio.get_running_loop().create_future()

    asyncio.run(main())


def instrument() -> Instrument:
    from decimal import Decimal  # noqa: PLC0415

    one = Decimal(1)
    return Instrument(
        venue="kraken-spot",
        symbol="BTC/USD",
        venue_symbol="XXBTZUSD",
        product=Product.SPOT,
        base="BTC",
        quote="USD",
        settle="USD",
        tick_size=Decimal("0.1"),
        qty_step=Decimal("1E-8"),
        qty_min=one,
        qty_max=one,
        market_qty_min=one,
        market_qty_max=one,
        notional_min=one,
        price_min=one,
        price_max=one,
    )


def ours(transport: Callable[[], SocketTransport]) -> Candidate:
    async def run(url: str, stream: Stream, messages: int) -> float:
        clock = SystemClock()
        wire = transport()
        dialler = Dialler(
            wire,
            OpenDoor(),  # type: ignore[arg-type]
            clock=clock,
            venue="kraken-spot",
            settings=DialSettings(dials_max=1000),
        )
        codec = market_streams("kraken-spot")
        shard = BookShard(
            codec,
            name="books",
            url=codec.url(url, Channel.BOOK),
            dialler=dialler,
            clock=clock,
            rng=random.Random(1),
            on_stir=lambda feed: None,
            on_mode=lambda told: None,
        )
        book = ChecksumBook("kraken-spot", "BTC/USD", FloatDigits(1, 8), depth=stream.depth)
        topic = Topic(Channel.BOOK, "BTC/USD", str(stream.depth))
        feed = Feed(instrument(), book, topic, None, stream.depth)
        done = asyncio.get_running_loop().create_future()
        began, bids, asks = 0.0, book.bid_side.keys, book.ask_side.keys
        hear = shard._hear

        def counted(raw: bytes) -> None:
            nonlocal began
            hear(raw)
            best = (bids[-1], -asks[-1])
            if feed.changes == 1:
                began = time.process_time()
            elif feed.changes == messages + 1 and not done.done():
                spent = time.process_time() - began
                assert book.reason is None, book.reason
                assert best == stream.truth[messages - 1]
                done.set_result(spent)

        shard.market.line._on_message = counted
        shard.add(feed)
        running = asyncio.create_task(shard.market.run_for_ever())
        spent: float = await done
        await shard.market.close()
        await running
        await wire.drain()
        return spent

    return run


def ccxt_pro() -> Candidate:
    import ccxt.pro  # noqa: PLC0415

    async def run(url: str, stream: Stream, messages: int) -> float:
        exchange = ccxt.pro.kraken()
        exchange.set_markets([_ccxt_market(exchange, "XBTUSD", "BTC", "USD")])
        for name in ("public", "publicV2", "private", "privateV2"):
            exchange.urls["api"]["ws"][name] = f"{url}/v2"
        handle, heard, began = exchange.handle_order_book, 0, 0.0
        done = asyncio.get_running_loop().create_future()

        def counted(client: Any, message: Any) -> None:
            nonlocal heard, began
            handle(client, message)
            heard += 1
            if heard == 1:
                began = time.process_time()
            elif heard == messages + 1 and not done.done():
                spent = time.process_time() - began
                book = exchange.orderbooks["BTC/USD"]
                assert (book["bids"][0][0], book["asks"][0][0]) == stream.truth[messages - 1]
                done.set_result(spent)

        exchange.handle_order_book = counted

        async def read() -> None:
            while True:
                book = await exchange.watch_order_book("BTC/USD", stream.depth)
                _ = book["bids"][0][0], book["asks"][0][0]

        reading = asyncio.create_task(read())
        try:
            spent: float = await done
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
            await exchange.close()
        return spent

    return run


def candidates() -> dict[str, Candidate]:
    found: dict[str, Candidate] = {"outlast on websockets": ours(WebsocketsTransport)}
    if find_spec("picows") is not None:
        from outlast.backends.fast_sockets import PicowsTransport  # noqa: PLC0415

        found["outlast on picows"] = ours(PicowsTransport)
    else:
        print("  picows is not installed: left out (pip install 'outlast[fast]')")
    if find_spec("ccxt") is not None:
        found[PEER] = ccxt_pro()
    else:
        print("  ccxt is not installed: there is nothing to compare with")
    return found


def measured(stream: Stream, *, messages: int, rounds: int, seed: int) -> dict[str, Measured]:
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    server = context.Process(target=serve_floods, args=(stream, messages, ready), daemon=True)
    server.start()
    url = f"ws://127.0.0.1:{ready.get(timeout=60)}"
    runs, rng = candidates(), random.Random(seed)
    results = {name: Measured() for name in runs}
    try:
        for _ in range(rounds):
            names = list(runs)
            rng.shuffle(names)
            for name in names:
                gc.collect()
                spent = asyncio.run(asyncio.wait_for(runs[name](url, stream, messages), 300))
                results[name].cpu_us.append(spent / messages * 1e6)
    finally:
        server.terminate()
        server.join()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    stream = book_streams.kraken("kraken ~1.7", usual=1.7, messages=given.messages, depth=100)
    print(f"  {stream.name}: {stream.changes:.1f} changes a message, depth {stream.depth}")
    results = measured(stream, messages=given.messages, rounds=given.rounds, seed=given.seed)
    failed = False
    for name, each in results.items():
        line = f"  {name:24} {statistics.median(each.cpu_us):7.1f} us of CPU a message"
        if PEER in results and name != PEER:
            times = 1 / ratio(each, results[PEER])
            bar = BARS[name]
            failed |= times < bar
            line += f"   {times:4.2f} x faster than {PEER} (bar {bar:g})"
        print(line)
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
