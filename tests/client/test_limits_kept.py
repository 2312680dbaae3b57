"""The venue's limits, with strangers on the same address, judged by what the venue has counted."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from venue_in_sim import BTC, ETH, World, builder, calm, play

import outlast


async def hammer(w: World, venue: outlast.Session, until: float, *, pause_s: float) -> int:
    """A bot that polls and quotes as fast as it is let, and takes no for an answer."""
    answered = 0
    for n in itertools.count():
        if w.clock.now() >= until:
            return answered
        try:
            if n % 4 == 0:
                price = str(60_000 + n % 50)
                order = await venue.submit(outlast.limit(BTC, "buy", "0.01", price), deadline_s=2)
                await venue.cancel(order.client_order_id)
            else:
                await venue.reconcile() if n % 2 else await venue.mark_price(ETH)
            answered += 1
            await asyncio.sleep(pause_s)
        except outlast.OutlastError:
            await asyncio.sleep(0.5)
    raise AssertionError("unreachable")


@pytest.mark.parametrize("seed", [1, 2])
def test_three_processes_on_one_address_never_go_over_the_limit(seed, tmp_path):
    async def story(w: World):
        sessions = [w.connect(journal=None) for _ in range(3)]
        async with sessions[0] as one, sessions[1] as two, sessions[2] as three:
            until = w.clock.now() + 70
            bots = [hammer(w, venue, until, pause_s=0.05) for venue in (one, two, three)]
            await asyncio.gather(*bots)
        spent = sum(r.weight for r in w.requests())
        assert spent > 2_400, f"seed {seed}: {spent} is no temptation"
        card = w.scorecard()
        assert (card["over_limit"], card["bans"]) == (0, 0), f"seed {seed}"

    play(story, tmp_path, seed=seed, scenario=calm())


@pytest.mark.parametrize("seed", [1])
def test_an_outage_with_bans_in_it_sees_no_request_while_banned(seed, tmp_path):
    """A stranger on the address earns a ban, in the middle of an outage. We did nothing wrong."""

    async def story(w: World):
        async with w.connect() as venue:
            until = w.clock.now() + 160
            bots = asyncio.gather(*(hammer(w, venue, until, pause_s=0.3) for _ in range(3)))
            await asyncio.sleep(5)
            w.fault("*", p=0.5, reply="unavailable")
            await asyncio.sleep(5)
            ban = w.fault("*", reply="banned")
            while not any(r.status == 418 for r in w.requests()):
                await asyncio.sleep(0.05)
            first = next(r for r in w.requests() if r.status == 418)
            in_flight_s = 0.5
            await asyncio.sleep(110)
            w.mock.run.desk.remove(ban)
            w.heal()
            await bots
            sent = [r.arrived_ms for r in w.requests()]
            during = [at for at in sent if in_flight_s * 1000 < at - first.arrived_ms < 120_000]
            assert during == [], f"seed {seed}"
            assert max(sent) > first.arrived_ms + 120_000, "nobody came back"

    play(story, tmp_path, seed=seed, scenario=builder().phase("all", "rest").build())
