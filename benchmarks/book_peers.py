"""The candidates of the order book benchmark: ours and those of others, from bytes to best prices.

Each is made from a stream and takes one raw message at a time; it returns best bid and ask as
floats, the form in which most of the peers hold them. What a peer does beyond that (waking readers,
routing) is left out, in its favour.
"""

# ruff: noqa: PLC0415, SLF001  # peers are imported when they are there, and started by hand
from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import msgspec

from benchmarks.book_streams import QTY_DECIMALS, Stream
from outlast.core.books import ChecksumBook, FloatDigits, SpotDiffBook
from outlast.venues.binance_spot.books import book_decoder as spot_decoder
from outlast.venues.kraken_spot.books import book_decoder as kraken_decoder

Feed = Callable[[bytes], tuple[Any, Any]]
Candidate = Callable[[Stream], Feed]


def ours_binance(stream: Stream, *, decimals: bool = False) -> Feed:
    decoder = spot_decoder()
    book = SpotDiffBook("binance-spot", "BTC/USDT", FloatDigits(1, QTY_DECIMALS))
    books = {"BTCUSDT": book}
    decode = decoder.decode
    now = 1000.0  # a step per message, for what a loop's clock costs
    book.subscribed(1000.0)
    book.apply(_empty_diff(decoder), 1000.0)
    book.install(decoder.snapshot(stream.snapshot, "BTCUSDT"), 1000.0)  # type: ignore[arg-type]
    assert book.is_trusted, (book.reason, book.detail)
    bids, asks = book.bid_side.keys, book.ask_side.keys

    def feed(raw: bytes) -> tuple[Any, Any]:
        nonlocal now
        now += 0.1
        diff: Any = decode(raw)
        books[diff.symbol].apply(diff, now)
        assert book.reason is None
        return bids[-1], -asks[-1]

    def clock() -> float:
        return now

    def feed_decimals(raw: bytes) -> tuple[Any, Any]:
        nonlocal now
        now += 0.1
        diff: Any = decode(raw)
        books[diff.symbol].apply(diff, now)
        view = book.view(clock)
        return view.best_bid.price, view.best_ask.price

    return feed_decimals if decimals else feed


def _empty_diff(decoder: Any) -> Any:
    return decoder.decode(
        b'{"e":"depthUpdate","E":1700000000000,"s":"BTCUSDT","U":1,"u":1000,"b":[],"a":[]}'
    )


def ours_kraken(stream: Stream, *, decimals: bool = False) -> Feed:
    decode = kraken_decoder().decode
    book = ChecksumBook("kraken-spot", "BTC/USD", FloatDigits(1, 8), depth=stream.depth)
    books = {"BTC/USD": book}
    now = 1000.0
    book.subscribed(1000.0)
    book.install(decode(stream.snapshot), 1000.0)  # type: ignore[arg-type]
    assert book.is_trusted, (book.reason, book.detail)
    bids, asks = book.bid_side.keys, book.ask_side.keys

    def feed(raw: bytes) -> tuple[Any, Any]:
        nonlocal now
        now += 0.02
        message: Any = decode(raw)
        books[message.symbol].update(message, now)
        assert book.reason is None
        return bids[-1], -asks[-1]

    def clock() -> float:
        return now

    def feed_decimals(raw: bytes) -> tuple[Any, Any]:
        nonlocal now
        now += 0.02
        message: Any = decode(raw)
        books[message.symbol].update(message, now)
        view = book.view(clock)
        return view.best_bid.price, view.best_ask.price

    return feed_decimals if decimals else feed


def _ccxt_binance(stream: Stream, *, whole: bool = True) -> Feed:
    import ccxt.pro
    import orjson

    exchange = ccxt.pro.binance()
    exchange.set_markets([_ccxt_market(exchange, "BTCUSDT", "BTC", "USDT")])
    client = SimpleNamespace(
        url="wss://stream.binance.com:9443/ws/1",
        subscriptions={},
        resolve=lambda *_: None,
        reject=lambda error, *_: _raise(error),
    )
    snapshot = json.loads(stream.snapshot)
    book = exchange.order_book({}, stream.depth)
    book.reset(
        {
            "bids": [[float(price), float(qty)] for price, qty in snapshot["bids"]],
            "asks": [[float(price), float(qty)] for price, qty in snapshot["asks"]],
            "nonce": snapshot["lastUpdateId"],
            "timestamp": 1_700_000_000_000,
        }
    )
    exchange.orderbooks["BTC/USDT"] = book
    handle = exchange.handle_message if whole else exchange.handle_order_book
    loads = orjson.loads

    def feed(raw: bytes) -> tuple[Any, Any]:
        handle(client, loads(raw))
        return book["bids"][0][0], book["asks"][0][0]

    return feed


