"""The live books of a session: which are kept, what each of them needs, and who may read them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Container, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final

from outlast.client.book_memory import BookMemory
from outlast.client.calls import CallDesk
from outlast.client.events import BookTrustChanged, EventBus
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.streams.apart import apart
from outlast.client.streams.book_shard import BookShard, Feed, wake_readers
from outlast.client.streams.dialler import Dialler
from outlast.core.books import (
    Action,
    BookPeek,
    BookSettings,
    BookView,
    ChecksumBook,
    DiffBook,
    Distrust,
    ExactDigits,
    FloatDigits,
    FuturesDiffBook,
    NeedSnapshot,
    ResyncPlan,
    ResyncSettings,
    SpotDiffBook,
    digits_for,
)
from outlast.errors import ConfigurationError, Failure, StaleData
from outlast.model import Instrument, Product
from outlast.stream_wire import Channel, MarketStreamCodec, ModeTold
from outlast.wire import Clock, VenueCodec

__all__ = ["BookRoom"]

CHECK_EVERY_S: Final = 0.2
"""How often silence is looked for, which no message announces. A fifth of the shortest time within
which anything must show."""
DEPTH: Final = 100
"""Levels of a book when its reader says nothing: more than orders of a bot reach."""
CARRIED_OUT_WITHIN_S: Final = 3.0
"""A book that was subscribed anew is the next one's turn after so long, whole or not."""
SILENT_TWICE: Final = 2
"""Resyncs of a silent book before its whole connection is doubted."""
SILENT_LINE_S: Final = 8.0

_BY_STREAM: Final = frozenset(
    {Distrust.SILENT, Distrust.NO_FIRST_DATA, Distrust.SOCKET_GONE, Distrust.LATE}
)
"""What speaks about the venue's streams, not about one book's contents."""
_MUTE: Final = frozenset({Distrust.SILENT, Distrust.NO_FIRST_DATA, Distrust.NO_SNAPSHOT})

Spawn = Callable[[Coroutine[Any, Any, None]], object]


