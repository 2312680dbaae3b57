"""Status pages that are late, wrong, broken or gone: what outlast makes of them, and how soon.

    python -m benchmarks.page_cases            # prints the table; half a minute
    python -m benchmarks.page_cases --write    # and puts it into docs/detection.md

A bot reads a price every two seconds and tries a small entry every ten. Times are the venue's.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import outlast
from benchmarks.detection import span
from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.mock.scenario.model import Scenario

DOCS: Final = Path(__file__).parent.parent / "docs" / "detection.md"
BEGIN, END = "<!-- page cases: begin -->", "<!-- page cases: end -->"
BEFORE_S: Final = 300.0
AFTER_S: Final = 3_000.0
LOOK_EVERY_S: Final = 2.0
ENTER_EVERY: Final = 5
"""Every so many looks an entry is tried."""

_PRICES: Final = {"kraken-spot": ("BTC/USD", "spot"), "binance-um": ("BTCUSDT", "um")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One page, and what is the matter with the venue meanwhile."""

    name: str
    title: str
    venue: str = "kraken-spot"
    down_s: float
    """How long the venue is down, from the fifth minute on; 0 where it is well all the time."""
    well_s: float = AFTER_S
    """How long it is watched afterwards."""
    page: Sequence[tuple[str, str, dict[str, str]]] = ()
    """The page's entries: when, what, and about which component."""
    page_reply: Any = None
    """What the page's server gives instead of the page."""


CASES: Final = (
    Case(
        name="green, API down",
        title="green while the API is down for 22 minutes",
        down_s=1_320,
        page=[("0s", "green", {})],
    ),
    Case(
        name="red, API well",
        title="red for two hours in which all is well",
        down_s=0,
        well_s=7_200,
        page=[("5m", "major", {"component": "spot-trading", "incident": "identified"})],
    ),
    Case(
        name="unreachable",
        title="not to be reached, before and while the API is down for 5 minutes",
        down_s=300,
        page=[("0s", "unreachable", {})],
    ),
    Case(
        name="HTML",
        title="an HTML error page, before and while the API is down for 5 minutes",
        down_s=300,
        page_reply={"html": "cdn-502"},
    ),
    Case(
        name="red for the wrong product",
        title="red for transfers only, futures are well",
        venue="binance-um",
        down_s=0,
        well_s=1_800,
        page=[("1m", "major", {"component": "transfers"})],
    ),
    Case(
        name="red for a product that is well",
        title="red for futures, which are well",
        venue="binance-um",
        down_s=0,
        well_s=5_400,
        page=[("5m", "major", {"component": "um-futures"})],
    ),
    Case(
        name="green for a product that is down",
        title="red for transfers only, and futures are down for 10 minutes",
        venue="binance-um",
        down_s=600,
        page=[("1m", "major", {"component": "transfers"})],
    ),
)


@dataclass(slots=True)
class Outcome:
    """What was seen, in seconds from the beginning of the outage, or from its end where it says
    so; None where it never came to that."""

    down_after_s: float | None = None
    """Until the verdict on a plane said DOWN."""
    held_after_s: float | None = None
    """Until an entry was held back."""
    well_after_s: float | None = None
    """From the end of the outage: until all planes were said to be well."""
    entered_after_s: float | None = None
    """From the end of the outage: until an entry was taken."""
    held_in_health: int = 0
    """Entries that were held though nothing had been wrong yet."""
    cautious_s: float = 0.0
    """For how long the verdict was worse than HEALTHY while nothing had been wrong."""
    verdicts: set[str] = field(default_factory=set)
    """On trading, while nothing was wrong."""


