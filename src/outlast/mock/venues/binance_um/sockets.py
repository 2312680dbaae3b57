"""Binance USD-M futures over sockets: market streams, user streams, and the WebSocket API.

Routes since 2026-04-23: `/public`, `/market` and `/private`, each with `/ws…` and `/stream…`. The
addresses without a route carried everything until then; since then they carry what `/public` does,
and confirm the rest in silence. Source: Binance USD-M futures docs, WebSocket Market Streams
("Connect", "Live Subscribing/Unsubscribing to streams"), User Data Streams.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from outlast.mock.http.plans import HttpMessage
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.ledger import Ledger
from outlast.mock.venues.binance_um.listen_keys import ListenKeys
from outlast.mock.venues.binance_um.market_streams import MarketStreams
from outlast.mock.venues.binance_um.params import form_pairs
from outlast.mock.venues.binance_um.stream_names import Route, parse
from outlast.mock.venues.binance_um.user_streams import UserStreams
from outlast.mock.venues.binance_um.ws_api import WsApi
from outlast.mock.venues.dialect import Dialect
from outlast.mock.venues.streams import Feed, Plug, SocketRules, StreamDialect, Update

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client, Subscription
    from outlast.mock.streams.hub import Sockets

__all__ = ["UmStreams"]

_SPLIT_MS: Final = int(datetime(2026, 4, 23, tzinfo=UTC).timestamp()) * 1000
_STREAMS_MAX: Final = 1024
"""Streams of one connection. Source: the same page."""
_RULES: Final = SocketRules(ping_every_s=180.0, pong_within_s=600.0, inbound_per_s=10)
_API_RULES: Final = SocketRules(ping_every_s=180.0, pong_within_s=600.0)
_API_PATH: Final = "/ws-fapi/v1"
_API_WEIGHT: Final = 5
_METHODS: Final = (
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LIST_SUBSCRIPTIONS",
    "SET_PROPERTY",
    "GET_PROPERTY",
)
_ID_MAX: Final = 36


@dataclass(slots=True)
class _Seat:
    """What one stream client is: its route, whether frames are wrapped, and its names."""

    route: Route
    combined: bool
    names: dict[str, None] = field(default_factory=dict)
    """As asked for, valid or not: what LIST_SUBSCRIPTIONS shows."""


class UmStreams(StreamDialect):
    """See `mock/venues/streams.py` for the port."""

    def __init__(self, dialect: Dialect, ledger: Ledger, keys: ListenKeys) -> None:
        self._dialect, self._ledger, self._keys = dialect, ledger, keys
        self._is_attached = False

    def attach(self, sockets: Sockets) -> None:
        self._sockets, self._is_attached = sockets, True
        self._market = MarketStreams(sockets, self._ledger)
        self._users = UserStreams(sockets, self._keys)
        self._api = WsApi(sockets, self._dialect)
        sockets.every(1000, self._users.check_keys)

    # -- sockets ----------------------------------------------------------------------------

    def plug(self, message: HttpMessage) -> Plug | None:
        if message.path.rstrip("/") == _API_PATH:
            return Plug(feed=Feed.USER, rules=_API_RULES, name="api", weight=_API_WEIGHT)
        found = _address(message.path)
        if found is None:
            return None
        route, _, names = found
        asked = [*names, *_asked_keys(message)]
        owners = [owner for name in asked if (owner := self._users.owner(name)) is not None]
        is_user = route is Route.PRIVATE or bool(owners) or bool(_listen_keys(message))
        return Plug(
            feed=Feed.USER if is_user else Feed.MARKET,
            rules=_RULES,
            name="stream",
            account=owners[0] if owners else None,
        )

    def opened(self, client: Client) -> None:
        found = _address(client.message.path)
        if found is None:
            return  # the WebSocket API greets nobody
        route, combined, names = found
        seat = client.state = _Seat(route, combined)
        keys = _listen_keys(client.message)
        for name in [*names, *_stream_list(client.message)]:
            self._subscribe(client, seat, name)
        for key, events in keys:
            seat.names[key] = None
            if self._carries(seat, Route.PRIVATE):
                self._users.join(client, key, events=events, combined=combined)

    def received(self, client: Client, text: str) -> None:
        if isinstance(client.state, _Seat):
            client.send(self._answer(client, client.state, text))
        else:
            self._api.received(client, text)

    def expire_key(self, client: Client) -> None:
        self._users.expire(client)

    def backlog(self, subscription: Subscription, count: int) -> Iterable[Update]:
        return self._market.backlog(subscription, count)

    def leverage_changed(self, account: str, symbol: str, leverage: int) -> None:
        """Tell the owner of a setting that was changed by REST."""
        if self._is_attached:
            self._users.leverage_changed(account, symbol, leverage)

    # -- control messages -------------------------------------------------------------------

    def _answer(self, client: Client, seat: _Seat, text: str) -> str:
        try:
            asked = json.loads(text)
        except (ValueError, RecursionError) as error:
            return _error(3, f"Invalid JSON: {_first_line(error)}")
        if not isinstance(asked, dict):
            return _error(2, "Invalid request: an object is expected")
        request_id = asked.get("id")
        if not _is_id(request_id):
            return _error(2, "Invalid request: request ID must be an integer, a string or null")
        method, params = asked.get("method"), asked.get("params", [])
        if "method" not in asked:
            return _error(2, "Invalid request: missing field `method`", request_id)
        if not isinstance(method, str) or method not in _METHODS:
            words = ", ".join(f"`{m}`" for m in _METHODS)
            return _error(
                2,
                f"Invalid request: unknown variant `{_shown(method)}`, expected one of {words}",
                request_id,
            )
        if not isinstance(params, list):
            return _error(2, "Invalid request: params must be an array", request_id)
        return self._carry_out(client, seat, method, params, request_id)

    def _carry_out(
        self, client: Client, seat: _Seat, method: str, params: list[object], request_id: object
    ) -> str:
        match method:
            case "LIST_SUBSCRIPTIONS":
                return _result(list(seat.names), request_id)
            case "SET_PROPERTY":
                if len(params) != 2 or params[0] != "combined" or not isinstance(params[1], bool):
                    return _error(0, "Unknown property", request_id)
                seat.combined = params[1]
                return _result(None, request_id)
            case "GET_PROPERTY":
                if params != ["combined"]:
                    return _error(0, "Unknown property", request_id)
                return _result(seat.combined, request_id)
        names = [name for name in params if isinstance(name, str)]
        if len(names) != len(params):
            return _error(2, "Invalid request: stream names must be strings", request_id)
        if method == "UNSUBSCRIBE":
            for name in names:
                seat.names.pop(name, None)
                if not client.unsubscribe(name):
                    self._users.leave(client, name)
            return _result(None, request_id)
        if len({*seat.names, *names}) > _STREAMS_MAX:
            return _error(2, "Invalid request: too many streams on one connection", request_id)
        for name in names:
            self._subscribe(client, seat, name)
        return _result(None, request_id)

    def _subscribe(self, client: Client, seat: _Seat, name: str) -> None:
        """Confirmed in any case; data only for what exists and is carried on this route."""
        if name in seat.names or len(seat.names) >= _STREAMS_MAX:
            return
        seat.names[name] = None
        stream = parse(name)
        if stream is not None:
            if self._carries(seat, stream.route):
                self._market.join(client, stream, lambda: seat.combined)
        elif self._keys.was_issued(name) and self._carries(seat, Route.PRIVATE):
            self._users.join(client, name, events=None, combined=seat.combined)

    def _carries(self, seat: _Seat, route: Route) -> bool:
        if seat.route is not Route.ROOT:
            return seat.route is route
        return route is Route.PUBLIC or self._sockets.stage.protocol_ms < _SPLIT_MS


def _address(path: str) -> tuple[Route, bool, list[str]] | None:
    """Take a path apart: the route, whether frames are wrapped, the raw streams it names."""
    parts = path.strip("/").split("/")
    routes = {route.value: route for route in Route if route.value}
    route = routes.get(parts[0], Route.ROOT)
    if route is not Route.ROOT:
        del parts[0]
    if not parts or parts[0] not in ("ws", "stream"):
        return None
    if parts[0] == "stream":
        return (route, True, []) if len(parts) == 1 else None
    return route, False, [name for name in parts[1:] if name]


def _stream_list(message: HttpMessage) -> list[str]:
    """Give the names of `?streams=a/b/c`."""
    return [
        name
        for key, value in form_pairs(message.query)
        if key == "streams"
        for name in value.split("/")
        if name
    ]


def _listen_keys(message: HttpMessage) -> list[tuple[str, frozenset[str] | None]]:
    """Give the keys of `?listenKey=K&events=A/B`, each with its allow list."""
    found: list[tuple[str, frozenset[str] | None]] = []
    for name, value in form_pairs(message.query):
        if name == "listenKey" and value:
            found.append((value, None))
        elif name == "events" and found:
            wanted = frozenset(word for word in value.split("/") if word)
            found[-1] = (found[-1][0], wanted or None)
    return found[:_STREAMS_MAX]


def _asked_keys(message: HttpMessage) -> Iterator[str]:
    yield from _stream_list(message)
    yield from (key for key, _ in _listen_keys(message))


def _is_id(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return len(value) <= _ID_MAX
    return isinstance(value, int) and not isinstance(value, bool)


def _result(result: object, request_id: object) -> str:
    return to_json({"result": result, "id": request_id}).decode()


def _error(code: int, msg: str, request_id: object = None) -> str:
    body: dict[str, object] = {"code": code, "msg": msg}
    if request_id is not None:
        body["id"] = request_id
    return to_json(body).decode()


def _shown(value: object) -> str:
    return str(value)[:40]


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0][:120]
