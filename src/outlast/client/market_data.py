"""What a session tells of the market. Mixed into `Session`; works without keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from outlast.client.book_reading import BookStream
from outlast.client.market_rooms import MarketRooms
from outlast.core.books import BookPeek, BookView
from outlast.stream_wire import Candle, PublicTrade, Ticker

__all__ = ["MarketData"]


class MarketData:
    """Books that know when they are not the venue's any more, and the public tape."""

    @property
    def _market(self) -> MarketRooms:
        raise NotImplementedError

    async def book(
        self, symbol: str, *, depth: int | None = None, within_s: float | None = None
    ) -> BookView:
        """The book as it is now: subscribed, synchronised, and to be trusted.

        The first call of a symbol subscribes it and waits; from then on it is kept, and a call
        costs nothing. Take a new reading for each decision: one that you hold grows old, and then
        refuses to be read.

        Args:
            depth: how many levels of each side you want, 100 if you do not say.
            within_s: how long to wait for a book that may be read; `Settings.book_ready_s` if left
                out.

        Raises:
            StaleData: there is none in time; the message says why, and how old what is known is.
            ConfigurationError: the venue has no book of that depth, or does not list the symbol.
        """
        return await self._market.books.book(symbol, depth=depth, within_s=within_s)

    def books(self, symbol: str, *, depth: int | None = None) -> BookStream:
        """`async for view in venue.books(symbol)`: a reading after each change, always the latest.

        When the book stops being trusted that is given too, once: reading it raises `StaleData`,
        and `view.is_fresh` says so without raising. `skipped` counts what a slow reader missed.
        """
        rooms = self._market
        return BookStream(rooms.books, symbol, depth)

    def book_peek(self, symbol: str) -> BookPeek | None:
        """What is known of a book, whatever it is worth, with its age. Never raises or waits.

        Before the first book has come this is what the journal kept of the session before, never
        fresh. None when nothing at all is known.
        """
        return self._market.books.best(symbol)

    # The public tape.

    async def ticker(self, symbol: str) -> Ticker:
        """The last day in figures, read now.

        Raises:
            NotSent, Refused: the venue gave no usable answer.
        """
        return await self._market.public.ticker(symbol)

    async def candles(
        self, symbol: str, interval: str = "1m", *, since_ms: int | None = None, limit: int = 500
    ) -> Sequence[Candle]:
        """Candles, oldest first: the latest `limit`, or those from an instant on.

        The last one may not be closed yet: see `Candle.is_closed`. Venues give at most 720 (Kraken)
        or 1,000 (Binance) at a time.

        Raises:
            ConfigurationError: the venue has no such interval; the message lists those it has.
            NotSent, Refused: the venue gave no usable answer.
        """
        return await self._market.public.candles(symbol, interval, since_ms=since_ms, limit=limit)

    async def recent_trades(self, symbol: str) -> Sequence[PublicTrade]:
        """The latest trades of the public tape, oldest first.

        Raises:
            NotSent, Refused: the venue gave no usable answer.
        """
        return await self._market.public.recent_trades(symbol)

    def trades(self, symbol: str) -> AsyncGenerator[PublicTrade, None]:
        """Every public trade from now on, in order and each once.

        What a broken stream missed is read by its ids and put in its place.
        """
        return self._market.public.trades(symbol)

    def tickers(self, symbol: str) -> AsyncGenerator[Ticker, None]:
        """The ticker each time that it changes; always the latest."""
        return self._market.public.tickers(symbol)

    def candle_updates(self, symbol: str, interval: str = "1m") -> AsyncGenerator[Candle, None]:
        """The candle of now as it grows, and each one as it closes.

        Kraken does not say when a candle is closed: it is when the next one begins.
        """
        return self._market.public.candle_updates(symbol, interval)
