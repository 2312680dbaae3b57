"""A listening socket and its connections.

Only `loop.create_server`, `call_later` and `time` are used of the event loop, so that the server
runs unchanged in a loop with virtual time and an in-memory network.
"""

from __future__ import annotations

import asyncio
import logging

from outlast.mock.http.connection import App, HttpConnection, HttpLimits

__all__ = ["HttpServer"]

logger = logging.getLogger("outlast.mock.http")

_REOPEN_EVERY_S = 0.05


class HttpServer:
    """Serves one `app` on one port until stopped.

    `app` is asked once for each complete request and gives the plan of the reply. It may be
    exchanged while running.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: HttpLimits | None = None,
    ) -> None:
        self.app = app
        self.limits = limits or HttpLimits()
        self._host, self._port = host, port
        self._listener: asyncio.Server | None = None
        self._refusing = False
        self._switching: asyncio.Task[None] | None = None
        self._connections: set[HttpConnection] = set()
        self._all_left: asyncio.Future[None] | None = None
        self._started = False

    @property
    def host(self) -> str:
        return self._host

    @property
    def port(self) -> int:
        """The port; known once started when it was given as 0."""
        return self._port

    @property
    def url(self) -> str:
        """The root of what is served, as clients on this machine reach it."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "") else self._host  # noqa: S104
        host = "[::1]" if host == "::" else f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._port}"

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or the address is not one of this machine.
        """
        assert not self._started
        await self._listen()
        self._started = True

    async def stop(self) -> None:
        """Close the port, drop all clients, and return when nothing is left running."""
        self._started = False
        if self._switching is not None:
            # Not cancelled: a listening socket that is just being opened would be lost.
            await asyncio.gather(self._switching, return_exceptions=True)
            self._switching = None
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        tasks = [c.task for c in self._connections if c.task is not None]
        if self._connections:
            self._all_left = asyncio.get_running_loop().create_future()
            for connection in list(self._connections):
                connection.abort()
            await self._all_left
        await asyncio.gather(*tasks, return_exceptions=True)
        if listener is not None:
            await listener.wait_closed()

    def drop_busy(self) -> None:
        """Drop the connections that have a request under way; idle ones stay."""
        for connection in list(self._connections):
            if connection.task is not None:
                connection.abort()

    def refuse_dials(self, refuse: bool) -> None:
        """Close the listening socket, or open it again on the same port.

        While closed, new connections are refused by the operating system, exactly as when nobody
        runs there. Existing connections stay.
        """
        self._refusing = refuse
        if self._started and (self._switching is None or self._switching.done()):
            self._switching = asyncio.get_running_loop().create_task(self._switch())

    @property
    def listening(self) -> bool:
        """True while the port takes new connections."""
        return self._listener is not None

    # -- for the connections ----------------------------------------------------------------------

    def joined(self, connection: HttpConnection) -> bool:
        self._connections.add(connection)
        return (
            self._started
            and not self._refusing
            and len(self._connections) <= self.limits.connections_max
        )

    def left(self, connection: HttpConnection) -> None:
        self._connections.discard(connection)
        if not self._connections and self._all_left is not None and not self._all_left.done():
            self._all_left.set_result(None)

    # -- inside -----------------------------------------------------------------------------------

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: HttpConnection(self), self._host, self._port
        )
        if self._port == 0:
            self._port = int(self._listener.sockets[0].getsockname()[1])

    async def _switch(self) -> None:
        while self._started and self._refusing is (self._listener is not None):
            if self._refusing:
                assert self._listener is not None
                self._listener.close()
                self._listener = None
            else:
                try:
                    await self._listen()
                except OSError as error:
                    # Somebody took the port in the meantime, or the last connection of it is still
                    # being taken down. There is nothing better than to try again.
                    logger.warning("port %d cannot be opened again yet: %s", self._port, error)
                    await asyncio.sleep(_REOPEN_EVERY_S)
