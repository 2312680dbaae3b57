"""Non-blocking TCP sockets of the simulated network, as far as asyncio uses sockets.

asyncio's own transports run on them unchanged, so buffering, flow control, half-close and what
`abort` means are CPython's code. The sockets answer as Linux does: `close` sends an end, or a reset
if bytes were left unread or SO_LINGER is (1, 0); a reset gives ECONNRESET once and EPIPE after.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
from asyncio import trsock
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import TYPE_CHECKING, Any

from outlast.sim.errors import SimulationError
from outlast.sim.links import Kind

if TYPE_CHECKING:
    from outlast.sim.connections import Connection, Pipe
    from outlast.sim.network import Network
    from outlast.sim.processes import Process

__all__ = ["Address", "HandedOutSocket", "SimSocket", "State", "os_error"]

Address = tuple[str, int]

WINDOW_BYTES = 256 * 1024
"""What the kernels of both ends hold of a stream before the sender must wait."""

# Built once: reading and writing are what a socket is asked for most.
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class State(Enum):
    NEW = "new"
    LISTENING = "listening"
    CONNECTING = "connecting"
    ESTABLISHED = "established"
    FAILED = "failed"
    """Refused, reset, timed out, or its host lost power."""
    CLOSED = "closed"


class SimSocket:
    """One end of a connection, or a listener. Made by `Network.socket` and by `accept`."""

    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, network: Network, process: Process, family: int = socket.AF_INET) -> None:
        self.family = socket.AddressFamily(family)
        self.process = process
        self.state = State.NEW
        self.local: Address | None = None
        self.remote: Address | None = None
        self.connection: Connection | None = None
        self.outgoing: Pipe | None = None
        self.received_bytes = 0
        self.abort_transport: Callable[[], None] | None = None
        """Lets go of what asyncio built on this socket, without a word to the network."""
        self._network = network
        self._kernel = network.kernel
        self._descriptor = self._kernel.open(self)
        process.sockets[self._descriptor] = self
        self._received: deque[bytes] = deque()
        self._end_received = False
        self._end_sent = False
        self._reset_sent = False
        self._error = 0  # like the kernel's sk_err: reported once
        self._accepted: deque[SimSocket] = deque()
        self._options: dict[tuple[int, int], Any] = {}

    def __repr__(self) -> str:
        return f"<SimSocket {self.state.value} local={self.local} remote={self.remote}>"

    # What asyncio calls: names and results are those of socket.socket.

    def fileno(self) -> int:
        return -1 if self.state is State.CLOSED else self._descriptor

    def gettimeout(self) -> float:
        return 0.0

    def setblocking(self, flag: bool) -> None:
        if flag:
            raise SimulationError("setblocking(True): a simulated socket never blocks")

    def settimeout(self, value: float | None) -> None:
        if value != 0:
            raise SimulationError(f"settimeout({value!r}): a simulated socket never blocks")

    def getsockname(self) -> tuple[Any, ...]:
        if self.local is None:
            return self._as_sockaddr(("::" if self.family == socket.AF_INET6 else "0.0.0.0", 0))  # noqa: S104
        return self._as_sockaddr(self.local)

    def getpeername(self) -> tuple[Any, ...]:
        if self.remote is None or self.state not in {State.ESTABLISHED, State.FAILED}:
            raise os_error(errno.ENOTCONN)
        return self._as_sockaddr(self.remote)

    def getsockopt(self, level: int, option: int, length: int = 0) -> Any:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            error, self._error = self._error, 0
            return error
        return self._options.get((level, option), bytes(length) if length else 0)

    def setsockopt(self, level: int, option: int, value: Any, _length: int = 0) -> None:
        """Remember it. Only SO_LINGER has an effect."""
        self._options[level, option] = value

    def bind(self, address: tuple[Any, ...]) -> None:
        self._require(State.NEW)
        self.local = self._network.bind(self, (str(address[0]), int(address[1])))

    def listen(self, _backlog: int = 100) -> None:
        self._require(State.NEW, State.LISTENING)
        if self.local is None:
            raise os_error(errno.EDESTADDRREQ)
        if self.state is State.NEW:
            self._network.listen(self)
            self.state = State.LISTENING

    def accept(self) -> tuple[SimSocket, tuple[Any, ...]]:
        self._require(State.LISTENING)
        if not self._accepted:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        child = self._accepted.popleft()
        return child, child.getpeername()

    def connect(self, address: tuple[Any, ...]) -> None:
        """Start to connect. Ends with the socket writable and SO_ERROR telling how.

        Raises:
            BlockingIOError: always, as the answer takes time.
        """
        self._require(State.NEW)
        self.state = State.CONNECTING
        self.remote = (str(address[0]), int(address[1]))
        self.connection = self._network.connect(self, self.remote)
        raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))

    def recv(self, size: int, _flags: int = 0) -> bytes:
        self._require(State.ESTABLISHED, State.FAILED)
        if self._received:
            data = self._received[0]
            if len(self._received) == 1 and len(data) <= size:
                self._received.clear()
            else:
                data = self._take(size)
            self.received_bytes -= len(data)
            self._tell_sender()
            return data
        if self._end_received:
            return b""
        self._raise_error()
        if self.state is State.FAILED:
            return b""
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    def recv_into(self, buffer: Any, size: int = 0, _flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view))
        view[: len(data)] = data
        return len(data)

    def send(self, data: Any, _flags: int = 0) -> int:
        """Take as many bytes as the window has room for.

        Raises:
            BlockingIOError: there is no room.
            ConnectionResetError: the peer has reset the connection.
            BrokenPipeError: it was told so before, or wrote after `shutdown`.
        """
        self._require(State.ESTABLISHED, State.FAILED)
        self._raise_error()
        if self.state is State.FAILED or self._end_sent:
            raise os_error(errno.EPIPE)
        assert self.outgoing is not None
        room = self._room()
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        view = memoryview(data).cast("B")[:room]
        self.outgoing.send_stream(bytes(view))
        return len(view)

    def sendmsg(self, buffers: Iterable[Any]) -> int:
        return self.send(b"".join(buffers))

    def shutdown(self, how: int) -> None:
        self._require(State.ESTABLISHED, State.FAILED)
        if self.state is State.FAILED:
            raise os_error(errno.ENOTCONN)
        if how in {socket.SHUT_WR, socket.SHUT_RDWR} and not self._end_sent:
            self._end_sent = True
            assert self.outgoing is not None
            self.outgoing.send(Kind.FIN)
        if how in {socket.SHUT_RD, socket.SHUT_RDWR}:
            self._end_received = True
            self._kernel.touch(self._descriptor)

    def close(self) -> None:
        state, self.state = self.state, State.CLOSED
        if state is State.CLOSED or self._network.is_closed:
            return
        self._forget()
        if state is State.LISTENING:
            self._network.unlisten(self)
            for child in self._accepted:
                child.send_reset()
                child.close()
            self._accepted.clear()
        elif self.connection is not None:
            if state is State.ESTABLISHED and not self._reset_sent:
                if self._received or self._lingers_not():
                    self.send_reset()
                elif not self._end_sent and self.outgoing is not None:
                    self.outgoing.send(Kind.FIN)
            self.connection.end_closed()

    # What the kernel and the network call.

    def ready_mask(self) -> int:
        """EVENT_READ and EVENT_WRITE, as epoll would report them."""
        match self.state:
            case State.ESTABLISHED:
                mask = _READ if self._received or self._end_received else 0
                return mask | _WRITE if self._room() > 0 or self._end_sent else mask
            case State.LISTENING:
                return _READ if self._accepted else 0
            case State.FAILED:
                return _READ | _WRITE
            case _:
                return 0

    def is_readable(self) -> bool:
        return bool(self.ready_mask() & _READ)

    def established(self, connection: Connection, outgoing: Pipe) -> None:
        self.connection, self.outgoing = connection, outgoing
        self.state = State.ESTABLISHED
        self._kernel.touch(self._descriptor)

    def child(self, *, local: Address, remote: Address) -> SimSocket:
        """The listener's end of a new connection."""
        sock = SimSocket(self._network, self.process, self.family)
        sock.local, sock.remote = local, remote
        return sock

    def offer(self, child: SimSocket) -> None:
        """Put a new connection into the accept queue."""
        self._accepted.append(child)
        self._kernel.touch(self._descriptor)

    def arrived(self, kind: Kind, data: bytes) -> None:
        """Take a segment from the network."""
        if self.state is not State.ESTABLISHED:
            # Nobody is here any more. Bytes are answered by a reset, an end or a reset by nothing.
            if kind is Kind.DATA:
                self.send_reset()
        elif kind is Kind.RST:
            # Linux, tcp_reset(): after the peer's end only writing can fail, and it says EPIPE.
            self.fail(errno.EPIPE if self._end_received else errno.ECONNRESET)
        elif kind is Kind.FIN:
            self._end_received = True
            self._kernel.touch(self._descriptor)
        elif not self._end_received:
            self._received.append(data)
            self.received_bytes += len(data)
            self._kernel.touch(self._descriptor)

    def fail(self, error: int) -> None:
        """Break: what was received can still be read, then comes the error."""
        if self.state in {State.CONNECTING, State.ESTABLISHED}:
            self.state = State.FAILED
            self._error = error
            self._kernel.touch(self._descriptor)

    def abandon(self) -> None:
        """Its program is dead: the kernel closes the socket, and asyncio forgets it."""
        self.close()
        if self.abort_transport is not None:
            self.abort_transport()

    def vanish(self) -> None:
        """The host lost power: say nothing, hear nothing."""
        self._forget()
        if self.state is State.LISTENING:
            self._network.unlisten(self)
            for child in self._accepted:
                child.vanish()
            self._accepted.clear()
        self._reset_sent = False
        self.state = State.CLOSED
        if self.abort_transport is not None:
            self.abort_transport()

    def send_reset(self) -> None:
        if self.outgoing is not None and not self._reset_sent:
            self._reset_sent = True
            self.outgoing.send(Kind.RST)

    def room_made(self) -> None:
        self._kernel.touch(self._descriptor)

    def _forget(self) -> None:
        self._kernel.forget(self._descriptor)
        self.process.sockets.pop(self._descriptor, None)

    def _room(self) -> int:
        assert self.outgoing is not None
        return WINDOW_BYTES - self.outgoing.bytes_unread

    def _tell_sender(self) -> None:
        assert self.connection is not None
        sender = self.connection.other_end(self)
        if sender is not None:
            sender.room_made()

    def _take(self, size: int) -> bytes:
        pieces = []
        while self._received and size > 0:
            piece = self._received.popleft()
            if len(piece) > size:
                self._received.appendleft(piece[size:])
                piece = piece[:size]
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _raise_error(self) -> None:
        error, self._error = self._error, 0
        if error:
            raise os_error(error)

    def _lingers_not(self) -> bool:
        linger = self._options.get((socket.SOL_SOCKET, socket.SO_LINGER))
        if linger is None:
            return False
        on, seconds = struct.unpack("ii", linger)
        return bool(on) and seconds == 0

    def _require(self, *states: State) -> None:
        if self.state in states:
            return
        if self.state is State.CLOSED:
            raise os_error(errno.EBADF)
        if State.ESTABLISHED in states:
            raise os_error(errno.ENOTCONN)
        raise os_error(errno.EINVAL)

    def _as_sockaddr(self, address: Address) -> tuple[Any, ...]:
        return (*address, 0, 0) if self.family == socket.AF_INET6 else address


class HandedOutSocket(trsock.TransportSocket):
    """What `get_extra_info("socket")` gives.

    httpcore polls the descriptor to see whether an idle connection was closed by the peer, and a
    poll wants a real one. So `fileno` gives one of two that the loop keeps: one always readable,
    one never.
    """

    __slots__ = ("_loud", "_quiet")

    if TYPE_CHECKING:
        _sock: SimSocket

    def __init__(self, sock: SimSocket, *, quiet: int, loud: int) -> None:
        super().__init__(sock)  # type: ignore[arg-type]
        self._quiet = quiet
        self._loud = loud

    def fileno(self) -> int:
        if self._sock.state is State.CLOSED:
            return -1
        return self._loud if self._sock.is_readable() else self._quiet


def os_error(number: int) -> OSError:
    """The subclass that the number has, as the operating system's calls raise it."""
    return OSError(number, os.strerror(number))
