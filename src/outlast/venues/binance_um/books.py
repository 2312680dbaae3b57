"""Depth diffs of USD-M futures. Source: Binance USD-M docs, Diff. Book Depth Streams, 2026."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from outlast.venues._binance_books import BookDecoder, DepthDiff, ExactRows, FloatRows, Id
from outlast.venues._binance_streams import MarketDecoder

__all__ = ["FuturesDiff", "book_decoder", "market_decoder"]


class FuturesDiff(DepthDiff, gc=False):
    """`previous_id` is the last diff's `last_id`. Ids are shared by all symbols, so they jump."""

    previous_id: Id = msgspec.field(name="pu")


class _FloatDiff(FuturesDiff, gc=False):
    bids: FloatRows = msgspec.field(name="b")
    asks: FloatRows = msgspec.field(name="a")


class _ExactDiff(FuturesDiff, gc=False):
    bids: ExactRows = msgspec.field(name="b")
    asks: ExactRows = msgspec.field(name="a")


def book_decoder(exact_symbols: Iterable[str] = ()) -> BookDecoder[FuturesDiff]:
    """A decoder for one socket."""
    return BookDecoder(_FloatDiff, _ExactDiff, exact_symbols)


def market_decoder() -> MarketDecoder[FuturesDiff]:
    """As `book_decoder`, which also reads what else market data sockets bring."""
    return MarketDecoder(_FloatDiff, _ExactDiff)
