"""A session and the mock venue in one simulation: virtual time, no sockets, every seed repeats.

Stories are judged by what the mock knows (`World.orders`, `World.requests`, `World.judge`), not by
what the client says of itself.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import outlast
from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.history import AccountHistory, OrderHistory
from outlast.mock.records import RequestRecord
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.mock.scenario.model import Scenario

VENUE = "binance-um"
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
PASSIVE = "60000"
"""Far enough below the market of 68,000 that a bid there rests, near enough to be in the band."""


def builder(**account: Any) -> ScenarioBuilder:
    """BTC at 68,000 and ETH at 2,050, both hardly moving; its phases are to be told."""
    made = ScenarioBuilder("under-test", venue=VENUE)
    made.instrument("BTCUSDT", product="um", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.instrument("ETHUSDT", product="um", mid="2050", tick="0.01", vol_bps_per_min="0.1")
    return made.account(**{"balances": {"USDT": "50000"}, **account})


def calm(**account: Any) -> Scenario:
    """Nothing goes wrong by itself."""
    return builder(**account).phase("all", "rest").build()


@dataclass
class World:
    mock: MockExchange
    folder: Path
    seed: int
    sessions: list[outlast.Session] = field(default_factory=list)
    venue: str = VENUE

    @property
    def clock(self) -> sim.SimClock:
        return sim.clock()

    @property
    def wires(self) -> dict[str, Any]:
        wires: dict[str, Any] = self.mock.describe()["venues"][self.venue]
        return wires

    def connect(self, **changes: Any) -> outlast.Session:
        """A session as a bot opens it, with the mock's own key; `changes` replace arguments."""
        arguments: dict[str, Any] = {
            "key": self.wires["key"],
            "secret": self.wires["secret"],
            "journal": self.folder / "bot.journal",
            "endpoints": self.wires["endpoints"],
            "clock": self.clock,
            "settings": outlast.Settings(seed=self.seed),
        }
        session = outlast.connect(self.venue, **(arguments | changes))
        self.sessions.append(session)
        return session

    # What goes wrong, from now on.

    def fault(self, match: str | list[str], **terms: Any) -> str:
        """One fault rule of the scenario language; give its id to `heal` to end it."""
        rule_id = self.mock.run.desk.add(fault(match, **terms))
        self.mock.run.changed()
        return rule_id

    def heal(self) -> None:
        for rule in list(self.mock.run.desk.added):
            self.mock.run.desk.remove(rule.id)
        self.mock.run.changed()

    # What really happened.

    @property
    def account(self) -> AccountHistory:
        found = self.mock.truth.history.at(self.venue, DEFAULT_ACCOUNT)
        assert found is not None
        return found

    @property
    def orders(self) -> list[OrderHistory]:
        """The engine's orders, those aside that the scenario began with."""
        return [o for o in self.account.orders.values() if not o.from_the_start]

    def position(self, symbol: str = "BTCUSDT") -> Decimal:
        self.mock.run.clock.catch_up()
        return self.account.position(symbol, self.mock.truth.now_ms)

    def requests(self, endpoint: str | None = None) -> list[RequestRecord]:
        return [r for r in self.mock.truth.traffic.kept() if endpoint in (None, r.endpoint)]

    def scorecard(self) -> dict[str, Any]:
        self.mock.run.clock.catch_up()
        return self.mock.truth.scorecard(DEFAULT_ACCOUNT)

    def judge(self) -> None:
        """The promises P1, P2 and P3, after a healthy tail: by the venue's truth alone."""
        card = self.scorecard()
        broken = {
            name: card[name]
            for name in ("duplicates", "lost", "unresolved", "bans", "over_limit")
            if card[name]
        }
        assert not broken, f"seed {self.seed}: {broken}"


def play(
    story: Callable[[World], Awaitable[None]],
    folder: Path,
    *,
    scenario: Scenario | None = None,
    seed: int = 1,
    skew_s: float = 0.0,
    time_limit_s: float = 7_200.0,
    venue: str = VENUE,
) -> None:
    """Tell one story. `skew_s`: how far the bot's wall clock is ahead of the venue's."""
    document = calm() if scenario is None else scenario

    async def main() -> None:
        async with MockExchange(document, seed=seed) as mock:
            await story(World(mock, folder, seed, venue=venue))

    sim.run(
        functools.partial(main),
        seed=seed,
        t0=document.t0_ms / 1000 + skew_s,
        time_limit_s=time_limit_s,
    )
