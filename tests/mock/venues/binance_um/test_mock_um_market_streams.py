"""Market streams: routes, payloads, the book in step with REST, and damage a client can notice."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from book_validator import BinanceBook, BookFault
from um_sockets import AFTER_SPLIT, BEFORE_SPLIT, MARKET, calm, play

STREAMS = Path(__file__).parents[3] / "data" / "binance.net" / "UsdFutures" / "Streams"


def documented(name: str) -> dict:
    """The pushed message in a file of `Streams`, or its first of several."""
    text = (STREAMS / f"{name}.txt").read_text(encoding="utf-8-sig")
    return json.loads(text.split("\n= ", 1)[1])


def kinds(value):
    """Keys and JSON types; of lists those of the first element."""
    if isinstance(value, dict):
        return {key: kinds(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [kinds(inner) for inner in value[:1]]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return "number" if is_number else type(value)


def assert_same_shape(mine, theirs, *, more: tuple[str, ...] = ()) -> None:
    """Every documented key with its type; besides, only those the venue has added since."""
    if isinstance(theirs, dict):
        assert set(theirs) <= set(mine)
        assert set(mine) - set(theirs) <= {*more, "st", "ps"}
        for key in theirs:
            assert_same_shape(mine[key], theirs[key], more=more)
    elif isinstance(theirs, list):
        if theirs and mine:
            assert_same_shape(mine[0], theirs[0], more=more)
    else:
        assert kinds(mine) == kinds(theirs), (mine, theirs)


# -- routes ---------------------------------------------------------------------------------------

BY_ROUTE = {
    "public": {"btcusdt@depth", "btcusdt@bookTicker", "btcusdt@trade"},
    "market": {"btcusdt@aggTrade", "btcusdt@markPrice@1s", "btcusdt@kline_1m", "btcusdt@ticker"},
}
EVERYTHING = sorted(BY_ROUTE["public"] | BY_ROUTE["market"])


async def heard_on(world, path: str) -> set[str]:
    ear = await world.dial(path)
    await ear.subscribe(*EVERYTHING)
    await asyncio.sleep(5)
    return {frame["stream"] for frame in ear.take()}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/public/stream", BY_ROUTE["public"]),
        ("/market/stream", BY_ROUTE["market"]),
        ("/private/stream", set()),
        ("/stream", BY_ROUTE["public"]),
    ],
)
def test_each_route_confirms_everything_and_carries_its_own(path, expected):
    async def story(world):
        assert await heard_on(world, path) == expected

    play(story, calm(AFTER_SPLIT))


def test_before_the_split_the_root_carried_everything():
    async def story(world):
        assert await heard_on(world, "/stream") == set(EVERYTHING)

    play(story, calm(BEFORE_SPLIT))


def test_streams_in_the_address_need_no_subscription():
    async def story(world):
        combined = await world.dial("/public/stream?streams=btcusdt@depth@100ms/ethusdt@bookTicker")
        raw = await world.dial("/public/ws/btcusdt@bookTicker")
        numbered = await world.dial("/public/ws/7")
        await asyncio.sleep(3)
        assert {f["stream"] for f in combined.take()} == {
            "btcusdt@depth@100ms",
            "ethusdt@bookTicker",
        }
        assert {(f["e"], f["s"]) for f in raw.take()} == {("bookTicker", "BTCUSDT")}
        assert numbered.take() == []
        await numbered.subscribe("btcusdt@bookTicker")
        await asyncio.sleep(1)
        assert {f["e"] for f in numbered.take()} == {"bookTicker"}

    play(story)


# -- control messages -----------------------------------------------------------------------------


def test_ids_come_back_as_they_were_and_subscriptions_are_listed():
    async def story(world):
        ear = await world.dial("/public/ws")
        for request_id in (1, 9_007_199_254_740_993, "abc", None):
            answer = await ear.ask(
                {"method": "SUBSCRIBE", "params": ["btcusdt@depth"], "id": request_id}
            )
            assert answer == {"result": None, "id": request_id}
        answer = await ear.ask({"method": "LIST_SUBSCRIPTIONS", "id": 3})
        assert answer == {"result": ["btcusdt@depth"], "id": 3}
        await asyncio.sleep(1)
        ear.take()
        await ear.ask({"method": "UNSUBSCRIBE", "params": ["btcusdt@depth"], "id": 4})
        ear.take()
        await asyncio.sleep(2)
        assert ear.take() == []
        assert (await ear.ask({"method": "LIST_SUBSCRIPTIONS", "id": 3}))["result"] == []

    play(story)


def test_the_wrapping_can_be_switched():
    async def story(world):
        ear = await world.dial("/public/ws")
        answer = await ear.ask({"method": "GET_PROPERTY", "params": ["combined"], "id": 1})
        assert answer == {"result": False, "id": 1}
        await ear.ask({"method": "SET_PROPERTY", "params": ["combined", True], "id": 2})
        await ear.subscribe("btcusdt@bookTicker")
        await asyncio.sleep(1)
        assert {f["stream"] for f in ear.take()} == {"btcusdt@bookTicker"}

    play(story)


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("not json", 3, "Invalid JSON"),
        ("[1, 2]", 2, "Invalid request"),
        ('{"method": "SUBSCRIBED", "id": 1}', 2, "unknown variant"),
        ('{"id": 1}', 2, "missing field `method`"),
        ('{"method": "SUBSCRIBE", "params": "x", "id": 1}', 2, "array"),
        ('{"method": "SUBSCRIBE", "params": [1], "id": 1}', 2, "strings"),
        ('{"method": "SUBSCRIBE", "params": [], "id": 1.5}', 2, "request ID"),
        ("[" * 30_000, 3, "Invalid JSON"),
    ],
)
def test_malformed_requests_are_told_so(said, code, words):
    async def story(world):
        ear = await world.dial("/public/ws")
        answer = await ear.ask(said)
        assert answer["code"] == code
        assert words in answer["msg"]

    play(story)


def test_more_than_ten_messages_in_a_second_close_the_socket():
    async def story(world):
        ear = await world.dial("/public/ws")
        for n in range(11):
            await ear.say({"method": "LIST_SUBSCRIPTIONS", "id": n})
        await asyncio.sleep(1)
        assert len(ear.take()) == 10
        assert ear.stream.close_code == 1008

    play(story)


# -- payloads -------------------------------------------------------------------------------------


def test_payloads_have_the_documented_keys_and_types():
    expected = {
        "btcusdt@depth@100ms": ("Book", ()),
        "btcusdt@depth5@100ms": ("PartialBook", ()),
        "btcusdt@bookTicker": ("BookTicker", ()),
        "btcusdt@aggTrade": ("AggTrades", ("nq",)),
        "btcusdt@markPrice@1s": ("MarkPrice", ("ap",)),
        "btcusdt@kline_1m": ("Klines", ()),
        "btcusdt_perpetual@continuousKline_1m": ("ContKlines", ()),
        "btcusdt@ticker": ("Ticker", ()),
        "btcusdt@miniTicker": ("MiniTicker", ()),
    }

    async def story(world):
        public = await world.dial("/public/stream")
        market = await world.dial("/market/stream")
        for ear in (public, market):
            await ear.subscribe(*expected)
        await asyncio.sleep(8)
        heard = {frame["stream"]: frame["data"] for frame in public.take() + market.take()}
        assert set(heard) == set(expected)
        for name, (file, more) in expected.items():
            assert_same_shape(heard[name], documented(file)["data"], more=more)
        assert len(heard["btcusdt@depth5@100ms"]["b"]) == 5

    play(story)


def test_the_symbol_status_and_liquidations_are_announced():
    async def story(world):
        ear = await world.dial("/market/stream?streams=!contractInfo/!markPrice@arr@1s")
        await asyncio.sleep(8)
        frames = [f for f in ear.take() if f["stream"] == "!contractInfo"]
        assert {f["data"]["cs"] for f in frames} == {"TRADING_HALT"}
        assert {f["data"]["s"] for f in frames} == set(world.engine.instruments)
        assert_same_shape(frames[0]["data"], documented("SymbolUpdates")["data"])

    phases = "[{name: calm, for: 5s}, {name: halt, for: rest, engine: {mode: halted}}]"
    play(story, calm(phases=phases))


def test_all_symbol_streams_are_arrays():
    async def story(world):
        ear = await world.dial(
            "/market/stream?streams=!markPrice@arr@1s/!miniTicker@arr/!ticker@arr"
        )
        await asyncio.sleep(4)
        frames = ear.take()
        assert {f["stream"] for f in frames} == {
            "!markPrice@arr@1s",
            "!miniTicker@arr",
            "!ticker@arr",
        }
        for frame in frames:
            assert [row["s"] for row in frame["data"]] == list(world.engine.instruments)

    play(story)


def test_trades_have_consecutive_ids_and_match_rest():
    async def story(world):
        trades = await world.dial("/public/ws/btcusdt@trade")
        await asyncio.sleep(20)
        heard = trades.take()
        ids = [trade["t"] for trade in heard]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert len(ids) > 20
        _, rows = await world.http("GET", "/fapi/v1/trades", {"symbol": "BTCUSDT"})
        by_id = {row["id"]: row for row in rows}
        for trade in heard:
            row = by_id[trade["t"]]
            assert (trade["p"], trade["q"], trade["T"]) == (row["price"], row["qty"], row["time"])

    play(story)


def test_klines_end_once_and_agree_with_rest():
    async def story(world):
        ear = await world.dial("/market/ws/btcusdt@kline_1m")
        await asyncio.sleep(130)
        ended = [frame["k"] for frame in ear.take() if frame["k"]["x"]]
        assert len(ended) == 2
        assert ended[1]["t"] == ended[0]["t"] + 60_000
        _, rows = await world.http(
            "GET", "/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m"}
        )
        by_start = {row[0]: row for row in rows}
        for bar in ended:
            row = by_start[bar["t"]]
            assert [bar["o"], bar["h"], bar["l"], bar["c"], bar["v"]] == row[1:6]

    play(story)


# -- the book -------------------------------------------------------------------------------------


def follow(book: BinanceBook, frames: list[dict]) -> None:
    for frame in frames:
        book.event(frame)


async def stay_in_step(world, ear, seconds: int) -> BinanceBook:
    """Follow the book as documented, trading meanwhile, and compare with REST at the end."""
    book = BinanceBook(futures=True)
    for second in range(seconds):
        if second == 1:
            for frame in ear.take():
                book.event(frame)
            book.snapshot(await world.depth())
        if second % 3 == 2:
            await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
        await asyncio.sleep(1)
        for frame in ear.take():
            book.event(frame)
    return book


@pytest.mark.parametrize("stream", ["depth", "depth@100ms", "depth@500ms", "depth@0ms"])
def test_the_book_follows_from_a_snapshot_and_the_diffs(stream):
    async def story(world):
        ear = await world.dial(f"/public/ws/btcusdt@{stream}")
        await asyncio.sleep(0.33)
        book = await stay_in_step(world, ear, 30)
        assert book.applied >= 25
        snapshot = await world.depth()
        await asyncio.sleep(2)
        for frame in ear.take():
            if frame["u"] <= snapshot["lastUpdateId"]:
                book.event(frame)
                if frame["u"] == snapshot["lastUpdateId"]:
                    assert {(str(p), str(q)) for p, q in _rows(book.bids)} == {
                        (str(Decimal(p)), str(Decimal(q))) for p, q in snapshot["bids"]
                    }

    play(story)


def _rows(side):
    return [(price, qty) for price, qty in side.items()]


def test_every_snapshot_lies_in_the_range_of_the_stream():
    async def story(world):
        ear = await world.dial("/public/ws/btcusdt@depth@100ms")
        await asyncio.sleep(1)
        snapshots = []
        for n in range(40):
            snapshots.append(await world.depth(limit=1000 if n % 2 else 20))
            if n % 5 == 0:
                await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
            await asyncio.sleep(0.137)
        await asyncio.sleep(2)
        events = ear.take()
        for snapshot in snapshots:
            at = snapshot["lastUpdateId"]
            assert any(e["pu"] <= at <= e["u"] for e in events), at
            book = BinanceBook(futures=True)
            if len(snapshot["bids"]) > 20:
                for event in events[:3]:
                    book.event(event)
                book.snapshot(snapshot)
                for event in events[3:]:
                    book.event(event)
                assert book.synced

    play(story)


def test_two_cadences_and_the_ticker_count_in_the_same_ids():
    async def story(world):
        names = "btcusdt@depth@100ms/btcusdt@depth@500ms/btcusdt@bookTicker"
        ear = await world.dial(f"/public/stream?streams={names}")
        await asyncio.sleep(10)
        last: dict[str, int] = {}
        ends: dict[str, set[int]] = {}
        for frame in ear.take():
            data = frame["data"]
            ends.setdefault(frame["stream"], set()).add(data["u"])
            assert data["u"] > last.get(frame["stream"], 0)
            last[frame["stream"]] = data["u"]
        assert ends["btcusdt@depth@500ms"] <= ends["btcusdt@depth@100ms"]
        assert ends["btcusdt@bookTicker"] <= ends["btcusdt@depth@100ms"] | {
            min(ends["btcusdt@bookTicker"])
        }

    play(story)


@pytest.mark.parametrize(
    "stream", [{"gap": 0.05}, {"reorder": 0.05}, {"bad_checksum": 0.05}, {"dup": 0.05}]
)
def test_a_client_that_checks_the_chain_notices_damage(stream):
    async def story(world):
        world.fault("ws.market.stream", stream=stream)
        ear = await world.dial("/public/ws/btcusdt@depth@100ms")
        await asyncio.sleep(60)
        book = BinanceBook(futures=True)
        frames = ear.take()
        with pytest.raises(BookFault, match="pu"):
            follow(book, frames)

    play(story)


def test_a_burst_is_in_sequence_for_the_client_and_for_its_neighbours():
    async def story(world):
        ear = await world.dial("/public/ws/btcusdt@depth@100ms")
        await asyncio.sleep(2)
        book = BinanceBook(futures=True)
        for frame in ear.take():
            book.event(frame)
        book.snapshot(await world.depth())
        world.fault(
            "ws.market.stream", where={"symbol": ["BTCUSDT"]}, stream={"burst_on_resume": 500}
        )
        late = await world.dial("/public/ws/btcusdt@depth@100ms")
        await asyncio.sleep(0.05)
        assert len(ear.frames) >= 500
        assert len(late.frames) >= 500
        await asyncio.sleep(5)
        for frame in ear.take():
            book.event(frame)
        other = BinanceBook(futures=True)
        for frame in late.take():
            other.event(frame)
        other.snapshot(await world.depth())
        await asyncio.sleep(2)
        for frame in late.take():
            other.event(frame)
        assert other.synced

    play(story)


def test_a_halted_engine_leaves_the_marks_running_and_the_book_silent():
    async def story(world):
        await asyncio.sleep(6)
        book = await world.dial("/public/ws/btcusdt@depth")
        marks = await world.dial("/market/ws/btcusdt@markPrice@1s")
        await asyncio.sleep(5)
        assert book.take() == []
        assert len(marks.take()) >= 4

    play(
        story,
        calm(phases="[{name: calm, for: 5s}, {name: halt, for: rest, engine: {mode: halted}}]"),
    )


def test_names_that_do_not_exist_are_confirmed_and_silent():
    async def story(world):
        ear = await world.dial("/public/ws")
        await ear.subscribe("nosuchcoin@depth", "btcusdt@nothing", "BTCUSDT@depth", "", "@@")
        await asyncio.sleep(3)
        assert ear.take() == []
        assert re.match(
            "nosuch", (await ear.ask({"method": "LIST_SUBSCRIPTIONS", "id": 1}))["result"][0]
        )

    play(story)
