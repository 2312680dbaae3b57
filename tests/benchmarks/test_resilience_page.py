"""What the page says of rows, and what a row says of a run."""

from __future__ import annotations

from typing import Any

from benchmarks.resilience.figures import figures
from benchmarks.resilience.page import write_page
from benchmarks.resilience.rest import entry_price
from benchmarks.resilience.scenarios import SCENARIOS
from benchmarks.resilience.trace import Call, Done, Kind
from benchmarks.resilience.trial import Asked, Trial

ENTRIES = [Call(n, 40.0 + n, "binance-um", Kind.ENTRY) for n in range(5)]


def row(client: str, seed: int, **figure: Any) -> dict[str, Any]:
    found = {"scenario": "S2-30", "client": client, "seed": seed, "how": "simulated"}
    worst = dict.fromkeys(("bans", "over_limit", "while_banned", "duplicates", "ghosts"), 0)
    return found | worst | {"goodput": 0.995, "requests_per_call": 1.4} | figure


def asked(call: Call, *, landed: bool) -> Asked:
    price = entry_price(call)
    return Asked(
        at_s=call.at_s,
        told_s=call.at_s,
        venue=call.venue,
        endpoint="orders.create",
        limited=None,
        quiet_s=None,
        price=price,
        landed=landed,
        reduces=False,
        ours=True,
    )


def test_a_bar_is_missed_or_holds_and_the_interval_lies_about_the_median(tmp_path):
    rows = [row("outlast", seed, requests_per_call=1.44 + seed / 1000) for seed in range(1, 31)]
    write_page(tmp_path / "page.md", rows, {})
    told = [line for line in (tmp_path / "page.md").read_text().splitlines() if "| S2-30 |" in line]
    goodput, requests = ([cell.strip() for cell in line.split("|")[2:-1]] for line in told)
    assert goodput[1:] == ["≥ 0.99", "0.995", "0.995 to 0.995", "30", "holds"]
    assert requests[1:3] == ["≤ 1.45", "1.46"]  # 1.4555, rounded
    assert requests[4:] == ["30", "**missed**"]
    low, high = (float(end) for end in requests[3].split(" to "))
    assert 1.44 < low <= 1.46 <= high < 1.47


def test_of_a_few_seeds_no_interval_is_told(tmp_path):
    write_page(tmp_path / "page.md", [row("outlast", seed) for seed in range(9)], {})
    assert "| S2-30 | goodput (median) | ≥ 0.99 | 0.995 | – | 9 | holds |" in (
        tmp_path / "page.md"
    ).read_text(encoding="utf-8")


def test_a_ghost_is_an_order_that_is_denied_and_exists():
    """Of five entries one went well, one failed for good, one is in doubt, one never came back, and
    one is said to be absent although the engine has it."""
    well, failed, doubted, never, ghost = ENTRIES
    trial = Trial(SCENARIOS["S4"], "outlast", 1, 120.0, ENTRIES)
    trial.done = [Done(call, 60.0, ok=call is well, is_over=call is not never) for call in ENTRIES]
    trial.asked = [asked(call, landed=call is not failed) for call in ENTRIES]
    trial.may_live = frozenset({doubted})
    assert figures(trial)["ghosts"] == 1
    trial.may_live = frozenset({doubted, ghost})
    assert figures(trial)["ghosts"] == 0
