"""The paths between hosts, and what is wrong with them at the moment."""

from __future__ import annotations

import math
import random
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from outlast.sim.draws import Latency, check_chance, check_seconds

if TYPE_CHECKING:
    from outlast.sim.network import Network

__all__ = [
    "ANY",
    "Direction",
    "Kind",
    "Link",
    "Route",
]

ANY = "*"

RETRANSMIT_FIRST_S = 0.2
"""TCP's shortest wait before it sends again what was lost (Linux, TCP_RTO_MIN); then it doubles."""
LOSSES_IN_A_ROW_MAX = 8
"""0.2 s doubled eight times is 51 s: enough for any story, and a bound for the draw."""


class Direction(IntEnum):
    """Seen from the side that dialled."""

    UP = 0
    DOWN = 1


class Kind(StrEnum):
    """What a segment is."""

    SYN = "SYN"
    SYN_ACK = "SYN-ACK"
    ACK = "ACK"
    DATA = "DATA"
    FIN = "FIN"
    RST = "RST"
    CUT = "CUT"
    """A box on the way resets both ends."""


class Link:
    """What holds on the paths from one host to another (either may be any).

    A value that is None here is taken from a less specific link: destination with port before
    destination before any, then a named source before any. Faults need no such order: a path is
    blocked while any of its links is.

    Values may be changed at any time and count for what is sent from then on.

    Attributes:
        latency: the delay of each segment, each way. A stream keeps its order.
        bandwidth: bytes per second each way, shared by the link's connections; `math.inf` for
            no limit.
        loss: the chance that a segment is lost and sent again. To a program this is a stall of
            the stream: 0.2 s, doubling with each loss in a row. A lost connection request is
            repeated after 1 s, as TCP does.
        cut: the chance, per segment of data, that a box on the way resets both ends instead.
        refuse: the chance that a connection request is answered by a reset.
        black_hole: the chance that a connection request is never answered. What is connected
            already goes on.
        segment_max: the most bytes that arrive in one piece; a small number makes streams
            dribble, which finds readers that take a piece for a message.
    """

    __slots__ = (
        "_blocked_until",
        "_line_free_at",
        "_network",
        "bandwidth",
        "black_hole",
        "cut",
        "latency",
        "loss",
        "refuse",
        "segment_max",
        "source",
        "to",
    )

    def __init__(self, network: Network, source: str, to: str) -> None:
        self.source = source
        self.to = to
        self.latency: Latency | None = None
        self.bandwidth: float | None = None
        self.loss: float | None = None
        self.cut: float | None = None
        self.refuse: float | None = None
        self.black_hole: float | None = None
        self.segment_max: int | None = None
        self._network = network
        self._blocked_until = [-math.inf, -math.inf]
        self._line_free_at = [0.0, 0.0]

    def __setattr__(self, name: str, value: Any) -> None:
        if value is not None:
            if name in {"loss", "cut", "refuse", "black_hole"}:
                check_chance(name, value)
            elif name in {"bandwidth", "segment_max"} and not value > 0:
                raise ValueError(f"{name}: expected more than 0, got {value!r}")
            elif name == "latency" and not callable(value):
                raise ValueError(
                    f"latency: expected a distribution such as sim.fixed(0.02), got {value!r}"
                )
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<Link {self.source} → {self.to}>"

    def stall(self, seconds: float, direction: Direction | None = None) -> None:
        """Let nothing pass for so long; then everything held back arrives. None: both ways."""
        check_seconds("seconds", seconds)
        self._block(self._network.now + seconds, direction)

    def partition(self, direction: Direction | None = None) -> None:
        """Let nothing pass until `heal`: connections hang, requests to connect get no answer."""
        self._block(math.inf, direction)

    def heal(self) -> None:
        """End stalls and partitions of this link; what was held back arrives now."""
        self._blocked_until = [-math.inf, -math.inf]
        self._network.kick()

    def reset(self) -> int:
        """Reset every open connection on this link, both ends at once; give how many."""
        return self._network.reset(self)

    def is_blocked(self, direction: Direction) -> bool:
        return self._blocked_until[direction] > self._network.now

    def _block(self, until: float, direction: Direction | None) -> None:
        for way in Direction if direction is None else (direction,):
            self._blocked_until[way] = max(self._blocked_until[way], until)

    def blocked_until(self, direction: Direction) -> float:
        return self._blocked_until[direction]

    def transmit(self, direction: Direction, size: int, bandwidth: float, now: float) -> float:
        """Occupy the line with `size` bytes; give the seconds until the last one has left."""
        free_at = max(now, self._line_free_at[direction]) + size / bandwidth
        self._line_free_at[direction] = free_at
        return free_at - now


class Route:
    """The path of one source to one destination: its links, most specific first."""

    def __init__(self, links: list[Link], rng: random.Random) -> None:
        self.links = links
        self.rng = rng

    def delay(self, direction: Direction, size: int, now: float) -> float:
        """Draw how long a segment of `size` bytes will take from here to there."""
        seconds = 0.0
        for link in self.links:
            if link.bandwidth is not None:
                if link.bandwidth != math.inf:
                    seconds = link.transmit(direction, size, link.bandwidth, now)
                break
        for link in self.links:
            if link.latency is not None:
                seconds += max(0.0, link.latency(self.rng))
                break
        for link in self.links:
            if link.loss is not None:
                if link.loss > 0:
                    seconds += self._losses(link.loss)
                break
        return seconds

    def _losses(self, loss: float) -> float:
        seconds, wait = 0.0, RETRANSMIT_FIRST_S
        for _ in range(LOSSES_IN_A_ROW_MAX):
            if self.rng.random() >= loss:
                break
            seconds += wait
            wait *= 2
        return seconds

    def happens(self, what: str) -> bool:
        """Draw whether `loss`, `cut`, `refuse` or `black_hole` strikes. No draw where it cannot."""
        for link in self.links:
            chance: float | None = getattr(link, what)
            if chance is not None:
                return chance > 0 and self.rng.random() < chance
        return False

    def segment_max(self) -> int:
        for link in self.links:
            if link.segment_max is not None:
                return link.segment_max
        raise AssertionError("the link from any to any has a segment_max")

    def open_at(self, direction: Direction) -> float:
        """When the path lets something pass: in the past if it does now, inf if nobody knows."""
        return max(link.blocked_until(direction) for link in self.links)
