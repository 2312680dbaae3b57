"""What crosses the walls: requests and replies as values, and the ports that carry them.

A codec makes `WireRequest`s and reads `WireReply`s; a transport turns a signed request into a reply
or a `TransportFault`; neither knows the other. Nothing in here does I/O.

What each call makes is a `msgspec.Struct`: it is made in a tenth of a frozen dataclass's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Protocol, runtime_checkable

import msgspec

from outlast.errors import Failure, Scope
from outlast.model import (
    Balance,
    Execution,
    Instrument,
    Level,
    Order,
    OrderReport,
    OrderRequest,
    Plane,
    Position,
    Product,
)
from outlast.notices import PageMap, SystemStatus, VenueMode

__all__ = [
    "Auth",
    "Clock",
    "Cost",
    "Counter",
    "FaultKind",
    "HttpRequest",
    "HttpTransport",
    "Lane",
    "PromptTransport",
    "Record",
    "RecordStore",
    "Traits",
    "TransportFault",
    "VenueCodec",
    "WireReply",
    "WireRequest",
]


class Lane(IntEnum):
    """Who goes first when the venue's limits are short. Lower goes first."""

    SAFETY = 0
    """Cancels, reduce-only orders, the dead man's switch."""
    RECONCILE = 1
    """Finding out what is true: unknown orders, open orders, positions, executions, probes."""
    TRADE = 2
    """Orders that add risk."""
    DATA = 3
    """Market data and everything that can wait."""


class Auth(Enum):
    NONE = "none"
    KEY = "key"
    """The key in a header, no signature."""
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one attempt takes from one of the venue's counters, at the moment it is sent."""

    counter: str
    units: int


@dataclass(frozen=True, slots=True)
class Counter:
    """One of the venue's own limits: `limit` units per window of `window_s` seconds.

    `scope` says who shares it: `Scope.IP` or `Scope.ACCOUNT`.
    """

    name: str
    window_s: float
    limit: int
    scope: Scope
    decay_per_s: float | None = None
    """None: a window aligned to the venue's clock. Else a level that falls by so much a second and
    must not rise above `limit`; `window_s` is then how long it takes to empty."""
    per_symbol: bool = False
    """One such level for each symbol; cancels cost by the order's age, besides `Cost.units`."""


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call, before it is signed. Timestamp, nonce and signature come per attempt."""

    name: str
    """`order.place`, `positions.read`: the same names for all venues."""
    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    auth: Auth = Auth.NONE
    plane: Plane
    lane: Lane
    is_write: bool = False
    safe_to_repeat: bool = True
    """True when sending it twice does no more than sending it once. Never for a new order."""
    costs: tuple[Cost, ...] = ()
    answer_within_s: float = 3.0
    """How long the venue may need to answer for sure: the attempt's read timeout."""
    symbol: str | None = None
    client_order_id: str | None = None
    client_order_ids: tuple[str, ...] = ()
    """Of a request about several orders: each of them."""


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One signed attempt, ready to be written. `headers` and `url` hold secrets: never log them."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    connect_within_s: float = 5.0
    answer_within_s: float = 3.0
    on_written: Callable[[], None] | None = None
    """Called by the transport when the last byte has been handed to the connection, for requests
    that must be written in the order of their nonces."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"HttpRequest({shown})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What `repr` and rich's tracebacks may show: nothing that is secret."""
        shown = ("method", "connect_within_s", "answer_within_s")
        return [(name, getattr(self, name)) for name in shown]


