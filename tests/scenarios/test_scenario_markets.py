"""The markets of the scenarios: paths, jumps, deviations, volatility, spreads and depth.

A market is a function of its seed and of what the scenario says, so the same scenario with one kind
of saying taken out is its twin: what differs between the two is what was said, and nothing else.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from scenario_text import PRODUCTS, Phase, Story, seconds, slugs
from stand import LIMITS_OFF, Stand, furnished, market_of, need_venue
from venue_wires import Market

from outlast import sim

LOOKS = 24
"""So often a phase is looked at."""
LONGEST_S = 600.0
PATH = ("drift", "over", "deviate", "reopen_gap")
SHAPE = ("spread_x", "depth_x")


def cases() -> list[object]:
    made = [
        pytest.param(
            "binance-reduce-only-lockout-2025-10-11", "binance-spot", id="a-coarse-tick-on-spot"
        )
    ]
    for slug in slugs():
        story = Story(slug)
        if any(phase.part("market") or phase.changes() for phase in story.phases):
            # Every venue's market is made in the same way: one of each scenario will do.
            made.append(pytest.param(slug, story.venues[0], id=slug))
    return made


def without(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The document with these market settings taken out everywhere."""
    twin = copy.deepcopy(document)
    for phase in twin["phases"]:
        for said in (phase, *phase.get("timeline", [])):
            if "market" in said:
                said["market"] = {k: v for k, v in said["market"].items() if k not in keys}
    return twin


def market_alone(document: dict[str, Any], market: Market) -> dict[str, Any]:
    """Neither faults nor lies nor a halted engine, whose book would stand still; nobody trades.

    Of the world the first instrument is kept: each market is its own.
    """
    bare = copy.deepcopy(document)
    for phase in bare["phases"]:
        for key in ("faults", "engine", "account", "ramp", "flap", "events"):
            phase.pop(key, None)
        for change in phase.get("timeline", []):
            change.pop("engine", None)
            change.pop("account", None)
        kept = [change for change in phase.pop("timeline", []) if len(change) > 1]
        if kept:
            phase["timeline"] = kept
    bare["world"]["account"] = {"balances": bare["world"]["account"]["balances"]}
    bare["expect"] = []
    bare.pop("scope", None)
    bare.pop("score", None)
    usual = {"product": PRODUCTS[market.venue], "mid": market.mid, "tick": market.tick}
    listed = bare["world"].get("instruments", {market.key: usual})
    bare["world"]["instruments"] = {market.key: listed[market.key]}
    bare["venue"] = market.venue
    return bare


# --- what the text says --------------------------------------------------------------------------


@dataclass(frozen=True)
class Move:
    """Prices go by the share `by` from `start_s` on; there after `over_s`, back `back_s` later."""

    by: float
    start_s: float
    over_s: float
    back_s: float | None = None

    def factors(self, at_s: float) -> tuple[float, float]:
        """Between which factors on the price it is at an instant."""
        there_s = self.start_s + self.over_s
        if at_s < self.start_s:
            return 1.0, 1.0
        if self.back_s is not None and at_s >= there_s + self.back_s:
            return 1.0, 1.0
        if at_s == there_s or (self.back_s is None and at_s >= there_s):
            return 1 + self.by, 1 + self.by
        return min(1.0, 1 + self.by), max(1.0, 1 + self.by)

    def instants(self) -> list[float]:
        ends = [self.start_s, self.start_s + self.over_s]
        return ends if self.back_s is None else [*ends, self.start_s + self.over_s + self.back_s]


def moves(story: Story, *, away: bool) -> Iterator[Move]:
    """Drifts and jumps, which the peers go with, or (`away`) deviations from them."""
    for phase in story.phases:
        for start_s, said in _sayings(phase):
            if away and "deviate" in said:
                how = said["deviate"]
                yield Move(how["by"], start_s, seconds(how["peak"]), seconds(how["decay"]))
            if not away and "drift" in said:
                rest = phase.end_s - start_s
                over_s = seconds(said["over"]) if "over" in said else rest
                yield Move(said["drift"], start_s, over_s)
            if not away and "reopen_gap" in said:
                yield Move(said["reopen_gap"], start_s, 0.0)


def _sayings(phase: Phase) -> Iterator[tuple[float, dict[str, Any]]]:
    yield phase.start_s, phase.part("market")
    for at_s, change in phase.changes():
        yield at_s, change.get("market", {})


def factors(movers: list[Move], at_s: float) -> tuple[float, float]:
    low = high = 1.0
    for move in movers:
        least, most = move.factors(at_s)
        low, high = low * least, high * most
    return low, high


# --- looking -------------------------------------------------------------------------------------


@dataclass
class View:
    """One look at the book; worths are those of the ten best levels, in the quote asset."""

    mid: float
    peer: float
    spread: float
    bids: float
    asks: float


async def watch(
    document: dict[str, Any], story: Story, venue: str, times: list[float], *, on_wire: bool = True
) -> Any:
    """A view at each of these instants, over REST or (cheaper) from the engine behind it."""
    market = market_of(story, venue)
    async with Stand(document, market) as stand:
        engine = stand.exchange.run.venues[venue].stage.engine
        views = {}
        for at_s in times:
            await stand.goto(at_s)
            if on_wire:
                book: Any = await stand.book()
            else:
                shown = engine.book(market.symbol, 20)
                book = shown.bids, shown.asks
            bids, asks = ([(float(p), float(q)) for p, q in side] for side in book)
            views[at_s] = View(
                mid=(bids[0][0] + asks[0][0]) / 2,
                peer=float(engine.peer_price(market.symbol)),
                spread=asks[0][0] - bids[0][0],
                bids=sum(price * qty for price, qty in bids[:10]),
                asks=sum(price * qty for price, qty in asks[:10]),
            )
        return views


