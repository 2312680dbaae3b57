"""Live books in every scenario of the catalogue that names `stale_within`, by the mock's verdict.

A few virtual minutes of each here; whole ones with `OUTLAST_CATALOGUE=whole`.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from market_in_sim import Market, TrueBooks, play

from outlast import sim
from outlast.client.events import BookTrustChanged
from outlast.errors import StaleData
from outlast.mock.scenario.catalogue import catalogue
from outlast.mock.scenario.model import Scenario

WHOLE = os.environ.get("OUTLAST_CATALOGUE") == "whole"
MINUTES = 1.5
LONGER = {"gap-and-checksum": 3.0}
"""Binance's first two reads of a book are refused with 429 there, and each time nothing leaves for
the rest of that minute: only in the third one can there be a book."""
NAMED = {s.scenario: s for s in catalogue() if s.expectation("stale_within") is not None}


class Reader:
    """A session without keys that keeps the books of one venue, and says what it thinks of them."""

    def __init__(self, world: Market, marks: list[dict[str, Any]]) -> None:
        self.world, self.marks = world, marks
        self.truth = TrueBooks(world.stage().books)
        self.since: dict[str, int] = {}
        self.readings = 0

    async def run(self, until: float) -> None:
        began = self._now_ms()
        async with self.world.watch(journal=None) as session:
            keys = {session.instrument(k).symbol: k for k in self.world.stage().engine.instruments}
            books = session._market.books
            noting = asyncio.create_task(self._note(session, keys))
            for symbol in keys:
                self.since[symbol] = began
                books.open(symbol)
            while sim.clock().now() < until:
                for symbol, key in keys.items():
                    if not books.view(symbol).is_fresh:
                        continue
                    try:
                        self.truth.assert_honest(key, books.view(symbol))
                        self.readings += 1
                    except (StaleData, LookupError):
                        pass  # not to be trusted; or a side of the true book is empty
                await asyncio.sleep(0.3)
            noting.cancel()
        for symbol, at_ms in self.since.items():
            self.marks.append({"symbol": keys[symbol], "at_ms": at_ms})

    async def _note(self, session: Any, keys: dict[str, str]) -> None:
        async for event in session.events():
            if not isinstance(event, BookTrustChanged):
                continue
            if not event.is_trusted:
                self.since.setdefault(event.symbol, self._now_ms())
            elif event.symbol in self.since:
                at_ms = self.since.pop(event.symbol)
                mark = {"symbol": keys[event.symbol], "at_ms": at_ms, "until_ms": self._now_ms()}
                self.marks.append(mark)

    def _now_ms(self) -> int:
        self.world.mock.run.clock.catch_up()
        return int(self.world.mock.truth.now_ms)


def test_the_catalogue_has_them():
    assert {"gap-and-checksum", "engine-frozen-socket-alive", "reconnect-storm"} <= NAMED.keys()


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("slug", sorted(NAMED))
def test_books_are_stale_in_time(slug: str, tmp_path: Path):
    scenario: Scenario = NAMED[slug]
    minutes = LONGER.get(slug, MINUTES)
    seconds = scenario.duration_s if WHOLE else min(minutes * 60, scenario.duration_s or 1e9)
    marks: list[dict[str, Any]] = []
    told: list[str] = []

    async def story(world: Market) -> None:
        readers = [Reader(replace(world, venue=venue), marks) for venue in scenario.venues]
        until = sim.clock().now() + seconds - 1
        await asyncio.gather(*(reader.run(until) for reader in readers))
        unread = [reader.world.venue for reader in readers if not reader.readings]
        assert not unread or slug == "reconnect-storm", f"never a book of {unread}"
        judged = {
            row["invariant"].split(":")[0]: row for row in world.mock.verdict({"stale": marks})
        }
        for name in ("stale_within", "connects_max", "no_ban"):
            if name in judged:
                told.append(f"{name}: {judged[name]['evidence']}")
                assert judged[name]["holds"], judged[name]

    play(story, tmp_path, scenario.venues[0], scenario=scenario, seed=scenario.seed,
         time_limit_s=seconds + 600)  # fmt: skip
    print(slug, told)
    assert any(line.startswith("stale_within") for line in told)
