"""A session: one account at one product of one venue."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Any, Literal, Self

from outlast.client.assembly import Rooms, Wiring, furnish
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.breakers import Breakers
from outlast.client.dead_mans_switch import (
    DeadMansSwitch,
    check_during_maintenance,
    check_timeout,
)
from outlast.client.events import AccountChanged, Event, EventBus
from outlast.client.exits import CloseReport
from outlast.client.holdings import Balances, Positions
from outlast.client.logs import logger
from outlast.client.market_data import MarketData
from outlast.client.market_rooms import MarketRooms
from outlast.client.opening import Opening
from outlast.client.orders import CancelReport
from outlast.client.pruning import prunable, prune_for_ever
from outlast.client.raising import read_error
from outlast.client.settings import Settings
from outlast.client.venue_health import VenueHealth
from outlast.core.gate import Shape
from outlast.core.order_checks import quantize
from outlast.errors import ConfigurationError, Failure, StaleData
from outlast.model import (
    Instrument,
    Money,
    Order,
    OrderRequest,
    OrderStatus,
    TradingState,
    money,
)

__all__ = ["Orders", "ReconcileReport", "Session"]


class Orders:
    """The session's orders, from the cache; `Order.as_of` says how old each is."""

    def __init__(self, book: OrderBookkeeper) -> None:
        self._ledger = book.ledger

    def open(self, symbol: str | None = None) -> list[Order]:
        """Orders that the venue has acknowledged and that can still fill, others' included."""
        return self._ledger.open(symbol)

    def unknown(self, symbol: str | None = None) -> list[Order]:
        """Orders that may be live without our knowing. Each is being settled."""
        return [o for o in self._ledger.unknown(symbol) if o.status is OrderStatus.UNKNOWN]

    def get(self, client_order_id: str) -> Order | None:
        """One order by our id; None when this session's journal has none of it."""
        return self._ledger.get(client_order_id)

    def all(self) -> list[Order]:
        """Every order that the journal or the venue has told of, oldest first."""
        return list(self._ledger)


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """What one comparison with the venue found."""

    changed: tuple[Order, ...]
    """Orders whose state was not what we held."""
    external: tuple[Order, ...]
    """Open orders that this journal did not send."""
    unknown: tuple[Order, ...]
    """Orders that may be live, or by other terms, without our knowing."""
    failures: tuple[str, ...]
    """Questions that the venue did not answer: what they ask about is not reconciled."""
    doubted: Mapping[str, str] = field(default_factory=dict)
    """By currency or symbol, why the venue's answer about it is not believed. It is asked for
    again and again; `Session.accept_report` ends what can end no other way."""
    moved: tuple[AccountChanged, ...] = ()
    """Transfers, funding payments and liquidations that nobody had told of, where the venue has a
    list of them (Binance USD-M); from the journal's beginning on."""

    @property
    def is_complete(self) -> bool:
        return not self.failures and not self.unknown and not self.doubted


