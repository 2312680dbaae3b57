"""A raw client: writes bytes, reads bytes, knows nothing of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from outlast.mock.http.connection import HttpLimits
from outlast.mock.http.plans import HttpMessage, ReplyPlan
from outlast.mock.http.server import HttpServer

GET = b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n"
PATIENCE_S = 10.0


@dataclass
class Heard:
    """All bytes until the end of the connection, and how it ended."""

    data: bytes
    end: str
    took_s: float


class RawClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until(self, mark: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readuntil(mark)

    async def exactly(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.readexactly(count)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One whole answer framed by content-length."""
        head = (await self.until(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await self.exactly(int(headers.get("content-length", "0")))
        return int(lines[0].split(" ")[1]), headers, body

    async def rest(self) -> Heard:
        """Everything until the server ends it: `end` is `eof` or `reset`."""
        loop = asyncio.get_running_loop()
        began, data = loop.time(), b""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    piece = await self.reader.read(65536)
                except ConnectionResetError:
                    return Heard(data, "reset", loop.time() - began)
                if not piece:
                    return Heard(data, "eof", loop.time() - began)
                data += piece

    async def close(self) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)


@asynccontextmanager
async def serving(
    app: Callable[[HttpMessage], Awaitable[ReplyPlan]], limits: HttpLimits | None = None
) -> AsyncIterator[HttpServer]:
    server = HttpServer(app, limits=limits)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def dial(server: HttpServer) -> AsyncIterator[RawClient]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        await client.close()
