"""What moves the account besides our orders: taken from the stream and from the venue's list."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from outlast.client.account import Account
from outlast.client.calls import CallDesk
from outlast.client.events import AccountChanged, EventBus
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.core.flows import FlowBook
from outlast.errors import Failure
from outlast.private_wire import AccountMoved, FlowsCodec
from outlast.wire import Clock, WireRequest

__all__ = ["FlowDesk"]

FIRST_AFTER_S: Final = 60.0
"""A session that takes up a journal has more urgent questions."""
EVERY_S: Final = 3600.0
"""Funding comes every eight hours at most venues, every hour at the soonest."""
RETURNING_EVERY_S: Final = 300.0
"""While a venue comes back from an outage: what it books late is booked then."""
_JITTER: Final = 0.2


class FlowDesk:
    """Tells of each transfer, funding payment and liquidation once, in events and in the journal.

    Where the venue has a list of them, it is read hourly, in `Session.reconcile` and after a
    restart: so what happened while nobody listened is told as well.
    """

    def __init__(
        self,
        codec: FlowsCodec | None,
        calls: CallDesk,
        account: Account,
        instruments: Instruments,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        rng: random.Random,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._account = account
        self._instruments = instruments
        self._clock = clock
        self._journal = journal
        self._events = events
        self._rng = rng
        self._book = FlowBook()
        self._first_s = FIRST_AFTER_S
        self.is_returning: Callable[[], bool] = lambda: False
        """While the venue comes back from an outage."""
        if codec is not None:
            self._restore()

    def _restore(self) -> None:
        history = self._journal.history
        if history.flows_first_ms is not None:
            self._book.begin(history.flows_first_ms)
            self._book.read(history.flows_read_ms)
        for moved in history.moved:
            if moved.flow_id:
                self._book.is_new(moved)
            else:
                self._book.heard(moved)

    def begin(self) -> None:
        """Where nobody has listened before: what was until now is in the balances."""
        if self._codec is None or self._book.first_ms is not None:
            return
        now_ms = self._calls.server_now_ms()
        self._book.begin(now_ms)
        self._journal.note("flows.read", first_ms=now_ms, until_ms=now_ms)
        self._first_s = EVERY_S

    def hear(self, moved: AccountMoved) -> AccountChanged:
        """The stream tells of it."""
        if self._codec is not None:
            self._book.heard(moved)
        return self._tell(moved)

    async def read_for_ever(self) -> None:
        """Read the list now and then, until cancelled; returns at once where there is none."""
        if self._codec is None:
            return
        pause_s = self._first_s
        while True:
            await self._clock.sleep(pause_s * self._rng.uniform(1 - _JITTER, 1 + _JITTER))
            await self.read()
            pause_s = RETURNING_EVERY_S if self.is_returning() else EVERY_S

    async def read(self) -> tuple[list[AccountChanged], Failure | None]:
        """Read the venue's list to its end: what was new in it, and why it could not be read."""
        told: list[AccountChanged] = []
        if self._codec is None:
            return told, None
        if self._book.first_ms is None:
            self.begin()
            return told, None
        now_ms = self._calls.server_now_ms()
        for request in self._codec.query_flows(since_ms=self._book.since_ms):
            failure = await self._read_pages(self._codec, request, told)
            if failure is not None:
                return told, failure
        self._book.read(now_ms)
        self._journal.note("flows.read", first_ms=self._book.first_ms, until_ms=now_ms)
        return told, None

    async def _read_pages(
        self, codec: FlowsCodec, request: WireRequest, told: list[AccountChanged]
    ) -> Failure | None:
        page: WireRequest | None = request
        while page is not None:
            reply = await self._calls.call(page)
            if isinstance(reply, Failure):
                return reply
            flows = codec.read_flows(page, reply, self._instruments.by_venue_symbol)
            if isinstance(flows, Failure):
                return flows
            told += [self._tell(moved) for moved in flows if self._book.is_new(moved)]
            page = codec.next_page(page, reply, now_ms=self._calls.server_now_ms())
        return None

    def _tell(self, moved: AccountMoved) -> AccountChanged:
        if moved.currency is not None and moved.amount:
            self._account.hear_moved(moved)
        self._journal.note("account.moved", moved=moved)
        changed = AccountChanged(
            kind=moved.kind.value,
            cause=moved.cause,
            currency=moved.currency,
            amount=moved.amount,
            symbol=moved.symbol,
            venue_time_ms=moved.at_ms,
            flow_id=moved.flow_id,
        )
        self._events.publish(changed)
        return changed
