"""The scorecard and the verdict as a person reads them, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from outlast.drill.result import BotResult
from outlast.mock.scenario.model import Scenario

__all__ = ["show"]


def _count(value: Any) -> str:
    return "-" if value is None else f"{value:,}"


def _ratio(value: Any) -> str:
    return "-" if value is None else f"{float(value):,.1f}"


def _span(value: Any) -> str:
    """Seconds as a person says them: `12.3 s`, `8 min 05 s`, `2 h 07 min`."""
    if value is None:
        return "never"
    seconds = float(value)
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _minutes(value: Any) -> str:
    return "-" if value is None else f"{float(value):,.1f} min"


def _money(value: Any) -> str:
    return "-" if value is None else f"{float(value):,.0f}"


_ROWS: Final[Sequence[tuple[str, str, Callable[[Any], str], bool | None]]] = (
    # label, scorecard key, how it is written, True where anything above zero is bad
    ("distinct orders asked for", "intents", _count, None),
    ("orders the venue took", "orders", _count, None),
    ("duplicates", "duplicates", _count, True),
    ("lost orders", "lost", _count, True),
    ("unresolved orders", "unresolved", _count, True),
    ("requests", "requests", _count, None),
    ("  in the outage", "requests_in_outage", _count, None),
    ("  per distinct order", "requests_per_intent", _ratio, None),
    ("exits refused", "refused_exits", _count, None),
    ("exits accepted", "accepted_exits", _count, None),
    ("bans", "bans", _count, True),
    ("requests over a limit", "over_limit", _count, True),
    ("door open until first exit", "first_exit_after_s", _span, None),
    ("time to flat", "time_to_flat_s", _span, None),
    ("unwanted exposure", "exposure_minutes", _minutes, None),
    ("realised loss", "realised_loss", _money, None),
)


def show(console: Console, scenario: Scenario, seed: int, results: Sequence[BotResult]) -> None:
    """Print the scorecard of every bot side by side, then the verdict on each invariant."""
    console.print()
    console.print(Text(scenario.title, style="bold"))
    incidents = ", ".join(scenario.incidents)
    console.print(Text(f"{scenario.scenario} · {incidents} · seed {seed}", style="dim"))
    console.print()
    console.print(Group(_scorecard(results), Text(), _verdict(results)))
    for result in results:
        if result.died_of is not None:
            console.print(Text(f"{result.bot} died: {result.died_of}", style="red"))
        for row in result.verdict if result.bot not in ("naive", "ccxt") else []:
            if row["holds"] is False:
                line = f"{result.bot} broke {row['invariant']}: {row['evidence']}"
                console.print(Text(line, style="red"))


def _scorecard(results: Sequence[BotResult]) -> Table:
    table = Table(title="Scorecard (the exchange's own truth)", title_justify="left")
    table.add_column("")
    for result in results:
        table.add_column(result.bot, justify="right")
    for label, key, write, zero_is_good in _ROWS:
        cells = []
        for result in results:
            value = result.scorecard.get(key)
            style = ""
            if zero_is_good and value is not None:
                style = "green" if value == 0 else "bold red"
            cells.append(Text(write(value), style=style))
        table.add_row(label, *cells)
    return table


_WORDS: Final = {
    True: Text("holds", style="green"),
    False: Text("broken", style="red"),
    None: Text("-", style="dim"),
}


def _verdict(results: Sequence[BotResult]) -> Table:
    table = Table(title="Verdict", title_justify="left")
    table.add_column("invariant")
    for result in results:
        table.add_column(result.bot, justify="right")
    for number, row in enumerate(results[0].verdict):
        cells = []
        for result in results:
            holds = result.verdict[number]["holds"]
            cells.append(_WORDS[holds])
        table.add_row(row["invariant"], *cells)
    return table
