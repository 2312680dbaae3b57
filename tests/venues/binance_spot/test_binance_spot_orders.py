"""Orders as the venue tells them: placed, cancelled, queried, listed; fills, and new words."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from spot_samples import (
    ACK,
    BTC,
    CANCEL,
    CANCEL_ALL,
    CANCELED,
    FILL,
    ID,
    INSTRUMENTS,
    OPEN_ORDERS,
    PLACE,
    PLACED,
    QUERIED,
    QUERY,
    RECORDED,
    error,
    recorded,
    reply,
)

from outlast.errors import Failure, Layer, Outcome, Remedy
from outlast.model import (
    Execution,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
    Source,
    TimeInForce,
)
from outlast.venues import binance_spot as spot


def read(body, request=PLACE):
    return spot.read_order(request, reply(200, body), BTC)


def report(changes, request=QUERY, base=QUERIED):
    found = read(base | changes, request)
    assert isinstance(found, OrderReport), found
    return found


def test_an_order_as_a_query_tells_it():
    assert report({}) == OrderReport(
        client_order_id=ID,
        venue_order_id="28",
        symbol="BTC/USDT",
        status=OrderStatus.ACCEPTED,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal("0.40000000"),
        filled_qty=Decimal(0),
        price=Decimal(9000),
        time_in_force=TimeInForce.GTC,
        created_ms=1499827319559,
        updated_ms=1499827319560,
        source=Source.REST,
    )


def test_a_new_order_that_rests():
    found = report({}, PLACE, PLACED)
    assert (found.status, found.avg_price, found.executions) == (OrderStatus.ACCEPTED, None, ())
    assert found.updated_ms == 1507725176595
    assert found.created_ms is None  # only a query says when it was made


def test_the_answer_to_a_new_order_names_its_fills():
    fills = [FILL, FILL | {"tradeId": 57, "qty": "0.25000000", "price": "8998.00000000"}]
    filled = {
        "status": "FILLED",
        "executedQty": "0.40000000",
        "cummulativeQuoteQty": "3599.35000000",
        "fills": fills,
    }
    found = report(filled, PLACE, PLACED)
    assert (found.status, found.filled_qty) == (OrderStatus.FILLED, Decimal("0.4"))
    assert found.avg_price == Decimal("8998.375")
    assert found.executions[0] == Execution(
        symbol="BTC/USDT",
        execution_id="56",
        venue_order_id="28",
        side=Side.BUY,
        price=Decimal(8999),
        qty=Decimal("0.15"),
        fee=Decimal("0.00015"),
        fee_currency="BTC",
        is_maker=False,
        client_order_id=ID,
        venue_time_ms=1507725176595,
    )
    assert [e.execution_id for e in found.executions] == ["56", "57"]
    assert sum(e.qty for e in found.executions) == found.filled_qty


def test_a_market_order_that_found_too_little_expired_with_what_it_got():
    thin = {
        "type": "MARKET",
        "price": "0.00000000",
        "status": "EXPIRED",
        "executedQty": "0.15000000",
        "cummulativeQuoteQty": "1349.85000000",
        "fills": [FILL],
        "expiryReason": "INSUFFICIENT_LIQUIDITY",
    }
    found = report(thin, PLACE, PLACED)
    assert (found.status, found.filled_qty) == (OrderStatus.EXPIRED, Decimal("0.15"))
    assert (found.order_type, found.price) == (OrderType.MARKET, None)
    assert found.reason == "INSUFFICIENT_LIQUIDITY"
    assert found.avg_price == 8999


@pytest.mark.parametrize("quote", ["-1.00000000", None])
def test_an_average_that_the_venue_does_not_know_is_none(quote):
    body = QUERIED | {"status": "FILLED", "executedQty": "0.4", "cummulativeQuoteQty": quote}
    if quote is None:
        del body["cummulativeQuoteQty"]
    assert report({}, QUERY, body).avg_price is None


def test_after_a_cancel_the_order_goes_by_its_original_id():
    found = report({"executedQty": "0.10000000"}, CANCEL, CANCELED)
    assert (found.client_order_id, found.status) == (ID, OrderStatus.CANCELED)
    assert found.filled_qty == Decimal("0.1")
    other = read(CANCELED | {"origClientOrderId": "someone-else", "clientOrderId": ID}, CANCEL)
    assert isinstance(other, Failure)
    assert other.kind == "answer_for_another_order"


def test_an_ack_says_that_there_is_an_order_and_nothing_of_what_became_of_it():
    failure = read(ACK)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.layer) == ("accepted_without_details", Layer.BUSINESS)
    assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("NEW", OrderStatus.ACCEPTED),
        ("PENDING_NEW", OrderStatus.ACCEPTED),
        ("PENDING_CANCEL", OrderStatus.ACCEPTED),
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


def test_a_status_that_is_new_may_be_live_and_is_counted():
    found = report({"status": "SLEEPING"})
    assert found.status is OrderStatus.ACCEPTED
    assert found.status.may_be_live
    assert found.unrecognised == ("status=SLEEPING",)
    partly = report({"status": "SLEEPING", "executedQty": "0.1"})
    assert partly.status is OrderStatus.PARTIALLY_FILLED


@pytest.mark.parametrize(
    ("text", "price", "order_type", "post_only", "new"),
    [
        ("LIMIT", "9000", OrderType.LIMIT, False, ()),
        ("LIMIT_MAKER", "9000", OrderType.LIMIT, True, ()),
        ("MARKET", "0", OrderType.MARKET, False, ()),
        ("STOP_LOSS", "0", OrderType.STOP_MARKET, False, ()),
        ("STOP_LOSS_LIMIT", "9000", OrderType.STOP_LIMIT, False, ()),
        ("TAKE_PROFIT", "0", OrderType.TAKE_PROFIT_MARKET, False, ()),
        ("TAKE_PROFIT_LIMIT", "9000", OrderType.TAKE_PROFIT_LIMIT, False, ()),
        ("TWAP", "0", OrderType.MARKET, False, ("type=TWAP",)),
        ("ICEBERG", "9000", OrderType.LIMIT, False, ("type=ICEBERG",)),
    ],
)
def test_types(text, price, order_type, post_only, new):
    found = report({"type": text, "price": price, "stopPrice": "8000"})
    assert (found.order_type, found.post_only, found.unrecognised) == (order_type, post_only, new)
    assert found.stop_price == 8000


@pytest.mark.parametrize(
    ("text", "tif", "new"),
    [
        ("GTC", TimeInForce.GTC, ()),
        ("IOC", TimeInForce.IOC, ()),
        ("FOK", TimeInForce.FOK, ()),
        ("GTZ", TimeInForce.GTC, ("timeInForce=GTZ",)),
    ],
)
def test_times_in_force(text, tif, new):
    found = report({"timeInForce": text})
    assert (found.time_in_force, found.unrecognised) == (tif, new)


def test_numbers_without_quotes_are_read():
    found = report({"orderId": "17", "origQty": 0.4, "price": 9000})
    assert (found.venue_order_id, found.qty) == ("17", Decimal("0.4"))


# An answer is about this order or it is none.


@pytest.mark.parametrize("changes", [{"clientOrderId": "someone-else"}, {"symbol": "ETHUSDT"}])
def test_an_answer_about_another_order_leaves_ours_unknown(changes):
    failure = read(PLACED | changes)
    assert isinstance(failure, Failure)
    assert failure.kind == "answer_for_another_order"
    assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)
    again = read(QUERIED | changes, QUERY)
    assert (again.outcome, again.remedy) == (Outcome.REFUSED, Remedy.RETRY)


def test_an_order_asked_for_by_the_venues_id_must_have_that_id():
    request = spot.query_order(BTC, venue_order_id="28")
    assert report({"clientOrderId": "theirs"}, request).client_order_id == "theirs"
    assert read(QUERIED | {"orderId": 17}, request).kind == "answer_for_another_order"


@pytest.mark.parametrize(
    "key", ["symbol", "orderId", "clientOrderId", "side", "type", "origQty", "executedQty"]
)
def test_an_answer_that_lacks_a_key_leaves_the_order_unknown(key):
    failure = read({k: v for k, v in PLACED.items() if k != key})
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.outcome) == ("hollow_answer", Outcome.UNKNOWN)
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
        {"cummulativeQuoteQty": "NaN"},
        {"orderId": {}},
        {"status": None},
        {"transactTime": "yesterday"},
        {"fills": None},
        {"fills": [{}]},
        {"fills": [FILL | {"qty": "0"}]},
        {"fills": [FILL | {"price": "-1"}]},
        {"fills": [FILL | {"commission": "1e999999"}]},
    ],
)
def test_values_that_mean_nothing_leave_the_order_unknown(changes):
    failure = read(PLACED | changes)
    assert isinstance(failure, Failure)
    assert failure.outcome is Outcome.UNKNOWN


def test_a_refusal_comes_through_unchanged():
    answer = error(-2010, "Account has insufficient balance for requested action.")
    assert spot.read_order(PLACE, answer, BTC) == spot.classify(PLACE, answer)


def test_an_archived_order_ended_unfilled_and_is_not_called_absent():
    failure = spot.read_order(QUERY, error(-2026, "Order was canceled or expired …"), BTC)
    assert (failure.kind, failure.remedy) == ("order_archived", Remedy.GIVE_UP)


# Lists.


def test_plain_and_conditional_orders_come_in_one_list():
    rows = [QUERIED, QUERIED | {"orderId": 29, "type": "STOP_LOSS", "stopPrice": "8000"}]
    found = spot.read_orders(OPEN_ORDERS, reply(200, rows), INSTRUMENTS)
    assert [order.order_type for order in found] == [OrderType.LIMIT, OrderType.STOP_MARKET]


def test_one_unreadable_order_makes_the_list_unreadable():
    """A list without it would say that the order is not open."""
    failure = spot.read_orders(OPEN_ORDERS, reply(200, [QUERIED, {}]), INSTRUMENTS)
    assert isinstance(failure, Failure)
    assert failure.remedy is Remedy.RETRY


def test_an_order_on_a_symbol_nobody_listed_keeps_the_venues_name():
    answer = reply(200, [QUERIED | {"symbol": "NEWUSDT"}])
    assert spot.read_orders(OPEN_ORDERS, answer, INSTRUMENTS)[0].symbol == "NEWUSDT"


def test_instruments_may_be_keyed_by_either_name():
    for instruments in ({BTC.symbol: BTC}, {BTC.venue_symbol: BTC}):
        found = spot.read_orders(OPEN_ORDERS, reply(200, [QUERIED]), instruments)
        assert found[0].symbol == "BTC/USDT"


def test_a_cancel_of_all_gives_the_orders_also_those_of_order_lists():
    """An order list comes as one row with its orders inside."""
    of_list = {
        "orderListId": 1929,
        "contingencyType": "OCO",
        "listStatusType": "ALL_DONE",
        "symbol": "BTCUSDT",
        "orders": [{"symbol": "BTCUSDT", "orderId": 20, "clientOrderId": "a"}],
        "orderReports": [CANCELED | {"orderId": 20, "origClientOrderId": "a"}],
    }
    found = spot.read_orders(CANCEL_ALL, reply(200, [CANCELED, of_list]), INSTRUMENTS)
    assert [(o.client_order_id, o.status) for o in found] == [
        (ID, OrderStatus.CANCELED),
        ("a", OrderStatus.CANCELED),
    ]


# Answers from other projects' tests, most of them copied from the venue's documentation.


def _assert_same_numbers(found, row):
    """The texts of the numbers are those of the wire, zeros and all."""
    assert f"{found.qty:f}" == row["origQty"]
    assert f"{found.filled_qty:f}" == row["executedQty"]
    for name, value in (("price", found.price), ("stopPrice", found.stop_price)):
        sent = row.get(name, "0")
        assert f"{value:f}" == sent if Decimal(sent) else value is None
    assert found.client_order_id == row.get("origClientOrderId", row["clientOrderId"])
    assert found.unrecognised == ()


@pytest.mark.parametrize(
    "name", ["Trading/GetOpenOrders", "Trading/GetOrders", "Trading/CancelAllOrders"]
)
def test_recorded_lists_decode(name):
    rows = json.loads(recorded(name))
    found = spot.read_orders(CANCEL_ALL, reply(200, recorded(name)), INSTRUMENTS)
    assert not isinstance(found, Failure)
    for order, row in zip(found, rows, strict=True):
        _assert_same_numbers(order, row)


@pytest.mark.parametrize(
    "row",
    [
        *(
            pytest.param(json.loads(recorded(f"Trading/{name}")), id=name)
            for name in ("PlaceOrder", "CancelOrder", "GetOrder")
        ),
        pytest.param(RECORDED["cancel"], id="gocryptotrader-cancel"),
        *(pytest.param(rows[0], id=f"open-{rows[0]['symbol']}") for rows in RECORDED["openOrders"]),
    ],
)
def test_recorded_orders_decode(row):
    (found,) = spot.read_orders(OPEN_ORDERS, reply(200, [row]), INSTRUMENTS)
    _assert_same_numbers(found, row)
    assert [str(e.qty) for e in found.executions] == [f["qty"] for f in row.get("fills", [])]


def test_the_documented_fills_add_up_to_the_documented_order():
    (found,) = spot.read_orders(
        OPEN_ORDERS, reply(200, b"[" + recorded("Trading/PlaceOrder") + b"]"), INSTRUMENTS
    )
    assert len(found.executions) == 5
    assert sum(e.qty for e in found.executions) == found.filled_qty == 10
    assert {e.fee_currency for e in found.executions} == {"USDT"}
