"""What private channels and trading requests of WebSocket v2 share: texts out, instants in.

Source: Kraken docs, WebSocket v2, read 2026-05-27: numbers are JSON numbers, instants RFC3339.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from outlast.errors import Failure, Remedy
from outlast.model import Plane
from outlast.private_wire import SubscribeAnswered, Ticket
from outlast.venues.kraken_spot.limits import costs
from outlast.venues.kraken_spot.replies import Row, decode, read
from outlast.wire import Auth, Lane, WireReply, WireRequest

__all__ = [
    "PING",
    "ask_ticket",
    "is_bad_ticket",
    "milliseconds_of",
    "number",
    "read_ticket",
    "request",
    "rfc3339",
    "subscribe_answer",
]

PING: Final = b'{"method":"ping","req_id":0}'
READ_WITHIN_S: Final = 5.0

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_BAD_TICKETS: Final = ("EAPI:Invalid token", "ESession:Invalid session")
_TOO_FAST: Final = "Exceeded msg rate"
_PAUSE_S: Final = 5.0

_encode: Final = msgspec.json.Encoder().encode


def request(method: str, params: Mapping[str, object], number: int) -> bytes:
    """One message. Values of `msgspec.Raw` are written as they are: see `number`."""
    return _encode({"method": method, "params": params, "req_id": number})


def number(text: str) -> msgspec.Raw:
    """A plain decimal as a JSON number, digit by digit."""
    return msgspec.Raw(text.encode())


def rfc3339(at_ms: int) -> str:
    seconds, milliseconds = divmod(at_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def milliseconds_of(instant: datetime) -> int:
    """Whole milliseconds since the epoch, rounded down as REST's instants are."""
    if instant.tzinfo is None:
        raise ValueError(f"timestamp {instant} has no zone")
    return (instant - _EPOCH) // _MILLISECOND


def is_bad_ticket(error: str) -> bool:
    return error.startswith(_BAD_TICKETS)


def subscribe_answer(number: int, error: str) -> SubscribeAnswered:
    if not error:
        return SubscribeAnswered(number)
    if error == _TOO_FAST:
        return SubscribeAnswered(number, error, Remedy.WAIT_BAN, _PAUSE_S)
    hopeless = error.startswith(("EGeneral:Permission denied", "EAPI:Feature disabled"))
    return SubscribeAnswered(number, error, Remedy.GIVE_UP if hopeless else Remedy.RETRY)


# Tokens -------------------------------------------------------------------------------------------


def ask_ticket() -> WireRequest:
    """A token: to be used within 15 minutes, and good for as long as its connection lives."""
    path = "/0/private/GetWebSocketsToken"
    return WireRequest(
        name="stream.ticket",
        method="POST",
        path=path,
        auth=Auth.SIGNED,
        plane=Plane.ACCOUNT,
        lane=Lane.RECONCILE,
        costs=costs(path),
        answer_within_s=READ_WITHIN_S,
    )


class _Token(Row):
    token: str
    expires: int


def read_ticket(request: WireRequest, reply: WireReply) -> Ticket | Failure:
    def values(result: msgspec.Raw) -> Ticket:
        row = decode(result, _Token)
        if not row.token or row.expires <= 0:
            raise ValueError("a token without text or time")
        return Ticket(text=row.token, good_for_s=float(row.expires))

    return read(request, reply, values)
