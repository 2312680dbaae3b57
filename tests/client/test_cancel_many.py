"""Several cancels at once: few requests, and every order accounted for by itself."""

from __future__ import annotations

import pytest
from paths_in_sim import VENUES, ground, settings, until_live

import outlast
from outlast.model import OrderStatus

WAYS = ["rest", "websocket-first"]
each_venue = pytest.mark.parametrize("venue", VENUES)
each_way = pytest.mark.parametrize("way", WAYS)
REQUESTS = {"binance-um": 2, "binance-spot": 12, "kraken-spot": 1}
"""For twelve orders of one symbol."""


async def rest(session, here, count):
    orders = []
    for number in range(count):
        price = str(int(here.module.PASSIVE) + number)
        orders.append(await session.submit(outlast.limit(here.btc, "buy", "0.001", price)))
    return [order.client_order_id for order in orders]


@each_venue
@each_way
def test_twelve_orders_go_in_as_few_requests_as_the_venue_takes(venue, way, tmp_path):
    here = ground(venue)

    async def story(w):
        tier = "pro" if venue == "kraken-spot" else None
        async with w.connect(settings=settings(order_entry=way, tier=tier)) as session:
            await until_live(w, session)
            names = await rest(session, here, 12)
            report = await session.cancel_many(names)
            assert [order.client_order_id for order in report.canceled] == names
            assert {order.status for order in report.canceled} == {OrderStatus.CANCELED}
            assert not report.failed
            assert len(w.requests("orders.cancel")) == REQUESTS[venue]
            assert {str(order.status.value) for order in w.orders} == {"canceled"}
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_without_a_stream_how_they_ended_is_asked_for(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            names = await rest(session, here, 3)
            before = len(w.requests("orders.query"))
            report = await session.cancel_many(names)
            assert len(report.canceled) == 3
            assert len(w.requests("orders.query")) - before <= 1
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_what_ended_before_is_reported_as_it_ended(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            names = await rest(session, here, 3)
            taken = await session.submit(here.taking)
            stage = w.mock.run.venues[venue].stage
            gone = next(o for o in w.orders if o.client_order_id == names[1])
            stage.engine.cancel("main", gone.order_id)
            report = await session.cancel_many([*names, taken.client_order_id, names[0]])
            assert {o.client_order_id for o in report.canceled} == set(names)
            assert [o.client_order_id for o in report.ended_otherwise] == [taken.client_order_id]
            again = await session.cancel_many(names)
            assert len(again.canceled) == 3
            assert not again.failed

    here.play(story, tmp_path)


@each_venue
@pytest.mark.parametrize("effect", ["apply", "none"])
def test_the_answer_to_a_batch_is_lost(venue, effect, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            names = await rest(session, here, 4)
            w.fault("orders.cancel", reply={"reset": "headers"}, effect=effect, times=1)
            report = await session.cancel_many(names)
            assert len(report.canceled) == 4
            assert not report.failed
            await w.clock.sleep(30)
            assert session.orders.open() == []
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_while_nothing_passes_the_report_names_each_and_why(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            names = await rest(session, here, 3)
            w.fault("orders.cancel", reply={"http": {"status": 502}}, effect="none")
            report = await session.cancel_many(names)
            assert [name for name, _ in report.failed] == names
            for _, error in report.failed:
                assert isinstance(error, outlast.OutcomeUnknown | outlast.NotSent)
            assert len(session.orders.open()) == 3
            w.heal()
            await w.clock.sleep(120)
            assert len((await session.cancel_all()).canceled) == 3

    here.play(story, tmp_path)


@each_venue
def test_cancel_all_leaves_orders_of_other_programs_alone(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        other = {"journal": w.folder / "other.journal", "settings": outlast.Settings(seed=2)}
        async with w.connect() as session, w.connect(**other) as another:
            mine = await rest(session, here, 2)
            theirs = await rest(another, here, 2)
            await session.reconcile()
            assert len(session.orders.open()) == 4
            report = await session.cancel_all()
            assert {o.client_order_id for o in report.canceled} == set(mine)
            alive = {o.client_order_id for o in w.orders if o.status.is_open}
            assert alive == set(theirs)
            # Asked for by their ids they are cancelled.
            named = await session.cancel_many(theirs)
            assert {o.client_order_id for o in named.canceled} == set(theirs)

    here.play(story, tmp_path)


@each_venue
def test_an_id_that_nobody_knows_cancels_none(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect() as session:
            names = await rest(session, here, 2)
            with pytest.raises(outlast.UnknownOrder, match="none of them was cancelled"):
                await session.cancel_many([*names, "nobodys"])
            with pytest.raises(TypeError, match="one text"):
                await session.cancel_many(names[0])
            assert w.requests("orders.cancel") == []
            assert (await session.cancel_many([])).canceled == ()

    here.play(story, tmp_path)


def test_eight_young_orders_are_cancelled_at_once_on_the_lowest_tier_of_kraken(tmp_path):
    """One by one they cost 64 points of 60."""
    here = ground("kraken-spot")

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            names = await rest(session, here, 7)
            began = w.clock.now()
            report = await session.cancel_many(names)
            assert len(report.canceled) == 7
            assert w.clock.now() - began < 3
        w.judge()

    here.play(story, tmp_path)


def test_a_batch_that_is_confirmed_and_has_no_effect_is_not_believed(tmp_path):
    """A count is no proof: the venue still shows the orders as open."""
    here = ground("kraken-spot")

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            names = await rest(session, here, 3)
            lie = {"error": [], "result": {"count": 3}}
            w.fault("orders.cancel", reply={"json": lie}, effect="none", times=1)
            report = await session.cancel_many(names)
            assert [name for name, _ in report.failed] == names
            for _, error in report.failed:
                assert isinstance(error, outlast.OutcomeUnknown)
                assert "cancel it again, which is safe" in str(error)
            assert len((await session.cancel_many(names)).canceled) == 3
        w.judge()

    here.play(story, tmp_path)


def test_one_order_of_a_batch_that_the_venue_does_not_know_is_looked_up_by_itself(tmp_path):
    here = ground("binance-um")

    async def story(w):
        async with w.connect(settings=outlast.Settings(seed=1)) as session:
            names = await rest(session, here, 3)
            stage = w.mock.run.venues["binance-um"].stage
            stage.engine.void(next(o for o in w.orders if o.client_order_id == names[0]).order_id)
            report = await session.cancel_many(names)
            assert {o.client_order_id for o in report.canceled} == set(names[1:])
            [(name, error)] = report.failed
            assert (name, type(error)) == (names[0], outlast.OutcomeUnknown)
            # It was acknowledged, and now it does not exist: that is settled by proof.
            known = await session.settle(names[0], timeout_s=180)
            assert known.status is OrderStatus.NOT_PLACED

    here.play(story, tmp_path)
