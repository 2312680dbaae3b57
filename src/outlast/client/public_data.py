"""Trades, tickers and candles: over REST, and as they happen."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import replace
from math import inf
from typing import Any, Final, TypeVar

from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.client.logs import logger
from outlast.client.raising import read_error
from outlast.client.streams.apart import apart
from outlast.client.streams.dialler import Dialler
from outlast.client.streams.market_line import MarketLine
from outlast.core.tape import Tape
from outlast.errors import ConfigurationError, Failure
from outlast.model import Instrument
from outlast.stream_wire import (
    Acked,
    Candle,
    Channel,
    MarketStreamCodec,
    PublicDataCodec,
    PublicTrade,
    ShuttingDown,
    Ticker,
    Topic,
    Trades,
    Unrecognised,
)
from outlast.wire import Clock, VenueCodec

__all__ = ["PublicData"]

QUEUE_MAX: Final = 10_000
"""Trades a reader may be behind before the oldest are dropped, and counted: minutes of the busiest
symbol."""
BACKFILL_EVERY_S: Final = 2.0
"""Between two reads of missed trades; one costs 20 of USD-M's 2,400 weight a minute."""
BACKFILL_WITHIN_S: Final = 10.0
QUIET_S: Final = 20.0
"""A tape that says nothing for so long is read over REST: a subscription may be dead, or the symbol
quiet, and only an answer tells which."""

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None]], object]


class _Reader:
    """What one `async for` has not read yet."""

    def __init__(self, queue_max: int) -> None:
        self._items: deque[Any] = deque()
        self._queue_max = queue_max
        self._ready = asyncio.Event()
        self.skipped = 0

    def put(self, item: Any) -> None:
        if len(self._items) >= self._queue_max:
            self._items.popleft()
            self.skipped += 1
        self._items.append(item)
        self._ready.set()

    async def get(self) -> Any:
        while not self._items:
            self._ready.clear()
            await self._ready.wait()
        return self._items.popleft()


class _Feed:
    """One topic, and who reads it."""

    def __init__(self, topic: Topic, instrument: Instrument, shard: _Shard) -> None:
        self.topic = topic
        self.instrument = instrument
        self.shard = shard
        self.readers: list[_Reader] = []
        self.tape = Tape() if topic.channel is Channel.TRADES else None
        self.heard_at = -inf
        self.asked_at = -inf
        """When trades were last read over REST."""
        self.is_busy = False
        self.last: Any = None


class _Shard:
    """One socket of topics that are no books."""

    def __init__(
        self,
        codec: MarketStreamCodec,
        *,
        name: str,
        url: str,
        dialler: Dialler,
        clock: Clock,
        rng: random.Random,
        on_data: Callable[[Topic, Any], None],
        on_held: Callable[[Topic], None],
    ) -> None:
        self.url = url
        self._decoder = codec.decoder()
        self._on_data = on_data
        self._log = logger(line=name)
        self.unrecognised = 0
        self.market = MarketLine(
            codec,
            name=name,
            url=url,
            dialler=dialler,
            clock=clock,
            rng=rng,
            on_message=self._hear,
            on_held=lambda topic, era: on_held(topic),
            on_down=lambda reason: None,  # the tape finds what it missed by the ids
        )

    def _hear(self, raw: bytes) -> None:
        message = self._decoder.decode_other(raw)
        if message is None:
            return
        if isinstance(message, Trades):
            self._on_data(Topic(Channel.TRADES, message.symbol), message)
        elif isinstance(message, Ticker):
            self._on_data(Topic(Channel.TICKER, message.symbol), message)
        elif isinstance(message, list):
            for candle in message:
                self._on_data(Topic(Channel.CANDLES, candle.symbol, candle.interval), candle)
        elif isinstance(message, Acked):
            if message.error:
                self._log.warning("outlast.subscription_refused", error=message.error)
            self.market.acked(message)
        elif isinstance(message, ShuttingDown):
            self.market.line.renew("the venue announced that it will close the connection")
        elif isinstance(message, Unrecognised):
            self.unrecognised += 1
            if self.unrecognised <= 10:
                self._log.warning(
                    "outlast.message_unrecognised", detail=message.detail, raw=message.raw[:200]
                )


