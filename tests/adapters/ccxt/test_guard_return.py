"""After an outage: what reduces leaves at once, new risk is held and comes back in steps."""

from __future__ import annotations

import asyncio

import ccxt
import pytest
from guard_in_sim import PASSIVE, QTY, World, play

import outlast
from outlast.adapters.ccxt.verdict import RiskHeld
from outlast.core.recovery import RecoverySettings, Stage
from outlast.errors import Outcome

QUICK = {
    "recovery": RecoverySettings(cool_down_s=30.0, cool_down_share=0.0, step_s=30.0),
    "settle_within_s": 0.0,
    "hold_max_s": 0.0,
    "attempts_max": 50,
}


async def break_account(w: World, exchange) -> None:
    """Read an account that answers nothing any more, until it is left alone."""
    w.fault("account.*", reply={"http": {"status": 502, "body": ""}})
    for _ in range(200):
        with pytest.raises(ccxt.NetworkError):
            await exchange.fetch_balance()
        if exchange.outlast.stage is Stage.SHUT:
            return
        await asyncio.sleep(1)
    raise AssertionError("it was asked for ever")


async def stage_reached(exchange, wanted: Stage, within_s: float = 900.0) -> None:
    for _ in range(round(within_s)):
        if exchange.outlast.stage is wanted:
            return
        await asyncio.sleep(1)
    raise AssertionError(f"{exchange.outlast.stage} is not {wanted}")


async def held(w: World, exchange) -> RiskHeld:
    with pytest.raises(RiskHeld) as caught:
        await w.buy(exchange)
    return caught.value


def test_new_risk_is_held_until_all_is_compared_and_then_returns_in_steps(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings=QUICK)
        await w.buy(exchange)
        await break_account(w, exchange)
        error = await held(w, exchange)
        assert isinstance(error, ccxt.ExchangeNotAvailable)  # the bot's own `except` catches it
        assert error.outlast.outcome is Outcome.NOT_SENT
        w.heal()
        before = len(w.requests("account.positions"))
        await stage_reached(exchange, Stage.COOLING)
        assert len(w.requests("account.positions")) > before, "it came back without comparing"
        cooling = await held(w, exchange)
        assert cooling.outlast.retry_at is not None
        await stage_reached(exchange, Stage.STEPPING)
        passed = 0
        while exchange.outlast.stage is not Stage.FREE:
            try:
                await w.buy(exchange, PASSIVE - 500 - passed)
                passed += 1
            except RiskHeld:
                await asyncio.sleep(1)
        assert 2 <= passed <= 8, "three steps of half a minute, at 10, 25 and 50 % of six a minute"
        await w.buy(exchange, PASSIVE - 900)
        w.judge()

    play(story, tmp_path)


def test_what_only_reduces_never_waits_for_the_way_back(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings=QUICK)
        await exchange.create_order(w.symbol, "market", "buy", 3 * QTY)
        await break_account(w, exchange)
        w.heal()
        flagged = {"reduceOnly": True}
        await exchange.create_order(w.symbol, "market", "sell", QTY, None, flagged)
        # Many bots leave a position by a plain order of the other side.
        await exchange.create_order(w.symbol, "market", "sell", QTY)
        with pytest.raises(RiskHeld):  # this one would turn the position round
            await exchange.create_order(w.symbol, "market", "sell", 5 * QTY)
        w.judge()

    play(story, tmp_path)


def test_on_spot_selling_is_the_way_out(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings=QUICK)
        await exchange.load_markets()
        await break_account(w, exchange)
        w.heal()
        await exchange.create_order(w.symbol, "market", "sell", QTY)
        await held(w, exchange)

    play(story, tmp_path, venue="kraken-spot")


def test_a_venue_that_says_it_is_closed_is_asked_and_not_tried(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings=QUICK)
        await exchange.load_markets()
        w.fault("orders.create", reply={"json": {"error": ["EService:Market in cancel_only mode"]}})
        with pytest.raises(ccxt.BaseError):
            await w.buy(exchange)
        sent = len(w.requests("orders.create"))
        w.heal()
        await held(w, exchange)
        assert len(w.requests("orders.create")) == sent
        await stage_reached(exchange, Stage.FREE)
        await w.buy(exchange)

    play(story, tmp_path, venue="kraken-spot")


def test_the_next_process_on_the_journal_goes_on_with_the_way_back(tmp_path):
    async def story(w: World):
        first = w.guarded(settings=QUICK)
        await w.buy(first)
        await break_account(w, first)
        w.heal()
        outlast.unguard(first)
        second = w.guarded(settings=QUICK)
        assert second.outlast.stage is Stage.SHUT
        await held(w, second)
        await stage_reached(second, Stage.FREE)
        await w.buy(second, PASSIVE - 1000)

    play(story, tmp_path)


def test_an_exit_that_is_refused_again_and_again_is_paced_until_one_passes(tmp_path):
    async def story(w: World):
        exchange = w.guarded(settings={**QUICK, "attempts_max": 3})
        await exchange.create_order(w.symbol, "market", "buy", 3 * QTY)
        w.fault("orders.create", reply="reduce_rejected")
        before = len(w.requests("orders.create"))
        for _ in range(120):
            with pytest.raises(ccxt.BaseError):
                await exchange.create_order(
                    w.symbol, "market", "sell", QTY, None, {"reduceOnly": True}
                )
            await asyncio.sleep(5)
        assert 4 <= len(w.requests("orders.create")) - before <= 8, "ten minutes"
        w.heal()
        for _ in range(60):
            try:
                await exchange.create_order(
                    w.symbol, "market", "sell", QTY, None, {"reduceOnly": True}
                )
                break
            except ccxt.BaseError:
                await asyncio.sleep(5)
        await exchange.create_order(w.symbol, "market", "sell", QTY, None, {"reduceOnly": True})

    play(story, tmp_path)
