"""The rooms of market data, introduced to each other."""

from __future__ import annotations

import random
from collections.abc import Callable, Container
from dataclasses import dataclass

from outlast.client.books import BookRoom
from outlast.client.calls import CallDesk
from outlast.client.events import EventBus
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.public_data import PublicData
from outlast.client.settings import Settings
from outlast.client.settling import Spawn
from outlast.client.streams.dialler import Dialler
from outlast.venues import market_streams, public_data
from outlast.wire import Clock, VenueCodec

__all__ = ["MarketRooms", "furnish_market"]


@dataclass(frozen=True, slots=True)
class MarketRooms:
    """What a session knows of the market."""

    books: BookRoom
    public: PublicData

    async def close(self) -> None:
        await self.books.close()
        await self.public.close()


def furnish_market(
    codec: VenueCodec,
    calls: CallDesk,
    instruments: Instruments,
    dialler: Dialler,
    *,
    url: str,
    clock: Clock,
    journal: Journal,
    events: EventBus,
    spawn: Spawn,
    settings: Settings,
    go_first: Callable[[], Container[str]],
) -> MarketRooms:
    """Nothing is dialled before somebody asks for a book or a tape.

    `go_first` names the symbols whose books are put right before others.
    """
    streams = market_streams(codec.VENUE)
    # Draws of its own: what is read of the market must not shift the jitter of orders.
    seed = None if settings.seed is None else f"{settings.seed}/market"
    rng = random.Random(seed)  # noqa: S311 - jitter
    books = BookRoom(
        codec,
        streams,
        calls,
        instruments,
        dialler,
        url=url,
        clock=clock,
        rng=rng,
        journal=journal,
        events=events,
        spawn=spawn,
        settings=settings.books,
        resync=settings.resync,
        ready_within_s=settings.book_ready_s,
        keep_every_s=settings.book_kept_every_s,
        go_first=go_first,
    )
    public = PublicData(
        codec,
        streams,
        public_data(codec.VENUE),
        calls,
        instruments,
        dialler,
        url=url,
        clock=clock,
        rng=rng,
        spawn=spawn,
    )
    return MarketRooms(books, public)
