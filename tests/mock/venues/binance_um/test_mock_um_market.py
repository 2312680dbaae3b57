"""The listing, the book, the tape, klines and tickers agree with the engine and each other."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mock_um_world import World

from outlast.mock.engine.model import EngineMode


@pytest.fixture(scope="module")
def world() -> World:
    world = World()
    for _ in range(400):
        world.wait(1)
    return world


def test_ping_time_and_the_spot_paths_that_some_clients_ask(world: World) -> None:
    for path in ("/fapi/v1/ping", "/api/v3/ping"):
        assert world.ask("GET", path) == {}
    for path in ("/fapi/v1/time", "/api/v3/time"):
        assert world.ask("GET", path) == {"serverTime": world.now_ms}


@pytest.mark.parametrize("limit", [5, 10, 20, 50, 100, 500, 1000])
def test_depth_shows_the_engines_book_within_the_limit(world: World, limit: int) -> None:
    given_ = world.ask("GET", "/fapi/v1/depth", symbol="BTCUSDT", limit=limit)
    book = world.engine.book("BTCUSDT", limit)
    assert given_["lastUpdateId"] == world.view.books.now("BTCUSDT").update_id
    assert [Decimal(price) for price, _ in given_["bids"]] == [level.price for level in book.bids]
    assert [Decimal(qty) for _, qty in given_["asks"]] == [level.qty for level in book.asks]
    assert len(given_["bids"]) <= limit
    assert Decimal(given_["bids"][0][0]) < Decimal(given_["asks"][0][0])


def test_a_depth_that_is_not_offered_is_4021(world: World) -> None:
    assert world.refused("GET", "/fapi/v1/depth", symbol="BTCUSDT", limit=7) == (
        400,
        -4021,
        "7 is not valid depth limit.",
    )


def test_filters_put_the_price_filter_first_and_quote_the_engines_rules(world: World) -> None:
    listing = world.ask("GET", "/fapi/v1/exchangeInfo")
    btc = next(row for row in listing["symbols"] if row["symbol"] == "BTCUSDT")
    filters = {row["filterType"]: row for row in btc["filters"]}
    assert btc["filters"][0]["filterType"] == "PRICE_FILTER"
    assert filters["PRICE_FILTER"]["tickSize"] == "0.1"
    assert (btc["pricePrecision"], btc["quantityPrecision"]) == (2, 3)
    assert filters["LOT_SIZE"]["stepSize"] == "0.001"
    assert filters["MARKET_LOT_SIZE"]["maxQty"] == "120"
    assert filters["MIN_NOTIONAL"]["notional"] == "5"
    limits = {
        (row["rateLimitType"], row["interval"]): row["limit"] for row in listing["rateLimits"]
    }
    assert limits == {
        ("REQUEST_WEIGHT", "MINUTE"): 2400,
        ("ORDERS", "MINUTE"): 1200,
        ("ORDERS", "SECOND"): 300,
    }


@pytest.mark.parametrize(
    ("mode", "status"),
    [
        (EngineMode.ONLINE, "TRADING"),
        (EngineMode.REDUCE_ONLY, "TRADING"),
        (EngineMode.CANCEL_ONLY, "TRADING_CANCEL_ONLY"),
        (EngineMode.HALTED, "TRADING_HALT"),
        (EngineMode.MAINTENANCE, "TRADING_HALT"),
        (EngineMode.AUCTION, "PENDING_TRADING"),
    ],
)
def test_the_listing_shows_the_mode_as_a_symbol_status(mode: EngineMode, status: str) -> None:
    world = World()
    world.configure(mode=mode)
    listing = world.ask("GET", "/fapi/v1/exchangeInfo")
    assert {row["status"] for row in listing["symbols"]} == {status}


def test_system_status_tells_of_declared_maintenance_only() -> None:
    world = World()
    for mode, status in ((EngineMode.HALTED, 0), (EngineMode.MAINTENANCE, 1)):
        world.configure(mode=mode)
        assert world.ask("GET", "/sapi/v1/system/status")["status"] == status


def test_minute_klines_are_the_sum_of_the_tapes_trades(world: World) -> None:
    rows = world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m")
    trades = world.engine.tape("BTCUSDT", 1_000_000)
    first_ms = trades[0].at_ms
    compared = 0
    for row in rows:
        opens_ms, closes_ms = row[0], row[6]
        if opens_ms < first_ms:
            continue  # the tape has forgotten a part of it
        inside = [t for t in trades if opens_ms <= t.at_ms <= closes_ms]
        assert row[8] == len(inside)
        assert Decimal(row[5]) == sum(t.qty for t in inside)
        if inside:
            prices = [t.price for t in inside]
            shown = [Decimal(text) for text in row[1:5]]
            assert shown == [prices[0], max(prices), min(prices), prices[-1]]
        compared += 1
    assert compared >= 3


@given(interval=st.sampled_from(["3m", "5m", "15m", "1h", "1d", "3d", "1w", "1M"]))
@settings(max_examples=8, deadline=None)
def test_longer_klines_are_made_of_the_minutes(interval: str) -> None:
    world = _walked()
    minutes = world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m")
    rows = world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval=interval)
    for row in rows:
        inside = [m for m in minutes if row[0] <= m[0] <= row[6]]
        assert inside
        assert Decimal(row[5]) == sum(Decimal(m[5]) for m in inside)
        assert Decimal(row[2]) == max(Decimal(m[2]) for m in inside)
        assert (row[1], row[4]) == (inside[0][1], inside[-1][4])
    assert sum(row[8] for row in rows) == sum(m[8] for m in minutes)


_WALKED: list[World] = []


def _walked() -> World:
    if not _WALKED:
        world = World()
        for _ in range(20):
            world.wait(30)
        _WALKED.append(world)
    return _WALKED[0]


def test_klines_obey_limit_start_and_end(world: World) -> None:
    every = world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m")
    assert [row[0] for row in every] == list(range(every[0][0], every[-1][0] + 1, 60_000))
    newest = world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m", limit=2)
    assert newest == every[-2:]
    first = world.ask(
        "GET",
        "/fapi/v1/klines",
        symbol="BTCUSDT",
        interval="1m",
        startTime=every[1][0],
        endTime=every[3][0],
        limit=2,
    )
    assert first == every[1:3]
    assert world.refused("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="7m")[1] == -1120


def test_the_day_ticker_sums_what_the_klines_show(world: World) -> None:
    ticker = world.ask("GET", "/fapi/v1/ticker/24hr", symbol="BTCUSDT")
    rows = world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m")
    assert Decimal(ticker["volume"]) == sum(Decimal(row[5]) for row in rows)
    assert Decimal(ticker["highPrice"]) == max(Decimal(row[2]) for row in rows)
    assert ticker["count"] == sum(row[8] for row in rows)
    assert Decimal(ticker["lastPrice"]) == world.engine.last_price("BTCUSDT")
    assert Decimal(ticker["priceChange"]) == (
        Decimal(ticker["lastPrice"]) - Decimal(ticker["openPrice"])
    )


def test_a_symbol_gives_one_row_and_none_gives_all(world: World) -> None:
    for path in (
        "/fapi/v1/ticker/24hr",
        "/fapi/v1/ticker/price",
        "/fapi/v1/ticker/bookTicker",
        "/fapi/v1/premiumIndex",
    ):
        assert len(world.ask("GET", path)) == 2
        assert world.ask("GET", path, symbol="DOGEUSDT")["symbol"] == "DOGEUSDT"
        assert world.refused("GET", path, symbol="NOPE")[1] == -1121


def test_trades_are_the_newest_prints_and_history_goes_on_from_an_id(world: World) -> None:
    trades = world.ask("GET", "/fapi/v1/trades", symbol="BTCUSDT", limit=10)
    assert len(trades) == 10
    assert [t["id"] for t in trades] == sorted(t["id"] for t in trades)
    since = world.ask(
        "GET", "/fapi/v1/historicalTrades", symbol="BTCUSDT", fromId=trades[3]["id"], limit=3
    )
    assert [t["id"] for t in since] == [t["id"] for t in trades[3:6]]
    aggregates = world.ask(
        "GET", "/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=trades[3]["id"], limit=3
    )
    assert [(a["p"], a["q"], a["m"]) for a in aggregates] == [
        (t["price"], t["qty"], t["isBuyerMaker"]) for t in since
    ]


def test_funding_is_remembered_with_its_rate_and_mark() -> None:
    world = World(positions={"BTCUSDT": ("0.5", "59000")})
    mark = world.engine.mark_price("BTCUSDT")
    world.engine.fund("BTCUSDT", Decimal("0.0003"))
    (row,) = world.ask("GET", "/fapi/v1/fundingRate", symbol="BTCUSDT")
    assert (row["fundingRate"], Decimal(row["markPrice"])) == ("0.00030000", mark)
    premium = world.ask("GET", "/fapi/v1/premiumIndex", symbol="BTCUSDT")
    assert premium["lastFundingRate"] == "0.00030000"
    assert premium["nextFundingTime"] % (8 * 3_600_000) == 0
    assert 0 < premium["nextFundingTime"] - world.now_ms <= 8 * 3_600_000
    (paid,) = world.ask("GET", "/fapi/v1/income", incomeType="FUNDING_FEE")
    assert Decimal(paid["income"]) == -(Decimal("0.5") * mark * Decimal("0.0003")).quantize(
        Decimal("1e-8")
    )


def test_a_dialect_that_came_late_catches_up_from_the_tape() -> None:
    from outlast.mock.venues.binance_um.dialect import BinanceUmDialect

    world = World()
    for _ in range(5):
        world.wait(10)
    early = world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m")
    world.dialect = BinanceUmDialect(seed=7)
    assert world.ask("GET", "/fapi/v1/klines", symbol="BTCUSDT", interval="1m") == early
