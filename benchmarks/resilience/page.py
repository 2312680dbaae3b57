"""The page that the rows of many runs are shown by."""

from __future__ import annotations

import importlib
import importlib.metadata
import random
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.resilience.clients import CLIENTS
from benchmarks.resilience.scenarios import SCENARIOS

__all__ = ["write_page"]

Row = Mapping[str, Any]

COLUMNS: Final = (
    ("requests_per_call", "requests per call"),
    ("order_requests_per_call", "of entries"),
    ("goodput", "goodput"),
    ("cancel_success", "cancels"),
    ("reduce_success", "reduce-only"),
    ("sibling_goodput", "sibling"),
    ("bans", "bans"),
    ("over_limit", "over limit"),
    ("while_banned", "while banned"),
    ("duplicates", "duplicates"),
    ("ghosts", "ghosts"),
    ("detect_s", "detect s"),
    ("recover_s", "recover s"),
    ("recover_entries_s", "entries back s"),
)
WORST: Final = frozenset({"bans", "over_limit", "while_banned", "duplicates", "ghosts"})
"""Shown as the worst seed: one ban is one too many."""

BARS: Final = (
    ("S1", "requests_per_call", "≤", 0.30, "median"),
    ("S1", "order_requests_per_call", "≤", 0.05, "median"),
    ("S1", "bans", "≤", 0, "worst"),
    ("S1", "sibling_goodput", "≥", 0.99, "median"),
    ("S1", "detect_s", "≤", 4.0, "p95"),
    ("S1", "recover_s", "≤", 10.0, "p95"),
    ("S2-30", "goodput", "≥", 0.99, "median"),
    ("S2-30", "requests_per_call", "≤", 1.45, "median"),
    ("S2-60", "goodput", "≥", 0.85, "median"),
    ("S2-60", "requests_per_call", "≤", 2.2, "median"),
    ("S3", "cancel_success", "≥", 0.99, "median"),
    ("S3", "order_requests_per_call", "≤", 0.2, "median"),
    ("S9", "while_banned", "≤", 0, "worst"),
)

CONTESTED: Final = (
    ("goodput", "More goodput", 1),
    ("cancel_success", "More cancels", 1),
    ("requests_per_call", "Fewer requests per call", -1),
    ("detect_s", "Sooner aware", -1),
    ("recover_s", "Sooner back", -1),
)
MARGIN: Final = 0.005
RESAMPLES: Final = 2_000
SEEDS_FOR_INTERVAL: Final = 10

PACKAGES: Final = (
    "tenacity", "stamina", "botocore", "purgatory", "httpx-retries", "ccxt", "httpx",
)  # fmt: skip

