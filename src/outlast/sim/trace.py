"""A record of everything that passed the network, to compare two runs by."""

from __future__ import annotations

import hashlib

from outlast.sim.connections import Packet

__all__ = ["Trace"]


class Trace:
    """Collects packets: `network.watch(trace)`.

    Args:
        keep: keep the packets themselves; without it only their hash and number.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self.packets: list[Packet] = []
        self.count = 0
        self._keep = keep
        self._hash = hashlib.sha256()

    def __call__(self, packet: Packet) -> None:
        self.count += 1
        self._hash.update(_head(packet).encode())
        self._hash.update(packet.data)
        if self._keep:
            self.packets.append(packet)

    def hexdigest(self) -> str:
        """The SHA-256 of all packets so far: times, ends, kinds and bytes."""
        return self._hash.hexdigest()

    def lines(self) -> list[str]:
        """The packets as text, one a line, bytes as Python writes them."""
        return [f"{_head(packet)} {packet.data!r}" for packet in self.packets]


def _head(packet: Packet) -> str:
    (source, source_port), (to, to_port) = packet.source, packet.destination
    return (
        f"{packet.at:.9f} #{packet.connection} {source}:{source_port} → {to}:{to_port} "
        f"{packet.kind} {len(packet.data)}"
    )
