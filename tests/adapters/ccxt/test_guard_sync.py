"""A blocking ccxt, on real sockets."""

from __future__ import annotations

import time

import ccxt
import pytest

import outlast
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.verdict import RiskHeld
from outlast.core.recovery import RecoverySettings, Stage
from outlast.core.settle import SettleSettings
from outlast.errors import Outcome
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.testing import scenario

pytestmark = pytest.mark.sockets

QUICK = GuardSettings(settle_within_s=3.0, settle=SettleSettings(first_look_after_s=0.05))


def losing(effect: str):
    made = ScenarioBuilder("losing", venue="binance-um")
    made.instrument("BTCUSDT", product="um", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.account(balances={"USDT": "50000"})
    rule = fault("orders.create", where={"nth": 1}, reply="unknown", effect=effect)
    return made.phase("all", "rest", faults=[rule]).build()


def exchange_at(mock):
    exchange = ccxt.binanceusdm(
        {
            "apiKey": mock.key,
            "secret": mock.secret,
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }
    )
    for name, address in exchange.urls["api"].items():
        if isinstance(address, str):
            exchange.urls["api"][name] = mock.url + "/" + address.split("/", 3)[3]
    return exchange


def test_a_lost_answer_of_a_blocking_exchange_is_settled_in_the_call(tmp_path):
    with scenario(losing("apply")) as mock:
        exchange = exchange_at(mock)
        outlast.guard(exchange, journal=tmp_path / "bot.journal", settings=QUICK)
        order = exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)
        assert (
            order["clientOrderId"] == exchange.outlast.order(order["clientOrderId"]).client_order_id
        )
        assert exchange.cancel_order(order["id"], "BTC/USDT:USDT")["status"] == "canceled"
        exchange.session.close()
        outlast.unguard(exchange)
        mock.truth.assert_safe()


def test_a_blocking_call_that_cannot_be_settled_in_time_goes_on_with_the_next(tmp_path):
    with scenario(losing("none")) as mock:
        exchange = exchange_at(mock)
        settings = GuardSettings(settle_within_s=0.5)
        outlast.guard(exchange, journal=tmp_path / "bot.journal", settings=settings)
        with pytest.raises(ccxt.ExchangeNotAvailable) as caught:
            exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)
        assert caught.value.outlast.outcome is Outcome.UNKNOWN
        with pytest.raises(ccxt.ExchangeNotAvailable) as held:
            exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)
        assert held.value.outlast.client_order_id == caught.value.outlast.client_order_id
        assert len(exchange.outlast.unknown()) == 1
        exchange.session.close()
        outlast.unguard(exchange)
        assert mock.truth.scorecard["duplicates"] == 0


def test_what_is_in_doubt_goes_on_with_whatever_the_bot_asks_next(tmp_path):
    quick = SettleSettings(
        first_look_after_s=0.05,
        look_every_s=0.1,
        engine_gives_up_s=0.2,
        margin_s=0.1,
        round_spacing_s=0.1,
        fence_spacing_s=0.1,
    )
    with scenario(losing("none")) as mock:
        exchange = exchange_at(mock)
        exchange.options["recvWindow"] = 1000
        settings = GuardSettings(settle_within_s=0.0, settle=quick)
        outlast.guard(exchange, journal=tmp_path / "bot.journal", settings=settings)
        with pytest.raises(ccxt.ExchangeNotAvailable):
            exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)
        until = time.monotonic() + 30
        while exchange.outlast.unknown() and time.monotonic() < until:
            exchange.fetch_open_orders("BTC/USDT:USDT")
        assert exchange.outlast.unknown() == []
        exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)
        assert mock.truth.scorecard["orders"] == 1
        exchange.session.close()
        outlast.unguard(exchange)
        mock.truth.assert_safe()


def test_a_blocking_exchange_comes_back_from_an_outage_by_its_own_calls(tmp_path):
    made = ScenarioBuilder("dark-account", venue="binance-um")
    made.instrument("BTCUSDT", product="um", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    made.account(balances={"USDT": "50000"})
    dark = fault("account.balances", reply={"http": {"status": 502, "body": ""}})
    settings = GuardSettings(
        hold_max_s=0.0,
        pause_s=0.0,
        recovery=RecoverySettings(cool_down_s=0.0, cool_down_share=0.0, steps=()),
    )
    story = made.phase("dark", "8s", faults=[dark]).phase("back", "rest").build()
    with scenario(story) as mock:
        exchange = exchange_at(mock)
        outlast.guard(exchange, journal=tmp_path / "bot.journal", settings=settings)
        while exchange.outlast.stage is Stage.FREE:
            with pytest.raises(ccxt.NetworkError):
                exchange.fetch_balance()
        with pytest.raises(RiskHeld):
            exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)
        until, order = time.monotonic() + 60, None
        while order is None and time.monotonic() < until:
            try:
                order = exchange.create_order("BTC/USDT:USDT", "limit", "buy", 0.01, 60000)
            except RiskHeld:
                time.sleep(0.1)
        assert order is not None
        assert exchange.outlast.stage is Stage.FREE
        exchange.session.close()
        outlast.unguard(exchange)
        assert mock.truth.scorecard["orders"] == 1
