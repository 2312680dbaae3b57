"""An exit keeps to its caller's deadline, even while the venue does not answer at all."""

from venue_in_sim import BTC, builder, play

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
