"""Signatures against published vectors, with both kinds of key."""

from __future__ import annotations

import base64
import sys
from urllib.parse import unquote

import pytest
from msgspec.structs import replace
from spot_samples import BALANCES, CANCEL, CANCEL_ALL, PLACE, TIME

from outlast.errors import ConfigurationError
from outlast.venues import binance_spot as spot
from outlast.venues._binance import ed25519, hmac_sha256, signer_of

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"

# Source: Binance spot REST docs, SIGNED request examples for POST /api/v3/order, HMAC keys.
VECTORS = [
    (
        "LTCBTC",
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1",
        "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
    ),
    (
        "１２３４５６",
        (
            "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT"
            "&timeInForce=GTC&quantity=1&price=0.1"
        ),
        "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
    ),
]


@pytest.mark.parametrize(("symbol", "text", "signature"), VECTORS)
def test_a_signed_post_is_the_published_one_to_the_byte(symbol, text, signature):
    params = (
        ("symbol", symbol),
        ("side", "BUY"),
        ("type", "LIMIT"),
        ("timeInForce", "GTC"),
        ("quantity", "1"),
        ("price", "0.1"),
    )
    signed = spot.sign(
        replace(PLACE, params=params),
        base_url="https://api.binance.com",
        key=KEY,
        secret=SECRET,
        timestamp_ms=1499827319559,
        valid_for_ms=5000,
    )
    expected = f"{text}&recvWindow=5000&timestamp=1499827319559&signature={signature}"
    assert signed.body.decode() == expected
    assert signed.url == "https://api.binance.com/api/v3/order"
    assert dict(signed.headers) == {
        "X-MBX-APIKEY": KEY,
        "Content-Type": "application/x-www-form-urlencoded",
    }


def sign(request, **changes):
    settings = {
        "base_url": "http://127.0.0.1:8901/",
        "key": "K",
        "secret": "S",
        "timestamp_ms": 17,
        "valid_for_ms": 5000,
    }
    return spot.sign(request, **(settings | changes))


def test_reads_and_cancels_carry_everything_in_the_query():
    for request in (BALANCES, CANCEL, CANCEL_ALL):
        signed = sign(request)
        assert signed.body == b""
        assert signed.url.startswith(f"http://127.0.0.1:8901{request.path}?")
        assert "recvWindow=5000&timestamp=17&signature=" in signed.url
        assert dict(signed.headers) == {"X-MBX-APIKEY": "K"}
        assert signed.answer_within_s == request.answer_within_s


def test_a_public_read_needs_no_key_and_sends_none():
    signed = sign(TIME, key=None, secret=None)
    assert (signed.url, signed.headers, signed.body) == (
        "http://127.0.0.1:8901/api/v3/time",
        (),
        b"",
    )


@pytest.mark.parametrize("missing", ["key", "secret"])
def test_a_missing_key_is_named_with_its_remedy(missing):
    with pytest.raises(ConfigurationError, match=f"OUTLAST_BINANCE_SPOT_{missing.upper()}"):
        sign(BALANCES, **{missing: None})


@pytest.mark.parametrize("valid_for_ms", [0, -1, 60_001])
def test_a_window_that_the_venue_does_not_take_is_refused(valid_for_ms):
    with pytest.raises(ConfigurationError, match="valid_for_ms"):
        sign(BALANCES, valid_for_ms=valid_for_ms)


def test_secrets_stay_out_of_the_repr():
    for request in (PLACE, BALANCES):
        shown = repr(sign(request, key="THE-KEY"))
        assert "THE-KEY" not in shown
        assert "signature" not in shown


# Ed25519: the key of RFC 8032, test 1, as PKCS#8. The venue prints no private key with its own
# examples, so the signatures are derived with that one.

SEED = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"


def pem(kind, body):
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----"


PRIVATE_KEY = pem("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g")
ED25519_VECTORS = [
    (
        (
            "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
            "&timestamp=1668481559918&recvWindow=5000"
        ),
        "XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9zgTDBg==",
    ),
    (
        (
            "apiKey=4yNzx3yWC5bS6YTwEkSRaC0nRmSQIIStAUOh1b6kqaBrTLIhjCpI5lJH8q8R8WNO"
            "&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT"
            "&timeInForce=GTC&timestamp=1645423376532&type=LIMIT"
        ),
        "Ws+5m/CMnpkko0uBFxGTZ2+fjqqBXsUjRiaz173fPhXTkhoDBYNZ6wcYNeWItdrGn1pvG7vkwx2fhmJdAZ3KDQ==",
    ),
]


def test_the_private_key_is_the_one_of_the_rfc():
    body = PRIVATE_KEY.splitlines()[1]
    assert base64.b64decode(body).hex().endswith(SEED)


@pytest.mark.parametrize(("payload", "signature"), ED25519_VECTORS)
def test_ed25519_signatures(payload, signature):
    assert ed25519(PRIVATE_KEY)(payload.encode()) == signature
    for secret in (PRIVATE_KEY, f"\n{PRIVATE_KEY}\n", PRIVATE_KEY.replace("\n", "\r\n")):
        assert signer_of(secret)(payload.encode()) == signature


def test_a_secret_that_is_no_pem_signs_with_hmac():
    assert signer_of(SECRET)(b"a=1") == hmac_sha256(SECRET)(b"a=1")


def test_an_ed25519_signature_is_encoded_in_the_address():
    url = sign(BALANCES, secret=PRIVATE_KEY).url
    query = url.partition("?")[2]
    payload, _, signature = query.partition("&signature=")
    assert set(signature).isdisjoint("+/=")
    assert unquote(signature) == ed25519(PRIVATE_KEY)(payload.encode())


def test_without_the_package_a_pem_says_what_to_install(monkeypatch):
    for name in [n for n in sys.modules if n == "cryptography" or n.startswith("cryptography.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    signer_of.cache_clear()  # another test may have read this key before
    with pytest.raises(ConfigurationError, match=r"outlast\[ed25519\]"):
        sign(BALANCES, secret=PRIVATE_KEY)
    assert sign(BALANCES, secret=SECRET).url  # HMAC does without it


@pytest.mark.parametrize(
    "secret",
    [
        pem("PRIVATE KEY", "AAAA"),
        pem("PRIVATE KEY", ""),
        "-----BEGIN PRIVATE KEY-----",
        pem("PUBLIC KEY", "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        pem("ENCRYPTED PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v"),
    ],
)
def test_a_pem_that_cannot_be_read_is_refused_without_being_shown(secret):
    with pytest.raises(ConfigurationError, match="cannot be read as one") as caught:
        sign(BALANCES, secret=secret)
    assert "MC4C" not in str(caught.value)
    assert caught.value.__cause__ is None


def made_key(kind):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    key = (
        ed25519.Ed25519PrivateKey.generate()
        if kind == "ed25519"
        else ec.generate_private_key(ec.SECP256R1())
    )
    lock = (
        serialization.BestAvailableEncryption(b"password")
        if kind == "ed25519"
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
    ).decode()


def test_an_encrypted_key_is_refused():
    with pytest.raises(ConfigurationError, match="not encrypted"):
        sign(BALANCES, secret=made_key("ed25519"))


def test_a_key_of_another_kind_is_refused():
    with pytest.raises(ConfigurationError, match="not an Ed25519 one"):
        sign(BALANCES, secret=made_key("ec"))
