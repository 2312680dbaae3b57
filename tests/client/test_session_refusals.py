"""The venue says no: what is repeated, what is not, and what is never sent at all (P3, P4)."""

from __future__ import annotations

import asyncio
import sqlite3
from decimal import Decimal

import pytest
from venue_in_sim import BTC, ETH, PASSIVE, World, builder, calm, play

import outlast
from outlast.backends.journal import FileStore
from outlast.core.budget import RETRIES
from outlast.errors import JournalUnavailable
from outlast.model import OrderStatus

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)
LONG = {"BTCUSDT": ("0.5", "68000")}


def test_an_overloaded_venue_is_asked_again_with_the_same_id(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="overload", times=1)
            order = await venue.submit(BUY)
            assert order.status is OrderStatus.ACCEPTED
        tried = [r.create.client_order_id for r in w.requests("orders.create")]
        assert tried == [order.client_order_id] * 2
        stamps = {r.params["timestamp"] for r in w.requests("orders.create")}
        assert len(stamps) == 2  # signed afresh
        w.judge()

    play(story, tmp_path)


def test_a_venue_that_stays_overloaded_ends_in_overloaded_after_a_few_tries(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="overload")
            with pytest.raises(outlast.Overloaded, match=r"was refused by binance-um: overloaded"):
                await venue.submit(BUY)
            assert venue.orders.all()[0].status is OrderStatus.REJECTED
        assert len(w.requests("orders.create")) == 5
        assert w.orders == []

    play(story, tmp_path)


