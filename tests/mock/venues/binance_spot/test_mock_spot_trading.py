"""Orders on spot: types, answers, filters, refusals, cancels, replacements and amendments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from mock_spot_world import T0_MS, World, body

from outlast.mock.engine.knobs import QueuePolicy, TriggerPolicy
from outlast.mock.engine.model import EngineMode, NewOrder, OrderType, Side
from outlast.mock.records import Told

ORDER = "/api/v3/order"
BTC = {"symbol": "BTCUSDT"}


def get(world: World, **which: object) -> Any:
    return world.ask("GET", ORDER, symbol="BTCUSDT", **which)


# -- answers ----------------------------------------------------------------------------------


def test_limit_and_market_orders_answer_in_full_and_the_others_are_only_acknowledged() -> None:
    world = World()
    assert world.place()["fills"] == []
    bought = world.ask("POST", ORDER, **world.market(quantity="0.01"))
    assert bought["status"] == "FILLED"
    assert sum(Decimal(fill["qty"]) for fill in bought["fills"]) == Decimal("0.01")
    for changes in (
        {"type": "LIMIT_MAKER", "timeInForce": None},
        {"type": "STOP_LOSS_LIMIT", "side": "SELL", "stopPrice": "50010"},
    ):
        assert set(world.place(**changes)) == {
            *("symbol", "orderId", "orderListId", "clientOrderId", "transactTime"),
        }


def test_the_response_type_is_the_clients_choice() -> None:
    world = World()
    assert "status" not in world.place(newOrderRespType="ACK")
    result = world.place(newOrderRespType="RESULT")
    assert result["status"] == "NEW"
    assert "fills" not in result
    assert world.not_placed(newOrderRespType="ALL")[1] == -1130


def test_a_market_buy_by_quote_amount_spends_no_more_than_that() -> None:
    world = World()
    bought = world.ask("POST", ORDER, **world.market(quantity=None, quoteOrderQty="100"))
    assert bought["origQuoteOrderQty"] == "100.00000000"
    spent = Decimal(bought["cummulativeQuoteQty"])
    assert Decimal(99) < spent <= 100
    assert get(world, orderId=bought["orderId"])["origQuoteOrderQty"] == "100.00000000"
    sold = world.ask("POST", ORDER, **world.market(side="SELL", quantity=None, quoteOrderQty="600"))
    assert Decimal(599) < Decimal(sold["cummulativeQuoteQty"]) <= 600


def test_a_strategy_is_echoed() -> None:
    world = World()
    placed = world.place(strategyId=37, strategyType=1_000_001)
    shown = get(world, orderId=placed["orderId"])
    assert (shown["strategyId"], shown["strategyType"]) == (37, 1_000_001)
    assert world.not_placed(strategyType=999_999)[1] == -1134


def test_balances_locks_and_fees_add_up() -> None:
    world = World()
    world.place()
    assert world.balance("USDT") == (Decimal(99_500), Decimal(500))
    bought = world.ask("POST", ORDER, **world.market(quantity="0.5"))
    fee = sum(Decimal(fill["commission"]) for fill in bought["fills"])
    assert {fill["commissionAsset"] for fill in bought["fills"]} == {"BTC"}
    assert fee == Decimal("0.0005")
    assert world.balance("BTC") == (Decimal("2.5") - fee, Decimal(0))
    cost = Decimal(bought["cummulativeQuoteQty"])
    assert world.balance("USDT") == (99_500 - cost, Decimal(500))
    world.ask("DELETE", "/api/v3/openOrders", **BTC)
    assert world.balance("USDT") == (100_000 - cost, Decimal(0))


# -- client order ids -------------------------------------------------------------------------


def test_a_client_id_is_unique_among_open_orders_only() -> None:
    world = World()
    world.place(newClientOrderId="twice")
    assert world.not_placed(newClientOrderId="twice") == (400, -2010, "Duplicate order sent.")
    world.ask("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="twice")
    second = world.place(newClientOrderId="twice")
    assert get(world, origClientOrderId="twice")["orderId"] == second["orderId"]


def test_a_resent_market_order_with_the_same_id_executes_twice() -> None:
    world = World()
    for _ in range(2):
        bought = world.ask(
            "POST", ORDER, **world.market(quantity="0.001", newClientOrderId="again")
        )
        assert bought["status"] == "FILLED"
    assert len(world.ask("GET", "/api/v3/allOrders", **BTC)) == 2


@pytest.mark.parametrize("name", ["", "with space", "ä", "x" * 37])
def test_an_impossible_client_id_is_refused(name: str) -> None:
    assert World().not_placed(newClientOrderId=name)[1] in (-1100, -1105)


# -- refusals ---------------------------------------------------------------------------------

FAR = "50000.00"
REFUSALS: list[tuple[dict[str, object], int, str]] = [
    ({"price": "50000.005"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "0"}, -1013, "Filter failure: PRICE_FILTER"),
    ({"price": "11000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"price": "73000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"side": "SELL", "price": "301000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"side": "SELL", "price": "47000"}, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
    ({"quantity": "0.010005"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "0"}, -1013, "Filter failure: LOT_SIZE"),
    ({"quantity": "9001", "price": "12100"}, -1013, "Filter failure: NOTIONAL"),
    ({"quantity": "0.00009"}, -1013, "Filter failure: NOTIONAL"),
    ({"quantity": "3"}, -2010, "Account has insufficient balance for requested action."),
    ({"quantity": "0.010000001"}, -1111, "Parameter 'quantity' has too much precision."),
    ({"quantity": "-1"}, -1100, "Illegal characters found in parameter 'quantity'"),
    ({"quantity": None}, -1102, "Mandatory parameter 'quantity'"),
    ({"price": None}, -1102, "Mandatory parameter 'price'"),
    ({"timeInForce": None}, -1102, "Mandatory parameter 'timeInForce'"),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({"type": "STOP"}, -1116, "Invalid orderType."),
    ({"side": "LONG"}, -1117, "Invalid side."),
    ({"symbol": "DOGEBTC"}, -1121, "Invalid symbol."),
    ({"symbol": "btcusdt"}, -1100, "Illegal characters found in parameter 'symbol'"),
    ({"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
    ({"icebergQty": "0.001"}, -1013, "Iceberg orders are not supported for this symbol."),
    ({"type": "STOP_LOSS_LIMIT"}, -1102, "Mandatory parameter 'stopPrice'"),
    (
        {"type": "STOP_LOSS", "price": None, "timeInForce": None, "trailingDelta": 100},
        -1013,
        "Trailing stop orders are not supported for this symbol.",
    ),
    (
        {"type": "LIMIT_MAKER", "timeInForce": None, "price": "61000"},
        -2010,
        "Order would immediately match and take.",
    ),
    (
        {"type": "STOP_LOSS", "price": None, "timeInForce": None, "stopPrice": "50000"},
        -2010,
        "Order would trigger immediately.",
    ),
    (
        {"type": "MARKET", "price": None, "timeInForce": None, "quantity": "101"},
        -1013,
        "Filter failure: MARKET_LOT_SIZE",
    ),
    (
        {"type": "MARKET", "price": None, "timeInForce": None, "quoteOrderQty": "10"},
        -1128,
        "Combination of optional parameters invalid.",
    ),
    ({"selfTradePreventionMode": "DECREMENT"}, -1013, "This symbol does not allow"),
    ({"pegPriceType": "PRIMARY_PEG"}, -1014, "Unsupported order combination."),
]


@pytest.mark.parametrize(("changes", "code", "words"), REFUSALS)
def test_an_order_is_refused_in_the_venues_words(
    changes: dict[str, object], code: int, words: str
) -> None:
    world = World()
    status, given, msg = world.not_placed(**changes)
    assert (status, given) == (400, code)
    assert msg.startswith(words)
    assert world.ask("GET", "/api/v3/openOrders") == []


def test_no_more_than_five_conditional_orders_wait_on_a_symbol() -> None:
    world = World()
    stop = {"type": "STOP_LOSS_LIMIT", "side": "SELL", "stopPrice": "50010"}
    for _ in range(5):
        world.place(**stop)
    assert world.not_placed(**stop)[2] == "Filter failure: MAX_NUM_ALGO_ORDERS"


def test_an_order_test_places_nothing() -> None:
    world = World()
    assert world.ask("POST", "/api/v3/order/test", **world.order()) == {}
    refused = world.refused("POST", "/api/v3/order/test", **world.order(price="0.001"))
    assert refused == (400, -1013, "Filter failure: PRICE_FILTER")
    assert world.ask("GET", "/api/v3/openOrders") == []


@pytest.mark.parametrize("path", ["order/oco", "orderList/oco", "orderList/oto", "orderList/otoco"])
def test_order_lists_are_refused_as_on_a_symbol_that_does_not_allow_them(path: str) -> None:
    world = World()
    status, code, msg = world.refused("POST", f"/api/v3/{path}", **BTC)
    assert (status, code) == (400, -1013)
    assert msg.endswith("not supported for this symbol")
    (symbol,) = world.ask("GET", "/api/v3/exchangeInfo", **BTC)["symbols"]
    assert not symbol["ocoAllowed"]
    assert not symbol["otoAllowed"]
    assert world.ask("GET", "/api/v3/openOrderList") == []


# -- time in force ----------------------------------------------------------------------------


def test_what_cannot_be_filled_at_once_expires_with_its_reason() -> None:
    world = World()
    fok = world.place(timeInForce="FOK")
    assert (fok["status"], fok["expiryReason"]) == ("EXPIRED", "UNFILLED_FOK_ORDER_EXPIRED")
    ioc = world.place(timeInForce="IOC")
    assert (ioc["status"], ioc["expiryReason"]) == ("EXPIRED", "UNFILLED_IOC_QUANTITY_EXPIRED")
    assert get(world, orderId=ioc["orderId"])["status"] == "EXPIRED"


def test_an_order_that_meets_its_own_expires_in_match() -> None:
    world = World()
    best = world.bid() + 1
    resting = world.place(price=f"{best}", quantity="0.01")
    sold = world.place(side="SELL", price=f"{best}", quantity="0.01", timeInForce="IOC")
    assert get(world, orderId=resting["orderId"])["status"] == "EXPIRED_IN_MATCH"
    assert (sold["status"], sold["executedQty"]) == ("EXPIRED", "0.00000000")


# -- conditional orders -----------------------------------------------------------------------


def fired(world: World, order_id: int) -> Any:
    for _ in range(1200):
        world.wait(1)
        found = get(world, orderId=order_id)
        if found["isWorking"]:
            return found
    raise AssertionError("the price never came there")


def test_a_stop_that_fires_stays_the_same_order() -> None:
    world = World()
    stop = world.place(
        type="STOP_LOSS",
        side="SELL",
        quantity="0.1",
        price=None,
        timeInForce=None,
        stopPrice=f"{world.bid() - 20:.2f}",
        newClientOrderId="guard",
    )
    waiting = get(world, origClientOrderId="guard")
    assert (waiting["status"], waiting["isWorking"], waiting["workingTime"]) == ("NEW", False, -1)
    assert world.balance("BTC")[1] == Decimal("0.1")
    done = fired(world, stop["orderId"])
    assert (done["orderId"], done["type"]) == (stop["orderId"], "STOP_LOSS")
    assert (done["status"], done["executedQty"]) == ("FILLED", "0.10000000")
    assert done["workingTime"] > done["time"]
    fills = world.ask("GET", "/api/v3/myTrades", symbol="BTCUSDT", orderId=stop["orderId"])
    assert {fill["orderId"] for fill in fills} == {stop["orderId"]}
    assert [o["orderId"] for o in world.ask("GET", "/api/v3/allOrders", **BTC)] == [stop["orderId"]]
    assert get(world, origClientOrderId="guard")["orderId"] == stop["orderId"]


def test_a_stop_limit_that_works_is_cancelled_by_its_own_number() -> None:
    world = World()
    stop = world.place(
        type="STOP_LOSS_LIMIT",
        side="SELL",
        price="70000",
        stopPrice=f"{world.bid() - 20:.2f}",
        quantity="0.1",
    )
    assert fired(world, stop["orderId"])["status"] == "NEW"
    assert [o["orderId"] for o in world.ask("GET", "/api/v3/openOrders")] == [stop["orderId"]]
    gone = world.ask("DELETE", ORDER, symbol="BTCUSDT", orderId=stop["orderId"])
    assert (gone["orderId"], gone["status"]) == (stop["orderId"], "CANCELED")
    assert world.balance("BTC") == (Decimal(2), Decimal(0))


# -- cancels ----------------------------------------------------------------------------------


def test_a_cancel_has_an_id_of_its_own() -> None:
    world = World()
    world.place(newClientOrderId="mine")
    gone = world.ask(
        "DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="mine", newClientOrderId="its-cancel"
    )
    assert (gone["origClientOrderId"], gone["clientOrderId"]) == ("mine", "its-cancel")
    assert get(world, origClientOrderId="mine")["status"] == "CANCELED"
    again = world.refused("DELETE", ORDER, symbol="BTCUSDT", origClientOrderId="mine")
    assert again == (400, -2011, "Unknown order sent.")


def test_what_does_not_exist_is_told_absent() -> None:
    world = World()
    for method, code in (("GET", -2013), ("DELETE", -2011)):
        message = world.message(method, ORDER, symbol="BTCUSDT", origClientOrderId="nobody")
        answer = world.send(message)
        assert (answer.code, answer.told_absent) == (str(code), ("nobody",))
    assert world.refused("GET", ORDER, **BTC)[1] == -1102
    order_id = world.place(newClientOrderId="me")["orderId"]
    wrong = {"orderId": order_id, "origClientOrderId": "you"}
    assert world.refused("GET", ORDER, symbol="BTCUSDT", **wrong)[1] == -2039


def test_cancel_restrictions_are_kept() -> None:
    world = World()
    order_id = world.place()["orderId"]
    which = {"symbol": "BTCUSDT", "orderId": order_id}
    refused = world.refused("DELETE", ORDER, cancelRestrictions="ONLY_PARTIALLY_FILLED", **which)
    assert refused == (400, -2011, "Order was not canceled due to cancel restrictions.")
    assert world.refused("DELETE", ORDER, cancelRestrictions="SOME", **which)[1] == -1145
    world.ask("DELETE", ORDER, cancelRestrictions="ONLY_NEW", **which)


def test_cancelling_everything_when_there_is_nothing_is_an_error() -> None:
    world = World()
    assert world.refused("DELETE", "/api/v3/openOrders", **BTC)[1] == -2011
    names = {world.place()["clientOrderId"] for _ in range(3)}
    gone = world.ask("DELETE", "/api/v3/openOrders", **BTC)
    assert {order["origClientOrderId"] for order in gone} == names
    assert len({order["clientOrderId"] for order in gone}) == 1


def test_an_order_that_a_scenario_starts_with_is_found_and_cancelled_by_its_web_id() -> None:
    given = NewOrder(
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        qty=Decimal("0.1"),
        price=Decimal(50_000),
    )
    world = World(open_orders=(given,))
    (shown,) = world.ask("GET", "/api/v3/openOrders")
    assert shown["clientOrderId"].startswith("web_")
    named = {"symbol": "BTCUSDT", "origClientOrderId": shown["clientOrderId"]}
    assert world.ask("DELETE", ORDER, **named)["status"] == "CANCELED"


# -- cancel and replace -----------------------------------------------------------------------

REPLACE = "/api/v3/order/cancelReplace"


def replace(world: World, **changes: object) -> tuple[int, Any, Told]:
    params = world.order(**{"cancelReplaceMode": "STOP_ON_FAILURE"} | changes)
    answer = world.send(world.message("POST", REPLACE, **params))
    return answer.status, body(answer), answer.told


def test_a_replacement_does_both() -> None:
    world = World()
    old = world.place(newClientOrderId="old")["orderId"]
    status, given, told = replace(world, cancelOrigClientOrderId="old", price="50100")
    assert (status, told) == (200, Told.OK)
    assert (given["cancelResult"], given["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert given["cancelResponse"]["orderId"] == old
    assert given["newOrderResponse"]["price"] == "50100.00000000"


def test_a_replacement_stops_when_the_cancel_fails() -> None:
    status, given, told = replace(World(), cancelOrderId=987)
    assert (status, given["code"], told) == (400, -2022, Told.REFUSED)
    assert given["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert given["data"]["newOrderResponse"] is None
    assert given["data"]["cancelResponse"]["code"] == -2011


def test_a_replacement_may_half_succeed() -> None:
    world = World()
    old = world.place()["orderId"]
    status, given, told = replace(world, cancelOrderId=old, quantity="9")
    assert (status, given["code"], told) == (409, -2021, Told.REFUSED)
    assert (given["data"]["cancelResult"], given["data"]["newOrderResult"]) == (
        "SUCCESS",
        "FAILURE",
    )
    assert get(world, orderId=old)["status"] == "CANCELED"
    status, given, told = replace(world, cancelOrderId=old, cancelReplaceMode="ALLOW_FAILURE")
    assert (status, given["code"], told) == (409, -2021, Told.OK)
    assert given["data"]["newOrderResponse"]["status"] == "NEW"


# -- amend ------------------------------------------------------------------------------------

AMEND = "/api/v3/order/amend/keepPriority"


def test_an_amended_order_keeps_its_number_and_gets_another_name() -> None:
    world = World()
    order_id = world.place(quantity="0.02", newClientOrderId="first")["orderId"]
    amended = world.ask("PUT", AMEND, symbol="BTCUSDT", orderId=order_id, newQty="0.01")
    renamed = amended["amendedOrder"]["clientOrderId"]
    assert renamed != "first"
    assert get(world, origClientOrderId=renamed)["origQty"] == "0.01000000"
    assert world.refused("GET", ORDER, symbol="BTCUSDT", origClientOrderId="first")[1] == -2013
    (entry,) = world.ask("GET", "/api/v3/order/amendments", symbol="BTCUSDT", orderId=order_id)
    assert (entry["origClientOrderId"], entry["newClientOrderId"]) == ("first", renamed)
    world.place(newClientOrderId="first")  # the old name is free again


def test_an_amendment_may_keep_the_name_and_only_take_quantity_away() -> None:
    world = World()
    order_id = world.place(quantity="0.02", newClientOrderId="same")["orderId"]
    which = {"symbol": "BTCUSDT", "orderId": order_id}
    kept = world.ask("PUT", AMEND, newQty="0.015", newClientOrderId="same", **which)
    assert kept["amendedOrder"]["clientOrderId"] == "same"
    assert world.refused("PUT", AMEND, newQty="0.02", **which) == (
        400,
        -2038,
        "Order amend (quantity increase) is not supported.",
    )
    assert world.refused("PUT", AMEND, newQty="0.015", **which)[2].startswith("The requested")
    world.place(newClientOrderId="other")
    taken = world.refused("PUT", AMEND, newQty="0.01", newClientOrderId="other", **which)
    assert taken == (400, -2038, "Duplicate order sent.")
    assert get(world, orderId=order_id)["origQty"] == "0.01500000"


# -- engine modes -----------------------------------------------------------------------------

CLOSED = "Market is closed."
MODES = [
    (EngineMode.HALTED, "HALT", (400, -1013, CLOSED), False),
    (EngineMode.MAINTENANCE, "BREAK", (400, -1013, CLOSED), False),
    (EngineMode.CANCEL_ONLY, "CANCEL_ONLY", (400, -1013, CLOSED), True),
]


@pytest.mark.parametrize(("mode", "status", "refusal", "cancels"), MODES)
def test_a_closed_symbol_says_so_everywhere(
    mode: EngineMode, status: str, refusal: tuple[int, int, str], cancels: bool
) -> None:
    world = World()
    order_id = world.place()["orderId"]
    world.configure(mode=mode)
    (symbol,) = world.ask("GET", "/api/v3/exchangeInfo", **BTC)["symbols"]
    assert symbol["status"] == status
    assert world.not_placed() == refusal
    assert get(world, orderId=order_id)["status"] == "NEW"
    which = {"symbol": "BTCUSDT", "orderId": order_id}
    if cancels:
        assert world.ask("DELETE", ORDER, **which)["status"] == "CANCELED"
    else:
        assert world.refused("DELETE", ORDER, **which) == (400, -2011, CLOSED)


def test_limit_only_refuses_market_orders_alone() -> None:
    world = World()
    world.configure(mode=EngineMode.LIMIT_ONLY)
    refused = world.refused("POST", ORDER, **world.market())
    assert refused == (400, -1013, "Market orders are not supported for this symbol.")
    world.place()


def test_a_halt_that_holds_takes_orders_and_works_them_later() -> None:
    world = World()
    world.configure(mode=EngineMode.HALTED, queue=QueuePolicy.HOLD)
    held = world.place(price=f"{world.ask_price() + 100:.2f}")
    assert held["status"] == "NEW"
    world.configure()
    assert get(world, orderId=held["orderId"])["status"] == "FILLED"


def test_what_the_venue_cancels_is_expired_and_not_cancelled() -> None:
    world = World()
    order_id = world.place()["orderId"]
    world.configure(keep_orders=Decimal(0), sweep_id=1)
    shown = get(world, orderId=order_id)
    assert (shown["status"], shown["expiryReason"]) == ("EXPIRED", "EXCHANGE_CANCELED")


# -- late reports -----------------------------------------------------------------------------


def test_fills_that_are_reported_late_show_late() -> None:
    world = World()
    world.configure(fills_delay_ms=60_000)
    bought = world.ask("POST", ORDER, **world.market())
    assert (bought["status"], bought["fills"]) == ("NEW", [])
    assert world.ask("GET", "/api/v3/myTrades", **BTC) == []
    world.wait(61)
    assert get(world, orderId=bought["orderId"])["status"] == "FILLED"
    assert world.ask("GET", "/api/v3/myTrades", **BTC)


def test_a_late_database_shows_history_late_but_the_order_itself_at_once() -> None:
    world = World()
    world.configure(history_lag_ms=60_000)
    bought = world.ask("POST", ORDER, **world.market())
    assert get(world, orderId=bought["orderId"])["status"] == "FILLED"
    assert world.ask("GET", "/api/v3/allOrders", **BTC) == []
    assert world.ask("GET", "/api/v3/myTrades", **BTC) == []
    world.wait(61)
    assert world.ask("GET", "/api/v3/allOrders", **BTC)[0]["status"] == "FILLED"


def test_history_has_windows() -> None:
    world = World()
    ids = [world.place()["orderId"] for _ in range(3)]
    listed = world.ask("GET", "/api/v3/allOrders", orderId=ids[1], **BTC)
    assert [order["orderId"] for order in listed] == ids[1:]
    day = 86_400_000
    too_long = {"startTime": T0_MS - day, "endTime": T0_MS + 1}
    assert world.refused("GET", "/api/v3/allOrders", **BTC, **too_long)[1] == -1127
    assert world.ask("GET", "/api/v3/allOrders", startTime=T0_MS + day, **BTC) == []
    mixed = {"orderId": 1, "startTime": T0_MS}
    assert world.refused("GET", "/api/v3/myTrades", **BTC, **mixed)[1] == -1128


def test_a_dead_trigger_leaves_a_stop_waiting() -> None:
    world = World()
    world.configure(triggers=TriggerPolicy.DEAD)
    stop = world.place(
        type="STOP_LOSS_LIMIT", side="SELL", price="58000", stopPrice=f"{world.bid() - 5:.2f}"
    )
    world.wait(600)
    assert not get(world, orderId=stop["orderId"])["isWorking"]
