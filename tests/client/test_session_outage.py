"""Outages: the breaker, lies about the account, a venue that is down, and the way out."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, builder, calm, play

import outlast
from outlast.client.events import AccountDoubted, BreakerChanged
from outlast.core.breaker import BreakerState
from outlast.mock.records import Told
from outlast.model import OrderStatus, Plane

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)
LONG = {"BTCUSDT": ("0.5", "68000")}
PROBING = BreakerState.PROBING
DEAD = {"reset": "headers"}


def lying(account: dict[str, str]):
    """20 s of truth, 300 s of that, then truth again; long 0.5 BTC."""
    made = builder(positions=LONG).phase("true", "20s")
    return made.phase("lies", "300s", account=account).phase("back", "rest").build()


async def reads_that_fail(venue: outlast.Session, count: int) -> int:
    """Ask for the mark price until it fails so often; how many were not even sent."""
    held = 0
    for _ in range(count):
        try:
            await venue.mark_price(BTC)
        except outlast.BreakerOpen:
            held += 1
        except outlast.OutlastError:
            pass
    return held


def test_reads_that_all_fail_open_the_breaker_and_a_probe_closes_it_again(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            events = venue.events()
            w.fault(["market.*", "time"], reply=DEAD)
            assert await reads_that_fail(venue, 20) > 5
            opened = await anext(events)
            assert isinstance(opened, BreakerChanged)
            assert (opened.plane, opened.state) == (Plane.MARKET_DATA, "open")
            sent = len(w.requests("market.read"))
            with pytest.raises(outlast.BreakerOpen, match="being left alone") as caught:
                await venue.mark_price(BTC)
            assert caught.value.retry_at > w.clock.wall()
            assert len(w.requests("market.read")) == sent
            # One plane is down: trading goes on (P6).
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
            await asyncio.sleep(60)
            probes = [r for r in w.requests() if r.endpoint == "time"][-10:]
            assert len(probes) == 10
            w.heal()
            began = w.clock.now()
            await asyncio.sleep(5)
            assert await venue.mark_price(BTC) > 0
            assert w.clock.now() - began < 6
            assert await reads_that_fail(venue, 20) == 0
            await events.aclose()
        w.judge()

    play(story, tmp_path)


def test_behind_a_door_that_stays_shut_one_cheap_probe_speaks_for_every_plane(tmp_path):
    """Three planes that each ask for themselves would send three times as much into an outage."""

    async def story(w: World):
        async with w.connect() as venue:
            rooms = venue._rooms
            w.fault("*", reply="unavailable")
            for plane in (Plane.MARKET_DATA, Plane.ACCOUNT, Plane.TRADING):
                rooms.guard.breakers[plane].add_evidence(100.0, w.clock.now())
                rooms.guard.announce(plane)
            rooms.guard.probe_wanted.set()
            sent = len(w.requests())
            await asyncio.sleep(120)
            asked = [record.endpoint for record in w.requests()[sent:]]
            assert asked.count("time") >= 35
            assert 2 <= asked.count("account.positions") <= 10  # now and then it asks for itself
            assert len(asked) <= 60
            w.heal()
            began = w.clock.now()
            while rooms.guard.breakers[Plane.ACCOUNT].state in (BreakerState.OPEN, PROBING):
                await asyncio.sleep(0.1)
            assert w.clock.now() - began < 6  # the door's answer has called it
        w.judge()

    play(story, tmp_path)


def test_half_of_the_calls_failing_does_not_open_the_breaker(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("market.*", p=0.5, reply="unavailable")
            assert await reads_that_fail(venue, 150) == 0

    play(story, tmp_path)


def test_a_late_answer_from_before_does_not_close_or_trip_the_breaker(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            slow = w.fault("orders.create", reply="unavailable", latency={"p50": "4s", "p99": "4s"})
            late = asyncio.create_task(venue.submit(BUY))
            await asyncio.sleep(0.1)
            w.mock.run.desk.remove(slow)
            for n in range(10):
                await venue.submit(outlast.limit(ETH, "buy", f"0.{100 + n}", "1900"))
            w.heal()
            order = await late
            assert order.status is OrderStatus.ACCEPTED
            assert venue.trading_state(ETH) is outlast.ACTIVE

    play(story, tmp_path)


def test_exits_and_cancels_pass_while_trading_is_being_left_alone(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            resting = await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
            risk_only = w.fault("orders.create", where={"reduces": False}, reply="overload")
            for n in range(12):
                with pytest.raises(
                    (outlast.Overloaded, outlast.BreakerOpen, outlast.TradingHalted)
                ):
                    await venue.submit(outlast.limit(ETH, "buy", f"0.{100 + n}", "1900"))
            assert venue.trading_state(BTC) is outlast.REDUCING
            sent = len(w.requests("orders.create"))
            with pytest.raises(outlast.TradingHalted, match="left alone after repeated failures"):
                await venue.submit(BUY)
            assert len(w.requests("orders.create")) == sent
            reduced = await venue.submit(outlast.market(BTC, "sell", "0.1", reduce_only=True))
            assert reduced.status is OrderStatus.FILLED
            canceled = await venue.cancel(resting.client_order_id)
            assert canceled.status is OrderStatus.CANCELED
            assert (await venue.close_position(BTC)).is_flat
            w.mock.run.desk.remove(risk_only)
            await venue.wait_until(outlast.ACTIVE, BTC)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        assert w.position() == 0
        w.judge()

    play(story, tmp_path, scenario=calm(positions=LONG))


@pytest.mark.parametrize("lie", ["zero", "empty"])
def test_a_balance_that_vanishes_without_a_reason_is_not_believed(lie, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            true = venue.balances["USDT"].total
            events = venue.events()
            await asyncio.sleep(30)
            await venue.reconcile()
            with pytest.raises(outlast.StaleData) as caught:
                _ = venue.balances["USDT"]
            assert "the balance of USDT at binance-um may not be true" in str(caught.value)
            assert "balances.peek('USDT')" in str(caught.value)
            assert caught.value.age_s is not None
            believed = venue.balances.peek("USDT")
            assert (believed.total, believed.is_stale) == (true, True)
            for _ in range(20):  # to repeat a lie does not make it true
                await asyncio.sleep(10)
                await venue.reconcile()
            assert venue.balances.peek("USDT").total == true
            await asyncio.sleep(120)
            await venue.reconcile()
            assert venue.balances["USDT"].total == true
            doubts = 0
            while not doubts:
                doubts += isinstance(await anext(events), AccountDoubted)
            await events.aclose()

    play(story, tmp_path, scenario=lying({"balances": lie}))


def test_a_position_that_vanishes_is_stale_and_is_still_closed(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(30)
            await venue.reconcile()
            with pytest.raises(outlast.StaleData, match="the position of BTC/USDT:USDT"):
                _ = venue.positions[BTC]
            assert venue.positions.peek(BTC).qty == Decimal("0.5")
            report = await venue.close_position(BTC)
            assert (report.is_flat, report.qty_at_start) == (True, Decimal("0.500"))
        assert w.position() == 0
        w.judge()

    play(story, tmp_path, scenario=lying({"positions": "zero"}))


def test_a_position_picture_that_stands_still_is_corrected_by_our_own_fills(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(30)
            await venue.submit(outlast.market(BTC, "sell", "0.2", reduce_only=True))
            await venue.reconcile()  # the venue goes on showing 0.5
            assert venue.positions.peek(BTC).qty == w.position() == Decimal("0.3")
            assert (await venue.close_position(BTC)).is_flat
        assert w.position() == 0
        assert sum(o.filled_qty for o in w.orders) == Decimal("0.5")

    play(story, tmp_path, scenario=lying({"positions": "stale"}))


def test_reads_that_stay_away_make_what_is_known_stale(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("account.*", reply=DEAD)
            await asyncio.sleep(100)
            assert venue.balances["USDT"].total == 50_000  # two polls may fail
            await asyncio.sleep(100)
            with pytest.raises(outlast.StaleData, match=r"it was last read \d+ s ago") as caught:
                _ = venue.balances["USDT"]
            assert caught.value.age_s > 150
            report = await venue.reconcile()
            assert not report.is_complete
            assert report.failures
            w.heal()
            await asyncio.sleep(90)
            assert venue.balances["USDT"].total == 50_000

    play(story, tmp_path)


@pytest.mark.parametrize("reply", ["refuse", "unavailable", {"html": "cdn-522"}])
def test_a_session_opens_while_the_venue_is_down_for_ten_seconds(reply, tmp_path):
    async def story(w: World):
        began = w.clock.now()
        async with w.connect() as venue:
            assert 9 < w.clock.now() - began < 25
            assert venue.trading_state(BTC) is outlast.REDUCING  # it has come into an outage
            await asyncio.sleep(100)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        w.judge()

    down = builder().phase("down", "10s", faults=[{"match": "*", "reply": reply}])
    play(story, tmp_path, scenario=down.phase("up", "rest").build())


def test_a_session_that_cannot_open_says_why_and_leaves_the_journal_free(tmp_path):
    async def story(w: World):
        w.fault("*", reply="unavailable")
        with pytest.raises(outlast.ReadFailed, match="did not give its list of instruments"):
            async with w.connect():
                raise AssertionError("it cannot have opened")
        w.heal()
        async with w.connect() as venue:
            assert venue.trading_state(BTC) is outlast.REDUCING
            await asyncio.sleep(100)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED

    play(story, tmp_path)


def test_a_session_opens_without_its_account_and_says_that_it_does_not_know(tmp_path):
    async def story(w: World):
        w.fault("account.*", reply=DEAD)
        async with w.connect() as venue:
            with pytest.raises(outlast.StaleData, match="it has not been read yet") as caught:
                _ = venue.balances["USDT"]
            assert caught.value.age_s is None
            assert venue.positions.peek(BTC).is_stale
            w.heal()
            await asyncio.sleep(80)
            assert venue.balances["USDT"].total == 50_000

    play(story, tmp_path)


MIXTURE = [
    {"match": "orders.create", "where": {"reduces": True}, "p": 0.4, "reply": "reduce_rejected"},
    {"match": "orders.create", "where": {"reduces": True}, "p": 0.4, "reply": "reduce_failed"},
    {"match": "orders.create", "where": {"reduces": True}, "p": 0.4, "reply": "overload"},
    {
        "match": "orders.create",
        "where": {"reduces": True},
        "p": 0.5,
        "reply": "unknown",
        "effect": {"apply": 0.5},
    },
    {"match": ["orders.query", "orders.open"], "p": 0.3, "reply": "internal"},
    {"match": "account.positions", "p": 0.3, "reply": "backend_timeout"},
    {"match": "orders.*", "latency": {"p50": "400ms", "p99": "3s"}},
]


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("qty", ["0.5", "-0.5"])
def test_an_exit_through_a_mixture_of_refusals_ends_flat_and_never_beyond(qty, seed, tmp_path):
    """Neither the position nor what is still live may ever exceed what there was to close."""

    async def story(w: World):
        async with w.connect() as venue:
            report = await venue.close_position(BTC)
            assert report.is_flat
            assert (report.qty_at_start, report.qty_left) == (Decimal(qty), 0)
            told = [r for r in w.requests("orders.create") if r.told is Told.REFUSED]
            assert len(report.attempts) >= len(told)
            assert sum(report.refusals.values()) >= len(told)
            assert {o.symbol for o in w.orders} == {"BTCUSDT"}
        assert w.position() == 0
        assert sum(o.filled_qty for o in w.orders) == Decimal("0.5")
        track = w.account.positions["BTCUSDT"].true.spans(w.mock.truth.now_ms)
        sizes = [span.value * (1 if Decimal(qty) > 0 else -1) for span in track]
        assert all(0 <= size <= Decimal("0.5") for size in sizes), f"seed {seed}: {sizes}"
        assert sizes == sorted(sizes, reverse=True)
        await asyncio.sleep(60)
        w.judge()

    night = builder(positions={"BTCUSDT": (qty, "68000")}).phase("night", "rest", faults=MIXTURE)
    play(story, tmp_path, scenario=night.build(), seed=seed)


def test_an_exit_with_a_deadline_reports_what_is_left(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="reduce_rejected")
            began = w.clock.now()
            report = await venue.close_position(BTC, deadline_s=60)
            assert w.clock.now() - began == pytest.approx(60, abs=3)
            assert (report.is_flat, report.qty_left) == (False, Decimal("0.500"))
            assert report.refusals == {"reduce_only_rejected": len(report.attempts)}
            assert len({(a.request.qty, a.shape) for a in report.attempts}) > 1
            assert {a.venue_code for a in report.attempts} == {"-2022"}

    play(story, tmp_path, scenario=calm(positions=LONG))


def test_an_exit_cancels_our_own_resting_exit_first(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            resting = await venue.submit(
                outlast.limit(BTC, "sell", "0.5", "75000", reduce_only=True)
            )
            assert (await venue.close_position(BTC)).is_flat
            assert venue.orders.get(resting.client_order_id).status is OrderStatus.CANCELED
        assert w.position() == 0
        w.judge()

    play(story, tmp_path, scenario=calm(positions=LONG))


def test_two_exits_of_one_position_follow_each_other(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            reports = await asyncio.gather(venue.close_position(BTC), venue.close_position(BTC))
            assert [r.is_flat for r in reports] == [True, True]
            assert sorted(len(r.attempts) for r in reports) == [0, 1]
        assert w.position() == 0
        assert len(w.orders) == 1

    play(story, tmp_path, scenario=calm(positions=LONG))
