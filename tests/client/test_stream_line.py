"""A line against a WebSocket server of the test's own, in simulation."""

from __future__ import annotations

import asyncio
import http
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import Server, serve

from outlast import sim
from outlast.backends.sockets import WebsocketsTransport
from outlast.client.streams.dialler import Dialler
from outlast.client.streams.line import OVERLAP_S, StreamLine
from outlast.core.dialling import DialSettings
from outlast.errors import ReadFailed
from outlast.stream_wire import Sent

PORT = 8080
URL = f"ws://stream.venue.test:{PORT}/ws"


class OpenDoor:
    """A guard that has nothing against dials, and remembers what it was told of them."""

    def __init__(self) -> None:
        self.refused: list[tuple[float, str]] = []
        self.until = -1.0

    def held_dial(self, now: float) -> Any:
        if now >= self.until:
            return None
        from outlast.client.guard import local_failure

        return local_failure("banned", "a ban", retry_after_s=self.until - now)

    def dialled(
        self, *, sent_at: float, refused: str | None = None, retry_after_s: float | None = None
    ) -> None:
        if refused is not None:
            self.refused.append((sent_at, refused))
            self.until = sim.clock().now() + (retry_after_s or 60.0)


class Venue:
    """Serves whoever dials; `script` runs per connection."""

    def __init__(self, script: Callable[[Any], Awaitable[None]]) -> None:
        self._script = script
        self.dialled_at: list[float] = []
        self.answers: list[http.HTTPStatus] = []
        self.said: list[str] = []
        self.connections: list[Any] = []
        self._server: Server | None = None

    def process(self, connection: Any, request: Any) -> Any:
        self.dialled_at.append(sim.clock().now())
        if self.answers:
            return connection.respond(self.answers.pop(0), "no\n")
        return None

    async def talk(self, connection: Any) -> None:
        self.connections.append(connection)
        await self._script(connection)

    async def __aenter__(self) -> Venue:
        network = sim.network()
        network.host("venue", "stream.venue.test")
        network.link().latency = sim.fixed(0.02)
        self._server = await serve(
            self.talk, "venue", PORT, process_request=self.process, ping_interval=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()


class User:
    """What a line tells, in order."""

    def __init__(self, **terms: Any) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self.downs: list[str] = []
        self.ups: list[int] = []
        self.guard = OpenDoor()
        self.transport = WebsocketsTransport()
        dialler = Dialler(
            self.transport,
            self.guard,  # type: ignore[arg-type]
            clock=sim.clock(),
            venue="test",
            settings=terms.pop("settings", DialSettings()),
        )
        self.dialler = dialler
        arguments: dict[str, Any] = {
            "name": "test",
            "dialler": dialler,
            "clock": sim.clock(),
            "rng": random.Random(1),
            "where": self.where,
            "on_up": self.up,
            "on_message": self.hear,
            "on_down": self.downs.append,
        }
        self.line = StreamLine(**(arguments | terms))
        self.task: asyncio.Task[None] | None = None

    async def where(self) -> str | None:
        return URL

    async def up(self, line: StreamLine) -> None:
        self.ups.append(line.era)

    def hear(self, data: bytes) -> None:
        self.heard.append((self.line.message_era, data))

    async def __aenter__(self) -> User:
        self.task = asyncio.create_task(self.line.run_for_ever())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.task is not None
        await self.line.close()
        await self.task
        await self.transport.drain()


def run(story: Callable[[], Awaitable[Any]], *, seed: int = 1, time_limit_s: float = 7200) -> Any:
    return sim.run(story, seed=seed, time_limit_s=time_limit_s)


async def _quiet(connection: Any) -> None:
    await connection.wait_closed()


async def _chatty(connection: Any) -> None:
    while True:
        await connection.send("tick")
        await asyncio.sleep(1)


async def _echo(connection: Any) -> None:
    async for message in connection:
        await connection.send(message)


def test_it_comes_up_and_tells_what_is_said():
    async def story() -> None:
        async with Venue(_chatty), User() as user:
            await user.line.wait_until_up()
            await asyncio.sleep(3.5)
            assert user.line.is_up
            assert user.line.era == 1
            assert user.heard[:2] == [(1, b"tick"), (1, b"tick")]
            assert user.line.last_message_at is not None
        assert user.downs == ["we closed it"]
        assert not user.line.is_up

    run(story)


def test_what_is_sent_is_handed_over_or_nothing_of_it_left():
    async def story() -> None:
        async with Venue(_echo), User() as user:
            assert await user.line.send("early") is Sent.NOTHING
            await user.line.wait_until_up()
            assert await user.line.send("hello") is Sent.HANDED_OVER
            await asyncio.sleep(1)
            sim.network().reset()
            await asyncio.sleep(0.001)
            assert await user.line.send("late") is Sent.NOTHING
        assert [data for _, data in user.heard] == [b"hello"]

    run(story)


def test_a_message_in_many_pieces_is_one_message():
    async def pieces(connection: Any) -> None:
        await connection.send(iter(["a" * 10, "b" * 100_000, "c"]))
        await connection.wait_closed()

    async def story() -> None:
        async with Venue(pieces), User() as user:
            await asyncio.sleep(2)
        assert [len(data) for _, data in user.heard] == [100_011]

    run(story)


def test_a_lost_connection_is_told_once_and_dialled_again():
    async def story() -> None:
        async with Venue(_chatty) as venue, User() as user:
            await user.line.wait_until_up()
            await asyncio.sleep(40)
            sim.network().reset()
            await asyncio.sleep(5)
            assert len(user.downs) == 1
            assert user.ups == [1, 2]
            assert user.line.is_up
            assert user.line.era == 2
            assert venue.dialled_at[1] - 40 < 1.0  # the first wait is at most half a second

    run(story)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1012])
