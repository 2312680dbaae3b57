"""The half of the simulated loop that connects, listens and resolves names."""

from __future__ import annotations

import asyncio
import asyncio.base_events
import asyncio.selector_events
import socket
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from outlast.sim.errors import RealWorldReached, SimulationError
from outlast.sim.kernel import Kernel
from outlast.sim.network import Network
from outlast.sim.sockets import HandedOutSocket, SimSocket

__all__ = ["StreamLoop"]


class StreamLoop(asyncio.selector_events.BaseSelectorEventLoop):
    """CPython's selector loop on another selector and other sockets.

    Transports, servers and the rules of `create_connection` stay CPython's own.
    """

    def __init__(self, kernel: Kernel, network: Network) -> None:
        self.kernel = kernel
        self.network = network
        self._twins: weakref.WeakKeyDictionary[
            socket.socket, tuple[SimSocket, weakref.finalize[Any, socket.socket]]
        ] = weakref.WeakKeyDictionary()
        super().__init__(kernel)

    def close(self) -> None:
        self.network.close()
        super().close()

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 the name asyncio gave it
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        name = host.decode("idna") if isinstance(host, bytes) else host
        if not name:
            name = "0.0.0.0" if flags & socket.AI_PASSIVE else "127.0.0.1"  # noqa: S104
        delay = self.network.names.delay(name)
        if delay:
            await asyncio.sleep(delay)
        return self.network.names.lookup(name, port, family=family, kind=type)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return str(sockaddr[0]), str(sockaddr[1])

    async def create_connection(self, *args: Any, **settings: Any) -> Any:
        sock = settings.get("sock")
        if isinstance(sock, socket.socket):
            sock = settings["sock"] = self._take_twin(sock)
        if sock is not None and settings.get("ssl"):
            sock.close()
        _refuse_tls(settings.get("ssl"))
        return await super().create_connection(*args, **settings)

    async def create_server(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | Iterable[str] | None = None,
        port: int | str | None = None,
        *,
        family: int = socket.AF_UNSPEC,
        sock: Any = None,
        backlog: int = 100,
        ssl: Any = None,
        start_serving: bool = True,
        **_settings: Any,
    ) -> asyncio.base_events.Server:
        """Listen in the simulated network. Options of real sockets are accepted and ignored."""
        _refuse_tls(ssl)
        if sock is not None:
            if not isinstance(sock, SimSocket):
                raise RealWorldReached(
                    "create_server(sock=...): a real socket; pass host and port instead"
                )
            sockets = [sock]
        else:
            sockets = self._bind_all(host, port, family)
        server = asyncio.base_events.Server(
            self,
            sockets,  # type: ignore[arg-type]
            protocol_factory,
            None,
            backlog,
            None,
            None,
        )
        if start_serving:
            await server.start_serving()
        return server

    def _bind_all(
        self, host: str | Iterable[str] | None, port: Any, family: int
    ) -> list[SimSocket]:
        hosts = [host] if host is None or isinstance(host, str) else list(host)
        sockets: list[SimSocket] = []
        try:
            for each in hosts:
                infos = self.network.names.lookup(
                    each or "0.0.0.0",  # noqa: S104 as getaddrinfo has it
                    port,
                    family=family,
                    kind=socket.SOCK_STREAM,
                    local=True,
                )
                for found_family, *_, address in infos:
                    sock = self.network.socket(found_family)
                    sockets.append(sock)
                    try:
                        sock.bind(address)
                    except OSError as error:
                        raise OSError(
                            error.errno,
                            f"error while attempting to bind on address {address!r}: "
                            f"{error.strerror}",
                        ) from None
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        return sockets

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect. A real socket stays unconnected: one of the network connects in its place.

        aiohttp makes its sockets itself, lets the loop connect them and hands them to
        `create_connection`. There the simulated one is used and the real one closed.
        """
        if not isinstance(sock, socket.socket):
            await super().sock_connect(sock, address)
            return
        twin = self.network.socket(sock.family)
        try:
            await super().sock_connect(twin, address)  # type: ignore[arg-type]
        except BaseException:
            twin.close()
            raise
        self._twins[sock] = twin, weakref.finalize(sock, twin.close)

    def _take_twin(self, sock: socket.socket) -> SimSocket:
        if sock not in self._twins:
            raise RealWorldReached(
                f"create_connection(sock={sock!r}): a real socket that this loop has not "
                "connected; pass host and port, or connect it with loop.sock_connect"
            )
        twin, closer = self._twins.pop(sock)
        closer.detach()
        sock.close()
        return twin

    async def start_tls(self, *args: Any, **settings: Any) -> Any:
        _refuse_tls(True)

    async def create_unix_connection(self, *args: Any, **settings: Any) -> Any:
        raise RealWorldReached("create_unix_connection: only TCP is simulated")

    async def create_unix_server(self, *args: Any, **settings: Any) -> Any:
        raise RealWorldReached("create_unix_server: only TCP is simulated")

    async def create_datagram_endpoint(self, *args: Any, **settings: Any) -> Any:
        raise RealWorldReached("create_datagram_endpoint: only TCP is simulated")

    async def connect_read_pipe(self, *args: Any, **settings: Any) -> Any:
        raise RealWorldReached("connect_read_pipe: a pipe leads out of the simulation")

    async def connect_write_pipe(self, *args: Any, **settings: Any) -> Any:
        raise RealWorldReached("connect_write_pipe: a pipe leads out of the simulation")

    async def subprocess_exec(self, *args: Any, **settings: Any) -> Any:
        raise RealWorldReached("subprocess_exec: a process leads out of the simulation")

    async def subprocess_shell(self, *args: Any, **settings: Any) -> Any:
        raise RealWorldReached("subprocess_shell: a process leads out of the simulation")

    # What CPython's loop asks of its subclasses.

    async def _connect_sock(
        self, exceptions: list[Any], addr_info: Any, local_addr_infos: Any = None
    ) -> SimSocket:
        failures: list[OSError] = []
        exceptions.append(failures)
        sock: SimSocket | None = None
        try:
            sock = self.network.socket(addr_info[0])
            for local_family, *_, local_address in local_addr_infos or ():
                if local_family == addr_info[0]:
                    sock.bind(local_address)
                    break
            await self.sock_connect(sock, addr_info[4])
        except BaseException as error:
            if isinstance(error, OSError):
                failures.append(error)
            if sock is not None:
                sock.close()
            raise
        return sock

    def _make_socket_transport(self, sock: Any, *args: Any, **settings: Any) -> Any:
        if not isinstance(sock, SimSocket):
            raise RealWorldReached(f"{sock!r}: a real socket in the simulation")
        transport = super()._make_socket_transport(sock, *args, **settings)  # type: ignore[misc]
        handed_out = HandedOutSocket(sock, quiet=self._quiet.fileno(), loud=self._loud.fileno())
        reference = weakref.ref(transport)
        sock.abort_transport = lambda: _abort(reference())
        transport._extra["socket"] = handed_out  # noqa: SLF001 there is no other way in
        return transport

    def _make_self_pipe(self) -> None:
        # No thread or signal wakes this loop. The pair serves `HandedOutSocket.fileno`.
        self._quiet, self._loud = socket.socketpair()
        self._quiet.send(b"!")

    def _close_self_pipe(self) -> None:
        self._quiet.close()
        self._loud.close()

    def _write_to_self(self) -> None:
        pass


def _refuse_tls(wanted: Any) -> None:
    if wanted:
        raise SimulationError(
            "TLS is not simulated: point the program at http:// and ws:// endpoints"
        )


def _abort(transport: asyncio.Transport | None) -> None:
    if transport is not None:
        transport.abort()
