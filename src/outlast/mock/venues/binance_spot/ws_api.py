"""The WebSocket API: requests over a socket, through the same pipeline as REST.

Source: Binance spot API docs, web-socket-api.md.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from outlast.mock.http.plans import Answer, HttpMessage
from outlast.mock.keys import Account
from outlast.mock.limits import LimitKind
from outlast.mock.streams.client import Client
from outlast.mock.streams.hub import Sockets
from outlast.mock.venues.binance_spot import facts
from outlast.mock.venues.binance_spot.errors import SpotRefusal, VenueRefusal, status_of
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_spot.routes import Route, Security, SocketCall
from outlast.mock.venues.binance_spot.user_feed import UserFeed, topic_of
from outlast.mock.venues.binance_spot.weights import rate_limits
from outlast.mock.venues.binance_um.aliases import to_json

__all__ = ["METHODS", "Seat", "WsApi", "signed_text", "texts_of"]

_PATH: Final = "/ws-api/v3"
_SUBSCRIPTIONS_MAX: Final = 1000
_N, _K, _S = Security.NONE, Security.KEY, Security.SIGNED


def _method(
    method: str, name: str, endpoint: str, security: Security, weight: int, orders: int = 0
) -> Route:
    return Route(method, _PATH, name, endpoint, security, weight, orders)


_ROUTES: Final = (
    _method("ping", "ping", "time", _N, 1),
    _method("time", "time", "time", _N, 1),
    _method("exchangeInfo", "exchange_info", "market.meta", _N, 20),
    _method("executionRules", "execution_rules", "market.meta", _N, 2),
    _method("depth", "depth", "market.read", _N, 5),
    _method("trades.recent", "trades", "market.read", _N, 25),
    _method("trades.historical", "historical_trades", "market.read", _N, 25),
    _method("trades.aggregate", "agg_trades", "market.read", _N, 4),
    _method("klines", "klines", "market.read", _N, 2),
    _method("uiKlines", "klines", "market.read", _N, 2),
    _method("avgPrice", "avg_price", "market.read", _N, 2),
    _method("ticker", "ticker", "market.read", _N, 4),
    _method("ticker.24hr", "ticker_24hr", "market.read", _N, 2),
    _method("ticker.tradingDay", "ticker_day", "market.read", _N, 4),
    _method("ticker.price", "ticker_price", "market.read", _N, 2),
    _method("ticker.book", "book_ticker", "market.read", _N, 2),
    _method("order.place", "order_new", "orders.create", _S, 1, 1),
    _method("order.test", "order_test", "orders.create", _S, 1),
    _method("order.cancelReplace", "cancel_replace", "orders.create", _S, 1, 1),
    _method("order.amend.keepPriority", "order_amend", "orders.amend", _S, 4),
    _method("order.amendments", "amendments", "orders.query", _S, 4),
    _method("order.status", "order_get", "orders.query", _S, 4),
    _method("order.cancel", "order_cancel", "orders.cancel", _S, 1),
    _method("openOrders.status", "open_orders", "orders.open", _S, 6),
    _method("openOrders.cancelAll", "cancel_all", "orders.cancel_all", _S, 1),
    _method("allOrders", "all_orders", "orders.query", _S, 20),
    _method("myTrades", "my_trades", "fills.query", _S, 20),
    _method("myPreventedMatches", "prevented_matches", "fills.query", _S, 2),
    _method("orderList.place", "list_new_oco", "orders.create", _S, 1),
    _method("orderList.place.oco", "list_new_oco", "orders.create", _S, 1),
    _method("orderList.place.oto", "list_new_oto", "orders.create", _S, 1),
    _method("orderList.place.otoco", "list_new_oto", "orders.create", _S, 1),
    _method("orderList.cancel", "list_cancel", "orders.cancel", _S, 1),
    _method("orderList.status", "list_get", "orders.query", _S, 4),
    _method("openOrderLists.status", "lists_open", "orders.query", _S, 6),
    _method("allOrderLists", "lists_all", "orders.query", _S, 20),
    _method("account.status", "account", "account.balances", _S, 20),
    _method("account.commission", "commission", "market.meta", _S, 20),
    _method("account.rateLimits.orders", "order_limits", "account.balances", _S, 40),
    _method("session.logon", "session_logon", "stream.key", _S, 2),
    _method("session.status", "session_status", "stream.key", _N, 2),
    _method("session.logout", "session_logout", "stream.key", _N, 2),
    _method("session.subscriptions", "session_subscriptions", "stream.key", _N, 2),
    _method("userDataStream.subscribe", "user_subscribe", "stream.key", _N, 2),
    _method("userDataStream.subscribe.signature", "user_subscribe_signed", "stream.key", _S, 2),
    _method("userDataStream.unsubscribe", "user_unsubscribe", "stream.key", _N, 2),
)
METHODS: Final = {route.method: route for route in _ROUTES}


@dataclass(slots=True)
class Seat:
    """One connection to the WebSocket API."""

    connected_ms: int
    returns_rate_limits: bool = True
    microseconds: bool = False
    session: Account | None = None
    """Who has logged on."""
    session_key: str | None = None
    since_ms: int | None = None
    given: int = 0
    """How many subscriptions there have been: the number of the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _SeatedCall(SocketCall):
    """A call that is about the connection it came over."""

    client: Client