def looks(phase: Phase) -> list[float]:
    step = min(20.0, phase.length_s / (LOOKS + 2))
    return [phase.start_s + step * (n + 1) for n in range(LOOKS)]


@pytest.mark.parametrize(("slug", "venue"), cases())
def test_the_market_does_what_the_scenario_says(slug, venue):
    need_venue(venue)
    story = Story(slug, longest_s=LONGEST_S, moves=venue == Story(slug).venues[0])
    market = market_of(story, venue)
    document = market_alone(
        furnished(story, market, held=0, limits=LIMITS_OFF, status_page=[]), market
    )
    drifts, deviations = list(moves(story, away=False)), list(moves(story, away=True))
    ends = [
        at_s
        for move in (*drifts, *deviations)
        for at_s in move.instants()
        if 0 < at_s < story.duration_s
    ]
    spoken = [phase for phase in story.phases if phase.part("market")]
    times = sorted({*ends, *(at_s for phase in spoken for at_s in looks(phase))})

    runs: dict[str, dict[float, View]] = {}

    def run(twin: dict[str, Any]) -> dict[float, View]:
        text = json.dumps(twin, default=str)
        if text not in runs:  # with nothing to take out a document is its own twin
            wire = not runs  # the scenario itself
            runs[text] = sim.run(lambda: watch(twin, story, venue, times, on_wire=wire), seed=1)
        return runs[text]

    said = run(document)
    pathless = run(without(document, *PATH))
    shapeless = run(without(document, *PATH, *SHAPE))
    calm = run(without(document, *PATH, *SHAPE, "vol_x"))

    for at_s in times:
        wide = 2e-4 + 2e-4 * max(p.part("market").get("spread_x", 1) for p in story.phases)
        low, high = factors([*drifts, *deviations], at_s)
        got = said[at_s].mid / pathless[at_s].mid
        if not any(p.part("market").get("frozen") for p in story.phases):
            assert low - wide <= got <= high + wide, (at_s, low, got, high)
        low, high = factors(drifts, at_s)
        got = said[at_s].peer / pathless[at_s].peer
        assert low - 2e-4 <= got <= high + 2e-4, ("peers", at_s, low, got, high)
    for phase in spoken:
        market, at = phase.part("market"), looks(phase)
        spread_x, depth = market.get("spread_x", 1), market.get("depth_x", {})
        if not market.get("frozen"):
            check_ratio("spread", [(pathless[t].spread, shapeless[t].spread) for t in at], spread_x)
            for side in ("bid", "ask"):
                pairs = [
                    (getattr(pathless[t], f"{side}s"), getattr(shapeless[t], f"{side}s"))
                    for t in at
                ]
                check_ratio(side, pairs, depth.get(side, 1))
            vol_x = market.get("vol_x", 1)
            assert vol_x / 1.5 < swing(shapeless, at) / swing(calm, at) < vol_x * 1.5, phase.name


def check_ratio(what: str, pairs: list[tuple[float, float]], due: float) -> None:
    """The sizes and gaps of a book are drawn level by level: on the average they are as said."""
    ratio = sum(a for a, _ in pairs) / sum(b for _, b in pairs)
    assert due / 1.3 < ratio < due * 1.3, (what, ratio, due)


def swing(views: dict[float, View], at: list[float]) -> float:
    """How far prices move from look to look."""
    returns = [math.log(views[b].peer / views[a].peer) for a, b in itertools.pairwise(at)]
    return math.sqrt(sum(r * r for r in returns) / len(returns))


def test_a_frozen_market_stands_still_while_its_peers_go_on():
    story = Story("engine-frozen-socket-alive")
    need_venue("kraken-spot")
    market = market_of(story, "kraken-spot")
    document = market_alone(furnished(story, market, held=0), market)
    times = [30.0, 60.0, 70.0, 110.0, 150.0]
    views = sim.run(lambda: watch(document, story, "kraken-spot", times), seed=1)
    still = {(views[t].mid, views[t].spread, views[t].bids) for t in times[1:]}
    assert len(still) == 1
    assert len({views[t].peer for t in times}) == len(times)


def test_the_tape_of_a_frozen_market_is_silent():
    story = Story("engine-frozen-socket-alive")
    need_venue("kraken-spot")
    market = market_of(story, "kraken-spot")
    document = market_alone(furnished(story, market, held=0), market)

    async def play() -> Any:
        async with Stand(document, market) as stand:
            engine = stand.exchange.run.venues["kraken-spot"].stage.engine
            counts = []
            for at_s in (60.0, 150.0, 160.0, 190.0):
                await stand.goto(at_s)
                last = engine.tape(market.symbol, 1)[-1]
                counts.append(last.trade_id)
            return counts

    begun, over, _, after = sim.run(play, seed=1)
    assert begun == over < after


def test_the_mids_of_the_venues_agree_before_anything_is_said():
    """Decimal for decimal the worlds begin where their instruments do."""
    story = Story("zero-balances")
    for venue in story.venues:
        need_venue(venue)
        market = market_of(story, venue)
        document = market_alone(furnished(story, market, held=0), market)

        def run(venue: str = venue, document: Any = document) -> Any:
            return sim.run(lambda: watch(document, story, venue, [1.0]), seed=1)

        assert abs(Decimal(run()[1.0].mid) / 68000 - 1) < Decimal("0.001")
