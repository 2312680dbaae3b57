"""What the checker has seen so far, in its own words: journal records decoded, clients, orders.

Instants end in `_s` and are seconds since the trial began, whoever's clock they were read from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from outlast.mock.history import OrderHistory
from outlast.mock.records import RequestRecord
from outlast.trials.watching import Asked, Client

Mark = tuple[str, str, str]
"""Method, path and the timestamp or nonce that was signed; of a request by socket, what it is for
and the order that it names."""

__all__ = [
    "FINAL",
    "MAY_BE_LIVE",
    "Attempt",
    "ClientFacts",
    "Mark",
    "Note",
    "Order",
    "mark_of",
    "mark_of_record",
    "read_attempt",
    "read_order",
    "stamp_of",
    "turned_away",
]

FINAL: Final = frozenset({"denied", "filled", "canceled", "expired", "rejected", "not_placed"})
MAY_BE_LIVE: Final = frozenset(
    {"initialized", "submitted", "unknown", "accepted", "partially_filled"}
)
"""From its intent on: that it was handed to the wire is not written down again."""
ZERO: Final = Decimal(0)
_ENDPOINTS: Final[Mapping[str, str]] = {
    "order.place": "orders.create",
    "order.cancel": "orders.cancel",
    "order.cancel_all": "orders.cancel_all",
    "order.amend": "orders.amend",
    "orders.cancel_many": "orders.cancel",
}
"""What travels by socket: the client's word for it, and the venue's."""
_NAMES: Final = (
    "newClientOrderId",
    "origClientOrderId",
    "orderId",
    "clientAlgoId",
    "algoId",
    "cl_ord_id",
    "txid",
    "symbol",
)
"""By which a request names its order, or all those of a symbol, at any venue."""


@dataclass(frozen=True, slots=True)
class Note:
    """One journal record."""

    at_s: float
    seq: int
    kind: str
    data: bytes
    """The fields as they were written."""
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order as the client's journal tells it."""

    client_order_id: str
    venue_order_id: str | None
    symbol: str
    side: str
    order_type: str
    qty: Decimal
    price: Decimal | None
    status: str
    filled_qty: Decimal
    reduce_only: bool
    is_external: bool
    reason: str
    intended_s: float
    incarnation: int
    """Of the process that made the intent."""

    @property
    def leaves_qty(self) -> Decimal:
        return self.qty - self.filled_qty if self.status in MAY_BE_LIVE else ZERO

    def __str__(self) -> str:
        return (
            f"{self.client_order_id} ({self.side} {self.qty} {self.symbol} {self.order_type}, "
            f"{self.status}, {self.filled_qty} filled)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request that left a client, as its journal tells it when it was over."""

    request: str
    method: str
    path: str
    params: Mapping[str, str]
    plane: str
    lane: str
    costs: Mapping[str, int]
    client_order_id: str | None
    stamp: str
    """The timestamp or nonce that was signed; empty for a request that was not signed."""
    via: str
    """`rest` or `socket`."""
    has_nonce: bool
    """Such requests are written one after the other, in the order of their nonces."""
    number: int
    paid_by: str | None
    era: int | None
    asked_s: float
    sent_s: float
    deadline_s: float
    done_s: float
    http_status: int | None
    outcome: str | None
    """`not_sent`, `refused`, `unknown`; None for success."""
    kind: str
    layer: str
    remedy: str
    scope: str
    venue_code: str | None
    incarnation: int

    @property
    def is_ok(self) -> bool:
        return self.outcome is None

    @property
    def is_probe(self) -> bool:
        return self.era is None

    @property
    def is_evidence_of_failure(self) -> bool:
        """True for what a breaker may hold against the venue."""
        return (
            self.layer in ("transport", "venue")
            and self.remedy != "wait_ban"
            and self.scope != "self"
        )

    def __str__(self) -> str:
        name = f" {self.client_order_id}" if self.client_order_id else ""
        end = "ok" if self.is_ok else f"{self.kind} ({self.outcome})"
        return f"{self.request}{name} [{self.lane}], sent at {self.sent_s:.3f} s: {end}"


@dataclass(slots=True)
class ClientFacts:
    """One client over all its incarnations."""

    client: Client
    name: str
    venue: str
    account: str
    mono_s: float
    """What its monotonic clock showed when the trial began."""
    secrets: tuple[bytes, ...] = ()
    orders: dict[str, Order] = field(default_factory=dict)
    """Own and external ones, by client order id, as last recorded."""
    intents: dict[str, Order] = field(default_factory=dict)
    """What its journals ever intended, also what a loss of power has taken since."""
    lost: set[str] = field(default_factory=set)
    """Client order ids of intents that a loss of power has taken from the journal."""
    venue_orders: dict[str, list[OrderHistory]] = field(default_factory=dict)
    """What the venue has of this account, by client order id, in the order of creation."""
    pending: dict[int, Asked] = field(default_factory=dict)
    """Calls under way, by number."""
    walls: list[float] = field(default_factory=list)
    """Every offset of its wall clock to the time of the trial so far, the present one last."""
    troubles: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=64))
    """From, until: when its machine or its way to the venue was disturbed."""
    freezes: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=64))
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """When its journal could not be written."""
    deaths: list[float] = field(default_factory=list)
    lives: int = 0
    """How many sessions were opened."""
    incarnation: int = 0
    """Of the process whose journal was last read."""
    opened_s: float = 0.0
    """When its present session, or its last one, was opened."""
    limits_told_s: float | None = None
    """When its present session, or its last one, was told the venue's limits."""
    limits_told_to: int = -1
    """The incarnation that was told then: one asks once."""
    kept_bans: frozenset[float] = frozenset()
    """After a loss of power: until when the bans last that the disk still has, by its clock."""
    has_lost_records: bool = False
    """Whether a loss of power has taken records between the last session and this one."""
    executions: int = 0
    """How many bookings the journal has."""
    kept_executions: list[Mapping[str, Any]] = field(default_factory=list)
    """After a loss of power: the bookings that the disk still has."""

    def note_limits_told(self, attempt: Attempt) -> None:
        """The list of instruments tells the limits; a session takes those of its first one."""
        if attempt.incarnation != self.limits_told_to:
            self.limits_told_to, self.limits_told_s = attempt.incarnation, attempt.done_s

    def made_at_venue(self, client_order_id: str) -> list[OrderHistory]:
        return self.venue_orders.get(client_order_id, [])

    def was_disturbed(self, from_s: float, until_s: float) -> bool:
        return any(start <= until_s and from_s <= end for start, end in self.troubles)

    def disturbed_from(self, at_s: float) -> list[float]:
        """When the disturbances began that were going on at `at_s`, or had just ended."""
        return [start for start, end in self.troubles if start <= at_s <= end + 1]

    def was_frozen(self, from_s: float, until_s: float) -> bool:
        return any(start <= until_s and from_s <= end for start, end in self.freezes)

    def had_no_journal(self, from_s: float, until_s: float) -> bool:
        return any(start <= until_s and from_s <= end for start, end in self.gaps)


