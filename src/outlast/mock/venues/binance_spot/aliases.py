"""The scenario language's replies in this venue's wire shape, and what each of them tells.

On spot every 5xx means that nobody knows what became of the request, whatever its words; futures
differ. Source: Binance spot API docs, rest-api.md ("HTTP Return Codes"), errors.md. The body
without `code` for the unknown outcome follows what public issue threads show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.mock.limits import LimitBreach, LimitKind
from outlast.mock.records import Told
from outlast.mock.scenario.model import Reply
from outlast.mock.venues.binance_spot.auth import AHEAD
from outlast.mock.venues.binance_spot.errors import MESSAGES, status_of
from outlast.mock.venues.binance_spot.weights import interval_of
from outlast.mock.venues.binance_um.aliases import to_json
from outlast.mock.venues.dialect import Call, WireAnswer

__all__ = ["GONE", "NOT_FOUND", "error_answer", "limit_answer", "render"]

_UNKNOWN: Final = "Unknown error, please check your request or try again later."
_TOO_MANY: Final = (
    "Too much request weight used; current limit is {limit} request weight per {interval}. "
    "Please use WebSocket Streams for live updates to avoid polling the API."
)
_BANNED: Final = (
    "Way too much request weight used; IP banned until {until}. "
    "Please use WebSocket Streams for live updates to avoid bans."
)
_TOO_MANY_ORDERS: Final = "Too many new orders; current limit is {limit} orders per {interval}."
_REQUESTS: Final = "Too many requests queued."
_LIMIT: Final = 6000

_RATE_LIMITED_S: Final = 60
_BANNED_S: Final = 120
"""What the aliases `rate_limited` and `banned` ask to wait: to the end of a minute at the most, and
the venue's shortest ban."""

_CODES: Final[Mapping[str, tuple[int, Told]]] = {
    "overload": (-1008, Told.AMBIGUOUS),
    "backend_timeout": (-1007, Told.AMBIGUOUS),
    "internal": (-1001, Told.AMBIGUOUS),
    "closing": (-1016, Told.REFUSED),
    "order_rejected": (-2010, Told.REFUSED),
    "reduce_rejected": (-2010, Told.REFUSED),
    "reduce_failed": (-2010, Told.REFUSED),
}
"""Spot knows no reduce-only orders: those two are futures' replies, and plain rejections here."""

_JSON: Final = (("Content-Type", "application/json;charset=UTF-8"),)
_HTML: Final = (("Content-Type", "text/html"),)


def _page(title: str) -> bytes:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    ).encode()


GONE: Final = WireAnswer(
    status=410, body=_page("410 Gone"), headers=_HTML, told=Told.REFUSED, code=None
)
"""The answer of endpoints that were taken away, with the page of the web server in front."""
NOT_FOUND: Final = WireAnswer(
    status=404, body=_page("404 Not Found"), headers=_HTML, told=Told.REFUSED, code=None
)


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
        case "unavailable":
            return error_answer(0, "Service Unavailable.", status=503, told=Told.AMBIGUOUS)
        case "unknown":
            return _unknown(call, now_ms)
        case "no_such_order":
            code = -2011 if call.endpoint in ("orders.cancel", "orders.cancel_all") else -2013
            return error_answer(code, MESSAGES[code], told_absent=call.asked_ids)
        case "rate_limited":
            wait_s = _RATE_LIMITED_S - now_ms // 1000 % _RATE_LIMITED_S
            return _limit(429, _TOO_MANY.format(limit=_LIMIT, interval="1 MINUTE"), wait_s)
        case "banned":
            until = now_ms + _BANNED_S * 1000
            return _limit(418, _BANNED.format(until=until), _BANNED_S)
        case "clock_skew":
            return error_answer(-1021, _clock_words(call, now_ms))
    code, told = _CODES[reply.kind]
    return error_answer(code, MESSAGES[code], told=told)


def limit_answer(breach: LimitBreach) -> WireAnswer:
    """Write what a real breach earns: 429 with -1003 or -1015, or 418 while banned."""
    if breach.is_ban:
        return _limit(418, _BANNED.format(until=breach.until_ms), breach.retry_after_s)
    window = breach.window
    if window is None or breach.kind is LimitKind.CONNECTS:
        return _limit(429, _REQUESTS, breach.retry_after_s)
    interval = interval_of(window)
    if breach.kind is LimitKind.ORDERS:
        words = _TOO_MANY_ORDERS.format(limit=window.limit, interval=interval)
        return _limit(429, words, breach.retry_after_s, code=-1015)
    if breach.kind is LimitKind.RAW:
        return _limit(429, _REQUESTS, breach.retry_after_s)
    words = _TOO_MANY.format(limit=window.limit, interval=interval)
    return _limit(429, words, breach.retry_after_s)


def _limit(status: int, words: str, wait_s: int, *, code: int = -1003) -> WireAnswer:
    return error_answer(code, words, status=status, headers=(("Retry-After", str(wait_s)),))


def _clock_words(call: Call, now_ms: int) -> str:
    """Give the words of -1021 for a request that is refused whatever its timestamp says."""
    timestamp = call.params.get("timestamp", "")
    ahead = timestamp.isascii() and timestamp.isdigit() and int(timestamp[:13]) > now_ms
    return AHEAD if ahead else MESSAGES[-1021]


def _unknown(call: Call, now_ms: int) -> WireAnswer:
    """Write the 503 that names nothing: it has a path and a time, but no code."""
    body = {"timestamp": now_ms, "path": call.message.path, "msg": _UNKNOWN}
    return WireAnswer(status=503, body=to_json(body), headers=_JSON, told=Told.AMBIGUOUS)