class WsApi:
    """Reads requests, sends them through the pipeline and writes the answers."""

    def __init__(self, sockets: Sockets, user: UserFeed) -> None:
        self._sockets, self._user = sockets, user
        self.handlers = {
            "session_logon": self._logon,
            "session_status": self._session_status,
            "session_logout": self._logout,
            "session_subscriptions": self._subscriptions,
            "user_subscribe": self._subscribe,
            "user_subscribe_signed": self._subscribe_signed,
            "user_unsubscribe": self._unsubscribe,
        }

    def received(self, client: Client, text: str) -> None:
        """Answer one message, whatever it is."""
        number: object = None
        try:
            message = _parsed(text)
            number = _request_id(message)
            call, shows_limits = self._call(client, message)
        except VenueRefusal as refusal:
            client.send(self._error(number, refusal.code, refusal.msg))
            return
        shows_limits = client.state.returns_rate_limits if shows_limits is None else shows_limits
        client.ask(call, lambda answer: self._frame(client, call, number, answer, shows_limits))

    def _call(self, client: Client, message: dict[str, Any]) -> tuple[SocketCall, bool | None]:
        method = message.get("method")
        if not isinstance(method, str) or not method:
            raise VenueRefusal.mandatory("method")
        route = METHODS.get(method.removeprefix("v3/"))
        if route is None:
            raise SpotRefusal(-1020)
        params = texts_of(message.get("params"))
        shows_limits = {"true": True, "false": False}.get(params.get("returnRateLimits", ""))
        creates = route.name in facts.CREATES
        seat: Seat = client.state
        call = _SeatedCall(
            endpoint=route.endpoint,
            name=route.name,
            message=HttpMessage(method=method, target=_PATH, path=_PATH, peer_ip=client.ip),
            params=params,
            payload=signed_text(params),
            symbol=params.get("symbol") or None,
            create=facts.create_facts(params) if creates else None,
            post_only=params.get("type") == "LIMIT_MAKER" if creates else None,
            asked_ids=facts.asked_ids(route.name, params),
            route=route,
            session=seat.session if "apiKey" not in params else None,
            microseconds=seat.microseconds,
            client=client,
        )
        return call, shows_limits

    # -- answers ----------------------------------------------------------------------------

    def _frame(
        self, client: Client, call: SocketCall, number: object, answer: Answer, shows_limits: bool
    ) -> str:
        """Write an answer of the pipeline as one text."""
        body = json.loads(answer.body)
        frame: dict[str, object] = {"id": number, "status": answer.status}
        if answer.status == 200:
            frame["result"] = body
        else:
            frame["error"] = _error_of(body, answer, self._sockets.now_ms)
        if shows_limits:
            account = call.session.name if call.session else _owner(self._sockets, call)
            kinds = [LimitKind.WEIGHT]
            if call.endpoint == "orders.create":
                kinds.insert(0, LimitKind.ORDERS)
            frame["rateLimits"] = rate_limits(
                self._sockets.windows(), *kinds, usage=self._sockets.usage(client.ip, account)
            )
        return to_json(frame).decode()

    @staticmethod
    def _error(number: object, code: int, msg: str) -> str:
        frame = {"id": number, "status": status_of(code), "error": {"code": code, "msg": msg}}
        return to_json(frame).decode()

    # -- the session ------------------------------------------------------------------------

    def _logon(self, q: Question) -> Given:
        """Log on; from now on requests need neither key nor signature. Only Ed25519 keys may."""
        key = q.params.need("apiKey")
        account = q.view.keys.find_ed25519(key)
        if account is None:
            raise SpotRefusal(-2028)
        client = _client_of(q)
        seat: Seat = client.state
        seat.session, seat.session_key, seat.since_ms = account, key, q.now_ms
        client.account = account.name
        return Given(_session(q))

    def _session_status(self, q: Question) -> Given:
        return Given(_session(q))

    def _logout(self, q: Question) -> Given:
        client = _client_of(q)
        seat: Seat = client.state
        seat.session, seat.session_key, seat.since_ms = None, None, None
        self._sockets.soon(lambda: self._user.terminate(client))
        return Given(_session(q))

    # -- user streams -----------------------------------------------------------------------

    def _subscribe(self, q: Question) -> Given:
        """Subscribe whoever has logged on."""
        session = _client_of(q).state.session
        if session is None:
            raise SpotRefusal(-1193)
        return self._begin(q, session.name)

    def _subscribe_signed(self, q: Question) -> Given:
        return self._begin(q, q.account)

    def _begin(self, q: Question, account: str) -> Given:
        client = _client_of(q)
        seat: Seat = client.state
        if topic_of(account) in client.subscriptions:
            raise SpotRefusal(-2035)
        if len(client.subscriptions) >= _SUBSCRIPTIONS_MAX:
            raise SpotRefusal(-2042)
        number, seat.given = seat.given, seat.given + 1
        client.account = account
        self._user.join(client, account, number)
        return Given({"subscriptionId": number})

    def _unsubscribe(self, q: Question) -> Given:
        """End one subscription, or all; each says goodbye after the answer."""
        client = _client_of(q)
        ended = self._user.leave(client, q.params.whole("subscriptionId"))
        if not ended:
            raise SpotRefusal(-2036)

        def say_goodbye() -> None:
            for number in ended:
                client.send(self._user.terminated(client, number))

        self._sockets.soon(say_goodbye)
        return Given({})

    def _subscriptions(self, q: Question) -> Given:
        client = _client_of(q)
        return Given(
            [
                {"subscriptionId": subscription.state}
                for subscription in client.subscriptions.values()
            ]
        )


