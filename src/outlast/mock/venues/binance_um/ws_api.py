"""Requests over a socket: the WebSocket API, `/ws-fapi/v1`.

The same operations as REST under other names. Signed are all `params` but `signature`, sorted by
name, joined as `name=value` with `&`, not percent-encoded. Source: Binance USD-M futures docs,
WebSocket API General Info and the method pages.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from outlast.mock.http.plans import Answer, HttpMessage
from outlast.mock.limits import LimitKind
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.binance_um.errors import MESSAGES
from outlast.mock.venues.binance_um.routes import find
from outlast.mock.venues.binance_um.weights import rate_limits
from outlast.mock.venues.dialect import Call, Dialect

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client
    from outlast.mock.streams.hub import Sockets

__all__ = ["METHODS", "WsApi"]

METHODS: Final[Mapping[str, tuple[str, str]]] = {
    "ping": ("GET", "/fapi/v1/ping"),
    "time": ("GET", "/fapi/v1/time"),
    "depth": ("GET", "/fapi/v1/depth"),
    "ticker.price": ("GET", "/fapi/v2/ticker/price"),
    "ticker.book": ("GET", "/fapi/v1/ticker/bookTicker"),
    "order.place": ("POST", "/fapi/v1/order"),
    "order.test": ("POST", "/fapi/v1/order/test"),
    "order.modify": ("PUT", "/fapi/v1/order"),
    "order.cancel": ("DELETE", "/fapi/v1/order"),
    "order.status": ("GET", "/fapi/v1/order"),
    "algoOrder.place": ("POST", "/fapi/v1/algoOrder"),
    "algoOrder.cancel": ("DELETE", "/fapi/v1/algoOrder"),
    "v2/account.status": ("GET", "/fapi/v3/account"),
    "v2/account.balance": ("GET", "/fapi/v3/balance"),
    "v2/account.position": ("GET", "/fapi/v3/positionRisk"),
    "account.status": ("GET", "/fapi/v2/account"),
    "account.balance": ("GET", "/fapi/v2/balance"),
    "account.position": ("GET", "/fapi/v2/positionRisk"),
    "userDataStream.start": ("POST", "/fapi/v1/listenKey"),
    "userDataStream.ping": ("PUT", "/fapi/v1/listenKey"),
    "userDataStream.stop": ("DELETE", "/fapi/v1/listenKey"),
}
_VERSION: Final = re.compile(r"v\d+/")
_ID_MAX: Final = 36
_INVALID_JSON: Final = (-1135, "Invalid JSON Request")
_NO_HMAC: Final = (-2028, "HMAC-SHA-256 API key is not supported")
"""To `session.logon`, which takes Ed25519 keys only. Source: observed on the venue."""
_COUNTED: Final = (LimitKind.ORDERS, LimitKind.WEIGHT)


class WsApi:
    """Answers the text messages of one venue's request sockets."""

    def __init__(self, sockets: Sockets, dialect: Dialect) -> None:
        self._sockets, self._dialect = sockets, dialect

    def received(self, client: Client, text: str) -> None:
        try:
            asked = json.loads(text, parse_float=str, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            client.send(_failed(None, 400, *_INVALID_JSON))
            return
        if not isinstance(asked, dict):
            client.send(_failed(None, 400, *_INVALID_JSON))
            return
        request_id = asked.get("id")
        if not _is_id(request_id):
            client.send(_failed(None, 400, -1130, "Data sent for parameter 'id' is not valid."))
            return
        method, params = asked.get("method"), asked.get("params")
        params = {} if params is None else params
        if not isinstance(method, str) or not method:
            client.send(_failed(request_id, 400, -1102, _MANDATORY.format(name="method")))
        elif not isinstance(params, dict):
            client.send(_failed(request_id, 400, -1130, _NOT_VALID.format(name="params")))
        elif method.startswith("session."):
            self._session(client, request_id, method)
        else:
            self._ask(client, request_id, method, params)

    def _ask(self, client: Client, request_id: object, method: str, params: Any) -> None:
        operation = METHODS.get(method) or METHODS.get(_VERSION.sub("", method, count=1))
        if operation is None:
            client.send(_failed(request_id, 400, -1020, MESSAGES[-1020]))
            return
        texts = {name: _text(value) for name, value in params.items() if value is not None}
        call = self._call(client, operation, texts)
        shows_limits = texts.get(
            "returnRateLimits", "true"
        ) != "false" and "returnRateLimits=false" not in client.message.query.decode("latin-1")
        client.ask(call, lambda answer: self._frame(client, call, request_id, answer, shows_limits))

    def _call(self, client: Client, operation: tuple[str, str], params: Mapping[str, str]) -> Call:
        """Make the call that REST would make of it, signed the socket's way."""
        http_method, path = operation
        values = {n: v for n, v in params.items() if n not in ("apiKey", "returnRateLimits")}
        query = urlencode(values, quote_via=quote)
        key = params.get("apiKey", "")
        message = HttpMessage(
            method=http_method,
            target=f"{path}?{query}",
            path=path,
            query=query.encode(),
            headers={"x-mbx-apikey": (key,)} if key else {},
            peer_ip=client.ip,
        )
        call = self._dialect.route(message)
        assert call is not None, f"{http_method} {path} is served over REST"
        return replace(call, payload=_payload(params))

    def _frame(
        self, client: Client, call: Call, request_id: object, answer: Answer, shows_limits: bool
    ) -> str:
        body = json.loads(answer.body)
        frame: dict[str, object] = {"id": request_id, "status": answer.status}
        if answer.status == 200:
            frame["result"] = body
        else:
            frame["error"] = self._error(body, answer)
        if shows_limits:
            frame["rateLimits"] = self._rate_limits(client, call)
        return to_json(frame).decode()

    def _error(self, body: object, answer: Answer) -> object:
        wait = next((v for n, v in answer.headers if n.lower() == "retry-after"), None)
        if isinstance(body, dict) and wait is not None and wait.isdigit():
            now_ms = self._sockets.now_ms
            data = {"serverTime": now_ms, "retryAfter": now_ms + int(wait) * 1000}
            return {**body, "data": data}
        return body

    def _rate_limits(self, client: Client, call: Call) -> list[dict[str, object]]:
        route = find(call.message.method, call.message.path)
        kinds = _COUNTED if route is not None and route.orders else _COUNTED[1:]
        account = self._sockets.keys.find(call.message.header("x-mbx-apikey"))
        usage = self._sockets.usage(client.ip, account.name if account else None)
        rows: list[dict[str, object]] = []
        for window in self._sockets.windows():
            if window.kind in kinds:
                counters = usage.orders if window.kind is LimitKind.ORDERS else usage.weight
                (row,) = rate_limits((window,), window.kind)
                rows.append({**row, "count": counters.get(window.name, 0)})
        return rows

    def _session(self, client: Client, request_id: object, method: str) -> None:
        if method == "session.logon":
            client.send(_failed(request_id, 400, *_NO_HMAC))
        elif method in ("session.status", "session.logout"):
            result = {
                "apiKey": None,
                "authorizedSince": None,
                "connectedSince": client.opened_ms,
                "returnRateLimits": True,
                "serverTime": self._sockets.now_ms,
                "userDataStream": False,
            }
            client.send(to_json({"id": request_id, "status": 200, "result": result}).decode())
        else:
            client.send(_failed(request_id, 400, -1020, MESSAGES[-1020]))


_MANDATORY: Final = "Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
_NOT_VALID: Final = "Data sent for parameter '{name}' is not valid."


def _failed(request_id: object, status: int, code: int, msg: str) -> str:
    frame = {"id": request_id, "status": status, "error": {"code": code, "msg": msg}}
    return to_json(frame).decode()


def _is_id(value: object) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return len(value) <= _ID_MAX
    return isinstance(value, int) and not isinstance(value, bool)


def _payload(params: Mapping[str, str]) -> bytes:
    pairs = sorted((name, value) for name, value in params.items() if name != "signature")
    return "&".join(f"{name}={value}" for name, value in pairs).encode("utf-8", "replace")


def _text(value: object) -> str:
    """Write a JSON value as the client signed it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, separators=(",", ":"))


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")
