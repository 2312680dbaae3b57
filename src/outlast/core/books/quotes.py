"""The venue's book ticker as a witness of our own book."""

from __future__ import annotations

from outlast.core.books.messages import Quote

__all__ = ["QuoteCheck"]


class QuoteCheck:
    """Says what the best levels must be, and whether the book has fallen behind.

    A quote holds from its own update id up to the next quote's. So when the next one comes and the
    book stands in between, its best levels are known.
    """

    __slots__ = ("_ahead_id", "_ahead_since", "_behind_s", "_last")

    def __init__(self, behind_s: float) -> None:
        self._behind_s = behind_s
        self._last: Quote | None = None
        self._ahead_id = 0
        self._ahead_since: float | None = None

    def forget(self) -> None:
        """Quotes may have been missed."""
        self._last = None
        self._ahead_since = None

    def expected(self, quote: Quote, book_id: int, now: float) -> Quote | None:
        """The quote that holds at `book_id`; None when that is not known (yet)."""
        before = self._last
        if before is not None and quote.update_id <= before.update_id:
            return None  # a duplicate or a straggler
        self._last = quote
        if self._ahead_since is not None and book_id >= self._ahead_id:
            self._ahead_since = None
        if self._ahead_since is None and quote.update_id > book_id:
            self._ahead_since, self._ahead_id = now, quote.update_id
        if quote.update_id == book_id:
            return quote
        if before is not None and before.update_id <= book_id < quote.update_id:
            return before
        return None

    def is_ahead(self, book_id: int, now: float) -> bool:
        """Whether a quote has been newer than the book for longer than diffs are batched."""
        return (
            self._ahead_since is not None
            and book_id < self._ahead_id
            and now - self._ahead_since > self._behind_s
        )