HEAD: Final = """\
# Outages, side by side

Made by `python -m benchmarks.resilience --rows docs/resilience.jsonl --page docs/resilience.md`; do
not edit. More seeds, or what is missing: the same with `--full`, or with `--scenario`, `--client`
and `--seeds`, which makes only the runs that the file of rows does not have. Every table says how
many seeds it has seen; with few, half a percent is luck. Each row names the commit and the package
it was measured with.

Every client is asked for the same calls at the same instants: 5 a second on Binance futures, 60 %
reads, 30 % entries, 6 % cancels, 4 % reduce-only orders (and 1 a second on Binance spot where a
sibling is watched). The n-th request of a kind meets the same fate whichever client sends it.
Everything counts against the venue's limits, also what the venue refuses. Nothing is tuned per
scenario: each client has the defaults that its documentation gives.

- *requests per call*: requests that reached the venue in the outage, probes and polls included,
  over calls asked for in it; *of entries*: the same of orders that add risk.
- *goodput*: calls that succeeded within their deadline (reads 8 and 12 s, entries 10 s, cancels
  20 s, reduce-only 25 s), of those asked for in the outage.
- *over limit*: answers 429 that the client earned. *while banned*: requests that arrived before the
  time that a 429 or 418 had named. *duplicates*: orders that exist twice for one call. *ghosts*:
  entries that failed, as the client tells it, and of which the venue has the order all the same;
  not those of which the client says that it does not know, or by the end of the run that they
  exist. These and the bans are those of the worst seed; everything else is the median.
- *detect*: until the client leaves reads alone, or first turns one away without asking the venue.
- *recover*: from the end of the outage until the first ten seconds in which 95 % of the reads,
  cancels and reduce-only orders succeed within 1.5 s. It is how long the client keeps a venue that
  is well from being used: breakers, bans, back-offs. *Entries back* is the same of orders that add
  risk. outlast holds those back on purpose: after an outage all is reconciled first, then the venue
  has to stay well for a minute, then a tenth, a quarter and half of the usual rate pass for a
  minute each (`Settings.recovery`). So they are not back within the minute that a run goes on, and
  the bar of 10 s does not speak of them: a client that sends new risk into the first seconds of a
  venue that may fall again is no better for it. `outlast without recovery` has the cool-down and
  the steps set to nothing; what is left is trading's own breaker, which waits up to 12 s between
  two probes, and the reconciliation.
- *outlast without ...*: one part taken out from the outside, everything else as it is. *door*: each
  plane is judged by its own calls alone. *shared answers*: a read that waits for its retry asks for
  itself, whoever is answered meanwhile; this bot reads one price and one list of positions again
  and again, and one that reads fifty different things fares as this line does. *headroom*: limits
  left unused pay for no retry. *limiter*: nothing costs anything. *jitter*: every wait is the
  longest it may be. *horizon*: an order that one look does not show is held for absent. *lanes*:
  cancels and exits are orders like any other.
- A dash: there is nothing to measure, it did not come before the run ended, or the rows are older
  than the figure.
"""


def write_page(file: Path, rows: Sequence[Row], missed: Mapping[str, str]) -> None:
    """`missed`: clients that were left out, and the package they need."""
    parts = [HEAD, _versions(missed), *_bars(rows)]
    parts.append(
        "\n![Requests per second by client, in S1 and S2-60](resilience.svg)\n\n"
        "Requests per second of each client; the outage is shaded. One seed, mean of 5 s.\n"
    )
    for name, outage in SCENARIOS.items():
        of_it = [row for row in rows if row["scenario"] == name and row["how"] == "simulated"]
        if of_it:
            parts.append(f"\n## {name}\n\n{outage.title.capitalize()}.\n\n{_table(of_it)}")
            parts.append(_losses(of_it))
    neighbours = [row for row in rows if row["how"] == "neighbours"]
    if neighbours:
        parts.append(_neighbours(neighbours))
    sockets = [row for row in rows if row["how"] == "sockets"]
    if sockets:
        parts.append("\n## Over real sockets, in real time\n")
        for name in dict.fromkeys(row["scenario"] for row in sockets):
            of_it = [row for row in sockets if row["scenario"] == name]
            parts.append(f"\n### {name}\n\n{_table(of_it)}")
    file.write_text("".join(parts), encoding="utf-8")


def _versions(missed: Mapping[str, str]) -> str:
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    text = f"\nCompared: {', '.join(found)}.\n"
    if missed:
        text += f"Left out, not installed: {', '.join(sorted(missed))}.\n"
    return text


def _bars(rows: Sequence[Row]) -> list[str]:
    lines = ["\n## What is promised\n\n| scenario | figure | bar | measured | 95 % | seeds | |\n"]
    lines.append("|---|---|---|---|---|---|---|\n")
    for scenario, figure, sign, bar, how in BARS:
        values = [
            row[figure]
            for row in rows
            if (row["scenario"], row["client"], row["how"]) == (scenario, "outlast", "simulated")
        ]
        if not values:
            continue
        value = _summary(values, how)
        holds = value is not None and (value <= bar if sign == "≤" else value >= bar)
        lines.append(
            f"| {scenario} | {_title(figure)} ({how}) | {sign} {bar:g} | {_shown(value)} "
            f"| {_interval(values, how)} | {len(values)} | {'holds' if holds else '**missed**'} |\n"
        )
    every = [row["over_limit"] for row in rows if row["client"] == "outlast"]
    if every:
        verdict = "holds" if max(every) == 0 else "**missed**"
        lines.append(
            f"| all | over limit (worst) | ≤ 0 | {max(every)} | – | {len(every)} | {verdict} |\n"
        )
    return lines


