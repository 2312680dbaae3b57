"""Amending: whatever is lost on the way, it is known at last which terms are in force."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import pytest
from paths_in_sim import VENUES, Watch, ground, settings, sockets, until_live

import outlast
from outlast.client.events import AmendmentChanged
from outlast.core.histories import check
from outlast.core.journal import decode_fields
from outlast.model import OrderStatus, Pending

WAYS = ["rest", "websocket-first"]
LOST = {"hang": {"hang": "60s"}, "cut": {"reset": "headers"}}
each_venue = pytest.mark.parametrize("venue", VENUES)
each_way = pytest.mark.parametrize("way", WAYS)
each_loss = pytest.mark.parametrize("reply", LOST.values(), ids=LOST.keys())
PRICED = [venue for venue in VENUES if venue != "binance-spot"]
each_priced = pytest.mark.parametrize("venue", PRICED)


def attempts(session, request="order.amend"):
    """How the attempts of one kind travelled, in order."""
    session._open.journal.flush()
    records = [r for r in session._open.store.records() if r.kind == "attempt"]
    fields = [decode_fields(record.data) for record in records]
    return [told["via"] for told in fields if told["request"] == request]


def states(watch):
    return [event.state for event in watch.of(AmendmentChanged)]


def agrees(world, order):
    """The venue holds the order by the same terms."""
    [truth] = world.orders
    return (truth.qty, truth.price) == (order.qty, order.price)


def verify(session):
    session._open.journal.flush()
    checked = check(session._open.store.records())
    assert checked.holds, checked


@each_venue
@each_way
def test_less_of_an_order_passes_and_is_in_force(venue, way, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            order = await session.submit(here.resting)
            amended = await session.amend(order.client_order_id, qty="0.005")
            assert (amended.qty, amended.price) == (Decimal("0.005"), order.price)
            assert amended.venue_order_id == order.venue_order_id
            assert amended.amendment is None
            assert amended.pending is Pending.NOTHING
            assert agrees(w, amended)
            assert attempts(session) == ["rest" if way == "rest" else "socket"]
            await w.clock.sleep(30)
            assert session.orders.get(order.client_order_id).qty == Decimal("0.005")
            assert states(watch) == ["asked", "in_force"]
            watch.holds()
            verify(session)
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_priced
@each_way
def test_another_price_and_more_of_it(venue, way, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            amended = await session.amend(order.client_order_id, price="60500", qty="0.02")
            assert (amended.qty, amended.price) == (Decimal("0.02"), Decimal(60500))
            assert amended.leaves_qty == Decimal("0.02")
            assert agrees(w, amended)
            back = await session.amend(order.client_order_id, price=order.price, qty=order.qty)
            assert (back.qty, back.price) == (order.qty, order.price)
            assert agrees(w, back)
            verify(session)
        w.judge()

    here.play(story, tmp_path)


@each_venue
@each_way
@each_loss
def test_the_answer_is_lost_and_the_amendment_has_landed(venue, way, reply, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply=reply, effect="apply", times=1)
            began = w.clock.now()
            amended = await session.amend(order.client_order_id, qty="0.005")
            assert w.clock.now() - began < 13  # told by the stream
            assert amended.qty == Decimal("0.005")
            assert agrees(w, amended)
            await w.clock.sleep(90)
            assert len(w.requests("orders.amend")) == 1
            verify(session)
        w.judge()

    here.play(story, tmp_path)


@each_venue
@each_way
@each_loss
def test_what_never_landed_is_proved_by_the_order_itself(venue, way, reply, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply=reply, effect="none", times=1)
            with pytest.raises((outlast.OutcomeUnknown, outlast.Refused)) as caught:
                await session.amend(order.client_order_id, qty="0.005")
            if isinstance(caught.value, outlast.OutcomeUnknown):
                assert caught.value.client_order_id == order.client_order_id
                unsure = session.orders.get(order.client_order_id)
                assert unsure.amendment.is_unknown
                assert unsure.leaves_qty == order.qty
                with pytest.raises(outlast.InvalidOrder, match="not known yet"):
                    await session.amend(order.client_order_id, qty="0.004")
                with pytest.raises(outlast.TradingHalted, match="being settled"):
                    await session.submit(here.resting)
            known = await session.settle(order.client_order_id, timeout_s=180)
            assert known.status is OrderStatus.ACCEPTED
            assert (known.qty, known.amendment) == (order.qty, None)
            assert agrees(w, known)
            assert len(w.requests("orders.amend")) == 1
            assert states(watch)[-1] == "not_in_force"
            again = await session.amend(order.client_order_id, qty="0.005")
            assert agrees(w, again)
            await w.clock.sleep(60)
            verify(session)
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_venue
@each_way
@pytest.mark.parametrize("late_s", [3, 45])
def test_what_lands_late_is_found(venue, way, late_s, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            w.fault(
                "orders.amend",
                reply={"hang": "120s"},
                effect={"apply_after": f"{late_s}s"},
                times=1,
            )
            with contextlib.suppress(outlast.OutcomeUnknown, outlast.Refused):
                await session.amend(order.client_order_id, qty="0.005", deadline_s=12)
            await session.settle(order.client_order_id, timeout_s=180)
            await w.clock.sleep(120)
            known = session.orders.get(order.client_order_id)
            assert known.amendment is None
            assert agrees(w, known)
            verify(session)
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_without_a_stream_the_order_itself_is_asked(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply={"reset": "headers"}, effect="apply", times=1)
            amended = await session.amend(order.client_order_id, qty="0.005")
            assert amended.qty == Decimal("0.005")
            assert agrees(w, amended)
            verify(session)
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_a_socket_that_fails_after_the_frame_left_is_no_reason_to_send_again(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply={"reset": "headers"}, effect="none", times=1)
            with pytest.raises((outlast.OutcomeUnknown, outlast.Refused)):
                await session.amend(order.client_order_id, qty="0.005", deadline_s=5)
            assert attempts(session) == ["socket"]
            await session.settle(order.client_order_id, timeout_s=180)
            assert len(w.requests("orders.amend")) == 1
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_without_a_socket_it_goes_by_rest_within_its_deadline(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        w.fault("ws.user.connect", reply={"http": {"status": 503}})
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            order = await session.submit(here.resting)
            assert not sockets(session).trade.line.is_up
            amended = await session.amend(order.client_order_id, qty="0.005", deadline_s=3)
            assert agrees(w, amended)
            assert attempts(session) == ["rest"]
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_a_refusal_leaves_the_old_terms(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply={"http": {"status": 429}}, effect="none", times=1)
            with pytest.raises((outlast.NotSent, outlast.Refused)):
                await session.amend(order.client_order_id, qty="0.005")
            known = session.orders.get(order.client_order_id)
            assert (known.qty, known.amendment) == (order.qty, None)
            assert agrees(w, known)
            verify(session)

    here.play(story, tmp_path)


@each_priced
def test_more_than_the_account_can_carry_is_refused_by_the_rules(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            with pytest.raises(outlast.OrderRejected) as caught:
                await session.amend(order.client_order_id, qty="50")
            assert caught.value.failure.kind in ("insufficient_margin", "insufficient_balance")
            assert caught.value.evidence_id is not None
            known = session.orders.get(order.client_order_id)
            assert (known.qty, known.amendment) == (order.qty, None)
            assert agrees(w, known)
            verify(session)
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_new_terms_are_checked_before_anything_is_sent(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            name = order.client_order_id
            cases = [
                ({}, "price", "needs a price, a qty, or both"),
                ({"qty": order.qty}, "qty|price", "these terms already"),
                ({"qty": "0.0000000001"}, "qty", "minimum"),
                ({"qty": "0.00512345678"}, "qty", "not a multiple"),
            ]
            if venue in PRICED:
                cases.append(({"price": "60000.0000001"}, "price", "not a multiple"))
            else:
                cases += [
                    ({"price": "60001"}, "price", "cancel order .* submit another"),
                    ({"qty": "0.02"}, "qty", "submit the difference"),
                ]
            for terms, field, words in cases:
                with pytest.raises(outlast.InvalidOrder, match=words) as caught:
                    await session.amend(name, **terms)
                assert caught.value.field in field.split("|")
            with pytest.raises(TypeError, match="float"):
                await session.amend(name, qty=0.005)
            with pytest.raises(ValueError, match="above 0"):
                await session.amend(name, qty="-1")
            with pytest.raises(outlast.UnknownOrder):
                await session.amend("nobodys", qty="1")
            await session.cancel(name)
            with pytest.raises(outlast.InvalidOrder, match="has ended"):
                await session.amend(name, qty="0.005")
            assert w.requests("orders.amend") == []

    here.play(story, tmp_path)


@each_venue
def test_an_order_that_ended_meanwhile_is_told_of(venue, tmp_path):
    """Somebody cancels it at the venue, and this session does not know yet."""
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            order = await session.submit(here.resting)
            stage = w.mock.run.venues[venue].stage
            stage.engine.cancel("main", w.orders[0].order_id)
            with pytest.raises(outlast.Refused, match="canceled"):
                await session.amend(order.client_order_id, qty="0.005")
            known = session.orders.get(order.client_order_id)
            assert known.status is OrderStatus.CANCELED
            assert known.amendment is None

    here.play(story, tmp_path)


@each_venue
@pytest.mark.parametrize("effect", ["apply", "none"])
def test_a_restart_finds_out_about_the_amendment_that_the_journal_leaves_open(
    venue, effect, tmp_path
):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            order = await session.submit(here.resting)
            w.fault("orders.amend", reply={"hang": "600s"}, effect=effect)
            mute = ["orders.query", "orders.open"]
            w.fault(mute, reply={"http": {"status": 502}}, effect="none")
            with pytest.raises(outlast.OutcomeUnknown):
                await session.amend(order.client_order_id, qty="0.005", deadline_s=2)
        w.heal()
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            known = await session.settle(order.client_order_id, timeout_s=180)
            assert known.qty == (Decimal("0.005") if effect == "apply" else order.qty)
            assert agrees(w, known)
            verify(session)

    here.play(story, tmp_path)
