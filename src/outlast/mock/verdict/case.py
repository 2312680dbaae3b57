"""One account before the judges: what they look at, and how they say what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from outlast.mock.asked import IN_FLIGHT_MS, Asked
from outlast.mock.belief import Belief
from outlast.mock.conditions import Span, utc
from outlast.mock.intents import Intent, Send
from outlast.mock.scenario.model import Scenario

if TYPE_CHECKING:
    from outlast.mock.past import Past
    from outlast.mock.truth import Truth

__all__ = ["IN_FLIGHT_MS", "Case", "Findings", "Judge", "Judgement", "Offence", "judged"]

Argument: TypeAlias = float | int | str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Judgement:
    holds: bool
    evidence: str


@dataclass(frozen=True, slots=True)
class Offence:
    """One breach: when (venue time), by which request, and the facts."""

    at_ms: int
    ordinal: int | None
    text: str
    order_id: int = 0
    """The order that it is about, where no request is named: the first of one instant is told."""

    def __str__(self) -> str:
        request = "" if self.ordinal is None else f", request {self.ordinal}"
        return f"{utc(self.at_ms)}{request}: {self.text}"


@dataclass(slots=True)
class Findings:
    """The first of some offences, and how many they are."""

    count: int = 0
    first: Offence | None = None

    def add(self, offences: Iterable[Offence]) -> Findings:
        for offence in offences:
            self._join(1, offence)
        return self

    def join(self, other: Findings) -> Findings:
        if other.first is not None:
            self._join(other.count, other.first)
        return self

    def _join(self, count: int, offence: Offence) -> None:
        self.count += count
        if self.first is None or _when(offence) < _when(self.first):
            self.first = offence


def _when(offence: Offence) -> tuple[int, int, int]:
    ordinal = -1 if offence.ordinal is None else offence.ordinal
    return (offence.at_ms, ordinal, offence.order_id)


def judged(offences: Iterable[Offence], otherwise: str, *past: Findings) -> Judgement:
    """Broken by the first offence, with the number of the others; else `otherwise`.

    `past` are offences of sends, orders or requests that need not be kept any more.
    """
    found = Findings()
    for findings in past:
        found.join(findings)
    found.add(offences)
    if found.first is None:
        return Judgement(holds=True, evidence=otherwise)
    more = f"; and {found.count - 1} more" if found.count > 1 else ""
    return Judgement(holds=False, evidence=f"{found.first}{more}")


@dataclass(frozen=True, slots=True)
class Case:
    """The truth as far as it concerns one account."""

    truth: Truth
    account: str
    belief: Belief | None

    @property
    def scenario(self) -> Scenario:
        return self.truth.scenario

    @property
    def end_ms(self) -> int:
        return self.truth.now_ms

    @property
    def past(self) -> Past:
        """What is not kept any more, as sums."""
        return self.truth.past(self.account)

    @property
    def asked(self) -> Asked:
        """All that the client has asked for, kept or not, as sums."""
        return self.truth.asked(self.account)

    @property
    def intents(self) -> list[Intent]:
        """The intents that are kept."""
        return self.truth.intents(self.account)

    def sends(self) -> list[Send]:
        """The orders the client asked for that are kept, in the order of arrival."""
        sends = [send for intent in self.intents for send in intent.sends]
        return sorted(sends, key=lambda send: (send.at_ms, send.record.ordinal))

    def fresh_sends(self) -> list[Send]:
        """Those of them that nothing has been judged of yet."""
        return [send for send in self.sends() if not send.is_past]

    def phases(self) -> list[Span[str]]:
        """The phases as they ran."""
        return list(self.truth.conditions.phases.spans(self.end_ms))


Judge: TypeAlias = Callable[[Case, Argument], Judgement]
