"""What leaves for the venue: paths, parameters, texts of numbers, lanes, costs."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from spot_samples import (
    BALANCES,
    BOOK,
    BTC,
    CANCEL,
    CANCEL_ALL,
    DATA,
    EXCHANGE_INFO,
    EXECUTIONS,
    ID,
    MARK_PRICE,
    NOW_MS,
    OPEN_ORDERS,
    PLACE,
    PLACE_STOP,
    PROBE,
    QUERY,
    READS,
    TIME,
    WRITES,
)

from outlast import model
from outlast.errors import InvalidOrder
from outlast.model import OrderRequest, OrderType, Plane, Product, Side, TimeInForce
from outlast.venues import binance_spot as spot
from outlast.wire import Auth, Lane


def place(order, instrument=BTC, client_order_id=ID, now_ms=NOW_MS):
    return spot.place_order(order, instrument, client_order_id, now_ms=now_ms)


def limit(**changes):
    return replace(model.limit(BTC.symbol, "buy", "0.01", 9000), **changes)


def refused(order):
    with pytest.raises(InvalidOrder) as caught:
        place(order)
    assert caught.value.venue == "binance-spot"
    return caught.value


# Orders.


def test_a_limit_order():
    request = place(limit())
    assert (request.method, request.path) == ("POST", "/api/v3/order")
    assert request.params == (
        ("symbol", "BTCUSDT"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "0.01000"),
        ("price", "9000.00"),
        ("newClientOrderId", ID),
        ("newOrderRespType", "FULL"),
    )


def test_a_market_order_has_no_price_and_no_time_in_force():
    params = dict(place(model.market(BTC.symbol, "sell", "0.01")).params)
    assert params == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "MARKET",
        "quantity": "0.01000",
        "newClientOrderId": ID,
        "newOrderRespType": "FULL",
    }


@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
def test_times_in_force(tif):
    assert dict(place(limit(time_in_force=tif)).params)["timeInForce"] == tif.name


def test_post_only_is_an_order_type_without_a_time_in_force():
    params = dict(place(limit(post_only=True)).params)
    assert (params["type"], params["price"]) == ("LIMIT_MAKER", "9000.00")
    assert "timeInForce" not in params


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_post_only_excludes_an_end_at_once(tif):
    assert refused(limit(post_only=True, time_in_force=tif)).field == "post_only"


@pytest.mark.parametrize(
    "order",
    [
        replace(model.market(BTC.symbol, "buy", 1), post_only=True),
        replace(model.stop(BTC.symbol, "buy", 1, 2, price=3), post_only=True),
    ],
)
def test_post_only_is_for_limit_orders(order):
    error = refused(order)
    assert error.field == "post_only"
    assert "drop it" in str(error)


@pytest.mark.parametrize(
    "order",
    [
        limit(time_in_force=TimeInForce.GTD, expires_in_s=700.0),
        limit(time_in_force=TimeInForce.GTD),
        limit(expires_in_s=60.0),
        replace(model.market(BTC.symbol, "buy", 1), expires_in_s=60.0),
    ],
)
def test_no_order_expires_at_a_time(order):
    error = refused(order)
    assert error.field == "time_in_force"
    assert "use gtc, and cancel it" in str(error)


@pytest.mark.parametrize(
    "order",
    [
        limit(reduce_only=True),
        model.market(BTC.symbol, "sell", "0.01", reduce_only=True),
        model.stop(BTC.symbol, "sell", 1, 2, reduce_only=True),
    ],
)
def test_nothing_is_reduce_only_where_there_are_no_positions(order):
    error = refused(order)
    assert error.field == "reduce_only"
    assert "drop it, and take qty from the balance of BTC" in str(error)


@pytest.mark.parametrize(
    ("order_type", "text", "priced"),
    [
        (OrderType.STOP_MARKET, "STOP_LOSS", False),
        (OrderType.STOP_LIMIT, "STOP_LOSS_LIMIT", True),
        (OrderType.TAKE_PROFIT_MARKET, "TAKE_PROFIT", False),
        (OrderType.TAKE_PROFIT_LIMIT, "TAKE_PROFIT_LIMIT", True),
    ],
)
def test_conditional_orders_go_the_same_way_as_all_others(order_type, text, priced):
    order = OrderRequest(
        symbol=BTC.symbol,
        side=Side.SELL,
        order_type=order_type,
        qty=Decimal("0.4"),
        price=Decimal(7990) if priced else None,
        stop_price=Decimal(8000),
    )
    request = place(order)
    params = dict(request.params)
    assert (request.method, request.path) == ("POST", "/api/v3/order")
    assert (params["type"], params["stopPrice"]) == (text, "8000.00")
    assert (params.get("price"), params.get("timeInForce")) == (
        ("7990.00", "GTC") if priced else (None, None)
    )
    assert not spot.CONDITIONAL_APART


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (limit(price=None), "price"),
        (replace(model.stop(BTC.symbol, "buy", 1, 2), stop_price=None), "stop_price"),
        (limit(qty=Decimal("NaN")), "qty"),
        (limit(qty=Decimal(0)), "qty"),
        (limit(qty=Decimal(-1)), "qty"),
        (limit(price=Decimal("Infinity")), "price"),
        (limit(price=Decimal("1E+999999")), "price"),
        (limit(price=Decimal("1E-999999")), "price"),
    ],
)
def test_an_order_that_cannot_be_written_names_the_field(order, field):
    error = refused(order)
    assert error.field == field
    assert field in str(error)


@pytest.mark.parametrize("client_order_id", ["", "x" * 37, "a b", "ä", "a&b"])
def test_ids_that_the_venue_refuses(client_order_id):
    with pytest.raises(InvalidOrder) as caught:
        place(limit(), client_order_id=client_order_id)
    assert caught.value.field == "client_order_id"


@pytest.mark.parametrize("client_order_id", ["x", "A.z:/0_-" + "9" * 28])
def test_ids_that_the_venue_takes(client_order_id):
    params = dict(place(limit(), client_order_id=client_order_id).params)
    assert params["newClientOrderId"] == client_order_id


def test_numbers_are_plain_text_with_the_digits_of_their_step():
    order = limit(qty=Decimal("1E-5"), price=Decimal("1E+4"))
    params = dict(place(order).params)
    assert (params["quantity"], params["price"]) == ("0.00001", "10000.00")


# Lanes, planes, repeating, time.


def test_new_orders_trade_and_cancels_are_safety():
    assert PLACE.lane is PLACE_STOP.lane is Lane.TRADE
    assert CANCEL.lane is CANCEL_ALL.lane is Lane.SAFETY


def test_questions_about_the_account_reconcile_and_market_data_waits():
    account = (QUERY, OPEN_ORDERS, EXECUTIONS, BALANCES)
    assert all((r.lane, r.plane) == (Lane.RECONCILE, Plane.ACCOUNT) for r in account)
    assert all(r.auth is Auth.SIGNED for r in account)
    market = (EXCHANGE_INFO, BOOK, MARK_PRICE)
    assert all((r.lane, r.plane) == (Lane.DATA, Plane.MARKET_DATA) for r in market)
    assert TIME.lane is Lane.RECONCILE  # no signature is right without it
    assert all(r.auth is Auth.NONE for r in market)
    assert (PROBE.lane, PROBE.plane, PROBE.auth) == (Lane.RECONCILE, Plane.STATUS, Auth.NONE)


def test_only_a_new_order_must_not_be_repeated():
    assert [r.safe_to_repeat for r in (PLACE, PLACE_STOP)] == [False, False]
    assert all(r.safe_to_repeat for r in (CANCEL, CANCEL_ALL, *READS))


def test_writes_wait_longer_than_the_back_end_needs_for_1007():
    for request in WRITES:
        assert request.is_write
        assert request.auth is Auth.SIGNED
        assert request.plane is Plane.TRADING
        assert request.answer_within_s == 12.0
    for request in READS:
        assert not request.is_write
        assert request.method == "GET"
        assert request.answer_within_s == 3.0


def test_requests_name_what_they_are_about():
    for request in (PLACE, CANCEL, QUERY):
        assert (request.symbol, request.client_order_id) == (BTC.symbol, ID)
    assert (CANCEL_ALL.symbol, CANCEL_ALL.client_order_id) == (BTC.symbol, None)


# Cancels and queries.


@pytest.mark.parametrize("make", [spot.cancel_order, spot.query_order])
@pytest.mark.parametrize("conditional", [False, True])
def test_one_order_is_named_by_our_id(make, conditional):
    request = make(BTC, ID, conditional=conditional)
    assert request.path == "/api/v3/order"
    assert request.params == (("symbol", "BTCUSDT"), ("origClientOrderId", ID))


def test_an_order_that_we_only_know_by_the_venues_id():
    request = spot.query_order(BTC, venue_order_id="28")
    assert request.params == (("symbol", "BTCUSDT"), ("orderId", "28"))
    assert (request.path, request.client_order_id) == ("/api/v3/order", None)


def test_one_order_has_one_name():
    with pytest.raises(AssertionError):
        spot.query_order(BTC)
    with pytest.raises(AssertionError):
        spot.query_order(BTC, ID, venue_order_id="28")


def test_closed_orders_are_found_where_open_ones_are():
    assert spot.query_closed_order(BTC, ID, since_ms=0) is None


def test_cancel_all_is_for_one_symbol():
    assert (CANCEL_ALL.method, CANCEL_ALL.path) == ("DELETE", "/api/v3/openOrders")
    assert CANCEL_ALL.params == (("symbol", "BTCUSDT"),)
    assert spot.cancel_all_orders(BTC, conditional=True) == CANCEL_ALL


def test_open_orders_of_one_symbol_and_of_all():
    assert (OPEN_ORDERS.path, OPEN_ORDERS.params) == (
        "/api/v3/openOrders",
        (("symbol", "BTCUSDT"),),
    )
    request = spot.query_open_orders(None)
    assert (request.params, request.symbol) == ((), None)


def test_executions_since_a_time_or_of_one_order():
    assert EXECUTIONS.path == "/api/v3/myTrades"
    assert dict(EXECUTIONS.params) == {
        "symbol": "BTCUSDT",
        "startTime": str(NOW_MS),
        "limit": "1000",
    }
    of_one = spot.query_executions(BTC, since_ms=NOW_MS, venue_order_id="28")
    assert dict(of_one.params) == {"symbol": "BTCUSDT", "orderId": "28", "limit": "1000"}
    latest = spot.query_executions(BTC, since_ms=None)
    assert dict(latest.params) == {"symbol": "BTCUSDT", "limit": "1000"}


@pytest.mark.parametrize(
    ("depth", "sent"), [(-1, "1"), (0, "1"), (7, "7"), (5000, "5000"), (9000, "5000")]
)
def test_a_book_of_any_depth_up_to_the_venues_largest(depth, sent):
    assert dict(spot.query_book(BTC, depth=depth).params)["limit"] == sent


def test_public_reads():
    assert (EXCHANGE_INFO.path, EXCHANGE_INFO.params) == (
        "/api/v3/exchangeInfo",
        (("showPermissionSets", "false"),),
    )
    assert BALANCES.params == (("omitZeroBalances", "true"),)
    assert (MARK_PRICE.path, MARK_PRICE.params) == (
        "/api/v3/ticker/bookTicker",
        (("symbol", "BTCUSDT"),),
    )
    assert TIME.path == PROBE.path == "/api/v3/time"


def test_there_are_no_positions_to_ask_for():
    assert spot.PRODUCT is Product.SPOT
    assert not spot.PRODUCT.has_positions
    with pytest.raises(AssertionError, match="read its balances"):
        spot.query_positions()


# The same requests as other clients send them.

SENT = [
    vector
    for vector in json.loads((DATA / "signing_vectors" / "binance.json").read_text())
    if vector["venue"] == "binance-spot" and vector.get("client", "").startswith("ccxt")
]
CCXT = [vector for vector in SENT if vector["call"] == "create_order"]
ADDED_WHEN_SIGNED = {"timestamp", "recvWindow", "signature"}


def unsigned(text):
    return {name: value for name, value in parse_qsl(text) if name not in ADDED_WHEN_SIGNED}


@pytest.mark.parametrize("vector", CCXT, ids=lambda v: str(v["args"][1:4]))
def test_our_order_says_the_same_as_ccxts(vector):
    _, kind, side, qty, _price, extra = vector["args"]
    sent = unsigned(vector["request"]["body"])
    if kind == "market":
        order = model.market(BTC.symbol, side, str(qty))
    else:
        order = model.limit(
            BTC.symbol, side, str(qty), sent["price"], post_only=extra.get("postOnly", False)
        )
    ours = dict(place(order, client_order_id=extra["clientOrderId"]).params)
    for numbers in (ours, sent):
        for name in ("quantity", "price"):
            if name in numbers:
                numbers[name] = Decimal(numbers[name])
    assert ours == sent


@pytest.mark.parametrize(
    ("call", "ours"),
    [
        ("fetch_order", spot.query_order(BTC, "outlast-0001")),
        ("fetch_order", spot.query_order(BTC, venue_order_id="28")),
        ("cancel_order", spot.cancel_order(BTC, "outlast-0001")),
        ("fetch_open_orders", OPEN_ORDERS),
        ("cancel_all_orders", CANCEL_ALL),
    ],
)
def test_our_other_requests_say_the_same_as_ccxts(call, ours):
    sent = [v["request"] for v in SENT if v["call"] == call]
    assert (ours.method, ours.path, dict(ours.params)) in [
        (r["method"], r["target"].partition("?")[0], unsigned(r["target"].partition("?")[2]))
        for r in sent
    ]


def test_there_were_ccxt_orders_to_compare_with():
    assert len(CCXT) == 3
