"""Trades, ticker and candles over REST. See `_binance_public` for their rows."""

from __future__ import annotations

from outlast.errors import Failure
from outlast.model import Instrument, Plane
from outlast.stream_wire import Candle, PublicTrade, Ticker
from outlast.venues import _binance_public as rows
from outlast.venues.binance_um.limits import costs
from outlast.venues.binance_um.replies import read
from outlast.venues.binance_um.requests import READ_WITHIN_S
from outlast.wire import Lane, WireReply, WireRequest

__all__ = [
    "query_candles",
    "query_ticker",
    "query_trades",
    "read_candles",
    "read_ticker",
    "read_trades",
]


def query_trades(
    instrument: Instrument, *, from_id: int | None, since_ms: int | None
) -> WireRequest:
    params = rows.trade_params(instrument, from_id=from_id, since_ms=since_ms)
    return _public("trades.read", "/fapi/v1/aggTrades", params, instrument)


def read_trades(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> list[PublicTrade] | Failure:
    return read(request, reply, lambda body: rows.trade_rows(body, instrument))


def query_ticker(instrument: Instrument) -> WireRequest:
    params = [("symbol", instrument.venue_symbol)]
    return _public("ticker.read", "/fapi/v1/ticker/24hr", params, instrument)


def read_ticker(request: WireRequest, reply: WireReply, instrument: Instrument) -> Ticker | Failure:
    return read(request, reply, lambda body: rows.ticker_row(body, instrument))


def query_candles(
    instrument: Instrument, *, interval: str, since_ms: int | None, limit: int
) -> WireRequest:
    params = rows.candle_params(instrument, interval=interval, since_ms=since_ms, limit=limit)
    return _public("candles.read", "/fapi/v1/klines", params, instrument)


def read_candles(
    request: WireRequest, reply: WireReply, instrument: Instrument, *, now_ms: int
) -> list[Candle] | Failure:
    interval = dict(request.params)["interval"]
    return read(request, reply, lambda body: rows.candle_rows(body, instrument, interval, now_ms))


def _public(
    name: str, path: str, params: list[tuple[str, str]], instrument: Instrument
) -> WireRequest:
    return WireRequest(
        name=name,
        method="GET",
        path=path,
        params=tuple(params),
        plane=Plane.MARKET_DATA,
        lane=Lane.DATA,
        costs=costs("GET", path, params),
        answer_within_s=READ_WITHIN_S,
        symbol=instrument.symbol,
    )
