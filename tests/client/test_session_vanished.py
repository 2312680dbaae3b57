"""Orders that the venue had acknowledged, and of which it then knows nothing any more."""

from __future__ import annotations

import asyncio

import pytest
from venue_in_sim import BTC, PASSIVE, World, play

import outlast
from outlast.model import OrderStatus

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


@pytest.mark.parametrize("by", ["poll", "reconcile"])
def test_an_acknowledged_order_that_is_gone_is_doubted_and_proved_absent(by, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="ok", effect={"apply_then_void": "1s"}, times=1)
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
            await asyncio.sleep(2)
            if by == "reconcile":
                report = await venue.reconcile()
                assert [o.client_order_id for o in report.unknown] == [order.client_order_id]
                assert not report.is_complete
            else:
                await asyncio.sleep(90)
            settled = await venue.settle(order.client_order_id, timeout_s=60)
            assert settled.status is OrderStatus.NOT_PLACED
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        assert len(w.orders) == 2

    play(story, tmp_path)


def test_an_order_that_only_the_queries_do_not_show_yet_is_found_again(tmp_path):
    """Lists and lookups read from storage that lags behind the engine: doubt is not a verdict."""

    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            w.fault("orders.open", reply={"json": []}, times=1)
            w.fault("orders.query", reply="no_such_order", times=1)
            await venue.reconcile()
            found = await venue.settle(order.client_order_id, timeout_s=60)
            assert found.status is OrderStatus.ACCEPTED
        assert [o.is_open for o in w.orders] == [True]
        w.judge()

    play(story, tmp_path)
