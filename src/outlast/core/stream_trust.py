"""Does the stream that tells of our orders still tell of them?

A socket may be open, answer pings and say nothing any more: a listen key has run out, or what was
subscribed was never served. Frames do not show it. So whatever another path shows of an order is
to come over the stream as well, soon; where it does not, the stream is not to be relied upon.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

__all__ = ["TOLD_MAX", "WITHIN_S", "AccountOwed", "Expectations"]

WITHIN_S: Final = 5.0
"""An event comes within milliseconds; in a storm Binance's were seconds late."""
TOLD_MAX: Final = 4_096
"""Orders of which it is kept how far the stream has told; older ones are no longer asked about."""


@dataclass(frozen=True, slots=True)
class _State:
    filled: Decimal
    is_final: bool

    def covers(self, other: _State) -> bool:
        return self.filled >= other.filled and (self.is_final or not other.is_final)


@dataclass(frozen=True, slots=True)
class _Awaited:
    state: _State
    due: float


class Expectations:
    """What the stream has to tell, of which orders, and until when. Instants are monotonic."""

    def __init__(self, *, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._told: dict[str, _State] = {}
        self._awaited: dict[str, _Awaited] = {}

    def told(self, client_order_id: str, *, filled: Decimal, is_final: bool) -> None:
        """The stream has told of an order."""
        state = _State(filled, is_final)
        before = self._told.pop(client_order_id, None)
        if before is not None and before.covers(state):
            state = before
        self._told[client_order_id] = state
        if len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        awaited = self._awaited.get(client_order_id)
        if awaited is not None and state.covers(awaited.state):
            del self._awaited[client_order_id]

    def expect(self, client_order_id: str, *, filled: Decimal, is_final: bool, now: float) -> None:
        """Another path has shown an order: the stream should tell as much of it."""
        state = _State(filled, is_final)
        told = self._told.get(client_order_id)
        if told is not None and told.covers(state):
            return
        known = self._awaited.get(client_order_id)
        due = now + self._within_s if known is None else known.due
        self._awaited[client_order_id] = _Awaited(state, due)

    def overdue(self, now: float) -> str | None:
        """The first order of which the stream should have told by now."""
        for client_order_id, awaited in self._awaited.items():
            if awaited.due <= now:
                return client_order_id
        return None

    @property
    def next_due(self) -> float | None:
        return min((awaited.due for awaited in self._awaited.values()), default=None)

    def begin_anew(self) -> None:
        """Another connection: what the one before owed nobody will hear."""
        self._awaited.clear()


class AccountOwed:
    """Every fill changes what the account holds: the stream has to tell both."""

    def __init__(self, *, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._owed: dict[int, float] = {}
        """By the venue's time of a fill (ms): until when (monotonic) the account is to be told."""
        self._newest_ms = 0

    def filled(self, at_ms: int, *, now: float) -> None:
        """The stream has told of a fill. One that is not newer than another may be told again."""
        if at_ms > self._newest_ms:
            self._newest_ms = at_ms
            self._owed[at_ms] = now + self._within_s

    def told(self, at_ms: int) -> None:
        """The stream has told of the account as it was at an instant of the venue's clock."""
        for owed_ms in [owed_ms for owed_ms in self._owed if owed_ms <= at_ms]:
            del self._owed[owed_ms]

    def is_overdue(self, now: float) -> bool:
        return any(due <= now for due in self._owed.values())

    @property
    def next_due(self) -> float | None:
        return min(self._owed.values(), default=None)

    def begin_anew(self) -> None:
        """Another connection: what the one before owed nobody will hear."""
        self._owed.clear()
