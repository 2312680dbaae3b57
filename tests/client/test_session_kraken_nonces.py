"""Nonces at Kraken: what leaves in order arrives in order, and a floor is never undercut."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from kraken_in_sim import BTC, PASSIVE, builder, play
from venue_in_sim import World

import outlast
from outlast.mock.records import RequestRecord
from outlast.mock.scenario.model import Scenario
from outlast.model import OrderStatus
from outlast.venues import kraken_spot

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


def nonces(requests: Sequence[RequestRecord]) -> list[int]:
    arrived = sorted(requests, key=lambda r: r.ordinal)
    return [int(r.params["nonce"]) for r in arrived if "/private/" in r.path]


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """A client and a venue without limits, so that nothing but the nonces keeps calls apart."""
    counters = [replace(c, limit=100_000) for c in kraken_spot.limits()]
    monkeypatch.setattr(kraken_spot, "limits", lambda tier=None: counters)
    return builder().limits(enforce=True, factor=1000).phase("all", "rest").build()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_nonces_of_50_calls_at_once_rise_as_the_venue_receives_them(seed, tmp_path, unlimited):
    async def story(w: World):
        async with w.connect() as venue:
            orders = [outlast.limit(BTC, "buy", "0.001", 60_000 + n) for n in range(50)]
            began = w.clock.now()
            await asyncio.gather(*(venue.submit(o) for o in orders))
            assert w.clock.now() - began < 8
        sent = nonces(w.requests())
        assert len(sent) >= 100
        assert all(a < b for a, b in pairwise(sent)), f"seed {seed}"
        assert not any(r.code == "EAPI:Invalid nonce" for r in w.requests())
        assert len(w.orders) == 50
        w.judge()

    play(story, tmp_path, scenario=unlimited, seed=seed)


def test_nobody_waits_for_the_answer_of_another(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)  # its connection stands
            w.fault("orders.create", reply={"hang": "20s"}, effect="apply", times=1)
            slow = asyncio.create_task(venue.submit(BUY, deadline_s=60))
            await asyncio.sleep(0.01)
            began = w.clock.now()
            await venue.cancel(venue.orders.open()[0].client_order_id)
            assert w.clock.now() - began < 2
            assert (await slow).status is OrderStatus.ACCEPTED
        w.judge()

    play(story, tmp_path)


def test_a_clock_that_was_set_back_does_not_lead_below_what_was_used(tmp_path):
    """The second session starts with a clock an hour behind, as after a reset of the hardware's."""

    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)
        used = max(nonces(w.requests()))
        w.clock.step(-3600)
        before = len(w.requests())
        async with w.connect() as venue:
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        later = nonces(w.requests()[before:])
        assert min(later) > used
        assert not any(r.code == "EAPI:Invalid nonce" for r in w.requests())
        w.judge()

    play(story, tmp_path)


def test_a_refused_nonce_is_mended_and_the_order_goes_once(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            invalid = {"json": {"error": ["EAPI:Invalid nonce"]}}
            w.fault("orders.create", reply=invalid, effect="none", times=2)
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
            sent = nonces(w.requests("orders.create"))
            assert len(sent) == 3
            assert sent[1] - sent[0] >= 10_000_000_000
            assert sent[2] - sent[1] >= 600_000_000_000
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_a_key_that_was_used_with_a_faster_clock_recovers(tmp_path):
    """Another program was hours ahead on the same key, and there is no journal to know it."""

    async def story(w: World):
        w.clock.step(7200)
        async with w.connect(journal=None) as venue:
            await venue.submit(BUY)
        w.clock.step(-7200)
        async with w.connect(journal=None) as venue:
            for _ in range(20):
                try:
                    order = await venue.submit(BUY)
                    break
                except (outlast.Refused, outlast.NotSent):
                    await asyncio.sleep(5)
            assert order.status is OrderStatus.ACCEPTED
        assert len(w.orders) == 2

    play(story, tmp_path)


def test_what_waits_for_its_nonce_when_a_ban_begins_is_not_written(tmp_path, unlimited):
    """Requests are written one after the other; the answer to the first may forbid the rest."""

    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(1)
            body = '{"error":["EGeneral:Temporary lockout"]}'
            w.fault("account.balances", reply={"http": {"status": 200, "body": body}}, times=1)
            orders = [outlast.limit(BTC, "buy", "0.001", 60_000 + n) for n in range(50)]
            calls = [venue.reconcile(), *(venue.submit(order) for order in orders)]
            results = await asyncio.gather(*calls, return_exceptions=True)
        locked = w.requests("account.balances")[1]
        signed = [r for r in w.requests() if "/private/" in r.path]
        assert not [r for r in signed if r.arrived_ms > locked.replied_ms + 100]
        assert any(isinstance(result, outlast.BannedByVenue) for result in results)

    play(story, tmp_path, scenario=unlimited)
