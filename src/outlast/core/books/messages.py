"""What a book needs of a decoded message. The venues' decoders make objects of these shapes.

Prices are above 0 and quantities 0 or more, all finite: the decoders refuse anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from outlast.core.books.sides import Rows

__all__ = ["CheckedLevels", "CheckedRow", "DiffSnapshot", "Quote", "SequencedDiff"]


class SequencedDiff(Protocol):
    """Levels that changed between two update ids. A quantity of 0 removes the level."""

    first_id: int
    last_id: int
    bids: Rows
    asks: Rows

    @property
    def previous_id(self) -> int:
        """The last id before this diff; the venue's word where it gives one."""
        ...

    @property
    def venue_time_s(self) -> float | None: ...


class DiffSnapshot(Protocol):
    """A whole book as of `last_id`, best levels first, cut at the depth that was asked for."""

    last_id: int
    bids: Rows
    asks: Rows


class Quote(Protocol):
    """The best bid and ask as of `update_id`: the venue's book ticker."""

    update_id: int
    bid: Any
    bid_qty: Any
    ask: Any
    ask_qty: Any


class CheckedRow(Protocol):
    price: Any
    qty: Any


class CheckedLevels(Protocol):
    """A snapshot, or levels that changed, with the checksum of the book as it then is."""

    bids: Sequence[CheckedRow]
    asks: Sequence[CheckedRow]
    checksum: int
    timestamp: str
    """RFC 3339; empty when the venue gave none."""

    @property
    def venue_time_s(self) -> float | None: ...