class PublicData:
    """Reads that need no key. Subscriptions begin with their first reader and end with the last."""

    def __init__(
        self,
        codec: VenueCodec,
        streams: MarketStreamCodec,
        data: PublicDataCodec,
        calls: CallDesk,
        instruments: Instruments,
        dialler: Dialler,
        *,
        url: str,
        clock: Clock,
        rng: random.Random,
        spawn: Spawn,
    ) -> None:
        self._codec = codec
        self._streams = streams
        self._data = data
        self._calls = calls
        self._instruments = instruments
        self._dialler = dialler
        self._url = url
        self._clock = clock
        self._rng = rng
        self._spawn = spawn
        self._log = logger(venue=codec.VENUE)
        self._shards: list[_Shard] = []
        self._feeds: dict[Topic, _Feed] = {}
        """By topic, candles with the interval's own name."""
        self._stirred = asyncio.Event()
        self._is_running = False

    # Over REST.

    async def ticker(self, symbol: str) -> Ticker:
        """Raises Refused or NotSent where the venue gave no usable answer."""
        instrument = self._instruments[symbol]
        request = self._data.query_ticker(instrument)
        reply = await self._calls.call(request)
        found = (
            reply
            if isinstance(reply, Failure)
            else self._data.read_ticker(request, reply, instrument)
        )
        return self._or_raise(found, f"the ticker of {symbol}")

    async def candles(
        self, symbol: str, interval: str, *, since_ms: int | None = None, limit: int = 500
    ) -> Sequence[Candle]:
        """The latest `limit` candles, or those from an instant on, oldest first."""
        instrument = self._instruments[symbol]
        try:
            request = self._data.query_candles(
                instrument, interval=interval, since_ms=since_ms, limit=limit
            )
        except ValueError as error:
            raise ConfigurationError(str(error), venue=self._codec.VENUE) from None
        reply = await self._calls.call(request)
        found = (
            reply
            if isinstance(reply, Failure)
            else self._data.read_candles(
                request, reply, instrument, now_ms=self._calls.server_ms_at(self._clock.wall())
            )
        )
        rows = self._or_raise(found, f"the candles of {symbol}")
        return rows[:limit] if since_ms is not None else rows[-limit:]

    async def recent_trades(
        self, symbol: str, *, from_id: int | None = None, since_ms: int | None = None
    ) -> Sequence[PublicTrade]:
        """One page of the public tape, oldest first: the latest, or from an id or instant on."""
        found = await self._read_trades(self._instruments[symbol], from_id, since_ms)
        return self._or_raise(found, f"the trades of {symbol}")

    async def _read_trades(
        self, instrument: Instrument, from_id: int | None, since_ms: int | None
    ) -> Sequence[PublicTrade] | Failure:
        request = self._data.query_trades(instrument, from_id=from_id, since_ms=since_ms)
        deadline = self._clock.now() + BACKFILL_WITHIN_S
        reply = await self._calls.call(request, deadline=deadline)
        if isinstance(reply, Failure):
            return reply
        return self._data.read_trades(request, reply, instrument)

    def _or_raise(self, found: T | Failure, what: str) -> T:
        if isinstance(found, Failure):
            raise read_error(found, venue=self._codec.VENUE, clock=self._clock, what=what)
        return found

    # As it happens.

    def trades(self, symbol: str) -> AsyncGenerator[PublicTrade, None]:
        """Every trade from now on, in the order of their ids and each once.

        What a broken stream missed is read over REST and put in its place; the trades that came
        meanwhile wait for it.
        """
        return self._iterate(Channel.TRADES, symbol, "", QUEUE_MAX)

    def tickers(self, symbol: str) -> AsyncGenerator[Ticker, None]:
        """The latest ticker, each time that it changes. A slow reader misses some."""
        return self._iterate(Channel.TICKER, symbol, "", 1)

    def candle_updates(self, symbol: str, interval: str) -> AsyncGenerator[Candle, None]:
        """The candle of now as it grows, and each one that closes."""
        return self._iterate(Channel.CANDLES, symbol, interval, 100)

    def _iterate(
        self, channel: Channel, symbol: str, interval: str, queue_max: int
    ) -> AsyncGenerator[Any, None]:
        instrument = self._instruments[symbol]
        try:
            topic = self._streams.topic(channel, instrument, interval=interval)
        except ValueError as error:
            raise ConfigurationError(str(error), venue=self._codec.VENUE) from None
        return self._read(topic, instrument, interval, queue_max)

    async def _read(
        self, topic: Topic, instrument: Instrument, interval: str, queue_max: int
    ) -> AsyncGenerator[Any, None]:
        key = Topic(topic.channel, topic.symbol, interval)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = _Feed(topic, instrument, self._shard_for(topic.channel))
            feed.shard.market.want(topic)
            feed.heard_at = self._clock.now()
            self._run()
        reader = _Reader(queue_max)
        feed.readers.append(reader)
        try:
            while True:
                yield await reader.get()
        finally:
            feed.readers.remove(reader)
            if not feed.readers:
                self._feeds.pop(key, None)
                feed.shard.market.forget(topic)

    def _shard_for(self, channel: Channel) -> _Shard:
        url = self._streams.url(self._url, channel)
        for shard in self._shards:
            if shard.url == url and shard.market.room > 0:
                return shard
        shard = _Shard(
            self._streams,
            name=f"public {len(self._shards) + 1}",
            url=url,
            dialler=self._dialler,
            clock=self._clock,
            rng=self._rng,
            on_data=self._heard,
            on_held=self._held,
        )
        self._shards.append(shard)
        self._spawn(shard.market.run_for_ever())
        return shard

    async def close(self) -> None:
        for shard in self._shards:
            await shard.market.close()

    def _held(self, topic: Topic) -> None:
        """Subscribed, perhaps again: what was missed meanwhile is looked for."""
        feed = self._feeds.get(topic)
        if feed is not None and feed.tape is not None and feed.tape.is_begun:
            feed.tape.doubt()
            self._stirred.set()

    def _heard(self, key: Topic, message: Any) -> None:
        feed = self._feeds.get(key)
        if feed is None:
            return
        feed.heard_at = self._clock.now()
        symbol = feed.instrument.symbol
        if feed.tape is None:
            self._give(feed, [replace(message, symbol=symbol)])
            return
        is_new = not feed.tape.is_begun
        rows = message.rows
        if is_new and message.is_snapshot:
            feed.tape.begin(rows[-1])  # from now on
            return
        self._give(feed, feed.tape.heard([replace(row, symbol=symbol) for row in rows]))
        if feed.tape.is_waiting:
            self._stirred.set()

    @staticmethod
    def _give(feed: _Feed, items: Sequence[Any]) -> None:
        for reader in feed.readers:
            for item in items:
                reader.put(item)

    # Finding what was missed.

    def _run(self) -> None:
        if not self._is_running:
            self._is_running = True
            self._spawn(self._look_after_for_ever())

    @apart
    async def _look_after_for_ever(self) -> None:
        while True:
            now = self._clock.now()
            for feed in list(self._feeds.values()):
                tape = feed.tape
                if tape is None or feed.is_busy:
                    continue
                if tape.is_begun and now - max(feed.heard_at, feed.asked_at) > QUIET_S:
                    tape.doubt()
                if tape.is_waiting and now - feed.asked_at >= BACKFILL_EVERY_S:
                    feed.is_busy, feed.asked_at = True, now
                    self._spawn(self._backfill(feed))
            self._stirred.clear()
            try:
                async with asyncio.timeout(1.0):
                    await self._stirred.wait()
            except TimeoutError:
                pass  # time to look again

    @apart
    async def _backfill(self, feed: _Feed) -> None:
        """Read the trades after the last one given, and put them in their place."""
        tape = feed.tape
        assert tape is not None
        try:
            missing = tape.next_missing()
            if missing is None:
                return
            # Where only times are known, from just before the last trade that was given.
            found = await self._read_trades(feed.instrument, missing.from_id, missing.since_ms)
            if isinstance(found, Failure):
                self._log.warning(
                    "outlast.trades_unread",
                    symbol=feed.instrument.symbol,
                    reason=found.describe(),
                )
                return
            lost = tape.lost
            self._give(feed, tape.read(list(found)))
            if tape.lost > lost:
                self._log.warning(
                    "outlast.trades_lost", symbol=feed.instrument.symbol, count=tape.lost - lost
                )
            if not feed.shard.market.line.is_up:
                return
            if found and self._clock.now() - feed.heard_at > QUIET_S and tape.was_behind:
                feed.shard.market.renew(feed.topic)  # the venue traded, and the stream did not say
        finally:
            feed.is_busy = False
            self._stirred.set()
