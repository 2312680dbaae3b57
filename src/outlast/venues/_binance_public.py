"""Trades, ticker and candles of both Binance products over REST: their rows are the same.

Source: Binance spot docs, rest-api.md, "Compressed/Aggregate trades list", "24hr ticker price
change statistics", "Kline/Candlestick data"; USD-M futures docs, the pages of the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from outlast.errors import Failure
from outlast.model import Instrument, Plane
from outlast.stream_wire import Candle, PublicTrade, Ticker
from outlast.venues._binance_rows import Row, check_amount, decode
from outlast.venues._binance_streams import check_interval, side_of_taker
from outlast.wire import Cost, Lane, WireReply, WireRequest

__all__ = ["PublicData"]

TRADES_MAX: Final = 1000
CANDLES_MAX: Final = 1000

Params = list[tuple[str, str]]

T = TypeVar("T")


class Read(Protocol):
    """A product's way to judge an answer before its rows are read."""

    def __call__(
        self, request: WireRequest, reply: WireReply, values: Callable[[bytes], T | Failure]
    ) -> T | Failure: ...


@dataclass(frozen=True, slots=True)
class PublicData:
    """One product's requests for public data, and its answers. See `PublicDataCodec`."""

    root: str
    """What its paths begin with."""
    costs: Callable[[str, str, Params], tuple[Cost, ...]]
    read: Read
    answer_within_s: float

    def query_trades(
        self, instrument: Instrument, *, from_id: int | None, since_ms: int | None
    ) -> WireRequest:
        params = _trade_params(instrument, from_id=from_id, since_ms=since_ms)
        return self._query("trades.read", "aggTrades", params, instrument)

    def read_trades(
        self, request: WireRequest, reply: WireReply, instrument: Instrument
    ) -> Sequence[PublicTrade] | Failure:
        return self.read(request, reply, lambda body: _trade_rows(body, instrument))

    def query_ticker(self, instrument: Instrument) -> WireRequest:
        params = [("symbol", instrument.venue_symbol)]
        return self._query("ticker.read", "ticker/24hr", params, instrument)

    def read_ticker(
        self, request: WireRequest, reply: WireReply, instrument: Instrument
    ) -> Ticker | Failure:
        return self.read(request, reply, lambda body: _ticker_row(body, instrument))

    def query_candles(
        self, instrument: Instrument, *, interval: str, since_ms: int | None, limit: int
    ) -> WireRequest:
        params = _candle_params(instrument, interval=interval, since_ms=since_ms, limit=limit)
        return self._query("candles.read", "klines", params, instrument)

    def read_candles(
        self, request: WireRequest, reply: WireReply, instrument: Instrument, *, now_ms: int
    ) -> Sequence[Candle] | Failure:
        interval = dict(request.params)["interval"]
        return self.read(
            request, reply, lambda body: _candle_rows(body, instrument, interval, now_ms)
        )

    def _query(self, name: str, path: str, params: Params, instrument: Instrument) -> WireRequest:
        path = f"{self.root}/{path}"
        return WireRequest(
            name=name,
            method="GET",
            path=path,
            params=tuple(params),
            plane=Plane.MARKET_DATA,
            lane=Lane.DATA,
            costs=self.costs("GET", path, params),
            answer_within_s=self.answer_within_s,
            symbol=instrument.symbol,
        )


def _trade_params(instrument: Instrument, *, from_id: int | None, since_ms: int | None) -> Params:
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


def _trade_rows(body: bytes, instrument: Instrument) -> list[PublicTrade]:
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


def _ticker_row(body: bytes, instrument: Instrument) -> Ticker:
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


def _candle_params(
    instrument: Instrument, *, interval: str, since_ms: int | None, limit: int
) -> Params:
    params = [("symbol", instrument.venue_symbol), ("interval", check_interval(interval))]
    if since_ms is not None:
        params.append(("startTime", str(since_ms)))
    return [*params, ("limit", str(max(1, min(limit, CANDLES_MAX))))]


def _candle_rows(body: bytes, instrument: Instrument, interval: str, now_ms: int) -> list[Candle]:
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
