"""The stream of the account: nothing lost, nothing twice, and doubted when it falls silent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from paths_in_sim import (
    VENUES,
    Watch,
    booked_qty,
    ground,
    settings,
    sockets,
    truly_filled,
    until_live,
)

from outlast.client.events import AccountChanged, PrivateStreamChanged
from outlast.core.journal import decode_fields
from outlast.errors import OutcomeUnknown
from outlast.model import OrderStatus, Source

AFTER_BUYING = {"binance-spot": Decimal("0.50999"), "kraken-spot": Decimal("0.510")}
"""What is held of BTC after buying 0.010 on top of 0.5; one of them takes its fee from it."""
each_venue = pytest.mark.parametrize("venue", VENUES)


def notes(session, kind):
    session._open.journal.flush()
    return [decode_fields(r.data) for r in session._open.store.records() if r.kind == kind]


@each_venue
def test_the_stream_tells_before_anybody_asks(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            before = len(w.requests())
            order = await session.submit(here.taking)
            assert order.status is OrderStatus.FILLED
            await w.clock.sleep(2)
            asked = [r.endpoint for r in w.requests()[before:]]
            assert asked[0] == "orders.create"
            assert "orders.query" not in asked
            assert "fills.query" not in asked
            assert booked_qty(session) == truly_filled(w) == Decimal("0.010")
            base = session.balances["BTC"] if venue != "binance-um" else None
            if base is not None:
                assert base.source is Source.STREAM
                assert base.total == AFTER_BUYING[venue]
            else:
                assert session.positions[here.btc].qty == Decimal("0.010")
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_the_same_fill_by_stream_by_rest_and_by_snapshot_is_booked_once(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            order = await session.submit(here.taking)
            instrument = session.instrument(here.btc)
            lookups = session._open.lookups
            for _ in range(2):
                since_ms = w.mock.truth.now_ms - 60_000
                assert await lookups.executions(instrument, since_ms=since_ms) is None
                sockets(session).stream.line.drop("the test cuts it")
                await until_live(w, session)
            await session.reconcile()
            assert session.orders.get(order.client_order_id).filled_qty == Decimal("0.010")
            assert booked_qty(session) == truly_filled(w)
            assert len(watch.booked) == 1
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_fills_that_happened_while_it_was_down_are_booked_after_the_reconnect(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(account_poll_s=900.0)) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            w.fault("ws.user.connect", reply={"http": {"status": 503}})
            sockets(session).stream.line.drop("the test cuts it")
            await w.clock.sleep(10)
            assert not sockets(session).stream.is_live
            taken = await session.submit(here.taking)
            assert taken.status is OrderStatus.FILLED
            w.heal()
            await until_live(w, session, within_s=120)
            assert booked_qty(session) == truly_filled(w) == Decimal("0.010")
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_a_cancel_that_the_stream_missed_is_found_after_the_reconnect(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(account_poll_s=600.0)) as session:
            await until_live(w, session)
            order = await session.submit(here.resting)
            other = w.connect(journal=None, settings=settings(seed=2, streams=False))
            async with other as second:
                w.fault("ws.user.connect", reply={"http": {"status": 503}})
                sockets(session).stream.line.drop("the test cuts it")
                theirs = second.orders.get(order.client_order_id)
                assert theirs.is_external
                await second.cancel(order.client_order_id)
                extern = await second.submit(here.resting)
                w.heal()
                await until_live(w, session, within_s=120)
                known = session.orders.get(order.client_order_id)
                assert known.status is OrderStatus.CANCELED
                await second.cancel(extern.client_order_id)

    here.play(story, tmp_path)


@each_venue
def test_orders_of_other_programs_are_seen_as_external(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            other = w.connect(journal=None, settings=settings(seed=2, streams=False))
            async with other as second:
                theirs = await second.submit(here.resting)
                taken = await second.submit(here.taking)
                await w.clock.sleep(1)
                seen = session.orders.get(theirs.client_order_id)
                assert seen.is_external
                assert seen.status is OrderStatus.ACCEPTED
                assert session.orders.get(taken.client_order_id).status is OrderStatus.FILLED
                assert booked_qty(session) == Decimal("0.010")
                if venue == "binance-um":
                    assert session.positions[here.btc].qty == Decimal("0.010")
                else:
                    assert session.balances["BTC"].total == AFTER_BUYING[venue]
                report = await session.cancel_all()
                assert report.canceled == ()

    here.play(story, tmp_path)


@each_venue
def test_a_stream_that_says_nothing_of_an_acknowledged_order_is_dialled_again(venue, tmp_path):
    """The socket is up and answers pings: only what it does not tell gives it away."""
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            mute = {"mute": {"channels": ["*"], "keep": ["heartbeat"]}}
            w.fault("ws.user.stream", stream=mute)
            order = await session.submit(here.resting)
            assert order.status is OrderStatus.ACCEPTED
            await w.clock.sleep(5.5)
            [doubt] = notes(session, "stream.doubted")
            assert order.client_order_id in doubt["reason"]
            downs = [e for e in watch.of(PrivateStreamChanged) if not e.is_live]
            assert "has not told of order" in downs[-1].reason
            w.heal()
            await until_live(w, session, within_s=120)
            canceled = await session.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            await w.clock.sleep(10)
            doubts = [told["reason"] for told in notes(session, "stream.doubted")]
            assert sum("of order" in reason for reason in doubts) == 1
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@each_venue
def test_a_storm_of_reconnects_loses_nothing_and_books_nothing_twice(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            w.fault("ws.user.stream", stream={"close": {"code": 1006, "every": "5s"}})
            ids = []
            for _ in range(12):
                order = await session.submit(here.taking)
                ids.append(order.client_order_id)
                await w.clock.sleep(4)
            w.heal()
            await until_live(w, session, within_s=180)
            await w.clock.sleep(5)
            for client_order_id in ids:
                assert session.orders.get(client_order_id).status is OrderStatus.FILLED
            assert len(w.orders) == len(ids)
            assert booked_qty(session) == truly_filled(w)
            assert sockets(session).stream.line.downs >= 5
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path)


@pytest.mark.parametrize("venue", ["binance-um", "kraken-spot"])
def test_an_expired_key_or_token_is_replaced(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await until_live(w, session)
            first = sockets(session).stream._tickets.at_hand()
            w.fault("ws.user.stream", stream="expire_key")
            await w.clock.sleep(2)
            w.heal()
            order = await session.submit(here.resting)
            assert order.status is OrderStatus.ACCEPTED
            await until_live(w, session, within_s=120)
            await w.clock.sleep(20)
            assert sockets(session).stream._tickets.at_hand() != first
            canceled = await session.cancel(order.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            assert len(w.orders) == 1
        w.judge()

    here.play(story, tmp_path)


def test_a_listen_key_is_kept_alive_for_hours(tmp_path):
    here = ground("binance-um")

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            first = sockets(session).stream._tickets.at_hand()
            await w.clock.sleep(3 * 3600)
            assert sockets(session).stream.is_live
            assert sockets(session).stream._tickets.at_hand() == first
            assert sockets(session).stream.line.downs == 0
            order = await session.submit(here.resting)
            await w.clock.sleep(6)
            assert notes(session, "stream.doubted") == []
            await session.cancel(order.client_order_id)

    here.play(story, tmp_path, time_limit_s=20_000.0)


@each_venue
def test_queries_that_lag_a_minute_take_nothing_back_from_the_stream(venue, tmp_path):
    here = ground(venue)
    stale = {"balances": "stale"}
    if venue == "binance-um":
        stale["positions"] = "stale"
    lagging = here.module.builder().phase("calm", "10s").phase("lagging", "40s", account=stale)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            name = {"binance-um": "USDT", "binance-spot": "USDT", "kraken-spot": "USD"}[venue]
            before = session.balances[name].total
            await w.clock.sleep(12)
            taken = await session.submit(here.taking)
            assert taken.status is OrderStatus.FILLED
            await w.clock.sleep(1)
            truth = session.balances[name].total
            assert truth < before
            for _ in range(3):
                for what in session._open.account.readable:
                    assert await session._open.account.refresh(what) is None
                assert session.balances[name].total == truth
                if venue == "binance-um":
                    assert session.positions[here.btc].qty == Decimal("0.010")
                await w.clock.sleep(5)
            await w.clock.sleep(90)
            await session.reconcile()
            assert session.balances[name].total == truth
            assert session._open.account.doubts() == {}
            watch.holds()
            listening.cancel()
        w.judge()

    here.play(story, tmp_path, scenario=lagging.phase("well-again", "rest").build())


@each_venue
def test_polls_are_rare_while_it_is_live_and_usual_when_it_is_not(venue, tmp_path):
    here = ground(venue)

    async def story(w):
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            begun = len(w.requests("account.balances"))
            await w.clock.sleep(900)
            while_live = len(w.requests("account.balances")) - begun
            assert 2 <= while_live <= 4
            name = "USDT" if venue != "kraken-spot" else "USD"
            assert not session.balances[name].is_stale
            w.fault("ws.user.connect", reply={"http": {"status": 503}})
            sockets(session).stream.line.drop("the test cuts it")
            begun = len(w.requests("account.balances"))
            await w.clock.sleep(900)
            assert len(w.requests("account.balances")) - begun >= 12
            assert not session.balances[name].is_stale

    here.play(story, tmp_path)


def test_funding_is_told_as_an_event_of_its_own(tmp_path):
    here = ground("binance-um")
    at_work = here.module.builder()
    at_work = at_work.phase("calm", "60s").phase(
        "paid",
        "rest",
        events=[{"kind": "funding", "at": "5s", "symbols": ["BTCUSDT"], "rate": "0.001"}],
    )

    async def story(w):
        async with w.connect(settings=settings()) as session:
            watch = Watch()
            listening = asyncio.create_task(watch.listen(session))
            await until_live(w, session)
            await session.submit(here.taking)
            await w.clock.sleep(70)
            paid = watch.of(AccountChanged)
            assert [e.kind for e in paid] == ["funding"]
            assert paid[0].currency == "USDT"
            assert paid[0].amount < 0
            listening.cancel()
        w.judge()

    here.play(story, tmp_path, scenario=at_work.build())


@each_venue
def test_no_key_token_or_signature_is_written_anywhere(venue, tmp_path, caplog):
    here = ground(venue)
    secrets = []

    async def story(w):
        async with w.connect(settings=settings(order_entry="websocket-first")) as session:
            await until_live(w, session)
            found = sockets(session)
            ticket = found.stream._tickets.at_hand()
            if ticket is not None:
                secrets.append(ticket.text)
                assert ticket.text not in repr(ticket)
            secrets.append(w.wires["secret"])
            order = await session.submit(here.resting)
            found.stream.line.drop("the test cuts it")
            w.fault("ws.user.connect", reply={"http": {"status": 503}})
            await w.clock.sleep(10)
            w.heal()
            await until_live(w, session, within_s=120)
            await session.cancel(order.client_order_id)
            told = b"".join(r.data for r in session._open.store.records()) + caplog.text.encode()
            for secret in secrets:
                assert secret.encode() not in told
            assert b"signature" not in told

    here.play(story, tmp_path)


@each_venue
def test_an_older_namesake_in_the_snapshot_is_not_the_order_that_is_looked_for(venue, tmp_path):
    here = ground(venue)
    named = replace(here.taking, client_order_id="namesake1")

    async def story(w):
        async with w.connect(journal=None, settings=settings()) as first:
            await until_live(w, first)
            assert (await first.submit(named)).status is OrderStatus.FILLED
        await w.clock.sleep(180)
        async with w.connect(settings=settings()) as session:
            await until_live(w, session)
            w.fault("orders.create", reply={"reset": "headers"}, effect="none", times=1)
            with pytest.raises(OutcomeUnknown):
                await session.submit(named, deadline_s=1)
            sockets(session).stream.line.drop("the test cuts it")
            await until_live(w, session)
            known = await session.settle("namesake1", timeout_s=180)
            assert known.status is OrderStatus.NOT_PLACED
            assert booked_qty(session) == 0
        assert len(w.orders) == 1

    here.play(story, tmp_path)


def test_a_stream_that_does_not_tell_what_the_account_holds_is_not_relied_upon(tmp_path):
    """Kraken: orders are told of and balances are not: nobody would hear of a change."""
    here = ground("kraken-spot")

    async def story(w):
        w.fault("ws.user.stream", where={"channel": "balances"}, stream="mute")
        async with w.connect(settings=settings()) as session:
            for _ in range(40):
                await w.clock.sleep(0.5)
                assert not sockets(session).stream.is_live
            w.heal()
            await until_live(w, session)
        w.judge()

    here.play(story, tmp_path)


def test_balances_that_were_long_on_their_way_are_not_as_of_their_arrival(tmp_path):
    """Kraken's snapshot does not say of when it is: no later than when it was asked for."""
    here = ground("kraken-spot")

    async def story(w):
        w.fault("ws.user.stream", where={"channel": "balances"}, stream={"delay": "2s"})
        opened = w.clock.wall()
        async with w.connect(settings=settings()) as session:
            while session.balances.peek("USD").source is not Source.STREAM:
                await w.clock.sleep(0.1)
                assert w.clock.wall() - opened < 30
            assert w.clock.wall() - opened > 2
            assert session.balances.peek("USD").as_of - opened < 1
        w.judge()

    here.play(story, tmp_path)
