"""The mock's answers have the keys and JSON types of recorded and documented payloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import pytest
from mock_spot_world import DATA, World, recorded

# Fields of a sample that an answer lacks, with the reason.
TRAILING = {"trailingDelta", "trailingTime", "strategyId", "strategyType"}  # not in this order
PREVENTED = {"preventedMatchId", "preventedQuantity"}  # only after a prevented match
# The client library's sample repeats the order of a query; the venue's page has names of its own
# for quantities here, and no times: see test_mock_spot_amends.py.
OF_A_QUERY = {
    *("cummulativeQuoteQty", "icebergQty", "isWorking", "origQty", "origQuoteOrderQty"),
    *("stopPrice", "time", "updateTime"),
}


def shape(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__


def check(answer: Any, sample: Any, *, without: Collection[str] = (), where: str = "") -> None:
    """Every field of the sample is there with its type; more fields are newer ones."""
    if isinstance(sample, list):
        assert isinstance(answer, list), where
        if "lines" in where and sample and isinstance(sample[0], list):
            assert len(sample[0]) == len(answer[0]), where
        if sample and answer:
            check(answer[0], sample[0], without=without, where=f"{where}[0]")
        return
    if not isinstance(sample, dict):
        assert shape(answer) == shape(sample), f"{where}: {answer!r} is not like {sample!r}"
        return
    assert isinstance(answer, dict), where
    missing = set(sample) - set(answer) - set(without)
    assert not missing, f"{where}: {sorted(missing)} are missing"
    for key in set(sample) - set(without):
        check(answer[key], sample[key], without=without, where=f"{where}.{key}")


@pytest.fixture(scope="module")
def world() -> World:
    """A venue with fills, an open order, and a few minutes of tape."""
    world = World()
    world.place(newClientOrderId="open-1")
    world.ask("POST", "/api/v3/order", **world.market(quantity="0.2"))
    world.wait(200)
    return world


BTC = {"symbol": "BTCUSDT"}
READS: list[tuple[str, str, str, dict[str, object], set[str]]] = [
    ("ExchangeData/GetServerTime.txt", "GET", "/api/v3/time", {}, set()),
    ("ExchangeData/GetRecentTrades.txt", "GET", "/api/v3/trades", BTC, set()),
    ("ExchangeData/GetTradeHistory.txt", "GET", "/api/v3/historicalTrades", BTC, set()),
    ("ExchangeData/GetAggregatedTradeHistory.txt", "GET", "/api/v3/aggTrades", BTC, set()),
    ("ExchangeData/GetKlines.txt", "GET", "/api/v3/klines", BTC | {"interval": "1m"}, set()),
    ("ExchangeData/GetUiKlines.txt", "GET", "/api/v3/uiKlines", BTC | {"interval": "1m"}, set()),
    ("ExchangeData/GetAvgPrice.txt", "GET", "/api/v3/avgPrice", BTC, set()),
    ("ExchangeData/GetTicker.txt", "GET", "/api/v3/ticker/24hr", BTC, set()),
    ("ExchangeData/GetTradingDayTicker.txt", "GET", "/api/v3/ticker/tradingDay", BTC, set()),
    ("ExchangeData/GetRollingWindowTicker.txt", "GET", "/api/v3/ticker", BTC, set()),
    ("ExchangeData/GetPrice.txt", "GET", "/api/v3/ticker/price", BTC, set()),
    ("ExchangeData/GetBookPrice.txt", "GET", "/api/v3/ticker/bookTicker", BTC, set()),
    ("ExchangeData/GetSystemStatus.txt", "GET", "/sapi/v1/system/status", {}, set()),
    ("ExchangeData/GetExecutionRules.txt", "GET", "/api/v3/executionRules", BTC, set()),
    ("Trading/GetOrder.txt", "GET", "/api/v3/order", BTC | {"origClientOrderId": "open-1"}, set()),
    ("Trading/GetOpenOrders.txt", "GET", "/api/v3/openOrders", {}, set()),
    ("Trading/GetOrders.txt", "GET", "/api/v3/allOrders", BTC, set()),
    ("Trading/GetUserTrades.txt", "GET", "/api/v3/myTrades", BTC, set()),
    ("Account/GetAccountInfo.txt", "GET", "/api/v3/account", {}, set()),
    ("Account/GetCommissionRates.txt", "GET", "/api/v3/account/commission", BTC, set()),
    ("Account/GetOrderRateLimitStatus.txt", "GET", "/api/v3/rateLimit/order", {}, set()),
    ("Account/GetTradeFee.txt", "GET", "/sapi/v1/asset/tradeFee", {}, set()),
    ("Account/GetAccountStatus.txt", "GET", "/sapi/v1/account/status", {}, set()),
    ("Account/GetTradingStatus.txt", "GET", "/sapi/v1/account/apiTradingStatus", {}, set()),
    ("Account/GetAPIKeyPermissions.txt", "GET", "/sapi/v1/account/apiRestrictions", {}, set()),
    ("Account/GetBalances.txt", "POST", "/sapi/v3/asset/getUserAsset", {}, set()),
    # The mock's coins have no networks: nothing is deposited.
    ("Account/GetUserAssets.txt", "GET", "/sapi/v1/capital/config/getall", {}, {"networkList"}),
]


@pytest.mark.parametrize(
    ("sample", "method", "path", "params", "without"), READS, ids=[r[2] for r in READS]
)
def test_a_read_answers_in_the_documented_shape(
    world: World, sample: str, method: str, path: str, params: dict[str, object], without: set[str]
) -> None:
    check(world.ask(method, path, **params), recorded(sample), without=without, where=path)


GCT = json.loads((DATA / "gocryptotrader" / "binance_api_v3.json").read_text())
LIVE: dict[str, dict[str, object]] = {
    "/api/v3/account": {},
    "/api/v3/aggTrades": BTC,
    "/api/v3/allOrders": BTC,
    "/api/v3/avgPrice": BTC,
    "/api/v3/depth": BTC,
    "/api/v3/exchangeInfo": {},
    "/api/v3/historicalTrades": BTC,
    "/api/v3/klines": BTC | {"interval": "1m"},
    "/api/v3/openOrders": {},
    "/api/v3/order": BTC | {"origClientOrderId": "open-1"},
    "/api/v3/ticker/24hr": BTC,
    "/api/v3/ticker/bookTicker": BTC,
    "/api/v3/ticker/price": BTC,
    "/api/v3/trades": BTC,
}


def test_every_recorded_route_is_compared() -> None:
    assert set(LIVE) == set(GCT)


@pytest.mark.parametrize("path", LIVE)
def test_a_read_answers_in_the_recorded_shape(world: World, path: str) -> None:
    # Since 2023 the account's commissions for buyers and sellers are gone from some answers.
    check(world.ask("GET", path, **LIVE[path]), GCT[path], where=path)


Ask = Callable[[World], Any]


def cancel_replace(w: World) -> Any:
    old = w.place()["orderId"]
    return {
        "data": w.ask(
            "POST",
            "/api/v3/order/cancelReplace",
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=old,
            **w.order(),
        )
    }


def amended(w: World) -> Any:
    placed = w.place(quantity="0.02")
    return w.ask(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        symbol="BTCUSDT",
        orderId=placed["orderId"],
        newQty="0.01",
    )


def cancelled(w: World) -> Any:
    return w.ask("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=w.place()["orderId"])


def fees_of_test_order(w: World) -> Any:
    return w.ask("POST", "/api/v3/order/test", computeCommissionRates=True, **w.order())


WRITES: list[tuple[str, Ask, set[str]]] = [
    (
        "Trading/PlaceOrder.txt",
        lambda w: w.ask("POST", "/api/v3/order", **w.market(quantity="0.001")),
        set(),
    ),
    ("Trading/PlaceTestOrder.txt", fees_of_test_order, set()),
    ("Trading/CancelOrder.txt", cancelled, set()),
    ("Trading/ReplaceOrder.txt", cancel_replace, set()),
    ("Trading/AmendOrder.txt", amended, TRAILING | PREVENTED | OF_A_QUERY),
    (
        "Trading/CancelAllOrders.txt",
        lambda w: (
            w.place(),
            w.ask("DELETE", "/api/v3/openOrders", symbol="BTCUSDT"),
        )[1],
        set(),
    ),
]


@pytest.mark.parametrize(("sample", "ask", "without"), WRITES, ids=[r[0] for r in WRITES])
def test_a_write_answers_in_the_documented_shape(sample: str, ask: Ask, without: set[str]) -> None:
    check(ask(World()), recorded(sample), without=without, where=sample)
