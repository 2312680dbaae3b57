"""HTTP/1.1 on asyncio, for the path of an order: one request in, one reply or one fault out.

It exists for what httpx's pool does under load: each request looks through all connections, so that
at 20 in flight a call costs twice what it costs alone, just when a bot reconciles after an outage
(encode/httpx issue 3215). Here a free connection is the last of a list, and whoever must wait is
woken when one is free. What it leaves out, `HttpxTransport` has: proxies, HTTP/2, the caller's own
client. `docs/decisions/` has the figures that decided.

An answer that comes in one piece and says its length, as nearly all to orders do, is read here and
strictly; every other is read by h11.

A request ends by its own timeouts. Cancelling `send` is safe: its connection is closed, its slot is
free.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import h11

from outlast.backends.dialling import dial_fault
from outlast.backends.http import (
    BODY_BYTES_MAX,
    CONNECTIONS_MAX,
    KEEPALIVE_S,
    tls_context,
)
from outlast.wire import Clock, FaultKind, HttpRequest, TransportFault, WireReply

__all__ = ["Http1Transport"]

HEAD_BYTES_MAX: Final = 64 * 1024
"""Of an answer's status line and headers: venues behind a CDN send about 1.5 kB."""


READ_BYTES: Final = 256 * 1024
"""At a time, for each connection; what is never filled takes no memory."""


