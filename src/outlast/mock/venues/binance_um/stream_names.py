"""The names of the market streams: what they carry, how often, and on which route.

Since 2026-04-23 the addresses are split: `/public`, `/market`, `/private`. A subscription on the
wrong route, or to a name that does not exist, is confirmed and stays silent. Source: Binance USD-M
futures docs, WebSocket Market Streams, "Connect"; what the wrong route does: public issue threads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from outlast.mock.venues.binance_um.candles import INTERVALS

__all__ = ["Route", "StreamName", "parse"]


class Route(Enum):
    """Which address a socket was opened at."""

    PUBLIC = "public"
    MARKET = "market"
    PRIVATE = "private"
    ROOT = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamName:
    """One market stream, understood."""

    text: str
    channel: str
    """`depth`, `bookTicker`, `aggTrade`, `trade`, `markPrice`, `kline`, `ticker`, `miniTicker`,
    `forceOrder`, `contractInfo`."""
    route: Route
    symbol: str = ""
    """Upper case; empty for the streams of all symbols."""
    every_ms: int = 0
    """The cadence; 0: as it happens."""
    levels: int = 0
    """Of a partial book; 0: diffs."""
    interval: str = ""
    """Of klines."""
    continuous: bool = False


_SYMBOL: Final = r"(?P<symbol>[a-z0-9]{2,20})"
_PATTERNS: Final[tuple[tuple[re.Pattern[str], str, Route], ...]] = tuple(
    (re.compile(pattern + r"\Z"), channel, route)
    for pattern, channel, route in (
        (
            _SYMBOL + r"@depth(?P<levels>5|10|20)?(?:@(?P<ms>0|100|250|500)ms)?",
            "depth",
            Route.PUBLIC,
        ),
        (_SYMBOL + r"@bookTicker", "bookTicker", Route.PUBLIC),
        (r"!bookTicker", "bookTicker", Route.PUBLIC),
        (_SYMBOL + r"@trade", "trade", Route.PUBLIC),
        (_SYMBOL + r"@aggTrade", "aggTrade", Route.MARKET),
        (_SYMBOL + r"@markPrice(?:@(?P<s>1|3)s)?", "markPrice", Route.MARKET),
        (r"!markPrice@arr(?:@(?P<s>1|3)s)?", "markPrice", Route.MARKET),
        (_SYMBOL + r"@kline_(?P<interval>\w+)", "kline", Route.MARKET),
        (
            _SYMBOL + r"(?P<continuous>_perpetual)@continuousKline_(?P<interval>\w+)",
            "kline",
            Route.MARKET,
        ),
        (_SYMBOL + r"@miniTicker", "miniTicker", Route.MARKET),
        (r"!miniTicker@arr", "miniTicker", Route.MARKET),
        (_SYMBOL + r"@ticker", "ticker", Route.MARKET),
        (r"!ticker@arr", "ticker", Route.MARKET),
        (_SYMBOL + r"@forceOrder", "forceOrder", Route.MARKET),
        (r"!forceOrder@arr", "forceOrder", Route.MARKET),
        (r"!contractInfo", "contractInfo", Route.MARKET),
    )
)

_CADENCES: Final[Mapping[str, int]] = {
    "depth": 250,
    "markPrice": 3000,
    "kline": 250,
    "miniTicker": 500,
    "ticker": 2000,
    "bookTicker": 100,
    "aggTrade": 100,
    "trade": 100,
}
"""How often each is sent when its name does not say. `bookTicker` and `trade` are real-time on the
venue; here they come within a tenth of a second."""


def parse(text: str) -> StreamName | None:
    """Read a stream's name; None when there is no such stream. Symbols must be lower case."""
    for pattern, channel, route in _PATTERNS:
        match = pattern.match(text)
        if match is None:
            continue
        parts = match.groupdict()
        interval = parts.get("interval") or ""
        if interval and interval not in INTERVALS:
            return None
        every_ms = _CADENCES.get(channel, 0)
        if parts.get("ms"):
            every_ms = max(100, int(parts["ms"]))
        elif parts.get("s"):
            every_ms = 1000 * int(parts["s"])
        return StreamName(
            text=text,
            channel=channel,
            route=route,
            symbol=(parts.get("symbol") or "").upper(),
            every_ms=every_ms,
            levels=int(parts.get("levels") or 0),
            interval=interval,
            continuous=bool(parts.get("continuous")),
        )
    return None
