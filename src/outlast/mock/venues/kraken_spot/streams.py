"""Kraken spot over WebSocket v2: `/v2`, and `/auth/v2` or `/v2/auth` for private channels.

Status first, then one answer per symbol before anything else of a subscription, a heartbeat every
second once there is one. Source: Kraken docs, "Spot WebSockets Introduction" and the v2 pages;
error strings as seen by clients on the live venue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from outlast.mock.http.plans import HttpMessage
from outlast.mock.venues.dialect import WireAnswer
from outlast.mock.venues.kraken_spot import books, frames
from outlast.mock.venues.kraken_spot.frames import Asked
from outlast.mock.venues.kraken_spot.ids import Ids
from outlast.mock.venues.kraken_spot.ledger import Ledger
from outlast.mock.venues.kraken_spot.market import INTERVALS
from outlast.mock.venues.kraken_spot.market_streams import CHANNELS, MarketStreams
from outlast.mock.venues.kraken_spot.order_log import OrderLog
from outlast.mock.venues.kraken_spot.stream_requests import METHODS, StreamRequests
from outlast.mock.venues.kraken_spot.symbols import Listing, Pair
from outlast.mock.venues.kraken_spot.tokens import Tokens
from outlast.mock.venues.kraken_spot.user_streams import PRIVATE_CHANNELS, UserStreams
from outlast.mock.venues.streams import Feed, Plug, SocketRules, StreamDialect, Update

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client, Subscription
    from outlast.mock.streams.hub import Sockets

__all__ = ["KrakenStreams"]

_TICK_MS: Final = 100
_BEAT_MS: Final = 1_000
_IDLE_MS: Final = 60_000
"""A socket that has subscribed to nothing is closed when nothing has been said for so long."""
_MESSAGES_MAX: Final = 100
"""Messages a second; the venue's own limit is dynamic and not published."""
_RULES: Final = SocketRules(ping_every_s=None, lifetime_s=None)
_PATHS: Final[Mapping[str, Feed]] = {
    "/v2": Feed.MARKET,
    "/v2/auth": Feed.USER,
    "/auth/v2": Feed.USER,  # under a root that stands for the host of private connections
}
_TRIGGERS: Final = ("trades", "bbo")
_OWN_TOPICS: Final = ("status", "heartbeat")  # what is asked for may be anything, not only text
"""What a client is on without having asked for it."""

_MALFORMED: Final = "Malformed request"
_NO_CHANNEL: Final = "Subscription name invalid"
_NO_SYMBOLS: Final = "Symbol(s) not found"
_NO_DEPTH: Final = "Subscription depth not supported"
_NO_INTERVAL: Final = "Subscription ohlc interval not supported"
_NOT_SUBSCRIBED: Final = "Subscription Not Found"
_SUBSCRIBED: Final = "Already subscribed"
_NO_SESSION: Final = "ESession:Invalid session"
_TOO_FAST: Final = "Exceeded msg rate"


@dataclass(slots=True)
class _Socket:
    """What the dialect keeps of one client."""

    heard_ms: int
    token: str = ""
    recent: deque[int] = field(default_factory=deque)


