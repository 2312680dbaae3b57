"""All commands under one name."""

from __future__ import annotations

import sys

import typer

from outlast.cli import (
    doctor,
    drill,
    halt,
    journal,
    mock,
    reconcile,
    report,
    scenarios,
    simulate,
    status,
    watch,
)
from outlast.errors import OutlastError
from outlast.mock.run import MockError
from outlast.mock.scenario.document import ScenarioError

__all__ = ["app", "commands"]

commands = typer.Typer(
    name="outlast",
    help="Trading bots that outlast their exchange's outages: drills, mock exchange, journals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
commands.command("doctor")(doctor.doctor)
commands.command("drill")(drill.drill)
commands.command("halt")(halt.halt)
commands.command("mock")(mock.mock)
commands.command("reconcile")(reconcile.reconcile)
commands.command("report")(report.report)
commands.command("resume")(halt.resume)
commands.command("scenarios")(scenarios.scenarios)
commands.command("simulate")(simulate.simulate)
commands.command("status")(status.status)
commands.command("watch")(watch.watch)
commands.add_typer(journal.commands, name="journal")


def app() -> None:
    """Run a command; an error that a person can mend is one line on stderr and exit code 2."""
    try:
        commands()
    except (OutlastError, MockError, ScenarioError) as error:
        print(f"outlast: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
