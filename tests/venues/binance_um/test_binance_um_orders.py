"""Orders as the venue tells them: old and new answers, plain and conditional, new words."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from um_samples import (
    ALGO,
    BTC,
    CANCEL,
    CANCEL_STOP,
    ID,
    INSTRUMENTS,
    OPEN_ORDERS,
    ORDER,
    PLACE,
    PLACE_STOP,
    QUERY,
    error,
    recorded,
    reply,
)

from outlast.errors import Failure, Layer, Outcome, Remedy
from outlast.model import OrderReport, OrderStatus, OrderType, Side, Source, TimeInForce
from outlast.venues import binance_um as um


def read(body, request=PLACE):
    return um.read_order(request, reply(200, body), BTC)


def report(changes, request=QUERY, base=ORDER):
    found = read(base | changes, request)
    assert isinstance(found, OrderReport), found
    return found


def test_an_order_as_a_query_tells_it():
    assert report({}) == OrderReport(
        client_order_id=ID,
        venue_order_id="1573346959",
        symbol="BTC/USDT:USDT",
        status=OrderStatus.ACCEPTED,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal("0.40"),
        filled_qty=Decimal(0),
        price=Decimal(9000),
        time_in_force=TimeInForce.GTC,
        created_ms=1579276756075,
        updated_ms=1579276756076,
        source=Source.REST,
    )


def test_an_answer_of_after_2026_07_has_no_average_price():
    body = {k: v for k, v in ORDER.items() if k not in ("avgPrice", "cumQuote", "time")}
    found = read(body | {"status": "FILLED", "executedQty": "0.40"})
    assert (found.status, found.filled_qty) == (OrderStatus.FILLED, Decimal("0.40"))
    assert found.avg_price is None
    assert found.created_ms is None  # only a query says when it was made


def test_an_answer_of_before_has_one():
    found = report({"avgPrice": "8999.50", "executedQty": "0.10", "status": "PARTIALLY_FILLED"})
    assert str(found.avg_price) == "8999.50"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("NEW", OrderStatus.ACCEPTED),
        ("PARTIALLY_FILLED", OrderStatus.PARTIALLY_FILLED),
        ("FILLED", OrderStatus.FILLED),
        ("CANCELED", OrderStatus.CANCELED),
        ("REJECTED", OrderStatus.REJECTED),
        ("EXPIRED", OrderStatus.EXPIRED),
        ("EXPIRED_IN_MATCH", OrderStatus.EXPIRED),
    ],
)
def test_statuses(text, status):
    found = report({"status": text})
    assert found.status is status
    assert found.unrecognised == ()
    assert found.reason == ("EXPIRED_IN_MATCH" if text == "EXPIRED_IN_MATCH" else "")


def test_an_expired_order_keeps_what_was_filled():
    found = report({"status": "EXPIRED", "executedQty": "0.15"})
    assert (found.status, found.filled_qty) == (OrderStatus.EXPIRED, Decimal("0.15"))


def test_a_status_that_is_new_may_be_live_and_is_counted():
    found = report({"status": "PENDING_NEW"})
    assert found.status is OrderStatus.ACCEPTED
    assert found.status.may_be_live
    assert found.unrecognised == ("status=PENDING_NEW",)
    partly = report({"status": "PENDING_CANCEL", "executedQty": "0.1"})
    assert partly.status is OrderStatus.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("text", "price", "order_type", "new"),
    [
        ("LIMIT", "9000", OrderType.LIMIT, ()),
        ("MARKET", "0", OrderType.MARKET, ()),
        ("STOP", "9000", OrderType.STOP_LIMIT, ()),
        ("STOP_MARKET", "0", OrderType.STOP_MARKET, ()),
        ("TAKE_PROFIT", "9000", OrderType.TAKE_PROFIT_LIMIT, ()),
        ("TAKE_PROFIT_MARKET", "0", OrderType.TAKE_PROFIT_MARKET, ()),
        ("TRAILING_STOP_MARKET", "0", OrderType.MARKET, ("type=TRAILING_STOP_MARKET",)),
        ("LIQUIDATION", "9000", OrderType.LIMIT, ("type=LIQUIDATION",)),
    ],
)
def test_types(text, price, order_type, new):
    found = report({"type": text, "price": price})
    assert (found.order_type, found.unrecognised) == (order_type, new)


@pytest.mark.parametrize(
    ("text", "tif", "post_only", "new"),
    [
        ("GTC", TimeInForce.GTC, False, ()),
        ("IOC", TimeInForce.IOC, False, ()),
        ("FOK", TimeInForce.FOK, False, ()),
        ("GTD", TimeInForce.GTD, False, ()),
        ("GTX", TimeInForce.GTC, True, ()),
        ("RPI", TimeInForce.GTC, True, ()),
        ("GTE_GTC", TimeInForce.GTC, False, ()),
        ("GTZ", TimeInForce.GTC, False, ("timeInForce=GTZ",)),
    ],
)
def test_times_in_force(text, tif, post_only, new):
    for found in (
        report({"timeInForce": text}),
        report({"timeInForce": text}, PLACE_STOP, ALGO),
    ):
        assert (found.time_in_force, found.post_only) == (tif, post_only)
        assert found.unrecognised == new


def test_numbers_without_quotes_and_truths_in_quotes_are_read():
    found = report({"orderId": "17", "origQty": 0.4, "reduceOnly": "true", "price": 9000})
    assert (found.venue_order_id, found.qty, found.reduce_only) == ("17", Decimal("0.4"), True)


# An answer is about this order or it is none.


@pytest.mark.parametrize("changes", [{"clientOrderId": "someone-else"}, {"symbol": "ETHUSDT"}])
def test_an_answer_about_another_order_leaves_ours_unknown(changes):
    failure = read(ORDER | changes)
    assert isinstance(failure, Failure)
    assert failure.kind == "answer_for_another_order"
    assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)
    again = read(ORDER | changes, QUERY)
    assert (again.outcome, again.remedy) == (Outcome.REFUSED, Remedy.RETRY)


def test_an_order_asked_for_by_the_venues_id_must_have_that_id():
    request = um.query_order(BTC, venue_order_id="1573346959")
    assert report({"clientOrderId": "theirs"}, request).client_order_id == "theirs"
    failure = read(ORDER | {"orderId": 17}, request)
    assert failure.kind == "answer_for_another_order"


@pytest.mark.parametrize(
    "key",
    ["symbol", "orderId", "clientOrderId", "status", "side", "type", "origQty", "executedQty"],
)
def test_an_answer_that_lacks_a_key_leaves_the_order_unknown(key):
    failure = read({k: v for k, v in ORDER.items() if k != key})
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.outcome) == ("hollow_answer", Outcome.UNKNOWN)
    assert key in failure.message or key == "orderId"
    assert failure.raw


@pytest.mark.parametrize(
    "changes",
    [
        {"side": "HOLD"},
        {"origQty": "much"},
        {"origQty": "NaN"},
        {"executedQty": "Infinity"},
        {"executedQty": "-0.1"},
        {"origQty": "-0.1"},
        {"price": "1e999999"},
        {"orderId": {}},
        {"status": None},
        {"time": "yesterday"},
    ],
)
def test_values_that_mean_nothing_leave_the_order_unknown(changes):
    failure = read(ORDER | changes)
    assert isinstance(failure, Failure)
    assert failure.outcome is Outcome.UNKNOWN


def test_a_refusal_comes_through_unchanged():
    answer = error(-2022, "ReduceOnly Order is rejected.")
    assert um.read_order(PLACE, answer, BTC) == um.classify(PLACE, answer)


# Conditional orders.


def test_a_conditional_order():
    assert report({}, PLACE_STOP, ALGO) == OrderReport(
        client_order_id=ID,
        venue_order_id="",
        symbol="BTC/USDT:USDT",
        status=OrderStatus.ACCEPTED,
        side=Side.SELL,
        order_type=OrderType.STOP_MARKET,
        qty=Decimal("0.40"),
        filled_qty=Decimal(0),
        stop_price=Decimal("8000.0"),
        reduce_only=True,
        created_ms=1750485492076,
        updated_ms=1750485492077,
    )


@pytest.mark.parametrize(
    ("text", "actual_qty", "status"),
    [
        ("NEW", "", OrderStatus.ACCEPTED),
        ("TRIGGERING", "", OrderStatus.ACCEPTED),
        ("TRIGGERED", "0", OrderStatus.ACCEPTED),
        ("TRIGGERED", "0.1", OrderStatus.PARTIALLY_FILLED),
        ("FINISHED", "0.40", OrderStatus.FILLED),
        ("FINISHED", "0.1", OrderStatus.EXPIRED),
        ("FINISHED", "0", OrderStatus.EXPIRED),
        ("CANCELED", "", OrderStatus.CANCELED),
        ("REJECTED", "", OrderStatus.REJECTED),
        ("EXPIRED", "", OrderStatus.EXPIRED),
    ],
)
def test_statuses_of_the_algo_service(text, actual_qty, status):
    found = report({"algoStatus": text, "actualQty": actual_qty}, QUERY, ALGO)
    assert found.status is status
    assert found.filled_qty == Decimal(actual_qty or 0)
    assert found.unrecognised == ()


def test_finished_without_a_quantity_may_be_anything():
    found = report({"algoStatus": "FINISHED"}, QUERY, ALGO)
    assert found.status.may_be_live
    assert found.unrecognised == ("actualQty=missing",)


def test_a_triggered_order_is_known_by_the_engines_id():
    """Executions name that id; the Algo service's own appears nowhere else."""
    triggered = {"algoStatus": "FINISHED", "actualQty": "0.4", "actualPrice": "7999.1"}
    found = report(triggered | {"actualOrderId": "974828356187"}, QUERY, ALGO)
    assert (found.venue_order_id, str(found.avg_price)) == ("974828356187", "7999.1")
    assert report({"actualOrderId": "0"}, QUERY, ALGO).venue_order_id == ""