class KrakenStreams(StreamDialect):
    """See `mock/venues/streams.py` for the port."""

    def __init__(
        self,
        *,
        listing: Callable[[], Listing],
        log: OrderLog,
        ledger: Ledger,
        tokens: Tokens,
        ids: Ids,
        points_max: int,
    ) -> None:
        """`points_max`: the threshold of the trading counter, told on `executions`."""
        self._points_max = points_max
        self._listing, self._log, self._ledger = listing, log, ledger
        self._tokens, self._ids = tokens, ids
        self._requests = StreamRequests(listing)

    def attach(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._market = MarketStreams(sockets, self._listing, self._ledger)
        self._user = UserStreams(sockets, self._listing, self._log, self._ledger, self._ids)
        sockets.every(_TICK_MS, self._market.tick)
        sockets.every(_BEAT_MS, self._beat)

    def plug(self, message: HttpMessage) -> Plug | WireAnswer | None:
        feed = _PATHS.get(message.path.rstrip("/"))
        return None if feed is None else Plug(feed=feed, rules=_RULES)

    def opened(self, client: Client) -> None:
        client.state = _Socket(heard_ms=self._now_ms)
        self._market.status(client)

    def received(self, client: Client, text: str) -> None:
        state: _Socket = client.state
        state.heard_ms = self._now_ms
        asked = frames.read(text, self._sockets.now_ms)
        if asked is None:
            client.send(Asked({}, self._sockets.now_ms).failed(_MALFORMED))
        elif self._is_too_fast(state):
            client.send(asked.failed(_TOO_FAST))
        elif asked.method == "ping":
            if client.answers_pings:
                client.send(asked.pong())
        elif asked.method == "subscribe":
            self._subscribe(client, asked)
        elif asked.method == "unsubscribe":
            self._unsubscribe(client, asked)
        elif asked.method in METHODS:
            self._requests.ask(client, asked, self._sockets.now_ms)
        else:
            client.send(asked.failed(_MALFORMED))

    def closed(self, client: Client) -> None:
        """All that is kept of a client is kept with it."""
        client.state = None

    def going_away(self, client: Client) -> None:
        """The venue closes without announcing it."""

    def expire_key(self, client: Client) -> None:
        """The client's token is no longer any good, although its streams go on."""
        state: _Socket = client.state
        if state.token:
            account = self._tokens.account(state.token, self._now_ms)
            if account is not None:
                self._tokens.expire(account)

    def backlog(self, subscription: Subscription, count: int) -> Iterable[Update]:
        return self._market.backlog(subscription, count)

    # -- subscribing ------------------------------------------------------------------------

    def _subscribe(self, client: Client, asked: Asked) -> None:
        channel = asked.params.get("channel")
        if channel in CHANNELS:
            for pair in self._pairs(client, asked):
                self._join(client, asked, str(channel), pair)
        elif channel == "instrument":
            self._join_instrument(client, asked)
        elif channel in PRIVATE_CHANNELS:
            self._join_private(client, asked, str(channel))
        elif channel in _OWN_TOPICS:
            client.send(asked.failed(_NO_SYMBOLS))
        else:
            client.send(asked.failed(_NO_CHANNEL))

    def _join(self, client: Client, asked: Asked, channel: str, pair: Pair) -> None:
        """One symbol of one channel: the answer first, then what it carries."""
        setting = self._setting(client, asked, channel)
        if setting is None:
            return
        topic, shown = setting
        if f"{channel}:{topic}{pair.symbol}" in client.subscriptions:
            client.send(asked.failed(_SUBSCRIBED, symbol=pair.name))
            return
        snapshot = _flag(asked, "snapshot", default=channel != "trade")
        result = {"channel": channel, **shown, "snapshot": snapshot, "symbol": pair.name}
        client.send(asked.done(result))
        self._market.heartbeat(client)
        value = topic.rstrip(":")
        match channel:
            case "book":
                self._market.book(client, pair, int(value), snapshot=snapshot)
            case "ticker":
                self._market.ticker(client, pair, value, snapshot=snapshot)
            case "ohlc":
                self._market.ohlc(client, pair, int(value), snapshot=snapshot)
            case _:
                self._market.trade(client, pair, snapshot=snapshot)

    def _setting(
        self, client: Client, asked: Asked, channel: str
    ) -> tuple[str, dict[str, object]] | None:
        """What tells two subscriptions of a channel apart, as topic and as the answer shows it."""
        match channel:
            case "book":
                depth = asked.params.get("depth", books.DEPTHS[0])
                if isinstance(depth, bool) or depth not in books.DEPTHS:
                    client.send(asked.failed(_NO_DEPTH))
                    return None
                return f"{depth}:", {"depth": depth}
            case "ohlc":
                interval = asked.params.get("interval", INTERVALS[0])
                if isinstance(interval, bool) or interval not in INTERVALS:
                    client.send(asked.failed(_NO_INTERVAL))
                    return None
                return f"{interval}:", {"interval": interval}
            case "ticker":
                trigger = asked.params.get("event_trigger", _TRIGGERS[0])
                if trigger not in _TRIGGERS:
                    client.send(asked.failed(_MALFORMED))
                    return None
                return f"{trigger}:", {"event_trigger": trigger}
        return "", {}

    def _join_instrument(self, client: Client, asked: Asked) -> None:
        if "instrument" in client.subscriptions:
            client.send(asked.failed(_SUBSCRIBED))
            return
        snapshot = _flag(asked, "snapshot", default=True)
        client.send(asked.done({"channel": "instrument", "snapshot": snapshot}))
        self._market.instrument(client, snapshot=snapshot)
        self._market.heartbeat(client)

    def _join_private(self, client: Client, asked: Asked, channel: str) -> None:
        account = self._account(client, asked)
        if account is None:
            client.send(asked.failed(_NO_SESSION))
        elif f"{channel}:{account}" in client.subscriptions:
            client.send(asked.failed(_SUBSCRIBED))
        elif channel == "balances":
            snapshot = _flag(asked, "snapshot", default=True)
            client.send(asked.done({"channel": channel, "snapshot": snapshot}))
            self._user.balances(client, account, snapshot=snapshot)
            self._market.heartbeat(client)
        else:
            # `snapshot` is the older name of `snap_orders`.
            orders = _flag(asked, "snap_orders", default=_flag(asked, "snapshot", default=True))
            trades = _flag(asked, "snap_trades", default=False)
            every = _flag(asked, "order_status", default=True)
            result = {
                "channel": channel,
                "maxratecount": self._points_max,
                "snap_orders": orders,
                "snap_trades": trades,
            }
            client.send(asked.done(result))
            self._user.executions(client, account, orders=orders, trades=trades, every_status=every)
            self._market.heartbeat(client)

    def _account(self, client: Client, asked: Asked) -> str | None:
        """Whose token this is; the socket is theirs from now on."""
        token = asked.params.get("token")
        account = self._tokens.account(token, self._now_ms) if isinstance(token, str) else None
        if account is not None:
            state: _Socket = client.state
            state.token = str(token)
            client.account = account
        return account

    # -- unsubscribing ----------------------------------------------------------------------

    def _unsubscribe(self, client: Client, asked: Asked) -> None:
        channel = asked.params.get("channel")
        if channel in CHANNELS:
            for pair in self._pairs(client, asked):
                setting = self._setting(client, asked, str(channel))
                if setting is not None:
                    topic, shown = setting
                    result = {"channel": channel, **shown, "symbol": pair.name}
                    self._leave(client, asked, f"{channel}:{topic}{pair.symbol}", result, pair)
        elif channel == "instrument":
            self._leave(client, asked, "instrument", {"channel": channel})
        elif channel in PRIVATE_CHANNELS:
            topic = f"{channel}:{client.account}"
            self._leave(client, asked, topic, {"channel": channel})
        else:
            client.send(asked.failed(_NO_CHANNEL))

    def _leave(
        self,
        client: Client,
        asked: Asked,
        topic: str,
        result: Mapping[str, object],
        pair: Pair | None = None,
    ) -> None:
        if client.unsubscribe(topic):
            client.send(asked.done(result))
        else:
            # The venue answers as if a subscription had failed.
            symbol = None if pair is None else pair.name
            client.send(asked.failed(_NOT_SUBSCRIBED, method="subscribe", symbol=symbol))
        if not set(client.subscriptions).difference(_OWN_TOPICS):
            client.unsubscribe("heartbeat")

    # -- inside -----------------------------------------------------------------------------

    def _pairs(self, client: Client, asked: Asked) -> list[Pair]:
        """The pairs named; each that the venue does not know is answered on its own."""
        names = asked.params.get("symbol")
        if not isinstance(names, list) or not names:
            client.send(asked.failed(_MALFORMED if names is not None else _NO_SYMBOLS))
            return []
        found: dict[str, Pair] = {}
        for name in names:
            pair = self._listing().on_streams(name) if isinstance(name, str) else None
            if pair is not None:
                found[pair.symbol] = pair
                continue
            shown = str(name)[:60]
            text = f"Currency pair not supported {shown}"
            client.send(asked.failed(text, symbol=shown))
        return list(found.values())

    def _beat(self) -> None:
        """Every second: heartbeats, tokens that live on, sockets that nobody uses."""
        self._market.beat()
        for client in self._sockets.clients:
            state: _Socket | None = client.state
            if state is None:
                continue
            topics = set(client.subscriptions).difference(_OWN_TOPICS)
            if any(topic.partition(":")[0] in PRIVATE_CHANNELS for topic in topics):
                self._tokens.keep(state.token, self._now_ms)
            if not topics and self._now_ms - state.heard_ms > _IDLE_MS:
                client.close(1000)

    def _is_too_fast(self, state: _Socket) -> bool:
        recent = state.recent
        while recent and recent[0] <= self._now_ms - 1000:
            recent.popleft()
        recent.append(self._now_ms)
        return len(recent) > _MESSAGES_MAX

    @property
    def _now_ms(self) -> int:
        return self._sockets.engine.now_ms


def _flag(asked: Asked, name: str, *, default: bool) -> bool:
    value = asked.params.get(name, default)
    return value if isinstance(value, bool) else default
