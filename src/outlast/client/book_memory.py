"""The last books that were trusted, in the journal: what a bot knows that starts in an outage.

Only the best levels, at a modest pace: it is context for a person and for a price guard, never
something to price an order off. `BookPeek.is_fresh` is always False for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from outlast.client.instruments import Instruments
from outlast.client.journal import Journal, KeptBook
from outlast.core.books import BookPeek, Distrust, ExactDigits
from outlast.core.books.sides import ExactAskSide, ExactBidSide
from outlast.wire import Clock

__all__ = ["BookMemory"]

LEVELS: Final = 10
"""Of each side: what a person looks at, and less than a kilobyte."""


class BookMemory:
    """Writes trusted books down, and shows those of the session before."""

    def __init__(
        self, journal: Journal, instruments: Instruments, *, clock: Clock, every_s: float
    ) -> None:
        self._journal = journal
        self._instruments = instruments
        self._clock = clock
        self._every_s = every_s
        self._kept = dict(journal.history.books)
        self._due = 0.0

    def keep_when_due(self, trusted: Callable[[], Sequence[BookPeek]], now: float) -> None:
        """Write them down if it is time to."""
        if now >= self._due:
            self._due = now + self._every_s
            self.keep(trusted())

    def keep(self, trusted: Sequence[BookPeek]) -> None:
        """Write them down."""
        wall = self._clock.wall()
        for peek in trusted:
            if peek.age_s is None or not peek.is_fresh:
                continue
            kept = KeptBook(
                symbol=peek.symbol,
                bids=[(level.price, level.qty) for level in peek.bids(LEVELS)],
                asks=[(level.price, level.qty) for level in peek.asks(LEVELS)],
                as_of=wall - peek.age_s,
            )
            self._kept[peek.symbol] = kept
            self._instruments.note_used(self._instruments[peek.symbol])
            self._journal.note(
                "book.kept", symbol=kept.symbol, bids=kept.bids, asks=kept.asks, as_of=kept.as_of
            )

    def peek(self, symbol: str) -> BookPeek | None:
        """What was written down last; None when there is nothing."""
        instrument = self._instruments.get(symbol)
        kept = self._kept.get(symbol if instrument is None else instrument.symbol)
        if kept is None:
            return None
        digits = ExactDigits(0, 0)  # they give out what was written, digit by digit
        bids, asks = ExactBidSide(digits), ExactAskSide(digits)
        bids.replace(kept.bids, known_all=False)
        asks.replace(kept.asks, known_all=False)
        return BookPeek(
            symbol=kept.symbol,
            age_s=max(0.0, self._clock.wall() - kept.as_of),
            is_fresh=False,
            reason=Distrust.RESTORED.value,
            _bids=bids,
            _asks=asks,
        )
