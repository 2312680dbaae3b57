"""The operator's hand on the breakers, and breakers that only watch."""

from __future__ import annotations

import pytest
from venue_in_sim import BTC, PASSIVE, World, calm, play

import outlast
from outlast.backends.journal import MemoryStore
from outlast.core.breaker import BreakerState
from outlast.model import Plane

BUY = outlast.limit(BTC, "buy", "0.010", PASSIVE)


def test_a_breaker_forced_open_holds_new_risk_and_lets_cancels_pass(tmp_path):
    async def story(w: World):
        store = MemoryStore()
        async with w.connect(journal=store) as venue:
            order = await venue.submit(BUY)
            venue.breakers.force_open("trading")
            assert venue.breakers["trading"].is_forced
            assert venue.breakers[Plane.TRADING].state is BreakerState.OPEN
            assert venue.breakers[Plane.TRADING].measured_state is BreakerState.CLOSED
            with pytest.raises(outlast.NotSent):
                await venue.submit(BUY)
            canceled = await venue.cancel(order.client_order_id)
            assert canceled.status is outlast.OrderStatus.CANCELED
            venue.breakers.auto("trading")
            assert not any(view.is_forced for view in venue.breakers)
            forced = [r.data for r in store.records() if r.kind == "breaker.forced"]
            assert b'"to":"open"' in forced[0]
        assert len(w.requests("orders.create")) == 1

    play(story, tmp_path, scenario=calm())


def test_a_breaker_forced_closed_lets_everything_pass_and_goes_on_measuring(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            venue.breakers.force_closed(Plane.MARKET_DATA)
            w.fault("*", reply="unavailable")
            for _ in range(30):
                with pytest.raises(outlast.OutlastError) as raised:
                    await venue.mark_price(BTC)
                assert not isinstance(raised.value, outlast.BreakerOpen)
            view = venue.breakers[Plane.MARKET_DATA]
            assert view.state is BreakerState.CLOSED
            assert view.measured_state is not BreakerState.CLOSED

    play(story, tmp_path, scenario=calm())


@pytest.mark.parametrize("shadow", [True, False])
def test_in_the_shadow_calls_go_on_through_an_outage(shadow, tmp_path):
    async def story(w: World):
        settings = outlast.Settings(seed=w.seed, shadow=shadow)
        async with w.connect(settings=settings) as venue:
            w.fault("*", reply="unavailable")
            held = 0
            for _ in range(30):
                with pytest.raises(outlast.OutlastError) as raised:
                    await venue.mark_price(BTC)
                held += isinstance(raised.value, outlast.BreakerOpen)
            assert (held == 0) is shadow
            assert all(view.is_forced for view in venue.breakers) is shadow

    play(story, tmp_path, scenario=calm())


def test_a_plane_that_there_is_not_is_named(tmp_path):
    async def story(w: World):
        async with w.connect() as venue:
            with pytest.raises(ValueError, match="'orders' is not a valid Plane"):
                venue.breakers.force_open("orders")

    play(story, tmp_path, scenario=calm())


def test_a_long_outage_fills_no_journal_with_breakers_that_just_stay_open(tmp_path):
    """Twenty minutes of probes every few seconds: told are the changes, not the tries."""

    async def story(w: World):
        store = MemoryStore()
        async with w.connect(journal=store) as venue:
            w.fault("*", reply="unavailable")
            for _ in range(400):
                with pytest.raises(outlast.OutlastError):
                    await venue.mark_price(BTC)
                await w.clock.sleep(3)
            told = [r for r in store.records() if r.kind == "breaker.changed"]
            assert 1 <= len(told) <= 2 * len(Plane)
            w.heal()
            await w.clock.sleep(120)
            assert venue.breakers[Plane.MARKET_DATA].state is BreakerState.CLOSED

    play(story, tmp_path, scenario=calm())
