"""Connections: a handshake, and two pipes of segments that keep their order."""

from __future__ import annotations

import errno
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from outlast.sim.kernel import KernelEvent
from outlast.sim.links import Direction, Kind, Route
from outlast.sim.sockets import Address, SimSocket, State

if TYPE_CHECKING:
    from outlast.sim.network import Network
    from outlast.sim.processes import Host

__all__ = ["Connection", "Packet", "Pipe"]

CONNECT_AGAIN_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Waits after each request to connect; then ETIMEDOUT, after 127 s (Linux, tcp_syn_retries 6)."""

GIVE_UP_AFTER_S = 924.6
"""How long unanswered bytes are sent again before ETIMEDOUT (Linux, tcp_retries2 15)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One segment at the moment it arrives, for those who watch the network."""

    at: float
    connection: int
    source: Address
    destination: Address
    kind: Kind
    data: bytes


@dataclass(slots=True)
class _Segment:
    sent_at: float
    at: float
    kind: Kind
    data: bytes


class Pipe:
    """One way of a connection: first in, first out, each segment at its own time."""

    def __init__(self, connection: Connection, direction: Direction) -> None:
        self._connection = connection
        self._direction = direction
        self._kernel = connection.network.kernel
        self._queue: deque[_Segment] = deque()
        self._bytes_under_way = 0
        self._last_at = 0.0
        self._event: KernelEvent | None = None

    @property
    def bytes_unread(self) -> int:
        """Bytes under way, and arrived but not read by the program."""
        receiver = self._connection.receiver(self._direction)
        return self._bytes_under_way + (receiver.received_bytes if receiver is not None else 0)

    def send_stream(self, data: bytes) -> None:
        """Send bytes, in pieces of at most the link's `segment_max`."""
        route = self._connection.route
        size = route.segment_max()
        for start in range(0, len(data), size):
            if route.happens("cut"):
                self.send(Kind.CUT)
                return
            self.send(Kind.DATA, data[start : start + size])

    def send(self, kind: Kind, data: bytes = b"") -> None:
        now = self._kernel.now
        delay = self._connection.route.delay(self._direction, len(data), now)
        self._last_at = max(self._last_at, now + delay)
        self._queue.append(_Segment(now, self._last_at, kind, data))
        self._bytes_under_way += len(data)
        if len(self._queue) == 1:
            self._arm()

    def kick(self) -> None:
        """The path has changed: think again about when the next segment arrives."""
        if self._queue:
            self._arm()

    def drop(self) -> None:
        """Forget everything under way."""
        self._queue.clear()
        self._bytes_under_way = 0
        if self._event is not None:
            self._event.cancel()
            self._event = None

    def _arm(self) -> None:
        if self._event is not None:
            self._event.cancel()
        at = max(self._queue[0].at, self._connection.open_at(self._direction))
        give_up_at = self._give_up_at()
        if at > give_up_at:
            self._event = self._kernel.at(give_up_at, self._give_up)
        elif at < math.inf:
            self._event = self._kernel.at(at, self._deliver)
        else:
            self._event = None

    def _give_up_at(self) -> float:
        """When the oldest bytes have been sent in vain for too long. Nobody waits for an ACK."""
        for segment in self._queue:
            if segment.kind is not Kind.ACK:
                return max(segment.at, segment.sent_at + GIVE_UP_AFTER_S)
        return math.inf

    def _deliver(self) -> None:
        self._event = None
        now = self._kernel.now
        while self._queue and self._queue[0].at <= now:
            if self._connection.open_at(self._direction) > now:
                break
            segment = self._queue.popleft()
            self._bytes_under_way -= len(segment.data)
            self._connection.arrived(self._direction, segment.kind, segment.data)
        if self._queue:
            self._arm()

    def _give_up(self) -> None:
        self.drop()
        sender = self._connection.sender(self._direction)
        if sender is not None:
            sender.fail(errno.ETIMEDOUT)


