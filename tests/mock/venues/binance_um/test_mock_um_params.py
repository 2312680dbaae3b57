from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.venues.binance_um.errors import VenueRefusal
from outlast.mock.venues.binance_um.params import Params, form_pairs, merged, signed_payload


def test_plus_and_percent_20_are_both_a_space_and_utf8_is_decoded() -> None:
    assert form_pairs(b"a=x+y&b=x%20y&c=%EF%BC%91") == [("a", "x y"), ("b", "x y"), ("c", "１")]


def test_the_query_string_wins_over_the_body_and_the_first_over_a_repeat() -> None:
    assert merged(b"a=1&b=2", b"b=3&c=4&c=5") == {"a": "1", "b": "2", "c": "4"}


def test_signed_payload_joins_query_and_body_without_a_separator() -> None:
    assert signed_payload(b"a=1&b=2", b"c=3&signature=ff") == b"a=1&b=2c=3"


@pytest.mark.parametrize(
    "query", [b"signature=ff&a=1&b=2", b"a=1&signature=ff&b=2", b"a=1&b=2&signature=ff"]
)
def test_the_signature_may_stand_anywhere(query: bytes) -> None:
    assert signed_payload(query, b"") == b"a=1&b=2"


@given(
    pairs=st.lists(st.tuples(st.text("abAB", min_size=1, max_size=4), st.text("01+%20x"))),
    where=st.integers(0, 10),
)
@settings(max_examples=60, deadline=None)
def test_taking_the_signature_out_leaves_the_bytes_as_sent(
    pairs: list[tuple[str, str]], where: int
) -> None:
    pieces = [f"{name}={value}".encode() for name, value in pairs]
    sent = b"&".join(pieces)
    cut = min(where, len(pieces))
    with_signature = b"&".join([*pieces[:cut], b"signature=ab12", *pieces[cut:]])
    assert signed_payload(with_signature, b"") == sent


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", "1"), ("0.10", "0.10"), (".5", "0.5"), ("3.", "3"), ("-2", "-2"), ("007", "7")],
)
def test_decimals_are_exact(text: str, value: str) -> None:
    assert Params({"price": text}).decimal("price") == Decimal(value)


@pytest.mark.parametrize("text", ["1e5", "NaN", "Infinity", "1,5", "0x10", ".", "1.2.3", "１"])
def test_what_is_no_plain_decimal_is_refused_with_1100(text: str) -> None:
    with pytest.raises(VenueRefusal) as refusal:
        Params({"price": text}).decimal("price")
    assert refusal.value.code == -1100
    assert "'price'" in refusal.value.msg


@pytest.mark.parametrize("text", ["-1", "1.0", "abc", "9" * 21])
def test_what_is_no_whole_number_is_refused_with_1100(text: str) -> None:
    with pytest.raises(VenueRefusal) as refusal:
        Params({"orderId": text}).whole("orderId")
    assert refusal.value.code == -1100


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("False", False), ("TRUE", True), ("false", False)]
)
def test_flags_come_in_any_case(text: str, *, value: bool) -> None:
    assert Params({"reduceOnly": text}).flag("reduceOnly") is value


def test_a_flag_that_is_neither_is_refused_with_1130() -> None:
    with pytest.raises(VenueRefusal) as refusal:
        Params({"reduceOnly": "1"}).flag("reduceOnly")
    assert refusal.value.code == -1130


def test_missing_is_1102_and_empty_is_1105_where_it_is_optional() -> None:
    with pytest.raises(VenueRefusal) as missing:
        Params({}).need("symbol")
    with pytest.raises(VenueRefusal) as empty:
        Params({"symbol": ""}).text("symbol")
    assert (missing.value.code, empty.value.code) == (-1102, -1105)
    assert missing.value.msg == (
        "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
    )


@pytest.mark.parametrize("text", ["a", "A.b:c/d_e-f", "x" * 36])
def test_client_order_ids_of_the_documented_shape_pass(text: str) -> None:
    assert Params({"newClientOrderId": text}).client_id("newClientOrderId") == text


@pytest.mark.parametrize("text", ["", "a b", "ä", "a#b", "x" * 37])
def test_other_client_order_ids_are_refused_with_4015(text: str) -> None:
    with pytest.raises(VenueRefusal) as refusal:
        Params({"newClientOrderId": text}).client_id("newClientOrderId")
    assert refusal.value.code == -4015


@pytest.mark.parametrize("text", ["0", "1001"])
def test_a_limit_outside_the_documented_range_is_refused(text: str) -> None:
    with pytest.raises(VenueRefusal) as refusal:
        Params({"limit": text}).limit(500, 1000)
    assert refusal.value.code == -1130
