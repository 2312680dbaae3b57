"""`outlast simulate`: seeded trials of client and venue, thousands of outages in minutes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from outlast.errors import ConfigurationError
from outlast.mock.scenario.load import load
from outlast.mock.scenario.vocabulary import PRODUCT_OF_VENUE
from outlast.trials.describe import describe
from outlast.trials.focus import FOCUSES
from outlast.trials.generator import VENUES
from outlast.trials.model import OrderEntry, TrialResult
from outlast.trials.paths import ORDER_ENTRIES
from outlast.trials.runner import Kind, Totals, play_all

__all__ = ["simulate"]

_SEEDS: Final = re.compile(r"(\d{1,18})(?:\.\.(\d{1,18}))?")
_INTERRUPTED: Final = 130
"""What a shell expects of a program that Ctrl-C has ended."""


def simulate(
    seeds: Annotated[str, typer.Option(help="From A to B, both played: A..B, or one: A.")] = (
        "1..100"
    ),
    scenario: Annotated[
        str | None, typer.Option(help="Play all in the world of this scenario of the catalogue.")
    ] = None,
    focus: Annotated[
        str | None, typer.Option(help=f"Play trials about one thing: {', '.join(FOCUSES)}.")
    ] = None,
    venue: Annotated[
        str | None, typer.Option(help=f"Play on this venue; default {', '.join(VENUES)}.")
    ] = None,
    streams: Annotated[
        bool | None,
        typer.Option(
            "--streams/--no-streams",
            help="Whether every client listens to the stream of its account; default: as drawn.",
        ),
    ] = None,
    order_entry: Annotated[
        str | None,
        typer.Option(
            help=f"Which way all orders travel: {', '.join(ORDER_ENTRIES)}; default: as drawn."
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Write every event of the one seed into this file; - for stdout."),
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Default: one a core.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One line of JSON a seed on stdout, then the totals.")
    ] = False,
) -> None:
    """Play seeded trials: random outages, crashes and strategies, checked after every event.

    Exit code 1 when an invariant was violated; each failing seed is shown with the command that
    plays it again.
    """
    chosen = _read_seeds(seeds)
    kind = Kind(
        scenario=scenario,
        focus=focus,
        venue=venue,
        streams=streams,
        order_entry=_read_order_entry(order_entry),
    )
    _check_kind(kind)
    if log is not None:
        if len(chosen) != 1:
            raise ConfigurationError("--log needs exactly one seed: --seeds 17 --log run.log")
        if as_json and log == Path("-"):
            raise ConfigurationError("--log - and --json both want stdout; give the log a file")
        raise typer.Exit(0 if _play_one(chosen[0], kind, log, as_json=as_json).ok else 1)
    count = min(workers or os.cpu_count() or 1, len(chosen))
    totals, began_at = Totals(kind), time.monotonic()
    code = 0
    try:
        _play_many(chosen, kind, count, totals, as_json=as_json)
    except KeyboardInterrupt:
        code = _INTERRUPTED
        left = len(chosen) - totals.seeds
        print(f"outlast: interrupted; {left} of {len(chosen)} seeds not played", file=sys.stderr)
    if as_json:
        print(json.dumps(totals.as_json()))
    else:
        _show_totals(Console(), totals, count, time.monotonic() - began_at)
    raise typer.Exit(code or (1 if totals.failed else 0))


def _read_seeds(text: str) -> Sequence[int]:
    found = _SEEDS.fullmatch(text)
    if found is None:
        raise ConfigurationError(f"--seeds is {text!r}; write A..B such as 1..200, or one number")
    first = int(found[1])
    last = first if found[2] is None else int(found[2])
    if last < first:
        raise ConfigurationError(f"--seeds is {text!r}; the second number must not be smaller")
    return range(first, last + 1)


def _read_order_entry(text: str | None) -> OrderEntry | None:
    """Raises ConfigurationError for a way that there is not."""
    for way in ORDER_ENTRIES:
        if text == way:
            return way
    if text is None:
        return None
    raise ConfigurationError(f"--order-entry is {text!r}; it is one of {', '.join(ORDER_ENTRIES)}")


def _check_kind(kind: Kind) -> None:
    """Raises ConfigurationError or ScenarioError before anything is played."""
    if kind.venue is not None and kind.venue not in PRODUCT_OF_VENUE:
        raise ConfigurationError(
            f"--venue is {kind.venue!r}; it is one of {', '.join(PRODUCT_OF_VENUE)}"
        )
    if kind.focus is not None and kind.focus not in FOCUSES:
        raise ConfigurationError(f"--focus is {kind.focus!r}; it is one of {', '.join(FOCUSES)}")
    if kind.scenario is None:
        return
    if kind.focus is not None:
        raise ConfigurationError("--scenario and --focus do not go together: choose one of them")
    about = load(kind.scenario).venues
    if not set(about) & set(kind.venues):
        raise ConfigurationError(
            f"scenario {kind.scenario} is about {', '.join(about)}; trials are played on "
            f"{', '.join(kind.venues)}: choose another one (outlast scenarios lists them), or "
            f"--venue {about[0]}"
        )


# --- playing -------------------------------------------------------------------------------------


def _play_one(seed: int, kind: Kind, path: Path, *, as_json: bool) -> TrialResult:
    with _log_file(path) as out:
        for line in describe(kind.draw(seed)):
            print(line, file=out)
        result = kind.play(seed, log=lambda line: print(line, file=out))
        for violation in result.violations:
            print(_told(violation.invariant, violation.at_s, violation.detail), file=out)
            for event in violation.last_events:
                print(f"    {event}", file=out)
    if as_json:
        print(json.dumps(_row(result)))
    elif path != Path("-"):
        console = Console()
        _show(console, result, kind)
        console.print(f"log: {path}", markup=False, highlight=False, soft_wrap=True)
    return result


@contextlib.contextmanager
def _log_file(path: Path) -> Iterator[TextIO]:
    if path == Path("-"):
        yield sys.stdout
        return
    try:
        out = path.open("w", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"--log {str(path)!r} cannot be written ({error.strerror}); choose another file"
        ) from error
    with out:
        yield out


def _play_many(
    seeds: Sequence[int], kind: Kind, workers: int, totals: Totals, *, as_json: bool
) -> None:
    columns = (
        TextColumn("simulating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    # Lines of JSON and a bar on the same terminal would write over each other.
    has_bar = sys.stderr.isatty() and not (as_json and sys.stdout.isatty())
    with Progress(
        *columns,
        console=Console(stderr=True),
        disable=not has_bar,
        redirect_stdout=False,  # or what is meant for a pipe would be shown above the bar instead
    ) as progress:
        shown = progress.console if has_bar and sys.stdout.isatty() else Console()
        task = progress.add_task("", total=len(seeds), said="")
        with contextlib.closing(play_all(seeds, kind, workers=workers)) as results:
            for result in results:
                totals.add(result)
                progress.update(task, advance=1, said=f"{len(totals.failed)} failed")
                if as_json:
                    print(json.dumps(_row(result)), flush=True)
                elif not result.ok:
                    _show(shown, result, kind)


# --- telling -------------------------------------------------------------------------------------


def _row(result: TrialResult) -> dict[str, Any]:
    return {
        "seed": result.seed,
        "hash": result.log_hash,
        "ok": result.ok,
        "violations": [
            {"invariant": v.invariant, "at_s": round(v.at_s, 6), "detail": v.detail}
            for v in result.violations
        ],
    }


def _told(invariant: str, at_s: float, detail: str) -> str:
    return f"{invariant} at {at_s:.3f} s: {detail}"


def _show(console: Console, result: TrialResult, kind: Kind) -> None:
    if result.ok:
        console.print(f"seed {result.seed}: every invariant held", highlight=False)
        return
    console.print(f"seed {result.seed} failed", style="bold red", highlight=False)
    chosen = "".join(f" {option}" for option in kind.options())
    again = f"outlast simulate --seeds {result.seed}{chosen} --log seed-{result.seed}.log"
    lines = [_told(v.invariant, v.at_s, v.detail) for v in result.violations]
    for line in (*lines, f"again, with its log: {again}"):
        # A command that is broken into two lines cannot be copied.
        console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def _show_totals(console: Console, totals: Totals, workers: int, took_s: float) -> None:
    if not totals.seeds:
        return
    table = Table("fault", "struck", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for slug, times in sorted(totals.faults.items(), key=lambda item: (-item[1], item[0])):
        if times:
            table.add_row(slug, f"{times:,}")
    console.print(table)
    by_reason: dict[str, list[str]] = {}
    for slug, why in totals.never_struck.items():
        by_reason.setdefault(why, []).append(slug)
    for why, slugs in sorted(by_reason.items()):
        said = f"never struck ({why}): " if why else "never struck: "
        console.print(said + ", ".join(slugs), markup=False, highlight=False)
    verdict = "every invariant held" if not totals.failed else f"{len(totals.failed)} failed"
    console.print(
        f"\n{totals.seeds:,} seeds, {verdict}: {_span(totals.virtual_s)} of virtual time, "
        f"{totals.requests:,} requests, {sum(totals.faults.values()):,} faults, "
        f"{totals.crashes:,} crashes\n"
        f"{totals.cpu_s:.0f} s of CPU, {took_s:.0f} s on {workers} "
        f"process{'es' if workers > 1 else ''}",
        highlight=False,
    )
    if totals.failed:
        console.print(
            f"failing seeds: {', '.join(map(str, totals.failed))}",
            style="bold red",
            highlight=False,
        )


def _span(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours / 24:,.1f} days" if hours >= 48 else f"{hours:,.1f} hours"
