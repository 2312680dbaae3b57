"""The words of the limiter: a counter as the venue declares it, what is asked, what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final, Protocol

from outlast.errors import ConfigurationError
from outlast.wire import Lane

__all__ = ["GRANTED", "TICK_S", "CounterSpec", "Granted", "Mirror", "Move", "MoveKind", "Wait"]

TICK_S: Final = 1e-6
"""Added to every `until`: the sum of an epoch and a window must not round to just before it."""


@dataclass(frozen=True, slots=True)
class CounterSpec:
    """One counter: at most `limit` units per aligned window, or a level that drains.

    `decay_per_s` None: a window of `window_s`, aligned to the venue's clock. Else the level falls
    by so much a second and must not rise above `limit`. `per_symbol`: one such level for each
    symbol, charged for cancels and amendments by the age of the order (`TradingCounter`).
    """

    name: str
    window_s: float
    limit: int
    decay_per_s: float | None = None
    per_symbol: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.window_s < inf:
            raise ConfigurationError(
                f"window_s of counter {self.name!r} is {self.window_s}; give its length in seconds"
            )
        if self.limit < 1:
            raise ConfigurationError(
                f"limit of counter {self.name!r} is {self.limit}; it must be at least 1"
            )
        if self.decay_per_s is not None and not 0 < self.decay_per_s < inf:
            raise ConfigurationError(
                f"decay_per_s of counter {self.name!r} is {self.decay_per_s}; "
                "it must be finite and above 0, or None for a window"
            )
        if self.per_symbol and self.decay_per_s is None:
            raise ConfigurationError(
                f"counter {self.name!r} is per_symbol without decay_per_s; give how fast it drains"
            )


class MoveKind(Enum):
    """What a request does to an order, as far as a counter charges it by that."""

    PLACE = "place"
    AMEND = "amend"
    """Keeps its place in the queue."""
    EDIT = "edit"
    """Cancels and places anew."""
    CANCEL = "cancel"
    CANCEL_MANY = "cancel_many"
    """Several by their ids; taken even where the counter has no room left."""
    CANCEL_ALL = "cancel_all"


@dataclass(frozen=True, slots=True)
class Move:
    """One request about an order, or about all orders of a symbol (of every symbol for None)."""

    kind: MoveKind
    symbol: str | None
    client_order_id: str | None = None
    client_order_ids: tuple[str, ...] = ()
    """Of `CANCEL_MANY`."""


@dataclass(frozen=True, slots=True)
class Granted:
    """It is counted: send it now. `slot` is to be given back when it has been answered."""

    slot: Lane | None = None
    """Whose slot it was; None where slots are not asked for."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing was taken. Ask again at `until`, which is when it may fit at the earliest.

    It is infinite where the cost is above what this lane may ever take of the counter.
    """

    until: float
    counter: str


GRANTED: Final = Granted()


class Mirror(Protocol):
    """One counter of the venue's, as we keep it. `now` is monotonic."""

    spec: CounterSpec

    def configure(self, spec: CounterSpec, doubt_s: float) -> None:
        """Change the limit; what is used stays used."""
        ...

    def wait_until(
        self, units: int, lane: Lane, now: float, *, move: Move | None, ahead: int
    ) -> float:
        """Return 0.0 when `units` fit now, else when they may; `ahead` units go before them."""
        ...

    def take(self, units: int, now: float, *, move: Move | None) -> None: ...

    def take_at_once(self, units: int, lane: Lane, now: float) -> bool:
        """Take `units` where it is clear at first sight that they fit; False where it is not."""
        ...

    def untake(self, units: int) -> None:
        """Undo a `take_at_once` of this very instant: another counter was full."""
        ...

    def observe(self, used: float, now: float, *, asked_at: float | None = None) -> None:
        """Raise it to what the venue says; a lower figure changes nothing.

        It was said at some time between `asked_at` and `now`; None: just now.
        """
        ...

    def used(self, now: float) -> float: ...

    def ends_at(self, now: float) -> float:
        """When everything that is used now will have been forgotten."""
        ...

    def has_headroom(self, units: int, now: float, *, share: float) -> bool: ...
