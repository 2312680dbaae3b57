"""A client of a few lines of HTTP/1.1: bytes out, bytes in, and how the connection ended.

Each request has a connection of its own, so that what happens to one is nobody else's. It is here
because hundreds of requests at once are dear with a client that is made for keeping connections.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Heard:
    """One exchange as the client lived it: an answer or an error, and how long it took."""

    seconds: float
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """By name in lower case."""
    body: bytes = b""
    error: str = ""
    """`refused` (nobody listens), `hung up` (closed without an answer), `cut` (half an answer),
    `reset`."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.error or self.status} {self.body[:160]!r} after {self.seconds:.3f} s"


class WireClient:
    """Talks to one port."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        self._host, self._port = address.hostname, address.port
        self._lines = f"host: {address.netloc}\r\nconnection: close\r\n"

    async def get(self, target: str, headers: dict[str, str] | None = None) -> Heard:
        return await self.ask("GET", target, headers or {})

    async def ask(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> Heard:
        """Send one request and wait for the end of its story, however long."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        if body or method in ("POST", "PUT"):
            lines += f"content-length: {len(body)}\r\n"
        head = f"{method} {target} HTTP/1.1\r\n{self._lines}{lines}\r\n"
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), Heard(0.0)
        try:
            _, exchange = await loop.create_connection(
                lambda: _Exchange(head.encode() + body, heard), self._host, self._port
            )
        except OSError:
            heard.error = "refused"
        else:
            await exchange.over
        heard.seconds = loop.time() - began
        return heard


class _Exchange(asyncio.Protocol):
    """One connection: writes the request, reads until the answer is whole or the end comes."""

    def __init__(self, request: bytes, heard: Heard) -> None:
        self._request, self._heard = request, heard
        self._due = -1  # bytes of the body; not known yet
        self._data = bytearray()
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self._due < 0:
            head, end, rest = bytes(self._data).partition(b"\r\n\r\n")
            if not end:
                return
            first, *lines = head.decode("latin-1").split("\r\n")
            fields = (line.split(":", 1) for line in lines)
            self._heard.headers = {name.lower(): value.strip() for name, value in fields}
            self._heard.status = int(first.split(" ", 2)[1])
            self._due = int(self._heard.headers["content-length"])
            self._data = bytearray(rest)
        if len(self._data) >= self._due:
            self._finish("")
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._finish("reset")
        else:
            self._finish("hung up" if self._heard.status is None else "cut")

    def _finish(self, error: str) -> None:
        if not self.over.done():
            self._heard.error = error
            self._heard.body = bytes(self._data) if self._heard.status is not None else b""
            self.over.set_result(None)
