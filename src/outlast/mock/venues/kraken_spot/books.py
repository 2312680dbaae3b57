"""The order book on the stream: snapshots, updates, and the checksum that proves them.

Source: Kraken docs, "Book (Level 2)" and guide "Book checksum (v2)". Levels that are merely pushed
out of the subscribed depth are never deleted: the client truncates. A level that moves in comes
with the message that makes room for it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from outlast.mock.engine.views import Level
from outlast.mock.streams.books import BookState
from outlast.mock.venues.kraken_spot.figures import rfc3339, to_places
from outlast.mock.venues.kraken_spot.symbols import Pair

__all__ = ["CHECKED_LEVELS", "DEPTHS", "Changes", "changes", "checksum", "update_row"]

DEPTHS: Final = (10, 25, 100, 500, 1000)
CHECKED_LEVELS: Final = 10
"""The checksum covers the ten best levels of each side, whatever the depth."""

Changes = tuple[tuple[Level, ...], tuple[Level, ...]]


def checksum(
    bids: Sequence[Level], asks: Sequence[Level], *, price_decimals: int, qty_decimals: int
) -> int:
    """CRC-32 over asks (lowest first), then bids (highest first): price and quantity of each with
    the pair's decimals, without the point and without leading zeros."""

    def digits(levels: Iterable[Level]) -> str:
        return "".join(
            _bare(level.price, price_decimals) + _bare(level.qty, qty_decimals) for level in levels
        )

    text = digits(asks[:CHECKED_LEVELS]) + digits(bids[:CHECKED_LEVELS])
    return zlib.crc32(text.encode())


def changes(before: BookState, after: BookState, depth: int) -> Changes:
    """What a client must be told to come from one state to the other, best levels first."""
    return (
        _side(before.bids, after.bids, depth, descending=True),
        _side(before.asks, after.asks, depth, descending=False),
    )


def update_row(pair: Pair, state: BookState, changed: Changes) -> dict[str, object]:
    bids, asks = changed
    return {
        "symbol": pair.name,
        "bids": _rows(pair, bids),
        "asks": _rows(pair, asks),
        "checksum": checksum(
            state.bids,
            state.asks,
            price_decimals=pair.price_decimals,
            qty_decimals=pair.lot_decimals,
        ),
        "timestamp": rfc3339(state.at_ms),
    }


def _side(
    before: Sequence[Level], after: Sequence[Level], depth: int, *, descending: bool
) -> tuple[Level, ...]:
    known = {level.price: level.qty for level in before[:depth]}
    shown = {level.price: level.qty for level in after[:depth]}
    still_there = {level.price for level in after}
    gone = [Level(price, Decimal(0)) for price in known if price not in still_there]
    told = [Level(price, qty) for price, qty in shown.items() if known.get(price) != qty]
    return tuple(sorted(gone + told, key=lambda level: level.price, reverse=descending))


def _rows(pair: Pair, levels: Iterable[Level]) -> list[dict[str, Decimal]]:
    return [
        {
            "price": to_places(level.price, pair.price_decimals),
            "qty": to_places(level.qty, pair.lot_decimals),
        }
        for level in levels
    ]


def _bare(value: Decimal, decimals: int) -> str:
    return f"{to_places(value, decimals):f}".replace(".", "").lstrip("0")
