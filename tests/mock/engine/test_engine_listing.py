"""What changes in the listing during a run: another tick, and instruments that come later."""

from __future__ import annotations

from decimal import Decimal

import pytest
from engine_world import (
    BUY,
    SELL,
    SYMBOL,
    T0,
    D,
    Tape,
    instrument,
    ioc,
    jump,
    limit,
    market,
    pass_s,
    refused,
    spot,
    stop,
    taken,
    um,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import InstrumentEvent
from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs
from outlast.mock.engine.model import (
    EngineMode,
    Order,
    OrderStatus,
    OrderType,
    Product,
    RejectReason,
)
from outlast.mock.engine.relisting import common_unit

NEW = instrument(symbol="BBBUSDT", base="BBB", mid=D(5), tick=D("0.001"), vol_bps_per_min=D(20))


def prices(engine: Engine, symbol: str = SYMBOL) -> list[Decimal]:
    book = engine.book(symbol, 1000)
    return [level.price for level in (*book.bids, *book.asks)]


# --- another tick --------------------------------------------------------------------------------


def test_new_orders_go_by_the_new_tick_from_that_instant_on():
    engine = um()
    assert refused(engine.place("me", limit(BUY, 1, "99.55"))).reason is RejectReason.PRICE_TICK
    told = Tape(engine)
    made = engine.change_tick(SYMBOL, D("0.05"))
    assert engine.instruments[SYMBOL] == made
    assert (made.tick, made.price_unit) == (D("0.05"), D("0.05"))
    assert told.of(InstrumentEvent) == [
        InstrumentEvent(instrument=made, is_new=False, at_ms=engine.now_ms)
    ]
    taken(engine.place("me", limit(BUY, 1, "99.55")))
    engine.change_tick(SYMBOL, D("0.5"))
    rejected = refused(engine.place("me", limit(BUY, 1, "99.55")))
    assert (rejected.reason, rejected.detail) == (RejectReason.PRICE_TICK, "0.5")
    taken(engine.place("me", limit(BUY, 1, "99.5")))


@pytest.mark.parametrize("tick", ["0.5", "0.02", "0.25", "1", "0.1"])
def test_the_makers_go_to_the_new_tick(tick):
    engine = um(instrument(vol_bps_per_min=D(20)))
    before = engine.last_price(SYMBOL), engine.mark_price(SYMBOL), engine.peer_price(SYMBOL)
    engine.change_tick(SYMBOL, D(tick))
    assert (
        engine.last_price(SYMBOL),
        engine.mark_price(SYMBOL),
        engine.peer_price(SYMBOL),
    ) == before
    for _ in range(8):
        assert prices(engine)
        assert all(price % D(tick) == 0 for price in prices(engine)), prices(engine)
        bid, ask = engine.best(SYMBOL)
        assert bid is not None
        assert ask is not None
        assert bid.price < ask.price
        pass_s(engine, 5)
    assert all(trade.price % D(tick) == 0 for trade in engine.tape(SYMBOL, 5))


def test_an_order_off_the_new_tick_rests_and_is_filled_at_its_own_price():
    engine = um()
    order = taken(engine.place("me", limit(BUY, 1, "99.7")))
    engine.change_tick(SYMBOL, D("0.5"))
    assert order.status is OrderStatus.NEW
    assert D("99.7") in prices(engine)
    engine.set_market(MarketKnobs(drift=jump("-0.01")))
    pass_s(engine, 1)
    assert order.status is OrderStatus.FILLED
    assert [fill.price for fill in order.executions] == [D("99.7")]


def test_a_taker_meets_the_order_off_the_tick_where_it_stands():
    engine = um()
    engine.open_account("other", balances={"USDT": D(100_000)})
    resting = taken(engine.place("me", limit(SELL, "0.5", "100.1")))
    engine.change_tick(SYMBOL, D("0.5"))  # the makers go to 100.5 and beyond
    assert engine.best(SYMBOL)[1].price == D("100.1")
    bought = taken(engine.place("other", ioc(BUY, 1, "100.5")))
    assert [(fill.price, fill.qty) for fill in bought.executions] == [
        (D("100.1"), D("0.5")),
        (D("100.5"), D("0.5")),
    ]
    assert resting.status is OrderStatus.FILLED
    assert engine.tape(SYMBOL, 2)[0].price == D("100.1")


def test_price_time_priority_outlives_finer_ticks():
    engine = um()
    engine.open_account("other", balances={"USDT": D(100_000)})
    first = taken(engine.place("me", limit(BUY, 1, "99.9")))
    worse = taken(engine.place("me", limit(BUY, 1, "99.8")))
    engine.change_tick(SYMBOL, D("0.03"))
    engine.change_tick(SYMBOL, D("0.01"))
    second = taken(engine.place("other", limit(BUY, 1, "99.90")))
    better = taken(engine.place("other", limit(BUY, 1, "99.91")))
    engine.set_market(MarketKnobs(drift=jump("-0.01")))
    pass_s(engine, 1)
    fills = sorted(
        (fill.execution_id, order.order_id)
        for order in (first, worse, second, better)
        for fill in order.executions
    )
    assert [order for _, order in fills] == [
        better.order_id,
        first.order_id,
        second.order_id,
        worse.order_id,
    ]


def test_a_waiting_stop_fires_at_the_price_it_was_given():
    engine = um(positions={SYMBOL: (D(1), D(100))})
    guard = taken(engine.place("me", stop(SELL, 1, "99.7", reduce_only=True, trigger_on_mark=True)))
    terms = {"type": OrderType.STOP_LIMIT, "stop_price": D("99.7"), "trigger_on_mark": True}
    limited = taken(engine.place("me", limit(SELL, 1, "99.3", **terms)))
    engine.change_tick(SYMBOL, D("0.5"))
    pass_s(engine, 1)
    assert {guard.status, limited.status} == {OrderStatus.UNTRIGGERED}
    engine.set_market(MarketKnobs(drift=jump("-0.0031")))
    pass_s(engine, 1)
    assert guard.end_reason == limited.end_reason == "triggered"


def test_less_of_an_order_off_the_tick_can_be_wanted_but_not_at_another_price_off_it():
    engine = spot()
    order = taken(engine.place("me", limit(BUY, 2, "99.3")))
    engine.change_tick(SYMBOL, D("0.5"))
    assert taken(engine.amend("me", order.order_id, qty=D(1))).request.qty == 1
    refusal = refused(engine.amend("me", order.order_id, price=D("99.2")))
    assert refusal.reason is RejectReason.PRICE_TICK
    assert taken(engine.amend("me", order.order_id, price=D("99.5"))).request.price == D("99.5")


def test_what_an_order_locks_on_spot_stays_what_it_locked():
    engine = spot()
    taken(engine.place("me", limit(BUY, 2, "99.3")))
    before = engine.balances("me")
    engine.change_tick(SYMBOL, D("0.5"))
    assert engine.balances("me") == before
    taken(engine.place("me", market(BUY, 1)))
    paid = before["USDT"].total - engine.balances("me")["USDT"].total
    assert paid == engine.tape(SYMBOL, 1)[0].price


def test_a_book_that_stands_still_keeps_standing_when_the_tick_changes():
    engine = um()
    engine.configure(EngineKnobs(mode=EngineMode.HALTED))
    before = engine.book(SYMBOL, 50)
    engine.change_tick(SYMBOL, D("0.03"))
    pass_s(engine, 2)
    after = engine.book(SYMBOL, 50)
    assert (after.bids, after.asks) == (before.bids, before.asks)
    engine.configure(EngineKnobs())
    assert all(price % D("0.03") == 0 for price in prices(engine))


def test_a_liquidation_after_a_change_is_booked_at_the_mark():
    engine = um(balances={"USDT": D(60)}, positions={SYMBOL: (D(10), D(100))})
    engine.change_tick(SYMBOL, D("0.04"))
    engine.set_market(MarketKnobs(drift=jump("-0.055")))
    pass_s(engine, 1)
    (fill,) = engine.executions("me")
    assert fill.price == D("94.50")
    assert engine.positions("me")[SYMBOL].qty == 0


@pytest.mark.parametrize("tick", ["0", "-0.1"])
def test_no_tick_at_all_is_refused(tick):
    engine = um()
    with pytest.raises(ValueError, match=r"tick of AAAUSDT must be positive"):
        engine.change_tick(SYMBOL, D(tick))
    assert engine.instruments[SYMBOL].tick == D("0.1")
    with pytest.raises(KeyError):
        engine.change_tick("CCCUSDT", D("0.1"))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from(["0.1", "0.5", "0.02", "0.03", "0.25", "1", "5"]), max_size=4),
    st.integers(0, 2**32),
)
def test_prices_keep_and_books_never_cross_whatever_the_ticks(ticks, seed):
    """Orders rest on their prices through any row of changes, and the price goes its own way."""
    moving = instrument(vol_bps_per_min=D(15))
    engine, twin = um(moving, seed=seed), um(moving, seed=seed)
    orders: list[Order] = []
    for tick in ticks:
        engine.change_tick(SYMBOL, D(tick))
        price = engine.best(SYMBOL)[0].price * D("0.8") // D(tick) * D(tick)
        if price > 0:
            orders.append(taken(engine.place("me", limit(BUY, 1, price))))
        pass_s(engine, 3)
        twin.advance(engine.now_ms)
        unit = engine.instruments[SYMBOL].price_unit
        assert all(price % unit == 0 for price in prices(engine))
        assert abs(engine.peer_price(SYMBOL) - twin.peer_price(SYMBOL)) <= D("0.1")
        bid, ask = engine.best(SYMBOL)
        assert bid is not None
        assert ask is not None
        assert bid.price < ask.price
    for order in orders:
        assert order.status is OrderStatus.NEW
        assert order.request.price in prices(engine)


