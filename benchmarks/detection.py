"""How soon an outage is noticed, and how soon after its end there is trading again.

Three bots put a small bid into the market every five seconds. One asks only the status page, one
only its own errors, one is outlast. The table of docs/detection.md:

    python -m benchmarks.detection --seeds 1            # all scenarios; half an hour
    python -m benchmarks.detection --seeds 3 --write    # and puts the table into docs/detection.md
    python -m benchmarks.detection --scenario green-page-red-api --seeds 3

Every figure is taken from what the bot did and what the exchange saw, never from what a bot says of
the venue.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import aiohttp

import outlast
from outlast import sim
from outlast.drill.bots import error_only, page_only
from outlast.drill.bots.ccxt_bot import configured
from outlast.drill.bots.quoting import BID_BELOW, BID_WORTH, CANCELS_MAX, TURN_S
from outlast.mock.engine.model import EngineMode
from outlast.mock.exchange import MockExchange
from outlast.mock.intents import sends_of
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.catalogue import slugs
from outlast.mock.scenario.load import load
from outlast.mock.scenario.model import Phase, Scenario
from outlast.sim.aiohttp import SimConnector

DOCS: Final = Path(__file__).parent.parent / "docs" / "detection.md"
BEGIN, END = "<!-- detection: begin -->", "<!-- detection: end -->"
BOTS: Final = ("outlast", "page only", "errors only")

LEAD_S: Final = 180.0
"""Of calm before the first disturbance, so that every bot is trading when it comes."""
TAIL_S: Final = 2_700.0
"""Of calm after the last one: the longest cool-down and its steps fit into it."""
PHASE_MAX_S: Final = 3_600.0
"""Longer phases are cut to this, unless the page still changes in them; 49 hours of maintenance
show no more than one does."""
PHASE_LONGEST_S: Final = 10_800.0
AFTER_PAGE_S: Final = 600.0
LOOK_EVERY_S: Final = 60.0
AGAIN_S: Final = 5.0

# What goes on: the story, with calm around it.


@dataclass(frozen=True, slots=True)
class Story:
    """A scenario with calm before and after, and when new orders were in trouble in it."""

    scenario: Scenario
    begins_s: float
    ends_s: float
    is_about_orders: bool
    """False where only data or account are wrong: the venue takes orders all the time."""


def story_of(scenario: Scenario) -> Story:
    """Cut what is long, put calm around it, and see when the outage was."""
    phases, page = _cut(scenario)
    lead = Phase(name="lead-in", duration_s=LEAD_S)
    troubled = [_is_troubled(phase) for phase in phases]
    is_about_orders = any(troubled)
    if not is_about_orders:
        troubled = [_is_disturbed(phase) for phase in phases]
    first = troubled.index(True)
    last = len(troubled) - 1 - troubled[::-1].index(True)
    expected = scenario.expectation("no_new_exposure_before")
    end = last + 1
    if expected is not None:
        end = next(n for n, phase in enumerate(phases) if phase.name == expected.argument)
    starts = [LEAD_S]
    for phase in phases:
        starts.append(starts[-1] + (phase.duration_s or 0.0))
    whole = replace(
        scenario,
        phases=(lead, *phases, Phase(name="calm-after", duration_s=TAIL_S)),
        status_page=tuple(replace(entry, at_s=entry.at_s + LEAD_S) for entry in page),
    )
    return Story(whole, starts[first], starts[end], is_about_orders)


def _cut(scenario: Scenario) -> tuple[list[Phase], list[Any]]:
    """The phases at their shortened lengths, and the page's entries at their places in them."""
    phases: list[Phase] = []
    page: list[Any] = []
    was_s = is_s = 0.0
    for number, phase in enumerate(scenario.phases):
        is_last = number + 1 == len(scenario.phases)
        length_s = TAIL_S if phase.duration_s is None else phase.duration_s
        entries = [
            entry
            for entry in scenario.status_page
            if was_s <= entry.at_s and (is_last or entry.at_s < was_s + length_s)
        ]
        wanted_s = max([PHASE_MAX_S, *(e.at_s - was_s + AFTER_PAGE_S for e in entries)])
        kept_s = min(length_s, wanted_s, PHASE_LONGEST_S)
        page += [replace(e, at_s=is_s + min(e.at_s - was_s, kept_s)) for e in entries]
        phases.append(replace(phase, duration_s=kept_s))
        was_s, is_s = was_s + length_s, is_s + kept_s
    return phases, page


def _is_troubled(phase: Phase) -> bool:
    """New orders are not simply taken in it."""
    engine = phase.engine
    stands = engine.mode not in (None, EngineMode.ONLINE) or engine.matching is False
    return stands or any(
        rule.decides and "orders.create" in rule.endpoints for rule in phase.faults
    )


