"""Bans, breakers, lanes and repeats of a guarded ccxt."""

from __future__ import annotations

import asyncio

import ccxt
import pytest
from guard_in_sim import World, calm, play

import outlast
from outlast.errors import Outcome

LIMITED = {"http": {"status": 429, "headers": {"Retry-After": "120"}, "body": "{}"}}


def test_nothing_leaves_while_the_venue_asked_us_to_wait(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        order = await w.buy(exchange)
        w.fault("orders.create", reply=LIMITED, effect="none", times=1)
        with pytest.raises(ccxt.DDoSProtection) as caught:  # as bare ccxt has it
            await exchange.create_order(w.symbol, "limit", "buy", 0.01, 59000)
        assert caught.value.outlast.outcome is Outcome.REFUSED
        sent = len(w.requests())
        for call in (
            lambda: exchange.fetch_ticker(w.symbol),
            exchange.fetch_balance,
            lambda: exchange.cancel_order(order["id"], w.symbol),
            lambda: exchange.create_order(w.symbol, "limit", "buy", 0.01, 59000),
        ):
            with pytest.raises(ccxt.RateLimitExceeded) as held:
                await call()
            assert held.value.outlast.outcome is Outcome.NOT_SENT
        assert len(w.requests()) == sent
        await asyncio.sleep(130)
        await exchange.cancel_order(order["id"], w.symbol)
        w.judge()

    play(story, tmp_path)


def test_a_ban_is_kept_across_a_restart(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        w.fault("*", reply=LIMITED, times=1)
        with pytest.raises(ccxt.DDoSProtection):
            await exchange.fetch_ticker(w.symbol)
        outlast.unguard(exchange)
        sent = len(w.requests())
        again = w.guarded()
        with pytest.raises(ccxt.RateLimitExceeded):
            await again.fetch_ticker(w.symbol)
        assert len(w.requests()) == sent

    play(story, tmp_path)


def test_writes_are_never_repeated_by_ccxt_and_reads_within_the_budget(tmp_path):
    async def story(w: World):
        exchange = w.guarded(
            settings={"settle_within_s": 0.0}, maxRetriesOnFailure=5, maxRetriesOnFailureDelay=10
        )
        await exchange.load_markets()
        w.fault("orders.create", reply={"reset": "headers"}, effect="none")
        with pytest.raises(ccxt.NetworkError):
            await w.buy(exchange)
        assert len(w.requests("orders.create")) == 1
        w.fault("market.read", reply={"reset": "headers"})
        before = len(w.requests("market.read"))
        for _ in range(20):
            with pytest.raises(ccxt.NetworkError):
                await exchange.fetch_ticker(w.symbol)
        reads = len(w.requests("market.read")) - before
        assert reads < 90, "five repeats of each would be 120"

    play(story, tmp_path)


def test_a_plane_that_is_dead_is_left_alone_and_found_again(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings={"hold_max_s": 0.0})
        await exchange.load_markets()
        w.fault("account.*", reply={"http": {"status": 502, "body": ""}})
        for _ in range(200):
            with pytest.raises(ccxt.NetworkError):
                await exchange.fetch_balance()
        failed = len(w.requests("account.balances"))
        assert failed < 120
        await exchange.fetch_ticker(w.symbol)  # another plane
        w.heal()
        for _ in range(30):
            try:
                await exchange.fetch_balance()
                break
            except ccxt.NetworkError:
                await asyncio.sleep(1)
        assert (await exchange.fetch_balance())["USDT"]["total"] > 0

    play(story, tmp_path)


def test_a_cancel_and_an_exit_pass_the_reads_that_queue_at_ccxts_throttle(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        order = await w.buy(exchange)
        exchange.throttler.config["refillRate"] = 1 / 500
        reads = [asyncio.create_task(exchange.fetch_ticker(w.symbol)) for _ in range(6)]
        await asyncio.sleep(0.01)
        risk = asyncio.create_task(exchange.create_order(w.symbol, "limit", "buy", 0.01, 59000))
        await asyncio.sleep(0.01)
        await exchange.cancel_order(order["id"], w.symbol)
        await risk
        assert sum(read.done() for read in reads) <= 2
        await asyncio.gather(*reads)
        names = [r.endpoint for r in w.requests()][-8:]
        assert names.index("orders.cancel") < names.index("orders.create")

    play(story, tmp_path)


def test_a_wrong_body_of_a_read_is_no_answer(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        await exchange.load_markets()
        w.fault("account.balances", reply={"empty": 200}, times=1)
        with pytest.raises(ccxt.BadResponse):
            await exchange.fetch_balance()
        assert (await exchange.fetch_balance())["USDT"]["total"] > 0

    play(story, tmp_path)


def test_a_balance_that_falls_to_zero_without_a_fill_is_asked_again_and_then_not_believed(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        await exchange.fetch_balance()
        asked = len(w.requests("account.balances"))
        w.fault("account.balances", reply={"json": {"assets": [], "positions": []}})
        with pytest.raises(ccxt.BadResponse) as caught:
            await exchange.fetch_balance()
        assert "USDT" in str(caught.value)
        assert len(w.requests("account.balances")) - asked == 3
        w.heal()
        assert (await exchange.fetch_balance())["USDT"]["total"] > 0

    play(story, tmp_path, scenario=calm())


def test_a_position_that_was_sold_is_believed_gone(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        await exchange.create_order(w.symbol, "market", "buy", 0.01)
        [held] = await exchange.fetch_positions()
        assert held["contracts"] == 0.01
        await exchange.create_order(w.symbol, "market", "sell", 0.01, None, {"reduceOnly": True})
        assert await exchange.fetch_positions() == []

    play(story, tmp_path)


def test_requests_of_one_millisecond_do_not_share_a_nonce_and_one_that_was_overtaken_goes_again(
    tmp_path,
):
    async def story(w: World):
        exchange = w.guarded()
        exchange.enableRateLimit = False
        await exchange.load_markets()
        made = await asyncio.gather(
            *(exchange.create_order(w.symbol, "limit", "buy", 0.01, 60000 + n) for n in range(5))
        )
        assert len({order["id"] for order in made}) == 5
        nonces = [int(r.params["nonce"]) for r in w.requests() if "nonce" in r.params]
        assert len(set(nonces)) == len(nonces)
        w.fault("account.balances", reply={"json": {"error": ["EAPI:Invalid nonce"]}}, times=1)
        assert (await exchange.fetch_balance())["USD"]["total"] > 0

    play(story, tmp_path, venue="kraken-spot")


def test_after_trouble_the_account_is_read_three_times_and_in_quiet_times_never(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        await w.buy(exchange)
        await asyncio.sleep(300)
        await w.buy(exchange, 59000)
        quiet = [r.endpoint for r in w.requests()]
        assert not {"account.positions", "account.balances", "orders.open"} & set(quiet)
        w.fault("orders.create", reply={"reset": "headers"}, effect="apply", times=1)
        await w.buy(exchange, 58000)
        await exchange.fetch_open_orders(w.symbol)
        await asyncio.sleep(30)
        after = [r.endpoint for r in w.requests()][len(quiet) :]
        assert after.count("account.balances") == 1
        assert after.count("fills.query") >= 1
        await asyncio.sleep(1500)  # 5 and 20 minutes after it: stops fire late
        assert [r.endpoint for r in w.requests()].count("account.balances") == 3
        seen = len(w.requests())
        await asyncio.sleep(3600)
        assert len(w.requests()) == seen
        w.judge()

    play(story, tmp_path)
