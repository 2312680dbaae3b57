"""The venue's sockets: market streams on `/ws` and `/stream`, and the WebSocket API.

Source: Binance spot API docs, web-socket-streams.md and web-socket-api.md ("General Info",
"Connection limits").
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from outlast.mock.http.plans import HttpMessage
from outlast.mock.streams.client import Client, Subscription
from outlast.mock.streams.hub import Sockets
from outlast.mock.venues.binance_spot import aliases
from outlast.mock.venues.binance_spot.errors import VenueRefusal
from outlast.mock.venues.binance_spot.feeds import Feeds
from outlast.mock.venues.binance_spot.subscribing import Subscriber, subscribe_all, understood
from outlast.mock.venues.binance_spot.time_units import wants_microseconds
from outlast.mock.venues.binance_spot.user_feed import UserFeed
from outlast.mock.venues.binance_spot.ws_api import Seat, WsApi
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.params import merged
from outlast.mock.venues.dialect import WireAnswer
from outlast.mock.venues.streams import Feed, Plug, SocketRules, StreamDialect, Update

if TYPE_CHECKING:
    from outlast.mock.venues.binance_spot.dialect import BinanceSpotDialect

__all__ = ["API_PATH", "SpotStreams"]

API_PATH: Final = "/ws-api/v3"
_STREAM_RULES: Final = SocketRules(
    ping_every_s=20.0, pong_within_s=60.0, inbound_per_s=5, counts_pings=True
)
_API_RULES: Final = SocketRules(ping_every_s=20.0, pong_within_s=60.0)
_CONNECT_WEIGHT: Final = 2
"""Of a connection to the WebSocket API; the streams cost none."""


class SpotStreams(StreamDialect):
    """See `mock/venues/streams.py` for the port."""

    def __init__(self, dialect: BinanceSpotDialect) -> None:
        self._dialect = dialect
        self._sockets: Sockets | None = None

    def attach(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._feeds = Feeds(sockets, self._dialect.ledger)
        self._user = UserFeed(sockets, self._dialect.notes)
        self._api = WsApi(sockets, self._user)
        self._dialect.handlers.update(self._api.handlers)

    def plug(self, message: HttpMessage) -> Plug | WireAnswer | None:
        """Tell market streams from the WebSocket API by the path."""
        path = message.path
        if path == API_PATH:
            plug = Plug(feed=Feed.USER, rules=_API_RULES, name="api", weight=_CONNECT_WEIGHT)
        elif path in ("/ws", "/ws/", "/stream") or path.startswith("/ws/"):
            plug = Plug(feed=Feed.MARKET, rules=_STREAM_RULES, name=path.split("/")[1])
        else:
            return None
        try:
            wants_microseconds(_query(message).get("timeUnit", ""))
        except VenueRefusal as refusal:
            return aliases.error_answer(refusal.code, refusal.msg)
        return plug

    def opened(self, client: Client) -> None:
        """Seat a client; on a market path, subscribe it to the streams that the path names."""
        query = _query(client.message)
        micro = wants_microseconds(query.get("timeUnit", ""))
        if client.plug.name == "api":
            returns = query.get("returnRateLimits", "true").lower() != "false"
            client.state = Seat(
                connected_ms=client.opened_ms, returns_rate_limits=returns, microseconds=micro
            )
            return
        combined = client.plug.name == "stream"
        client.state = Subscriber(combined=combined, microseconds=micro)
        named = query.get("streams", "") if combined else unquote(client.message.path[4:])
        subscribe_all(client, self._feeds, [name for name in named.split("/") if name])

    def received(self, client: Client, text: str) -> None:
        if client.plug.name == "api":
            self._api.received(client, text)
        else:
            client.send(understood(client, self._feeds, text))

    def closed(self, client: Client) -> None:
        """Nothing to forget: all that a client had is on the connection itself."""

    def backlog(self, subscription: Subscription, count: int) -> Iterable[Update]:
        return self._feeds.backlog(subscription, count)

    def expire_key(self, client: Client) -> None:
        """End the user's stream: spot has no listen keys, its subscriptions are terminated."""
        if client.plug.name == "api":
            self._user.terminate(client)

    def going_away(self, client: Client) -> None:
        """Announce the end. Source: web-socket-streams.md, `serverShutdown` (2026-05-08)."""
        assert self._sockets is not None
        event: object = {"e": "serverShutdown", "E": self._sockets.now_ms}
        if client.plug.name == "api":
            event = {"event": event}
        elif client.state.combined:
            event = {"stream": "!serverShutdown", "data": event}
        client.send(to_json(event).decode())


def _query(message: HttpMessage) -> dict[str, str]:
    return merged(message.query, b"")
