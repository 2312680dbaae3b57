"""New terms for an order and the end of several, as Kraken takes and tells them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from decimal import Decimal

import pytest
from kraken_samples import BTC, ID, INSTRUMENTS, NOW_MS, ORDER, TXID
from msgspec import structs

from outlast.errors import Failure, InvalidOrder, Outcome
from outlast.model import Order, OrderReport, OrderStatus, OrderType, Side
from outlast.private_wire import SocketAnswer, Ticket
from outlast.venues import kraken_spot as kraken
from outlast.venues.kraken_spot import trade_socket as socket
from outlast.wire import Lane, WireReply

HELD = Order(
    client_order_id=ID,
    symbol=BTC.symbol,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    qty=Decimal("1.25"),
    status=OrderStatus.PARTIALLY_FILLED,
    price=Decimal(27500),
    filled_qty=Decimal("0.25"),
    venue_order_id=TXID,
)
SECRET = base64.b64encode(b"planted").decode()


def amend(order=HELD, *, price="27600", qty="1.5", adds_risk=True):
    return kraken.amend_order(
        order, BTC, price=Decimal(price), qty=Decimal(qty), adds_risk=adds_risk
    )


def reply(body, status=200):
    text = body if isinstance(body, str) else json.dumps(body)
    return WireReply(status=status, headers={}, body=text.encode(), sent_at=0.0, received_at=0.1)


def result(value):
    return reply({"error": [], "result": value})


def signed(request):
    return kraken.sign(
        request,
        base_url="https://api.example",
        key="k",
        secret=SECRET,
        timestamp_ms=NOW_MS,
        valid_for_ms=5000,
        nonce=42,
    )


def framed(request):
    text = socket.frame(
        request,
        number=7,
        key="k",
        secret="s",
        ticket=Ticket(text="secret-token", good_for_s=900.0),
        timestamp_ms=NOW_MS,
        valid_for_ms=5000,
    )
    return json.loads(text, parse_float=str, parse_int=str)


def test_an_amendment_names_quantity_and_new_price():
    asked = amend()
    assert asked.path == "/0/private/AmendOrder"
    assert dict(asked.params) == {"cl_ord_id": ID, "order_qty": "1.5", "limit_price": "27600"}
    assert (asked.lane, asked.safe_to_repeat) == (Lane.TRADE, False)
    assert [(cost.counter, cost.units) for cost in asked.costs] == [("trading", 1)]


def test_a_price_that_stays_is_not_named():
    assert dict(amend(price="27500").params) == {"cl_ord_id": ID, "order_qty": "1.5"}


def test_a_post_only_order_asks_to_be_left_as_it_is_rather_than_take():
    order = structs.replace(HELD, post_only=True)
    assert dict(amend(order).params)["post_only"] == "true"
    assert "post_only" not in dict(amend(order, price="27500").params)


def test_a_number_that_no_instrument_has_is_refused_here():
    with pytest.raises(InvalidOrder, match="qty"):
        amend(qty="1E+30")


def test_it_carries_a_deadline_by_rest_and_by_socket():
    assert b"deadline=2023-11-14T22%3A13%3A25.123Z" in signed(amend()).body
    told = framed(amend())
    assert told["method"] == "amend_order"
    assert told["params"] == {
        "token": "secret-token",
        "cl_ord_id": ID,
        "order_qty": "1.5",
        "limit_price": "27600",
        "deadline": "2023-11-14T22:13:25.123Z",
    }
    assert framed(amend(structs.replace(HELD, post_only=True)))["params"]["post_only"] is True


def test_the_answer_names_the_amendment_and_what_was_asked_for_is_in_force():
    report = kraken.read_amended(amend(), result({"amend_id": "TTW6PD-RC36L-ZZSWNU"}), BTC, HELD)
    assert isinstance(report, OrderReport)
    assert (report.qty, report.price) == (Decimal("1.5"), Decimal(27600))
    assert (report.filled_qty, report.status) == (HELD.filled_qty, HELD.status)
    kept = kraken.read_amended(amend(price="27500"), result({"amend_id": "T"}), BTC, HELD)
    assert isinstance(kept, OrderReport)
    assert kept.price == HELD.price


@pytest.mark.parametrize(
    ("body", "kind", "outcome"),
    [
        ({"error": ["EOrder:Unknown order"]}, "unknown_order", Outcome.REFUSED),
        ({"error": ["EOrder:Invalid order"]}, "unknown_order", Outcome.REFUSED),
        ({"error": ["EOrder:Post only order"]}, "post_only_would_take", Outcome.REFUSED),
        ({"error": ["EService:Unavailable"]}, None, Outcome.UNKNOWN),
        ({"error": [], "result": {}}, "hollow_answer", Outcome.UNKNOWN),
    ],
)
def test_what_else_an_answer_says(body, kind, outcome):
    failure = kraken.classify(amend(), reply(body))
    assert failure is not None
    assert failure.outcome is outcome
    assert kind in (None, failure.kind)


def batch(*orders):
    asked = kraken.cancel_orders(BTC, orders)
    assert asked is not None
    return asked


UNNAMED = structs.replace(HELD, client_order_id=ID.replace("0", "1"), venue_order_id=None)


def test_a_batch_of_cancels_goes_as_json_and_its_signature_fits():
    asked = batch(HELD, UNNAMED)
    assert (asked.lane, asked.safe_to_repeat) == (Lane.SAFETY, True)
    message = signed(asked)
    assert ("Content-Type", "application/json") in message.headers
    assert json.loads(message.body) == {
        "nonce": "42",
        "orders": [TXID],
        "cl_ord_ids": [UNNAMED.client_order_id],
    }
    digest = hashlib.sha256(b"42" + message.body).digest()
    expected = hmac.digest(b"planted", asked.path.encode() + digest, hashlib.sha512)
    assert dict(message.headers)["API-Sign"] == base64.b64encode(expected).decode()


def test_by_socket_ids_of_both_kinds_go_together():
    told = framed(batch(HELD, UNNAMED))
    assert told["method"] == "batch_cancel"
    assert told["params"] == {
        "token": "secret-token",
        "orders": [TXID],
        "cl_ord_id": [UNNAMED.client_order_id],
    }
    assert framed(batch(UNNAMED, UNNAMED))["params"]["orders"] == []


@pytest.mark.parametrize("where", [{"orders_cancelled": 2}, {"result": {"count": 2}}])
def test_the_count_of_a_batch_is_found_in_either_place(where):
    message = {"method": "batch_cancel", "req_id": 7, "success": True, **where}
    answer = socket.read_answer(json.dumps(message).encode())
    assert isinstance(answer, SocketAnswer)
    assert json.loads(answer.body) == {"error": [], "result": {"count": 2}}


def test_a_count_says_nothing_of_any_order():
    assert kraken.read_canceled(batch(HELD, UNNAMED), result({"count": 2}), BTC) == {}
    failure = kraken.read_canceled(batch(HELD, UNNAMED), result({}), BTC)
    assert isinstance(failure, Failure)
    assert failure.outcome is Outcome.UNKNOWN


def test_several_orders_are_asked_for_at_once():
    asked = kraken.query_orders(BTC, [TXID, "OAAAAA-BBBBB-CCCCCC"])
    assert asked is not None
    assert dict(asked.params) == {"txid": f"{TXID},OAAAAA-BBBBB-CCCCCC"}
    row = {**ORDER, "status": "canceled"}
    reports = kraken.read_orders(asked, result({TXID: row}), INSTRUMENTS)
    assert not isinstance(reports, Failure)
    assert [r.status for r in reports] == [OrderStatus.CANCELED]


@pytest.mark.parametrize(
    ("ordertype", "limitprice", "price"),
    [
        ("limit", "0.00000", Decimal(ORDER["descr"]["price"])),
        ("limit", "30020.00000", Decimal(30020)),
        ("stop-loss-limit", "29990.0", Decimal(29990)),
        ("market", "30020.0", None),
    ],
)
def test_the_limit_in_force_is_believed_before_the_description(ordertype, limitprice, price):
    """Source: Kraken docs, Open Orders, `limitprice`; an amended order is read by it."""
    asked = kraken.query_orders(BTC, [TXID])
    assert asked is not None
    descr = {**ORDER["descr"], "ordertype": ordertype, "price2": "30005.0"}
    row = {**ORDER, "descr": descr, "limitprice": limitprice, "amended": True}
    [report] = kraken.read_orders(asked, result({TXID: row}), INSTRUMENTS)
    assert report.price == price
