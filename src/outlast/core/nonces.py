"""Nonces: numbers that a venue only takes in rising order, for ever, on one key.

They are nanoseconds of the wall clock where it has moved on, and one more than the last where it
has not. A clock that is set back, or a restart, must not lead below what was used: so a floor ahead
of the present is written down before any number under it is used (`reserved`), and the next session
begins above it.

There is no way to lower a key's nonce again. Another program on the same key, or another scale of
numbers, makes every later one of ours invalid until the floor is above it.

Source: Kraken docs, guide "Spot REST Authentication", nonce; read 2026-05-27.
"""

from __future__ import annotations

from typing import Final

__all__ = ["NonceSource"]

_SECOND: Final = 1_000_000_000
RESERVE: Final = 60 * _SECOND
"""How far ahead a floor is written: one record of the journal a minute."""
RAISES: Final = (10 * _SECOND, 600 * _SECOND, 36_000 * _SECOND, 864_000 * _SECOND)
"""By how much the floor rises at the first, second, … refusal in a row: requests that overtook each
other need nothing, a clock that was set back needs as much as that."""


class NonceSource:
    """The numbers of one key. One source per key: two would overtake each other."""

    def __init__(self, *, floor: int = 0) -> None:
        """`floor`: every number is above it, such as what an earlier session had reserved."""
        assert floor >= 0
        self._last = floor
        self.reserved = floor
        """Write this down before using a number: `next` keeps at or below it."""
        self._refusals = 0
        self._raised_at = floor

    def next(self, wall_ns: int) -> int:
        """The next number; `wall_ns` is the wall clock in nanoseconds since the epoch."""
        self._last = max(wall_ns, self._last + 1)
        if self._last > self.reserved:
            self.reserved = self._last + RESERVE
        return self._last

    def refused(self, nonce: int) -> None:
        """The venue has seen a higher number than `nonce`: go on well above it.

        Refusals of numbers from before the last rise say nothing new.
        """
        if nonce <= self._raised_at:
            return
        self._last += RAISES[min(self._refusals, len(RAISES) - 1)]
        self._raised_at = self._last
        self._refusals += 1

    def accepted(self, nonce: int) -> None:
        """The venue took `nonce`: the next refusal is a first one again."""
        if nonce > self._raised_at:
            self._refusals = 0