class BookRoom:
    """Keeps a book from the first time that it is asked for until the session ends."""

    def __init__(
        self,
        codec: VenueCodec,
        streams: MarketStreamCodec,
        calls: CallDesk,
        instruments: Instruments,
        dialler: Dialler,
        *,
        url: str,
        clock: Clock,
        rng: random.Random,
        journal: Journal,
        events: EventBus,
        spawn: Spawn,
        settings: BookSettings,
        resync: ResyncSettings,
        ready_within_s: float,
        keep_every_s: float,
        go_first: Callable[[], Container[str]] = frozenset,
    ) -> None:
        """`go_first` names the symbols that are resynchronised before others."""
        self._codec = codec
        self._streams = streams
        self._calls = calls
        self._instruments = instruments
        self._dialler = dialler
        self._url = url
        self._clock = clock
        self._rng = rng
        self._journal = journal
        self._events = events
        self._spawn = spawn
        self._settings = settings
        self._resync = resync
        self.ready_within_s = ready_within_s
        self._go_first = go_first
        self._log = logger(venue=codec.VENUE)
        self._feeds: dict[str, Feed] = {}
        """By the unified symbol."""
        self._shards: list[BookShard] = []
        self._plan = ResyncPlan(rng, resync)
        self._stirred = asyncio.Event()
        self._halts: dict[str | None, str] = {}
        """Why, by symbol; None for all of the venue."""
        self._is_running = self._is_ending = False
        self.memory = BookMemory(journal, instruments, clock=clock, every_s=keep_every_s)
        self.on_stream: Callable[[bool, float, str], None] = lambda up, at, detail: None
        """Hears when a book's stream fell silent or was lost, and when it is back: for health."""

    # Reading.

    async def book(
        self, symbol: str, *, depth: int | None = None, within_s: float | None = None
    ) -> BookView:
        """A reading of the book that is to be trusted now; see `Session.book`."""
        feed = self.open(symbol, depth=depth)
        if not feed.book.is_trusted:
            limit_s = self.ready_within_s if within_s is None else within_s
            try:
                async with asyncio.timeout(limit_s):
                    while not feed.book.is_trusted:
                        await self.changed(feed)
            except TimeoutError:
                raise self._not_ready(feed, limit_s) from None
        return self.reading(feed)

    def reading(self, feed: Feed) -> BookView:
        """The book as it is now, trusted or not."""
        return feed.book.view(self._clock.now)

    def view(self, symbol: str) -> BookView | None:
        """A reading as it is, trusted or not; None when nobody has asked for this book."""
        feed = self._find(symbol)
        return None if feed is None else feed.book.view(self._clock.now)

    def best(self, symbol: str) -> BookPeek | None:
        """What is known of the book, with its age and whether it is fresh. Never raises or waits.

        A book that nobody keeps, or that has not come yet, is as the journal kept it, not fresh.
        None when there is not even that.
        """
        feed = self._find(symbol)
        if feed is not None:
            peek = feed.book.view(self._clock.now).peek()
            if peek.age_s is not None:
                return peek
        return self.memory.peek(symbol)

    def kept(self) -> list[str]:
        """The symbols whose books somebody has asked for."""
        return list(self._feeds)

    async def changed(self, feed: Feed) -> None:
        """Return when something was heard about the book, or it is believed otherwise."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        feed.readers.append(wake)
        try:
            await waiter
        finally:
            if wake in feed.readers:
                feed.readers.remove(wake)

    @property
    def resyncs(self) -> Mapping[str, int]:
        """How often each book was put on a new snapshot, its first one included."""
        return {symbol: feed.book.resyncs for symbol, feed in self._feeds.items()}

    # Keeping.

    def open(self, symbol: str, *, depth: int | None = None) -> Feed:
        """Keep this book from now on, at least `depth` levels of it.

        Raises:
            UnknownInstrument: the venue does not list the symbol.
            ConfigurationError: the venue has no book of that depth.
        """
        instrument = self._instruments[symbol]
        feed = self._feeds.get(instrument.symbol)
        if feed is None:
            feed = self._feeds[instrument.symbol] = self._new_feed(instrument, depth or DEPTH)
            self._shard_for(feed).add(feed)
            self._run()
        elif depth is not None and depth > feed.depth:
            self._replace(feed, depth=depth)
        return feed

    def halt(self, detail: str, symbol: str | None = None) -> None:
        """The venue, or one symbol, has stopped trading: what its book shows cannot be had."""
        if self._halts.get(symbol) == detail:
            return
        self._halts[symbol] = detail
        self._apply_halts()

    def resume(self, symbol: str | None = None) -> None:
        """It trades again."""
        if self._halts.pop(symbol, None) is not None:
            self._apply_halts()

    def keep(self) -> None:
        """Write the trusted books to the journal now: the session ends.

        That their sockets are closed from here on is no news of the venue.
        """
        self.memory.keep(self._trusted())
        self._is_ending = True

    async def close(self) -> None:
        """Say goodbye on every socket."""
        for shard in self._shards:
            await shard.market.close()
        self._is_running = False

    # Building.

    def _new_feed(self, instrument: Instrument, depth: int, *, exact: bool = False) -> Feed:
        try:
            topic = self._streams.book_topic(instrument, depth=depth)
        except ValueError as error:
            raise ConfigurationError(str(error), venue=self._codec.VENUE) from None
        digits: FloatDigits | ExactDigits = digits_for(instrument)
        if exact:
            digits = ExactDigits(digits.price_decimals, digits.qty_decimals)
        venue, symbol, settings = self._codec.VENUE, instrument.symbol, self._settings
        book: ChecksumBook | DiffBook
        if self._streams.TRAITS.has_snapshots:
            book = ChecksumBook(venue, symbol, digits, depth=int(topic.detail), settings=settings)
        else:
            if depth > settings.snapshot_depth:
                settings = replace(settings, snapshot_depth=depth)
            kind = SpotDiffBook if self._codec.PRODUCT is Product.SPOT else FuturesDiffBook
            book = kind(venue, symbol, digits, settings=settings)
        quotes = None
        if self._streams.TRAITS.has_quotes:
            quotes = self._streams.topic(Channel.QUOTE, instrument)
        feed = Feed(instrument, book, topic, quotes, depth)
        self._apply_halt(feed)
        return feed

    def _replace(self, feed: Feed, *, depth: int, exact: bool = False) -> None:
        """Begin a book anew, deeper or with exact numbers. Its readers stay."""
        new = self._new_feed(feed.instrument, depth, exact=exact)
        shard = feed.shard
        assert shard is not None
        feed.book.socket_gone(self._clock.now(), "begun anew")  # nobody may read the old one on
        if new.topic == feed.topic:
            self._swap(feed, new)
            shard.renew(feed)
        else:
            shard.market.forget(feed.topic)
            self._swap(feed, new)
            shard.market.want(feed.topic)
        if exact:
            shard.decoder.decode_exactly(feed.topic.symbol)
        self._stir(feed)

    @staticmethod
    def _swap(feed: Feed, new: Feed) -> None:
        new.book.resyncs = feed.book.resyncs
        feed.book, feed.topic, feed.depth = new.book, new.topic, new.depth
        feed.is_live, feed.era = False, 0

    def _shard_for(self, feed: Feed) -> BookShard:
        needed = 1 if feed.quotes is None else 2
        shard = next((each for each in self._shards if each.market.room >= needed), None)
        if shard is None:
            shard = BookShard(
                self._streams,
                name=f"books {len(self._shards) + 1}",
                url=self._streams.url(self._url, Channel.BOOK),
                dialler=self._dialler,
                clock=self._clock,
                rng=self._rng,
                on_stir=self._stir,
                on_mode=self._mode,
            )
            self._shards.append(shard)
            self._spawn(shard.market.run_for_ever())
        if isinstance(digits_for(feed.instrument), ExactDigits):
            shard.decoder.decode_exactly(feed.topic.symbol)
        return shard

    def _find(self, symbol: str) -> Feed | None:
        instrument = self._instruments.get(symbol)
        return None if instrument is None else self._feeds.get(instrument.symbol)

    # Looking after them.

    def _run(self) -> None:
        if not self._is_running:
            self._is_running = True
            self._spawn(self._look_after_for_ever())

    @apart
    async def _look_after_for_ever(self) -> None:
        while True:
            now = self._clock.now()
            for feed in self._feeds.values():
                feed.book.check(now)
                if feed.book.reason is not feed.last_distrust:
                    self._tell(feed, now)
                elif feed.is_busy and feed.book.needs is not None:
                    wake_readers(feed)  # whoever puts it right should see what it needs now
            self._resync_next(now)
            self._doubt_lines(now)
            self.memory.keep_when_due(self._trusted, now)
            self._stirred.clear()
            try:
                async with asyncio.timeout(self._until_next_look(now)):
                    await self._stirred.wait()
            except TimeoutError:
                pass  # time to look again

    def _until_next_look(self, now: float) -> float:
        retry_at = self._plan.next_at()
        if retry_at is None or retry_at <= now:
            return CHECK_EVERY_S
        return min(CHECK_EVERY_S, retry_at - now)

    def _stir(self, feed: Feed) -> None:
        """A book is believed otherwise, or needs something."""
        if feed.book.reason is not feed.last_distrust:
            self._tell(feed, self._clock.now())
        if not feed.is_busy:
            self._stirred.set()

    def _tell(self, feed: Feed, now: float) -> None:
        """Tell readers, journal, log and events what is believed of a book now."""
        book, before = feed.book, feed.last_distrust
        feed.last_distrust = book.reason
        wake_readers(feed)
        if self._is_ending or (before is None) == (book.reason is None):
            return  # another reason to distrust it is no news
        is_trusted = book.is_trusted
        age_s = None if book.as_of is None else max(0.0, now - book.as_of)
        reason = "" if book.reason is None else book.reason.value
        facts = {
            "symbol": book.symbol,
            "reason": reason,
            "detail": book.detail,
            "resyncs": book.resyncs,
        }
        self._journal.note("book.trusted" if is_trusted else "book.distrusted", **facts)
        if is_trusted:
            self._log.info("outlast.book_trusted", **facts)
        else:
            self._log.warning("outlast.book_distrusted", **facts)
        if is_trusted or book.reason in _BY_STREAM:
            since = now if book.as_of is None else book.as_of
            self.on_stream(is_trusted, now if is_trusted else since, f"book {book.symbol}")
        self._events.publish(
            BookTrustChanged(
                symbol=book.symbol,
                is_trusted=is_trusted,
                reason=reason,
                detail=book.detail,
                age_s=age_s,
                resyncs=book.resyncs,
            )
        )

    def _resync_next(self, now: float) -> None:
        """Carry out what is most urgent of what the books need, one at a time."""
        needs = [feed.book.needs for feed in self._feeds.values() if feed.book.needs is not None]
        action = self._plan.pick(needs, now, first=self._go_first())
        if action is None:
            return
        feed = self._feeds[action.symbol]
        feed.is_busy = True
        self._spawn(self._carry_out(feed, action))

    @apart
    async def _carry_out(self, feed: Feed, action: Action) -> None:
        book, wait_s = feed.book, 0.0
        try:
            if book.reason is Distrust.INEXACT and isinstance(
                digits_for(feed.instrument), FloatDigits
            ):
                self._replace(feed, depth=feed.depth, exact=True)
            elif isinstance(action, NeedSnapshot):
                wait_s = await self._fetch(feed, action)
            else:
                await self._subscribe_anew(feed)
        finally:
            feed.is_busy = False
            self._plan.done(action.symbol, self._clock.now(), wait_s=wait_s)
            self._stirred.set()

    async def _fetch(self, feed: Feed, action: NeedSnapshot) -> float:
        """Read a book over REST, in lane DATA, and put it under the stream.

        Returns for how long nothing can be read, where a ban or a limit says so.
        """
        shard, book = feed.shard, feed.book
        assert shard is not None
        asked_at, depth = self._clock.now(), action.depth
        if action.urgent and self._plan.attempts(book.symbol) > 1:
            # It may be in vain too. The rest is fetched when the book has stayed whole.
            depth = min(depth, max(DEPTH, feed.depth))
        request = self._codec.query_book(feed.instrument, depth=depth)
        reply = await self._calls.call(request, deadline=asked_at + self._resync.answer_s)
        if isinstance(reply, Failure):
            self._log.warning(
                "outlast.book_snapshot_failed", symbol=book.symbol, reason=reply.describe()
            )
            return reply.retry_after_s or 0.0
        if not isinstance(book, DiffBook) or feed.book is not book:
            return 0.0
        snapshot = shard.decoder.snapshot(reply.body, feed.topic.symbol)
        if hasattr(snapshot, "last_id"):
            book.install(snapshot, self._clock.now(), asked_at=asked_at, depth=depth)
            self._stir(feed)
        else:
            self._log.error(
                "outlast.book_snapshot_unreadable", symbol=book.symbol, detail=snapshot.detail
            )
        return 0.0

    async def _subscribe_anew(self, feed: Feed) -> None:
        """Subscribe again, and give the venue a little time before the next book's turn."""
        shard, book = feed.shard, feed.book
        assert shard is not None
        if not shard.market.line.is_up:
            return  # it will be subscribed with the connection
        shard.renew(feed)
        try:
            async with asyncio.timeout(CARRIED_OUT_WITHIN_S):
                while feed.book is book and not book.is_trusted:
                    if feed.is_live and book.needs is not None:
                        return  # the venue answered, and it is of no use
                    await self.changed(feed)
        except TimeoutError:
            pass  # it has said what it needs, or will

    def _doubt_lines(self, now: float) -> None:
        """A connection on which nothing comes, whatever is subscribed, is given up."""
        for shard in self._shards:
            line = shard.market.line
            if not line.is_up or now - line.since < SILENT_LINE_S:
                continue
            heard_at = line.last_message_at
            if heard_at is not None and now - heard_at < SILENT_LINE_S:
                continue
            feeds = shard.feeds
            if all(feed.book.reason in _MUTE for feed in feeds) and any(
                self._plan.attempts(feed.book.symbol) >= SILENT_TWICE for feed in feeds
            ):
                line.drop("nothing comes, whatever is subscribed")

    # What the venue says of itself.

    def _mode(self, told: ModeTold) -> None:
        symbol = None
        if told.symbol is not None:
            instrument = self._instruments.get(told.symbol)
            if instrument is None:
                return
            symbol = instrument.symbol
        if told.is_trading:
            self.resume(symbol)
        else:
            self.halt(told.mode, symbol)

    def _apply_halts(self) -> None:
        for feed in self._feeds.values():
            self._apply_halt(feed)
            self._stir(feed)

    def _apply_halt(self, feed: Feed) -> None:
        now = self._clock.now()
        detail = self._halts.get(None) or self._halts.get(feed.instrument.symbol)
        if detail:
            feed.book.halted(now, detail)
        else:
            feed.book.resumed(now)

    # Saying why not.

    def _trusted(self) -> list[BookPeek]:
        return [
            feed.book.view(self._clock.now).peek()
            for feed in self._feeds.values()
            if feed.book.is_trusted
        ]

    def _not_ready(self, feed: Feed, waited_s: float) -> StaleData:
        book = feed.book
        reason = "" if book.reason is None else book.reason.value
        if book.detail:
            reason += f" ({book.detail})"
        shard = feed.shard
        assert shard is not None
        refusal, line = shard.market.error(feed.topic), shard.market.line
        if refusal:
            reason += f"; the venue refused the subscription: {refusal}"
        elif not line.is_up and line.last_fault:
            reason += f"; no connection: {line.last_fault}"
        known = self.best(book.symbol)
        age_s = None if known is None else known.age_s
        seen = "; it was never seen"
        if age_s is not None:
            seen = f"; what is known of it is {age_s:.1f} s old, and book_peek() shows it"
        return StaleData(
            f"{self._codec.VENUE} {book.symbol}: no book to be trusted within {waited_s:g} s: "
            f"{reason}{seen}",
            age_s=age_s,
            venue=self._codec.VENUE,
        )
