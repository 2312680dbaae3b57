"""The freqtrade strategy of `examples/`, under freqtrade where it is installed, else a stand-in.

The stand-in does what freqtrade 2026.9 does around `create_order`: a blocking ccxt in `_api`, an
asynchronous one in `_api_async`, and every error of ccxt's turned into one of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import ccxt
import ccxt.async_support
import pytest

import outlast
from outlast.mock.scenario.builder import ScenarioBuilder, fault
from outlast.testing import scenario

pytestmark = pytest.mark.sockets
STRATEGY = Path(__file__).parents[2] / "examples" / "freqtrade_strategy.py"
PAIR = "BTC/USDT"
HAS_FREQTRADE = importlib.util.find_spec("freqtrade") is not None


def night():
    """The first order lands, and its answer is a 503 that does not say so."""
    made = ScenarioBuilder("lost-answer", venue="binance-spot")
    made.instrument("BTCUSDT", mid="68000", tick="0.01", vol_bps_per_min="0.1")
    made.account(balances={"USDT": "50000"})
    lost = fault("orders.create", where={"nth": 1}, reply="unknown", effect="apply")
    return made.phase("all", "rest", faults=[lost]).build()


def urls_at(mock):
    api = ccxt.binance().urls["api"]
    return {
        name: mock.url + "/" + address.split("/", 3)[3] if address.count("/") > 2 else mock.url
        for name, address in api.items()
        if isinstance(address, str)
    }


def ccxt_config(mock):
    return {
        "apiKey": mock.key,
        "secret": mock.secret,
        "urls": {"api": urls_at(mock)},
        "options": {
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["spot"]},
        },
    }


class TemporaryError(Exception):
    """freqtrade's name for "it did not work; it may later"."""


class StandIn:
    def __init__(self, mock) -> None:
        self._api = ccxt.binance(ccxt_config(mock))
        self._api_async = ccxt.async_support.binance(ccxt_config(mock))
        self._api.load_markets()

    def create_order(self, *, pair, ordertype, side, amount, rate, **_):
        try:
            return self._api.create_order(pair, ordertype, side, amount, rate, {})
        except ccxt.BaseError as error:
            raise TemporaryError(str(error)) from error

    def close(self) -> None:
        asyncio.run(self._api_async.close())


def exchange_at(mock):
    if not HAS_FREQTRADE:
        return StandIn(mock)
    from freqtrade.resolvers import ExchangeResolver

    settings = ccxt_config(mock)
    exchange = {
        "name": "binance",
        "key": mock.key,
        "secret": mock.secret,
        "ccxt_config": settings,
        "ccxt_async_config": settings,
        "pair_whitelist": [PAIR],
        "enable_ws": False,
    }
    config = {
        "exchange": exchange,
        "dry_run": False,
        "stake_currency": "USDT",
        "trading_mode": "spot",
        "margin_mode": "",
        "candle_type_def": "spot",
        "runmode": "live",
        "entry_pricing": {"price_side": "same"},
        "exit_pricing": {"price_side": "same"},
        "stake_amount": 100,
    }
    return ExchangeResolver.load_exchange(config, validate=False)


def strategy_with(exchange, monkeypatch):
    if not HAS_FREQTRADE:
        package, module = ModuleType("freqtrade"), ModuleType("freqtrade.strategy")
        module.IStrategy = object
        pandas = ModuleType("pandas")
        pandas.DataFrame = object
        for made in (package, module, pandas):
            monkeypatch.setitem(sys.modules, made.__name__, made)
    spec = importlib.util.spec_from_file_location("freqtrade_strategy", STRATEGY)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    strategy = loaded.GuardedStrategy.__new__(loaded.GuardedStrategy)
    strategy.config = {"dry_run": False}
    strategy.dp = SimpleNamespace(_exchange=exchange)
    return strategy


def buy(exchange):
    terms = {"ordertype": "limit", "side": "buy", "amount": 0.01, "rate": 60000.0}
    return exchange.create_order(pair=PAIR, leverage=1.0, time_in_force="GTC", **terms)


def until_it_worked(exchange):
    """What the bot does: again at the next candle."""
    for _ in range(3):
        with contextlib.suppress(Exception):
            return buy(exchange)
    raise AssertionError("three candles, and no order")


def test_an_order_that_freqtrade_would_send_twice_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with scenario(night()) as mock:
        exchange = exchange_at(mock)
        strategy_with(exchange, monkeypatch).bot_start()
        try:
            order = until_it_worked(exchange)
            assert exchange._api.outlast.order(order["clientOrderId"]).venue_order_id == order["id"]
        finally:
            outlast.unguard(exchange._api)
            outlast.unguard(exchange._api_async)
            exchange.close()
        assert mock.truth.scorecard["orders"] == 1
        mock.truth.assert_safe()


def test_without_the_two_lines_it_is_sent_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with scenario(night()) as mock:
        exchange = exchange_at(mock)
        try:
            until_it_worked(exchange)
        finally:
            exchange.close()
        assert mock.truth.scorecard["duplicates"] == 1
