"""An ordinary ccxt exchange, turned to the mock."""

from __future__ import annotations

import ccxt
import ccxt.pro
import pytest

from outlast.errors import ConfigurationError
from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.testing import Mock, aim, scenario

SYMBOLS = {"kraken": "BTC/USD", "binance": "BTC/USDT", "binanceusdm": "BTC/USDT:USDT"}
VENUES = {"kraken": "kraken-spot", "binance": "binance-spot", "binanceusdm": "binance-um"}


@pytest.mark.sockets
@pytest.mark.parametrize("name", list(SYMBOLS))
def test_a_blocking_exchange_trades_on_the_mock(name):
    with scenario(ScenarioBuilder("calm", venue=VENUES[name]).phase("all", "rest").build()) as mock:
        exchange = aim(getattr(ccxt, name)(), mock.describe())
        assert exchange.fetch_order_book(SYMBOLS[name])["bids"]
        assert exchange.fetch_balance()["total"]
        exchange.session.close()


@pytest.mark.parametrize("name", list(SYMBOLS))
def test_streams_are_turned_as_well_and_the_environment_tells_where_to(name):
    mock = Mock(venue=VENUES[name])

    async def story():
        exchange = aim(getattr(ccxt.pro, name)())
        addresses = str(exchange.urls["api"]["ws"])
        assert "wss://" not in addresses
        assert mock.endpoints["stream"] in addresses
        assert exchange.apiKey == mock.key

    mock.play(story)


def test_what_cannot_be_aimed_is_refused_with_a_reason(monkeypatch):
    monkeypatch.delenv("OUTLAST_MOCK", raising=False)
    with pytest.raises(ConfigurationError, match="no mock is named in OUTLAST_MOCK"):
        aim(ccxt.kraken())
    with pytest.raises(ConfigurationError, match="aim was given 'bybit'"):
        aim(ccxt.bybit(), {"venues": {"kraken-spot": {}}})
