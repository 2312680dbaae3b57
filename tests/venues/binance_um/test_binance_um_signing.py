"""Signatures against published vectors and against what other clients put on the wire."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace
from um_samples import CANCEL, DATA, PLACE, POSITIONS, TIME

from outlast.errors import ConfigurationError
from outlast.venues import binance_um as um
from outlast.venues._binance import form, hmac_sha256, sign_params
from outlast.wire import Auth

SPOT_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SPOT_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
FUTURES_SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
FUTURES_KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"

# Source: Binance USD-M futures docs, General Info, SIGNED examples; the mixed one is recomputed,
# the page prints the value of a payload with a stray space.
FUTURES_VECTORS = [
    (
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
            "&timestamp=1591702613943"
        ),
        "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
    ),
    (
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000&recvWindow=5000"
            "&timestamp=1591702613943"
        ),
        "30baaf0fab549bbeda7f5ef201898b34122da25fd23c646cac2c529aebe670a4",
    ),
    (
        (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=9000&recvWindow=5000"
            "&timestamp= 1591702613943"
        ),
        "f9d0ae5e813ef6ccf15c2b5a434047a0181cb5a342b903b367ca6d27a66e36f2",
    ),
]
# Source: Binance spot docs, REST and WebSocket API, SIGNED examples.
SPOT_VECTORS = [
    (
        (
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
            "&timestamp=1499827319559"
        ),
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    (
        (
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT"
            "&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
        ),
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
    (
        (
            f"apiKey={SPOT_KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL"
            "&symbol=BTCUSDT&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
        ),
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24",
    ),
    (
        (
            f"apiKey={SPOT_KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY"
            "&symbol=１２３４５６&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
        ),
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd",
    ),
    (
        (
            f"apiKey={SPOT_KEY}&price=23416.10000000&quantity=0.00847000&side=SELL&symbol=BTCUSDT"
            "&timeInForce=GTC&timestamp=1660801715431&type=LIMIT"
        ),
        "15af09e41c36f3cc61378c2fbe2c33719a03dd5eba8d0f9206fbda44de717c88",
    ),
    (
        f"apiKey={SPOT_KEY}&timestamp=1649729878532",
        "1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed",
    ),
]


@pytest.mark.parametrize(("payload", "signature"), FUTURES_VECTORS)
def test_published_futures_vectors(payload, signature):
    assert hmac_sha256(FUTURES_SECRET)(payload.encode()) == signature


@pytest.mark.parametrize(("payload", "signature"), SPOT_VECTORS)
def test_published_spot_vectors(payload, signature):
    assert hmac_sha256(SPOT_SECRET)(payload.encode()) == signature


def test_a_signed_post_is_the_published_one_to_the_byte():
    payload, signature = FUTURES_VECTORS[0]
    params = tuple(tuple(pair.split("=")) for pair in payload.split("&"))[:6]
    signed = um.sign(
        replace(PLACE, params=params),
        base_url="https://fapi.binance.com",
        key=FUTURES_KEY,
        secret=FUTURES_SECRET,
        timestamp_ms=1591702613943,
        valid_for_ms=5000,
    )
    assert signed.body.decode() == f"{payload}&signature={signature}"
    assert signed.url == "https://fapi.binance.com/fapi/v1/order"
    assert dict(signed.headers) == {
        "X-MBX-APIKEY": FUTURES_KEY,
        "Content-Type": "application/x-www-form-urlencoded",
    }


def test_what_is_not_ascii_is_encoded_before_it_is_signed():
    payload, signature = SPOT_VECTORS[1]
    params = [
        ("symbol", "１２３４５６"),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "1"),
        ("price", "0.1"),
    ]
    text = sign_params(
        params, hmac_sha256(SPOT_SECRET), timestamp_ms=1499827319559, valid_for_ms=5000
    )
    assert text == f"{payload}&signature={signature}"


def test_a_base64_signature_is_encoded_in_the_address():
    text = sign_params([], lambda payload: "a+b/c==", timestamp_ms=1, valid_for_ms=1)
    assert text.endswith("&signature=a%2Bb%2Fc%3D%3D")


def test_reserved_characters_are_encoded():
    assert form([("id", "a:b/c d&e")]) == "id=a%3Ab%2Fc%20d%26e"


SENT = [
    vector
    for vector in json.loads((DATA / "signing_vectors" / "binance.json").read_text())
    if "signature=" in vector["request"].get("target", "") + vector["request"].get("body", "")
]


@pytest.mark.parametrize("vector", SENT)
def test_signatures_of_other_clients_verify(vector):
    """Over query and body as they were sent, without the signature, in whatever order."""
    query = vector["request"]["target"].partition("?")[2]
    parts = [*query.split("&"), *vector["request"]["body"].split("&")]
    signature = next(part[10:] for part in parts if part.startswith("signature="))
    payload = "".join(
        "&".join(pair for pair in text.split("&") if not pair.startswith("signature="))
        for text in (query, vector["request"]["body"])
    )
    assert hmac_sha256(vector["secret"])(payload.encode()) == signature


def test_all_recorded_clients_were_verified():
    venues = [vector["venue"] for vector in SENT]
    assert venues.count("binance-usdm") == 17
    assert venues.count("binance-spot") == 18


def sign(request, **changes):
    settings = {
        "base_url": "http://127.0.0.1:8901/",
        "key": "K",
        "secret": "S",
        "timestamp_ms": 17,
        "valid_for_ms": 5000,
    }
    return um.sign(request, **(settings | changes))


def test_reads_and_cancels_carry_everything_in_the_query():
    for request in (POSITIONS, CANCEL):
        signed = sign(request)
        assert signed.body == b""
        assert signed.url.startswith(f"http://127.0.0.1:8901{request.path}?")
        assert "recvWindow=5000&timestamp=17&signature=" in signed.url
        assert dict(signed.headers) == {"X-MBX-APIKEY": "K"}
        assert signed.answer_within_s == request.answer_within_s


def test_a_public_read_needs_no_key_and_sends_none():
    signed = sign(TIME, key=None, secret=None)
    assert (signed.url, signed.headers, signed.body) == (
        "http://127.0.0.1:8901/fapi/v1/time",
        (),
        b"",
    )


def test_key_only_requests_are_not_signed():
    signed = sign(replace(TIME, auth=Auth.KEY, params=(("a", "1"),)), secret=None)
    assert signed.url == "http://127.0.0.1:8901/fapi/v1/time?a=1"
    assert signed.headers == (("X-MBX-APIKEY", "K"),)


@pytest.mark.parametrize("missing", ["key", "secret"])
def test_a_missing_key_is_named_with_its_remedy(missing):
    with pytest.raises(ConfigurationError, match=f"OUTLAST_BINANCE_UM_{missing.upper()}"):
        sign(POSITIONS, **{missing: None})


@pytest.mark.parametrize("valid_for_ms", [0, -1, 60_001])
def test_a_window_that_the_venue_does_not_take_is_refused(valid_for_ms):
    with pytest.raises(ConfigurationError, match="valid_for_ms"):
        sign(POSITIONS, valid_for_ms=valid_for_ms)


def test_secrets_stay_out_of_the_repr():
    for request in (PLACE, POSITIONS):
        shown = repr(sign(request, key="THE-KEY"))
        assert "THE-KEY" not in shown
        assert "signature" not in shown
