"""The port between the exchange's sockets and a venue's streaming protocol.

`Sockets` (`mock/streams/hub.py`) does what all venues have in common: handshakes and their faults,
dial limits, pings, lifetimes, slow readers, the stream faults of the scenario, requests over a
socket through the same pipeline as REST, and the report to the truth. A venue's `StreamDialect`
does what is its own: which path carries what, what a text message means, what frames look like. It
is given to the exchange as `Dialect.streams` (None: the venue serves no sockets).

A dialect in ten lines::

    class ToyStreams(StreamDialect):
        def attach(self, sockets):
            self.sockets = sockets
            sockets.every(100, self.tick)                      # venue milliseconds, aligned

        def plug(self, message):                               # which socket is this path?
            return Plug(feed=Feed.MARKET, rules=RULES) if message.path == "/ws" else None

        def received(self, client, text):                      # any text: refuse in your own words
            client.subscribe("book:BTCUSD", channel="book", symbol="BTCUSD")
            client.send('{"subscribed":"book"}')               # an answer; faults spare it

        def tick(self):
            change = self.sockets.books.diff("toy", "BTCUSD")  # None: the book stands still
            if change is not None:
                self.sockets.publish("book:BTCUSD", lambda sub: Update(render(change)))

What to know:

- A *topic* is a name of the dialect's own: who subscribes to the same topic is published to
  together. `channel` is what scenarios call it (`where: {channel: …}`, `mute: {channels: …}`):
  the venue's word for the kind of stream (`depth`, `kline`, `book`, `executions`, `heartbeat`).
- Everything that a channel carries goes through `Subscription.send` or `Sockets.publish`: there
  the scenario loses, delays, doubles, swaps, mutes or holds it back. Answers go by `Client.send`.
- Rules know a client by its account (`Plug.account`, or `client.account` once it is known), else by
  its address. `close`, `no_pong` and `expire_key` are decided once a socket, all others once a
  subscription; `ack_only` only when it is made.
- A socket has the endpoint classes of its plug's feed (`ws.market.connect`, `ws.market.stream`);
  a subscription may be of the other one (`feed=Feed.USER` on a socket that carries both).
- Requests (`order.place`, `add_order`): make a `Call` as for REST, and `client.ask(call, frame)`;
  `frame` writes the answer, an error of the venue included, as one text. Its record, limits, fault
  rules (`ws.api` and the endpoint class), effect and reply are those of the pipeline.
- `Update.shown`: ids of the engine's orders that this text shows to their owner. Skip engine events
  with `silent` set: they are not for the user stream.
- `sockets.engine.listen(...)` in `attach` for orders, balances, positions and the tape; a listener
  must not call back into the engine: `sockets.soon(action)` runs right after what is under way.
- Books: one `BookFeed` a venue (`sockets.books`), shared with REST: `books.now(symbol)` numbers the
  snapshot, `books.diff(key, symbol)` gives what changed since the last call with this key, so that
  every snapshot lies inside the stream's range of ids. Use one key a cadence or depth, not one a
  client.
- Time: `sockets.now_ms` is the clock as the venue shows it, `sockets.engine.now_ms` the true one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from outlast.mock.streams.books import BookDiff, BookFeed, BookState
from outlast.mock.streams.client import Client, Subscription
from outlast.mock.streams.hub import Sockets
from outlast.mock.venues.dialect import WireAnswer

if TYPE_CHECKING:
    from outlast.mock.http.plans import HttpMessage

__all__ = [
    "BookDiff",
    "BookFeed",
    "BookState",
    "Client",
    "Feed",
    "Plug",
    "Proof",
    "SocketRules",
    "Sockets",
    "StreamDialect",
    "Subscription",
    "Update",
]


class Feed(Enum):
    """Which of the scenario's two kinds of stream something belongs to."""

    MARKET = "ws.market"
    USER = "ws.user"

    @property
    def connect(self) -> str:
        """The endpoint class of a handshake."""
        return f"{self.value}.connect"

    @property
    def stream(self) -> str:
        """The endpoint class of what then runs."""
        return f"{self.value}.stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketRules:
    """What the venue asks of those on a socket. Pings, pongs and rates are in seconds of the event
    loop (a client cannot answer faster than it lives); the lifetime is in venue time."""

    ping_every_s: float | None = 180.0
    """None: the server sends no pings."""
    pong_within_s: float = 600.0
    """Closed with 1008 "Pong timeout" when no pong came for so long after a ping."""
    lifetime_s: float | None = 86_400.0
    inbound_per_s: int | None = None
    """Messages a client may send in any one second; one more closes the socket with 1008."""
    counts_pings: bool = False
    """Whether the client's ping and pong frames count as messages."""
    idle_s: float | None = None
    """Closed when the client has sent nothing for so long (Kraken: 60 s without a ping)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """What a socket path is: the answer to `StreamDialect.plug`."""

    feed: Feed
    rules: SocketRules
    name: str = ""
    """The dialect's own name of the route."""
    account: str | None = None
    """Whose socket it is, when the path says so (a listen key)."""
    weight: int = 0
    """What the handshake costs in request weight."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Which prices a book's message speaks of, and how far its checksum reaches.

    Where a venue numbers its messages, each loss shows. Where it only sends a checksum of the best
    levels, a loss shows when it reaches them, and not at all when a later message makes up for it.
    """

    bids: frozenset[Decimal]
    asks: frozenset[Decimal]
    lowest_bid: Decimal
    highest_ask: Decimal

    def shows(self, missed_bids: set[Decimal], missed_asks: set[Decimal]) -> bool:
        """Whether a client that never heard of these can tell."""
        return any(price >= self.lowest_bid for price in missed_bids) or any(
            price <= self.highest_ask for price in missed_asks
        )


