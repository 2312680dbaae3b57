"""An unmodified ccxt trades on the mock's USD-M futures; nothing but its URLs is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

ccxt = pytest.importorskip("ccxt.async_support")

from outlast.mock.exchange import MockExchange  # noqa: E402  # only where ccxt is installed
from outlast.mock.scenario.load import loads  # noqa: E402
from outlast.mock.scenario.model import Scenario  # noqa: E402

pytestmark = pytest.mark.sockets

SYMBOL = "BTC/USDT:USDT"


@asynccontextmanager
async def session(
    scenario: Scenario | None = None, *, secret: str | None = None
) -> AsyncIterator[tuple[Any, MockExchange]]:
    """A ccxt client of a running mock."""
    async with MockExchange(scenario, venues=["binance-um"]) as mock:
        venue = mock.describe()["venues"]["binance-um"]
        client = ccxt.binanceusdm({"apiKey": venue["key"], "secret": secret or venue["secret"]})
        urls = client.urls["api"]
        for name, url in urls.items():
            if isinstance(url, str):  # keep the path: /fapi/v1, /sapi/v1, …
                urls[name] = venue["endpoints"]["rest"] + "/" + url.split("/", 3)[3]
        try:
            yield client, mock
        finally:
            await client.close()


def play(story: Callable[[Any, MockExchange], Awaitable[None]], **settings: Any) -> None:
    async def run() -> None:
        async with session(**settings) as (client, mock):
            await story(client, mock)

    asyncio.run(run())


def test_ccxt_reads_markets_books_and_tickers() -> None:
    async def story(client: Any, _mock: MockExchange) -> None:
        markets = await client.load_markets()
        market = markets[SYMBOL]
        assert (market["type"], market["active"]) == ("swap", True)
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
        book = await client.fetch_order_book(SYMBOL, 20)
        assert book["bids"][0][0] < book["asks"][0][0]
        assert book["nonce"] > 0
        assert (await client.fetch_ticker(SYMBOL))["last"] > 0
        assert (await client.fetch_status())["status"] == "ok"
        assert (await client.fetch_funding_rate(SYMBOL))["markPrice"] > 0
        assert client.last_response_headers["X-MBX-USED-WEIGHT-1M"].isdigit()

    play(story)


def test_ccxt_places_finds_and_cancels_a_limit_order() -> None:
    async def story(client: Any, mock: MockExchange) -> None:
        await client.load_markets()
        assert (await client.fetch_balance())["USDT"]["total"] > 0
        assert await client.fetch_positions([SYMBOL]) == []
        bid = (await client.fetch_order_book(SYMBOL, 5))["bids"][0][0]
        placed = await client.create_order(
            SYMBOL, "limit", "buy", 0.01, bid * 0.5, {"clientOrderId": "session-1"}
        )
        assert (placed["clientOrderId"], placed["status"]) == ("session-1", "open")
        assert client.last_response_headers["X-MBX-ORDER-COUNT-10S"] == "1"
        by_id = await client.fetch_order(placed["id"], SYMBOL)
        by_name = await client.fetch_order(None, SYMBOL, {"origClientOrderId": "session-1"})
        assert by_id["id"] == by_name["id"] == placed["id"]
        assert [o["id"] for o in await client.fetch_open_orders(SYMBOL)] == [placed["id"]]
        with pytest.raises(ccxt.BaseError, match="-4116"):
            await client.create_order(
                SYMBOL, "limit", "buy", 0.01, bid * 0.5, {"clientOrderId": "session-1"}
            )
        assert (await client.cancel_order(placed["id"], SYMBOL))["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(placed["id"], SYMBOL)
        assert [o["status"] for o in await client.fetch_orders(SYMBOL)] == ["canceled"]
        creates = mock.truth.requests_json(endpoint="orders.create")["requests"]
        assert [row["code"] for row in creates] == [None, "-4116"]
        assert [row["params"]["newClientOrderId"] for row in creates] == ["session-1"] * 2

    play(story)


def test_ccxt_fills_a_market_order_and_sees_fill_and_position() -> None:
    async def story(client: Any, _mock: MockExchange) -> None:
        await client.load_markets()
        filled = await client.create_order(SYMBOL, "market", "buy", 0.01)
        assert (filled["status"], filled["filled"]) == ("closed", 0.01)
        fills = await client.fetch_my_trades(SYMBOL)
        assert {fill["order"] for fill in fills} == {filled["id"]}
        assert sum(fill["amount"] for fill in fills) == pytest.approx(0.01)
        (position,) = await client.fetch_positions([SYMBOL])
        assert (position["side"], position["contracts"]) == ("long", 0.01)
        await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})
        assert await client.fetch_positions([SYMBOL]) == []
        with pytest.raises(ccxt.BaseError, match="-2022"):
            await client.create_order(SYMBOL, "market", "sell", 0.01, None, {"reduceOnly": True})

    play(story)


def test_ccxt_keeps_a_stop_in_the_algo_service() -> None:
    async def story(client: Any, _mock: MockExchange) -> None:
        await client.load_markets()
        bid = (await client.fetch_order_book(SYMBOL, 5))["bids"][0][0]
        await client.create_order(SYMBOL, "market", "buy", 0.01)
        stop = await client.create_order(
            SYMBOL,
            "market",
            "sell",
            0.01,
            None,
            {"stopLossPrice": bid * 0.9, "reduceOnly": True},
        )
        listed = await client.fetch_open_orders(SYMBOL, params={"stop": True})
        assert [order["id"] for order in listed] == [stop["id"]]
        assert await client.fetch_open_orders(SYMBOL) == []
        await client.cancel_all_orders(SYMBOL, {"stop": True})
        assert await client.fetch_open_orders(SYMBOL, params={"stop": True}) == []

    play(story)


def test_ccxt_is_told_that_its_signature_is_wrong() -> None:
    async def story(client: Any, _mock: MockExchange) -> None:
        client.options["fetchCurrencies"] = False  # reads the wallet while loading the markets
        await client.load_markets()
        with pytest.raises(ccxt.AuthenticationError, match="-1022"):
            await client.fetch_balance()

    play(story, secret="not the secret")


def test_ccxt_takes_an_unknown_outcome_for_a_failure_and_the_order_is_there() -> None:
    scenario = loads(
        """
