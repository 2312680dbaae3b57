"""One venue's live book under stream faults at random, against the mock's true book.

    python tests/client/book_faults.py --seeds 1..100 [--venue kraken-spot]

A seed says how the market moves, which faults come and for how long, and who reads. What is held
against the book:

- a reading that may be trusted shows only levels that were true within the age that it states;
- it is not to be trusted within 1 s of a lost, swapped or damaged update, at once after a lost
  socket, and within 5 s of the beginning of a silence, unless a snapshot has replaced it meanwhile;
- after a fault it is whole again within one snapshot round trip and a second for the next try,
  counted from the new connection where the fault has ended the old one;
- dials stay within 40, five for each time that the network or the venue ends the connection.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import market_in_sim
from market_in_sim import BTC, FLIGHT_S, KEYS, VENUES, Market, TrueBooks, play

from outlast import sim
from outlast.core.books import BookView
from outlast.errors import StaleData
from outlast.mock.streams.books import BookState
from outlast.mock.streams.client import Subscription
from outlast.mock.streams.faults import Outlet, is_book
from outlast.mock.venues.streams import Update

MARKET = "ws.market.stream"
INTEGRITY_S = 1.0
SILENCE_S = 5.0
ANSWERED_S = 1.0
"""A snapshot's round trip in this network, with the messages of a subscription paced."""
NEXT_TRY_S = 1.0
PATIENCE_S = 4.0
"""A subscription that was acknowledged under `ack_only` stays dumb: it has to be given up first."""
DIALS_MAX = 40
DIALS_FOR_EACH_END = 5


@dataclass(frozen=True)
class Kind:
    """One kind of fault: its terms in the scenario language, and within what it must show."""

    terms: Callable[[random.Random], Any]
    shows_within_s: float | None
    long: bool = False
    """Of those that are silences: shorter ones need not show."""


KINDS: dict[str, Kind] = {
    "gap": Kind(lambda rng: {"gap": rng.choice((0.02, 0.2, 0.6))}, INTEGRITY_S),
    "duplicate": Kind(lambda rng: {"dup": rng.choice((0.1, 0.5, 1.0))}, None),
    "reorder": Kind(lambda rng: {"reorder": rng.choice((0.05, 0.3))}, INTEGRITY_S),
    "bad checksum": Kind(lambda rng: {"bad_checksum": rng.choice((0.05, 0.3, 1.0))}, INTEGRITY_S),
    "crossed": Kind(lambda rng: {"crossed": rng.choice((0.05, 0.3, 1.0))}, INTEGRITY_S),
    "frozen": Kind(lambda _: "frozen", SILENCE_S, long=True),
    "mute": Kind(lambda _: "mute", SILENCE_S, long=True),
    "mute but for heartbeats": Kind(
        lambda _: {"mute": {"channels": ["book"], "keep": ["heartbeat"]}}, SILENCE_S, long=True
    ),
    "late": Kind(lambda rng: {"delay": f"{rng.uniform(2, 6):.1f}s"}, SILENCE_S, long=True),
    "ack only": Kind(lambda _: "ack_only", None),
    "closed": Kind(lambda rng: {"close": {"code": 1001, "every": f"{rng.randint(2, 6)}s"}}, None),
    "reset": Kind(lambda _: None, 0.2),
}


@dataclass
class Report:
    """What one seed came to."""

    venue: str
    seed: int
    wrong: list[str] = field(default_factory=list)
    readings: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    shown_s: dict[str, list[float]] = field(default_factory=dict)
    """By fault: from an update's loss until the book was not to be trusted."""
    healed_s: dict[str, list[float]] = field(default_factory=dict)
    """By fault: from its end until the book was whole for good."""
    dials: int = 0
    snapshots: int = 0
    weight_a_minute: int = 0
    skipped: int = 0


