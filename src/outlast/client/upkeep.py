"""What a session does by itself: polls, probes, the venue's clock, the journal's housekeeping."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Final

from outlast.client.account import Account
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.guard import Guard
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.lookups import CLOCKS_DIFFER_MS, Lookups
from outlast.client.orders import OrderDesk
from outlast.client.settings import Settings
from outlast.core.breaker import BreakerState
from outlast.core.server_time import ServerClock
from outlast.errors import Failure, OutlastError
from outlast.model import Execution, Order, Plane
from outlast.wire import Clock, VenueCodec, WireRequest

__all__ = ["Upkeep"]

LOOK_AGAIN_FIRST_S: Final = 1.0
"""A report that was older than our fills is newer by then."""
LOOK_AGAIN_MOST_S: Final = 15.0
"""A lie of half an hour costs 120 looks; at USD-M one takes 10 to 15 of 2,400 weight a minute."""

CANCEL_AGAIN_FIRST_S: Final = 5.0
"""Replicas of a venue agree again within that."""
CANCEL_AGAIN_MOST_S: Final = 120.0

_FRONT_DOOR: Final = Plane.MARKET_DATA
"""Its probe is the cheapest public read there is."""
_SPARED_MAX: Final = 5
"""Probes of a plane that the front door's speak for before it asks for itself."""

_JITTER: Final = 0.2
"""A fleet that was started by one command must not poll in one instant for ever."""


