"""One client connection: HTTP/1.1 read by h11, answers delivered as planned, however nasty.

Requests of one connection are served one after the other; pipelined ones wait. A client that closes
its side is gone: what was being prepared for it is dropped, as proxies in front of exchanges do, so
that nothing counts as told that nobody waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, cast

import h11

from outlast.mock.http.plans import Answer, HttpMessage, ReplyPlan, Switched, Upgrade
from outlast.mock.http.sender import Sender

__all__ = ["App", "HttpConnection", "HttpLimits"]

logger = logging.getLogger("outlast.mock.http")

App = Callable[[HttpMessage], Awaitable[ReplyPlan]]

_LINGER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """How much one client may take, so that slow or dead ones cannot hold memory."""

    head_bytes_max: int = 64 * 1024
    """Request line and headers; above: 431. Batches of orders travel in the query string."""
    body_bytes_max: int = 1024 * 1024
    """Above: 413."""
    unread_bytes_max: int = 64 * 1024
    """Pipelined bytes kept while a request is being served; then reading pauses."""
    write_bytes_max: int = 256 * 1024
    """Answer bytes kept for a slow reader before the answer waits for it."""
    connections_max: int = 1000
    """More are reset at once."""
    idle_s: float = 75.0
    """A connection without a request is closed after this; nginx's default."""
    request_s: float = 30.0
    """A request has to be complete this long after its first byte; then 408."""
    write_s: float = 60.0
    """A client that does not read for so long is dropped."""


class Owner(Protocol):
    """What a connection needs from its server."""

    limits: HttpLimits
    app: App

    def joined(self, connection: HttpConnection) -> bool:
        """Take note of a new connection; False: reset it at once."""

    def left(self, connection: HttpConnection) -> None:
        """The connection is closed."""