scenario: half-told
title: the first order lands behind a 503 that says nothing, the second is turned away
fidelity: synthetic
venue: binance-um
seed: 5
t0: 2025-10-10T21:07:00Z
phases:
  - name: bad
    for: rest
    faults:
      - {match: orders.create, where: {nth: 1}, reply: unknown, effect: apply}
      - {match: orders.create, where: {nth: 1}, reply: overload, effect: none}
""",
        name="half-told",
    )

    async def story(client: Any, mock: MockExchange) -> None:
        await client.load_markets()
        bid = (await client.fetch_order_book(SYMBOL, 5))["bids"][0][0]

        async def buy(name: str) -> None:
            await client.create_order(
                SYMBOL, "limit", "buy", 0.01, bid * 0.5, {"clientOrderId": name}
            )

        with pytest.raises(ccxt.ExchangeNotAvailable, match="Unknown error, please check"):
            await buy("lost-1")
        with pytest.raises(ccxt.ExchangeError, match="currently overloaded"):
            await buy("lost-2")
        found = await client.fetch_order(None, SYMBOL, {"origClientOrderId": "lost-1"})
        assert found["status"] == "open"
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(None, SYMBOL, {"origClientOrderId": "lost-2"})
        first, second = mock.truth.requests_json(endpoint="orders.create")["requests"]
        assert (first["told"], first["landed"]) == ("ambiguous", "yes")
        assert (second["told"], second["landed"]) == ("refused", "no")

    play(story, scenario=scenario)