class Truth(TrueBooks):
    """The true books with their levels by price, so that many readings can be checked."""

    def __init__(self, feed: Any) -> None:
        super().__init__(feed)
        self._maps: dict[int, tuple[BookState, dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {}

    def lie(
        self, symbol: str, view: BookView, levels: int, *, within_s: float | None = None
    ) -> str:
        """What a reading shows that was not there within its age, or `within_s`; empty: nothing.

        Raises:
            StaleData: it may not be read.
        """
        bids, asks = view.bids(levels), view.asks(levels)
        best = (view.best_bid.price, view.best_ask.price)
        age_s = view.age_s if within_s is None else within_s
        assert age_s is not None
        states = self.within(symbol, age_s + FLIGHT_S)[::-1]
        maps = [self._by_price(state) for state in states]
        for number, rows in ((1, bids), (2, asks)):
            for level in rows:
                if not any(each[number].get(level.price) == level.qty for each in maps):
                    side = "bid" if number == 1 else "ask"
                    return f"{side} {level.price} × {level.qty} was not there within {age_s:.3f} s"
        if not any(s.bids and s.asks and best[0] == s.bids[0].price for s in states):
            return f"{best[0]} was not the best bid within {age_s:.3f} s"
        if not any(s.bids and s.asks and best[1] == s.asks[0].price for s in states):
            return f"{best[1]} was not the best ask within {age_s:.3f} s"
        return ""

    def _by_price(
        self, state: BookState
    ) -> tuple[BookState, dict[Decimal, Decimal], dict[Decimal, Decimal]]:
        found = self._maps.get(id(state))
        if found is None:
            found = self._maps[id(state)] = (state, dict(state.bids), dict(state.asks))
        return found


class Trial:
    """One seed on its way."""

    def __init__(self, world: Market, venue: str, seed: int, episodes: int) -> None:
        self.world, self.venue, self.seed, self.episodes = world, venue, seed, episodes
        self.rng = random.Random(f"books {venue} {seed}")
        self.symbol, self.key = BTC[venue], KEYS[venue][0]
        self.truth = Truth(world.stage().books)
        # Kraken's checksum proves ten levels of a side; Binance's numbers prove all of them.
        self.levels = 10 if venue == "kraken-spot" else 100
        self.report = Report(venue, seed)
        self.losses: list[tuple[float, str]] = []
        self.doubted: list[tuple[float, float]] = []
        """From and until when it was not to be trusted."""
        self.resynced: list[float] = []
        self.sent: list[float] = []
        self.told: list[float] = []
        """When an update left that tells how the book is, or that something is wrong with it."""
        self.since: float | None = None
        self.kind = self.last = self.noting = ""
        self.ends = 0

    async def run(self) -> None:
        report, world = self.report, self.world
        async with world.watch() as session:
            self.books = session._market.books
            await session.book(self.symbol)
            reading = [
                asyncio.create_task(self._watch()),
                asyncio.create_task(self._read_often()),
                asyncio.create_task(self._read_slowly(session)),
            ]
            await asyncio.sleep(self.rng.uniform(3, 20))
            for _ in range(self.episodes):
                await self._episode()
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)
            for task in reading:
                if not task.cancelled() and task.exception() is not None:
                    raise task.exception()  # type: ignore[misc]
        report.dials = world.dials
        allowed = min(DIALS_MAX, 1 + 2 * self.episodes + DIALS_FOR_EACH_END * self.ends)
        if report.dials > allowed:
            report.wrong.append(f"{report.dials} dials; {allowed} would do")
        self._judge_losses()
        rows = [r for r in world.requests() if r.endpoint == "market.read"]
        report.snapshots = len(rows)
        for number in ("bans", "over_limit"):
            if world.scorecard()[number]:
                report.wrong.append(f"{number}: {world.scorecard()[number]}")

    # Reading.

    async def _watch(self) -> None:
        """Write down when the book was not to be trusted, and when it was begun anew."""
        feed = self.books.open(self.symbol)
        resyncs, since = feed.book.resyncs, None
        while True:
            now, book = _now(), feed.book
            if book.resyncs != resyncs:
                resyncs = book.resyncs
                self.resynced.append(now)
            if not book.is_trusted and since is None:
                since = now
            elif book.is_trusted and since is not None:
                self.doubted.append((since, now))
                since = None
            self.since = since
            await self.books.changed(feed)

    async def _read_often(self) -> None:
        while True:
            view = self.books.view(self.symbol)
            assert view is not None
            self._check(view)
            await asyncio.sleep(self.rng.choice((0.02, 0.05, 0.11)))

    async def _read_slowly(self, session: Any) -> None:
        """A reader that is slow gets what is true when it comes, not a queue."""
        changes = session.books(self.symbol)
        async for view in changes:
            self._check(view)
            self.report.skipped = changes.skipped
            await asyncio.sleep(self.rng.uniform(0, 3))

    def _check(self, view: BookView) -> None:
        try:
            lie = self.truth.lie(self.key, view, self.levels)
            lie = lie or self.truth.lie(self.key, view, self.levels, within_s=self._may_lag_s())
        except StaleData:
            self.report.refused += 1
            return
        self.report.readings += 1
        if lie:
            self.report.wrong.append(f"{_now():.2f} {self.kind or 'after ' + self.last}: {lie}")

    def _may_lag_s(self) -> float:
        """How far a book that may be read may be behind: to a second before what the stream told
        last, and never longer than a silence may last."""
        now = _now()
        told_at = next((at for at in reversed(self.told) if at <= now - INTEGRITY_S), 0.0)
        return min(now - told_at, SILENCE_S)

    # Faults.

    async def _episode(self) -> None:
        rng, world = self.rng, self.world
        name = rng.choice(list(KINDS))
        kind = KINDS[name]
        self.kind = self.last = name
        self.report.faults[name] += 1
        began = _now()
        if name == "reset":
            self.ends += 1
            sim.network().reset()
            await asyncio.sleep(0.05)
            self.losses.append((began, name))
        else:
            terms = kind.terms(rng)
            with_rest = rng.random() < 0.25
            if with_rest:  # the snapshots fail too, half of them
                world.fault("market.read", p=0.5, reply={"http": {"status": 503}})
            world.fault(MARKET, stream=terms)
            seconds = rng.uniform(7, 15) if kind.long else rng.uniform(0.3, 12)
            if name == "closed":
                self.ends += 1 + int(seconds / 2)
            self.noting = name if kind.shows_within_s is not None else ""
            await asyncio.sleep(seconds)
            self.noting = ""
        world.heal()
        healed, self.kind = _now(), ""
        calm_s = rng.uniform(9, 14)
        await asyncio.sleep(calm_s)
        whole = healed
        for start, until in self.doubted:
            if until > healed and start < healed + calm_s:
                whole = max(whole, until)
        if self.since is not None:
            whole = float("inf")
        within = ANSWERED_S + NEXT_TRY_S + (PATIENCE_S if name == "ack only" else 0.0)
        if name in {"closed", "reset"}:  # the dial waits with jitter, and longer each time
            shard = self.books.open(self.symbol).shard
            assert shard is not None
            healed = max(healed, shard.market.line.since)
            whole = max(healed, whole)
        self.report.healed_s.setdefault(name, []).append(whole - healed)
        if whole - healed > within:
            detail = self.books.open(self.symbol).book
            self.report.wrong.append(
                f"{name} of {healed - began:.1f} s ended at {healed:.2f}: whole after "
                f"{whole - healed:.2f} s, not within {within:g} ({detail.reason}, {detail.needs})"
            )

    def listen(self) -> ExitStack:
        """Note what the mock sends of the book, and what it withholds or damages."""
        send, doubt, forward = Outlet.send, Outlet._doubt, Subscription.forward
        told: dict[Outlet, str] = {}
        provable = True

        def noted_send(outlet: Outlet, update: Update) -> None:
            nonlocal provable
            if not is_book(outlet._channel):
                return send(outlet, update)
            # Kraken proves ten levels: the loss of what lies below shows to nobody.
            checksum = re.search('"checksum":([0-9]+)', update.text)
            if checksum is not None:
                provable = told.get(outlet) != checksum[1]
                told[outlet] = checksum[1]
            return send(outlet, update)

        def noted_forward(subscription: Subscription, update: Update) -> None:
            if is_book(subscription.channel):
                self.sent.append(_now())
                if self.kind not in {"frozen", "late"}:  # those tell nothing of now
                    self.told.append(_now())
            forward(subscription, update)

        def noted_doubt(outlet: Outlet, *, is_untrue: bool) -> None:
            if is_untrue and self.noting and provable and is_book(outlet._channel):
                self.losses.append((_now(), self.noting))
            doubt(outlet, is_untrue=is_untrue)

        stack = ExitStack()
        stack.enter_context(patch.object(Outlet, "send", noted_send))
        stack.enter_context(patch.object(Outlet, "_doubt", noted_doubt))
        stack.enter_context(patch.object(Subscription, "forward", noted_forward))
        return stack

    def _judge_losses(self) -> None:
        last = 0.0
        ends = self.doubted + ([] if self.since is None else [(self.since, float("inf"))])
        for at, name in self.losses:
            limit_s = KINDS[name].shows_within_s
            assert limit_s is not None
            if limit_s == SILENCE_S and at < last + SILENCE_S:
                last = at
                continue  # of the same silence
            last = at
            if name in {"gap", "reorder"} and self._may_be_harmless(at):
                continue
            if name == "bad checksum" and self._begins_after_snapshot(at):
                continue
            shown = min((max(0.0, s - at) for s, until in ends if until >= at), default=1e9)
            mended = min((each - at for each in self.resynced if each >= at), default=1e9)
            if mended < shown:
                continue
            self.report.shown_s.setdefault(name, []).append(shown)
            if shown > limit_s + 1e-6 and name not in {"gap", "reorder"}:
                self.report.wrong.append(
                    f"{name} at {at:.2f} showed after {shown:.2f} s, not within {limit_s:g}"
                )

    def _may_be_harmless(self, at: float) -> bool:
        """Whether an update was lost that the next one makes up for, or that a snapshot contains.

        Whether it did harm shows in the readings: see `_may_lag_s`.
        """
        return self.venue == "kraken-spot" or self._begins_after_snapshot(at)

    def _begins_after_snapshot(self, at: float) -> bool:
        """Binance: a chain begins with any diff that reaches the snapshot."""
        begun = max((each for each in self.resynced if each <= at), default=0.0)
        return self.venue != "kraken-spot" and not any(begun < sent < at for sent in self.sent)


def _now() -> float:
    return sim.clock().now()


def run_seed(venue: str, seed: int, folder: Path, *, episodes: int = 6) -> Report:
    rng = random.Random(f"market {venue} {seed}")
    scenario = market_in_sim.builder(venue, vol=rng.choice(("10", "20", "60")))
    found: list[Report] = []

    async def story(world: Market) -> None:
        trial = Trial(world, venue, seed, episodes)
        found.append(trial.report)
        with trial.listen():
            await trial.run()

    play(story, folder, venue, scenario=scenario.phase("all", "rest").build(), seed=seed)
    return found[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Live books under stream faults at random.")
    parser.add_argument("--seeds", default="1..20")
    parser.add_argument("--venue", choices=VENUES, action="append")
    parser.add_argument("--episodes", type=int, default=6)
    given = parser.parse_args()
    first, _, last = given.seeds.partition("..")
    failed = False
    for venue in given.venue or VENUES:
        reports = []
        for seed in range(int(first), int(last or first) + 1):
            with tempfile.TemporaryDirectory() as folder:
                report = run_seed(venue, seed, Path(folder), episodes=given.episodes)
            reports.append(report)
            for wrong in report.wrong[:5]:
                print(f"{venue} seed {seed}: {wrong}", flush=True)
        failed |= any(report.wrong for report in reports)
        show(venue, reports)
    sys.exit(1 if failed else 0)


def show(venue: str, reports: list[Report]) -> None:
    faults: Counter[str] = Counter()
    for report in reports:
        faults += report.faults
    print(
        f"{venue}: {len(reports)} seeds, {sum(bool(r.wrong) for r in reports)} wrong; "
        f"{sum(r.readings for r in reports)} readings checked, {sum(r.refused for r in reports)} "
        f"refused, {sum(r.skipped for r in reports)} skipped by slow readers; "
        f"at most {max(r.dials for r in reports)} dials and {max(r.snapshots for r in reports)} "
        f"snapshots in a run"
    )
    for name, count in sorted(faults.items()):
        shown = [s for r in reports for s in r.shown_s.get(name, ())]
        healed = [s for r in reports for s in r.healed_s.get(name, ())]
        line = f"  {name:24} {count:4}"
        line += f"   whole after {median(healed):.2f} s, at most {max(healed):.2f}"
        if shown:
            line += f"; shown after {median(shown):.2f} s, at most {max(shown):.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