class WireReply(msgspec.Struct, frozen=True, kw_only=True):
    """A complete HTTP answer, whatever it says."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    sent_at: float
    received_at: float
    """Both by the local monotonic clock."""


class FaultKind(Enum):
    """Why there was no complete answer."""

    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILED = "connect_failed"
    """Refused, or the TLS handshake failed."""
    NAME_UNRESOLVED = "name_unresolved"
    """The name service gave no address: ours fails, or the endpoint is written wrong."""
    NO_ROUTE = "no_route"
    """No way out of this machine or network: no route, no interface, no socket left."""
    POOL_TIMEOUT = "pool_timeout"
    """No connection of ours became free: local, nothing was sent."""
    WRITE_FAILED = "write_failed"
    READ_TIMEOUT = "read_timeout"
    CONNECTION_LOST = "connection_lost"
    """Reset or closed after the request was written, or in the middle of the answer."""
    PROTOCOL_ERROR = "protocol_error"
    """Bytes came back that are not HTTP, or not the length that they promised."""
    LOCAL = "local"
    """Our own mistake or limit: a bad URL, a closed client."""

    @property
    def nothing_sent(self) -> bool:
        """True only where no byte of the request can have reached the venue."""
        return self in _NOTHING_SENT

    @property
    def is_ours(self) -> bool:
        """True where the fault lies on this side and says nothing about the venue."""
        return self in _OURS


_NOTHING_SENT = frozenset(
    {
        FaultKind.CONNECT_TIMEOUT,
        FaultKind.CONNECT_FAILED,
        FaultKind.NAME_UNRESOLVED,
        FaultKind.NO_ROUTE,
        FaultKind.POOL_TIMEOUT,
        FaultKind.LOCAL,
    }
)
_OURS = frozenset(
    {
        FaultKind.NAME_UNRESOLVED,
        FaultKind.NO_ROUTE,
        FaultKind.POOL_TIMEOUT,
        FaultKind.LOCAL,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFault:
    kind: FaultKind
    detail: str
    """The library's class and words, without URL or headers."""
    sent_at: float
    received_at: float


