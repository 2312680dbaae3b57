"""Signatures by published vectors, and against another implementation where there is one."""

from __future__ import annotations

import base64

import pytest

from outlast.mock.keys import Ed25519Key, KeyRing
from outlast.mock.venues.binance_spot import ed25519

RFC_8032 = [  # section 7.1: TEST 1 and TEST 2
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
]
SEED = bytes.fromhex(RFC_8032[0][0])
PAYLOAD = (
    b"symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2"
    b"&timestamp=1668481559918&recvWindow=5000"
)


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_published_vectors_hold(seed: str, public: str, message: str, signature: str) -> None:
    private, said = bytes.fromhex(seed), bytes.fromhex(message)
    assert ed25519.public_key(private).hex() == public
    assert ed25519.sign(private, said).hex() == signature
    assert ed25519.verify(bytes.fromhex(public), said, bytes.fromhex(signature))


def test_a_signature_fits_one_message_and_one_key() -> None:
    public = ed25519.public_key(SEED)
    signature = ed25519.sign(SEED, PAYLOAD)
    assert base64.b64encode(signature) == (
        b"XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9zgTDBg=="
    )
    assert not ed25519.verify(public, PAYLOAD + b"0", signature)
    assert not ed25519.verify(ed25519.public_key(b"x" * 32), PAYLOAD, signature)
    for spoiled in (b"", signature[:-1], b"\xff" * 64, signature[:32] + b"\xff" * 32):
        assert not ed25519.verify(public, PAYLOAD, spoiled)


def test_the_printed_key_is_one_that_clients_can_load() -> None:
    key = Ed25519Key(key="k", seed=SEED)
    # Source: RFC 8032 test seed in PKCS#8, as other projects print it.
    assert "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g" in key.pem
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    loaded = serialization.load_pem_private_key(key.pem.encode(), password=None)
    assert loaded.sign(PAYLOAD) == ed25519.sign(SEED, PAYLOAD)


def test_only_spot_issues_such_keys_and_the_seed_repeats_them() -> None:
    first, again = (KeyRing(seed=5, venue="binance-spot").issue("main") for _ in range(2))
    assert first == again
    assert first.ed25519 is not None
    ring = KeyRing(seed=5, venue="binance-spot")
    account = ring.issue("main")
    assert ring.find_ed25519(first.ed25519.key) is account
    assert ring.find(first.ed25519.key) is None
    assert KeyRing(seed=5, venue="binance-um").issue("main").ed25519 is None
