"""The transport: connections by origin, and who has which."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from outlast.backends.dialling import dial_fault
from outlast.backends.http import CONNECTIONS_MAX, KEEPALIVE_S, tls_context
from outlast.backends.http1.connection import Connection
from outlast.backends.http1.messages import Answer, Broken, Origin, decoded, head_of, split
from outlast.wire import Clock, FaultKind, HttpRequest, TransportFault, WireReply

__all__ = ["Http1Transport"]


@dataclass(slots=True)
class _Pool:
    """The connections to one origin."""

    idle: list[Connection] = field(default_factory=list)
    """The one that was used last is used next, so that those in excess grow old and are closed."""
    open: int = 0
    """Connections that are idle, in use, or being made."""
    waiting: deque[asyncio.Future[Connection | None]] = field(default_factory=deque)
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
        self._pools: dict[Origin, _Pool] = {}
        self._is_closed = False

    async def send(self, request: HttpRequest) -> WireReply | TransportFault:
        sent_at = self._clock.now()
        if self._is_closed:
            return self._fault(FaultKind.LOCAL, "the transport is closed", sent_at)
        try:
            origin, target = split(request.url)
            head = head_of(origin, target, request)
        except ValueError as error:  # such as a key that is not ASCII
            # The words of the error may hold the URL or a header: only its kind is safe to tell.
            detail = f"the request cannot be written ({type(error).__name__})"
            return self._fault(FaultKind.LOCAL, detail, sent_at)
        pool = self._pools.setdefault(origin, _Pool())
        try:
            connection = await self._take(origin, pool, request)
        except Broken as broken:
            return self._fault(broken.kind, broken.detail, sent_at)
        is_reusable = False
        try:
            answer = await connection.exchange(head, request, last_at=_last_at(request, sent_at))
            is_reusable = connection.make_ready()
            return self._told(answer, sent_at)
        except Broken as broken:
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
            origin, target = split(request.url)
            head = head_of(origin, target, request)
        except ValueError:
            return False  # `send` tells what is wrong with it
        pool = self._pools.get(origin)
        sent_at = self._clock.now()
        connection = None if pool is None else self._idle(pool, sent_at)
        if pool is None or connection is None:
            return False

        def answered(outcome: Answer | Broken) -> None:
            is_reusable = not isinstance(outcome, Broken) and connection.make_ready()
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

    def _told(self, outcome: Answer | Broken, sent_at: float) -> WireReply | TransportFault:
        """How an exchange ended, in the words of the port."""
        if not isinstance(outcome, Broken):
            try:
                body = decoded(outcome)
            except Broken as broken:
                outcome = broken
        if isinstance(outcome, Broken):
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

    async def _take(self, origin: Origin, pool: _Pool, request: HttpRequest) -> Connection:
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

    def _idle(self, pool: _Pool, now: float) -> Connection | None:
        while pool.idle:
            connection = pool.idle.pop()
            if connection.is_usable and now - connection.idle_since < self._keepalive_s:
                return connection
            connection.close()
            pool.open -= 1
        return None

    async def _wait(self, pool: _Pool, wait_s: float) -> Connection | None:
        """Stand in line. Gives the connection that became free, or None for room to make one."""
        turn: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
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
            raise Broken(FaultKind.POOL_TIMEOUT, full) from None
        if self._is_closed:
            self._pass_on(pool, connection)
            raise Broken(FaultKind.LOCAL, "the transport is closed")
        return connection

    async def _dial(self, origin: Origin, within_s: float) -> Connection:
        loop = asyncio.get_running_loop()
        tls = (self._tls or tls_context()) if origin.is_tls else None
        try:
            async with asyncio.timeout(within_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self._clock), origin.host, origin.port, ssl=tls
                )
        except TimeoutError:
            late = f"not connected within {within_s:g} s"
            raise Broken(FaultKind.CONNECT_TIMEOUT, late) from None
        except OSError as error:  # ssl.SSLError is one
            raise Broken(dial_fault(error), f"{type(error).__name__}: {error}") from error
        return connection

    def _put_back(self, pool: _Pool, connection: Connection, *, is_reusable: bool) -> None:
        if not is_reusable:
            connection.close()
        self._pass_on(pool, connection if is_reusable else None)

    def _pass_on(self, pool: _Pool, connection: Connection | None) -> None:
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
