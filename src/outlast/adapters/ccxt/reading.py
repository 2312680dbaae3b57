"""What became of one HTTP request that ccxt made: nothing, or a `Failure`.

Where the venue is known in full, its own tables read the answer as it came. Elsewhere ccxt's class
decides, and only a class that says beyond doubt that nothing was done makes a refusal. What is left
is unknown for a write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec
from ccxt.base import errors as ccxt

from outlast.adapters.ccxt.dialects import Dialect
from outlast.adapters.faults import fault_kind
from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import Plane
from outlast.venues._answers import MESSAGE_MAX, RAW_MAX, UNREADABLE, classify_fault, printable
from outlast.venues.kraken_spot import codes as kraken_codes
from outlast.wire import FaultKind, Lane, TransportFault, WireReply, WireRequest

__all__ = ["Attempt", "read_attempt", "read_socket_error"]


@dataclass(slots=True)
class Attempt:
    """One request on the wire. What the venue answered is put in when it comes."""

    method: str
    url: str = field(repr=False)
    plane: Plane
    lane: Lane
    is_write: bool
    purpose: str | None
    """The codec's name for it; for other requests None."""
    sent_at: float
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: Failure | None = None

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def answered(self, status: int, headers: Mapping[str, str], body: str) -> None:
        self.status = status
        self.headers = {str(name).lower(): str(value) for name, value in headers.items()}
        self.body = body.encode("utf-8", "replace")

    def request(self) -> WireRequest:
        return WireRequest(
            name=self.purpose or ("write" if self.is_write else "read"),
            method=self.method,
            path=self.path,
            plane=self.plane,
            lane=self.lane,
            is_write=self.is_write,
            safe_to_repeat=not self.is_write,
        )


def _meaning(
    layer: Layer, kind: str, outcome: Outcome, remedy: Remedy, scope: Scope = Scope.REQUEST
) -> tuple[Layer, str, Outcome, Remedy, Scope]:
    return layer, kind, outcome, remedy, scope


_REFUSED, _UNKNOWN = Outcome.REFUSED, Outcome.UNKNOWN

# The first class that fits counts, so the narrow ones come before their bases.
# Source: ccxt manual, "Exception hierarchy".
_CLASSES: Final = (
    (
        ccxt.DuplicateOrderId,
        _meaning(Layer.BUSINESS, "duplicate_client_order_id", _UNKNOWN, Remedy.SETTLE),
    ),
    (ccxt.OrderNotFound, _meaning(Layer.BUSINESS, "unknown_order", _REFUSED, Remedy.SETTLE)),
    (ccxt.InvalidOrder, _meaning(Layer.BUSINESS, "order_refused", _REFUSED, Remedy.RESHAPE)),
    (
        ccxt.InsufficientFunds,
        _meaning(Layer.BUSINESS, "insufficient_balance", _REFUSED, Remedy.GIVE_UP, Scope.ACCOUNT),
    ),
    (ccxt.BadRequest, _meaning(Layer.BUSINESS, "bad_request", _REFUSED, Remedy.GIVE_UP)),
    (ccxt.ArgumentsRequired, _meaning(Layer.LOCAL, "bad_request", _REFUSED, Remedy.GIVE_UP)),
    (ccxt.NotSupported, _meaning(Layer.LOCAL, "not_supported", _REFUSED, Remedy.GIVE_UP)),
    (
        ccxt.AuthenticationError,
        _meaning(Layer.BUSINESS, "authentication_failed", _REFUSED, Remedy.GIVE_UP, Scope.KEY),
    ),
    (
        ccxt.OperationRejected,
        _meaning(Layer.BUSINESS, "operation_rejected", _REFUSED, Remedy.RESHAPE),
    ),
    (
        ccxt.InvalidNonce,
        _meaning(Layer.LOCAL, "nonce_invalid", _REFUSED, Remedy.RESYNC, Scope.SELF),
    ),
    (
        ccxt.RateLimitExceeded,
        _meaning(Layer.VENUE, "rate_limited", _REFUSED, Remedy.WAIT_BAN, Scope.IP),
    ),
)
_NEVER_LEFT: Final = tuple(
    getattr(ccxt, name)
    for name in (
        "ExchangeClosedByUser",
        "InvalidProxySettings",
        "NotSupported",
        "ArgumentsRequired",
    )
    if hasattr(ccxt, name)  # older versions do not have all of them
)
_LIMIT_STATUSES: Final = (418, 429)
_UNLISTED: Final = _meaning(Layer.VENUE, "unlisted_error", _UNKNOWN, Remedy.SETTLE, Scope.PLANE)
_DDOS: Final = _meaning(Layer.VENUE, "rate_limited", _REFUSED, Remedy.WAIT_BAN, Scope.IP)
_CLOSED: Final = _meaning(Layer.VENUE, "maintenance", _REFUSED, Remedy.RETRY, Scope.PRODUCT)
_HOLLOW: Final = _meaning(Layer.VENUE, "unreadable_answer", _UNKNOWN, Remedy.SETTLE, Scope.PLANE)

