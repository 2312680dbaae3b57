"""The last step: nonce, deadline, signature. Judged by the venue's own example and by a client."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, parse_qsl

import pytest
from kraken_samples import BTC, DATA, ID, NOW_MS, PLACE, QUERY, TICKER, TIME
from msgspec.structs import replace

from outlast.errors import ConfigurationError
from outlast.model import Plane
from outlast.venues import kraken_spot as kraken
from outlast.wire import Auth, HttpRequest, Lane, WireRequest

VECTORS = json.loads((DATA / "signing_vectors" / "kraken.json").read_text())
SECRET = VECTORS[0]["secret"]
NONCE_FIRST = [v for v in VECTORS if v["request"]["body"].startswith("nonce=")]
"""krakenex puts the nonce elsewhere: it signs other bytes, just as well."""


def signed(request: WireRequest, **changes: object) -> HttpRequest:
    arguments: dict[str, object] = {
        "base_url": "https://api.kraken.com/",
        "key": "k",
        "secret": SECRET,
        "timestamp_ms": NOW_MS,
        "valid_for_ms": 5000,
        "nonce": 1616492376594,
    }
    return kraken.sign(request, **(arguments | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("vector", NONCE_FIRST, ids=lambda v: v.get("source", v.get("client"))[:12])
def test_signatures_are_those_that_the_venue_prints_and_other_clients_send(vector):
    asked = vector["request"]
    fields = parse_qsl(asked["body"], keep_blank_values=True)
    request = WireRequest(
        name="vector",
        method="POST",
        path=asked["target"],
        params=tuple(fields[1:]),
        auth=Auth.SIGNED,
        plane=Plane.ACCOUNT,
        lane=Lane.RECONCILE,
    )
    sent = signed(request, secret=vector["secret"], nonce=int(vector["nonce"]))
    assert sent.body.decode() == asked["body"]
    assert dict(sent.headers)["API-Sign"] == asked["headers"]["API-Sign"]


def test_a_new_order_carries_its_deadline_by_the_venues_clock():
    fields = parse_qs(signed(PLACE).body.decode())
    assert fields["deadline"] == ["2023-11-14T22:13:25.123Z"]
    assert fields["nonce"] == ["1616492376594"]
    later = signed(PLACE, timestamp_ms=NOW_MS + 1500, nonce=1616492376595)
    assert parse_qs(later.body.decode())["deadline"] == ["2023-11-14T22:13:26.623Z"]


def test_only_new_orders_have_a_deadline():
    assert "deadline" not in signed(QUERY).body.decode()
    assert "deadline" not in signed(kraken.cancel_order(BTC, ID)).body.decode()


@pytest.mark.parametrize("valid_for_ms", [0, 1999, 60_001])
def test_a_validity_that_the_venue_does_not_take_is_named(valid_for_ms):
    with pytest.raises(ConfigurationError, match=r"valid_for_s is .* 2 to 60 s"):
        signed(PLACE, valid_for_ms=valid_for_ms)


def test_public_calls_are_plain_gets():
    sent = signed(TIME, key=None, secret=None, nonce=None)
    assert (sent.method, sent.url, sent.body) == (
        "GET",
        "https://api.kraken.com/0/public/Time",
        b"",
    )
    assert [name for name, _ in sent.headers] == ["User-Agent"]
    assert signed(TICKER).url == "https://api.kraken.com/0/public/Ticker?pair=XBTUSD"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"key": None}, "OUTLAST_KRAKEN_SPOT_KEY"),
        ({"secret": None}, "OUTLAST_KRAKEN_SPOT_SECRET"),
        ({"secret": "not base64!"}, "secret is not base64"),
        ({"nonce": None}, "nonce is None"),
        ({"nonce": 0}, "nonce is 0"),
        ({"nonce": 2**64}, "2\\*\\*64"),
    ],
)
def test_what_cannot_be_signed_says_what_is_missing(changes, named):
    with pytest.raises(ConfigurationError, match=named) as caught:
        signed(QUERY, **changes)
    assert "not base64!" not in str(caught.value)


def test_a_signed_request_does_not_show_its_secrets():
    text = repr(signed(PLACE))
    assert SECRET not in text
    assert "API-Sign" not in text
    assert "nonce" not in text


def test_each_attempt_is_signed_afresh():
    first, second = signed(PLACE), signed(PLACE, nonce=1616492376595)
    assert dict(first.headers)["API-Sign"] != dict(second.headers)["API-Sign"]


def test_free_text_is_percent_encoded_as_it_is_signed():
    odd = replace(QUERY, params=(("cl_ord_id", "a+b/c d"),))
    assert b"cl_ord_id=a%2Bb%2Fc%20d" in signed(odd).body
