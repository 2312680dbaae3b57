"""The process dies at any point and starts again on its journal (P2): `kill -9`, told by a copy.

A copy of the journal's files, taken while the session runs, is what a killed process leaves behind:
every record is with the operating system when the call that wrote it returns.
"""

from __future__ import annotations

import asyncio
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, calm, play

import outlast
from outlast.backends.journal import MemoryStore, read_records
from outlast.core.journal import verify
from outlast.model import OrderStatus

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


def left_behind(w: World, name: str) -> Path:
    """The journal as a kill at this very instant would leave it."""
    copy = w.folder / name
    for suffix in ("", "-wal"):
        source = w.folder / f"bot.journal{suffix}"
        if source.exists():
            shutil.copyfile(source, w.folder / f"{name}{suffix}")
    return copy


async def wait_for_settling(venue: outlast.Session) -> None:
    for order in venue.orders.unknown():
        await venue.settle(order.client_order_id, timeout_s=120)


KILLED_AFTER_S = (0.0, 0.001, 0.005, 0.01, 0.02, 0.5, 2.0, 4.5)


@pytest.mark.parametrize("effect", ["apply", "none"])
@pytest.mark.parametrize("after_s", KILLED_AFTER_S)
def test_killed_in_mid_submit_the_next_session_finds_the_truth(after_s, effect, tmp_path):
    """The kill comes between intent and wire, while the request travels, while nobody answers."""

    async def story(w: World):
        # An answer that nobody hears, so that the dead session cannot help the living one.
        w.fault("orders.create", reply={"hang": "30s"}, effect=effect, times=1)
        killed = w.connect()
        async with killed:
            task = asyncio.create_task(killed.submit(BUY))
            await asyncio.sleep(after_s)
            journal = left_behind(w, "killed.journal")
            asked = list(read_records(journal))
            assert verify(asked) is None
            assert sum(record.kind == "order.intent" for record in asked) == 1
            async with w.connect(journal=journal) as heir:
                await wait_for_settling(heir)
                landed = effect == "apply"
                assert len(w.orders) == landed
                [order] = heir.orders.all()
                expected = OrderStatus.ACCEPTED if landed else OrderStatus.NOT_PLACED
                assert order.status is expected
                fresh = await heir.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
                assert fresh.client_order_id != order.client_order_id
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(30)  # the hanging request has ended too
        assert len(w.requests("orders.create")) == 2
        assert len(w.orders) == landed + 1
        w.judge()

    play(story, tmp_path)


def kinds_of(journal: Path) -> list[str]:
    return [record.kind for record in read_records(journal)]


def test_killed_before_the_evidence_is_written_the_next_session_finds_what_was_told(tmp_path):
    """`submit` has returned and the kill comes in that very turn: only the intent is on record."""

    async def story(w: World):
        async with w.connect() as killed:
            order = await killed.submit(BUY)
            journal = left_behind(w, "killed.journal")
            assert kinds_of(journal)[-1] == "order.intent"
            for _ in range(3):
                await asyncio.sleep(0)
            written = kinds_of(left_behind(w, "living.journal"))
            assert written[-3:] == ["order.intent", "attempt", "order.changed"]
            async with w.connect(journal=journal) as heir:
                await wait_for_settling(heir)
                found = heir.orders.get(order.client_order_id)
                assert found is not None
                assert (found.status, found.venue_order_id) == (order.status, order.venue_order_id)
                fresh = await heir.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
                assert fresh.client_order_id != order.client_order_id
        assert len(w.orders) == 2
        w.judge()

    play(story, tmp_path)


def test_a_verdict_is_written_before_the_bot_hears_it(tmp_path):
    """What no question to the venue would bring back: a refusal."""

    async def story(w: World):
        async with w.connect() as killed:
            w.fault("orders.create", reply="order_rejected", effect="none", times=1)
            with pytest.raises(outlast.OrderRejected):
                await killed.submit(BUY)
            journal = left_behind(w, "killed.journal")
            async with w.connect(journal=journal) as heir:
                [order] = heir.orders.all()
                assert order.status is OrderStatus.REJECTED
        w.judge()

    play(story, tmp_path)


def test_what_waits_to_be_written_is_there_when_the_session_is_told_to_stop(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)
        assert kinds_of(w.folder / "bot.journal")[-2:] == ["attempt", "order.changed"]
        w.judge()

    play(story, tmp_path)


