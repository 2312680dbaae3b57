"""What every codec needs to say of an answer: the row of a table, and the failure it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.wire import FaultKind, TransportFault, WireReply, WireRequest

__all__ = [
    "MESSAGE_MAX",
    "RAW_MAX",
    "UNREADABLE",
    "Meaning",
    "check_amount",
    "classify_fault",
    "meant",
    "printable",
]

RAW_MAX: Final = 2048
"""Bytes of a body kept as evidence: an error body has 200, a CDN's page says all in its head."""
MESSAGE_MAX: Final = 300

UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding can raise: not JSON, another shape, not UTF-8, nested without end."""

_DIGITS_MAX: Final = 40
"""No amount of money has its first digit further than this from the point."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """One row of a product's tables: what an answer says about a write, and where that stands."""

    layer: Layer
    kind: str
    outcome: Outcome
    remedy: Remedy
    scope: Scope
    source: str
    wait_s: float | None = None
    """How long to wait when the venue asks for a pause without naming its end."""


def meant(
    request: WireRequest,
    reply: WireReply,
    meaning: Meaning,
    *,
    code: str | None = None,
    message: str = "",
    retry_after_s: float | None = None,
    banned_until_ms: int | None = None,
) -> Failure:
    """`meaning` as the failure of this request.

    A read changes nothing, so what would leave a write unknown only means asking again.
    """
    outcome, remedy = meaning.outcome, meaning.remedy
    if outcome is Outcome.UNKNOWN and not request.is_write:
        outcome, remedy = Outcome.REFUSED, Remedy.RETRY
    return Failure(
        layer=meaning.layer,
        kind=meaning.kind,
        outcome=outcome,
        remedy=remedy,
        scope=meaning.scope,
        http_status=reply.status,
        venue_code=code,
        message=message,
        retry_after_s=retry_after_s,
        banned_until_ms=banned_until_ms,
        raw=reply.body[:RAW_MAX],
    )


def check_amount(name: str, value: Decimal) -> None:
    """Let through what money can be: `Decimal` itself also reads NaN and 1E+999999."""
    if not value.is_finite() or abs(value.adjusted()) > _DIGITS_MAX:
        raise ValueError(f"{name} is {value}, which is no amount")


def printable(body: bytes) -> str:
    """How a body begins, on one line, for people."""
    text = body[:MESSAGE_MAX].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:120]


def classify_fault(request: WireRequest, fault: TransportFault) -> Failure:
    """No complete answer came. What may have been written may have been done."""
    local = fault.kind.is_ours
    outcome, remedy = Outcome.UNKNOWN, Remedy.SETTLE
    if fault.kind.nothing_sent:
        outcome = Outcome.NOT_SENT
        # A bad URL or a closed client will not be better next time.
        remedy = Remedy.GIVE_UP if fault.kind is FaultKind.LOCAL else Remedy.RETRY
    elif not request.is_write:
        outcome, remedy = Outcome.REFUSED, Remedy.RETRY
    return Failure(
        layer=Layer.LOCAL if local else Layer.TRANSPORT,
        kind=fault.kind.value,
        outcome=outcome,
        remedy=remedy,
        scope=Scope.SELF if local else Scope.HOST,
        message=fault.detail[:MESSAGE_MAX],
    )
