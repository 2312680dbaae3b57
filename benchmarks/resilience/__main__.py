"""How clients fare in outages, beside each other.

    python -m benchmarks.resilience                  a look: the bars, three clients, 2 seeds
    python -m benchmarks.resilience --full           everything, 30 seeds: hours of CPU
    python -m benchmarks.resilience --scenario S1 --client outlast --seeds 5
    python -m benchmarks.resilience --sockets        S1, S4 and S7 in real time
    python -m benchmarks.resilience --seeds 0 --rows docs/resilience.jsonl --page docs/resilience.md

Each run is one client in one scenario with one seed, in virtual time against the bundled mock; with
`--sockets` over real sockets, where a run lasts as long as its scenario. Rows are JSON, one a line;
`--rows FILE` appends them to a file and skips the runs that the file has already. `--page` makes
the page, with its plot, from all rows of that file. Clients whose package is missing are left out
and named.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from benchmarks.resilience.clients import CLIENTS, made_of, missing
from benchmarks.resilience.figures import figures
from benchmarks.resilience.page import write_page
from benchmarks.resilience.plot import plot, plotted
from benchmarks.resilience.scenarios import SCENARIOS
from benchmarks.resilience.trial import run_over_sockets, run_simulated

BARRED: Final = ("S1", "S2-30", "S2-60", "S3", "S9")
ON_SOCKETS: Final = ("S1", "S4", "S7")
QUICK: Final = ("no retry", "naive tenacity", "outlast")

Run = tuple[str, str, int, str]
"""Scenario, client, seed, and how: `simulated`, `neighbours` or `sockets`."""


def main() -> None:
    wanted = _arguments()
    missed = {name: package for name in wanted.client if (package := missing(name)) is not None}
    for name, package in missed.items():
        print(f"left out: {name} (pip install {package})", file=sys.stderr)
    clients = [name for name in wanted.client if name not in missed]
    modes = ["sockets"] if wanted.sockets else ["simulated"]
    if wanted.neighbours:
        modes.append("neighbours")
    known = _known(wanted.rows)
    runs = [
        (scenario, client, seed, how)
        for seed in range(1, wanted.seeds + 1)
        for scenario in wanted.scenario
        for client in clients
        for how in modes
        if how != "neighbours" or client == "outlast"
    ]
    for row in _rows([run for run in runs if run not in known], wanted.jobs):
        text = json.dumps(row)
        print(text, flush=True)
        if wanted.rows is not None:
            with wanted.rows.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
    if wanted.page is not None:
        rows = [json.loads(line) for line in wanted.rows.read_text(encoding="utf-8").splitlines()]
        absent = {name: package for name in CLIENTS if (package := missing(name)) is not None}
        write_page(wanted.page, rows, absent)
        plot(wanted.page.with_suffix(".svg"), plotted(absent))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resilience", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--scenario", action="append", choices=list(SCENARIOS))
    parser.add_argument("--client", action="append", choices=list(CLIENTS))
    parser.add_argument(
        "--seeds", type=int, default=None, help="2; with --full 30, with --sockets 1"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--full", action="store_true", help="every scenario, client and 30 seeds")
    parser.add_argument("--sockets", action="store_true")
    parser.add_argument(
        "--neighbours", action="store_true", help="outlast also beside two programs on its address"
    )
    parser.add_argument("--rows", type=Path, help="file of rows")
    parser.add_argument("--page", type=Path, help="the page to write; needs --rows")
    wanted = parser.parse_args()
    if wanted.page is not None and wanted.rows is None:
        parser.error("--page is made from rows: give --rows FILE as well")
    if wanted.scenario is None:
        few = ON_SOCKETS if wanted.sockets else BARRED
        wanted.scenario = list(SCENARIOS if wanted.full else few)
    if wanted.client is None:
        wanted.client = list(CLIENTS if wanted.full else QUICK)
    if wanted.seeds is None:
        wanted.seeds = 30 if wanted.full else 1 if wanted.sockets else 2
    return wanted


def _known(file: Path | None) -> set[Run]:
    if file is None or not file.exists():
        return set()
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {(row["scenario"], row["client"], row["seed"], row["how"]) for row in rows}


def _rows(runs: list[Run], jobs: int) -> Any:
    if jobs == 1:
        yield from map(_row, runs)
        return
    # A fresh process for each run: a simulation that fails must not colour the next.
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for done in concurrent.futures.as_completed([pool.submit(_row, run) for run in runs]):
            yield done.result()


def _row(run: Run) -> dict[str, Any]:
    scenario, client, seed, how = run
    outage = SCENARIOS[scenario]
    if how == "sockets":
        trial = run_over_sockets(outage, client, seed)
    else:
        trial = run_simulated(outage, client, seed, neighbours=how == "neighbours")
    return {"how": how, **figures(trial), "package": made_of(client), "commit": _commit()}


@functools.cache
def _commit() -> str | None:
    """What is checked out, with `-dirty` where it was changed since; None without git."""
    here = Path(__file__).parent
    asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        told = subprocess.run(asked, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.strip()


if __name__ == "__main__":
    main()