@dataclass(frozen=True, slots=True)
class Update:
    """One message of a channel, ready to be sent."""

    text: str
    shown: tuple[int, ...] = ()
    """Engine orders whose state it shows to their owner."""
    kind: str = ""
    """A finer name than the channel's, which `mute` may also name (`ORDER_TRADE_UPDATE`)."""
    corrupt: Callable[[], str] | None = None
    """The same message with its integrity number wrong (a checksum; where a venue has none, the
    chain of update ids), for `bad_checksum`. None: it carries no such number."""
    crossed: Callable[[], str] | None = None
    """The same message with one bid more, above the best ask, and right by its integrity number,
    for `crossed`. None: it changes no book, or a side of it is empty."""
    proof: Proof | None = None
    """Of a book whose messages have a checksum and no numbers."""
    time_field: str = ""
    """Where a book's message says when it was; `frozen` says the message before it again, with the
    time of this one. Empty: it is not frozen."""


class StreamDialect(Protocol):
    """One venue's sockets. Inherit from it: only `attach`, `plug` and `received` must be written.

    Methods are synchronous and told of one thing at a time.
    """

    def attach(self, sockets: Sockets) -> None:
        """Take hold of the exchange's side, once, before anything happens."""

    def plug(self, message: HttpMessage) -> Plug | WireAnswer | None:
        """Say what the path of a handshake is; a refusal; or None: the venue has no such path."""

    def received(self, client: Client, text: str) -> None:
        """Act on a text message, whatever it is: malformed ones get the venue's kind of error."""

    def opened(self, client: Client) -> None:
        """Greet a client, and subscribe it to what its path asks for."""
        return

    def closed(self, client: Client) -> None:
        """Forget a client; its subscriptions are gone."""
        return

    def expire_key(self, client: Client) -> None:
        """Let the key of the user's stream die, as the scenario's `expire_key` asks."""
        return

    def going_away(self, client: Client) -> None:
        """Announce that the server is about to close (Binance spot: `serverShutdown`)."""
        return

    def backlog(self, _subscription: Subscription, _count: int) -> Iterable[Update]:
        """Make up to `count` more messages that a venue may have held back, for
        `burst_on_resume`: true and in sequence, so that a client that keeps up stays right."""
        return ()