class Clock(Protocol):
    """The only source of time. `now` never steps; `wall` is seconds since the epoch and may."""

    def now(self) -> float: ...
    def wall(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


class HttpTransport(Protocol):
    async def send(self, request: HttpRequest) -> WireReply | TransportFault:
        """Send once and wait for the end of it. Never raises for what the network does."""
        ...

    async def aclose(self) -> None: ...


@runtime_checkable
class PromptTransport(HttpTransport, Protocol):
    """One that can send without being waited for, as long as a connection is free."""

    def begin(
        self, request: HttpRequest, tell: Callable[[WireReply | TransportFault], None]
    ) -> bool:
        """Write `request` now; `tell` hears the end of it in a later turn of the loop, once.

        False where no connection is free, or something else is in the way: nothing was done, and
        `send` does it. Saves the task that `send` takes where it must not be cancelled.
        """
        ...


class Record(msgspec.Struct, frozen=True):
    """One line of the journal."""

    seq: int
    """From 1, without a gap."""
    at: float
    """Seconds since the epoch, by our clock."""
    kind: str
    """`order.intent`, `attempt`, `breaker.changed`, …"""
    data: bytes
    """The fields as deterministic JSON."""
    chain_hash: str
    """SHA-256 over the previous record's hash and everything above, in hex."""

    @property
    def id(self) -> str:
        """The name that exceptions and reports carry: `#17`."""
        return f"#{self.seq}"


class RecordStore(Protocol):
    """Where the journal's records are kept."""

    def last(self) -> Record | None: ...

    def records(self) -> Iterator[Record]: ...

    def write(self, *records: Record) -> None:
        """Keep one record or a few hundred, all or none; the operating system has them after it.

        Raises:
            JournalUnavailable: they could not be written (disk full, file gone).
        """
        ...

    def sync(self) -> None:
        """Bring all that was written to the disk itself, safe from a loss of power.

        May be slow: the shell calls it in a thread, while `write` goes on in another.

        Raises:
            JournalUnavailable: the disk did not confirm it.
        """
        ...

    def checkpoint(self) -> None:
        """Housekeeping that may be slow: the shell calls it in a thread."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """Where a venue wants the client to do something else, not only to spell it otherwise."""

    uses_nonce: bool = False
    """Signed requests carry a number that must rise from each to the next, as the venue receives
    them: `sign` is given one, and they are written one after the other."""
    uuid_order_ids: bool = False
    """Client order ids are UUIDs; otherwise short text (see `core.ids`)."""
    time_step_ms: float = 1.0
    """The smallest step of the clock that `query_time` reads."""
    spare_roots: tuple[str, ...] = ()
    """Other hosts that serve what the `rest` endpoint serves, and count against the same limits."""
    dead_mans_switch: Scope | None = None
    """What one switch of the venue cancels when it fires: the orders of a symbol, or all of the
    account. None where there is no such thing."""
    tells_state: bool = True
    """False where the answers to a new order and to a cancel only confirm that it was taken: what
    became of it takes a query."""
    lists_account: bool = False
    """A list of executions or of open orders is the whole account's, whatever symbol was asked for:
    one answer serves all symbols."""
    cancels_at_once: int = 1
    """How many orders of one symbol one request cancels by their ids; 1: one by one."""


class VenueCodec(Protocol):
    """What a venue's package offers: a module of pure functions, checked against this by mypy.

    `read_*` take a complete reply to the request of the same name and give the values in it or a
    `Failure`; they never raise on anything a venue can send. Their `instruments` may be keyed by
    the unified symbol or by the venue's own.

    `conditional` names the stops and take-profits, which some venues keep in a service of their
    own; the others ignore it.
    """

    @property
    def VENUE(self) -> str: ...
    @property
    def PRODUCT(self) -> Product: ...
    @property
    def DEFAULT_ENDPOINTS(self) -> Mapping[str, str]: ...
    @property
    def CONDITIONAL_APART(self) -> bool:
        """True when only `conditional=True` cancels, finds and lists conditional orders.

        Whoever wants all orders then asks twice, once with and once without it.
        """
        ...

    @property
    def TRAITS(self) -> Traits: ...
    @property
    def STATUS_PAGE(self) -> PageMap:
        """Which part of which status page is about this product."""
        ...

    # Requests.
    def place_order(
        self, order: OrderRequest, instrument: Instrument, client_order_id: str, *, now_ms: int
    ) -> WireRequest:
        """`now_ms` is the venue's time, for orders that expire at an instant.

        Raises:
            InvalidOrder: the venue has no such order; the message names the field.
        """
        ...

    def cancel_order(
        self, instrument: Instrument, client_order_id: str, *, conditional: bool = False
    ) -> WireRequest: ...
    def cancel_orders(self, instrument: Instrument, orders: Sequence[Order]) -> WireRequest | None:
        """Cancel these, of one symbol, none conditional where `CONDITIONAL_APART`.

        From 2 to `TRAITS.cancels_at_once` of them. None where the venue cancels one by one.
        """
        ...

    def amend_order(
        self,
        order: Order,
        instrument: Instrument,
        *,
        price: Decimal | None,
        qty: Decimal,
        adds_risk: bool,
    ) -> WireRequest:
        """New terms for a live order that keeps its ids; `qty` is that of the whole order.

        A write that is never safe to repeat: what became of it is told by the order itself.

        Raises:
            InvalidOrder: the venue does not amend this so; the message names field and remedy.
        """
        ...

    def cancel_all_orders(
        self, instrument: Instrument, *, conditional: bool = False
    ) -> WireRequest: ...
    def dead_mans_switch(
        self, instrument: Instrument | None, *, timeout_s: int
    ) -> WireRequest | None:
        """Let the venue cancel orders by itself unless it hears this again in time; 0 ends that.

        `instrument` is None where the switch is the account's. None: see `TRAITS`.
        """
        ...

    def query_order(
        self,
        instrument: Instrument,
        client_order_id: str | None = None,
        *,
        venue_order_id: str | None = None,
        conditional: bool = False,
    ) -> WireRequest:
        """One order, named by exactly one of the two ids."""
        ...

    def query_orders(
        self, instrument: Instrument, venue_order_ids: Sequence[str]
    ) -> WireRequest | None:
        """Several orders of one symbol, open or ended, for `read_orders`; None: one by one."""
        ...

    def query_closed_order(
        self, instrument: Instrument, client_order_id: str, *, since_ms: int
    ) -> WireRequest | None:
        """Where to look when `query_order` by our id found nothing: among the orders that ended.

        None where `query_order` finds those too. `since_ms` is when the order was meant, or before.
        """
        ...

    def query_open_orders(
        self, instrument: Instrument | None, *, conditional: bool = False
    ) -> WireRequest: ...
    def query_executions(
        self, instrument: Instrument, *, since_ms: int | None, venue_order_id: str | None = None
    ) -> WireRequest: ...
    def next_page(
        self, request: WireRequest, reply: WireReply, *, now_ms: int
    ) -> WireRequest | None:
        """What to ask for the rows that `reply` to `query_executions` left out; None at the end.

        `now_ms` is the venue's time: some answers end a day or a week after the time asked for.
        """
        ...

    def query_positions(self) -> WireRequest:
        """Only for products that have positions (`Product.has_positions`)."""
        ...

    def query_balances(self) -> WireRequest: ...
    def query_instruments(self) -> WireRequest: ...
    def query_book(self, instrument: Instrument, *, depth: int) -> WireRequest: ...
    def query_mark_price(self, instrument: Instrument) -> WireRequest: ...
    def query_time(self) -> WireRequest: ...
    def probe(self) -> WireRequest:
        """The cheapest read that tells whether the product's front door answers."""
        ...

    def query_system_status(self) -> WireRequest | None:
        """What the venue says of itself; None where it says nothing about this product."""
        ...

    def sign(
        self,
        request: WireRequest,
        *,
        base_url: str,
        key: str | None,
        secret: str | None,
        timestamp_ms: int,
        valid_for_ms: int,
        nonce: int | None = None,
    ) -> HttpRequest:
        """`nonce` is given where `TRAITS.uses_nonce`."""
        ...

    # Limits.
    def limits(self, tier: str | None = None) -> Sequence[Counter]:
        """The documented counters, until `read_limits` knows better.

        `tier` is what the account is entitled to where the venue has such grades and no answer
        tells it; None for the lowest.

        Raises:
            ConfigurationError: the venue has no such tier; the message lists those that it has.
        """
        ...

    def read_limits(self, request: WireRequest, reply: WireReply) -> Sequence[Counter] | Failure:
        """All counters, as the reply to `query_instruments` gives them."""
        ...

    def read_usage(self, headers: Mapping[str, str]) -> Mapping[str, int]:
        """What the venue says is used, by counter name; empty when it says nothing."""
        ...

    # Replies.
    def classify_fault(self, request: WireRequest, fault: TransportFault) -> Failure: ...
    def classify(self, request: WireRequest, reply: WireReply) -> Failure | None:
        """None when the envelope says success (the `read_*` may still find it hollow)."""
        ...

    def read_order(
        self, request: WireRequest, reply: WireReply, instrument: Instrument
    ) -> OrderReport | Failure: ...
    def read_amended(
        self, request: WireRequest, reply: WireReply, instrument: Instrument, order: Order
    ) -> OrderReport | Failure:
        """The answer to an amendment of `order`: the order as it is with its new terms."""
        ...

    def read_canceled(
        self, request: WireRequest, reply: WireReply, instrument: Instrument
    ) -> Mapping[str, OrderReport | Failure] | Failure:
        """The answer to `cancel_orders`, by client order id: each as it has ended, or why not.

        An order of which the answer says nothing by itself is left out: it takes a query.
        """
        ...

    def read_dead_mans_switch(self, request: WireRequest, reply: WireReply) -> float | Failure:
        """In how many seconds it fires, by the venue's own word; 0.0 when it is off."""
        ...

    def read_orders(
        self, request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
    ) -> Sequence[OrderReport] | Failure: ...
    def read_executions(
        self, request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
    ) -> Sequence[Execution] | Failure: ...
    def read_positions(
        self,
        request: WireRequest,
        reply: WireReply,
        instruments: Mapping[str, Instrument],
        *,
        as_of: float,
    ) -> Sequence[Position] | Failure: ...
    def read_balances(
        self, request: WireRequest, reply: WireReply, *, as_of: float
    ) -> Sequence[Balance] | Failure: ...
    def read_instruments(
        self, request: WireRequest, reply: WireReply
    ) -> Sequence[Instrument] | Failure: ...
    def read_book(
        self, request: WireRequest, reply: WireReply
    ) -> tuple[Sequence[Level], Sequence[Level]] | Failure: ...
    def read_mark_price(self, request: WireRequest, reply: WireReply) -> Decimal | Failure: ...
    def read_index_price(self, request: WireRequest, reply: WireReply) -> Decimal | Failure | None:
        """The price of the same thing elsewhere, from the answer to `query_mark_price`; None where
        the venue tells none."""
        ...

    def read_time(self, request: WireRequest, reply: WireReply) -> int | Failure: ...
    def read_system_status(
        self, request: WireRequest, answer: WireReply | Failure
    ) -> SystemStatus | Failure:
        """A failure of the call may be an answer here: some venues refuse while they maintain."""
        ...

    def symbol_mode(self, instrument: Instrument) -> VenueMode:
        """What the venue takes on one symbol, by its status in the list of instruments."""
        ...
