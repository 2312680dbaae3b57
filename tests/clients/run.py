"""Unmodified clients from PyPI trade on the mock: `make test-clients`.

Each session is a process of its own, in a virtual environment made for its client, against
`outlast mock` in another process, over real sockets. Nothing of a client is replaced but its URLs.

    python tests/clients/run.py                  every client
    python tests/clients/run.py kraken           those with "kraken" in their name

Exit code 0 if every step of every session held. A venue that the mock does not serve is a failure,
unless `--allow-missing`; it is shown in any case. So is anything that a mock writes to stderr.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

HERE: Final = Path(__file__).parent
SESSIONS: Final = HERE / "sessions"
ENVIRONMENTS: Final = HERE.parent.parent / ".venv-clients"
OUTLAST: Final = Path(sys.executable).parent / "outlast"

# The one place where the clients' versions stand: a set is an environment.
SETS: Final = {
    "ccxt": ["ccxt==4.5.90"],
    "python-binance": ["python-binance==1.0.37"],
    "krakenex": ["krakenex==2.2.2", "pykrakenapi==0.3.2", "pandas<3"],
}
# Session script, its set, the venue it trades on.
PLAYED: Final = [
    ("ccxt_kraken", "ccxt", "kraken-spot"),
    ("ccxt_binance", "ccxt", "binance-spot"),
    ("ccxt_binanceusdm", "ccxt", "binance-um"),
    ("python_binance_spot", "python-binance", "binance-spot"),
    ("python_binance_futures", "python-binance", "binance-um"),
    ("krakenex_kraken", "krakenex", "kraken-spot"),
]
SESSION_S: Final = 200  # a session has 25 steps of at most 20 s; one that hangs fails here
START_S: Final = 30


class Failed(Exception):
    """The clients cannot be run at all; the message says why."""


@dataclass
class Result:
    """What one session reported."""

    name: str
    venue: str
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    trouble: str = ""
    """What went wrong outside the steps."""
    served: bool = True
    took_s: float = 0.0

    @property
    def failed(self) -> int:
        return sum(not step["ok"] for step in self.steps.values()) + bool(self.trouble)


# -- the mock -------------------------------------------------------------------------------------


class Mock:
    """`outlast mock` for one venue, as a process."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self._errors = ENVIRONMENTS / f"{venue}.stderr"
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [OUTLAST, "mock", "--venue", venue],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        self.is_served = True
        self.trouble = ""
        """Why it did not start."""
        if first:
            described = json.loads(first)
            self._control = described["control"]
            self._endpoints = described["venues"][venue]["endpoints"]
        elif self._process.wait(START_S) == 2 and "does not serve" in self.stderr():
            self.is_served = False
        else:
            self.trouble = "the mock does not start"  # its stderr is shown with the others'

    def stderr(self) -> str:
        return self._errors.read_text().strip()

    def where(self) -> dict[str, str]:
        """Roots and a fresh account: clients of one account would collide in their nonces."""
        request = urllib.request.Request(f"{self._control}/_outlast/accounts", b"{}", method="POST")
        with urllib.request.urlopen(request, timeout=START_S) as reply:
            account = json.load(reply)["venues"][self.venue]
        return {"rest": self._endpoints["rest"], "stream": self._endpoints["stream"], **account}

    def paths_not_known(self) -> list[str]:
        """What clients asked for that the mock does not have."""
        if not self.is_served or self.trouble:
            return []
        url = f"{self._control}/_outlast/requests?class=unknown"
        with urllib.request.urlopen(url, timeout=START_S) as reply:
            rows = json.load(reply)["requests"]
        return sorted({f"{row['method']} {row['path']}" for row in rows})

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(START_S)


# -- the clients ----------------------------------------------------------------------------------


def environment(name: str) -> Path:
    """The Python of a set's environment, made anew when its versions have changed.

    Raises:
        Failed: pip could not install it.
    """
    home = ENVIRONMENTS / name
    python, made = home / "bin" / "python", home / "made-of"
    wanted = "\n".join([sys.version, *SETS[name]])
    if made.exists() and made.read_text() == wanted:
        return python
    print(f"installing {' '.join(SETS[name])} into {home}", flush=True)
    venv.create(home, clear=True, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *SETS[name]], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"pip cannot install {name}: {done.stderr}")
    made.write_text(wanted)
    return python