def test_the_largest_common_unit():
    for one, other, unit in [
        ("0.1", "0.5", "0.1"),
        ("0.05", "0.02", "0.01"),
        ("1", "0.3", "0.1"),
        ("1E+1", "4", "2"),
        ("0.10", "0.1", "0.1"),
    ]:
        assert common_unit(D(one), D(other)) == D(unit), (one, other)


# --- instruments that come later -----------------------------------------------------------------


def with_upcoming(**more: object) -> Engine:
    engine = Engine(
        [instrument()],
        product=Product.UM,
        seed=7,
        start_ms=T0,
        venue="test",
        upcoming=[instrument(**{"symbol": "BBBUSDT", "base": "BBB", "mid": D(5), **more})],
    )
    engine.open_account("me", balances={"USDT": D(100_000)})
    return engine


def test_what_is_not_listed_yet_is_unknown():
    engine = with_upcoming()
    pass_s(engine, 1)
    assert list(engine.instruments) == [SYMBOL]
    refusal = refused(engine.place("me", limit(BUY, 10, "4.9", symbol="BBBUSDT")))
    assert refusal.reason is RejectReason.UNKNOWN_SYMBOL
    with pytest.raises(KeyError):
        engine.book("BBBUSDT", 5)


def test_from_its_listing_on_it_is_traded_like_any_other():
    engine = with_upcoming()
    pass_s(engine, 60)
    told = Tape(engine)
    listed = engine.list_instrument("BBBUSDT")
    assert listed.listed_ms == engine.now_ms
    assert told.of(InstrumentEvent) == [
        InstrumentEvent(instrument=listed, is_new=True, at_ms=engine.now_ms)
    ]
    assert engine.tape("BBBUSDT", 5) == []
    assert engine.last_price("BBBUSDT") == 5
    bought = taken(engine.place("me", market(BUY, 20, symbol="BBBUSDT")))
    assert bought.status is OrderStatus.FILLED
    assert engine.positions("me")["BBBUSDT"].qty == 20
    waiting = taken(engine.place("me", stop(SELL, 5, "4.8", symbol="BBBUSDT", reduce_only=True)))
    pass_s(engine, 30)
    assert len(engine.tape("BBBUSDT", 100)) > 5
    engine.set_market(MarketKnobs(drift=jump("-0.1")))
    pass_s(engine, 1)
    assert waiting.end_reason == "triggered"
    with pytest.raises(KeyError):
        engine.list_instrument("BBBUSDT")


