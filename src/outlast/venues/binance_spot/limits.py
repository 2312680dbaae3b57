"""What requests cost and what the counters allow.

Windows are aligned to the venue's clock: a 1-minute window starts at :00, a day at 00:00 UTC.
Requests of one IP share the weight, whatever their key; orders of one account share the order
counters, whatever their IP. The venue counts *unfilled* orders and gives them back when they fill;
our own count does not, and its headers may raise it only: too careful at worst.

Since 2026-04-02 an order or cancel that succeeds weighs nothing; whether it will is not known when
it is sent, so its weight of 1 is counted.

Source: Binance spot REST docs, LIMITS, the weight on each endpoint's page, and the changelog of
2026-03-27; faqs/order_count_decrement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.errors import ConfigurationError, Failure
from outlast.venues._binance import UNREADABLE, counter_of, failure_of, read_usage
from outlast.venues.binance_spot.codes import HOLLOW
from outlast.venues.binance_spot.verdicts import classify
from outlast.wire import Cost, Counter, WireReply, WireRequest

__all__ = ["DEPTH_MAX", "costs", "limits", "read_limits", "read_usage"]

_WEIGHT: Final = counter_of("REQUEST_WEIGHT", "MINUTE", 1, 6000)
# The page's own examples; live limits are higher, and exchangeInfo names them.
_ORDERS_10S: Final = counter_of("ORDERS", "SECOND", 10, 50)
_ORDERS_1D: Final = counter_of("ORDERS", "DAY", 1, 160_000)
_REQUESTS_5M: Final = counter_of("RAW_REQUESTS", "MINUTE", 5, 300_000)


def limits(tier: str | None = None) -> tuple[Counter, ...]:
    """The documented counters: `weight_1m` and `requests_5m` by IP, `orders_10s` and `orders_1d`
    by account.

    Raises:
        ConfigurationError: a tier is given; this venue has none.
    """
    if tier is not None:
        raise ConfigurationError(
            f"tier is {tier!r}, but binance-spot has no tiers; leave it out", venue="binance-spot"
        )
    return (_WEIGHT, _ORDERS_10S, _ORDERS_1D, _REQUESTS_5M)


_WEIGHTS: Final[Mapping[tuple[str, str], int]] = {
    ("POST", "/api/v3/order"): 1,
    ("DELETE", "/api/v3/order"): 1,
    ("DELETE", "/api/v3/openOrders"): 1,
    ("PUT", "/api/v3/order/amend/keepPriority"): 4,
    ("GET", "/api/v3/order"): 4,
    ("GET", "/api/v3/account"): 20,
    ("GET", "/api/v3/exchangeInfo"): 20,
    ("GET", "/api/v3/time"): 1,
    ("GET", "/api/v3/aggTrades"): 4,
    ("GET", "/api/v3/klines"): 2,
}
"""Where it does not depend on the parameters."""

_WEIGHTS_BY_PARAMETER: Final[Mapping[tuple[str, str], tuple[str, int, int]]] = {
    ("GET", "/api/v3/openOrders"): ("symbol", 6, 80),
    ("GET", "/api/v3/ticker/bookTicker"): ("symbol", 2, 4),
    ("GET", "/api/v3/ticker/24hr"): ("symbol", 2, 80),
    ("GET", "/api/v3/myTrades"): ("orderId", 5, 20),
}
"""The parameter that decides, the weight with it, and without."""

_DEPTH_WEIGHTS: Final[tuple[tuple[int, int], ...]] = ((100, 5), (500, 25), (1000, 50), (5000, 250))
"""Levels a side up to which a book snapshot has a weight."""
DEPTH_MAX: Final = 5000

_NEW_ORDER: Final = ("POST", "/api/v3/order")


def costs(method: str, path: str, params: Sequence[tuple[str, str]]) -> tuple[Cost, ...]:
    """What one attempt takes from which counter. It is spent at sending, answered or not."""
    weight = Cost(_WEIGHT.name, _weight(method, path, dict(params)))
    request = Cost(_REQUESTS_5M.name, 1)
    if (method, path) == _NEW_ORDER:
        return (weight, request, Cost(_ORDERS_10S.name, 1), Cost(_ORDERS_1D.name, 1))
    return (weight, request)


def _weight(method: str, path: str, params: Mapping[str, str]) -> int:
    if path == "/api/v3/depth":
        levels = int(params["limit"])
        return next(weight for up_to, weight in _DEPTH_WEIGHTS if levels <= up_to)
    if (method, path) in _WEIGHTS_BY_PARAMETER:
        name, given, missing = _WEIGHTS_BY_PARAMETER[method, path]
        return given if name in params else missing
    return _WEIGHTS[method, path]


class _Limit(msgspec.Struct, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class _ExchangeLimits(msgspec.Struct, rename="camel"):
    rate_limits: list[_Limit]


def read_limits(request: WireRequest, reply: WireReply) -> tuple[Counter, ...] | Failure:
    """The counters that exchangeInfo names, and the documented ones that it leaves out.

    Keeping those is too careful at worst. Kinds of limit that are new come under their own name.
    """
    failure = classify(request, reply)
    if failure is not None:
        return failure
    try:
        rows = msgspec.json.decode(reply.body, type=_ExchangeLimits).rate_limits
        named = [counter_of(r.rate_limit_type, r.interval, r.interval_num, r.limit) for r in rows]
    except UNREADABLE as error:
        return failure_of(request, reply, HOLLOW, message=f"rateLimits: {error}")
    found = {counter.name: counter for counter in (*limits(), *named)}
    return tuple(found.values())