def play(name: str, python: Path, mock: Mock) -> Result:
    """One session to its end."""
    result = Result(name, mock.venue, trouble=mock.trouble, served=mock.is_served)
    if mock.trouble or not mock.is_served:
        return result
    began = time.monotonic()
    command = [python, SESSIONS / f"{name}.py", json.dumps(mock.where())]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SESSION_S, check=False
        )
        out, errors = done.stdout, done.stderr
        if not out or done.returncode not in (0, 3):
            result.trouble = f"broke off with exit code {done.returncode}: {errors[-2000:]}"
    except subprocess.TimeoutExpired as late:
        out = (late.stdout or b"").decode()
        result.trouble = f"not done after {SESSION_S} s"
    for line in out.splitlines():
        step = json.loads(line)
        result.steps[step["step"]] = step
    result.took_s = time.monotonic() - began
    return result


def play_set(name: str, played: list[tuple[str, str, str]], mocks: dict[str, Mock]) -> list[Result]:
    """A set's sessions, one after another."""
    mine = [(script, venue) for script, owner, venue in played if owner == name]
    if not any(mocks[venue].is_served for _, venue in mine):
        return [Result(script, venue, served=False) for script, venue in mine]
    python = environment(name)
    return [play(script, python, mocks[venue]) for script, venue in mine]


# -- the report -----------------------------------------------------------------------------------


def show(results: list[Result], steps: list[str]) -> None:
    """A column a session, a row a step; below it what failed, in full."""
    table = Table()
    table.add_column("step", no_wrap=True)
    for result in results:
        table.add_column(result.name.replace("_", " "), justify="center")
    venues = (r.venue if r.served else f"{r.venue} [bold yellow]NOT SERVED[/]" for r in results)
    table.add_row("venue", *venues, end_section=True)
    for name in steps:
        table.add_row(name.replace("_", " "), *(_cell(result, name) for result in results))
    table.add_section()
    table.add_row("seconds", *(f"{r.took_s:.0f}" if r.served else "" for r in results))
    Console(width=max(120, Console().width)).print(table)
    for result in results:
        if result.trouble:
            print(f"{result.name}: {result.trouble}")
        for step in result.steps.values():
            if not step["ok"]:
                print(f"{result.name}: {step['step']}: {step['detail']}")


def _cell(result: Result, name: str) -> str:
    step = result.steps.get(name)
    if step is None:
        return "[dim]-[/]" if result.served else ""
    return "[green]ok[/]" if step["ok"] else "[bold red]FAILED[/]"


def steps_in_order() -> list[str]:
    """The ground, as the sessions have it."""
    sys.path.insert(0, str(SESSIONS))
    from ground import STEPS

    return list(STEPS)


def main() -> int:
    parser = argparse.ArgumentParser(description="Unmodified clients trade on the mock.")
    parser.add_argument("names", nargs="*", help="only sessions with one of these in their name")
    parser.add_argument(
        "--allow-missing", action="store_true", help="a venue that is not served is no failure"
    )
    chosen = parser.parse_args()
    played = [
        row for row in PLAYED if not chosen.names or any(name in row[0] for name in chosen.names)
    ]
    if not played:
        parser.error(f"no session is named like {' or '.join(chosen.names)}")
    ENVIRONMENTS.mkdir(exist_ok=True)
    began, mocks = time.monotonic(), {}
    try:
        for _, _, venue in played:
            if venue not in mocks:
                mocks[venue] = Mock(venue)
        with ThreadPoolExecutor(max_workers=2) as pool:
            sets = list(dict.fromkeys(owner for _, owner, _ in played))
            groups = list(pool.map(lambda name: play_set(name, played, mocks), sets))
        unknown = {venue: mock.paths_not_known() for venue, mock in mocks.items()}
    except Failed as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        for mock in mocks.values():
            mock.stop()
    results = [result for group in groups for result in group]
    show(results, steps_in_order())
    for venue, paths in unknown.items():
        if paths:
            print(f"{venue}: asked for, but not there: {', '.join(paths)}")
    complaints = {v: m.stderr() for v, m in mocks.items() if m.is_served and m.stderr()}
    for venue, text in complaints.items():
        print(f"{venue}: the mock said on stderr:\n{text}")
    missing = [venue for venue, mock in mocks.items() if not mock.is_served]
    if missing:
        print(f"not served: {', '.join(missing)}")
    failed = sum(result.failed for result in results) + len(complaints)
    failed += 0 if chosen.allow_missing else len(missing)
    passed = sum(step["ok"] for result in results for step in result.steps.values())
    left_out = sum(not result.served for result in results)
    counts = f"{failed} failed, {passed} passed" if failed else f"{passed} passed"
    counts += f", {left_out} skipped" if left_out else ""
    print(f"==== {counts} in {time.monotonic() - began:.2f}s ====")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
