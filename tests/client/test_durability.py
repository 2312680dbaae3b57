"""`durability="power"`: an intent is on the disk itself before its order leaves."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

import pytest
from venue_in_sim import BTC, PASSIVE, World, play

import outlast
from outlast.client.durability import DiskWait
from outlast.client.journal import read_history
from outlast.errors import JournalUnavailable
from outlast.trials.disk import Disk, DiskStore

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


def power(w: World) -> outlast.Settings:
    return outlast.Settings(seed=w.seed, durability="power")


def disk_of(w: World) -> Disk:
    return Disk(now=w.clock.now, rng=random.Random(w.seed))


def test_a_loss_of_power_right_after_the_send_leaves_the_intent(tmp_path):
    async def story(w: World):
        disk = disk_of(w)
        store = DiskStore(disk)
        w.fault("orders.create", reply={"hang": "30s"}, effect="apply")
        with contextlib.suppress(outlast.OutlastError):
            async with w.connect(journal=store, settings=power(w)) as session:
                sending = asyncio.create_task(session.submit(BUY))
                while not w.requests("orders.create"):
                    await asyncio.sleep(0.001)
                disk.lose_power()
                sending.cancel()
                await asyncio.wait([sending])
        [found] = read_history(DiskStore(disk)).orders.values()
        [order] = w.orders
        assert found.client_order_id == order.client_order_id

    play(story, tmp_path)


@pytest.mark.parametrize("reduce_only", [False, True])
def test_a_disk_that_does_not_confirm_stops_new_risk_and_not_the_way_out(reduce_only, tmp_path):
    async def story(w: World):
        class Failing(DiskStore):
            is_broken = False

            def sync(self) -> None:
                if self.is_broken:
                    raise JournalUnavailable("the disk did not confirm it")

        store = Failing(disk_of(w))
        async with w.connect(journal=store, settings=power(w)) as session:
            await session.submit(outlast.market(BTC, "buy", "0.010"))
            store.is_broken = True
            request = outlast.market(
                BTC, "sell" if reduce_only else "buy", "0.010", reduce_only=reduce_only
            )
            if reduce_only:
                assert (await session.submit(request)).status is outlast.OrderStatus.FILLED
                return
            with pytest.raises(JournalUnavailable):
                await session.submit(request)
            assert len(w.requests("orders.create")) == 1
            assert [o.status for o in session.orders.all()][-1] is outlast.OrderStatus.DENIED

    play(story, tmp_path)


def test_a_caller_that_leaves_while_the_disk_is_awaited_has_sent_nothing(tmp_path):
    async def story(w: World):
        async with w.connect(settings=power(w)) as session:
            sending = asyncio.create_task(session.submit(BUY))
            while not session.orders.all():
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait([sending])
            assert [o.status for o in session.orders.all()] == [outlast.OrderStatus.DENIED]
            await asyncio.sleep(30)
        assert w.orders == []

    play(story, tmp_path)


def test_orders_that_are_sent_at_once_share_the_wait():
    """Each caller's own write came before a sync that began after it: two syncs for many."""
    synced: list[int] = []
    written = 0

    async def run() -> None:
        nonlocal written
        started, go_on = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def sync() -> None:
            seen = written
            loop.call_soon_threadsafe(started.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
            synced.append(seen)

        wait = DiskWait(sync)

        async def order() -> None:
            nonlocal written
            written += 1
            mine = written
            await wait.reached()
            assert synced[-1] >= mine

        async with asyncio.TaskGroup() as orders:
            for _ in range(5):
                orders.create_task(order())
            await started.wait()
            for _ in range(5):
                orders.create_task(order())
            await asyncio.sleep(0)
            go_on.set()

    asyncio.run(run())
    assert synced == [5, 10]


def test_a_word_that_is_no_durability_is_named():
    wrong: Any = "disk"
    with pytest.raises(ValueError, match="durability is 'disk'; choose 'process' or 'power'"):
        outlast.Settings(durability=wrong)
