"""The mock's answers have the keys and JSON types of recorded and documented payloads."""

from __future__ import annotations

from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any

import pytest
from mock_um_world import World, recorded

from outlast.mock.engine.model import NewOrder, OrderType, Side

# Fields of a recording that an answer does not have, with the reason.
GONE_FROM_ORDER_ANSWERS = {"avgPrice", "cumQuote"}  # since July 2026, Derivatives change log
TRAILING_ONLY = {"activatePrice", "priceRate"}  # the documentation's sample is a trailing stop
COIN_MARGINED = {"cumBase", "pair"}  # the sample of Modify Order was taken from the other product


POSITION_V3 = {  # Source: Binance USD-M futures docs, Position Information V3, response example.
    "symbol",
    "positionSide",
    "positionAmt",
    "entryPrice",
    "breakEvenPrice",
    "markPrice",
    "unRealizedProfit",
    "liquidationPrice",
    "isolatedMargin",
    "notional",
    "marginAsset",
    "isolatedWallet",
    "initialMargin",
    "maintMargin",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "adl",
    "bidNotional",
    "askNotional",
    "updateTime",
}


def shape(value: Any) -> Any:
    """Keys with the types of their values; a list counts by its first entry."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    return "number" if isinstance(value, int | float) else "text"


def check(answer: Any, sample: Any, *, without: Collection[str] = (), where: str = "") -> None:
    """Every field of the sample is there with its type; more fields are newer ones."""
    if isinstance(sample, list):
        assert isinstance(answer, list), where
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
    """A venue with a position, fills, an open order, a conditional one and some funding."""
    world = World(
        positions={"BTCUSDT": ("0.5", "59000")},
        open_orders=(
            NewOrder(
                symbol="BTCUSDT",
                side=Side.SELL,
                type=OrderType.STOP_MARKET,
                qty=Decimal("0.5"),
                stop_price=Decimal(50000),
                reduce_only=True,
            ),
        ),
    )
    world.place(newClientOrderId="open-1")
    world.place(newClientOrderId="open-2", price="55010.00")
    world.ask("POST", "/fapi/v1/order", **market(side="SELL", quantity="0.2"))
    world.engine.fund("BTCUSDT", Decimal("0.0001"))
    world.wait(90)
    return world


def market(**changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "MARKET",
        "quantity": "0.010",
        "newOrderRespType": "RESULT",
    }
    return values | changes


STOP = {
    "algoType": "CONDITIONAL",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "quantity": "0.100",
    "triggerPrice": "52000.0",
}

READS: list[tuple[str, str, dict[str, object], set[str]]] = [
    ("ExchangeData/GetServerTime.txt", "/fapi/v1/time", {}, set()),
    # settlePlan and triggerProtect are there; minute details of the listing follow the newer
    # recording below.
    ("ExchangeData/GetOrderBook.txt", "/fapi/v1/depth", {"symbol": "BTCUSDT"}, set()),
    ("ExchangeData/GetRecentTrades.txt", "/fapi/v1/trades", {"symbol": "BTCUSDT"}, set()),
    (
        "ExchangeData/GetTradeHistory.txt",
        "/fapi/v1/historicalTrades",
        {"symbol": "BTCUSDT"},
        set(),
    ),
    (
        "ExchangeData/GetAggregatedTradeHistory.txt",
        "/fapi/v1/aggTrades",
        {"symbol": "BTCUSDT"},
        set(),
    ),
    (
        "ExchangeData/GetKlines.txt",
        "/fapi/v1/klines",
        {"symbol": "BTCUSDT", "interval": "1m"},
        set(),
    ),
    ("ExchangeData/GetMarkPrice.txt", "/fapi/v1/premiumIndex", {"symbol": "BTCUSDT"}, set()),
    ("ExchangeData/GetFundingRates.txt", "/fapi/v1/fundingRate", {"symbol": "BTCUSDT"}, set()),
    ("ExchangeData/GetTicker.txt", "/fapi/v1/ticker/24hr", {"symbol": "BTCUSDT"}, set()),
    ("ExchangeData/GetPrice.txt", "/fapi/v2/ticker/price", {"symbol": "BTCUSDT"}, set()),
    ("ExchangeData/GetBookPrice.txt", "/fapi/v1/ticker/bookTicker", {"symbol": "BTCUSDT"}, set()),
    (
        "Trading/GetOrder.txt",
        "/fapi/v1/order",
        {"symbol": "BTCUSDT", "origClientOrderId": "open-1"},
        TRAILING_ONLY,
    ),
    (
        "Trading/GetOpenOrder.txt",
        "/fapi/v1/openOrder",
        {"symbol": "BTCUSDT", "origClientOrderId": "open-1"},
        TRAILING_ONLY,
    ),
    ("Trading/GetOpenOrders.txt", "/fapi/v1/openOrders", {}, TRAILING_ONLY),
    ("Trading/GetOrders.txt", "/fapi/v1/allOrders", {"symbol": "BTCUSDT"}, TRAILING_ONLY),
    ("Trading/GetUserTrades.txt", "/fapi/v1/userTrades", {"symbol": "BTCUSDT"}, set()),
    ("Trading/GetOpenConditionalOrders.txt", "/fapi/v1/openAlgoOrders", {}, set()),
    ("Account/GetBalances.txt", "/fapi/v3/balance", {}, set()),
    ("Account/GetBalances.txt", "/fapi/v2/balance", {}, set()),
    ("Account/GetAccountInfo.txt", "/fapi/v2/account", {}, set()),
    ("Account/GetAccountInfoV3.txt", "/fapi/v3/account", {}, set()),
    ("Account/GetPositionInformation.txt", "/fapi/v2/positionRisk", {}, set()),
    ("Account/GetBrackets.txt", "/fapi/v1/leverageBracket", {}, set()),
    ("Account/GetAccountConfiguration.txt", "/fapi/v1/accountConfig", {}, set()),
    ("Account/GetSymbolConfiguration.txt", "/fapi/v1/symbolConfig", {}, set()),
    ("Account/GetMultiAssetsMode.txt", "/fapi/v1/multiAssetsMargin", {}, set()),
    ("Account/GetOrderRateLimit.txt", "/fapi/v1/rateLimit/order", {}, set()),
    (
        "Account/GetUserCommissionRate.txt",
        "/fapi/v1/commissionRate",
        {"symbol": "BTCUSDT"},
        set(),
    ),
]


@pytest.mark.parametrize(
    ("sample", "path", "params", "without"), READS, ids=[f"{r[0]}-{r[1]}" for r in READS]
)
def test_a_read_answers_in_the_recorded_shape(
    world: World, sample: str, path: str, params: dict[str, object], without: set[str]
) -> None:
    check(world.ask("GET", path, **params), recorded(sample), without=without, where=path)


Ask = Callable[[World], Any]
WRITES: list[tuple[str, Ask, set[str]]] = [
    (
        "Trading/PlaceOrder.txt",
        lambda w: w.place(newClientOrderId="shape-1"),
        GONE_FROM_ORDER_ANSWERS | TRAILING_ONLY,
    ),
    (
        "Trading/CancelOrder.txt",
        lambda w: w.ask("DELETE", "/fapi/v1/order", symbol="BTCUSDT", orderId=w.place()["orderId"]),
        GONE_FROM_ORDER_ANSWERS | TRAILING_ONLY,
    ),
    (
        "Trading/EditOrder.txt",
        lambda w: w.ask(
            "PUT",
            "/fapi/v1/order",
            symbol="BTCUSDT",
            side="BUY",
            orderId=w.place()["orderId"],
            quantity="0.020",
            price="55001.00",
        ),
        GONE_FROM_ORDER_ANSWERS | COIN_MARGINED,
    ),
    (
        "Trading/CancelAllOrders.txt",
        lambda w: w.ask("DELETE", "/fapi/v1/allOpenOrders", symbol="DOGEUSDT"),
        set(),
    ),
    (
        "Trading/CancelAllConditionalOrders.txt",
        lambda w: w.ask("DELETE", "/fapi/v1/algoOpenOrders", symbol="DOGEUSDT"),
        set(),
    ),
    (
        "Trading/CancelAllOrdersAfterTimeout.txt",
        lambda w: w.ask(
            "POST", "/fapi/v1/countdownCancelAll", symbol="BTCUSDT", countdownTime=100_000
        ),
        set(),
    ),
    (
        "Trading/PlaceConditionalOrder.txt",
        lambda w: w.ask("POST", "/fapi/v1/algoOrder", **STOP),
        set(),
    ),
    (
        "Account/ChangeInitialLeverage.txt",
        lambda w: w.ask("POST", "/fapi/v1/leverage", symbol="DOGEUSDT", leverage=20),
        set(),
    ),
    ("Account/StartUserStream.txt", lambda w: w.ask("POST", "/fapi/v1/listenKey"), set()),
]


@pytest.mark.parametrize(("sample", "ask", "without"), WRITES, ids=[r[0] for r in WRITES])
def test_a_write_answers_in_the_recorded_shape(
    world: World, sample: str, ask: Ask, without: set[str]
) -> None:
    check(ask(world), recorded(sample), without=without, where=sample)


def test_a_conditional_order_that_fired_answers_in_the_recorded_shape() -> None:
    world = World(positions={"BTCUSDT": ("0.5", "59000")})
    mark = world.engine.mark_price("BTCUSDT")
    near = mark.quantize(Decimal(1)) - 1
    placed = world.ask("POST", "/fapi/v1/algoOrder", **STOP | {"triggerPrice": f"{near}.0"})
    for _ in range(600):
        world.wait(1)
        found = world.ask("GET", "/fapi/v1/algoOrder", algoId=placed["algoId"])
        if found["algoStatus"] != "NEW":
            break
    assert found["algoStatus"] == "FINISHED", found
    check(found, recorded("Trading/GetConditionalOrder.txt"), where="algoOrder")
    listed = world.ask("GET", "/fapi/v1/allAlgoOrders", symbol="BTCUSDT")
    check(listed, recorded("Trading/GetConditionalOrders.txt"), where="allAlgoOrders")


def test_the_listing_has_the_fields_of_the_newest_recording(world: World) -> None:
    check(
        world.ask("GET", "/fapi/v1/exchangeInfo"),
        recorded("ExchangeData/GetExchangeInfo.txt"),
        # autoAssetExchange is a number only in that old sample; text in every live recording.
        without={"autoAssetExchange"},
        where="exchangeInfo",
    )


def test_position_risk_of_the_third_version_has_its_documented_fields(world: World) -> None:
    rows = world.ask("GET", "/fapi/v3/positionRisk")
    assert set(rows[0]) == POSITION_V3


def test_income_has_its_documented_fields(world: World) -> None:
    rows = world.ask("GET", "/fapi/v1/income")
    # Source: Binance USD-M futures docs, Get Income History: tranId a number, tradeId text.
    # The recording of another project has them the other way round.
    assert {row["incomeType"] for row in rows} == {"REALIZED_PNL", "COMMISSION", "FUNDING_FEE"}
    expected = {
        "symbol": "text",
        "incomeType": "text",
        "income": "text",
        "asset": "text",
        "time": "number",
        "info": "text",
        "tranId": "number",
        "tradeId": "text",
    }
    assert shape(rows[0]) == expected
