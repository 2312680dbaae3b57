"""The outlast bot through every scenario, on many seeds: which `expect` breaks in which seed.

    python -m benchmarks.catalogue --seeds 20                  # the whole catalogue, half an hour
    python -m benchmarks.catalogue --seeds 3 --scenario zero-balances
    python -m benchmarks.catalogue --seeds 7..9 --rows found.jsonl

`--rows` appends one JSON line a drill, with the evidence of what broke; drills that are in the file
already are not played again. Exit code 1 when anything broke. Phases of the scenarios that last
longer than six hours are played for an hour at most, since their second hour says what the first
one did; `outlast drill` plays them whole.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from outlast.drill.result import REST_S
from outlast.drill.run import run_bot
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Scenario

__all__ = ["Drill", "play", "shortened", "summary"]

LONG_S: Final = 6 * 3600.0
PHASE_MAX_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Drill:
    """One scenario played once with one seed."""

    scenario: str
    seed: int
    broken: dict[str, str]
    """What does not hold, with the evidence; `died_of` when the bot did not see the end."""
    cpu_s: float

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("scenario", "seed", "broken", "cpu_s")}


def shortened(scenario: Scenario) -> Scenario:
    """The scenario, with no phase longer than an hour if the whole is longer than six."""
    lengths = [phase.duration_s or REST_S for phase in scenario.phases]
    if sum(lengths) <= LONG_S:
        return scenario
    phases = tuple(
        replace(
            phase,
            duration_s=min(length_s, PHASE_MAX_S),
            timeline=tuple(c for c in phase.timeline if c.at_s < PHASE_MAX_S),
            events=tuple(e for e in phase.events if e.at_s < PHASE_MAX_S),
        )
        for phase, length_s in zip(scenario.phases, lengths, strict=True)
    )
    return replace(scenario, phases=phases)


def play(slug: str, seed: int | None = None) -> Drill:
    """Play `slug` with `seed`, or with the scenario's own."""
    scenario = shortened(load(slug))
    seed = scenario.seed if seed is None else seed
    began = time.process_time()
    result = run_bot(scenario, "outlast", seed=seed)
    broken = {r["invariant"]: str(r["evidence"]) for r in result.verdict if r["holds"] is False}
    if result.died_of is not None:
        broken["died_of"] = result.died_of
    return Drill(slug, seed, broken, round(time.process_time() - began, 2))


def summary(drills: list[Drill]) -> list[str]:
    """One line a scenario: how many seeds hold, and what breaks in which of the others."""
    lines = []
    for slug in dict.fromkeys(drill.scenario for drill in drills):
        played = [drill for drill in drills if drill.scenario == slug]
        held = sum(not drill.broken for drill in played)
        named = sorted({name for drill in played for name in drill.broken})
        seeds = {name: [d.seed for d in played if name in d.broken] for name in named}
        told = "; ".join(
            f"{name} in {', '.join(map(str, sorted(broken_in)))}"
            for name, broken_in in seeds.items()
        )
        lines.append(f"{slug:40} {held:3} of {len(played)}  {told}".rstrip())
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", default="20", help="how many from 1 on, or a range A..B")
    parser.add_argument("--scenario", nargs="*", metavar="SLUG", help="default: the catalogue")
    parser.add_argument("--rows", type=Path, metavar="FILE", help="JSON lines, to go on with")
    parser.add_argument("--jobs", type=int, default=1, help="processes to play with")
    options = parser.parse_args()
    first, _, last = options.seeds.rpartition("..")
    seeds = range(int(first or 1), int(last) + 1)
    unknown = sorted(set(options.scenario or ()) - set(slugs()))
    if unknown:
        parser.error(f"no scenario {', '.join(unknown)}; there are {', '.join(slugs())}")
    chosen = options.scenario or slugs()
    known = _read(options.rows)
    drills: list[Drill] = []
    with ProcessPoolExecutor(options.jobs) as pool:
        # Seed by seed, so that what breaks everywhere shows early.
        wanted = [(slug, seed) for seed in seeds for slug in chosen]
        playing = {key: pool.submit(play, *key) for key in wanted if key not in known}
        for key in wanted:
            drill = known.get(key) or playing[key].result()
            drills.append(drill)
            if key in known:
                continue
            if options.rows:
                with options.rows.open("a", encoding="utf-8") as rows:
                    rows.write(json.dumps(drill.as_json()) + "\n")
            for name, evidence in drill.broken.items():
                print(f"{drill.scenario} seed {drill.seed}: {name}: {evidence}", flush=True)
    by_slug = sorted(drills, key=lambda drill: chosen.index(drill.scenario))
    print("\n".join(summary(by_slug)))
    broken = sum(bool(drill.broken) for drill in drills)
    print(f"{len(drills) - broken} of {len(drills)} drills hold")
    return 1 if broken else 0


def _read(path: Path | None) -> dict[tuple[str, int], Drill]:
    if path is None or not path.exists():
        return {}
    rows = [Drill(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return {(row.scenario, row.seed): row for row in rows}


if __name__ == "__main__":
    sys.exit(main())
