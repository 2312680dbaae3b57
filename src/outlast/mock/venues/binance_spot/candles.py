"""Klines and windows of the tape, made of the venue's own public trades.

They begin where the venue's tape begins: the mock has no market before its scenario starts.
Source: Binance spot API docs, rest-api.md, Kline/Candlestick data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_um.figures import fixed
from outlast.mock.venues.binance_um.ledger import MINUTE_MS, Bar, Ledger

__all__ = [
    "AVERAGE_MINS",
    "INTERVALS",
    "MINUTE_MS",
    "bar_at",
    "change",
    "klines",
    "next_start",
    "row",
    "start_of",
    "summed",
    "time_zone_ms",
]

AVERAGE_MINS: Final = 5
_SECOND_MS: Final = 1000
_HOUR_MS: Final = 60 * MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_MONDAY_MS: Final = 4 * _DAY_MS
"""The epoch was a Thursday; weeks start on Mondays."""
_MONTH: Final = "1M"
INTERVALS: Final = {
    "1s": _SECOND_MS,
    **{f"{n}m": n * MINUTE_MS for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * _HOUR_MS for n in (1, 2, 4, 6, 8, 12)},
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": 7 * _DAY_MS,
    _MONTH: 0,  # by the calendar
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_ZONE: Final = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?\Z")
_WHOLE_TAPE: Final = 1_000_000


def klines(q: Question, ledger: Ledger) -> Given:
    """List bars of the asked interval, oldest first; quiet stretches carry the last price on."""
    symbol = q.instrument().symbol
    interval = q.params.need("interval")
    if interval not in INTERVALS:
        raise SpotRefusal(-1120)
    limit = q.params.top(500, 1000)
    since_ms, until_ms = q.params.whole("startTime"), q.params.whole("endTime")
    offset_ms = time_zone_ms(q)
    now_ms = q.engine.now_ms
    parts = _parts(q.engine, ledger, symbol, interval)
    if not parts:
        return Given([])
    first_ms = start_of(interval, parts[0].start_ms, offset_ms)
    last_ms = now_ms if until_ms is None else min(until_ms, now_ms)
    opens_ms = first_ms
    if since_ms is not None and since_ms > first_ms:
        opens_ms = start_of(interval, min(since_ms, last_ms + 1), offset_ms)
        if opens_ms < since_ms:
            opens_ms = next_start(interval, opens_ms, offset_ms)
    elif interval == "1s":
        opens_ms = max(first_ms, start_of(interval, last_ms, 0) - (limit - 1) * _SECOND_MS)
    starts: list[int] = []
    while opens_ms <= last_ms:
        starts.append(opens_ms)
        if since_ms is not None and len(starts) == limit:
            break
        opens_ms = next_start(interval, opens_ms, offset_ms)
    bars = _bars(parts, interval, starts[-limit:], offset_ms)
    return Given([row(bar, next_start(interval, bar.start_ms, offset_ms) - 1) for bar in bars])


def row(bar: Bar, closes_ms: int) -> list[object]:
    """Write one bar."""
    return [
        bar.start_ms,
        fixed(bar.open),
        fixed(bar.high),
        fixed(bar.low),
        fixed(bar.close),
        fixed(bar.qty),
        closes_ms,
        fixed(bar.quote),
        bar.count,
        fixed(bar.bought),
        fixed(bar.bought_quote),
        "0",
    ]


def bar_at(engine: Engine, ledger: Ledger, symbol: str, interval: str, at_ms: int) -> Bar:
    """Give the bar of the interval that `at_ms` lies in."""
    opens_ms = start_of(interval, at_ms, 0)
    parts = _parts(engine, ledger, symbol, interval)
    if not parts:
        return Bar.still(opens_ms, engine.last_price(symbol))
    return _bars(parts, interval, [opens_ms], 0)[0]


def summed(engine: Engine, ledger: Ledger, symbol: str, opens_ms: int) -> Bar:
    """Sum up the trades since `opens_ms`, in whole minutes."""
    opens_ms = opens_ms // MINUTE_MS * MINUTE_MS
    last = engine.last_price(symbol)
    window = Bar.still(opens_ms, ledger.close_before(symbol, opens_ms) or last)
    for minute in ledger.minutes(symbol, opens_ms):
        window.join(minute)
    return window


def change(window: Bar) -> dict[str, object]:
    """Write how the price moved over a window."""
    moved = window.close - window.open
    average = window.quote / window.qty if window.qty else Decimal(0)
    return {
        "priceChange": fixed(moved),
        "priceChangePercent": fixed(moved / window.open * 100, 3),
        "weightedAvgPrice": fixed(average),
    }


def start_of(interval: str, at_ms: int, offset_ms: int) -> int:
    """Give the start of the bar that an instant lies in; days begin at the offset's midnight."""
    if interval == _MONTH:
        return _month_start(at_ms + offset_ms) - offset_ms
    shift_ms = (_MONDAY_MS if interval == "1w" else 0) - offset_ms
    return at_ms - (at_ms - shift_ms) % INTERVALS[interval]


def next_start(interval: str, start_ms: int, offset_ms: int) -> int:
    if interval == _MONTH:
        return _month_start(start_ms + offset_ms + 32 * _DAY_MS) - offset_ms
    return start_ms + INTERVALS[interval]


def time_zone_ms(q: Question) -> int:
    """Read `timeZone`: `-1:00`, `05:45`, `0`, `8`; from -12:00 to +14:00."""
    text = q.params.text("timeZone")
    if text is None:
        return 0
    match = _TIME_ZONE.match(text)
    if match is None:
        raise VenueRefusal.invalid("timeZone")
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    minutes = -minutes if match[1] == "-" else minutes
    if not -12 * 60 <= minutes <= 14 * 60 or int(match[3] or 0) > 59:
        raise VenueRefusal.invalid("timeZone")
    return minutes * MINUTE_MS


def _parts(engine: Engine, ledger: Ledger, symbol: str, interval: str) -> list[Bar]:
    """What the bars are put together from: minutes, or for `1s` the tape's own seconds."""
    if interval != "1s":
        return ledger.minutes(symbol, 0)
    seconds: list[Bar] = []
    for trade in engine.tape(symbol, _WHOLE_TAPE):
        start_ms = trade.at_ms // _SECOND_MS * _SECOND_MS
        if not seconds or seconds[-1].start_ms < start_ms:
            seconds.append(Bar.still(start_ms, trade.price))
        seconds[-1].add(trade)
    return seconds


def _bars(parts: list[Bar], interval: str, starts: Iterable[int], offset_ms: int) -> list[Bar]:
    bars: list[Bar] = []
    index, price = 0, parts[0].open
    for opens_ms in starts:
        ends_ms = next_start(interval, opens_ms, offset_ms)
        while index < len(parts) and parts[index].start_ms < opens_ms:
            price = parts[index].close
            index += 1
        bar = Bar.still(opens_ms, price)
        while index < len(parts) and parts[index].start_ms < ends_ms:
            bar.join(replace(parts[index]))
            index += 1
        bars.append(bar)
        price = bar.close
    return bars


def _month_start(at_ms: int) -> int:
    day = _EPOCH + timedelta(milliseconds=at_ms)
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    return (first - _EPOCH) // timedelta(milliseconds=1)
