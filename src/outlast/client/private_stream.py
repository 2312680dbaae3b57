"""The stream of one account: subscribed, caught up with, listened to, and doubted when it is due.

After every connection: subscribe, then compare with what can be asked (the snapshot where the venue
sends one, queries otherwise), fetch the fills since the stream was last relied upon, and only then
rely on it. What it says is folded in from the first message on: nothing in the ledger can be done
twice, and nothing goes backwards.

Two clocks watch it. The line's own measures frames. The other is told what other paths show of our
orders: what the stream does not tell soon after makes it unreliable, whatever its frames say.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from math import inf
from typing import Final

from outlast.client.account import Account, Instant
from outlast.client.account_listener import AccountListener
from outlast.client.admission import Admission
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk, Credentials
from outlast.client.events import EventBus, PrivateStreamChanged
from outlast.client.guard import Guard
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.lookups import CLOCKS_DIFFER_MS, Lookups
from outlast.client.orders import OrderDesk
from outlast.client.settling import Spawn
from outlast.client.streams.dialler import Dialler
from outlast.client.streams.line import Sent, StreamLine
from outlast.client.tickets import TicketDesk, charge_dial
from outlast.client.upkeep import Upkeep
from outlast.core.stream_trust import AccountOwed, Expectations
from outlast.errors import Failure, Remedy
from outlast.model import Execution, Order, OrderReport, OrderStatus, Source
from outlast.private_wire import (
    AccountMoved,
    AmountsShown,
    BalanceTold,
    FillsTold,
    FillTold,
    News,
    OpenOrdersTold,
    OrderTold,
    OrderTouched,
    PositionTold,
    PrivateReader,
    PrivateStreamCodec,
    StreamEnding,
    SubscribeAnswered,
    Ticket,
    Unrecognised,
)
from outlast.wire import Clock

__all__ = ["PrivateStream"]

LOSS_ONCE_IN_S: Final = 120.0
ANSWER_WITHIN_S: Final = 10.0
"""For the answer to a subscription. The venues answer within a second when they are well."""
SNAPSHOT_WITHIN_S: Final = 3.0
"""For the snapshot after it; without one the orders are asked for."""
TAKEN_UP_WITHIN_S: Final = 1.0
CATCH_UP_FIRST_S: Final = 1.0
CATCH_UP_MOST_S: Final = 15.0
UNREAD_NOTES_MAX: Final = 100
"""Of one connection; a venue that changes its words must not fill the journal."""
_ERAS_KEPT: Final = 4

_VENUES_WORD: Final = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
    OrderStatus.EXPIRED,
)


class _Era:
    """What one connection has said."""

    def __init__(self, reader: PrivateReader, asked: Instant) -> None:
        self.reader = reader
        self.asked = asked
        """A moment before it was asked for anything."""
        self.answers: dict[int, SubscribeAnswered] = {}
        self.answered = asyncio.Event()
        self.shown: frozenset[str] | None = None
        """The open orders of its snapshot."""
        self.has_amounts = False
        """Its snapshot of balances has come."""
        self.fills_since_ms: int | None = None
        """From when on its snapshot of fills is complete; None: it sent none."""
        self.has_data = False
        """It has brought something else than answers."""
        self.ending: str = ""
        self.unread = 0

    @property
    def is_shown(self) -> bool:
        return self.shown is not None and self.has_amounts


class PrivateStream:
    """Listens to the account. Nothing in here decides: it feeds the ledger and the account."""

    def __init__(
        self,
        codec: PrivateStreamCodec,
        tickets: TicketDesk,
        calls: CallDesk,
        orders: OrderBookkeeper,
        desk: OrderDesk,
        lookups: Lookups,
        account: Account,
        upkeep: Upkeep,
        instruments: Instruments,
        guard: Guard,
        admission: Admission,
        dialler: Dialler,
        *,
        venue: str,
        url: str,
        credentials: Credentials,
        valid_for_s: float,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        rng: random.Random,
        spawn: Spawn,
    ) -> None:
        self._codec = codec
        self._tickets = tickets
        self._calls = calls
        self._orders = orders
        self._desk = desk
        self._lookups = lookups
        self._account = account
        self._upkeep = upkeep
        self._instruments = instruments
        self._guard = guard
        self._admission = admission
        self._url = url
        self._credentials = credentials
        self._valid_for_ms = round(valid_for_s * 1000)
        self._clock = clock
        self._journal = journal
        self._events = events
        self._spawn = spawn
        self._log = logger(venue=venue)
        self._listener = AccountListener(orders, lookups, account, instruments, venue=venue)
        self.on_moved: Callable[[AccountMoved], object] = lambda _: None
        """Hears what moved the account besides our orders."""
        self._expectations = Expectations()
        self._owed = AccountOwed()
        self._expecting = asyncio.Event()
        self._eras: dict[int, _Era] = {}
        self._was_up = asyncio.Event()
        self._live_era = 0
        """The connection that is relied upon; 0: none is."""
        self._live_until: float | None = None
        self._missed_since_ms: int | None = None
        """The venue's time until which everything was heard, or asked for."""
        self._is_dropping = False
        """The loss that is about to be heard of is our own doing."""
        self._lost_told_at = -inf
        self._touched: set[str] = set()
        """Symbols on which something may have happened unheard."""
        ping = codec.PING
        self.line = StreamLine(
            name="private",
            dialler=dialler,
            clock=clock,
            rng=rng,
            where=self._where,
            on_up=self._greet,
            on_message=self._on_message,
            on_down=self._on_down,
            silence_limit_s=codec.SILENCE_LIMIT_S,
            ping=None if ping is None else lambda: ping,
            urgent=True,
        )

    # For the session.

    async def run_for_ever(self) -> None:
        """Keep it up until cancelled."""
        self._missed_since_ms = self._calls.server_now_ms()
        async with asyncio.TaskGroup() as chores:
            chores.create_task(self.line.run_for_ever())
            chores.create_task(self._catch_up_for_ever())
            chores.create_task(self._watch_for_ever())
            chores.create_task(self._tickets.keep_for_ever())

    @property
    def is_live(self) -> bool:
        """True while it is up, has been caught up with, and is not doubted."""
        return self._live_era != 0 and self.line.is_up

    def vouched_at(self) -> float | None:
        """Until when (monotonic) it would have told of every change; None before the first time."""
        return self._clock.now() if self.is_live else self._live_until

    def order_changed(self, order: Order) -> None:
        """Another path has shown an order of ours: this one should, too."""
        if not self.is_live:
            self._touched.add(order.symbol)
            return
        if order.is_external or order.source is not Source.REST:
            return
        if order.status in _VENUES_WORD:
            self._expectations.expect(
                order.client_order_id,
                filled=order.filled_qty,
                is_final=order.status.is_final,
                now=self._clock.now(),
            )
            self._expecting.set()

    # Dialling.

    async def _where(self) -> str | None:
        ticket: Ticket | None = None
        if not self._tickets.has_none:
            given = await self._tickets.fresh()
            if not isinstance(given, Ticket):
                if given is not None:
                    self._log.warning("outlast.ticket_refused", reason=given.describe())
                return None
            ticket = given
        if not await charge_dial(self._codec.DIAL_COSTS, self._admission, self._clock):
            return None
        return self._codec.private_url(self._url, ticket)

    async def _greet(self, line: StreamLine) -> None:
        era = self._era(line.era)
        ticket = self._tickets.at_hand()
        key, secret = self._credentials.key, self._credentials.secret
        assert key is not None
        assert secret is not None
        hellos = self._codec.hello(
            key=key,
            secret=secret,
            ticket=ticket,
            timestamp_ms=self._calls.server_now_ms(),
            valid_for_ms=self._valid_for_ms,
        )
        for hello in hellos:
            if await line.send(hello.text) is Sent.NOTHING:
                line.drop("the subscription could not be sent")
                return
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while any(hello.number not in era.answers for hello in hellos) and not era.ending:
                era.answered.clear()
                await era.answered.wait()
        refusals = [answer for answer in era.answers.values() if answer.remedy is not None]
        if refusals or era.ending:
            for refusal in refusals:
                await self._take_refusal(refusal, ticket)
            line.drop(era.ending or f"the subscription was refused: {refusals[0].error}")
            return
        self._journal.note("stream.up", stream="private", era=line.era)
        self._was_up.set()

    async def _take_refusal(self, refusal: SubscribeAnswered, ticket: Ticket | None) -> None:
        match refusal.remedy:
            case Remedy.RESYNC:
                await self._calls.sync_clock()
            case Remedy.WAIT_BAN:
                now = self._clock.now()
                self._guard.dialled(
                    sent_at=now, refused=refusal.error, retry_after_s=refusal.retry_after_s
                )
            case _:
                self._tickets.refused(ticket)

    def _era(self, number: int) -> _Era:
        """What the connection of this number says; some speak before they are greeted."""
        era = self._eras.get(number)
        if era is None:
            reader = self._codec.reader(self._instruments.by_venue_symbol)
            calls = self._calls
            passed_ms = calls.server_earliest_ms()
            asked = Instant(self._clock.wall(), calls.server_now_ms(), passed_ms)
            era = self._eras[number] = _Era(reader, asked)
            for old in sorted(self._eras)[:-_ERAS_KEPT]:
                del self._eras[old]
        return era

    def _on_down(self, reason: str) -> None:
        now, was_live = self._clock.now(), self._live_era != 0
        self._expectations.begin_anew()
        self._owed.begin_anew()
        if was_live:
            self._live_era, self._live_until = 0, now
            self._missed_since_ms = self._calls.server_now_ms()
            self._tell_guard(now)
        self._journal.note("stream.down", stream="private", reason=reason, was_live=was_live)
        self._events.publish(PrivateStreamChanged(is_live=False, reason=reason))
        self._touched |= {order.symbol for order in self._open_and_unknown()}
        self._upkeep.poll_wanted.set()

    def _tell_guard(self, now: float) -> None:
        """A loss is evidence about the venue; one that we have brought about is none, and a storm
        of them is one event: it must not hold the queries that make up for the stream."""
        is_ours, self._is_dropping = self._is_dropping, False
        if not is_ours and now - self._lost_told_at >= LOSS_ONCE_IN_S:
            self._lost_told_at = now
            self._guard.user_stream_lost()

    def _drop(self, reason: str) -> None:
        self._is_dropping = True
        self.line.drop(reason)

    # Catching up.

    async def _catch_up_for_ever(self) -> None:
        while True:
            await self._was_up.wait()
            self._was_up.clear()
            number, up_at = self._newest_era(), self._clock.now()
            pause_s = CATCH_UP_FIRST_S
            while number == self._newest_era():
                asked_ms = self._calls.server_now_ms()
                era = self._eras[number]
                failure = await self._catch_up(era, up_at)
                if failure is None:
                    if await self._in_use(number) and not era.ending:
                        self._rely_on(number, asked_ms)
                    break
                self._log.warning("outlast.catch_up_failed", reason=failure.describe())
                await self._clock.sleep(max(pause_s, failure.retry_after_s or 0.0))
                pause_s = min(2 * pause_s, CATCH_UP_MOST_S)

    async def _in_use(self, number: int) -> bool:
        """Whether the connection is the one in use; it is a moment after it was made ready."""
        until = self._clock.now() + TAKEN_UP_WITHIN_S
        while number == self._newest_era() and self._clock.now() < until:
            if self.line.is_up and self.line.era == number:
                return True
            await self._clock.sleep(TAKEN_UP_WITHIN_S / 20)
        return False

    def _newest_era(self) -> int:
        return max(self._eras, default=0)

    def _rely_on(self, number: int, asked_ms: int) -> None:
        self._live_era, self._missed_since_ms = number, asked_ms
        self._touched.clear()
        self._journal.note("stream.live", stream="private", era=number)
        self._events.publish(PrivateStreamChanged(is_live=True, reason=""))

    async def _catch_up(self, era: _Era, up_at: float) -> Failure | None:
        """Ask for what the stream does not repeat; the first failure."""
        since_ms = self._missed_since_ms
        assert since_ms is not None
        held = self._open_and_unknown()
        symbols = self._touched | {order.symbol for order in held}
        if self._codec.SNAPSHOT_TELLS_ORDERS and not era.is_shown:
            await self._snapshot_or_timeout(era)
            if not era.has_data:
                self._doubt("it has confirmed its subscriptions and brings nothing")
                return None
            if not era.has_amounts:
                # Nothing else shows that a balance has moved without an order.
                self._doubt("it has confirmed its subscriptions and does not tell of balances")
                return None
        if era.shown is None:
            for what in self._account.readable:
                failure = await self._account.refresh(what, age_max_s=self._clock.now() - up_at)
                if failure is not None:
                    return failure
            for symbol in sorted({order.symbol for order in self._orders.ledger.open()}):
                failure = await self._upkeep.poll_orders(symbol)
                if failure is not None:
                    return failure
        else:
            failure = await self._look_for_missing(held, era.shown)
            if failure is not None:
                return failure
        if era.fills_since_ms is not None and era.fills_since_ms <= since_ms:
            return None  # its snapshot has them all
        return await self._lookups.executions_of(symbols, since_ms=since_ms - CLOCKS_DIFFER_MS)

    async def _snapshot_or_timeout(self, era: _Era) -> None:
        try:
            async with asyncio.timeout(SNAPSHOT_WITHIN_S):
                while not era.is_shown and not era.ending:
                    era.answered.clear()
                    await era.answered.wait()
        except TimeoutError:
            self._log.warning("outlast.snapshot_missing")

    async def _look_for_missing(self, held: list[Order], shown: frozenset[str]) -> Failure | None:
        """What was open and is not in the snapshot has ended: how, only a query tells."""
        for order in held:
            known = self._orders.ledger.get(order.client_order_id)
            if known is None or order.client_order_id in shown:
                continue
            if known.status in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED):
                instrument = self._instruments[order.symbol]
                failure = await self._desk.look_for(known, instrument)
                if failure is not None:
                    return failure
        return None

    def _open_and_unknown(self) -> list[Order]:
        ledger = self._orders.ledger
        return [*ledger.open(), *ledger.unknown()]

    # Watching.

    async def _watch_for_ever(self) -> None:
        """The second clock: what should have been told and was not."""
        while True:
            dues = (self._expectations.next_due, self._owed.next_due)
            due = min((at for at in dues if at is not None), default=None)
            if due is None:
                self._expecting.clear()
                await self._expecting.wait()
                continue
            now = self._clock.now()
            if due > now:
                await self._clock.sleep(due - now)
                continue
            missing, is_owed = self._expectations.overdue(now), self._owed.is_overdue(now)
            self._expectations.begin_anew()
            self._owed.begin_anew()
            if missing is not None:
                self._doubt(f"it has not told of order {missing}, which another path has shown")
            elif is_owed:
                self._doubt("it has told of a fill, and not of what that did to the account")

    def _doubt(self, reason: str) -> None:
        self._log.warning("outlast.stream_doubted", reason=reason)
        self._journal.note("stream.doubted", stream="private", reason=reason)
        self._tickets.refused(None)  # a key that serves nobody may be the reason
        self._drop(reason)

    # Hearing.

    def _on_message(self, message: bytes) -> None:
        number = self.line.message_era
        era = self._era(number)
        unowned: list[Execution] = []
        for news in era.reader.read(message):
            era.has_data |= not isinstance(news, SubscribeAnswered | Unrecognised)
            self._hear(news, era, number, unowned)
        for execution in unowned:
            if not self._orders.book(execution):
                self._spawn(self._listener.adopt(execution))

    def _hear(self, news: News, era: _Era, number: int, unowned: list[Execution]) -> None:
        match news:
            case FillTold(execution):
                if not self._listener.book(execution):
                    unowned.append(execution)  # its order comes next, if it was not ours
                if self.is_live:
                    self._owed.filled(execution.venue_time_ms, now=self._clock.now())
                    self._expecting.set()
            case OrderTold(report):
                self._hear_order(report)
            case OrderTouched():
                self._spawn(self._listener.look_into(news))
            case BalanceTold() | PositionTold():
                self._hear_amount(news, era)
            case AmountsShown():
                era.has_amounts = True
                era.answered.set()
            case AccountMoved():
                self.on_moved(news)
            case OpenOrdersTold(reports):
                for report in reports:
                    self._hear_order(report)
                era.shown = frozenset(report.client_order_id for report in reports)
                era.answered.set()
            case FillsTold(executions, since_ms):
                for execution in executions:
                    self._listener.book(execution)  # of other programs' old orders nothing is kept
                era.fills_since_ms = since_ms or 0
            case SubscribeAnswered():
                era.answers[news.number] = news
                era.answered.set()
            case StreamEnding():
                self._end(news, era, number)
            case Unrecognised(what):
                self._hear_unread(what, era)

    def _hear_order(self, report: OrderReport) -> None:
        order = self._listener.hear_order(report)
        if order is None:
            return
        self._expectations.told(
            report.client_order_id,
            filled=report.filled_qty,
            is_final=report.status.is_final,
        )
        if not self.is_live:
            self._touched.add(order.symbol)

    def _hear_amount(self, told: BalanceTold | PositionTold, era: _Era) -> None:
        if told.at_ms is not None:
            self._owed.told(told.at_ms)
        self._listener.hear_amount(told, asked=era.asked)

    def _end(self, ending: StreamEnding, era: _Era, number: int) -> None:
        if ending.ticket_is_dead:
            self._tickets.refused(None)
        era.ending = ending.reason
        era.answered.set()
        if number == self.line.era and self.line.is_up:
            self._drop(ending.reason)

    def _hear_unread(self, what: str, era: _Era) -> None:
        era.unread += 1
        if era.unread <= UNREAD_NOTES_MAX:
            self._log.warning("outlast.message_unrecognised", what=what[:200])
            self._journal.note("stream.unrecognised", stream="private", what=what[:200])