def test_an_order_that_closes_the_position_has_no_quantity_of_its_own():
    found = report({"quantity": "0", "algoStatus": "FINISHED", "actualQty": "2"}, QUERY, ALGO)
    assert (found.qty, found.status) == (Decimal(2), OrderStatus.FILLED)


@pytest.mark.parametrize("actual_qty", ["some", "NaN", "-1", "1e999999"])
def test_an_actual_quantity_that_is_no_amount_is_unreadable(actual_qty):
    assert isinstance(read(ALGO | {"actualQty": actual_qty}, QUERY), Failure)


def test_a_cancel_confirmed_by_ids_alone_is_looked_up():
    """What was filled before the cancel is not in it."""
    thin = {"algoId": 2146760, "clientAlgoId": ID, "code": "200", "msg": "success"}
    assert um.classify(CANCEL_STOP, reply(200, thin)) is None
    failure = read(thin, CANCEL_STOP)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.remedy) == ("canceled_without_details", Remedy.SETTLE)
    assert failure.layer is Layer.BUSINESS
    in_full = report({"algoStatus": "CANCELED"}, CANCEL_STOP, ALGO)
    assert in_full.status is OrderStatus.CANCELED


# Lists.


def test_plain_and_conditional_orders_in_one_list():
    found = um.read_orders(OPEN_ORDERS, reply(200, [ORDER, ALGO]), INSTRUMENTS)
    assert [order.order_type for order in found] == [OrderType.LIMIT, OrderType.STOP_MARKET]


