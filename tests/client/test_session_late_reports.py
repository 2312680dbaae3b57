"""New risk waits while the venue's reports of the account do not keep up with our own fills."""

import asyncio

import pytest
from venue_in_sim import BTC, PASSIVE, builder, calm, play

import outlast
from outlast.client.events import AccountDoubted
from outlast.client.gate_settings import GateSettings
from outlast.mock.scenario.builder import ScenarioBuilder

SPOT = "BTC/USDT"


def fresh(seed=1):
    """Of a bot that looks at its account before each entry."""
    return outlast.Settings(seed=seed, gate=GateSettings(account_fresh_s=3.0))


def test_balances_that_stand_still_after_a_fill_hold_new_risk_until_they_move(tmp_path):
    async def story(w):
        async with w.connect(settings=fresh()) as venue:
            await venue.submit(outlast.market(BTC, "buy", "0.01"))
            await w.clock.sleep(70)  # into the lie, which shows what is true
            await venue.submit(outlast.market(BTC, "buy", "0.01"))
            await w.clock.sleep(15)
            with pytest.raises(outlast.TradingHalted, match="the same as before our fill"):
                await venue.submit(outlast.market(BTC, "buy", "0.01"))
            assert venue.trading_state(BTC) is outlast.REDUCING
            with pytest.raises(outlast.StaleData, match="the same as before our fill"):
                _ = venue.balances["USDT"]
            assert "USDT" in (await venue.reconcile()).doubted
            assert (await venue.close_position(BTC)).is_flat
            await w.clock.sleep(300)  # out of it
            assert venue.trading_state(BTC) is outlast.ACTIVE
            assert venue.balances["USDT"].total == w.account.balances["USDT"].true.last(None)
        w.judge()

    lying = builder().phase("calm", "60s")
    lying = lying.phase("stale", "5m", account={"balances": "stale"}).phase("after", "rest")
    play(story, tmp_path, scenario=lying.build())


def test_a_position_that_stands_still_after_a_fill_holds_new_risk(tmp_path):
    async def story(w):
        async with w.connect(settings=fresh()) as venue:
            await w.clock.sleep(70)
            await venue.submit(outlast.market(BTC, "buy", "0.01"))
            await w.clock.sleep(15)
            with pytest.raises(outlast.TradingHalted):
                await venue.submit(outlast.market(BTC, "buy", "0.01"))
            assert str(venue.positions.peek(BTC).qty) == "0.010"  # our own fill is known
            await w.clock.sleep(300)
            assert venue.trading_state(BTC) is outlast.ACTIVE
            assert str(venue.positions[BTC].qty) == "0.010"

    lying = builder().phase("calm", "60s")
    lying = lying.phase("stale", "5m", account={"positions": "stale"}).phase("after", "rest")
    play(story, tmp_path, scenario=lying.build())


def test_a_market_order_that_is_reported_open_holds_new_risk_until_its_fill_is_reported(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            order = await venue.submit(outlast.market(BTC, "buy", "0.01"))
            assert order.status is outlast.OrderStatus.ACCEPTED
            await w.clock.sleep(4)
            assert venue.trading_state(BTC) is outlast.ACTIVE
            await w.clock.sleep(2)
            with pytest.raises(outlast.TradingHalted, match="fills are reported late"):
                await venue.submit(outlast.limit(BTC, "buy", "0.01", PASSIVE))
            await w.clock.sleep(300)
            assert venue.orders.get(order.client_order_id).status is outlast.OrderStatus.FILLED
            assert venue.trading_state(BTC) is outlast.ACTIVE
        w.judge()

    late = builder().phase("late", "rest", engine={"mode": "online", "fills_delay": "3m"})
    play(story, tmp_path, scenario=late.build())


def test_a_cancel_that_finds_nothing_of_an_order_reported_open_holds_new_risk(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            quote = await venue.submit(outlast.limit(BTC, "buy", "0.01", PASSIVE))
            w.fault("orders.cancel", reply="no_such_order")
            with pytest.raises(outlast.OutcomeUnknown):
                await venue.cancel(quote.client_order_id)
            assert venue.trading_state(BTC) is outlast.REDUCING
            w.heal()
            await venue.cancel(quote.client_order_id)
            assert venue.trading_state(BTC) is outlast.ACTIVE

    play(story, tmp_path)


def test_a_cancel_that_found_nothing_is_asked_for_again_until_the_order_has_ended(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            quote = await venue.submit(outlast.limit(BTC, "buy", "0.01", PASSIVE))
            w.fault("orders.cancel", reply="no_such_order")
            with pytest.raises(outlast.OutcomeUnknown):
                await venue.cancel(quote.client_order_id)
            await w.clock.sleep(60)
            asked = len(w.requests("orders.cancel"))
            assert 3 <= asked <= 6  # ever less often
            w.heal()
            await w.clock.sleep(120)
            assert venue.orders.get(quote.client_order_id).status is outlast.OrderStatus.CANCELED
            assert venue.trading_state(BTC) is outlast.ACTIVE
            assert len(w.requests("orders.cancel")) == asked + 1
        w.judge()

    play(story, tmp_path)


def test_an_order_that_got_other_terms_since_is_not_cancelled_by_itself(tmp_path):
    async def story(w):
        async with w.connect() as venue:
            quote = await venue.submit(outlast.limit(BTC, "buy", "0.01", PASSIVE))
            w.fault("orders.cancel", reply="no_such_order")
            with pytest.raises(outlast.OutcomeUnknown):
                await venue.cancel(quote.client_order_id)
            w.heal()
            await venue.amend(quote.client_order_id, price="59000")
            await w.clock.sleep(120)
            assert venue.orders.get(quote.client_order_id).status is outlast.OrderStatus.ACCEPTED

    play(story, tmp_path)


def test_on_spot_balances_that_stand_still_after_a_fill_hold_new_risk(tmp_path):
    async def story(w):
        async with w.connect(settings=fresh()) as venue:
            await w.clock.sleep(70)
            await venue.submit(outlast.market(SPOT, "buy", "0.01"))
            await w.clock.sleep(15)
            with pytest.raises(outlast.TradingHalted, match="the same as before our fill"):
                await venue.submit(outlast.market(SPOT, "buy", "0.01"))
            await w.clock.sleep(300)
            assert venue.trading_state(SPOT) is outlast.ACTIVE

    lying = ScenarioBuilder("under-test", venue="binance-spot")
    lying.instrument("BTCUSDT", product="spot", mid="68000", tick="0.01", vol_bps_per_min="0.1")
    lying.account(balances={"USDT": "50000", "BTC": "1"}).phase("calm", "60s")
    lying.phase("stale", "5m", account={"balances": "stale"}).phase("after", "rest")
    play(story, tmp_path, scenario=lying.build(), venue="binance-spot")


def test_a_busy_healthy_account_is_never_doubted(tmp_path):
    async def story(w):
        async with w.connect(settings=fresh()) as venue:
            heard = []

            async def listen():
                async for event in venue.events():
                    heard.append(event)

            listening = asyncio.create_task(listen())
            for turn in range(40):
                side = "buy" if turn % 3 else "sell"
                await venue.submit(outlast.market(BTC, side, "0.01"))
                await w.clock.sleep(7)
            listening.cancel()
            assert not [e for e in heard if isinstance(e, AccountDoubted)]
            assert venue.trading_state(BTC) is outlast.ACTIVE

    play(story, tmp_path, scenario=calm())
