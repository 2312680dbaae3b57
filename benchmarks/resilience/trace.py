"""The calls that a bot wants to make: drawn once per seed, the same for every client."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["MIX", "Call", "Done", "Kind", "trace"]


class Kind(Enum):
    PRICE = "price"
    """A public read: the mark price, or the last one on spot."""
    ACCOUNT = "account"
    """A private read: positions, or balances on spot."""
    ENTRY = "entry"
    """A limit order that adds risk. Two of three cross the book and fill at once (IOC), the third
    rests below it."""
    CANCEL = "cancel"
    """Of the order that has rested longest. Nothing is asked for when none rests."""
    REDUCE = "reduce"
    """A reduce-only market order."""

    @property
    def is_read(self) -> bool:
        return self in (Kind.PRICE, Kind.ACCOUNT)

    @property
    def is_safety(self) -> bool:
        return self in (Kind.CANCEL, Kind.REDUCE)


MIX: Final = (
    (Kind.PRICE, 0.30),
    (Kind.ACCOUNT, 0.30),
    (Kind.ENTRY, 0.30),
    (Kind.CANCEL, 0.06),
    (Kind.REDUCE, 0.04),
)
"""60 % reads, 30 % orders, 10 % that makes things safer."""

DEADLINE_S: Final = {
    Kind.PRICE: 8.0,
    Kind.ACCOUNT: 12.0,
    Kind.ENTRY: 10.0,
    Kind.CANCEL: 20.0,
    Kind.REDUCE: 25.0,
}
"""When the answer is worth nothing any more. A client may go on; the call has failed."""


@dataclass(frozen=True, slots=True)
class Call:
    number: int
    """Names it in its trace; the price of an entry carries it, so that the mock's orders can be
    counted per call."""
    at_s: float
    """Since the start of the scenario."""
    venue: str
    kind: Kind

    @property
    def deadline_s(self) -> float:
        return DEADLINE_S[self.kind]

    @property
    def rests(self) -> bool:
        return self.number % 3 == 0


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one call, as the client that was asked for it sees it."""

    call: Call
    ended_s: float
    ok: bool
    held: bool = False
    """The client did not ask the venue at all."""
    note: str = ""
    is_over: bool = True
    """False when it was still under way when the run ended."""

    @property
    def took_s(self) -> float:
        return self.ended_s - self.call.at_s

    @property
    def in_time(self) -> bool:
        return self.ok and self.took_s <= self.call.deadline_s


def trace(seed: int, rates: Sequence[tuple[str, float]], lasts_s: float) -> list[Call]:
    """Poisson arrivals for each (venue, calls per second), each venue from a stream of its own."""
    calls: list[Call] = []
    kinds = [kind for kind, _ in MIX]
    weights = [weight for _, weight in MIX]
    for venue, per_s in rates:
        rng = random.Random(f"{seed} {venue}")
        at_s, number = 1.0 + rng.expovariate(per_s), 0
        while at_s < lasts_s:
            kind = rng.choices(kinds, weights)[0]
            if venue.endswith("-spot") and kind.is_safety:
                kind = Kind.ACCOUNT  # the sibling is there to be left alone
            calls.append(Call(number, at_s, venue, kind))
            number += 1
            at_s += rng.expovariate(per_s)
    return sorted(calls, key=lambda call: call.at_s)
