"""What a request costs in the venue's counters, and the headers that tell.

Source: Binance USD-M futures docs, General Info ("LIMITS") and the "Request Weight" of each page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from outlast.mock.limits import Charge, LimitKind, LimitWindow, Usage
from outlast.mock.venues.binance_um.routes import Route, find
from outlast.mock.venues.dialect import Call, WireAnswer

__all__ = ["WINDOWS", "charge", "order_headers", "rate_limits", "weight_headers"]

WINDOWS: Final[tuple[LimitWindow, ...]] = (
    LimitWindow(name="1M", kind=LimitKind.WEIGHT, interval_s=60, limit=2400),
    LimitWindow(name="1M", kind=LimitKind.ORDERS, interval_s=60, limit=1200),
    LimitWindow(name="10S", kind=LimitKind.ORDERS, interval_s=10, limit=300),
)

_INTERVALS: Final[Mapping[int, tuple[str, int]]] = {10: ("SECOND", 10), 60: ("MINUTE", 1)}
_TYPES: Final[Mapping[LimitKind, str]] = {
    LimitKind.WEIGHT: "REQUEST_WEIGHT",
    LimitKind.ORDERS: "ORDERS",
}


def charge(call: Call | None) -> Charge:
    """Give the cost of one request; a path that the venue does not have costs 1."""
    route = None if call is None else find(call.message.method, call.message.path)
    if call is None or route is None:
        return Charge(weight=1)
    weight = _WEIGHTS[route.name](call.params) if route.name in _WEIGHTS else route.weight
    if route.name == "batch_new":
        # A batch is five orders for the ten-second counter and one for the minute's.
        return Charge(weight=weight, orders_by_window={"10S": route.orders, "1M": 1})
    return Charge(weight=weight, orders=route.orders)


def rate_limits(windows: tuple[LimitWindow, ...], *kinds: LimitKind) -> list[dict[str, object]]:
    """Write counters as `exchangeInfo.rateLimits` does."""
    rows: list[dict[str, object]] = []
    for window in windows:
        if window.kind in kinds:
            interval, number = _INTERVALS[window.interval_s]
            rows.append(
                {
                    "rateLimitType": _TYPES[window.kind],
                    "interval": interval,
                    "intervalNum": number,
                    "limit": window.limit,
                }
            )
    return rows


def weight_headers(usage: Usage) -> tuple[tuple[str, str], ...]:
    """Give the headers of every answer: the address's weight in this minute, in both spellings."""
    used = str(usage.weight.get("1M", 0))
    return (("X-MBX-USED-WEIGHT", used), ("X-MBX-USED-WEIGHT-1M", used))


def order_headers(
    answer: WireAnswer, route: Route | None, usage: Usage
) -> tuple[tuple[str, str], ...]:
    """Give the order counters: on successful order answers only."""
    if route is None or not route.orders or answer.status != 200:
        return ()
    return tuple(
        (f"X-MBX-ORDER-COUNT-{name}", str(usage.orders[name]))
        for name in ("10S", "1M")
        if name in usage.orders
    )


def _depth(params: Mapping[str, str]) -> int:
    limit = _number(params, 500)
    return next((weight for top, weight in ((50, 2), (100, 5), (500, 10)) if limit <= top), 20)


def _klines(params: Mapping[str, str]) -> int:
    limit = _number(params, 500)
    return next((weight for top, weight in ((99, 1), (499, 2), (1000, 5)) if limit <= top), 10)


def _number(params: Mapping[str, str], default: int) -> int:
    text = params.get("limit", "")
    return int(text) if text.isascii() and text.isdigit() else default


def _by_symbol(one: int, all_of_them: int) -> Callable[[Mapping[str, str]], int]:
    return lambda params: one if params.get("symbol") else all_of_them


_WEIGHTS: Final[Mapping[str, Callable[[Mapping[str, str]], int]]] = {
    "depth": _depth,
    "klines": _klines,
    "premium_index": _by_symbol(1, 10),
    "ticker_24hr": _by_symbol(1, 40),
    "ticker_price": _by_symbol(1, 2),
    "book_ticker": _by_symbol(2, 5),
    "open_orders": _by_symbol(1, 40),
    "open_algos": _by_symbol(1, 40),
    "trading_status": _by_symbol(1, 10),
}
