"""The market streams at work: who gets what, and when.

Everything is made once and shared by all who asked for it. A stream's name is its topic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from outlast.mock.engine.events import (
    EngineEvent,
    InstrumentEvent,
    OrderEvent,
    OrderEventKind,
    TradeEvent,
)
from outlast.mock.engine.views import PublicTrade
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.figures import fixed
from outlast.mock.venues.binance_um.ledger import Ledger
from outlast.mock.venues.binance_um.market import symbol_status
from outlast.mock.venues.binance_um.public_streams import Event, PublicViews
from outlast.mock.venues.binance_um.stream_names import StreamName
from outlast.mock.venues.streams import BookDiff, BookState, Update

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client, Subscription
    from outlast.mock.streams.hub import Sockets

__all__ = ["MarketStreams"]

_BEATS_MS: Final = (100, 250)
"""Every cadence is a multiple of the first, or it is the second."""
_PRINTS_MAX: Final = 10_000
"""Public trades kept between two beats."""


@dataclass(slots=True)
class _Reader:
    """One subscription's own state."""

    is_combined: Callable[[], bool]
    last_id: int | None = None
    """Where its depth stream stands, if a burst has taken it beyond the others."""


class MarketStreams:
    """The market streams of one venue."""

    def __init__(self, sockets: Sockets, ledger: Ledger) -> None:
        self._sockets = sockets
        self._views = PublicViews(sockets.engine, ledger)
        self._names: dict[str, StreamName] = {}
        self._prints: list[PublicTrade] = []
        self._touch: dict[str, tuple[object, ...]] = {}
        self._bars: dict[str, int] = {}
        self._status: str | None = None
        sockets.engine.listen(self._hear)
        sockets.every(_BEATS_MS[0], self._beat)
        sockets.every(_BEATS_MS[1], self._quarter_beat)

    def join(self, client: Client, stream: StreamName, is_combined: Callable[[], bool]) -> None:
        """Put a client on a stream; of a symbol that is not listed it stays silent."""
        self._names[stream.text] = stream
        if stream.channel == "depth" and stream.symbol in self._sockets.engine.instruments:
            books = self._sockets.books
            if not books.following(stream.text, stream.symbol):
                books.diff(stream.text, stream.symbol)
        client.subscribe(
            stream.text,
            channel=stream.channel,
            symbol=stream.symbol or None,
            state=_Reader(is_combined),
        )

    # -- events -----------------------------------------------------------------------------

    def _hear(self, event: EngineEvent) -> None:
        if isinstance(event, TradeEvent):
            if self._names and len(self._prints) < _PRINTS_MAX:
                self._prints.append(event.trade)
        elif isinstance(event, OrderEvent) and event.kind is OrderEventKind.CALCULATED:
            self._sockets.soon(lambda: self._force_order(event))
        elif isinstance(event, InstrumentEvent) and event.is_new:
            # It tells of listings, settlements and brackets; of a tick exchangeInfo alone.
            told = self._views.contract_info(event.instrument.symbol, self._sockets.now_ms)
            self._tell("!contractInfo", told)

    def _force_order(self, event: OrderEvent) -> None:
        told = self._views.force_order(event, self._sockets.now_ms)
        for topic in (f"{event.order.request.symbol.lower()}@forceOrder", "!forceOrder@arr"):
            self._tell(topic, told)

    # -- time -------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Ten times a second of venue time, while anybody is connected: tell what is due."""
        at_ms = self._sockets.engine.now_ms
        prints, self._prints = self._prints, []
        if at_ms % 1000 == 0:
            self._views.note_marks()
            self._tell_status()
        self._forget_unheard(self._sockets.topics())
        self._tell_all_due(at_ms, _BEATS_MS[0])
        self._tell_prints(prints)

    def _quarter_beat(self) -> None:
        self._tell_all_due(self._sockets.engine.now_ms, _BEATS_MS[1])

    def _tell_all_due(self, at_ms: int, beat_ms: int) -> None:
        for topic in self._sockets.topics():
            stream = self._names.get(topic)
            if stream is None or not stream.every_ms or at_ms % stream.every_ms:
                continue
            if (stream.every_ms % _BEATS_MS[0] == 0) is (beat_ms == _BEATS_MS[0]):
                self._tell_due(stream, at_ms)

    def _tell_due(self, stream: StreamName, at_ms: int) -> None:
        now_ms = self._sockets.now_ms
        symbols = list(self._sockets.engine.instruments)
        chosen = [s for s in symbols if s == stream.symbol] if stream.symbol else symbols
        match stream.channel:
            case "depth":
                for symbol in chosen:
                    self._tell_depth(stream, symbol)
            case "bookTicker":
                for symbol in chosen:
                    self._tell_touch(stream, symbol)
            case "markPrice":
                self._tell_rows(stream, [self._views.mark_price(s, now_ms) for s in chosen])
            case "ticker":
                self._tell_rows(stream, [self._views.ticker(s, now_ms) for s in chosen])
            case "miniTicker":
                self._tell_rows(stream, [self._views.mini_ticker(s, now_ms) for s in chosen])
            case "kline":
                for symbol in chosen:
                    self._tell_kline(stream, symbol, at_ms)

    def _tell_rows(self, stream: StreamName, rows: list[Event]) -> None:
        if stream.symbol:
            for row in rows:
                self._tell(stream.text, row)
        elif rows:
            self._tell(stream.text, rows)

    def _tell_status(self) -> None:
        status = symbol_status(self._sockets.engine)
        before, self._status = self._status, status
        if before is not None and before != status:
            for symbol in self._sockets.engine.instruments:
                told = self._views.contract_info(symbol, self._sockets.now_ms)
                self._tell("!contractInfo", told)

    def _tell_prints(self, prints: list[PublicTrade]) -> None:
        now_ms = self._sockets.now_ms
        for trade in prints:
            prefix = trade.symbol.lower()
            if self._sockets.on(f"{prefix}@trade"):
                self._tell(f"{prefix}@trade", self._views.trade(trade, now_ms))
            if self._sockets.on(f"{prefix}@aggTrade"):
                self._tell(f"{prefix}@aggTrade", self._views.agg_trade(trade, now_ms))

    def _tell_touch(self, stream: StreamName, symbol: str) -> None:
        """Tell best bid and ask when they have changed."""
        book = self._sockets.books.now(symbol)
        touch = (*book.bids[:1], *book.asks[:1])
        key = f"{stream.text} {symbol}"
        if self._touch.get(key) != touch:
            self._touch[key] = touch
            self._tell(stream.text, self._views.book_ticker(book, self._sockets.now_ms))

    def _tell_kline(self, stream: StreamName, symbol: str, at_ms: int) -> None:
        """Tell the bar under way; when a new one has begun, first how the last one ended."""
        views, now_ms = self._views, self._sockets.now_ms
        write = views.continuous_kline if stream.continuous else views.kline
        opens_ms = views.opens_ms(symbol, stream.interval, at_ms)
        before = self._bars.get(stream.text)
        if before is not None and before < opens_ms:
            ended = write(symbol, stream.interval, before, now_ms, closed=True)
            self._tell(stream.text, ended)
        self._bars[stream.text] = opens_ms
        self._tell(stream.text, write(symbol, stream.interval, at_ms, now_ms, closed=False))

    # -- the book ---------------------------------------------------------------------------

    def _tell_depth(self, stream: StreamName, symbol: str) -> None:
        diff = self._sockets.books.diff(stream.text, symbol)
        if diff is None:
            return
        if stream.levels:
            event = self._views.partial_depth(diff, stream.levels, self._sockets.now_ms)
            self._tell(stream.text, event, book=diff.after)
            return
        now_ms = self._sockets.now_ms
        shared = self._views.depth(diff, now_ms)

        def render(subscription: Subscription) -> Update | None:
            reader = subscription.state
            assert isinstance(reader, _Reader)
            own, reader.last_id = reader.last_id, None
            if own is None or own == diff.previous_id:
                return _update(stream.text, shared, reader, diff.after)
            if own >= diff.last_id:
                return None
            event = self._views.depth(diff, now_ms, previous_id=own)
            return _update(stream.text, event, reader, diff.after)

        self._sockets.publish(stream.text, render)

    def backlog(self, subscription: Subscription, count: int) -> Iterable[Update]:
        """Make updates of the book that change nothing, each with an id of its own.

        Only diff streams have a backlog: of what others missed, the newest message says all.
        """
        stream = self._names.get(subscription.topic)
        if stream is None or stream.channel != "depth" or stream.levels:
            return ()
        if stream.symbol not in self._sockets.engine.instruments:
            return ()
        return self._touches(subscription, stream, count)

    def _touches(
        self, subscription: Subscription, stream: StreamName, count: int
    ) -> Iterator[Update]:
        reader, books = subscription.state, self._sockets.books
        assert isinstance(reader, _Reader)
        self._tell_depth(stream, stream.symbol)  # everybody is told up to here
        book = books.now(stream.symbol)
        if not book.bids and not book.asks:
            return  # nothing stands that could be touched
        for _ in range(count):
            diff: BookDiff = books.touch(stream.symbol)
            event = self._views.depth(diff, self._sockets.now_ms)
            yield _update(stream.text, event, reader, diff.after)
            reader.last_id = diff.last_id

    # -- inside -----------------------------------------------------------------------------

    def _forget_unheard(self, topics: Iterable[str]) -> None:
        """End the sequences that nobody follows any more."""
        for name in set(self._names) - set(topics):
            stream = self._names.pop(name)
            self._sockets.books.forget(name, stream.symbol)
            self._bars.pop(name, None)
            for key in [k for k in self._touch if k.startswith(f"{name} ")]:
                del self._touch[key]

    def _tell(
        self, topic: str, event: Event | list[Event], *, book: BookState | None = None
    ) -> None:
        def render(subscription: Subscription) -> Update:
            assert isinstance(subscription.state, _Reader)
            return update if not subscription.state.is_combined() else combined

        if self._sockets.on(topic):
            update = _event_update(topic, event, book, wrapped=False)
            combined = _event_update(topic, event, book, wrapped=True)
            self._sockets.publish(topic, render)


def _update(topic: str, event: Event, reader: _Reader, book: BookState) -> Update:
    return _event_update(topic, event, book, wrapped=reader.is_combined())


def _event_update(
    topic: str, event: Event | list[Event], book: BookState | None, *, wrapped: bool
) -> Update:
    """`book`: the event is a chained one about it, as it is after the event."""

    def text(body: Event | list[Event]) -> str:
        raw = to_json(body).decode()
        return f'{{"stream":"{topic}","data":{raw}}}' if wrapped else raw

    if book is None:
        return Update(text(event))
    assert not isinstance(event, list)

    def broken_chain() -> str:
        """What this venue has instead of a checksum: `pu`, here one too low."""
        previous = event["pu"]
        assert isinstance(previous, int)
        return text({**event, "pu": previous - 1})

    def crossed() -> str:
        bids, asks = event["b"], book.asks
        assert isinstance(bids, list)
        price = asks[:2][-1].price
        others = [row for row in bids if Decimal(row[0]) != price]  # it may have been a bid so far
        return text({**event, "b": [[fixed(price), fixed(book.bids[0].qty)], *others]})

    return Update(
        text(event),
        corrupt=broken_chain,
        crossed=crossed if book.bids and book.asks else None,
        time_field="E",
    )
