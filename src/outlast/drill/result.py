"""How one bot fared in a drill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from outlast.mock.scenario.model import Scenario

__all__ = ["REST_S", "BotResult", "Progress", "length_s", "obituary"]

REST_S: Final = 600.0
"""How much is played of a last phase without an end."""

Progress = Callable[[float, float], None]
"""Hears (elapsed, whole) in virtual seconds."""


@dataclass(slots=True)
class BotResult:
    """How one bot fared. `scorecard` and `verdict` are the mock's own words (docs/mock.md)."""

    bot: str
    scorecard: dict[str, Any]
    verdict: list[dict[str, Any]]
    died_of: str | None = None
    """The exception that ended the bot before the scenario did."""

    @property
    def broken(self) -> list[str]:
        return [row["invariant"] for row in self.verdict if row["holds"] is False]

    def as_json(self) -> dict[str, Any]:
        document = {"bot": self.bot, "scorecard": self.scorecard, "verdict": self.verdict}
        if self.died_of is not None:
            document["died_of"] = self.died_of
        return document


def length_s(scenario: Scenario) -> float:
    """How long a drill of it lasts."""
    return sum(REST_S if p.duration_s is None else p.duration_s for p in scenario.phases)


def obituary(error: BaseException) -> str:
    """What ended a bot, on one line."""
    return f"{type(error).__name__}: {error}"[:200]