def test_one_unreadable_order_makes_the_list_unreadable():
    """A list without it would say that the order is not open."""
    failure = um.read_orders(OPEN_ORDERS, reply(200, [ORDER, {}]), INSTRUMENTS)
    assert isinstance(failure, Failure)
    assert failure.remedy is Remedy.RETRY


def test_an_order_on_a_symbol_nobody_listed_keeps_the_venues_name():
    found = um.read_orders(OPEN_ORDERS, reply(200, [ORDER | {"symbol": "NEWUSDT"}]), INSTRUMENTS)
    assert found[0].symbol == "NEWUSDT"


def test_instruments_may_be_keyed_by_either_name():
    for instruments in ({BTC.symbol: BTC}, {BTC.venue_symbol: BTC}):
        found = um.read_orders(OPEN_ORDERS, reply(200, [ORDER]), instruments)
        assert found[0].symbol == "BTC/USDT:USDT"


# Answers from another project's tests, copied from the venue's documentation.

RECORDED_LISTS = [
    "Trading/GetOpenOrders",
    "Trading/GetOrders",
    "Trading/GetConditionalOrders",
    "Trading/GetOpenConditionalOrders",
]
RECORDED_ORDERS = [
    "Trading/PlaceOrder",
    "Trading/CancelOrder",
    "Trading/GetOrder",
    "Trading/GetOpenOrder",
    "Trading/EditOrder",
    "Trading/PlaceConditionalOrder",
    "Trading/CancelConditionalOrder",
    "Trading/GetConditionalOrder",
]