class Upkeep:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        guard: Guard,
        orders: OrderBookkeeper,
        desk: OrderDesk,
        lookups: Lookups,
        account: Account,
        instruments: Instruments,
        *,
        clock: Clock,
        server_clock: ServerClock,
        journal: Journal,
        settings: Settings,
        rng: random.Random,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._guard = guard
        self._orders = orders
        self._desk = desk
        self._lookups = lookups
        self._account = account
        self._instruments = instruments
        self._clock = clock
        self._server_clock = server_clock
        self._journal = journal
        self._settings = settings
        self._rng = rng
        self._spared: dict[Plane, int] = {}
        self._cancelling: set[str] = set()
        self._log = logger(venue=codec.VENUE)
        self.stream_is_live: Callable[[], bool] = lambda: False
        """While a stream tells of the account it is only checked now and then."""
        self.poll_wanted = asyncio.Event()
        """Set when a stream has ended: nothing but the polls tells of the account then."""

    async def poll_for_ever(self) -> None:
        while True:
            await self._until_next_poll()
            await self.poll_account()

    async def _until_next_poll(self) -> None:
        settings = self._settings
        is_live = self.stream_is_live()
        pause_s = settings.account_crosscheck_s if is_live else settings.account_poll_s
        self.poll_wanted.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s * self._jitter()):
                await self.poll_wanted.wait()

    async def look_again_for_ever(self) -> None:
        """Ask again soon while something of the account is doubted or unsure, ever less often."""
        while True:
            await self._account.troubled.wait()
            pause_s = LOOK_AGAIN_FIRST_S
            while self._account.troubled.is_set():
                await self.look_again()
                await self._pause(pause_s)
                pause_s = min(2 * pause_s, LOOK_AGAIN_MOST_S)

    async def look_again(self) -> Failure | None:
        """Ask once for what would settle the doubts about the account; the first failure.

        A doubt asks for the list of fills first: the report is there, and wants explaining. What is
        only unsure is settled by another report most of the time, and by the list otherwise.
        """
        account = self._account
        lists: dict[str, list[Execution]] = {}
        failure = await self._list_fills(lists) if account.doubts() else None
        for what in account.readable:
            if failure is None and (account.troubles(what) or account.late.is_behind):
                failure = await account.refresh(what)
        if failure is None and account.troubled.is_set():
            failure = await self._list_fills(lists)
        return failure

    async def _list_fills(self, lists: dict[str, list[Execution]]) -> Failure | None:
        """Ask for the fills that are wanted and not in `lists` yet; let them explain what they can.

        `lists` keeps what was listed: a newer report is judged by it without asking twice.
        """
        wanted = {
            symbol: since_ms - CLOCKS_DIFFER_MS
            for symbol, since_ms in self._account.lists_wanted().items()
            if symbol not in lists
        }
        listed, failure = await self._lookups.listed(wanted)
        lists.update(listed)
        if failure is None:
            self._account.explain(lists)
        return failure

    async def poll_account(self) -> Failure | None:
        """Read balances, positions and what may have changed about orders; the first failure."""
        young_s = self._settings.account_poll_s / 2
        failures = [
            await self._account.refresh(what, age_max_s=young_s) for what in self._account.readable
        ]
        symbols = {order.symbol for order in self._orders.ledger.open()}
        failures += [await self.poll_orders(symbol) for symbol in sorted(symbols)]
        failures += [await self._read_fills(symbol) for symbol in sorted(self._short_of_fills())]
        return next((failure for failure in failures if failure is not None), None)

    async def poll_orders(self, symbol: str) -> Failure | None:
        """The open orders of one symbol; one that is gone from the list is asked for by its id."""
        held = self._orders.ledger.open(symbol)
        kinds = {o.order_type.is_conditional and self._codec.CONDITIONAL_APART for o in held}
        for conditional in sorted(kinds):
            shown = await self._lookups.open_orders(
                self._instruments[symbol], conditional=conditional
            )
            if isinstance(shown, Failure):
                return shown
            for order in held:
                is_apart = order.order_type.is_conditional and self._codec.CONDITIONAL_APART
                if is_apart == conditional and order.client_order_id not in shown:
                    failure = await self._desk.look_for(order, self._instruments[symbol])
                    if failure is not None:
                        return failure
        return None

    def _short_of_fills(self) -> set[str]:
        """Symbols on which the venue reports more filled than we have seen executions for."""
        return {order.symbol for order in self._orders.ledger if self._is_short(order)}

    def _is_short(self, order: Order) -> bool:
        if order.filled_qty == 0 or order.is_external:
            return False
        booked = self._orders.ledger.executions(order.client_order_id)
        return sum(execution.qty for execution in booked) < order.filled_qty

    async def _read_fills(self, symbol: str) -> Failure | None:
        short = [o for o in self._orders.ledger if o.symbol == symbol and self._is_short(o)]
        if not short:
            return None  # another task has asked in the meantime
        since_ms = min(self._lookups.since_ms(order) for order in short)
        return await self._lookups.executions(self._instruments[symbol], since_ms=since_ms)

    async def cancel_again(self, order: Order) -> None:
        """Ask once more, ever less often, for a cancel of which the venue knew no order to cancel.

        It reports the order open all the same, so that one of the two is wrong, and new risk waits
        for it. The bot has asked for the cancel; once the order has other terms that counts no
        more. Ends with the order, or when it is no longer held against the venue.
        """
        name, pause_s = order.client_order_id, CANCEL_AGAIN_FIRST_S
        if name in self._cancelling:
            return
        self._cancelling.add(name)
        try:
            while self._account.late.is_contradicted(name):
                await self._pause(pause_s)
                known = self._orders.ledger.get(name)
                if known is None or known.status.is_final:
                    return
                if (known.price, known.qty) != (order.price, order.qty) or known.amendment:
                    return
                try:
                    await self._desk.cancel(name)
                except OutlastError as error:
                    self._log.info("outlast.cancel_again", order=name, reason=str(error))
                pause_s = min(2 * pause_s, CANCEL_AGAIN_MOST_S)
        finally:
            self._cancelling.discard(name)

    async def keep_time_for_ever(self) -> None:
        """Measure the venue's clock when it is due, or when something makes it doubtful."""
        while True:
            await self._pause(5.0)
            now = self._clock.now()
            self._server_clock.check_wall(now, self._clock.wall() * 1000)
            if self._server_clock.resync_needed(now):
                await self._calls.sync_clock()

    async def probe_for_ever(self) -> None:
        """Ask, by cheap reads, whether a plane that is being left alone answers again."""
        while True:
            now = self._clock.now()
            async with asyncio.TaskGroup() as probes:  # one that hangs must not delay the others
                for plane, breaker in self._guard.breakers.items():
                    if breaker.probe_due(now):
                        probes.create_task(self._probe(plane))
            times = [breaker.next_probe_at() for breaker in self._guard.breakers.values()]
            due = [at for at in times if at is not None]
            self._guard.probe_wanted.clear()
            wait_s = max(0.05, min(due) - self._clock.now()) if due else None
            try:
                async with asyncio.timeout(wait_s):
                    await self._guard.probe_wanted.wait()
            except TimeoutError:
                continue

    async def _probe(self, plane: Plane) -> None:
        breaker = self._guard.breakers[plane]
        answered: bool | None = None
        if not self._is_spared(plane):
            request = self._probe_of(plane)
            # Where calls pass they tell as much: a probe must not use up what they wait for.
            if self._guard.is_left_alone(plane) or self._calls.has_headroom(request.costs):
                answered = await self._calls.probe(request)
        elif breaker.state is BreakerState.PROBING:
            answered = False  # what stays behind a closed door waits longer each time
        before = breaker.state  # calls may have moved it since the probe was sent
        breaker.probe_result(answered, self._clock.now())
        if breaker.state is not before:
            self._guard.announce(plane)

    def _is_spared(self, plane: Plane) -> bool:
        """Behind a door that does not open nobody answers either: its probes speak for all planes.

        Not for ever: a front door may be down by itself, so now and then each plane asks. Nor does
        anybody trade in a maintenance, of which the venue itself tells the end.
        """
        is_behind = (
            plane is not _FRONT_DOOR
            and self._guard.is_left_alone(plane)  # one in mere doubt is judged by its own answers
            and self._guard.is_left_alone(_FRONT_DOOR)
        ) or self._guard.is_shut_by_venue()
        spared = self._spared.get(plane, 0)
        self._spared[plane] = spared + 1 if is_behind and spared < _SPARED_MAX else 0
        return self._spared[plane] > 0

    def _probe_of(self, plane: Plane) -> WireRequest:
        """A private read speaks for the account; the front door alone would not."""
        if plane is not Plane.ACCOUNT:
            return self._codec.probe()
        if self._codec.PRODUCT.has_positions:
            return self._codec.query_positions()
        return self._codec.query_balances()

    async def checkpoint_for_ever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.checkpoint_s * self._jitter()):
                    await self._journal.tidying_wanted.wait()
            self._journal.tidying_wanted.clear()
            await asyncio.to_thread(self._journal.checkpoint)

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep(seconds * self._jitter())

    def _jitter(self) -> float:
        return self._rng.uniform(1 - _JITTER, 1 + _JITTER)
