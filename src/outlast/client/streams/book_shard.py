"""One socket's books: messages are decoded and applied in the call that brought them."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum
from typing import Any

from outlast.client.logs import logger
from outlast.client.streams.dialler import Dialler
from outlast.client.streams.market_line import MarketLine
from outlast.core.books import ChecksumBook, DiffBook
from outlast.core.books.trust import Distrust
from outlast.model import Instrument
from outlast.stream_wire import (
    Acked,
    Channel,
    MarketStreamCodec,
    ModeTold,
    ShuttingDown,
    Topic,
    Unrecognised,
)
from outlast.wire import Clock

__all__ = ["BookShard", "Feed"]


class Feed:
    """One symbol's book, and what is subscribed for it."""

    __slots__ = (
        "book",
        "changes",
        "depth",
        "era",
        "instrument",
        "is_busy",
        "is_live",
        "last_distrust",
        "quotes",
        "readers",
        "shard",
        "topic",
    )

    def __init__(
        self,
        instrument: Instrument,
        book: ChecksumBook | DiffBook,
        topic: Topic,
        quotes: Topic | None,
        depth: int,
    ) -> None:
        self.instrument = instrument
        self.book = book
        self.topic = topic
        self.quotes = quotes
        self.depth = depth
        self.shard: BookShard | None = None
        self.is_live = False
        """Its book knows of a subscription that is in force."""
        self.era = 0
        """The connection that the book follows, where a snapshot comes on the stream."""
        self.is_busy = False
        """A resync of it is under way."""
        self.changes = 0
        """Messages that were heard about it."""
        self.last_distrust: Distrust | None = Distrust.NO_SNAPSHOT
        """As it was told last."""
        self.readers: list[Callable[[], None]] = []
        """Called once with the next change."""


class _Kind(Enum):
    CHECKED = 1
    DIFF = 2
    QUOTE = 3
    UNREADABLE = 4


_CHECKED, _DIFF, _QUOTE = _Kind.CHECKED, _Kind.DIFF, _Kind.QUOTE  # looked up per message