def _is_disturbed(phase: Phase) -> bool:
    """Anything is wrong in it."""
    calm = Phase(name=phase.name, duration_s=phase.duration_s)
    return bool(phase.faults) or phase.engine != calm.engine or phase.account != calm.account


# The bots.


@dataclass(slots=True)
class Seen:
    """What one bot did, on the venue's clock, in seconds since the beginning."""

    turns: list[tuple[float, bool]] = field(default_factory=list)
    """When it decided, and whether it tried to enter."""
    sent: dict[int, float] = field(default_factory=dict)
    """By ordinal, when a request for an order that adds risk arrived at the venue."""
    taken: list[float] = field(default_factory=list)
    """When an order that adds risk was sent that the venue took."""


class OutlastQuotes:
    """The same bid through outlast. It asks nobody before it tries."""

    def __init__(self, heard: Callable[[bool], None]) -> None:
        self._heard = heard
        self._resting: list[str] = []

    async def run(self, connect: Callable[[], outlast.Session]) -> None:
        while True:
            try:
                async with connect() as venue:
                    await self._quote(venue)
            except outlast.OutlastError:
                self._heard(False)  # it opens no session into an outage
                await asyncio.sleep(AGAIN_S)

    async def _quote(self, venue: outlast.Session) -> None:
        symbol = next(iter(venue.instruments))
        price = await self._price(venue, symbol)
        while True:
            await self._withdraw(venue)
            if price is not None:
                bid = price * (1 - BID_BELOW)
                order = outlast.limit(symbol, "buy", BID_WORTH / bid, bid)
                self._heard(await self._enter(venue, await venue.quantize(order)))
            price = await self._price(venue, symbol) or price
            await asyncio.sleep(TURN_S)

    async def _enter(self, venue: outlast.Session, order: outlast.OrderRequest) -> bool:
        """Whether it was tried."""
        try:
            placed = await venue.submit(order)
        except (outlast.ConnectFailed, outlast.DeadlinePassed, outlast.BudgetSpent):
            return True
        except outlast.NotSent:
            return False
        except outlast.Refused:
            return True
        except outlast.OutcomeUnknown as error:
            self._resting.append(error.client_order_id)
            return True
        self._resting.append(placed.client_order_id)
        return True

    async def _withdraw(self, venue: outlast.Session) -> None:
        for client_order_id in self._resting[-CANCELS_MAX:]:
            try:
                await venue.cancel(client_order_id)
            except outlast.UnknownOrder:
                pass  # of a session before
            except outlast.OutlastError:
                return
            self._resting.remove(client_order_id)

    async def _price(self, venue: outlast.Session, symbol: str) -> Any:
        try:
            return await venue.mark_price(symbol)
        except outlast.OutlastError:
            return None


async def _play(story: Story, bot: str, seed: int) -> Seen:
    venue = story.scenario.venues[0]
    seen = Seen()
    async with MockExchange(story.scenario, venues=[venue], seed=seed) as mock:
        clock = mock.run.clock

        def heard(tried: bool) -> None:
            seen.turns.append((clock.elapsed_s, tried))

        async with aiohttp.ClientSession(connector=SimConnector()) as http:
            wires = mock.describe()["venues"][venue]
            playing = asyncio.create_task(_bot(bot, venue, wires, http, seed, heard))
            whole_s = sum(phase.duration_s or 0.0 for phase in story.scenario.phases)
            while clock.elapsed_s < whole_s:
                await asyncio.sleep(LOOK_EVERY_S)
                _collect(mock, seen)
                if playing.done():
                    playing.result()
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError, outlast.OutlastError):
                await playing
            await asyncio.sleep(1.0)  # what it had on the wire ends
    return seen


async def _bot(
    bot: str,
    venue: str,
    wires: dict[str, Any],
    http: aiohttp.ClientSession,
    seed: int,
    heard: Callable[[bool], None],
) -> None:
    endpoints, key, secret = wires["endpoints"], wires["key"], wires["secret"]
    if bot == "outlast":
        await OutlastQuotes(heard).run(
            functools.partial(
                outlast.connect,
                venue,
                key=key,
                secret=secret,
                journal=None,
                endpoints=endpoints,
                settings=outlast.Settings(seed=seed),
                clock=sim.clock(),
            )
        )
        return
    exchange = configured(venue, endpoints["rest"], key=key, secret=secret, session=http)
    try:
        if bot == "page only":
            await page_only.run(exchange, endpoints["status_page"], http, heard=heard)
        else:
            await error_only.run(exchange, heard=heard)
    finally:
        await exchange.close()


