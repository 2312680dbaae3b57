"""Stories over the venue's sockets, told in virtual time."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from mock_spot_world import sign
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.http.plans import HttpMessage
from outlast.mock.keys import Account
from outlast.mock.scenario.builder import fault
from outlast.mock.scenario.load import loads
from outlast.mock.venues.binance_spot import ed25519

CALM = "scenario: spot\nvenue: binance-spot\nseed: 3\nphases:\n  - {name: calm, for: rest}\n"


@dataclass
class Heard:
    """One socket that writes down what it hears."""

    socket: ClientConnection
    frames: list[Any] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                text = await self.socket.recv()
                self.frames.append(json.loads(text))

    async def say(self, message: object) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.socket.send(text)

    def take(self) -> list[Any]:
        heard, self.frames = self.frames, []
        return heard

    def events(self, kind: str) -> list[Any]:
        """The user events of a kind heard so far."""
        return [f["event"] for f in self.frames if f.get("event", {}).get("e") == kind]


class Sockets:
    def __init__(self, exchange: MockExchange) -> None:
        self.exchange = exchange
        self.account: Account = exchange.run.default_account("binance-spot")
        self._heard: list[Heard] = []
        self._asked = 0

    @property
    def venue(self) -> Any:
        return self.exchange.run.venues["binance-spot"]

    @property
    def now_ms(self) -> int:
        return self.venue.stage.shown_ms

    async def dial(self, path: str) -> Heard:
        url = self.exchange.endpoints("binance-spot")["stream"]
        options: dict[str, Any] = {"proxy": None, "compression": None, "ping_interval": None}
        heard = Heard(await connect(url + path, **options))
        heard.task = asyncio.create_task(heard.listen())
        self._heard.append(heard)
        return heard

    async def rest(self, method: str, path: str, **params: object) -> Any:
        """A signed REST request, put through the venue's own pipeline."""
        values = {name: str(value) for name, value in params.items()}
        values["timestamp"] = str(self.now_ms)
        raw = urlencode(values)
        raw += f"&signature={sign(self.account.secret, raw.encode())}"
        message = HttpMessage(
            method=method,
            target=f"{path}?{raw}",
            path=path,
            query=raw.encode(),
            headers={"x-mbx-apikey": (self.account.key,)},
        )
        plan = await self.venue(message)
        if plan.delivered is not None:
            plan.delivered(True)
        return json.loads(plan.answer.body)

    def signed(self, **params: Any) -> dict[str, Any]:
        """Parameters of a request over the WebSocket API, signed with the account's secret."""
        values = params | {"apiKey": self.account.key, "timestamp": self.now_ms}
        return values | {"signature": sign(self.account.secret, _sorted(values))}

    def logon(self) -> dict[str, Any]:
        """Parameters of `session.logon`, signed with the account's Ed25519 key."""
        key = self.account.ed25519
        assert key is not None
        values = {"apiKey": key.key, "timestamp": self.now_ms}
        signature = ed25519.sign(key.seed, _sorted(values))
        return values | {"signature": base64.b64encode(signature).decode()}

    async def ask(self, heard: Heard, method: str, params: object = None) -> Any:
        """One request over the WebSocket API and its answer."""
        self._asked += 1
        number = f"ask-{self._asked}"
        await heard.say({"id": number, "method": method, "params": params or {}})
        for _ in range(100):
            await asyncio.sleep(0.01)
            for frame in heard.frames:
                if frame.get("id") == number:
                    heard.frames.remove(frame)
                    return frame
        raise AssertionError(f"{method} was not answered")

    def fault(self, match: str, **terms: Any) -> None:
        self.exchange.run.desk.add(fault(match, **terms))
        self.exchange.run.changed()

    async def leave(self) -> None:
        for heard in self._heard:
            await heard.socket.close()
            if heard.task is not None:
                await heard.task


def _sorted(values: dict[str, Any]) -> bytes:
    pairs = sorted((n, str(v).lower() if isinstance(v, bool) else v) for n, v in values.items())
    return "&".join(f"{name}={value}" for name, value in pairs).encode()


def play(story: Callable[[Sockets], Awaitable[None]], document: str = CALM) -> None:
    """Tell one story."""
    scenario = loads(document)

    async def main() -> None:
        async with MockExchange(scenario) as exchange:
            world = Sockets(exchange)
            try:
                await story(world)
            finally:
                await world.leave()

    sim.run(main, seed=1, t0=scenario.t0_ms / 1000, time_limit_s=200_000.0)
