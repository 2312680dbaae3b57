"""The user data stream: what an account is told, by which key, and until when."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest
from um_sockets import AFTER_SPLIT, BEFORE_SPLIT, MARKET, calm, play

STREAMS = Path(__file__).parents[3] / "data" / "binance.net" / "UsdFutures" / "Streams"


def documented(name: str) -> dict:
    text = (STREAMS / f"{name}.txt").read_text(encoding="utf-8-sig")
    return json.loads(text.split("\n= ", 1)[1])["data"]


def assert_has_documented(mine: dict, theirs: dict, *, optional: tuple[str, ...] = ()) -> None:
    """Every documented key is there, with a value of its JSON type."""
    missing = set(theirs) - set(mine) - set(optional)
    assert not missing, missing
    for key in set(theirs) & set(mine):
        if isinstance(theirs[key], dict):
            assert_has_documented(mine[key], theirs[key], optional=optional)
        elif isinstance(theirs[key], list):
            for row in mine[key]:
                assert_has_documented(row, theirs[key][0], optional=optional)
        else:
            assert type(mine[key]) is type(theirs[key]), (key, mine[key], theirs[key])


async def listening(world, *, events: str = ""):
    key = await world.listen_key()
    return await world.dial(
        f"/private/ws?listenKey={key}" + (f"&events={events}" if events else "")
    )


def named(frames, event: str) -> list[dict]:
    return [frame for frame in frames if frame.get("e") == event]


def test_a_resting_order_is_told_when_taken_and_when_cancelled():
    async def story(world):
        ear = await listening(world)
        placed = await world.order(newClientOrderId="mine")
        await asyncio.sleep(0.1)
        (frame,) = ear.take()
        assert_has_documented(frame, documented("OrderUpdate"), optional=("AP", "cr"))
        order = frame["o"]
        assert (order["x"], order["X"], order["c"], order["i"]) == (
            "NEW",
            "NEW",
            "mine",
            placed["orderId"],
        )
        assert Decimal(order["b"]) == 600
        assert frame["E"] >= frame["T"]
        await world.http(
            "DELETE", "/fapi/v1/order", {"symbol": "BTCUSDT", "orderId": order["i"]}, signed=True
        )
        await asyncio.sleep(0.1)
        (frame,) = ear.take()
        assert (frame["o"]["x"], frame["o"]["X"]) == ("CANCELED", "CANCELED")
        assert Decimal(frame["o"]["b"]) == 0

    play(story)


def test_a_fill_is_told_three_ways_that_agree_with_rest():
    async def story(world):
        ear = await listening(world)
        await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
        await asyncio.sleep(0.1)
        frames = ear.take()
        assert {frame["e"] for frame in frames} == {
            "ORDER_TRADE_UPDATE",
            "TRADE_LITE",
            "ACCOUNT_UPDATE",
        }
        fills = [f for f in named(frames, "ORDER_TRADE_UPDATE") if f["o"]["x"] == "TRADE"]
        assert fills[-1]["o"]["X"] == "FILLED"
        lites = named(frames, "TRADE_LITE")
        assert_has_documented(lites[0], documented("TradeUpdate"))
        assert [f["o"]["t"] for f in fills] == [lite["t"] for lite in lites]
        _, rows = await world.http("GET", "/fapi/v1/userTrades", {"symbol": "BTCUSDT"}, signed=True)
        assert [(f["o"]["t"], f["o"]["L"], f["o"]["n"]) for f in fills] == [
            (row["id"], row["price"], row["commission"]) for row in rows
        ]
        (account,) = named(frames, "ACCOUNT_UPDATE")
        assert_has_documented(account, documented("AccountUpdate"))
        assert account["a"]["m"] == "ORDER"
        (wallet,) = account["a"]["B"]
        _, balances = await world.http("GET", "/fapi/v3/balance", signed=True)
        assert wallet["wb"] == balances[0]["balance"]
        assert wallet["bc"] == "0"
        (position,) = account["a"]["P"]
        assert (position["s"], position["pa"], position["mt"]) == ("BTCUSDT", "0.010", "cross")

    play(story)


def test_conditional_orders_are_told_as_algo_updates_and_become_orders():
    async def story(world):
        ear = await listening(world)
        mark = world.engine.mark_price("BTCUSDT")
        ask = {
            "algoType": "CONDITIONAL",
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "STOP_MARKET",
            "quantity": "0.010",
            "triggerPrice": str((mark * Decimal("1.0005")).quantize(Decimal("0.1"))),
            "clientAlgoId": "stop-1",
        }
        status, body = await world.http("POST", "/fapi/v1/algoOrder", ask, signed=True)
        assert status == 200, body
        await asyncio.sleep(0.1)
        (frame,) = ear.take()
        assert frame["e"] == "ALGO_UPDATE"
        assert_has_documented(frame, documented("AlgoOrderUpdate"))
        assert (frame["o"]["X"], frame["o"]["caid"], frame["o"]["aid"]) == (
            "NEW",
            "stop-1",
            body["algoId"],
        )
        for _ in range(400):
            await asyncio.sleep(1)
            if ear.frames:
                break
        await asyncio.sleep(0.5)
        frames = ear.take()
        told = [frame["o"] for frame in named(frames, "ALGO_UPDATE")]
        assert [algo["X"] for algo in told][-1] == "FINISHED"
        child = told[-1]["ai"]
        fills = [f["o"] for f in named(frames, "ORDER_TRADE_UPDATE") if f["o"]["x"] == "TRADE"]
        assert {str(fill["i"]) for fill in fills} == {child}
        status, body = await world.http(
            "GET", "/fapi/v1/algoOrder", {"clientAlgoId": "stop-1"}, signed=True
        )
        assert str(body["actualOrderId"]) == child

    document = calm() + (
        "world:\n  instruments:\n    BTCUSDT: {product: um, mid: 68000, tick: 0.1, "
        "depth_levels: 50, vol_bps_per_min: 20}\n  account: {balances: {USDT: 50000}}\n"
    )
    play(story, document)


def test_funding_is_told_with_the_balance_alone():
    async def story(world):
        ear = await listening(world)
        await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
        await asyncio.sleep(20)
        frames = named(ear.take(), "ACCOUNT_UPDATE")
        (funding,) = [f for f in frames if f["a"]["m"] == "FUNDING_FEE"]
        assert funding["a"]["P"] == []
        assert funding["a"]["S"] == "BTCUSDT"
        (wallet,) = funding["a"]["B"]
        assert Decimal(wallet["bc"]) < 0, "longs pay"

    event = "{at: 10s, kind: funding, symbols: [BTCUSDT], rate: 0.001}"
    phases = f"[{{name: calm, for: rest, events: [{event}]}}]"
    play(story, calm(phases=phases))


def test_a_change_of_leverage_is_told():
    async def story(world):
        ear = await listening(world)
        ask = {"symbol": "BTCUSDT", "leverage": 5}
        assert (await world.http("POST", "/fapi/v1/leverage", ask, signed=True))[0] == 200
        await asyncio.sleep(0.1)
        (frame,) = ear.take()
        assert_has_documented(frame, documented("Leverage"))
        assert frame["ac"] == {"s": "BTCUSDT", "l": 5}

    play(story)


def test_events_are_an_allow_list():
    async def story(world):
        ear = await listening(world, events="ACCOUNT_UPDATE")
        await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
        await asyncio.sleep(0.1)
        assert {frame["e"] for frame in ear.take()} == {"ACCOUNT_UPDATE"}

    play(story)


@pytest.mark.parametrize(
    ("path", "combined", "t0"),
    [
        ("/private/ws/{key}", False, AFTER_SPLIT),
        ("/private/stream?streams={key}", True, AFTER_SPLIT),
        ("/private/stream?listenKey={key}&events=ORDER_TRADE_UPDATE", True, AFTER_SPLIT),
        ("/ws/{key}", False, BEFORE_SPLIT),
        ("/ws?listenKey={key}", False, BEFORE_SPLIT),
        ("/stream?streams={key}", True, BEFORE_SPLIT),
    ],
)
def test_every_form_of_address_carries_the_stream(path, combined, t0):
    async def story(world):
        key = await world.listen_key()
        ear = await world.dial(path.format(key=key))
        await world.order()
        await asyncio.sleep(0.1)
        (frame,) = ear.take()
        if combined:
            assert frame["stream"] == key
            frame = frame["data"]
        assert frame["e"] == "ORDER_TRADE_UPDATE"

    play(story, calm(t0))


@pytest.mark.parametrize("path", ["/private/ws", "/private/stream"])
def test_a_key_can_be_subscribed_to_like_a_stream(path):
    async def story(world):
        key = await world.listen_key()
        ear = await world.dial(path)
        await ear.subscribe(key)
        await world.order()
        await asyncio.sleep(0.1)
        (frame,) = ear.take()
        assert frame.get("data", frame)["e"] == "ORDER_TRADE_UPDATE"
        assert ("stream" in frame) == path.endswith("/stream")
        await ear.ask({"method": "UNSUBSCRIBE", "params": [key], "id": 2})
        await world.order()
        await asyncio.sleep(0.5)
        assert ear.take() == []

    play(story)


def test_after_the_split_the_root_confirms_a_key_and_stays_silent():
    async def story(world):
        key = await world.listen_key()
        ear = await world.dial("/ws")
        await ear.subscribe(key)
        dialled = await world.dial(f"/ws/{key}")
        await world.order()
        await asyncio.sleep(1)
        assert ear.take() == dialled.take() == []

    play(story)


def test_a_key_that_runs_out_is_told_once_and_then_the_stream_is_silent():
    async def story(world):
        key = await world.listen_key()
        ear = await world.dial(f"/private/ws/{key}")
        deaf = await world.dial(f"/private/ws?listenKey={key}&events=ORDER_TRADE_UPDATE")
        await asyncio.sleep(3595)
        assert ear.take() == []
        await asyncio.sleep(10)
        (frame,) = ear.take()
        assert frame["e"] == "listenKeyExpired"
        assert frame["listenKey"] == key
        await world.order()
        await asyncio.sleep(60)
        assert ear.take() == deaf.take() == []
        assert ear.stream.close_code is None, "the socket stays open"
        status, body = await world.http("PUT", "/fapi/v1/listenKey")
        assert (status, body["code"]) == (400, -1125)
        fresh = await world.listen_key()
        assert fresh != key

    play(story)


def test_keeping_the_key_alive_keeps_the_stream():
    async def story(world):
        ear = await listening(world)
        for _ in range(3):
            await asyncio.sleep(1800)
            assert (await world.http("PUT", "/fapi/v1/listenKey"))[0] == 200
        await world.order()
        await asyncio.sleep(1)
        assert [frame["e"] for frame in ear.take()] == ["ORDER_TRADE_UPDATE"]

    play(story)


def test_the_scenario_can_kill_a_key():
    async def story(world):
        ear = await listening(world)
        await asyncio.sleep(5)
        world.fault("ws.user.stream", stream="expire_key")
        await asyncio.sleep(1)
        assert [frame["e"] for frame in ear.take()] == ["listenKeyExpired"]
        status, body = await world.http("PUT", "/fapi/v1/listenKey")
        assert (status, body["code"]) == (400, -1125)

    play(story)


def test_an_order_applied_silently_is_not_told():
    async def story(world):
        ear = await listening(world)
        world.fault("orders.create", effect={"apply_silently": True}, times=1)
        await world.order(newClientOrderId="quiet")
        await world.order(newClientOrderId="loud")
        await asyncio.sleep(1)
        assert [frame["o"]["c"] for frame in ear.take()] == ["loud"]

    play(story)


def test_one_account_does_not_hear_another():
    async def story(world):
        ear = await listening(world)
        _, accounts = world.exchange.run.open_account("other")
        other = accounts["binance-um"]
        world.engine.place("other", _market_order())
        await asyncio.sleep(1)
        assert ear.take() == []
        assert other.key != world.wires["key"]

    play(story)


def _market_order():
    from outlast.mock.engine.model import NewOrder, OrderType, Side

    return NewOrder(symbol="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, qty=Decimal("0.010"))


def test_the_truth_knows_what_the_stream_has_shown():
    async def story(world):
        await listening(world)
        world.fault("orders.create", reply="unknown", effect="apply", times=1)
        status, _ = await world.http(
            "POST",
            "/fapi/v1/order",
            {**MARKET, "newClientOrderId": "lost"},
            signed=True,
        )
        assert status == 503
        await asyncio.sleep(1)
        assert world.exchange.truth.lost("main") == []

    play(story)


def test_what_a_muted_stream_did_not_say_was_not_shown():
    async def story(world):
        ear = await listening(world)
        world.fault("ws.user.stream", stream="mute")
        world.fault("orders.create", reply="unknown", effect="apply", times=1)
        await world.http(
            "POST",
            "/fapi/v1/order",
            {**MARKET, "newClientOrderId": "lost"},
            signed=True,
        )
        await asyncio.sleep(1)
        assert ear.take() == []
        assert [order.client_order_id for order in world.exchange.truth.lost("main")] == ["lost"]

    play(story)


def test_muted_events_come_back_in_a_burst():
    async def story(world):
        ear = await listening(world)
        await asyncio.sleep(6)
        for n in range(5):
            await world.order(newClientOrderId=f"o{n}")
        await asyncio.sleep(1)
        assert ear.take() == []
        await asyncio.sleep(10)
        assert [frame["o"]["c"] for frame in ear.take()] == [f"o{n}" for n in range(5)]

    phases = (
        "[{name: calm, for: 5s}, "
        "{name: mute, for: 10s, faults: [{match: ws.user.stream, stream: mute}]}, "
        "{name: back, for: rest, faults: [{match: ws.user.stream, "
        "stream: {burst_on_resume: 400}}]}]"
    )
    play(story, calm(phases=phases))


def test_a_delayed_fill_is_told_late_and_in_order():
    async def story(world):
        ear = await listening(world)
        await world.http("POST", "/fapi/v1/order", MARKET, signed=True)
        await asyncio.sleep(5)
        assert [frame["o"]["x"] for frame in ear.take()] == ["NEW"]
        await asyncio.sleep(60)
        frames = ear.take()
        assert {frame["e"] for frame in frames} == {
            "TRADE_LITE",
            "ORDER_TRADE_UPDATE",
            "ACCOUNT_UPDATE",
        }

    play(story, calm(phases="[{name: late, for: rest, engine: {fills_delay: 30s}}]"))
