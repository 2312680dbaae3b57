"""A session at Binance spot: a calm day, what it refuses, and answers that get lost (P1, P2).

Judged by the venue's truth. What holds at every venue is told in the other test_session files.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from binance_spot_in_sim import BTC, ETH, PASSIVE, SpotWorld, builder, calm, play

import outlast
from outlast.errors import Outcome
from outlast.model import OrderRequest, OrderStatus, OrderType, Side

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


# A calm day.


def test_a_limit_order_rests_at_the_venue_and_is_cancelled(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
            [resting] = w.orders
            assert resting.client_order_id == order.client_order_id
            assert str(resting.order_id) == order.venue_order_id
            canceled = await venue.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            assert not w.orders[0].is_open
            assert venue.orders.open() == []
        w.judge()

    play(story, tmp_path)


def test_a_market_order_is_filled_by_its_own_answer_and_shows_in_the_balances(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            assert venue.balances["BTC"].total == Decimal("0.5")
            order = await venue.submit(outlast.market(BTC, "buy", "0.020"))
            assert (order.status, order.filled_qty) == (OrderStatus.FILLED, Decimal("0.020"))
            assert order.avg_price > 60_000
            assert w.requests("orders.query") == []
            assert (await venue.reconcile()).is_complete
            gained = venue.balances["BTC"].total - Decimal("0.5")
            assert 0 < Decimal("0.020") - gained < Decimal("0.0001")  # the fee is taken in BTC
            spent = Decimal(50_000) - venue.balances["USDT"].total
            assert spent == order.avg_price * Decimal("0.020")
        w.judge()

    play(story, tmp_path)


def test_selling_all_there_is_leaves_a_balance_of_zero_that_is_believed(tmp_path):
    """The venue leaves empty balances out; a fill of ours explains it."""

    async def story(w: SpotWorld):
        async with w.connect() as venue:
            assert venue.balances["BTC"].total == Decimal("0.5")
            sold = await venue.submit(outlast.market(BTC, "sell", "0.5"))
            assert sold.status is OrderStatus.FILLED
            assert (await venue.reconcile()).is_complete
            assert venue.balances["BTC"].total == 0
            assert venue.balances["USDT"].total > 80_000
        w.judge()

    play(story, tmp_path)


def test_a_post_only_order_rests_or_is_refused(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            rests = outlast.limit(BTC, "buy", "0.010", PASSIVE, post_only=True)
            order = await venue.submit(rests)
            assert (order.status, order.post_only) == (OrderStatus.ACCEPTED, True)
            takes = outlast.limit(BTC, "buy", "0.010", "69000", post_only=True)
            with pytest.raises(outlast.OrderRejected) as caught:
                await venue.submit(takes)
            assert caught.value.failure.kind == "post_only_would_take"
            assert caught.value.failure.venue_code == "-2010"
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize(
    "request_",
    [
        outlast.limit(BTC, "sell", "0.010", "60000", time_in_force="ioc"),
        outlast.limit(BTC, "sell", "0.010", "60000", time_in_force="fok"),
    ],
    ids=["ioc", "fok"],
)
def test_orders_that_end_at_once_are_filled(request_, tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            order = await venue.submit(request_)
            assert (order.status, order.filled_qty) == (OrderStatus.FILLED, Decimal("0.010"))
        w.judge()

    play(story, tmp_path)


def test_an_order_that_finds_nobody_at_its_price_expires(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            order = await venue.submit(
                outlast.limit(BTC, "buy", "0.010", PASSIVE, time_in_force="ioc")
            )
            assert (order.status, order.filled_qty) == (OrderStatus.EXPIRED, 0)

    play(story, tmp_path)


@pytest.mark.parametrize(
    ("order_type", "price", "stop_price"),
    [
        (OrderType.STOP_MARKET, None, "60000"),
        (OrderType.STOP_LIMIT, "59900", "60000"),
        (OrderType.TAKE_PROFIT_MARKET, None, "75000"),
        (OrderType.TAKE_PROFIT_LIMIT, "75000", "75000"),
    ],
)
def test_conditional_orders_wait_at_the_venue_and_are_cancelled(
    order_type, price, stop_price, tmp_path
):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            order = await venue.submit(
                OrderRequest(
                    symbol=BTC,
                    side=Side.SELL,
                    order_type=order_type,
                    qty=Decimal("0.1"),
                    price=None if price is None else Decimal(price),
                    stop_price=Decimal(stop_price),
                )
            )
            assert order.status is OrderStatus.ACCEPTED
            report = await venue.reconcile()
            assert (report.is_complete, report.external) == (True, ())
            [waiting] = venue.orders.open()
            assert (waiting.order_type, waiting.stop_price) == (order_type, Decimal(stop_price))
            canceled = await venue.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
        w.judge()

    play(story, tmp_path)


def test_reconcile_adopts_the_orders_of_other_programs_and_cancel_all_leaves_them(tmp_path):
    resting = {"symbol": "BTCUSDT", "side": "buy", "type": "LIMIT", "qty": "0.1", "price": "59000"}

    async def story(w: SpotWorld):
        async with w.connect() as venue:
            mine = await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
            [external] = (await venue.reconcile()).external
            assert (external.is_external, external.qty) == (True, Decimal("0.1"))
            done = await venue.cancel_all()
            assert [o.client_order_id for o in done.canceled] == [mine.client_order_id]
            assert venue.orders.open() == [external]

    play(story, tmp_path, scenario=calm(open_orders=[resting]))


def test_the_cancel_of_a_filled_order_gives_the_order_as_it_ended(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            order = await venue.submit(outlast.limit(BTC, "buy", "0.010", "67000"))
            await asyncio.sleep(30)  # the market falls through it, and no stream tells us
            ended = await venue.cancel(order.client_order_id)
            assert (ended.status, ended.filled_qty) == (OrderStatus.FILLED, Decimal("0.010"))
        w.judge()

    falling = (
        builder()
        .phase("calm", "20s")
        .phase("fall", "rest", market={"drift": "-0.02", "over": "5s"})
    )
    play(story, tmp_path, scenario=falling.build())


def test_the_mark_price_is_the_middle_of_the_book(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            assert abs(await venue.mark_price(BTC) - 68_000) < 100

    play(story, tmp_path)


def test_an_ed25519_key_signs_as_well_as_an_hmac_one(tmp_path):
    async def story(w: SpotWorld):
        keys = w.wires["ed25519"]
        pem = keys["private_key"].strip()
        async with w.connect(key=keys["key"], secret=pem) as venue:
            order = await venue.submit(BUY)
            assert (await venue.cancel(order.client_order_id)).status is OrderStatus.CANCELED
        w.judge()

    play(story, tmp_path)


# Refused, here or there.


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (outlast.market(BTC, "sell", "0.010", reduce_only=True), "reduce_only"),
        (
            outlast.limit(BTC, "buy", "0.01", PASSIVE, time_in_force="gtd", expires_in_s=700),
            "time_in_force",
        ),
        (outlast.limit(BTC, "buy", "0.000001", PASSIVE), "qty"),
        (outlast.limit(BTC, "buy", "0.01", "60000.001"), "price"),
    ],
)
def test_what_cannot_be_here_is_refused_before_it_is_sent(order, field, tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            with pytest.raises(outlast.InvalidOrder) as caught:
                await venue.submit(order)
            assert caught.value.field == field
            assert venue.orders.all() == []
        assert w.requests("orders.create") == []

    play(story, tmp_path)


def test_more_than_the_account_holds_is_refused_by_the_venue(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            with pytest.raises(outlast.OrderRejected) as caught:
                await venue.submit(outlast.market(BTC, "sell", "7"))
            failure = caught.value.failure
            assert (failure.kind, failure.outcome) == ("insufficient_balance", Outcome.REFUSED)
            assert venue.orders.all()[-1].status is OrderStatus.REJECTED
        assert w.orders == []

    play(story, tmp_path)


# Answers that get lost: whatever became of the order, there is never a second one.

LOST: dict[str, Any] = {
    "hang": {"hang": "30s"},
    "reset before the headers": {"reset": "headers"},
    "reset in the body": {"reset": "body"},
    "truncated": {"truncate": 0.5},
    "empty 200": {"empty": 200},
    "hollow 200": {"json": {}},
    "html 502": {"html": "cdn-502"},
    "html 520": {"html": "cdn-520"},
    "503 unknown": "unknown",
    "-1007": "backend_timeout",
    "bare 500": {"http": {"status": 500, "body": ""}},
    "503 that says it did nothing": {
        "http": {"status": 503, "body": '{"msg":"Service Unavailable."}'}
    },
    "503 overloaded": {
        "http": {"status": 503, "body": '{"code":-1008,"msg":"Server is currently overloaded."}'}
    },
    "a code nobody listed": {"http": {"status": 400, "body": '{"code":-9999,"msg":"?"}'}},
}


async def find_out(venue: outlast.Session, request: outlast.OrderRequest) -> outlast.Order:
    """Submit as a careful bot does, and wait for the truth however it comes."""
    try:
        return await venue.submit(request)
    except outlast.OutcomeUnknown as error:
        return await venue.settle(error.client_order_id, timeout_s=120)
    except outlast.Refused:
        return venue.orders.all()[-1]


@pytest.mark.parametrize("effect", ["apply", "none"])
@pytest.mark.parametrize("reply", LOST.values(), ids=LOST.keys())
def test_a_lost_answer_never_makes_a_second_order(reply, effect, tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            w.fault("orders.create", reply=reply, effect=effect, times=1)
            order = await find_out(venue, BUY)
            landed = len(w.orders)
            if effect == "apply":
                assert (landed, order.status) == (1, OrderStatus.ACCEPTED)
                assert order.venue_order_id == str(w.orders[0].order_id)
            else:
                assert (landed, order.status) == (0, OrderStatus.NOT_PLACED)
            await asyncio.sleep(60)
            assert len(w.requests("orders.create")) == 1
            assert len(w.orders) == landed
            assert venue.orders.unknown() == []
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize("reply", [{"reset": "headers"}, "unknown", {"html": "cdn-502"}])
def test_a_market_order_that_filled_behind_a_lost_answer_is_found_filled(reply, tmp_path):
    """Its id is free again once it has filled: sending it anew would buy twice."""

    async def story(w: SpotWorld):
        async with w.connect() as venue:
            w.fault("orders.create", reply=reply, effect="apply", times=1)
            order = await find_out(venue, outlast.market(BTC, "buy", "0.020"))
            assert (order.status, order.filled_qty) == (OrderStatus.FILLED, Decimal("0.020"))
            assert order.avg_price > 60_000
            assert (await venue.reconcile()).is_complete
            assert venue.balances["BTC"].total > Decimal("0.5199")
        [made] = w.orders
        assert made.filled_qty == Decimal("0.020")
        assert len(w.requests("orders.create")) == 1
        w.judge()

    play(story, tmp_path)


def test_a_lost_market_order_that_never_landed_is_proved_absent_and_may_be_sent_anew(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"empty": 200}, effect="none", times=1)
            lost = await find_out(venue, outlast.market(BTC, "buy", "0.020"))
            assert lost.status is OrderStatus.NOT_PLACED
            late = [r for r in w.requests() if r.arrived_ms / 1000 > lost.created_at + 20]
            asked = [r.endpoint for r in late]
            for lookup in ("orders.query", "orders.open", "fills.query"):
                assert asked.count(lookup) >= 2, lookup
            assert "orders.cancel" in asked
            again = await venue.submit(outlast.market(BTC, "buy", "0.020"))
            assert (again.status, again.client_order_id != lost.client_order_id) == (
                OrderStatus.FILLED,
                True,
            )
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize("effect", ["apply", "none"])
def test_the_lost_answer_to_a_cancel_is_asked_again(effect, tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            w.fault("orders.cancel", reply={"reset": "headers"}, effect=effect, times=1)
            assert (await venue.cancel(order.client_order_id)).status is OrderStatus.CANCELED
        assert not w.orders[0].is_open
        w.judge()

    play(story, tmp_path)


def test_an_order_lost_before_a_crash_is_settled_by_the_next_session(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"hang": "60s"}, effect="apply", times=1)
            with pytest.raises(outlast.OutcomeUnknown):
                await venue.submit(outlast.market(BTC, "buy", "0.020"), deadline_s=1)
        async with w.connect() as venue:
            [order] = venue.orders.all()
            settled = await venue.settle(order.client_order_id)
            assert (settled.status, settled.filled_qty) == (OrderStatus.FILLED, Decimal("0.020"))
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


# Limits.


def test_the_venues_own_count_is_never_exceeded(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            for _ in range(12):
                order = await venue.submit(BUY)
                await venue.cancel(order.client_order_id)
        card = w.scorecard()
        assert (card["over_limit"], card["bans"]) == (0, 0)
        w.judge()

    play(story, tmp_path)


def test_a_ban_silences_every_call_until_it_ends(tmp_path):
    async def story(w: SpotWorld):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            body = '{"code":-1003,"msg":"Too much request weight used"}'
            banned = {"http": {"status": 418, "headers": {"Retry-After": "40"}, "body": body}}
            w.fault("account.*", reply=banned, times=1)
            began = w.clock.now()
            await venue.reconcile()
            asked = len(w.requests())
            with pytest.raises(outlast.BannedByVenue) as caught:
                await venue.submit(BUY)
            assert caught.value.retry_at is not None
            assert len(w.requests()) == asked
            await asyncio.sleep(began + 45 - w.clock.now())
            assert (await venue.cancel(order.client_order_id)).status is OrderStatus.CANCELED

    play(story, tmp_path)
