"""What one answer, or the lack of one, means; at venues with tables and at all others."""

from __future__ import annotations

import socket

import aiohttp
import ccxt
import pytest
import requests
import urllib3

from outlast.adapters.ccxt.dialects import dialect_of
from outlast.adapters.ccxt.reading import Attempt, read_attempt, read_socket_error
from outlast.adapters.faults import fault_kind
from outlast.errors import Layer, Outcome, Remedy
from outlast.model import Plane
from outlast.wire import FaultKind, Lane

NOT_SENT, REFUSED, UNKNOWN = Outcome.NOT_SENT, Outcome.REFUSED, Outcome.UNKNOWN


def attempt(url="https://api.example.com/orders", *, write=True, status=None, body="", headers=()):
    made = Attempt(
        method="POST" if write else "GET",
        url=url,
        plane=Plane.TRADING if write else Plane.ACCOUNT,
        lane=Lane.TRADE,
        is_write=write,
        purpose=None,
        sent_at=10.0,
    )
    if status is not None:
        made.answered(status, dict(headers), body)
    return made


def read(error, *, exchange="anything", **facts):
    return read_attempt(dialect_of(exchange), attempt(**facts), error, now=11.0)


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        (ccxt.InsufficientFunds("x"), 200, REFUSED),
        (ccxt.InvalidOrder("x"), 400, REFUSED),
        (ccxt.OrderImmediatelyFillable("x"), 400, REFUSED),
        (ccxt.BadSymbol("x"), 400, REFUSED),
        (ccxt.BadRequest("x"), 400, REFUSED),
        (ccxt.AuthenticationError("x"), 401, REFUSED),
        (ccxt.PermissionDenied("x"), 403, REFUSED),
        (ccxt.MarketClosed("x"), 400, REFUSED),
        (ccxt.InvalidNonce("x"), 400, REFUSED),
        (ccxt.RateLimitExceeded("x"), 429, REFUSED),
        (ccxt.DDoSProtection("x"), 429, REFUSED),
        (ccxt.DDoSProtection("x"), 418, REFUSED),
        (ccxt.OnMaintenance("x"), 200, REFUSED),
        # A gateway speaks for nobody.
        (ccxt.DDoSProtection("x"), 503, UNKNOWN),
        (ccxt.OnMaintenance("x"), 503, UNKNOWN),
        (ccxt.RateLimitExceeded("x"), 503, UNKNOWN),
        (ccxt.ExchangeNotAvailable("x"), 502, UNKNOWN),
        (ccxt.RequestTimeout("x"), 504, UNKNOWN),
        (ccxt.NetworkError("x"), 520, UNKNOWN),
        # Our ids are unique: a namesake is this very order.
        (ccxt.DuplicateOrderId("x"), 400, UNKNOWN),
        # A class that says nothing, and a bug in reading the answer.
        (ccxt.ExchangeError("x"), 200, UNKNOWN),
        (ccxt.BadResponse("x"), 200, UNKNOWN),
        (ccxt.NullResponse("x"), 200, UNKNOWN),
        (KeyError("x"), 200, UNKNOWN),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_at_a_venue_without_tables_only_a_class_beyond_doubt_is_a_refusal(error, status, outcome):
    failure = read(error, status=status, body="{}")
    assert failure.outcome is outcome
    assert failure.http_status == status
    assert read(error, status=status, body="{}", write=False).outcome is REFUSED


def chained(outer: Exception, cause: BaseException) -> Exception:
    outer.__cause__ = cause
    return outer


