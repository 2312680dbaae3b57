"""An exit beside the resting orders of another program, which the venue counts first."""

from venue_in_sim import BTC, builder, play

import outlast

THEIRS = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "qty": "0.1",
    "price": "75000",
    "reduces": True,
}


def test_an_exit_that_others_are_in_the_way_of_is_not_repeated_and_says_so(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            report = await venue.close_position(BTC, deadline_s=1800)
            assert not report.is_flat
            assert str(report.qty_left) == "0.100"  # what their order may take
            assert len(report.in_the_way) == 1
            assert 2 <= len(report.attempts) <= 5
            (theirs,) = (o for o in w.account.orders.values() if o.from_the_start)
            assert theirs.is_open
        w.judge()

    scenario = builder(positions={"BTCUSDT": ("0.5", "68000")}, open_orders=[THEIRS])
    play(story, tmp_path, scenario=scenario.phase("all", "rest").build())


def test_a_stop_of_another_program_holds_no_exit_up(tmp_path):
    stop = THEIRS | {"type": "STOP_MARKET", "qty": "0.5", "stop": "60000"}
    del stop["price"]

    async def story(w):
        async with w.connect() as venue:
            report = await venue.close_position(BTC, deadline_s=60)
            assert report.is_flat
            assert report.refusals == {}
            assert len([r for r in w.requests("orders.create") if r.create]) == 1
            assert isinstance(report, outlast.CloseReport)

    scenario = builder(positions={"BTCUSDT": ("0.5", "68000")}, open_orders=[stop])
    play(story, tmp_path, scenario=scenario.phase("all", "rest").build())
