"""The journal's records: what is written, how they are chained, and how they are checked.

Every record carries the hash of the one before it, so a record that was changed, lost or put in
afterwards shows. Where the bytes go is the shell's affair (`backends/journal.py`).

Old records may be dropped (`core.pruning`), and damaged ones lost. In their place is a gap: one
record that has the number and the hash of the last of them, so that the next still builds on it.
Each gap must be named by the journal's last licence, a record of the chain like any other: nobody
takes a record away by putting a gap there.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from outlast.wire import Record

__all__ = [
    "GAP",
    "GENESIS",
    "PRUNED",
    "SALVAGED",
    "Chain",
    "ChainCheck",
    "ChainFault",
    "Gap",
    "decode_fields",
    "encode_fields",
    "fits",
    "gap_in",
    "gap_record",
    "tip_before",
    "verify",
]

GENESIS: Final = "0" * 64
"""The hash before the first record."""

GAP: Final = "journal.gap"
"""The kind of what stands for records that are not there any more."""
PRUNED: Final = "journal.pruned"
SALVAGED: Final = "journal.salvaged"
"""The kinds of licences. Their `gaps` are [first, last, hash of the last] of every gap there may
be, their `runs` those of ids that only dropped records tell of."""

_UNPROVED: Final = "?"

_encoder = msgspec.json.Encoder(order="deterministic", decimal_format="string")


def encode_fields(fields: Mapping[str, Any]) -> bytes:
    """`fields` as JSON, the same bytes for the same values on every machine."""
    return _encoder.encode(fields)


def decode_fields(data: bytes) -> dict[str, Any]:
    decoded = msgspec.json.decode(data)
    if not isinstance(decoded, dict):
        raise msgspec.DecodeError("a record's fields must be a JSON object")
    return decoded


def _hash(previous: str, seq: int, at: float, kind: str, data: bytes) -> str:
    # Quoted, so that no byte can move from `kind` into `data`; stores keep `at` as a float.
    head = f"{previous}\n{seq}\n{float(at)!r}\n{kind!r}\n".encode()
    return hashlib.sha256(head + data).hexdigest()


class Chain:
    """Makes the next record of one journal."""

    def __init__(self, *, seq: int = 0, tip: str = GENESIS) -> None:
        self._seq = seq
        self._tip = tip

    def seal(self, kind: str, fields: Mapping[str, Any], *, at: float) -> Record:
        """The next record. Nothing changes until `accept`: a write that failed leaves no hole."""
        return self.seal_all([(kind, encode_fields(fields), at)])[0]

    def seal_all(self, entries: Iterable[tuple[str, bytes, float]]) -> list[Record]:
        """The next records, in this order, each from its kind, encoded fields and instant."""
        seq, tip, records = self._seq, self._tip, []
        for kind, data, at in entries:
            seq, tip = seq + 1, _hash(tip, seq + 1, at, kind, data)
            records.append(Record(seq, at, kind, data, tip))
        return records

    def accept(self, *records: Record) -> None:
        """Take note that what was sealed last was written, all of it."""
        assert records[0].seq == self._seq + 1
        self._seq, self._tip = records[-1].seq, records[-1].chain_hash


@dataclass(frozen=True, slots=True)
class ChainFault:
    """The first place where the chain does not hold."""

    seq: int
    problem: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that are not there any more."""

    first: int
    last: int
    tip: str
    """The hash of the last of them. Where it was lost with them: a question mark, and what the next
    record's hash would be without any before it."""


def gap_record(gap: Gap, *, at: float) -> Record:
    """What stands for its records; `at` is when the last of them was written."""
    return Record(gap.last, at, GAP, encode_fields({"first": gap.first}), gap.tip)


def tip_before(record: Record) -> str:
    """What a gap has for a hash whose own was lost, when `record` is the next one."""
    return _UNPROVED + _hash("", record.seq, record.at, record.kind, record.data)


def fits(record: Record, previous: str) -> bool:
    """Whether `record` has the hash that it must have after one with the hash `previous`."""
    if previous.startswith(_UNPROVED):
        return tip_before(record) == previous
    made = _hash(previous, record.seq, record.at, record.kind, record.data)
    return made == record.chain_hash


def gap_in(record: Record) -> Gap:
    """Raises msgspec.MsgspecError, KeyError or TypeError for one that is not as it should be."""
    first = decode_fields(record.data)["first"]
    if not isinstance(first, int) or not 1 <= first <= record.seq:
        raise TypeError(f"a gap from {first!r} to {record.seq}")
    return Gap(first, record.seq, record.chain_hash)


class ChainCheck:
    """Give `take` every record in order, then ask `end`."""

    def __init__(self) -> None:
        self._previous, self._expected = GENESIS, 1
        self._gaps: list[Gap] = []
        self._licensed: list[Gap] = []

    def take(self, record: Record) -> ChainFault | None:
        """None when `record` is the next one, and as it was written."""
        if record.kind == GAP:
            return self._take_gap(record)
        seq, expected = record.seq, self._expected
        if seq != expected:
            return ChainFault(expected, f"record {expected} is missing; {seq} follows")
        if not fits(record, self._previous):
            return ChainFault(seq, "its hash does not fit: it, or one before it, was changed")
        if record.kind in (PRUNED, SALVAGED):
            try:
                self._licensed = [Gap(*gap) for gap in decode_fields(record.data)["gaps"]]
            except (msgspec.MsgspecError, KeyError, TypeError) as error:
                return ChainFault(seq, f"{record.kind} cannot be read: {error}")
        self._previous, self._expected = record.chain_hash, seq + 1
        return None

    def _take_gap(self, record: Record) -> ChainFault | None:
        try:
            gap = gap_in(record)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            return ChainFault(record.seq, f"{record.kind} cannot be read: {error}")
        if gap.first != self._expected:
            problem = f"record {self._expected} is missing; a gap from {gap.first} on follows"
            return ChainFault(self._expected, problem)
        self._gaps.append(gap)
        self._previous, self._expected = gap.tip, gap.last + 1
        return None

    def end(self) -> ChainFault | None:
        """None when every gap is one that the last licence names.

        A part of one will do: the process may have died while it dropped them. What follows then
        leads to the hash that the licence names.
        """
        named = sorted(self._licensed, key=lambda gap: gap.first)
        for gap in self._gaps:
            before = bisect_right(named, gap.first, key=lambda gap: gap.first)
            licence = named[before - 1] if before else Gap(0, 0, GENESIS)
            is_end = gap.last == licence.last and gap.tip == licence.tip
            if not (is_end or gap.last < licence.last):
                what = f"records {gap.first} to {gap.last} are missing"
                return ChainFault(gap.first, f"{what}, and no later record says why")
        return None


def verify(records: Iterable[Record]) -> ChainFault | None:
    """None when every record is there, in order, and as it was written.

    Records that were cut off at the end leave a shorter chain that holds: compare its last hash
    with one that was kept elsewhere.
    """
    check = ChainCheck()
    for record in records:
        fault = check.take(record)
        if fault is not None:
            return fault
    return check.end()
