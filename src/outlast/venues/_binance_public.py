"""Trades, ticker and candles of both Binance products over REST: their rows are the same.

Source: Binance spot docs, rest-api.md, "Compressed/Aggregate trades list", "24hr ticker price
change statistics", "Kline/Candlestick data"; USD-M futures docs, the pages of the same names.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from outlast.model import Instrument
from outlast.stream_wire import Candle, PublicTrade, Ticker
from outlast.venues._binance_rows import Row, check_amount, decode
from outlast.venues._binance_streams import check_interval, side_of_taker

__all__ = [
    "CANDLES_MAX",
    "TRADES_MAX",
    "candle_params",
    "candle_rows",
    "ticker_row",
    "trade_params",
    "trade_rows",
]

TRADES_MAX: Final = 1000
CANDLES_MAX: Final = 1000

Params = list[tuple[str, str]]


def trade_params(instrument: Instrument, *, from_id: int | None, since_ms: int | None) -> Params:
    params = [("symbol", instrument.venue_symbol)]
    if from_id is not None:
        params.append(("fromId", str(from_id)))
    elif since_ms is not None:
        params.append(("startTime", str(since_ms)))
    return [*params, ("limit", str(TRADES_MAX))]


class _AggTrade(Row):
    a: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


def trade_rows(body: bytes, instrument: Instrument) -> list[PublicTrade]:
    return [
        PublicTrade(
            instrument.symbol, row.a, row.p, row.q, side_of_taker(buyer_is_maker=row.m), row.T
        )
        for row in decode(body, list[_AggTrade])
    ]


class _DayTicker(Row):
    last_price: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    close_time: int
    bid_price: Decimal | None = None
    ask_price: Decimal | None = None


def ticker_row(body: bytes, instrument: Instrument) -> Ticker:
    row = decode(body, _DayTicker)
    return Ticker(
        instrument.symbol,
        last_price=row.last_price,
        bid_price=row.bid_price,
        ask_price=row.ask_price,
        open_price=row.open_price,
        high_price=row.high_price,
        low_price=row.low_price,
        base_volume=row.volume,
        venue_time_ms=row.close_time,
    )


def candle_params(
    instrument: Instrument, *, interval: str, since_ms: int | None, limit: int
) -> Params:
    params = [("symbol", instrument.venue_symbol), ("interval", check_interval(interval))]
    if since_ms is not None:
        params.append(("startTime", str(since_ms)))
    return [*params, ("limit", str(max(1, min(limit, CANDLES_MAX))))]


def candle_rows(body: bytes, instrument: Instrument, interval: str, now_ms: int) -> list[Candle]:
    return [_candle(row, instrument, interval, now_ms) for row in decode(body, list[list[Any]])]


def _candle(row: list[Any], instrument: Instrument, interval: str, now_ms: int) -> Candle:
    if len(row) < 9:
        raise ValueError(f"candle {row!r:.80}")
    amounts = [Decimal(text) for text in row[1:6]]
    for amount in amounts:
        check_amount("candle", amount)
    return Candle(
        instrument.symbol,
        interval,
        int(row[0]),
        amounts[0],
        amounts[1],
        amounts[2],
        amounts[3],
        base_volume=amounts[4],
        trade_count=int(row[8]),
        is_closed=int(row[6]) < now_ms,
    )
