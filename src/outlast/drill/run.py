"""Runs bots through a scenario, each in a world of its own, and collects what the mock knows.

Every bot meets the same market, the same faults and the same clock; nothing one does reaches
another. Time is virtual: it jumps when nothing is happening. A live drill is played in real time,
on real sockets.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from outlast import sim
from outlast.backends.clock import SystemClock
from outlast.backends.journal import read_records
from outlast.core.histories import check
from outlast.drill.bots import naive, outlast_bot
from outlast.drill.result import REST_S, BotResult, Progress, length_s, obituary
from outlast.drill.strategy import Strategy, strategy_for
from outlast.errors import ConfigurationError
from outlast.mock.exchange import MockExchange
from outlast.mock.run import DEFAULT_ACCOUNT
from outlast.mock.scenario.model import Scenario
from outlast.venues import venues
from outlast.wire import Clock

__all__ = ["BOTS", "GUARDED", "NEEDS", "REST_S", "TRADES_ON", "BotResult", "bots_for", "run_bot"]

BOTS: Final = ("naive", "ccxt", "outlast")
"""The bots that come with the drill and are shown side by side, in this order."""

GUARDED: Final = "guarded-ccxt"
"""The ccxt bot with one line more: `outlast.guard(exchange)`. Only shown where it is named."""

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "ccxt": ("ccxt", "aiohttp"),
    GUARDED: ("ccxt", "aiohttp"),
}
"""What a bot needs besides the mock."""

COMMON: Final = "binance-um"
"""The venue that all bots speak, so that they can be compared there."""

TRADES_ON: Final[Mapping[str, tuple[str, ...]]] = {
    "naive": (COMMON,),
    "ccxt": venues(),
    GUARDED: venues(),
    "outlast": venues(),
}
"""Where each bot trades: of a scenario's venues at the common one, else at the first it speaks."""

LOOK_EVERY_S: Final = 30.0
"""How often progress is told, in virtual seconds."""
LOOK_EVERY_LIVE_S: Final = 0.5


def run_bot(
    scenario: Scenario,
    bot: str,
    *,
    seed: int,
    progress: Progress = lambda *_: None,
    live: bool = False,
    venue: str | None = None,
    strategy: Strategy | None = None,
) -> BotResult:
    """Run one bot through the whole scenario.

    Args:
        venue: one of the scenario's; None chooses one.
        strategy: what the bot does; None is what `strategy_for` says.
        progress: hears how far it is.
        live: on real sockets of this machine, and for as long as the scenario lasts. What it costs
            is told as it is; two runs are never quite the same.

    Raises:
        ConfigurationError: the scenario is about venues that the bot does not trade on.
    """
    venue = venue or _venue_of(scenario, bot)
    if venue not in scenario.venues or venue not in TRADES_ON[bot]:
        able = bots_for(scenario)
        raise ConfigurationError(
            f"scenario {scenario.scenario} is about {', '.join(scenario.venues)}; the bot {bot} "
            f"trades on {', '.join(TRADES_ON[bot])}: choose a scenario of that venue"
            + (f", or --bot {able[0]}" if able else "")
        )
    if bot in ("ccxt", GUARDED):
        # Before the simulation begins: while they are imported, its libraries touch real sockets.
        importlib.import_module("outlast.drill.bots.ccxt_bot")
        importlib.import_module("outlast.sim.aiohttp")
        importlib.import_module("outlast.adapters.ccxt.guarding")
    with tempfile.TemporaryDirectory(prefix="outlast-drill-") as folder:
        journal = Path(folder) / "bot.journal"
        if live:
            # Bots date their requests by the machine's clock: the night is played as of now.
            scenario = replace(scenario, t0_ms=round(time.time() * 1000))
        main = functools.partial(
            _drill, scenario, venue, bot, seed, journal, progress, live, strategy
        )
        return asyncio.run(main()) if live else sim.run(main, seed=seed, t0=scenario.t0_ms / 1000)


def bots_for(scenario: Scenario) -> tuple[str, ...]:
    """The bots that trade on a venue of `scenario`, in the order in which they are shown."""
    return tuple(bot for bot in BOTS if _venue_of(scenario, bot) is not None)


def _venue_of(scenario: Scenario, bot: str) -> str | None:
    known = [venue for venue in scenario.venues if venue in TRADES_ON[bot]]
    return COMMON if COMMON in known else next(iter(known), None)


