"""Everything secret that a simulated bot and its venue say to each other, read off the wire."""

from __future__ import annotations

import re
from collections import defaultdict

from outlast.sim import Packet

PATTERNS = {
    "signature": re.compile(rb"[?&]signature=([^&\s]{40,})|\"signature\":\s?\"([^\"]{40,})\""),
    "header": re.compile(rb"api-sign:\s*(\S{40,})", re.IGNORECASE),
    "token": re.compile(rb"\"(?:token|listenToken)\":\s?\"([^\"]{8,})\""),
    "listenKey": re.compile(rb"\"listenKey\":\s?\"([^\"]{8,})\""),
}
_TEXT = 1


class WireTap:
    """Give `hear` to `sim.network().watch`, then ask `found`."""

    def __init__(self) -> None:
        self._streams: dict[tuple[int, object], bytearray] = defaultdict(bytearray)

    def hear(self, packet: Packet) -> None:
        self._streams[packet.connection, packet.source] += packet.data

    def found(self) -> dict[str, set[str]]:
        """Each secret that went over the wire, by its kind."""
        found: dict[str, set[str]] = defaultdict(set)
        for stream in self._streams.values():
            head, _, frames = bytes(stream).partition(b"\r\n\r\n")
            is_socket = b"pgrade: websocket" in head
            for text in [bytes(stream), *(_unmasked(frames) if is_socket else ())]:
                for kind, pattern in PATTERNS.items():
                    for match in pattern.finditer(text):
                        value = next(group for group in match.groups() if group)
                        found["signature" if kind == "header" else kind].add(value.decode())
        return found


def _unmasked(frames: bytes) -> list[bytes]:
    """The texts in the frames that are whole."""
    texts, at = [], 0
    while at + 2 <= len(frames):
        kind, size, is_masked = frames[at] & 15, frames[at + 1] & 127, frames[at + 1] >> 7
        at += 2
        more = {126: 2, 127: 8}.get(size, 0)
        if more:
            size = int.from_bytes(frames[at : at + more], "big")
            at += more
        mask = frames[at : at + 4] if is_masked else bytes(4)
        at += 4 if is_masked else 0
        body = frames[at : at + size]
        if len(body) < size or len(mask) < 4:
            break
        if kind == _TEXT:
            texts.append(bytes(byte ^ mask[n % 4] for n, byte in enumerate(body)))
        at += size
    return texts