class Connection:
    """Two sockets and what is under way between them."""

    def __init__(
        self,
        network: Network,
        *,
        ordinal: int,
        client: SimSocket,
        route: Route,
        hosts: tuple[Host, Host],
        destination: Address,
    ) -> None:
        assert client.local is not None
        self.network = network
        self.ordinal = ordinal
        self.route = route
        self.hosts = hosts
        """Of the side that dialled, and of the side that was dialled."""
        self.source: Address = client.local
        self.destination = destination
        self.client = client
        self.server: SimSocket | None = None
        self.is_accepted = False  # the dialled host has answered; it happens once
        self.pipes = (Pipe(self, Direction.UP), Pipe(self, Direction.DOWN))
        self._dial_again: KernelEvent | None = None
        self._dials = 0

    def __repr__(self) -> str:
        return f"<Connection #{self.ordinal} {self.source} → {self.destination}>"

    def dial(self) -> None:
        """Ask to connect, and again until there is an answer or the waits are used up."""
        if self._dials == len(CONNECT_AGAIN_S):
            self._end_dialling(errno.ETIMEDOUT)
            return
        wait = CONNECT_AGAIN_S[self._dials]
        self._dials += 1
        self._dial_again = self.network.kernel.at(self.network.now + wait, self.dial)
        is_open = self.open_at(Direction.UP) <= self.network.now
        lost = self.route.happens("loss") or self.route.happens("black_hole")
        if is_open and not lost:
            self.pipes[Direction.UP].send(Kind.SYN)

    def arrived(self, direction: Direction, kind: Kind, data: bytes) -> None:
        self.network.observe(self, direction, kind, data)
        match kind:
            case Kind.SYN:
                if not self.is_accepted:
                    self._answer()
            case Kind.SYN_ACK:
                self._client_connected()
            case Kind.ACK:
                self._server_connected()
            case Kind.CUT:
                self.reset()
            case Kind.RST if self._is_dialling():
                self._end_dialling(errno.ECONNREFUSED)
            case _:
                receiver = self.receiver(direction)
                if receiver is not None:
                    receiver.arrived(kind, data)

    def receiver(self, direction: Direction) -> SimSocket | None:
        return self.server if direction is Direction.UP else self.client

    def sender(self, direction: Direction) -> SimSocket | None:
        return self.client if direction is Direction.UP else self.server

    def other_end(self, sock: SimSocket) -> SimSocket | None:
        return self.server if sock is self.client else self.client

    def open_at(self, direction: Direction) -> float:
        """When a segment this way can arrive: inf while its destination has no power."""
        receiving_host = self.hosts[1 - direction]
        return self.route.open_at(direction) if receiving_host.has_power else math.inf

    def reset(self) -> None:
        """Break both ends at once; nothing under way arrives."""
        for pipe in self.pipes:
            pipe.drop()
        self._stop_dialling()
        self.client.fail(errno.ECONNRESET)
        if self.server is not None:
            self.server.fail(errno.ECONNRESET)

    def kick(self) -> None:
        for pipe in self.pipes:
            pipe.kick()

    def end_closed(self) -> None:
        """One end was closed by its program."""
        if self._dial_again is not None and self.client.state is State.CLOSED:
            self._dial_again.cancel()
        if self.client.state is State.CLOSED and (
            self.server is None or self.server.state is State.CLOSED
        ):
            self.network.forget(self)

    def _answer(self) -> None:
        listener = self.network.listener_at(self.destination)
        if listener is None or self.route.happens("refuse"):
            self.pipes[Direction.DOWN].send(Kind.RST)
        else:
            self.is_accepted = True
            self.pipes[Direction.DOWN].send(Kind.SYN_ACK)

    def _client_connected(self) -> None:
        if self._is_dialling():
            self._stop_dialling()
            self.client.established(self, self.pipes[Direction.UP])
            self.pipes[Direction.UP].send(Kind.ACK)
        else:  # it has given up meanwhile
            self.pipes[Direction.UP].send(Kind.RST)

    def _server_connected(self) -> None:
        listener = self.network.listener_at(self.destination)
        if listener is None:  # it was closed meanwhile
            self.pipes[Direction.DOWN].send(Kind.RST)
            return
        self.server = listener.child(local=self.destination, remote=self.source)
        self.server.established(self, self.pipes[Direction.DOWN])
        listener.offer(self.server)

    def _is_dialling(self) -> bool:
        return self.client.state is State.CONNECTING

    def _end_dialling(self, error: int) -> None:
        if self._is_dialling():
            self._stop_dialling()
            self.client.fail(error)

    def _stop_dialling(self) -> None:
        if self._dial_again is not None:
            self._dial_again.cancel()
