"""An exit keeps to its caller's deadline, even while the venue does not answer at all."""

import asyncio

import pytest
from venue_in_sim import BTC, builder, calm, play

import outlast
from outlast.mock.scenario.builder import fault


def test_an_exit_that_is_not_answered_returns_at_its_deadline(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            await w.clock.sleep(15)  # into the silence
            began = w.clock.now()
            report = await venue.close_position(BTC, deadline_s=4)
            assert not report.is_flat
            assert report.qty_left == report.qty_at_start
            assert 3.5 < w.clock.now() - began < 6
            assert [attempt.outcome for attempt in report.attempts] != []
            assert venue.trading_state(BTC) is outlast.REDUCING

    silent = builder(positions={"BTCUSDT": ("0.5", "68000")}).phase("calm", "10s")
    silent = silent.phase("silent", "rest", faults=[fault("orders.create", reply={"hang": "60s"})])
    play(story, tmp_path, scenario=silent.build())


HANGS = {
    "positions": ["account.positions"],
    "open orders": ["orders.open"],
    "fills": ["fills.query"],
    "the cancel of what is in the way": ["orders.cancel"],
    "the book": ["market.read"],
    "orders": ["orders.create"],
    "everything": ["*"],
}


@pytest.mark.parametrize("endpoints", HANGS.values(), ids=HANGS)
@pytest.mark.parametrize("deadline_s", [0.01, 1.0, 7.3])
def test_whatever_hangs_the_report_comes_by_the_deadline(endpoints, deadline_s, tmp_path):
    async def story(w):
        async with w.connect() as venue:
            await venue.submit(outlast.limit(BTC, "sell", "0.1", "75000", reduce_only=True))
            await asyncio.sleep(5)
            w.fault(endpoints, reply={"hang": "60s"})
            began = w.clock.now()
            report = await venue.close_position(BTC, max_slippage="0.01", deadline_s=deadline_s)
            assert w.clock.now() - began <= deadline_s + 0.001
            assert report.is_flat == (report.qty_left == 0)
            w.heal()
            await asyncio.sleep(120)
            assert venue.orders.unknown() == []
            assert (await venue.close_position(BTC, deadline_s=60)).is_flat
        assert w.position() == 0
        w.judge()

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))


def test_the_second_of_two_exits_does_not_wait_past_its_own_deadline(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            w.fault("orders.create", reply="reduce_rejected")
            first = asyncio.create_task(venue.close_position(BTC, deadline_s=60))
            await asyncio.sleep(1)
            began = w.clock.now()
            report = await venue.close_position(BTC, deadline_s=5)
            assert w.clock.now() - began <= 5.001
            assert (report.is_flat, report.attempts) == (False, [])
            assert len((await first).attempts) > 1

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))
