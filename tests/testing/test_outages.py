"""`respx_outage`: what one call meets."""

from __future__ import annotations

import asyncio

import httpx
import pytest

import outlast
from outlast.errors import ConfigurationError
from outlast.testing import OUTAGES, respx_outage

PLACE = {
    "kraken-spot": "https://api.kraken.com/0/private/AddOrder",
    "binance-spot": "https://api.binance.com/api/v3/order",
    "binance-um": "https://fapi.binance.com/fapi/v1/order",
}
OPEN = {
    "kraken-spot": ("POST", "https://api.kraken.com/0/private/OpenOrders"),
    "binance-spot": ("GET", "https://api.binance.com/api/v3/openOrders"),
    "binance-um": ("GET", "https://fapi.binance.com/fapi/v1/openOrders?symbol=BTCUSDT"),
}
ORDER = {
    "cl_ord_id": "mine-1", "newClientOrderId": "mine-1", "pair": "XBTUSD", "symbol": "BTCUSDT",
    "type": "buy", "side": "BUY", "ordertype": "limit", "price": "60000", "volume": "0.01",
    "quantity": "0.01",
}  # fmt: skip


@pytest.mark.parametrize("venue", PLACE)
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_order_is_in_the_book_exactly_where_the_outage_says_that_it_landed(venue, outage):
    with respx_outage(venue, outage) as met, httpx.Client() as client:
        try:
            answer = client.post(PLACE[venue], data=ORDER)
            assert b"mine-1" not in answer.content
        except httpx.TransportError:
            assert outage.startswith(("timeout", "reset", "connection"))
        method, url = OPEN[venue]
        shown = client.request(method, url)
        assert ("mine-1" in shown.text) is outage.endswith("landed")
        assert [order["price"] for order in met.orders] == ["60000"]


@pytest.mark.parametrize("kind", ["landed", "lost"])
def test_a_question_by_id_is_answered_by_what_became_of_it(kind):
    with respx_outage("binance-um", f"timeout-{kind}"), httpx.Client() as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(PLACE["binance-um"], params=ORDER)
        asked = client.get(PLACE["binance-um"], params={"origClientOrderId": "mine-1"})
        assert asked.status_code == (200 if kind == "landed" else 400)
        assert client.get(PLACE["binance-um"], params={"orderId": "9"}).json()["code"] == -2013


def test_names_that_do_not_exist_are_listed():
    with pytest.raises(ConfigurationError, match="502-landed"), respx_outage("kraken-spot", "no"):
        pass
    with pytest.raises(ConfigurationError, match="kraken-spot"), respx_outage("no", "502-landed"):
        pass


def test_what_an_outage_does_not_know_is_not_let_through():
    async def ask():
        async with httpx.AsyncClient() as client:
            await client.get("https://api.kraken.com/0/public/Time")

    with respx_outage("kraken-spot", "502-landed"), pytest.raises(Exception, match="not mocked"):
        asyncio.run(ask())


def test_the_package_names_what_it_offers():
    assert set(outlast.testing.__all__) <= set(dir(outlast.testing))
    with pytest.raises(AttributeError):
        outlast.testing.nothing  # noqa: B018