class HttpConnection(asyncio.Protocol):
    """Protocol of one accepted connection."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._limits = owner.limits
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(
            h11.SERVER, max_incomplete_event_size=self._limits.head_bytes_max
        )
        self._transport: asyncio.Transport | None = None
        self._sender: Sender | None = None
        self._peer_ip = ""
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begun = False  # some of the next request has arrived
        self._waiting_bytes = 0  # arrived while another request is being served
        self._reading = True
        self._switched: Switched | None = None  # it speaks WebSocket now
        self._lingering = False  # turned away; what still arrives is thrown away

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The request being served, for the server to wait for at the end."""
        return self._task

    # -- asyncio.Protocol -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Sockets and in-memory networks alike give transports that can read and write.
        self._transport = transport = cast("asyncio.Transport", transport)
        transport.set_write_buffer_limits(high=self._limits.write_bytes_max)
        self._sender = Sender(transport, self._http, write_s=self._limits.write_s)
        peer = transport.get_extra_info("peername")
        self._peer_ip = str(peer[0]) if peer else ""
        if not self._owner.joined(self):
            self._sender.reset()
            return
        self._arm(self._limits.idle_s, self._close)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc  # a reset by the client is as good an end as any other
        self._disarm()
        if self._task is not None:
            self._task.cancel()
        self._transport = None
        if self._switched is not None:
            self._switched.connection_lost()
        self._owner.left(self)

    def eof_received(self) -> bool:
        return False  # the transport closes, `connection_lost` ends what is being served

    def pause_writing(self) -> None:
        assert self._sender is not None
        self._sender.pause()

    def resume_writing(self) -> None:
        assert self._sender is not None
        self._sender.resume()

    def data_received(self, data: bytes) -> None:
        if self._switched is not None:
            self._switched.data_received(data)
            return
        if self._lingering or self._transport is None or self._transport.is_closing():
            return
        self._http.receive_data(data)
        if self._task is None:
            self._begin()
            self._read()
            return
        self._waiting_bytes += len(data)
        if self._waiting_bytes > self._limits.unread_bytes_max and self._reading:
            self._reading = False
            self._transport.pause_reading()

    # -- requests in ------------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._arm(self._limits.request_s, self._too_slow)

    def _read(self) -> None:
        """Take events from h11 until a request is complete or more bytes are needed."""
        try:
            while self._task is None:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    if self._http.they_are_waiting_for_100_continue and self._transport:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        self._transport.write(self._http.send(go_on) or b"")
                    return
                if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                    return
                if isinstance(event, h11.Request):
                    self._request = event
                    self._body.clear()
                    if not self._acceptable(event):
                        return
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > self._limits.body_bytes_max:
                        self._turn_away(413, "request body too large")
                        return
                elif isinstance(event, h11.EndOfMessage):
                    self._serve()
        except h11.RemoteProtocolError as error:
            self._turn_away(error.error_status_hint, "malformed request")

    def _acceptable(self, request: h11.Request) -> bool:
        head = len(request.target) + sum(len(n) + len(v) + 4 for n, v in request.headers)
        if head > self._limits.head_bytes_max:
            self._turn_away(431, "request head too large")
            return False
        for name, value in request.headers:
            # h11 has checked that it is digits; their number is ours to limit.
            if name == b"content-length" and int(value) > self._limits.body_bytes_max:
                self._turn_away(413, "request body too large")
                return False
        return True

    def _turn_away(self, status: int, why: str) -> None:
        """Answer what is no proper request, and close.

        The rest of what the client sends is read for a moment: a socket closed with unread bytes
        sends RST, and the client would lose the answer.
        """
        transport = self._transport
        if transport is None:
            return
        body = f"{status} {why}\n".encode()
        headers = [
            ("content-type", "text/plain"),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = h11.Response(status_code=status, headers=headers)
            transport.write((self._http.send(answer) or b"") + body)
        if transport.can_write_eof():
            transport.write_eof()
        self._lingering = True
        self._arm(_LINGER_S, self._close)

    def _too_slow(self) -> None:
        self._turn_away(408, "request not complete in time")

    def _serve(self) -> None:
        self._disarm()
        self._begun = False
        request, self._request = self._request, None
        assert request is not None
        message = _message(request, bytes(self._body), self._peer_ip)
        self._body.clear()
        self._task = self._loop.create_task(self._answer(message))

    # -- answers out ------------------------------------------------------------------------------

    async def _answer(self, message: HttpMessage) -> None:
        plan: ReplyPlan | None = None
        whole = False
        try:
            try:
                plan = await self._owner.app(message)
                if plan.upgrade is not None:
                    self._switch(plan.upgrade)
                    return
                assert self._sender is not None
                head_only = message.method == "HEAD"
                whole = await self._sender.carry_out(plan, head_only=head_only)
            except asyncio.CancelledError:
                raise
            except Exception:
                # Our own mistake. The client sees a server error, the log sees the traceback.
                logger.exception("%s %s could not be answered", message.method, message.path)
                await self._apologise()
        finally:
            if plan is not None and plan.delivered is not None:
                plan.delivered(whole)
        self._task = None
        self._next_request()

    def _switch(self, upgrade: Upgrade) -> None:
        """Give the connection away; from here on it only passes on what happens to it."""
        transport = self._transport
        assert transport is not None, "a lost connection's request is cancelled"
        self._task = None
        self._switched = upgrade(transport, self._http.trailing_data[0])
        if not self._reading and not transport.is_closing():
            transport.resume_reading()

    async def _apologise(self) -> None:
        if self._sender is not None and self._http.our_state is h11.SEND_RESPONSE:
            answer = Answer(status=500, body=b"the mock failed; its log says why\n")
            await self._sender.send(answer, close=True)
        self._close()

    def _next_request(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            self._close()
            return
        self._http.start_next_cycle()
        self._arm(self._limits.idle_s, self._close)
        if not self._reading:
            self._reading = True
            transport.resume_reading()
        self._waiting_bytes = 0
        if self._http.trailing_data[0]:  # pipelined
            self._begin()
            self._read()

    # -- ending -----------------------------------------------------------------------------------

    def abort(self) -> None:
        """Drop the connection and whatever it was doing."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        self._disarm()
        if self._transport is not None:
            self._transport.close()

    def _arm(self, after_s: float, action: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self._loop.call_later(after_s, action)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _message(request: h11.Request, body: bytes, peer_ip: str) -> HttpMessage:
    target = request.target.decode("latin-1")
    path, _, query = target.partition("?")
    if path.startswith(("http://", "https://")):  # absolute form, as sent to a proxy
        path = "/" + path.split("://", 1)[1].partition("/")[2]
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return HttpMessage(
        method=request.method.decode("latin-1").upper(),
        target=target,
        path=path,
        query=query.encode("latin-1"),
        headers=headers,
        body=body,
        peer_ip=peer_ip,
    )
