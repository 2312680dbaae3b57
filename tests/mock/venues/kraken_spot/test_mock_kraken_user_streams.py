"""Executions, balances and trading over WebSocket v2."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal

import pytest
from mock_kraken_world import DATA, play

from outlast.mock.venues.kraken_spot.figures import rfc3339

OLD = "EAPI:Invalid token"


def recorded(name):
    """The keys of the last answer in a file of `Socket`."""
    text = (DATA / "kraken.net" / "Socket" / f"{name}.txt").read_text(encoding="utf-8-sig")
    answer = json.loads(text[text.rindex("=\n") + 2 :].replace("|1|", "1"))
    return set(answer), answer["result"]


def order(world, token, **more):
    return {
        "order_type": "limit",
        "side": "buy",
        "order_qty": 0.01,
        "symbol": "BTC/USD",
        "limit_price": float(world.resting()),
        "token": token,
        **more,
    }


async def subscribed(world, **more):
    client = await world.dial("/v2/auth")
    token = await world.token()
    params = {"channel": "executions", "token": token, **more}
    answer = await client.answer("subscribe", params)
    assert answer["success"], answer
    return client, token


def rows(client):
    return [row for frame in client.take("executions") for row in frame["data"]]


def test_the_life_of_an_order_is_told_in_sequence():
    async def story(world):
        client, token = await subscribed(world)
        await asyncio.sleep(0.1)
        await client.say("add_order", order(world, token, cl_ord_id="life-1"), req_id=1)
        await client.say("cancel_order", {"cl_ord_id": ["life-1"], "token": token}, req_id=2)
        frames = [f for f in client.take() if f.get("channel") == "executions"]
        assert [f["sequence"] for f in frames] == list(range(2, len(frames) + 2))  # after snapshot
        told = [(f["data"][0]["exec_type"], f["data"][0]["order_status"]) for f in frames]
        assert told == [
            ("pending_new", "pending_new"),
            ("new", "new"),
            ("canceled", "canceled"),
        ]
        assert {f["data"][0]["cl_ord_id"] for f in frames} == {"life-1"}
        assert frames[-1]["data"][0]["reason"] == "User requested"

    play(story)


def test_the_snapshot_is_number_one_even_when_it_is_empty():
    async def story(world):
        client = await world.dial("/v2")  # one socket may carry both kinds
        client.take()
        params = {"channel": "executions", "token": await world.token()}
        await client.say("subscribe", params, req_id=5)
        answer, snapshot = client.take()
        assert answer["result"] == {
            "channel": "executions",
            "maxratecount": 180,
            "snap_orders": True,
            "snap_trades": False,
        }
        assert (snapshot["type"], snapshot["data"], snapshot["sequence"]) == ("snapshot", [], 1)

    play(story)


def test_a_fill_comes_as_trade_and_filled_with_its_fee_and_both_balances():
    async def story(world):
        client, token = await subscribed(world)
        await client.say("subscribe", {"channel": "balances", "token": token})
        client.take()
        params = order(world, token, order_type="market", order_qty=0.2, order_userref=3)
        del params["limit_price"]
        await client.say("add_order", params)
        frames = client.take()
        told = [f["data"][0] for f in frames if f.get("channel") == "executions"]
        assert [row["exec_type"] for row in told][:2] == ["pending_new", "new"]
        assert told[-1]["exec_type"] == "filled"
        trades = [row for row in told if row["exec_type"] == "trade"]
        assert sum(row["last_qty"] for row in trades) == Decimal("0.2")
        assert trades[-1]["cum_qty"] == Decimal("0.2")
        assert {row["order_userref"] for row in told} == {3}
        assert trades[0]["fees"][0]["asset"] == "USD"
        assert trades[0]["liquidity_ind"] == "t"
        assert len({row["exec_id"] for row in trades}) == len(trades)
        moves = [f for f in frames if f.get("channel") == "balances"]
        assert [f["sequence"] for f in moves] == list(range(2, len(moves) + 2))
        legs = [f["data"][0] for f in moves]
        assert [leg["asset"] for leg in legs[:2]] == ["USD", "BTC"]
        assert legs[0]["ref_id"] == legs[1]["ref_id"] == trades[0]["exec_id"]
        now = (await world.post("Balance"))["result"]
        assert legs[-1]["balance"] == Decimal(now["XXBT"])
        assert legs[-2]["balance"] == Decimal(now["ZUSD"])

    play(story)


def test_a_reconnecting_client_finds_open_orders_and_last_fills_in_the_snapshot():
    async def story(world):
        first, token = await subscribed(world)
        await first.say("add_order", order(world, token, cl_ord_id="kept"))
        params = order(world, token, order_type="market", order_qty=0.01)
        del params["limit_price"]
        await first.say("add_order", params)
        second = await world.dial("/v2/auth")
        second.take()
        params = {"channel": "executions", "token": token, "snap_trades": True}
        await second.say("subscribe", params)
        (snapshot,) = second.take("executions")
        assert {row["exec_type"] for row in snapshot["data"]} == {"trade", "new"}
        (open_one,) = [row for row in snapshot["data"] if row["exec_type"] == "new"]
        assert (open_one["cl_ord_id"], open_one["order_status"]) == ("kept", "new")

    play(story)


def test_a_stop_that_fires_stays_the_same_order_on_the_stream():
    async def story(world):
        client, token = await subscribed(world)
        bid = world.engine.best("BTC/USD")[0].price
        triggers = {"reference": "last", "price": float(bid - 5)}
        params = order(world, token, order_type="stop-loss", side="sell", triggers=triggers)
        del params["limit_price"]
        await client.say("add_order", params)
        for _ in range(60):
            await asyncio.sleep(10)
            if any(row["exec_type"] == "filled" for row in [*rows_kept(client)]):
                break
        told = rows(client)
        assert len({row["order_id"] for row in told}) == 1
        assert told[0]["triggers"]["price"] == bid - 5
        assert [row["exec_type"] for row in told][-1] == "filled"
        assert any(row.get("triggered") for row in told)

    def rows_kept(client):
        frames = [f for f in client.heard if f.get("channel") == "executions"]
        return [row for frame in frames for row in frame["data"]]

    play(story)


def test_few_statuses_on_request():
    async def story(world):
        client, token = await subscribed(world, order_status=False)
        client.take()
        await client.say("add_order", order(world, token))
        assert [row["exec_type"] for row in rows(client)] == ["new"]

    play(story)


def test_every_request_has_the_recorded_answer():
    async def story(world):
        client, token = await subscribed(world)

        async def ask(name, params, file):
            answer = await client.answer(name, {**params, "token": token}, req_id=123)
            keys, result = recorded(file)
            assert set(answer) == keys, answer
            assert answer["req_id"] == 123
            assert type(answer["result"]) is type(result)
            return answer["result"]

        placed = await ask("add_order", order(world, token, order_userref=100054), "PlaceOrder")
        assert set(placed) == {"order_id", "order_userref"}
        edited = await ask(
            "edit_order",
            {
                "order_id": placed["order_id"],
                "symbol": "BTC/USD",
                "limit_price": float(world.resting() - 1),
            },
            "ReplaceOrder",
        )
        assert edited["original_order_id"] == placed["order_id"]
        named = await ask("add_order", order(world, token, cl_ord_id="mine"), "PlaceOrder")
        assert named["cl_ord_id"] == "mine"
        amended = await ask("amend_order", {"cl_ord_id": "mine", "order_qty": 0.02}, "EditOrder")
        assert re.match(r"T[A-Z0-9]{5}-", amended["amend_id"])
        assert amended["cl_ord_id"] == "mine"
        lines = [
            {k: v for k, v in order(world, "", order_userref=n).items() if k != "token"}
            for n in (1, 2)
        ]
        for line in lines:
            del line["symbol"]
        batch = await ask(
            "batch_add", {"symbol": "BTC/USD", "orders": lines}, "PlaceMultipleOrders"
        )
        assert [row["order_userref"] for row in batch] == [1, 2]
        assert await ask("cancel_all_orders_after", {"timeout": 60}, "CancelAllOrdersAfter")
        cancelled = await ask("cancel_order", {"order_id": [edited["order_id"]]}, "CancelOrders")
        assert cancelled == {"order_id": edited["order_id"]}
        ids = [row["order_id"] for row in batch]
        answer = await client.answer("batch_cancel", {"orders": ids, "token": token})
        assert answer["orders_cancelled"] == 2
        assert await ask("cancel_all", {}, "CancelAllOrders") == {"count": 1}

    play(story)


def test_each_cancelled_order_has_an_answer_of_its_own():
    async def story(world):
        client, token = await subscribed(world)
        ids = []
        for _ in range(2):
            answer = await client.answer("add_order", order(world, token))
            ids.append(answer["result"]["order_id"])
        client.take()
        params = {"order_id": [*ids, "OAAAAA-BBBBB-CCCCCC"], "token": token}
        await client.say("cancel_order", params, req_id=8)
        answers = [f for f in client.take() if f.get("method") == "cancel_order"]
        assert [f["req_id"] for f in answers] == [8, 8, 8]
        assert [f.get("result", {}).get("order_id") for f in answers] == [*ids, None]
        assert answers[2]["error"] == "EOrder:Unknown order"

    play(story)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"token": "stale"}, OLD),
        ({"token": None}, OLD),
        ({"price": 5}, "Unsupported field: 'price' for the given msg type: add order"),
        ({"symbol": "XBT/USD"}, "Currency pair not supported XBT/USD"),
        ({"symbol": None}, "EGeneral:Invalid arguments:symbol"),
        ({"order_qty": 5}, "EOrder:Insufficient funds"),
        ({"order_qty": {"a": 1}}, "EGeneral:Invalid arguments:order_qty"),
        ({"margin": True}, "EOrder:Cannot open position"),
        ({"post_only": "yes"}, "EGeneral:Invalid arguments:post_only"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
        ({"stp_type": "never"}, "EGeneral:Invalid arguments:stp_type"),
    ],
)
def test_wrong_orders_are_refused_as_text(changes, error):
    async def story(world):
        client, token = await subscribed(world)
        params = {**order(world, token), **changes}
        params = {name: value for name, value in params.items() if value is not None}
        answer = await client.answer("add_order", params, req_id=1)
        assert answer["error"] == error
        assert (answer["method"], answer["success"]) == ("add_order", False)
        assert not world.engine.orders("main")

    play(story)


def test_validate_answers_without_an_order_id():
    async def story(world):
        client, token = await subscribed(world)
        answer = await client.answer("add_order", order(world, token, validate=True))
        assert answer["result"] == {"order_id": ""}
        assert not world.engine.orders("main")

    play(story)


def test_a_request_without_a_deadline_lives_five_seconds():
    async def story(world):
        client, token = await subscribed(world)
        world.fault("orders.create", reply="overload", effect={"apply_after": "4s"})
        answer = await client.answer("add_order", order(world, token))
        assert answer["error"] == "EService:Busy"
        await asyncio.sleep(5)
        assert len(world.engine.orders("main")) == 1
        world.fault("orders.create", reply="overload", effect={"apply_after": "6s"})
        await client.say("add_order", order(world, token))
        await asyncio.sleep(10)
        assert len(world.engine.orders("main")) == 1
        soon = rfc3339(world.engine.now_ms + 200)
        answer = await client.answer("add_order", order(world, token, deadline=soon))
        assert answer["error"] == "EService:Busy"  # the fault speaks first

    play(story)


def test_rest_and_socket_share_the_counter_of_a_pair():
    async def story(world):
        client, token = await subscribed(world)
        for _ in range(3):
            await client.say("add_order", order(world, token, validate=True))
        await world.post("AddOrder", pair="XBTUSD", ordertype="magic")
        level = world.dialect.counters.level("main", "BTC/USD", world.engine.now_ms)
        assert 3 < level <= 4
        record = world.exchange.truth.traffic.kept()[-2]
        assert record.transport == "ws.api"
        assert "token" not in record.params

    play(story)


def test_tokens_end_after_15_minutes_but_not_while_a_stream_lives_on_them():
    async def story(world):
        lonely = await world.token()
        client, token = await subscribed(world)
        await asyncio.sleep(1000)
        assert not client.closed
        answer = await client.answer("add_order", order(world, lonely))
        assert answer["error"] == OLD
        assert (await client.answer("add_order", order(world, token)))["success"]

    play(story)


def test_a_key_that_dies_mid_session_leaves_the_socket_open():
    async def story(world):
        client, token = await subscribed(world)
        world.fault("ws.user.stream", stream="expire_key")
        await asyncio.sleep(0.1)
        answer = await client.answer("add_order", order(world, token))
        assert answer["error"] == OLD
        fresh = await world.token()
        assert (await client.answer("add_order", order(world, fresh)))["success"]

    play(story)


def test_lost_executions_leave_a_gap_in_the_sequence():
    async def story(world):
        client, token = await subscribed(world)
        client.take()
        world.fault("ws.user.stream", stream={"gap": 1.0}, times=None)
        await client.say("add_order", order(world, token, cl_ord_id="x"))
        assert rows(client) == []
        for rule in list(world.exchange.run.desk.added):
            world.exchange.run.desk.remove(rule.id)
        world.exchange.run.changed()
        await client.say("cancel_order", {"cl_ord_id": ["x"], "token": token})
        (frame,) = client.take("executions")
        assert frame["sequence"] == 4

    play(story)


def test_silently_applied_orders_are_not_on_the_stream_but_queries_show_them():
    async def story(world):
        client, token = await subscribed(world)
        client.take()
        world.fault("orders.create", reply="ok", effect={"apply_silently": True})
        answer = await client.answer("add_order", order(world, token))
        assert answer["success"]
        assert rows(client) == []
        found = (await world.post("OpenOrders"))["result"]["open"]
        assert list(found) == [answer["result"]["order_id"]]

    play(story)
