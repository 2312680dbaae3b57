"""What to do after one failed attempt: again, settle, or give up. A value; others carry it out.

Only what is safe is repeated: reads, writes of which nothing reached the venue, and writes that the
venue refused with leave to try again. A write of unknown outcome is settled, never repeated, unless
sending it twice does no more than sending it once (a cancel).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from outlast.core.backoff import Backoff
from outlast.errors import Failure, Outcome, Remedy
from outlast.model import Plane
from outlast.wire import Lane, WireRequest

__all__ = [
    "EXIT_TRY",
    "Decision",
    "GiveUp",
    "RetryAt",
    "RetryPolicy",
    "SettleFirst",
    "decide",
    "policy_for",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how long one kind of call is tried. Source of the numbers: docs/decisions."""

    attempts_max: int
    deadline_s: float
    backoff: Backoff


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Send again at this instant (monotonic)."""

    at: float


@dataclass(frozen=True, slots=True)
class SettleFirst:
    """It may be live: find out before anything else is sent for this intent."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    reason: str


Decision = RetryAt | SettleFirst | GiveUp

# Four attempts, five of an order: when 30 % of all requests fail, 99.3 % of the calls succeed, at
# 1.46 requests each, polls included; when 60 % fail the budget, for which the last two are dear,
# ends some: 85 % at 2.2. So it is where no two calls ask the same; reads that share their answers
# fare better.
PUBLIC_READ: Final = RetryPolicy(attempts_max=4, deadline_s=8.0, backoff=Backoff(0.2, 5.0))
PRIVATE_READ: Final = RetryPolicy(attempts_max=4, deadline_s=12.0, backoff=Backoff(0.2, 5.0))
NEW_RISK: Final = RetryPolicy(attempts_max=5, deadline_s=10.0, backoff=Backoff(0.1, 1.0))
"""A quote is stale long before a back-off sequence ends: few attempts, close together."""
REDUCING: Final = RetryPolicy(attempts_max=5, deadline_s=25.0, backoff=Backoff(0.5, 5.0))
EXIT_TRY: Final = RetryPolicy(attempts_max=1, deadline_s=25.0, backoff=Backoff(0.5, 5.0))
"""One try of an exit: when and in what shape the next one follows is the exit's own decision."""
CANCEL: Final = RetryPolicy(attempts_max=6, deadline_s=20.0, backoff=Backoff(0.5, 5.0))


def policy_for(request: WireRequest) -> RetryPolicy:
    if request.is_write:
        if request.safe_to_repeat:
            return CANCEL
        return REDUCING if request.lane is Lane.SAFETY else NEW_RISK
    return PUBLIC_READ if request.plane is Plane.MARKET_DATA else PRIVATE_READ


def decide(
    request: WireRequest,
    failure: Failure,
    policy: RetryPolicy,
    *,
    attempt: int,
    now: float,
    deadline: float,
    rng: random.Random,
) -> Decision:
    """The decision after attempt number `attempt` (from 1) failed.

    A wait that does not end before `deadline` is not begun: the caller learns at once.
    """
    if failure.outcome is Outcome.UNKNOWN and request.is_write and not request.safe_to_repeat:
        return SettleFirst()
    repeatable = failure.outcome is Outcome.UNKNOWN or failure.remedy in (
        Remedy.RETRY,
        Remedy.RESYNC,
        Remedy.WAIT_BAN,
    )
    if not repeatable:
        return GiveUp(failure.kind)
    if attempt >= policy.attempts_max:
        return GiveUp(f"{failure.kind} after {attempt} attempts")
    delay_s = policy.backoff.delay_s(attempt, rng, floor_s=failure.retry_after_s or 0.0)
    if now + delay_s >= deadline:
        return GiveUp(f"{failure.kind}; the next try would be after the deadline")
    return RetryAt(now + delay_s)
