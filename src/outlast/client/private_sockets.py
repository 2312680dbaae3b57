"""Where the private sockets of a session are introduced to its rooms, as far as settings want."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass

from outlast.client.account import Account
from outlast.client.admission import Admission
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk, Credentials
from outlast.client.events import EventBus
from outlast.client.flows import FlowDesk
from outlast.client.guard import Guard
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.lookups import Lookups
from outlast.client.orders import OrderDesk
from outlast.client.private_stream import PrivateStream
from outlast.client.settings import Settings
from outlast.client.settling import Spawn
from outlast.client.streams.dialler import Dialler
from outlast.client.tickets import TicketDesk
from outlast.client.trade_socket import TradeSocket
from outlast.client.upkeep import Upkeep
from outlast.model import Order
from outlast.venues import private_stream, trade_socket
from outlast.wire import Clock, VenueCodec

__all__ = ["PrivateSockets", "open_private_sockets"]


@dataclass(frozen=True, slots=True)
class PrivateSockets:
    """The stream of the account and the socket for orders; None for what is not wanted."""

    stream: PrivateStream | None
    trade: TradeSocket | None

    async def run_for_ever(self) -> None:
        """Keep them up until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self.stream is not None:
                tasks.create_task(self.stream.run_for_ever())
            if self.trade is not None:
                tasks.create_task(self.trade.run_for_ever())

    def order_changed(self, order: Order) -> None:
        if self.stream is not None:
            self.stream.order_changed(order)


def open_private_sockets(
    codec: VenueCodec,
    *,
    calls: CallDesk,
    book: OrderBookkeeper,
    desk: OrderDesk,
    lookups: Lookups,
    account: Account,
    flows: FlowDesk,
    upkeep: Upkeep,
    instruments: Instruments,
    guard: Guard,
    admission: Admission,
    dialler: Dialler,
    credentials: Credentials,
    urls: Mapping[str, str],
    settings: Settings,
    clock: Clock,
    journal: Journal,
    events: EventBus,
    spawn: Spawn,
) -> PrivateSockets:
    """Build what the settings want and hook it in. Nothing is dialled before `run_for_ever`."""
    venue = codec.VENUE
    if credentials.key is None or not (settings.streams or settings.order_entry != "rest"):
        return PrivateSockets(None, None)
    stream_codec = private_stream(venue)
    tickets = TicketDesk(stream_codec, calls, clock=clock)
    stream: PrivateStream | None = None
    trade: TradeSocket | None = None
    if settings.streams:
        stream = PrivateStream(
            stream_codec,
            tickets,
            calls,
            book,
            desk,
            lookups,
            account,
            upkeep,
            instruments,
            guard,
            admission,
            dialler,
            venue=venue,
            url=_url(codec, urls, "private_stream"),
            credentials=credentials,
            valid_for_s=settings.valid_for_s,
            clock=clock,
            journal=journal,
            events=events,
            rng=random.Random(settings.seed),  # noqa: S311 - jitter
            spawn=spawn,
        )
        live = stream

        def is_live() -> bool:
            return live.is_live

        stream.on_moved = flows.hear
        account.vouched_at = stream.vouched_at
        upkeep.stream_is_live = desk.stream_is_live = is_live
    if settings.order_entry == "websocket-first":
        trade = TradeSocket(
            trade_socket(venue),
            tickets,
            admission,
            dialler,
            venue=venue,
            url=_url(codec, urls, "trade_stream"),
            credentials=credentials,
            valid_for_s=settings.valid_for_s,
            clock=clock,
            journal=journal,
            rng=random.Random(settings.seed),  # noqa: S311 - jitter
        )
        trade.on_late = desk.answered_late
        calls.by_socket = trade
    return PrivateSockets(stream, trade)


def _url(codec: VenueCodec, urls: Mapping[str, str], name: str) -> str:
    return urls.get(name, codec.DEFAULT_ENDPOINTS[name]).rstrip("/")
