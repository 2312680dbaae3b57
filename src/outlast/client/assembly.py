"""Where the rooms of a session are introduced to each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from outlast.backends.http import HttpxTransport, goes_by_proxy
from outlast.backends.http1 import Http1Transport
from outlast.backends.journal import FileStore, MemoryStore
from outlast.client.account import Account
from outlast.client.admission import Admission
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk, Credentials
from outlast.client.events import EventBus
from outlast.client.exits import Exits
from outlast.client.guard import Guard
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.lookups import Lookups
from outlast.client.orders import OrderDesk
from outlast.client.recovery import Held, RecoveryDesk
from outlast.client.settings import Settings
from outlast.client.settling import Settler, Spawn
from outlast.client.upkeep import Upkeep
from outlast.core.refusals import RefusalCircuit
from outlast.core.server_time import ServerClock, ServerClockSettings
from outlast.model import Order
from outlast.wire import Clock, HttpTransport, RecordStore, VenueCodec

__all__ = ["Rooms", "Wiring", "furnish"]


@dataclass(frozen=True, slots=True)
class Wiring:
    """What `connect` has checked and a session is made of."""

    codec: VenueCodec
    credentials: Credentials
    journal: Path | RecordStore | None
    """A file, the caller's own store, or None for memory."""
    settings: Settings
    base_url: str
    transport: HttpTransport | None
    """The caller's own; None for one that the session opens and closes."""
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Everything that works behind one session."""

    store: RecordStore
    journal: Journal
    transport: HttpTransport
    server_clock: ServerClock
    guard: Guard
    recovery: RecoveryDesk
    admission: Admission
    calls: CallDesk
    instruments: Instruments
    book: OrderBookkeeper
    lookups: Lookups
    settler: Settler
    desk: OrderDesk
    account: Account
    exits: Exits
    upkeep: Upkeep


def furnish(
    wiring: Wiring,
    events: EventBus,
    *,
    spawn: Spawn,
    hold: Callable[[str], Held | None],
) -> Rooms:
    """Open the journal and build the rooms. Nothing is sent yet.

    Raises:
        ConfigurationError: the journal cannot be used, or the proxy that the environment names;
            the message names the remedy.
    """
    codec, clock, settings = wiring.codec, wiring.clock, wiring.settings
    venue = codec.VENUE
    rng = random.Random(settings.seed)  # noqa: S311 - for jitter and ids, no secret comes from it
    transport = wiring.transport
    if transport is None:
        by_proxy = goes_by_proxy(wiring.base_url)
        transport = HttpxTransport(clock) if by_proxy else Http1Transport(clock)
    store = _store(wiring.journal)
    try:
        journal = Journal(
            store, venue=venue, clock=clock, rng=rng, uuid_ids=codec.TRAITS.uuid_order_ids
        )
    except BaseException:
        store.close()
        raise
    server_clock = ServerClock(ServerClockSettings(resync_every_s=settings.clock_resync_s))
    limits = codec.limits(settings.tier)
    guard = Guard(
        venue,
        clock=clock,
        server_clock=server_clock,
        journal=journal,
        events=events,
        rng=rng,
        counters=limits,
    )
    admission = Admission(
        limits,
        clock=clock,
        server_seconds=lambda: server_clock.server_ms(clock.wall() * 1000) / 1000,
        clock_error_s=lambda: server_clock.uncertainty_ms(clock.now()) / 1000,
        slots=settings.slots,
    )
    calls = CallDesk(
        codec,
        transport,
        base_url=wiring.base_url,
        credentials=wiring.credentials,
        clock=clock,
        server_clock=server_clock,
        guard=guard,
        admission=admission,
        journal=journal,
        settings=settings,
        rng=rng,
    )
    recovery = RecoveryDesk(
        settings.recovery, guard, clock=clock, journal=journal, events=events, venue=venue
    )
    instruments = Instruments(codec, calls)
    book = OrderBookkeeper(venue=venue, clock=clock, journal=journal, events=events)
    lookups = Lookups(codec, calls, book, instruments)
    settler = Settler(
        codec,
        calls,
        book,
        lookups,
        instruments,
        clock=clock,
        settings=settings,
        spawn=spawn,
        fence_id=journal.ids.next,
    )
    desk = OrderDesk(
        codec,
        calls,
        book,
        settler,
        lookups,
        instruments,
        clock=clock,
        settings=settings,
        refusals=RefusalCircuit(),
        new_id=journal.ids.next,
        hold=hold,
        recovery=recovery,
    )
    account = Account(
        codec,
        calls,
        book,
        instruments,
        clock=clock,
        journal=journal,
        events=events,
        age_max_s=settings.account_age_max_s,
    )
    account.restore(journal.history)
    exits = Exits(
        codec,
        calls,
        book,
        desk,
        lookups,
        account,
        instruments,
        clock=clock,
        journal=journal,
        settings=settings.exit,
        rng=rng,
    )

    def on_change(order: Order, before: Order | None) -> None:
        admission.order_changed(order)
        desk.order_changed(order, before)

    book.on_change = on_change
    account.on_position_change = desk.position_changed
    upkeep = Upkeep(
        codec,
        calls,
        guard,
        book,
        desk,
        lookups,
        account,
        instruments,
        clock=clock,
        server_clock=server_clock,
        journal=journal,
        settings=settings,
        rng=rng,
    )
    return Rooms(
        store=store,
        journal=journal,
        transport=transport,
        server_clock=server_clock,
        guard=guard,
        recovery=recovery,
        admission=admission,
        calls=calls,
        instruments=instruments,
        book=book,
        lookups=lookups,
        settler=settler,
        desk=desk,
        account=account,
        exits=exits,
        upkeep=upkeep,
    )


def _store(journal: Path | RecordStore | None) -> RecordStore:
    if journal is None:
        return MemoryStore()
    return FileStore(journal) if isinstance(journal, Path) else journal
