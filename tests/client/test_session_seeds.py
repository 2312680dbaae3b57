"""Twenty random nights: whatever mixture of faults meets whatever workload, P1, P2 and P3 hold.

Each seed draws fault rules for four minutes and a bot that submits, cancels and exits through them,
some of its calls given up half-way and itself restarted now and then. Two healthy minutes
follow, then the venue's truth is asked. A failing seed prints itself and what it drew.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from typing import Any

import pytest
from venue_in_sim import BTC, ETH, World, builder, play

import outlast

NIGHT_S, TAIL_S = 240, 120

REPLIES: tuple[Any, ...] = (
    "overload",
    "unavailable",
    "unknown",
    "backend_timeout",
    "internal",
    {"hang": "15s"},
    {"reset": "headers"},
    {"reset": "body"},
    {"truncate": 0.4},
    {"empty": 200},
    {"html": "cdn-502"},
    {"dribble": {"over": "20s", "then": "cut"}},
)
EFFECTS: tuple[Any, ...] = ("none", "apply", {"apply": 0.5}, {"apply_after": "9s"})
REFUSED = ("overload", "unavailable", "internal")
"""Replies that say, by the venue's documentation, that nothing happened: it must not have."""


def faults(rng: random.Random) -> list[dict[str, Any]]:
    """A few rules for writes, reads and the account, and slowness on top."""
    drawn: list[dict[str, Any]] = []
    for match in ("orders.create", "orders.create", "orders.create", "orders.cancel"):
        reply = rng.choice(REPLIES)
        effect = "none" if reply in REFUSED else rng.choice(EFFECTS)
        p = round(rng.uniform(0.05, 0.4), 2)
        drawn.append({"match": match, "p": p, "reply": reply, "effect": effect})
    drawn.append(
        {
            "match": "orders.create",
            "where": {"reduces": True},
            "p": round(rng.uniform(0, 0.6), 2),
            "reply": rng.choice(["reduce_rejected", "reduce_failed"]),
        }
    )
    for match in (["orders.query", "orders.open", "fills.query"], "account.*", "market.read"):
        p = round(rng.uniform(0.05, 0.5), 2)
        drawn.append({"match": match, "p": p, "reply": rng.choice(REPLIES)})
    drawn.append({"match": "*", "latency": {"p50": "150ms", "p99": f"{rng.randint(1, 4)}s"}})
    return drawn


async def trade(
    venue: outlast.Session, rng: random.Random, names: set[str], sizes: Iterator[int]
) -> None:
    """One thing that bots do; no two orders are alike, so the venue can tell them apart."""
    what = rng.random()
    symbol, price = rng.choice([(BTC, 60_000), (ETH, 1_900)])
    qty = f"0.{next(sizes):03d}"
    side = rng.choice(["buy", "sell"])
    if what < 0.45:
        at = price if side == "buy" else round(price * 1.2)
        await venue.submit(outlast.limit(symbol, side, qty, at + rng.randrange(50)))
    elif what < 0.65:
        await venue.submit(outlast.market(symbol, side, qty))
    elif what < 0.75:
        await venue.submit(outlast.market(symbol, side, qty, reduce_only=True))
    elif what < 0.9 and names:
        await venue.cancel(rng.choice(sorted(names)))
    elif what < 0.95:
        await venue.cancel_all(symbol)
    else:
        await venue.close_position(symbol, deadline_s=40)


async def live(w: World, rng: random.Random, sizes: Iterator[int], until: float) -> None:
    """One life of the bot: several strategies at once, until the night ends or it is restarted."""
    async with w.connect(settings=outlast.Settings(seed=rng.randrange(1 << 30))) as venue:
        dies_at = min(until, w.clock.now() + rng.uniform(40, 250))

        async def strategy() -> None:
            while w.clock.now() < dies_at:
                names = {o.client_order_id for o in venue.orders.open() if not o.is_external}
                call = trade(venue, rng, names, sizes)
                with contextlib.suppress(outlast.OutlastError, TimeoutError):
                    if rng.random() < 0.15:
                        await asyncio.wait_for(call, rng.uniform(0.05, 3))
                    else:
                        await call
                await asyncio.sleep(rng.expovariate(0.25))

        tasks = [asyncio.create_task(strategy()) for _ in range(3)]
        await asyncio.sleep(max(0.0, dies_at - w.clock.now()))
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end


@pytest.mark.parametrize("seed", range(20))
def test_a_random_night_makes_no_duplicate_loses_nothing_and_earns_no_ban(seed, tmp_path):
    rng = random.Random(f"night {seed}")
    drawn = faults(rng)
    sizes = iter(rng.sample(range(10, 1_000), 990))
    print(f"seed {seed}: {drawn}")

    async def story(w: World):
        began = w.clock.now()
        while w.clock.now() < began + NIGHT_S:
            try:
                await live(w, rng, sizes, until=began + NIGHT_S)
            except outlast.ReadFailed:
                continue  # it could not open: try again
        w.heal()
        async with w.connect() as venue:
            await asyncio.sleep(TAIL_S)
            report = await venue.reconcile()
            assert report.is_complete, f"seed {seed}: {report.failures} {report.unknown}"
            await venue.cancel_all()
            held = {s: venue.positions[s].qty for s in (BTC, ETH)}
            known = {o.client_order_id: o for o in venue.orders.all()}
        w.judge()
        assert held == {BTC: w.position("BTCUSDT"), ETH: w.position("ETHUSDT")}
        for order in w.orders:
            ours = known[order.client_order_id]
            assert ours.status.value == order.status.value, f"seed {seed}: {order} is {ours.status}"
            assert ours.filled_qty == order.filled_qty
        landed = {order.client_order_id for order in w.orders}
        ghosts = [o for o in known.values() if o.venue_order_id and o.client_order_id not in landed]
        assert ghosts == [], f"seed {seed}"
        assert len(landed) == len(w.orders) >= 1

    night = builder(positions={"BTCUSDT": ("0.5", "68000")}, balances={"USDT": "900000"})
    night.phase("night", f"{NIGHT_S}s", faults=drawn).phase("tail", "rest")
    play(story, tmp_path, scenario=night.build(), seed=seed)
