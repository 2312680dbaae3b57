"""`outlast drill`: bots through an outage, side by side."""

from __future__ import annotations

import io
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.terminal_theme import DEFAULT_TERMINAL_THEME

from outlast.cli.outputs import check_output
from outlast.drill.card import show
from outlast.drill.comparing import compare, show_changes
from outlast.drill.own import run_command, run_function
from outlast.drill.result import BotResult
from outlast.drill.run import BOTS, GUARDED, NEEDS, bots_for, run_bot
from outlast.errors import ConfigurationError
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario

__all__ = ["drill"]

_PAGE_WIDTH: Final = 120
"""Columns of the page, whatever the terminal has."""


def drill(
    scenario: Annotated[str, typer.Argument(help="A scenario's name, or a file.")],
    bot: Annotated[
        list[str] | None,
        typer.Option(
            help=f"One of {', '.join((*BOTS, GUARDED))}, or module:function; may be repeated. "
            "Default: all that can."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Default: the scenario's own.")] = None,
    live: Annotated[
        bool,
        typer.Option(
            "--live", help="On real sockets and in real time: each bot takes as long as it took."
        ),
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write scorecard and verdict as an HTML page, too.")
    ] = None,
    compared: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare",
            metavar="BEFORE AFTER",
            help="Two bots, named as for --bot: what the second does better and worse. "
            "Exit code 1 when it breaks an invariant.",
        ),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="After `--`: any program, run in real time with the endpoints in its environment."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Run bots through an outage and judge them by the exchange's own truth.

    Exit code 1 when an invariant of a bot named with --bot, or of a program, does not hold.
    """
    if compared and (bot or command):
        raise ConfigurationError("--compare names both bots; leave --bot and the command out")
    bot = list(compared) if compared else bot
    for name in bot or ():
        if name not in (*BOTS, GUARDED) and ":" not in name:
            raise ConfigurationError(
                f"bot {name!r} is not known; choose from {', '.join((*BOTS, GUARDED))}, or "
                "name a function of your own as module:function"
            )
    if report is not None:
        check_output(report)  # before the drill, which may take hours
    document = load(scenario)
    used_seed = document.seed if seed is None else seed
    names = list(bot or (() if command else bots_for(document) or BOTS))
    for name in names:
        for module in NEEDS.get(name, ()):
            if find_spec(module) is None:
                raise ConfigurationError(
                    f"bot {name!r} needs {module}, which is not installed; "
                    "try: pip install 'outlast[demo]', or name other bots with --bot"
                )
    results = _run(document, names, used_seed, command or [], live=live)
    changes = compare(*results) if compared else None
    if as_json:
        print(
            json.dumps(
                {
                    "scenario": document.scenario,
                    "seed": used_seed,
                    "bots": [result.as_json() for result in results],
                }
                | ({} if changes is None else {"changes": [each.as_json() for each in changes]}),
                indent=2,
            )
        )
    else:
        show(Console(), document, used_seed, results)
        if changes is not None:
            show_changes(Console(), results, changes)
    if report is not None:
        page = Console(record=True, width=_PAGE_WIDTH, file=io.StringIO())
        show(page, document, used_seed, results)
        page.save_html(str(report), theme=DEFAULT_TERMINAL_THEME)
    judged = results[1:] if compared else results
    if (bot or command) and any(result.broken for result in judged):
        raise typer.Exit(1)


def _run(
    scenario: Scenario, names: list[str], seed: int, command: list[str], *, live: bool
) -> list[BotResult]:
    """One bot after the other, with a progress bar where there is a terminal to draw it on."""
    columns = (
        TextColumn("{task.description:>8}"),
        BarColumn(),
        TextColumn("{task.fields[at]}"),
        TimeElapsedColumn(),
    )
    shown = Console(stderr=True)
    kind = "minutes" if live else "virtual minutes"
    with Progress(*columns, console=shown, disable=not sys.stderr.isatty()) as progress:
        shown_names = [*names, *([" ".join(command)] if command else [])]
        tasks = {
            name: progress.add_task(escape(name), total=1.0, at="waiting") for name in shown_names
        }

        def run(name: str) -> BotResult:
            def tell(elapsed_s: float, whole_s: float) -> None:
                at = f"{elapsed_s / 60:5.1f} of {whole_s / 60:.0f} {kind}"
                progress.update(tasks[name], completed=elapsed_s / whole_s, at=at)

            if name not in names:
                return run_command(scenario, command, seed=seed, progress=tell)
            if ":" in name:
                return run_function(scenario, name, seed=seed, progress=tell)
            return run_bot(scenario, name, seed=seed, progress=tell, live=live)

        return [run(name) for name in shown_names]
