"""What leaves for the venue: paths, parameters, texts of numbers, lanes, costs."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from um_samples import (
    BALANCES,
    BOOK,
    BTC,
    CANCEL,
    CANCEL_ALL,
    CANCEL_STOP,
    DATA,
    EXCHANGE_INFO,
    EXECUTIONS,
    ID,
    MARK_PRICE,
    NOW_MS,
    OPEN_ORDERS,
    PLACE,
    PLACE_STOP,
    POSITIONS,
    PROBE,
    QUERY,
    READS,
    TIME,
    WRITES,
)

from outlast import model
from outlast.errors import InvalidOrder
from outlast.model import OrderRequest, OrderType, Plane, Side, TimeInForce
from outlast.venues import binance_um as um
from outlast.venues.binance_um.requests import plain
from outlast.wire import Auth, Cost, Lane


def place(order, instrument=BTC, client_order_id=ID, now_ms=NOW_MS):
    return um.place_order(order, instrument, client_order_id, now_ms=now_ms)


def limit(**changes):
    return replace(model.limit(BTC.symbol, "buy", "0.01", 9000), **changes)


# Orders.


def test_a_limit_order():
    request = place(limit())
    assert (request.method, request.path) == ("POST", "/fapi/v1/order")
    assert dict(request.params) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.010",
        "price": "9000.0",
        "newClientOrderId": ID,
        "newOrderRespType": "RESULT",
    }


def test_a_market_order_has_no_price_and_no_time_in_force():
    params = dict(place(model.market(BTC.symbol, "sell", "0.01", reduce_only=True)).params)
    assert params["type"] == "MARKET"
    assert params["reduceOnly"] == "true"
    assert not {"price", "timeInForce"} & set(params)


@pytest.mark.parametrize("tif", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
def test_times_in_force(tif):
    assert dict(place(limit(time_in_force=tif)).params)["timeInForce"] == tif.name


def test_post_only_is_a_time_in_force_here():
    assert dict(place(limit(post_only=True)).params)["timeInForce"] == "GTX"
    for tif in (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTD):
        with pytest.raises(InvalidOrder, match="excludes time_in_force") as caught:
            place(limit(post_only=True, time_in_force=tif, expires_in_s=700.0))
        assert caught.value.field == "post_only"


def test_post_only_needs_a_price():
    with pytest.raises(InvalidOrder, match="post_only"):
        place(replace(model.market(BTC.symbol, "buy", 1), post_only=True))


def test_an_order_that_expires_names_the_second():
    """goodTillDate keeps whole seconds only."""
    order = limit(time_in_force=TimeInForce.GTD, expires_in_s=601.5)
    params = dict(place(order, now_ms=1_700_000_000_123).params)
    assert params["timeInForce"] == "GTD"
    assert params["goodTillDate"] == "1700000601000"


@pytest.mark.parametrize("expires_in_s", [None, 0, -1, 60, 600, 600.9, 1e9, float("nan")])
def test_an_expiry_that_the_venue_refuses_is_named_before_it_is_sent(expires_in_s):
    order = limit(time_in_force=TimeInForce.GTD, expires_in_s=expires_in_s)
    with pytest.raises(InvalidOrder, match="601") as caught:
        place(order, now_ms=1_700_000_000_050)
    assert caught.value.field == "expires_in_s"
    assert caught.value.venue == "binance-um"


@pytest.mark.parametrize(
    ("order_type", "text", "priced"),
    [
        (OrderType.STOP_MARKET, "STOP_MARKET", False),
        (OrderType.STOP_LIMIT, "STOP", True),
        (OrderType.TAKE_PROFIT_MARKET, "TAKE_PROFIT_MARKET", False),
        (OrderType.TAKE_PROFIT_LIMIT, "TAKE_PROFIT", True),
    ],
)
def test_conditional_orders_go_to_the_algo_service(order_type, text, priced):
    order = OrderRequest(
        symbol=BTC.symbol,
        side=Side.SELL,
        order_type=order_type,
        qty=Decimal("0.4"),
        price=Decimal(7990) if priced else None,
        stop_price=Decimal(8000),
        reduce_only=True,
    )
    request = place(order)
    params = dict(request.params)
    assert (request.method, request.path) == ("POST", "/fapi/v1/algoOrder")
    assert params["algoType"] == "CONDITIONAL"
    assert params["type"] == text
    assert params["triggerPrice"] == "8000.0"
    assert params["clientAlgoId"] == ID
    assert params["reduceOnly"] == "true"
    assert ("price" in params) is priced
    assert ("timeInForce" in params) is priced
    assert not {"newClientOrderId", "stopPrice"} & set(params)


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
    with pytest.raises(InvalidOrder, match=field) as caught:
        place(order)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "client_order_id",
    ["", "x" * 37, "a b", "ä", "a&b", "autoclose-1", "adl_autoclose", "settlement_autoclose-1"],
)
def test_ids_that_the_venue_refuses_or_keeps_for_itself(client_order_id):
    with pytest.raises(InvalidOrder) as caught:
        place(limit(), client_order_id=client_order_id)
    assert caught.value.field == "client_order_id"


@pytest.mark.parametrize("client_order_id", ["x", "A.z:/0_-" + "9" * 28])
def test_ids_that_the_venue_takes(client_order_id):
    assert dict(place(limit(), client_order_id=client_order_id).params)["newClientOrderId"] == (
        client_order_id
    )


# Numbers.


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        ("52000.1000", "0.10", "52000.1"),
        ("52000", "0.10", "52000.0"),
        ("1E+3", "1", "1000"),
        ("1E+3", "0.001", "1000.000"),
        ("1E-7", "0.0000001", "0.0000001"),
        ("150.000", "1", "150"),
        ("150", "10", "150"),
        ("150", "1E+1", "150"),
        ("0.0015", "0.001", "0.0015"),  # between two steps: the venue may say so
        ("1.5", "1", "1.5"),
    ],
)
def test_numbers_are_plain_text(value, step, text):
    assert plain(Decimal(value), Decimal(step), field="qty") == text


@given(
    digits=st.integers(min_value=1, max_value=10**35),
    exponent=st.integers(min_value=-18, max_value=3),
    places=st.integers(min_value=0, max_value=8),
)
def test_no_digit_is_ever_lost_or_added(digits, exponent, places):
    value = Decimal((0, tuple(int(d) for d in str(digits)), exponent))
    if value.adjusted() > 20:
        return
    text = plain(value, Decimal(1).scaleb(-places), field="price")
    assert "E" not in text.upper()
    assert Decimal(text) == value
    assert len(text.partition(".")[2]) >= places


def test_the_same_number_has_the_same_text_however_it_was_written():
    texts = {plain(Decimal(t), BTC.qty_step, field="qty") for t in ("1", "1.0", "1E0", "1.00000")}
    assert texts == {"1.000"}


# Lanes, planes, repeating, time.


def test_orders_that_add_risk_trade_and_those_that_reduce_it_are_safety():
    assert place(limit()).lane is Lane.TRADE
    assert place(limit(reduce_only=True)).lane is Lane.SAFETY
    assert PLACE_STOP.lane is Lane.TRADE
    assert all(r.lane is Lane.SAFETY for r in (CANCEL, CANCEL_STOP, CANCEL_ALL))


def test_questions_about_the_account_reconcile_and_market_data_waits():
    account = (QUERY, OPEN_ORDERS, EXECUTIONS, POSITIONS, BALANCES)
    assert all((r.lane, r.plane) == (Lane.RECONCILE, Plane.ACCOUNT) for r in account)
    market = (EXCHANGE_INFO, BOOK, MARK_PRICE)
    assert all((r.lane, r.plane) == (Lane.DATA, Plane.MARKET_DATA) for r in market)
    assert TIME.lane is Lane.RECONCILE  # no signature is right without it
    assert (PROBE.lane, PROBE.plane, PROBE.auth) == (Lane.RECONCILE, Plane.STATUS, Auth.NONE)


def test_only_a_new_order_must_not_be_repeated():
    assert [r.safe_to_repeat for r in (PLACE, PLACE_STOP)] == [False, False]
    assert all(r.safe_to_repeat for r in (CANCEL, CANCEL_STOP, CANCEL_ALL, *READS))


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
    for request in (PLACE, CANCEL, CANCEL_STOP, QUERY):
        assert (request.symbol, request.client_order_id) == (BTC.symbol, ID)
    assert (CANCEL_ALL.symbol, CANCEL_ALL.client_order_id) == (BTC.symbol, None)


# Cancels and queries.


@pytest.mark.parametrize("make", [um.cancel_order, um.query_order])
def test_one_order_is_named_by_our_id(make):
    request = make(BTC, ID)
    assert request.path == "/fapi/v1/order"
    assert request.params == (("symbol", "BTCUSDT"), ("origClientOrderId", ID))
    conditional = make(BTC, ID, conditional=True)
    assert conditional.path == "/fapi/v1/algoOrder"
    assert conditional.params == (("clientAlgoId", ID),)


def test_an_order_that_we_only_know_by_the_venues_id():
    request = um.query_order(BTC, venue_order_id="28")
    assert request.params == (("symbol", "BTCUSDT"), ("orderId", "28"))
    assert (request.path, request.client_order_id) == ("/fapi/v1/order", None)


def test_one_order_has_one_name():
    with pytest.raises(AssertionError):
        um.query_order(BTC)
    with pytest.raises(AssertionError):
        um.query_order(BTC, ID, venue_order_id="28")


def test_ids_of_others_can_be_canceled_and_asked_about():
    assert ("origClientOrderId", "autoclose-1") in um.cancel_order(BTC, "autoclose-1").params


def test_conditional_orders_are_canceled_and_listed_apart():
    assert um.CONDITIONAL_APART
    assert CANCEL_ALL.path == "/fapi/v1/allOpenOrders"
    assert um.cancel_all_orders(BTC, conditional=True).path == "/fapi/v1/algoOpenOrders"
    assert um.query_open_orders(BTC, conditional=True).path == "/fapi/v1/openAlgoOrders"
    assert CANCEL_ALL.method == "DELETE"


def test_open_orders_of_all_symbols():
    request = um.query_open_orders(None)
    assert (request.params, request.symbol) == ((), None)
    assert request.costs == (Cost("weight_1m", 40),)


def test_executions_since_a_time_or_of_one_order():
    assert dict(EXECUTIONS.params) == {
        "symbol": "BTCUSDT",
        "startTime": str(NOW_MS),
        "limit": "1000",
    }
    of_one = um.query_executions(BTC, since_ms=NOW_MS, venue_order_id="28")
    assert dict(of_one.params) == {"symbol": "BTCUSDT", "orderId": "28", "limit": "1000"}
    latest = um.query_executions(BTC, since_ms=None)
    assert dict(latest.params) == {"symbol": "BTCUSDT", "limit": "1000"}


@pytest.mark.parametrize(
    ("depth", "limit_"),
    [(1, "5"), (5, "5"), (6, "10"), (51, "100"), (1000, "1000"), (5000, "1000")],
)
def test_a_book_is_asked_for_in_one_of_the_depths_there_are(depth, limit_):
    assert dict(um.query_book(BTC, depth=depth).params)["limit"] == limit_


def test_the_probe_asks_for_something_that_an_empty_body_cannot_answer():
    assert PROBE.path == "/fapi/v1/time"


# The same orders as another client sends them.

CCXT = [
    vector
    for vector in json.loads((DATA / "signing_vectors" / "binance.json").read_text())
    if vector["venue"] == "binance-usdm" and vector.get("call") == "create_order"
]


@pytest.mark.parametrize("vector", CCXT, ids=lambda v: str(v["args"][1:4]))
def test_our_order_says_the_same_as_ccxts(vector):
    _, kind, side, qty, _price, extra = vector["args"]
    sent = dict(parse_qsl(vector["request"]["body"]))
    if kind == "market":
        order = model.market(BTC.symbol, side, str(qty))
    else:
        order = model.limit(
            BTC.symbol,
            side,
            str(qty),
            sent["price"],  # ccxt rounds 91000.55 to a tick of its own
            post_only=extra.get("postOnly", False),
            reduce_only=extra.get("reduceOnly", False),
        )
    ours = dict(place(order, client_order_id=extra["clientOrderId"]).params)
    for numbers in (ours, sent):
        for name in ("quantity", "price"):
            if name in numbers:
                numbers[name] = Decimal(numbers[name])
    added_when_signed = {"timestamp", "recvWindow", "signature"}
    assert ours == {name: text for name, text in sent.items() if name not in added_when_signed}


def test_there_were_ccxt_orders_to_compare_with():
    assert len(CCXT) == 4
