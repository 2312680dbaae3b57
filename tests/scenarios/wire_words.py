"""What each reply of the scenario language looks like to a client: a table for each venue.

Source of the venues' words: Binance USD-M and spot docs, "General Info" and "Error Codes"; Kraken
docs, "Spot Errors". The statuses of -1001, -1007, -1008 and -1016 on spot are nowhere documented:
there any 5xx is right. Old words of -1008 until 2025-10-23, on futures only.
"""

from __future__ import annotations

from typing import Any

from wire_client import Heard

OLD_WORDS_UNTIL_MS = 1_761_177_600_000
"""2025-10-23T00:00:00Z."""
BUSY = "Server is currently overloaded with other requests. Please try again in a few minutes."
THROTTLED = (
    "Request throttled by system-level protection. "
    "Reduce-only/close-position orders are exempt. Please try again."
)
UNKNOWN = "Unknown error, please check your request or try again later."
LATE = (
    "Timeout waiting for response from backend server. "
    "Send status unknown; execution status unknown."
)

_ANY_5XX = (500, 502, 503, 504)
_BINANCE: dict[str, tuple[tuple[int, ...], int | None, str]] = {
    "overload": (_ANY_5XX, -1008, BUSY),
    "unavailable": ((503,), 0, "Service Unavailable."),
    "unknown": ((503,), None, UNKNOWN),
    "backend_timeout": ((408, 504, 500), -1007, LATE),
    "internal": (
        _ANY_5XX,
        -1001,
        "Internal error; unable to process your request. Please try again.",
    ),
    "closing": (_ANY_5XX, -1016, "This service is no longer available."),
    "order_rejected": ((400,), -2010, ""),
    "reduce_rejected": ((400,), -2022, "ReduceOnly Order is rejected."),
    "reduce_failed": (
        (400,),
        -4118,
        "ReduceOnly Order Failed. Please check your existing position and open orders",
    ),
    "rate_limited": ((429,), -1003, "Too "),
}
_UM_STATUS = {"overload": 503, "backend_timeout": 408, "internal": 503}
_KRAKEN = {
    "overload": "EService:Busy",
    "unavailable": "EService:Unavailable",
    "internal": "EGeneral:Internal error",
    "closing": "EService:Unavailable",
}
_KRAKEN_MODES = {
    "maintenance": "EService:Unavailable",
    "halted": "EService:Unavailable",
    "cancel_only": "EService:Market in cancel_only mode",
    "post_only": "EService:Market in post_only mode",
}
_PAGES = {"cdn-500": 500, "cdn-502": 502, "cdn-520": 520, "cdn-522": 522, "waf-403": 403}


def wrong(
    heard: Heard, reply: tuple[str, Any], *, venue: str, endpoint: str, mode: str, at_ms: int
) -> str:
    """What is wrong with what was heard, the rule having said `reply`; empty when nothing is."""
    kind, argument = reply
    if venue == "kraken-spot" and kind == "unknown":
        kind, argument = "html", "cdn-520"
    if venue == "kraken-spot" and kind == "backend_timeout":
        kind, argument = "hang", "30s"
    if kind in _DELIVERIES:
        return "" if _DELIVERIES[kind](heard, argument) else f"not {reply}: {heard}"
    if heard.error:
        return f"an answer was due for {reply}: {heard}"
    if kind in _RAW:
        return "" if _RAW[kind](heard, argument) else f"not {reply}: {heard}"
    if kind == "ok":
        return "" if heard.status in (200, 400) else f"not the normal answer: {heard}"
    if venue == "kraken-spot":
        return _wrong_on_kraken(heard, kind, endpoint, mode)
    return _wrong_on_binance(heard, kind, venue, endpoint, at_ms)


def _wrong_on_kraken(heard: Heard, kind: str, endpoint: str, mode: str) -> str:
    if kind == "rate_limited":
        trading = endpoint in ("orders.create", "orders.amend", "orders.cancel")
        words = f"{'EOrder' if trading else 'EAPI'}:Rate limit exceeded"
    elif kind == "mode":
        if endpoint in ("orders.query", "orders.open", "orders.deadman"):
            # Reads, and the switch that stands in front of the engine, work in every mode.
            return "" if heard.json["error"] == [] else f"{endpoint} in {mode}: {heard}"
        words = _KRAKEN_MODES[mode]
    else:
        words = _KRAKEN[kind]
    right = heard.status == 200 and heard.json == {"error": [words]}
    return "" if right else f"not 200 {words}: {heard}"


def _wrong_on_binance(heard: Heard, kind: str, venue: str, endpoint: str, at_ms: int) -> str:
    if kind == "no_such_order":
        statuses, code, words = (400,), -2013, "Order does not exist."
        if endpoint == "orders.cancel":
            code, words = -2011, "Unknown order sent."
    else:
        statuses, code, words = _BINANCE[kind]
    if venue == "binance-um":
        statuses = (_UM_STATUS.get(kind, heard.status or 0),) if kind in _UM_STATUS else statuses
        if kind == "overload" and at_ms >= OLD_WORDS_UNTIL_MS:
            words = THROTTLED
    body = heard.json
    if heard.status not in statuses or body.get("code") != code:
        return f"not {statuses} {code}: {heard}"
    if not body["msg"].startswith(words):
        return f"not the words {words!r}: {heard}"
    if kind == "rate_limited" and not heard.headers["retry-after"].isdigit():
        return f"no Retry-After: {heard}"
    return ""


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _hung(heard: Heard, duration: str) -> bool:
    return heard.error == "hung up" and heard.seconds >= _seconds(duration)


def _is_page(heard: Heard, page: str) -> bool:
    is_html = "text/html" in heard.headers["content-type"]
    return heard.status == _PAGES[page] and is_html and b"<html" in heard.body


_DELIVERIES = {
    "refuse": lambda heard, _: heard.error == "refused",
    "hang": _hung,
    "truncate": lambda heard, _: heard.error == "cut",
    "dribble": lambda heard, said: heard.error == "cut",
}
_RAW = {
    "html": _is_page,
    "http": lambda heard, said: (
        heard.status == said["status"] and heard.body.decode() == said.get("body", "")
    ),
    "empty": lambda heard, status: heard.status == status and heard.body == b"",
    "json": lambda heard, body: heard.status == 200 and heard.json == body,
}
