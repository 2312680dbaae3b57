"""One client in one scenario with one seed: in virtual time, or over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import httpx

from benchmarks.resilience.clients import opened, preload
from benchmarks.resilience.rest import Account
from benchmarks.resilience.scenarios import VENUE, Outage
from benchmarks.resilience.trace import Call, Done, trace
from outlast import sim
from outlast.backends.clock import SystemClock
from outlast.mock.exchange import MockExchange
from outlast.mock.records import RequestRecord

__all__ = ["Asked", "Trial", "run_over_sockets", "run_simulated"]

NEIGHBOUR_DEPTH: Final = "1000"
NEIGHBOUR_WEIGHT: Final = 20
"""Of a book of 1000 levels. Source: Binance USD-M futures docs, Order Book."""
NEIGHBOUR_PER_S: Final = 0.9
"""Two neighbours behind the same address use together 1,080 of the 2,400 a minute: each what this
bot uses by itself (5 calls a second of the mix in `trace.py`, 540 a minute)."""
LINGER_S: Final = 30.0
"""How long calls that have begun are waited for when the scenario is over."""


class Asked(NamedTuple):
    """One request that reached the mock. Seconds since the start of the scenario."""

    at_s: float
    told_s: float
    venue: str
    endpoint: str
    limited: str | None
    quiet_s: float | None
    """How long the answer told the address to stay away."""
    price: str | None
    landed: bool
    reduces: bool
    ours: bool


@dataclass(slots=True)
class Trial:
    """What one run left behind."""

    outage: Outage
    client: str
    seed: int
    broken_s: float
    calls: list[Call]
    done: list[Done] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    bans: int = 0
    left_alone_s: list[float] = field(default_factory=list)
    """When the client says that it began to leave reads alone; empty where it says nothing."""
    may_live: frozenset[Call] = frozenset()
    """Failed entries of which the client says that they may be live, or that they are."""

    @property
    def from_s(self) -> float:
        return self.outage.calm_s

    @property
    def until_s(self) -> float:
        return self.outage.calm_s + self.broken_s


def run_simulated(outage: Outage, client: str, seed: int, *, neighbours: bool = False) -> Trial:
    preload(client)
    scenario, _ = outage.build()
    main = functools.partial(_run, outage, client, seed, neighbours, simulated=True)
    return sim.run(main, seed=seed, t0=scenario.t0_ms / 1000)


def run_over_sockets(outage: Outage, client: str, seed: int) -> Trial:
    return asyncio.run(_run(outage, client, seed, False, simulated=False))


async def _run(
    outage: Outage, client: str, seed: int, neighbours: bool, *, simulated: bool
) -> Trial:
    scenario, broken_s = outage.build()
    lasts_s = outage.calm_s + broken_s + outage.after_s
    trial = Trial(outage, client, seed, broken_s, trace(seed, outage.rates, lasts_s))
    clock: Any = sim.clock() if simulated else SystemClock()
    now_ms = None if simulated else (lambda: round(clock.wall() * 1000))
    async with MockExchange(scenario, seed=seed, now_ms=now_ms) as mock:
        t0_ms = mock.scenario.t0_ms
        mock.truth.traffic.listen(lambda record: trial.asked.append(_asked(record, t0_ms)))
        wires = mock.describe()["venues"]
        accounts = {
            venue: Account(
                wire["endpoints"]["rest"], wire["key"], wire["secret"], wire["endpoints"]
            )
            for venue, wire in wires.items()
        }
        began_s = clock.now() - mock.run.clock.elapsed_s

        def now_s() -> float:
            return float(clock.now() - began_s)

        async with (
            _neighbours(accounts[VENUE], seed, clock) if neighbours else _nobody(),
            opened(
                client, accounts, seed=seed, clock=clock, connector=_connector(simulated)
            ) as made,
        ):
            tasks = []
            for call in trial.calls:
                await asyncio.sleep(max(0.0, call.at_s - now_s()))
                tasks.append(asyncio.create_task(made.perform(call, now_s)))
            await asyncio.sleep(max(0.0, lasts_s - now_s()))
            _, late = await asyncio.wait(tasks, timeout=LINGER_S)
            for task in late:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        left_alone_at = getattr(made, "left_alone_at", [])
        trial.left_alone_s = [at - began_s for at in left_alone_at]
        trial.may_live = frozenset(getattr(made, "may_live", ()))
        trial.bans = sum(venue.limiter.bans_total for venue in mock.run.venues.values())
    for call, result in zip(trial.calls, ended, strict=True):
        if isinstance(result, Done):
            trial.done.append(result)
        elif isinstance(result, asyncio.CancelledError):
            never = "never came back"
            trial.done.append(Done(call, lasts_s + LINGER_S, ok=False, note=never, is_over=False))
        elif result is not None:
            raise result
    trial.asked.sort(key=lambda asked: asked.at_s)
    return trial


def _asked(record: RequestRecord, t0_ms: int) -> Asked:
    told_ms = record.arrived_ms if record.replied_ms is None else record.replied_ms
    limited = record.limited
    if limited is None and record.reply in ("rate_limited", "banned"):
        limited = "told"
    return Asked(
        at_s=(record.arrived_ms - t0_ms) / 1000,
        told_s=(told_ms - t0_ms) / 1000,
        venue=record.venue,
        endpoint=record.endpoint,
        limited=limited,
        quiet_s=record.retry_after_s if limited is not None else None,
        price=None if record.create is None else str(record.create.price),
        landed=record.landed.value in ("yes", "later"),
        reduces=record.create is not None and record.create.reduces,
        # A list of fills has as many rows; it is the client's own.
        ours=record.endpoint != "market.read" or record.params.get("limit") != NEIGHBOUR_DEPTH,
    )


def _connector(simulated: bool) -> Callable[[], Any]:
    def make() -> Any:
        if simulated:
            from outlast.sim.aiohttp import SimConnector  # noqa: PLC0415 - needs aiohttp

            return SimConnector()
        import aiohttp  # noqa: PLC0415 - an extra that only ccxt needs

        return aiohttp.TCPConnector()

    return make


@contextlib.asynccontextmanager
async def _nobody() -> AsyncIterator[None]:
    yield


@contextlib.asynccontextmanager
async def _neighbours(account: Account, seed: int, clock: Any) -> AsyncIterator[None]:
    """Other programs behind the same address, which go on whatever happens."""
    rng = random.Random(f"{seed} neighbours")

    async def ask_for_ever() -> None:
        async with httpx.AsyncClient(base_url=account.url, trust_env=False) as client:
            while True:
                await asyncio.sleep(rng.expovariate(NEIGHBOUR_PER_S))
                with contextlib.suppress(httpx.HTTPError):
                    await client.get(f"/fapi/v1/depth?symbol=BTCUSDT&limit={NEIGHBOUR_DEPTH}")

    asking = asyncio.create_task(ask_for_ever())
    try:
        yield
    finally:
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
