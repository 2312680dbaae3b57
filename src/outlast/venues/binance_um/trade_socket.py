"""Orders for Binance USD-M futures over their WebSocket API: the same requests under other names.

Source: Binance USD-M futures docs, WebSocket API: New Order, Cancel Order, New Algo Order, Cancel
Algo Order; 2026-09. Cancelling all orders of a symbol goes over REST only.
"""

from __future__ import annotations

from typing import Final

from outlast.private_wire import SocketAnswer, StreamEnding, Ticket
from outlast.venues import _binance_sockets as sockets
from outlast.wire import Cost, WireRequest

__all__ = [
    "DIAL_COSTS",
    "NEEDS_TICKET",
    "PING",
    "SILENCE_LIMIT_S",
    "frame",
    "greeting",
    "read_answer",
    "refuses_ticket",
    "trade_url",
]

NEEDS_TICKET: Final = False
DIAL_COSTS: Final = (Cost("weight_1m", 5),)
SILENCE_LIMIT_S: Final[float | None] = None
"""The venue speaks when something happens; its pings, and ours, are of the protocol."""
PING: Final[bytes | None] = None

_METHODS: Final = {
    ("POST", "/fapi/v1/order"): "order.place",
    ("DELETE", "/fapi/v1/order"): "order.cancel",
    ("POST", "/fapi/v1/algoOrder"): "algoOrder.place",
    ("DELETE", "/fapi/v1/algoOrder"): "algoOrder.cancel",
}


def trade_url(base_url: str) -> str:
    return f"{base_url}/ws-fapi/v1"


def greeting(ticket: Ticket | None) -> bytes | None:
    """None: each request is signed by itself."""
    return None


def frame(
    request: WireRequest,
    *,
    number: int,
    key: str,
    secret: str,
    ticket: Ticket | None,
    timestamp_ms: int,
    valid_for_ms: int,
) -> bytes | None:
    method = _METHODS.get((request.method, request.path))
    if method is None:
        return None
    return sockets.signed(
        method,
        request.params,
        number=number,
        key=key,
        secret=secret,
        timestamp_ms=timestamp_ms,
        valid_for_ms=valid_for_ms,
    )


def read_answer(message: bytes) -> SocketAnswer | StreamEnding | None:
    return sockets.read_answer(message)


def refuses_ticket(answer: SocketAnswer) -> bool:
    """False: there is none."""
    return False
