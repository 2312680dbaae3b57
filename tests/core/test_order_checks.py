"""The venue's filters, one by one, and the grid."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.core.order_checks import find_problem, quantize
from outlast.model import Instrument, Product, Side, limit, market, stop

BTC = Instrument(
    venue="binance-um",
    symbol="BTC/USDT:USDT",
    venue_symbol="BTCUSDT",
    product=Product.USDM_FUTURES,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.10"),
    qty_step=Decimal("0.001"),
    qty_min=Decimal("0.001"),
    qty_max=Decimal(1000),
    market_qty_min=Decimal("0.002"),
    market_qty_max=Decimal(120),
    notional_min=Decimal(100),
    price_min=Decimal("556.80"),
    price_max=Decimal(4529764),
    price_up_x=Decimal("1.05"),
    price_down_x=Decimal("0.95"),
)
MARK = Decimal(100_000)
S = BTC.symbol


GOOD = {
    "limit buy": limit(S, "buy", "0.001", "100000"),
    "limit sell": limit(S, "sell", "1000", "100000.1"),
    "market at its minimum": market(S, "buy", "0.002"),
    "market at its maximum": market(S, "sell", 120),
    "stop market": stop(S, "sell", "0.5", "90000"),
    "stop limit": stop(S, "sell", "0.5", "90000", price="89000.5"),
    "notional exactly at its minimum": limit(S, "buy", "0.001", "100000"),
    "tiny notional of a reducing order": limit(S, "sell", "0.001", "99000", reduce_only=True),
    "tiny notional of a reducing market order": market(S, "sell", "0.002", reduce_only=True),
    "buy at the band": limit(S, "buy", 1, "105000"),
    "sell at the band": limit(S, "sell", 1, "95000"),
    "buy far below the mark is nobody's loss": limit(S, "buy", 1, "600"),
    "sell far above the mark is nobody's loss": limit(S, "sell", 1, "4000000"),
    "a stop's price has no band": stop(S, "buy", 1, "120000", price="130000"),
    "more digits than the step has": limit(S, "buy", "0.0010000", "100000.000"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_valid_order_has_no_problem(name):
    assert find_problem(GOOD[name], BTC, reference=MARK) is None


BAD = {
    "below the minimum": (limit(S, "buy", "0.0009", 100_000), "qty", "minimum of 0.001"),
    "above the maximum": (limit(S, "buy", "1000.001", 100_000), "qty", "maximum of 1000"),
    "off the step": (limit(S, "buy", "0.0015", 100_000), "qty", "use 0.001 "),
    "market below its own minimum": (market(S, "buy", "0.001"), "qty", "minimum of 0.002"),
    "market above its own maximum": (market(S, "buy", "120.001"), "qty", "maximum of 120"),
    "stop market above it": (stop(S, "sell", 121, 90_000), "qty", "maximum of 120"),
    "price below the range": (limit(S, "buy", 1, "556.7"), "price", "556.80 to 4529764"),
    "price above the range": (limit(S, "sell", 1, "4529764.1"), "price", "556.80 to 4529764"),
    "buy price off the tick": (limit(S, "buy", 1, "100000.05"), "price", "use 100000.00 "),
    "sell price off the tick": (limit(S, "sell", 1, "100000.05"), "price", "use 100000.10 "),
    "stop price off the tick": (stop(S, "sell", 1, "90000.07"), "stop_price", "use 90000.10 "),
    "stop price out of range": (stop(S, "sell", 1, 500), "stop_price", "outside"),
    "price of a stop limit off the tick": (
        stop(S, "sell", 1, 90_000, price="89000.01"),
        "price",
        "use 89000.10 ",
    ),
    "notional too small": (limit(S, "buy", "0.001", "99999.9"), "qty", "minimum of 100"),
    "market notional by the mark": (market(S, "buy", "0.002"), "qty", "minimum of 100"),
    "buy above the band": (limit(S, "buy", 1, "105000.1"), "price", "band of 105000.00"),
    "sell below the band": (limit(S, "sell", 1, "94999.9"), "price", "band of 95000.00"),
    "reducing orders keep the band": (
        limit(S, "sell", 1, "94999.9", reduce_only=True),
        "price",
        "band",
    ),
}
CHEAP = {"market notional by the mark": Decimal("49999.9")}


@pytest.mark.parametrize("name", BAD)
def test_each_filter_names_its_field_and_the_remedy(name):
    order, field, words = BAD[name]
    problem = find_problem(order, BTC, reference=CHEAP.get(name, MARK))
    assert problem is not None
    assert problem.field == field
    assert words in problem.message
    assert S in problem.message


def test_without_a_mark_only_the_checks_that_need_one_are_skipped():
    assert find_problem(limit(S, "buy", 1, "105000.1"), BTC, reference=None) is None
    assert find_problem(market(S, "buy", "0.002"), BTC, reference=None) is None
    assert find_problem(limit(S, "buy", "0.001", "99999.9"), BTC, reference=None) is not None


def test_a_venue_without_bands_takes_any_price():
    free = replace(BTC, price_up_x=None, price_down_x=None)
    assert find_problem(limit(S, "buy", 1, 4_000_000), free, reference=MARK) is None
    assert find_problem(limit(S, "sell", 1, 600), free, reference=MARK) is None


def test_a_halted_symbol_comes_before_everything_else():
    halted = replace(BTC, is_tradable=False, venue_status="SETTLING")
    problem = find_problem(limit(S, "buy", "0.0001", "1"), halted, reference=MARK)
    assert problem is not None
    assert problem.field == "symbol"
    assert "SETTLING" in problem.message


def test_quantize_never_asks_for_more_and_never_pays_more():
    buy = quantize(limit(S, "buy", "0.0019", "100000.09"), BTC)
    sell = quantize(limit(S, "sell", "0.0019", "100000.01"), BTC)
    assert (buy.qty, buy.price) == (Decimal("0.001"), Decimal("100000.00"))
    assert (sell.qty, sell.price) == (Decimal("0.001"), Decimal("100000.10"))


def test_quantize_leaves_what_is_not_there_and_all_the_rest():
    order = market(S, "sell", "0.0199", reduce_only=True, client_order_id="mine")
    assert quantize(order, BTC) == replace(order, qty=Decimal("0.019"))
    waiting = stop(S, "buy", "1", "90000.01", price="91000.09")
    assert quantize(waiting, BTC) == replace(
        waiting, stop_price=Decimal("90000.00"), price=Decimal("91000.00")
    )


grids = st.sampled_from([Decimal(s) for s in ("0.00000001", "0.001", "0.05", "0.25", "1", "10")])
amounts = st.decimals("0.00000001", "9999999", places=8, allow_nan=False, allow_infinity=False)


@settings(max_examples=150, deadline=None)
@given(qty=amounts, price=amounts, step=grids, tick=grids, side=st.sampled_from(Side))
def test_quantize_twice_is_quantize_once_and_lands_on_the_grid(qty, price, step, tick, side):
    instrument = replace(BTC, qty_step=step, tick_size=tick)
    once = quantize(limit(S, side, qty, price), instrument)
    assert quantize(once, instrument) == once
    assert once.qty % step == 0
    assert 0 <= qty - once.qty < step
    assert once.price % tick == 0
    paid_more_by = once.price - price if side is Side.BUY else price - once.price
    assert -tick < paid_more_by <= 0


@settings(max_examples=150, deadline=None)
@given(qty=amounts, price=amounts, side=st.sampled_from(Side))
def test_what_quantize_gives_is_never_off_the_grid_for_the_filters(qty, price, side):
    wide = replace(BTC, qty_min=Decimal(0), price_min=Decimal(0), notional_min=Decimal(0))
    problem = find_problem(quantize(limit(S, side, qty, price), wide), wide, reference=None)
    assert problem is None or "multiple" not in problem.message
