"""The command behind the table of docs/guard.md."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))  # the benchmarks are beside the package

from benchmarks import guarded_drills
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load

ZERO = {"orders": 5, "duplicates": 0, "lost": 0, "unresolved": 0, "bans": 0}
DOCS = Path(__file__).parents[2] / "docs" / "guard.md"


def test_long_phases_are_cut_and_short_ones_are_not():
    long, short = load("maintenance-overrun"), load("gateway-lost-reply")
    assert max(p.duration_s for p in guarded_drills.shortened(long).phases) == 3600
    assert guarded_drills.shortened(short) == short


@pytest.mark.parametrize(("broken", "code"), [("duplicates", 1), ("bans", 1), ("unresolved", 0)])
def test_the_exit_code_is_for_ci(broken, code, monkeypatch, tmp_path, capsys):
    cards = {"ccxt": ZERO | {"duplicates": 7}, "guarded-ccxt": ZERO | {broken: 1}}
    monkeypatch.setattr(guarded_drills, "measure", lambda slug, venue, script, bot: cards[bot])
    cache = tmp_path / "cache.jsonl"
    monkeypatch.setattr(sys, "argv", ["guarded_drills", "ack-then-lost", "--cache", str(cache)])
    assert guarded_drills.main() == code
    assert "| `ack-then-lost` | binance-um | quotes | 5 | 7 |" in capsys.readouterr().out
    assert [json.loads(line)[2] for line in cache.read_text().splitlines()] == [
        "quotes",
        "positions",
    ]


def test_one_row_is_measured_on_the_venue_and_with_the_script_that_it_names():
    card = guarded_drills.measure("nonce-and-clock", "binance-spot", "positions", "guarded-ccxt")
    assert card["orders"] >= 8
    assert [card[name] for name in ("duplicates", "lost", "bans")] == [0, 0, 0]


def test_the_guard_keeps_its_promises_in_every_row_of_the_table_in_the_docs():
    table = DOCS.read_text(encoding="utf-8").partition(guarded_drills.BEGIN)[2]
    rows = re.findall(
        r"^\| `(.+?)` \| (\S+) \| (\S+) \| (.+) \|$",
        table.partition(guarded_drills.END)[0],
        re.MULTILINE,
    )
    known = [key for slug in slugs() for key in guarded_drills.rows_of(slug)]
    found = [row[:3] for row in rows]
    assert found == known, "python -m benchmarks.guarded_drills --write"
    for *key, figures in rows:
        _, duplicates, lost, _, bans = figures.split(" | ")[5:]
        assert (duplicates, lost, bans) == ("0", "0", "0"), key
