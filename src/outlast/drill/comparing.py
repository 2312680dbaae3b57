"""Two bots in one scenario, or one before and after a change: what is better, what worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from outlast.drill.result import BotResult

__all__ = ["Change", "compare", "show_changes"]

_LESS_IS_BETTER: Final = (
    "duplicates",
    "lost",
    "unresolved",
    "bans",
    "over_limit",
    "requests_in_outage",
    "requests_per_intent",
    "first_exit_after_s",
    "time_to_flat_s",
    "exposure_minutes",
    "realised_loss",
)


@dataclass(frozen=True, slots=True)
class Change:
    """One figure or invariant that is not as it was."""

    what: str
    before: Any
    after: Any
    is_better: bool

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "before": self.before, "after": self.after} | {
            "better": self.is_better
        }


def compare(before: BotResult, after: BotResult) -> list[Change]:
    """What differs, figures first. A figure that one of them has not is left out."""
    changes = []
    for name in _LESS_IS_BETTER:
        old, new = before.scorecard.get(name), after.scorecard.get(name)
        if old is not None and new is not None and float(old) != float(new):
            changes.append(Change(name, old, new, float(new) < float(old)))
    held = {row["invariant"]: row["holds"] for row in before.verdict}
    for row in after.verdict:
        old, new = held.get(row["invariant"]), row["holds"]
        if old is not None and new is not None and old != new:
            words = {True: "holds", False: "broken"}
            changes.append(Change(row["invariant"], words[old], words[new], new))
    return changes


def show_changes(console: Console, results: Sequence[BotResult], changes: Sequence[Change]) -> None:
    """Print one line per change."""
    before, after = results
    console.print(Text(f"\n{after.bot}, compared with {before.bot}", style="bold"))
    for change in changes:
        word, style = ("better", "green") if change.is_better else ("worse", "red")
        line = f"  {word:6} {change.what}: {change.before} -> {change.after}"
        console.print(Text(line, style=style))
    if not changes:
        console.print("  nothing differs")
