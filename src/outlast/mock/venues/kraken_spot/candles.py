"""Bars and day statistics, made of the venue's own public trades.

They begin where the venue's tape begins: the mock has no market before its scenario starts. A
stretch without a trade carries the last price on. Source: Kraken docs, Get OHLC Data.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from outlast.mock.venues.kraken_spot.ledger import MINUTE_MS, Bar, Ledger

__all__ = ["day_bars", "ohlc_bars"]

_DAY_MS: Final = 86_400_000
_BARS_MAX: Final = 720


def ohlc_bars(ledger: Ledger, symbol: str, interval_min: int, now_ms: int) -> list[Bar]:
    """At most 720 bars up to now, oldest first."""
    first_ms = ledger.first_ms(symbol)
    if first_ms is None:
        return []
    length_ms = interval_min * MINUTE_MS
    last_ms = now_ms // length_ms * length_ms
    start_ms = max(first_ms // length_ms * length_ms, last_ms - (_BARS_MAX - 1) * length_ms)
    minutes = ledger.minutes(symbol, start_ms)
    price = ledger.close_before(symbol, start_ms) or minutes[0].open
    bars, index = [], 0
    for opens_ms in range(start_ms, last_ms + 1, length_ms):
        bar = Bar.still(opens_ms, price)
        while index < len(minutes) and minutes[index].start_ms < opens_ms + length_ms:
            bar.join(minutes[index])
            index += 1
        bars.append(bar)
        price = bar.close
    return bars


def day_bars(ledger: Ledger, symbol: str, now_ms: int, last: Decimal) -> tuple[Bar, Bar]:
    """Since midnight UTC, and the last 24 hours in whole minutes."""
    midnight_ms = now_ms // _DAY_MS * _DAY_MS
    day_ago_ms = (now_ms - _DAY_MS) // MINUTE_MS * MINUTE_MS + MINUTE_MS
    return (
        _sum(ledger, symbol, midnight_ms, last),
        _sum(ledger, symbol, day_ago_ms, last),
    )


def _sum(ledger: Ledger, symbol: str, start_ms: int, last: Decimal) -> Bar:
    whole = Bar.still(start_ms, ledger.close_before(symbol, start_ms) or last)
    for minute in ledger.minutes(symbol, start_ms):
        whole.join(minute)
    return whole
