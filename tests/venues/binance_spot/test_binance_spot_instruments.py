"""exchangeInfo: every instrument listed, on its exact grid, tradable or not."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from spot_samples import EXCHANGE_INFO, RECORDED, recorded, reply

from outlast.errors import Failure
from outlast.model import Product
from outlast.venues import binance_spot as spot

SYMBOL = {
    "symbol": "BTCUSDT",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "isSpotTradingAllowed": True,
    "filters": [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": "0.01000000",
            "maxPrice": "1000000.00000000",
            "tickSize": "0.01000000",
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": "0.00001000",
            "maxQty": "9000.00000000",
            "stepSize": "0.00001000",
        },
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00002000",
            "maxQty": "120.5",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "1.2",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.8",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "FILTER_OF_NEXT_YEAR", "what": {"ever": []}},
    ],
}


def instruments(*symbols):
    return spot.read_instruments(EXCHANGE_INFO, reply(200, {"symbols": list(symbols)}))


def one(**changes):
    (found,) = instruments(SYMBOL | changes)
    return found


def filtered(*replacements, without=()):
    kept = [f for f in SYMBOL["filters"] if f["filterType"] not in without]
    named = {f["filterType"] for f in replacements}
    return one(filters=[*(f for f in kept if f["filterType"] not in named), *replacements])


def test_an_instrument():
    found = one()
    assert (found.venue, found.symbol, found.venue_symbol) == (
        "binance-spot",
        "BTC/USDT",
        "BTCUSDT",
    )
    assert found.product is Product.SPOT
    assert (found.base, found.quote, found.settle) == ("BTC", "USDT", "USDT")
    assert (str(found.tick_size), str(found.qty_step)) == ("0.01000000", "0.00001000")
    assert (found.qty_min, found.qty_max) == (Decimal("0.00001"), Decimal(9000))
    assert (found.market_qty_min, found.market_qty_max) == (Decimal("0.00002"), Decimal("120.5"))
    assert (found.price_min, found.price_max) == (Decimal("0.01"), Decimal(1_000_000))
    assert found.notional_min == 5
    # The aggressive side of each: a buy from above, a sell from below.
    assert (found.price_up_x, found.price_down_x) == (Decimal("1.2"), Decimal("0.8"))
    assert (found.is_tradable, found.venue_status) == (True, "TRADING")


@pytest.mark.parametrize("status", ["HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY", "NEW_WORD"])
def test_what_does_not_trade_stays_listed(status):
    found = one(status=status)
    assert (found.is_tradable, found.venue_status) == (False, status)
    assert str(found.tick_size) == "0.01000000"


def test_a_symbol_for_margin_alone_does_not_trade_here():
    found = one(isSpotTradingAllowed=False)
    assert (found.is_tradable, found.venue_status) == (False, "TRADING, but not on spot")
    assert one(isSpotTradingAllowed=False, status="HALT").venue_status == "HALT"


def test_bounds_of_zero_are_switched_off():
    free = {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "0.00", "tickSize": "0"}
    found = filtered(free)
    assert found.is_tradable
    assert (found.price_min, found.tick_size) == (0, Decimal("0.00000001"))
    assert found.price_max > 10**18
    market = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "0", "stepSize": "0"}
    assert filtered(market).market_qty_max > 10**18


def test_without_a_market_lot_size_the_lot_size_holds():
    found = filtered(without=("MARKET_LOT_SIZE",))
    assert (found.market_qty_min, found.market_qty_max) == (Decimal("0.00001"), Decimal(9000))


def test_the_older_filters_say_the_same():
    found = filtered(
        {"filterType": "MIN_NOTIONAL", "minNotional": "10.0", "applyToMarket": True},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.3", "multiplierDown": "0.7"},
        without=("NOTIONAL", "PERCENT_PRICE_BY_SIDE"),
    )
    assert found.notional_min == 10
    assert (found.price_up_x, found.price_down_x) == (Decimal("1.3"), Decimal("0.7"))


def test_filters_that_are_absent_do_not_restrict():
    found = filtered(without=("NOTIONAL", "PERCENT_PRICE_BY_SIDE"))
    assert found.is_tradable
    assert found.notional_min == 0
    assert (found.price_up_x, found.price_down_x) == (None, None)


@pytest.mark.parametrize("missing", ["PRICE_FILTER", "LOT_SIZE"])
def test_an_instrument_without_its_grid_is_listed_but_does_not_trade(missing):
    found = filtered(without=(missing,))
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
    assert isinstance(spot.read_instruments(EXCHANGE_INFO, reply(200, {"symbols": 1})), Failure)


def test_a_recorded_list_decodes_without_loss():
    sent = RECORDED["exchangeInfo"]
    found = spot.read_instruments(EXCHANGE_INFO, reply(200, sent))
    assert not isinstance(found, Failure)
    assert [i.venue_symbol for i in found] == [row["symbol"] for row in sent["symbols"]]
    assert len({i.symbol for i in found}) == len(found) == 25
    for instrument, row in zip(found, sent["symbols"], strict=True):
        filters = {f["filterType"]: f for f in row["filters"]}
        price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
        assert [
            f"{number:f}"
            for number in (
                instrument.tick_size,
                instrument.price_min,
                instrument.price_max,
                instrument.qty_step,
                instrument.qty_min,
                instrument.qty_max,
                instrument.market_qty_max,
                instrument.notional_min,
            )
        ] == [
            price["tickSize"],
            price["minPrice"],
            price["maxPrice"],
            lot["stepSize"],
            lot["minQty"],
            lot["maxQty"],
            filters.get("MARKET_LOT_SIZE", lot)["maxQty"],
            filters["NOTIONAL"]["minNotional"],
        ]
        assert instrument.is_tradable is (row["status"] == "TRADING")
    assert {i.venue_status for i in found} == {"TRADING", "BREAK"}


def test_the_documented_example_has_no_filters_and_so_no_grid():
    sent = json.loads(recorded("ExchangeData/GetExchangeInfo"))
    (found,) = spot.read_instruments(EXCHANGE_INFO, reply(200, sent))
    assert (found.symbol, found.is_tradable) == ("ETH/BTC", False)
