"""Public channels over WebSocket v2: greetings, answers, data."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest
from mock_kraken_world import DATA, play

TIMES = {"time_in", "time_out"}


def pushed(name):
    """The keys and types of the data rows of a recorded push."""
    text = (DATA / "kraken.net" / "Subscriptions" / f"{name}.txt").read_text(encoding="utf-8-sig")
    message = json.loads(text.partition("\n= ")[2].strip(), parse_float=Decimal)
    return {key: type(value) for key, value in message["data"][0].items()}


def kinds(row):
    return {key: type(value) for key, value in row.items()}


def test_status_comes_first_and_heartbeats_after_the_first_subscription():
    async def story(world):
        client = await world.dial()
        (first,) = client.take()
        assert (first["channel"], first["type"]) == ("status", "update")
        (row,) = first["data"]
        assert (row["system"], row["api_version"]) == ("online", "v2")
        assert row["connection_id"] > 2**63
        await asyncio.sleep(5)
        assert client.take("heartbeat") == []
        await client.say("subscribe", {"channel": "trade", "symbol": ["BTC/USD"]})
        client.take()
        await asyncio.sleep(10)
        assert 9 <= len(client.take("heartbeat")) <= 11
        gone = await client.answer("unsubscribe", {"channel": "trade", "symbol": ["BTC/USD"]})
        assert gone["success"]
        await asyncio.sleep(5)
        assert client.take("heartbeat") == []

    play(story)


def test_each_symbol_is_answered_before_its_snapshot():
    async def story(world):
        client = await world.dial()
        client.take()
        params = {"channel": "book", "symbol": ["BTC/USD", "XBT/USD", "ETH/USD"], "depth": 10}
        await client.say("subscribe", params, req_id=7)
        frames = client.take()
        (bad,) = [frame for frame in frames if frame.get("success") is False]
        assert bad["error"] == "Currency pair not supported XBT/USD"
        assert (bad["symbol"], bad["req_id"], bad["method"]) == ("XBT/USD", 7, "subscribe")
        good = [frame for frame in frames if frame is not bad]
        order = [(frame.get("channel"), frame.get("result", {}).get("symbol")) for frame in good]
        assert order[:4] == [
            (None, "BTC/USD"),
            ("book", None),
            (None, "ETH/USD"),
            ("book", None),
        ]
        assert set(good[0]) == {"method", "req_id", "result", "success"} | TIMES
        assert good[0]["result"] == {
            "channel": "book",
            "depth": 10,
            "snapshot": True,
            "symbol": "BTC/USD",
        }

    play(story)


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": 11}, "Subscription depth not"),
        ({"channel": "book", "symbol": ["BTC/USD"], "depth": True}, "Subscription depth not"),
        ({"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 7}, "Subscription ohlc interval"),
        ({"channel": "nothing"}, "Subscription name invalid"),
        ({}, "Subscription name invalid"),
        ({"channel": "status"}, "Symbol(s) not found"),
        ({"channel": "book"}, "Symbol(s) not found"),
        ({"channel": "book", "symbol": "BTC/USD"}, "Malformed request"),
        ({"channel": "executions"}, "ESession:Invalid session"),
        ({"channel": "balances", "token": "x"}, "ESession:Invalid session"),
        ({"channel": "ticker", "symbol": ["BTC/USD"], "event_trigger": "x"}, "Malformed request"),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused_and_the_socket_stays(params, error):
    async def story(world):
        client = await world.dial()
        answer = await client.answer("subscribe", params, req_id=3)
        assert answer["error"].startswith(error)
        assert (answer["success"], answer["req_id"]) == (False, 3)
        assert (await client.answer("ping", req_id=4))["method"] == "pong"

    play(story)


def test_leaving_what_one_is_not_on_is_answered_as_a_failed_subscription():
    async def story(world):
        client = await world.dial()
        params = {"channel": "book", "symbol": ["BTC/USD"], "depth": 25}
        answer = await client.answer("unsubscribe", params, req_id=9)
        assert (answer["error"], answer["method"]) == ("Subscription Not Found", "subscribe")
        await client.say("subscribe", params)
        answer = await client.answer("unsubscribe", {**params, "depth": 10})
        assert answer["success"] is False
        answer = await client.answer("unsubscribe", params)
        assert answer["result"] == {"channel": "book", "depth": 25, "symbol": "BTC/USD"}
        client.take()
        await asyncio.sleep(3)
        assert client.take("book") == []

    play(story)


@pytest.mark.parametrize("text", ["", "hello", "[]", "7", '{"method":5}', '{"method":"dance"}'])
def test_malformed_messages_are_answered(text):
    async def story(world):
        client = await world.dial()
        client.take()
        await client.say_raw(text)
        (answer,) = client.take()
        assert (answer["error"], answer["success"]) == ("Malformed request", False)

    play(story)


def test_the_ticker_follows_quotes_or_trades():
    async def story(world):
        client = await world.dial()
        for trigger in ("bbo", "trades"):
            params = {"channel": "ticker", "symbol": ["ETH/USD"], "event_trigger": trigger}
            answer = await client.answer("subscribe", params)
            assert answer["result"]["event_trigger"] == trigger
        await asyncio.sleep(20)
        rows = [frame["data"][0] for frame in client.take("ticker")]
        assert len(rows) > 10
        recorded = pushed("Ticker")
        own = kinds(rows[-1])
        assert {key: own[key] for key in recorded} == recorded
        assert set(own) - set(recorded) == {"timestamp"}
        assert all(row["bid"] < row["ask"] for row in rows)

    play(story)


def test_trades_are_numbered_without_gaps():
    async def story(world):
        client = await world.dial()
        params = {"channel": "trade", "symbol": ["BTC/USD"], "snapshot": True}
        await client.say("subscribe", params)
        await asyncio.sleep(20)
        frames = client.take("trade")
        assert frames[0]["type"] == "snapshot"
        assert {frame["type"] for frame in frames[1:]} == {"update"}
        numbers = [row["trade_id"] for frame in frames for row in frame["data"]]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert kinds(frames[-1]["data"][0]) == pushed("Trades")

    play(story)


def test_bars_are_sent_as_they_grow():
    async def story(world):
        client = await world.dial()
        params = {"channel": "ohlc", "symbol": ["BTC/USD"], "interval": 5}
        answer = await client.answer("subscribe", params)
        assert answer["result"]["interval"] == 5
        await asyncio.sleep(10)
        frames = client.take("ohlc")
        assert frames[-1]["timestamp"]
        assert kinds(frames[-1]["data"][0]) == pushed("Kline")

    play(story)


def test_the_instruments_are_one_object_and_change_with_the_mode():
    document = """
