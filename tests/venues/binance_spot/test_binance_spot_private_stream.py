"""The user data of spot over the WebSocket API, read event by event."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as modest
from hypothesis import strategies as st
from spot_samples import BTC, DATA, INSTRUMENTS, NOW_MS

from outlast.errors import Remedy
from outlast.model import OrderStatus, OrderType, Side, Source
from outlast.private_wire import (
    AccountMoved,
    BalanceTold,
    FillTold,
    Moved,
    OrderTold,
    StreamEnding,
    SubscribeAnswered,
    Unrecognised,
)
from outlast.venues.binance_spot import private_stream as stream

AT = 1_499_405_658_657

# Fields of the documented sample (Binance spot docs, user-data-stream.md, executionReport).
REPORT = {
    "e": "executionReport",
    "E": AT + 1,
    "s": "BTCUSDT",
    "c": "ol-1",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "0.10264410",
    "P": "0.00000000",
    "F": "0.00000000",
    "g": -1,
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": AT,
    "t": -1,
    "w": True,
    "m": False,
    "O": AT,
    "Z": "0.00000000",
    "Y": "0.00000000",
    "Q": "0.00000000",
    "V": "NONE",
}


def read(event):
    body = {"subscriptionId": 0, "event": event}
    return stream.reader(INSTRUMENTS).read(json.dumps(body).encode())


def report(**changes):
    return read({**REPORT, **changes})


def test_a_new_order_is_told_whole():
    [told] = report()
    assert isinstance(told, OrderTold)
    order = told.report
    assert (order.client_order_id, order.venue_order_id) == ("ol-1", "4293153")
    assert (order.symbol, order.side, order.order_type) == (BTC.symbol, Side.BUY, OrderType.LIMIT)
    assert (order.status, order.source) == (OrderStatus.ACCEPTED, Source.STREAM)
    assert (order.created_ms, order.updated_ms) == (AT, AT)


def test_a_fill_comes_with_its_execution_first():
    fill, after = report(
        x="TRADE", X="FILLED", l="1", z="1", L="0.1", Z="0.1", t=55, n="0.001", N="BNB", m=True
    )
    assert isinstance(fill, FillTold)
    assert fill.execution.execution_id == "55"
    assert (fill.execution.fee, fill.execution.fee_currency) == (Decimal("0.001"), "BNB")
    assert fill.execution.is_maker
    assert after.report.status is OrderStatus.FILLED
    assert after.report.avg_price == Decimal("0.1")


def test_a_cancel_is_about_the_order_and_not_about_the_cancels_own_id():
    [told] = report(x="CANCELED", X="CANCELED", c="cancel-7", C="ol-1")
    assert told.report.client_order_id == "ol-1"
    assert told.report.status is OrderStatus.CANCELED


def test_the_reason_of_an_end_is_kept():
    [told] = report(x="REJECTED", X="REJECTED", r="INSUFFICIENT_BALANCES")
    assert (told.report.status, told.report.reason) == (
        OrderStatus.REJECTED,
        "INSUFFICIENT_BALANCES",
    )
    [told] = report(x="TRADE_PREVENTION", X="EXPIRED_IN_MATCH")
    assert told.report.reason == "EXPIRED_IN_MATCH"


def test_balances_come_with_what_is_locked():
    held = [{"a": "ETH", "f": "9.0", "l": "1.0"}]
    told = read({"e": "outboundAccountPosition", "E": AT, "u": AT - 1, "B": held})
    assert told == [
        BalanceTold(currency="ETH", total=Decimal("10.0"), locked=Decimal("1.0"), at_ms=AT - 1)
    ]


@pytest.mark.parametrize(
    ("event", "kind"), [("balanceUpdate", Moved.TRANSFER), ("externalLockUpdate", Moved.OTHER)]
)
def test_what_no_order_explains_is_told_with_its_amount(event, kind):
    [moved] = read({"e": event, "E": AT, "a": "BTC", "d": "-100.0", "T": AT})
    assert isinstance(moved, AccountMoved)
    assert (moved.kind, moved.amount, moved.currency) == (kind, Decimal("-100.0"), "BTC")


@pytest.mark.parametrize("event", ["eventStreamTerminated", "serverShutdown"])
def test_the_venues_goodbye_ends_the_stream(event):
    assert isinstance(read({"e": event, "E": AT})[0], StreamEnding)


def test_an_answer_to_nobody_ends_the_stream():
    body = b'{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key."}}'
    assert isinstance(stream.reader(INSTRUMENTS).read(body)[0], StreamEnding)


@pytest.mark.parametrize(
    ("status", "error", "remedy"),
    [
        (400, {"code": -1021, "msg": "Timestamp."}, Remedy.RESYNC),
        (401, {"code": -2015, "msg": "Invalid API-key."}, Remedy.GIVE_UP),
        (400, {"code": -2035, "msg": "Subscription already active."}, Remedy.RETRY),
        (
            429,
            {"code": -1003, "msg": "Too much.", "data": {"serverTime": 1000, "retryAfter": 31000}},
            Remedy.WAIT_BAN,
        ),
    ],
)
def test_a_subscription_that_is_refused_says_what_to_do(status, error, remedy):
    body = json.dumps({"id": 1, "status": status, "error": error}).encode()
    [answer] = stream.reader(INSTRUMENTS).read(body)
    assert isinstance(answer, SubscribeAnswered)
    assert (answer.number, answer.remedy) == (1, remedy)
    assert answer.retry_after_s == (30.0 if status == 429 else None)


def test_the_subscription_is_signed_afresh_for_each_connection():
    hellos = [
        stream.hello(key="k", secret="s", ticket=None, timestamp_ms=at, valid_for_ms=5000)
        for at in (NOW_MS, NOW_MS + 1)
    ]
    [first], [second] = hellos
    said = [json.loads(hello.text) for hello in (first, second)]
    assert said[0]["method"] == "userDataStream.subscribe.signature"
    assert said[0]["params"]["signature"] != said[1]["params"]["signature"]
    taken = b'{"id":1,"status":200,"result":{"subscriptionId":0}}'
    assert list(stream.reader(INSTRUMENTS).read(taken)) == [SubscribeAnswered(first.number)]
    assert "signature" not in repr(first)


@pytest.mark.parametrize("name", ["Order", "AccountPosition", "Balance"])
def test_the_documented_examples_are_read(name):
    text = (DATA / f"binance.net/Spot/Streams/{name}.txt").read_text("utf-8")
    example = text[text.index("\n=") + 2 :].partition(">")[0]
    news = stream.reader(INSTRUMENTS).read(example.encode())
    assert news
    assert not any(isinstance(item, Unrecognised) for item in news)


@modest(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_told_and_never_raises(body):
    assert all(isinstance(n, Unrecognised) for n in stream.reader(INSTRUMENTS).read(body))


_VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats()


@modest(max_examples=200, deadline=None)
@given(st.data())
def test_an_event_with_one_field_of_another_kind_never_raises(data):
    whole = {**REPORT, "x": "TRADE", "l": "1", "z": "1", "L": "1", "t": 5}
    name = data.draw(st.sampled_from(sorted(whole)))
    read({**whole, name: data.draw(_VALUES)})
