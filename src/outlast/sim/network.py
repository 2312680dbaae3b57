"""A network in memory: hosts, names, links and the connections between them, from one seed."""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import socket
from collections.abc import Callable, Iterator
from contextvars import copy_context

from outlast.sim.connections import Connection, Packet
from outlast.sim.draws import generator, lognormal
from outlast.sim.errors import SimulationError
from outlast.sim.kernel import Kernel
from outlast.sim.links import ANY, Direction, Kind, Link, Route
from outlast.sim.names import NameService
from outlast.sim.processes import (
    EPHEMERAL_FIRST,
    EPHEMERAL_LAST,
    Host,
    Process,
    current_process,
)
from outlast.sim.sockets import Address, SimSocket, os_error

__all__ = ["Network"]

LOCALHOST = "localhost"
WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 compared with, never bound for real


class Network:
    """Everything between the programs of a simulation.

    Programs run on `localhost` unless they are started inside `with network.process("bot")`;
    127.0.0.1 belongs to that host, whoever dials it. A fresh network has one link, from any host
    to any: each segment takes a few milliseconds, and nothing is lost. `link` makes more.

    Faults of paths are on `Link`, of names on `names`, of machines and programs here.
    """

    def __init__(self, kernel: Kernel, *, seed: int) -> None:
        self.kernel = kernel
        self.is_closed = False
        self.names = NameService(generator(seed, "names"))
        """The name table; a host is in it under its own name."""
        self._seed = seed
        self._hosts: dict[str, Host] = {}
        self._owners: dict[str, Host] = {}  # by address
        self._listeners: dict[Address, SimSocket] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._routes: dict[tuple[str, str, int], Route] = {}
        self._connections: dict[int, Connection] = {}
        self._ordinals = itertools.count(1)
        self._addresses_free = itertools.count(1)
        self._watchers: list[Callable[[Packet], None]] = []
        self._first = Process(self._add_host(LOCALHOST, ("127.0.0.1", "::1")))
        usual = self.link(ANY, ANY)
        usual.latency = lognormal(0.005)  # 10 ms there and back: a bot in the venue's country
        usual.bandwidth = math.inf
        usual.segment_max = 65_536
        usual.loss = usual.cut = usual.refuse = usual.black_hole = 0.0

    @property
    def now(self) -> float:
        return self.kernel.now

    # Who is there.

    def host(self, name: str, *aliases: str) -> Host:
        """Give the host of this name; a new one gets an address, and its names resolve to it."""
        host = self._hosts.get(name)
        if host is None:
            number = next(self._addresses_free)
            # 198.18.0.0/15 is set aside for tests of networks: RFC 2544.
            host = self._add_host(
                name, (f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}",)
            )
        for alias in (name, *aliases):
            self.names.add(alias, *host.addresses[:1])
        return host

    @contextlib.contextmanager
    def process(self, host: str) -> Iterator[Process]:
        """Start a program: tasks made inside run as it, dial from its host and listen on it.

        Whoever waits inside the `with` runs as the program too and is stopped with it: start tasks
        inside, wait for them outside.
        """
        process = Process(self.host(host))
        process.host.processes.append(process)
        token = current_process.set(process)
        process.context = copy_context()
        try:
            yield process
        finally:
            current_process.reset(token)

    def kill(self, process: Process) -> None:
        """End a program as `kill -9` does: its kernel closes what it had open.

        Its tasks end within this instant: whatever they await is cancelled, again and again until
        they do. What they still try in their `finally` blocks reaches nobody. Then nothing of the
        program runs any more. Who waits for one of its tasks from outside gets a `CancelledError`.
        """
        self._declare_dead(process)
        for sock in list(process.sockets.values()):
            sock.abandon()

    def freeze(self, process: Process, seconds: float = math.inf) -> None:
        """Stop a program as SIGSTOP does, for so long or until `thaw`.

        Nothing of it runs. Its kernel goes on: connections are accepted, what arrives is kept until
        the window is full. When it thaws, everything that came due is done, late and in its order.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds: expected 0 or more, got {seconds!r}")
        if not process.is_alive:
            return
        process.is_frozen = True
        process.frozen_until = max(process.frozen_until, self.now + seconds)
        if process.frozen_until < math.inf:
            self.kernel.at(process.frozen_until, lambda: self._thaw_if_due(process))

    def thaw(self, process: Process) -> None:
        """Let a frozen program go on, as SIGCONT does."""
        process.frozen_until = -math.inf
        if not process.is_frozen:
            return
        process.is_frozen = False
        held, process.held = process.held, []
        self.kernel.resume(held)
        for descriptor in process.sockets:
            self.kernel.touch(descriptor)

    def thaw_all(self) -> None:
        for host in self._hosts.values():
            for process in host.processes:
                self.thaw(process)

    def vanish(self, host: str) -> None:
        """Cut a host's power: its programs are dead, and nobody is told.

        Who was connected to it waits, until it gives up or the host is back and resets.
        """
        machine = self._known_host(host)
        machine.has_power = False
        for connection in self._connections.values():
            for sock in (connection.client, connection.server):
                if sock is not None and self._host_of(sock) is machine:
                    sock.process.is_alive = False
                    sock.vanish()
        for sock in list(self._listeners.values()):
            if self._host_of(sock) is machine:
                sock.process.is_alive = False
                sock.vanish()
        for process in list(machine.processes):
            self._declare_dead(process)

    def revive(self, host: str) -> None:
        """Give a host its power back. Nothing runs on it until a program is started."""
        self._known_host(host).has_power = True
        self.kick()

    # The paths.

    def link(self, source: str = ANY, to: str = ANY) -> Link:
        """Give the link of these ends; "*" is any.

        Args:
            source: the host that dials.
            to: the host that is dialled, by its name, alias or address, or `host:port`.
        """
        key = (self._end(source)[0], ":".join(filter(None, self._end(to))))
        if key not in self._links:
            self._links[key] = Link(self, *key)
            for route_key, route in self._routes.items():
                route.links = self._links_of(*route_key)
        return self._links[key]

    def partition(self, one: str, other: str = ANY) -> None:
        """Let nothing pass between two hosts, whoever dialled, until `heal`."""
        self.link(one, other).partition()
        self.link(other, one).partition()

    def heal(self) -> None:
        """End every stall and partition."""
        for link in self._links.values():
            link.heal()

    def reset(self, link: Link | None = None) -> int:
        """Reset every open connection, or every one on a link; give how many."""
        chosen = [
            connection
            for connection in self._connections.values()
            if connection.server is not None and (link is None or link in connection.route.links)
        ]
        for connection in chosen:
            connection.reset()
        return len(chosen)

    @property
    def open_connections(self) -> int:
        """Connections of which at least one end is not closed."""
        return len(self._connections)

    def watch(self, watcher: Callable[[Packet], None]) -> None:
        """Show every segment to `watcher` when it arrives, before it takes effect."""
        self._watchers.append(watcher)

    # For the loop.

    def socket(self, family: int = socket.AF_INET) -> SimSocket:
        """Make a socket of the program that is running."""
        process = current_process.get() or self._first
        if not process.is_alive or not process.host.has_power:
            raise os_error(errno.ENETDOWN)
        return SimSocket(self, process, family)

    def close(self) -> None:
        self.is_closed = True
        self._connections.clear()
        self._listeners.clear()

    # For sockets and connections.

    def bind(self, sock: SimSocket, address: Address) -> Address:
        host, port = address
        if host not in WILDCARDS and host not in self._owners:
            raise OSError(
                errno.EADDRNOTAVAIL,
                f"no simulated host has the address {host}; make one with network.host(name)",
            )
        owner = sock.process.host
        if port == 0:
            port = self._free_port(owner, host)
        if (self._listening_key(owner, (host, port))) in self._listeners:
            raise os_error(errno.EADDRINUSE)
        return host, port

    def listen(self, sock: SimSocket) -> None:
        key = self._key_of(sock)
        if key in self._listeners:
            raise os_error(errno.EADDRINUSE)
        self._listeners[key] = sock

    def unlisten(self, sock: SimSocket) -> None:
        if self._listeners.get(self._key_of(sock)) is sock:
            del self._listeners[self._key_of(sock)]

    def listener_at(self, address: Address) -> SimSocket | None:
        """Who listens: on this very address, or on all of its host's."""
        host, port = address
        return self._listeners.get(address) or self._listeners.get(
            (f"any of {self._owners[host].name}", port)
        )

    def connect(self, sock: SimSocket, destination: Address) -> Connection:
        """Start a connection.

        Raises:
            OSError: EHOSTUNREACH, as no simulated host has the address.
        """
        host, port = destination
        owner = self._owners.get(host)
        if owner is None:
            raise OSError(errno.EHOSTUNREACH, f"no simulated host has the address {host}")
        source = sock.process.host
        if sock.local is None:
            address = host if owner is source else _address_like(host, source)
            sock.local = (address, self._ephemeral_port(source))
        connection = Connection(
            self,
            ordinal=next(self._ordinals),
            client=sock,
            route=self._route(source.name, owner.name, port),
            hosts=(source, owner),
            destination=destination,
        )
        self._connections[connection.ordinal] = connection
        connection.dial()
        return connection

    def forget(self, connection: Connection) -> None:
        self._connections.pop(connection.ordinal, None)

    def kick(self) -> None:
        """A path is open again: let everything held back think again."""
        for connection in list(self._connections.values()):
            connection.kick()

    def observe(
        self, connection: Connection, direction: Direction, kind: Kind, data: bytes
    ) -> None:
        if not self._watchers:
            return
        ends = (connection.source, connection.destination)
        packet = Packet(
            at=self.now,
            connection=connection.ordinal,
            source=ends[direction],
            destination=ends[1 - direction],
            kind=kind,
            data=data,
        )
        for watcher in self._watchers:
            watcher(packet)

    # Within.

    def _declare_dead(self, process: Process) -> None:
        if process in process.host.processes:
            process.is_alive = False
            self.thaw(process)
            process.host.processes.remove(process)
            self.kernel.has_buried = True
            self.kernel.bury(process)

    def _thaw_if_due(self, process: Process) -> None:
        if process.frozen_until <= self.now:
            self.thaw(process)

    def _add_host(self, name: str, addresses: tuple[str, ...]) -> Host:
        if not name or name == ANY or ":" in name:
            raise ValueError(f"host name: expected a name without ':' and not '*', got {name!r}")
        host = Host(name, addresses)
        self._hosts[name] = host
        for address in addresses:
            self._owners[address] = host
        return host

    def _known_host(self, name: str) -> Host:
        found = self._hosts.get(name) or self._owners.get(name)
        if found is None:
            for address in self.names.addresses(name):
                found = self._owners.get(address)
        if found is None:
            raise SimulationError(
                f"host {name!r}: not in the simulated network; make it with network.host({name!r})"
            )
        return found

    def _end(self, text: str) -> tuple[str, str]:
        """Split `host:port`; the host by its one name."""
        host, port = text, ""
        if text.startswith("["):
            host, _, port = text[1:].partition("]")
            port = port.removeprefix(":")
        elif text.count(":") == 1:
            host, port = text.split(":")
        if port and not port.isdecimal():
            raise ValueError(f"link end: expected host or host:port, got {text!r}")
        return (ANY if host == ANY else self._known_host(host).name), port

    def _links_of(self, source: str, to: str, port: int) -> list[Link]:
        return [
            self._links[dialler, dialled]
            for dialled in (f"{to}:{port}", to, ANY)
            for dialler in (source, ANY)
            if (dialler, dialled) in self._links
        ]

    def _route(self, source: str, to: str, port: int) -> Route:
        key = (source, to, port)
        if key not in self._routes:
            rng = generator(self._seed, f"route/{source}/{to}/{port}")
            self._routes[key] = Route(self._links_of(*key), rng)
        return self._routes[key]

    def _host_of(self, sock: SimSocket) -> Host:
        """The host whose address the socket has; its program's, if it has all of them."""
        address = sock.local[0] if sock.local is not None else ""
        return self._owners.get(address, sock.process.host)

    def _key_of(self, sock: SimSocket) -> Address:
        assert sock.local is not None
        return self._listening_key(sock.process.host, sock.local)

    def _listening_key(self, host: Host, address: Address) -> Address:
        return (f"any of {host.name}", address[1]) if address[0] in WILDCARDS else address

    def _free_port(self, host: Host, address: str) -> int:
        while True:
            port = self._ephemeral_port(host)
            if self._listening_key(host, (address, port)) not in self._listeners:
                return port

    def _ephemeral_port(self, host: Host) -> int:
        port = host.next_port
        host.next_port = EPHEMERAL_FIRST if port == EPHEMERAL_LAST else port + 1
        return port


def _address_like(other: str, host: Host) -> str:
    """The host's address of the same family as the other end's, if it has one."""
    for address in host.addresses:
        if (":" in address) == (":" in other):
            return address
    return host.addresses[0]
