"""The chain of records: whatever is changed, lost or put in afterwards shows."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from outlast.core.journal import GENESIS, Chain, decode_fields, encode_fields, verify
from outlast.wire import Record

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
facts = st.dictionaries(st.text(max_size=8), json_values, max_size=4)


def chain_of(*entries):
    """Records sealed and accepted one after the other."""
    chain, records = Chain(), []
    for number, (kind, fields) in enumerate(entries):
        record = chain.seal(kind, fields, at=1_760_000_000.25 + number)
        chain.accept(record)
        records.append(record)
    return records


FIVE = chain_of(
    ("journal.opened", {"prefix": "olabcdef"}),
    ("order.intent", {"qty": Decimal("0.010")}),
    ("attempt", {"took_ms": 41, "failure": None}),
    ("order.changed", {"status": "accepted", "reason": "läuft"}),
    ("execution", {}),
)


@settings(max_examples=60, deadline=None)
@given(facts)
def test_fields_come_back_as_they_were_written(fields):
    assert decode_fields(encode_fields(fields)) == fields


def test_the_order_of_keys_does_not_show_in_the_bytes():
    assert encode_fields({"b": 1, "a": {"d": 2, "c": 3}}) == encode_fields(
        {"a": {"c": 3, "d": 2}, "b": 1}
    )


def test_money_is_written_exactly():
    written = decode_fields(encode_fields({"qty": Decimal("0.1000"), "fee": Decimal("1E-8")}))
    assert Decimal(written["qty"]) == Decimal("0.1000")
    assert str(Decimal(written["qty"])) == "0.1000"
    assert Decimal(written["fee"]) == Decimal("0.00000001")


@pytest.mark.parametrize("data", [b"", b"[1]", b'"text"', b"7", b"{", b"null", b"\xff"])
def test_what_is_no_object_cannot_be_read_back(data):
    with pytest.raises(msgspec.DecodeError):
        decode_fields(data)


def test_an_untouched_chain_holds():
    assert verify([]) is None
    assert verify(FIVE) is None
    assert [record.seq for record in FIVE] == [1, 2, 3, 4, 5]


def test_sealing_does_not_advance_until_the_record_is_accepted():
    chain = Chain()
    lost = chain.seal("attempt", {"n": 1}, at=1.0)
    again = chain.seal("attempt", {"n": 2}, at=2.0)
    assert lost.seq == again.seq == 1
    chain.accept(again)
    follower = chain.seal("attempt", {"n": 3}, at=3.0)
    assert verify([again, follower]) is None
    assert verify([lost, follower]) is not None


def test_accepting_a_record_twice_or_out_of_turn_is_our_own_mistake():
    chain = Chain()
    first = chain.seal("attempt", {}, at=1.0)
    chain.accept(first)
    with pytest.raises(AssertionError):
        chain.accept(first)
    with pytest.raises(AssertionError):
        chain.accept(replace(first, seq=7))


def test_a_chain_goes_on_where_another_process_left_it():
    last = FIVE[-1]
    after = Chain(seq=last.seq, tip=last.chain_hash)
    record = after.seal("attempt", {}, at=9.0)
    assert record.seq == 6
    assert verify([*FIVE, record]) is None


def test_a_chain_that_starts_elsewhere_than_at_genesis_is_found():
    record = Chain(tip="1" * 64).seal("attempt", {}, at=1.0)
    fault = verify([record])
    assert fault is not None
    assert fault.seq == 1
    assert Chain(tip=GENESIS).seal("attempt", {}, at=1.0) != record


@pytest.mark.parametrize("place", range(5))
@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, at=r.at + 1e-6),
        lambda r: replace(r, kind=r.kind + "x"),
        lambda r: replace(r, data=r.data + b" "),
        lambda r: replace(r, seq=r.seq + 1),
        lambda r: replace(r, seq=r.seq - 1),
        lambda r: replace(r, chain_hash=GENESIS),
    ],
    ids=["time", "kind", "data", "later", "earlier", "hash"],
)
def test_a_changed_field_is_found_where_it_is(place, change):
    records = [*FIVE[:place], change(FIVE[place]), *FIVE[place + 1 :]]
    fault = verify(records)
    assert fault is not None
    assert fault.seq == place + 1


def test_the_boundary_between_kind_and_data_cannot_be_moved():
    chain = Chain()
    record = chain.seal("attempt\n{", {}, at=1.0)
    moved = replace(record, kind="attempt", data=b"{\n" + record.data)
    assert verify([record]) is None
    assert verify([moved]) is not None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_changed_byte_is_found(data):
    place = data.draw(st.integers(0, len(FIVE) - 1))
    record = FIVE[place]
    name = data.draw(st.sampled_from(["kind", "data", "chain_hash"]))
    value = getattr(record, name)
    raw = bytearray(value if isinstance(value, bytes) else value.encode())
    index = data.draw(st.integers(0, len(raw) - 1))
    raw[index] ^= data.draw(st.integers(1, 127 if isinstance(value, str) else 255))
    changed = bytes(raw) if isinstance(value, bytes) else raw.decode("latin-1")
    records = [*FIVE[:place], replace(record, **{name: changed}), *FIVE[place + 1 :]]
    fault = verify(records)
    assert fault is not None
    assert fault.seq == place + 1


@pytest.mark.parametrize("place", range(4))
def test_a_lost_record_is_found(place):
    fault = verify([*FIVE[:place], *FIVE[place + 1 :]])
    assert fault is not None
    assert fault.seq == place + 1
    assert "missing" in fault.problem


def test_records_lost_at_the_end_are_the_one_thing_a_chain_cannot_show():
    assert verify(FIVE[:3]) is None


@pytest.mark.parametrize("place", range(5))
def test_a_record_put_in_afterwards_is_found(place):
    forged = Chain(seq=place, tip=FIVE[place - 1].chain_hash if place else GENESIS).seal(
        "order.intent", {"qty": "100"}, at=1.0
    )
    inserted = verify([*FIVE[:place], forged, *FIVE[place:]])
    replaced = verify([*FIVE[:place], forged, *FIVE[place + 1 :]])
    assert inserted is not None
    assert inserted.seq == place + 2
    if place < 4:
        assert replaced is not None
        assert replaced.seq == place + 2


@pytest.mark.parametrize("place", range(4))
def test_two_records_that_changed_places_are_found(place):
    records = list(FIVE)
    records[place], records[place + 1] = records[place + 1], records[place]
    fault = verify(records)
    assert fault is not None
    assert fault.seq == place + 1


def test_a_whole_number_of_seconds_survives_a_store_that_keeps_floats():
    record = Chain().seal("attempt", {}, at=1_760_000_000)
    kept = Record(record.seq, float(record.at), record.kind, record.data, record.chain_hash)
    assert verify([kept]) is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(min_size=1, max_size=10), facts), max_size=8))
def test_any_chain_holds_and_hashes_differ(entries):
    records = chain_of(*entries)
    assert verify(records) is None
    assert len({record.chain_hash for record in records}) == len(records)
