"""What can go wrong, twice: as data for the machines inside, as exceptions for the caller.

Inside, one failed attempt is one `Failure`: two independent answers (what happened to the order,
what to do next) and the raw body. Codecs return it, machines read it. The client turns it into one
exception of the tree below at the moment when it hands the result to the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = [
    "AuthenticationFailed",
    "BannedByVenue",
    "BreakerOpen",
    "BudgetSpent",
    "ConfigurationError",
    "ConnectFailed",
    "DeadlinePassed",
    "Failure",
    "InvalidOrder",
    "JournalUnavailable",
    "Layer",
    "LimiterFull",
    "Maintenance",
    "NotSent",
    "OrderRejected",
    "Outcome",
    "OutcomeUnknown",
    "OutlastError",
    "Overloaded",
    "ReadFailed",
    "Refused",
    "RefusedTooOften",
    "Remedy",
    "Scope",
    "StaleData",
    "Throttled",
    "TradingHalted",
    "UnknownInstrument",
    "UnknownOrder",
]


class Layer(Enum):
    """Who said no: this process, the network, the venue's infrastructure, or its rules."""

    LOCAL = "local"
    TRANSPORT = "transport"
    VENUE = "venue"
    BUSINESS = "business"


class Outcome(Enum):
    """What a failed call did. For a read only NOT_SENT and REFUSED matter: it changes nothing."""

    NOT_SENT = "not_sent"
    """Nothing left this process."""
    REFUSED = "refused"
    """The venue said no; nothing is live because of this call."""
    UNKNOWN = "unknown"
    """It may be live: settle before sending again."""


class Remedy(Enum):
    """What makes sense next."""

    RETRY = "retry"
    """The same request again, after a back-off."""
    SETTLE = "settle"
    """Find out what happened; never repeat before that."""
    RESYNC = "resync"
    """Measure the venue's clock (or nonce) again, sign afresh, then once more."""
    WAIT_BAN = "wait_ban"
    """Nothing at all in this scope until the ban ends."""
    RESHAPE = "reshape"
    """The same request will be refused again: read position and orders, ask differently."""
    GIVE_UP = "give_up"
    """Nothing automatic helps: a wrong key, a wrong parameter, no funds."""


class Scope(Enum):
    """How far the evidence of one failure reaches."""

    SELF = "self"
    """Our own machine or network: says nothing about the venue."""
    HOST = "host"
    IP = "ip"
    PRODUCT = "product"
    PLANE = "plane"
    SYMBOL = "symbol"
    ACCOUNT = "account"
    KEY = "key"
    """Everything that is signed with this API key, reads and cancels included."""
    REQUEST = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt. `raw` is the body as received (clipped), for the journal."""

    layer: Layer
    kind: str
    """A stable snake_case name, the same for all venues: `overloaded`, `reduce_only_rejected`."""
    outcome: Outcome
    remedy: Remedy
    scope: Scope = Scope.REQUEST
    http_status: int | None = None
    venue_code: str | None = None
    message: str = ""
    """What the venue said, or what the transport reported; never a secret."""
    retry_after_s: float | None = None
    """As the venue asked for; never clamped down."""
    banned_until_ms: int | None = None
    """Venue time at which a ban ends, when the venue names it."""
    raw: bytes = b""
    budget_spent: bool = False
    """True when it could have been tried again, and the retry budget had nothing left for it."""
    silent_s: float | None = None
    """How long the venue said nothing at all to a request that had left; None: it did, or it had
    not left."""

    @property
    def infrastructure(self) -> bool:
        """True when the failure is evidence about the venue's or the network's health."""
        return self.layer in (Layer.TRANSPORT, Layer.VENUE)

    def describe(self) -> str:
        """One line for people: `overloaded (HTTP 503, -1008): Server is currently …`."""
        tags = []
        if self.http_status is not None:
            tags.append(f"HTTP {self.http_status}")
        if self.venue_code is not None:
            tags.append(self.venue_code)
        head = f"{self.kind} ({', '.join(tags)})" if tags else self.kind
        return f"{head}: {self.message}" if self.message else head


class OutlastError(Exception):
    """Root of everything this package raises on purpose."""

    def __init__(
        self,
        message: str,
        *,
        venue: str | None = None,
        retry_at: float | None = None,
        evidence_id: str | None = None,
        failure: Failure | None = None,
    ) -> None:
        super().__init__(message)
        self.venue = venue
        self.retry_at = retry_at
        """When trying again makes sense: seconds since the epoch; None when no time is known."""
        self.evidence_id = evidence_id
        """Names the journal's record of the decision behind this error."""
        self.failure = failure
        """The last attempt's failure, when there was an attempt."""


