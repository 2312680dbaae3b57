"""What arrives at the server and what leaves it: one request as read, one reply as planned.

A `ReplyPlan` is an answer and the way it is delivered. Delivery is part of the plan because in an
outage the same answer arrives whole, half, byte by byte, or not at all. All durations are seconds
of the event loop's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

__all__ = [
    "Answer",
    "Deliver",
    "Delivery",
    "Dribble",
    "Hang",
    "HttpMessage",
    "Refuse",
    "ReplyPlan",
    "Reset",
    "ResetAt",
    "Switched",
    "Truncate",
    "Upgrade",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpMessage:
    """One request, complete. Bytes are kept as received: signatures are made over them."""

    method: str
    """Upper case."""
    target: str
    """The request target as sent: path and query."""
    path: str
    """The path as sent, before the first `?`; percent-encoding untouched."""
    query: bytes = b""
    """Everything after the first `?`, raw."""
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Names in lower case; every value of a repeated header, in order."""
    body: bytes = b""
    peer_ip: str = "127.0.0.1"

    def header(self, name: str, default: str = "") -> str:
        """The first value of header `name` (any case), or `default`."""
        values = self.headers.get(name.lower())
        return values[0] if values else default

    @property
    def wants_websocket(self) -> bool:
        """True when the client asks to switch this connection to WebSocket (RFC 6455, 4.1)."""
        asked = {part.strip().lower() for part in self.header("connection").split(",")}
        return "upgrade" in asked and self.header("upgrade").strip().lower() == "websocket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers and body as they go on the wire.

    `content-length` is added unless `headers` has one; a wrong one is sent as it stands and the
    connection is closed after the body.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class ResetAt(Enum):
    """Where the connection is torn down with RST."""

    CONNECT = "connect"
    """At once; the request was read, nothing is written."""
    REQUEST = "request"
    """After the request was taken, nothing is written."""
    HEADERS = "headers"
    """In the middle of the answer's head."""
    BODY = "body"
    """After the head and half of the body."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Whole and at once."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Never answer; close the connection after `after_s`."""

    after_s: float


@dataclass(frozen=True, slots=True)
class Reset:
    """Tear the connection down with RST."""

    at: ResetAt


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nobody is at home: RST. `HttpServer.refuse_dials` turns new connections away."""


@dataclass(frozen=True, slots=True)
class Dribble:
    """The head at once, then the body byte by byte over `over_s`; `cut` stops half way and closes.

    Long bodies go in at most 1000 steps, so a step may then be more than one byte.
    """

    over_s: float
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Truncate:
    """`content-length` of the whole body, but only this share of it; then the connection closes."""

    share: float


class Switched(Protocol):
    """What a connection is once it speaks something else than HTTP."""

    def data_received(self, data: bytes) -> None: ...

    def connection_lost(self) -> None: ...


Upgrade = Callable[[asyncio.Transport, bytes], Switched]
"""Takes over a connection: its transport, and the bytes that came behind the request. It answers
the request itself."""

Delivery = Deliver | Hang | Reset | Refuse | Dribble | Truncate


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPlan:
    """One answer, how it is delivered, and who wants to know how that went."""

    answer: Answer = Answer()
    delivery: Delivery = Deliver()
    latency_s: float = 0.0
    """Waited before the first byte, the connection staying open."""
    close: bool = False
    """Close the connection after a whole answer, although the client would keep it."""
    upgrade: Upgrade | None = None
    """Instead of all that: switch protocols."""
    delivered: Callable[[bool], None] | None = None
    """Called once: True when the last byte of a whole answer was handed to the network while the
    client was still there, False in every other case."""
