"""Binance's WebSocket API, as both products speak it: signed frames, and answers read as REST's.

An answer is the one that REST would have given, in an envelope of its own: `status` has the meaning
of HTTP's, `result` is REST's body, `error` its error body, `rateLimits` its headers. So it is put
back into that form, and the product's own tables judge it.

Source: Binance spot docs, web-socket-api.md ("Request format", "Response format", "Rate limits",
"Request security"), and USD-M futures docs, WebSocket API General Info; 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

import msgspec

from outlast.errors import Remedy
from outlast.private_wire import SocketAnswer, StreamEnding, SubscribeAnswered
from outlast.venues._answers import UNREADABLE
from outlast.venues._binance import signer_of

__all__ = ["event_of", "read_answer", "signed", "subscribe_answer"]

_PREFIXES: Final[Mapping[str, str]] = {
    "REQUEST_WEIGHT": "x-mbx-used-weight",
    "ORDERS": "x-mbx-order-count",
}

_encode: Final = msgspec.json.Encoder().encode


class _Limit(msgspec.Struct, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    count: int = -1


class _Answer(msgspec.Struct, rename="camel"):
    status: int
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    rate_limits: list[_Limit] = msgspec.field(default_factory=list)


class _Wait(msgspec.Struct, rename="camel"):
    server_time: int
    retry_after: int


class _Error(msgspec.Struct):
    code: int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_ERROR: Final = msgspec.json.Decoder(_Error)
_WAIT: Final = msgspec.json.Decoder(_Wait)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def signed(
    method: str,
    params: Sequence[tuple[str, str]],
    *,
    number: int,
    key: str,
    secret: str,
    timestamp_ms: int,
    valid_for_ms: int,
) -> bytes:
    """One request. Signed is every parameter, by name, as `name=value` and not encoded."""
    whole: dict[str, str | int] = dict(params)
    whole |= {"apiKey": key, "recvWindow": valid_for_ms, "timestamp": timestamp_ms}
    payload = "&".join([f"{name}={whole[name]}" for name in sorted(whole)])
    whole["signature"] = signer_of(secret)(payload.encode())
    return _encode({"id": number, "method": method, "params": whole})


def read_answer(message: bytes) -> SocketAnswer | StreamEnding | None:
    """The answer in `message` as REST would have given it; None where it is none."""
    try:
        answer = _ANSWER.decode(message)
    except UNREADABLE:
        ending = event_of(message)
        is_ending = ending is not None and ending[0] == "serverShutdown"
        return StreamEnding("the venue is about to close the connection") if is_ending else None
    if isinstance(answer.id, str):
        return None  # not one of ours
    headers = {
        f"{_PREFIXES[row.rate_limit_type]}-{row.interval_num}{row.interval[:1].lower()}": str(
            row.count
        )
        for row in answer.rate_limits
        if row.rate_limit_type in _PREFIXES and row.count >= 0
    }
    body = bytes(answer.error) or bytes(answer.result)
    wait_s = _wait_s(answer.error)
    if wait_s is not None:
        headers["retry-after"] = str(wait_s)
    # A failure without an error says no more than its status does.
    return SocketAnswer(
        number=answer.id,
        status=answer.status,
        headers=headers,
        body=body,
    )


def _wait_s(error: msgspec.Raw) -> int | None:
    """Whole seconds until the instant that a refusal names, by the venue's own clock."""
    try:
        wait = _WAIT.decode(_ERROR.decode(error).data)
    except UNREADABLE:
        return None
    return max(0, ceil((wait.retry_after - wait.server_time) / 1000))


def event_of(message: bytes) -> tuple[str, msgspec.Raw] | None:
    """The kind and the body of an event that came wrapped; None where there is none."""
    try:
        raw = _FIELDS.decode(message).get("event")
        if raw is None:
            return None
        return msgspec.json.decode(_FIELDS.decode(raw)["e"], type=str), raw
    except (*UNREADABLE, KeyError):
        return None


_CLOCK: Final = -1021
_LIMITED: Final = frozenset({418, 429})
_HOPELESS: Final = frozenset({-1022, -2014, -2015})
"""A key or a signature that is wrong stays wrong."""


def subscribe_answer(answer: SocketAnswer) -> SubscribeAnswered | None:
    """What an answer says about the subscription of its number; None where it has none."""
    if answer.number is None:
        return None
    if answer.status == 200:
        return SubscribeAnswered(answer.number)
    try:
        error = _ERROR.decode(answer.body)
        code, said = error.code, f"{error.code}: {error.msg}"
    except UNREADABLE:
        code, said = 0, f"status {answer.status}"
    remedy = Remedy.RETRY
    if answer.status in _LIMITED:
        remedy = Remedy.WAIT_BAN
    elif code == _CLOCK:
        remedy = Remedy.RESYNC
    elif code in _HOPELESS:
        remedy = Remedy.GIVE_UP
    asked = answer.headers.get("retry-after")
    return SubscribeAnswered(answer.number, said, remedy, None if asked is None else float(asked))
