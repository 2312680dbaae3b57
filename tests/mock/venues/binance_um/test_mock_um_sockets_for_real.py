"""The same over real sockets, and the same again for the same seed."""

from __future__ import annotations

import asyncio
import json

import pytest
from book_validator import BinanceBook
from um_sockets import MARKET, UmWorld, calm, play
from websockets.asyncio.client import connect

from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.load import loads


@pytest.mark.sockets
def test_a_book_and_an_order_over_real_sockets():
    async def main():
        async with MockExchange(loads(calm())) as exchange:
            world = UmWorld(exchange)
            ear = await world.dial("/public/ws/btcusdt@depth@100ms")
            key = await world.listen_key()
            user = await world.dial(f"/private/ws/{key}")
            await asyncio.sleep(0.6)
            book = BinanceBook(futures=True)
            for frame in ear.take():
                book.event(frame)
            book.snapshot(await world.depth())
            await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
            async with asyncio.timeout(10):
                while not book.synced or not user.frames:
                    await asyncio.sleep(0.1)
                    for frame in ear.take():
                        book.event(frame)
            assert user.take()[0]["e"] == "ORDER_TRADE_UPDATE"
            await world.leave()

    asyncio.run(main())


@pytest.mark.sockets
def test_a_reader_that_sleeps_is_dropped_over_real_sockets():
    async def main():
        async with MockExchange(loads(calm()), speed=50) as exchange:
            url = exchange.endpoints("binance-um")["stream"]
            streams = "/".join(f"btcusdt@depth{n}@100ms" for n in (5, 10, 20))
            many = f"{url}/public/stream?streams={streams}/btcusdt@depth@100ms"
            sockets = exchange.run.venues["binance-um"].sockets
            async with connect(many, proxy=None, compression=None, max_queue=1):
                async with asyncio.timeout(60):
                    while sockets.clients:
                        await asyncio.sleep(0.1)
            assert sockets.allowance_bytes <= 4 * 1024 * 1024

    asyncio.run(main())


def test_the_same_seed_says_the_same_to_the_byte():
    def run() -> list[str]:
        said: list[str] = []

        async def story(world):
            ear = await world.dial("/public/stream?streams=btcusdt@depth@100ms/ethusdt@trade")
            key = await world.listen_key()
            user = await world.dial(f"/private/ws/{key}")
            world.fault("ws.market.stream", stream={"gap": 0.1})
            await asyncio.sleep(10)
            await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
            await asyncio.sleep(10)
            said.extend(json.dumps(frame) for frame in ear.take() + user.take())

        play(story)
        return said

    first = run()
    assert len(first) > 50
    assert run() == first