def read_order(fields: Mapping[str, Any], *, at_s: float, incarnation: int) -> Order:
    """The order of a record `order.intent` or `order.changed`."""
    price = fields.get("price")
    return Order(
        client_order_id=fields["client_order_id"],
        venue_order_id=fields.get("venue_order_id"),
        symbol=fields["symbol"],
        side=fields["side"],
        order_type=fields["order_type"],
        qty=Decimal(fields["qty"]),
        price=None if price is None else Decimal(price),
        status=fields["status"],
        filled_qty=Decimal(fields.get("filled_qty", 0)),
        reduce_only=fields.get("reduce_only", False),
        is_external=fields.get("is_external", False),
        reason=fields.get("reason", ""),
        intended_s=at_s,
        incarnation=incarnation,
    )


def read_attempt(note: Note, *, mono_s: float, incarnation: int) -> Attempt:
    """The attempt of a record `attempt`; `mono_s` as in `ClientFacts`."""
    fields = note.fields
    failure = fields["failure"] or {}
    return Attempt(
        request=fields["request"],
        method=fields["method"],
        path=fields["path"],
        params=fields["params"],
        plane=fields["plane"],
        lane=fields["lane"],
        costs=fields["costs"],
        client_order_id=fields["client_order_id"],
        stamp=_stamp(fields),
        via=fields.get("via", "rest"),
        has_nonce=fields.get("nonce") is not None,
        number=fields["number"],
        paid_by=fields["paid_by"],
        era=fields["era"],
        asked_s=fields["asked_at"] - mono_s,
        sent_s=fields["sent_at"] - mono_s,
        deadline_s=fields["deadline_at"] - mono_s,
        done_s=note.at_s,
        http_status=fields["http_status"],
        outcome=failure.get("outcome"),
        kind=failure.get("kind", ""),
        layer=failure.get("layer", ""),
        remedy=failure.get("remedy", ""),
        scope=failure.get("scope", ""),
        venue_code=failure.get("venue_code"),
        incarnation=incarnation,
    )


def _stamp(fields: Mapping[str, Any]) -> str:
    nonce, timestamp_ms = fields.get("nonce"), fields["timestamp_ms"]
    found = timestamp_ms if nonce is None else nonce
    return "" if found is None else str(found)


def stamp_of(record: RequestRecord) -> str:
    """The same of a request at the venue."""
    return record.params.get("timestamp") or record.params.get("nonce") or ""


def mark_of(attempt: Attempt) -> Mark:
    """What an attempt and its request at the venue have in common."""
    if attempt.via == "rest":
        return (attempt.method, attempt.path, attempt.stamp)
    return ("socket", _ENDPOINTS.get(attempt.request, attempt.request), _name(attempt.params))


def mark_of_record(record: RequestRecord) -> Mark:
    """The same of a request at the venue."""
    if record.transport == "rest":
        return (record.method, record.path, stamp_of(record))
    return ("socket", record.endpoint, _name(record.params))


def turned_away(fields: Mapping[str, Any]) -> Mark:
    """The mark of a record `socket.turned_away`: nothing was done, and REST took over."""
    return ("socket", _ENDPOINTS.get(fields["request"], fields["request"]), _name(fields["params"]))


def _name(params: Mapping[str, str]) -> str:
    """The order that a request by socket names; not every venue has such requests stamped."""
    return next((params[key] for key in _NAMES if params.get(key)), "")