class _Broken(Exception):
    """The exchange on one connection ended without a complete answer."""

    def __init__(self, kind: FaultKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class _Origin(NamedTuple):
    """Where connections lead: what they can be shared by."""

    host: str
    port: int
    is_tls: bool

    @property
    def host_header(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


@dataclass(slots=True)
class _Pool:
    """The connections to one origin."""

    idle: list[_Connection] = field(default_factory=list)
    """The one that was used last is used next, so that those in excess grow old and are closed."""
    open: int = 0
    """Connections that are idle, in use, or being made."""
    waiting: deque[asyncio.Future[_Connection | None]] = field(default_factory=deque)
    """Who comes next: each is handed a connection, or None for the room to make one."""


class Http1Transport:
    """The `PromptTransport` port over connections of our own."""

    def __init__(
        self,
        clock: Clock,
        *,
        connections_max: int = CONNECTIONS_MAX,
        keepalive_s: float = KEEPALIVE_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Make a transport; it connects when it is first used.

        Args:
            connections_max: for each origin. Requests beyond it wait for a free one.
            keepalive_s: how long an idle connection is kept for the next request.
            tls: the context for https; None for the system's trust, shared by the process.
        """
        if connections_max < 1:
            raise ValueError(f"connections_max is {connections_max}; it must be at least 1")
        self._clock = clock
        self._connections_max = connections_max
        self._keepalive_s = keepalive_s
        self._tls = tls
        self._pools: dict[_Origin, _Pool] = {}
        self._is_closed = False

    async def send(self, request: HttpRequest) -> WireReply | TransportFault:
        sent_at = self._clock.now()
        if self._is_closed:
            return self._fault(FaultKind.LOCAL, "the transport is closed", sent_at)
        try:
            origin, target = _split(request.url)
            head = _head_of(origin, target, request)
        except ValueError as error:  # such as a key that is not ASCII
            # The words of the error may hold the URL or a header: only its kind is safe to tell.
            detail = f"the request cannot be written ({type(error).__name__})"
            return self._fault(FaultKind.LOCAL, detail, sent_at)
        pool = self._pools.setdefault(origin, _Pool())
        try:
            connection = await self._take(origin, pool, request)
        except _Broken as broken:
            return self._fault(broken.kind, broken.detail, sent_at)
        is_reusable = False
        try:
            answer = await connection.exchange(head, request, last_at=_last_at(request, sent_at))
            is_reusable = connection.make_ready()
            return self._told(answer, sent_at)
        except _Broken as broken:
            return self._told(broken, sent_at)
        finally:
            self._put_back(pool, connection, is_reusable=is_reusable)

    def begin(
        self, request: HttpRequest, tell: Callable[[WireReply | TransportFault], None]
    ) -> bool:
        """See `PromptTransport.begin`: the usual way of an order, as a connection is kept warm."""
        if self._is_closed:
            return False
        try:
            origin, target = _split(request.url)
            head = _head_of(origin, target, request)
        except ValueError:
            return False  # `send` tells what is wrong with it
        pool = self._pools.get(origin)
        sent_at = self._clock.now()
        connection = None if pool is None else self._idle(pool, sent_at)
        if pool is None or connection is None:
            return False

        def answered(outcome: _Answer | _Broken) -> None:
            is_reusable = not isinstance(outcome, _Broken) and connection.make_ready()
            self._put_back(pool, connection, is_reusable=is_reusable)
            tell(self._told(outcome, sent_at))

        try:
            connection.start(head, request, answered, last_at=_last_at(request, sent_at))
        except BaseException:
            self._put_back(pool, connection, is_reusable=False)
            raise
        return True

    async def aclose(self) -> None:
        """Close what is idle; requests under way end, and close what they used."""
        self._is_closed = True
        for pool in self._pools.values():
            for connection in pool.idle:
                connection.close()
                pool.open -= 1
            pool.idle.clear()
            for turn in pool.waiting:
                if not turn.done():
                    turn.set_result(None)
                    pool.open += 1  # the room that it gives back when it learns of the end
            pool.waiting.clear()
        await asyncio.sleep(0)  # asyncio closes sockets in the next round of the loop

    def _told(self, outcome: _Answer | _Broken, sent_at: float) -> WireReply | TransportFault:
        """How an exchange ended, in the words of the port."""
        if not isinstance(outcome, _Broken):
            try:
                body = _decoded(outcome)
            except _Broken as broken:
                outcome = broken
        if isinstance(outcome, _Broken):
            return self._fault(outcome.kind, outcome.detail, sent_at)
        return WireReply(
            status=outcome.status,
            headers=outcome.headers,
            body=body,
            sent_at=sent_at,
            received_at=self._clock.now(),
        )

    def _fault(self, kind: FaultKind, detail: str, sent_at: float) -> TransportFault:
        return TransportFault(
            kind=kind, detail=detail[:200], sent_at=sent_at, received_at=self._clock.now()
        )

    # Connections.

    async def _take(self, origin: _Origin, pool: _Pool, request: HttpRequest) -> _Connection:
        """A connection that is free, or a new one where there is room; waits for one otherwise."""
        connection = self._idle(pool, self._clock.now())
        if connection is not None:
            return connection
        if pool.open < self._connections_max:
            pool.open += 1
        else:
            # Longest, so that a full pool never looks like a venue that does not answer.
            wait_s = request.connect_within_s + request.answer_within_s
            connection = await self._wait(pool, wait_s)
            if connection is not None:
                return connection
        try:
            return await self._dial(origin, request.connect_within_s)
        except BaseException:
            self._pass_on(pool, None)
            raise

    def _idle(self, pool: _Pool, now: float) -> _Connection | None:
        while pool.idle:
            connection = pool.idle.pop()
            if connection.is_usable and now - connection.idle_since < self._keepalive_s:
                return connection
            connection.close()
            pool.open -= 1
        return None

    async def _wait(self, pool: _Pool, wait_s: float) -> _Connection | None:
        """Stand in line. Gives the connection that became free, or None for room to make one."""
        turn: asyncio.Future[_Connection | None] = asyncio.get_running_loop().create_future()
        pool.waiting.append(turn)
        try:
            async with asyncio.timeout(wait_s):
                connection = await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._pass_on(pool, turn.result())  # came at the moment of leaving
            if not isinstance(error, TimeoutError):
                raise
            full = f"none of {self._connections_max} connections became free in {wait_s:g} s"
            raise _Broken(FaultKind.POOL_TIMEOUT, full) from None
        if self._is_closed:
            self._pass_on(pool, connection)
            raise _Broken(FaultKind.LOCAL, "the transport is closed")
        return connection

    async def _dial(self, origin: _Origin, within_s: float) -> _Connection:
        loop = asyncio.get_running_loop()
        tls = (self._tls or tls_context()) if origin.is_tls else None
        try:
            async with asyncio.timeout(within_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._clock), origin.host, origin.port, ssl=tls
                )
        except TimeoutError:
            late = f"not connected within {within_s:g} s"
            raise _Broken(FaultKind.CONNECT_TIMEOUT, late) from None
        except OSError as error:  # ssl.SSLError is one
            raise _Broken(dial_fault(error), f"{type(error).__name__}: {error}") from error
        return connection

    def _put_back(self, pool: _Pool, connection: _Connection, *, is_reusable: bool) -> None:
        if not is_reusable:
            connection.close()
        self._pass_on(pool, connection if is_reusable else None)

    def _pass_on(self, pool: _Pool, connection: _Connection | None) -> None:
        """Let the next in line have a connection, or, for None, the room for one."""
        if connection is not None:
            if not connection.is_usable:
                connection = None
            elif self._is_closed:
                connection.close()
                connection = None
        while pool.waiting:
            turn = pool.waiting.popleft()
            if not turn.done():  # who gave up is still in line
                turn.set_result(connection)
                return
        if connection is None:
            pool.open -= 1
        else:
            connection.idle_since = self._clock.now()
            pool.idle.append(connection)


def _last_at(request: HttpRequest, sent_at: float) -> float:
    """When an answer that still drips in is given up."""
    return sent_at + request.connect_within_s + 2 * request.answer_within_s


@lru_cache(maxsize=64)
def _origin_of(root: str) -> _Origin:
    parts = urlsplit(root)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL must begin with http:// or https://")
    is_tls = parts.scheme == "https"
    return _Origin(parts.hostname, parts.port or (443 if is_tls else 80), is_tls)


def _split(url: str) -> tuple[_Origin, str]:
    """The origin and what is asked of it; by hand, as this is on the path of every order."""
    scheme_end = url.find("://") + 3
    path_begins = url.find("/", scheme_end)
    if path_begins == -1:
        return _origin_of(url), "/"
    return _origin_of(url[:path_begins]), url[path_begins:]


def _head_of(origin: _Origin, target: str, request: HttpRequest) -> bytes:
    """The request line and the headers.

    Raises:
        ValueError: a character in them has no place there.
    """
    length = len(request.body)
    if length:  # nothing of it changes from one order to the next, where the body is signed
        return _same_head(origin, request.method, target, request.headers, length)
    return _new_head(origin, request.method, target, request.headers, length)


def _new_head(
    origin: _Origin, method: str, target: str, given: tuple[tuple[str, str], ...], length: int
) -> bytes:
    headers = [("Host", origin.host_header), *given]
    if method == "GET":
        headers.append(("Accept-Encoding", "gzip"))  # exchangeInfo is 2 MB without
    if length or method not in ("GET", "DELETE"):
        headers.append(("Content-Length", str(length)))
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    head = "\r\n".join(lines)
    # As many lines as were put in, so none of them holds a line break of its own.
    if not _LINES.fullmatch(head) or head.count("\n") != len(lines) - 1 or " " in target:
        raise ValueError("a control character, a space in the URL, or one that is not ASCII")
    return f"{head}\r\n\r\n".encode("ascii")


_same_head = lru_cache(maxsize=8)(_new_head)
_LINES: Final = re.compile(r"[ -~\r\n]+")


@dataclass(slots=True)
class _Answer:
    """A complete answer, its body as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


_HEAD: Final = re.compile(
    r"HTTP/1\.1 ([2-5][0-9]{2})(?: [ -~]*)?"
    r"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*)*)"
)
"""Source: RFC 9112, 4 and 5; without what is allowed and nobody sends."""
_BODILESS: Final = ("204", "304")


def _whole(data: bytes) -> _Answer | None:
    """`data` as one answer of stated length, which leaves the connection open; None for others."""
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX)
    found = _HEAD.fullmatch(data[:end].decode("latin-1")) if end >= 0 else None
    if found is None or found[1] in _BODILESS:
        return None
    headers: dict[str, str] = {}
    for line in found[2].split("\r\n")[1:]:
        name, value = _field(line)
        if name in headers and name in _FRAMING:
            return None
        headers[name] = value
    length = headers.get("content-length", "")
    if "transfer-encoding" in headers or headers.get("connection", "").lower() not in _GOES_ON:
        return None
    body = data[end + 4 :]
    if not _LENGTH.fullmatch(length) or int(length) != len(body):
        return None
    return _Answer(int(found[1]), headers, body)


@lru_cache(maxsize=512)
def _field(line: str) -> tuple[str, str]:
    """The name and the value of one header; a venue says the same ones again and again."""
    name, _, value = line.partition(":")
    return name.lower(), value.strip(" \t")


_FRAMING: Final = ("content-length", "transfer-encoding", "connection")
_GOES_ON: Final = ("", "keep-alive")
_LENGTH: Final = re.compile("[0-9]{1,10}")


def _decoded(answer: _Answer) -> bytes:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", "") or not answer.body:
        return answer.body
    if encoding != "gzip":
        raise _Broken(FaultKind.PROTOCOL_ERROR, f"the answer is encoded as {encoding[:40]}")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        plain = unpacker.decompress(answer.body, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise _Broken(FaultKind.PROTOCOL_ERROR, f"the answer is broken gzip: {error}") from None
    if len(plain) > BODY_BYTES_MAX:
        raise _Broken(FaultKind.PROTOCOL_ERROR, _TOO_LONG)
    if not unpacker.eof:
        raise _Broken(FaultKind.PROTOCOL_ERROR, "the answer's gzip ends too early")
    return plain


class _Connection(asyncio.BufferedProtocol):
    """One connection: one exchange at a time."""

    def __init__(self, clock: Clock) -> None:
        self.idle_since = clock.now()
        self._clock = clock
        self._http: h11.Connection | None = None
        """Reads the answer that is coming in, where `_whole` cannot."""
        self._method = ""
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._transport: asyncio.Transport | None = None
        self._tell: Callable[[_Answer | _Broken], None] | None = None
        """Hears how the exchange ends that is going on, once; None between two of them."""
        self._timer: asyncio.TimerHandle | None = None
        """Goes on between exchanges: most find it running, and need none of their own."""
        self._timer_at = 0.0
        self._answer_within_s = 0.0
        self._heard_at = self._last_at = 0.0
        self._response: h11.Response | None = None
        self._body = bytearray()
        self._has_ended = False
        """The other end has said that nothing more comes."""
        self._is_lost = False
        self._is_spoilt = False
        """More came in than was asked for."""

    # For the transport above.

    @property
    def is_usable(self) -> bool:
        """Nothing has come in and nobody has gone since the last answer."""
        return not (self._is_lost or self._is_spoilt or self._has_ended)

    async def exchange(self, head: bytes, request: HttpRequest, *, last_at: float) -> _Answer:
        """Write one request and wait for its answer.

        Raises:
            _Broken: there is no complete answer. The connection cannot be used again.
        """
        ended: asyncio.Future[_Answer | _Broken] = asyncio.get_running_loop().create_future()

        def tell(outcome: _Answer | _Broken) -> None:
            if not ended.done():  # by its caller, who was cancelled in this very turn
                ended.set_result(outcome)

        self.start(head, request, tell, last_at=last_at)
        try:
            outcome = await ended
        finally:
            self._tell = None
        if isinstance(outcome, _Broken):
            raise outcome
        return outcome

    def start(
        self,
        head: bytes,
        request: HttpRequest,
        tell: Callable[[_Answer | _Broken], None],
        *,
        last_at: float,
    ) -> None:
        """Write one request; `tell` hears later, and once, how its exchange ended."""
        assert self._transport is not None
        self._method = request.method
        self._tell = tell
        self._answer_within_s, self._last_at = request.answer_within_s, last_at
        self._heard_at = self._clock.now()
        self._transport.write(head + request.body)
        if request.on_written is not None:
            request.on_written()
        self._watch(self._heard_at + request.answer_within_s)

    def make_ready(self) -> bool:
        """Prepare for the next exchange; False where this was the last one."""
        http, self._http = self._http, None
        if not self.is_usable or (http is not None and http.trailing_data[0]):
            return False
        if http is not None:
            try:
                http.start_next_cycle()
            except h11.LocalProtocolError:  # one side has said that it closes
                return False
        return True

    def close(self) -> None:
        if self._transport is not None and not self._is_lost:
            self._transport.abort()

    # For asyncio.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for all answers: asyncio would map and unmap 256 KiB for each."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take what came in; by itself where the loop gives bytes, as a simulated one does."""
        if self._tell is None:
            # Nothing was asked: whatever this is (a 408, mostly), it answers no request of ours.
            self._is_spoilt = True
            self.close()
            return
        self._heard_at = self._clock.now()
        if self._heard_at > self._last_at:
            self._break(FaultKind.READ_TIMEOUT, "the answer was still dripping in")
            return
        answer = _whole(data) if self._http is None else None
        if answer is not None:
            self._end(answer)
        else:
            self._read_on(data)

    def eof_received(self) -> None:
        self._has_ended = True
        if self._tell is not None:
            self._read_on(b"")

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        if self._tell is not None:
            said = (
                "closed by the other end" if error is None else f"{type(error).__name__}: {error}"
            )
            self._break(FaultKind.CONNECTION_LOST, said)

    # Within.

    def _read_on(self, data: bytes) -> None:
        """Read by h11, from the beginning of an answer or further."""
        if self._http is None:
            self._response, self._body = None, bytearray()
            self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
            # All that the reading of an answer depends on is the method.
            self._http.send(h11.Request(method=self._method, target="/", headers=[("Host", "x")]))
            self._http.send(h11.EndOfMessage())
        self._http.receive_data(data)
        while self._tell is not None:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                cut = self._has_ended
                kind = FaultKind.CONNECTION_LOST if cut else FaultKind.PROTOCOL_ERROR
                self._break(kind, f"{type(error).__name__}: {error}")
                return
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > BODY_BYTES_MAX:
                    self._break(FaultKind.PROTOCOL_ERROR, _TOO_LONG)
                    return
            elif isinstance(event, h11.EndOfMessage):
                assert self._response is not None  # h11 gives no end without a beginning
                headers = {
                    name.decode("ascii", "replace"): value.decode("latin-1")
                    for name, value in self._response.headers
                }
                status = self._response.status_code
                self._end(_Answer(status, headers, bytes(self._body)))
                return
            elif isinstance(event, h11.ConnectionClosed):
                self._break(FaultKind.CONNECTION_LOST, "closed by the other end")
                return

    def _watch(self, at: float) -> None:
        """See to it that `_look_at_the_clock` is called at `at`, or sooner."""
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        left_s = at - self._clock.now()
        self._timer = asyncio.get_running_loop().call_later(left_s, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        """The read timeout: so long since the last byte, or since the request was written."""
        self._timer = None
        if self._tell is None:
            return
        ends_at = self._heard_at + self._answer_within_s
        if self._clock.now() < ends_at:
            self._watch(ends_at)
            return
        self._break(FaultKind.READ_TIMEOUT, f"nothing came in for {self._answer_within_s:g} s")

    def _break(self, kind: FaultKind, detail: str) -> None:
        self._end(_Broken(kind, detail))

    def _end(self, outcome: _Answer | _Broken) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(outcome)


_TOO_LONG: Final = f"the answer is longer than {BODY_BYTES_MAX} bytes"
