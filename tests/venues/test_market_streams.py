"""Market stream codecs: what they say to the venue, and what they make of what it says.

Payloads are the samples of the venues' own pages (see the modules), cut to the fields that matter.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.model import Instrument, Product, Side
from outlast.stream_wire import (
    Acked,
    Candle,
    Channel,
    ModeTold,
    PublicTrade,
    ShuttingDown,
    Ticker,
    Topic,
    Trades,
    Unrecognised,
)
from outlast.venues import market_streams, public_data, venues
from outlast.venues.binance_spot import market_streams as spot
from outlast.venues.binance_um import market_streams as um
from outlast.venues.kraken_spot import market_streams as kraken

D = Decimal


def instrument(venue: str, symbol: str, venue_symbol: str) -> Instrument:
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol=venue_symbol,
        product=Product.SPOT,
        base=symbol[:3],
        quote=symbol[4:],
        settle=symbol[4:],
        tick_size=D("0.1"),
        qty_step=D("0.001"),
        qty_min=D("0.001"),
        qty_max=D(1000),
        market_qty_min=D("0.001"),
        market_qty_max=D(1000),
        notional_min=D(5),
        price_min=D("0.1"),
        price_max=D(1_000_000),
    )


BTC = instrument("binance-um", "BTC/USDT", "BTCUSDT")
KBTC = instrument("kraken-spot", "BTC/USD", "XXBTZUSD")
KETH = instrument("kraken-spot", "ETH/USD", "XETHZUSD")


def said(frames):
    return [json.loads(frame.data) for frame in frames]


# Saying ------------------------------------------------------------------------------------------


def test_kraken_says_one_channel_and_setting_per_message():
    topics = [
        kraken.book_topic(KBTC, depth=10),
        kraken.book_topic(KETH, depth=10),
        kraken.topic(Channel.TRADES, KBTC),
        kraken.topic(Channel.CANDLES, KBTC, interval="1h"),
        kraken.topic(Channel.TICKER, KBTC),
    ]
    frames = kraken.subscribe(topics, first_id=7)
    assert [frame.request_id for frame in frames] == [7, 8, 9, 10]
    assert said(frames)[0] == {
        "method": "subscribe",
        "params": {
            "channel": "book",
            "symbol": ["BTC/USD", "ETH/USD"],
            "depth": 25,
            "snapshot": True,
        },
        "req_id": 7,
    }
    assert said(frames)[2]["params"]["interval"] == 60
    assert "snapshot" not in said(kraken.unsubscribe(topics[:1], first_id=1))[0]["params"]


def test_kraken_splits_many_symbols():
    topics = [Topic(Channel.BOOK, f"S{number}/USD", "25") for number in range(60)]
    frames = kraken.subscribe(topics, first_id=1)
    assert [len(frame.topics) for frame in frames] == [25, 25, 10]


@pytest.mark.parametrize(
    ("depth", "wire"), [(1, "25"), (10, "25"), (25, "25"), (26, "100"), (1000, "1000")]
)
def test_kraken_subscribes_the_next_depth_and_never_ten(depth, wire):
    assert kraken.book_topic(KBTC, depth=depth).detail == wire


def test_depths_that_nobody_can_have_are_refused_with_what_there_is():
    with pytest.raises(ValueError, match="1000"):
        kraken.book_topic(KBTC, depth=1001)
    with pytest.raises(ValueError, match="1000"):
        um.book_topic(BTC, depth=1001)
    with pytest.raises(ValueError, match="5000"):
        spot.book_topic(BTC, depth=0)


@pytest.mark.parametrize("codec", [spot, um])
def test_binance_says_stream_names(codec):
    topics = [
        codec.book_topic(BTC, depth=100),
        codec.topic(Channel.QUOTE, BTC),
        codec.topic(Channel.TRADES, BTC),
        codec.topic(Channel.TICKER, BTC),
        codec.topic(Channel.CANDLES, BTC, interval="1h"),
    ]
    assert said(codec.subscribe(topics, first_id=3)) == [
        {
            "method": "SUBSCRIBE",
            "params": [
                "btcusdt@depth@100ms",
                "btcusdt@bookTicker",
                "btcusdt@aggTrade",
                "btcusdt@ticker",
                "btcusdt@kline_1h",
            ],
            "id": 3,
        }
    ]
    assert said(codec.unsubscribe(topics[:1], first_id=4))[0]["method"] == "UNSUBSCRIBE"
    many = [Topic(Channel.BOOK, f"S{number}") for number in range(250)]
    assert [len(frame.topics) for frame in codec.subscribe(many, first_id=1)] == [100, 100, 50]


def test_each_kind_of_stream_is_dialled_where_it_lives():
    assert kraken.url("wss://x", Channel.TRADES) == "wss://x/v2"
    assert spot.url("wss://x", Channel.BOOK) == spot.url("wss://x", Channel.TRADES) == "wss://x/ws"
    assert (
        um.url("wss://x", Channel.BOOK) == um.url("wss://x", Channel.QUOTE) == "wss://x/public/ws"
    )
    assert um.url("wss://x", Channel.TRADES) == "wss://x/market/ws"


@pytest.mark.parametrize("venue", venues())
def test_intervals_that_a_venue_has_not_are_refused(venue):
    with pytest.raises(ValueError, match="2s"):
        market_streams(venue).topic(Channel.CANDLES, KBTC, interval="2s")
    with pytest.raises(ValueError, match="2s"):
        public_data(venue).query_candles(KBTC, interval="2s", since_ms=None, limit=1)


# Hearing -----------------------------------------------------------------------------------------


def kraken_hears(message):
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    return kraken.decoder().decode_other(raw)


def binance_hears(message, codec=um):
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    return codec.decoder().decode_other(raw)


def test_kraken_s_answers_name_what_they_are_about():
    ack = kraken_hears(
        {
            "method": "subscribe",
            "req_id": 7,
            "result": {"channel": "book", "depth": 25, "snapshot": True, "symbol": "BTC/USD"},
            "success": True,
        }
    )
    assert ack == Acked(7, Topic(Channel.BOOK, "BTC/USD", "25"))
    ack = kraken_hears(
        {
            "method": "subscribe",
            "req_id": 8,
            "result": {"channel": "ohlc", "interval": 60, "symbol": "BTC/USD"},
            "success": True,
        }
    )
    assert ack == Acked(8, Topic(Channel.CANDLES, "BTC/USD", "60"))
    refused = {
        "error": "Currency pair not supported XBT/USD",
        "method": "subscribe",
        "req_id": 7,
        "success": False,
        "symbol": "XBT/USD",
    }
    assert kraken_hears(refused) == Acked(7, None, refused["error"], symbol="XBT/USD")
    already = {"error": "Already subscribed", "method": "subscribe", "req_id": 7, "success": False}
    assert kraken_hears(already) == Acked(7, None)
    too_fast = {"error": "Exceeded msg rate", "method": "subscribe", "success": False}
    assert kraken_hears(too_fast) == Acked(None, None, "Exceeded msg rate")
    capital = kraken_hears(b'{"Error":"Exceeded msg rate"}')
    assert isinstance(capital, Acked)
    assert "Exceeded" in capital.error


def test_kraken_s_pongs_and_heartbeats_say_nothing():
    assert kraken_hears({"method": "pong", "req_id": 101}) is None
    assert kraken_hears(b'{"channel":"heartbeat"}') is None
    assert kraken_hears(b'{ "channel" : "heartbeat" }') is None


@pytest.mark.parametrize(
    ("mode", "is_trading"),
    [
        ("online", True),
        ("post_only", True),
        ("limit_only", True),
        ("cancel_only", False),
        ("maintenance", False),
    ],
)
def test_kraken_s_status_tells_whether_orders_match(mode, is_trading):
    message = {
        "channel": "status",
        "type": "update",
        "data": [
            {"version": "2.0.10", "system": mode, "api_version": "v2", "connection_id": 2**63}
        ],
    }
    assert kraken_hears(message) == ModeTold(mode, is_trading)


def test_kraken_s_trades():
    raw = (
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy",'
        b'"price":105944.20,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,'
        b'"timestamp":"2023-10-06T17:35:55.440295Z"}]}'
    )
    row = PublicTrade("BTC/USD", 10218208, D("105944.20"), D("0.00027625"), Side.BUY, 1696613755440)
    assert kraken_hears(raw) == Trades("BTC/USD", (row,))
    assert str(row.price) == "105944.20"
    snapshot = kraken_hears(raw.replace(b"update", b"snapshot"))
    assert snapshot.is_snapshot
    assert kraken_hears({"channel": "trade", "type": "update", "data": []}) is None


def test_kraken_s_ticker_takes_numbers_and_texts():
    raw = (
        b'{"channel":"ticker","type":"snapshot","data":[{"symbol":"BTC/USD","bid":105944.20,'
        b'"bid_qty":2.5,"ask":"105944.30","ask_qty":3.2,"last":105899.40,"volume":163.28908096,'
        b'"vwap":105904.39,"low":104711.00,"high":106613.10,"change":250.00,"change_pct":0.24,'
        b'"timestamp":"2025-12-25T09:30:59.123456Z"}]}'
    )
    ticker = kraken_hears(raw)
    assert isinstance(ticker, Ticker)
    assert (ticker.bid_price, ticker.ask_price) == (D("105944.20"), D("105944.30"))
    assert ticker.open_price == D("105649.40")


def test_kraken_s_candles():
    message = {
        "channel": "ohlc",
        "type": "update",
        "data": [
            {
                "symbol": "BTC/USD",
                "open": 1,
                "high": 4,
                "low": 0.5,
                "close": 2,
                "trades": 9,
                "volume": 7,
                "vwap": 2,
                "interval_begin": "2023-10-04T16:25:00.000000000Z",
                "interval": 5,
                "timestamp": "2023-10-04T16:30:00.000000Z",
            }
        ],
    }
    assert kraken_hears(message) == [
        Candle("BTC/USD", "5m", 1696436700000, D(1), D(4), D("0.5"), D(2), D(7), 9, is_closed=False)
    ]


def test_binance_s_answers():
    assert binance_hears({"result": None, "id": 1}) == Acked(1, None)
    assert binance_hears({"code": 2, "msg": "Invalid request", "id": 1}) == Acked(
        1, None, "2: Invalid request"
    )
    assert binance_hears({"code": 3, "msg": "Invalid JSON"}) == Acked(None, None, "3: Invalid JSON")
    modern = {"error": {"code": 2, "msg": "Invalid"}, "id": "text"}
    assert binance_hears(modern).request_id is None


def test_binance_s_trades_and_who_took_them():
    message = {
        "e": "aggTrade",
        "E": 123456789,
        "s": "BNBUSDT",
        "a": 5933014,
        "p": "0.001",
        "q": "100",
        "f": 100,
        "l": 105,
        "T": 123456785,
        "m": True,
    }
    row = PublicTrade("BNBUSDT", 5933014, D("0.001"), D(100), Side.SELL, 123456785)
    assert binance_hears(message) == Trades("BNBUSDT", (row,))
    wrapped = {"stream": "bnbusdt@aggTrade", "data": message | {"m": False}}
    assert binance_hears(wrapped).rows[0].taker_side is Side.BUY


def test_binance_s_ticker_and_candles():
    ticker = binance_hears(
        {
            "e": "24hrTicker",
            "E": 9,
            "s": "BTCUSDT",
            "c": "4",
            "o": "1",
            "h": "5",
            "l": "0.5",
            "v": "77",
            "b": "3.9",
            "a": "4.1",
        },
        spot,
    )
    assert (ticker.last_price, ticker.bid_price, ticker.venue_time_ms) == (D(4), D("3.9"), 9)
    bar = {
        "s": "BTCUSDT",
        "i": "1m",
        "t": 60_000,
        "o": "1",
        "h": "4",
        "l": "0.5",
        "c": "2",
        "v": "7",
        "n": 9,
        "x": True,
    }
    assert binance_hears({"e": "kline", "E": 1, "s": "BTCUSDT", "k": bar}) == [
        Candle("BTCUSDT", "1m", 60_000, D(1), D(4), D("0.5"), D(2), D(7), 9, is_closed=True)
    ]


def test_binance_s_words_about_itself():
    assert binance_hears({"e": "serverShutdown", "E": 1}, spot) == ShuttingDown()
    wrapped = {"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1}}
    assert binance_hears(wrapped, spot) == ShuttingDown()
    info = {"e": "contractInfo", "E": 1, "s": "IOTAUSDT", "cs": "SETTLING"}
    assert binance_hears(info) == ModeTold("SETTLING", False, "IOTAUSDT")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD"}]}',
        b'{"channel":"status","data":[]}',
        b'{"channel":"nobody knows"}',
        b'{"e":"aggTrade","s":"BTCUSDT","a":1,"p":"NaN","q":"1","T":1,"m":true}',
        b'{"e":"nobody knows"}',
        (
            b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy",'
            b'"price":1e999,"qty":1,"trade_id":1,"timestamp":"2023-10-06T17:35:55Z"}]}'
        ),
    ],
)
@pytest.mark.parametrize("venue", venues())
def test_what_cannot_be_read_is_kept_and_said(venue, raw):
    heard = market_streams(venue).decoder().decode_other(raw)
    assert isinstance(heard, Unrecognised)
    assert heard.raw == raw
    assert heard.detail


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["e", "s", "k", "id", "result", "channel", "data", "type", "method", "symbol", "p"]
            ),
            inner | st.sampled_from(["trade", "ticker", "ohlc", "kline", "aggTrade", "subscribe"]),
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(message=_JSON, venue=st.sampled_from(venues()))
def test_no_message_makes_a_decoder_raise(message, venue):
    raw = json.dumps(message).encode()
    decoder = market_streams(venue).decoder()
    decoder.decode(raw)
    decoder.decode_other(raw)
