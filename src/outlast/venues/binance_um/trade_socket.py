"""Orders for Binance USD-M futures over their WebSocket API: the same requests under other names.

Source: Binance USD-M futures docs, WebSocket API: New Order, Modify Order, Cancel Order, New Algo
Order, Cancel Algo Order; 2026-09. Cancels of several orders, or of all of a symbol, go over REST.
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

DIAL_COSTS: Final = (Cost("weight_1m", 5),)

frame = Frames(
    {
        ("POST", "/fapi/v1/order"): "order.place",
        ("DELETE", "/fapi/v1/order"): "order.cancel",
        ("PUT", "/fapi/v1/order"): "order.modify",
        ("POST", "/fapi/v1/algoOrder"): "algoOrder.place",
        ("DELETE", "/fapi/v1/algoOrder"): "algoOrder.cancel",
    }
).frame


def trade_url(base_url: str) -> str:
    return f"{base_url}/ws-fapi/v1"