def test_a_goodbye_of_the_venue_is_a_loss_with_its_code(code: int):
    async def story() -> None:
        async with Venue(_quiet) as venue, User() as user:
            await user.line.wait_until_up()
            await asyncio.sleep(31)
            at = sim.clock().now()
            await venue.connections[0].close(code, "bye")
            await asyncio.sleep(20)
            assert user.downs == [f"closed with code {code} (bye)"]
            waited_s = venue.dialled_at[1] - at
            assert waited_s >= 5 if code == 1008 else waited_s < 1

    run(story)


def test_failed_dials_wait_longer_and_longer_but_never_too_long():
    async def story() -> None:
        async with Venue(_quiet) as venue, User() as user:
            venue.answers = [http.HTTPStatus.SERVICE_UNAVAILABLE] * 12
            await asyncio.wait_for(user.line.wait_until_up(), 400)
            waits = [b - a for a, b in zip(venue.dialled_at, venue.dialled_at[1:], strict=False)]
            assert len(waits) == 12
            assert max(waits) <= 31
            assert max(waits[:2]) < 2
            assert not user.downs  # it was never up

    run(story)


@pytest.mark.parametrize("status", [403, 429])
def test_a_banning_answer_is_told_and_nothing_is_dialled_until_its_end(status: int):
    async def story() -> None:
        async with Venue(_quiet) as venue, User() as user:
            venue.answers = [http.HTTPStatus(status)]
            await user.line.wait_until_up()
            assert len(venue.dialled_at) == 2
            assert venue.dialled_at[1] - venue.dialled_at[0] >= 60
            assert f"HTTP {status}" in user.guard.refused[0][1]

    run(story)


def test_the_budget_bounds_dials_when_connections_do_not_last():
    async def hangs_up(connection: Any) -> None:
        await connection.close(1011)

    async def story() -> None:
        settings = DialSettings(dials_max=6, window_s=300, urgent_share=1)
        async with Venue(hangs_up) as venue, User(settings=settings):
            await asyncio.sleep(1200)
            for begin in venue.dialled_at:
                within = [at for at in venue.dialled_at if begin <= at < begin + 299]
                assert len(within) <= 5
            assert len(venue.dialled_at) >= 15

    run(story)


def test_one_dial_at_a_time_per_host():
    async def story() -> None:
        under_way = most = 0

        class Slow(WebsocketsTransport):
            async def dial(self, url: str, **terms: Any) -> Any:
                nonlocal under_way, most
                under_way += 1
                most = max(most, under_way)
                await asyncio.sleep(1)
                try:
                    return await super().dial(url, **terms)
                finally:
                    under_way -= 1

        async with Venue(_quiet):
            first = User()
            first.dialler._transport = Slow()
            second = User(dialler=first.dialler)
            async with first, second:
                await asyncio.gather(first.line.wait_until_up(), second.line.wait_until_up())
            await first.dialler._transport.drain()
        assert most == 1

    run(story)


def test_a_silent_connection_is_given_up():
    async def story() -> None:
        async with Venue(_quiet) as venue, User(silence_limit_s=10) as user:
            await user.line.wait_until_up()
            await asyncio.sleep(25)
            assert user.downs[0].startswith("silent for 10")
            assert len(venue.dialled_at) >= 2

    run(story)


def test_a_half_open_connection_is_found_by_the_protocol_s_pings():
    async def story() -> None:
        async with Venue(_quiet), User() as user:
            await user.line.wait_until_up()
            began = sim.clock().now()
            sim.network().partition("localhost", "venue")
            while user.line.is_up:
                await asyncio.sleep(0.1)
            found_s = sim.clock().now() - began
            sim.network().heal()
            assert found_s <= 20.5

    run(story)


def test_a_ping_of_the_venue_s_own_is_sent_at_its_interval():
    async def story() -> None:
        async with Venue(_echo), User(ping=lambda: b"ping", ping_every_s=20) as user:
            await asyncio.sleep(65)
            assert [data for _, data in user.heard] == [b"ping"] * 3

    run(story)


def test_a_connection_that_is_not_made_ready_is_dropped_and_tried_again():
    async def story() -> None:
        tries = 0

        async def up(line: StreamLine) -> None:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise ReadFailed("no token")

        async with Venue(_quiet) as venue, User(on_up=up) as user:
            await user.line.wait_until_up()
            assert tries == 3
            assert len(venue.dialled_at) == 3
            assert not user.downs

    run(story)


