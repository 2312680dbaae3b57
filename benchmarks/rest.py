"""One signed order: the whole of a client's call, one at a time and twenty in flight.

    python -m benchmarks.rest
    python -m benchmarks.rest --sockets

The second has a session as well that sends its orders by WebSocket. Bars: CPU of at most 0.3 of our
own REST path's and 0.1 of httpx's.

Ours is `Session.submit` with everything on: journal in a file, guard, limits, classification. The
peers have none of that. Those that are not installed are left out and named:
`pip install python-binance ccxt`. Bars (docs/decisions/0007): CPU at most that of
python-binance and 0.75 of ccxt's; with 20 in flight a median of at most python-binance's and a 99th
percentile of at most a third of default httpx's.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import itertools
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import websockets

import outlast
from benchmarks.order_server import SYMBOL, Urls, serving
from benchmarks.side_by_side import Call, measure, table

KEY, SECRET = "k" * 64, "s" * 64


async def _outlast(
    stack: contextlib.AsyncExitStack, url: str, *, socket_url: str | None = None, **changes: Any
) -> Call:
    endpoints = {"rest": url} if socket_url is None else {"rest": url, "trade_stream": socket_url}
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    session = await stack.enter_async_context(
        outlast.connect(
            "binance-um",
            key=KEY,
            secret=SECRET,
            journal=folder / "bench.journal",
            endpoints=endpoints,
            **changes,
        )
    )
    order = outlast.limit("BTC/USDT:USDT", "buy", qty="0.010", price="60000")

    async def call() -> None:
        await session.submit(order)

    return call


async def _httpx_default(stack: contextlib.AsyncExitStack, url: str) -> Call:
    client = await stack.enter_async_context(httpx.AsyncClient())
    numbers = itertools.count()

    async def call() -> None:
        query = urlencode(
            {
                "symbol": SYMBOL,
                "side": "BUY",
                "type": "LIMIT",
                "timeInForce": "GTC",
                "quantity": "0.010",
                "price": "60000",
                "newClientOrderId": f"b{next(numbers)}",
                "timestamp": int(time.time() * 1000),
            }
        )
        signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        reply = await client.post(
            f"{url}/fapi/v1/order?{query}&signature={signature}", headers={"X-MBX-APIKEY": KEY}
        )
        reply.json()

    return call


async def _python_binance(stack: contextlib.AsyncExitStack, url: str) -> Call:
    from binance import AsyncClient  # noqa: PLC0415 a peer that may not be installed

    client = AsyncClient(KEY, SECRET)
    stack.push_async_callback(client.close_connection)
    client.FUTURES_URL = f"{url}/fapi"
    numbers = itertools.count()

    async def call() -> None:
        await client.futures_create_order(
            symbol=SYMBOL,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity="0.010",
            price="60000",
            newClientOrderId=f"b{next(numbers)}",
        )

    return call


async def _ccxt(stack: contextlib.AsyncExitStack, url: str) -> Call:
    import ccxt.async_support as ccxt  # noqa: PLC0415 a peer that may not be installed

    exchange = ccxt.binanceusdm({"apiKey": KEY, "secret": SECRET, "enableRateLimit": False})
    stack.push_async_callback(exchange.close)
    exchange.urls["api"] = {
        name: text.replace("https://fapi.binance.com", url) if isinstance(text, str) else text
        for name, text in exchange.urls["api"].items()
    }
    limits = {"amount": {"min": 0.001, "max": 1000}, "price": {"min": 0.1, "max": 1e6}}
    exchange.set_markets(
        [
            {
                "id": SYMBOL,
                "symbol": "BTC/USDT:USDT",
                "base": "BTC",
                "quote": "USDT",
                "settle": "USDT",
                "baseId": "BTC",
                "quoteId": "USDT",
                "settleId": "USDT",
                "type": "swap",
                "spot": False,
                "swap": True,
                "future": False,
                "option": False,
                "active": True,
                "contract": True,
                "linear": True,
                "inverse": False,
                "contractSize": 1,
                "precision": {"amount": 0.001, "price": 0.1},
                "limits": {
                    **limits,
                    "cost": {"min": 5, "max": None},
                    "market": {"min": 0.001, "max": 100},
                    "leverage": {},
                },
                "info": {"orderTypes": ["LIMIT", "MARKET"]},
            }
        ]
    )

    async def call() -> None:
        await exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)

    return call


async def _websockets_bare(stack: contextlib.AsyncExitStack, url: str) -> Call:
    """The least that an order by socket can cost: signed, sent, its answer decoded, no more."""
    socket = await stack.enter_async_context(websockets.connect(url, compression=None))
    numbers = itertools.count()
    answers: dict[int, asyncio.Future[Any]] = {}

    async def read() -> None:
        async for frame in socket:
            answer = msgspec.json.decode(frame)
            answers.pop(answer["id"]).set_result(answer)

    reading = asyncio.create_task(read())
    stack.callback(reading.cancel)

    async def call() -> None:
        number = next(numbers)
        params: dict[str, object] = {
            "apiKey": KEY,
            "newClientOrderId": f"b{number}",
            "price": "60000",
            "quantity": "0.010",
            "side": "BUY",
            "symbol": SYMBOL,
            "timeInForce": "GTC",
            "timestamp": int(time.time() * 1000),
            "type": "LIMIT",
        }
        payload = "&".join(f"{name}={value}" for name, value in params.items())
        signature = hmac.new(SECRET.encode(), payload.encode(), hashlib.sha256).hexdigest()
        frame = {"id": number, "method": "order.place", "params": params | {"signature": signature}}
        answer = answers[number] = asyncio.get_running_loop().create_future()
        await socket.send(msgspec.json.encode(frame), text=True)
        await answer

    return call


async def _by_socket(stack: contextlib.AsyncExitStack, urls: Urls) -> Call:
    """Ours by WebSocket, once its line is up: before that orders go over REST."""
    settings = outlast.Settings(order_entry="websocket-first", streams=False)
    call = await _outlast(stack, urls.rest, socket_url=urls.socket, settings=settings)
    await asyncio.sleep(1.0)
    return call


async def _run(rounds: int, *, sockets: bool) -> None:
    async with contextlib.AsyncExitStack() as stack:
        url, socket_url = stack.enter_context(serving())
        plain = await stack.enter_async_context(httpx.AsyncClient())
        candidates = {
            "outlast": await _outlast(stack, url),
            "outlast over the caller's httpx": await _outlast(stack, url, http=plain),
            "httpx, signed by hand": await _httpx_default(stack, url),
        }
        peers = ["httpx, signed by hand"]
        if sockets:
            candidates["outlast by WebSocket"] = await _by_socket(stack, Urls(url, socket_url))
            name = "websockets, signed by hand"
            candidates[name] = await _websockets_bare(stack, socket_url)
            peers.insert(0, "outlast")
        for name, module, made in (
            ("python-binance", "binance", _python_binance),
            ("ccxt", "ccxt", _ccxt),
        ):
            if find_spec(module) is None:
                print(f"{name} is left out: it is not installed")
                continue
            candidates[name] = await made(stack, url)
            peers.append(name)
        for at_once, calls in ((1, 40), (20, 100)):
            results = await measure(candidates, rounds=rounds, calls=calls, at_once=at_once)
            print(f"\n{at_once} in flight\n{table(results, peers=peers)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--sockets", action="store_true", help="orders by WebSocket as well")
    asked = parser.parse_args()
    asyncio.run(_run(asked.rounds, sockets=asked.sockets))
