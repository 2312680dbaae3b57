"""The hedge of an exit that is shut, as values: what the user asks for, and what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from typing import Final

from outlast.errors import ConfigurationError
from outlast.model import Money, Order, Side, money

__all__ = ["Hedge", "HedgeOffer", "HedgeReport"]

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeOffer:
    """What would be opened now; for `Hedge.ask`."""

    venue: str
    """Where the exit is shut."""
    symbol: str
    position: Decimal
    """There, signed."""
    shut_for_s: float
    hedge_symbol: str
    side: Side
    qty: Decimal
    worth: Decimal
    """At the hedge venue's price, in the quote currency there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Where, when and up to what worth an exit that is shut may be hedged."""

    venue: str
    """The hedge's venue: one of those that are connected, with a key."""
    worth_max: Money
    """What one hedge may be worth at most, in its quote currency; more of the position stays bare.
    """
    hedge_after_s: float = 120.0
    """How long `close_position` must have closed nothing. Most overloads are over by then; in the
    lockout of 11 October 2025 the exit was shut for 106 minutes."""
    symbols: Mapping[str, str] = field(default_factory=dict)
    """By symbol to be closed, what is opened instead; left out, the same base for a like quote."""
    ask: Callable[[HedgeOffer], Awaitable[bool]] | None = None
    """Asked before anything is opened; False declines, for this exit. None: it is opened."""

    def __post_init__(self) -> None:
        if not 0 < self.hedge_after_s < inf:
            raise ConfigurationError(f"hedge_after_s is {self.hedge_after_s}; it must be above 0")
        if money(self.worth_max, field="worth_max") <= 0:
            raise ConfigurationError(f"worth_max is {self.worth_max}; it must be above 0")


@dataclass(slots=True, kw_only=True)
class HedgeReport:
    """One hedge, from its opening to its end. Times are seconds since the epoch."""

    venue: str
    """Where the exit was shut."""
    symbol: str
    hedge_venue: str
    hedge_symbol: str
    side: Side
    """Of the opening."""
    state: str = "opening"
    """`opening`, `open`, `unwinding`, `unwound`, or why there is none: `declined`, `refused`."""
    reason: str = ""
    opened_at: float | None = None
    opened_qty: Decimal = ZERO
    unwound_at: float | None = None
    qty_left: Decimal = ZERO
    orders: list[Order] = field(default_factory=list)
    """Its orders as they ended, the opening first."""

    @property
    def result(self) -> Decimal | None:
        """What opening and unwinding have brought, fees aside, in the hedge's quote currency.

        None while it is not over, or where the venue told no prices.
        """
        if self.state != "unwound" or any(
            order.avg_price is None for order in self.orders if order.filled_qty
        ):
            return None
        return sum(
            (
                (order.avg_price or ZERO)
                * order.filled_qty
                * (1 if order.side is Side.SELL else -1)
                for order in self.orders
            ),
            ZERO,
        )
