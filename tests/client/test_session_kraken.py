"""A session at Kraken spot on a calm day, judged by the venue's truth."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from kraken_in_sim import BTC, ETH, PASSIVE, builder, play
from venue_in_sim import World

import outlast
from outlast.model import OrderStatus, TradingState

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


def test_a_limit_order_rests_at_the_venue_and_is_cancelled(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
            [resting] = w.orders
            assert resting.client_order_id == order.client_order_id
            assert order.venue_order_id.startswith("O")
            canceled = await venue.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            assert not w.orders[0].is_open
            assert venue.orders.open() == []
        w.judge()

    play(story, tmp_path)


def test_a_market_order_comes_back_filled_though_its_answer_does_not_say_so(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(outlast.market(BTC, "buy", "0.020"))
            assert (order.status, order.filled_qty) == (OrderStatus.FILLED, Decimal("0.020"))
            assert order.avg_price > 60_000
            assert (await venue.reconcile()).is_complete
            # Fees are taken in dollars: 0.02 were bought, and 0.02 are there.
            assert venue.balances["BTC"].total == Decimal("0.520")
            assert venue.balances["USD"].total < 50_000 - order.avg_price * Decimal("0.020")
        w.judge()

    play(story, tmp_path)


def test_a_taking_limit_order_is_looked_at_once(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(outlast.limit(BTC, "buy", "0.010", "70000"))
            assert order.status is OrderStatus.FILLED
            assert len(w.requests("orders.query")) == 1
        w.judge()

    play(story, tmp_path)


def test_an_order_that_may_not_rest_ends_with_what_there_was(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(
                outlast.limit(BTC, "buy", "0.010", PASSIVE, time_in_force="ioc")
            )
            assert order.status.is_final
            assert order.filled_qty == 0
        w.judge()

    play(story, tmp_path)


def test_selling_all_there_is_leaves_a_balance_of_zero_that_is_believed(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "sell", venue.balances["BTC"].free))
            assert (await venue.reconcile()).is_complete
            assert venue.balances["BTC"].total == 0
            assert venue.trading_state(BTC) is TradingState.ACTIVE
        w.judge()

    play(story, tmp_path)


def test_money_that_open_orders_hold_is_locked(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(BUY)
            await venue.reconcile()
            usd = venue.balances["USD"]
            assert usd.free + usd.locked == usd.total
            assert 600 <= usd.locked < 610
        w.judge()

    play(story, tmp_path)


def test_cancel_all_takes_every_order_of_ours_and_no_other(tmp_path):
    theirs = [
        {
            "symbol": BTC,
            "side": "buy",
            "type": "limit",
            "qty": "0.01",
            "price": "59000",
            "client_order_id": "theirs1",
        }
    ]

    async def story(w: World):
        async with w.connect() as venue:
            for price in ("60000", "60100", "60200"):
                await venue.submit(outlast.limit(BTC, "buy", "0.010", price))
            await venue.submit(outlast.limit(ETH, "buy", "0.5", "2000"))
            report = await venue.cancel_all(BTC)
            assert len(report.canceled) == 3
            assert not report.failed
            assert [o.symbol for o in venue.orders.open() if not o.is_external] == [ETH]
            assert len((await venue.cancel_all()).canceled) == 1
            assert [o.client_order_id for o in venue.orders.open()] == ["theirs1"]
        assert not any(o.is_open for o in w.orders)
        w.judge()

    play(story, tmp_path, scenario=builder(open_orders=theirs).phase("all", "rest").build())


def test_there_are_no_positions_and_nothing_to_close(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.020"))
            assert dict(venue.positions) == {}
            assert venue.positions[BTC].qty == 0
            with pytest.raises(outlast.ConfigurationError, match="no positions to close; sell"):
                await venue.close_position(BTC)
            with pytest.raises(outlast.InvalidOrder, match="drop it, a sell of what is held"):
                await venue.submit(outlast.limit(BTC, "sell", "0.1", "70000", reduce_only=True))
            await asyncio.sleep(150)
        w.judge()

    play(story, tmp_path)


def test_symbols_are_found_in_every_spelling(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            names = {venue.instrument(n).symbol for n in (BTC, "XBTUSD", "XXBTZUSD", "XBT/USD")}
            assert names == {BTC}
            with pytest.raises(outlast.UnknownInstrument, match="did you mean"):
                venue.instrument("BTC/US")
            assert 67_000 < await venue.mark_price("xbtusd") < 69_000

    play(story, tmp_path)


def test_every_new_order_carries_a_deadline_and_a_uuid(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            assert len(order.client_order_id) == 36
            [sent] = w.requests("orders.create")
            assert sent.params["cl_ord_id"] == order.client_order_id
            assert sent.params["deadline"].endswith("Z")

    play(story, tmp_path, skew_s=-40.0)


def test_every_page_of_a_long_history_is_read(tmp_path):
    async def story(w: World):
        async with w.connect(settings=outlast.Settings(seed=1, tier="pro")) as venue:
            for _ in range(60):
                await venue.submit(outlast.market(ETH, "buy", "0.01"))
                await asyncio.sleep(2)
            assert (await venue.reconcile()).is_complete
            booked = {e.execution_id for e in venue._open.book.ledger.executions()}
            assert len(booked) >= 60
            assert sum(e.qty for e in venue._open.book.ledger.executions()) == Decimal("0.60")
        assert len(w.requests("fills.query")) >= 2
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"secret": "no base64 at all"}, "secret is not base64"),
        ({"settings": outlast.Settings(tier="gold")}, "tier is 'gold'"),
        ({"settings": outlast.Settings(valid_for_s=1.0)}, "valid_for_s is 1"),
    ],
)
def test_what_cannot_work_is_named_before_anything_is_sent(changes, named, tmp_path):
    async def story(w: World):
        with pytest.raises(outlast.ConfigurationError, match=named):
            w.connect(**changes)
        assert w.requests() == []

    play(story, tmp_path)
