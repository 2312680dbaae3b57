"""Trades, ticker and candles over REST.

Source: Kraken docs, Get Recent Trades, Get Ticker Information, Get OHLC Data, read 2026-05-27.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from outlast.errors import Failure
from outlast.model import Instrument, Plane, Side
from outlast.stream_wire import Candle, PublicTrade, Ticker
from outlast.venues._answers import check_amount
from outlast.venues.kraken_spot.limits import costs
from outlast.venues.kraken_spot.market_streams import INTERVALS_BY_MINUTES, minutes_of
from outlast.venues.kraken_spot.replies import decode, read
from outlast.venues.kraken_spot.requests import READ_WITHIN_S
from outlast.wire import Lane, WireReply, WireRequest

__all__ = [
    "query_candles",
    "query_ticker",
    "query_trades",
    "read_candles",
    "read_ticker",
    "read_trades",
]

_TRADES_MAX: Final = 1000


def query_trades(
    instrument: Instrument, *, from_id: int | None, since_ms: int | None
) -> WireRequest:
    """REST knows no trade ids: trades after an instant, or the latest."""
    params = [("pair", instrument.venue_symbol), ("count", str(_TRADES_MAX))]
    if since_ms is not None:
        params.append(("since", str(since_ms * 1_000_000)))
    return _public("trades.read", "Trades", params, instrument)


def read_trades(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> list[PublicTrade] | Failure:
    def values(result: msgspec.Raw) -> list[PublicTrade]:
        given = decode(result, dict[str, msgspec.Raw])
        rows = next(iter(each for name, each in given.items() if name != "last"))
        return [_rest_trade(row, instrument) for row in decode(rows, list[tuple[Any, ...]])]

    return read(request, reply, values)


def _rest_trade(row: tuple[Any, ...], instrument: Instrument) -> PublicTrade:
    price, qty = Decimal(row[0]), Decimal(row[1])
    check_amount("price", price)
    check_amount("volume", qty)
    if len(row) < 7 or row[3] not in {"b", "s"}:
        raise ValueError(f"trade {row!r:.80}")
    side = Side.BUY if row[3] == "b" else Side.SELL
    return PublicTrade(
        instrument.symbol, int(row[6]), price, qty, side, round(float(row[2]) * 1000)
    )


def query_ticker(instrument: Instrument) -> WireRequest:
    return _public("ticker.read", "Ticker", [("pair", instrument.venue_symbol)], instrument)


class _RestTicker(msgspec.Struct):
    a: tuple[Decimal, msgspec.Raw, msgspec.Raw]
    b: tuple[Decimal, msgspec.Raw, msgspec.Raw]
    c: tuple[Decimal, Decimal]
    v: tuple[Decimal, Decimal]
    h: tuple[Decimal, Decimal]
    l: tuple[Decimal, Decimal]  # noqa: E741 - the venue's name
    o: Decimal


def read_ticker(request: WireRequest, reply: WireReply, instrument: Instrument) -> Ticker | Failure:
    """Of the last 24 hours, but for the open, which is today's."""

    def values(result: msgspec.Raw) -> Ticker:
        given = decode(result, dict[str, _RestTicker])
        row = next(iter(given.values()))
        amounts = (row.a[0], row.b[0], *row.c, *row.v, *row.h, *row.l, row.o)
        for amount in amounts:
            check_amount("ticker", amount)
        return Ticker(
            instrument.symbol,
            last_price=row.c[0],
            bid_price=row.b[0],
            ask_price=row.a[0],
            open_price=row.o,
            high_price=row.h[1],
            low_price=row.l[1],
            base_volume=row.v[1],
            venue_time_ms=None,
        )

    return read(request, reply, values)


def query_candles(
    instrument: Instrument, *, interval: str, since_ms: int | None, limit: int
) -> WireRequest:
    """At most the last 720, whatever `limit` and `since_ms` say."""
    params = [("pair", instrument.venue_symbol), ("interval", str(minutes_of(interval)))]
    if since_ms is not None:
        params.append(("since", str(since_ms // 1000 - 1)))  # later than, not from
    return _public("candles.read", "OHLC", params, instrument)


def read_candles(
    request: WireRequest, reply: WireReply, instrument: Instrument, *, now_ms: int
) -> list[Candle] | Failure:
    interval = dict(request.params)["interval"]
    length_ms = int(interval) * 60_000

    def values(result: msgspec.Raw) -> list[Candle]:
        given = decode(result, dict[str, msgspec.Raw])
        rows = next(iter(each for name, each in given.items() if name != "last"))
        return [
            _rest_candle(row, instrument, INTERVALS_BY_MINUTES[int(interval)], length_ms, now_ms)
            for row in decode(rows, list[tuple[Any, ...]])
        ]

    return read(request, reply, values)


def _rest_candle(
    row: tuple[Any, ...], instrument: Instrument, interval: str, length_ms: int, now_ms: int
) -> Candle:
    if len(row) < 8:
        raise ValueError(f"candle {row!r:.80}")
    opens_at_ms = int(row[0]) * 1000
    amounts = [Decimal(text) for text in (*row[1:5], row[6])]
    for amount in amounts:
        check_amount("candle", amount)
    return Candle(
        instrument.symbol,
        interval,
        opens_at_ms,
        amounts[0],
        amounts[1],
        amounts[2],
        amounts[3],
        base_volume=amounts[4],
        trade_count=int(row[7]),
        is_closed=opens_at_ms + length_ms <= now_ms,
    )


def _public(
    name: str, method: str, params: list[tuple[str, str]], instrument: Instrument
) -> WireRequest:
    path = f"/0/public/{method}"
    return WireRequest(
        name=name,
        method="GET",
        path=path,
        params=tuple(params),
        plane=Plane.MARKET_DATA,
        lane=Lane.DATA,
        costs=costs(path),
        answer_within_s=READ_WITHIN_S,
        symbol=instrument.symbol,
    )
