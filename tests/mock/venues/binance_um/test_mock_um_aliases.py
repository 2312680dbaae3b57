"""The scenario's replies on the wire: exact bytes, statuses, and what each lets a client know."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from mock_um_world import DATA, World, body, request

from outlast.mock.engine.model import EngineMode, Rejected, RejectReason
from outlast.mock.limits import LimitBreach, LimitKind, Usage
from outlast.mock.records import Told
from outlast.mock.scenario.model import Reply
from outlast.mock.scenario.vocabulary import ALIASES
from outlast.mock.venues.binance_um.dialect import BinanceUmDialect
from outlast.mock.venues.binance_um.errors import MESSAGES, Purpose, refusal_of
from outlast.mock.venues.binance_um.weights import WINDOWS
from outlast.mock.venues.dialect import Call, WireAnswer

SWITCH_MS = int(datetime(2025, 10, 23, tzinfo=UTC).timestamp() * 1000)
NOW_MS = 1_790_000_000_000


def call(method: str = "POST", path: str = "/fapi/v1/order", raw: bytes = b"") -> Call:
    routed = BinanceUmDialect(seed=1).route(request(method, path, query=raw))
    assert routed is not None
    return routed


def reply(kind: str, *, now_ms: int = NOW_MS, to: Call | None = None) -> WireAnswer:
    return BinanceUmDialect(seed=1).render(Reply(kind=kind), to or call(), now_ms)


@pytest.mark.parametrize(
    ("kind", "status", "given", "told"),
    [
        (
            "overload",
            503,
            {
                "code": -1008,
                "msg": "Request throttled by system-level protection. Reduce-only/close-position "
                "orders are exempt. Please try again.",
            },
            Told.REFUSED,
        ),
        ("unavailable", 503, {"code": 0, "msg": "Service Unavailable."}, Told.REFUSED),
        (
            "unknown",
            503,
            {
                "timestamp": NOW_MS,
                "path": "/fapi/v1/order",
                "msg": "Unknown error, please check your request or try again later.",
            },
            Told.AMBIGUOUS,
        ),
        (
            "backend_timeout",
            408,
            {
                "code": -1007,
                "msg": "Timeout waiting for response from backend server. "
                "Send status unknown; execution status unknown.",
            },
            Told.AMBIGUOUS,
        ),
        (
            "internal",
            503,
            {
                "code": -1001,
                "msg": "Internal error; unable to process your request. Please try again.",
            },
            Told.REFUSED,
        ),
        (
            "closing",
            503,
            {"code": -1016, "msg": "This service is no longer available."},
            Told.REFUSED,
        ),
        ("order_rejected", 400, {"code": -2010, "msg": "NEW_ORDER_REJECTED"}, Told.REFUSED),
        (
            "reduce_rejected",
            400,
            {"code": -2022, "msg": "ReduceOnly Order is rejected."},
            Told.REFUSED,
        ),
        (
            "reduce_failed",
            400,
            {
                "code": -4118,
                "msg": "ReduceOnly Order Failed. Please check your existing position and open "
                "orders",
            },
            Told.REFUSED,
        ),
    ],
)
def test_an_alias_has_the_documented_status_and_body(
    kind: str, status: int, given: dict[str, Any], told: Told
) -> None:
    answer = reply(kind)
    assert (answer.status, body(answer), answer.told) == (status, given, told)
    assert answer.code == (str(given["code"]) if "code" in given else None)
    assert dict(answer.headers)["Content-Type"] == "application/json"


def test_every_alias_of_the_language_but_mode_is_rendered() -> None:
    # `mode` is the engine's own answer; the pipeline asks the engine for it.
    for kind in ALIASES:
        if kind != "mode":
            assert reply(kind).status >= 400


def test_the_words_of_1008_changed_on_23_october_2025() -> None:
    old = body(reply("overload", now_ms=SWITCH_MS - 1))["msg"]
    assert old == (
        "Server is currently overloaded with other requests. Please try again in a few minutes."
    )
    assert body(reply("overload", now_ms=SWITCH_MS))["msg"].startswith("Request throttled by")


def test_the_shapes_are_those_that_public_threads_quote() -> None:
    recorded = json.loads((DATA / "error_bodies" / "binance.json").read_text())
    kinds = {"unknown": 503, "overload": 503, "backend_timeout": 408}
    seen: set[str] = set()
    for kind, status in kinds.items():
        old = body(reply(kind, now_ms=SWITCH_MS - 1))
        for quoted in recorded:
            if quoted.get("http_status") != status or not quoted.get("body", ""):
                continue
            if not quoted["body"].startswith("{"):
                continue
            wire = json.loads(quoted["body"])
            if wire["msg"] == old["msg"]:
                assert set(wire) == set(old)
                seen.add(kind)
    assert seen == set(kinds)


def test_no_such_order_is_2011_on_a_cancel_and_2013_on_a_query() -> None:
    raw = b"symbol=BTCUSDT&origClientOrderId=mine"
    cancel = reply("no_such_order", to=call("DELETE", raw=raw))
    query = reply("no_such_order", to=call("GET", raw=raw))
    assert (cancel.code, query.code) == ("-2011", "-2013")
    assert cancel.told_absent == query.told_absent == ("mine",)
    by_number = reply("no_such_order", to=call("GET", raw=b"symbol=BTCUSDT&orderId=5"))
    assert by_number.told_absent == ()


def test_clock_skew_picks_the_words_that_fit_the_timestamp() -> None:
    late = reply("clock_skew", to=call(raw=f"timestamp={NOW_MS - 1}".encode()))
    early = reply("clock_skew", to=call(raw=f"timestamp={NOW_MS + 1}".encode()))
    assert "outside of the recvWindow" in body(late)["msg"]
    assert "1000ms ahead" in body(early)["msg"]
    assert late.code == early.code == "-1021"


def test_rate_limited_and_banned_say_how_long() -> None:
    limited = reply("rate_limited", now_ms=60_000 * 7 + 15_000)
    assert (limited.status, limited.code) == (429, "-1003")
    assert dict(limited.headers)["Retry-After"] == "45"
    banned = reply("banned")
    assert (banned.status, dict(banned.headers)["Retry-After"]) == (418, "120")
    assert f"IP banned until {NOW_MS + 120_000}." in body(banned)["msg"]


@pytest.mark.parametrize(
    ("breach", "status", "code", "words"),
    [
        (
            LimitBreach(
                kind=LimitKind.WEIGHT,
                status=429,
                retry_after_s=31,
                until_ms=NOW_MS,
                window=WINDOWS[0],
                used=2401,
            ),
            429,
            -1003,
            "current limit is 2400 requests per minute",
        ),
        (
            LimitBreach(
                kind=LimitKind.ORDERS,
                status=429,
                retry_after_s=3,
                until_ms=NOW_MS,
                window=WINDOWS[2],
                used=301,
            ),
            429,
            -1015,
            "Too many new orders; current limit is 300 orders per 10 SECOND.",
        ),
        (
            LimitBreach(
                kind=LimitKind.WEIGHT, status=418, retry_after_s=480, until_ms=NOW_MS + 480_000
            ),
            418,
            -1003,
            f"IP banned until {NOW_MS + 480_000}.",
        ),
    ],
)
def test_a_real_breach_is_told_with_its_own_numbers(
    breach: LimitBreach, status: int, code: int, words: str
) -> None:
    answer = BinanceUmDialect(seed=1).limited(breach, call(), NOW_MS)
    assert (answer.status, body(answer)["code"], answer.told) == (status, code, Told.REFUSED)
    assert words in body(answer)["msg"]
    assert dict(answer.headers)["Retry-After"] == str(breach.retry_after_s)


# -- refusals of the engine -------------------------------------------------------------------


def test_every_refusal_of_the_engine_has_a_code_for_every_purpose() -> None:
    world = World()
    btc = world.engine.instruments["BTCUSDT"]
    for reason in RejectReason:
        for purpose in Purpose:
            details = [mode.value for mode in EngineMode] if reason is RejectReason.MODE else [""]
            for detail in details:
                refusal = refusal_of(
                    Rejected(reason, detail), purpose=purpose, instrument=btc, mark=btc.mid
                )
                assert refusal.code < -1000
                assert refusal.msg


def test_documented_messages_end_as_the_documentation_prints_them() -> None:
    # Source: Binance USD-M futures docs, Error Codes.
    assert MESSAGES[-4116] == "ClientOrderId is duplicated."  # as seen on the wire
    assert MESSAGES[-5028] == "Timestamp for this request is outside of the ME recvWindow."
    assert MESSAGES[-4120] == (
        "Order type not supported for this endpoint. "
        "Please use the Algo Order API endpoints instead."
    )


# -- counters and headers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "weight", "orders"),
    [
        ("GET", "/fapi/v1/ping", 1, 0),
        ("GET", "/fapi/v1/exchangeInfo", 1, 0),
        ("GET", "/fapi/v1/depth?limit=5", 2, 0),
        ("GET", "/fapi/v1/depth?limit=50", 2, 0),
        ("GET", "/fapi/v1/depth?limit=100", 5, 0),
        ("GET", "/fapi/v1/depth", 10, 0),
        ("GET", "/fapi/v1/depth?limit=1000", 20, 0),
        ("GET", "/fapi/v1/depth?limit=nonsense", 10, 0),
        ("GET", "/fapi/v1/trades", 5, 0),
        ("GET", "/fapi/v1/historicalTrades", 200, 0),
        ("GET", "/fapi/v1/aggTrades", 20, 0),
        ("GET", "/fapi/v1/klines?limit=99", 1, 0),
        ("GET", "/fapi/v1/klines?limit=100", 2, 0),
        ("GET", "/fapi/v1/klines", 5, 0),
        ("GET", "/fapi/v1/klines?limit=1001", 10, 0),
        ("GET", "/fapi/v1/ticker/24hr?symbol=BTCUSDT", 1, 0),
        ("GET", "/fapi/v1/ticker/24hr", 40, 0),
        ("GET", "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT", 2, 0),
        ("GET", "/fapi/v1/ticker/bookTicker", 5, 0),
        ("GET", "/fapi/v1/premiumIndex", 10, 0),
        ("POST", "/fapi/v1/order", 0, 1),
        ("PUT", "/fapi/v1/order", 0, 1),
        ("POST", "/fapi/v1/algoOrder", 0, 1),
        ("GET", "/fapi/v1/order", 1, 0),
        ("DELETE", "/fapi/v1/order", 1, 0),
        ("DELETE", "/fapi/v1/allOpenOrders", 1, 0),
        ("GET", "/fapi/v1/openOrders?symbol=BTCUSDT", 1, 0),
        ("GET", "/fapi/v1/openOrders", 40, 0),
        ("GET", "/fapi/v1/allOrders", 5, 0),
        ("GET", "/fapi/v1/userTrades", 5, 0),
        ("GET", "/fapi/v3/account", 5, 0),
        ("GET", "/fapi/v3/positionRisk", 5, 0),
        ("GET", "/fapi/v1/income", 30, 0),
        ("GET", "/fapi/v1/positionSide/dual", 30, 0),
        ("POST", "/fapi/v1/countdownCancelAll", 10, 0),
        ("POST", "/fapi/v1/listenKey", 1, 0),
    ],
)
def test_a_call_costs_its_documented_weight(
    method: str, target: str, weight: int, orders: int
) -> None:
    path, _, query = target.partition("?")
    charge = BinanceUmDialect(seed=1).charge(call(method, path, query.encode()))
    assert (charge.weight, charge.orders) == (weight, orders)


def test_a_batch_is_five_orders_in_ten_seconds_and_one_in_the_minute() -> None:
    charge = BinanceUmDialect(seed=1).charge(call("POST", "/fapi/v1/batchOrders"))
    assert charge.weight == 5
    assert [charge.cost(window) for window in WINDOWS] == [5, 1, 5]


def test_weight_headers_are_on_every_answer_and_order_counts_on_successes_only() -> None:
    dialect = BinanceUmDialect(seed=1)
    usage = Usage(weight={"1M": 17}, orders={"10S": 3, "1M": 8})

    def headers(answer: WireAnswer, to: Call | None) -> dict[str, str]:
        return dict(dialect.decorate(answer, to, usage).headers)

    good = WireAnswer(status=200, body=b"{}")
    bad = WireAnswer(status=400, body=b"{}", told=Told.REFUSED)
    ping = headers(good, call("GET", "/fapi/v1/ping"))
    assert ping == {"X-MBX-USED-WEIGHT": "17", "X-MBX-USED-WEIGHT-1M": "17"}
    placed = headers(good, call())
    assert (placed["X-MBX-ORDER-COUNT-10S"], placed["X-MBX-ORDER-COUNT-1M"]) == ("3", "8")
    assert headers(bad, call()) == ping
    assert headers(dialect.not_found(request("GET", "/nope")), None)["X-MBX-USED-WEIGHT"] == "17"


def test_a_path_the_venue_does_not_have_is_404() -> None:
    dialect = BinanceUmDialect(seed=1)
    unknown = request("GET", "/fapi/v1/nope")
    assert dialect.route(unknown) is None
    assert dialect.route(request("PATCH", "/fapi/v1/order")) is None
    answer = dialect.not_found(unknown)
    assert (answer.status, answer.code) == (404, "-5000")
