"""Two ccxt scripts through every scenario, bare and with their one line: see docs/guard.md.

One makes a market, the other holds positions; each on every venue that the scenario has.

    python -m benchmarks.guarded_drills            # prints it; a quarter of an hour
    python -m benchmarks.guarded_drills --write    # and puts it into docs/guard.md
    python -m benchmarks.guarded_drills gateway-lost-reply ...

Exit code 1 when a guarded bot has a duplicate, a lost order or a ban anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from outlast.drill.run import GUARDED, run_bot
from outlast.drill.strategy import (
    Strategy,
    Trader,
    get_out_when_it_falls,
    make_quotes,
    strategy_for,
)
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario

DOCS = Path(__file__).parent.parent / "docs" / "guard.md"
BEGIN, END = "<!-- guarded drills: begin -->", "<!-- guarded drills: end -->"
FIGURES = ("duplicates", "lost", "unresolved", "bans")
LONGEST_S = 3_600.0
"""Longer phases are cut to this."""
HEAD = (
    "| scenario | venue | script | orders | duplicates | lost | unresolved | bans "
    "| orders | duplicates | lost | unresolved | bans |\n| --- | --- | --- |" + " ---: |" * 10
)
HOLD_S: Final = 120.0
PAUSE_S: Final = 30.0


async def hold_positions(trader: Trader) -> None:
    """Open a small position at the market, hold it for two minutes, close it; and again."""
    symbol = (await trader.symbols())[0]
    while True:
        await trader.buy(symbol)
        await asyncio.sleep(HOLD_S)
        await trader.close_out(symbol)
        await asyncio.sleep(PAUSE_S)


def scripts(scenario: Scenario) -> Mapping[str, Strategy]:
    """What is drilled. Where positions are held in a fall, the second one gets out of them."""
    falls = strategy_for(scenario) is get_out_when_it_falls
    return {"quotes": make_quotes, "positions": get_out_when_it_falls if falls else hold_positions}


def shortened(scenario: Scenario) -> Scenario:
    """Two days of maintenance show no more than an hour of it does."""
    lengths = [phase.duration_s for phase in scenario.phases]
    phases = [
        replace(phase, duration_s=None if length is None else min(length, LONGEST_S))
        for phase, length in zip(scenario.phases, lengths, strict=True)
    ]
    return replace(scenario, phases=tuple(phases))


def measure(slug: str, venue: str, script: str, bot: str) -> dict[str, Any]:
    scenario = shortened(load(slug))
    began = time.monotonic()
    strategy = scripts(scenario)[script]
    result = run_bot(scenario, bot, seed=scenario.seed, venue=venue, strategy=strategy)
    took_s = time.monotonic() - began
    print(f"{slug} {venue} {script} {bot}: {took_s:.0f} s", file=sys.stderr, flush=True)
    card = result.scorecard
    return {name: card[name] for name in ("orders", *FIGURES, "over_limit", "requests")} | {
        "broken": result.broken
    }


def row(key: tuple[str, str, str], bare: dict[str, Any], guarded: dict[str, Any]) -> str:
    slug, venue, script = key
    cells = [str(card[name]) for card in (bare, guarded) for name in ("orders", *FIGURES)]
    return f"| `{slug}` | {venue} | {script} | {' | '.join(cells)} |"


def rows_of(slug: str) -> list[tuple[str, str, str]]:
    scenario = load(slug)
    return [(slug, venue, script) for venue in scenario.venues for script in scripts(scenario)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", help="default: all of the catalogue")
    parser.add_argument("--write", action="store_true", help=f"replace the table in {DOCS.name}")
    parser.add_argument("--cache", type=Path, help="write what was measured there as JSON lines")
    options = parser.parse_args()
    if options.write and options.scenarios:
        parser.error("--write replaces the whole table, so it runs every scenario: name none")
    lines, broken = [], []
    for key in [each for slug in options.scenarios or slugs() for each in rows_of(slug)]:
        bare, guarded = (measure(*key, bot) for bot in ("ccxt", GUARDED))
        if options.cache:
            with options.cache.open("a", encoding="utf-8") as cache:
                cache.write(json.dumps([*key, bare, guarded]) + "\n")
        lines.append(row(key, bare, guarded))
        print(lines[-1], flush=True)
        if any(guarded[name] for name in ("duplicates", "lost", "bans")):
            broken.append(" ".join(key))
    table = "\n".join([HEAD, *lines])
    if options.write:
        text = DOCS.read_text(encoding="utf-8")
        between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
        DOCS.write_text(between.sub(f"{BEGIN}\n{table}\n{END}", text), encoding="utf-8")
    if broken:
        print(f"not kept by the guard: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
