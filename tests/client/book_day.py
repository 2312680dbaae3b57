"""A long time with one live book and its tape: rollovers, the venue's own disconnects, memory.

    python tests/client/book_day.py --hours 24 [--venue binance-um]

Sockets are replaced at the venue's own age (24 h at Binance), or after `--age-min`; besides, all
connections are ended `--ends` times, by the venue or on the way. What must hold: no trade id is
missing, doubled or out of order; the book is begun anew only after an end, never by a rollover;
what it shows agrees with the venue's; the client's memory does not grow.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

import market_in_sim
from market_in_sim import BTC, KEYS, VENUES, Market, play

from outlast import sim
from outlast.errors import StaleData
from outlast.venues import market_streams

MARKET = "ws.market.stream"


@dataclass
class Day:
    venue: str
    trades: int = 0
    wrong: list[str] = field(default_factory=list)
    readings: int = 0
    refused: int = 0
    resyncs: int = 0
    downs: int = 0
    rollovers: int = 0
    dials: int = 0
    objects: list[int] = field(default_factory=list)
    """Of the client's own kinds, each hour or twelfth."""
    kinds: list[Counter[str]] = field(default_factory=list)
    cpu_s: float = 0.0


async def _count_trades(session: object, symbol: str, day: Day) -> None:
    last = None
    async for trade in session.trades(symbol):  # type: ignore[attr-defined]
        number = int(trade.trade_id)
        if last is not None and number != last + 1:
            day.wrong.append(f"trade {number} came after {last}, at {sim.clock().now():.1f} s")
        last = number
        day.trades += 1


async def _read(session: object, world: Market, day: Day) -> None:
    """Every 10 s: the book as it is against the venue's, when no update is on its way."""
    symbol, key = BTC[day.venue], KEYS[day.venue][0]
    feed = world.stage().books
    before = feed.now(key)
    while True:
        await asyncio.sleep(9.75)
        before = feed.now(key)
        await asyncio.sleep(0.25)
        now = feed.now(key)
        view = session._market.books.view(symbol)  # type: ignore[attr-defined]
        try:
            shown = (view.bids(10), view.asks(10))
        except StaleData:
            day.refused += 1
            continue
        day.readings += 1
        true = [([*state.bids[:10]], [*state.asks[:10]]) for state in (before, now)]
        plain = tuple([(level.price, level.qty) for level in side] for side in shown)
        if plain not in true and view.age_s < 0.5:
            day.wrong.append(f"the book is not the venue's, at {sim.clock().now():.1f} s")


async def _end_connections(world: Market, seed: int, seconds: float, ends: int) -> None:
    rng = random.Random(f"ends {seed}")
    now = 0.0
    for number, at in enumerate(sorted(rng.uniform(60, seconds - 60) for _ in range(ends))):
        await asyncio.sleep(max(0.0, at - now))
        now = at
        if number % 2:
            sim.network().reset()
        else:
            world.fault(MARKET, stream={"close": {"code": 1001, "every": "1s"}})
            await asyncio.sleep(1.5)
            now += 1.5
            world.heal()


def _clients_objects() -> Counter[str]:
    gc.collect()
    found: Counter[str] = Counter()
    for each in gc.get_objects():
        module = type(each).__module__
        if module.startswith("outlast.") and not module.startswith(("outlast.mock", "outlast.sim")):
            found[f"{module}.{type(each).__qualname__}"] += 1
    return found


def run_day(
    venue: str,
    folder: Path,
    *,
    hours: float,
    age_s: float | None,
    ends: int,
    seed: int = 1,
) -> Day:
    day = Day(venue)
    codec = market_streams(venue)
    traits = codec.TRAITS if age_s is None else replace(codec.TRAITS, max_age_s=age_s)
    scenario = market_in_sim.builder(venue, vol="5").phase("all", "rest").build()

    async def story(world: Market) -> None:
        async with world.watch() as session:
            await session.book(BTC[venue])
            line = session._market.books.open(BTC[venue]).shard.market.line
            tasks = [
                asyncio.create_task(_count_trades(session, BTC[venue], day)),
                asyncio.create_task(_read(session, world, day)),
                asyncio.create_task(_end_connections(world, seed, hours * 3600, ends)),
            ]
            for _ in range(12):
                await asyncio.sleep(hours * 300)
                kinds = _clients_objects()
                day.kinds.append(kinds)
                day.objects.append(kinds.total())
            while not session._market.books.view(BTC[venue]).is_fresh:
                await asyncio.sleep(1)
            day.resyncs = session._market.books.resyncs[BTC[venue]]
            day.downs, day.rollovers = line.downs, line.era - 1 - line.downs
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if ended is not None and not isinstance(ended, asyncio.CancelledError):
                    raise ended
        day.dials = world.dials

    began = time.process_time()
    with patch.object(codec, "TRAITS", traits):
        play(story, folder, venue, scenario=scenario, seed=seed, time_limit_s=hours * 3600 + 600)
    day.cpu_s = time.process_time() - began
    return day


def main() -> None:
    parser = argparse.ArgumentParser(description="A long time with one live book and its tape.")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--age-min", type=float, help="of sockets; left out: the venue's own")
    parser.add_argument("--ends", type=int, default=4)
    parser.add_argument("--venue", choices=VENUES, action="append")
    given = parser.parse_args()
    failed = False
    for venue in given.venue or VENUES:
        with tempfile.TemporaryDirectory() as folder:
            age_s = None if given.age_min is None else given.age_min * 60
            day = run_day(venue, Path(folder), hours=given.hours, age_s=age_s, ends=given.ends)
        failed |= bool(day.wrong)
        print(
            f"{venue}: {given.hours:g} virtual hours in {day.cpu_s:.0f} s of CPU; {day.trades} "
            f"trades, {day.readings} readings agree, {day.refused} refused; {day.rollovers} "
            f"rollovers and {day.downs} ends of the books' socket, {day.resyncs} snapshots; "
            f"{day.dials} dials; client's objects {day.objects}; "
            f"wrong: {day.wrong[:5] or 'nothing'}",
            flush=True,
        )
        growth = day.kinds[-1] - day.kinds[2]
        print(f"  grown since a quarter: {growth.most_common(6)}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
