"""Amending on spot as the venue's page has it: quantity down, place and price kept."""

from __future__ import annotations

from decimal import Decimal

from mock_spot_world import World

AMEND = "/api/v3/order/amend/keepPriority"
BTC = {"symbol": "BTCUSDT"}
DOCUMENTED = {
    *("symbol", "orderId", "orderListId", "origClientOrderId", "clientOrderId", "price", "qty"),
    *("executedQty", "preventedQty", "quoteOrderQty", "cumulativeQuoteQty", "status"),
    *("timeInForce", "type", "side", "workingTime", "selfTradePreventionMode"),
}
"""Source: Binance spot API docs, rest-api.md, Order Amend Keep Priority, response."""


def test_the_answer_has_the_documented_names() -> None:
    world = World()
    order_id = world.place(quantity="0.02", newClientOrderId="one")["orderId"]
    answer = world.ask("PUT", AMEND, orderId=order_id, newQty="0.01", newClientOrderId="one", **BTC)
    assert set(answer) == {"transactTime", "executionId", "amendedOrder"}
    amended = answer["amendedOrder"]
    assert set(amended) == DOCUMENTED
    assert (amended["origClientOrderId"], amended["clientOrderId"]) == ("one", "one")
    assert (amended["qty"], amended["executedQty"]) == ("0.01000000", "0.00000000")


def test_truth_has_the_new_quantity_and_one_order() -> None:
    world = World()
    order_id = world.place(quantity="0.02", newClientOrderId="one")["orderId"]
    world.ask("PUT", AMEND, orderId=order_id, newQty="0.01", newClientOrderId="one", **BTC)
    [order] = world.engine.all_orders()
    assert (order.order_id, order.request.qty) == (order_id, Decimal("0.01"))


def test_what_is_not_open_cannot_be_amended() -> None:
    world = World()
    order_id = world.place(quantity="0.02")["orderId"]
    world.ask("DELETE", "/api/v3/order", orderId=order_id, **BTC)
    refused = world.refused("PUT", AMEND, orderId=order_id, newQty="0.01", **BTC)
    assert refused == (400, -2038, "Unknown order sent.")
    assert world.refused("PUT", AMEND, orderId=999_999, newQty="0.01", **BTC)[1] == -2013
