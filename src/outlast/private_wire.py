"""What private sockets carry: news of the account, and requests that travel by socket.

A stream's codec gives the text that opens it and a reader, which turns each message into news; the
reader remembers what the venue tells in pieces and does no I/O. A trade socket's codec writes a
`WireRequest` as a frame and reads its answer as the `WireReply` that REST would have given, so that
one set of tables judges both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Protocol

from outlast.errors import Failure, Remedy
from outlast.model import Execution, Instrument, OrderReport
from outlast.wire import Cost, WireReply, WireRequest

__all__ = [
    "AccountMoved",
    "AmountsShown",
    "BalanceTold",
    "FillTold",
    "FillsTold",
    "FlowsCodec",
    "Hello",
    "Moved",
    "News",
    "OpenOrdersTold",
    "OrderTold",
    "OrderTouched",
    "PositionTold",
    "PrivateReader",
    "PrivateStreamCodec",
    "SocketAnswer",
    "StreamEnding",
    "SubscribeAnswered",
    "Ticket",
    "TradeSocketCodec",
    "Unrecognised",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a venue wants to see before it lets a socket near the account. A secret."""

    text: str = field(repr=False)
    good_for_s: float
    """From the moment it was given; a socket that came in with it may stay longer."""


@dataclass(frozen=True, slots=True)
class Hello:
    """One message of those that open a socket; its answer carries the number."""

    number: int
    text: bytes = field(repr=False)


# News ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderTold:
    """An order as it stands after what just happened to it."""

    report: OrderReport


@dataclass(frozen=True, slots=True)
class OrderTouched:
    """Something happened to an order of which the stream has not told enough: ask for it."""

    venue_order_id: str
    symbol: str | None


@dataclass(frozen=True, slots=True)
class FillTold:
    execution: Execution


@dataclass(frozen=True, slots=True)
class OpenOrdersTold:
    """Every open order of the account, at the moment of subscribing."""

    reports: tuple[OrderReport, ...]


@dataclass(frozen=True, slots=True)
class FillsTold:
    """The latest fills of the account, at the moment of subscribing."""

    executions: tuple[Execution, ...]
    complete_since_ms: int | None
    """None: there are no others at all. Else the venue's time from which on none is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTold:
    """What the account holds of one currency after a change, or at the moment of subscribing."""

    currency: str
    total: Decimal
    locked: Decimal | None
    """None where the venue tells totals only: what open orders hold is to be derived."""
    at_ms: int | None
    """The venue's time of the change; None in a snapshot that does not say."""
    cause: str = ""
    """The venue's word for it."""


@dataclass(frozen=True, slots=True)
class AmountsShown:
    """Every balance of the account has been told, at the moment of subscribing; maybe there are
    none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionTold:
    symbol: str
    qty: Decimal
    entry_price: Decimal
    unrealised_pnl: Decimal
    at_ms: int
    cause: str = ""


class Moved(Enum):
    """What moved an account besides our orders."""

    TRANSFER = "transfer"
    """A deposit, a withdrawal, or a transfer between accounts of one owner."""
    FUNDING = "funding"
    LIQUIDATION = "liquidation"
    MARGIN_CALL = "margin_call"
    SETTINGS = "settings"
    """Leverage or mode was changed by somebody."""
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountMoved:
    """Something happened to the account that no order of ours explains."""

    kind: Moved
    cause: str
    """The venue's word for it."""
    at_ms: int
    currency: str | None = None
    amount: Decimal | None = None
    """Signed; None where the venue names only the result."""
    symbol: str | None = None
    flow_id: str = ""
    """The venue's id of it, from its list; empty where a stream tells, which names none."""


