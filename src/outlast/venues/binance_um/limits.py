"""What requests cost and what the counters allow.

Windows are aligned to the venue's clock: a 1-minute window starts at :00. Requests of one IP share
the weight, whatever their key; orders of one account share the order counters, whatever their IP.

Source: Binance USD-M futures docs, General Info, "Limits", and the weight on each endpoint's page,
2026-09. `GET /fapi/v1/ticker/bookTicker` answers with a wrong usage header and is not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from outlast.errors import ConfigurationError, Failure
from outlast.venues._binance import UNREADABLE, counter_of, failure_of, read_usage
from outlast.venues.binance_um.codes import HOLLOW, classify
from outlast.wire import Cost, Counter, WireReply, WireRequest

__all__ = ["costs", "limits", "read_limits", "read_usage"]

_WEIGHT: Final = counter_of("REQUEST_WEIGHT", "MINUTE", 1, 2400)
_ORDERS_10S: Final = counter_of("ORDERS", "SECOND", 10, 300)
_ORDERS_1M: Final = counter_of("ORDERS", "MINUTE", 1, 1200)


def limits(tier: str | None = None) -> tuple[Counter, ...]:
    """The documented counters: `weight_1m` by IP, `orders_10s` and `orders_1m` by account.

    Raises:
        ConfigurationError: a tier is given; this venue has none.
    """
    if tier is not None:
        raise ConfigurationError(
            f"tier is {tier!r}, but binance-um has no tiers; leave it out", venue="binance-um"
        )
    return (_WEIGHT, _ORDERS_10S, _ORDERS_1M)


_ONE_ORDER: Final = (Cost(_ORDERS_10S.name, 1), Cost(_ORDERS_1M.name, 1))
_BATCH: Final = (
    Cost(_WEIGHT.name, 5),
    Cost(_ORDERS_10S.name, 5),
    Cost(_ORDERS_1M.name, 1),
)


def _weight(units: int) -> tuple[Cost, ...]:
    return (Cost(_WEIGHT.name, units),)


COSTS: Final[Mapping[tuple[str, str], tuple[Cost, ...]]] = {
    ("POST", "/fapi/v1/order"): _ONE_ORDER,
    ("PUT", "/fapi/v1/order"): _ONE_ORDER,
    ("POST", "/fapi/v1/algoOrder"): _ONE_ORDER,
    ("POST", "/fapi/v1/batchOrders"): _BATCH,
    ("PUT", "/fapi/v1/batchOrders"): _BATCH,
    ("DELETE", "/fapi/v1/batchOrders"): _weight(1),
    ("DELETE", "/fapi/v1/order"): _weight(1),
    ("DELETE", "/fapi/v1/algoOrder"): _weight(1),
    ("DELETE", "/fapi/v1/allOpenOrders"): _weight(1),
    ("DELETE", "/fapi/v1/algoOpenOrders"): _weight(1),
    ("POST", "/fapi/v1/countdownCancelAll"): _weight(10),
    ("GET", "/fapi/v1/order"): _weight(1),
    ("GET", "/fapi/v1/openOrder"): _weight(1),
    ("GET", "/fapi/v1/algoOrder"): _weight(1),
    ("GET", "/fapi/v1/allOrders"): _weight(5),
    ("GET", "/fapi/v1/userTrades"): _weight(5),
    ("GET", "/fapi/v1/income"): _weight(30),
    ("GET", "/fapi/v3/balance"): _weight(5),
    ("GET", "/fapi/v3/account"): _weight(5),
    ("GET", "/fapi/v3/positionRisk"): _weight(5),
    ("GET", "/fapi/v1/rateLimit/order"): _weight(1),
    ("GET", "/fapi/v1/exchangeInfo"): _weight(1),
    ("GET", "/fapi/v1/time"): _weight(1),
    ("GET", "/fapi/v1/ping"): _weight(1),
    ("GET", "/fapi/v1/aggTrades"): _weight(20),
    ("POST", "/fapi/v1/listenKey"): _weight(1),
    ("PUT", "/fapi/v1/listenKey"): _weight(1),
}
"""What one request costs, where that does not depend on its parameters."""

COSTS_BY_SYMBOL: Final[Mapping[tuple[str, str], tuple[int, int]]] = {
    ("GET", "/fapi/v1/openOrders"): (1, 40),
    ("GET", "/fapi/v1/openAlgoOrders"): (1, 40),
    ("GET", "/fapi/v1/premiumIndex"): (1, 10),
    ("GET", "/fapi/v1/ticker/24hr"): (1, 40),
}
"""Weight for one symbol, and for all of them."""

DEPTH_COSTS: Final[Mapping[int, int]] = {5: 2, 10: 2, 20: 2, 50: 2, 100: 5, 500: 10, 1000: 20}
"""Weight of a book snapshot by its depth; there are no other depths."""

_KLINES: Final[tuple[tuple[int, int], ...]] = ((99, 1), (499, 2), (1000, 5), (1500, 10))
"""Candles up to which a read of them has a weight."""


def costs(method: str, path: str, params: Sequence[tuple[str, str]]) -> tuple[Cost, ...]:
    """What one attempt takes from which counter. It is spent at sending, answered or not."""
    known = COSTS.get((method, path))
    if known is not None:
        return known
    given = dict(params)
    if path == "/fapi/v1/depth":
        return _weight(DEPTH_COSTS[int(given["limit"])])
    if path == "/fapi/v1/klines":
        limit = int(given["limit"])
        return _weight(next(weight for up_to, weight in _KLINES if limit <= up_to))
    one, every = COSTS_BY_SYMBOL[method, path]
    return _weight(one if "symbol" in given else every)


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
