"""Market data in one simulation with the mock: the true books are written down as they change.

`TrueBooks` keeps every state of the mock's own book with its instant. A reading of the client's is
honest when each of its levels was in a true state not older than the age that the reading states.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from venue_in_sim import World

import outlast
from outlast import sim
from outlast.core.books import BookView
from outlast.mock.exchange import MockExchange
from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.mock.scenario.model import Scenario
from outlast.mock.streams.books import BookFeed, BookState

VENUES = ("kraken-spot", "binance-spot", "binance-um")
BTC = {"kraken-spot": "BTC/USD", "binance-spot": "BTC/USDT", "binance-um": "BTC/USDT:USDT"}
ETH = {"kraken-spot": "ETH/USD", "binance-spot": "ETH/USDT", "binance-um": "ETH/USDT:USDT"}
KEYS = {
    "kraken-spot": ("BTC/USD", "ETH/USD"),
    "binance-spot": ("BTCUSDT", "ETHUSDT"),
    "binance-um": ("BTCUSDT", "ETHUSDT"),
}
FLIGHT_S = 0.25
"""On its way a message may be that old already, and the client cannot know."""


def builder(venue: str, *, vol: str = "20") -> ScenarioBuilder:
    """A market that moves, so that a stale book is a wrong one."""
    made = ScenarioBuilder("under-test", venue=venue)
    product = "um" if venue.endswith("um") else "spot"
    btc, eth = KEYS[venue]
    made.instrument(btc, product=product, mid="68000", tick="0.1", vol_bps_per_min=vol)
    made.instrument(eth, product=product, mid="2050", tick="0.01", vol_bps_per_min=vol)
    return made.account(balances={"USDT": "50000", "USD": "50000"})


class TrueBooks:
    """Every state that the mock's book was looked at in, with its instant of virtual time."""

    def __init__(self, feed: BookFeed) -> None:
        self._feed = feed
        self._at: dict[str, list[float]] = {}
        self._states: dict[str, list[BookState]] = {}
        look = feed.now

        def now(symbol: str) -> BookState:
            state = look(symbol)
            states = self._states.setdefault(symbol, [])
            if not states or states[-1] is not state:
                states.append(state)
                self._at.setdefault(symbol, []).append(sim.clock().now())
            return state

        feed.now = now  # type: ignore[method-assign]

    def within(self, symbol: str, age_s: float) -> list[BookState]:
        """The states that were true at some instant of the last `age_s` seconds."""
        since = sim.clock().now() - age_s
        first = max(0, bisect_right(self._at[symbol], since) - 1)
        return self._states[symbol][first:]

    def assert_honest(self, symbol: str, view: BookView, *, levels: int = 10) -> None:
        """No level of this reading was never there within its age."""
        age_s = view.age_s
        assert age_s is not None
        states = self.within(symbol, age_s + FLIGHT_S)
        for name, shown in (("bids", view.bids(levels)), ("asks", view.asks(levels))):
            true = {(level.price, level.qty) for s in states for level in getattr(s, name)}
            wrong = [level for level in shown if (level.price, level.qty) not in true]
            assert not wrong, f"{name} {wrong} were not there within {age_s:.3f} s"
        best = {(_best(state.bids), _best(state.asks)) for state in states}
        bids, asks = {bid for bid, _ in best}, {ask for _, ask in best}
        assert view.best_bid.price in bids
        assert view.best_ask.price in asks


def _best(side: Any) -> Decimal | None:
    return side[0].price if side else None


@dataclass
class Market(World):
    """One venue, its truth, and a session without keys."""

    def stage(self) -> Any:
        return self.mock.run.venues[self.venue].stage

    def true_books(self) -> TrueBooks:
        return TrueBooks(self.stage().books)

    def watch(self, **changes: Any) -> outlast.Session:
        return self.connect(**{"key": None, "secret": None} | changes)

    @property
    def dials(self) -> int:
        return sum(d.kind == "ws.market.connect" for d in self.mock.truth.conditions.dials)


def play(
    story: Callable[[Market], Awaitable[None]],
    folder: Path,
    venue: str,
    *,
    scenario: Scenario | None = None,
    seed: int = 1,
    time_limit_s: float = 7_200.0,
) -> None:
    document = builder(venue).phase("all", "rest").build() if scenario is None else scenario

    async def main() -> None:
        async with MockExchange(document, seed=seed) as mock:
            await story(Market(mock, folder, seed, venue=venue))

    sim.run(
        functools.partial(main),
        seed=seed,
        t0=document.t0_ms / 1000,
        time_limit_s=time_limit_s,
    )


async def first(items: Any, count: int) -> list[Any]:
    """The first so many of an async generator, which is then closed."""
    taken: list[Any] = []
    async with aclosing(items) as source:
        async for item in source:
            taken.append(item)
            if len(taken) == count:
                break
    return taken
