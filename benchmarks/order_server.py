"""A venue that says yes to every order at once: as little work as can be, in a process of its own.

`python -m benchmarks.order_server` serves USD-M's REST paths and, on a port of its own, its
WebSocket API, and prints both ports. It is for measuring clients only; who wants a venue takes
`outlast mock`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec
from websockets.asyncio.server import ServerConnection, serve

SYMBOL = "BTCUSDT"
_HEAD = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\n"
    "X-MBX-USED-WEIGHT-1M: 5\r\nX-MBX-ORDER-COUNT-10S: 1\r\nX-MBX-ORDER-COUNT-1M: 1\r\n"
    "Date: Sun, 22 Nov 2026 00:00:00 GMT\r\nServer: nginx\r\n"
    "Cache-Control: no-cache, no-store, must-revalidate\r\nContent-Length: "
)
_INSTRUMENT = {
    "symbol": SYMBOL,
    "pair": SYMBOL,
    "contractType": "PERPETUAL",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.10",
            "maxPrice": "1000000",
            "tickSize": "0.10",
        },
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
    ],
}
_LIMITS = [  # high enough that no candidate ever waits
    {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": 100_000_000}
    for kind, interval, number in (
        ("REQUEST_WEIGHT", "MINUTE", 1),
        ("ORDERS", "MINUTE", 1),
        ("ORDERS", "SECOND", 10),
    )
]


def _answer(method: str, path: str, params: dict[str, str]) -> object:
    now_ms = int(time.time() * 1000)
    if path == "/fapi/v1/order" and method == "POST":
        return {
            "orderId": 22542179,
            "symbol": SYMBOL,
            "status": "NEW",
            "clientOrderId": params.get("newClientOrderId", "none"),
            "price": params.get("price", "0"),
            "avgPrice": "0.00",
            "origQty": params.get("quantity", "0.010"),
            "executedQty": "0.000",
            "cumQty": "0.000",
            "cumQuote": "0.00000",
            "timeInForce": "GTC",
            "type": "LIMIT",
            "reduceOnly": False,
            "closePosition": False,
            "side": "BUY",
            "positionSide": "BOTH",
            "stopPrice": "0.00",
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": "LIMIT",
            "priceMatch": "NONE",
            "selfTradePreventionMode": "EXPIRE_MAKER",
            "goodTillDate": 0,
            "updateTime": now_ms,
        }
    if path == "/fapi/v1/time":
        return {"serverTime": now_ms}
    if path == "/fapi/v1/exchangeInfo":
        return {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": _LIMITS,
            "symbols": [_INSTRUMENT],
            "exchangeFilters": [],
            "assets": [],
        }
    return []  # balances, positions, open orders: there are none


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].decode("latin-1")
            found = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            length = int(found[1]) if found else 0
            if len(self._data) < end + 4 + length:
                return
            body = self._data[end + 4 : end + 4 + length].decode()
            self._data = self._data[end + 4 + length :]
            method, target, _ = head.split(" ", 2)
            path, _, query = target.partition("?")
            params = dict(parse_qsl(query) + parse_qsl(body))
            text = json.dumps(_answer(method, path, params))
            self._transport.write(f"{_HEAD}{len(text)}\r\n\r\n{text}".encode())


_COUNTED = [
    {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": 100_000_000,
        "count": 1,
    }
    for kind, interval, number in (
        ("REQUEST_WEIGHT", "MINUTE", 1),
        ("ORDERS", "SECOND", 10),
        ("ORDERS", "MINUTE", 1),
    )
]


async def _answer_frames(socket: ServerConnection) -> None:
    async for frame in socket:
        asked = msgspec.json.decode(frame)
        result = _answer("POST", "/fapi/v1/order", asked["params"])
        answer = {"id": asked["id"], "status": 200, "result": result, "rateLimits": _COUNTED}
        await socket.send(msgspec.json.encode(answer).decode())


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    async with serve(_answer_frames, "127.0.0.1", 0, compression=None) as sockets:
        ports = [each.sockets[0].getsockname()[1] for each in (server, sockets)]  # type: ignore[attr-defined]
        print(*ports, flush=True)
        await server.serve_forever()


class Urls(NamedTuple):
    rest: str
    socket: str


@contextlib.contextmanager
def serving() -> Iterator[Urls]:
    """Run it in a process of its own; its URLs."""
    command = [sys.executable, "-m", "benchmarks.order_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            rest, socket = map(int, process.stdout.readline().split())
            yield Urls(f"http://127.0.0.1:{rest}", f"ws://127.0.0.1:{socket}")
        finally:
            process.terminate()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve())
