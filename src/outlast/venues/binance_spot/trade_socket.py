"""Orders for Binance spot over its WebSocket API: the same requests under other names.

Source: Binance spot docs, web-socket-api.md, "Trading requests", 2026-07.
"""

from __future__ import annotations

from typing import Final

from outlast.venues._binance_trade_socket import (
    NEEDS_TICKET,
    PING,
    SILENCE_LIMIT_S,
    Frames,
    greeting,
    read_answer,
    refuses_ticket,
)
from outlast.wire import Cost

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

DIAL_COSTS: Final = (Cost("weight_1m", 2), Cost("requests_5m", 1))

frame = Frames(
    {
        ("POST", "/api/v3/order"): "order.place",
        ("DELETE", "/api/v3/order"): "order.cancel",
        ("PUT", "/api/v3/order/amend/keepPriority"): "order.amend.keepPriority",
        ("DELETE", "/api/v3/openOrders"): "openOrders.cancelAll",
    }
).frame


def trade_url(base_url: str) -> str:
    return f"{base_url}/ws-api/v3"
