"""Orders over WebSocket v2: REST's parameters in other words, its answers in REST's envelope."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as modest
from hypothesis import strategies as st
from kraken_samples import BTC, CANCEL, CANCEL_ALL, DATA, ID, NOW_MS, OPEN_ORDERS, PLACE, TXID

from outlast import model
from outlast.errors import Failure, Outcome
from outlast.model import OrderStatus
from outlast.private_wire import SocketAnswer, StreamEnding, Ticket
from outlast.venues import kraken_spot as kraken
from outlast.venues.kraken_spot import trade_socket as socket
from outlast.wire import WireReply

TICKET = Ticket(text="secret-token", good_for_s=900.0)


def frame(request, ticket=TICKET):
    return socket.frame(
        request,
        number=7,
        key="k",
        secret="s",
        ticket=ticket,
        timestamp_ms=NOW_MS,
        valid_for_ms=5000,
    )


def framed(request):
    # As text, so that digits are seen as they are written.
    return json.loads(frame(request), parse_float=str, parse_int=str)


def as_reply(answer):
    return WireReply(
        status=answer.status, headers=answer.headers, body=answer.body, sent_at=0.0, received_at=0.1
    )


def read(body):
    answer = socket.read_answer(json.dumps(body).encode())
    assert isinstance(answer, SocketAnswer)
    return answer


def test_a_limit_order_in_the_sockets_words():
    asked = framed(PLACE)
    assert (asked["method"], asked["req_id"]) == ("add_order", "7")
    assert asked["params"] == {
        "token": "secret-token",
        "order_type": "limit",
        "side": "buy",
        "order_qty": "1.25",
        "symbol": "BTC/USD",
        "limit_price": "27500",
        "time_in_force": "gtc",
        "cl_ord_id": ID,
        "fee_preference": "quote",
        "deadline": "2023-11-14T22:13:25.123Z",
    }


def place(order):
    return kraken.place_order(order, BTC, ID, now_ms=NOW_MS)


def test_a_stop_limit_order_has_its_trigger_and_its_limit():
    order = model.stop(BTC.symbol, "sell", "0.1", "26000", price="25900")
    params = framed(place(order))["params"]
    assert params["order_type"] == "stop-loss-limit"
    assert params["triggers"] == {"reference": "last", "price": "26000", "price_type": "static"}
    assert params["limit_price"] == "25900"


def test_post_only_expiry_and_market_orders():
    order = model.limit(BTC.symbol, "buy", "1", "1", post_only=True)
    assert framed(place(order))["params"]["post_only"] is True
    order = model.limit(BTC.symbol, "buy", "1", "1", time_in_force="gtd", expires_in_s=60)
    params = framed(place(order))["params"]
    assert (params["time_in_force"], params["expire_time"]) == ("gtd", "2023-11-14T22:14:21.000Z")
    params = framed(place(model.market(BTC.symbol, "buy", "1")))["params"]
    assert "limit_price" not in params
    assert "time_in_force" not in params


def test_a_cancel_names_one_order_by_either_id():
    assert framed(CANCEL)["params"]["cl_ord_id"] == [ID]
    by_txid = kraken.cancel_order(BTC, TXID)
    assert framed(by_txid)["params"]["order_id"] == [TXID]


def test_all_orders_of_the_account_are_canceled_by_one_request():
    assert framed(CANCEL_ALL)["method"] == "cancel_all"
    body = {"method": "cancel_all", "req_id": 7, "result": {"count": 3}, "success": True}
    assert kraken.classify(CANCEL_ALL, as_reply(read(body))) is None


def test_questions_go_by_rest():
    assert frame(OPEN_ORDERS) is None


def test_without_a_token_nothing_goes_by_socket():
    assert frame(PLACE, ticket=None) is None


def test_an_accepted_order_reads_as_over_rest():
    answer = read(
        {
            "method": "add_order",
            "req_id": 7,
            "result": {"order_id": TXID, "cl_ord_id": ID},
            "success": True,
        }
    )
    assert answer.number == 7
    report = kraken.read_order(PLACE, as_reply(answer), BTC)
    assert (report.status, report.venue_order_id) == (OrderStatus.ACCEPTED, TXID)
    assert report.qty == Decimal("1.25")


def test_the_venues_own_example_of_an_answer_is_read():
    text = (Path(DATA) / "kraken.net/Socket/PlaceOrder.txt").read_text("utf-8")
    example = text[text.index("\n=") + 2 :].replace("|1|", "7").encode()
    answer = socket.read_answer(example)
    assert json.loads(answer.body)["result"] == {"txid": ["AA5JGQ-SBMRC-SCJ7J7"]}


def test_a_cancel_confirms_and_tells_no_more():
    body = {"method": "cancel_order", "req_id": 7, "result": {"cl_ord_id": ID}, "success": True}
    failure = kraken.read_order(CANCEL, as_reply(read(body)), BTC)
    assert isinstance(failure, Failure)
    assert failure.kind == "canceled_without_details"


@pytest.mark.parametrize(
    ("error", "kind", "outcome"),
    [
        ("EOrder:Insufficient funds", "insufficient_balance", Outcome.REFUSED),
        ("EService:Busy", "overloaded", Outcome.UNKNOWN),
        ("EService:Unavailable", "unavailable", Outcome.UNKNOWN),
        ("EGeneral:Invalid arguments:cl_ord_id not unique", None, Outcome.UNKNOWN),
        ("Something nobody has listed", None, Outcome.UNKNOWN),
    ],
)
def test_errors_are_judged_by_rests_tables(error, kind, outcome):
    body = {"method": "add_order", "req_id": 7, "error": error, "success": False}
    failure = kraken.classify(PLACE, as_reply(read(body)))
    assert failure.outcome is outcome
    assert kind in (None, failure.kind)


@pytest.mark.parametrize(
    "body",
    [
        {"method": "add_order", "req_id": 7},
        {"method": "add_order", "req_id": 7, "success": True},
        {"method": "add_order", "req_id": 7, "success": True, "result": {}},
        {"method": "add_order", "req_id": 7, "success": False},
    ],
)
def test_what_is_no_clear_yes_and_no_clear_no_leaves_the_order_unknown(body):
    assert kraken.classify(PLACE, as_reply(read(body))).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("error", ["EAPI:Invalid token", "ESession:Invalid session"])
def test_a_token_that_is_refused_is_told_apart(error):
    refused = read({"method": "add_order", "req_id": 7, "error": error, "success": False})
    assert socket.refuses_ticket(refused)
    other = read({"method": "add_order", "req_id": 7, "error": "EService:Busy", "success": False})
    assert not socket.refuses_ticket(other)


@pytest.mark.parametrize(
    "body",
    [
        {"channel": "heartbeat"},
        {"channel": "executions", "type": "update", "data": [], "sequence": 1},
        {"method": "pong", "req_id": 0},
        {"method": "subscribe", "req_id": 0, "success": True},
    ],
)
def test_what_answers_no_request_is_let_by(body):
    assert socket.read_answer(json.dumps(body).encode()) is None


def test_a_greeting_that_is_refused_ends_the_connection():
    said = json.loads(socket.greeting(TICKET))
    assert said["params"]["channel"] == "executions"
    assert said["params"]["snap_orders"] is False
    body = {"method": "subscribe", "req_id": 0, "success": False, "error": "EAPI:Invalid token"}
    assert isinstance(socket.read_answer(json.dumps(body).encode()), StreamEnding)


@modest(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_answers_nothing_and_never_raises(body):
    assert socket.read_answer(body) is None
