"""What a request costs in the venue's counters, and the headers that tell.

Source: Binance spot API docs, rest-api.md ("LIMITS", the weight of each endpoint) and its change
log of 2026-03-27: from 2026-04-02 on, placing and cancelling weigh nothing when they succeed, and
RAW_REQUESTS is 300,000 in five minutes; faqs/order_count_decrement.md: the order counters count
unfilled orders, a first fill gives 1 back to a taker and 5 to a maker. The ORDERS limits are those
of a recorded exchangeInfo.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from outlast.mock.limits import Charge, LimitKind, LimitWindow, Usage
from outlast.mock.venues.binance_spot.routes import Route, route_of
from outlast.mock.venues.dialect import Call, WireAnswer

__all__ = [
    "FREE_ON_SUCCESS",
    "WINDOWS",
    "charge",
    "interval_of",
    "order_headers",
    "rate_limits",
    "weigh",
    "weight_headers",
]

WINDOWS: Final[tuple[LimitWindow, ...]] = (
    LimitWindow(name="1M", kind=LimitKind.WEIGHT, interval_s=60, limit=6000),
    LimitWindow(
        name="10S", kind=LimitKind.ORDERS, interval_s=10, limit=100, taker_back=1, maker_back=5
    ),
    LimitWindow(
        name="1D",
        kind=LimitKind.ORDERS,
        interval_s=86_400,
        limit=200_000,
        taker_back=1,
        maker_back=5,
    ),
    LimitWindow(name="5M", kind=LimitKind.RAW, interval_s=300, limit=300_000),
)

FREE_ON_SUCCESS: Final = frozenset({"order_new", "order_cancel", "cancel_all", "cancel_replace"})
"""What weighs nothing once it has succeeded."""

_INTERVALS: Final[Mapping[str, tuple[str, int]]] = {
    "1M": ("MINUTE", 1),
    "10S": ("SECOND", 10),
    "1D": ("DAY", 1),
    "5M": ("MINUTE", 5),
}
_TYPES: Final[Mapping[LimitKind, str]] = {
    LimitKind.WEIGHT: "REQUEST_WEIGHT",
    LimitKind.ORDERS: "ORDERS",
    LimitKind.RAW: "RAW_REQUESTS",
}


def charge(call: Call | None) -> Charge:
    """Give the cost of one request; a path that the venue does not have costs 1."""
    if call is None:
        return Charge(weight=1)
    route = route_of(call)
    return Charge(weight=weigh(route, call.params), orders=route.orders)


def weigh(route: Route, params: Mapping[str, str]) -> int:
    """Give the weight of a call with these parameters."""
    return _WEIGHTS[route.name](params) if route.name in _WEIGHTS else route.weight


def rate_limits(
    windows: tuple[LimitWindow, ...], *kinds: LimitKind, usage: Usage | None = None
) -> list[dict[str, object]]:
    """Write counters as `exchangeInfo.rateLimits` does; with `usage`, where they stand, too."""
    rows: list[dict[str, object]] = []
    for window in windows:
        if window.kind not in kinds:
            continue
        interval, number = _INTERVALS[window.name]
        row: dict[str, object] = {
            "rateLimitType": _TYPES[window.kind],
            "interval": interval,
            "intervalNum": number,
            "limit": window.limit,
        }
        if usage is not None:
            counts = usage.orders if window.kind is LimitKind.ORDERS else usage.weight
            row["count"] = counts.get(window.name, 0)
        rows.append(row)
    return rows


def interval_of(window: LimitWindow) -> str:
    """Write a window's length as the error texts do: `10 SECOND`."""
    interval, number = _INTERVALS[window.name]
    return f"{number} {interval}"


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
        for name in ("10S", "1D")
        if name in usage.orders
    )


def _depth(params: Mapping[str, str]) -> int:
    text = params.get("limit", "")
    limit = int(text) if text.isascii() and text.isdigit() else 100
    return next((weight for top, weight in ((100, 5), (500, 25), (1000, 50)) if limit <= top), 250)


def _symbols(params: Mapping[str, str]) -> int | None:
    """How many symbols are asked for; None: all of them."""
    if params.get("symbol"):
        return 1
    try:
        named = json.loads(params.get("symbols", ""))
    except ValueError:
        return None
    return len(named) if isinstance(named, list) else None


def _one_or_more(one: int, more: int) -> Callable[[Mapping[str, str]], int]:
    return lambda params: one if params.get("symbol") else more


def _day_ticker(params: Mapping[str, str]) -> int:
    count = _symbols(params)
    if count is None or count > 100:
        return 80
    return 2 if count <= 20 else 40


def _by_count(params: Mapping[str, str]) -> int:
    """4 for each symbol, 200 at the most."""
    return min(200, 4 * (_symbols(params) or 1))


def _my_trades(params: Mapping[str, str]) -> int:
    return 5 if params.get("orderId") else 20


def _order_test(params: Mapping[str, str]) -> int:
    return 20 if params.get("computeCommissionRates", "").lower() == "true" else 1


_WEIGHTS: Final[Mapping[str, Callable[[Mapping[str, str]], int]]] = {
    "depth": _depth,
    "ticker": _by_count,
    "ticker_day": _by_count,
    "ticker_24hr": _day_ticker,
    "ticker_price": _one_or_more(2, 4),
    "book_ticker": _one_or_more(2, 4),
    "open_orders": _one_or_more(6, 80),
    "my_trades": _my_trades,
    "order_test": _order_test,
}
