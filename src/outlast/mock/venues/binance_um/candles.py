"""Klines and the 24-hour ticker, made of the venue's own public trades.

They begin where the venue's tape begins: the mock has no market before its scenario starts.
Source: Binance USD-M futures docs, Kline/Candlestick Data, 24hr Ticker Price Change Statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import Instrument
from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.figures import decimals, fixed
from outlast.mock.venues.binance_um.ledger import MINUTE_MS, Bar, Ledger
from outlast.mock.venues.binance_um.order_views import price_places
from outlast.mock.venues.binance_um.questions import Given, Question

__all__ = ["INTERVALS", "bar_at", "closes_ms", "klines", "rolling_day", "ticker_24hr"]

_HOUR_MS: Final = 60 * MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_WEEK_MS: Final = 7 * _DAY_MS
_MONDAY_MS: Final = 4 * _DAY_MS
"""The epoch was a Thursday; weeks start on Mondays."""
_MONTH: Final = "1M"
_LENGTHS: Final[Mapping[str, int]] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": _HOUR_MS,
    "2h": 2 * _HOUR_MS,
    "4h": 4 * _HOUR_MS,
    "6h": 6 * _HOUR_MS,
    "8h": 8 * _HOUR_MS,
    "12h": 12 * _HOUR_MS,
    "1d": _DAY_MS,
    "3d": 3 * _DAY_MS,
    "1w": _WEEK_MS,
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

INTERVALS: Final = frozenset({*_LENGTHS, _MONTH})


def klines(q: Question, ledger: Ledger) -> Given:
    """List bars of the asked interval, oldest first; quiet stretches carry the last price on."""
    instrument = q.instrument()
    interval = q.params.need("interval")
    if interval not in _LENGTHS and interval != _MONTH:
        raise VenueRefusal(-1120)
    limit = q.params.limit(500, 1500)
    since_ms, until_ms = q.params.whole("startTime"), q.params.whole("endTime")
    if since_ms is not None and until_ms is not None and since_ms > until_ms:
        raise VenueRefusal(-1023)
    first_ms = ledger.first_ms(instrument.symbol)
    if first_ms is None:
        return Given([])
    start, after = _calendar(interval)
    last_ms = q.engine.now_ms if until_ms is None else min(until_ms, q.engine.now_ms)
    opens_ms = start(first_ms)
    if since_ms is not None:
        while opens_ms < since_ms and opens_ms <= last_ms:
            opens_ms = after(opens_ms)
    starts: list[int] = []
    while opens_ms <= last_ms:
        starts.append(opens_ms)
        opens_ms = after(opens_ms)
    chosen = starts[:limit] if since_ms is not None else starts[-limit:]
    bars = _bars(ledger, instrument.symbol, chosen, after)
    return Given([_row(bar, after(bar.start_ms) - 1, instrument) for bar in bars])


def bar_at(ledger: Ledger, symbol: str, interval: str, at_ms: int, last: Decimal) -> Bar:
    """Give the bar that an instant lies in, as far as it has come; `last` stands in for a trade."""
    start, after = _calendar(interval)
    opens_ms = start(at_ms)
    bar = Bar.still(opens_ms, ledger.close_before(symbol, opens_ms) or last)
    for minute in ledger.minutes(symbol, opens_ms):
        if minute.start_ms < after(opens_ms):
            bar.join(minute)
    return bar


def closes_ms(interval: str, opens_ms: int) -> int:
    """Give the last millisecond of a bar."""
    return _calendar(interval)[1](opens_ms) - 1


def _bars(ledger: Ledger, symbol: str, starts: list[int], after: Callable[[int], int]) -> list[Bar]:
    if not starts:
        return []
    minutes = ledger.minutes(symbol, starts[0])
    price = ledger.close_before(symbol, starts[0])
    if price is None:
        price = minutes[0].open
    bars: list[Bar] = []
    index = 0
    for opens_ms in starts:
        bar, ends_ms = Bar.still(opens_ms, price), after(opens_ms)
        while index < len(minutes) and minutes[index].start_ms < ends_ms:
            bar.join(minutes[index])
            index += 1
        bars.append(bar)
        price = bar.close
    return bars


def _calendar(interval: str) -> tuple[Callable[[int], int], Callable[[int], int]]:
    """Give two functions: the start of the bar an instant lies in, and the start of the next."""
    if interval == _MONTH:
        return _month_start, lambda start_ms: _month_start(start_ms + 32 * _DAY_MS)
    length_ms = _LENGTHS[interval]
    offset_ms = _MONDAY_MS if interval == "1w" else 0
    return (
        lambda at_ms: at_ms - (at_ms - offset_ms) % length_ms,
        lambda start_ms: start_ms + length_ms,
    )


def _month_start(at_ms: int) -> int:
    day = _EPOCH + timedelta(milliseconds=at_ms)
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    return (first - _EPOCH) // timedelta(milliseconds=1)


def _row(bar: Bar, closes_ms: int, instrument: Instrument) -> list[object]:
    price, qty = price_places(instrument), decimals(instrument.qty_step)
    return [
        bar.start_ms,
        fixed(bar.open, price),
        fixed(bar.high, price),
        fixed(bar.low, price),
        fixed(bar.close, price),
        fixed(bar.qty, qty),
        closes_ms,
        fixed(bar.quote, 5),
        bar.count,
        fixed(bar.bought, qty),
        fixed(bar.bought_quote, 5),
        "0",
    ]


def ticker_24hr(q: Question, ledger: Ledger) -> Given:
    """Sum up the last 24 hours, for one symbol or all; the window moves in whole minutes."""
    rows = [_day(q, ledger, instrument) for instrument in q.instruments()]
    return Given(rows[0] if "symbol" in q.params else rows)


def rolling_day(ledger: Ledger, symbol: str, now_ms: int, last: Decimal) -> Bar:
    """Give the last 24 hours as one bar; they begin with a whole minute."""
    opens_ms = (now_ms - _DAY_MS) // MINUTE_MS * MINUTE_MS + MINUTE_MS
    day = Bar.still(opens_ms, ledger.close_before(symbol, opens_ms) or last)
    for minute in ledger.minutes(symbol, opens_ms):
        day.join(minute)
    return day


def _day(q: Question, ledger: Ledger, instrument: Instrument) -> dict[str, object]:
    symbol, now_ms = instrument.symbol, q.engine.now_ms
    price, qty = price_places(instrument), decimals(instrument.qty_step)
    last = q.engine.last_price(symbol)
    day = rolling_day(ledger, symbol, now_ms, last)
    change = last - day.open
    average = day.quote / day.qty if day.qty else Decimal(0)
    return {
        "symbol": symbol,
        "priceChange": fixed(change, price),
        "priceChangePercent": fixed(change / day.open * 100, 3),
        "weightedAvgPrice": fixed(average, price),
        "lastPrice": fixed(last, price),
        "lastQty": fixed(day.last_qty, qty),
        "openPrice": fixed(day.open, price),
        "highPrice": fixed(day.high, price),
        "lowPrice": fixed(day.low, price),
        "volume": fixed(day.qty, qty),
        "quoteVolume": fixed(day.quote, 2),
        "openTime": day.start_ms,
        "closeTime": now_ms,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.count,
    }