def _ccxt_kraken(stream: Stream, *, whole: bool = True) -> Feed:
    import ccxt.pro
    import orjson

    exchange = ccxt.pro.kraken()
    exchange.set_markets([_ccxt_market(exchange, "XBTUSD", "BTC", "USD")])
    key = exchange.get_message_hash("orderbook", None, "BTC/USD")
    client = SimpleNamespace(
        url="wss://ws.kraken.com/v2",
        subscriptions={key: {"limit": stream.depth}},
        resolve=lambda *_: None,
        reject=lambda error, *_: _raise(error),
    )
    handle = exchange.handle_message if whole else exchange.handle_order_book
    loads = orjson.loads
    handle(client, loads(stream.snapshot))
    book = exchange.orderbooks["BTC/USD"]

    def feed(raw: bytes) -> tuple[Any, Any]:
        handle(client, loads(raw))
        return book["bids"][0][0], book["asks"][0][0]

    return feed


def _ccxt_market(exchange: Any, venue_symbol: str, base: str, quote: str) -> dict[str, Any]:
    market: dict[str, Any] = exchange.safe_market_structure(
        {
            "id": venue_symbol,
            "symbol": f"{base}/{quote}",
            "base": base,
            "quote": quote,
            "baseId": base,
            "quoteId": quote,
            "type": "spot",
            "spot": True,
            "active": True,
        }
    )
    return market


def _raise(error: BaseException) -> None:
    raise error


def _cryptofeed_binance(stream: Stream) -> Feed:
    from cryptofeed.defines import L2_BOOK
    from cryptofeed.exchanges import Binance
    from cryptofeed.types import OrderBook

    snapshot = json.loads(stream.snapshot, parse_float=Decimal)
    book = OrderBook(
        "BINANCE",
        "BTC-USDT",
        max_depth=0,
        bids={Decimal(price): Decimal(qty) for price, qty in snapshot["bids"]},
        asks={Decimal(price): Decimal(qty) for price, qty in snapshot["asks"]},
    )
    exchange = object.__new__(Binance)  # its constructor asks the venue for the symbols
    exchange._l2_book = {"BTC-USDT": book}
    exchange.last_update_id = {"BTC-USDT": snapshot["lastUpdateId"]}
    exchange.callbacks = {L2_BOOK: []}
    exchange.cross_check = False
    exchange.exchange_symbol_to_std_symbol = {"BTCUSDT": "BTC-USDT"}.__getitem__
    bids, asks = book.book.bids, book.book.asks

    def feed(raw: bytes) -> tuple[Any, Any]:
        message = json.loads(raw, parse_float=Decimal)
        with suppress(StopIteration):
            exchange._book(message, message["s"], 0.0).send(None)
        return float(bids.index(0)[0]), float(asks.index(0)[0])

    return feed


class _Level(msgspec.Struct):
    price: Decimal
    qty: Decimal


class _KrakenData(msgspec.Struct):
    bids: list[_Level]
    asks: list[_Level]
    checksum: int


class _KrakenFrame(msgspec.Struct):
    data: list[_KrakenData]


class _BinanceDiff(msgspec.Struct):
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]


def _order_book_binance(stream: Stream) -> Feed:
    from order_book import OrderBook

    snapshot = json.loads(stream.snapshot)
    book = OrderBook()
    book.bids = {float(price): float(qty) for price, qty in snapshot["bids"]}
    book.asks = {float(price): float(qty) for price, qty in snapshot["asks"]}
    decode = msgspec.json.Decoder(_BinanceDiff, strict=False).decode

    def feed(raw: bytes) -> tuple[Any, Any]:
        diff = decode(raw)
        for side, rows in ((book.bids, diff.b), (book.asks, diff.a)):
            for price, qty in rows:
                if qty:
                    side[price] = qty
                elif price in side:
                    del side[price]
        return book.bids.index(0)[0], book.asks.index(0)[0]

    return feed


