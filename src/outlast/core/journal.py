"""The journal's records: what is written, how they are chained, and how they are checked.

Every record carries the hash of the one before it, so a record that was changed, lost or put in
afterwards shows. Where the bytes go is the shell's affair (`backends/journal.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from outlast.wire import Record

__all__ = [
    "GENESIS",
    "Chain",
    "ChainFault",
    "decode_fields",
    "encode_fields",
    "verify",
]

GENESIS: Final = "0" * 64
"""The hash before the first record."""

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


def verify(records: Iterable[Record]) -> ChainFault | None:
    """None when every record is there, in order, and as it was written.

    Records that were cut off at the end leave a shorter chain that holds: compare its last hash
    with one that was kept elsewhere.
    """
    previous, expected = GENESIS, 1
    for record in records:
        if record.seq != expected:
            return ChainFault(expected, f"record {expected} is missing; {record.seq} follows")
        made = _hash(previous, record.seq, record.at, record.kind, record.data)
        if made != record.chain_hash:
            return ChainFault(
                record.seq, "its hash does not fit: it, or one before it, was changed"
            )
        previous, expected = made, expected + 1
    return None