class ConfigurationError(OutlastError):
    """Something is wired wrong: a key, a path, an endpoint, a setting. Nothing was sent."""


class NotSent(OutlastError):
    """Nothing left this process. The same request may be made again."""


class InvalidOrder(NotSent):
    """The order cannot be valid at this venue: the message names the field and the remedy."""

    def __init__(self, message: str, *, field: str, venue: str | None = None) -> None:
        super().__init__(message, venue=venue)
        self.field = field


class UnknownInstrument(InvalidOrder):
    """The venue lists no such symbol."""


class TradingHalted(NotSent):
    """The gate holds this kind of order: the message says why and since when."""

    def __init__(
        self,
        message: str,
        *,
        cause: str = "",
        since: float | None = None,
        also: tuple[str, ...] = (),
        venue: str | None = None,
        retry_at: float | None = None,
        evidence_id: str | None = None,
        failure: Failure | None = None,
    ) -> None:
        super().__init__(
            message, venue=venue, retry_at=retry_at, evidence_id=evidence_id, failure=failure
        )
        self.cause = cause
        """One of `outlast.core.gate.Cause`: `planned maintenance`, `halted by hand`, ..."""
        self.since = since
        """Since when it is held, in seconds since the epoch."""
        self.also = also
        """The other causes that hold it as well."""


class BreakerOpen(NotSent):
    """The venue is being left alone after repeated infrastructure failures."""


class BannedByVenue(NotSent):
    """The venue banned us, or asked us to wait: nothing leaves until `retry_at`."""


class LimiterFull(NotSent):
    """The venue's own limits leave no room before the deadline; `retry_at` says when they do."""


class BudgetSpent(NotSent):
    """The retry budget of this product is used up."""


class DeadlinePassed(NotSent):
    """The caller's deadline passed before the request could leave."""


class ConnectFailed(NotSent):
    """No connection could be made, so no byte of the request was written."""


class RefusedTooOften(NotSent):
    """The same request was refused for the same reason; change it, or wait until `retry_at`."""


class JournalUnavailable(NotSent):
    """The intent could not be written down, so it was not sent."""


class Refused(OutlastError):
    """The venue answered no. Nothing is live because of this call."""


class OrderRejected(Refused):
    """Refused by the venue's rules: risk, funds, filters, mode. See `failure.venue_code`."""


class Throttled(Refused):
    """Over a limit of the venue; `retry_at` says when its window ends."""


class Overloaded(Refused):
    """The venue sheds load and says that it did nothing with this request."""


class Maintenance(Refused):
    """The product is closed or in a mode that does not take this request."""


class AuthenticationFailed(Refused):
    """Key, secret, permission or address list is wrong."""


class UnknownOrder(Refused):
    """Neither the journal nor the venue knows an order of this id."""


class ReadFailed(Refused):
    """A read did not give a usable answer in time. It says nothing about what was asked for."""


class OutcomeUnknown(OutlastError):
    """The order may be live. Settling goes on in the background; `Session.settle` waits for it."""

    def __init__(
        self,
        message: str,
        *,
        client_order_id: str,
        venue: str | None = None,
        retry_at: float | None = None,
        evidence_id: str | None = None,
        failure: Failure | None = None,
    ) -> None:
        super().__init__(
            message, venue=venue, retry_at=retry_at, evidence_id=evidence_id, failure=failure
        )
        self.client_order_id = client_order_id


class StaleData(OutlastError):
    """What is in the cache may no longer be true. `.peek()` gives it anyway, with its age."""

    def __init__(self, message: str, *, age_s: float | None, venue: str | None = None) -> None:
        super().__init__(message, venue=venue)
        self.age_s = age_s