class Session(MarketData):
    """Made by `outlast.connect`; use it with `async with`.

    `orders`, `balances`, `positions` and `instruments` are what is known, with its age; the
    coroutines ask the venue.
    """

    def __init__(self, wiring: Wiring) -> None:
        self.venue = wiring.codec.VENUE
        self._wiring = wiring
        self._codec = wiring.codec
        self._clock = wiring.clock
        self._settings = wiring.settings
        self._log = logger(venue=self.venue)
        self._events = EventBus(wiring.settings.events_max)
        self._has_keys = wiring.credentials.key is not None
        self._tasks: asyncio.TaskGroup | None = None
        self._background: list[asyncio.Task[None]] = []
        self._rooms: Rooms | None = None
        self._is_closing = self._is_closed = False
        self.around_exit: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
        """Wraps each `close_position` (symbol): `connect_many` watches there for its hedge."""
        self._orders_read_at: dict[bool, float] = {}
        """When all open orders were asked for last, on the way back from an outage (monotonic);
        conditional ones apart, where the venue lists them apart."""

    def __repr__(self) -> str:
        return f"<Session {self.venue}>"

    # Opening and closing.

    async def __aenter__(self) -> Self:
        if self._rooms is not None:
            raise ConfigurationError("this session was used before; call connect() again")
        rooms = furnish(self._wiring, self._events, spawn=self._spawn)
        self._rooms = rooms
        self.instruments = rooms.instruments
        self.breakers = Breakers(rooms.guard, self._clock)
        self.orders = Orders(rooms.book)
        self.balances = Balances(rooms.account, self.venue)
        self.positions = Positions(rooms.account, rooms.instruments, self.venue)
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        try:
            self._spawn(rooms.upkeep.probe_for_ever())
            opening = Opening(
                rooms,
                self._events,
                clock=self._clock,
                venue=self.venue,
                has_keys=self._has_keys,
            )
            await opening.load()
            await self._begin(rooms, opening)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._tasks is not None
        self._is_closing = True
        for task in [*self._background]:
            task.cancel()
        if self._rooms is not None:
            self._rooms.book.close()
            self._rooms.market.books.keep()
        try:
            # When a background task fails it cancels the body, and the group tells why. Any other
            # error of the body is the caller's own and passes as it is.
            if isinstance(error, asyncio.CancelledError):
                await self._tasks.__aexit__(error_type, error, traceback)
            else:
                await self._tasks.__aexit__(None, None, None)
        finally:
            await self._release(self._open)

    async def _begin(self, rooms: Rooms, opening: Opening) -> None:
        """Put back what the journal left open, and take it up with the venue: now or once it can
        be."""
        left = [order.client_order_id for order in rooms.book.restore(rooms.journal.history)]
        self._spawn(rooms.upkeep.checkpoint_for_ever())
        if self._settings.journal_kept_days is not None:
            self._spawn(
                prune_for_ever(
                    rooms.journal,
                    prunable(rooms.store),
                    clock=self._clock,
                    kept_s=self._settings.journal_kept_days * 86_400,
                    venue=self.venue,
                )
            )
        if rooms.health.page is not None:
            self._spawn(rooms.health.page.poll_for_ever())
        if rooms.instruments.is_current:
            await self._take_up(rooms, opening, left)
        else:
            self._spawn(self._take_up_later(rooms, opening, left))

    async def _take_up_later(self, rooms: Rooms, opening: Opening, left: list[str]) -> None:
        """In the order of any other start: instruments, account, then orders. What is told of an
        order is judged by the account as it was read before."""
        await opening.catch_up(random.Random(self._settings.seed))  # noqa: S311 - jitter
        await self._take_up(rooms, opening, left)

    async def _take_up(self, rooms: Rooms, opening: Opening, left: list[str]) -> None:
        """Settle what the journal left open, learn what else rests, and start the chores."""
        for client_order_id in left:
            order = rooms.book.ledger.get(client_order_id)
            if order is not None and not order.status.is_final:
                rooms.desk.resume(order)
        if self._has_keys:
            await opening.learn_orders()
            rooms.flows.begin()
        self._spawn(rooms.upkeep.keep_time_for_ever())
        self._spawn(rooms.health.modes.watch_for_ever())
        self._spawn(rooms.prices.watch_for_ever())
        if self._has_keys:
            self._spawn(rooms.upkeep.poll_for_ever())
            self._spawn(rooms.recovery.return_for_ever(self._reconcile_since, self._probe))
            self._spawn(rooms.upkeep.look_again_for_ever())
            if self._settings.gate.withdraw_quotes:
                self._spawn(rooms.withdrawal.watch_for_ever())
            self._spawn(rooms.flows.read_for_ever())
            if rooms.private.stream is not None or rooms.private.trade is not None:
                self._spawn(rooms.private.run_for_ever())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None
        if self._is_closing:
            work.close()  # The journal has what it is about: the next session on it goes on.
            return
        task = self._tasks.create_task(work)
        self._background.append(task)
        task.add_done_callback(self._background.remove)

    async def _release(self, rooms: Rooms) -> None:
        """Let what is on the wire end by its own timeouts, then close transport and journal."""
        try:
            await rooms.market.close()
            await rooms.account.stop()
            await rooms.calls.drain()
            await rooms.dialler.drain()
        finally:
            if self._wiring.transport is None:
                await rooms.transport.aclose()
            if rooms.page_transport is not None:
                await rooms.page_transport.aclose()
            rooms.journal.close()
            self._is_closed = True
            self._events.close()

    @property
    def _open(self) -> Rooms:
        if self._rooms is None or self._is_closed:
            state = "closed" if self._is_closed else "not open"
            raise ConfigurationError(
                f"this session is {state}; use `async with outlast.connect(...) as venue:`",
                venue=self.venue,
            )
        return self._rooms

    @property
    def _market(self) -> MarketRooms:
        return self._open.market

    # Orders.

    async def submit(
        self, order: OrderRequest, *, deadline_s: float | None = None, slot: str | None = None
    ) -> Order:
        """Send a new order and return it once its outcome is known.

        The intent is in the journal before the first byte leaves. An answer that got lost is
        settled with the venue, within the deadline if that lasts, otherwise in the background.

        Args:
            deadline_s: how long to wait for the outcome. Shorter than 12 s can end in
                `OutcomeUnknown` while the venue is still entitled to answer.
            slot: a name of your own for what this order is, such as `"BTC/USDT bid 1"`. While one
                of the same slot still waits for its turn, or for its next try, the newer one takes
                its place: the older is not sent, and its caller gets `NotSent`, or the refusal that
                it would have been tried again after. What has left is left alone.

        Raises:
            NotSent: nothing left this process: an invalid order, a halted symbol, a ban, no room
                in the limits, no connection. The same order may be submitted again.
            Refused: the venue said no; nothing is live.
            OutcomeUnknown: it may be live. `settle` waits for the truth; do not submit it again.
        """
        self._need_keys("submit")
        return await self._open.desk.submit(order, deadline_s=deadline_s, slot=slot)

    async def settle(self, client_order_id: str, *, timeout_s: float | None = None) -> Order:
        """Wait until an unknown order is known, its terms included, and return it.

        Raises:
            UnknownOrder: this session has no order of that id.
            TimeoutError: it is still unknown after `timeout_s`; settling goes on.
            OutcomeUnknown: the session was closed before it was known.
        """
        return await self._open.desk.settle(client_order_id, timeout_s=timeout_s)

    async def cancel(self, client_order_id: str) -> Order:
        """Cancel one order; returns it cancelled, or as it ended before the cancel arrived.

        Raises:
            UnknownOrder: this session has no order of that id.
            NotSent, Refused: the order is as live as before.
            OutcomeUnknown: whether it was cancelled is not known; asking again is safe.
        """
        self._need_keys("cancel")
        return await self._open.desk.cancel(client_order_id)

    async def cancel_all(self, symbol: str | None = None) -> CancelReport:
        """Cancel every open or unknown order of this session, on one symbol or on all.

        Orders that other programs sent are left alone. Nothing is raised for a cancel that failed:
        the report names it.
        """
        self._need_keys("cancel_all")
        return await self._open.cancels.cancel_all(symbol)

    async def cancel_many(self, client_order_ids: Iterable[str]) -> CancelReport:
        """Cancel these orders, in as few requests as the venue takes.

        Nothing is raised for a cancel that failed: the report names it. Orders that have ended
        before are in it as they ended.

        Raises:
            UnknownOrder: this session has no order of one of the ids; none was cancelled.
        """
        self._need_keys("cancel_many")
        return await self._open.cancels.cancel_many(client_order_ids)

    async def amend(
        self,
        client_order_id: str,
        *,
        price: Money | None = None,
        qty: Money | None = None,
        deadline_s: float | None = None,
    ) -> Order:
        """Give a live order another price, another quantity, or both; it keeps its ids.

        An amendment is written down before it is sent, and a lost answer is settled with the order
        itself: until then the order counts by the larger quantity, and can only be cancelled. More
        quantity, or a price nearer to the market, is new risk, and is held where that is held. What
        asks for less, and anything about a reduce-only order, passes like a cancel.

        What is amended where: at Kraken price and quantity; at Binance USD-M the same, of limit
        orders; at Binance spot the quantity of limit orders, and that only down.

        Args:
            price: the new limit price; None leaves it.
            qty: the new quantity of the whole order, what is filled included; None leaves it.
            deadline_s: as in `submit`.

        Returns the order with its new terms. A reduce-only order may have been cut to less.

        Raises:
            NotSent: nothing left this process, and the old terms stand. `InvalidOrder` names what
                the venue, the instrument or the order's state does not allow, and what to do.
            Refused: the venue said no, and the old terms stand; or the order has ended, which at
                Binance USD-M an amendment that would make a post-only order take does as well.
            OutcomeUnknown: either terms may be in force. `settle` waits for the truth; meanwhile
                do not ask for it again.
        """
        self._need_keys("amend")
        return await self._open.amends.amend(
            client_order_id, price=price, qty=qty, deadline_s=deadline_s
        )

    async def close_position(
        self,
        symbol: str,
        *,
        max_slippage: Money | None = None,
        deadline_s: float | None = None,
    ) -> CloseReport:
        """Get out of a position, and keep trying until it is flat.

        Refusals by the venue's rules change the shape of the next try, overload only its time; the
        pace is one that the venue's limits sustain for hours. Unknown tries are settled first.

        Args:
            max_slippage: a share such as "0.02". Given, limit orders that cross the book by at most
                that much are tried in turn with market orders.
            deadline_s: give up after so long; None keeps trying.

        Returns a report of every try, flat or not.
        """
        self._need_keys("close_position")
        if not self._codec.PRODUCT.has_positions:
            raise ConfigurationError(
                f"{self.venue} has no positions to close; sell what is held with "
                "submit(market(symbol, 'sell', qty=balances[...].free))",
                venue=self.venue,
            )
        slippage = None if max_slippage is None else money(max_slippage, field="max_slippage")
        if slippage is not None and not 0 < slippage < 1:
            raise ValueError(f"max_slippage is {slippage}; it is a share, above 0 and below 1")
        with self.around_exit(self.instrument(symbol).symbol):
            return await self._open.exits.close(
                symbol, max_slippage=slippage, deadline_s=deadline_s
            )

    async def reconcile(self) -> ReconcileReport:
        """Compare everything with the venue now: positions, balances, orders, fills, transfers."""
        self._need_keys("reconcile")
        rooms = self._open
        before = {order.client_order_id: order for order in rooms.book.ledger}
        failures: list[Failure | None] = []
        for order in self.orders.unknown():  # what they have filled is listed with the rest then
            absent = await rooms.lookups.order(order, self.instrument(order.symbol))
            failures.append(absent if isinstance(absent, Failure) else None)
        failures += [await rooms.account.refresh(what) for what in rooms.account.readable]
        failures.append(await rooms.upkeep.poll_account())
        if rooms.account.troubled.is_set():
            failures.append(await rooms.upkeep.look_again())
        failures.append(await self._compare_open_orders())
        moved, failure = await rooms.flows.read()
        failures.append(failure)
        now = list(rooms.book.ledger)
        return ReconcileReport(
            changed=tuple(o for o in now if before.get(o.client_order_id) != o),
            external=tuple(o for o in rooms.book.ledger.open() if o.is_external),
            unknown=(*self.orders.unknown(), *rooms.book.ledger.unsure()),
            failures=tuple(f.describe() for f in failures if f is not None),
            doubted=rooms.account.doubts(),
            moved=tuple(moved),
        )

    async def accept_report(self, name: str) -> None:
        """Take the venue's word for a balance or a position that is doubted.

        For what no list of fills can explain: a transfer to zero, a position that the venue has
        taken away. Compare with the venue's own pages first: in an outage they show zeros as well,
        and new risk is taken again on the strength of this.

        Args:
            name: a currency or a symbol, as `ReconcileReport.doubted` names it.

        Raises:
            ValueError: the latest report of it is not doubted.
        """
        self._need_keys("accept_report")
        if not self._open.account.accept(name):
            doubted = ", ".join(self._open.account.doubts()) or "nothing"
            raise ValueError(f"{name!r} is not doubted at {self.venue}; doubted is: {doubted}")

    def dead_mans_switch(
        self,
        timeout_s: float = 60,
        *,
        during_maintenance: Literal["disarm", "keep"] = "disarm",
    ) -> DeadMansSwitch:
        """Have the venue cancel open orders by itself when it has not heard of us for `timeout_s`.

        ```
        async with venue.dead_mans_switch(timeout_s=60):
            await trade(venue)
        ```
        At Kraken it cancels all orders of the account, those of other programs too, and runs on
        through a maintenance; at Binance USD-M it cancels the plain orders of each symbol that has
        orders of ours. It leaves positions alone.

        Args:
            during_maintenance: `disarm` switches it off shortly before an announced maintenance of
                trading begins, in which it could not be started anew and would cancel everything,
                and arms it again once that is over. `keep` lets it fire then.

        Raises:
            ConfigurationError: the venue has none (Binance spot).
            ValueError: the timeout is not whole seconds from 10 to 3,600, or `during_maintenance`
                is another word.
        """
        self._need_keys("dead_mans_switch")
        rooms = self._open
        return DeadMansSwitch(
            self._codec,
            rooms.calls,
            rooms.book,
            rooms.instruments,
            clock=self._clock,
            journal=rooms.journal,
            events=self._events,
            rng=random.Random(self._settings.seed),  # noqa: S311 - jitter
            timeout_s=check_timeout(self._codec, timeout_s),
            during_maintenance=check_during_maintenance(during_maintenance),
            health=rooms.health,
            valid_for_s=self._settings.valid_for_s,
            after_gap=self.reconcile,
        )

    # What may be done.

    def instrument(self, symbol: str) -> Instrument:
        """The trading rules of `symbol`, by either spelling. Raises UnknownInstrument."""
        return self._open.instruments[symbol]

    async def mark_price(self, symbol: str) -> Decimal:
        """The venue's mark price of `symbol`, read now.

        Raises:
            NotSent, Refused: it could not be had; the message says why.
        """
        rooms, instrument = self._open, self.instrument(symbol)
        price = await rooms.prices.read(instrument)
        if isinstance(price, Failure):
            what = f"the mark price of {instrument.symbol}"
            raise read_error(price, venue=self.venue, clock=self._clock, what=what)
        return price

    async def quantize(self, order: OrderRequest) -> OrderRequest:
        """`order` on its instrument's grid: quantity down, prices to the passive side.

        Raises:
            StaleData: the session has begun in an outage, and the grid is the journal's still. What
                only reduces may go by it.
        """
        instruments = self._open.instruments
        if not (instruments.is_current or order.reduce_only):
            raise StaleData(
                f"{instruments.why_kept()}, so the grid of {order.symbol} at {self.venue} may have "
                "changed; wait_until(ACTIVE, symbol) returns when it is known",
                age_s=instruments.age_s,
                venue=self.venue,
            )
        return quantize(order, self.instrument(order.symbol))

    def trading_state(self, symbol: str) -> TradingState:
        """What may be done on `symbol`: ACTIVE, or why not: REDUCING, CANCEL_ONLY, HALTED.

        HALTED in a ban, in a maintenance, and while somebody has halted it; exits and cancels are
        sent all the same where the venue takes any request. `restrictions` has the shapes.
        """
        return self._open.gate.state(self.instrument(symbol).symbol)

    def restrictions(self, symbol: str) -> tuple[Shape, ...]:
        """The shapes of order that the venue takes on `symbol` now; empty when it takes all."""
        return self._open.gate.shapes(self.instrument(symbol).symbol)

    @property
    def health(self) -> VenueHealth:
        """How the venue fares, plane by plane, with the evidence; made now, and a value."""
        return self._open.health.snapshot()

    @property
    def is_trusted(self) -> bool:
        """True while its prices may serve as a reference: nothing is against the venue, but perhaps
        that its price differs from others."""
        return self._open.health.is_reference

    def note_reference(self, symbol: str, source: str, price: Decimal) -> None:
        """Tell what `symbol` costs elsewhere now: an index, another venue.

        For 30 s the venue's own price is held against it (`Settings.gate.prices`); while they
        differ too much, new risk on the symbol is held.
        """
        self._open.prices.note_reference(self.instrument(symbol).symbol, source, price)

    def halt(self, reason: str) -> None:
        """Hold all new risk from now on, until `resume`: the kill switch.

        Exits, reduce-only orders and cancels pass. It is written down, so that a restart on the
        same journal finds it. `outlast halt` does the same from outside, by a file.
        """
        self._open.gate.halt(reason)

    def resume(self) -> None:
        """End what `halt` began. A halt file stays in force until somebody removes it."""
        self._open.gate.resume()

    async def wait_until(self, state: TradingState, symbol: str) -> None:
        """Return when `trading_state(symbol)` is `state`."""
        while self.trading_state(symbol) is not state:
            await self._clock.sleep(0.25)

    def events(self) -> AsyncGenerator[Event, None]:
        """Everything that happens from now on, in order. A slow reader loses the oldest."""
        return self._events.read()

    # How it fares.

    @property
    def settings(self) -> Settings:
        """What this session was made with."""
        return self._settings

    def backlog(self) -> Mapping[str, int]:
        """How much is under way, by kind; after the end as well, when all of it should be 0.

        `waiting` attempts for their turn in the limits, `in_flight` requests on the wire, `chores`
        tasks in the background (one for each order that is being settled, and the polls).
        """
        if self._rooms is None:
            return {"waiting": 0, "in_flight": 0, "chores": 0}
        return {
            "waiting": self._rooms.admission.waiting,
            "in_flight": self._rooms.calls.in_flight,
            "chores": len(self._background),
        }

    async def _reconcile_since(self, since: float) -> bool:
        """Compare with the venue what was not since `since` (monotonic); True when all was.

        What has been answered is not asked for again: all of it at once may be more than is left of
        the limits.
        """
        rooms = self._open
        for what in rooms.account.readable:
            failure = await rooms.account.refresh(what, age_max_s=self._clock.now() - since)
            age_s = rooms.account.age_s(what)
            if failure is not None or age_s is None or self._clock.now() - age_s < since:
                return False  # the one that was joined may have been asked before
        if await self._compare_open_orders(since) is not None:
            return False
        if rooms.account.troubled.is_set():
            await rooms.upkeep.look_again()
        unsettled = self.orders.unknown() or rooms.book.ledger.unsure()
        return not (unsettled or rooms.account.doubts())

    async def _probe(self) -> None:
        await self._open.health.modes.probe()

    async def _compare_open_orders(self, since: float = float("inf")) -> Failure | None:
        """Ask for all open orders, each kind that was not asked for since then; the first failure.

        One that is held for open and that the list lacks is asked for by its id: the list is dear,
        and may be the only one for minutes.
        """
        rooms = self._open
        for conditional in (False, True) if self._codec.CONDITIONAL_APART else (False,):
            if self._orders_read_at.get(conditional, float("-inf")) >= since:
                continue
            asked_at = self._clock.now()
            shown = await rooms.lookups.open_orders(None, conditional=conditional)
            if isinstance(shown, Failure):
                return shown
            for order in rooms.book.ledger.open():
                is_apart = order.order_type.is_conditional and self._codec.CONDITIONAL_APART
                if is_apart == conditional and order.client_order_id not in shown:
                    failure = await rooms.desk.look_for(order, self.instrument(order.symbol))
                    if failure is not None:
                        return failure
            self._orders_read_at[conditional] = asked_at
        return None

    def _need_keys(self, doing: str) -> None:
        if not self._has_keys:
            raise ConfigurationError(
                f"{doing} needs key and secret; pass them to connect()", venue=self.venue
            )
