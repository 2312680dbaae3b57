"""One account before the judges: what they look at, and how they say what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from outlast.mock.belief import Belief
from outlast.mock.conditions import Span, utc
from outlast.mock.intents import Intent, Send
from outlast.mock.scenario.model import Scenario

if TYPE_CHECKING:
    from outlast.mock.truth import Truth

__all__ = ["IN_FLIGHT_MS", "Case", "Judge", "Judgement", "Offence", "judged"]

IN_FLIGHT_MS: Final = 1_000
"""What arrives this soon after a reply left may have been on its way already: nobody is blamed for
not having read it."""

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

    def __str__(self) -> str:
        request = "" if self.ordinal is None else f", request {self.ordinal}"
        return f"{utc(self.at_ms)}{request}: {self.text}"


def judged(offences: Iterable[Offence], otherwise: str) -> Judgement:
    """Broken by the first offence, with the number of the others; else `otherwise`."""
    found = sorted(offences, key=lambda o: (o.at_ms, -1 if o.ordinal is None else o.ordinal))
    if not found:
        return Judgement(holds=True, evidence=otherwise)
    more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
    return Judgement(holds=False, evidence=f"{found[0]}{more}")


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
    def intents(self) -> list[Intent]:
        return self.truth.intents(self.account)

    def sends(self) -> list[Send]:
        """Every order the client asked for, in the order of arrival."""
        sends = [send for intent in self.intents for send in intent.sends]
        return sorted(sends, key=lambda send: (send.at_ms, send.record.ordinal))

    def phases(self) -> list[Span[str]]:
        """The phases as they ran."""
        return list(self.truth.conditions.phases.spans(self.end_ms))


Judge: TypeAlias = Callable[[Case, Argument], Judgement]