scenario: modes
venue: kraken-spot
seed: 3
phases:
  - {name: normal, for: 10s}
  - {name: works, for: 20s, engine: {mode: maintenance}}
  - {name: back, for: 20s, engine: {mode: post_only}}
  - {name: open, for: rest}
"""

    async def story(world):
        client = await world.dial()
        await client.say("subscribe", {"channel": "instrument"})
        (snapshot,) = client.take("instrument")
        assert [asset["id"] for asset in snapshot["data"]["assets"]] == ["BTC", "USD", "ETH"]
        pair = snapshot["data"]["pairs"][0]
        assert (pair["symbol"], pair["price_precision"], pair["qty_precision"]) == ("BTC/USD", 1, 8)
        assert '"qty_increment":0.00000001' in next(t for t in client.texts if "qty_inc" in t)
        await asyncio.sleep(60)
        frames = client.take()
        systems = [f["data"][0]["system"] for f in frames if f["channel"] == "status"]
        assert systems == ["maintenance", "post_only", "online"]
        pairs = [f["data"]["pairs"][0]["status"] for f in frames if f["channel"] == "instrument"]
        assert pairs == systems

    play(story, document)


def test_pongs_carry_the_request_id_only_when_it_is_a_number():
    async def story(world):
        client = await world.dial()
        assert set(await client.answer("ping", req_id=101)) == {"method", "req_id"} | TIMES
        assert "req_id" not in await client.answer("ping", req_id="101")

    play(story)


def test_a_socket_without_subscriptions_is_closed_after_a_minute_of_silence():
    async def story(world):
        idle, busy = await world.dial(), await world.dial("/v2/auth")
        await busy.say("subscribe", {"channel": "trade", "symbol": ["BTC/USD"]})
        await asyncio.sleep(70)
        assert idle.closed
        assert not busy.closed

    play(story)


def test_too_many_messages_a_second_are_refused():
    async def story(world):
        client = await world.dial()
        client.take()
        for _ in range(130):
            await client.stream.send('{"method":"ping"}')
        await asyncio.sleep(0.2)
        answers = client.take()
        assert [a.get("error") for a in answers].count("Exceeded msg rate") == 30

    play(story)


def test_a_subscription_may_be_confirmed_and_then_say_nothing():
    async def story(world):
        world.fault("ws.market.stream", stream="ack_only", where={"channel": "book"})
        client = await world.dial()
        answer = await client.answer("subscribe", {"channel": "book", "symbol": ["BTC/USD"]})
        assert answer["success"]
        await asyncio.sleep(5)
        assert client.take("book") == []
        await asyncio.sleep(3)
        assert len(client.take("heartbeat")) >= 2

    play(story)
