"""Where the rooms of a session are introduced to each other."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outlast.backends.http import HttpxTransport, goes_by_proxy
from outlast.backends.http1 import Http1Transport
from outlast.backends.sockets import WebsocketsTransport
from outlast.client.account import Account
from outlast.client.admission import Admission
from outlast.client.amend_settling import AmendSettler
from outlast.client.amending import AmendDesk
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.books import BookRoom
from outlast.client.calls import CallDesk, Credentials
from outlast.client.cancelling import CancelDesk
from outlast.client.durability import DiskWait
from outlast.client.events import EventBus
from outlast.client.exits import Exits
from outlast.client.flows import FlowDesk
from outlast.client.gate import GateDesk, halt_file_of
from outlast.client.guard import Guard
from outlast.client.health import HealthDesk
from outlast.client.hedging import Hedging
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.journal_file import open_journal
from outlast.client.logs import logger
from outlast.client.lookups import Lookups
from outlast.client.market_rooms import MarketRooms, furnish_market
from outlast.client.orders import OrderDesk
from outlast.client.prices import PriceDesk
from outlast.client.private_sockets import PrivateSockets, open_private_sockets
from outlast.client.recovery import RecoveryDesk
from outlast.client.settings import Settings
from outlast.client.settling import Settler, Spawn
from outlast.client.status_pages import StatusPagePoller
from outlast.client.streams.dialler import Dialler
from outlast.client.upkeep import Upkeep
from outlast.client.withdrawal import QuoteWithdrawal
from outlast.core.recovery import Stage
from outlast.core.refusals import RefusalCircuit
from outlast.core.server_time import ServerClock, ServerClockSettings
from outlast.model import Order, Plane
from outlast.notices import STANDING_STILL, PageMap, PageRule, VenueMode
from outlast.stream_wire import SocketTransport
from outlast.venues import flows as list_of_flows
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
    urls: Mapping[str, str] = field(default_factory=dict)
    """All roots by name: `rest`, `stream`, `private_stream`, `trade_stream`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Everything that works behind one session."""

    store: RecordStore
    journal: Journal
    transport: HttpTransport
    dialler: Dialler
    """For every WebSocket of the session."""
    market: MarketRooms
    server_clock: ServerClock
    guard: Guard
    recovery: RecoveryDesk
    health: HealthDesk
    prices: PriceDesk
    gate: GateDesk
    page_transport: HttpTransport | None
    """For the status page alone; None where none is read."""
    admission: Admission
    calls: CallDesk
    instruments: Instruments
    book: OrderBookkeeper
    lookups: Lookups
    settler: Settler
    desk: OrderDesk
    amends: AmendDesk
    cancels: CancelDesk
    account: Account
    flows: FlowDesk
    exits: Exits
    withdrawal: QuoteWithdrawal
    upkeep: Upkeep
    private: PrivateSockets


def furnish(
    wiring: Wiring,
    events: EventBus,
    *,
    spawn: Spawn,
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
    if isinstance(transport, HttpxTransport):
        log = logger(venue=venue)
        transport.on_stuck = lambda why: log.error("outlast.pool_stuck", reason=why)
    store, journal = open_journal(
        wiring.journal,
        functools.partial(
            Journal, venue=venue, clock=clock, rng=rng, uuid_ids=codec.TRAITS.uuid_order_ids
        ),
        venue=venue,
    )
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
    if settings.shadow:
        guard.shadow()
    dialler = Dialler(_sockets(settings), guard, clock=clock, venue=venue)
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
    spares = _spare_roots(wiring)
    if spares:
        calls.hedging = Hedging(spares, guard, clock)
    recovery = RecoveryDesk(
        settings.recovery, guard, clock=clock, journal=journal, events=events, venue=venue
    )
    instruments = Instruments(codec, calls, journal=journal)
    instruments.on_limits = admission.set_limits
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
    health = HealthDesk(
        codec,
        calls,
        guard,
        instruments,
        clock=clock,
        journal=journal,
        events=events,
        settings=settings,
        rng=_own_rng(settings, "health"),
    )
    health.modes.is_returning = lambda: recovery.stage is not Stage.FREE
    health.modes.on_change = health.schedule.on_change = recovery.look
    recovery.why_closed = lambda: instruments.why_kept() or health.modes.why_closed()
    market = furnish_market(
        codec,
        calls,
        instruments,
        dialler,
        url=wiring.urls.get("stream", codec.DEFAULT_ENDPOINTS["stream"]),
        clock=clock,
        journal=journal,
        events=events,
        spawn=spawn,
        settings=settings,
        go_first=lambda: {order.symbol for order in book.ledger.open()},
    )
    prices = PriceDesk(
        codec,
        calls,
        instruments,
        market.books,
        health,
        clock=clock,
        journal=journal,
        events=events,
        settings=settings.gate.prices,
    )
    prices.is_returning = lambda: recovery.stage is not Stage.FREE
    gate = GateDesk(
        guard,
        book,
        account,
        instruments,
        recovery,
        health,
        prices,
        clock=clock,
        journal=journal,
        events=events,
        settings=settings,
        venue=venue,
        halt_file=halt_file_of(settings.halt_file, wiring.journal),
        has_keys=wiring.credentials.key is not None,
    )
    health.modes.on_mode = functools.partial(_stop_books, market.books)
    market.books.on_stream = functools.partial(health.note_stream, Plane.MARKET_DATA)
    page = _status_page(wiring, health)
    health.page = page
    refusals = RefusalCircuit()
    on_disk = DiskWait(store.sync).reached if settings.durability == "power" else None
    amend_settler = AmendSettler(
        book, lookups, settler, instruments, clock=clock, settings=settings, spawn=spawn
    )
    amends = AmendDesk(
        codec,
        calls,
        book,
        amend_settler,
        lookups,
        instruments,
        clock=clock,
        settings=settings,
        refusals=refusals,
        gate=gate,
        recovery=recovery,
        on_disk=on_disk,
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
        refusals=refusals,
        new_id=journal.ids.next,
        gate=gate,
        recovery=recovery,
        amends=amends,
        on_disk=on_disk,
    )
    cancels = CancelDesk(codec, calls, book, desk, lookups, instruments, clock=clock)
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

    withdrawal = QuoteWithdrawal(
        book,
        health,
        cancels.cancel_many,
        clock=clock,
        journal=journal,
        events=events,
        venue=venue,
    )

    def on_change(order: Order, before: Order | None) -> None:
        admission.order_changed(order)
        desk.order_changed(order, before)
        account.late.note_order(order)
        private.order_changed(order)

    book.on_change = on_change
    account.on_position_change = desk.position_changed

    def on_nothing_to_cancel(order: Order) -> None:
        account.late.note_cancel(order)
        spawn(upkeep.cancel_again(order))

    desk.on_nothing_to_cancel = on_nothing_to_cancel
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
    flows = FlowDesk(
        list_of_flows(venue),
        calls,
        account,
        instruments,
        clock=clock,
        journal=journal,
        events=events,
        rng=_own_rng(settings, "flows"),
    )
    flows.is_returning = lambda: recovery.stage is not Stage.FREE
    private = open_private_sockets(
        codec,
        calls=calls,
        book=book,
        desk=desk,
        lookups=lookups,
        account=account,
        flows=flows,
        upkeep=upkeep,
        instruments=instruments,
        guard=guard,
        admission=admission,
        dialler=dialler,
        credentials=wiring.credentials,
        urls=wiring.urls,
        settings=settings,
        clock=clock,
        journal=journal,
        events=events,
        spawn=spawn,
    )
    return Rooms(
        store=store,
        journal=journal,
        transport=transport,
        dialler=dialler,
        market=market,
        server_clock=server_clock,
        guard=guard,
        recovery=recovery,
        health=health,
        prices=prices,
        gate=gate,
        page_transport=None if page is None else page.transport,
        admission=admission,
        calls=calls,
        instruments=instruments,
        book=book,
        lookups=lookups,
        settler=settler,
        desk=desk,
        amends=amends,
        cancels=cancels,
        account=account,
        flows=flows,
        exits=exits,
        withdrawal=withdrawal,
        upkeep=upkeep,
        private=private,
    )


def _spare_roots(wiring: Wiring) -> tuple[str, ...]:
    """Other hosts for copies of slow reads: the caller's `rest_spare`, or the venue's own."""
    spare = wiring.urls.get("rest_spare")
    if spare is not None:
        return (spare,)
    is_usual = wiring.base_url == wiring.codec.DEFAULT_ENDPOINTS["rest"]
    return wiring.codec.TRAITS.spare_roots if is_usual else ()


def _sockets(settings: Settings) -> SocketTransport:
    if not settings.fast_sockets:
        return WebsocketsTransport()
    from outlast.backends.fast_sockets import PicowsTransport  # noqa: PLC0415 - an extra

    return PicowsTransport()


def _own_rng(settings: Settings, name: str) -> random.Random:
    """For a room whose draws must not shift those of the others."""
    seed = None if settings.seed is None else f"{settings.seed}/{name}"
    return random.Random(seed)  # noqa: S311 - jitter


def _stop_books(books: BookRoom, symbol: str | None, mode: VenueMode) -> None:
    """Where the venue stands still, what its books show cannot be had."""
    if mode in STANDING_STILL:
        books.halt(f"{symbol or 'the venue'} is {mode.value}", symbol)
    else:
        books.resume(symbol)


def _status_page(wiring: Wiring, health: HealthDesk) -> StatusPagePoller | None:
    """The poller of the page that the settings, the endpoints or the venue name; None for none."""
    settings, page = wiring.settings, wiring.codec.STATUS_PAGE
    url = settings.status_page
    if url is None:
        url = wiring.urls.get("status_page")
    if url is None and wiring.transport is None:
        url = page.url  # whoever brings a transport of their own wants no traffic besides it
    if not url:
        return None
    rules = settings.status_page_planes
    page = PageMap(
        # The id belongs to the venue's own page; another one is held to the first that answers.
        page_id=page.page_id if settings.status_page is None else None,
        rules=page.rules
        if rules is None
        else tuple(PageRule(pattern, frozenset(planes)) for pattern, planes in rules.items()),
        ignored=page.ignored if rules is None else (),
    )
    clock, venue = wiring.clock, wiring.codec.VENUE
    transport = (
        HttpxTransport(clock) if goes_by_proxy(url) else Http1Transport(clock, connections_max=1)
    )
    return StatusPagePoller(
        url.rstrip("/"),
        page,
        transport,
        clock=clock,
        rng=_own_rng(settings, "status page"),
        venue=venue,
        on_report=health.note_page,
        is_suspected=lambda: not health.is_well,
    )
