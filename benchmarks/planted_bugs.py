"""How many seeds does it take to find a bug? Plants them into the client, one after the other.

    python -m benchmarks.planted_bugs [NAME ...] [--most 100] [--hunts 3] [--write]

Each bug is hunted for from several first seeds on; the figure is the median of the hunts. `--write`
puts the table into docs/simulation.md. Exit code 1 when a bug is not found.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import re
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests" / "trials" / "planted"))

from all_bugs import BUGS  # noqa: E402
from planting import hunt  # noqa: E402

if TYPE_CHECKING:
    from planting import Find

PAGE: Final = ROOT / "docs" / "simulation.md"
TABLE: Final = re.compile(r"(<!-- planted bugs -->\n).*?(<!-- end of planted bugs -->)", re.DOTALL)
APART: Final = 10_000
"""Between the first seeds of two hunts."""


def hunted(name: str, *, most: int, hunts: int) -> list[Find | None]:
    firsts = [1 + APART * number for number in range(hunts)]
    return [hunt(name, range(first, first + most)) for first in firsts]


def needed(finds: list[Find | None]) -> float:
    """The median number of seeds; a hunt that found nothing took infinitely many."""
    return statistics.median(inf if find is None else find.seeds_played for find in finds)


def invariants(finds: list[Find | None]) -> list[str]:
    return list(dict.fromkeys(slug for find in finds if find for slug in find.invariants))


def row(name: str, finds: list[Find | None]) -> str:
    median = needed(finds)
    told = "not found" if median == inf else f"{median:g}"
    slugs = ", ".join(f"`{slug}`" for slug in invariants(finds)) or "–"
    bug = BUGS[name]
    trials = "at large" if bug.focus is None else f"`{bug.focus}`"
    return f"| {bug.says} | {slugs} | {trials} | {told} |"


def summary(found: dict[str, list[Find | None]], most: int, hunts: int) -> str:
    medians = [needed(finds) for finds in found.values()]
    found_count = sum(any(finds) for finds in found.values())
    return (
        f"{found_count} of {len(found)} planted bugs found, each hunted for {hunts} "
        f"time{'s' if hunts > 1 else ''} through at most {most} seeds. "
        f"Median of the medians: {statistics.median(medians):g} seeds; the highest: "
        f"{max(medians):g}."
    )


def write(found: dict[str, list[Find | None]], most: int, hunts: int) -> None:
    rows = "\n".join(row(name, finds) for name, finds in found.items())
    table = (
        f"\n{summary(found, most, hunts)}\n\n"
        "| planted | found by | trials | seeds |\n| --- | --- | --- | ---: |\n"
        f"{rows}\n\n"
    )
    page, count = TABLE.subn(
        lambda marks: marks[1] + table + marks[2], PAGE.read_text(encoding="utf-8")
    )
    assert count == 1, f"{PAGE} has no place for the table"
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    reader = argparse.ArgumentParser(prog="python -m benchmarks.planted_bugs")
    reader.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    reader.add_argument("--most", type=int, default=100, help="seeds of one hunt, at most")
    reader.add_argument("--hunts", type=int, default=3, help="how often each bug is hunted for")
    reader.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    reader.add_argument("--write", action="store_true", help="put the table into the page")
    said = reader.parse_args()
    unknown = [name for name in said.names if name not in BUGS]
    if unknown:
        reader.error(f"no planted bug {', '.join(unknown)}; there are: {', '.join(BUGS)}")
    if said.write and said.names:
        reader.error("--write is for all bugs; name none")
    names, began_at = said.names or list(BUGS), time.monotonic()
    found: dict[str, list[Find | None]] = {}
    one = functools.partial(hunted, most=said.most, hunts=said.hunts)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(said.workers, mp_context=context) as pool:
        for name, finds in zip(names, pool.map(one, names), strict=True):
            found[name] = finds
            ends = " ".join("-" if f is None else f"{f.seeds_played}" for f in finds)
            seeds = ", ".join(str(f.seed) for f in finds if f)
            print(
                f"{name:50} {ends:>12}  {', '.join(invariants(finds))} (seeds {seeds or 'none'})",
                flush=True,
            )
    print(f"{summary(found, said.most, said.hunts)} {time.monotonic() - began_at:.0f} s")
    if said.write:
        write(found, said.most, said.hunts)
    if not all(any(finds) for finds in found.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