async def _drill(
    scenario: Scenario,
    venue: str,
    bot: str,
    seed: int,
    journal: Path,
    progress: Progress,
    live: bool,
    strategy: Strategy | None,
) -> BotResult:
    async with MockExchange(scenario, venues=[venue], seed=seed) as mock:
        whole_s = length_s(scenario)
        ended = asyncio.Event()
        playing = asyncio.create_task(_play(mock, venue, bot, seed, journal, ended, live, strategy))
        look_every_s = LOOK_EVERY_LIVE_S if live else LOOK_EVERY_S
        while (elapsed_s := mock.run.clock.elapsed_s) < whole_s:
            progress(elapsed_s, whole_s)
            await asyncio.sleep(min(look_every_s, whole_s - elapsed_s))
        progress(whole_s, whole_s)
        ended.set()
        belief, died_of = await playing
        return BotResult(
            bot=bot,
            scorecard=mock.truth.scorecard(DEFAULT_ACCOUNT, belief),
            verdict=mock.truth.verdict(belief, account=DEFAULT_ACCOUNT),
            died_of=died_of,
        )


async def _play(
    mock: MockExchange,
    venue: str,
    bot: str,
    seed: int,
    journal: Path,
    ended: asyncio.Event,
    live: bool,
    strategy: Strategy | None,
) -> tuple[Mapping[str, Any] | None, str | None]:
    """Let the bot trade until the scenario ends; its belief, and what killed it before."""
    wires = mock.describe()["venues"][venue]
    url, key, secret = wires["endpoints"]["rest"], wires["key"], wires["secret"]
    clock: Clock = SystemClock() if live else sim.clock()
    strategy = strategy or strategy_for(mock.scenario)
    if bot == "outlast":
        trading = asyncio.create_task(
            outlast_bot.run(
                strategy,
                url,
                venue=venue,
                key=key,
                secret=secret,
                clock=clock,
                seed=seed,
                journal=str(journal),
                until_end=ended,
            )
        )
        await asyncio.wait({trading})
        await ended.wait()
        if (error := trading.exception()) is not None:
            return None, obituary(error)
        return {**trading.result(), "journal": _journal_belief(journal)}, None
    if bot == "naive":
        work = naive.run(
            strategy, url, key=key, secret=secret, now_ms=lambda: round(clock.wall() * 1000)
        )
    else:
        guarded_by = _guard(journal, clock, seed) if bot == GUARDED else None
        work = _ccxt(strategy, venue, url, key, secret, guarded_by=guarded_by, live=live)
    playing = asyncio.create_task(work)
    ending = asyncio.create_task(ended.wait())
    await asyncio.wait({playing, ending}, return_when=asyncio.FIRST_COMPLETED)
    died_of = None
    if playing.done() and (error := playing.exception()) is not None:
        died_of = obituary(error)
    await ending
    playing.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await playing
    return _guards_belief(journal) if bot == GUARDED else None, died_of


def _guard(journal: Path, clock: Clock, seed: int) -> Callable[[Any], Any]:
    """The one line, with what makes a seed repeat."""
    from outlast.adapters.ccxt import guard  # noqa: PLC0415 - it needs ccxt
    from outlast.adapters.ccxt.settings import GuardSettings  # noqa: PLC0415

    return functools.partial(guard, journal=journal, settings=GuardSettings(seed=seed), clock=clock)


async def _ccxt(
    strategy: Strategy,
    venue: str,
    url: str,
    key: str,
    secret: str,
    *,
    guarded_by: Callable[[Any], Any] | None,
    live: bool,
) -> None:
    """ccxt leaves a session that it was given open, so it is closed here."""
    import aiohttp  # noqa: PLC0415 - ccxt and aiohttp are extras that only this bot needs

    from outlast.drill.bots import ccxt_bot  # noqa: PLC0415
    from outlast.sim.aiohttp import SimConnector  # noqa: PLC0415

    async with aiohttp.ClientSession(connector=None if live else SimConnector()) as session:
        await ccxt_bot.run(
            strategy,
            url,
            venue=venue,
            key=key,
            secret=secret,
            session=session,
            guarded_by=guarded_by or (lambda exchange: exchange),
        )


def _guards_belief(journal: Path) -> dict[str, Any] | None:
    """None where the bot fell over before it had a guard."""
    return {"journal": _journal_belief(journal)} if journal.exists() else None


def _journal_belief(path: Path) -> dict[str, Any]:
    """What the journal says of itself: whether it holds, and how many requests it names."""
    records = list(read_records(path))
    return {
        "records": len(records),
        "verified": check(records).holds,
        "requests": sum(record.kind == "attempt" for record in records),
    }
