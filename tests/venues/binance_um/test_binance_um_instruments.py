"""exchangeInfo: every instrument listed, on its exact grid, tradable or not."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from um_samples import DATA, EXCHANGE_INFO, recorded, reply

from outlast.errors import Failure
from outlast.model import Product
from outlast.venues import binance_um as um

SYMBOL = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "556.80",
            "maxPrice": "4529764",
            "tickSize": "0.10",
        },
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.002", "maxQty": "120", "stepSize": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ],
}


def instruments(*symbols):
    return um.read_instruments(EXCHANGE_INFO, reply(200, {"symbols": list(symbols)}))


def without(*filter_types):
    kept = [f for f in SYMBOL["filters"] if f["filterType"] not in filter_types]
    return SYMBOL | {"filters": kept}


def test_an_instrument():
    (found,) = instruments(SYMBOL)
    assert (found.venue, found.symbol, found.venue_symbol) == (
        "binance-um",
        "BTC/USDT:USDT",
        "BTCUSDT",
    )
    assert found.product is Product.USDM_FUTURES
    assert (found.base, found.quote, found.settle) == ("BTC", "USDT", "USDT")
    assert (str(found.tick_size), str(found.qty_step)) == ("0.10", "0.001")
    assert (found.qty_min, found.qty_max) == (Decimal("0.001"), Decimal(1000))
    assert (found.market_qty_min, found.market_qty_max) == (Decimal("0.002"), Decimal(120))
    assert (found.price_min, found.price_max) == (Decimal("556.80"), Decimal(4529764))
    assert found.notional_min == 100
    assert (found.price_up_x, found.price_down_x) == (Decimal("1.05"), Decimal("0.95"))
    assert (found.is_tradable, found.venue_status) == (True, "TRADING")


@pytest.mark.parametrize(
    "status",
    ["PENDING_TRADING", "SETTLING", "CLOSE", "TRADING_HALT", "TRADING_CANCEL_ONLY", "NEW_WORD"],
)
def test_what_does_not_trade_stays_listed(status):
    (found,) = instruments(SYMBOL | {"status": status})
    assert (found.is_tradable, found.venue_status) == (False, status)
    assert str(found.tick_size) == "0.10"


def test_without_a_market_lot_size_the_lot_size_holds():
    (found,) = instruments(without("MARKET_LOT_SIZE"))
    assert (found.market_qty_min, found.market_qty_max) == (Decimal("0.001"), Decimal(1000))


def test_filters_that_are_absent_do_not_restrict():
    (found,) = instruments(without("MIN_NOTIONAL", "PERCENT_PRICE"))
    assert found.is_tradable
    assert found.notional_min == 0
    assert (found.price_up_x, found.price_down_x) == (None, None)


@pytest.mark.parametrize("missing", ["PRICE_FILTER", "LOT_SIZE"])
def test_an_instrument_without_its_grid_is_listed_but_does_not_trade(missing):
    (found,) = instruments(without(missing))
    assert not found.is_tradable
    assert "PRICE_FILTER and LOT_SIZE" in found.venue_status
    assert found.tick_size > 0
    assert found.qty_step > 0


def test_an_unreadable_instrument_does_not_hide_the_others():
    broken = SYMBOL | {"symbol": "ODDUSDT", "filters": [{"filterType": "LOT_SIZE", "minQty": "x"}]}
    odd, fine = instruments(broken, SYMBOL)
    assert (odd.symbol, odd.venue_symbol, odd.is_tradable) == ("ODDUSDT", "ODDUSDT", False)
    assert "unreadable" in odd.venue_status
    assert fine.is_tradable


def test_an_instrument_without_a_name_makes_the_list_unreadable():
    assert isinstance(instruments(SYMBOL, {"status": "TRADING"}), Failure)
    assert isinstance(um.read_instruments(EXCHANGE_INFO, reply(200, {"symbols": 1})), Failure)


def test_a_contract_with_a_delivery_date_has_it_in_its_symbol():
    (found,) = instruments(SYMBOL | {"symbol": "BTCUSDT_210924"})
    assert found.symbol == "BTC/USDT:USDT-210924"


RECORDED = {
    "cryptofeed": json.loads(
        (DATA / "cryptofeed" / "binance_usdm_exchangeInfo_20210721.json").read_text()
    ),
    "gocryptotrader": json.loads((DATA / "gocryptotrader" / "binance_fapi_v1.json").read_text())[
        "routes"
    ]["/fapi/v1/exchangeInfo"]["GET"][0]["data"],
    "binance.net": json.loads(recorded("ExchangeData/GetExchangeInfo")),
}


@pytest.mark.parametrize("source", RECORDED)
def test_recorded_lists_decode_without_loss(source):
    sent = RECORDED[source]
    found = um.read_instruments(EXCHANGE_INFO, reply(200, sent))
    assert not isinstance(found, Failure)
    assert [i.venue_symbol for i in found] == [row["symbol"] for row in sent["symbols"]]
    assert len({i.symbol for i in found}) == len(found)
    for instrument, row in zip(found, sent["symbols"], strict=True):
        filters = {f["filterType"]: f for f in row["filters"]}
        price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
        market, band = filters["MARKET_LOT_SIZE"], filters["PERCENT_PRICE"]
        assert [
            str(number)
            for number in (
                instrument.tick_size,
                instrument.price_min,
                instrument.price_max,
                instrument.qty_step,
                instrument.qty_min,
                instrument.qty_max,
                instrument.market_qty_min,
                instrument.market_qty_max,
                instrument.notional_min,
                instrument.price_up_x,
                instrument.price_down_x,
            )
        ] == [
            price["tickSize"],
            price["minPrice"],
            price["maxPrice"],
            lot["stepSize"],
            lot["minQty"],
            lot["maxQty"],
            market["minQty"],
            market["maxQty"],
            filters["MIN_NOTIONAL"]["notional"],
            band["multiplierUp"],
            band["multiplierDown"],
        ]
        assert instrument.is_tradable is (row["status"] == "TRADING")


def test_the_recorded_lists_hold_what_was_expected():
    found = um.read_instruments(EXCHANGE_INFO, reply(200, RECORDED["cryptofeed"]))
    by_name = {i.venue_symbol: i for i in found}
    assert len(found) == 122
    assert by_name["BTCUSDT_210924"].symbol == "BTC/USDT:USDT-210924"
    assert not by_name["BTCSTUSDT"].is_tradable