def texts_of(params: object) -> dict[str, str]:
    """Give the parameters as text: booleans in lower case, lists as JSON (-1135, -1130)."""
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise SpotRefusal(-1135)
    return {name: _text_of(name, value) for name, value in params.items() if value is not None}


def signed_text(params: dict[str, str]) -> bytes:
    """Give the bytes that a request is signed over: sorted by name, nothing encoded."""
    return "&".join(
        f"{name}={value}" for name, value in sorted(params.items()) if name != "signature"
    ).encode("utf-8", "surrogatepass")


def _text_of(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | _Number):
        return str(value)
    if isinstance(value, list):
        return json.dumps(value, separators=(",", ":"), default=str)
    raise VenueRefusal.invalid(name)


class _Number(str):
    """A JSON number as the client wrote it."""

    __slots__ = ()


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text, parse_float=_Number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise SpotRefusal(-1135) from None
    if not isinstance(message, dict):
        raise SpotRefusal(-1135)
    return message


def _no_number(text: str) -> object:
    raise ValueError(text)


def _request_id(message: dict[str, Any]) -> object:
    """Give the `id` to answer with: a whole number, a text of up to 36 characters, or null."""
    number = message.get("id")
    if number is None or (isinstance(number, str) and len(number) <= 36):
        return str(number) if isinstance(number, _Number) else number
    if isinstance(number, int) and not isinstance(number, bool):
        return number
    raise VenueRefusal.invalid("id")


def _error_of(body: object, answer: Answer, now_ms: int) -> dict[str, object]:
    """Take an error out of a REST body; one without a code is the venue's unknown error."""
    told = body if isinstance(body, dict) else {}
    error: dict[str, object] = {
        "code": told.get("code", -1000),
        "msg": told.get("msg", "An unknown error occurred while processing the request."),
    }
    if "data" in told:
        error["data"] = told["data"]
    wait = next((v for n, v in answer.headers if n.lower() == "retry-after"), None)
    if wait is not None:
        error["data"] = {"serverTime": now_ms, "retryAfter": now_ms + int(wait) * 1000}
    return error


def _client_of(q: Question) -> Client:
    assert isinstance(q.call, _SeatedCall), "only the WebSocket API knows sessions"
    return q.call.client


def _session(q: Question) -> dict[str, object]:
    client = _client_of(q)
    seat: Seat = client.state
    return {
        "apiKey": seat.session_key,
        "authorizedSince": seat.since_ms,
        "connectedSince": seat.connected_ms,
        "returnRateLimits": seat.returns_rate_limits,
        "serverTime": q.now_ms,
        "userDataStream": bool(client.subscriptions),
    }


def _owner(sockets: Sockets, call: SocketCall) -> str | None:
    key = call.params.get("apiKey", "")
    account = sockets.keys.find(key) or sockets.keys.find_ed25519(key)
    return None if account is None else account.name
