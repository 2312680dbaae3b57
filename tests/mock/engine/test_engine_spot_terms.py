"""Spot terms that some venues have: where the fee is taken, post-only that ends, moving a stop."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.model import (
    Instrument,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Product,
    Rejected,
    RejectReason,
    Side,
    TimeInForce,
)

BTC = Instrument(
    symbol="BTC/USD",
    product=Product.SPOT,
    base="BTC",
    quote="USD",
    mid=Decimal(60_000),
    tick=Decimal("0.1"),
    qty_step=Decimal("0.00000001"),
    qty_min=Decimal("0.00005"),
    qty_max=Decimal(1000),
    market_qty_max=Decimal(500),
    notional_min=Decimal("0.5"),
    price_band_up=Decimal(5),
    price_band_down=Decimal("0.2"),
    market_take_bound=Decimal("0.5"),
    depth_levels=50,
    vol_bps_per_min=Decimal(20),
    maker_fee=Decimal("0.0025"),
    taker_fee=Decimal("0.0040"),
    leverage=1,
)


def engine(usd: str = "100000", btc: str = "2") -> Engine:
    made = Engine([BTC], product=Product.SPOT, seed=3, start_ms=0, venue="v")
    made.open_account("a", balances={"USD": Decimal(usd), "BTC": Decimal(btc)})
    made.advance(1000)
    return made


def order(side: Side, qty: str, price: str | None = None, **terms) -> NewOrder:
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return NewOrder(
        symbol="BTC/USD",
        side=side,
        type=terms.pop("type", kind),
        qty=Decimal(qty),
        price=None if price is None else Decimal(price),
        **terms,
    )


def test_a_fee_in_the_quote_currency_is_locked_and_paid_on_top():
    venue = engine()
    rests = venue.place("a", order(Side.BUY, "1", "50000", fee_asset="USD"))
    assert isinstance(rests, Order)
    assert venue.balances("a")["USD"].locked == Decimal(50_000) * Decimal("1.004")
    venue.cancel("a", rests.order_id)
    filled = venue.place("a", order(Side.BUY, "1", fee_asset="USD"))
    assert isinstance(filled, Order)
    fees = sum(fill.fee for fill in filled.executions)
    assert {fill.fee_currency for fill in filled.executions} == {"USD"}
    assert venue.balances("a")["BTC"].total == 3
    assert venue.balances("a")["USD"].total == 100_000 - filled.filled_quote - fees


def test_money_that_pays_the_price_but_not_the_fee_is_not_enough():
    venue = engine(usd="50000")
    short = venue.place("a", order(Side.BUY, "1", "50000", fee_asset="USD"))
    assert isinstance(short, Rejected)
    assert short.reason is RejectReason.INSUFFICIENT_BALANCE
    assert isinstance(venue.place("a", order(Side.BUY, "1", "50000")), Order)


def test_post_only_orders_that_would_take_are_refused_or_taken_and_ended():
    venue = engine()
    crossing = {"price": "61000", "post_only": True}
    refused = venue.place("a", order(Side.BUY, "1", **crossing))
    assert isinstance(refused, Rejected)
    assert refused.reason is RejectReason.POST_ONLY_WOULD_TAKE
    taken = venue.place("a", order(Side.BUY, "1", ends_if_taking=True, **crossing))
    assert isinstance(taken, Order)
    assert (taken.status, taken.end_reason) == (OrderStatus.EXPIRED, "post_only_would_take")
    assert not taken.executions
    assert venue.balances("a")["USD"].locked == 0


def test_a_waiting_stop_can_be_moved_and_goes_on_waiting():
    venue = engine()
    stop = venue.place(
        "a",
        order(Side.SELL, "1", type=OrderType.STOP_MARKET, stop_price=Decimal(50_000)),
    )
    assert isinstance(stop, Order)
    moved = venue.amend("a", stop.order_id, stop_price=Decimal(51_000), qty=Decimal("1.5"))
    assert moved is stop
    assert (stop.status, stop.request.stop_price) == (OrderStatus.UNTRIGGERED, Decimal(51_000))
    assert venue.balances("a")["BTC"].locked == Decimal("1.5")
    for terms, reason in (
        ({"stop_price": Decimal(51_000)}, RejectReason.NOT_MODIFIED),
        ({"stop_price": Decimal(70_000)}, RejectReason.WOULD_TRIGGER),
        ({"qty": Decimal(3)}, RejectReason.INSUFFICIENT_BALANCE),
        ({"stop_price": Decimal("51000.05")}, RejectReason.PRICE_TICK),
    ):
        outcome = venue.amend("a", stop.order_id, **terms)
        assert isinstance(outcome, Rejected)
        assert outcome.reason is reason
    assert stop.request.qty == Decimal("1.5")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(Side),
        st.sampled_from(["0.3", "0.7", "1", "1.9", "2"]),
        st.sampled_from([None, "55000", "59990", "60010", "65000"]),
        st.sampled_from(["", "BTC", "USD"]),
        st.sampled_from([TimeInForce.GTC, TimeInForce.IOC]),
        st.integers(0, 20_000),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_wherever_fees_are_taken_no_wallet_goes_below_zero_and_flows_add_up(steps):
    venue = engine(usd="60000", btc="2")
    for side, qty, price, fee_asset, time_in_force, wait_ms in steps:
        terms = {} if price is None else {"time_in_force": time_in_force}
        venue.place("a", order(side, qty, price, fee_asset=fee_asset, **terms))
        venue.advance(venue.now_ms + wait_ms)
        for asset, held in venue.balances("a").items():
            assert held.total >= 0, asset
            assert held.free >= 0, asset
            assert held.total == venue.flows("a")[asset].total
