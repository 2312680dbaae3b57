"""A venue of one page: what the exchange does for every dialect's sockets, with nothing in the way.

Its REST is Binance's; its sockets are `/ws` (market), `/user` and `/api`. A market client says
`sub NAME CHANNEL` and gets `NAME n` ten times a second, a checksum behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.http.plans import Answer, HttpMessage
from outlast.mock.scenario.builder import fault
from outlast.mock.scenario.load import loads
from outlast.mock.scenario.model import Scenario
from outlast.mock.venues.binance_um.dialect import BinanceUmDialect
from outlast.mock.venues.streams import Feed, Plug, SocketRules, StreamDialect, Update

RULES = SocketRules(ping_every_s=20.0, pong_within_s=60.0, lifetime_s=3600.0, inbound_per_s=5)
CALM = "scenario: toy\nvenue: binance-um\nseed: 3\nphases:\n  - {name: calm, for: rest}\n"


class ToyStreams(StreamDialect):
    def __init__(self) -> None:
        self.dialect: Any = None
        self.number = 0
        self.events: list[str] = []

    def attach(self, sockets) -> None:
        self.sockets = sockets
        sockets.every(100, self.tick)

    def plug(self, message):
        plugs = {"/ws": Feed.MARKET, "/user": Feed.USER, "/api": Feed.USER}
        feed = plugs.get(message.path)
        if feed is None:
            return None
        rules = SocketRules() if message.path == "/api" else RULES
        return Plug(feed=feed, rules=rules, name=message.path)

    def opened(self, client) -> None:
        self.events.append(f"opened {client.number}")
        if client.plug.name == "/user":
            client.subscribe("user", channel="user")

    def closed(self, client) -> None:
        self.events.append(f"closed {client.number}")

    def received(self, client, text: str) -> None:
        match text.split():
            case ["sub", topic, channel]:
                client.subscribe(topic, channel=channel)
                client.send(f"subscribed {topic}")
            case ["unsub", topic]:
                client.send(f"unsubscribed {client.unsubscribe(topic)}")
            case ["ask", method, path]:
                message = HttpMessage(method=method, target=path, path=path, peer_ip=client.ip)
                call = self.dialect.route(message)
                client.ask(call, self.frame)
            case ["fail"]:
                raise RuntimeError("a mistake of the dialect")
            case _:
                client.send(f"error {len(text)}")

    def frame(self, answer: Answer) -> str:
        return f"{answer.status} {answer.body.decode()}"

    def tick(self) -> None:
        self.number += 1
        for topic in self.sockets.topics():
            self.sockets.publish(topic, lambda sub: self.update(sub.topic, self.number))

    def update(self, topic: str, number: int) -> Update:
        return Update(f"{topic} {number} good", corrupt=lambda: f"{topic} {number} bad")

    def expire_key(self, client) -> None:
        client.send("expired")

    def going_away(self, client) -> None:
        client.send("going away")

    def backlog(self, subscription, count):
        return [Update(f"{subscription.topic} old {n}") for n in range(count)]


class ToyDialect(BinanceUmDialect):
    def __init__(self, *, seed: int) -> None:
        super().__init__(seed=seed)
        self.toy = ToyStreams()
        self.toy.dialect = self

    @property
    def streams(self) -> StreamDialect:
        return self.toy


@dataclass
class Heard:
    """One client that writes down what it hears, and when (loop time)."""

    stream: ClientConnection
    texts: list[str] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    closed_at: float | None = None

    async def listen(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionClosed):
            while True:
                text = str(await self.stream.recv())
                self.texts.append(text)
                self.at.append(loop.time())
        self.closed_at = loop.time()

    async def say(self, text: str) -> None:
        await self.stream.send(text)

    def take(self) -> list[str]:
        """What was heard since the last call."""
        heard, self.texts, self.at = self.texts, [], []
        return heard

    def numbers(self) -> list[int]:
        return [int(text.split()[1]) for text in self.take() if text.endswith(("good", "bad"))]


class ToyWorld:
    def __init__(self, exchange: MockExchange) -> None:
        self.exchange = exchange
        self._heard: list[Heard] = []

    @property
    def toy(self) -> ToyStreams:
        return self.exchange.run.venues["binance-um"].sockets._streams

    @property
    def sockets(self):
        return self.exchange.run.venues["binance-um"].sockets

    @property
    def url(self) -> str:
        return self.exchange.endpoints("binance-um")["stream"]

    async def dial(self, path: str = "/ws", **options) -> Heard:
        options = {"proxy": None, "compression": None, "ping_interval": None, **options}
        heard = Heard(await connect(self.url + path, **options))
        heard.task = asyncio.create_task(heard.listen())
        self._heard.append(heard)
        return heard

    async def subscribed(self, topic: str = "one", channel: str = "depth", **options) -> Heard:
        heard = await self.dial(**options)
        await heard.say(f"sub {topic} {channel}")
        return heard

    def fault(self, match, **terms) -> str:
        rule_id = self.exchange.run.desk.add(fault(match, **terms))
        self.exchange.run.changed()
        return rule_id

    def heal(self) -> None:
        for rule in list(self.exchange.run.desk.added):
            self.exchange.run.desk.remove(rule.id)
        self.exchange.run.changed()

    def dials(self) -> list[tuple[str, str]]:
        return [(d.kind, d.outcome) for d in self.exchange.truth.conditions.dials]

    async def leave(self) -> None:
        for heard in self._heard:
            await heard.stream.close()
            if heard.task is not None:
                await heard.task


def play(
    story: Callable[[ToyWorld], Awaitable[None]],
    document: str | Scenario = CALM,
    *,
    seed: int = 1,
    speed: float = 1.0,
    time_limit_s: float = 200_000.0,
) -> None:
    """Tell one story in virtual time."""
    scenario = loads(document) if isinstance(document, str) else document

    async def main() -> None:
        available = {"binance-um": lambda seed: ToyDialect(seed=seed)}
        async with MockExchange(scenario, available=available, speed=speed) as exchange:
            world = ToyWorld(exchange)
            try:
                await story(world)
            finally:
                await world.leave()

    sim.run(main, seed=seed, t0=scenario.t0_ms / 1000, time_limit_s=time_limit_s)
