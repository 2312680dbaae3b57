"""`outlast scenarios`: the catalogue of outages, one of them in full, or a check of a file."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from outlast.mock.scenario.catalogue import catalogue
from outlast.mock.scenario.document import ScenarioError
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario
from outlast.mock.scenario.script import Script

__all__ = ["scenarios"]


def scenarios(
    scenario: Annotated[str | None, typer.Argument(help="A scenario's name, or a file.")] = None,
    lint: Annotated[bool, typer.Option("--lint", help="Only check; say what is wrong.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List the outages that can be drilled, show one, or check a file of your own."""
    if lint:
        _lint(scenario, as_json=as_json)
        return
    chosen = [load(scenario)] if scenario is not None else list(catalogue())
    if as_json:
        print(json.dumps([_entry(each) for each in chosen], indent=2))
    elif scenario is not None:
        print(chosen[0].text, end="")
    else:
        _print_table(chosen)


def _lint(scenario: str | None, *, as_json: bool) -> None:
    """Say everything that is wrong, one line each. Exit code 1 when anything is."""
    names = [scenario] if scenario is not None else [each.scenario for each in catalogue()]
    problems: list[ScenarioError] = []
    for name in names:
        try:
            load(name)
        except ScenarioError as error:
            problems.extend(error.problems)
    if as_json:
        print(json.dumps([_problem(problem) for problem in problems], indent=2))
    else:
        for problem in problems:
            print(problem)
        print(f"{len(names)} checked, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)


def _problem(problem: ScenarioError) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "key": problem.key,
        "problem": problem.problem,
        "remedy": problem.remedy,
    }


def _entry(scenario: Scenario) -> dict[str, object]:
    return {
        "scenario": scenario.scenario,
        "title": scenario.title,
        "venue": list(scenario.venues),
        "fidelity": scenario.fidelity,
        "incidents": list(scenario.incidents),
        "duration_s": Script(scenario).duration_s,
    }


def _print_table(listed: list[Scenario]) -> None:
    table = Table()
    for heading in ("scenario", "venues", "minutes", "fidelity", "what happens"):
        if heading == "minutes":
            table.add_column(heading, justify="right")
        else:
            table.add_column(heading, no_wrap=heading == "scenario")
    for scenario in listed:
        duration_s = Script(scenario).duration_s
        minutes = "open" if duration_s is None else f"{duration_s / 60:,.0f}"
        venues = " ".join(scenario.venues)
        table.add_row(scenario.scenario, venues, minutes, scenario.fidelity, scenario.title)
    # In a pipe there is no width to keep to, and names that are cut are of no use to anybody.
    Console(width=None if sys.stdout.isatty() else 200).print(table)
