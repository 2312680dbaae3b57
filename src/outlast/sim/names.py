"""The simulated name service: a table, and what is wrong with it at the moment."""

from __future__ import annotations

import ipaddress
import random
import socket
from typing import Any

from outlast.sim.draws import Latency, lognormal
from outlast.sim.links import ANY

__all__ = ["AddressInfo", "NameService"]

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]

SERVICES = {"http": 80, "https": 443, "ws": 80, "wss": 443, "domain": 53}

ERROR_TEXTS = {
    socket.EAI_NONAME: "Name or service not known",
    socket.EAI_AGAIN: "Temporary failure in name resolution",
    socket.EAI_FAIL: "Non-recoverable failure in name resolution",
    socket.EAI_SERVICE: "Servname not supported for ai_socktype",
}


class NameService:
    """Names to addresses. A name that is not in the table fails as in the real world."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._table: dict[str, list[str]] = {"localhost": ["127.0.0.1"]}
        self._failures: dict[str, int] = {}
        self._lags: dict[str, Latency] = {ANY: lognormal(0.002)}

    def add(self, name: str, *addresses: str) -> None:
        """Let `name` resolve to these addresses, in this order. Names are case-blind."""
        if not addresses:
            raise ValueError(f"addresses of {name!r}: expected at least one")
        self._table[_key(name)] = [str(ipaddress.ip_address(each)) for each in addresses]

    def addresses(self, name: str) -> list[str]:
        return self._table.get(_key(name), [])

    def fail(self, name: str = ANY, *, error: int = socket.EAI_AGAIN) -> None:
        """Let lookups of `name`, or all, fail with this `socket.EAI_*` until `mend`."""
        self._failures[_key(name)] = error

    def mend(self, name: str = ANY) -> None:
        self._failures.pop(_key(name), None)

    def lag(self, latency: Latency, name: str = ANY) -> None:
        """Let lookups of `name`, or all without a lag of their own, take so long."""
        self._lags[_key(name)] = latency

    def delay(self, host: str) -> float:
        """Draw how long a lookup takes: nothing for an address and for localhost."""
        if _key(host) == "localhost" or _literal(host) is not None:
            return 0.0
        return max(0.0, self._lags.get(_key(host), self._lags[ANY])(self._rng))

    def lookup(
        self, host: str, port: Any, *, family: int, kind: int, local: bool = False
    ) -> list[AddressInfo]:
        """Give what `getaddrinfo` gives.

        Args:
            local: a host asks for its own name, which no failure of the service can keep from it.

        Raises:
            socket.gaierror: as the real one does.
        """
        number = _port(port)
        literal = _literal(host)
        if literal is not None:
            addresses = [literal]
        else:
            error = self._failures.get(_key(host), self._failures.get(ANY))
            if error is not None and not local and _key(host) != "localhost":
                raise _error(error)
            addresses = self.addresses(host)
        found = [
            _address_info(address, number, kind)
            for address in addresses
            if family in {socket.AF_UNSPEC, _family(address)}
        ]
        if not found:
            raise _error(socket.EAI_NONAME)
        return found


def _address_info(address: str, port: int, kind: int) -> AddressInfo:
    family = _family(address)
    protocol = socket.IPPROTO_UDP if kind == socket.SOCK_DGRAM else socket.IPPROTO_TCP
    sockaddr: tuple[Any, ...] = (address, port)
    if family == socket.AF_INET6:
        sockaddr = (address, port, 0, 0)
    return family, socket.SocketKind(kind or socket.SOCK_STREAM), protocol, "", sockaddr


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _port(port: Any) -> int:
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode("ascii")
    if isinstance(port, str) and port in SERVICES:
        return SERVICES[port]
    try:
        return int(port)
    except ValueError:
        raise _error(socket.EAI_SERVICE) from None


def _key(name: str) -> str:
    return name.rstrip(".").lower()


def _error(number: int) -> socket.gaierror:
    return socket.gaierror(number, ERROR_TEXTS.get(number, "Name resolution failed"))
