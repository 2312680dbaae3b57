"""Requests over `/ws-fapi/v1`: the same engine through another door."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from um_sockets import RESTING, calm, play

API = "/ws-fapi/v1"


async def ask(world, ear, method: str, request_id: object = 1, *, signed=True, **params):
    values = world.api_params(**params) if signed else params
    answer = await ear.ask({"id": request_id, "method": method, "params": values})
    assert answer["id"] == request_id
    assert type(answer["id"]) is type(request_id)
    return answer


def test_an_order_lives_its_life_over_the_socket():
    async def story(world):
        ear = await world.dial(API)
        placed = await ask(world, ear, "order.place", "a-1", **RESTING, newClientOrderId="mine")
        assert placed["status"] == 200
        order = placed["result"]
        assert (order["status"], order["clientOrderId"]) == ("NEW", "mine")
        found = await ask(world, ear, "order.status", symbol="BTCUSDT", origClientOrderId="mine")
        assert found["result"]["orderId"] == order["orderId"]
        moved = await ask(
            world,
            ear,
            "order.modify",
            symbol="BTCUSDT",
            side="BUY",
            orderId=order["orderId"],
            quantity="0.010",
            price="61000",
        )
        assert moved["status"] == 200, moved
        gone = await ask(world, ear, "order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
        assert gone["result"]["status"] == "CANCELED"
        again = await ask(world, ear, "order.cancel", symbol="BTCUSDT", orderId=order["orderId"])
        assert again["status"] == 400
        assert again["error"] == {"code": -2011, "msg": "Unknown order sent."}
        kinds = {(r.endpoint, r.transport) for r in world.exchange.truth.traffic.kept()}
        assert ("orders.create", "ws.api") in kinds
        assert ("orders.cancel", "ws.api") in kinds

    play(story)


def test_rate_limits_are_shown_and_can_be_hidden():
    async def story(world):
        ear = await world.dial(API)
        placed = await ask(world, ear, "order.place", **RESTING)
        assert {row["rateLimitType"] for row in placed["rateLimits"]} == {
            "ORDERS",
            "REQUEST_WEIGHT",
        }
        assert all(isinstance(row["count"], int) for row in placed["rateLimits"])
        time = await ask(world, ear, "time", signed=False)
        (weight,) = time["rateLimits"]
        assert weight["count"] == 6, "the handshake weighs 5"
        hidden = await ask(world, ear, "time", signed=False, returnRateLimits=False)
        assert "rateLimits" not in hidden
        quiet = await world.dial(API + "?returnRateLimits=false")
        assert "rateLimits" not in await ask(world, quiet, "ping", signed=False)

    play(story)


def test_every_method_answers():
    async def story(world):
        ear = await world.dial(API)
        for method, params in {
            "ping": {},
            "time": {},
            "depth": {"symbol": "BTCUSDT", "limit": 5},
            "ticker.price": {"symbol": "BTCUSDT"},
            "ticker.book": {"symbol": "BTCUSDT"},
        }.items():
            answer = await ask(world, ear, method, signed=False, **params)
            assert answer["status"] == 200, answer
        for method in (
            "account.status",
            "account.balance",
            "account.position",
            "v2/account.status",
            "v2/account.balance",
            "v2/account.position",
        ):
            assert (await ask(world, ear, method))["status"] == 200
        assert "assets" in (await ask(world, ear, "v2/account.status"))["result"]
        key = {"apiKey": world.wires["key"]}
        started = await ask(world, ear, "userDataStream.start", signed=False, **key)
        assert started["result"]["listenKey"] == await world.listen_key()
        kept = await ask(world, ear, "userDataStream.ping", signed=False, **key)
        assert kept["result"] == started["result"]
        ended = await ask(world, ear, "userDataStream.stop", signed=False, **key)
        assert ended["result"] == {}
        mark = world.engine.mark_price("BTCUSDT")
        algo = await ask(
            world,
            ear,
            "algoOrder.place",
            algoType="CONDITIONAL",
            symbol="BTCUSDT",
            side="SELL",
            type="STOP_MARKET",
            quantity="0.010",
            triggerPrice=str(int(mark * 9 / 10)),
        )
        assert algo["result"]["algoStatus"] == "NEW"
        gone = await ask(world, ear, "algoOrder.cancel", algoId=algo["result"]["algoId"])
        assert gone["result"]["code"] == "200"

    play(story)


def test_signatures_are_checked_over_sorted_plain_values():
    async def story(world):
        ear = await world.dial(API)
        good = world.api_params(**RESTING, reduceOnly=False, newClientOrderId="a.b:c/d")
        answer = await ear.ask({"id": 1, "method": "order.place", "params": good})
        assert answer["status"] == 200, answer
        bad = {**good, "price": "61000"}
        answer = await ear.ask({"id": 2, "method": "order.place", "params": bad})
        assert answer["status"] == 400
        assert answer["error"]["code"] == -1022
        late = world.api_params(**RESTING, recvWindow=1000)
        await asyncio.sleep(3)
        answer = await ear.ask({"id": 3, "method": "order.place", "params": late})
        assert answer["error"]["code"] == -1021
        answer = await ear.ask({"id": 4, "method": "order.place", "params": dict(RESTING)})
        assert answer["status"] == 401
        assert answer["error"]["code"] == -2014

    play(story)


def test_logging_on_takes_another_kind_of_key():
    async def story(world):
        ear = await world.dial(API)
        answer = await ask(world, ear, "session.logon")
        assert answer["status"] == 400
        assert answer["error"] == {
            "code": -2028,
            "msg": "HMAC-SHA-256 API key is not supported",
        }
        status = await ask(world, ear, "session.status", signed=False)
        assert status["result"]["apiKey"] is None
        assert status["result"]["connectedSince"] <= status["result"]["serverTime"]

    play(story)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("not json", -1135),
        ("[]", -1135),
        ('{"id": 1}', -1102),
        ('{"id": 1, "method": "no.such"}', -1020),
        ('{"id": [], "method": "time"}', -1130),
        ('{"id": 1, "method": "time", "params": []}', -1130),
        ('{"id": 1, "method": "depth", "params": {"symbol": "NOPE"}}', -1121),
        ('{"id": 1, "method": "depth", "params": {"symbol": NaN}}', -1135),
        ("[" * 30_000, -1135),
    ],
)
def test_malformed_requests_get_an_error(said, code):
    async def story(world):
        ear = await world.dial(API)
        answer = await ear.ask(said)
        assert answer["status"] == 400
        assert answer["error"]["code"] == code
        assert (await ask(world, ear, "ping", signed=False))["status"] == 200

    play(story)


def test_faults_of_orders_and_of_the_socket_reach_it():
    async def story(world):
        ear = await world.dial(API)
        world.fault("orders.create", reply="overload")
        answer = await ask(world, ear, "order.place", **RESTING)
        assert (answer["status"], answer["error"]["code"]) == (503, -1008)
        world.heal()
        world.fault("ws.api", reply="backend_timeout", effect="apply")
        answer = await ask(world, ear, "order.place", **RESTING, newClientOrderId="landed")
        assert (answer["status"], answer["error"]["code"]) == (408, -1007)
        assert [o.request.client_order_id for o in world.engine.orders("main")] == ["landed"]
        status, _ = await world.http(
            "GET",
            "/fapi/v1/order",
            {"symbol": "BTCUSDT", "origClientOrderId": "landed"},
            signed=True,
        )
        assert status == 200, "REST is another door"
        world.heal()
        world.fault("ws.api", reply={"hang": "30s"}, effect="apply")
        await ear.say(
            {
                "id": 9,
                "method": "order.place",
                "params": world.api_params(**RESTING, newClientOrderId="unanswered"),
            }
        )
        await asyncio.sleep(60)
        assert ear.take() == []
        assert len(world.engine.orders("main")) == 2
        (lost,) = [o for o in world.exchange.truth.lost("main") if o.client_order_id != "landed"]
        assert lost.client_order_id == "unanswered"

    play(story)


def test_a_full_counter_answers_429_with_the_instant_to_come_back():
    async def story(world):
        ear = await world.dial(API)
        for _ in range(9):
            answer = await ask(world, ear, "account.status")
        assert answer["status"] == 429
        assert answer["error"]["code"] == -1003
        data = answer["error"]["data"]
        assert 0 < data["retryAfter"] - data["serverTime"] <= 60_000

    play(story, calm() + "limits: {factor: 0.02}\n")


def test_too_many_unanswered_requests_close_the_socket():
    async def story(world):
        ear = await world.dial(API)
        world.fault("ws.api", latency={"p50": "50s", "p99": "50s"})
        for n in range(201):
            await ear.say({"id": n, "method": "ping"})
        await asyncio.sleep(5)
        assert ear.stream.close_code == 1008

    play(story)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
METHOD = st.sampled_from(
    [
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "SET_PROPERTY",
        "LIST_SUBSCRIPTIONS",
        "order.place",
        "depth",
        "ping",
    ]
)
NAME = st.sampled_from(["btcusdt@depth", "btcusdt@kline_1m", "!ticker@arr", "x@depth", "combined"])
REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "method": METHOD | JSON,
        "params": st.lists(NAME | JSON, max_size=4)
        | st.dictionaries(
            st.sampled_from(["symbol", "limit", "apiKey", "timestamp", "signature", "quantity"])
            | st.text(max_size=5),
            JSON,
            max_size=6,
        )
        | JSON,
        "id": JSON,
    },
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    messages=st.lists(
        REQUEST.map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=60), max_size=6
    )
)
def test_whatever_is_said_gets_an_answer_and_no_traceback(messages):
    records: list[logging.LogRecord] = []

    class Catch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    async def story(world):
        for path in ("/public/ws", "/market/stream", "/private/ws", API):
            ear = await world.dial(path)
            for message in messages:
                await ear.say(message)
            await asyncio.sleep(1)
            answers = [f for f in ear.take() if "e" not in f and "stream" not in f]
            assert len(answers) == len(messages), (path, messages, answers)

    handler = Catch(level=logging.WARNING)
    logging.getLogger("outlast").addHandler(handler)
    try:
        play(story)
    finally:
        logging.getLogger("outlast").removeHandler(handler)
    assert not records, records[0].getMessage()
