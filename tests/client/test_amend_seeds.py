"""Random nights of quoting by amendment: at their end the bot and the venue agree on all terms.

A bot quotes near the market, amends and cancels through a few minutes of drawn faults, leaves some
calls half-way and is restarted now and then. A healthy tail follows. More nights than the suite
plays: `OUTLAST_AMEND_NIGHTS=100 pytest tests/client/test_amend_seeds.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from decimal import Decimal

import pytest
from paths_in_sim import VENUES, ground, settings

import outlast
from outlast.backends.journal import read_records
from outlast.core.histories import check

NIGHT_S, TAIL_S = 150, 150
NIGHTS = int(os.environ.get("OUTLAST_AMEND_NIGHTS", "2"))
LOSSES = (
    {"hang": "15s"},
    {"reset": "headers"},
    {"reset": "body"},
    {"truncate": 0.4},
    {"empty": 200},
    {"html": "cdn-502"},
)
EFFECTS = ("none", "apply", {"apply_after": "2s"}, {"apply_after": "9s"})
WAYS = {
    "rest": {"streams": False},
    "streams": {"streams": True},
    "websocket-first": {"streams": True, "order_entry": "websocket-first"},
}


def faults(rng):
    """Rules for amendments and cancels, and some for the questions that settle them."""
    drawn = [
        {
            "match": match,
            "p": round(rng.uniform(0.1, 0.5), 2),
            "reply": rng.choice(LOSSES),
            "effect": rng.choice(EFFECTS),
        }
        for match in ("orders.amend", "orders.amend", "orders.cancel")
    ]
    reads = ["orders.query", "orders.open"]
    p = round(rng.uniform(0.05, 0.4), 2)
    drawn.append({"match": reads, "p": p, "reply": {"html": "cdn-502"}})
    drawn.append({"match": "*", "latency": {"p50": "100ms", "p99": f"{rng.randint(1, 3)}s"}})
    return drawn


def quote(rng, here):
    """A resting order; one in four so near that the market may come to it."""
    side = rng.choice(["buy", "sell"])
    away = rng.choice([1, 300, 900, 2000])
    price = 68_000 - away if side == "buy" else 68_000 + away
    qty = Decimal(rng.randrange(2, 12)) / 1000
    return outlast.limit(here.btc, side, qty, price, post_only=rng.random() < 0.3)


async def act(session, rng, here):
    live = [o for o in session.orders.open() if not o.is_external]
    what = rng.random()
    if what < 0.25 or not live:
        await session.submit(quote(rng, here))
        return
    order = rng.choice(live)
    name = order.client_order_id
    if what < 0.85:
        less = Decimal(rng.randrange(1, 12)) / 1000
        if here.venue == "binance-spot":
            await session.amend(name, qty=min(less, order.qty - Decimal("0.001")))
            return
        moved = order.price + rng.choice([-100, -50, 50, 100])
        terms = [{"qty": less}, {"price": moved}, {"qty": less, "price": moved}]
        await session.amend(name, **rng.choice(terms))
    elif what < 0.95:
        await session.cancel(name)
    else:
        await session.cancel_many([o.client_order_id for o in live[:4]])


async def live(w, rng, here, way, until):
    """One life of the bot."""
    changes = {"seed": rng.randrange(1 << 30), **WAYS[way]}
    async with w.connect(settings=settings(**changes)) as session:
        dies_at = min(until, w.clock.now() + rng.uniform(30, 150))

        async def strategy():
            while w.clock.now() < dies_at:
                call = act(session, rng, here)
                with contextlib.suppress(outlast.OutlastError, TimeoutError, ValueError):
                    if rng.random() < 0.15:
                        await asyncio.wait_for(call, rng.uniform(0.05, 2))
                    else:
                        await call
                await asyncio.sleep(rng.expovariate(0.4))

        tasks = [asyncio.create_task(strategy()) for _ in range(2)]
        await asyncio.sleep(max(0.0, dies_at - w.clock.now()))
        for task in tasks:
            task.cancel()
        for end in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(NIGHTS))
def test_after_a_random_night_both_sides_agree_on_the_terms(venue, way, seed, tmp_path):
    here = ground(venue)
    rng = random.Random(f"{venue} {way} {seed}")
    drawn = faults(rng)
    print(f"seed {seed}: {drawn}")

    async def story(w):
        began = w.clock.now()
        for rule in drawn:
            w.fault(rule.pop("match"), **rule)
        while w.clock.now() < began + NIGHT_S:
            try:
                await live(w, rng, here, way, began + NIGHT_S)
            except outlast.ReadFailed:
                continue  # it could not open: try again
        w.heal()
        async with w.connect(settings=settings(seed=seed, **WAYS[way])) as session:
            await asyncio.sleep(TAIL_S)
            await session.reconcile()
            known = {o.client_order_id: o for o in session.orders.all()}
        for order in w.orders:
            ours = known[order.client_order_id]
            assert ours.amendment is None, ours
            told = "accepted" if order.status.value == "new" else order.status.value
            assert ours.status.value == told, (ours, order)
            assert ours.filled_qty == order.filled_qty
            assert (ours.qty, ours.price) == (order.qty, order.price), (ours, order)
        checked = check(read_records(w.folder / "bot.journal"))
        assert checked.holds, checked.order_faults
        assert len({o.client_order_id for o in w.orders}) == len(w.orders)

    made = here.module.builder().phase("all", "rest").build()
    here.play(story, tmp_path, scenario=made, seed=seed)