@pytest.mark.parametrize("name", RECORDED_LISTS)
def test_recorded_lists_decode(name):
    found = um.read_orders(OPEN_ORDERS, reply(200, recorded(name)), INSTRUMENTS)
    assert not isinstance(found, Failure)
    assert len(found) == 1
    _assert_same_numbers(found[0], recorded(name)[1:-1].strip().removesuffix(b"]"))


@pytest.mark.parametrize("name", RECORDED_ORDERS)
def test_recorded_orders_decode(name):
    body = b"[" + recorded(name) + b"]"
    found = um.read_orders(OPEN_ORDERS, reply(200, body), INSTRUMENTS)
    assert not isinstance(found, Failure)
    _assert_same_numbers(found[0], recorded(name))


def _assert_same_numbers(found, body):
    """The texts of the numbers are those of the wire, zeros and all."""
    row = json.loads(body)
    is_algo = "algoId" in row
    assert str(found.qty) == row["quantity" if is_algo else "origQty"]
    assert str(found.filled_qty) == row.get("actualQty" if is_algo else "executedQty", "0")
    for name, value in (
        ("price", found.price),
        ("triggerPrice" if is_algo else "stopPrice", found.stop_price),
        ("actualPrice" if is_algo else "avgPrice", found.avg_price),
    ):
        sent = row.get(name, "0")
        assert str(value) == sent if Decimal(sent) else value is None
    assert found.client_order_id == row["clientAlgoId" if is_algo else "clientOrderId"]


@pytest.mark.parametrize("name", ["Trading/PlaceMultipleOrders", "Trading/CancelMultipleOrders"])
def test_a_batch_answer_is_not_taken_for_a_list_of_orders(name):
    """Its second row is an error; no request of ours is answered with one."""
    assert isinstance(um.read_orders(OPEN_ORDERS, reply(200, recorded(name)), INSTRUMENTS), Failure)


@pytest.mark.parametrize("name", ["Trading/CancelAllOrders", "Trading/CancelAllConditionalOrders"])
def test_recorded_answers_to_cancel_all(name):
    assert um.classify(um.cancel_all_orders(BTC), reply(200, recorded(name))) is None


def test_cancel_of_an_order_that_filled_first():
    found = report({"status": "FILLED", "executedQty": "0.40"}, CANCEL)
    assert found.status is OrderStatus.FILLED
