"""`outlast drill`."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest
from command_line import RUN, complaint, outlast, outlast_process

SLUG = "binance-reduce-only-lockout-2025-10-11"

SMALL = """\
scenario: small
title: Five minutes in which nothing is refused
incidents: [MINE-1]
venue: binance-um
seed: 4
world:
  instruments:
    BTCUSDT: {product: um, mid: 68000, tick: 0.1}
  account:
    balances: {USDT: "50000"}
phases:
  - {name: calm, for: 5m}
expect: [no_duplicate_exposure, {requests_total: REQUESTS}]
"""


@pytest.fixture
def small(tmp_path):
    def write(requests: int = 3000) -> str:
        file = tmp_path / "small.yaml"
        file.write_text(SMALL.replace("REQUESTS", str(requests)))
        return str(file)

    return write


@pytest.mark.timeout(180)
def test_the_drill_of_11_october_repeats_to_the_byte_in_another_process():
    """Slow for a test, some 10 s each: the whole night, twice, as the README shows it."""
    command = ("drill", SLUG, "--json", "--seed", "7", "--bot", "outlast")
    first = outlast_process(*command)
    second = outlast_process(*command)
    assert first == second
    code, out, err = first
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert list(document) == ["scenario", "seed", "bots"]
    assert (document["scenario"], document["seed"]) == (SLUG, 7)
    [bot] = document["bots"]
    assert bot["bot"] == "outlast"
    card = bot["scorecard"]
    for key in ("duplicates", "lost", "unresolved", "bans", "over_limit"):
        assert card[key] == 0
    assert card["first_exit_after_s"] < 10
    assert all(row["holds"] for row in bot["verdict"])


def test_without_a_bot_all_three_are_shown_side_by_side(small):
    code, out, err = outlast("drill", small())
    assert (code, err) == (0, "")  # and no progress bar, for this is no terminal
    assert "Five minutes in which nothing is refused" in out
    assert "seed 4" in out
    heading = next(line for line in out.splitlines() if "outlast" in line and "naive" in line)
    assert heading.index("naive") < heading.index("ccxt") < heading.index("outlast")
    for row in ("duplicates", "time to flat", "no_duplicate_exposure", "requests_total"):
        assert row in out


def test_the_card_can_be_had_as_a_page(small, tmp_path):
    page = tmp_path / "card.html"
    code, out, _ = outlast("drill", small(), "--bot", "outlast", "--report", str(page))
    assert code == 0
    assert "duplicates" in out
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "no_duplicate_exposure" in text
    assert complaint("drill", small(), "--report", "no/card.html", cwd=tmp_path) == (
        "outlast: the output is 'no/card.html', but there is no folder 'no'; create it"
    )


def test_a_named_bot_that_breaks_an_invariant_is_exit_code_1(small):
    file = small(requests=1)
    code, out, _ = outlast("drill", file, "--json", "--bot", "outlast")
    assert code == 1
    broken = [row for row in json.loads(out)["bots"][0]["verdict"] if not row["holds"]]
    assert [row["invariant"] for row in broken] == ["requests_total"]
    # Unnamed, they are shown to be compared: nothing is demanded of them.
    assert outlast("drill", file, "--json")[0] == 0


def test_bots_may_be_named_more_than_once_and_the_seed_is_the_scenarios(small):
    code, out, _ = outlast("drill", small(), "--json", "--bot", "ccxt", "--bot", "outlast")
    document = json.loads(out)
    assert (code, document["seed"]) == (0, 4)
    assert [bot["bot"] for bot in document["bots"]] == ["ccxt", "outlast"]


def test_progress_is_drawn_on_a_terminal(small):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*RUN, "drill", small(), "--json", "--bot", "outlast"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(theirs)
        drawn = b""
        while chunk := _read(ours):
            drawn += chunk
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert b"virtual minutes" in drawn
    assert json.loads(out)["scenario"] == "small"


def _read(end: int) -> bytes:
    try:
        return os.read(end, 65_536)
    except OSError:  # the other end is closed
        return b""


def test_an_unknown_bot_is_named():
    assert complaint("drill", SLUG, "--bot", "clever") == (
        "outlast: bot 'clever' is not known; choose from naive, ccxt, outlast, "
        "guarded-ccxt, or name a function of your own as module:function"
    )


def test_an_unknown_scenario_is_named_with_those_there_are():
    said = complaint("drill", "no-such-night")
    assert said.startswith("outlast: no-such-night: ")
    assert "no such scenario" in said
    assert SLUG in said


def test_a_malformed_scenario_is_told_with_line_key_and_remedy(tmp_path):
    (tmp_path / "bad.yaml").write_text(SMALL.replace("for: 5m", "for: soon"))
    said = complaint("drill", "bad.yaml", cwd=tmp_path)
    assert said.startswith("outlast: bad.yaml:12: phases[0].for: ")


def test_a_bot_whose_library_is_missing_says_what_to_install(monkeypatch, small):
    monkeypatch.setattr("outlast.cli.drill.NEEDS", {"ccxt": ("no_such_library",)})
    assert complaint("drill", small()) == (
        "outlast: bot 'ccxt' needs no_such_library, which is not installed; "
        "try: pip install 'outlast[demo]', or name other bots with --bot"
    )
    assert outlast("drill", small(), "--json", "--bot", "outlast")[0] == 0


def test_only_the_ccxt_bot_asks_for_ccxt():
    """`pip install outlast[mock,cli]` is enough for every command."""
    code = "import sys, outlast.cli.commands; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_scenario_at_all_is_a_usage_error():
    code, out, err = outlast("drill")
    assert (code, out) == (2, "")
    assert "Missing argument" in err
