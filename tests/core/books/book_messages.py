"""Messages as the decoders make them, and a plain book to compare with."""

from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from zlib import crc32


@dataclass
class Diff:
    first_id: int
    last_id: int
    bids: list = field(default_factory=list)
    asks: list = field(default_factory=list)
    previous_id: int = -2
    venue_time_s: float | None = None

    def __post_init__(self):
        if self.previous_id == -2:
            self.previous_id = self.first_id - 1


def snapshot(last_id, bids, asks):
    return SimpleNamespace(last_id=last_id, bids=list(bids), asks=list(asks))


def quote(update_id, bid, bid_qty, ask, ask_qty):
    return SimpleNamespace(update_id=update_id, bid=bid, bid_qty=bid_qty, ask=ask, ask_qty=ask_qty)


class Plain:
    """Dictionaries, sorted when asked; cut to `depth` after each message."""

    def __init__(self, depth=None):
        self.sides = ({}, {})
        self.depth = depth

    def replace(self, bids, asks):
        self.sides = ({}, {})
        self.take(bids, asks)

    def take(self, bids, asks):
        for side, rows in zip(self.sides, (bids, asks), strict=True):
            for price, qty in rows:
                if qty:
                    side[price] = qty
                else:
                    side.pop(price, None)
        if self.depth is not None:
            bids, asks = self.rows()
            self.sides = (dict(bids[: self.depth]), dict(asks[: self.depth]))

    def rows(self):
        bids, asks = self.sides
        return sorted(bids.items(), reverse=True), sorted(asks.items())


def checksum(plain, price_decimals, qty_decimals):
    """Kraken's, by its own words: top ten of asks, then of bids, digits only."""
    bids, asks = plain.rows()
    text = "".join(
        f"{Decimal(str(number)):.{decimals}f}".replace(".", "").lstrip("0")
        for row in (*asks[:10], *bids[:10])
        for number, decimals in zip(row, (price_decimals, qty_decimals), strict=True)
    )
    return crc32(text.encode())


def checked(plain, bids, asks, *, timestamp="", at=None, decimals=(1, 8), wrong=0):
    """A message of `ChecksumBook`, after the plain book has taken it."""
    return SimpleNamespace(
        bids=[SimpleNamespace(price=price, qty=qty) for price, qty in bids],
        asks=[SimpleNamespace(price=price, qty=qty) for price, qty in asks],
        checksum=checksum(plain, *decimals) ^ wrong,
        timestamp=timestamp,
        venue_time_s=at,
    )
