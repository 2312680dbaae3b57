"""A listing and another tick, as clients of the three venues see them: REST, streams, books."""

from __future__ import annotations

import asyncio
import itertools
import json
from decimal import Decimal
from typing import Any

import httpx
import pytest
from book_validator import BinanceBook, KrakenBook
from websockets.asyncio.client import connect

from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.load import loads

DOCUMENT = """
scenario: new-rules
venue: [binance-um, binance-spot, kraken-spot]
seed: 9
world:
  instruments:
    BTCUSDT: {product: um, mid: 68000, tick: 0.1}
    SOLUSDT: {product: um, mid: 150, tick: 0.01}
    BTCUSDT-SPOT: {product: spot, venue: binance-spot, mid: 68000, tick: 0.01}
    SOLUSDT-SPOT: {product: spot, venue: binance-spot, mid: 150, tick: 0.01}
    BTC/USD: {product: spot, venue: kraken-spot, mid: 68000, tick: 0.1}
    SOL/USD: {product: spot, venue: kraken-spot, mid: 150, tick: 0.01}
phases:
  - name: all
    for: 5m
    events:
      - {at: 1m, kind: listing, symbols: [SOLUSDT, SOLUSDT-SPOT, SOL/USD]}
      - {at: 2m, kind: tick_size_change, symbols: [BTCUSDT, BTCUSDT-SPOT], tick: 0.5}
      - {at: 2m, kind: tick_size_change, symbols: BTC/USD, tick: 0.05}
"""
LISTED_S, TICK_S = 60.0, 120.0
T0_MS = 1_772_460_000_000
SPOT_STREAMS = "depth@100ms bookTicker trade kline_1m depth5 ticker avgPrice".split()


class Stage:
    """The exchange on the wire of the simulation, one client for REST, ears for the streams."""

    def __init__(self, venue: str) -> None:
        self.venue = venue

    async def __aenter__(self) -> Stage:
        self.exchange = await MockExchange(loads(DOCUMENT), venues=[self.venue]).__aenter__()
        ends = self.exchange.describe()["venues"][self.venue]["endpoints"]
        self.stream = ends["stream"]
        self.http = httpx.AsyncClient(base_url=ends["rest"], trust_env=False, timeout=None)
        self.ears: list[asyncio.Task[None]] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        for ear in self.ears:
            ear.cancel()
        await asyncio.gather(*self.ears, return_exceptions=True)
        await self.exchange.stop()

    async def ask(self, target: str) -> Any:
        return (await self.http.get(target)).json()

    async def goto(self, at_s: float) -> None:
        clock = self.exchange.run.clock
        clock.catch_up()
        await asyncio.sleep(max(0.0, at_s - clock.elapsed_s))

    async def listen(self, path: str, *said: Any) -> list[tuple[float, Any]]:
        """Everything that a socket hears: (seconds since the start, message)."""
        heard: list[tuple[float, Any]] = []
        ready = asyncio.Event()

        async def hear() -> None:
            async with connect(self.stream + path, proxy=None, compression=None) as socket:
                for message in said:
                    await socket.send(json.dumps(message))
                ready.set()
                async for text in socket:
                    at_s = self.exchange.run.clock.elapsed_s
                    heard.append((at_s, json.loads(text, parse_float=Decimal)))

        self.ears.append(asyncio.create_task(hear()))
        await ready.wait()
        return heard


def play(venue: str, tell: Any) -> Any:
    async def main() -> Any:
        async with Stage(venue) as stage:
            return await tell(stage)

    return sim.run(main, seed=1)


