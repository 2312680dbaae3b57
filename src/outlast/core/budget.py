"""How many retries a product may cost in all: the sum over every call, not per call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from outlast.errors import ConfigurationError

__all__ = [
    "LATE_AFTER",
    "LATE_TOKENS",
    "RETRIES",
    "SAFETY_RETRIES",
    "BudgetSettings",
    "RetryBudget",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSettings:
    """The numbers of one budget; see `RetryBudget`."""

    tokens_max: float
    per_success: float
    per_second: float


RETRIES: Final = BudgetSettings(tokens_max=20.0, per_success=0.2, per_second=1.0)
"""One per venue and product. The shape is the token bucket of AWS's and gRPC's clients (a success
earns a fraction, a retry costs one; 0.2 is Finagle's and Envoy's 20 %), but sized for 0.1 to 20
calls a second: 20 tokens bridge a burst of a few seconds, and because a slow bot in a *partial*
failure has too few successes to live on, time earns as well."""

SAFETY_RETRIES: Final = BudgetSettings(tokens_max=20.0, per_success=0.0, per_second=0.35)
"""Of cancels and exits alone, so that failing reads cannot spend what a cancel needs. Time is its
only income: in a total outage there are no successes, and that is when it is needed. One retry in
three seconds, all of them together: what a total outage costs the venue, and finds out soon."""

LATE_AFTER: Final = 3
"""From so many failed attempts on a retry of anything but a cancel or an exit is a late one: what
has failed three times is worth less than what others ask for the first or second time."""
LATE_TOKENS: Final = 2.2
"""What a late retry costs. It is never paid by limits left unused. Measured where 60 % of all
requests fail and no two calls ask the same (docs/resilience.md, `outlast without shared answers`):
more, and fewer than 85 % of the calls succeed; less, and they take more than 2.2 requests each."""


class RetryBudget:
    """A token bucket for retries. First attempts never ask it; a retry costs one token or two.

    It starts full, earns `per_success` for each call that succeeded and `per_second` with time,
    and never holds more than `tokens_max`. So the retries in any stretch of T seconds with S
    successes are at most `tokens_max + per_second · T + per_success · S`.
    """

    __slots__ = ("_as_of", "_per_second", "_per_success", "_tokens", "_tokens_max")

    def __init__(self, *, tokens_max: float, per_success: float, per_second: float) -> None:
        """Raises `ConfigurationError` where a number is negative or the bucket holds no token."""
        if not 1 <= tokens_max < float("inf"):
            raise ConfigurationError(
                f"tokens_max is {tokens_max}; it must be finite and at least 1, "
                "or no retry could ever be paid"
            )
        for field, rate in (("per_success", per_success), ("per_second", per_second)):
            if not 0 <= rate < float("inf"):
                raise ConfigurationError(f"{field} is {rate}; it must be finite and not negative")
        self._tokens_max = tokens_max
        self._per_success = per_success
        self._per_second = per_second
        self._tokens = tokens_max
        self._as_of: float | None = None

    @classmethod
    def of(cls, settings: BudgetSettings) -> RetryBudget:
        return cls(
            tokens_max=settings.tokens_max,
            per_success=settings.per_success,
            per_second=settings.per_second,
        )

    def try_spend(self, now: float, *, tokens: float = 1.0) -> bool:
        """Take the tokens for one retry, or return False and take nothing."""
        self._refill(now)
        if self._tokens < tokens:
            return False
        self._tokens -= tokens
        return True

    def give_back(self, now: float, *, tokens: float = 1.0) -> None:
        """The retry that `try_spend` paid for was not made after all: nothing left this process."""
        self._refill(now)
        self._tokens = min(self._tokens_max, self._tokens + tokens)

    def earn(self, now: float) -> None:
        """Book one success. Business refusals are none: they say nothing about retries."""
        if self._tokens >= self._tokens_max:
            return  # full, as nearly always; time cannot fill it any more either
        self._refill(now)
        self._tokens = min(self._tokens_max, self._tokens + self._per_success)

    def available(self, now: float) -> float:
        """How many tokens there are; a retry needs a whole one."""
        self._refill(now)
        return self._tokens

    def next_token_at(self, now: float, *, tokens: float = 1.0) -> float | None:
        """When so many tokens can be paid if nothing is spent or earned until then.

        `now` when it can be paid at once; None when time alone earns nothing.
        """
        self._refill(now)
        if self._tokens >= tokens:
            return now
        if self._per_second == 0.0:
            return None
        return now + (tokens - self._tokens) / self._per_second

    def _refill(self, now: float) -> None:
        if self._as_of is None:
            self._as_of = now
        elif now > self._as_of:  # A caller may hold a `now` from before its wait: no refund for it.
            self._tokens = min(
                self._tokens_max, self._tokens + self._per_second * (now - self._as_of)
            )
            self._as_of = now
