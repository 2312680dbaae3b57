"""Funding and transfers are told once, whether the stream tells of them, the list, or both."""

import asyncio
from decimal import Decimal

from paths_in_sim import Watch, ground, settings, until_live

from outlast.client.events import AccountChanged
from outlast.client.flows import EVERY_S

HERE = ground("binance-um")


def paid_at(*times):
    events = [
        {"kind": "funding", "at": at, "symbols": ["BTCUSDT"], "rate": "0.001"} for at in times
    ]
    return HERE.module.builder().phase("all", "rest", events=events).build()


def play(story, tmp_path, scenario):
    HERE.play(story, tmp_path, scenario=scenario, time_limit_s=12 * 3600)


def test_funding_that_no_stream_told_of_is_found_by_reconcile(tmp_path):
    async def story(w):
        async with w.connect(settings=settings(streams=False)) as session:
            await session.submit(HERE.taking)
            await w.clock.sleep(120)
            report = await session.reconcile()
            assert report.is_complete, report
            (paid,) = report.moved
            assert (paid.kind, paid.currency, paid.symbol) == ("funding", "USDT", HERE.btc)
            assert paid.amount < 0
            assert paid.flow_id
            assert (await session.reconcile()).moved == ()
        w.judge()

    play(story, tmp_path, paid_at("60s"))


def test_what_the_stream_has_told_the_list_does_not_tell_again(tmp_path):
    async def story(w):
        async with w.connect(settings=settings()) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            await session.submit(HERE.taking)
            await w.clock.sleep(120)
            assert len(watch.of(AccountChanged)) == 1
            assert (await session.reconcile()).moved == ()
            await w.clock.sleep(1.3 * EVERY_S)
            assert len(watch.of(AccountChanged)) == 1
            listening.cancel()
        w.judge()

    play(story, tmp_path, paid_at("60s"))


def test_what_happened_between_two_sessions_is_told_by_the_second(tmp_path):
    async def story(w):
        async with w.connect(settings=settings(streams=False)) as session:
            await session.submit(HERE.taking)
            await w.clock.sleep(90)
            assert len((await session.reconcile()).moved) == 1
        await w.clock.sleep(300)
        async with w.connect(settings=settings(streams=False)) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await w.clock.sleep(100)
            told = watch.of(AccountChanged)
            assert [event.kind for event in told] == ["funding"]
            listening.cancel()
        async with w.connect(settings=settings(streams=False)) as session:
            assert (await session.reconcile()).moved == ()
        w.judge()

    play(story, tmp_path, paid_at("60s", "200s"))


def test_a_list_that_cannot_be_read_leaves_the_report_incomplete(tmp_path):
    async def story(w):
        async with w.connect(settings=settings(streams=False)) as session:
            w.fault("fills.query", reply={"http": {"status": 503}})
            report = await session.reconcile()
            assert not report.is_complete
            assert report.failures
            assert "503" in report.failures[0]
            w.heal()
            await w.clock.sleep(90)
            assert (await session.reconcile()).is_complete

    play(story, tmp_path, paid_at("1h"))


def test_a_payment_moves_the_wallet_by_what_the_list_says(tmp_path):
    async def story(w):
        async with w.connect(settings=settings(streams=False)) as session:
            await session.submit(HERE.taking)
            await session.reconcile()
            before = session.balances["USDT"].total
            await w.clock.sleep(120)
            report = await session.reconcile()
            after = session.balances["USDT"].total
            assert report.doubted == {}
            assert after - before == report.moved[0].amount < Decimal(0)
        w.judge()

    play(story, tmp_path, paid_at("60s"))
