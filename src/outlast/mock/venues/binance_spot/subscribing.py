"""What a client says on a market stream: SUBSCRIBE and its siblings, and the answers.

Source: Binance spot API docs, web-socket-streams.md, "Live Subscribing/Unsubscribing to streams".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from outlast.mock.venues.binance_um.aliases import to_json

if TYPE_CHECKING:
    from outlast.mock.streams.client import Client
    from outlast.mock.venues.binance_spot.feeds import Feeds

__all__ = ["Subscriber", "request_id", "subscribe_all", "understood"]

_METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_STREAMS_MAX: Final = 1024
_ID_CHARS: Final = 36


@dataclass(slots=True)
class Subscriber:
    """One client of the market streams."""

    combined: bool
    """Whether events come wrapped with the name of their stream."""
    microseconds: bool
    named: dict[str, None] | None = None
    """The streams that it has named, those that do not exist too."""

    def names(self) -> dict[str, None]:
        if self.named is None:
            self.named = {}
        return self.named


class _Malformed(Exception):
    def __init__(self, code: int, msg: str) -> None:
        self.code, self.msg = code, msg
        super().__init__(msg)


def subscribe_all(client: Client, feeds: Feeds, names: Sequence[str]) -> None:
    """Put a client on streams; a name that no stream has is remembered and stays silent."""
    for name in names:
        client.state.names()[name] = None
        feeds.join(client, name)


def understood(client: Client, feeds: Feeds, text: str) -> str:
    """Do what a message asks, and give the answer."""
    number: object = None
    try:
        message = _parsed(text)
        number = request_id(message)
        result = _obeyed(client, feeds, message)
    except _Malformed as error:
        return to_json({"code": error.code, "msg": error.msg, "id": number}).decode()
    return to_json({"result": result, "id": number}).decode()


def request_id(message: dict[str, Any]) -> object:
    """Give the `id` that a request is answered with: a whole number, a short text, or null."""
    number = message.get("id")
    if number is None or (isinstance(number, str) and len(number) <= _ID_CHARS):
        return number
    if isinstance(number, int) and not isinstance(number, bool) and abs(number) < 1 << 63:
        return number
    raise _Malformed(2, "Invalid request: request ID must be an unsigned integer")


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise _Malformed(3, "Invalid JSON: expected value at line 1 column 1") from None
    if not isinstance(message, dict):
        raise _Malformed(2, "Invalid request: expected an object")
    return message


def _obeyed(client: Client, feeds: Feeds, message: dict[str, Any]) -> object:
    if "method" not in message:
        raise _Malformed(2, "Invalid request: missing field `method`")
    method, params = message["method"], message.get("params", [])
    if method not in _METHODS:
        expected = ", ".join(f"`{name}`" for name in _METHODS)
        shown = method if isinstance(method, str) else to_json(method).decode()
        raise _Malformed(
            2, f"Invalid request: unknown variant `{shown}`, expected one of {expected}"
        )
    if not isinstance(params, list):
        raise _Malformed(2, "Invalid request: params must be an array")
    match method:
        case "SUBSCRIBE":
            names = _names(params)
            if len(client.state.names()) + len(names) > _STREAMS_MAX:
                raise _Malformed(2, "Invalid request: too many parameters")
            subscribe_all(client, feeds, names)
            return None
        case "UNSUBSCRIBE":
            for name in _names(params):
                client.state.names().pop(name, None)
                client.unsubscribe(name)
            return None
        case "LIST_SUBSCRIPTIONS":
            return list(client.state.names())
        case "SET_PROPERTY":
            _set_property(client, params)
            return None
    return _property(client, params)


def _names(params: list[Any]) -> list[str]:
    if not all(isinstance(name, str) for name in params):
        raise _Malformed(2, "Invalid request: params must be strings")
    return params


def _set_property(client: Client, params: list[Any]) -> None:
    if len(params) != 2:
        raise _Malformed(2, "Invalid request: property name and value must be sent")
    _check_property(params[0])
    if not isinstance(params[1], bool):
        raise _Malformed(1, "Invalid value type: expected Boolean")
    client.state.combined = params[1]


def _property(client: Client, params: list[Any]) -> bool:
    if len(params) != 1:
        raise _Malformed(2, "Invalid request: too many parameters")
    _check_property(params[0])
    combined: bool = client.state.combined
    return combined


def _check_property(name: object) -> None:
    if not isinstance(name, str):
        raise _Malformed(2, "Invalid request: property name must be a string")
    if name != "combined":
        raise _Malformed(0, "Unknown property")
