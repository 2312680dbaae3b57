"""The limits that a user sets to what the gate lets through."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from math import inf

from outlast.core.price_guard import PriceGuardSettings
from outlast.errors import ConfigurationError

__all__ = ["GateSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """When new risk is held. Exits and cancels pass whatever stands here."""

    close_before_s: float = 300.0
    """How long before an announced maintenance of trading new risk is held. Kraken asks for open
    orders to be cancelled five minutes before."""

    withdraw_quotes: bool = True
    """Whether our resting entries are cancelled from then on, and where the venue takes nothing but
    cancels: what rests through a maintenance can fill in one stroke when matching begins again.
    Reduce-only orders and stops stay."""

    attempts_max: int = 6
    """Entries of one symbol and side that may fail in a row, by the venue's fault, before the next
    has to wait. Each is tried up to four times by itself, so a breaker opens before that ..."""
    attempts_pause_s: float = 60.0
    """... so long, and twice as long after each that fails then."""
    attempts_pause_s_max: float = 600.0

    exposure_max_degraded: Decimal | None = None
    """What position, orders that may fill and the new order may be worth together, per symbol and
    in its quote currency, while the venue is not healthy. None: no such limit."""

    account_fresh_s: float | None = None
    """Before an entry, balances and positions are read anew where they are older than this: an
    account that shows zeros is then seen before the order and not a poll later. It costs each entry
    a round trip and a read's weight, so it is off unless asked for; a live account stream keeps
    them fresh without."""

    prices: PriceGuardSettings = field(default_factory=PriceGuardSettings)
    """How far the venue's price may be from others after an outage."""

    def __post_init__(self) -> None:
        for name in ("close_before_s", "attempts_pause_s", "attempts_pause_s_max"):
            value = getattr(self, name)
            if not 0 <= value < inf:
                raise ConfigurationError(f"{name} is {value}; it must be finite and not below 0")
        if self.attempts_max < 1:
            raise ConfigurationError(f"attempts_max is {self.attempts_max}; it must be at least 1")
        if self.account_fresh_s is not None and not 0 <= self.account_fresh_s < inf:
            raise ConfigurationError(
                f"account_fresh_s is {self.account_fresh_s}; it must be None, or not below 0"
            )
        most = self.exposure_max_degraded
        if isinstance(most, float):
            raise TypeError("exposure_max_degraded is a float; pass a Decimal, which is exact")
        if most is not None and (not most.is_finite() or most < 0):
            raise ConfigurationError(
                f"exposure_max_degraded is {most}; it must be None, or not below 0"
            )