def test_all_retries_together_stay_within_the_budget(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("market.read", p=0.6, reply="unavailable")
            began = w.clock.now()
            # No two ask the same: what is asked alike is answered together, and needs fewer.
            calls = [venue.candles(BTC, "1m", limit=n + 1) for n in range(60)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            took_s = w.clock.now() - began
            asked = w.requests("market.read")
            answered = [r for r in asked if r.status == 200]
            assert len(answered) == sum(isinstance(r, list) for r in results)
            assert_within_budget(asked, results, took_s=took_s)

    play(story, tmp_path)


def test_the_same_question_of_sixty_callers_is_answered_together_within_the_budget(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("market.read", p=0.6, reply="unavailable")
            began = w.clock.now()
            calls = [venue.mark_price(BTC) for _ in range(60)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            asked = w.requests("market.read")
            served = sum(isinstance(r, Decimal) for r in results)
            assert 0 < len([r for r in asked if r.status == 200]) < served
            assert_within_budget(asked, results, took_s=w.clock.now() - began)

    play(story, tmp_path)


def assert_within_budget(asked, results, *, took_s):
    answered = [r for r in asked if r.status == 200]
    earned = RETRIES.per_second * took_s + RETRIES.per_success * len(answered)
    # What was never sent because the breaker had opened is no first attempt either.
    first = sum(not isinstance(r, outlast.NotSent) for r in results)
    assert 0 < len(asked) - first <= RETRIES.tokens_max + earned


def test_a_refusal_by_the_rules_is_not_repeated_and_the_fourth_is_not_sent(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", reply="reduce_rejected")
            sell = outlast.market(BTC, "sell", "0.1", reduce_only=True)
            for tries in range(1, 4):
                with pytest.raises(outlast.OrderRejected) as caught:
                    await venue.submit(sell)
                assert caught.value.failure.venue_code == "-2022"
                assert len(w.requests("orders.create")) == tries
            with pytest.raises(outlast.RefusedTooOften, match="change its size or type") as held:
                await venue.submit(sell)
            assert held.value.retry_at == pytest.approx(w.clock.wall() + 60, abs=2)
            assert len(w.requests("orders.create")) == 3
            # Another shape may be tried at once; the same one again in a minute, as a probe.
            other = outlast.market(BTC, "sell", "0.2", reduce_only=True)
            with pytest.raises(outlast.OrderRejected):
                await venue.submit(other)
            await asyncio.sleep(61)
            w.heal()
            assert (await venue.submit(sell)).status is OrderStatus.FILLED
            assert (await venue.submit(sell)).status is OrderStatus.FILLED
        assert w.position() == Decimal("0.3")
        ids = [r.create.client_order_id for r in w.requests("orders.create")]
        assert len(set(ids)) == len(ids)  # after a refusal by rule each one is a new order
        w.judge()

    play(story, tmp_path, scenario=calm(positions=LONG))


def test_refusals_by_the_rules_do_not_open_the_breaker(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.fault("orders.create", where={"symbol": "ETHUSDT"}, reply="order_rejected")
            for n in range(40):
                with pytest.raises(outlast.Refused):
                    await venue.submit(outlast.limit(ETH, "buy", f"0.{100 + n}", "1900"))
            assert venue.trading_state(BTC) is outlast.ACTIVE
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED

    play(story, tmp_path)


def test_after_a_429_nothing_leaves_until_its_time_and_no_ban_follows(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(5.5)
            w.fault("market.read", reply="rate_limited", times=1)
            with pytest.raises((outlast.Throttled, outlast.BannedByVenue)):
                await venue.mark_price(BTC)
            [told] = [r for r in w.requests() if r.status == 429]
            assert venue.trading_state(BTC) is outlast.HALTED
            for call in (
                venue.mark_price(BTC),
                venue.submit(BUY),
                venue.submit(outlast.market(BTC, "sell", "0.1", reduce_only=True)),
            ):
                with pytest.raises(outlast.BannedByVenue, match="nothing leaves") as caught:
                    await call
                assert caught.value.retry_at > w.clock.wall() + 40
            await asyncio.sleep(100)
            assert venue.trading_state(BTC) is outlast.ACTIVE
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        seconds = told.replied_ms // 1000 % 60
        free_ms = told.replied_ms + (60 - seconds) * 1000 - 1
        assert [r.endpoint for r in w.requests() if told.replied_ms < r.arrived_ms < free_ms] == []
        assert not any(r.status == 418 for r in w.requests())
        w.judge()

    play(story, tmp_path, scenario=calm(positions=LONG))


def test_a_418_is_waited_for_by_everybody(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            order = await venue.submit(BUY)
            events = venue.events()
            w.fault("market.read", reply="banned", times=1)
            with pytest.raises((outlast.Throttled, outlast.BannedByVenue)):
                await venue.mark_price(BTC)
            begun = await anext(events)
            assert begun.until == pytest.approx(w.clock.wall() + 120, abs=2)
            sent = len(w.requests())
            with pytest.raises(outlast.BannedByVenue):
                await venue.cancel(order.client_order_id)
            await asyncio.sleep(110)
            assert len(w.requests()) == sent
            await asyncio.sleep(60)
            assert (await venue.cancel(order.client_order_id)).status is OrderStatus.CANCELED
            await events.aclose()

    play(story, tmp_path)


def test_a_bot_in_a_hurry_never_exceeds_the_venues_limits(tmp_path):
    """300 orders in 10 s and 1,200 a minute are what the venue takes."""

    async def story(w: World):
        async with w.connect() as venue:
            orders = [
                venue.submit(outlast.limit(symbol, "buy", f"0.{n:03d}", price))
                for n in range(20, 215)
                for symbol, price in ((BTC, "60000"), (ETH, "1900"))
            ]
            done = await asyncio.gather(*orders, return_exceptions=True)
            held = [d for d in done if isinstance(d, outlast.NotSent)]
            assert len(done) - len(held) == len(w.orders) > 250
            for error in held:
                assert error.retry_at is None or error.retry_at >= w.clock.wall() - 10
            # Cancels are never queued behind them.
            first = next(d for d in done if isinstance(d, outlast.Order))
            began = w.clock.now()
            await venue.cancel(first.client_order_id)
            assert w.clock.now() - began < 0.5
        assert w.scorecard()["over_limit"] == 0
        w.judge()

    rich = calm(balances={"USDT": "90000000"})
    play(story, tmp_path, scenario=rich)


@pytest.mark.parametrize("skew_s", [3.0, -3.0])
def test_a_clock_that_is_off_by_three_seconds_is_measured_at_the_start(skew_s, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        assert {r.status for r in w.requests()} == {200}
        w.judge()

    play(story, tmp_path, skew_s=skew_s)


@pytest.mark.parametrize("step_s", [3.0, -8.0])
def test_a_clock_that_is_set_in_mid_session_costs_one_refusal_at_most(step_s, tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            w.clock.step(step_s)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        refused = [r for r in w.requests() if r.code == "-1021"]
        assert len(refused) == 1
        assert len(w.orders) == 1
        w.judge()

    play(story, tmp_path)


def test_the_venues_own_clock_may_step(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            await asyncio.sleep(25)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        w.judge()

    stepping = builder().phase("calm", "20s")
    stepping.phase("stepped", "rest", engine={"clock_step": "-3s"})
    play(story, tmp_path, scenario=stepping.build())


class FullDisk(FileStore):
    """A journal whose disk fills up when it is told to."""

    is_full = False

    def write(self, *records):
        if FullDisk.is_full:
            try:
                raise sqlite3.OperationalError("database or disk is full")
            except sqlite3.Error as error:
                raise JournalUnavailable(f"journal cannot be written ({error})") from error
        super().write(*records)


def test_without_a_journal_new_risk_is_not_sent_and_the_exit_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("outlast.client.journal_file.FileStore", FullDisk)

    async def story(w: World):
        async with w.connect() as venue:
            resting = await venue.submit(BUY)
            monkeypatch.setattr(FullDisk, "is_full", True)
            sent = len(w.requests("orders.create"))
            with pytest.raises(outlast.JournalUnavailable, match="disk is full") as caught:
                await venue.submit(outlast.limit(ETH, "buy", "0.1", "1900"))
            assert isinstance(caught.value, outlast.NotSent)
            assert len(w.requests("orders.create")) == sent
            assert [o.client_order_id for o in venue.orders.all()] == [resting.client_order_id]
            assert (await venue.cancel(resting.client_order_id)).status is OrderStatus.CANCELED
            reduced = await venue.submit(outlast.market(BTC, "sell", "0.1", reduce_only=True))
            assert reduced.status is OrderStatus.FILLED
            assert (await venue.close_position(BTC)).is_flat
            monkeypatch.setattr(FullDisk, "is_full", False)
            assert (await venue.submit(BUY)).status is OrderStatus.ACCEPTED
        assert w.position() == 0
        w.judge()

    play(story, tmp_path, scenario=calm(positions=LONG))
