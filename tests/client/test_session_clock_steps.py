"""Our own clock is set, or stood wrong, while an order is under way: the verdict must not care."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from venue_in_sim import BTC, PASSIVE, World, play

import outlast
from outlast.model import OrderStatus

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)
STEPS = (-86_400.0, -3_600.0, -562.0, -90.0, 90.0, 562.0, 3_600.0)


@pytest.mark.parametrize("step_s", STEPS)
def test_a_step_of_our_clock_while_an_order_is_unknown_does_not_hide_it(step_s, tmp_path):
    """The order is as old as it is: held against a clock that was set, it looks like a namesake."""

    async def story(w: World):
        clock = w.clock.skewed(0.0)
        async with w.connect(clock=clock) as venue:
            w.fault("orders.create", reply="unknown", effect={"apply_after": "2s"}, times=1)
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY, deadline_s=1)
            clock.step(step_s)
            settled = await venue.settle(caught.value.client_order_id, timeout_s=120)
            assert settled.status is OrderStatus.ACCEPTED
        assert [o.client_order_id for o in w.orders] == [settled.client_order_id]
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize("step_s", STEPS)
def test_nor_does_one_just_before_the_order_is_written_down(step_s, tmp_path):
    """Then nobody knows the venue's time of the intent, and in doubt nothing is held for absent."""

    async def story(w: World):
        clock = w.clock.skewed(0.0)
        async with w.connect(clock=clock) as venue:
            w.fault("orders.create", reply={"hang": "3s"}, effect="apply", times=2)
            clock.step(step_s)
            with contextlib.suppress(outlast.Refused, outlast.OutcomeUnknown):
                await venue.submit(BUY, deadline_s=2)
            await asyncio.sleep(120)
            assert venue.orders.unknown() == []
            held = {o.client_order_id for o in venue.orders.open()}
            assert {o.client_order_id for o in w.orders if o.is_open} == held
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize("step_s", [-562.0, 562.0])
def test_the_measured_time_of_an_intent_outlives_the_process(step_s, tmp_path):
    async def story(w: World):
        clock = w.clock.skewed(0.0)
        async with w.connect(clock=clock) as venue:
            w.fault("orders.create", reply="unknown", effect={"apply_after": "8s"}, times=1)
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY, deadline_s=1)
        clock.step(step_s)
        async with w.connect(clock=clock) as heir:
            settled = await heir.settle(caught.value.client_order_id, timeout_s=120)
            assert settled.status is OrderStatus.ACCEPTED
            made_ms = w.orders[0].created_ms
            assert settled.not_before_ms is not None
            assert made_ms - 10_000 < settled.not_before_ms <= made_ms
        w.judge()

    play(story, tmp_path)