# --- what is listed ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("venue", "info", "depth", "refused"),
    [
        (
            "binance-um",
            "/fapi/v1/exchangeInfo",
            "/fapi/v1/depth?symbol=SOLUSDT",
            {"code": -1121, "msg": "Invalid symbol."},
        ),
        (
            "binance-spot",
            "/api/v3/exchangeInfo",
            "/api/v3/depth?symbol=SOLUSDT",
            {"code": -1121, "msg": "Invalid symbol."},
        ),
    ],
)
def test_binance_lists_a_symbol_and_its_book_from_the_event_on(venue, info, depth, refused):
    async def tell(stage: Stage) -> None:
        await stage.goto(LISTED_S - 1)
        symbols = {row["symbol"]: row for row in (await stage.ask(info))["symbols"]}
        assert set(symbols) == {"BTCUSDT"}
        assert await stage.ask(depth) == refused
        await stage.goto(LISTED_S + 1)
        symbols = {row["symbol"]: row for row in (await stage.ask(info))["symbols"]}
        assert set(symbols) == {"BTCUSDT", "SOLUSDT"}
        book = await stage.ask(depth)
        assert 140 < Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0]) < 160
        if venue == "binance-um":
            assert symbols["SOLUSDT"]["onboardDate"] == T0_MS + 60_000
            assert symbols["BTCUSDT"]["onboardDate"] < T0_MS
        await stage.goto(LISTED_S + 30)
        trades = await stage.ask(depth.replace("depth", "trades"))
        assert len(trades) > 5
        assert all(trade["time"] >= T0_MS + 60_000 for trade in trades)

    play(venue, tell)


def test_kraken_lists_a_pair_its_assets_and_its_book_from_the_event_on():
    async def tell(stage: Stage) -> None:
        await stage.goto(LISTED_S - 1)
        assert set((await stage.ask("/0/public/AssetPairs"))["result"]) == {"XXBTZUSD"}
        assert set((await stage.ask("/0/public/Assets"))["result"]) == {"XXBT", "ZUSD"}
        refusal = await stage.ask("/0/public/Depth?pair=SOLUSD")
        assert refusal["error"] == ["EQuery:Unknown asset pair"]
        await stage.goto(LISTED_S + 30)
        pairs = (await stage.ask("/0/public/AssetPairs"))["result"]
        assert set(pairs) == {"XXBTZUSD", "SOLUSD"}
        assert pairs["SOLUSD"]["tick_size"] == "0.01"
        assert set((await stage.ask("/0/public/Assets"))["result"]) == {"XXBT", "ZUSD", "SOL"}
        (book,) = (await stage.ask("/0/public/Depth?pair=SOLUSD"))["result"].values()
        assert 140 < Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0]) < 160
        assert len((await stage.ask("/0/public/Trades?pair=SOLUSD"))["result"]["SOLUSD"]) > 5

    play("kraken-spot", tell)


def test_contract_info_tells_of_the_listing_and_not_of_the_tick():
    """Source: Binance USD-M docs, Contract Info Stream: listing, settlement, brackets."""

    async def tell(stage: Stage) -> None:
        heard = await stage.listen("/market/ws/!contractInfo")
        await stage.goto(TICK_S + 5)
        ((at_s, event),) = heard
        assert LISTED_S <= at_s < LISTED_S + 0.5
        assert (event["e"], event["s"], event["cs"]) == ("contractInfo", "SOLUSDT", "TRADING")
        assert event["ot"] == T0_MS + 60_000

    play("binance-um", tell)


@pytest.mark.parametrize(
    ("venue", "path"),
    [
        ("binance-um", "/public/stream?streams=solusdt@depth@100ms/solusdt@bookTicker"),
        ("binance-um", "/market/stream?streams=solusdt@aggTrade/solusdt@kline_1m"),
        (
            "binance-spot",
            "/stream?streams=solusdt@" + "/solusdt@".join(SPOT_STREAMS),
        ),
    ],
)
def test_binance_streams_of_a_symbol_begin_to_speak_when_it_is_listed(venue, path):
    async def tell(stage: Stage) -> None:
        heard = await stage.listen(path)
        await stage.goto(LISTED_S - 0.5)
        assert heard == []
        await stage.goto(LISTED_S + 20)
        names = {message["stream"] for _, message in heard}
        assert names == set(path.partition("streams=")[2].split("/"))

    play(venue, tell)


def subscription(channel: str, symbol: str | None = None) -> dict[str, Any]:
    params: dict[str, Any] = {"channel": channel}
    if symbol:
        params["symbol"] = [symbol]
    return {"method": "subscribe", "params": params}