def scenario_of(case: Case) -> Scenario:
    symbol, product = _PRICES[case.venue]
    made = ScenarioBuilder("page-case", venue=case.venue)
    made.instrument(symbol, product=product, mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.account(balances={"USD": "50000", "USDT": "50000"})
    spoilt = [] if case.page_reply is None else [fault("status.page", reply=case.page_reply)]
    made.phase("before", f"{BEFORE_S:.0f}s", faults=spoilt)
    if case.down_s:
        down = [*spoilt, fault("*", reply="unavailable")]
        made.phase("down", f"{case.down_s:.0f}s", faults=down)
    made.phase("after", "rest", faults=spoilt)
    for at, page, about in case.page:
        made.status(at, page, **about)
    return made.build()


def play(case: Case, seed: int) -> Outcome:
    scenario = scenario_of(case)
    main = functools.partial(_play, case, scenario, seed)
    outcome: Outcome = sim.run(main, seed=seed, t0=scenario.t0_ms / 1000, time_limit_s=1e5)
    return outcome


async def _play(case: Case, scenario: Scenario, seed: int) -> Outcome:
    seen = Outcome()
    async with MockExchange(scenario, seed=seed) as mock:
        clock, wires = mock.run.clock, mock.describe()["venues"][case.venue]
        session = outlast.connect(
            case.venue,
            key=wires["key"],
            secret=wires["secret"],
            endpoints=wires["endpoints"],
            journal=None,
            clock=sim.clock(),
            settings=outlast.Settings(seed=seed),
        )
        async with session as venue:
            symbol = next(iter(venue.instruments))
            look = 0
            while clock.elapsed_s < BEFORE_S + case.down_s + case.well_s:
                look += 1
                at_s = clock.elapsed_s
                await _read(venue, symbol)
                _note_verdict(seen, case, at_s, venue.health)
                if look % ENTER_EVERY == 0:
                    at_s = clock.elapsed_s
                    _note_entry(seen, case, at_s, await _enter(venue, symbol))
                await asyncio.sleep(LOOK_EVERY_S)
    return seen


async def _read(venue: outlast.Session, symbol: str) -> None:
    try:
        await venue.mark_price(symbol)
    except outlast.OutlastError:
        return  # the verdict tells


async def _enter(venue: outlast.Session, symbol: str) -> str:
    """`taken`, `held` by us, or `failed`."""
    try:
        order = await venue.submit(outlast.limit(symbol, "buy", "0.002", "66000"))
        await venue.cancel(order.client_order_id)
    except (outlast.TradingHalted, outlast.BreakerOpen):
        return "held"
    except outlast.OutlastError:
        return "failed"
    return "taken"


def _note_verdict(seen: Outcome, case: Case, at_s: float, health: outlast.VenueHealth) -> None:
    began_s, ended_s = BEFORE_S, BEFORE_S + case.down_s
    planes = {health.trading, health.account, health.market_data}
    if case.down_s == 0 or at_s < began_s:
        seen.verdicts.add(health.trading.value)
        seen.cautious_s += LOOK_EVERY_S if health.trading is not outlast.Health.HEALTHY else 0.0
    elif at_s < ended_s:
        if seen.down_after_s is None and outlast.Health.DOWN in planes:
            seen.down_after_s = at_s - began_s
    elif seen.well_after_s is None and planes == {outlast.Health.HEALTHY}:
        seen.well_after_s = at_s - ended_s


def _note_entry(seen: Outcome, case: Case, at_s: float, entry: str) -> None:
    began_s, ended_s = BEFORE_S, BEFORE_S + case.down_s
    if case.down_s == 0 or at_s < began_s:
        seen.held_in_health += entry == "held"
    elif at_s < ended_s:
        if seen.held_after_s is None and entry == "held":
            seen.held_after_s = at_s - began_s
    elif seen.entered_after_s is None and entry == "taken":
        seen.entered_after_s = at_s - ended_s


HEAD: Final = (
    "| the page | said to be down | entries held | well again | first entry | held in health "
    "| merely warned |\n| --- |" + " ---: |" * 6
)


def row(case: Case, seen: Outcome) -> str:
    cells = [
        "-" if value is None else span(value)
        for value in (
            seen.down_after_s,
            seen.held_after_s,
            seen.well_after_s,
            seen.entered_after_s,
        )
    ]
    cells += [str(seen.held_in_health), span(seen.cautious_s) if seen.cautious_s else "-"]
    return f"| {case.title} | {' | '.join(cells)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help=f"replace the table in {DOCS.name}")
    options = parser.parse_args()
    lines = []
    print(HEAD, flush=True)
    for case in CASES:
        lines.append(row(case, play(case, options.seed)))
        print(lines[-1], flush=True)
    if options.write:
        text = DOCS.read_text(encoding="utf-8")
        between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
        table = "\n".join([HEAD, *lines])
        DOCS.write_text(between.sub(f"{BEGIN}\n{table}\n{END}", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
