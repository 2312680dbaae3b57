"""Every order type and time in force, self-trade prevention, amendments and cancels."""

from __future__ import annotations

import pytest
from engine_world import (
    BUY,
    HUGE,
    SELL,
    SYMBOL,
    T0,
    D,
    Tape,
    instrument,
    ioc,
    limit,
    market,
    pass_s,
    refused,
    spot,
    stop,
    taken,
    um,
)

from outlast.mock.engine.events import OrderEventKind as Kind
from outlast.mock.engine.model import (
    OrderStatus,
    OrderType,
    RejectReason,
    StpMode,
    TimeInForce,
)

NEW, FILLED, PARTLY = OrderStatus.NEW, OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED
CANCELED, EXPIRED = OrderStatus.CANCELED, OrderStatus.EXPIRED


# -- market ---------------------------------------------------------------------------------


def test_a_market_order_walks_the_book_and_pays_each_level_its_price() -> None:
    engine = um()
    asks = engine.book(SYMBOL, 3).asks
    qty = asks[0].qty + asks[1].qty + 1
    order = taken(engine.place("me", market(BUY, qty)))
    assert order.status is FILLED
    assert [(e.price, e.qty) for e in order.executions] == [asks[0], asks[1], (asks[2].price, 1)]
    assert order.filled_quote == sum(e.price * e.qty for e in order.executions)
    assert order.avg_price == order.filled_quote / qty
    assert all(not e.is_maker and e.fee_currency == "USDT" for e in order.executions)
    assert order.end_reason == ""
    assert engine.last_price(SYMBOL) == asks[2].price


def test_what_the_book_does_not_hold_of_a_market_order_expires() -> None:
    engine = um(instrument(market_take_bound=D("0.5")), balances={"USDT": D(10**7)})
    whole = sum(level.qty for level in engine.book(SYMBOL, 10).bids)
    order = taken(engine.place("me", market(SELL, HUGE)))
    assert (order.status, order.end_reason) == (EXPIRED, "no_liquidity")
    assert order.filled_qty == whole
    assert order.leaves_qty == HUGE - whole


def test_a_market_order_goes_no_further_than_its_bound_from_the_mark() -> None:
    engine = um(instrument(market_take_bound=D("0.003")), balances={"USDT": D(10**7)})
    order = taken(engine.place("me", market(SELL, HUGE)))
    assert (order.status, order.end_reason) == (EXPIRED, "market_bound")
    assert min(e.price for e in order.executions) == D("99.7")
    order = taken(engine.place("me", market(BUY, HUGE)))
    assert max(e.price for e in order.executions) == D("100.3")


def test_on_spot_a_market_order_without_liquidity_is_taken_and_expires() -> None:
    engine = spot(instrument(product=spot().product, market_take_bound=D("0.0005")))
    order = taken(engine.place("me", market(SELL, 1)))
    assert (order.status, order.end_reason, order.filled_qty) == (EXPIRED, "market_bound", 0)


# -- limit and time in force ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("time_in_force", "price", "status", "reason"),
    [
        (TimeInForce.GTC, "99.0", NEW, ""),
        (TimeInForce.GTC, "100.1", PARTLY, ""),
        (TimeInForce.GTC, "100.9", FILLED, ""),
        (TimeInForce.IOC, "99.0", EXPIRED, "ioc"),
        (TimeInForce.IOC, "100.1", EXPIRED, "ioc"),
        (TimeInForce.IOC, "100.9", FILLED, ""),
        (TimeInForce.FOK, "100.9", FILLED, ""),
    ],
)
def test_time_in_force(
    time_in_force: TimeInForce, price: str, status: OrderStatus, reason: str
) -> None:
    engine = um()
    order = taken(engine.place("me", limit(BUY, 500, price, time_in_force=time_in_force)))
    assert (order.status, order.end_reason) == (status, reason)
    assert all(e.price <= D(price) for e in order.executions)
    assert bool(order.filled_qty) == (price != "99.0")
    assert (order in engine.orders("me", only_open=True)) == status.is_open


def test_a_crossing_limit_order_takes_and_its_rest_stands_in_the_book() -> None:
    engine = um()
    ask = engine.book(SYMBOL, 1).asks[0]
    order = taken(engine.place("me", limit(BUY, ask.qty + 5, ask.price)))
    bid, ask_after = engine.best(SYMBOL)
    assert order.filled_qty == ask.qty
    assert bid == (ask.price, D(5))
    assert ask_after is not None
    assert ask_after.price > ask.price


def test_fok_on_um_is_refused_and_on_spot_taken_and_expired() -> None:
    request = limit(BUY, 500, "100.1", time_in_force=TimeInForce.FOK)
    assert refused(um().place("me", request)).reason is RejectReason.FOK_UNFILLABLE
    engine = spot()
    order = taken(engine.place("me", request))
    assert (order.status, order.end_reason, order.filled_qty) == (EXPIRED, "fok", 0)
    assert engine.balances("me")["USDT"].locked == 0


