"""What an amendment may do when: held like new risk, let through like a cancel, or cut short."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal

import pytest
from paths_in_sim import VENUES, ground, settings, until_live

import outlast
from outlast.core.journal import decode_fields
from outlast.errors import JournalUnavailable
from outlast.model import OrderStatus

each_venue = pytest.mark.parametrize("venue", VENUES)
PRICED = [venue for venue in VENUES if venue != "binance-spot"]
each_priced = pytest.mark.parametrize("venue", PRICED)


def truth(world, order):
    return next(o for o in world.orders if o.client_order_id == order.client_order_id)


def lanes(session):
    session._open.journal.flush()
    records = [r for r in session._open.store.records() if r.kind == "attempt"]
    fields = [decode_fields(record.data) for record in records]
    return [told["lane"] for told in fields if told["request"] == "order.amend"]


@each_priced
def test_while_new_risk_is_held_only_less_risk_passes(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            name = order.client_order_id
            session.halt("a test")
            for more in ({"qty": "0.02"}, {"price": "60500"}, {"price": "60500", "qty": "0.005"}):
                with pytest.raises(outlast.TradingHalted, match="a test"):
                    await session.amend(name, **more)
            assert w.requests("orders.amend") == []
            await session.amend(name, qty="0.005")
            lower = await session.amend(name, price="59000")
            assert (lower.qty, lower.price) == (Decimal("0.005"), Decimal(59000))
            session.resume()
            await session.amend(name, qty="0.01")
            assert lanes(session) == ["safety", "safety", "trade"]
        w.judge()

    here.play(story, tmp_path)


def test_a_reduce_only_order_may_always_be_amended(tmp_path):
    here = ground("binance-um")

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            await session.submit(here.taking)
            order = await session.submit(
                outlast.limit(here.btc, "sell", "0.005", "70000", reduce_only=True)
            )
            session.halt("a test")
            await session.amend(order.client_order_id, price="69500", qty="0.008")
            # More than there is to reduce: the venue cuts it, and that is what is in force.
            cut = await session.amend(order.client_order_id, price="69000", qty="0.05")
            assert (cut.qty, cut.price) == (Decimal("0.010"), Decimal(69000))
            assert truth(w, order).qty == cut.qty
            assert lanes(session) == ["safety", "safety"]
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_one_at_a_time(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            name = order.client_order_id
            first = asyncio.create_task(session.amend(name, qty="0.005"))
            await asyncio.sleep(0)
            with pytest.raises(outlast.InvalidOrder, match="under way"):
                await session.amend(name, qty="0.004")
            assert (await first).qty == Decimal("0.005")
            assert len(w.requests("orders.amend")) == 1

    here.play(story, tmp_path)


@each_venue
def test_what_is_unknown_can_still_be_cancelled(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply={"hang": "600s"}, effect="none")
            w.fault(["orders.query", "orders.open"], reply={"http": {"status": 502}})
            with pytest.raises(outlast.OutcomeUnknown, match=r"settle\("):
                await session.amend(order.client_order_id, qty="0.005", deadline_s=2)
            w.heal()
            canceled = await session.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            assert canceled.amendment is None
            settled = await session.settle(order.client_order_id, timeout_s=1)
            assert settled.status is OrderStatus.CANCELED
        w.judge()

    here.play(story, tmp_path)


def test_a_post_only_order_that_would_take_is_cancelled_by_its_amendment(tmp_path):
    """Source: Binance USD-M futures docs, Modify Order."""
    here = ground("binance-um")

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            quote = outlast.limit(here.btc, "buy", "0.010", "60000", post_only=True)
            order = await session.submit(quote)
            with pytest.raises(outlast.Refused, match="it is canceled"):
                await session.amend(order.client_order_id, price="69000")
            known = session.orders.get(order.client_order_id)
            assert known.status is OrderStatus.CANCELED
            assert known.price == order.price
        w.judge()

    here.play(story, tmp_path)


def test_at_kraken_it_is_left_as_it_was(tmp_path):
    here = ground("kraken-spot")

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            quote = outlast.limit(here.btc, "buy", "0.010", "60000", post_only=True)
            order = await session.submit(quote)
            with pytest.raises(outlast.OrderRejected) as caught:
                await session.amend(order.client_order_id, price="69000")
            assert caught.value.failure.kind == "post_only_would_take"
            known = session.orders.get(order.client_order_id)
            assert (known.status, known.price) == (OrderStatus.ACCEPTED, order.price)
            assert truth(w, order).price == order.price
        w.judge()

    here.play(story, tmp_path)


@each_priced
def test_an_amended_price_may_trade_at_once(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            amended = await session.amend(order.client_order_id, price="69000")
            assert amended.price == Decimal(69000)
            await w.clock.sleep(5)
            known = session.orders.get(order.client_order_id)
            assert known.status is OrderStatus.FILLED
            assert known.filled_qty == truth(w, order).filled_qty == order.qty
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_the_same_refusal_is_not_asked_for_again_and_again(venue, tmp_path):
    here = ground(venue)
    code = {"kraken-spot": ["EOrder:Orders limit exceeded"]}.get(venue)
    body = {"error": code} if code else {"code": -2010, "msg": "Market is closed."}
    status = 200 if code else 400

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            w.fault(
                "orders.amend",
                reply={"http": {"status": status, "body": json.dumps(body)}},
                effect="none",
            )
            for _ in range(3):
                with pytest.raises(outlast.Refused):
                    await session.amend(order.client_order_id, qty="0.005")
            with pytest.raises(outlast.RefusedTooOften, match="another qty"):
                await session.amend(order.client_order_id, qty="0.005")
            assert len(w.requests("orders.amend")) == 3

    here.play(story, tmp_path)


@each_priced
def test_with_a_full_disk_only_what_takes_risk_away_is_sent(venue, tmp_path, monkeypatch):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)

            def full(*records):
                raise JournalUnavailable("the disk is full")

            monkeypatch.setattr(session._open.store, "write", full)
            with pytest.raises(JournalUnavailable):
                await session.amend(order.client_order_id, qty="0.02")
            assert w.requests("orders.amend") == []
            known = session.orders.get(order.client_order_id)
            assert known.amendment is None
            less = await session.amend(order.client_order_id, qty="0.005")
            assert truth(w, order).qty == less.qty == Decimal("0.005")
            monkeypatch.undo()

    here.play(story, tmp_path)


@each_venue
def test_a_caller_who_leaves_does_not_leave_it_unsettled(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply={"hang": "30s"}, effect={"apply_after": "3s"}, times=1)
            asking = asyncio.create_task(session.amend(order.client_order_id, qty="0.005"))
            await w.clock.sleep(0.5)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert session.orders.get(order.client_order_id).amendment.is_unknown
            known = await session.settle(order.client_order_id, timeout_s=120)
            assert known.qty == truth(w, order).qty == Decimal("0.005")
        w.judge()

    here.play(story, tmp_path)
