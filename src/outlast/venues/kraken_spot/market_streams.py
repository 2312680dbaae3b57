"""WebSocket v2's public channels: what to say, and what is said.

Source: Kraken docs, WebSocket v2: book, ticker, trade, ohlc, status, heartbeat, ping; read
2026-05-27.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
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
    StreamTraits,
    Ticker,
    Topic,
    Trades,
    Unrecognised,
)
from outlast.venues._answers import UNREADABLE, check_amount
from outlast.venues.kraken_spot.books import BookDecoder, wire_depth

__all__ = [
    "INTERVALS_BY_MINUTES",
    "TRAITS",
    "book_topic",
    "decoder",
    "minutes_of",
    "ping",
    "stream_symbol",
    "subscribe",
    "topic",
    "unsubscribe",
    "url",
]

_MINUTES: Final = {
    "1m": 1,
    "5m": 5,
    "15m": 15,
    "30m": 30,
    "1h": 60,
    "4h": 240,
    "1d": 1440,
    "1w": 10080,
    "15d": 21600,
}
INTERVALS_BY_MINUTES: Final = {minutes: name for name, minutes in _MINUTES.items()}
_TOPICS_PER_FRAME: Final = 25
"""Hundreds of symbols in one burst lose some; the rate allowed is dynamic and not published."""
_CHANNELS: Final = {
    Channel.BOOK: "book",
    Channel.TRADES: "trade",
    Channel.TICKER: "ticker",
    Channel.CANDLES: "ohlc",
}
_BY_NAME: Final = {name: channel for channel, name in _CHANNELS.items()}
_ALREADY: Final = "Already subscribed"
"""What was wanted is so."""
_NOT_MATCHING: Final = frozenset({"maintenance", "cancel_only"})
"""Modes in which no order meets another. Source: Kraken docs, status channel and Get System
Status."""

TRAITS: Final = StreamTraits(
    topics_max=200,
    frame_every_s=0.1,
    has_quotes=False,
    has_snapshots=True,
    # A heartbeat a second while nothing else is said; ten missing ones are no accident.
    silence_limit_s=10.0,
    ping_every_s=30.0,  # the server closes after about a minute without a word from us
)


def stream_symbol(instrument: Instrument) -> str:
    """Streams use the unified names: `BTC/USD`."""
    return instrument.symbol


def book_topic(instrument: Instrument, *, depth: int) -> Topic:
    return Topic(Channel.BOOK, instrument.symbol, str(wire_depth(depth)))


def topic(channel: Channel, instrument: Instrument, *, interval: str = "") -> Topic:
    if channel is Channel.CANDLES:
        return Topic(channel, instrument.symbol, str(minutes_of(interval)))
    return Topic(channel, instrument.symbol)


def url(root: str, channel: Channel) -> str:
    """One address carries all public channels."""
    return f"{root}/v2"


def subscribe(topics: Sequence[Topic], *, first_id: int) -> list[Frame]:
    return _frames("subscribe", topics, first_id)


def unsubscribe(topics: Sequence[Topic], *, first_id: int) -> list[Frame]:
    return _frames("unsubscribe", topics, first_id)


def minutes_of(interval: str) -> int:
    """How long the interval of this name is.

    Raises:
        ValueError: the venue has none of that name.
    """
    if interval not in _MINUTES:
        raise ValueError(f"interval is {interval!r}; Kraken has {', '.join(_MINUTES)}")
    return _MINUTES[interval]


def _frames(method: str, topics: Sequence[Topic], first_id: int) -> list[Frame]:
    """One message names one channel with one setting, and many symbols."""
    groups: dict[tuple[Channel, str], list[Topic]] = {}
    for wanted in topics:
        groups.setdefault((wanted.channel, wanted.detail), []).append(wanted)
    frames: list[Frame] = []
    for (channel, detail), members in groups.items():
        for begin in range(0, len(members), _TOPICS_PER_FRAME):
            part = tuple(members[begin : begin + _TOPICS_PER_FRAME])
            request_id = first_id + len(frames)
            params: dict[str, object] = {
                "channel": _CHANNELS[channel],
                "symbol": [each.symbol for each in part],
            }
            if channel is Channel.BOOK:
                params["depth"] = int(detail)
            elif channel is Channel.CANDLES:
                params["interval"] = int(detail)
            if method == "subscribe" and channel is not Channel.TICKER:
                params["snapshot"] = True
            message = {"method": method, "params": params, "req_id": request_id}
            frames.append(Frame(request_id, part, json.dumps(message).encode()))
    return frames


def ping() -> bytes:
    return b'{"method":"ping"}'


# Reading the stream -------------------------------------------------------------------------------


class _AckResult(msgspec.Struct):
    channel: str = ""
    symbol: str = ""
    depth: int | None = None
    interval: int | None = None


class _Head(msgspec.Struct):
    method: str = ""
    channel: str = ""
    type: str = ""
    req_id: int | None = None
    success: bool | None = None
    error: str = ""
    symbol: str = ""
    result: msgspec.Raw = msgspec.Raw(b"{}")
    data: msgspec.Raw = msgspec.Raw(b"[]")


class _Trade(msgspec.Struct):
    symbol: str
    side: str
    price: Decimal
    qty: Decimal
    trade_id: int
    timestamp: datetime


class _Ticker(msgspec.Struct):
    symbol: str
    bid: Decimal
    ask: Decimal
    last: Decimal
    high: Decimal
    low: Decimal
    volume: Decimal
    change: Decimal
    timestamp: datetime | None = None


class _Candle(msgspec.Struct):
    symbol: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int
    interval_begin: datetime
    interval: int


class _Status(msgspec.Struct):
    system: str


_head: Final = msgspec.json.Decoder(_Head)
_acked: Final = msgspec.json.Decoder(_AckResult)
_trades: Final = msgspec.json.Decoder(list[_Trade], strict=False)
_tickers: Final = msgspec.json.Decoder(list[_Ticker], strict=False)
_candles: Final = msgspec.json.Decoder(list[_Candle], strict=False)
_status: Final = msgspec.json.Decoder(list[_Status])
_HEARTBEAT: Final = b'{"channel":"heartbeat"'


class Decoder(BookDecoder):
    """Books by `decode`, all else by `decode_other`."""

    __slots__ = ()

    def decode_other(self, raw: bytes) -> Any:
        if raw.startswith(_HEARTBEAT):
            return None
        try:
            head = _head.decode(raw)
            if head.method:
                return _ack(head)
            match head.channel:
                case "trade":
                    return _read_trades(head)
                case "ticker":
                    return _read_ticker(_trusted(_tickers.decode(head.data))[0])
                case "ohlc":
                    return _read_candles(_trusted(_candles.decode(head.data)))
                case "status":
                    mode = _status.decode(head.data)[0].system
                    return ModeTold(mode, mode not in _NOT_MATCHING)
                case "heartbeat":
                    return None
        except (*UNREADABLE, IndexError) as error:
            return Unrecognised(raw[:2048], str(error)[:200])
        if head.error or b'"Error"' in raw[:20]:
            return Acked(head.req_id, None, head.error or raw[:200].decode("utf-8", "replace"))
        return Unrecognised(raw[:2048], f"channel {head.channel[:40]!r}")

    def snapshot(self, body: bytes, symbol: str) -> Any:
        raise NotImplementedError("Kraken's books begin on the stream")


def decoder() -> Decoder:
    """A decoder for one socket."""
    return Decoder()


def _ack(head: _Head) -> Acked | None:
    if head.method not in {"subscribe", "unsubscribe"}:
        return None  # a pong
    if head.error == _ALREADY:
        return Acked(head.req_id, None, symbol=head.symbol)
    if head.success is False or head.error:
        return Acked(head.req_id, None, head.error or "refused", symbol=head.symbol)
    result = _acked.decode(head.result)
    channel = _BY_NAME.get(result.channel)
    if channel is None:
        return None  # `instrument`, of which nobody here asks
    detail = result.depth if channel is Channel.BOOK else result.interval
    return Acked(head.req_id, Topic(channel, result.symbol, "" if detail is None else str(detail)))


def _trusted(rows: list[Any]) -> list[Any]:
    """Amounts are amounts.

    Raises:
        ValueError: one is not.
    """
    for row in rows:
        for name in row.__struct_fields__:
            value = getattr(row, name)
            if isinstance(value, Decimal):
                check_amount(name, value)
    return rows


def _read_trades(head: _Head) -> Trades | None:
    rows = _trusted(_trades.decode(head.data))
    if not rows:
        return None
    return Trades(
        rows[0].symbol,
        tuple(
            PublicTrade(
                row.symbol,
                row.trade_id,
                row.price,
                row.qty,
                Side(row.side),
                _ms(row.timestamp),
            )
            for row in rows
        ),
        is_snapshot=head.type == "snapshot",
    )


def _read_ticker(row: _Ticker) -> Ticker:
    return Ticker(
        row.symbol,
        last_price=row.last,
        bid_price=row.bid,
        ask_price=row.ask,
        open_price=row.last - row.change,
        high_price=row.high,
        low_price=row.low,
        base_volume=row.volume,
        venue_time_ms=None if row.timestamp is None else _ms(row.timestamp),
    )


def _read_candles(rows: list[_Candle]) -> list[Candle]:
    """Never marked as closed: the channel does not say it."""
    return [
        Candle(
            row.symbol,
            INTERVALS_BY_MINUTES.get(row.interval, str(row.interval)),
            _ms(row.interval_begin),
            row.open,
            row.high,
            row.low,
            row.close,
            row.volume,
            row.trades,
            is_closed=False,
        )
        for row in rows
    ]


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
