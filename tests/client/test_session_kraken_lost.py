"""Kraken spot, answers that get lost: whatever became of the order, there is never a second one."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from kraken_in_sim import BTC, ETH, PASSIVE, builder, play
from venue_in_sim import World

import outlast
from outlast.errors import Outcome
from outlast.mock.scenario.builder import fault
from outlast.model import OrderStatus

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)
TAKE = outlast.market(BTC, "buy", "0.010")


def said(*errors: str) -> dict[str, Any]:
    return {"json": {"error": list(errors)}}


LOST: dict[str, Any] = {
    "hang": {"hang": "30s"},
    "reset before the headers": {"reset": "headers"},
    "reset in the request": {"reset": "request"},
    "reset in the body": {"reset": "body"},
    "truncated": {"truncate": 0.5},
    "empty 200": {"empty": 200},
    "{}": {"json": {}},
    "no result": {"json": {"error": []}},
    "empty result": {"json": {"error": [], "result": {}}},
    "html 502": {"html": "cdn-502"},
    "html 520": {"html": "cdn-520"},
    "dribble and cut": {"dribble": {"over": "45s", "then": "cut"}},
    "unavailable": said("EService:Unavailable"),
    "busy": said("EService:Busy"),
    "internal": said("EGeneral:Internal error"),
    "deadline": said("EService:Deadline elapsed"),
    "bare 500": {"http": {"status": 500, "body": ""}},
    "an error nobody listed": said("EOrder:Something new"),
}

EVERYTHING = [
    "market.read",
    "market.meta",
    "time",
    "system.status",
    "orders.create",
    "orders.query",
    "orders.open",
    "fills.query",
    "account.balances",
]


async def find_out(venue: outlast.Session, request: outlast.OrderRequest) -> outlast.Order:
    """Submit as a careful bot does, and wait for the truth however it comes."""
    try:
        return await venue.submit(request)
    except outlast.OutcomeUnknown as error:
        return await venue.settle(error.client_order_id, timeout_s=180)
    except outlast.Refused:
        return venue.orders.all()[-1]


@pytest.mark.parametrize("effect", ["apply", "none"])
@pytest.mark.parametrize("reply", LOST.values(), ids=LOST.keys())
def test_a_lost_answer_never_makes_a_second_order(reply, effect, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply=reply, effect=effect, times=1)
            order = await find_out(venue, BUY)
            landed = len(w.orders)
            if effect == "apply":
                assert (landed, order.status) == (1, OrderStatus.ACCEPTED)
                assert w.orders[0].client_order_id == order.client_order_id
            else:
                assert (landed, order.status) == (0, OrderStatus.NOT_PLACED)
            await asyncio.sleep(120)
            assert len(w.requests("orders.create")) == 1
            assert len(w.orders) == landed
            assert venue.orders.unknown() == []
        w.judge()

    play(story, tmp_path)


def test_an_order_that_filled_at_once_is_found_among_the_closed_ones(tmp_path):
    """The trap: it is not among the open orders, where a careless client looks only."""

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"html": "cdn-502"}, effect="apply", times=1)
            order = await find_out(venue, TAKE)
            assert (order.status, order.filled_qty) == (OrderStatus.FILLED, Decimal("0.010"))
            await venue.reconcile()
            assert venue.balances["BTC"].total == Decimal("0.510")
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_absence_is_proved_after_the_deadline_in_open_and_closed_orders_and_fills(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"html": "cdn-502"}, effect="none", times=1)
            began = w.clock.now()
            with pytest.raises(outlast.Refused, match="was refused by kraken-spot") as caught:
                await venue.submit(BUY, deadline_s=120)
            assert w.clock.now() - began > 20
            assert caught.value.failure.outcome is Outcome.REFUSED
            [order] = venue.orders.all()
            assert order.status is OrderStatus.NOT_PLACED
            late = [r for r in w.requests() if r.arrived_ms / 1000 > order.created_at + 20]
            asked = [r.path.rpartition("/")[2] for r in late]
            for lookup in ("OpenOrders", "ClosedOrders", "TradesHistory"):
                assert asked.count(lookup) >= 2, lookup
            assert "CancelOrder" in asked
            again = await venue.submit(BUY)
            assert again.client_order_id != order.client_order_id
        assert [o.client_order_id for o in w.orders] == [again.client_order_id]
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize("after", ["3s", "45s"])
def test_an_order_that_lands_late_is_found_or_refused_by_its_deadline(after, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"hang": "30s"}, effect={"apply_after": after}, times=1)
            order = await find_out(venue, BUY)
            await asyncio.sleep(120)
            if after == "3s":
                assert order.status is OrderStatus.ACCEPTED
                assert len(w.orders) == 1
            else:
                assert order.status is OrderStatus.NOT_PLACED  # its deadline had passed by then
                assert w.orders == []
            assert venue.orders.unknown() == []
        w.judge()

    play(story, tmp_path)


def test_an_unknown_order_outlives_an_outage_of_everything(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"reset": "headers"}, effect="apply", times=1)
            down = w.fault(
                ["orders.query", "orders.open", "fills.query"], reply={"html": "cdn-502"}
            )
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY)
            await asyncio.sleep(600)
            assert len(venue.orders.unknown()) == 1
            with pytest.raises(outlast.TradingHalted, match="being settled"):
                await venue.submit(BUY)
            w.mock.run.desk.remove(down)
            order = await venue.settle(caught.value.client_order_id, timeout_s=120)
            assert order.status is OrderStatus.ACCEPTED
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


@pytest.mark.parametrize("effect", ["apply", "none"])
@pytest.mark.parametrize("reply", [{"html": "cdn-520"}, {"json": {}}, {"reset": "headers"}])
def test_a_cancel_whose_answer_is_lost_is_looked_up(reply, effect, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            w.fault("orders.cancel", reply=reply, effect=effect, times=1)
            gone = await venue.cancel(order.client_order_id)
            assert gone.status is OrderStatus.CANCELED
        assert not w.orders[0].is_open
        w.judge()

    play(story, tmp_path)


def test_a_cancel_of_an_order_that_filled_tells_the_fill(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            # Its fill is not heard of: the one look after the acceptance is answered with nothing.
            w.fault("orders.query", reply={"html": "cdn-502"}, times=4)
            order = await venue.submit(outlast.limit(BTC, "buy", "0.010", "70000"))
            assert order.status is OrderStatus.ACCEPTED
            w.heal()
            done = await venue.cancel(order.client_order_id)
            assert (done.status, done.filled_qty) == (OrderStatus.FILLED, Decimal("0.010"))
        w.judge()

    play(story, tmp_path)


def test_a_post_only_order_that_would_take_comes_back_cancelled(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            request = outlast.limit(BTC, "buy", "0.010", "70000", post_only=True)
            order = await venue.submit(request)
            assert (order.status, order.filled_qty) == (OrderStatus.CANCELED, 0)
            assert order.reason == "Post only order"
        w.judge()

    play(story, tmp_path)


def test_a_bot_that_dies_with_an_order_in_doubt_settles_it_when_it_comes_back(tmp_path):
    async def story(w: World):
        first = w.connect()
        async with first as venue:
            w.fault("orders.create", reply={"hang": "30s"}, effect="apply", times=1)
            with pytest.raises(outlast.OutcomeUnknown) as caught:
                await venue.submit(BUY, deadline_s=1)
        name = caught.value.client_order_id
        async with w.connect() as venue:
            order = await venue.settle(name, timeout_s=60)
            assert order.status is OrderStatus.ACCEPTED
            fresh = await venue.submit(BUY)
            # One journal, one family of ids, and none of them twice.
            assert fresh.client_order_id[:23] == name[:23]
            assert fresh.client_order_id != name
        assert len(w.orders) == 2
        w.judge()

    play(story, tmp_path)


def test_what_the_venue_refuses_by_its_mode_is_maintenance(tmp_path):
    scenario = (
        builder()
        .phase("open", "10s")
        .phase("closed", "60s", engine={"mode": "cancel_only"})
        .phase("open-again", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(15)
            with pytest.raises(outlast.Maintenance, match="cancel_only"):
                await venue.submit(BUY)
            await asyncio.sleep(200)  # it has to be well for as long as it was closed
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path, scenario=scenario)


def test_a_symbol_that_is_closed_at_the_start_is_not_closed_for_ever(tmp_path):
    scenario = (
        builder()
        .phase("closed", "60s", engine={"mode": "cancel_only"})
        .phase("open", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect() as venue:
            for _ in range(3):
                with pytest.raises(outlast.InvalidOrder, match="is cancel_only at kraken-spot"):
                    await venue.submit(BUY)
            assert len(w.requests("market.meta")) <= 2
            await asyncio.sleep(200)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
            assert len(w.requests("market.meta")) <= 6
        w.judge()

    play(story, tmp_path, scenario=scenario)


def test_a_lockout_is_obeyed_by_everything_that_is_signed(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply=said("EGeneral:Temporary lockout"), times=1)
            with pytest.raises(outlast.Throttled) as caught:
                await venue.submit(BUY)
            began_ms = w.requests("orders.create")[0].arrived_ms
            assert caught.value.retry_at == pytest.approx(w.clock.wall() + 900, abs=2)
            with pytest.raises(outlast.BannedByVenue):
                await venue.submit(BUY)
            assert (await venue.mark_price(BTC)) > 0  # what needs no key goes on
            await asyncio.sleep(1000)
            private = [r for r in w.requests() if "/private/" in r.path and r.arrived_ms > began_ms]
            assert private
            assert min(r.arrived_ms for r in private) - began_ms >= 900_000
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED

    play(story, tmp_path)


def test_a_session_opens_into_an_outage_and_trades_when_it_ends(tmp_path):
    scenario = (
        builder()
        .phase("down", "20s", faults=[fault(EVERYTHING, reply={"html": "cdn-502"})])
        .phase("up", "rest")
        .build()
    )

    async def story(w: World):
        async with w.connect() as venue:
            assert w.clock.now() >= 20
            while True:
                try:
                    order = await venue.submit(BUY)
                    break
                except outlast.NotSent:
                    await asyncio.sleep(5)
            assert order.status is OrderStatus.ACCEPTED
        w.judge()

    play(story, tmp_path, scenario=scenario)


def test_three_lost_orders_are_proved_absent_by_the_answers_of_one(tmp_path):
    """The lowest tier: a third of a point a second, of which each list of the account costs four.

    Lists of fills and of open orders tell of all three at once; what else is asked is asked whole.
    """

    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply={"reset": "headers"}, effect="none", times=3)
            bids = [(BTC, "0.010", "60000"), (ETH, "0.10", "1900"), (BTC, "0.010", "59000")]
            asked = (venue.submit(outlast.limit(s, "buy", q, p), deadline_s=1) for s, q, p in bids)
            lost = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(error) for error in lost] == 3 * [outlast.OutcomeUnknown]
            unknown = venue.orders.unknown()
            assert len(unknown) == 3
            began = w.clock.now()
            for order in unknown:
                settled = await venue.settle(order.client_order_id, timeout_s=300)
                assert settled.status is OrderStatus.NOT_PLACED
            assert w.clock.now() - began < 180
            assert len(w.requests("fills.query")) <= 4
        assert w.orders == []
        w.judge()

    play(story, tmp_path)
