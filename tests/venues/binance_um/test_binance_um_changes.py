"""New terms for an order and the end of several, as Binance USD-M takes and tells them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from msgspec import structs
from um_samples import BTC, DATA, ID, NOW_MS

from outlast.errors import Failure, InvalidOrder, Outcome
from outlast.model import Order, OrderReport, OrderStatus, OrderType, Side
from outlast.venues import binance_um as um
from outlast.venues.binance_um import trade_socket as socket
from outlast.wire import Lane, WireReply

ORDER = Order(
    client_order_id=ID,
    symbol=BTC.symbol,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    qty=Decimal("0.4"),
    status=OrderStatus.ACCEPTED,
    price=Decimal(9000),
    venue_order_id="20072994037",
)
UNKNOWN_ORDER = {"code": -2011, "msg": "Unknown order sent."}


def amend(order=ORDER, *, price="9010", qty="0.5", adds_risk=True):
    return um.amend_order(order, BTC, price=Decimal(price), qty=Decimal(qty), adds_risk=adds_risk)


def reply(body, status=200):
    text = body if isinstance(body, str) else json.dumps(body)
    return WireReply(status=status, headers={}, body=text.encode(), sent_at=0.0, received_at=0.1)


def sample(name):
    text = (DATA / "binance.net/UsdFutures/Trading" / name).read_text()
    return json.loads(text.split("true\n", 1)[1])


def test_an_amendment_names_side_quantity_and_price():
    asked = amend()
    assert (asked.method, asked.path) == ("PUT", "/fapi/v1/order")
    assert dict(asked.params) == {
        "symbol": "BTCUSDT",
        "origClientOrderId": ID,
        "side": "BUY",
        "quantity": "0.500",
        "price": "9010.0",
    }
    assert not asked.safe_to_repeat
    assert asked.lane is Lane.TRADE
    assert {cost.counter for cost in asked.costs} == {"orders_10s", "orders_1m"}


def test_one_that_adds_no_risk_goes_first():
    assert amend(qty="0.1", adds_risk=False).lane is Lane.SAFETY


def test_a_price_that_stays_may_be_off_todays_tick():
    old = structs.replace(ORDER, price=Decimal("9000.05"))
    assert dict(amend(old, price="9000.05").params)["price"] == "9000.05"


@pytest.mark.parametrize("kind", [OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_LIMIT])
def test_conditional_orders_are_not_amended(kind):
    with pytest.raises(InvalidOrder, match="cancel it and submit another"):
        amend(structs.replace(ORDER, order_type=kind))


def test_it_goes_by_socket_as_order_modify():
    frame = socket.frame(
        amend(), number=3, key="k", secret="s", ticket=None, timestamp_ms=NOW_MS, valid_for_ms=5000
    )
    told = json.loads(frame)
    assert told["method"] == "order.modify"
    assert told["params"]["quantity"] == "0.500"


def test_the_answer_is_the_order_with_its_new_terms():
    asked = amend()
    answer = sample("EditOrder.txt") | {"clientOrderId": ID}
    report = um.read_amended(asked, reply(answer), BTC, ORDER)
    assert isinstance(report, OrderReport)
    assert (report.qty, report.price) == (Decimal(1), Decimal(30005))
    assert report.updated_ms == 1629182711600


@pytest.mark.parametrize(
    ("status", "body", "kind", "outcome"),
    [
        (400, {"code": -5027, "msg": "No need to modify the order."}, "amend_rejected", "refused"),
        (400, {"code": -2013, "msg": "Order does not exist."}, "unknown_order", "refused"),
        (503, {"code": -1007, "msg": "Timeout"}, "timed_out_inside_venue", "unknown"),
        (200, {}, "hollow_answer", "unknown"),
        (502, "<html>", "unreadable_answer", "unknown"),
    ],
)
def test_what_else_an_answer_says(status, body, kind, outcome):
    failure = um.classify(amend(), reply(body, status))
    assert failure is not None
    assert (failure.kind, failure.outcome.value) == (kind, outcome)


def batch(*names):
    orders = [structs.replace(ORDER, client_order_id=name) for name in names]
    asked = um.cancel_orders(BTC, orders)
    assert asked is not None
    return asked


def test_a_batch_of_cancels_lists_ids_as_json():
    asked = batch("one", "two")
    assert (asked.method, asked.path, asked.lane) == (
        "DELETE",
        "/fapi/v1/batchOrders",
        Lane.SAFETY,
    )
    assert dict(asked.params)["origClientOrderIdList"] == '["one","two"]'
    assert asked.client_order_ids == ("one", "two")
    assert um.TRAITS.cancels_at_once == 10


def test_each_order_of_a_batch_has_its_own_answer():
    asked = batch("myOrder1", "gone")
    told = um.read_canceled(asked, reply(sample("CancelMultipleOrders.txt")), BTC)
    assert not isinstance(told, Failure)
    first, second = told["myOrder1"], told["gone"]
    assert isinstance(first, OrderReport)
    assert first.status is OrderStatus.CANCELED
    assert isinstance(second, Failure)
    assert (second.kind, second.outcome) == ("unknown_order", Outcome.REFUSED)


@pytest.mark.parametrize("rows", [[UNKNOWN_ORDER], [UNKNOWN_ORDER] * 3, [1, 2], {}])
def test_rows_that_do_not_fit_leave_all_of_them_unknown(rows):
    told = um.read_canceled(batch("one", "two"), reply(rows), BTC)
    assert isinstance(told, Failure)
    assert told.outcome is Outcome.UNKNOWN


def test_a_row_about_a_stranger_proves_nothing():
    told = um.read_canceled(batch("one", "two"), reply(sample("CancelMultipleOrders.txt")), BTC)
    assert isinstance(told, dict)
    assert told["one"].outcome is Outcome.UNKNOWN
    assert um.query_orders(BTC, ["1"]) is None