def test_ids_are_never_used_twice_however_often_the_bot_is_killed(tmp_path):
    async def story(w: World):
        used: list[str] = []
        journal = w.folder / "bot.journal"
        for life in range(6):
            async with w.connect(journal=journal) as venue:
                for _ in range(3):
                    order = await venue.submit(BUY)
                    used.append(order.client_order_id)
                    await venue.cancel(order.client_order_id)
                w.fault("orders.create", reply="unknown", effect="none", times=1)
                with pytest.raises(outlast.OutcomeUnknown) as caught:
                    await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"), deadline_s=1)
                used.append(caught.value.client_order_id)
                await venue.settle(used[-1])
                source, journal = journal, w.folder / f"life-{life}.journal"
                for suffix in ("", "-wal"):
                    shutil.copyfile(f"{source}{suffix}", f"{journal}{suffix}")
        assert len(set(used)) == len(used) == 24
        assert len({name.partition("-")[0] for name in used}) == 1
        w.judge()

    play(story, tmp_path)


def test_an_error_in_the_body_leaves_nothing_unsettled_behind(tmp_path):
    async def story(w: World):
        w.fault("orders.create", reply="unknown", effect={"apply_after": "8s"}, times=1)

        async def fall_over():
            async with w.connect() as venue:
                with pytest.raises(outlast.OutcomeUnknown):
                    await venue.submit(BUY, deadline_s=1)
                raise RuntimeError("the strategy fell over")

        with pytest.raises(RuntimeError, match="the strategy fell over"):
            await fall_over()
        async with w.connect() as venue:
            [unknown] = venue.orders.unknown()
            assert venue.trading_state(BTC) is outlast.REDUCING
            assert (await venue.settle(unknown.client_order_id)).status is OrderStatus.ACCEPTED
            await venue.cancel(unknown.client_order_id)
        assert [o.is_open for o in w.orders] == [False]
        w.judge()

    play(story, tmp_path)


def test_a_restart_knows_its_open_orders_and_learns_what_filled_meanwhile(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            open_order = await venue.submit(BUY)
            taken = await venue.submit(outlast.limit(ETH, "buy", "0.1", "2049"))
        # Nobody is connected while the market comes to it.
        stage = w.mock.run.venues["binance-um"].stage
        for order in w.orders:
            if order.client_order_id == taken.client_order_id:
                stage.engine.cancel("main", order.order_id)
        async with w.connect() as venue:
            report = await venue.reconcile()
            assert report.is_complete
            assert venue.orders.get(open_order.client_order_id).status is OrderStatus.ACCEPTED
            assert venue.orders.get(taken.client_order_id).status is OrderStatus.CANCELED
            assert [o.client_order_id for o in venue.orders.open()] == [open_order.client_order_id]
            assert not any(order.is_external for order in venue.orders.all())
            await venue.cancel_all()
        assert not any(o.is_open for o in w.orders)
        w.judge()

    play(story, tmp_path)


def test_killed_in_mid_exit_the_next_session_never_sells_more_than_there_is(tmp_path):
    async def story(w: World):
        w.fault("orders.create", reply="unknown", effect={"apply": 0.5})
        dying = w.connect()
        async with dying:
            task = asyncio.create_task(dying.close_position(BTC))
            await asyncio.sleep(20)
            journal = left_behind(w, "killed.journal")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            w.heal()
        async with w.connect(journal=journal) as heir:
            report = await heir.close_position(BTC)
            assert report.is_flat
            await wait_for_settling(heir)
        assert w.position() == 0
        sold = sum(o.filled_qty for o in w.orders)
        assert sold == Decimal("0.5")
        w.judge()

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))


def test_a_restart_inside_an_outage_keeps_settling_until_the_venue_answers(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"reset": "headers"}, effect="apply", times=1)
            w.fault("orders.query", reply="unavailable")
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY, deadline_s=1)
        name = caught.value.client_order_id
        w.fault(["orders.*", "account.*", "fills.query"], reply={"hang": "20s"}, effect="none")
        async with w.connect() as venue:
            await asyncio.sleep(600)  # no timer makes it known
            assert [o.client_order_id for o in venue.orders.unknown()] == [name]
            with pytest.raises(outlast.TradingHalted):
                await venue.submit(BUY)
            w.heal()
            assert (await venue.settle(name, timeout_s=60)).status is OrderStatus.ACCEPTED
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_a_loss_of_power_that_takes_the_first_intents_gives_no_id_twice(tmp_path):
    """Only a beginning of the journal is on the disk: the venue still has what is not in it."""

    async def story(w: World):
        used = set()
        async with w.connect() as venue:
            for symbol, qty, price in ((BTC, "0.010", PASSIVE), (ETH, "0.1", "1900")):
                order = await venue.submit(outlast.limit(symbol, "buy", qty, price))
                used.add(order.client_order_id)
        begun = next(read_records(w.folder / "bot.journal"))
        assert begun.kind == "journal.opened"
        for _ in range(3):
            kept = MemoryStore()
            kept.write(begun)
            await asyncio.sleep(10)
            async with w.connect(journal=kept) as heir:
                order = await heir.submit(BUY)
                assert order.client_order_id not in used
                used.add(order.client_order_id)
        assert len(w.orders) == len(used) == 5

    play(story, tmp_path)
