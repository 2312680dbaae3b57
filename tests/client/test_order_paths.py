"""Orders by socket and by REST: whatever is lost on the way, the venue has one order per intent."""

from __future__ import annotations

import asyncio

import pytest
from paths_in_sim import (
    VENUES,
    Watch,
    booked_qty,
    find_out,
    ground,
    settings,
    sockets,
    truly_filled,
    until_live,
)

import outlast
from outlast.core.journal import decode_fields
from outlast.model import OrderStatus
from outlast.private_wire import Ticket

WAYS = ["rest", "websocket-first"]
each_venue = pytest.mark.parametrize("venue", VENUES)
each_way = pytest.mark.parametrize("way", WAYS)

LOST = {
    "hang": {"hang": "60s"},
    "cut": {"reset": "headers"},
}


def attempts(session, request="order.place"):
    """How the attempts of one kind travelled, in order."""
    session._open.journal.flush()
    records = [r for r in session._open.store.records() if r.kind == "attempt"]
    fields = [decode_fields(record.data) for record in records]
    return [told["via"] for told in fields if told["request"] == request]


@each_venue
def test_with_a_socket_that_is_well_orders_and_cancels_go_by_it(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            assert order.status is OrderStatus.ACCEPTED
            taken = await session.submit(here.taking)
            assert taken.status is OrderStatus.FILLED
            canceled = await session.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            assert attempts(session) == ["socket", "socket"]
            assert attempts(session, "order.cancel") == ["socket"]
            assert [o.client_order_id for o in w.orders] == [
                order.client_order_id,
                taken.client_order_id,
            ]
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_a_refusal_by_socket_is_judged_by_the_same_tables(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await until_live(w, session)
            with pytest.raises(outlast.OrderRejected) as caught:
                await session.submit(outlast.limit(here.btc, "buy", "50", here.module.PASSIVE))
            assert caught.value.failure.kind in ("insufficient_margin", "insufficient_balance")
            assert attempts(session) == ["socket"]
            assert w.orders == []
        w.judge()

    here.play(story, tmp_path)


@each_venue
@each_way
@pytest.mark.parametrize("reply", LOST.values(), ids=LOST.keys())
def test_the_answer_is_lost_and_the_order_is_filled_at_once(venue, way, reply, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            w.fault("orders.create", reply=reply, effect="apply", times=1)
            began = w.clock.now()
            order = await find_out(session, here.taking)
            assert order.status is OrderStatus.FILLED
            assert w.clock.now() - began < 13  # told by the stream, at the latest with the answer
            await w.clock.sleep(60)
            assert len(w.orders) == 1
            assert booked_qty(session) == truly_filled(w) == order.filled_qty
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_venue
@each_way
@pytest.mark.parametrize("reply", LOST.values(), ids=LOST.keys())
def test_what_never_landed_is_proved_absent(venue, way, reply, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            await until_live(w, session)
            w.fault("orders.create", reply=reply, effect="none", times=1)
            order = await find_out(session, here.resting)
            assert order.status is OrderStatus.NOT_PLACED
            assert w.orders == []
            await w.clock.sleep(60)
            assert len(w.requests("orders.create")) == 1
            again = await session.submit(here.resting)
            assert again.status is OrderStatus.ACCEPTED
            assert len(w.orders) == 1
        w.judge()

    here.play(story, tmp_path)


@each_venue
@each_way
@pytest.mark.parametrize("late_s", [3, 45])
def test_what_lands_late_is_found_by_the_stream(venue, way, late_s, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry=way)) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            w.fault(
                "orders.create",
                reply={"hang": "120s"},
                effect={"apply_after": f"{late_s}s"},
                times=1,
            )
            began = w.clock.now()
            order = await find_out(session, here.resting)
            assert len(w.orders) <= 1
            if w.orders:
                assert order.status is OrderStatus.ACCEPTED
                assert w.clock.now() - began < late_s + 2
            await w.clock.sleep(120)
            known = session.orders.get(order.client_order_id)
            assert len(w.orders) == (known.status is OrderStatus.ACCEPTED)
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_a_socket_that_fails_after_the_frame_left_makes_no_second_order(venue, tmp_path):
    """REST is up all the while, and is not used for what may have been done."""
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await until_live(w, session)
            w.fault("orders.create", reply={"reset": "headers"}, effect="apply", times=1)
            order = await find_out(session, here.resting)
            assert order.status is OrderStatus.ACCEPTED
            assert len(w.orders) == 1
            assert attempts(session) == ["socket"]
            # The socket has swallowed one: the next goes by the other door.
            second = await session.submit(here.resting)
            assert second.status is OrderStatus.ACCEPTED
            assert attempts(session) == ["socket", "rest"]
            await w.clock.sleep(60)
            third = await session.submit(here.resting)
            assert third.status is OrderStatus.ACCEPTED
            assert attempts(session)[-1] == "socket"
            assert len(w.orders) == 3
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_without_a_socket_the_order_goes_by_rest_within_its_deadline(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        w.fault("ws.user.connect", reply={"http": {"status": 503}})
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await w.clock.sleep(5)
            assert not sockets(session).trade.line.is_up
            began = w.clock.now()
            order = await session.submit(here.resting, deadline_s=3)
            assert order.status is OrderStatus.ACCEPTED
            assert w.clock.now() - began < 3
            assert attempts(session) == ["rest"]
            w.heal()
            await until_live(w, session, within_s=120)
            await session.cancel(order.client_order_id)
            assert attempts(session, "order.cancel") == ["socket"]
            assert len(w.orders) == 1
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_the_answer_that_comes_after_its_attempt_was_given_up_is_used(venue, tmp_path):
    """Nothing else can tell: the stream is mute and queries fail."""
    here = ground(venue)

    async def story(w):
        async with w.connect(
            settings=settings(order_entry="websocket-first", streams=False)
        ) as session:
            while not sockets(session).trade.line.is_up:
                await w.clock.sleep(0.1)
            queries = ["orders.query", "orders.open", "fills.query", "orders.cancel"]
            w.fault(queries, reply={"http": {"status": 502}}, effect="none")
            w.fault(
                "orders.create",
                reply={"dribble": {"over": "20s", "then": "ok"}},
                effect="apply",
                times=1,
            )
            with pytest.raises(outlast.OutcomeUnknown):
                await session.submit(here.resting, deadline_s=15)
            [unknown] = session.orders.unknown()
            known = await session.settle(unknown.client_order_id, timeout_s=10)
            assert known.status is OrderStatus.ACCEPTED
            assert len(w.orders) == 1

    here.play(story, tmp_path)


def test_a_way_that_there_is_none_of_is_refused_with_those_that_there_are():
    with pytest.raises(
        ValueError, match="order_entry is 'fax'; choose 'rest' or 'websocket-first'"
    ):
        settings(order_entry="fax")
    with pytest.raises(ValueError, match="account_crosscheck_s is 0"):
        settings(account_crosscheck_s=0)


def test_what_a_refused_token_turns_away_goes_by_rest_and_is_on_record(tmp_path):
    """Kraken: nothing was done with it, but the venue got it; the journal can show that."""
    here = ground("kraken-spot")

    async def story(w):
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await until_live(w, session)
            sockets(session).trade._tickets._ticket = Ticket(text="long-gone", good_for_s=900.0)
            order = await session.submit(here.resting)
            assert order.status is OrderStatus.ACCEPTED
            assert attempts(session) == ["rest"]
            records = [r for r in session._open.store.records() if r.kind == "socket.turned_away"]
            [told] = [decode_fields(record.data) for record in records]
            assert told["client_order_id"] == order.client_order_id
            assert all(b"long-gone" not in record.data for record in records)
            assert len(w.requests("orders.create")) == 2
            assert len(w.orders) == 1
        w.judge()

    here.play(story, tmp_path)
