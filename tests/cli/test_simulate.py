"""`outlast simulate`."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import RUN, complaint, outlast, outlast_process

from outlast.cli import simulate as command
from outlast.trials import strategies
from outlast.trials.generator import FAULT_TYPES
from outlast.trials.model import TrialResult, Violation
from outlast.trials.runner import Kind, Totals

SHORT = ("simulate", "--seeds", "1..3", "--workers", "1")
HASH = re.compile(r"[0-9a-f]{64}")


def result(seed: int, *violations: Violation, **terms) -> TrialResult:
    return TrialResult(
        seed=seed,
        violations=violations,
        log_hash=f"{seed:064x}",
        virtual_s=300.0,
        requests=50,
        faults={"kill": 2, "banned": 1},
        crashes=2,
        cpu_s=0.5,
        **terms,
    )


BROKEN = Violation(
    "limits-kept", 17.25, "bot-1: left 3 s before the end of a wait", ("    17.250 attempt",)
)


@pytest.fixture
def played(monkeypatch):
    """Trials that are not played: seed 2 fails, unless told otherwise."""

    def arrange(*failing: int, error: BaseException | None = None):
        def play_all(seeds, kind, *, workers=None):
            del kind, workers
            for seed in seeds:
                yield result(seed, BROKEN) if seed in failing else result(seed)
            if error is not None:
                raise error

        monkeypatch.setattr(command, "play_all", play_all)

    return arrange


# --- what it says --------------------------------------------------------------------------------


def test_json_is_one_line_a_seed_and_the_totals_last(played):
    played(2)
    code, out, err = outlast(*SHORT, "--json")
    assert (code, err) == (1, "")
    *rows, totals = [json.loads(line) for line in out.splitlines()]
    assert [list(row) for row in rows] == [["seed", "hash", "ok", "violations"]] * 3
    assert [(row["seed"], row["ok"]) for row in rows] == [(1, True), (2, False), (3, True)]
    assert all(HASH.fullmatch(row["hash"]) for row in rows)
    assert rows[1]["violations"] == [
        {"invariant": "limits-kept", "at_s": 17.25, "detail": BROKEN.detail}
    ]
    assert (totals["seeds"], totals["failed"]) == (3, [2])
    assert (totals["virtual_s"], totals["requests"], totals["crashes"]) == (900, 150, 6)
    assert set(totals["faults"]) == set(FAULT_TYPES)
    assert totals["faults"]["kill"] == 6
    assert "kill" not in totals["never_struck"]
    assert totals["cpu_s"] == 1.5


def test_a_failing_seed_comes_with_the_one_command_that_plays_it_again(played):
    played(2)
    code, out, err = outlast(*SHORT)
    assert (code, err) == (1, "")  # and no progress bar, for this is no terminal
    assert "seed 2 failed" in out
    assert "limits-kept at 17.250 s: bot-1: left 3 s before the end of a wait" in out
    assert "outlast simulate --seeds 2 --log seed-2.log\n" in out
    assert "failing seeds: 2" in out
    assert "17.250 attempt" not in out  # what happened before is in the log


def test_the_command_names_the_scenario_too(played):
    played(2)
    slug = "unknown-503-landed"
    _, out, _ = outlast(*SHORT, "--scenario", slug)
    assert f"outlast simulate --seeds 2 --scenario {slug} --log seed-2.log\n" in out


def test_the_command_names_focus_and_venue_too(played):
    played(2)
    options = ("--focus", "rush", "--venue", "kraken-spot")
    _, out, _ = outlast(*SHORT, *options)
    assert f"outlast simulate --seeds 2 {' '.join(options)} --log seed-2.log\n" in out
    assert "never struck (the trials are about rush): " in " ".join(out.split())


def test_figures_are_shown_at_the_end(played):
    played()
    code, out, err = outlast(*SHORT)
    assert (code, err) == (0, "")
    flat = " ".join(out.split())
    assert "3 seeds, every invariant held: 0.2 hours of virtual time" in flat
    assert "150 requests, 9 faults, 6 crashes" in flat
    assert "2 s of CPU" in flat
    assert "1 process" in flat
    lines = out.splitlines()
    assert re.search(r"^kill +6 *$", out, re.MULTILINE)
    assert lines.index(next(line for line in lines if line.startswith("kill"))) < lines.index(
        next(line for line in lines if line.startswith("banned"))
    )


def test_what_never_struck_is_named_with_the_reason_where_there_is_one(played):
    played()
    _, out, _ = outlast(*SHORT, "--venue", "kraken-spot")
    flat = " ".join(out.split())
    assert "never struck (no client of a trial reads a book): stream_bad_checksum" in flat
    assert re.search(r"never struck: [a-z_, ]*freeze", flat)


def test_what_spoils_books_never_strikes_as_long_as_no_client_of_a_trial_reads_one():
    """When the bots of the trials get books, this reason is wrong: take it out of the runner."""
    assert not re.search(r"\.books?\(", Path(strategies.__file__).read_text(encoding="utf-8"))
    kraken = Totals(Kind(venue="kraken-spot")).never_struck
    assert kraken["stream_bad_checksum"] == "no client of a trial reads a book"
    assert (kraken["stream_gap"], kraken["socket_cut"], kraken["kill"]) == ("", "", "")


def test_paths_that_were_left_out_are_the_reason_why_their_faults_never_strike():
    never = Totals(Kind(streams=False, order_entry="rest")).never_struck
    assert never["stream_gap"] == "no client of these trials listens to a stream"
    assert never["socket_cut"] == "no order of these trials goes by socket"


@pytest.mark.parametrize("streams", ["--streams", "--no-streams"])
@pytest.mark.parametrize("way", ["rest", "websocket-first"])
def test_both_paths_can_be_chosen_and_are_named_with_a_failing_seed(played, streams, way):
    played(2)
    options = (streams, "--order-entry", way)
    _, out, _ = outlast(*SHORT, *options)
    assert f"outlast simulate --seeds 2 {' '.join(options)} --log seed-2.log\n" in out
    kind = Kind(streams=streams == "--streams", order_entry=way)
    clients = kind.draw(2).clients
    assert {(c.streams, c.order_entry) for c in clients} == {(kind.streams, way)}


def test_a_way_that_there_is_none_of_is_refused():
    code, _, err = outlast(*SHORT, "--order-entry", "fax")
    assert code == 2
    assert "--order-entry is 'fax'; it is one of rest, websocket-first" in err


# --- playing -------------------------------------------------------------------------------------


def test_the_log_replays_one_seed(tmp_path):
    code, out, err = outlast("simulate", "--seeds", "2", "--log", "run.log", cwd=tmp_path)
    assert code in (0, 1)  # what it finds is for other tests to say
    assert err == ""
    log = (tmp_path / "run.log").read_text(encoding="utf-8")
    assert log.startswith("seed 2: trial-2 on ")
    assert "bot-1" in log
    assert re.search(r"^ +\d+\.\d{3} ", log, re.MULTILINE)
    assert "log: run.log" in out


def test_a_seed_says_the_same_with_one_process_and_with_two():
    alone = outlast("simulate", "--seeds", "5..6", "--workers", "1", "--json")
    both = outlast_process("simulate", "--seeds", "5..6", "--workers", "2", "--json")
    assert _rows(alone[1]) == _rows(both[1])
    assert alone[0] == both[0]


def _rows(out: str) -> list[dict]:
    return [row for row in map(json.loads, out.splitlines()) if "seed" in row]


def test_a_bug_of_the_trial_itself_is_told_with_its_seed(monkeypatch):
    def play(kind, seed):
        del kind
        if seed == 2:
            raise KeyError("orderId")
        return result(seed)

    monkeypatch.setattr(Kind, "play", play)
    code, out, _ = outlast(*SHORT, "--json")
    assert code == 1
    rows = _rows(out)
    assert [row["ok"] for row in rows] == [True, False, True]
    assert rows[1]["violations"][0]["invariant"] == "trial-can-be-played"
    assert "KeyError" in rows[1]["violations"][0]["detail"]


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--seeds", "x"), "--seeds is 'x'; write A..B such as 1..200, or one number"),
        (("--seeds", "-3"), "--seeds is '-3'"),
        (("--seeds", "5..3"), "the second number must not be smaller"),
        (("--seeds", "1..3", "--log", "a.log"), "--log needs exactly one seed"),
        (("--seeds", "1", "--log", "-", "--json"), "both want stdout"),
        (("--seeds", "1", "--log", "no/such/folder.log"), "cannot be written"),
        (("--scenario", "no-such-night"), "no-such-night"),
        (("--focus", "coffee"), "--focus is 'coffee'; it is one of rush, limits, outage, fills"),
        (("--venue", "mtgox"), "--venue is 'mtgox'; it is one of binance-spot, binance-um, kraken"),
        (
            ("--scenario", "unknown-503-landed", "--focus", "rush"),
            "--scenario and --focus do not go together",
        ),
    ],
)
def test_bad_input_is_one_clear_line(arguments, said, tmp_path):
    assert said in complaint("simulate", *arguments, cwd=tmp_path)


def test_a_scenario_of_other_venues_is_refused_before_anything_is_played():
    line = complaint("simulate", "--scenario", "unknown-503-landed", "--venue", "binance-spot")
    assert "is about binance-um; trials are played on binance-spot: choose another one" in line
    line = complaint("simulate", "--scenario", "gateway-lost-reply")
    assert line.endswith("or --venue kraken-spot")


# --- a person at a terminal ----------------------------------------------------------------------


def test_ctrl_c_shows_what_has_been_played_so_far(played):
    played(2, error=KeyboardInterrupt())
    code, out, err = outlast(*SHORT, "--json")
    assert code == 130
    assert err == "outlast: interrupted; 0 of 3 seeds not played\n"
    assert json.loads(out.splitlines()[-1])["failed"] == [2]


@pytest.mark.sockets
def test_ctrl_c_ends_all_processes_without_a_traceback():
    running = subprocess.Popen(
        [*RUN, "simulate", "--seeds", "1..5000", "--workers", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    assert json.loads(running.stdout.readline())["seed"] == 1
    workers = _children(running.pid)
    assert len(workers) >= 2
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert re.fullmatch(r"outlast: interrupted; \d+ of 5000 seeds not played\n", err)
    assert "failed" in json.loads(out.splitlines()[-1])
    until = time.monotonic() + 20
    while (left := [pid for pid in workers if _is_running(pid)]) and time.monotonic() < until:
        os.sched_yield()
    assert not left


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("only Linux lists the children of a process")
    return [int(child) for child in listed.read_text().split()]


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def test_a_terminal_gets_a_progress_bar():
    master, slave = pty.openpty()
    shown = ""
    running = subprocess.Popen(
        [*RUN, "simulate", "--seeds", "2", "--json"],
        stdout=subprocess.PIPE,
        stderr=slave,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(slave)
    with contextlib.suppress(OSError):  # how the end of a terminal shows on Linux
        while piece := os.read(master, 65536):  # it must be emptied, or the bar waits
            shown += piece.decode(errors="replace")
    os.close(master)
    out, _ = running.communicate(timeout=90)
    assert "simulating" in shown
    assert "1/1" in shown
    assert [row["seed"] for row in _rows(out)] == [2]
