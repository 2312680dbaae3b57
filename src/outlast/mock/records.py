"""What the mock remembers of every request: the raw material of truth, verdict and scorecard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

__all__ = ["CreateFacts", "Landed", "RequestRecord", "Told"]


class Told(Enum):
    """What a reply lets a client know about its write (or whether a read was answered)."""

    OK = "ok"
    """The normal answer of success, complete."""
    REFUSED = "refused"
    """A complete answer that, by the venue's documentation, says: nothing happened."""
    AMBIGUOUS = "ambiguous"
    """No answer, half an answer, or one that the documentation calls unknown."""


class Landed(Enum):
    """What the engine did with a write."""

    NO = "no"
    YES = "yes"
    LATER = "later"
    """Queued by the scenario: it lands (or is refused) after the reply."""
    VOIDED = "voided"
    """Accepted, then gone without an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFacts:
    """The order that one create request asked for, as it stood on the wire."""

    client_order_id: str
    symbol: str
    side: str
    type: str
    qty: Decimal | None
    price: Decimal | None
    reduces: bool
    """True when it can only reduce exposure (reduce-only, close-position, or against the position
    and no larger than it)."""


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request, from arrival to the last byte of its reply."""

    ordinal: int
    venue: str
    product: str
    endpoint: str
    """The scenario's endpoint class: `orders.create`, `account.positions`, …"""
    transport: str = "rest"
    """`rest` or `ws.api`."""
    account: str | None = None
    method: str = ""
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    """Without key and signature."""
    arrived_ms: int = 0
    replied_ms: int | None = None
    phase: str = ""
    rule: str | None = None
    """The fault rule that decided, as `phase/index`; None for the normal answer."""
    reply: str = "ok"
    """`ok`, an alias, or the kind of raw reply (`hang`, `reset`, `html`, …)."""
    status: int | None = None
    code: str | None = None
    effect: str = "apply"
    told: Told = Told.OK
    landed: Landed = Landed.NO
    limited: str | None = None
    """`429`, `418` or `connects` when a limit, not the scenario, decided."""
    weight: int = 0
    create: CreateFacts | None = None
    busy_until_ms: int | None = None
    """Until when the scenario may still land what it asks for, or make it vanish again."""
    order_ids: tuple[int, ...] = ()
    """Engine orders made or changed by it."""
    shown: tuple[int, ...] = ()
    """Engine orders whose state the reply delivered to the client."""
    asked_ids: tuple[str, ...] = ()
    """Client order ids that a query asked for."""
    told_absent: tuple[str, ...] = ()
    """Client order ids that a complete answer said do not exist."""
    lied: bool = False
    """True when an account answer was not the truth (zero, stale, empty)."""
    symbol: str | None = None
    """The scenario's key of the instrument that the request names, if it names one."""
    retry_after_s: float | None = None
    """How long a 429, a 418 or another limit told the client to wait."""
    rendered_ms: int | None = None
    """Venue time of the state that the reply shows; None: that of `replied_ms`."""
    batch: tuple[CreateFacts, ...] = ()
    """The orders of a request that asks for several at once; `create` is None then."""
    pictures: tuple[str, ...] = ()
    """What the reply showed as a whole: `open_orders`, `positions`, `balances`. Empty: told by the
    endpoint class and the path."""
