"""What Binance's products share, without any product's tables."""

from __future__ import annotations

import pytest

from outlast.errors import ConfigurationError, Layer, Outcome, Remedy, Scope
from outlast.model import Plane
from outlast.venues import _binance as shared
from outlast.wire import Counter, FaultKind, Lane, TransportFault, WireReply, WireRequest

WRITE = WireRequest(
    name="order.place",
    method="POST",
    path="/order",
    plane=Plane.TRADING,
    lane=Lane.TRADE,
    is_write=True,
    safe_to_repeat=False,
)
READ = WireRequest(
    name="time.read", method="GET", path="/time", plane=Plane.MARKET_DATA, lane=Lane.DATA
)
LOST = shared.Meaning(Layer.VENUE, "lost", Outcome.UNKNOWN, Remedy.SETTLE, Scope.PLANE, "this test")
BAN = shared.Meaning(
    Layer.VENUE, "ban", Outcome.REFUSED, Remedy.WAIT_BAN, Scope.IP, "this test", wait_s=120.0
)
BANNED = "Way too many requests; IP banned until 1660090423228. Please use the websocket."


def reply(headers=None, body=b""):
    return WireReply(status=418, headers=headers or {}, body=body, sent_at=0.0, received_at=0.1)


# Signing.


def test_hmac_of_the_published_example():
    """Source: Binance USD-M futures docs, General Info."""
    sign = shared.hmac_sha256("2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9")
    assert (
        sign(
            b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
            b"&recvWindow=5000&timestamp=1591702613943"
        )
        == "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )


def test_the_signature_comes_last_over_the_bytes_before_it():
    seen = []

    def signer(payload):
        seen.append(payload)
        return "s+g="

    text = shared.sign_params([("a", "1 2")], signer, timestamp_ms=7, valid_for_ms=9)
    assert seen == [b"a=1%202&recvWindow=9&timestamp=7"]
    assert text == "a=1%202&recvWindow=9&timestamp=7&signature=s%2Bg%3D"


def test_a_window_outside_the_venues_range_is_refused():
    with pytest.raises(ConfigurationError, match="60000"):
        shared.sign_params([], lambda payload: "", timestamp_ms=7, valid_for_ms=60_001)


# Bodies.


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"code":-1,"msg":"no"}', "-1", "no"),
        (b'{"code":"-1","msg":"no"}', "-1", "no"),
        (b'{"code":0,"msg":"no"}', None, "no"),
        (b'{"code":null}', None, ""),
        (b"{}", None, ""),
        (b'{"code":1.5,"msg":7}', "1.5", "7"),
        (b"[1]", None, ""),
    ],
)
def test_json_at_first_sight(body, code, message):
    seen = shared.look(body)
    assert (seen.is_json, seen.code, seen.message) == (True, code, message)
    assert not seen.is_empty


@pytest.mark.parametrize("body", [b"<p>", b"{", b"1", b'{"a":"\xff"}', b"[" * 9999])
def test_what_is_not_json_is_shown_by_how_it_begins(body):
    seen = shared.look(body)
    assert not seen.is_json
    assert seen.message.startswith("not JSON: ")
    assert seen.message.isprintable()


def test_an_empty_body():
    assert shared.look(b" \r\n").is_empty


# Headers and limits.


def test_usage_by_counter():
    headers = {"X-MBX-USED-WEIGHT-1M": "5", "x-mbx-order-count-10s": "x", "other": "1"}
    assert shared.read_usage(headers) == {"weight_1m": 5}


def test_a_row_of_rate_limits():
    assert shared.counter_of("ORDERS", "SECOND", 10, 300) == Counter(
        "orders_10s", 10.0, 300, Scope.ACCOUNT
    )
    with pytest.raises(ValueError, match="FORTNIGHT"):
        shared.counter_of("ORDERS", "FORTNIGHT", 1, 1)


def test_the_end_of_a_ban_and_the_window_of_a_limit():
    assert shared.banned_until_ms(BANNED) == 1660090423228
    assert shared.banned_until_ms("banned") is None
    spot = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."
    assert shared.limit_window_s(spot) == 60.0
    assert shared.limit_window_s("Too many new orders.") is None


# Failures.


def test_what_is_unknown_for_a_write_is_asked_again_for_a_read():
    write, read = (shared.failure_of(request, reply(), LOST) for request in (WRITE, READ))
    assert (write.outcome, write.remedy) == (Outcome.UNKNOWN, Remedy.SETTLE)
    assert (read.outcome, read.remedy) == (Outcome.REFUSED, Remedy.RETRY)
    assert (write.http_status, write.retry_after_s) == (418, None)


@pytest.mark.parametrize(
    ("headers", "message", "wait_s", "until_ms"),
    [
        ({"retry-after": "35"}, "", 35.0, None),
        ({"retry-after": "35"}, BANNED, 35.0, 1660090423228),
        ({}, BANNED, None, 1660090423228),
        ({}, "Too many new orders; current limit is 9 orders per 10 SECOND.", 10.0, None),
        ({}, "", 120.0, None),
    ],
)
def test_how_long_a_ban_lasts_is_the_venues_word_before_ours(headers, message, wait_s, until_ms):
    failure = shared.failure_of(WRITE, reply(headers), BAN, message=message)
    assert (failure.retry_after_s, failure.banned_until_ms) == (wait_s, until_ms)


def test_a_pause_asked_for_by_another_failure_is_kept():
    assert shared.failure_of(READ, reply({"retry-after": "2"}), LOST).retry_after_s == 2.0


def test_the_body_is_kept_and_clipped():
    assert shared.failure_of(READ, reply(body=b"x" * 9999), LOST).raw == b"x" * 2048


@pytest.mark.parametrize("kind", list(FaultKind))
def test_transport_faults(kind):
    fault = TransportFault(kind=kind, detail="ReadError", sent_at=0.0, received_at=1.0)
    write, read = (shared.classify_fault(request, fault) for request in (WRITE, READ))
    expected = Outcome.NOT_SENT if kind.nothing_sent else Outcome.UNKNOWN
    assert write.outcome is expected
    assert read.outcome is (Outcome.NOT_SENT if kind.nothing_sent else Outcome.REFUSED)
    assert write.scope is (Scope.SELF if kind.is_ours else Scope.HOST)
    assert (write.remedy is Remedy.GIVE_UP) is (kind is FaultKind.LOCAL)
