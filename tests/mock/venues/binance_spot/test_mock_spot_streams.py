"""Market streams: every stream's shape, the book's sequence, and what clients may say."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_spot_sockets import CALM, Sockets, play
from mock_spot_world import DATA
from test_mock_spot_shapes import check

sys.path.insert(0, str(Path(__file__).parents[2]))
from book_validator import BinanceBook

# `b` and `a` of a trade, the order ids, are gone since 2024-12: web-socket-streams.md, change log.
ORDER_IDS = {"b", "a"}
SAMPLES = {
    "btcusdt@aggTrade": ("AggregatedTrades", set()),
    "btcusdt@trade": ("Trades", ORDER_IDS),
    "btcusdt@bookTicker": ("BookTicker", set()),
    "btcusdt@kline_1m": ("Klines", set()),
    "btcusdt@miniTicker": ("MiniTicker", set()),
    "btcusdt@ticker": ("Ticker", set()),
    "btcusdt@ticker_1h": ("RollingWindowTicker", set()),
    "btcusdt@depth5@100ms": ("PartialBook", set()),
}


def pushed(name: str) -> Any:
    """The event in a file of `binance.net/Spot/Streams`: the JSON behind the `=` line."""
    text = (DATA / "binance.net" / "Spot" / "Streams" / f"{name}.txt").read_text("utf-8-sig")
    return json.loads(text[text.index("\n=") + 2 :])


def test_every_stream_has_the_documented_shape() -> None:
    async def story(world: Sockets) -> None:
        names = [*SAMPLES, "btcusdt@depth", "btcusdt@avgPrice", "!miniTicker@arr"]
        client = await world.dial("/stream?streams=" + "/".join(names))
        await asyncio.sleep(4)
        heard = {frame["stream"]: frame["data"] for frame in client.take()}
        assert set(heard) == set(names)
        for name, (sample, without) in SAMPLES.items():
            check(heard[name], pushed(sample)["data"], without=without, where=name)
        assert isinstance(heard["!miniTicker@arr"], list)
        assert set(heard["btcusdt@depth"]) == {"e", "E", "s", "U", "u", "b", "a"}

    play(story)


@pytest.mark.parametrize("cadence", ["@100ms", ""])
def test_diffs_follow_each_other_and_fit_the_snapshot(cadence: str) -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(f"/ws/btcusdt@depth{cadence}")
        await asyncio.sleep(2.3)
        snapshot = await world.rest("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000)
        best = snapshot["asks"][0][0]
        for _ in range(5):
            await world.rest(
                "POST",
                "/api/v3/order",
                symbol="BTCUSDT",
                side="BUY",
                type="MARKET",
                quoteOrderQty="2000",
            )
            await asyncio.sleep(1)
        book, events = BinanceBook(futures=False), client.take()
        assert len(events) > (25 if cadence else 5)
        assert all(event["b"] or event["a"] for event in events)
        gone = [qty for e in events for _, qty in e["b"] + e["a"] if float(qty) == 0]
        assert set(gone) == {"0.00000000"}
        for event in events[:2]:
            book.event(event)
        book.snapshot(snapshot)
        for event in events[2:]:
            book.event(event)
        assert book.applied > 3
        assert float(best) > 0
        now = await world.rest("GET", "/api/v3/depth", symbol="BTCUSDT", limit=5000)
        if now["lastUpdateId"] == events[-1]["u"]:
            assert [float(now["bids"][0][0]), float(now["asks"][0][0])] == [
                float(side) for side in book.best()
            ]

    play(story)


def test_streams_are_joined_and_left_while_the_socket_runs() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial("/ws")
        await client.say({"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 7})
        await asyncio.sleep(2)
        first, *events = client.take()
        assert first == {"result": None, "id": 7}
        assert events
        assert all(set(event) == {"u", "s", "b", "B", "a", "A"} for event in events)
        await client.say({"method": "LIST_SUBSCRIPTIONS", "id": "a"})
        await client.say({"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": None})
        await asyncio.sleep(1)
        answers = [frame for frame in client.take() if "result" in frame]
        assert answers == [
            {"result": ["btcusdt@bookTicker"], "id": "a"},
            {"result": None, "id": None},
        ]
        await asyncio.sleep(3)
        assert client.take() == []

    play(story)


def test_a_stream_that_does_not_exist_is_confirmed_and_stays_silent() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial("/ws")
        names = ["btcusdt@nothing", "dogebtc@trade", "btcusdt@kline_7m"]
        await client.say({"method": "SUBSCRIBE", "params": names, "id": 1})
        await asyncio.sleep(3)
        assert client.take() == [{"result": None, "id": 1}]

    play(story)


def test_properties_wrap_and_unwrap() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial("/ws/btcusdt@ticker")
        await client.say({"method": "SET_PROPERTY", "params": ["combined", True], "id": 1})
        await client.say({"method": "GET_PROPERTY", "params": ["combined"], "id": 2})
        await asyncio.sleep(1.5)
        frames = client.take()
        assert {"result": True, "id": 2} in frames
        assert any(frame.get("stream") == "btcusdt@ticker" for frame in frames)

    play(story)


def test_times_come_in_microseconds_when_the_path_asks() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(
            "/stream?streams=btcusdt@trade/btcusdt@kline_1m&timeUnit=MICROSECOND"
        )
        await asyncio.sleep(4)
        frames = client.take()
        for frame in frames:
            event = frame["data"]
            instants = [event["E"]] + ([event["T"]] if event["e"] == "trade" else [event["k"]["t"]])
            assert all(instant > 10**15 for instant in instants)
        assert {frame["data"]["e"] for frame in frames} == {"trade", "kline"}

    play(story)


def test_a_client_that_talks_too_much_is_closed() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial("/ws")
        for number in range(6):
            await client.say({"method": "LIST_SUBSCRIPTIONS", "id": number})
        await asyncio.sleep(1)
        assert client.socket.close_code == 1008

    play(story)


def test_the_server_says_goodbye_before_it_goes() -> None:
    async def story(world: Sockets) -> None:
        raw, combined = await world.dial("/ws"), await world.dial("/stream")
        api = await world.dial("/ws-api/v3")
        world.fault("ws.*.stream", stream={"close": {"code": 1001, "every": "5s"}})
        await asyncio.sleep(6)
        assert raw.frames[-1]["e"] == "serverShutdown"
        assert combined.frames[-1]["stream"] == "!serverShutdown"
        assert api.frames[-1]["event"]["e"] == "serverShutdown"
        assert raw.socket.close_code == 1001

    play(story)


def test_a_burst_is_in_sequence_and_the_others_do_not_notice() -> None:
    async def story(world: Sockets) -> None:
        name = "/ws/btcusdt@depth@100ms"
        calm = await world.dial(name)
        await asyncio.sleep(1)
        # The fourth: two sockets and two subscriptions are counted.
        world.fault("ws.market.stream", where={"nth": 4}, stream={"burst_on_resume": 500})
        flooded = await world.dial(name)
        await asyncio.sleep(2)
        world.fault("ws.market.stream", stream={"bad_checksum": 1.0})
        await asyncio.sleep(0.5)
        for client, least in ((calm, 8), (flooded, 500)):
            events = [event for event in client.take() if "U" in event]
            steps = [b["U"] - a["u"] for a, b in itertools.pairwise(events)]
            assert len(events) > least
            assert set(steps[: steps.index(2) if 2 in steps else None]) == {1}
            assert 2 in steps, "the damage done at the end shows in the chain"

    play(story)


def test_a_closed_market_is_silent_and_its_streams_stay_open() -> None:
    document = CALM.replace(
        "  - {name: calm, for: rest}",
        "  - {name: calm, for: 3s}\n  - {name: halt, for: rest, engine: {mode: halted}}",
    )

    async def story(world: Sockets) -> None:
        client = await world.dial("/ws/btcusdt@depth@100ms")
        await asyncio.sleep(4)
        assert client.take()
        await asyncio.sleep(5)
        assert client.take() == []
        assert client.socket.close_code is None

    play(story, document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(
            ["SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY"]
        )
        | JSON,
        "params": st.lists(
            st.sampled_from(["btcusdt@depth", "combined", "!ticker@arr", "x@y", True]), max_size=3
        )
        | JSON,
        "id": JSON,
    },
)


@given(messages=st.lists(REQUESTS.map(json.dumps) | JSON.map(json.dumps) | st.text(), max_size=25))
@settings(max_examples=12, deadline=None)
def test_whatever_is_said_gets_an_answer_or_the_venues_error(messages: list[str]) -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial("/ws")
        for message in messages:
            await client.say(message)
            await asyncio.sleep(0.25)
        answers = [frame for frame in client.take() if isinstance(frame, dict) and "id" in frame]
        assert len(answers) == len(messages)
        for answer in answers:
            assert set(answer) in ({"result", "id"}, {"code", "msg", "id"})
        assert client.socket.close_code is None

    play(story)
