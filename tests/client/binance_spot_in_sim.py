"""A session and the mock's Binance spot in one simulation; see `venue_in_sim` for the method."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from venue_in_sim import World

import outlast
from outlast import sim
from outlast.mock.exchange import MockExchange
from outlast.mock.history import AccountHistory
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.mock.scenario.model import Scenario

VENUE = "binance-spot"
BTC, ETH = "BTC/USDT", "ETH/USDT"
PASSIVE = "60000"
"""Far enough below the market of 68,000 that a bid there rests, near enough to be in the band."""


def builder(**account: Any) -> ScenarioBuilder:
    """BTC at 68,000 and ETH at 2,050, both hardly moving; its phases are to be told."""
    made = ScenarioBuilder("under-test", venue=VENUE)
    made.instrument("BTCUSDT", product="spot", mid="68000", tick="0.01", vol_bps_per_min="0.1")
    made.instrument("ETHUSDT", product="spot", mid="2050", tick="0.01", vol_bps_per_min="0.1")
    return made.account(**{"balances": {"USDT": "50000", "BTC": "0.5"}, **account})


def calm(**account: Any) -> Scenario:
    """Nothing goes wrong by itself."""
    return builder(**account).phase("all", "rest").build()


@dataclass
class SpotWorld(World):
    @property
    def wires(self) -> dict[str, Any]:
        wires: dict[str, Any] = self.mock.describe()["venues"][VENUE]
        return wires

    def connect(self, **changes: Any) -> outlast.Session:
        arguments: dict[str, Any] = {
            "key": self.wires["key"],
            "secret": self.wires["secret"],
            "journal": self.folder / "bot.journal",
            "endpoints": self.wires["endpoints"],
            "clock": self.clock,
            "settings": outlast.Settings(seed=self.seed),
        }
        session = outlast.connect(VENUE, **(arguments | changes))
        self.sessions.append(session)
        return session

    @property
    def account(self) -> AccountHistory:
        found = self.mock.truth.history.at(VENUE, DEFAULT_ACCOUNT)
        assert found is not None
        return found


def play(
    story: Callable[[SpotWorld], Awaitable[None]],
    folder: Path,
    *,
    scenario: Scenario | None = None,
    seed: int = 1,
    skew_s: float = 0.0,
    time_limit_s: float = 7_200.0,
) -> None:
    """Tell one story. `skew_s`: how far the bot's wall clock is ahead of the venue's."""
    document = calm() if scenario is None else scenario

    async def main() -> None:
        async with MockExchange(document, seed=seed) as mock:
            await story(SpotWorld(mock, folder, seed))

    sim.run(
        functools.partial(main),
        seed=seed,
        t0=document.t0_ms / 1000 + skew_s,
        time_limit_s=time_limit_s,
    )
