"""`outlast.sync`: the session for code without an event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

import outlast
import outlast.sync
from outlast.errors import ConfigurationError
from outlast.testing import scenario

pytestmark = pytest.mark.sockets

SYMBOL = "BTC/USDT:USDT"


def test_an_orders_whole_life_without_await(tmp_path):
    before = threading.active_count()
    with scenario(venue=None) as mock:
        with outlast.sync.connect(
            "binance-um",
            key=mock.describe()["venues"]["binance-um"]["key"],
            secret=mock.describe()["venues"]["binance-um"]["secret"],
            endpoints={"rest": mock.describe()["venues"]["binance-um"]["endpoints"]["rest"]},
            journal=tmp_path / "bot.journal",
        ) as venue:
            events = venue.events()
            price = venue.mark_price(SYMBOL)
            order = venue.quantize(outlast.limit(SYMBOL, "buy", "0.01", price * 9 / 10))
            placed = venue.submit(order)
            assert placed.status is outlast.OrderStatus.ACCEPTED
            assert venue.orders.get(placed.client_order_id) == placed
            assert [o.client_order_id for o in venue.orders.open()] == [placed.client_order_id]
            assert venue.cancel(placed.client_order_id).status is outlast.OrderStatus.CANCELED
            assert venue.balances["USDT"].total > 0
            assert set(venue.balances) >= {"USDT"}
            assert venue.trading_state(SYMBOL) is outlast.ACTIVE
            assert venue.instrument(SYMBOL).symbol == SYMBOL
            assert next(events) is not None
            events.close()
            with pytest.raises(AttributeError, match="no_such_thing"):
                venue.no_such_thing()
        with pytest.raises(ConfigurationError, match="not open"):
            venue.submit(order)
    assert threading.active_count() == before


def test_errors_come_as_they_are(tmp_path):
    with scenario() as mock:
        wires = mock.describe()["venues"]["binance-um"]
        with outlast.sync.connect(
            "binance-um",
            key=wires["key"],
            secret=wires["secret"],
            endpoints=wires["endpoints"],
            journal=None,
        ) as venue:
            with pytest.raises(outlast.UnknownInstrument):
                venue.submit(outlast.limit("NO/SUCH", "buy", "1", "1"))
            with pytest.raises(KeyboardInterrupt):
                raise KeyboardInterrupt  # the block is left in order


def test_in_asynchronous_code_it_says_what_to_use_instead():
    async def main():
        with pytest.raises(ConfigurationError, match=r"outlast\.connect and `async with`"):
            outlast.sync.connect("binance-um", journal=None)

    asyncio.run(main())


def test_what_is_wired_wrong_is_said_at_once():
    with pytest.raises(ConfigurationError, match="secret is missing"):
        outlast.sync.connect("binance-um", key="a", journal=None)