def test_gtd_ends_at_its_instant_not_at_the_next_look() -> None:
    engine = um()
    tape = Tape(engine)
    order = taken(
        engine.place(
            "me",
            limit(BUY, 1, 99, time_in_force=TimeInForce.GTD, expires_ms=T0 + 1_333),
        )
    )
    engine.advance(T0 + 1_332)
    assert order.status is NEW
    engine.advance(T0 + 60_000)
    assert (order.status, order.end_reason, order.updated_ms) == (EXPIRED, "gtd", T0 + 1_333)
    assert tape.orders(order.order_id)[-1].at_ms == T0 + 1_333
    assert engine.orders("me", only_open=True) == []


def test_gtd_that_was_filled_before_stays_filled() -> None:
    engine = um()
    order = taken(
        engine.place("me", limit(BUY, 1, 101, time_in_force=TimeInForce.GTD, expires_ms=T0 + 1_000))
    )
    pass_s(engine, 5)
    assert (order.status, order.end_reason) == (FILLED, "")


def test_a_post_only_order_rests_and_pays_the_makers_fee() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    order = taken(engine.place("me", limit(BUY, 2, "100.0", post_only=True)))
    assert order.status is NEW
    taken(engine.place("you", ioc(SELL, 2, "100.0")))
    (execution,) = order.executions
    assert execution.is_maker
    assert execution.fee == D("0.04")


# -- priority -------------------------------------------------------------------------------


def test_price_comes_first_then_time_then_nothing_else() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    late_better = limit(BUY, 1, "100.0")
    early = taken(engine.place("me", limit(BUY, 1, "99.9")))
    later = taken(engine.place("me", limit(BUY, 1, "99.9")))
    best = taken(engine.place("me", late_better))
    makers = engine.book(SYMBOL, 2).bids[1].qty - 2
    taken(engine.place("you", market(SELL, makers + 1)))
    assert best.status is FILLED
    assert (early.filled_qty, later.filled_qty) == (0, 0), "the makers were there before them"
    taken(engine.place("you", market(SELL, 1)))
    assert (early.status, later.status) == (FILLED, NEW)
    taken(engine.place("you", market(SELL, 1)))
    assert later.status is FILLED
    assert engine.last_price(SYMBOL) == D("99.9")


def test_two_clients_trade_with_each_other_inside_the_spread() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    mine = taken(engine.place("me", limit(SELL, 3, "100.0")))
    yours = taken(engine.place("you", limit(BUY, 5, "100.0")))
    assert mine.status is FILLED
    assert (yours.status, yours.filled_qty) == (PARTLY, 3)
    assert engine.positions("me")[SYMBOL].qty == -3
    assert engine.positions("you")[SYMBOL].qty == 3
    assert [t.qty for t in engine.tape(SYMBOL, 5)] == [D(3)]


# -- self-trade prevention ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "maker", "taker"),
    [
        (StpMode.EXPIRE_TAKER, (NEW, ""), (EXPIRED, "stp")),
        (StpMode.EXPIRE_MAKER, (EXPIRED, "stp"), (FILLED, "")),
        (StpMode.EXPIRE_BOTH, (EXPIRED, "stp"), (EXPIRED, "stp")),
        (StpMode.NONE, (FILLED, ""), (FILLED, "")),
    ],
)
def test_self_trade_prevention(
    mode: StpMode, maker: tuple[OrderStatus, str], taker: tuple[OrderStatus, str]
) -> None:
    engine = um()
    resting = taken(engine.place("me", limit(SELL, 2, "100.0")))
    coming = taken(engine.place("me", limit(BUY, 5, "100.1", stp=mode)))
    assert (resting.status, resting.end_reason) == maker
    assert (coming.status, coming.end_reason) == taker
    traded_alone = mode is StpMode.NONE
    assert bool(resting.filled_qty) == traded_alone
    if traded_alone:
        assert engine.positions("me")[SYMBOL].qty == 3


def test_stp_ends_the_taker_only_when_it_reaches_its_own_order() -> None:
    engine = um()
    asks = engine.book(SYMBOL, 2).asks
    taken(engine.place("me", limit(SELL, 2, asks[1].price)))
    beyond = asks[0].qty + asks[1].qty + 50
    order = taken(engine.place("me", market(BUY, beyond, stp=StpMode.EXPIRE_TAKER)))
    assert (order.status, order.end_reason) == (EXPIRED, "stp")
    assert order.filled_qty == asks[0].qty + asks[1].qty


def test_stp_does_not_keep_two_accounts_apart() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    resting = taken(engine.place("you", limit(SELL, 2, "100.0")))
    taken(engine.place("me", limit(BUY, 2, "100.0", stp=StpMode.EXPIRE_BOTH)))
    assert resting.status is FILLED


# -- amend ----------------------------------------------------------------------------------


def test_an_amended_order_goes_to_the_end_of_its_queue() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    first = taken(engine.place("me", limit(BUY, 5, "100.0")))
    second = taken(engine.place("me", limit(BUY, 5, "100.0")))
    tape = Tape(engine)
    amended = taken(engine.amend("me", first.order_id, qty=D(4)))
    assert amended is first
    assert first.request.qty == 4
    assert tape.kinds(first.order_id) == [Kind.AMENDED]
    taken(engine.place("you", ioc(SELL, 5, "100.0")))
    assert (first.filled_qty, second.filled_qty) == (0, 5)