def test_a_new_quote_currency_gets_its_margin():
    engine = with_upcoming(quote="USDC")
    engine.list_instrument("BBBUSDT")
    assert engine.margin("me", "USDC").wallet == 0
    refusal = refused(engine.place("me", market(BUY, 10, symbol="BBBUSDT")))
    assert refusal.reason is RejectReason.INSUFFICIENT_MARGIN


def test_its_price_has_gone_the_way_of_the_coin_all_along():
    """Listed from the start on one venue and after two minutes of a fall on another."""
    early = um(instrument(), NEW)
    late = Engine(
        [instrument()], product=Product.UM, seed=7, start_ms=T0, venue="x", upcoming=[NEW]
    )
    for engine in (early, late):
        engine.set_market(MarketKnobs(drift=jump("-0.1"), vol_x=D(3)))
        pass_s(engine, 120)
    late.list_instrument("BBBUSDT")
    assert late.peer_price("BBBUSDT") == early.peer_price("BBBUSDT")
    assert late.book("BBBUSDT", 9).bids == early.book("BBBUSDT", 9).bids
    pass_s(early, 20)
    pass_s(late, 20)
    since = late.instruments["BBBUSDT"].listed_ms
    rows = [
        [(t.at_ms, t.price, t.qty) for t in engine.tape("BBBUSDT", 999) if t.at_ms > since]
        for engine in (early, late)
    ]
    assert rows[0] == rows[1] != []


def test_the_same_seed_lists_the_same_market():
    def digest(seed: int) -> str:
        engine = Engine(
            [instrument()], product=Product.UM, seed=seed, start_ms=T0, venue="x", upcoming=[NEW]
        )
        pass_s(engine, 10)
        engine.list_instrument("BBBUSDT")
        engine.change_tick("BBBUSDT", D("0.0025"))
        pass_s(engine, 10)
        return engine.digest()

    assert digest(7) == digest(7) != digest(8)


def test_two_of_a_name_are_refused():
    with pytest.raises(ValueError, match="listed twice"):
        Engine([NEW], product=Product.UM, seed=1, start_ms=T0, venue="test", upcoming=[NEW])
