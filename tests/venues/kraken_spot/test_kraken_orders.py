"""Orders as the venue tells them, and as it does not."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from kraken_samples import (
    BTC,
    CANCEL,
    ID,
    INSTRUMENTS,
    NOW_MS,
    OPEN_ORDERS,
    PLACE,
    QUERY,
    QUERY_CLOSED,
    QUERY_TXID,
    TXID,
    given,
    order,
    recorded,
    reply,
)

from outlast import model
from outlast.errors import Failure, Outcome, Remedy
from outlast.model import OrderReport, OrderStatus, OrderType, Side, TimeInForce
from outlast.venues import kraken_spot as kraken


def report_of(**changes) -> OrderReport:
    found = kraken.read_order(QUERY, given({"open": {TXID: order(**changes)}}), BTC)
    assert isinstance(found, OrderReport), found
    return found


def test_the_answer_to_a_new_order_is_what_was_asked_for_under_the_venues_id():
    body = {"descr": {"order": "buy 1.25000000 XBTUSD @ limit 27500.0"}, "txid": [TXID]}
    report = kraken.read_order(PLACE, given(body), BTC)
    assert isinstance(report, OrderReport)
    assert (report.client_order_id, report.venue_order_id) == (ID, TXID)
    assert (report.status, report.filled_qty) == (OrderStatus.ACCEPTED, 0)
    assert (report.qty, report.price, report.side) == (Decimal("1.25"), 27500, Side.BUY)
    assert kraken.read_order(PLACE, reply(200, recorded("PlaceOrder")), BTC) == report


@pytest.mark.parametrize("txid", [[], ["A", "B"], ["not an id"], "OUF4EM-FRGI2-MQMWZD", None])
def test_a_new_order_without_exactly_one_id_is_unknown(txid):
    failure = kraken.read_order(PLACE, given({"txid": txid}), BTC)
    assert isinstance(failure, Failure)
    assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)


@pytest.mark.parametrize(
    "request_",
    [
        model.stop("BTC/USD", "sell", "1", "20000"),
        model.stop("BTC/USD", "sell", "1", "20000", price="19900"),
        model.market("BTC/USD", "sell", "1"),
        model.limit("BTC/USD", "sell", "1", "30000", post_only=True),
        model.limit("BTC/USD", "sell", "1", "30000", time_in_force="ioc"),
        model.limit("BTC/USD", "sell", "1", "30000", time_in_force="gtd", expires_in_s=60),
    ],
    ids=lambda o: f"{o.order_type.value} {o.time_in_force.value}",
)
def test_every_shape_is_reported_as_it_was_asked_for(request_):
    wire = kraken.place_order(request_, BTC, ID, now_ms=NOW_MS)
    report = kraken.read_order(wire, given({"txid": [TXID]}), BTC)
    assert isinstance(report, OrderReport)
    for name in ("side", "order_type", "qty", "price", "stop_price", "time_in_force", "post_only"):
        assert getattr(report, name) == getattr(request_, name), name


def test_a_cancel_is_confirmed_without_details_so_the_order_is_looked_up():
    for body in (given({"count": 1, "pending": False}), reply(200, recorded("CancelOrder"))):
        failure = kraken.read_order(CANCEL, body, BTC)
        assert isinstance(failure, Failure)
        assert failure.kind == "canceled_without_details"
        assert (failure.outcome, failure.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)
        assert not failure.infrastructure


def test_a_cancel_of_nothing_says_that_the_order_is_not_open():
    failure = kraken.read_order(CANCEL, given({"count": 0}), BTC)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.outcome) == ("unknown_order", Outcome.REFUSED)


@pytest.mark.parametrize(
    ("status", "filled", "expected"),
    [
        ("pending", "0", OrderStatus.ACCEPTED),
        ("open", "0", OrderStatus.ACCEPTED),
        ("open", "0.5", OrderStatus.PARTIALLY_FILLED),
        ("closed", "1.25", OrderStatus.FILLED),
        # Partly filled, then cancelled: always `canceled`, and the quantity tells.
        ("canceled", "0.5", OrderStatus.CANCELED),
        ("canceled", "0", OrderStatus.CANCELED),
        ("canceled", "1.25", OrderStatus.FILLED),
        ("closed", "0.5", OrderStatus.CANCELED),
        ("expired", "0.5", OrderStatus.EXPIRED),
        ("something_new", "0", OrderStatus.ACCEPTED),
    ],
)
def test_the_quantity_tells_what_a_status_means(status, filled, expected):
    report = report_of(status=status, vol_exec=filled, price="27499.0")
    assert (report.status, report.filled_qty) == (expected, Decimal(filled))
    assert report.avg_price == (Decimal("27499.0") if Decimal(filled) else None)
    assert report.unrecognised == (("status=something_new",) if "new" in status else ())


def test_an_order_is_found_whatever_the_spelling_of_its_id():
    for spelling in (ID, ID.upper(), ID.replace("-", "")):
        assert report_of(cl_ord_id=spelling).client_order_id == ID


def test_an_order_of_another_id_is_not_the_one_that_was_asked_for():
    other = {TXID: order(cl_ord_id="7c0d1a52-93be-4f11-8c2e-00000000002f")}
    for request_, key in ((QUERY, "open"), (QUERY_CLOSED, "closed")):
        failure = kraken.read_order(request_, given({key: other}), BTC)
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.remedy) == ("order_not_found", Remedy.GIVE_UP)
        empty = kraken.read_order(request_, given({key: {}}), BTC)
        assert isinstance(empty, Failure)
        assert empty.kind == "order_not_found"


def test_of_namesakes_the_newest_is_meant():
    rows = {
        "OAAAAA-AAAAA-AAAAAA": order(opentm=1688666559.1, status="canceled"),
        "OBBBBB-BBBBB-BBBBBB": order(opentm=1688666999.1, status="closed", vol_exec="1.25"),
    }
    report = kraken.read_order(QUERY_CLOSED, given({"closed": rows, "count": 2}), BTC)
    assert isinstance(report, OrderReport)
    assert report.venue_order_id == "OBBBBB-BBBBB-BBBBBB"
    assert report.created_ms == 1688666999100


def test_a_full_page_without_the_order_proves_nothing():
    rows = {f"O{n:05d}-AAAAA-AAAAAA": order(cl_ord_id=None) for n in range(50)}
    failure = kraken.read_order(QUERY_CLOSED, given({"closed": rows}), BTC)
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.remedy) == ("answer_truncated", Remedy.RETRY)


def test_an_answer_about_another_pair_is_no_answer():
    row = order(descr_pair="ETHUSD")
    failure = kraken.read_order(QUERY, given({"open": {TXID: row}}), BTC)
    assert isinstance(failure, Failure)
    assert failure.kind == "hollow_answer"


def test_by_the_venues_id_an_order_is_found_open_or_closed():
    report = kraken.read_order(QUERY_TXID, given({TXID: order(cl_ord_id=None)}), BTC)
    assert isinstance(report, OrderReport)
    assert report.client_order_id == report.venue_order_id == TXID
    closed = kraken.query_order(BTC, venue_order_id="OBCMZD-JIEE7-77TH3F")
    report = kraken.read_order(closed, reply(200, recorded("GetOrders")), BTC)
    assert isinstance(report, OrderReport)
    assert (report.status, report.order_type) == (OrderStatus.FILLED, OrderType.STOP_LIMIT)
    assert report.updated_ms == 1688665499192


def test_recorded_open_orders_are_read_whole():
    reports = kraken.read_orders(OPEN_ORDERS, reply(200, recorded("GetOpenOrders")), INSTRUMENTS)
    assert not isinstance(reports, Failure)
    first = reports[0]
    assert (first.symbol, first.status) == ("BTC/USD", OrderStatus.PARTIALLY_FILLED)
    assert (first.qty, first.filled_qty) == (Decimal("1.25"), Decimal("0.375"))
    assert first.client_order_id == first.venue_order_id == "OQCLML-BW3P3-BUCMWZ"
    assert first.price == Decimal("30010.0")


def test_recorded_closed_orders_of_pairs_that_are_not_listed_keep_the_venues_name():
    body = json.loads(recorded("GetClosedOrders"))
    body["result"]["open"] = body["result"].pop("closed")
    reports = kraken.read_orders(OPEN_ORDERS, reply(200, body), INSTRUMENTS)
    assert not isinstance(reports, Failure)
    assert [r.symbol for r in reports[:2]] == ["XBTGBP", "XBTEUR"]
    assert reports[0].reason == "User requested"


def test_open_orders_of_one_pair_leave_out_the_others():
    rows = {TXID: order(), "OAAAAA-AAAAA-AAAAAA": order(descr_pair="ETHUSD")}
    one = kraken.read_orders(kraken.query_open_orders(BTC), given({"open": rows}), INSTRUMENTS)
    every = kraken.read_orders(OPEN_ORDERS, given({"open": rows}), INSTRUMENTS)
    assert not isinstance(one, Failure)
    assert not isinstance(every, Failure)
    assert (len(one), len(every)) == (1, 2)


def test_words_that_are_new_are_named_and_hide_nothing():
    trailing = kraken.query_order(BTC, venue_order_id="OICRC3-KX7OB-QB2B2S")
    sui = json.loads(recorded("GetOrders2"))
    sui["result"]["OICRC3-KX7OB-QB2B2S"]["descr"]["pair"] = "XBTUSD"
    report = kraken.read_order(trailing, reply(200, sui), BTC)
    assert isinstance(report, OrderReport)
    assert report.unrecognised == ("ordertype=trailing-stop",)
    assert (report.order_type, report.price) == (OrderType.MARKET, None)
    assert report_of(timeinforce="DAY").unrecognised == ("timeinforce=DAY",)


def test_trigger_and_limit_of_a_conditional_order_are_told_apart():
    report = report_of(
        descr_ordertype="stop-loss-limit", descr_price="20000.0", descr_price2="19900"
    )
    assert (report.stop_price, report.price) == (20000, 19900)
    report = report_of(descr_ordertype="take-profit", descr_price="40000.0")
    assert (report.stop_price, report.price) == (40000, None)


def test_terms_are_read_from_flags_and_times():
    assert report_of(oflags="fciq,post").post_only
    assert not report_of(oflags="fciq").post_only
    assert report_of(expiretm=1688667000).time_in_force is TimeInForce.GTD
    assert report_of(timeinforce="IOC").time_in_force is TimeInForce.IOC


@pytest.mark.parametrize(
    "changes",
    [
        {"vol": "-1"},
        {"vol_exec": "NaN"},
        {"descr_type": "short"},
        {"descr_price": "1E+999"},
        {"opentm": "yesterday"},
    ],
)
def test_an_order_that_cannot_be_true_is_no_answer(changes):
    failure = kraken.read_order(QUERY, given({"open": {TXID: order(**changes)}}), BTC)
    assert isinstance(failure, Failure)
    assert failure.kind == "hollow_answer"
