"""What requests cost, what the counters allow, what the headers say."""

from __future__ import annotations

import pytest
from spot_samples import (
    BALANCES,
    BTC,
    CANCEL,
    CANCEL_ALL,
    EXCHANGE_INFO,
    EXECUTIONS,
    MARK_PRICE,
    OPEN_ORDERS,
    PLACE,
    PLACE_STOP,
    PROBE,
    QUERY,
    READS,
    RECORDED,
    TIME,
    WRITES,
    error,
    reply,
)

from outlast.errors import ConfigurationError, Failure, Scope
from outlast.venues import binance_spot as spot
from outlast.wire import Cost, Counter

WEIGHT = Counter("weight_1m", 60.0, 6000, Scope.IP)
ORDERS_10S = Counter("orders_10s", 10.0, 50, Scope.ACCOUNT)
ORDERS_1D = Counter("orders_1d", 86400.0, 160_000, Scope.ACCOUNT)
REQUESTS = Counter("requests_5m", 300.0, 300_000, Scope.IP)


def test_documented_counters():
    assert spot.limits() == (WEIGHT, ORDERS_10S, ORDERS_1D, REQUESTS)


def test_there_are_no_tiers():
    with pytest.raises(ConfigurationError, match="binance-spot has no tiers"):
        spot.limits("vip-3")


def test_a_new_order_costs_its_weight_and_one_order_on_each_counter():
    for request in (PLACE, PLACE_STOP):
        assert request.costs == (
            Cost("weight_1m", 1),
            Cost("requests_5m", 1),
            Cost("orders_10s", 1),
            Cost("orders_1d", 1),
        )


@pytest.mark.parametrize(
    ("request_", "weight"),
    [
        (CANCEL, 1),
        (CANCEL_ALL, 1),
        (QUERY, 4),
        (OPEN_ORDERS, 6),
        (spot.query_open_orders(None), 80),
        (EXECUTIONS, 20),
        (spot.query_executions(BTC, since_ms=None, venue_order_id="1"), 5),
        (BALANCES, 20),
        (EXCHANGE_INFO, 20),
        (MARK_PRICE, 2),
        (TIME, 1),
        (PROBE, 1),
        (spot.query_book(BTC, depth=1), 5),
        (spot.query_book(BTC, depth=100), 5),
        (spot.query_book(BTC, depth=101), 25),
        (spot.query_book(BTC, depth=500), 25),
        (spot.query_book(BTC, depth=1000), 50),
        (spot.query_book(BTC, depth=1001), 250),
        (spot.query_book(BTC, depth=9999), 250),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_weights(request_, weight):
    assert request_.costs == (Cost("weight_1m", weight), Cost("requests_5m", 1))


def test_every_request_costs_something_on_counters_that_exist():
    names = {counter.name for counter in spot.limits()}
    for request in (*WRITES, *READS):
        assert request.costs
        assert {cost.counter for cost in request.costs} <= names


# What exchangeInfo says.


def limits_of(rows):
    return spot.read_limits(EXCHANGE_INFO, reply(200, {"symbols": [], "rateLimits": rows}))


def row(kind, interval, interval_num, limit):
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": interval_num,
        "limit": limit,
    }


def test_the_venues_numbers_replace_the_documented_ones():
    found = limits_of([row("REQUEST_WEIGHT", "MINUTE", 1, 1200), row("ORDERS", "SECOND", 10, 100)])
    assert found == (
        Counter("weight_1m", 60.0, 1200, Scope.IP),
        Counter("orders_10s", 10.0, 100, Scope.ACCOUNT),
        ORDERS_1D,
        REQUESTS,
    )


def test_recorded_limits():
    found = spot.read_limits(EXCHANGE_INFO, reply(200, RECORDED["exchangeInfo"]))
    assert [(c.name, c.limit) for c in found] == [
        ("weight_1m", 6000),
        ("orders_10s", 100),
        ("orders_1d", 200_000),
        ("requests_5m", 61_000),
    ]


def test_counters_that_are_new_come_under_their_own_name():
    found = limits_of([row("CONNECTIONS", "HOUR", 2, 10)])
    assert found[4:] == (Counter("connections_2h", 7200.0, 10, Scope.IP),)


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
    answer = error(-1003, "Too much request weight used", 429)
    assert spot.read_limits(EXCHANGE_INFO, answer) == spot.classify(EXCHANGE_INFO, answer)


# What the headers say.


def test_usage_headers():
    used = spot.read_usage(
        {
            "content-type": "application/json;charset=UTF-8",
            "x-mbx-used-weight": "22",
            "x-mbx-used-weight-1m": "22",
            "X-MBX-ORDER-COUNT-10S": "3",
            "x-mbx-order-count-1d": "7",
            "x-mbx-uuid": "1",
        }
    )
    assert used == {"weight_1m": 22, "orders_10s": 3, "orders_1d": 7}


@pytest.mark.parametrize("value", ["", "-1", "many", "1.5", "9" * 30])
def test_a_usage_header_that_is_no_count_is_as_good_as_none(value):
    assert spot.read_usage({"x-mbx-used-weight-1m": value}) == {}
