"""Market streams of both Binance products: requests to subscribe, and messages that are no books.

Source: Binance spot docs, web-socket-streams.md, 2026-07; USD-M futures docs, WebSocket Market
Streams, "Connect", "Live Subscribing/Unsubscribing to streams" and one page per stream, 2026.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from outlast.model import Instrument, Side
from outlast.stream_wire import (
    Acked,
    Candle,
    Channel,
    Frame,
    ModeTold,
    PublicTrade,
    ShuttingDown,
    Ticker,
    Topic,
    Trades,
    Unrecognised,
)
from outlast.venues._answers import UNREADABLE, check_amount
from outlast.venues._binance_books import BookDecoder, D

__all__ = ["INTERVALS", "MarketDecoder", "check_interval", "frames", "side_of_taker", "topic"]

INTERVALS: Final = (
    *("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h"),
    *("1d", "3d", "1w", "1M"),
)
_NAMES: Final = {
    Channel.BOOK: "depth@100ms",
    Channel.QUOTE: "bookTicker",
    Channel.TRADES: "aggTrade",
    Channel.TICKER: "ticker",
}
_TOPICS_PER_FRAME: Final = 100
"""Three thousand bytes: longer messages were seen to be refused."""


def topic(channel: Channel, instrument: Instrument, *, interval: str = "") -> Topic:
    """Raises ValueError for an interval of candles that there is not."""
    if channel is Channel.CANDLES:
        return Topic(channel, instrument.venue_symbol, check_interval(interval))
    return Topic(channel, instrument.venue_symbol)


def check_interval(interval: str) -> str:
    """The interval's name, if the venue has it.

    Raises:
        ValueError: it has not.
    """
    if interval not in INTERVALS:
        raise ValueError(f"interval is {interval!r}; Binance has {', '.join(INTERVALS)}")
    return interval


def _stream(wanted: Topic) -> str:
    name = f"kline_{wanted.detail}" if wanted.channel is Channel.CANDLES else _NAMES[wanted.channel]
    return f"{wanted.symbol.lower()}@{name}"


def frames(method: str, topics: Sequence[Topic], first_id: int) -> list[Frame]:
    """`SUBSCRIBE` or `UNSUBSCRIBE`, in messages of a length that the venue takes."""
    made: list[Frame] = []
    for begin in range(0, len(topics), _TOPICS_PER_FRAME):
        part = tuple(topics[begin : begin + _TOPICS_PER_FRAME])
        request_id = first_id + len(made)
        message = {"method": method, "params": [_stream(t) for t in part], "id": request_id}
        made.append(Frame(request_id, part, json.dumps(message).encode()))
    return made


# Reading ------------------------------------------------------------------------------------------


class _Head(msgspec.Struct):
    e: str = ""
    id: int | str | None = None
    code: int | None = None
    msg: str = ""
    error: msgspec.Raw = msgspec.Raw()
    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()


class _AggTrade(msgspec.Struct):
    s: str
    a: int
    p: Decimal
    q: Decimal
    T: int
    m: bool


class _DayTicker(msgspec.Struct):
    s: str
    c: Decimal
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 - the venue's name
    v: Decimal
    E: int
    b: Decimal | None = None
    a: Decimal | None = None


class _Bar(msgspec.Struct):
    s: str
    i: str
    t: int
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 - the venue's name
    c: Decimal
    v: Decimal
    n: int
    x: bool


class _Kline(msgspec.Struct):
    k: _Bar


class _Contract(msgspec.Struct):
    s: str
    cs: str


_head: Final = msgspec.json.Decoder(_Head)
_agg_trade: Final = msgspec.json.Decoder(_AggTrade)
_day_ticker: Final = msgspec.json.Decoder(_DayTicker)
_kline: Final = msgspec.json.Decoder(_Kline)
_contract: Final = msgspec.json.Decoder(_Contract)


class MarketDecoder(BookDecoder[D]):
    """Books and quotes by `decode`, all else by `decode_other`."""

    __slots__ = ()

    def decode_other(self, raw: bytes) -> Any:
        try:
            head = _head.decode(raw)
            if head.stream is not None:
                return self.decode_other(bytes(head.data))
            match head.e:
                case "aggTrade":
                    return _read_trade(_agg_trade.decode(raw))
                case "24hrTicker":
                    return _read_ticker(_day_ticker.decode(raw))
                case "kline":
                    return [_read_candle(_kline.decode(raw).k)]
                case "contractInfo":
                    contract = _contract.decode(raw)
                    trades = contract.cs == "TRADING"
                    return ModeTold(contract.cs, trades, contract.s)
                case "serverShutdown":
                    return ShuttingDown()
        except UNREADABLE as error:
            return Unrecognised(raw[:2048], str(error)[:200])
        if head.code is not None or bytes(head.error):
            return Acked(_number(head.id), None, _error_text(head))
        if not head.e and head.id is not None:
            return Acked(_number(head.id), None)
        return Unrecognised(raw[:2048], f"event {head.e[:40]!r}")


def _error_text(head: _Head) -> str:
    if bytes(head.error):
        return bytes(head.error).decode("utf-8", "replace")[:200]
    return f"{head.code}: {head.msg}"[:200]


def _number(request_id: object) -> int | None:
    return request_id if isinstance(request_id, int) else None


def side_of_taker(*, buyer_is_maker: bool) -> Side:
    """`m`: the buyer's order was there first, so a seller came."""
    return Side.SELL if buyer_is_maker else Side.BUY


def _read_trade(row: _AggTrade) -> Trades:
    check_amount("p", row.p)
    check_amount("q", row.q)
    side = side_of_taker(buyer_is_maker=row.m)
    return Trades(row.s, (PublicTrade(row.s, row.a, row.p, row.q, side, row.T),))


def _read_ticker(row: _DayTicker) -> Ticker:
    for name in ("c", "o", "h", "l", "v"):
        check_amount(name, getattr(row, name))
    for name in ("b", "a"):
        if getattr(row, name) is not None:
            check_amount(name, getattr(row, name))
    return Ticker(
        row.s,
        last_price=row.c,
        bid_price=row.b,
        ask_price=row.a,
        open_price=row.o,
        high_price=row.h,
        low_price=row.l,
        base_volume=row.v,
        venue_time_ms=row.E,
    )


def _read_candle(row: _Bar) -> Candle:
    for name in ("o", "h", "l", "c", "v"):
        check_amount(name, getattr(row, name))
    return Candle(row.s, row.i, row.t, row.o, row.h, row.l, row.c, row.v, row.n, is_closed=row.x)
