"""The ccxt bot through every scenario, bare and with its one line: the table of docs/guard.md.

    python -m benchmarks.guarded_drills            # prints it; a quarter of an hour
    python -m benchmarks.guarded_drills --write    # and puts it into docs/guard.md
    python -m benchmarks.guarded_drills gateway-lost-reply ...

Exit code 1 when the guarded bot has a duplicate, a lost order or a ban anywhere.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from outlast.drill.run import GUARDED, run_bot
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario

DOCS = Path(__file__).parent.parent / "docs" / "guard.md"
BEGIN, END = "<!-- guarded drills: begin -->", "<!-- guarded drills: end -->"
FIGURES = ("duplicates", "lost", "unresolved", "bans")
LONGEST_S = 3_600.0
"""Longer phases are cut to this."""
HEAD = (
    "| scenario | orders | duplicates | lost | unresolved | bans | orders | duplicates | lost "
    "| unresolved | bans |\n| --- |" + " ---: |" * 10
)


def shortened(scenario: Scenario) -> Scenario:
    """Two days of maintenance show no more than an hour of it does."""
    lengths = [phase.duration_s for phase in scenario.phases]
    phases = [
        replace(phase, duration_s=None if length is None else min(length, LONGEST_S))
        for phase, length in zip(scenario.phases, lengths, strict=True)
    ]
    return replace(scenario, phases=tuple(phases))


def measure(slug: str, bot: str) -> dict[str, Any]:
    scenario = shortened(load(slug))
    began = time.monotonic()
    card = run_bot(scenario, bot, seed=scenario.seed).scorecard
    took_s = time.monotonic() - began
    print(f"{slug} {bot}: {took_s:.0f} s", file=sys.stderr, flush=True)
    return {name: card[name] for name in ("orders", *FIGURES, "over_limit", "requests")}


def row(slug: str, bare: dict[str, Any], guarded: dict[str, Any]) -> str:
    cells = [str(card[name]) for card in (bare, guarded) for name in ("orders", *FIGURES)]
    return f"| `{slug}` | {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenarios", nargs="*", help="default: all of the catalogue")
    parser.add_argument("--write", action="store_true", help=f"replace the table in {DOCS.name}")
    parser.add_argument("--cache", type=Path, help="JSON lines of what was measured, to go on with")
    options = parser.parse_args()
    known: dict[str, Any] = {}
    if options.cache and options.cache.exists():
        for line in options.cache.read_text().splitlines():
            known |= json.loads(line)
    lines, broken = [], []
    for slug in options.scenarios or slugs():
        if slug not in known:
            known[slug] = [measure(slug, bot) for bot in ("ccxt", GUARDED)]
            if options.cache:
                with options.cache.open("a") as cache:
                    cache.write(json.dumps({slug: known[slug]}) + "\n")
        bare, guarded = known[slug]
        lines.append(row(slug, bare, guarded))
        print(lines[-1], flush=True)
        if any(guarded[name] for name in ("duplicates", "lost", "bans")):
            broken.append(slug)
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
