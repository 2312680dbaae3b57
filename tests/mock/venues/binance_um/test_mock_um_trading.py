"""Placing, amending, cancelling and looking up orders, with the venue's own codes."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from mock_um_world import DOGE, World, body

from outlast.mock.engine.model import EngineMode, NewOrder, OrderType, Side
from outlast.mock.records import Told

ORDER = "/fapi/v1/order"


@pytest.fixture
def world() -> World:
    return World()


# -- placing ----------------------------------------------------------------------------------


def test_an_ack_says_new_even_when_the_order_has_filled(world: World) -> None:
    taken = world.place(type="MARKET", timeInForce=None, price=None)
    assert (taken["status"], taken["executedQty"]) == ("NEW", "0.000")
    found = world.ask("GET", ORDER, symbol="BTCUSDT", orderId=taken["orderId"])
    assert (found["status"], found["executedQty"]) == ("FILLED", "0.010")
    assert Decimal(found["avgPrice"]) == Decimal(found["cumQuote"]) / Decimal("0.010")


def test_a_result_waits_for_the_end_of_orders_that_end_at_once(world: World) -> None:
    market = world.place(type="MARKET", timeInForce=None, price=None, newOrderRespType="RESULT")
    assert (market["status"], market["executedQty"]) == ("FILLED", "0.010")
    ioc = world.place(timeInForce="IOC", newOrderRespType="RESULT")
    assert (ioc["status"], ioc["executedQty"]) == ("EXPIRED", "0.000")
    resting = world.place(newOrderRespType="RESULT")
    assert resting["status"] == "NEW"


def test_order_answers_carry_no_average_and_no_quote_since_july_2026(world: World) -> None:
    placed = world.place(newClientOrderId="a-1")
    cancelled = world.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="a-1")
    for answer in (placed, cancelled):
        assert not {"avgPrice", "cumQuote"} & set(answer)
    assert cancelled["status"] == "CANCELED"
    assert cancelled["clientOrderId"] == "a-1"


def test_an_id_of_22_characters_is_made_up_when_none_is_given(world: World) -> None:
    first, second = world.place(), world.place(price="55001.00")
    assert len(first["clientOrderId"]) == len(second["clientOrderId"]) == 22
    assert first["clientOrderId"] != second["clientOrderId"]
    again = World().place()
    assert again["clientOrderId"] == first["clientOrderId"]  # the same seed, the same id


def test_a_client_id_is_unique_among_open_orders_only(world: World) -> None:
    world.place(newClientOrderId="twice")
    assert world.refused("POST", ORDER, **world.order(newClientOrderId="twice")) == (
        400,
        -4116,
        "ClientOrderId is duplicated.",
    )
    world.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="twice")
    again = world.place(newClientOrderId="twice")
    found = world.ask("GET", ORDER, symbol="BTCUSDT", origClientOrderId="twice")
    assert found["orderId"] == again["orderId"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"symbol": None}, -1102),
        ({"side": "buy"}, -1117),
        ({"side": None}, -1102),
        ({"type": "LIMITED"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "50000"}, -4120),
        ({"type": "STOP"}, -4120),
        ({"type": "TAKE_PROFIT"}, -4120),
        ({"type": "TAKE_PROFIT_MARKET"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"timeInForce": None}, -1102),
        ({"timeInForce": "DAY"}, -1115),
        ({"timeInForce": "GTD"}, -1102),
        ({"timeInForce": "GTD", "goodTillDate": 1_790_000_300_000}, -5040),
        ({"goodTillDate": 1_800_000_000_000}, -1106),
        ({"quantity": None}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "-1"}, -4003),
        ({"quantity": "0.0105"}, -1111),
        ({"quantity": "1001"}, -4005),
        ({"quantity": "1e-2"}, -1100),
        ({"price": None}, -1102),
        ({"price": "0"}, -4001),
        ({"price": "55000.05"}, -4014),
        ({"price": "55000.005"}, -1111),
        ({"price": "1000000.10"}, -4002),
        ({"price": "70000.00"}, -4016),
        ({"side": "SELL", "price": "50000.00"}, -4024),
        ({"quantity": "0.001", "price": "4000.00"}, -4164),
        ({"quantity": "100"}, -2019),
        ({"positionSide": "LONG"}, -4061),
        ({"positionSide": "UP"}, -4060),
        ({"reduceOnly": "maybe"}, -1130),
        ({"reduceOnly": "true"}, -2022),
        ({"closePosition": "true"}, -4136),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -4015),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"selfTradePreventionMode": "DECREMENT"}, -5039),
        ({"timeInForce": "GTX", "price": "61000.00"}, -5022),
        ({"timeInForce": "FOK", "price": "60003.00", "quantity": "9"}, -5021),
        ({"type": "MARKET", "timeInForce": None}, -1106),
        ({"type": "MARKET", "price": None}, -1106),
        ({"type": "MARKET", "price": None, "timeInForce": None, "quantity": "121"}, -4005),
        ({"priceMatch": "BEST", "price": None}, -5037),
        ({"priceMatch": "QUEUE"}, -1106),
        ({"type": "MARKET", "price": None, "timeInForce": None, "priceMatch": "QUEUE"}, -5038),
    ],
)
def test_a_bad_order_is_refused_with_the_venues_code(
    world: World, changes: dict[str, object], code: int
) -> None:
    status, found, msg = world.refused("POST", ORDER, **world.order(**changes))
    assert (status, found) == (400, code), msg
    assert not world.engine.orders("trader")


def test_a_quantity_off_the_step_is_4023_where_the_step_is_no_power_of_ten() -> None:
    fives = replace(DOGE, qty_step=Decimal(5), qty_min=Decimal(5))
    world = World(instruments=(fives,))
    changes = {"symbol": "DOGEUSDT", "quantity": "103", "price": "0.23"}
    assert world.refused("POST", ORDER, **world.order(**changes))[1] == -4023


def test_the_words_quote_the_limits_that_were_broken(world: World) -> None:
    _, _, too_high = world.refused("POST", ORDER, **world.order(price="70000.00"))
    highest = Decimal(too_high.rsplit(" ", 1)[1].rstrip("."))
    assert too_high.startswith("Limit price can't be higher than ")
    assert highest <= world.engine.mark_price("BTCUSDT") * Decimal("1.15") < highest + 1
    _, _, small = world.refused("POST", ORDER, **world.order(quantity="0.001", price="4000.00"))
    assert small == "Order's notional must be no smaller than 5 (unless you choose reduce only)"


def test_reduce_only_is_refused_with_2022_when_resting_orders_use_the_position_up() -> None:
    world = World(positions={"BTCUSDT": ("0.5", "59000")})
    exit_ = {"side": "SELL", "price": "61000.00", "quantity": "0.500", "reduceOnly": "True"}
    assert world.place(**exit_)["reduceOnly"] is True
    assert world.refused("POST", ORDER, **world.order(**exit_)) == (
        400,
        -2022,
        "ReduceOnly Order is rejected.",
    )


def test_reduce_only_is_refused_with_4118_when_it_could_flip_and_margin_is_short() -> None:
    world = World(positions={"BTCUSDT": ("0.5", "59000")}, usdt="2000")
    exit_ = {"side": "SELL", "price": "61000.00", "quantity": "0.500"}
    world.place(**exit_)
    assert world.refused("POST", ORDER, **world.order(**exit_, reduceOnly="true")) == (
        400,
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders",
    )


@pytest.mark.parametrize(
    ("match", "side", "level"),
    [
        ("QUEUE", "BUY", 1),
        ("QUEUE_5", "BUY", 5),
        ("OPPONENT", "SELL", 1),
        ("OPPONENT_5", "SELL", 5),
    ],
)
def test_a_price_match_takes_its_price_from_the_bids(
    world: World, match: str, side: str, level: int
) -> None:
    expected = world.engine.book("BTCUSDT", 20).bids[level - 1].price
    placed = world.place(side=side, priceMatch=match, price=None)
    assert Decimal(placed["price"]) == expected
    assert placed["priceMatch"] == match


def test_a_test_order_is_checked_and_leaves_nothing_behind(world: World) -> None:
    answer = world.send(world.message("POST", "/fapi/v1/order/test", **world.order()))
    assert body(answer)["status"] == "NEW"
    assert answer.order_ids == answer.shown == ()
    assert not world.engine.orders("trader")
    assert world.refused("POST", "/fapi/v1/order/test", **world.order(price="55000.05"))[1] == -4014
    call = world.routed(world.message("POST", "/fapi/v1/order/test", **world.order()))
    assert call.endpoint == "orders.create"  # -1008 is documented for it
    assert call.create is None  # but it is nobody's intent


@pytest.mark.parametrize(
    ("mode", "changes", "code"),
    [
        (EngineMode.CANCEL_ONLY, {}, -4140),
        (EngineMode.HALTED, {}, -4140),
        (EngineMode.MAINTENANCE, {}, -4141),
        (EngineMode.REDUCE_ONLY, {}, -4087),
        (EngineMode.POST_ONLY, {}, -4088),
        (EngineMode.LIMIT_ONLY, {"type": "MARKET", "price": None, "timeInForce": None}, -4131),
        (EngineMode.AUCTION, {"timeInForce": "IOC"}, -4140),
    ],
)
def test_each_engine_mode_refuses_new_orders_in_its_own_words(
    world: World, mode: EngineMode, changes: dict[str, object], code: int
) -> None:
    world.configure(mode=mode)
    assert world.refused("POST", ORDER, **world.order(**changes))[:2] == (400, code)


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        (EngineMode.POST_ONLY, {"timeInForce": "GTX"}),
        (EngineMode.LIMIT_ONLY, {}),
        (EngineMode.AUCTION, {}),
    ],
)
def test_what_a_mode_still_takes_is_taken(
    world: World, mode: EngineMode, changes: dict[str, object]
) -> None:
    world.configure(mode=mode)
    assert world.place(**changes)["status"] == "NEW"


# -- amending ---------------------------------------------------------------------------------


def test_an_amended_order_keeps_its_ids_and_changes_price_and_quantity(world: World) -> None:
    order_id = world.place(newClientOrderId="am-1")["orderId"]
    amended = world.ask(
        "PUT",
        ORDER,
        symbol="BTCUSDT",
        side="BUY",
        origClientOrderId="am-1",
        quantity="0.020",
        price="55010.00",
    )
    assert (amended["orderId"], amended["clientOrderId"]) == (order_id, "am-1")
    assert (amended["origQty"], amended["price"]) == ("0.020", "55010.00")
    found = world.ask("GET", ORDER, symbol="BTCUSDT", orderId=order_id)
    assert (found["origQty"], found["price"]) == ("0.020", "55010.00")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, -5027),
        ({"price": None}, -1102),
        ({"quantity": None}, -1102),
        ({"side": "SELL"}, -1130),
        ({"price": "55000.05"}, -4014),
        ({"quantity": "0.001", "price": "4000.00"}, -5029),
        ({"origClientOrderId": "never"}, -2013),
        ({"origClientOrderId": None}, -1102),
    ],
)
def test_a_bad_amendment_is_refused_and_changes_nothing(
    world: World, changes: dict[str, object], code: int
) -> None:
    world.place(newClientOrderId="am-2")
    asked: dict[str, object] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "origClientOrderId": "am-2",
        "quantity": "0.010",
        "price": "55000.00",
    }
    assert world.refused("PUT", ORDER, **asked | changes)[:2] == (400, code)
    found = world.ask("GET", ORDER, symbol="BTCUSDT", origClientOrderId="am-2")
    assert (found["origQty"], found["price"], found["status"]) == ("0.010", "55000.00", "NEW")


def test_amending_while_the_symbol_does_not_trade_is_5024(world: World) -> None:
    world.place(newClientOrderId="am-3")
    world.configure(mode=EngineMode.HALTED)
    assert (
        world.refused(
            "PUT",
            ORDER,
            symbol="BTCUSDT",
            side="BUY",
            origClientOrderId="am-3",
            quantity="0.020",
            price="55000.00",
        )[1]
        == -5024
    )


# -- cancelling -------------------------------------------------------------------------------


def test_a_cancel_of_what_is_not_open_is_2011_and_names_the_id_as_absent(world: World) -> None:
    world.place(newClientOrderId="gone")
    world.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="gone")
    for name in ("gone", "never"):
        answer = world.send(
            world.message("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId=name)
        )
        assert (answer.status, answer.code, answer.told) == (400, "-2011", Told.REFUSED)
        assert answer.told_absent == (name,)


def test_a_cancel_takes_its_parameters_from_a_body_too(world: World) -> None:
    world.place(newClientOrderId="in-body")
    message = world.message("POST", ORDER, symbol="BTCUSDT", origClientOrderId="in-body")
    answer = world.send(replace(message, method="DELETE"))
    assert body(answer)["status"] == "CANCELED"


def test_cancel_all_takes_the_symbols_plain_orders_and_leaves_the_conditional_ones() -> None:
    world = World(
        positions={"BTCUSDT": ("0.5", "59000")},
        open_orders=(
            NewOrder(
                symbol="BTCUSDT",
                side=Side.SELL,
                type=OrderType.STOP_MARKET,
                qty=Decimal("0.5"),
                stop_price=Decimal(50_000),
                reduce_only=True,
            ),
        ),
    )
    world.place()
    world.place(symbol="DOGEUSDT", quantity="100", price="0.23")
    answer = world.send(world.message("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT"))
    assert body(answer) == {
        "code": 200,
        "msg": "The operation of cancel all open order is done.",
    }
    assert len(answer.order_ids) == 1
    left = world.ask("GET", "/fapi/v1/openOrders")
    assert [order["symbol"] for order in left] == ["DOGEUSDT"]
    assert len(world.ask("GET", "/fapi/v1/openAlgoOrders")) == 1


def test_cancels_are_refused_while_the_venue_is_down(world: World) -> None:
    world.place(newClientOrderId="stuck")
    world.configure(mode=EngineMode.MAINTENANCE)
    refused = world.refused("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="stuck")
    assert refused[:2] == (400, -4141)
    assert world.refused("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")[1] == -4141
    world.configure(mode=EngineMode.CANCEL_ONLY)
    cancelled = world.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="stuck")
    assert cancelled["status"] == "CANCELED"


def test_the_dead_mans_switch_cancels_the_symbols_plain_orders(world: World) -> None:
    world.place(newClientOrderId="dead-1")
    world.place(symbol="DOGEUSDT", quantity="100", price="0.23")
    given = world.ask(
        "POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=120_000
    )
    assert given == {"symbol": "BTCUSDT", "countdownTime": "120000"}
    ((delay_s, run_out),) = world.timers.planned.values()
    assert delay_s == 120
    run_out()
    found = world.ask("GET", ORDER, symbol="BTCUSDT", origClientOrderId="dead-1")
    assert found["status"] == "CANCELED"
    assert len(world.ask("GET", "/fapi/v1/openOrders")) == 1
    world.ask("POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=0)
    assert not world.timers.planned


# -- batches ----------------------------------------------------------------------------------


def batch(world: World, *changes: dict[str, object]) -> dict[str, object]:
    return {"batchOrders": json.dumps([world.order(**change) for change in changes])}


def test_a_batch_answers_each_order_in_its_place(world: World) -> None:
    message = world.message(
        "POST",
        "/fapi/v1/batchOrders",
        **batch(
            world,
            {"newClientOrderId": "b-1"},
            {"price": "55000.05"},
            {"side": "SELL", "price": "61000.00"},
        ),
    )
    answer = world.send(message)
    first, second, third = body(answer)
    assert first["clientOrderId"] == "b-1"
    assert second == {"code": -4014, "msg": "Price not increased by tick size."}
    assert third["side"] == "SELL"
    assert answer.order_ids == answer.shown == (first["orderId"], third["orderId"])
    facts = world.routed(message).batch
    assert [fact.client_order_id for fact in facts] == ["b-1", "", ""]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[]", -4082),
        ("{}", -1130),
        ("[1]", -1130),
        ("not json", -1130),
        ("[{},{},{},{},{},{}]", -4082),
    ],
)
def test_a_batch_that_is_no_list_of_one_to_five_orders_is_refused(
    world: World, text: str, code: int
) -> None:
    assert world.refused("POST", "/fapi/v1/batchOrders", batchOrders=text)[1] == code


def test_a_batch_keeps_every_digit_of_numbers_and_takes_booleans(world: World) -> None:
    orders = (
        '[{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC",'
        '"quantity":0.010,"price":55000.10,"reduceOnly":false}]'
    )
    (placed,) = world.ask("POST", "/fapi/v1/batchOrders", batchOrders=orders)
    assert (placed["price"], placed["origQty"]) == ("55000.10", "0.010")


def test_a_batch_of_cancels_answers_each_and_names_the_absent(world: World) -> None:
    world.place(newClientOrderId="c-1")
    message = world.message(
        "DELETE",
        "/fapi/v1/batchOrders",
        symbol="BTCUSDT",
        origClientOrderIdList='["c-1","c-2"]',
    )
    answer = world.send(message)
    first, second = body(answer)
    assert first["status"] == "CANCELED"
    assert second == {"code": -2011, "msg": "Unknown order sent."}
    assert answer.told_absent == ("c-2",)
    assert world.routed(message).asked_ids == ("c-1", "c-2")


# -- looking up -------------------------------------------------------------------------------


def test_a_query_shows_the_order_and_an_unknown_one_is_told_absent(world: World) -> None:
    order_id = world.place(newClientOrderId="q-1")["orderId"]
    shown = world.send(world.message("GET", ORDER, symbol="BTCUSDT", origClientOrderId="q-1"))
    assert shown.shown == (order_id,)
    missing = world.send(world.message("GET", ORDER, symbol="BTCUSDT", origClientOrderId="q-2"))
    assert (missing.status, missing.code) == (400, "-2013")
    assert missing.told_absent == ("q-2",)
    assert world.refused("GET", ORDER, symbol="DOGEUSDT", origClientOrderId="q-1")[1] == -2013
    assert world.refused("GET", ORDER, symbol="BTCUSDT")[1] == -1102


def test_open_order_knows_no_order_that_has_ended(world: World) -> None:
    world.place(newClientOrderId="o-1")
    query: dict[str, Any] = {"symbol": "BTCUSDT", "origClientOrderId": "o-1"}
    assert world.ask("GET", "/fapi/v1/openOrder", **query)["status"] == "NEW"
    world.ask("DELETE", ORDER, **query)
    assert world.refused("GET", "/fapi/v1/openOrder", **query)[1] == -2013
    assert world.ask("GET", ORDER, **query)["status"] == "CANCELED"


def test_an_unfilled_order_that_ended_is_forgotten_after_three_days(world: World) -> None:
    world.place(newClientOrderId="old")
    world.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="old")
    filled = world.place(type="MARKET", timeInForce=None, price=None)
    order = world.engine.find("trader", client_order_id="old")
    assert order is not None
    order.created_ms -= 3 * 86_400_000
    query: dict[str, Any] = {"symbol": "BTCUSDT", "origClientOrderId": "old"}
    assert world.ask("GET", ORDER, **query)["status"] == "CANCELED"
    order.created_ms -= 1
    assert world.refused("GET", ORDER, **query)[1] == -2013
    kept = world.engine.find("trader", order_id=filled["orderId"])
    assert kept is not None
    kept.created_ms -= 89 * 86_400_000
    found = world.ask("GET", ORDER, symbol="BTCUSDT", orderId=filled["orderId"])
    assert found["status"] == "FILLED"


def test_fills_that_are_reported_late_are_hidden_everywhere(world: World) -> None:
    world.configure(fills_delay_ms=60_000)
    taken = world.place(type="MARKET", timeInForce=None, price=None, newOrderRespType="RESULT")
    assert (taken["status"], taken["executedQty"]) == ("NEW", "0.000")
    listed = world.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT")
    assert [order["orderId"] for order in listed] == [taken["orderId"]]
    assert world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT") == []
    world.wait(61)
    found = world.ask("GET", ORDER, symbol="BTCUSDT", orderId=taken["orderId"])
    assert (found["status"], found["executedQty"]) == ("FILLED", "0.010")
    assert world.ask("GET", "/fapi/v1/openOrders", symbol="BTCUSDT") == []
    fills = world.ask("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
    assert sum(Decimal(fill["qty"]) for fill in fills) == Decimal("0.010")


def test_orders_of_the_scenario_have_an_id_by_which_they_are_found_and_cancelled() -> None:
    world = World(
        open_orders=(
            NewOrder(
                symbol="BTCUSDT",
                side=Side.BUY,
                type=OrderType.LIMIT,
                qty=Decimal("0.1"),
                price=Decimal(55_000),
            ),
        )
    )
    (listed,) = world.ask("GET", "/fapi/v1/openOrders")
    name = listed["clientOrderId"]
    assert len(name) == 22
    found = world.ask("GET", ORDER, symbol="BTCUSDT", origClientOrderId=name)
    assert found["orderId"] == listed["orderId"]
    gone = world.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId=name)
    assert gone["status"] == "CANCELED"


def test_silent_orders_are_placed_silently(world: World) -> None:
    heard: list[object] = []
    world.engine.listen(heard.append, public_trades=False)
    world.view.silent = True
    world.place()
    assert heard
    assert all(getattr(event, "silent", False) for event in heard)
