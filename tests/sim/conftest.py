"""A small but real HTTP server, and a protocol that writes down what happens to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

import h11
import pytest


class Web:
    """HTTP/1.1 by h11 on asyncio streams.

    `/slow?9` answers after 9 s, `/hang` never, `/close` closes afterwards; in the middle of the
    body of `/cut` the network resets every connection. Everything else is echoed.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.ended: list[str] = []
        self.server: asyncio.Server | None = None

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int):
        self.server = await asyncio.start_server(self._connection, host, port)
        try:
            yield self
        finally:
            self.server.close()

    async def _connection(self, reader, writer):
        http = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(http, reader, writer):
                http.start_next_cycle()
            self.ended.append("eof")
        except ConnectionError as error:
            self.ended.append(type(error).__name__)
        finally:
            writer.close()

    async def _event(self, http, reader):
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(await reader.read(65_536))
        return event

    async def _exchange(self, http, reader, writer) -> bool:
        request = await self._event(http, reader)
        if isinstance(request, h11.ConnectionClosed):
            return False
        body = b""
        while not isinstance(event := await self._event(http, reader), h11.EndOfMessage):
            body += event.data
        target = request.target.decode()
        self.requests.append(f"{request.method.decode()} {target}")
        if target.startswith("/slow?"):
            await asyncio.sleep(float(target.partition("?")[2]))
        if target == "/hang":
            await reader.read()  # until the client goes away
            return False
        answer = json.dumps(
            {"target": target, "body": body.decode(), "serverTime": int(time.time() * 1000)}
        ).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
        if target == "/close":
            headers.append(("Connection", "close"))
        out = http.send(h11.Response(status_code=200, headers=headers))
        writer.write(out)
        if target == "/cut":
            writer.write(answer[:5])
            await writer.drain()
            await asyncio.sleep(1)
            asyncio.get_running_loop().network.reset()
            return False
        writer.write(http.send(h11.Data(answer)) + http.send(h11.EndOfMessage()))
        await writer.drain()
        return http.our_state is h11.DONE


@pytest.fixture
def web() -> Web:
    return Web()


class Diary(asyncio.Protocol):
    """Writes down what asyncio tells a protocol, pieces of one stream put together."""

    def __init__(self, *, keep_open: bool = False) -> None:
        self.events: list[tuple] = []
        self.keep_open = keep_open
        self.transport: asyncio.Transport | None = None
        self.lost: asyncio.Future = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Event = asyncio.Event()
        self.got: asyncio.Event = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        self.events.append(("made",))

    def data_received(self, data):
        if self.events[-1][0] == "data":
            data = self.events.pop()[1] + data
        self.events.append(("data", data))
        self.got.set()

    def eof_received(self):
        self.events.append(("eof",))
        self.ended.set()
        return self.keep_open

    def pause_writing(self):
        self.events.append(("pause",))

    def resume_writing(self):
        self.events.append(("resume",))

    def connection_lost(self, exc):
        self.events.append(("lost", type(exc).__name__ if exc else None))
        self.ended.set()
        self.lost.set_result(None)


@pytest.fixture
def diary() -> type[Diary]:
    return Diary
