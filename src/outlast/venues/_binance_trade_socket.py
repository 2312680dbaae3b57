"""Orders over Binance's WebSocket API, as both products take them: REST's, by other names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.private_wire import SocketAnswer, Ticket
from outlast.venues._binance_sockets import read_answer, signed
from outlast.wire import WireRequest

__all__ = [
    "NEEDS_TICKET",
    "PING",
    "SILENCE_LIMIT_S",
    "Frames",
    "greeting",
    "read_answer",
    "refuses_ticket",
]

NEEDS_TICKET: Final = False
SILENCE_LIMIT_S: Final[float | None] = None
"""The venue speaks when something happens; its pings, and ours, are of the protocol."""
PING: Final[bytes | None] = None


def greeting(ticket: Ticket | None) -> bytes | None:
    """None: each request is signed by itself."""
    return None


def refuses_ticket(answer: SocketAnswer) -> bool:
    """False: there is none."""
    return False


class Frames:
    """Makes the frames of one product.

    `methods` names those of its requests that the socket takes, by REST's method and path.
    """

    def __init__(self, methods: Mapping[tuple[str, str], str]) -> None:
        self._methods = methods

    def frame(
        self,
        request: WireRequest,
        *,
        number: int,
        key: str,
        secret: str,
        ticket: Ticket | None,
        timestamp_ms: int,
        valid_for_ms: int,
    ) -> bytes | None:
        """`request`, signed, as one message; None where the venue takes it over REST only."""
        method = self._methods.get((request.method, request.path))
        if method is None:
            return None
        return signed(
            method,
            request.params,
            number=number,
            key=key,
            secret=secret,
            timestamp_ms=timestamp_ms,
            valid_for_ms=valid_for_ms,
        )
