"""All commands under one name."""

from __future__ import annotations

import sys

import typer

from outlast.cli import drill, journal, mock, reconcile, scenarios, simulate
from outlast.errors import OutlastError
from outlast.mock.run import MockError
from outlast.mock.scenario.document import ScenarioError

__all__ = ["app"]

_commands = typer.Typer(
    name="outlast",
    help="Trading bots that outlast their exchange's outages: drills, mock exchange, journals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_commands.command("drill")(drill.drill)
_commands.command("mock")(mock.mock)
_commands.command("reconcile")(reconcile.reconcile)
_commands.command("scenarios")(scenarios.scenarios)
_commands.command("simulate")(simulate.simulate)
_commands.add_typer(journal.commands, name="journal")


def app() -> None:
    """Run a command; an error that a person can mend is one line on stderr and exit code 2."""
    try:
        _commands()
    except (OutlastError, MockError, ScenarioError) as error:
        print(f"outlast: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
