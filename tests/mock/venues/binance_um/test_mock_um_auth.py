"""Signatures, keys and the time window, against published and recorded vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mock_um_world import DATA, request, sign

from outlast.mock.keys import Account, KeyRing
from outlast.mock.venues.binance_um.auth import clock_refusal, hmac_hex
from outlast.mock.venues.binance_um.dialect import BinanceUmDialect
from outlast.mock.venues.binance_um.params import signed_payload
from outlast.mock.venues.dialect import Call, WireAnswer

NOW_MS = 1_790_000_000_000

FUTURES_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
SPOT_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
FUTURES_ORDER = (
    b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    b"&recvWindow=5000&timestamp=1591702613943"
)


@pytest.mark.parametrize(("query", "body"), [(FUTURES_ORDER, b""), (b"", FUTURES_ORDER)])
def test_the_futures_documentation_example_holds_in_query_and_body(
    query: bytes, body: bytes
) -> None:
    # Source: Binance USD-M futures docs, General Info, "SIGNED Endpoint Examples", 1 and 2.
    assert hmac_hex(FUTURES_SECRET, signed_payload(query, body)) == (
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    )


def test_a_payload_mixed_of_query_and_body_is_joined_without_a_separator() -> None:
    # The documented example's own hash is of a payload with a stray space; this is the right one.
    query = b"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC"
    body = b"quantity=1&price=9000&recvWindow=5000&timestamp=1591702613943&signature=x"
    assert hmac_hex(FUTURES_SECRET, signed_payload(query, body)) == (
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4"
    )


@pytest.mark.parametrize(
    ("symbol", "signature"),
    [
        (b"LTCBTC", "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"),
        (
            b"%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96",
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
    ],
)
def test_the_spot_documentation_examples_hold(symbol: bytes, signature: str) -> None:
    payload = (
        b"symbol=" + symbol + b"&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        b"&recvWindow=5000&timestamp=1499827319559"
    )
    assert hmac_hex(SPOT_SECRET, signed_payload(payload, b"")) == signature


def test_every_recorded_client_request_verifies() -> None:
    vectors: list[dict[str, Any]] = json.loads(
        (DATA / "signing_vectors" / "binance.json").read_text()
    )
    checked = 0
    for vector in vectors:
        wire = vector["request"]
        if "target" not in wire:
            continue  # the WebSocket API signs otherwise
        query = wire["target"].partition("?")[2].encode()
        body = wire.get("body", "").encode()
        signature = (query + b"&" + body).partition(b"signature=")[2].split(b"&")[0].decode()
        assert hmac_hex(vector["secret"], signed_payload(query, body)) == signature, vector
        checked += 1
    assert checked >= 30


# -- the dialect's own check ------------------------------------------------------------------


def ring() -> tuple[KeyRing, Account]:
    keys = KeyRing(seed=3, venue="binance-um")
    return keys, keys.issue("trader")


def authenticated(
    raw: bytes, *, key: str, keys: KeyRing, now_ms: int = NOW_MS, path: str = "/fapi/v1/openOrders"
) -> Account | WireAnswer | None:
    dialect = BinanceUmDialect(seed=3)
    call = dialect.route(request("GET", path, query=raw, key=key))
    assert isinstance(call, Call)
    return dialect.authenticate(call, keys, now_ms)


def code_of(answer: Account | WireAnswer | None) -> tuple[int, str | None]:
    assert isinstance(answer, WireAnswer), answer
    return answer.status, answer.code


def test_a_good_signature_names_the_account_in_any_letter_case() -> None:
    keys, trader = ring()
    raw = f"symbol=BTCUSDT&timestamp={NOW_MS}".encode()
    signature = sign(trader.secret, raw)
    for text in (signature, signature.upper()):
        signed = raw + b"&signature=" + text.encode()
        assert authenticated(signed, key=trader.key, keys=keys) == trader


def test_a_wrong_signature_is_1022() -> None:
    keys, trader = ring()
    raw = f"timestamp={NOW_MS}".encode()
    wrong = raw + b"&signature=" + sign(trader.secret + "x", raw).encode()
    assert code_of(authenticated(wrong, key=trader.key, keys=keys)) == (400, "-1022")


@pytest.mark.parametrize(("key", "code"), [("", "-2014"), ("short", "-2014"), ("k" * 64, "-2015")])
def test_no_key_is_2014_and_an_unknown_one_is_2015(key: str, code: str) -> None:
    keys, _ = ring()
    raw = f"timestamp={NOW_MS}&signature=ab".encode()
    assert code_of(authenticated(raw, key=key, keys=keys)) == (401, code)


@pytest.mark.parametrize("missing", ["timestamp", "signature"])
def test_a_missing_timestamp_or_signature_is_1102(missing: str) -> None:
    keys, trader = ring()
    raw = b"signature=ab" if missing == "timestamp" else f"timestamp={NOW_MS}".encode()
    answer = authenticated(raw, key=trader.key, keys=keys)
    assert code_of(answer) == (400, "-1102")
    assert isinstance(answer, WireAnswer)
    assert f"'{missing}'".encode() in answer.body


@pytest.mark.parametrize(
    ("lead_ms", "window", "words"),
    [
        (999, 5000, None),
        (1000, 5000, "1000ms ahead of the server's time"),
        (-5000, 5000, None),
        (-5001, 5000, "outside of the recvWindow"),
        (-60_000, 60_000, None),
        (-1, 0, "outside of the recvWindow"),
    ],
)
def test_the_time_window_ends_where_the_documentation_says(
    lead_ms: int, window: int, words: str | None
) -> None:
    refusal = clock_refusal(NOW_MS + lead_ms, window, NOW_MS)
    if words is None:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.code == -1021
        assert words in refusal.msg


def test_a_window_of_more_than_a_minute_is_refused() -> None:
    keys, trader = ring()
    raw = f"timestamp={NOW_MS}&recvWindow=60001&signature=ab".encode()
    assert code_of(authenticated(raw, key=trader.key, keys=keys)) == (400, "-1131")


def test_the_engine_checks_the_window_again_but_only_for_orders() -> None:
    dialect = BinanceUmDialect(seed=3)
    raw = f"symbol=BTCUSDT&timestamp={NOW_MS}&recvWindow=2000&signature=ab".encode()
    order = dialect.route(request("POST", "/fapi/v1/order", body=raw))
    read = dialect.route(request("GET", "/fapi/v1/order", query=raw))
    assert order is not None
    assert read is not None
    assert dialect.expired(order, NOW_MS + 2000) is None
    late = dialect.expired(order, NOW_MS + 2001)
    assert late is not None
    assert (late.status, late.code) == (400, "-5028")
    assert dialect.expired(read, NOW_MS + 60_000) is None


def test_a_client_of_another_day_is_judged_by_its_own_clock() -> None:
    keys, trader = ring()
    dialect = BinanceUmDialect(seed=3)
    today = NOW_MS + 200 * 86_400_000
    raw = f"symbol=BTCUSDT&timestamp={today}&recvWindow=2000".encode()
    signed = raw + b"&signature=" + sign(trader.secret, raw).encode()
    order = dialect.route(request("POST", "/fapi/v1/order", body=signed, key=trader.key))
    assert order is not None
    assert dialect.authenticate(order, keys, NOW_MS) == trader
    assert dialect.expired(order, NOW_MS + 2000) is None
    late = dialect.expired(order, NOW_MS + 2001)
    assert late is not None
    assert late.code == "-5028"


def test_a_clock_that_is_wrong_by_minutes_is_still_refused() -> None:
    keys, trader = ring()
    for lead_ms in (-3_600_000, -300_000, 300_000, 3_600_000):
        raw = f"timestamp={NOW_MS + lead_ms}".encode()
        signed = raw + b"&signature=" + sign(trader.secret, raw).encode()
        assert code_of(authenticated(signed, key=trader.key, keys=keys)) == (400, "-1021")


def test_listen_keys_need_the_key_alone_and_market_data_nothing() -> None:
    keys, trader = ring()
    dialect = BinanceUmDialect(seed=3)
    stream = dialect.route(request("POST", "/fapi/v1/listenKey", key=trader.key))
    depth = dialect.route(request("GET", "/fapi/v1/depth", query=b"symbol=BTCUSDT"))
    assert stream is not None
    assert depth is not None
    assert dialect.authenticate(stream, keys, NOW_MS) == trader
    assert dialect.authenticate(depth, keys, NOW_MS) is None
