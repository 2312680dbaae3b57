"""What crosses the walls of a WebSocket: sockets, what becomes of a dial, what codecs read of it.

The counterpart of `wire` for streams. A transport dials and carries bytes, a codec turns wishes
into frames and frames into values; neither knows the other. Nothing in here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from outlast.errors import Failure
from outlast.model import Instrument, Side
from outlast.wire import FaultKind, WireReply, WireRequest

__all__ = [
    "Acked",
    "Candle",
    "Channel",
    "DialFault",
    "Frame",
    "MarketDecoder",
    "MarketStreamCodec",
    "ModeTold",
    "OnClosed",
    "OnMessage",
    "PublicDataCodec",
    "PublicTrade",
    "Sent",
    "ShuttingDown",
    "Socket",
    "SocketClosed",
    "SocketTransport",
    "StreamTraits",
    "Ticker",
    "Topic",
    "Trades",
    "Unrecognised",
]


class Sent(Enum):
    """What became of a frame that was to be sent."""

    NOTHING = "nothing"
    """No byte of it left this process: another path may be taken."""
    HANDED_OVER = "handed_over"
    """It was given to a connection that was open. It may have left; only an answer tells more."""


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """How a connection ended. Sent once per socket."""

    code: int | None
    """The venue's close code; None when it closed without one, or was cut."""
    reason: str

    def describe(self) -> str:
        if self.code is None:
            return self.reason or "the connection was cut"
        return f"closed with code {self.code}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialFault:
    """Why no WebSocket was opened. No address in it: those may hold keys."""

    kind: FaultKind
    detail: str
    http_status: int | None = None
    """When the venue answered the handshake with something else than an upgrade."""
    retry_after_s: float | None = None

    def describe(self) -> str:
        if self.http_status is not None:
            return f"the handshake was answered with HTTP {self.http_status}"
        return f"{self.kind.value}: {self.detail}"


OnMessage = Callable[[bytes], None]
"""Hears each complete message, in order, as it comes in; what it does holds up the event loop."""
OnClosed = Callable[[SocketClosed], None]
"""Hears once that nothing more will come, whoever ended it."""


class Socket(Protocol):
    """One open WebSocket."""

    def hand_over(self, data: bytes | str) -> Sent:
        """Give a text message to the connection, whole or not at all; never waits, never raises.

        NOTHING where it is not open, or so far behind that what waits to be written is too much.
        """
        ...

    def close(self) -> None:
        """Say goodbye; the connection is cut where the venue does not answer that soon."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...


class SocketTransport(Protocol):
    async def dial(
        self, url: str, *, on_message: OnMessage, on_closed: OnClosed, open_within_s: float
    ) -> Socket | DialFault:
        """Dial once. Never raises for what the network does.

        `on_message` may be called before this returns: some venues speak first.
        """
        ...

    async def drain(self) -> None:
        """Return when every socket that was told to close is gone."""
        ...


# Market data --------------------------------------------------------------------------------------


class Channel(Enum):
    """What can be subscribed of a symbol."""

    BOOK = "book"
    QUOTE = "quote"
    """The venue's own best bid and ask: a witness for the book."""
    TRADES = "trades"
    TICKER = "ticker"
    CANDLES = "candles"


