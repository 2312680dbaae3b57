"""Reading a book as it changes: always the latest, never a queue."""

from __future__ import annotations

import asyncio
from typing import Self

from outlast.client.books import BookRoom
from outlast.client.streams.book_shard import Feed
from outlast.core.books import BookView

__all__ = ["BookStream"]


class BookStream:
    """`async for view in session.books(symbol)`: a reading after each change, the latest one.

    A reader that is slow misses what lies between and costs nothing; `skipped` counts what it
    missed. When the book stops being trusted, or does not come in time, that is given too, once:
    `view.is_fresh` is False, and reading its levels raises `StaleData`.
    """

    def __init__(self, room: BookRoom, symbol: str, depth: int | None) -> None:
        self._room = room
        self._feed: Feed = room.open(symbol, depth=depth)
        self._seen = -1
        self._told_distrust = False
        self.skipped = 0
        """Changes that came and went while the reader was busy."""

    @property
    def resyncs(self) -> int:
        """How often the book was put on a new snapshot, the first one included."""
        return self._feed.book.resyncs

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BookView:
        feed = self._feed
        if self._seen < 0:
            await self._wait_for_the_first(feed)
        while not self._has_news(feed):
            await self._room.changed(feed)
        is_trusted = feed.book.is_trusted
        if is_trusted and self._seen >= 0 and not self._told_distrust:
            self.skipped += max(0, feed.changes - self._seen - 1)
        self._seen = feed.changes
        self._told_distrust = not is_trusted
        return self._room.reading(feed)

    def _has_news(self, feed: Feed) -> bool:
        if not feed.book.is_trusted:
            return not self._told_distrust
        return feed.changes != self._seen or self._told_distrust

    async def _wait_for_the_first(self, feed: Feed) -> None:
        """A book that does not come in time is given as it is: not to be trusted, and why."""
        try:
            async with asyncio.timeout(self._room.ready_within_s):
                while not feed.book.is_trusted:
                    await self._room.changed(feed)
        except TimeoutError:
            pass  # the reader is told
