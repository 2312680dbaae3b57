"""What each engine mode lets through, and what happens on the way back."""

from __future__ import annotations

import pytest
from engine_world import (
    BUY,
    SELL,
    SYMBOL,
    T0,
    D,
    Tape,
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

from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs, QueuePolicy
from outlast.mock.engine.model import (
    EngineMode,
    NewOrder,
    OrderStatus,
    Rejected,
    RejectReason,
    TimeInForce,
)

LONG = {SYMBOL: (D(10), D(100))}
REQUESTS = {
    "limit": limit(BUY, 1, 99),
    "post_only": limit(BUY, 1, 99, post_only=True),
    "market": market(BUY, 1),
    "ioc": ioc(BUY, 1, 101),
    "stop": stop(SELL, 1, 90),
    "reduce_market": market(SELL, 1, reduce_only=True),
    "reduce_limit": limit(SELL, 1, 101, reduce_only=True),
}
PASSES = {
    EngineMode.ONLINE: set(REQUESTS),
    EngineMode.CANCEL_ONLY: set(),
    EngineMode.POST_ONLY: {"post_only"},
    EngineMode.LIMIT_ONLY: {"limit", "post_only", "ioc", "reduce_limit"},
    EngineMode.REDUCE_ONLY: {"reduce_market", "reduce_limit"},
    EngineMode.MAINTENANCE: set(),
    EngineMode.AUCTION: {"limit", "post_only", "reduce_limit"},
    EngineMode.HALTED: set(),
}
CANCELS = set(EngineMode) - {EngineMode.MAINTENANCE, EngineMode.HALTED}


@pytest.mark.parametrize("mode", list(EngineMode))
@pytest.mark.parametrize("name", list(REQUESTS))
def test_what_a_mode_lets_in(mode: EngineMode, name: str) -> None:
    engine = um(positions=LONG)
    engine.configure(EngineKnobs(mode=mode))
    outcome = engine.place("me", REQUESTS[name])
    if name in PASSES[mode]:
        taken(outcome)
    else:
        assert outcome == Rejected(RejectReason.MODE, mode.value)


@pytest.mark.parametrize("mode", list(EngineMode))
def test_what_a_mode_lets_out(mode: EngineMode) -> None:
    engine = um()
    one, two, three = (taken(engine.place("me", limit(BUY, 1, 99))) for _ in range(3))
    engine.configure(EngineKnobs(mode=mode))
    outcome, rest = engine.cancel("me", one.order_id), engine.cancel_all("me")
    if mode in CANCELS:
        assert outcome is one
        assert rest == [two, three]
    else:
        assert outcome == rest == Rejected(RejectReason.MODE, mode.value)
        assert {order.status for order in (one, two, three)} == {OrderStatus.NEW}
        engine.cancel("me", one.order_id, reason="venue")
        assert one.status is OrderStatus.CANCELED


@pytest.mark.parametrize(
    ("mode", "passes"),
    [
        (EngineMode.ONLINE, True),
        (EngineMode.CANCEL_ONLY, False),
        (EngineMode.POST_ONLY, False),
        (EngineMode.LIMIT_ONLY, True),
        (EngineMode.REDUCE_ONLY, False),
        (EngineMode.MAINTENANCE, False),
        (EngineMode.AUCTION, True),
        (EngineMode.HALTED, False),
    ],
)
def test_amendments_pass_where_such_an_order_would(mode: EngineMode, passes: bool) -> None:
    engine = um()
    order = taken(engine.place("me", limit(BUY, 1, 99)))
    engine.configure(EngineKnobs(mode=mode, queue=QueuePolicy.HOLD))
    outcome = engine.amend("me", order.order_id, price=D(98))
    assert (outcome is order) == passes


def test_on_spot_reduce_only_mode_lets_sales_through() -> None:
    engine = spot()
    engine.configure(EngineKnobs(mode=EngineMode.REDUCE_ONLY))
    taken(engine.place("me", market(SELL, 1)))
    assert refused(engine.place("me", market(BUY, 1))).reason is RejectReason.MODE


# -- a book that stands still ---------------------------------------------------------------


@pytest.mark.parametrize(
    "mode",
    [EngineMode.HALTED, EngineMode.MAINTENANCE, EngineMode.CANCEL_ONLY, EngineMode.AUCTION],
)
def test_book_and_tape_stand_still_while_nobody_may_quote(mode: EngineMode) -> None:
    engine = um()
    pass_s(engine, 5)
    engine.configure(EngineKnobs(mode=mode))
    book, tape = engine.book(SYMBOL, 10), engine.tape(SYMBOL, 100)
    engine.set_market(MarketKnobs(drift=jump("-0.05")))
    pass_s(engine, 30)
    assert engine.book(SYMBOL, 10).bids == book.bids
    assert engine.tape(SYMBOL, 100) == tape
    engine.configure(EngineKnobs())
    bid, ask = engine.best(SYMBOL)
    assert bid is not None
    assert ask is not None
    assert bid.price < D(95) < ask.price


def test_a_resting_order_waits_through_a_halt_and_meets_the_market_after_it() -> None:
    engine = um()
    order = taken(engine.place("me", limit(BUY, 5, 97)))
    engine.configure(EngineKnobs(mode=EngineMode.HALTED))
    engine.set_market(MarketKnobs(drift=jump("-0.05")))
    pass_s(engine, 30)
    assert order.filled_qty == 0
    engine.configure(EngineKnobs())
    assert order.status is OrderStatus.FILLED
    assert order.avg_price == 97, "a maker trades at its own price"


def test_without_matching_orders_rest_but_nothing_trades() -> None:
    engine = um()
    engine.configure(EngineKnobs(matching=False))
    resting = taken(engine.place("me", limit(BUY, 1, 99)))
    assert refused(engine.place("me", market(BUY, 1))).reason is RejectReason.MODE
    assert refused(engine.place("me", limit(BUY, 1, 101))).reason is RejectReason.MODE
    engine.set_market(MarketKnobs(drift=jump("-0.05")))
    pass_s(engine, 10)
    assert resting.filled_qty == 0
    bid, ask = engine.best(SYMBOL)
    assert bid == (D("99.0"), D(1))
    assert ask is None or ask.price > D(99), "makers that would cross are not in the book"
    engine.configure(EngineKnobs())
    assert resting.status is OrderStatus.FILLED


# -- queue: hold ----------------------------------------------------------------------------


def test_held_orders_are_worked_in_order_of_arrival_when_matching_is_back() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    engine.configure(EngineKnobs(mode=EngineMode.HALTED, queue=QueuePolicy.HOLD))
    tape = Tape(engine)
    resting = taken(engine.place("me", limit(SELL, 2, "100.0")))
    first = taken(engine.place("you", market(BUY, 2)))
    second = taken(engine.place("you", market(BUY, 2)))
    assert [o.status for o in (resting, first, second)] == [OrderStatus.NEW] * 3
    assert engine.best(SYMBOL)[1] != (D("100.0"), D(2)), "held orders are not in the book"
    pass_s(engine, 60)
    engine.configure(EngineKnobs())
    assert [o.status for o in (resting, first, second)] == [OrderStatus.FILLED] * 3
    assert first.avg_price == D("100.0")
    assert second.avg_price == D("100.1")
    assert first.executions[0].at_ms == engine.now_ms
    assert [e.order.order_id for e in tape.orders()][:3] == [1, 2, 3]


def test_a_held_order_can_be_cancelled_once_cancels_pass() -> None:
    engine = um()
    engine.configure(EngineKnobs(mode=EngineMode.HALTED, queue=QueuePolicy.HOLD))
    order = taken(engine.place("me", market(BUY, 2)))
    assert refused(engine.cancel("me", order.order_id)).reason is RejectReason.MODE
    engine.configure(EngineKnobs(mode=EngineMode.CANCEL_ONLY))
    taken(engine.cancel("me", order.order_id))
    engine.configure(EngineKnobs())
    assert (order.status, order.filled_qty) == (OrderStatus.CANCELED, 0)


def test_held_orders_on_spot_lock_their_money() -> None:
    engine = spot()
    engine.configure(EngineKnobs(mode=EngineMode.HALTED, queue=QueuePolicy.HOLD))
    bought = taken(engine.place("me", market(BUY, 600)))
    assert engine.balances("me")["USDT"].locked == 60_000
    assert refused(engine.place("me", market(BUY, 600))).reason is (
        RejectReason.INSUFFICIENT_BALANCE
    )
    engine.configure(EngineKnobs())
    assert bought.status is OrderStatus.FILLED
    assert engine.balances("me")["USDT"].locked == 0


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (limit(BUY, 1, "99.5", post_only=True), "post_only_would_take"),
        (limit(BUY, 9_000, "99.0", time_in_force=TimeInForce.FOK), "fok"),
        (ioc(BUY, 1, "90.0"), "ioc"),
    ],
)
def test_held_orders_that_cannot_be_carried_out_expire(request_: NewOrder, reason: str) -> None:
    engine = um()
    engine.configure(EngineKnobs(mode=EngineMode.HALTED, queue=QueuePolicy.HOLD))
    order = taken(engine.place("me", request_))
    engine.set_market(MarketKnobs(drift=jump("-0.02")))
    engine.configure(EngineKnobs())
    assert (order.status, order.end_reason) == (OrderStatus.EXPIRED, reason)


def test_auction_orders_may_cross_and_match_at_its_end() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    engine.configure(EngineKnobs(mode=EngineMode.AUCTION))
    mine = taken(engine.place("me", limit(SELL, 5, "99.0")))
    yours = taken(engine.place("you", limit(BUY, 5, "101.0")))
    calm = taken(engine.place("you", limit(BUY, 5, "98.0")))
    assert mine.filled_qty == yours.filled_qty == 0
    bid, ask = engine.best(SYMBOL)
    assert bid is not None
    assert ask is not None
    assert bid.price < ask.price
    assert engine.book(SYMBOL, 30).bids[-1].price <= D("98.0")
    taken(engine.cancel("you", yours.order_id))
    engine.configure(EngineKnobs())
    assert mine.status is OrderStatus.FILLED
    assert calm.status is OrderStatus.NEW


def test_gtd_runs_out_during_a_halt() -> None:
    engine = um()
    request = limit(BUY, 1, 99, time_in_force=TimeInForce.GTD, expires_ms=T0 + 5_000)
    order = taken(engine.place("me", request))
    engine.configure(EngineKnobs(mode=EngineMode.HALTED))
    pass_s(engine, 10)
    assert (order.status, order.end_reason) == (OrderStatus.EXPIRED, "gtd")
