"""The scenario language's replies in this venue's wire shape, and what each of them tells.

Two answers with the same status 503 mean different things: one says that nothing happened, the
other that nobody knows. Source: Binance USD-M futures docs, General Info ("HTTP Return Codes",
503 messages), Error Codes, Derivatives change log of 2025-10-14 (new words of -1008 from
2025-10-23 on). Status 503 of -1016 and a body without `code` for the unknown outcome follow what
public issue threads show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from outlast.mock.limits import LimitBreach, LimitKind
from outlast.mock.records import Told
from outlast.mock.scenario.model import Reply
from outlast.mock.venues.binance_um.auth import clock_words
from outlast.mock.venues.binance_um.errors import MESSAGES, status_of
from outlast.mock.venues.dialect import Call, WireAnswer

__all__ = ["error_answer", "limit_answer", "render", "to_json"]

_NEW_WORDS_MS: Final = int(datetime(2025, 10, 23, tzinfo=UTC).timestamp()) * 1000
_OVERLOAD_OLD: Final = (
    "Server is currently overloaded with other requests. Please try again in a few minutes."
)
_OVERLOAD: Final = (
    "Request throttled by system-level protection. "
    "Reduce-only/close-position orders are exempt. Please try again."
)
_UNKNOWN: Final = "Unknown error, please check your request or try again later."
_TOO_MANY: Final = (
    "Too many requests; current limit is {limit} requests per minute. "
    "Please use the websocket for live updates to avoid polling the API."
)
_BANNED: Final = (
    "Way too many requests; IP banned until {until}. "
    "Please use the websocket for live updates to avoid bans."
)
_TOO_MANY_ORDERS: Final = "Too many new orders; current limit is {limit} orders per {interval}."

_RATE_LIMITED_S: Final = 60
_BANNED_S: Final = 120
"""What the aliases `rate_limited` and `banned` ask to wait: to the end of a minute at the most, and
the venue's shortest ban."""

_CODES: Final[Mapping[str, tuple[int, Told]]] = {
    "backend_timeout": (-1007, Told.AMBIGUOUS),
    "internal": (-1001, Told.REFUSED),
    "closing": (-1016, Told.REFUSED),
    "order_rejected": (-2010, Told.REFUSED),
    "reduce_rejected": (-2022, Told.REFUSED),
    "reduce_failed": (-4118, Told.REFUSED),
}

_JSON: Final = (("Content-Type", "application/json"),)


def to_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def error_answer(
    code: int,
    msg: str,
    *,
    status: int | None = None,
    told: Told = Told.REFUSED,
    headers: tuple[tuple[str, str], ...] = (),
    told_absent: tuple[str, ...] = (),
) -> WireAnswer:
    """Write `{"code", "msg"}`."""
    return WireAnswer(
        status=status_of(code) if status is None else status,
        body=to_json({"code": code, "msg": msg}),
        headers=_JSON + headers,
        told=told,
        code=str(code),
        told_absent=told_absent,
    )


def render(reply: Reply, call: Call, now_ms: int) -> WireAnswer:
    """Write an alias; `call` gives the path, the ids asked for and the client's timestamp."""
    match reply.kind:
        case "overload":
            words = _OVERLOAD if now_ms >= _NEW_WORDS_MS else _OVERLOAD_OLD
            return error_answer(-1008, words, status=503)
        case "unavailable":
            return error_answer(0, "Service Unavailable.", status=503)
        case "unknown":
            return _unknown(call, now_ms)
        case "no_such_order":
            code = -2011 if call.endpoint in ("orders.cancel", "orders.cancel_all") else -2013
            return error_answer(code, MESSAGES[code], told_absent=call.asked_ids)
        case "rate_limited":
            wait_s = _RATE_LIMITED_S - now_ms // 1000 % _RATE_LIMITED_S
            return _limit(429, _TOO_MANY.format(limit=2400), wait_s)
        case "banned":
            until = now_ms + _BANNED_S * 1000
            return _limit(418, _BANNED.format(until=until), _BANNED_S)
        case "clock_skew":
            return error_answer(-1021, clock_words(call, now_ms))
    code, told = _CODES[reply.kind]
    return error_answer(code, MESSAGES[code], told=told)


def limit_answer(breach: LimitBreach) -> WireAnswer:
    """Write what a real breach earns: 429 with -1003 or -1015, or 418 while banned."""
    if breach.is_ban:
        return _limit(418, _BANNED.format(until=breach.until_ms), breach.retry_after_s)
    window = breach.window
    if breach.kind is LimitKind.ORDERS and window is not None:
        interval = "10 SECOND" if window.interval_s == 10 else "1 MINUTE"
        words = _TOO_MANY_ORDERS.format(limit=window.limit, interval=interval)
        return _limit(429, words, breach.retry_after_s, code=-1015)
    limit = 2400 if window is None else window.limit
    return _limit(429, _TOO_MANY.format(limit=limit), breach.retry_after_s)


def _limit(status: int, words: str, wait_s: int, *, code: int = -1003) -> WireAnswer:
    return error_answer(code, words, status=status, headers=(("Retry-After", str(wait_s)),))


def _unknown(call: Call, now_ms: int) -> WireAnswer:
    """Write the one 503 that may hide a success: it has a path and a time, but no code."""
    body = {"timestamp": now_ms, "path": call.message.path, "msg": _UNKNOWN}
    return WireAnswer(status=503, body=to_json(body), headers=_JSON, told=Told.AMBIGUOUS)
