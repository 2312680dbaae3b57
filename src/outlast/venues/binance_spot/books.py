"""Depth diffs of spot. Source: Binance spot docs, web-socket-streams.md, Diff. Depth Stream."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from outlast.venues._binance_books import BookDecoder, DepthDiff, ExactRows, FloatRows
from outlast.venues._binance_streams import MarketDecoder

__all__ = ["SpotDiff", "book_decoder", "market_decoder"]


class SpotDiff(DepthDiff, gc=False):
    """Normally `first_id` is the last diff's `last_id` + 1."""

    @property
    def previous_id(self) -> int:
        return self.first_id - 1


class _FloatDiff(SpotDiff, gc=False):
    bids: FloatRows = msgspec.field(name="b")
    asks: FloatRows = msgspec.field(name="a")


class _ExactDiff(SpotDiff, gc=False):
    bids: ExactRows = msgspec.field(name="b")
    asks: ExactRows = msgspec.field(name="a")


def book_decoder(exact_symbols: Iterable[str] = ()) -> BookDecoder[SpotDiff]:
    """A decoder for one socket."""
    return BookDecoder(_FloatDiff, _ExactDiff, exact_symbols)


def market_decoder() -> MarketDecoder[SpotDiff]:
    """As `book_decoder`, which also reads what else market data sockets bring."""
    return MarketDecoder(_FloatDiff, _ExactDiff)
