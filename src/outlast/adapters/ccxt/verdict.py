"""What an error of ccxt carries once the guard has looked at it: `error.outlast`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from ccxt.base import errors as ccxt

from outlast.errors import Failure, Outcome

__all__ = ["OrderHeld", "RiskHeld", "StaleStream", "Verdict", "marked", "verdict_of"]

E = TypeVar("E", bound=BaseException)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known about a call that raised. `outcome` is what a caller decides on."""

    outcome: Outcome
    """NOT_SENT: nothing left this process. REFUSED: the venue said no, or proved that nothing came
    of it. UNKNOWN: it may be live, and is being settled; asking for the same again is safe."""
    client_order_id: str | None = None
    evidence_id: str | None = None
    """The journal's record."""
    retry_at: float | None = None
    """When trying again makes sense: seconds since the epoch."""
    failure: Failure | None = None
    reason: str = ""


class OrderHeld(ccxt.ExchangeNotAvailable):
    """Not sent: an order with an unknown outcome stands in its way (`error.outlast`)."""


class RiskHeld(ccxt.ExchangeNotAvailable):
    """Not sent: after an outage new risk waits, and returns in steps (`error.outlast`)."""


class StaleStream(ccxt.RequestTimeout):
    """A stream has said nothing for too long: what it said last may no longer be true."""


def marked(error: E, verdict: Verdict) -> E:
    """`error`, with `verdict` attached."""
    error.outlast = verdict  # type: ignore[attr-defined]
    return error


def verdict_of(error: BaseException) -> Verdict | None:
    found = getattr(error, "outlast", None)
    return found if isinstance(found, Verdict) else None
