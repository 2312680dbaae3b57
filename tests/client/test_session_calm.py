"""A calm day: what a bot does when nothing goes wrong, told by the venue's truth."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, builder, calm, play

import outlast
from outlast.client.events import Event, EventsSkipped, ExecutionBooked, OrderChanged
from outlast.client.session import Session
from outlast.model import OrderStatus, Pending, Side


def test_a_limit_order_rests_at_the_venue_and_is_cancelled(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(outlast.limit(BTC, "buy", "0.010", PASSIVE))
            assert (order.status, order.pending) == (OrderStatus.ACCEPTED, Pending.NOTHING)
            assert (order.side, order.qty, order.price) == (
                Side.BUY,
                Decimal("0.010"),
                Decimal(PASSIVE),
            )
            [resting] = w.orders
            assert resting.client_order_id == order.client_order_id
            assert str(resting.order_id) == order.venue_order_id
            assert resting.is_open
            assert venue.orders.open(BTC) == [order]
            assert venue.orders.get(order.client_order_id) == order
            assert venue.orders.unknown() == []
            canceled = await venue.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            assert not w.orders[0].is_open
            assert venue.orders.open() == []
        w.judge()

    play(story, tmp_path)


def test_the_venues_spelling_of_a_symbol_is_accepted_and_normalised(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(outlast.limit("BTCUSDT", "buy", "0.010", PASSIVE))
            assert order.symbol == BTC
            assert venue.instrument("btcusdt") is venue.instrument(BTC)
            assert venue.trading_state("BTCUSDT") is outlast.ACTIVE
            assert sorted(venue.instruments) == [BTC, ETH]

    play(story, tmp_path)


def test_a_market_order_fills_and_moves_the_position_at_once(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            assert venue.positions[BTC].qty == 0
            order = await venue.submit(outlast.market(BTC, "buy", "0.020"))
            assert (order.status, order.filled_qty) == (OrderStatus.FILLED, Decimal("0.020"))
            # Before anything is read again: our own fills are news enough.
            assert venue.positions[BTC].qty == w.position() == Decimal("0.020")
            # As old as the report below it: of what else happened since then nothing is known.
            assert venue.positions[BTC].as_of < order.created_at
            report = await venue.reconcile()
            assert report.is_complete
            assert venue.orders.get(order.client_order_id).avg_price > 0
            position = venue.positions[BTC]
            assert (position.qty, position.entry_price > 60_000) == (Decimal("0.020"), True)
            spent = Decimal(50_000) - venue.balances["USDT"].total
            assert 0 < spent < 5  # the fee
            assert list(venue.positions) == [BTC]

    play(story, tmp_path)


def test_close_position_ends_flat_with_one_order_and_tells_what_it_did(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            report = await venue.close_position(BTC)
            assert (report.is_flat, report.qty_at_start, report.qty_left) == (
                True,
                Decimal("0.500"),
                0,
            )
            assert [(a.outcome, a.request.reduce_only) for a in report.attempts] == [
                ("accepted", True)
            ]
            assert report.refusals == {}
            assert report.in_the_way == ()
        assert w.position() == 0
        [exit_order] = w.orders
        assert (exit_order.side.lower(), exit_order.qty) == ("sell", Decimal("0.5"))
        w.judge()

    play(story, tmp_path, scenario=calm(positions={"BTCUSDT": ("0.5", "68000")}))


def test_close_position_of_a_flat_symbol_sends_nothing(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            report = await venue.close_position(BTC)
            assert (report.is_flat, report.attempts) == (True, [])
        assert w.requests("orders.create") == []

    play(story, tmp_path)


def test_a_short_is_closed_by_buying(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            assert venue.positions[ETH].qty == -3
            assert (await venue.close_position(ETH)).is_flat
        assert w.position("ETHUSDT") == 0
        assert w.orders[0].side.lower() == "buy"

    play(story, tmp_path, scenario=calm(positions={"ETHUSDT": ("-3", "2050")}))


def test_quantize_puts_an_order_on_the_grid_never_to_its_cost(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            buy = await venue.quantize(outlast.limit(BTC, "buy", "0.01079", "60000.19"))
            sell = await venue.quantize(outlast.limit(BTC, "sell", "0.01079", "70000.11"))
            assert (buy.qty, buy.price) == (Decimal("0.010"), Decimal("60000.1"))
            assert (sell.qty, sell.price) == (Decimal("0.010"), Decimal("70000.2"))
            assert (await venue.submit(buy)).status is OrderStatus.ACCEPTED

    play(story, tmp_path)


def test_events_tell_every_change_from_the_moment_they_are_asked_for(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            events = venue.events()  # nothing has been read of it when the order goes out
            order = await venue.submit(outlast.market(BTC, "buy", "0.010"))
            await venue.reconcile()
            seen: list[Event] = []
            while not any(isinstance(event, ExecutionBooked) for event in seen):
                async with asyncio.timeout(5):
                    seen.append(await anext(events))
            statuses = [e.order.status for e in seen if isinstance(e, OrderChanged)]
            assert statuses[:2] == [OrderStatus.SUBMITTED, OrderStatus.FILLED]
            booked = seen[-1]
            assert booked.client_order_id == order.client_order_id
            assert booked.execution.qty == Decimal("0.010")
            await events.aclose()

    play(story, tmp_path)


def test_a_slow_reader_of_events_is_told_how_many_it_missed(tmp_path):
    async def story(w: World):
        settings = outlast.Settings(seed=1, events_max=3)
        async with w.connect(settings=settings) as venue:
            events = venue.events()
            for _ in range(4):  # two changes each: under way, accepted
                await venue.submit(outlast.limit(BTC, "buy", "0.010", PASSIVE))
            skipped = await anext(events)
            assert skipped == EventsSkipped(count=5)
            left = [await anext(events) for _ in range(3)]
            assert [e.order.status.value for e in left] == ["accepted", "submitted", "accepted"]
            await events.aclose()

    play(story, tmp_path)


def test_reconcile_adopts_the_orders_of_other_programs_and_cancel_all_leaves_them(tmp_path):
    resting = {"symbol": "BTCUSDT", "side": "buy", "type": "LIMIT", "qty": "0.5", "price": "59000"}

    async def story(w: World):
        async with w.connect() as venue:
            mine = await venue.submit(outlast.limit(BTC, "buy", "0.010", PASSIVE))
            other = await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
            report = await venue.reconcile()
            [external] = report.external
            assert (external.is_external, external.qty) == (True, Decimal("0.5"))
            only_eth = await venue.cancel_all(ETH)
            assert [o.client_order_id for o in only_eth.canceled] == [other.client_order_id]
            rest = await venue.cancel_all()
            assert [o.client_order_id for o in rest.canceled] == [mine.client_order_id]
            assert (rest.failed, rest.ended_otherwise) == ((), ())
            assert venue.orders.open() == [external]
        still_open = [o for o in w.account.orders.values() if o.is_open]
        assert [o.from_the_start for o in still_open] == [True]

    play(story, tmp_path, scenario=calm(open_orders=[resting]))


def test_the_cancel_of_a_filled_order_gives_the_order_as_it_ended(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(outlast.limit(BTC, "buy", "0.010", "67000"))
            await asyncio.sleep(30)  # the market falls through it, and no stream tells us
            assert w.position() == Decimal("0.010")
            assert venue.orders.get(order.client_order_id).status is OrderStatus.ACCEPTED
            ended = await venue.cancel(order.client_order_id)
            assert (ended.status, ended.filled_qty) == (OrderStatus.FILLED, Decimal("0.010"))
            assert venue.positions[BTC].qty == w.position() == Decimal("0.010")
            asked = len(w.requests())
            assert await venue.cancel(order.client_order_id) == ended
            assert len(w.requests()) == asked  # it is over: nobody needs to be asked
        w.judge()

    falling = (
        builder()
        .phase("calm", "20s")
        .phase("fall", "rest", market={"drift": "-0.02", "over": "5s"})
    )
    play(story, tmp_path, scenario=falling.build())


def test_an_order_id_of_nobody_is_an_unknown_order_and_is_not_asked_for(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            for ask in (venue.cancel, venue.settle):
                with pytest.raises(outlast.UnknownOrder, match=r"no order 'nobody' is known to"):
                    await ask("nobody")
        assert w.requests("orders.cancel") == w.requests("orders.query") == []

    play(story, tmp_path)


def test_an_id_of_the_callers_own_is_used_once_and_for_ever(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            mine = outlast.limit(BTC, "buy", "0.010", PASSIVE, client_order_id="mine-1")
            assert (await venue.submit(mine)).client_order_id == "mine-1"
            await venue.cancel("mine-1")
            with pytest.raises(outlast.InvalidOrder, match="'mine-1' was used before") as caught:
                await venue.submit(mine)
            assert caught.value.field == "client_order_id"
        assert len(w.orders) == 1

    play(story, tmp_path)


def test_without_keys_prices_are_read_and_orders_are_refused_before_sending(tmp_path):
    async def story(w: World):
        async with w.connect(key=None, secret=None, journal=None) as venue:
            assert await venue.mark_price(BTC) > 0
            with pytest.raises(outlast.ConfigurationError, match="submit needs key and secret"):
                await venue.submit(outlast.market(BTC, "buy", "0.010"))
            with pytest.raises(outlast.StaleData, match="it has not been read yet"):
                _ = venue.balances["USDT"]
        assert {r.endpoint for r in w.requests()} == {"time", "market.meta", "market.read"}

    play(story, tmp_path)


def test_a_session_is_opened_once(tmp_path):
    async def story(w: World):
        session = w.connect()
        with pytest.raises(outlast.ConfigurationError, match="this session is not open"):
            await session.submit(outlast.market(BTC, "buy", "0.010"))
        async with session as venue:
            assert isinstance(venue, Session)
        with pytest.raises(outlast.ConfigurationError, match=r"call connect\(\) again"):
            await session.__aenter__()

    play(story, tmp_path)


def test_an_error_of_the_body_passes_as_it_is(tmp_path):
    async def story(w: World):
        with pytest.raises(ZeroDivisionError):
            async with w.connect():
                _ = 1 / 0

    play(story, tmp_path)


def test_polls_keep_balances_fresh_for_hours(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(3600)
            assert w.clock.wall() - venue.balances["USDT"].as_of < 80
            assert len(w.requests("account.balances")) in range(50, 75)
            assert len(w.requests("time")) in range(10, 16)
        w.judge()

    play(story, tmp_path)
