"""A USD-M venue in a simulation: real WebSocket clients, plain HTTP, virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import fault
from outlast.mock.scenario.load import loads

BEFORE_SPLIT = "2026-03-02T14:00:00Z"
AFTER_SPLIT = "2026-06-01T00:00:00Z"
RESTING = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "60000",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.010"}


def calm(t0: str = AFTER_SPLIT, phases: str = "[{name: calm, for: rest}]") -> str:
    return f"scenario: um\nvenue: binance-um\nseed: 3\nt0: {t0}\nphases: {phases}\n"


class Ear:
    """One socket; frames are decoded as they come."""

    def __init__(self, stream: ClientConnection) -> None:
        self.stream = stream
        self.frames: list[Any] = []
        self.task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                text = await self.stream.recv()
                self.frames.append(json.loads(text))

    def take(self) -> list[Any]:
        heard, self.frames = self.frames, []
        return heard

    async def say(self, message: object) -> None:
        await self.stream.send(message if isinstance(message, str) else json.dumps(message))

    async def ask(self, message: object) -> Any:
        """Say something and give the next answer, which no stream event is."""
        await self.say(message)
        for _ in range(200):
            for frame in self.frames:
                if "e" not in frame and "stream" not in frame:
                    self.frames.remove(frame)
                    return frame
            await asyncio.sleep(0.01)
        raise AssertionError(f"no answer to {message!r}; heard {self.frames[:3]}")

    async def subscribe(self, *names: str) -> None:
        answer = await self.ask({"method": "SUBSCRIBE", "params": list(names), "id": 1})
        assert answer == {"result": None, "id": 1}


class UmWorld:
    def __init__(self, exchange: MockExchange) -> None:
        self.exchange = exchange
        self._ears: list[Ear] = []

    @property
    def wires(self) -> dict[str, Any]:
        return self.exchange.describe()["venues"]["binance-um"]

    @property
    def engine(self):
        return self.exchange.run.venues["binance-um"].stage.engine

    @property
    def now_ms(self) -> int:
        self.exchange.run.clock.catch_up()
        return self.exchange.run.clock.now_ms

    async def dial(self, path: str, **options) -> Ear:
        options = {"proxy": None, "compression": None, "ping_interval": None, **options}
        ear = Ear(await connect(self.wires["endpoints"]["stream"] + path, **options))
        self._ears.append(ear)
        return ear

    async def http(self, method: str, path: str, params=None, *, signed: bool = False) -> Any:
        """(status, body)."""
        query = urlencode(params or {})
        if signed:
            query = urlencode({**(params or {}), "timestamp": self.now_ms})
            query += f"&signature={self.sign(query)}"
        host, port = self.wires["endpoints"]["rest"].removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"{method} {path}?{query} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
            f"x-mbx-apikey: {self.wires['key']}\r\n\r\n".encode()
        )
        answer = await reader.read()
        writer.close()
        top, _, body = answer.partition(b"\r\n\r\n")
        return int(top.split()[1]), json.loads(body)

    def sign(self, payload: str) -> str:
        secret = self.wires["secret"].encode()
        return hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()

    async def order(self, **changes: str) -> Any:
        status, body = await self.http(
            "POST", "/fapi/v1/order", {**RESTING, **changes}, signed=True
        )
        assert status == 200, body
        return body

    async def listen_key(self) -> str:
        status, body = await self.http("POST", "/fapi/v1/listenKey")
        assert status == 200
        return body["listenKey"]

    async def depth(self, limit: int = 1000) -> Any:
        _, body = await self.http("GET", "/fapi/v1/depth", {"symbol": "BTCUSDT", "limit": limit})
        return body

    def api_params(self, **params: object) -> dict[str, object]:
        """Signed as the WebSocket API wants it, written here on its own."""
        values = {"apiKey": self.wires["key"], "timestamp": self.now_ms, **params}
        texts = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in values.items()
        }
        payload = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
        return {**values, "signature": self.sign(payload)}

    def fault(self, match, **terms) -> str:
        rule_id = self.exchange.run.desk.add(fault(match, **terms))
        self.exchange.run.changed()
        return rule_id

    def heal(self) -> None:
        for rule in list(self.exchange.run.desk.added):
            self.exchange.run.desk.remove(rule.id)
        self.exchange.run.changed()

    async def leave(self) -> None:
        for ear in self._ears:
            await ear.stream.close()
            await ear.task


def play(
    story: Callable[[UmWorld], Awaitable[None]],
    document: str | None = None,
    *,
    seed: int = 1,
    time_limit_s: float = 200_000.0,
) -> None:
    scenario = loads(calm() if document is None else document)

    async def main() -> None:
        async with MockExchange(scenario) as exchange:
            world = UmWorld(exchange)
            try:
                await story(world)
            finally:
                await world.leave()

    sim.run(main, seed=seed, t0=scenario.t0_ms / 1000, time_limit_s=time_limit_s)
