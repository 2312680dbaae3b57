"""What may be set of a guard, with the reason for each number beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlast.core.recovery import RecoverySettings
from outlast.core.settle import SettleSettings
from outlast.errors import ConfigurationError

__all__ = ["GuardSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """Pass to `outlast.guard(settings=...)`. Every default can stand."""

    settle_within_s: float = 30.0
    """How long `create_order` itself waits to learn what became of an order whose answer was lost.
    Afterwards it raises, and settling goes on behind it."""

    valid_for_s: float = 10.0
    """How long a new order may be on its way where the guard can say so (Kraken's `deadline`)."""

    horizon_s: float = 60.0
    """The same where neither the request nor the venue bounds it: so long after it was sent, an
    order that never showed may be looked for in earnest."""

    adopt_within_s: float = 600.0
    """An order that the caller was told is unknown, and that was found since, is handed out instead
    of a new one when the same terms are asked for again within this time."""

    hold_max_s: float = 5.0
    """The longest that a call waits for a ban or a breaker that ends soon. Otherwise it raises."""

    pause_s: float = 1.0
    """How long a call that is turned away takes at most: a loop around it must not spin."""

    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    """How new risk returns after an outage. Cancels and orders that only reduce never wait."""

    attempts_max: int = 3
    """Orders of one symbol and side that may fail in a row before the next has to wait ..."""

    attempts_pause_s: float = 60.0
    """... so long, and twice as long after each that fails then ..."""

    attempts_pause_s_max: float = 600.0
    """... up to this ..."""

    exits_pause_s_max: float = 300.0
    """... or, for what only reduces, this. One that is taken frees all, and so does the end of an
    outage."""

    cancel_attempts: int = 4
    """A cancel does no more when it is sent twice than when it is sent once, so it is repeated."""

    stale_after_s: float = 60.0
    """A book or ticker stream that says nothing for so long is stale: `watch_*` raises."""

    reask: int = 2
    """How often a balance or position that fell to zero for no reason is asked for again."""

    reask_after_s: float = 1.0

    settle: SettleSettings = field(default_factory=SettleSettings)

    seed: int | None = None
    """Makes every random choice (jitter, ids) repeat. For tests; None for real use."""

    def __post_init__(self) -> None:
        for name in ("valid_for_s", "horizon_s", "adopt_within_s", "stale_after_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigurationError(f"{name} is {getattr(self, name)}; it must be above 0")
        for name in (
            *("settle_within_s", "hold_max_s", "pause_s", "reask_after_s"),
            *("attempts_pause_s", "attempts_pause_s_max", "exits_pause_s_max"),
        ):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigurationError(
                    f"{name} is {getattr(self, name)}; it must not be negative"
                )
        if self.attempts_max < 1:
            raise ConfigurationError(f"attempts_max is {self.attempts_max}; it must be at least 1")
        if self.cancel_attempts < 1 or self.reask < 0:
            raise ConfigurationError(
                f"cancel_attempts is {self.cancel_attempts} and reask {self.reask}; "
                "a cancel needs at least one attempt, and reask must not be negative"
            )
