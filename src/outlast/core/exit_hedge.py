"""When an exit is shut for too long: how much of the opposite to hold elsewhere, and how long.

The hedge is opened once, for what the exit could not close, and given back as the exit closes it:
it is never larger than the position that it stands for. What may still fill of the exit's own
orders counts as closed before it is opened; opening too little is made good by the exit, opening
too much by nobody.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

__all__ = ["HedgePlan"]

ZERO: Final = Decimal(0)


class HedgePlan:
    """One position whose exit is being tried, and what is held against it at another venue."""

    def __init__(
        self, *, hedge_after_s: float, position: Decimal, now: float, hedged: Decimal = ZERO
    ) -> None:
        """`position`: signed. `hedged`: what is held already, from a session before."""
        assert hedge_after_s > 0
        self._after_s = hedge_after_s
        self._is_long = position > 0
        self._open = abs(position)
        self._shut_since = now
        self._is_exiting = False
        self._is_done = hedged > 0
        self.hedged = hedged
        """What is held at the other venue now."""

    def exit_began(self, now: float) -> None:
        """Somebody tries to close the position, from now on."""
        self._is_exiting, self._shut_since = True, now

    def exit_ended(self) -> None:
        """Nobody tries any more; what is held stays until the position is gone."""
        self._is_exiting = False

    def update(self, position: Decimal, now: float) -> None:
        """The position as it is believed now, signed. Any of it that went shows an open exit."""
        is_same_side = position != 0 and (position > 0) is self._is_long
        still_open = abs(position) if is_same_side else ZERO
        if still_open < self._open:
            self._shut_since = now
        self._open = still_open

    def shut_for_s(self, now: float) -> float:
        """For how long nothing of the position could be closed; 0.0 while nobody tries."""
        return now - self._shut_since if self._is_exiting else 0.0

    def wanted(self, *, may_fill: Decimal, now: float) -> Decimal:
        """How much of the opposite to open now; 0 while there is nothing to open.

        `may_fill`: what the exit's own orders may still close.
        """
        if self._is_done or not self._is_exiting or self.shut_for_s(now) < self._after_s:
            return ZERO
        return max(ZERO, self._open - may_fill)

    def opened(self, qty: Decimal) -> None:
        """So much of the opposite is held from now on, in one go; 0 when none could be had."""
        assert not self._is_done
        self._is_done = True
        self.hedged = qty

    @property
    def surplus(self) -> Decimal:
        """How much of what is held stands for nothing any more, and is to be given back."""
        return max(ZERO, self.hedged - self._open)

    def unwound(self, qty: Decimal) -> None:
        """So much of it was given back."""
        self.hedged -= qty

    @property
    def is_over(self) -> bool:
        """True when nothing is held, and nothing will be."""
        return self.hedged == 0 and (self._is_done or not self._is_exiting)
