"""The WebSocket API: orders, sessions, user streams, limits and faults."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mock_spot_sockets import Heard, Sockets, play
from mock_spot_world import recorded
from test_mock_spot_shapes import check
from test_mock_spot_streams import JSON, pushed

from outlast.mock.venues.binance_spot.ws_api import METHODS

API = "/ws-api/v3"


def order(**changes: Any) -> dict[str, Any]:
    values = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "40000.00",
    }
    return {n: v for n, v in (values | changes).items() if v is not None}


async def subscribed(world: Sockets) -> Heard:
    client = await world.dial(API)
    answer = await world.ask(client, "userDataStream.subscribe.signature", world.signed())
    assert answer["result"] == {"subscriptionId": 0}
    return client


def test_an_order_is_placed_queried_and_cancelled_over_the_socket() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(API)
        placed = await world.ask(
            client, "order.place", world.signed(**order(newClientOrderId="ws-1"))
        )
        assert placed["status"] == 200
        check(placed["result"], recorded("Trading/PlaceOrder.txt"), where="order.place")
        kinds = [(row["rateLimitType"], row["count"]) for row in placed["rateLimits"]]
        # The connection itself weighs 2, an order that succeeds nothing.
        assert kinds == [("REQUEST_WEIGHT", 2), ("ORDERS", 1), ("ORDERS", 1)]
        which = {"symbol": "BTCUSDT", "origClientOrderId": "ws-1"}
        found = await world.ask(client, "v3/order.status", world.signed(**which))
        assert found["result"]["status"] == "NEW"
        opened = await world.ask(client, "openOrders.status", world.signed())
        assert len(opened["result"]) == 1
        gone = await world.ask(
            client,
            "order.cancel",
            world.signed(symbol="BTCUSDT", orderId=found["result"]["orderId"]),
        )
        assert gone["result"]["status"] == "CANCELED"
        again = await world.ask(client, "order.cancel", world.signed(**which))
        assert (again["status"], again["error"]) == (
            400,
            {"code": -2011, "msg": "Unknown order sent."},
        )
        creates = world.exchange.truth.requests_json(endpoint="orders.create")["requests"]
        assert [(row["transport"], row["landed"]) for row in creates] == [("ws.api", "yes")]

    play(story)


def test_public_methods_need_no_key() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(API + "?returnRateLimits=false")
        assert await world.ask(client, "ping") == {"id": "ask-1", "status": 200, "result": {}}
        assert (await world.ask(client, "time"))["result"]["serverTime"] >= world.now_ms - 1000
        book = (await world.ask(client, "depth", {"symbol": "BTCUSDT", "limit": 5}))["result"]
        assert len(book["bids"]) == len(book["asks"]) == 5
        info = await world.ask(client, "exchangeInfo", {"symbols": ["BTCUSDT", "ETHUSDT"]})
        assert len(info["result"]["symbols"]) == 2
        bad = await world.ask(client, "depth", {"symbol": "NOPE", "returnRateLimits": True})
        assert (bad["status"], bad["error"]["code"]) == (400, -1121)
        assert bad["rateLimits"]

    play(story)


def test_numbers_and_booleans_are_signed_as_they_are_written() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(API)
        params = world.signed(omitZeroBalances=True, recvWindow=5000)
        assert (await world.ask(client, "account.status", params))["status"] == 200
        wrong = params | {"signature": "0" * 64}
        refused = await world.ask(client, "account.status", wrong)
        assert (refused["status"], refused["error"]["code"]) == (400, -1022)
        missing = await world.ask(client, "account.status", {"timestamp": world.now_ms})
        assert (missing["status"], missing["error"]["code"]) == (400, -1102)

    play(story)


# -- the user's stream ------------------------------------------------------------------------


def test_user_events_tell_of_an_order_from_its_birth_to_its_cancel() -> None:
    async def story(world: Sockets) -> None:
        client = await subscribed(world)
        await world.ask(client, "order.place", world.signed(**order(newClientOrderId="mine")))
        await asyncio.sleep(0.2)
        (born,) = client.events("executionReport")
        assert (born["x"], born["X"], born["c"], born["C"]) == ("NEW", "NEW", "mine", "")
        check(born, pushed("Order")["event"], where="executionReport")
        (locked,) = client.events("outboundAccountPosition")
        check(locked, pushed("AccountPosition")["event"], where="outboundAccountPosition")
        assert [(row["a"], row["l"]) for row in locked["B"]] == [("USDT", "400.00000000")]
        client.take()
        await world.rest("DELETE", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="mine")
        await asyncio.sleep(0.2)
        (ended,) = client.events("executionReport")
        assert (ended["x"], ended["X"], ended["C"]) == ("CANCELED", "CANCELED", "mine")
        assert ended["c"] not in ("", "mine")
        assert all(frame["subscriptionId"] == 0 for frame in client.take())

    play(story)


def test_fills_and_fees_on_the_stream_add_up_with_the_balances() -> None:
    async def story(world: Sockets) -> None:
        client = await subscribed(world)
        buy = order(type="MARKET", price=None, timeInForce=None, quantity="0.5")
        answer = await world.ask(client, "order.place", world.signed(**buy))
        await asyncio.sleep(0.2)
        reports = client.events("executionReport")
        fills = [report for report in reports if report["x"] == "TRADE"]
        assert [report["x"] for report in reports] == ["NEW"] + ["TRADE"] * len(fills)
        assert fills[-1]["X"] == "FILLED"
        assert fills[-1]["Z"] == answer["result"]["cummulativeQuoteQty"]
        assert [f["tradeId"] for f in answer["result"]["fills"]] == [f["t"] for f in fills]
        assert sum(Decimal(f["n"]) for f in fills) == Decimal("0.0005")
        assert {f["N"] for f in fills} == {"BTC"}
        told = {row["a"]: row["f"] for row in client.events("outboundAccountPosition")[-1]["B"]}
        account = await world.rest("GET", "/api/v3/account")
        held = {row["asset"]: row["free"] for row in account["balances"]}
        assert told == {asset: held[asset] for asset in told}
        assert set(told) == {"BTC", "USDT"}

    play(story)


def test_a_stop_that_fires_is_one_order_on_the_stream() -> None:
    async def story(world: Sockets) -> None:
        client = await subscribed(world)
        bid = world.venue.stage.engine.best("BTCUSDT")[0].price
        stop = order(
            type="STOP_LOSS",
            side="SELL",
            price=None,
            timeInForce=None,
            stopPrice=f"{bid - 20:.2f}",
            newClientOrderId="stop",
        )
        placed = (await world.ask(client, "order.place", world.signed(**stop)))["result"]
        for _ in range(1200):
            await asyncio.sleep(1)
            if any(report["x"] == "TRADE" for report in client.events("executionReport")):
                break
        reports = client.events("executionReport")
        assert {report["i"] for report in reports} == {placed["orderId"]}
        assert {report["c"] for report in reports} == {"stop"}
        assert [(r["x"], r["w"]) for r in reports[:2]] == [("NEW", False), ("NEW", True)]
        assert "W" not in reports[0]
        assert (reports[-1]["x"], reports[-1]["X"], reports[-1]["o"]) == (
            "TRADE",
            "FILLED",
            "STOP_LOSS",
        )

    play(story)


def test_an_amendment_is_told_as_a_replacement() -> None:
    async def story(world: Sockets) -> None:
        client = await subscribed(world)
        await world.ask(client, "order.place", world.signed(**order(newClientOrderId="before")))
        client.take()
        changes = {"origClientOrderId": "before", "newQty": "0.005", "newClientOrderId": "after"}
        answer = await world.ask(
            client, "order.amend.keepPriority", world.signed(symbol="BTCUSDT", **changes)
        )
        assert answer["status"] == 200
        await asyncio.sleep(0.2)
        (report,) = client.events("executionReport")
        assert (report["x"], report["X"], report["c"], report["C"], report["q"]) == (
            *("REPLACED", "NEW", "after", "before", "0.00500000"),
        )

    play(story)


def test_one_subscription_for_an_account_and_a_goodbye_at_its_end() -> None:
    async def story(world: Sockets) -> None:
        client = await subscribed(world)
        twice = await world.ask(client, "userDataStream.subscribe.signature", world.signed())
        assert twice["error"]["code"] == -2035
        listed = await world.ask(client, "session.subscriptions")
        assert listed["result"] == [{"subscriptionId": 0}]
        assert (await world.ask(client, "userDataStream.unsubscribe"))["result"] == {}
        await asyncio.sleep(0.2)
        (end,) = client.take()
        assert (end["subscriptionId"], end["event"]["e"]) == (0, "eventStreamTerminated")
        again = await world.ask(client, "userDataStream.unsubscribe")
        assert again["error"]["code"] == -2036
        await world.ask(client, "order.place", world.signed(**order()))
        await asyncio.sleep(0.2)
        assert client.take() == []
        answer = await world.ask(client, "userDataStream.subscribe.signature", world.signed())
        assert answer["result"] == {"subscriptionId": 1}

    play(story)


# -- sessions ---------------------------------------------------------------------------------


def test_only_an_ed25519_key_logs_on_and_needs_no_signature_from_then_on() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(API)
        refused = await world.ask(client, "session.logon", world.signed())
        assert refused["error"] == {"code": -2028, "msg": "HMAC-SHA-256 API key is not supported"}
        early = await world.ask(client, "userDataStream.subscribe")
        assert (early["status"], early["error"]["code"]) == (401, -1193)
        wrong = world.logon() | {"signature": "AAAA"}
        assert (await world.ask(client, "session.logon", wrong))["error"]["code"] == -1022
        session = (await world.ask(client, "session.logon", world.logon()))["result"]
        assert session["apiKey"] == world.account.ed25519.key
        assert session["authorizedSince"] is not None
        subscribed = await world.ask(client, "userDataStream.subscribe")
        assert subscribed["result"] == {"subscriptionId": 0}
        stamp = {"timestamp": world.now_ms}
        placed = await world.ask(client, "order.place", order() | stamp)
        assert placed["result"]["status"] == "NEW"
        stale = await world.ask(client, "account.status", {"timestamp": world.now_ms - 9000})
        assert stale["error"]["code"] == -1021
        assert (await world.ask(client, "session.status"))["result"]["userDataStream"] is True
        left = (await world.ask(client, "session.logout"))["result"]
        assert left["apiKey"] is None
        after = await world.ask(client, "account.status", {"timestamp": world.now_ms})
        assert after["error"]["code"] == -1102

    play(story)


# -- faults and limits ------------------------------------------------------------------------


def test_faults_of_order_entry_reach_the_socket_in_its_own_frame() -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(API)
        world.fault("orders.create", reply="backend_timeout", effect="apply", times=1)
        lost = await world.ask(client, "order.place", world.signed(**order()))
        assert (lost["status"], lost["error"]["code"]) == (504, -1007)
        opened = await world.ask(client, "openOrders.status", world.signed())
        assert len(opened["result"]) == 1
        world.fault("orders.create", reply="rate_limited", times=1)
        limited = await world.ask(client, "order.place", world.signed(**order()))
        assert (limited["status"], limited["error"]["code"]) == (429, -1003)
        assert limited["error"]["data"]["retryAfter"] > world.now_ms
        world.fault("orders.create", reply="unknown", times=1)
        unknown = await world.ask(client, "order.place", world.signed(**order()))
        assert (unknown["status"], unknown["error"]["code"]) == (503, -1000)

    play(story)


def test_a_muted_user_stream_stays_open_and_says_nothing() -> None:
    async def story(world: Sockets) -> None:
        client = await subscribed(world)
        world.fault("ws.user.stream", stream="mute")
        await world.ask(client, "order.place", world.signed(**order()))
        await asyncio.sleep(1)
        assert client.take() == []
        assert client.socket.close_code is None

    play(story)


REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "method": st.sampled_from(sorted(METHODS)) | JSON,
        "params": st.dictionaries(
            st.sampled_from(
                ["symbol", "timestamp", "apiKey", "signature", "limit", "subscriptionId", "symbols"]
            ),
            st.sampled_from(["BTCUSDT", 1, True, -1, "x", [], {}, 1.5, None]) | JSON,
            max_size=5,
        )
        | JSON,
    },
)


@given(messages=st.lists(REQUESTS.map(json.dumps) | JSON.map(json.dumps) | st.text(), max_size=25))
@settings(max_examples=15, deadline=None)
def test_whatever_is_asked_gets_the_venues_kind_of_answer(messages: list[str]) -> None:
    async def story(world: Sockets) -> None:
        client = await world.dial(API)
        for message in messages:
            await client.say(message)
            await asyncio.sleep(0.05)
        answers = client.take()
        assert len(answers) == len(messages)
        for answer in answers:
            assert {"id", "status"} < set(answer)
            assert ("result" in answer) == (answer["status"] == 200)
            if "error" in answer:
                assert isinstance(answer["error"]["code"], int)
        assert client.socket.close_code is None

    play(story)
