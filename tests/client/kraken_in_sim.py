"""A session and the mock's Kraken spot in one simulation; see `venue_in_sim` for the method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import venue_in_sim
from venue_in_sim import World

from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.mock.scenario.model import Scenario

VENUE = "kraken-spot"
BTC, ETH = "BTC/USD", "ETH/USD"
PASSIVE = "60000"
"""Far enough below the market of 68,000 that a bid there rests."""


def builder(**account: Any) -> ScenarioBuilder:
    """BTC at 68,000 and ETH at 2,050, both hardly moving; its phases are to be told."""
    made = ScenarioBuilder("under-test", venue=VENUE)
    made.instrument("BTC/USD", product="spot", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.instrument("ETH/USD", product="spot", mid="2050", tick="0.01", vol_bps_per_min="0.1")
    return made.account(**{"balances": {"USD": "50000", "BTC": "0.5"}, **account})


def calm(**account: Any) -> Scenario:
    """Nothing goes wrong by itself."""
    return builder(**account).phase("all", "rest").build()


def play(
    story: Callable[[World], Awaitable[None]],
    folder: Path,
    *,
    scenario: Scenario | None = None,
    **terms: Any,
) -> None:
    document = calm() if scenario is None else scenario
    venue_in_sim.play(story, folder, scenario=document, venue=VENUE, **terms)
