"""`outlast report`: a journal as a page for people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from outlast.backends.journal import read_records
from outlast.cli.outputs import check_output
from outlast.errors import ConfigurationError
from outlast.report.incident import read_incident

__all__ = ["report"]


def report(
    journal: Annotated[Path, typer.Argument(help="A journal file; a bot may be using it.")],
    to: Annotated[Path, typer.Option("--output", "-o", help="Where the page goes.")],
) -> None:
    """Write an incident report: what was shut, what failed, what became of every order.

    One HTML file that needs nothing else. Exit code 1 when the journal does not hold.
    """
    try:
        from outlast.report.page import render  # noqa: PLC0415 - its extra is asked for only here
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed; try: pip install 'outlast[report]'"
        ) from error
    check_output(to, journal)
    incident = read_incident(read_records(journal))
    to.write_text(render(incident), encoding="utf-8")
    print(
        f"{to}: {len(incident.orders)} orders, {len(incident.attempts)} requests", file=sys.stderr
    )
    if incident.chain_fault is not None or incident.order_faults:
        print(f"{journal}: the journal does not hold; the page says where", file=sys.stderr)
        raise typer.Exit(1)