def _order_book_kraken(stream: Stream) -> Feed:
    from order_book import OrderBook

    # Its strict depth cuts after each level, Kraken after each message: so it is given room.
    book = OrderBook(max_depth=stream.depth, checksum_format="KRAKEN")
    decode = msgspec.json.Decoder(_KrakenFrame).decode

    def take(raw: bytes) -> int:
        data = decode(raw).data[0]
        for side, rows in ((book.bids, data.bids), (book.asks, data.asks)):
            for row in rows:
                if row.qty:
                    side[row.price] = row.qty
                elif row.price in side:
                    del side[row.price]
        return data.checksum

    take(stream.snapshot)

    def feed(raw: bytes) -> tuple[Any, Any]:
        checksum = take(raw)
        assert book.checksum() == checksum
        return float(book.bids.index(0)[0]), float(book.asks.index(0)[0])

    return feed


def _sorted_containers_binance(stream: Stream) -> Feed:
    from sortedcontainers import SortedDict

    snapshot = json.loads(stream.snapshot)
    bids = SortedDict({-float(price): float(qty) for price, qty in snapshot["bids"]})
    asks = SortedDict({float(price): float(qty) for price, qty in snapshot["asks"]})
    decode = msgspec.json.Decoder(_BinanceDiff, strict=False).decode

    def feed(raw: bytes) -> tuple[Any, Any]:
        diff = decode(raw)
        for price, qty in diff.b:
            if qty:
                bids[-price] = qty
            else:
                bids.pop(-price, None)
        for price, qty in diff.a:
            if qty:
                asks[price] = qty
            else:
                asks.pop(price, None)
        return -bids.peekitem(0)[0], asks.peekitem(0)[0]

    return feed


def _kraken_sdk(stream: Stream) -> Feed:
    from kraken.spot import SpotOrderBookClient

    class Book(SpotOrderBookClient):  # type: ignore[misc]
        async def on_book_update(self, pair: str, message: Any) -> None:
            assert "error" not in message, message

    # It cuts after each level, Kraken after each message: with some room the first ten are right.
    client = Book(depth=stream.depth + 100)
    pairs = {"BTC/USD": {"pair_decimals": 1, "lot_decimals": 8}}
    client._SpotOrderBookClient__market = SimpleNamespace(get_asset_pairs=lambda pair: pairs)

    def take(raw: bytes) -> None:
        with suppress(StopIteration):
            client.on_message(json.loads(raw)).send(None)

    take(stream.snapshot)

    def feed(raw: bytes) -> tuple[Any, Any]:
        take(raw)
        book = client.get("BTC/USD")
        return float(next(iter(book["bid"]))), float(next(iter(book["ask"])))

    return feed


def _installed(candidates: dict[str, tuple[str, Candidate]]) -> dict[str, Candidate]:
    return {name: made for name, (module, made) in candidates.items() if find_spec(module)}


def missing() -> Iterator[str]:
    """The peers that are not installed, by the name to install."""
    names = {
        "ccxt": "ccxt",
        "cryptofeed": "cryptofeed",
        "order_book": "order-book",
        "sortedcontainers": "sortedcontainers",
        "kraken": "python-kraken-sdk",
    }
    return (name for module, name in names.items() if not find_spec(module))


def binance_candidates() -> dict[str, Candidate]:
    return {
        "outlast": ours_binance,
        "outlast, BookView and Decimals": lambda stream: ours_binance(stream, decimals=True),
        **_installed(
            {
                "ccxt.pro": ("ccxt", _ccxt_binance),
                "ccxt.pro, handle_order_book": (
                    "ccxt",
                    lambda stream: _ccxt_binance(stream, whole=False),
                ),
                "cryptofeed": ("cryptofeed", _cryptofeed_binance),
                "order-book, floats": ("order_book", _order_book_binance),
                "sortedcontainers, floats": ("sortedcontainers", _sorted_containers_binance),
            }
        ),
    }


def kraken_candidates() -> dict[str, Candidate]:
    return {
        "outlast": ours_kraken,
        "outlast, BookView and Decimals": lambda stream: ours_kraken(stream, decimals=True),
        **_installed(
            {
                "ccxt.pro": ("ccxt", _ccxt_kraken),
                "ccxt.pro, handle_order_book": (
                    "ccxt",
                    lambda stream: _ccxt_kraken(stream, whole=False),
                ),
                "python-kraken-sdk": ("kraken", _kraken_sdk),
                "order-book, Decimals": ("order_book", _order_book_kraken),
            }
        ),
    }