def test_no_address_is_asked_for_again():
    async def story() -> None:
        answers: list[str | None] = [None, None, URL]

        async def where() -> str | None:
            return answers.pop(0)

        async with Venue(_quiet), User(where=where) as user:
            await asyncio.wait_for(user.line.wait_until_up(), 60)
            assert not answers

    run(story)


def test_a_mistake_of_the_listener_costs_the_connection_and_not_the_line():
    async def story() -> None:
        heard = 0

        def hear(data: bytes) -> None:
            nonlocal heard
            heard += 1
            if heard in {1, 4}:  # before it is in use, and while it is
                raise KeyError("a mistake")

        async with Venue(_chatty), User(on_message=hear) as user:
            await asyncio.sleep(20)
            assert user.line.is_up
            assert len(user.downs) == 1
            assert "its listener failed" in user.downs[0]

    run(story)


def test_dropping_it_dials_another():
    async def story() -> None:
        async with Venue(_quiet), User() as user:
            await user.line.wait_until_up()
            user.line.drop("no sense in it")
            assert not user.line.is_up
            assert user.downs == ["no sense in it"]
            await user.line.wait_until_up()
            assert user.ups == [1, 2]

    run(story)


# Replacing a connection --------------------------------------------------------------------------


class Tape:
    """Numbers its messages for all connections alike: one every `every_s`."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self.number = 0
        self.listeners: set[Any] = set()

    async def script(self, connection: Any) -> None:
        async for message in connection:
            if message == "subscribe":
                self.listeners.add(connection)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.every_s)
            self.number += 1
            for connection in list(self.listeners):
                if connection.close_code is None:
                    await connection.send(str(self.number))
                else:
                    self.listeners.discard(connection)


def test_a_day_of_rollovers_misses_nothing():
    """Goal: no gap in the numbers over 24 hours. The venue ends every connection after 4 hours."""

    async def story() -> None:
        tape = Tape(every_s=5.0)

        async def up(line: StreamLine) -> None:
            assert await line.send("subscribe") is Sent.HANDED_OVER
            await asyncio.sleep(1)  # until it is confirmed

        async def script(connection: Any) -> None:
            async with asyncio.timeout(4 * 3600):
                await tape.script(connection)

        async def limited(connection: Any) -> None:
            try:
                await script(connection)
            except TimeoutError:
                await connection.close(1001, "24 hours")

        async with (
            Venue(limited) as venue,
            User(on_up=up, max_age_s=4 * 3600 - 60) as user,
            asyncio.TaskGroup() as tasks,
        ):
            printing = tasks.create_task(tape.run())
            await asyncio.sleep(24 * 3600)
            printing.cancel()
            numbers = sorted({int(data) for _, data in user.heard})
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
            assert len(numbers) > 17_000
            assert 7 <= len(venue.dialled_at) <= 9
            assert not user.downs

    run(story, time_limit_s=100_000)


def test_the_old_connection_speaks_until_the_new_one_is_ready_and_a_little_longer():
    async def story() -> None:
        async def up(line: StreamLine) -> None:
            if line.era == 2:
                assert line.is_up  # the old one is still in use
                assert await line.send("to the new one") is Sent.HANDED_OVER
                await asyncio.sleep(3)

        async with Venue(_echo) as venue, User(on_up=up) as user:
            await user.line.wait_until_up()
            user.line.renew("a test")
            await asyncio.sleep(1)
            assert user.line.era == 1
            await user.line.send("to the old one")
            await asyncio.sleep(1)
            assert user.heard == [(2, b"to the new one"), (1, b"to the old one")]
            await asyncio.sleep(2)
            assert user.line.era == 2
            assert venue.connections[0].close_code is None
            await asyncio.sleep(OVERLAP_S + 1)
            assert venue.connections[0].close_code == 1000
            assert not user.downs

    run(story)


def test_a_rollover_that_fails_leaves_the_old_connection_in_use():
    async def story() -> None:
        async with Venue(_echo) as venue, User() as user:
            await user.line.wait_until_up()
            venue.answers = [http.HTTPStatus.SERVICE_UNAVAILABLE] * 3
            user.line.renew("a test")
            await asyncio.sleep(0.5)
            assert user.line.is_up
            assert user.line.era == 1
            while user.line.era == 1:
                await asyncio.sleep(0.1)
            assert not user.downs
            assert not venue.answers

    run(story)


def test_an_old_connection_lost_in_the_middle_of_a_rollover_waits_for_the_new_one():
    async def story() -> None:
        async def up(line: StreamLine) -> None:
            await asyncio.sleep(2)

        async with Venue(_echo) as venue, User(on_up=up) as user:
            await user.line.wait_until_up()
            user.line.renew("a test")
            await asyncio.sleep(1)
            await venue.connections[0].close(1001)
            await asyncio.sleep(0.1)
            assert not user.line.is_up
            assert user.line.lost_era == 1
            await user.line.wait_until_up()
            assert user.line.era == 2
            assert len(venue.dialled_at) == 2

    run(story)