class BookShard:
    """Up to as many books as the venue likes on one socket.

    Args:
        on_stir: a book needs something, or is believed otherwise than before.
        on_mode: the venue told how it trades.
    """

    def __init__(
        self,
        codec: MarketStreamCodec,
        *,
        name: str,
        url: str,
        dialler: Dialler,
        clock: Clock,
        rng: random.Random,
        on_stir: Callable[[Feed], None],
        on_mode: Callable[[ModeTold], None],
    ) -> None:
        self._clock = clock
        self._on_stir = on_stir
        self._on_mode = on_mode
        self._log = logger(line=name)
        self.decoder = codec.decoder()
        self._feeds: dict[str, Feed] = {}
        """By the stream's spelling."""
        self._kinds: dict[type, _Kind] = {}
        self.unrecognised = 0
        self.up_since: float | None = None
        self._hear = self._ear()
        self.market = MarketLine(
            codec,
            name=name,
            url=url,
            dialler=dialler,
            clock=clock,
            rng=rng,
            on_message=self._hear,
            on_held=self._held,
            on_down=self._down,
        )
        self._line = self.market.line

    @property
    def feeds(self) -> list[Feed]:
        return list(self._feeds.values())

    def add(self, feed: Feed) -> None:
        feed.shard = self
        self._feeds[feed.topic.symbol] = feed
        for topic in (feed.topic, feed.quotes):
            if topic is not None:
                self.market.want(topic)

    def remove(self, feed: Feed) -> None:
        self._feeds.pop(feed.topic.symbol, None)
        for topic in (feed.topic, feed.quotes):
            if topic is not None:
                self.market.forget(topic)

    def renew(self, feed: Feed) -> None:
        """Subscribe a book anew; what comes until it is confirmed is of the old subscription."""
        feed.is_live = False
        self.market.renew(feed.topic)
        if feed.quotes is not None:
            self._forget_quotes(feed)
            self.market.renew(feed.quotes)

    # What comes from the socket.

    def _ear(self) -> Callable[[bytes], None]:
        """What hears each message: names that are looked up once, because messages are many."""
        decode, feed_of, kind_of = self.decoder.decode, self._feeds.get, self._kinds.get

        def hear(raw: bytes) -> None:
            message: Any = decode(raw)
            if message is None:
                self._hear_other(raw)
                return
            feed = feed_of(message.symbol)
            if feed is None:
                self._hear_stranger(message)
                return
            book: Any = feed.book  # which of the two it is, its kind of message tells
            line = self._line
            kind = kind_of(type(message))
            if kind is _CHECKED:
                if message.is_snapshot:
                    if not self._hear_snapshot(feed, message, line.message_at):
                        return
                elif line.message_era != feed.era:
                    return  # the book follows another connection
                else:
                    book.update(message, line.message_at)
            elif kind is _DIFF:
                if not feed.is_live:
                    self.market.spoke(feed.topic)
                book.apply(message, line.message_at)
            elif kind is _QUOTE:
                if feed.is_live:
                    book.quote(message, line.message_at)
                if book.reason is not feed.last_distrust:
                    self._on_stir(feed)
                return
            elif kind is None:
                self._kinds[type(message)] = _kind_of(message)
                hear(raw)
                return
            else:
                book.unreadable(message.detail, line.message_at)
            feed.changes += 1
            if book.reason is not feed.last_distrust or book.needs is not None:
                self._on_stir(feed)
            if feed.readers:
                wake_readers(feed)

        return hear

    def _hear_snapshot(self, feed: Feed, message: Any, now: float) -> bool:
        """A snapshot makes its connection the one that the book follows; others are then silent."""
        era = self._line.message_era
        book = feed.book
        assert isinstance(book, ChecksumBook)
        if era < feed.era:
            return False
        if not feed.is_live:
            self.market.spoke(feed.topic)
        if not feed.is_live:
            return False  # of a subscription that was given up
        feed.era = era
        book.install(message, now)
        return True

    def _hear_stranger(self, message: Any) -> None:
        """A message about no book of ours; one that could not be read may be about any."""
        if message.symbol is None:
            now = self._clock.now()
            for feed in self.feeds:
                feed.book.unreadable(message.detail, now)
                self._on_stir(feed)

    def _hear_other(self, raw: bytes) -> None:
        message = self.decoder.decode_other(raw)
        if message is None:
            return
        if isinstance(message, Acked):
            if message.error:
                self._log.warning("outlast.subscription_refused", error=message.error)
            self.market.acked(message)
        elif isinstance(message, ModeTold):
            self._on_mode(message)
        elif isinstance(message, ShuttingDown):
            self._line.renew("the venue announced that it will close the connection")
        elif isinstance(message, Unrecognised):
            self.unrecognised += 1
            if self.unrecognised <= 10:
                self._log.warning(
                    "outlast.message_unrecognised", detail=message.detail, raw=message.raw[:200]
                )

    # What becomes of subscriptions.

    def _held(self, topic: Topic, era: int) -> None:
        feed = self._feeds.get(topic.symbol)
        if feed is None or topic.channel is not Channel.BOOK or topic != feed.topic:
            return
        if not feed.is_live:  # else a successor of the connection carries it too, without a break
            feed.is_live = True
            feed.era = era
            feed.book.subscribed(self._clock.now())
            self._on_stir(feed)

    def _down(self, reason: str) -> None:
        now, lost = self._clock.now(), self._line.lost_era
        for feed in self.feeds:
            self._forget_quotes(feed)
            if self.market.carries(feed.topic, after_era=lost):
                continue  # its successor was quicker
            feed.is_live = False
            feed.book.socket_gone(now, reason)
            self._on_stir(feed)

    @staticmethod
    def _forget_quotes(feed: Feed) -> None:
        if isinstance(feed.book, DiffBook):
            feed.book.quotes_interrupted()


def wake_readers(feed: Feed) -> None:
    """Tell those who wait for a change; each waits anew."""
    readers, feed.readers = feed.readers, []
    for wake in readers:
        wake()


def _kind_of(message: Any) -> _Kind:
    """By what the venues' messages have; asked once per class."""
    if hasattr(message, "first_id"):
        return _Kind.DIFF
    if hasattr(message, "update_id"):
        return _Kind.QUOTE
    return _Kind.CHECKED if hasattr(message, "checksum") else _Kind.UNREADABLE
