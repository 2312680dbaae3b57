"""A journal from what is left of a damaged one: every whole record stays as it was written.

Each record carries the hash of the one before it, so it is known which of the pieces that were
found belong together. Where some are lost a gap says so, and a licence at the end names all gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from outlast.core.journal import GAP, GENESIS, Gap, fits, gap_in, gap_record, tip_before
from outlast.wire import Record

__all__ = ["Mended", "mend"]


@dataclass(frozen=True, slots=True)
class Mended:
    """What was put together."""

    records: tuple[Record, ...]
    """In order, with gaps in the place of those that are lost. The chain holds, but for the licence
    that names the gaps: write one, of the kind `SALVAGED`, after them."""
    lost: tuple[tuple[int, int], ...]
    """The first and last number of each run of records that is lost. What came after the last whole
    record is not known."""
    gaps: tuple[Gap, ...]

    @property
    def count(self) -> int:
        """Whole records."""
        return sum(record.kind != GAP for record in self.records)

    def licence(self) -> dict[str, Any]:
        """The fields of its record."""
        return {
            "lost": [list(run) for run in self.lost],
            "gaps": [[gap.first, gap.last, gap.tip] for gap in self.gaps],
            "runs": [],
        }


def mend(found: Iterable[Record]) -> Mended:
    """Put together what was found, in any order, the same record more than once maybe.

    A record is taken when its hash fits the one before it. After a loss the first that was found is
    taken as it is: nothing can prove it, and it may be the one that tells of a live order.
    """
    pieces = _Pieces(found)
    records: list[Record] = []
    lost: list[tuple[int, int]] = []
    gaps: list[Gap] = []
    previous, expected = GENESIS, 1
    while True:
        record = pieces.fitting(expected, previous)
        if record is None:
            record = pieces.gap_from(expected)
            if record is not None:
                gaps.append(gap_in(record))
        if record is None:
            record = pieces.next_after(expected)
            if record is None:
                return Mended(tuple(records), tuple(lost), tuple(gaps))
            gap = Gap(expected, record.seq - 1, tip_before(record))
            lost.append((gap.first, gap.last))
            gaps.append(gap)
            records.append(gap_record(gap, at=record.at))
        records.append(record)
        previous, expected = record.chain_hash, record.seq + 1


class _Pieces:
    def __init__(self, found: Iterable[Record]) -> None:
        self._by_seq: dict[int, list[Record]] = {}
        self._gaps: list[tuple[Gap, Record]] = []
        for record in found:
            if record.kind != GAP:
                self._by_seq.setdefault(record.seq, []).append(record)
                continue
            try:
                self._gaps.append((gap_in(record), record))
            except (msgspec.MsgspecError, KeyError, TypeError):
                continue  # not whole
        self._seqs = sorted(self._by_seq)

    def fitting(self, seq: int, previous: str) -> Record | None:
        return next((r for r in self._of(seq) if fits(r, previous)), None)

    def gap_from(self, seq: int) -> Record | None:
        """A gap that was there before, from `seq` on; it may have begun earlier."""
        found = [pair for pair in self._gaps if pair[0].first <= seq <= pair[0].last]
        if not found:
            return None
        gap, record = max(found, key=lambda pair: pair[0].last)
        return record if gap.first == seq else gap_record(Gap(seq, gap.last, gap.tip), at=record.at)

    def next_after(self, seq: int) -> Record | None:
        """The first that was found after number `seq`; of several the one that has a follower."""
        later = next((s for s in self._seqs if s > seq), None)
        if later is None:
            return None
        pieces = self._of(later)
        followed = (r for r in pieces if self.fitting(later + 1, r.chain_hash) is not None)
        return next(followed, pieces[0])

    def _of(self, seq: int) -> Sequence[Record]:
        return self._by_seq.get(seq, ())
