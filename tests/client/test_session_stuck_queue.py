"""The venue leaves requests unanswered: for how long that keeps an order unknown."""

from __future__ import annotations

import asyncio

import pytest
from venue_in_sim import BTC, PASSIVE, World, play

import outlast
from outlast.model import OrderStatus

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


@pytest.mark.parametrize("late", ["24s", "35s", "45s", "60s"])
@pytest.mark.parametrize("deadline_s", [1.0, 30.0])
def test_an_order_that_the_venue_sits_on_for_a_minute_is_never_held_for_absent(
    late, deadline_s, tmp_path
):
    """It says nothing for longer than it gives itself, and carries the order out after all."""

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"hang": "30s"}, effect={"apply_after": late}, times=1)
            try:
                settled = await venue.submit(BUY, deadline_s=deadline_s)
            except outlast.OutcomeUnknown as error:
                settled = await venue.settle(error.client_order_id, timeout_s=200)
            assert settled.status is OrderStatus.ACCEPTED
        assert [o.client_order_id for o in w.orders] == [settled.client_order_id]
        w.judge()

    play(story, tmp_path)


def test_a_request_that_was_cut_off_at_once_is_proved_absent_within_the_horizon_and_30_s(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"reset": "request"}, effect="none", times=1)
            began = w.clock.now()
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY)
            settled = await venue.settle(caught.value.client_order_id, timeout_s=200)
            assert settled.status is OrderStatus.NOT_PLACED
            assert 20 < w.clock.now() - began < 50
            fences = w.requests("orders.cancel")
            assert len(fences) == venue.settings.settle.fences_in_trouble
        w.judge()

    play(story, tmp_path)


def test_after_minutes_without_an_answer_the_proof_takes_no_longer(tmp_path):
    """Pauses have grown while nothing was answered; they must not be waited for after that."""

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"reset": "request"}, effect="none", times=1)
            w.fault(["orders.cancel", "orders.query"], reply={"hang": "20s"})
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY)
            await asyncio.sleep(240)
            w.heal()
            began = w.clock.now()
            settled = await venue.settle(caught.value.client_order_id, timeout_s=200)
            assert settled.status is OrderStatus.NOT_PLACED
            assert w.clock.now() - began < 50
        w.judge()

    play(story, tmp_path)
