"""What is believed of balances and positions: doubts end by the venue's own list of fills."""

from __future__ import annotations

import shutil
from decimal import Decimal

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, builder, play

import outlast
from outlast.model import Source

ZERO = Decimal(0)


def lied_to(about: str, view: str, *, calm: str = "60s", lasts: str = "5m"):
    lying = builder().phase("calm", calm)
    return lying.phase("lie", lasts, account={about: view}).phase("after", "rest").build()


def other_program(w: World) -> outlast.Session:
    """The same account, another journal."""
    return w.connect(journal=None, settings=outlast.Settings(seed=99))


def test_a_fall_that_another_program_caused_is_explained_within_seconds_of_the_next_poll(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            await w.clock.sleep(90)  # a poll has confirmed it
            async with other_program(w) as other:
                await other.submit(outlast.market(BTC, "sell", "0.015"))
            await w.clock.sleep(75)  # one poll, and no more
            assert venue.positions[BTC].qty == w.position() == Decimal("0.005")
            assert venue.trading_state(BTC) is outlast.ACTIVE

    play(story, tmp_path)


def test_a_position_that_turned_between_two_polls_is_explained(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            await w.clock.sleep(90)
            async with other_program(w) as other:
                await other.submit(outlast.market(BTC, "sell", "0.050"))
            await w.clock.sleep(75)
            assert venue.positions[BTC].qty == w.position() == Decimal("-0.030")

    play(story, tmp_path)


def test_a_lie_about_positions_is_not_explained_and_ends_soon_after_it_ends(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            await w.clock.sleep(350 - w.clock.now())  # at the end of the lie
            with pytest.raises(outlast.StaleData, match="but fills and transfers"):
                _ = venue.positions[BTC]
            assert venue.positions.peek(BTC).qty == Decimal("0.020")
            report = await venue.reconcile()
            assert not report.is_complete
            assert list(report.doubted) == [BTC]
            asked = len(w.requests("fills.query"))
            assert 10 <= asked <= 30  # often enough, and no storm
            await w.clock.sleep(30)  # far less than a poll
            assert venue.positions[BTC].qty == Decimal("0.020")
            assert venue.trading_state(BTC) is outlast.ACTIVE

    play(story, tmp_path, scenario=lied_to("positions", "zero"))


def test_a_restart_inside_a_lie_has_the_last_trusted_state_to_measure_it_by(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            await w.clock.sleep(40)
        await w.clock.sleep(60)  # into the lie
        async with w.connect() as venue:
            balance = venue.balances.peek("USDT")
            assert (balance.source, balance.is_stale) == (Source.JOURNAL, True)
            assert balance.total == Decimal(50_000)
            assert w.clock.wall() - balance.as_of > 50
            with pytest.raises(outlast.StaleData):
                _ = venue.balances["USDT"]
            assert venue.positions[BTC].qty == Decimal("0.020")  # about these nobody lies
            with pytest.raises(outlast.TradingHalted, match="not believed"):
                await venue.submit(outlast.market(BTC, "buy", "0.010"))
            await w.clock.sleep(330)
            assert venue.balances["USDT"].source is Source.REST
            await venue.submit(outlast.market(BTC, "buy", "0.010"))

    play(story, tmp_path, scenario=lied_to("balances", "zero"))


def test_a_restart_after_an_exit_elsewhere_believes_the_zero_by_the_list_of_fills(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            await w.clock.sleep(90)
        async with other_program(w) as other:
            await other.submit(outlast.market(BTC, "sell", "0.020"))
        async with w.connect() as venue:
            assert venue.positions.peek(BTC).qty == Decimal("0.020")
            assert venue.positions.peek(BTC).is_stale
            await w.clock.sleep(5)
            assert venue.positions[BTC].qty == w.position() == ZERO

    play(story, tmp_path)


def test_a_position_opened_just_before_a_crash_is_not_lost_to_a_lie(tmp_path):
    """The order is found again, the venue shows no position: its fill says otherwise."""

    async def story(w: World):
        async with w.connect() as venue:
            await w.clock.sleep(50 - w.clock.now())
            w.fault("orders.create", reply={"hang": "60s"}, effect="apply")
            with pytest.raises(outlast.OutcomeUnknown):
                await venue.submit(outlast.market(BTC, "buy", "0.020"), deadline_s=1.0)
            w.heal()
        await w.clock.sleep(70 - w.clock.now())
        async with w.connect() as venue:
            await w.clock.sleep(60)
            position = venue.positions.peek(BTC)
            assert position.qty == w.position() == Decimal("0.020")
            assert position.is_stale
            await w.clock.sleep(300)
            assert venue.positions[BTC].qty == Decimal("0.020")

    play(story, tmp_path, scenario=lied_to("positions", "zero"))


def test_a_list_that_is_false_about_one_position_is_not_believed_about_the_others(tmp_path):
    """An empty list: that BTC is gone is doubted, and then it says nothing of ETH either."""

    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            assert venue.positions[ETH].qty == ZERO
            await w.clock.sleep(200 - w.clock.now())
            with pytest.raises(outlast.StaleData, match=f"not believed either about {BTC}"):
                _ = venue.positions[ETH]
            await w.clock.sleep(400 - w.clock.now())
            assert venue.positions[ETH].qty == ZERO

    play(story, tmp_path, scenario=lied_to("positions", "zero"))


def test_a_restart_inside_a_lie_remembers_fills_that_no_report_had_shown_yet(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await w.clock.sleep(50 - w.clock.now())
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            for suffix in ("", "-wal"):  # what a kill at this instant leaves behind
                shutil.copyfile(
                    w.folder / f"bot.journal{suffix}", w.folder / f"killed.journal{suffix}"
                )
        await w.clock.sleep(70 - w.clock.now())
        async with w.connect(journal=w.folder / "killed.journal") as heir:
            await w.clock.sleep(60)
            position = heir.positions.peek(BTC)
            assert position.qty == w.position() == Decimal("0.020")
            assert position.is_stale

    play(story, tmp_path, scenario=lied_to("positions", "zero"))


def test_flat_with_a_resting_order_is_known_only_since_the_order_was_last_seen(tmp_path):
    """An empty list would leave the order's fill out too, if it were empty by mistake."""

    async def story(w: World):
        async with w.connect() as venue:
            bid = await venue.submit(outlast.limit(BTC, "buy", "0.010", PASSIVE))
            await w.clock.sleep(20)
            await venue.close_position(ETH)  # reads the positions, and no order of BTC
            flat = venue.positions[BTC]
            assert flat.qty == ZERO
            assert flat.as_of <= bid.as_of

    play(story, tmp_path)


def test_a_fill_is_not_handed_out_as_all_while_another_order_may_have_filled_too(tmp_path):
    """The resting bid was hit and nobody heard of it: 0.020 was never the position."""

    async def story(w: World):
        async with w.connect() as venue:
            bid = await venue.submit(outlast.limit(BTC, "buy", "0.030", "67900"))
            assert venue.positions[BTC].qty == ZERO
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            with pytest.raises(outlast.StaleData, match=bid.client_order_id):
                _ = venue.positions[BTC]
            await w.clock.sleep(2)
            position = venue.positions[BTC]
            assert (position.qty, position.source) == (w.position(), Source.REST)

    play(story, tmp_path)


def test_what_nothing_explains_is_held_until_a_person_says_so(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            with pytest.raises(ValueError, match="doubted is: nothing"):
                await venue.accept_report("USDT")
            await w.clock.sleep(200)
            with pytest.raises(outlast.TradingHalted):
                await venue.submit(outlast.market(BTC, "buy", "0.010"))
            await venue.accept_report("USDT")
            assert venue.balances["USDT"].total == ZERO
            assert venue.trading_state(BTC) is outlast.ACTIVE
            kinds = [record.kind for record in venue._open.store.records()]
            assert "account.accepted" in kinds

    play(story, tmp_path, scenario=lied_to("balances", "zero"))


def test_an_old_position_shown_again_does_not_undo_a_newer_one(tmp_path):
    """`stale`: the account endpoints show what was when the lie began."""

    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            await w.clock.sleep(100)  # the lie has begun; the picture has 0.020
            await venue.submit(outlast.market(BTC, "sell", "0.015"))
            await w.clock.sleep(100)
            assert venue.positions.peek(BTC).qty == w.position() == Decimal("0.005")
            await w.clock.sleep(300)
            assert venue.positions[BTC].qty == Decimal("0.005")

    play(story, tmp_path, scenario=lied_to("positions", "stale"))


def test_what_is_believed_is_written_at_a_modest_pace(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            resting = await venue.submit(outlast.limit(BTC, "buy", "0.010", "60000"))
            for _ in range(50):
                await venue.submit(outlast.market(BTC, "buy", "0.002"))
                await w.clock.sleep(2)
            await venue.cancel(resting.client_order_id)
            records = [r for r in venue._open.store.records() if r.kind == "account.believed"]
            assert 2 <= len(records) <= 1 + 100 / 15 + 1

    play(story, tmp_path)