KEY = aiohttp.client_reqrep.ConnectionKey("h", 443, True, True, None, None, None)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (socket.gaierror(8, "no name"), FaultKind.NAME_UNRESOLVED),
        (aiohttp.ClientConnectorDNSError(KEY, OSError("no name")), FaultKind.NAME_UNRESOLVED),
        (aiohttp.ClientConnectorError(KEY, OSError("refused")), FaultKind.CONNECT_FAILED),
        (aiohttp.ConnectionTimeoutError("connect"), FaultKind.CONNECT_TIMEOUT),
        (aiohttp.SocketTimeoutError("read"), FaultKind.READ_TIMEOUT),
        (TimeoutError(), FaultKind.READ_TIMEOUT),
        (aiohttp.ServerDisconnectedError(), FaultKind.CONNECTION_LOST),
        (aiohttp.ClientOSError(104, "reset"), FaultKind.CONNECTION_LOST),
        (aiohttp.ClientPayloadError("cut"), FaultKind.CONNECTION_LOST),
        (requests.ConnectTimeout("x"), FaultKind.CONNECT_TIMEOUT),
        (requests.ReadTimeout("x"), FaultKind.READ_TIMEOUT),
        (
            requests.ConnectionError(
                urllib3.exceptions.MaxRetryError(
                    None, "/", urllib3.exceptions.NewConnectionError(None, "refused")
                )
            ),
            FaultKind.CONNECT_FAILED,
        ),
        (requests.ConnectionError("aborted"), FaultKind.CONNECTION_LOST),
        (ConnectionResetError("reset"), FaultKind.CONNECTION_LOST),
        (RuntimeError("nobody knows"), FaultKind.CONNECTION_LOST),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value.value,
)
def test_why_there_was_no_answer_is_read_off_the_cause(cause, kind):
    error = chained(ccxt.ExchangeNotAvailable("x"), cause)
    assert fault_kind(error) is kind
    assert read(error).outcome is (NOT_SENT if kind.nothing_sent else UNKNOWN)


def test_kraken_and_binance_are_read_by_their_own_tables():
    kraken = read(
        ccxt.ExchangeNotAvailable("x"),
        exchange="kraken",
        url="https://api.kraken.com/0/private/AddOrder",
        status=200,
        body='{"error":["EService:Market in cancel_only mode"]}',
    )
    assert (kraken.kind, kraken.outcome) == ("maintenance", REFUSED)
    for url, meaning in (
        ("https://fapi.binance.com/fapi/v1/order", "reduce_only_rejected"),
        ("https://api.binance.com/api/v3/order", None),
    ):
        failure = read(
            ccxt.ExchangeError("x"),
            exchange="binance",
            url=url,
            status=400,
            body='{"code":-2022,"msg":"ReduceOnly Order is rejected."}',
        )
        assert (failure.kind == "reduce_only_rejected") is (meaning is not None)


def test_a_success_without_json_is_none():
    failure = read(None, status=200, body="<html>")
    assert (failure.outcome, failure.layer) == (UNKNOWN, Layer.VENUE)
    assert read(None, status=200, body='{"id": 1}') is None
    assert read(None, status=200, body="<html>", write=False).remedy is Remedy.RETRY


def test_retry_after_may_be_seconds_or_an_instant():
    seconds = read(ccxt.DDoSProtection("x"), status=429, headers={"Retry-After": "7"}.items())
    assert seconds.retry_after_s == 7
    headers = {
        "Date": "Mon, 02 Mar 2026 14:00:00 GMT",
        "Retry-After": "Mon, 02 Mar 2026 14:01:30 GMT",
    }
    assert read(ccxt.DDoSProtection("x"), status=429, headers=headers.items()).retry_after_s == 90
    for nonsense in ("soon", "-3", "٣"):
        failure = read(
            ccxt.DDoSProtection("x"), status=429, headers={"Retry-After": nonsense}.items()
        )
        assert failure.retry_after_s is None


def test_an_order_over_a_socket_is_read_by_its_class():
    assert read_socket_error(ccxt.InsufficientFunds("x"), lane=Lane.TRADE).outcome is REFUSED
    assert read_socket_error(ccxt.RequestTimeout("x"), lane=Lane.TRADE).outcome is UNKNOWN
    assert read_socket_error(RuntimeError("x"), lane=Lane.TRADE).outcome is UNKNOWN


@pytest.mark.parametrize("exchange", ccxt.exchanges)
def test_every_exchange_of_ccxt_has_a_dialect(exchange):
    dialect = dialect_of(exchange)
    assert dialect.venue_of("https://example.com/somewhere") in (None, "kraken-spot")
    if dialect.ids is not None:
        made = dialect.ids.write("7c0d1a52-93be-4f11-8c2e-5d21c3700002")
        assert 0 < len(made) <= 36
