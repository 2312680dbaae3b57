"""A second copy of a read that is slow, to another host of the venue; whichever answers first wins.

Only of reads: a copy of an order is a second order. Only while nothing is amiss and most of the
limits lie unused: in an outage copies would be load on top. And only one read in twenty at most: a
slow venue must not be asked twice for everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from outlast.client.guard import Guard
from outlast.core.budget import RetryBudget
from outlast.wire import Clock, WireRequest

__all__ = ["HEADROOM_SHARE", "Hedging"]

SHARE: Final = 0.05
"""Copies per read, at most; see Dean and Barroso, "The Tail at Scale" (2013), where 5 % more
requests took the worst thousandth of latencies down to a twentieth."""
BURST: Final = 3.0
SLOW_X: Final = 2.0
"""Slow is what takes twice as long as 19 of 20 do."""
SLOW_S_MIN: Final = 0.1
"""On a fast line twice the usual is still fast."""
HEADROOM_SHARE: Final = 0.5
"""Of an even pace: above that what is left of the limits is for what nobody has answered yet."""


class Hedging:
    """When a copy of a read is due, and where it goes."""

    def __init__(self, roots: Sequence[str], guard: Guard, clock: Clock) -> None:
        """`roots`: other hosts that serve the same, such as `https://api1.binance.com`."""
        assert roots
        self._roots = [root.rstrip("/") for root in roots]
        self._guard = guard
        self._clock = clock
        self._budget = RetryBudget(tokens_max=BURST, per_success=SHARE, per_second=0.0)
        while self._budget.try_spend(clock.now()):  # the first copy is earned as well
            pass
        self._next = 0

    def due_in_s(self, request: WireRequest) -> float | None:
        """A read leaves now: in how long it will be slow; None while nothing is usual yet."""
        if request.is_write:
            return None
        self._budget.earn(self._clock.now())
        usual_s = self._guard.usual_s(request.plane)
        return None if usual_s is None else max(SLOW_S_MIN, SLOW_X * usual_s)

    def root(self) -> str | None:
        """Where the copy goes that is due now; None where it would be one too many."""
        if not self._budget.try_spend(self._clock.now()):
            return None
        self._next = (self._next + 1) % len(self._roots)
        return self._roots[self._next]
