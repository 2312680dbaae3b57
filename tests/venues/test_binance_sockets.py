"""The WebSocket API of both products: documented signatures, and answers read as REST's."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as modest
from hypothesis import strategies as st

from outlast import model
from outlast.errors import Outcome, Remedy
from outlast.model import Instrument, OrderStatus, Product
from outlast.private_wire import SocketAnswer, StreamEnding
from outlast.venues import _binance_sockets as sockets
from outlast.venues import binance_spot, binance_um
from outlast.venues.binance_spot import trade_socket as spot_socket
from outlast.venues.binance_um import trade_socket as um_socket
from outlast.wire import WireReply

NOW_MS = 1_700_000_000_123
# Documented test vectors: Binance spot docs, web-socket-api.md, "SIGNED request example (HMAC)".
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def instrument(venue, symbol, product):
    return Instrument(
        venue=venue,
        symbol=symbol,
        venue_symbol="BTCUSDT",
        product=product,
        base="BTC",
        quote="USDT",
        settle="USDT",
        tick_size=Decimal("0.10"),
        qty_step=Decimal("0.001"),
        qty_min=Decimal("0.001"),
        qty_max=Decimal(1000),
        market_qty_min=Decimal("0.001"),
        market_qty_max=Decimal(120),
        notional_min=Decimal(5),
        price_min=Decimal("0.10"),
        price_max=Decimal(1_000_000),
    )


UM = instrument("binance-um", "BTC/USDT:USDT", Product.USDM_FUTURES)
SPOT = instrument("binance-spot", "BTC/USDT", Product.SPOT)


def frame(codec, request):
    text = codec.frame(
        request,
        number=7,
        key=KEY,
        secret=SECRET,
        ticket=None,
        timestamp_ms=NOW_MS,
        valid_for_ms=5000,
    )
    return None if text is None else json.loads(text)


def test_the_documented_signature_comes_out():
    params = {
        "price": "52000.00",
        "quantity": "0.01000000",
        "side": "SELL",
        "symbol": "BTCUSDT",
        "timeInForce": "GTC",
        "type": "LIMIT",
    }
    text = sockets.signed(
        "order.place",
        tuple(params.items()),
        number=1,
        key=KEY,
        secret=SECRET,
        timestamp_ms=1_645_423_376_532,
        valid_for_ms=100,
    )
    said = json.loads(text)
    signature = "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    assert said["params"]["signature"] == signature
    assert (said["id"], said["params"]["timestamp"]) == (1, 1_645_423_376_532)


def test_letters_of_other_alphabets_are_signed_as_they_are():
    params = {
        "price": "0.10000000",
        "quantity": "1.00000000",
        "side": "BUY",
        "symbol": "１２３４５６",
        "timeInForce": "GTC",
        "type": "LIMIT",
    }
    text = sockets.signed(
        "order.place",
        tuple(params.items()),
        number=1,
        key=KEY,
        secret=SECRET,
        timestamp_ms=1_645_423_376_532,
        valid_for_ms=5000,
    )
    signature = "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"
    assert json.loads(text)["params"]["signature"] == signature


UM_PLACE = binance_um.place_order(
    model.limit(UM.symbol, "buy", "0.4", 9000), UM, "ol-1", now_ms=NOW_MS
)
UM_STOP = binance_um.place_order(
    model.stop(UM.symbol, "sell", "0.4", 8000), UM, "ol-1", now_ms=NOW_MS
)
SPOT_PLACE = binance_spot.place_order(
    model.limit(SPOT.symbol, "buy", "0.4", 9000), SPOT, "ol-1", now_ms=NOW_MS
)


@pytest.mark.parametrize(
    ("codec", "request_", "method"),
    [
        (um_socket, UM_PLACE, "order.place"),
        (um_socket, UM_STOP, "algoOrder.place"),
        (um_socket, binance_um.cancel_order(UM, "ol-1"), "order.cancel"),
        (um_socket, binance_um.cancel_order(UM, "ol-1", conditional=True), "algoOrder.cancel"),
        (um_socket, binance_um.cancel_all_orders(UM), None),
        (um_socket, binance_um.query_order(UM, "ol-1"), None),
        (spot_socket, SPOT_PLACE, "order.place"),
        (spot_socket, binance_spot.cancel_order(SPOT, "ol-1"), "order.cancel"),
        (spot_socket, binance_spot.cancel_all_orders(SPOT), "openOrders.cancelAll"),
        (spot_socket, binance_spot.query_order(SPOT, "ol-1"), None),
    ],
)
def test_writes_have_a_name_of_the_sockets_and_all_else_goes_by_rest(codec, request_, method):
    said = frame(codec, request_)
    if method is None:
        assert said is None
        return
    assert said["method"] == method
    params = dict(request_.params)
    assert {name: said["params"][name] for name in params} == params


def reply_of(body):
    answer = sockets.read_answer(json.dumps(body).encode())
    assert isinstance(answer, SocketAnswer)
    return WireReply(
        status=answer.status, headers=answer.headers, body=answer.body, sent_at=0.0, received_at=0.1
    )


TAKEN = {
    "symbol": "BTCUSDT",
    "orderId": 22542179,
    "clientOrderId": "ol-1",
    "status": "NEW",
    "side": "BUY",
    "type": "LIMIT",
    "origQty": "0.400",
    "executedQty": "0",
    "price": "9000.0",
    "timeInForce": "GTC",
    "updateTime": NOW_MS,
}
LIMITS = [
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 50, "count": 13},
    {
        "rateLimitType": "REQUEST_WEIGHT",
        "interval": "MINUTE",
        "intervalNum": 1,
        "limit": 6000,
        "count": 322,
    },
]


def test_an_accepted_order_reads_as_over_rest():
    reply = reply_of({"id": 7, "status": 200, "result": TAKEN, "rateLimits": LIMITS})
    report = binance_um.read_order(UM_PLACE, reply, UM)
    assert (report.status, report.venue_order_id) == (OrderStatus.ACCEPTED, "22542179")
    assert binance_um.read_usage(reply.headers) == {"orders_10s": 13, "weight_1m": 322}


def test_a_refusal_reads_as_over_rest():
    error = {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    failure = binance_spot.classify(
        SPOT_PLACE, reply_of({"id": 7, "status": 400, "error": error, "rateLimits": LIMITS})
    )
    assert (failure.kind, failure.outcome) == ("insufficient_balance", Outcome.REFUSED)


def test_a_ban_names_its_end():
    error = {
        "code": -1003,
        "msg": "Way too much request weight used; IP banned until 1659146400000. Please use "
        "WebSocket Streams for live updates to avoid bans.",
        "data": {"serverTime": 1_659_142_907_531, "retryAfter": 1_659_146_400_000},
    }
    reply = reply_of({"id": 7, "status": 418, "error": error})
    failure = binance_um.classify(UM_PLACE, reply)
    assert failure.remedy is Remedy.WAIT_BAN
    assert failure.banned_until_ms == 1_659_146_400_000
    assert failure.retry_after_s == 3493.0


@pytest.mark.parametrize(
    "body",
    [
        {"id": 7, "status": 503},
        {"id": 7, "status": 500, "error": {"code": -1007, "msg": "Timeout waiting"}},
        {"id": 7, "status": 200, "result": {}},
        {"id": 7, "status": 200},
        {"id": 7, "status": 200, "result": None},
    ],
)
def test_what_is_no_clear_answer_leaves_the_order_unknown(body):
    for codec, request in ((binance_um, UM_PLACE), (binance_spot, SPOT_PLACE)):
        assert codec.classify(request, reply_of(body)).outcome is Outcome.UNKNOWN


def test_an_answer_to_nobody_is_told_apart():
    body = {"id": None, "status": 401, "error": {"code": -2015, "msg": "Invalid API-key."}}
    answer = sockets.read_answer(json.dumps(body).encode())
    assert answer.number is None


def test_events_answer_nothing_and_a_shutdown_is_announced():
    event = {"subscriptionId": 0, "event": {"e": "executionReport"}}
    assert sockets.read_answer(json.dumps(event).encode()) is None
    event = {"event": {"e": "serverShutdown", "E": 1}}
    assert isinstance(sockets.read_answer(json.dumps(event).encode()), StreamEnding)


@modest(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_garbage_answers_nothing_and_never_raises(body):
    assert sockets.read_answer(body) is None