@dataclass(frozen=True, slots=True)
class Topic:
    """One subscription."""

    channel: Channel
    symbol: str
    """As the venue's messages spell it."""
    detail: str = ""
    """The depth of a book, the interval of candles; empty where the venue has no choice."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message to the venue, and the topics that it is about."""

    request_id: int
    topics: tuple[Topic, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Acked:
    """The venue answered a request to subscribe or unsubscribe."""

    request_id: int | None
    """None where the venue does not say which."""
    topic: Topic | None
    """None: all topics of that request."""
    error: str = ""
    """Empty when it was accepted."""
    symbol: str = ""
    """Where only the symbol is said, of the request's topics those of this one; empty for all."""


@dataclass(frozen=True, slots=True)
class ModeTold:
    """The venue says on the stream how it trades, all of it or one symbol."""

    mode: str
    """In the venue's words: `online`, `maintenance`, `cancel_only`, `BREAK`."""
    is_trading: bool
    """False where orders do not match: what the book shows cannot be had."""
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class ShuttingDown:
    """The venue is about to close this connection: open another one now."""


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A message that the codec does not know, or could not read. Counted, never dropped silently.

    The symbol is None where not even that could be read.
    """

    raw: bytes
    detail: str
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class PublicTrade:
    """One trade of the public tape, anybody's."""

    symbol: str
    trade_id: int
    """Rises by one from each to the next of the symbol. At Binance it counts aggregates: what one
    order took at one price."""
    price: Decimal
    qty: Decimal
    taker_side: Side
    """Who came to the market: a buy took the ask."""
    venue_time_ms: int


@dataclass(frozen=True, slots=True)
class Ticker:
    """The last day of a symbol, as the venue sums it up."""

    symbol: str
    last_price: Decimal
    bid_price: Decimal | None
    """None where the venue's ticker does not carry it; the book does."""
    ask_price: Decimal | None
    open_price: Decimal | None
    high_price: Decimal
    low_price: Decimal
    base_volume: Decimal
    venue_time_ms: int | None
    """None where the answer has no time."""


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low, close and volume of one interval."""

    symbol: str
    interval: str
    opens_at_ms: int
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    close_price: Decimal
    base_volume: Decimal
    trade_count: int
    is_closed: bool
    """False while the interval lasts: it will change. On a stream that does not say, a candle is
    closed when the next one has begun."""


@dataclass(frozen=True, slots=True)
class Trades:
    """The trades in one message, oldest first."""

    symbol: str
    rows: tuple[PublicTrade, ...]
    is_snapshot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamTraits:
    """What the venue wants of its market data sockets."""

    topics_max: int
    """Subscriptions of one socket."""
    frame_every_s: float
    """Between two messages to the venue."""
    has_quotes: bool
    """`Channel.QUOTE` exists and its update ids are those of the book."""
    has_snapshots: bool
    """A book subscription begins with the whole book, on the stream; else it is read over REST."""
    silence_limit_s: float | None = None
    """The venue promises some message within so long."""
    ping_every_s: float | None = None
    """`ping` is to be sent so often."""
    max_age_s: float = 23.5 * 3600


class MarketDecoder(Protocol):
    """Reads what one market data socket brings. Never raises."""

    def decode(self, raw: bytes) -> Any:
        """A message about a book as the books of `core.books` take it, or None.

        First, because most messages are: the others are for `decode_other`.
        """
        ...

    def decode_other(self, raw: bytes) -> Any:
        """Any other message: one of the classes above, or None where it says nothing."""
        ...

    def decode_exactly(self, symbol: str) -> None:
        """From the next message on, numbers of this symbol's book are Decimals."""
        ...

    def snapshot(self, body: bytes, symbol: str) -> Any:
        """A successful answer to `query_book`, as a book takes it."""
        ...


class MarketStreamCodec(Protocol):
    """What a venue's `market_streams` module offers: pure functions, checked against this by mypy.

    Trades, tickers and candles are named by the unified symbol in what is given out, and by the
    stream's own spelling in topics and in messages: `instruments` leads from one to the other.
    """

    @property
    def TRAITS(self) -> StreamTraits: ...

    def stream_symbol(self, instrument: Instrument) -> str:
        """How the streams spell it."""
        ...

    def book_topic(self, instrument: Instrument, *, depth: int) -> Topic:
        """The book of at least `depth` levels.

        Raises:
            ValueError: nobody can have so many; the message says how many.
        """
        ...

    def topic(self, channel: Channel, instrument: Instrument, *, interval: str = "") -> Topic:
        """Any other subscription.

        Raises:
            ValueError: the venue has no such interval.
        """
        ...

    def url(self, root: str, channel: Channel) -> str:
        """Where a socket for this channel is dialled; channels of equal URLs may share one."""
        ...

    def subscribe(self, topics: Sequence[Topic], *, first_id: int) -> list[Frame]: ...

    def unsubscribe(self, topics: Sequence[Topic], *, first_id: int) -> list[Frame]: ...

    def ping(self) -> bytes: ...

    def decoder(self) -> MarketDecoder: ...


class PublicDataCodec(Protocol):
    """What a venue's `public_data` module offers: the same data over REST, for those who missed it.

    `read_*` never raise on anything that a venue can send.
    """

    def query_trades(
        self, instrument: Instrument, *, from_id: int | None, since_ms: int | None
    ) -> WireRequest:
        """Trades from an id on, or from a time on where the venue knows no ids; else the latest."""
        ...

    def read_trades(
        self, request: WireRequest, reply: WireReply, instrument: Instrument
    ) -> Sequence[PublicTrade] | Failure: ...

    def query_ticker(self, instrument: Instrument) -> WireRequest: ...

    def read_ticker(
        self, request: WireRequest, reply: WireReply, instrument: Instrument
    ) -> Ticker | Failure: ...

    def query_candles(
        self, instrument: Instrument, *, interval: str, since_ms: int | None, limit: int
    ) -> WireRequest:
        """Raises ValueError where the venue has no such interval."""
        ...

    def read_candles(
        self, request: WireRequest, reply: WireReply, instrument: Instrument, *, now_ms: int
    ) -> Sequence[Candle] | Failure: ...