@dataclass(frozen=True, slots=True)
class SubscribeAnswered:
    """The venue's answer to one `Hello`."""

    number: int
    error: str = ""
    remedy: Remedy | None = None
    """After an error: RESYNC for our clock, WAIT_BAN for a limit, RETRY with a fresh ticket, or
    GIVE_UP. None: it was taken."""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class StreamEnding:
    """Nothing that can be relied on comes over this connection any more: dial again."""

    reason: str
    ticket_is_dead: bool = False


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A message that the codec cannot read: counted and journaled, never dropped in silence."""

    what: str


News = (
    OrderTold
    | OrderTouched
    | FillTold
    | OpenOrdersTold
    | FillsTold
    | BalanceTold
    | AmountsShown
    | PositionTold
    | AccountMoved
    | SubscribeAnswered
    | StreamEnding
    | Unrecognised
)


# Codecs -------------------------------------------------------------------------------------------


class PrivateReader(Protocol):
    """Reads the messages of one connection, in order."""

    def read(self, message: bytes) -> Sequence[News]:
        """What `message` says; nothing for a heartbeat. Never raises on what a venue can send."""
        ...


class PrivateStreamCodec(Protocol):
    """How a venue tells of an account: a module of its package, checked against this by mypy."""

    @property
    def SNAPSHOT_TELLS_ORDERS(self) -> bool:
        """True when subscribing brings `OpenOrdersTold` and `AmountsShown`: nobody needs to ask."""
        ...

    @property
    def DIAL_COSTS(self) -> Sequence[Cost]:
        """What one connection and its subscriptions take from the venue's counters."""
        ...

    @property
    def SILENCE_LIMIT_S(self) -> float | None:
        """A live connection is never silent for so long; None where silence is usual."""
        ...

    @property
    def PING(self) -> bytes | None:
        """A message that the venue answers at once; None where it has none."""
        ...

    def ask_ticket(self) -> WireRequest | None:
        """None where the venue wants none."""
        ...

    def keep_ticket(self, ticket: Ticket) -> WireRequest | None:
        """Prolongs it; None where it lives as long as its connection."""
        ...

    def read_ticket(self, request: WireRequest, reply: WireReply) -> Ticket | Failure: ...

    def private_url(self, base_url: str, ticket: Ticket | None) -> str:
        """Where to dial. It may hold a secret: never log it."""
        ...

    def hello(
        self,
        *,
        key: str,
        secret: str,
        ticket: Ticket | None,
        timestamp_ms: int,
        valid_for_ms: int,
    ) -> Sequence[Hello]:
        """What to say first; the stream is live when each was answered. May be nothing at all."""
        ...

    def reader(self, instruments: Mapping[str, Instrument]) -> PrivateReader:
        """A fresh one for each connection. `instruments` are keyed by any of their names."""
        ...


class FlowsCodec(Protocol):
    """How a venue lists what moved an account besides its orders: a module of its package."""

    def query_flows(self, *, since_ms: int) -> Sequence[WireRequest]:
        """Everything to ask for; each is read and paged by itself."""
        ...

    def next_page(
        self, request: WireRequest, reply: WireReply, *, now_ms: int
    ) -> WireRequest | None:
        """As `VenueCodec.next_page`. Pages may overlap."""
        ...

    def read_flows(
        self, request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
    ) -> Sequence[AccountMoved] | Failure: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketAnswer:
    """The answer to one request, as REST would have given it."""

    number: int | None
    """Whose it is; None: nobody's in particular, and all that is under way is in doubt."""
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class TradeSocketCodec(Protocol):
    """How a venue takes orders over a socket: a module of its package."""

    @property
    def NEEDS_TICKET(self) -> bool: ...
    @property
    def DIAL_COSTS(self) -> Sequence[Cost]: ...
    @property
    def SILENCE_LIMIT_S(self) -> float | None: ...
    @property
    def PING(self) -> bytes | None: ...

    def trade_url(self, base_url: str) -> str: ...

    def greeting(self, ticket: Ticket | None) -> bytes | None:
        """What has to be said for the venue to keep the connection; its answer is not awaited."""
        ...

    def frame(
        self,
        request: WireRequest,
        *,
        number: int,
        key: str,
        secret: str,
        ticket: Ticket | None,
        timestamp_ms: int,
        valid_for_ms: int,
    ) -> bytes | None:
        """`request`, signed, as one message; None where the venue takes it over REST only."""
        ...

    def read_answer(self, message: bytes) -> SocketAnswer | StreamEnding | None:
        """None for what answers no request. Never raises on what a venue can send."""
        ...

    def refuses_ticket(self, answer: SocketAnswer) -> bool:
        """True when the venue says that the ticket is no good any more: nothing was done."""
        ...
