"""What may be sent here, now: every reason to hold new risk, each with its since and its until.

A reason is put up under its cause and stays until the same cause takes it down. New risk passes
only while none stands; what reduces risk, and every cancel, passes whatever stands. The gate knows
nothing of venues, calls or clocks: whoever measures tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from outlast.model import OrderRequest, OrderType, TradingState

__all__ = ["Cause", "Closing", "Denial", "Gate", "Shape"]


class Cause(Enum):
    """Why new risk is held. The order is that in which a denial names them: first what a person
    has decided, then what the venue says, then what was measured."""

    BY_HAND = "halted by hand"
    VENUE_MODE = "mode of the venue"
    SYMBOL_MODE = "mode of the symbol"
    PLANNED = "planned maintenance"
    UNKNOWN_ORDER = "unknown order"
    BREAKER = "breaker"
    DOUBT = "account in doubt"
    STALE = "stale inputs"
    RECOVERY = "way back from an outage"
    PRICE = "price guard"
    ATTEMPTS = "too many attempts"
    EXPOSURE = "exposure while degraded"


class Shape(Enum):
    """Orders that a venue takes in a restricted mode."""

    LIMIT_ONLY = "limit_only"
    POST_ONLY = "post_only"

    def allows(self, order: OrderRequest) -> bool:
        if self is Shape.POST_ONLY:
            return order.post_only
        return order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)


@dataclass(frozen=True, slots=True)
class Closing:
    """One standing reason."""

    cause: Cause
    why: str
    """One clause that completes "new risk is held: …"."""
    state: TradingState
    since: float
    """Monotonic."""
    retry_at: float | None = None
    """When to ask again (monotonic), where that is known."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why an order may not pass: the first reason, and all that stand."""

    first: Closing
    also: tuple[Closing, ...] = ()
    shapes: tuple[Shape, ...] = ()
    """The shapes that the venue takes instead, where only the shape is wrong."""


_ALL: Final = ""
"""The whole product."""

_STRICTNESS: Final[Mapping[TradingState, int]] = {
    TradingState.ACTIVE: 0,
    TradingState.REDUCING: 1,
    TradingState.CANCEL_ONLY: 2,
    TradingState.HALTED: 3,
}


class Gate:
    """The standing reasons of one product, for the whole of it and by symbol."""

    def __init__(self) -> None:
        self._closings: dict[tuple[Cause, str], Closing] = {}
        self._shapes: dict[tuple[Cause, str], tuple[Shape, float]] = {}

    def close(
        self,
        cause: Cause,
        why: str,
        *,
        now: float,
        symbol: str = _ALL,
        state: TradingState = TradingState.REDUCING,
        retry_at: float | None = None,
        since: float | None = None,
    ) -> bool:
        """Hold new risk on `symbol`, or everywhere. True when nothing stood under this cause.

        Said again, it keeps its beginning. `since`: where it began before anybody asked.
        """
        assert state is not TradingState.ACTIVE
        known = self._closings.get((cause, symbol))
        if since is None:
            since = now if known is None else known.since
        self._closings[cause, symbol] = Closing(cause, why, state, since, retry_at)
        return known is None

    def open(self, cause: Cause, *, symbol: str = _ALL) -> bool:
        """Take the reason of `cause` away; what other causes hold stays held. True if one stood."""
        return bool(self._closings) and self._closings.pop((cause, symbol), None) is not None

    def restrict(
        self, cause: Cause, shape: Shape | None, *, now: float, symbol: str = _ALL
    ) -> None:
        """Let only orders of one shape pass; None lifts it."""
        key = (cause, symbol)
        if shape is None:
            if self._shapes:
                self._shapes.pop(key, None)
        elif self._shapes.get(key, (None, 0.0))[0] is not shape:
            self._shapes[key] = (shape, now)

    @property
    def is_open(self) -> bool:
        """True while nothing stands at all, for the product or for any symbol."""
        return not (self._closings or self._shapes)

    def standing(self, symbol: str = _ALL) -> tuple[Closing, ...]:
        """The reasons that hold new risk on `symbol` now, the product's included."""
        order = list(Cause)
        held = [
            closing for (_, about), closing in self._closings.items() if about in (_ALL, symbol)
        ]
        return tuple(sorted(held, key=lambda c: order.index(c.cause)))

    def shapes(self, symbol: str = _ALL) -> tuple[Shape, ...]:
        """The restrictions in force on `symbol`; an order must satisfy all of them."""
        return tuple(
            dict.fromkeys(
                shape for (_, about), (shape, _) in self._shapes.items() if about in (_ALL, symbol)
            )
        )

    def state(self, symbol: str = _ALL) -> TradingState:
        """The strictest of what stands."""
        if not self._closings:
            return TradingState.ACTIVE
        return max(
            (closing.state for closing in self.standing(symbol)),
            key=_STRICTNESS.__getitem__,
            default=TradingState.ACTIVE,
        )

    def deny(self, order: OrderRequest) -> Denial | None:
        """Why `order` may not pass; None when it may. What only reduces always may."""
        if order.reduce_only or not (self._closings or self._shapes):
            return None
        standing = self.standing(order.symbol)
        if standing:
            return Denial(standing[0], standing[1:])
        for (cause, about), (shape, since) in self._shapes.items():
            if about in (_ALL, order.symbol) and not shape.allows(order):
                wanted = "post-only orders" if shape is Shape.POST_ONLY else "limit orders"
                closing = Closing(
                    cause, f"the venue takes only {wanted} now", TradingState.ACTIVE, since
                )
                return Denial(closing, shapes=self.shapes(order.symbol))
        return None
