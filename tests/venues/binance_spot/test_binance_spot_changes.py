"""New terms for an order, as Binance spot takes and tells them: less of it, and no more."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from msgspec import structs
from spot_samples import BTC, DATA, ID, NOW_MS

from outlast.errors import Failure, InvalidOrder, Outcome
from outlast.model import Order, OrderReport, OrderStatus, OrderType, Side
from outlast.venues import binance_spot as spot
from outlast.venues.binance_spot import trade_socket as socket
from outlast.wire import Lane, WireReply

ORDER = Order(
    client_order_id=ID,
    symbol=BTC.symbol,
    side=Side.SELL,
    order_type=OrderType.LIMIT,
    qty=Decimal("0.4"),
    status=OrderStatus.ACCEPTED,
    price=Decimal(9000),
    venue_order_id="33",
)
DOCUMENTED = {
    "transactTime": 1741926410255,
    "executionId": 75,
    "amendedOrder": {
        "symbol": "BTCUSDT",
        "orderId": 33,
        "orderListId": -1,
        "origClientOrderId": ID,
        "clientOrderId": ID,
        "price": "9000.00000000",
        "qty": "0.30000000",
        "executedQty": "0.10000000",
        "preventedQty": "0.00000000",
        "quoteOrderQty": "0.00000000",
        "cumulativeQuoteQty": "900.00000000",
        "status": "PARTIALLY_FILLED",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "SELL",
        "workingTime": 1741926410242,
        "selfTradePreventionMode": "NONE",
    },
}
"""Names as in Binance spot REST docs, Order Amend Keep Priority, response; values of our own."""


def amend(order=ORDER, *, price="9000", qty="0.3"):
    return spot.amend_order(order, BTC, price=Decimal(price), qty=Decimal(qty), adds_risk=False)


def reply(body, status=200):
    return WireReply(
        status=status,
        headers={},
        body=json.dumps(body).encode(),
        sent_at=0.0,
        received_at=0.1,
    )


def test_an_amendment_keeps_the_orders_name():
    asked = amend()
    assert (asked.method, asked.path) == ("PUT", "/api/v3/order/amend/keepPriority")
    assert dict(asked.params) == {
        "symbol": "BTCUSDT",
        "origClientOrderId": ID,
        "newClientOrderId": ID,
        "newQty": "0.30000",
    }
    assert asked.lane is Lane.SAFETY
    assert not asked.safe_to_repeat
    assert {(cost.counter, cost.units) for cost in asked.costs} == {
        ("weight_1m", 4),
        ("requests_5m", 1),
    }


@pytest.mark.parametrize(
    ("order", "terms", "field", "remedy"),
    [
        (
            ORDER,
            {"price": "9001"},
            "price",
            "cancel order ol-1 .* submit another with the new price",
        ),
        (ORDER, {"qty": "0.5"}, "qty", "submit the difference"),
        (
            structs.replace(ORDER, order_type=OrderType.STOP_LIMIT),
            {},
            "client_order_id",
            "limit orders only; cancel order",
        ),
    ],
)
def test_what_takes_a_new_order_says_so(order, terms, field, remedy):
    with pytest.raises(InvalidOrder, match=remedy) as caught:
        amend(order, **terms)
    assert caught.value.field == field


def test_it_goes_by_socket_under_its_own_method():
    frame = socket.frame(
        amend(), number=3, key="k", secret="s", ticket=None, timestamp_ms=NOW_MS, valid_for_ms=5000
    )
    assert json.loads(frame)["method"] == "order.amend.keepPriority"


def test_the_documented_answer():
    report = spot.read_amended(amend(), reply(DOCUMENTED), BTC, ORDER)
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.venue_order_id) == (ID, "33")
    assert (report.qty, report.filled_qty) == (Decimal("0.3"), Decimal("0.1"))
    assert (report.price, report.avg_price) == (Decimal(9000), Decimal(9000))
    assert report.status is OrderStatus.PARTIALLY_FILLED
    assert report.updated_ms == 1741926410255


def test_an_answer_in_the_words_of_a_query_is_read_too():
    text = (DATA / "binance.net/Spot/Trading/AmendOrder.txt").read_text().split("true\n", 1)[1]
    answer = json.loads(text)
    order = structs.replace(ORDER, client_order_id=answer["amendedOrder"]["clientOrderId"])
    report = spot.read_amended(amend(order), reply(answer), BTC, order)
    assert isinstance(report, OrderReport)
    assert report.qty == Decimal("0.00847")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"clientOrderId": "another"}, "answer_for_another_order"),
        ({"qty": None}, "hollow_answer"),
        ({"executedQty": "-1"}, "hollow_answer"),
        ({"symbol": "ETHUSDT"}, "answer_for_another_order"),
    ],
)
def test_an_answer_that_cannot_be_true_leaves_it_unknown(change, kind):
    answer = DOCUMENTED | {"amendedOrder": DOCUMENTED["amendedOrder"] | change}
    failure = spot.read_amended(amend(), reply(answer), BTC, ORDER)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.outcome) == (kind, Outcome.UNKNOWN)


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (-2038, "The requested action would change no state; rejecting.", "amend_rejected"),
        (-2038, "Order amend (quantity increase) is not supported.", "amend_rejected"),
        (-2038, "Unknown order sent.", "unknown_order"),
        (-2013, "Order does not exist.", "unknown_order"),
        (-1013, "Filter failure: MAX_NUM_ORDER_AMENDS", "amend_rejected"),
    ],
)
def test_refusals_leave_the_order_as_it_was(code, words, kind):
    failure = spot.classify(amend(), reply({"code": code, "msg": words}, 400))
    assert failure is not None
    assert (failure.kind, failure.outcome) == (kind, Outcome.REFUSED)


def test_several_are_cancelled_one_by_one():
    assert spot.TRAITS.cancels_at_once == 1
    assert spot.cancel_orders(BTC, [ORDER, ORDER]) is None
    assert spot.query_orders(BTC, ["33"]) is None
    assert spot.read_canceled(amend(), reply([]), BTC) == {}
