"""Whether a pool of connections still lets anybody in.

A slot of httpx's pool can be lost for ever when a request on it is cancelled (encode/httpcore issue
1093). We never cancel one; but the owner of a client that we were given may, and in an outage all
its slots go that way. From outside it looks like this: nobody is let in any more, for longer than
any request of ours can take.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TRY_EVERY_S", "PoolWatch"]

TRY_EVERY_S: Final = 5.0
"""A stuck pool is tried so often: a wait for it takes seconds, and would end in nothing."""


class PoolWatch:
    """Told what became of each wait for a connection; all instants are monotonic seconds."""

    __slots__ = ("_blocked_since", "_holds_max_s", "_next_try_at")

    def __init__(self) -> None:
        self._blocked_since: float | None = None  # since when nobody was let in
        self._holds_max_s = 0.0
        self._next_try_at: float | None = None  # None while it is not known to be stuck

    @property
    def is_stuck(self) -> bool:
        return self._next_try_at is not None

    def may_try(self, now: float) -> bool:
        """False while a request would only wait in vain; one may try every `TRY_EVERY_S`."""
        if self._next_try_at is None:
            return True
        if now < self._next_try_at:
            return False
        self._next_try_at = now + TRY_EVERY_S
        return True

    def began(self, *, holds_s: float) -> None:
        """A request has begun that may hold its connection for so long."""
        self._holds_max_s = max(self._holds_max_s, holds_s)

    def let_in(self) -> None:
        """A request was given a connection, whatever came of it then."""
        self._blocked_since = self._next_try_at = None

    def turned_away(self, *, waited_since: float, now: float) -> bool:
        """A request was given none; True when that shows, for the first time, that it is stuck.

        Stuck is a pool that has let nobody in for longer than any request of ours may hold a slot.
        """
        if self._blocked_since is None:
            self._blocked_since = waited_since
        if self._next_try_at is not None or now - self._blocked_since < self._holds_max_s:
            return False
        self._next_try_at = now + TRY_EVERY_S
        return True

    def blocked_s(self, now: float) -> float:
        """For how long nobody has been let in."""
        return 0.0 if self._blocked_since is None else now - self._blocked_since
