"""Bulkheads: how many requests may be under way at a time, by what they are for.

In an outage requests hang for as long as their timeouts allow. Without places of their own, eight
snapshots that hang would be what a cancel waits for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from outlast.errors import ConfigurationError
from outlast.wire import Lane

__all__ = ["SLOTS", "SlotSettings", "Slots"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSettings:
    """Requests under way at a time, for one product of one venue."""

    safety: int = 2
    """For SAFETY alone. It takes any other that is free as well."""
    orders: int = 20
    """For orders that add risk. A bot that moves all its quotes at once must not queue behind
    itself, and with every other slot they still fit into the 32 connections of the pool, so that a
    cancel finds one. What may stay unknown is bounded by the gate: one order of unknown outcome
    holds new risk on its symbol."""
    reads: int = 8
    """For everything that only asks."""
    reconcile: int = 2
    """Of `reads`, what snapshots and polling leave alone."""

    def __post_init__(self) -> None:
        for field in ("safety", "orders", "reads"):
            if getattr(self, field) < 1:
                raise ConfigurationError(f"{field} is {getattr(self, field)}; a slot at least")
        if not 0 <= self.reconcile < self.reads:
            raise ConfigurationError(
                f"reconcile is {self.reconcile}; it is a part of the {self.reads} reads"
            )


SLOTS: Final = SlotSettings()

_DATA: Final = Lane.DATA  # at hand for every call

_HOMES: Final = (
    (Lane.SAFETY, Lane.TRADE, Lane.RECONCILE),
    (Lane.RECONCILE,),
    (Lane.TRADE,),
    (Lane.RECONCILE,),
)
"""Where each lane, in their order, looks for a slot; RECONCILE stands for all reads."""


class Slots:
    """What is taken is given back, once, by the name that `take` returned."""

    __slots__ = ("_data_max", "_max", "_used")

    def __init__(self, settings: SlotSettings = SLOTS) -> None:
        # By lane, in lists: an IntEnum is an index at once, and hashes slowly. DATA has none.
        self._max = [settings.safety, settings.reads, settings.orders, 0]
        self._data_max = settings.reads - settings.reconcile
        self._used = [0, 0, 0, 0]

    def find(self, lane: Lane) -> Lane | None:
        """A slot that `lane` may take now; None when there is none. Takes nothing."""
        if lane is Lane.DATA and self._used[Lane.RECONCILE] >= self._data_max:
            return None
        for home in _HOMES[lane]:
            if self._used[home] < self._max[home]:
                return home
        return None

    def take_at_once(self, lane: Lane) -> Lane | None:
        """Take a slot of the lane's own, where that needs no search; None where it does."""
        if lane is _DATA or self._used[lane] >= self._max[lane]:
            return None
        self._used[lane] += 1
        return lane

    def take(self, slot: Lane) -> None:
        assert self._used[slot] < self._max[slot]
        self._used[slot] += 1

    def give_back(self, slot: Lane) -> None:
        assert self._used[slot] > 0, f"a slot of {slot.name} was given back twice"
        self._used[slot] -= 1

    @property
    def in_use(self) -> int:
        return sum(self._used)