def test_on_spot_less_quantity_at_the_same_price_keeps_the_place() -> None:
    engine = spot()
    engine.open_account("you", balances={"AAA": D(100)})
    first = taken(engine.place("me", limit(BUY, 5, "100.0")))
    second = taken(engine.place("me", limit(BUY, 5, "100.0")))
    taken(engine.amend("me", first.order_id, qty=D(4)))
    assert engine.balances("me")["USDT"].locked == D(900)
    taken(engine.place("you", ioc(SELL, 5, "100.0")))
    assert (first.filled_qty, second.filled_qty) == (4, 1)


def test_an_amended_price_may_take() -> None:
    engine = um()
    order = taken(engine.place("me", limit(BUY, 5, "99.0")))
    taken(engine.amend("me", order.order_id, price=D("100.1")))
    assert order.status is FILLED
    assert not order.executions[0].is_maker


def test_an_amendment_can_end_its_own_order() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    order = taken(engine.place("me", limit(BUY, 5, "100.0")))
    taken(engine.place("you", ioc(SELL, 3, "100.0")))
    taken(engine.amend("me", order.order_id, qty=D(3)))
    assert (order.status, order.end_reason, order.filled_qty) == (CANCELED, "amend", 3)
    maker = taken(engine.place("me", limit(BUY, 5, "99.9", post_only=True)))
    taken(engine.amend("me", maker.order_id, price=D("100.1")))
    assert (maker.status, maker.end_reason, maker.filled_qty) == (CANCELED, "amend", 0)


def test_amending_a_partly_filled_order_counts_what_is_filled() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    order = taken(engine.place("me", limit(BUY, 5, "100.0")))
    taken(engine.place("you", ioc(SELL, 3, "100.0")))
    taken(engine.amend("me", order.order_id, qty=D(10)))
    assert (order.filled_qty, order.leaves_qty, order.status) == (3, 7, PARTLY)
    assert engine.best(SYMBOL)[0] == (D("100.0"), D(7))


# -- cancel and find ------------------------------------------------------------------------


def test_cancel_all_takes_one_symbol_or_all_and_conditional_orders_too() -> None:
    engine = um(instrument(), instrument(symbol="BBBUSDT", base="BBB"))
    tape = Tape(engine)
    here = [
        taken(engine.place("me", limit(BUY, 1, 99))),
        taken(engine.place("me", stop(SELL, 1, 90))),
    ]
    there = taken(engine.place("me", limit(BUY, 1, 99, symbol="BBBUSDT")))
    assert engine.cancel_all("me", SYMBOL) == here
    assert {order.status for order in here} == {CANCELED}
    assert {order.end_reason for order in here} == {"client"}
    assert there.status is NEW
    assert engine.cancel_all("me", reason="deadman") == [there]
    assert there.end_reason == "deadman"
    assert engine.cancel_all("me") == []
    assert [e.kind for e in tape.orders()].count(Kind.CANCELED) == 3


def test_find_takes_ids_of_both_kinds_and_the_newest_namesake() -> None:
    engine = um()
    older = taken(engine.place("me", market(BUY, 1, client_order_id="twin")))
    newer = taken(engine.place("me", limit(BUY, 1, 99, client_order_id="twin")))
    assert engine.find("me", client_order_id="twin") is newer
    assert engine.find("me", order_id=older.order_id) is older
    assert engine.find("me", order_id=older.order_id, client_order_id="twin") is older
    assert engine.find("me", order_id=older.order_id, client_order_id="other") is None
    assert engine.find("me", client_order_id="twin", symbol="BBBUSDT") is None
    assert engine.find("me", client_order_id="nobody") is None
    assert engine.find("me", order_id=12) is None
    engine.void(newer.order_id)
    assert engine.find("me", client_order_id="twin") is older


def test_types_that_wait_are_untriggered_and_the_others_are_not() -> None:
    waiting = {
        OrderType.STOP_MARKET: stop(SELL, 1, 90),
        OrderType.STOP_LIMIT: stop(SELL, 1, 90, type=OrderType.STOP_LIMIT, price=D(89)),
        OrderType.TAKE_PROFIT_MARKET: stop(SELL, 1, 110, type=OrderType.TAKE_PROFIT_MARKET),
        OrderType.TAKE_PROFIT_LIMIT: stop(
            SELL, 1, 110, type=OrderType.TAKE_PROFIT_LIMIT, price=D(110)
        ),
        OrderType.TRAILING_STOP_MARKET: market(
            SELL, 1, type=OrderType.TRAILING_STOP_MARKET, trailing_rate=D("0.01")
        ),
    }
    engine = um()
    for kind in OrderType:
        if kind.is_conditional:
            order = taken(engine.place("me", waiting.pop(kind)))
            assert order.status is OrderStatus.UNTRIGGERED
    assert waiting == {}
    assert engine.margin("me").order_initial == 0
