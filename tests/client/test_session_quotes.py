"""Quotes that give way: the newest of a slot is sent, the older ones that still wait are not."""

from __future__ import annotations

import asyncio

import pytest
from venue_in_sim import BTC, World, calm, play

import outlast
from outlast.core.limiter import SlotSettings
from outlast.errors import InvalidOrder
from outlast.model import OrderStatus

SLOT = f"{BTC} bid"


def quote(n: int) -> outlast.OrderRequest:
    return outlast.limit(BTC, "buy", "0.010", 60_000 + n)


def test_of_many_quotes_that_wait_only_the_newest_leaves(tmp_path):
    """One order at a time, each answered after 2 s; meanwhile nine quotes are made for one slot."""

    async def story(w: World):
        settings = outlast.Settings(seed=w.seed, slots=SlotSettings(orders=1))
        async with w.connect(settings=settings) as venue:
            w.fault("orders.create", latency={"p50": "2s", "p99": "2s"})
            made = []
            for n in range(9):
                made.append(asyncio.create_task(venue.submit(quote(n), slot=SLOT)))
                await asyncio.sleep(0.1)
            results = await asyncio.gather(*made, return_exceptions=True)
            assert isinstance(results[0], outlast.Order)  # it had left: it is left alone
            assert isinstance(results[-1], outlast.Order)
            for dropped in results[1:-1]:
                assert isinstance(dropped, outlast.NotSent)
                assert dropped.failure is not None
                assert dropped.failure.kind == "superseded"
            statuses = [order.status for order in venue.orders.all()]
            assert statuses.count(OrderStatus.DENIED) == 7
        assert [order.price for order in w.orders] == [60_000, 60_008]
        w.judge()

    play(story, tmp_path, scenario=calm())


def test_a_refused_quote_is_not_tried_again_once_a_newer_one_is_made(tmp_path):
    """It is not live, so it waits for its next try; by then there is a better one."""

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="overload", times=1)
            older = asyncio.create_task(venue.submit(quote(1), slot=SLOT))
            while not w.requests("orders.create"):
                await asyncio.sleep(0.001)
            newer = await venue.submit(quote(2), slot=SLOT)
            assert newer.status is OrderStatus.ACCEPTED
            with pytest.raises(outlast.Overloaded):
                await older
        assert len(w.orders) == 1
        assert len(w.requests("orders.create")) == 2
        w.judge()

    play(story, tmp_path, scenario=calm())


def test_other_slots_and_orders_without_one_are_left_alone(tmp_path):
    async def story(w: World):
        settings = outlast.Settings(seed=w.seed, slots=SlotSettings(orders=1))
        async with w.connect(settings=settings) as venue:
            w.fault("orders.create", latency={"p50": "1s", "p99": "1s"})
            slots = [None, SLOT, None, f"{BTC} bid 2", None]
            made = [
                asyncio.create_task(venue.submit(quote(n), slot=s)) for n, s in enumerate(slots)
            ]
            results = await asyncio.gather(*made)
            assert all(order.status is OrderStatus.ACCEPTED for order in results)
        assert len(w.orders) == 5

    play(story, tmp_path, scenario=calm())


def test_an_exit_is_never_dropped_for_a_newer_one(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            close = outlast.market(BTC, "sell", "0.010", reduce_only=True)
            with pytest.raises(InvalidOrder, match="slot is for quotes") as raised:
                await venue.submit(close, slot=SLOT)
            assert raised.value.field == "slot"
        assert w.requests("orders.create") == []

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))
