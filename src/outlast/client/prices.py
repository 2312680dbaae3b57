"""Holds the venue's prices against others, above all on the way back from an outage.

The venue's own price is the middle of its book while that is trusted, and its mark or ticker
otherwise. It is held against the index (USD-M), against what other venues connected and the caller
tell, and against the last price that was trusted before. The judgement is `core.price_guard`'s.

While all is well nothing is asked for: trusted books and what others tell are taken as they come.
On the way back each entry's symbol must have a fresh price that nothing speaks against.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from outlast.client.books import BookRoom
from outlast.client.calls import CallDesk
from outlast.client.events import EventBus, PriceDoubted
from outlast.client.health import HealthDesk
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.price_guard import PriceGuard, PriceGuardSettings
from outlast.errors import Failure
from outlast.model import Instrument
from outlast.wire import Clock, VenueCodec

__all__ = ["PriceDesk"]

LOOK_EVERY_S: Final = 10.0
"""A third of how long a reference counts as fresh; a price costs 1 of 2,400 weight a minute."""


class PriceDesk:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        instruments: Instruments,
        books: BookRoom,
        health: HealthDesk,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        settings: PriceGuardSettings,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._instruments = instruments
        self._books = books
        self._health = health
        self._clock = clock
        self._journal = journal
        self._events = events
        self._settings = settings
        self._log = logger(venue=codec.VENUE)
        self._guards: dict[str, PriceGuard] = {}
        self._doubted: dict[str, str] = {}
        """By symbol, why its price was doubted when it was looked at last."""
        self.is_returning: Callable[[], bool] = lambda: False
        """True while an outage is on or being come back from."""

    # What it says.

    def is_clear(self, symbol: str) -> bool:
        """True while nothing speaks against the price: only what is noted can bring a doubt."""
        return symbol not in self._doubted

    def doubt(self, symbol: str) -> str | None:
        """Why the venue's price cannot be traded on; None when nothing speaks against it."""
        guard = self._guards.get(symbol)
        return None if guard is None else guard.doubt(self._clock.now())

    def price(self, symbol: str) -> Decimal | None:
        """The venue's own price as it was taken last."""
        guard = self._guards.get(symbol)
        return None if guard is None else guard.price

    # What it hears.

    def note(self, symbol: str, price: Decimal) -> None:
        """The venue's own price, as known now."""
        self._guard(symbol).take(price, self._clock.now())
        self._look(symbol)

    def note_reference(self, symbol: str, source: str, price: Decimal) -> None:
        """Another price of the same thing: an index, another venue."""
        self._guard(symbol).reference(source, price, self._clock.now())
        self._look(symbol)

    async def make_ready(self, symbol: str) -> None:
        """On the way back from an outage: have a fresh price of `symbol` before an entry."""
        if not self.is_returning():
            return
        own_at = self._guard(symbol).taken_at
        if own_at is None or self._clock.now() - own_at > LOOK_EVERY_S:
            await self.read(self._instruments[symbol])

    async def read(self, instrument: Instrument) -> Decimal | Failure:
        """Ask the venue for its mark price, or its ticker where it has none, and judge it."""
        request = self._codec.query_mark_price(instrument)
        reply = await self._calls.call(request)
        if isinstance(reply, Failure):
            return self._unread(instrument.symbol, reply)
        price = self._codec.read_mark_price(request, reply)
        if isinstance(price, Failure):
            return self._unread(instrument.symbol, price)
        symbol = instrument.symbol
        if self.is_returning() or not self.is_clear(symbol):
            # At other times a mark off its index is a premium, and no reason to hold anything.
            index = self._codec.read_index_price(request, reply)
            if isinstance(index, Decimal):
                self._guard(symbol).reference("the index", index, self._clock.now())
        middle = self._middle(symbol)
        if middle is not None and instrument.product.has_positions:
            # A mark is made of other venues' prices; spot's ticker is only the book once more.
            self._guard(symbol).reference("the mark", price, self._clock.now())
        self.note(symbol, price if middle is None else middle)
        return price

    async def watch_for_ever(self) -> None:
        """Keep what is trusted, and read anew what is in doubt."""
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            if self._health.is_well:
                for symbol in self._books.kept():
                    middle = self._middle(symbol)
                    if middle is not None:
                        self.note(symbol, middle)
            for symbol in list(self._doubted):
                self._look(symbol)
                if not self.is_clear(symbol):
                    await self.read(self._instruments[symbol])

    # Inside.

    def _unread(self, symbol: str, failure: Failure) -> Failure:
        """It could not be had: on the way back that alone is a doubt."""
        if self.is_returning() or not self.is_clear(symbol):
            self._guard(symbol).unread(f"its price cannot be read ({failure.kind})")
            self._look(symbol)
        return failure

    def _guard(self, symbol: str) -> PriceGuard:
        return self._guards.setdefault(symbol, PriceGuard(self._settings))

    def _middle(self, symbol: str) -> Decimal | None:
        """Of best bid and ask; None where the book may not be read, or has an empty side."""
        peek = self._books.best(symbol)
        if peek is None or not peek.is_fresh:
            return None
        bid, ask = peek.best_bid, peek.best_ask
        return None if bid is None or ask is None else (bid.price + ask.price) / 2

    def _look(self, symbol: str) -> None:
        """Tell of a doubt that is new, or gone."""
        why, before = self.doubt(symbol), self._doubted.get(symbol)
        if why is None:
            self._doubted.pop(symbol, None)
        else:
            self._doubted[symbol] = why
        if (why is None) == (before is None):
            return
        reason, price = why or "", self.price(symbol)
        self._log.warning("outlast.price_doubted", symbol=symbol, reason=reason, price=price)
        self._journal.note("price.doubted", symbol=symbol, reason=reason, price=price)
        self._events.publish(PriceDoubted(symbol=symbol, reason=reason, price=price))
        self._health.note_price(symbol, why)
