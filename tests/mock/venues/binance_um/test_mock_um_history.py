"""Histories: windows, limits, lag; and conditional orders from placing to firing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from mock_um_world import T0_MS, World, body

DAY_MS = 86_400_000


def take(world: World, **changes: object) -> Any:
    return world.place(type="MARKET", timeInForce=None, price=None, **changes)


def test_all_orders_lists_open_and_ended_orders_oldest_first() -> None:
    world = World()
    ids = [world.place(price=f"5500{i}.00")["orderId"] for i in range(3)]
    world.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=ids[1])
    answer = world.send(world.message("GET", "/fapi/v1/allOrders", symbol="BTCUSDT"))
    assert [(o["orderId"], o["status"]) for o in body(answer)] == [
        (ids[0], "NEW"),
        (ids[1], "CANCELED"),
        (ids[2], "NEW"),
    ]
    assert answer.shown == tuple(ids)
    from_second = world.ask("GET", "/fapi/v1/allOrders", symbol="BTCUSDT", orderId=ids[1], limit=1)
    assert [o["orderId"] for o in from_second] == [ids[1]]
    newest = world.ask("GET", "/fapi/v1/allOrders", symbol="BTCUSDT", limit=1)
    assert [o["orderId"] for o in newest] == [ids[2]]


@pytest.mark.parametrize("path", ["/fapi/v1/allOrders", "/fapi/v1/userTrades"])
@pytest.mark.parametrize(
    ("start", "end", "code"),
    [(T0_MS + 1, T0_MS, -1023), (T0_MS, T0_MS + 7 * DAY_MS + 1, -4165)],
)
def test_a_window_backwards_or_longer_than_seven_days_is_refused(
    path: str, start: int, end: int, code: int
) -> None:
    world = World()
    refused = world.refused("GET", path, symbol="BTCUSDT", startTime=start, endTime=end)
    assert refused[:2] == (400, code)


def test_fills_are_found_by_order_by_id_and_by_time() -> None:
    world = World()
    first = take(world)
    world.wait(5)
    second = take(world, quantity="0.020")
    fills = world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert {fill["orderId"] for fill in fills} == {first["orderId"], second["orderId"]}
    only = world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", orderId=second["orderId"])
    assert sum(Decimal(fill["qty"]) for fill in only) == Decimal("0.020")
    on = world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", fromId=only[0]["id"])
    assert on == only
    later = world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", startTime=world.now_ms - 1000)
    assert later == only
    assert (
        world.refused("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", fromId=1, startTime=1)[1]
        == -1128
    )
    one = world.send(
        world.message("GET", "/fapi/v1/userTrades", symbol="BTCUSDT", orderId=first["orderId"])
    )
    assert one.shown == (first["orderId"],)


def test_history_that_lags_shows_orders_as_they_were() -> None:
    world = World()
    early = world.place(newClientOrderId="early")
    world.wait(120)
    world.configure(history_lag_ms=60_000)
    world.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="early")
    late = take(world)
    listed = world.ask("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")
    assert [(o["orderId"], o["status"]) for o in listed] == [(early["orderId"], "NEW")]
    assert world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT") == []
    assert world.ask("GET", "/fapi/v1/income") == []
    # The order itself is asked by id and known at once.
    found = world.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=late["orderId"])
    assert found["status"] == "FILLED"
    world.wait(61)
    listed = world.ask("GET", "/fapi/v1/allOrders", symbol="BTCUSDT")
    assert [o["status"] for o in listed] == ["CANCELED", "FILLED"]
    assert world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT") != []


def test_income_adds_up_to_what_the_wallet_gained() -> None:
    world = World(positions={"BTCUSDT": ("0.5", "59000")})
    take(world, side="SELL", quantity="0.300")
    world.engine.fund("BTCUSDT", Decimal("0.0001"))
    rows = world.ask("GET", "/fapi/v1/income")
    (usdt,) = world.ask("GET", "/fapi/v3/balance")
    gained = Decimal(usdt["balance"]) - 100_000
    assert abs(sum(Decimal(row["income"]) for row in rows) - gained) < Decimal("0.000001")


# -- conditional orders -----------------------------------------------------------------------

STOP: dict[str, object] = {
    "algoType": "CONDITIONAL",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "quantity": "0.100",
    "triggerPrice": "52000.0",
    "clientAlgoId": "stop-1",
}


@pytest.fixture
def world() -> World:
    return World(positions={"BTCUSDT": ("0.5", "59000")})


def test_a_conditional_order_is_found_cancelled_and_then_gone(world: World) -> None:
    placed = world.ask("POST", "/fapi/v1/algoOrder", **STOP)
    assert (placed["algoStatus"], placed["orderType"]) == ("NEW", "STOP_MARKET")
    found = world.ask("GET", "/fapi/v1/algoOrder", clientAlgoId="stop-1")
    assert found["algoId"] == placed["algoId"]
    assert (found["actualOrderId"], found["triggerPrice"]) == ("", "52000.00")
    assert [o["algoId"] for o in world.ask("GET", "/fapi/v1/openAlgoOrders")] == [placed["algoId"]]
    gone = world.ask("DELETE", "/fapi/v1/algoOrder", algoId=placed["algoId"])
    assert gone == {
        "algoId": placed["algoId"],
        "clientAlgoId": "stop-1",
        "code": "200",
        "msg": "success",
    }
    assert world.ask("GET", "/fapi/v1/openAlgoOrders") == []
    assert world.refused("DELETE", "/fapi/v1/algoOrder", algoId=placed["algoId"])[1] == -2011
    found = world.ask("GET", "/fapi/v1/algoOrder", algoId=placed["algoId"])
    assert found["algoStatus"] == "CANCELED"
    assert world.refused("GET", "/fapi/v1/algoOrder", clientAlgoId="never")[1] == -2013


def test_plain_endpoints_do_not_know_conditional_orders(world: World) -> None:
    placed = world.ask("POST", "/fapi/v1/algoOrder", **STOP)
    query: dict[str, Any] = {"symbol": "BTCUSDT", "orderId": placed["algoId"]}
    assert world.refused("GET", "/fapi/v1/order", **query)[1] == -2013
    assert world.refused("DELETE", "/fapi/v1/order", **query)[1] == -2011
    assert world.ask("GET", "/fapi/v1/openOrders") == []
    assert world.ask("GET", "/fapi/v1/allOrders", symbol="BTCUSDT") == []


def test_the_same_client_id_may_name_a_plain_and_a_conditional_order_one_after_the_other(
    world: World,
) -> None:
    plain = world.place(newClientOrderId="stop-1")
    world.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=plain["orderId"])
    world.ask("POST", "/fapi/v1/algoOrder", **STOP)
    found = world.ask("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="stop-1")
    assert found["orderId"] == plain["orderId"]


def test_a_conditional_order_that_fires_becomes_a_plain_order(world: World) -> None:
    near = (world.engine.mark_price("BTCUSDT") - 1).quantize(Decimal(1))
    placed = world.ask("POST", "/fapi/v1/algoOrder", **STOP | {"triggerPrice": str(near)})
    for _ in range(600):
        world.wait(1)
        found = world.ask("GET", "/fapi/v1/algoOrder", algoId=placed["algoId"])
        if found["algoStatus"] != "NEW":
            break
    assert found["algoStatus"] == "FINISHED"
    fired = world.ask(
        "GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=int(found["actualOrderId"])
    )
    assert (fired["status"], fired["executedQty"]) == ("FILLED", found["actualQty"])
    assert Decimal(fired["avgPrice"]) == Decimal(found["actualPrice"])
    history = world.ask("GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT")
    assert [o["algoStatus"] for o in history] == ["FINISHED"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"algoType": None}, -1102),
        ({"algoType": "VP"}, -1130),
        ({"type": "LIMIT"}, -1116),
        ({"type": "STOP"}, -1102),
        ({"quantity": None}, -1102),
        ({"triggerPrice": None}, -1102),
        ({"triggerPrice": "0"}, -4006),
        ({"triggerPrice": "52000.05"}, -4014),
        ({"triggerPrice": "65000"}, -2021),
        ({"workingType": "INDEX"}, -4031),
        ({"closePosition": "true"}, -4137),
        ({"closePosition": "true", "quantity": None, "reduceOnly": "false"}, -4138),
        ({"type": "STOP", "price": "51000", "closePosition": "true", "quantity": None}, -4136),
        ({"type": "TRAILING_STOP_MARKET"}, -1102),
        ({"type": "TRAILING_STOP_MARKET", "callbackRate": "11"}, -1130),
        ({"type": "TRAILING_STOP_MARKET", "callbackRate": "1", "activatePrice": "0"}, -4135),
        ({"positionSide": "SHORT"}, -4061),
        ({"clientAlgoId": "a b"}, -4015),
    ],
)
def test_a_bad_conditional_order_is_refused_with_the_venues_code(
    world: World, changes: dict[str, object], code: int
) -> None:
    asked = {name: value for name, value in (STOP | changes).items() if value is not None}
    status, found, msg = world.refused("POST", "/fapi/v1/algoOrder", **asked)
    assert (status, found) == (400, code), msg


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (
            {"closePosition": "true", "quantity": None},
            {"closePosition": True, "reduceOnly": True, "quantity": "0.000"},
        ),
        (
            {"type": "STOP", "price": "51900.0", "timeInForce": "GTC"},
            {"orderType": "STOP", "price": "51900.00"},
        ),
        (
            {"type": "TRAILING_STOP_MARKET", "callbackRate": "1.5", "triggerPrice": None},
            {"orderType": "TRAILING_STOP_MARKET", "callbackRate": "1.5"},
        ),
        (
            {"type": "TAKE_PROFIT_MARKET", "triggerPrice": "65000", "workingType": "MARK_PRICE"},
            {"orderType": "TAKE_PROFIT_MARKET", "workingType": "MARK_PRICE"},
        ),
    ],
)
def test_each_kind_of_conditional_order_is_taken(
    world: World, changes: dict[str, object], shown: dict[str, object]
) -> None:
    asked = {name: value for name, value in (STOP | changes).items() if value is not None}
    placed = world.ask("POST", "/fapi/v1/algoOrder", **asked)
    assert {name: placed[name] for name in shown} == shown
    assert placed["algoStatus"] == "NEW"


def test_cancelling_all_conditional_orders_leaves_the_plain_ones(world: World) -> None:
    world.ask("POST", "/fapi/v1/algoOrder", **STOP)
    world.place()
    world.ask("DELETE", "/fapi/v1/algoOpenOrders", symbol="BTCUSDT")
    assert world.ask("GET", "/fapi/v1/openAlgoOrders") == []
    assert len(world.ask("GET", "/fapi/v1/openOrders")) == 1
