"""A bot that repeats its cancel of an unknown order must not keep that order from being known."""

from __future__ import annotations

import asyncio
import contextlib

import kraken_in_sim
import pytest
from venue_in_sim import World

import outlast

BID = outlast.limit(kraken_in_sim.BTC, "buy", "0.001", kraken_in_sim.PASSIVE)


def test_a_cancel_every_five_seconds_leaves_the_proof_its_share_of_the_limits(tmp_path):
    """Kraken's lowest tier has a read every three seconds: a look-up for each cancel would take all
    of them, and the order would stay unknown for as long as the bot goes on."""

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"http": {"status": 500, "body": ""}}, effect="none")
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BID)
            w.heal()
            began, order_id = w.clock.now(), caught.value.client_order_id
            while not venue.orders.get(order_id).status.is_final:
                with contextlib.suppress(outlast.OutlastError):
                    await venue.cancel(order_id)
                await asyncio.sleep(5)
                assert w.clock.now() - began < 180
            print(f"known after {w.clock.now() - began:.0f} s")
            assert venue.orders.get(order_id).status is outlast.OrderStatus.NOT_PLACED
            assert (await venue.submit(BID)).status is outlast.OrderStatus.ACCEPTED

    kraken_in_sim.play(story, tmp_path)
