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
        loop = asyncio.get_running_loop()
        began, heard = loop.time(), Heard(0.0)
        try:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            heard.error = "refused"
        else:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            if body or method in ("POST", "PUT"):
                lines += f"content-length: {len(body)}\r\n"
            head = f"{method} {target} HTTP/1.1\r\n{self._lines}{lines}\r\n"
            writer.write(head.encode() + body)
            try:
                await _read(reader, heard)
            except ConnectionResetError:
                heard.error = "reset"
            except asyncio.IncompleteReadError as error:
                heard.error = "hung up" if heard.status is None else "cut"
                heard.body = error.partial if heard.error == "cut" else b""
            finally:
                writer.close()
        heard.seconds = loop.time() - began
        return heard


async def _read(reader: asyncio.StreamReader, heard: Heard) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    fields = (line.split(":", 1) for line in lines)
    heard.headers = {name.lower(): value.strip() for name, value in fields}
    heard.status = int(first.split(" ", 2)[1])
    heard.body = await reader.readexactly(int(heard.headers["content-length"]))
