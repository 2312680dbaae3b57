"""What happens in a session, as typed events on one stream.

A reader that falls behind loses the oldest events and is told how many; it never slows the session.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from outlast.errors import Failure
from outlast.model import Execution, Health, Order, Plane, TradingState

__all__ = [
    "AccountChanged",
    "AccountDoubted",
    "AccountRead",
    "AmendmentChanged",
    "BanBegan",
    "BookTrustChanged",
    "BreakerChanged",
    "DeadMansSwitchChanged",
    "Event",
    "EventBus",
    "EventsSkipped",
    "ExecutionBooked",
    "HealthChanged",
    "HedgeChanged",
    "InstrumentsChanged",
    "MaintenanceAhead",
    "OrderChanged",
    "PriceDoubted",
    "PrivateStreamChanged",
    "QuotesWithdrawn",
    "RecoveryChanged",
    "TradingStateChanged",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged:
    order: Order
    previous: Order
    contradicts: bool = False
    """The venue shows an order that was held for refused or absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendmentChanged:
    """What became of new terms that were asked for an order."""

    order: Order
    """As it is now."""
    state: str
    """`asked`, `unknown` (the answer is lost, and it is being settled), and at last one of
    `in_force`, `refused` (the venue said no, or nothing was sent), `not_in_force` (the old terms
    stand, as the venue shows) and `ended` (the order ended before anybody could tell)."""
    price: Decimal | None
    qty: Decimal
    """The terms that were asked for; `qty` is that of the whole order."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionBooked:
    execution: Execution
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerChanged:
    plane: Plane
    state: str
    retry_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BanBegan:
    scope: str
    until: float
    """Seconds since the epoch."""
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRead:
    what: str
    """`balances` or `positions`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDoubted:
    """The venue's answer was not believed; what was believed before stands, marked stale."""

    what: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryChanged:
    stage: str
    """`shut`, `cooling`, `stepping`, or `free` when new risk is no longer held by an outage."""
    reason: str
    """Of an outage that has begun; empty otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChanged:
    """The verdict on one plane of the venue is another one."""

    plane: Plane
    health: Health
    reason: str
    """The weightiest evidence; empty when it is healthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceAhead:
    """The venue has announced a maintenance. Times are seconds since the epoch, and estimates."""

    id: str
    title: str
    starts_at: float
    ends_at: float | None
    closes_at: float
    """When new risk is held because of it; equal to `starts_at` or before. Where it does not touch
    trading nothing is held."""
    touches_trading: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotesWithdrawn:
    """Resting entries of ours were cancelled, because the venue is about to stand still."""

    client_order_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeChanged:
    """A hedge of an exit that is shut here was opened at another venue, or given back."""

    symbol: str
    hedge_venue: str
    hedge_symbol: str
    state: str
    """`open`, `unwinding`, `unwound`; `declined` or `refused` where there is none."""
    reason: str
    qty: Decimal
    """What is held there now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceDoubted:
    """The venue's price of a symbol is not believed, and new risk on it is held; or it is again."""

    symbol: str
    reason: str
    """What speaks against it; empty when it is believed again."""
    price: Decimal | None
    """The venue's own, as it was read last; None while it could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTrustChanged:
    """A book may be read now, or may not be any more."""

    symbol: str
    is_trusted: bool
    reason: str
    """Why it is not; empty when it is."""
    detail: str
    age_s: float | None
    """None when the venue has never sent it."""
    resyncs: int
    """How often it was put on a new snapshot, the first one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateChanged:
    symbol: str
    """Empty for the whole product."""
    state: TradingState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadMansSwitchChanged:
    symbol: str
    """Empty where one timer is the account's."""
    state: str
    """`armed`, `unrefreshed` (it runs on, and was not started anew), `expired` (it has fired by
    now), `disarmed`, or `left_armed` (it will fire, and nobody will stop it)."""
    reason: str
    fires_at: float | None
    """Seconds since the epoch; None while it is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentsChanged:
    """A session that began in an outage goes by the instruments that the journal kept; or, later,
    by the venue's own list."""

    is_current: bool
    """False: by the journal's. No new risk is taken."""
    reason: str
    """Why the venue's list could not be read; empty when it was."""
    age_s: float | None
    """Of the oldest of the journal's; None when they are the venue's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsSkipped:
    """The reader was too slow: this many events before the next one are lost to it."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateStreamChanged:
    """The stream that tells of our account is relied upon from now on, or no longer."""

    is_live: bool
    reason: str
    """Why it is not; empty while it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChanged:
    """Something moved the account that no order of ours explains."""

    kind: str
    """`transfer`, `funding`, `liquidation`, `margin_call`, `settings`, or `other`."""
    cause: str
    """The venue's word for it."""
    venue_time_ms: int
    currency: str | None = None
    amount: Decimal | None = None
    """Signed; None where the venue does not say how much."""
    symbol: str | None = None
    flow_id: str = ""
    """The venue's id of it, the same each time; empty where its stream has told, without one."""


Event = (
    OrderChanged
    | AmendmentChanged
    | ExecutionBooked
    | BookTrustChanged
    | BreakerChanged
    | BanBegan
    | AccountRead
    | AccountChanged
    | AccountDoubted
    | PrivateStreamChanged
    | HealthChanged
    | InstrumentsChanged
    | MaintenanceAhead
    | QuotesWithdrawn
    | PriceDoubted
    | HedgeChanged
    | RecoveryChanged
    | TradingStateChanged
    | DeadMansSwitchChanged
    | EventsSkipped
)


class _Reader:
    def __init__(self, events_max: int) -> None:
        self._events: deque[Event] = deque()
        self._events_max = events_max
        self._skipped = 0
        self._ready = asyncio.Event()
        self._is_over = False

    def put(self, event: Event) -> None:
        if len(self._events) >= self._events_max:
            self._events.popleft()
            self._skipped += 1
        self._events.append(event)
        self._ready.set()

    def end(self) -> None:
        self._is_over = True
        self._ready.set()

    async def get(self) -> Event | None:
        """The next event; None when there will be none any more."""
        await self._ready.wait()
        if self._skipped:
            count, self._skipped = self._skipped, 0
            return EventsSkipped(count=count)
        if not self._events:
            return None
        event = self._events.popleft()
        if not (self._events or self._is_over):
            self._ready.clear()
        return event


class EventBus:
    def __init__(self, events_max: int) -> None:
        self._events_max = events_max
        self._readers: weakref.WeakValueDictionary[int, _Reader] = weakref.WeakValueDictionary()
        """In the order in which they came. Each lives as long as its iterator."""
        self._numbers = count()
        self._is_over = False

    @property
    def has_readers(self) -> bool:
        """False while nobody would hear: the event need not even be made."""
        return bool(self._readers)

    def publish(self, event: Event) -> None:
        if not self._readers:
            return
        for reader in self._readers.values():
            reader.put(event)

    def close(self) -> None:
        """Nothing will happen any more: each reader ends after what it has not read yet."""
        self._is_over = True
        for reader in self._readers.values():
            reader.end()

    def read(self) -> AsyncGenerator[Event, None]:
        """Every event from now on, until the reader stops or the session has ended."""
        reader = _Reader(self._events_max)
        if self._is_over:
            reader.end()
        self._readers[next(self._numbers)] = reader
        return _iterate(reader)


async def _iterate(reader: _Reader) -> AsyncGenerator[Event, None]:
    while (event := await reader.get()) is not None:
        yield event
