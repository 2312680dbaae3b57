"""From a `Failure` inside to the one exception that the caller sees."""

from __future__ import annotations

from outlast.errors import (
    AuthenticationFailed,
    BannedByVenue,
    BreakerOpen,
    BudgetSpent,
    ConnectFailed,
    DeadlinePassed,
    Failure,
    Layer,
    LimiterFull,
    Maintenance,
    NotSent,
    OrderRejected,
    Outcome,
    OutcomeUnknown,
    OutlastError,
    Overloaded,
    ReadFailed,
    Refused,
    Remedy,
    Throttled,
    TradingHalted,
    UnknownOrder,
)
from outlast.wire import Clock

__all__ = ["order_error", "read_error"]

_NOT_SENT: dict[str, type[NotSent]] = {
    "banned": BannedByVenue,
    "breaker_open": BreakerOpen,
    "recovering": TradingHalted,
    "limiter_full": LimiterFull,
    "deadline_passed": DeadlinePassed,
    "own_network_down": ConnectFailed,
    "name_unresolved": ConnectFailed,
    "no_route": ConnectFailed,
}

_REFUSED: dict[str, type[Refused]] = {
    "authentication_failed": AuthenticationFailed,
    "signature_invalid": AuthenticationFailed,
    "api_key_invalid": AuthenticationFailed,
    "unknown_order": UnknownOrder,
    "order_not_found": UnknownOrder,
    "maintenance": Maintenance,
    "symbol_closed": Maintenance,
    "shutting_down": Maintenance,
}


def order_error(
    failure: Failure,
    *,
    venue: str,
    client_order_id: str,
    clock: Clock,
    evidence_id: str | None,
    doing: str,
    is_cancel: bool = False,
) -> OutlastError:
    """The exception for a write that failed. `doing` begins the message: `order ol1-2 (sell …)`."""
    retry_at = None if failure.retry_after_s is None else clock.wall() + failure.retry_after_s
    if failure.outcome is Outcome.UNKNOWN:
        fate, advice = (
            "may be live at",
            (
                f"it is being settled, wait for it with settle({client_order_id!r}) "
                "and do not send it again"
            ),
        )
        if is_cancel:
            fate, advice = "may not have reached", "cancel it again, which is safe"
        return OutcomeUnknown(
            f"{doing} {fate} {venue}: {failure.describe()}; {advice}",
            client_order_id=client_order_id,
            venue=venue,
            retry_at=retry_at,
            evidence_id=evidence_id,
            failure=failure,
        )
    kind = _kind(failure)
    verb = "was not sent to" if failure.outcome is Outcome.NOT_SENT else "was refused by"
    error = kind(
        f"{doing} {verb} {venue}: {_explain(failure)}",
        venue=venue,
        retry_at=retry_at,
        evidence_id=evidence_id,
        failure=failure,
    )
    return _for_budget(error, failure)


def read_error(
    failure: Failure,
    *,
    venue: str,
    clock: Clock,
    what: str,
    which: str = "could not be read from",
) -> OutlastError:
    """The exception for a read that failed, or for another call that is safe to repeat."""
    retry_at = None if failure.retry_after_s is None else clock.wall() + failure.retry_after_s
    kind: type[OutlastError] = _kind(failure)
    if kind is OrderRejected or failure.outcome is Outcome.UNKNOWN:
        kind = ReadFailed
    error = kind(
        f"{what} {which} {venue}: {_explain(failure)}",
        venue=venue,
        retry_at=retry_at,
        failure=failure,
    )
    return _for_budget(error, failure)


def _for_budget(error: OutlastError, failure: Failure) -> OutlastError:
    """Where the retry budget ended the attempts, the error says so: itself or as its cause."""
    if failure.budget_spent and not isinstance(error, BudgetSpent):
        error.__cause__ = BudgetSpent(
            "it could have been tried again, but the retry budget is spent",
            venue=error.venue,
            retry_at=error.retry_at,
            failure=failure,
        )
    return error


def _explain(failure: Failure) -> str:
    """What the venue said, and what a person can do about it where only a person can."""
    said = failure.describe()
    if failure.budget_spent:
        return f"{said.rstrip('.')}; the retry budget is spent, so it was not tried again"
    if failure.kind == "signature_invalid":
        return f"{said.rstrip('.')}; check secret: it does not belong to this key"
    if _REFUSED.get(failure.kind) is AuthenticationFailed:
        return f"{said.rstrip('.')}; check key, its permissions and its address list at the venue"
    return said


def _kind(failure: Failure) -> type[NotSent | Refused]:
    if failure.outcome is Outcome.NOT_SENT:
        if failure.budget_spent:
            return BudgetSpent
        if failure.layer is Layer.TRANSPORT:
            return ConnectFailed
        return _NOT_SENT.get(failure.kind, NotSent)
    if failure.kind in _REFUSED:
        return _REFUSED[failure.kind]
    if failure.remedy is Remedy.WAIT_BAN:
        return Throttled
    return OrderRejected if failure.layer is Layer.BUSINESS else Overloaded
