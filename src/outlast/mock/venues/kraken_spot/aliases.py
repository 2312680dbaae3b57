"""Answers in the venue's envelope, and the scenario language's replies in the venue's words.

Everything is HTTP 200: a status other than that never comes from the venue's own servers. Source:
Kraken docs, "Spot REST Introduction" and "Spot Errors"; what each error lets a client conclude
about an order follows the support article "API error messages".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.mock.limits import LimitBreach, LimitKind
from outlast.mock.raw_replies import raw_answer
from outlast.mock.records import Told
from outlast.mock.scenario.model import Reply
from outlast.mock.venues.dialect import Call, WireAnswer
from outlast.mock.venues.kraken_spot.errors import (
    BUSY,
    INTERNAL,
    INVALID_NONCE,
    INVALID_ORDER,
    LOCKOUT,
    NO_POSITION,
    ORDER_RATE,
    RATE,
    TOO_MANY,
    UNAVAILABLE,
    UNKNOWN_ORDER,
    VenueRefusal,
)
from outlast.mock.venues.kraken_spot.figures import to_json

__all__ = ["error_answer", "limit_text", "refused", "render", "result_answer"]

_ORDER_ENTRY: Final = frozenset({"orders.create", "orders.amend", "orders.cancel"})
_JSON: Final = (("Content-Type", "application/json; charset=utf-8"),)
_HANGS_S: Final = 30.0
"""How long a request waits in vain when the backend does not answer."""
_SAYS_NOTHING: Final = frozenset({BUSY, UNAVAILABLE, INTERNAL})
"""Overloaded, offline, broken inside: none of them says what became of an order."""

_TEXTS: Final[Mapping[str, str]] = {
    "overload": BUSY,
    "unavailable": UNAVAILABLE,
    "closing": UNAVAILABLE,
    "internal": INTERNAL,
    "order_rejected": INVALID_ORDER,
    "reduce_rejected": NO_POSITION,
    "reduce_failed": NO_POSITION,
    "banned": LOCKOUT,
    "clock_skew": INVALID_NONCE,
}


def result_answer(result: object) -> bytes:
    return to_json({"error": [], "result": result}).encode()


def error_answer(
    text: str,
    *,
    told_absent: tuple[str, ...] = (),
    limited: str | None = None,
) -> WireAnswer:
    """`{"error":["…"]}` over HTTP 200."""
    return WireAnswer(
        status=200,
        body=to_json({"error": [text]}).encode(),
        headers=_JSON,
        told=Told.AMBIGUOUS if text in _SAYS_NOTHING else Told.REFUSED,
        code=text,
        told_absent=told_absent,
        limited=limited,
    )


def refused(refusal: VenueRefusal) -> WireAnswer:
    return error_answer(refusal.text, told_absent=refusal.absent, limited=refusal.limited)


def render(reply: Reply, call: Call) -> WireAnswer:
    """Write an alias."""
    match reply.kind:
        case "unknown":
            return raw_answer(Reply(kind="html", page="cdn-520"))
        case "backend_timeout":
            return WireAnswer(status=200, body=b"", told=Told.AMBIGUOUS, hangs_s=_HANGS_S)
        case "no_such_order":
            return error_answer(UNKNOWN_ORDER, told_absent=call.asked_ids)
        case "rate_limited":
            return error_answer(ORDER_RATE if call.endpoint in _ORDER_ENTRY else RATE)
    return error_answer(_TEXTS[reply.kind])


def limit_text(breach: LimitBreach) -> str:
    """What a full counter answers: private calls, a lockout, public calls."""
    if breach.is_ban:
        return LOCKOUT
    return RATE if breach.kind is LimitKind.CALLS else TOO_MANY