_KRAKEN_HANDLED: Final = frozenset(kraken_codes.ANSWERS)
_BINANCE_HANDLED: Final = frozenset(
    {"order.place", "order.cancel", "orders.cancel", "order.read", "time.read"}
)


def read_attempt(
    dialect: Dialect, attempt: Attempt, error: BaseException | None, *, now: float
) -> Failure | None:
    """None when the request did what it should, else what is wrong. `error` is what ccxt raised."""
    if attempt.status is None:
        if error is None:
            return None  # a test has put its own answer in place of the network
        # What ccxt itself refuses before it opens a connection.
        is_local = isinstance(error, _NEVER_LEFT)
        fault = TransportFault(
            kind=FaultKind.LOCAL if is_local else fault_kind(error),
            detail=type(error.__cause__ or error).__name__,
            sent_at=attempt.sent_at,
            received_at=now,
        )
        return classify_fault(attempt.request(), fault)
    venue = dialect.venue_of(attempt.url)
    codec = dialect.codec_of(attempt.url)
    if codec is not None and _is_tabled(venue, attempt):
        reply = WireReply(
            status=attempt.status,
            headers=attempt.headers,
            body=attempt.body,
            sent_at=attempt.sent_at,
            received_at=now,
        )
        failure = codec.classify(attempt.request(), reply)
        if failure is not None or error is None:
            return failure
    if error is None:
        return _answer(attempt, _HOLLOW, "no JSON") if _is_hollow(attempt) else None
    return _by_class(attempt, error)


def read_socket_error(error: Exception, *, lane: Lane) -> Failure:
    """An order sent over a WebSocket failed: ccxt's class is all that there is to read."""
    attempt = Attempt(
        method="",
        url="",
        plane=Plane.TRADING,
        lane=lane,
        is_write=True,
        purpose=None,
        sent_at=0.0,
        status=200,
    )
    return _by_class(attempt, error)


def _is_tabled(venue: str | None, attempt: Attempt) -> bool:
    """Whether the codec's tables speak of this answer: they know the shape of some answers only."""
    assert attempt.status is not None
    if venue == "kraken-spot":
        method = attempt.path.rpartition("/")[2]
        if method in _KRAKEN_HANDLED or attempt.status != 200:
            return True
        return bool(kraken_codes.look(attempt.body).errors)
    return not 200 <= attempt.status < 300 or attempt.purpose in _BINANCE_HANDLED


def _is_hollow(attempt: Attempt) -> bool:
    """An answer without JSON, where only JSON says anything."""
    if attempt.plane is Plane.MARKET_DATA:
        return False
    try:
        msgspec.json.decode(attempt.body)
    except UNREADABLE:
        return True
    return False


def _by_class(attempt: Attempt, error: BaseException) -> Failure:
    status = attempt.status or 0
    if isinstance(error, ccxt.DDoSProtection):
        # The same class stands for "too many requests" and for a gateway that is overrun.
        meaning = _DDOS if status in _LIMIT_STATUSES else _UNLISTED
    elif isinstance(error, ccxt.OnMaintenance):
        meaning = _CLOSED if status < 500 else _UNLISTED
    elif status in _LIMIT_STATUSES:
        meaning = _DDOS
    else:
        found = (row for kind, row in _CLASSES if isinstance(error, kind))
        meaning = next(found, _UNLISTED)
        if status >= 500 and meaning[0] is not Layer.BUSINESS:
            meaning = _UNLISTED
    return _answer(attempt, meaning, type(error).__name__)


def _answer(
    attempt: Attempt, meaning: tuple[Layer, str, Outcome, Remedy, Scope], code: str
) -> Failure:
    layer, kind, outcome, remedy, scope = meaning
    if outcome is Outcome.UNKNOWN and not attempt.is_write:
        outcome, remedy = Outcome.REFUSED, Remedy.RETRY
    return Failure(
        layer=layer,
        kind=kind,
        outcome=outcome,
        remedy=remedy,
        scope=scope,
        http_status=attempt.status,
        venue_code=code,
        message=printable(attempt.body)[:MESSAGE_MAX],
        retry_after_s=_retry_after_s(attempt.headers),
        raw=attempt.body[:RAW_MAX],
    )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Source: RFC 9110, Retry-After: seconds, or an instant, which `Date` makes a duration."""
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        until, date = parsedate_to_datetime(asked), parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, (until - date).total_seconds())