def test_krakens_instrument_channel_tells_of_both():
    async def tell(stage: Stage) -> None:
        heard = await stage.listen("/v2", subscription("instrument"))
        early = await stage.listen("/v2", subscription("book", "SOL/USD"))
        await stage.goto(TICK_S + 5)
        assert any("not supported" in message.get("error", "") for _, message in early)
        told = [m for m in heard if m[1].get("channel") == "instrument"]
        snapshot, listing, tick = (message["data"] for _, message in told)
        assert [pair["symbol"] for pair in snapshot["pairs"]] == ["BTC/USD"]
        assert snapshot["pairs"][0]["tick_size"] == Decimal("0.1")
        assert LISTED_S <= told[1][0] < LISTED_S + 0.5
        assert [pair["symbol"] for pair in listing["pairs"]] == ["SOL/USD"]
        assert {asset["id"] for asset in listing["assets"]} == {"SOL", "USD"}
        assert TICK_S <= told[2][0] < TICK_S + 0.5
        ((pair, assets),) = [(pair, tick["assets"]) for pair in tick["pairs"]]
        assert (pair["symbol"], assets) == ("BTC/USD", [])
        assert pair["tick_size"] == pair["price_increment"] == Decimal("0.05")
        assert pair["price_precision"] == 2
        late = await stage.listen("/v2", subscription("book", "SOL/USD"))
        await stage.goto(TICK_S + 10)
        assert any(message.get("type") == "snapshot" for _, message in late)

    play("kraken-spot", tell)


# --- another tick --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("venue", "info", "before", "precision"),
    [
        ("binance-um", "/fapi/v1/exchangeInfo", "0.1", 2),
        ("binance-spot", "/api/v3/exchangeInfo", "0.01", None),
    ],
)
def test_binance_shows_the_tick_in_exchange_info(venue, info, before, precision):
    async def tell(stage: Stage) -> None:
        for at_s, tick in ((TICK_S - 1, before), (TICK_S + 1, "0.5")):
            await stage.goto(at_s)
            row = next(r for r in (await stage.ask(info))["symbols"] if r["symbol"] == "BTCUSDT")
            (price,) = [f for f in row["filters"] if f["filterType"] == "PRICE_FILTER"]
            assert Decimal(price["tickSize"]) == Decimal(price["minPrice"]) == Decimal(tick)
            assert row.get("pricePrecision") == precision  # it follows no tick that grows

    play(venue, tell)


@pytest.mark.parametrize(
    ("venue", "path", "snapshot"),
    [
        (
            "binance-um",
            "/public/stream?streams=btcusdt@depth@100ms",
            "/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
        ),
        (
            "binance-spot",
            "/stream?streams=btcusdt@depth@100ms",
            "/api/v3/depth?symbol=BTCUSDT&limit=1000",
        ),
    ],
)
def test_the_sequence_of_binances_book_runs_through_the_change(venue, path, snapshot):
    async def tell(stage: Stage) -> None:
        heard = await stage.listen(path)
        await stage.goto(TICK_S - 20)
        book = BinanceBook(futures=venue == "binance-um")
        answer = await stage.ask(snapshot)
        await stage.goto(TICK_S + 20)
        for at_s, message in heard:
            if book.applied == 0 and message["data"]["u"] >= answer["lastUpdateId"] > 0:
                book.snapshot(answer)
                answer = {"lastUpdateId": 0}
            book.event(message["data"])
            if book.synced and at_s > TICK_S + 1:
                assert all(price % Decimal("0.5") == 0 for price in (*book.bids, *book.asks))
        assert book.applied > 100

    play(venue, tell)


def test_the_checksum_of_krakens_book_goes_by_the_precision_told_before_it():
    """A client that takes its decimals from the instrument channel is right at every message."""

    async def tell(stage: Stage) -> None:
        heard = await stage.listen(
            "/v2", subscription("instrument"), subscription("book", "BTC/USD")
        )
        await stage.goto(TICK_S + 20)
        book, precisions = None, []
        for _, message in heard:
            if message.get("channel") == "instrument":
                for pair in message["data"]["pairs"]:
                    if pair["symbol"] == "BTC/USD":
                        precisions.append(pair["price_precision"])
                        if book is not None:
                            book._places = (pair["price_precision"], pair["qty_precision"])
                        places = (pair["price_precision"], pair["qty_precision"])
            elif message.get("channel") == "book":
                if book is None:
                    book = KrakenBook(depth=10, price_precision=places[0], qty_precision=places[1])
                book.message(message)
        assert [p for p, _ in itertools.groupby(precisions)] == [1, 2]
        assert book is not None
        assert book.applied > 300

    play("kraken-spot", tell)