def _title(figure: str) -> str:
    return dict(COLUMNS).get(figure, figure)


def _summary(values: Sequence[float | None], how: str) -> float | None:
    """Of the seeds; one that never came makes the p95 and the worst one that never came."""
    known = sorted(value for value in values if value is not None)
    if how == "median":
        return statistics.median(known) if known else None
    if len(known) < len(values):
        return None
    if how == "worst":
        return known[-1]
    return known[min(len(known) - 1, -(-len(known) * 95 // 100) - 1)]


def _interval(values: Sequence[float | None], how: str) -> str:
    """Where the figure would lie with other seeds, in 95 of 100 draws of these (bootstrap)."""
    if how == "worst" or len(values) < SEEDS_FOR_INTERVAL:
        return "–"
    rng = random.Random(1)
    drawn = [_summary(rng.choices(values, k=len(values)), how) for _ in range(RESAMPLES)]
    known = sorted(value for value in drawn if value is not None)
    if len(known) < RESAMPLES:
        return "–"
    tail = RESAMPLES // 40
    return f"{_shown(known[tail])} to {_shown(known[-tail - 1])}"


def _table(rows: Sequence[Row]) -> str:
    by_client: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_client[row["client"]].append(row)
    columns = [
        (figure, title)
        for figure, title in COLUMNS
        if any(row.get(figure) is not None for row in rows)
        and (figure != "ghosts" or any(row.get(figure) for row in rows))
    ]
    lines = ["| client | seeds | " + " | ".join(title for _, title in columns) + " |\n"]
    lines.append("|---|---|" + "---|" * len(columns) + "\n")
    for client in CLIENTS:
        of_it = by_client.get(client)
        if not of_it:
            continue
        cells = []
        for figure, _ in columns:
            values = [row.get(figure) for row in of_it]
            cells.append(_shown(_summary(values, "worst" if figure in WORST else "median")))
        name = f"**{client}**" if client == "outlast" else client
        lines.append(f"| {name} | {len(of_it)} | " + " | ".join(cells) + " |\n")
    return "".join(lines)


def _losses(rows: Sequence[Row]) -> str:
    """Who does better than outlast, and by what; in words, so that nobody has to look for it."""
    medians: dict[str, dict[str, float | None]] = {}
    for client in CLIENTS:
        of_it = [row for row in rows if row["client"] == client]
        if of_it and not client.startswith("outlast without"):
            medians[client] = {
                figure: _summary([row.get(figure) for row in of_it], "median")
                for figure, _, _ in CONTESTED
            }
    ours = medians.pop("outlast", None)
    if ours is None or not medians:
        return ""
    told = []
    for figure, words, sign in CONTESTED:
        own = ours[figure]
        better = [
            f"{client} ({_shown(theirs[figure])})"
            for client, theirs in medians.items()
            if own is not None and (value := theirs[figure]) is not None
            if sign * (value - own) > MARGIN
        ]
        if better:
            told.append(f"{words} than outlast ({_shown(own)}): {', '.join(better)}.")
    return "".join(f"\n{line}\n" for line in told)


def _neighbours(rows: Sequence[Row]) -> str:
    lines = [
        (
            "\n## outlast beside two neighbours\n\n"
            "Two other programs behind the same address use 1,080 of the 2,400 weight a minute, "
            "and never slow down.\n\n"
            "| scenario | seeds | requests per call | goodput | over limit | while banned "
            "| bans |\n"
            "|---|---|---|---|---|---|---|\n"
        )
    ]
    for name in SCENARIOS:
        of_it = [row for row in rows if row["scenario"] == name]
        if not of_it:
            continue
        shown = [
            _shown(_summary([row[figure] for row in of_it], how))
            for figure, how in (
                ("requests_per_call", "median"),
                ("goodput", "median"),
                ("over_limit", "worst"),
                ("while_banned", "worst"),
                ("bans", "worst"),
            )
        ]
        lines.append(f"| {name} | {len(of_it)} | " + " | ".join(shown) + " |\n")
    return "".join(lines)


def _shown(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, int) else f"{value:.3g}"
