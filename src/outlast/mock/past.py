"""What is not kept whole any more of one account: sums of it, and what later judgements go on from.

Nothing here is computed anew; `folding.py` puts in what it lets go of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from outlast.mock.asked import Asked
from outlast.mock.history import AccountHistory
from outlast.mock.intents import Runs, Send
from outlast.mock.records import RequestRecord
from outlast.mock.scenario.model import Scenario
from outlast.mock.verdict.case import Argument, Findings, Offence

__all__ = ["Exit", "Exposure", "Held", "Past", "Unread", "bounds_of"]

ZERO: Final = Decimal(0)

Held = Mapping[tuple[str, str], Decimal]
"""Positions by (venue, symbol)."""


@dataclass(frozen=True, slots=True)
class Exit:
    """An exit that the venue took, and since when it would have."""

    at_ms: int
    ordinal: int
    willing: tuple[bool, int | None]
    """Whether the venue was willing just before it, and since when."""


def bounds_of(scenario: Scenario, *names: str) -> tuple[int, ...]:
    """The numbers that the scenario expects of these invariants."""
    return tuple(
        expectation.argument
        for expectation in scenario.expect
        if expectation.name in names and isinstance(expectation.argument, int)
    )


class Exposure:
    """What becomes of the positions that were held at the first exit."""

    def __init__(self, start_ms: int, held: Held) -> None:
        self.start_ms = start_ms
        self.held = held
        self.flat_ms: int | None = None
        """When all of them were zero for the first time."""
        self._until_ms = start_ms
        self._sums = dict.fromkeys(held, ZERO)  # size × milliseconds

    def copy(self) -> Exposure:
        return deepcopy(self)

    def follow(
        self, histories: Iterable[AccountHistory], until_ms: int, *, is_end: bool = False
    ) -> Exposure:
        """Take what was held until then; at that instant itself only if it is the end."""
        steps = {
            (history.venue, symbol): tracked.true
            for history in histories
            for symbol, tracked in history.positions.items()
            if (history.venue, symbol) in self.held
        }
        changes = {self._until_ms}
        for key, track in steps.items():
            for span in track.spans(until_ms + 1):
                changes.add(span.start_ms)
                length_ms = min(span.end_ms, until_ms) - max(span.start_ms, self._until_ms)
                if length_ms > 0:
                    self._sums[key] += abs(span.value) * length_ms
        for at_ms in sorted(changes):
            reached = at_ms <= until_ms if is_end else at_ms < until_ms
            if self.flat_ms is None and self._until_ms <= at_ms and reached:
                is_flat = all(track.at(at_ms, ZERO) == 0 for track in steps.values())
                self.flat_ms = at_ms if is_flat else None
        self._until_ms = max(until_ms, self._until_ms)
        return self

    def shares_ms(self) -> Decimal:
        """The sum over the positions: size as a share of what it was at first, integrated."""
        return sum((total / abs(self.held[key]) for key, total in self._sums.items()), ZERO)


@dataclass(slots=True)
class Unread:
    """Orders whose last change the client got no answer about before the venue forgot them.

    A list of all open orders, read after that, settles them all the same.
    """

    by_venue: dict[str, tuple[int, Findings]] = field(default_factory=dict)
    """The latest change, and the breaches."""

    def add(self, venue: str, offence: Offence) -> None:
        latest_ms, findings = self.by_venue.get(venue, (0, Findings()))
        self.by_venue[venue] = (max(latest_ms, offence.at_ms), findings.add([offence]))

    def settle(self, pictures: Mapping[tuple[str, str], int]) -> None:
        """Forget those of which the newest lists tell."""
        self.by_venue = {
            venue: (latest_ms, findings)
            for venue, (latest_ms, findings) in self.by_venue.items()
            if pictures.get((venue, "open_orders"), -1) < latest_ms
        }

    def findings(self, pictures: Mapping[tuple[str, str], int]) -> Findings:
        """The breaches that are left, given the newest true list of open orders of each venue."""
        left = Findings()
        for venue, (latest_ms, findings) in self.by_venue.items():
            if pictures.get((venue, "open_orders"), -1) < latest_ms:
                left.join(findings)
        return left


@dataclass(slots=True, kw_only=True)
class Past:
    """One account, up to an instant before which nothing is reported any more."""

    asked: Asked
    runs: Runs = field(default_factory=Runs)
    until_ms: int = 0

    intents: int = 0
    attempts: int = 0
    """The most that one intent was sent."""
    orders: int = 0
    """Live or filled, made by the sends."""
    duplicates: int = 0
    lost: int = 0
    unknowns: int = 0
    unresolved: int = 0
    refused_exits: int = 0
    accepted_exits: int = 0
    first_exit: Exit | None = None
    """The first exit that was taken."""
    exposure: Exposure | None = None
    """None before the first exit."""
    unread: Unread = field(default_factory=Unread)
    exits_wanted: dict[tuple[str, str], Send] = field(default_factory=dict)
    """By (venue, symbol): the exit with which safety work began that is not done yet."""
    cancels_unsettled: list[RequestRecord] = field(default_factory=list)
    _findings: dict[tuple[str, Argument], Findings] = field(default_factory=dict)

    def found(self, invariant: str, argument: Argument) -> Findings:
        """The breaches of an invariant among what is not kept."""
        return self._findings.setdefault((invariant, argument), Findings())

    def copy(self) -> Past:
        """One for an account that had nothing but this in it so far."""
        return Past(
            asked=self.asked.copy(),
            runs=self.runs.copy(),
            until_ms=self.until_ms,
            intents=self.intents,
            attempts=self.attempts,
            orders=self.orders,
            duplicates=self.duplicates,
            lost=self.lost,
            unknowns=self.unknowns,
            unresolved=self.unresolved,
            refused_exits=self.refused_exits,
            accepted_exits=self.accepted_exits,
            first_exit=self.first_exit,
            exposure=None if self.exposure is None else self.exposure.copy(),
            unread=deepcopy(self.unread),
            exits_wanted=dict(self.exits_wanted),
            cancels_unsettled=list(self.cancels_unsettled),
            _findings=deepcopy(self._findings),
        )

    def note_exit(self, exit_: Exit) -> None:
        known = self.first_exit
        if known is None or (exit_.at_ms, exit_.ordinal) < (known.at_ms, known.ordinal):
            self.first_exit = exit_
