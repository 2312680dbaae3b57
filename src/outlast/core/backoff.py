"""How long to wait before asking again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from outlast.errors import ConfigurationError

__all__ = ["NEW_ORDER", "READ", "RECONNECT", "SAFETY", "Backoff"]

_DOUBLINGS_MAX: Final = 60
"""2^60 times any back-off is beyond any cap; a float overflows at 2^1024."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter: uniform between 0 and min(cap, base · 2^(attempt-1)).

    The cap bounds the range that is drawn from, never the draw itself, so that a thousand clients
    that have all reached the cap still come back at a thousand different moments.

    Source: AWS Architecture Blog, "Exponential Backoff and Jitter" (the full-jitter variant).
    """

    base_s: float
    cap_s: float

    def __post_init__(self) -> None:
        if not 0 < self.base_s <= self.cap_s < float("inf"):
            raise ConfigurationError(
                f"base_s is {self.base_s} and cap_s is {self.cap_s}; "
                "they must be finite with 0 < base_s <= cap_s"
            )

    def delay_s(self, attempt: int, rng: random.Random, *, floor_s: float = 0.0) -> float:
        """Return how long to wait after `attempt` (1 is the first) has failed.

        `floor_s` is what the venue asked for (`Retry-After`). The wait is never shorter, however
        far above the cap it is, and the jitter comes on top of it: everybody who was told "30 s"
        must not return in the same instant.
        """
        assert attempt >= 1
        ceiling_s = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, _DOUBLINGS_MAX))
        return max(0.0, floor_s) + rng.uniform(0.0, ceiling_s)


# A read is worth at most a few seconds; a new order goes stale within two, so its waits are short.
# A cancel waits longer than an order only because it is never given up. Re-dialling is capped where
# a venue's limit on connection attempts (Binance: 300 in 5 minutes and IP) stays far away.
READ: Final = Backoff(base_s=0.2, cap_s=5.0)
NEW_ORDER: Final = Backoff(base_s=0.1, cap_s=1.0)
SAFETY: Final = Backoff(base_s=0.5, cap_s=5.0)
RECONNECT: Final = Backoff(base_s=0.5, cap_s=30.0)
