"""What requests cost, what the counters allow, what the headers say."""

from __future__ import annotations

import json

import pytest
from um_samples import (
    BALANCES,
    BTC,
    CANCEL,
    CANCEL_ALL,
    CANCEL_STOP,
    DATA,
    EXCHANGE_INFO,
    EXECUTIONS,
    MARK_PRICE,
    OPEN_ORDERS,
    PLACE,
    PLACE_STOP,
    POSITIONS,
    PROBE,
    QUERY,
    READS,
    TIME,
    WRITES,
    error,
    recorded,
    reply,
)

from outlast.errors import Failure, Scope
from outlast.venues import binance_um as um
from outlast.venues.binance_um.limits import costs
from outlast.wire import Cost, Counter

WEIGHT = Counter("weight_1m", 60.0, 2400, Scope.IP)
ORDERS_10S = Counter("orders_10s", 10.0, 300, Scope.ACCOUNT)
ORDERS_1M = Counter("orders_1m", 60.0, 1200, Scope.ACCOUNT)


def test_documented_counters():
    assert um.limits() == (WEIGHT, ORDERS_10S, ORDERS_1M)


def test_a_new_order_costs_no_weight_and_one_order_on_each_counter():
    for request in (PLACE, PLACE_STOP):
        assert request.costs == (Cost("orders_10s", 1), Cost("orders_1m", 1))


@pytest.mark.parametrize(
    ("request_", "weight"),
    [
        (CANCEL, 1),
        (CANCEL_STOP, 1),
        (CANCEL_ALL, 1),
        (QUERY, 1),
        (OPEN_ORDERS, 1),
        (EXECUTIONS, 5),
        (POSITIONS, 5),
        (BALANCES, 5),
        (EXCHANGE_INFO, 1),
        (MARK_PRICE, 1),
        (TIME, 1),
        (PROBE, 1),
        (um.query_open_orders(None), 40),
        (um.query_open_orders(None, conditional=True), 40),
        (um.query_book(BTC, depth=5), 2),
        (um.query_book(BTC, depth=50), 2),
        (um.query_book(BTC, depth=100), 5),
        (um.query_book(BTC, depth=500), 10),
        (um.query_book(BTC, depth=1000), 20),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_weights(request_, weight):
    assert request_.costs == (Cost("weight_1m", weight),)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        (
            "POST",
            "/fapi/v1/batchOrders",
            {Cost("weight_1m", 5), Cost("orders_10s", 5), Cost("orders_1m", 1)},
        ),
        ("DELETE", "/fapi/v1/batchOrders", {Cost("weight_1m", 1)}),
        ("PUT", "/fapi/v1/order", {Cost("orders_10s", 1), Cost("orders_1m", 1)}),
        ("POST", "/fapi/v1/countdownCancelAll", {Cost("weight_1m", 10)}),
        ("GET", "/fapi/v1/allOrders", {Cost("weight_1m", 5)}),
        ("GET", "/fapi/v1/premiumIndex", {Cost("weight_1m", 10)}),
    ],
)
def test_costs_of_endpoints(method, path, expected):
    assert set(costs(method, path, [])) == expected


def test_every_request_costs_something_on_a_counter_that_exists():
    names = {counter.name for counter in um.limits()}
    for request in (*WRITES, *READS):
        assert request.costs
        assert {cost.counter for cost in request.costs} <= names


# What exchangeInfo says.


def limits_of(rows):
    return um.read_limits(EXCHANGE_INFO, reply(200, {"symbols": [], "rateLimits": rows}))


def row(kind, interval, interval_num, limit):
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": interval_num,
        "limit": limit,
    }


def test_the_venues_numbers_replace_the_documented_ones():
    found = limits_of([row("REQUEST_WEIGHT", "MINUTE", 1, 1200), row("ORDERS", "SECOND", 10, 50)])
    assert found == (
        Counter("weight_1m", 60.0, 1200, Scope.IP),
        Counter("orders_10s", 10.0, 50, Scope.ACCOUNT),
        ORDERS_1M,
    )


def test_counters_that_are_new_come_under_their_own_name():
    found = limits_of(
        [
            row("RAW_REQUESTS", "MINUTE", 5, 61000),
            row("ORDERS", "DAY", 1, 160000),
            row("CONNECTIONS", "HOUR", 2, 10),
        ]
    )
    assert found[3:] == (
        Counter("requests_5m", 300.0, 61000, Scope.IP),
        Counter("orders_1d", 86400.0, 160000, Scope.ACCOUNT),
        Counter("connections_2h", 7200.0, 10, Scope.IP),
    )


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [{}],
        [row("ORDERS", "FORTNIGHT", 1, 1)],
        [row("ORDERS", "MINUTE", 0, 1)],
        [row("ORDERS", "MINUTE", 1, 0)],
        [row("ORDERS", "MINUTE", 1, "many")],
    ],
)
def test_limits_that_cannot_be_read_are_a_failure(rows):
    failure = limits_of(rows)
    assert isinstance(failure, Failure)
    assert failure.kind == "hollow_answer"
    assert "rateLimits" in failure.message


def test_a_failed_answer_stays_what_it_is():
    answer = error(-1003, "Too many requests", 429)
    assert um.read_limits(EXCHANGE_INFO, answer) == um.classify(EXCHANGE_INFO, answer)


@pytest.mark.parametrize("source", ["cryptofeed", "gocryptotrader", "binance.net"])
def test_recorded_limits(source):
    if source == "cryptofeed":
        body = (DATA / source / "binance_usdm_exchangeInfo_20210721.json").read_bytes()
    elif source == "gocryptotrader":
        routes = json.loads((DATA / source / "binance_fapi_v1.json").read_text())["routes"]
        body = routes["/fapi/v1/exchangeInfo"]["GET"][0]["data"]
    else:
        body = recorded("ExchangeData/GetExchangeInfo")
    assert um.read_limits(EXCHANGE_INFO, reply(200, body)) == um.limits()


# What the headers say.


def test_usage_headers():
    used = um.read_usage(
        {
            "content-type": "application/json",
            "x-mbx-used-weight": "22",
            "x-mbx-used-weight-1m": "22",
            "X-MBX-ORDER-COUNT-10S": "3",
            "x-mbx-order-count-1m": "7",
            "x-mbx-uuid": "1",
        }
    )
    assert used == {"weight_1m": 22, "orders_10s": 3, "orders_1m": 7}


@pytest.mark.parametrize("value", ["", "-1", "many", "1.5", "9" * 30])
def test_a_usage_header_that_is_no_count_is_as_good_as_none(value):
    assert um.read_usage({"x-mbx-used-weight-1m": value}) == {}
