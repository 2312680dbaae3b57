"""Trades, ticker and candles over REST. See `_binance_public`."""

from __future__ import annotations

from outlast.venues._binance_public import PublicData
from outlast.venues.binance_spot.limits import costs
from outlast.venues.binance_spot.replies import read
from outlast.venues.binance_spot.requests import READ_WITHIN_S

__all__ = [
    "query_candles",
    "query_ticker",
    "query_trades",
    "read_candles",
    "read_ticker",
    "read_trades",
]

_data = PublicData("/api/v3", costs, read, READ_WITHIN_S)

query_trades, read_trades = _data.query_trades, _data.read_trades
query_ticker, read_ticker = _data.query_ticker, _data.read_ticker
query_candles, read_candles = _data.query_candles, _data.read_candles