def _collect(mock: MockExchange, seen: Seen) -> None:
    """Take in what the exchange has seen; what is old it forgets."""
    t0_ms = mock.run.clock.t0_ms
    records = [r for r in mock.truth.traffic.kept() if r.account in (None, DEFAULT_ACCOUNT)]
    for send in sends_of(records):
        if send.facts.reduces or send.record.ordinal in seen.sent:
            continue
        seen.sent[send.record.ordinal] = (send.at_ms - t0_ms) / 1000
    orders = mock.truth.history.of(DEFAULT_ACCOUNT)
    known = seen.taken[-1] if seen.taken else -1.0
    seen.taken += sorted(
        at_s
        for history in orders
        for order in history.orders.values()
        if not (order.from_the_start or order.reduces)
        and (at_s := (order.created_ms - t0_ms) / 1000) > known
    )


# The figures.


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one bot in one run; None where it never came to that."""

    detected_s: float | None
    resumed_s: float | None
    sent: int
    early: int
    """Turns in which it held itself back though nothing had gone wrong yet."""


def measure(slug: str, bot: str, seed: int) -> Figures:
    story = story_of(load(slug))
    main = functools.partial(_play, story, bot, seed)
    seen: Seen = sim.run(main, seed=seed, t0=story.scenario.t0_ms / 1000, time_limit_s=1e6)
    begins_s, ends_s = story.begins_s, story.ends_s
    held = [at_s for at_s, tried in seen.turns if not tried]
    detected = next((at_s for at_s in held if begins_s <= at_s < ends_s), None)
    resumed = next((at_s for at_s in seen.taken if at_s >= ends_s), None)
    return Figures(
        None if detected is None else round(detected - begins_s, 1),
        None if resumed is None else round(resumed - ends_s, 1),
        sum(begins_s <= at_s < ends_s for at_s in seen.sent.values()),
        sum(at_s < begins_s and at_s > LEAD_S / 2 for at_s in held),
    )


def medians(runs: Sequence[Figures]) -> tuple[str, str, str]:
    """Detect, resume, sent, as they stand in the table."""
    sent = statistics.median(run.sent for run in runs)
    return (
        _median([run.detected_s for run in runs]),
        _median([run.resumed_s for run in runs]),
        f"{sent:,.0f}",
    )


def _median(values: Sequence[float | None]) -> str:
    """Of the runs in which it happened, if those are most of them."""
    happened = [value for value in values if value is not None]
    if len(happened) * 2 <= len(values):
        return "never"
    return span(statistics.median(happened))


def span(seconds: float) -> str:
    """`8 s`, `12 min`, `2.5 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


HEAD: Final = (
    "| scenario | outage | "
    + " | ".join(f"{bot}: detect | resume | sent" for bot in BOTS)
    + " |\n| --- | ---: |"
    + " ---: |" * (3 * len(BOTS))
)


def row(slug: str, figures: dict[str, list[Figures]]) -> str:
    story = story_of(load(slug))
    lasts = span(story.ends_s - story.begins_s) + ("" if story.is_about_orders else " †")
    cells = [cell for bot in BOTS for cell in medians(figures[bot])]
    return f"| `{slug}` | {lasts} | {' | '.join(cells)} |"


class _Cache:
    """What was measured before, by scenario, bot and seed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[str, Figures] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                for key, fields in json.loads(line).items():
                    self._known[key] = Figures(**fields)

    def measured(self, slug: str, bot: str, seed: int) -> Figures:
        key = f"{slug}/{bot}/{seed}"
        if key not in self._known:
            began = time.monotonic()
            self._known[key] = figures = measure(slug, bot, seed)
            took_s = time.monotonic() - began
            print(f"{key}: {figures} ({took_s:.0f} s)", file=sys.stderr, flush=True)
            if self._path is not None:
                fields = {name: getattr(figures, name) for name in Figures.__slots__}
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({key: fields}) + "\n")
        return self._known[key]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scenario", action="append", help="one of the catalogue; default: all")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 1 on")
    parser.add_argument("--write", action="store_true", help=f"replace the table in {DOCS.name}")
    parser.add_argument("--cache", type=Path, help="JSON lines of what was measured, to go on with")
    options = parser.parse_args()
    cache = _Cache(options.cache)
    lines = []
    print(HEAD, flush=True)
    for slug in options.scenario or slugs():
        figures = {
            bot: [cache.measured(slug, bot, seed) for seed in range(1, options.seeds + 1)]
            for bot in BOTS
        }
        lines.append(row(slug, figures))
        print(lines[-1], flush=True)
    if options.write:
        text = DOCS.read_text(encoding="utf-8")
        between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
        table = "\n".join([HEAD, *lines])
        DOCS.write_text(between.sub(f"{BEGIN}\n{table}\n{END}", text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
