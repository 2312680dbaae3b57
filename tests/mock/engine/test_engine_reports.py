"""Fills from the market's side, and what is told of everything: when, in which order, to whom."""

from __future__ import annotations

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
    spot,
    taken,
    um,
)

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import (
    BalanceEvent,
    OrderEventKind,
    PositionEvent,
    TradeEvent,
)
from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs
from outlast.mock.engine.model import EngineMode, Order, OrderStatus, OrderType

Kind = OrderEventKind
TRAILING = OrderType.TRAILING_STOP_MARKET

# -- resting orders and the market ----------------------------------------------------------


def test_a_resting_order_is_filled_when_the_market_trades_through_it() -> None:
    engine = um()
    order = taken(engine.place("me", limit(BUY, 10, "98.0")))
    pass_s(engine, 30)
    assert order.filled_qty == 0
    engine.set_market(MarketKnobs(drift=jump("-0.05")))
    assert order.status is OrderStatus.FILLED
    (execution,) = order.executions
    assert execution.is_maker
    assert execution.price == D("98.0")
    assert execution.fee == D("0.196")
    assert engine.positions("me")[SYMBOL].entry == D("98.0")


def test_an_order_too_large_for_one_pass_fills_as_makers_come_back() -> None:
    engine = um(balances={"USDT": D(10**7)})
    order = taken(engine.place("me", limit(BUY, 20_000, "96.0")))
    engine.set_market(MarketKnobs(drift=jump("-0.05")))
    first = order.filled_qty
    assert D(500) < first < D(5_000)
    bid, ask = engine.best(SYMBOL)
    assert bid is not None
    assert bid == (D("96.0"), order.leaves_qty)
    assert ask is None or ask.price > bid.price
    pass_s(engine, 10)
    assert order.filled_qty > first


def test_an_order_at_the_touch_waits_behind_the_makers_and_then_gets_its_turn() -> None:
    engine = um()
    behind = taken(engine.place("me", limit(BUY, 1, "99.9")))
    inside = taken(engine.place("me", limit(BUY, 1, "100.0")))
    waited_ms = {}
    for _ in range(2_000):
        engine.advance(engine.now_ms + 250)
        for order in (behind, inside):
            if order.status is OrderStatus.FILLED:
                waited_ms.setdefault(order.order_id, order.updated_ms - T0)
    assert waited_ms[inside.order_id] < waited_ms[behind.order_id]
    assert behind.avg_price == D("99.9")
    assert inside.avg_price == D("100.0")


def test_a_fill_shows_on_the_public_tape() -> None:
    engine = um()
    tape = Tape(engine)
    taken(engine.place("me", market(SELL, 5)))
    (told,) = tape.of(TradeEvent)
    (printed,) = engine.tape(SYMBOL, 1)
    assert told.trade == printed
    assert (printed.qty, printed.taker_side, printed.by_client) == (D(5), SELL, True)


# -- fills_delay ----------------------------------------------------------------------------


def test_delayed_fills_are_real_at_once_and_reported_later() -> None:
    engine = um()
    engine.configure(EngineKnobs(fills_delay_ms=12_000))
    tape = Tape(engine)
    order = taken(engine.place("me", market(BUY, 5)))
    assert order.status is OrderStatus.FILLED
    assert engine.positions("me")[SYMBOL].qty == 5
    assert engine.executions("me") == []
    assert len(engine.executions("me", visible_only=False)) == 1
    shown = engine.reported(order)
    assert (shown.status, shown.filled_qty) == (OrderStatus.NEW, 0)
    assert tape.kinds(order.order_id) == [Kind.NEW]
    assert tape.of(PositionEvent) == tape.of(BalanceEvent) == []

    engine.advance(T0 + 11_999)
    assert engine.executions("me") == []
    engine.advance(T0 + 12_000)
    assert engine.executions("me") == order.executions
    assert engine.reported(order).status is OrderStatus.FILLED
    assert tape.kinds(order.order_id) == [Kind.NEW, Kind.TRADE]
    event = tape.orders(order.order_id)[-1]
    assert (event.at_ms, event.shown_ms) == (T0, T0 + 12_000)
    (position,) = tape.of(PositionEvent)
    assert (position.qty, position.shown_ms) == (5, T0 + 12_000)


def test_what_follows_a_delayed_fill_waits_behind_it() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    order = taken(engine.place("me", limit(BUY, 5, "100.0")))
    tape = Tape(engine)
    engine.configure(EngineKnobs(fills_delay_ms=10_000))
    taken(engine.place("you", ioc(SELL, 2, "100.0")))
    pass_s(engine, 1)
    engine.configure(EngineKnobs())
    taken(engine.place("you", ioc(SELL, 1, "100.0")))
    taken(engine.cancel("me", order.order_id))
    assert order.status is OrderStatus.CANCELED
    assert engine.reported(order).status is OrderStatus.NEW
    assert tape.kinds(order.order_id) == []
    pass_s(engine, 9)
    assert tape.kinds(order.order_id) == [Kind.TRADE, Kind.TRADE, Kind.CANCELED]
    assert [e.order.filled_qty for e in tape.orders(order.order_id)] == [2, 3, 3]
    assert [e.visible_ms for e in order.executions] == [T0 + 10_000] * 2


def test_other_orders_do_not_wait_behind_a_delayed_fill() -> None:
    engine = um()
    engine.configure(EngineKnobs(fills_delay_ms=10_000))
    tape = Tape(engine)
    taken(engine.place("me", market(BUY, 5)))
    calm = taken(engine.place("me", limit(BUY, 1, 99)))
    assert tape.kinds(calm.order_id) == [Kind.NEW]


# -- events ---------------------------------------------------------------------------------


def test_a_taker_is_told_its_life_and_the_ledgers_once() -> None:
    engine = um()
    asks = engine.book(SYMBOL, 2).asks
    tape = Tape(engine)
    order = taken(engine.place("me", market(BUY, asks[0].qty + 1)))
    assert tape.kinds(order.order_id) == [Kind.NEW, Kind.TRADE, Kind.TRADE]
    assert [e.order.status for e in tape.orders()] == [
        OrderStatus.NEW,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.FILLED,
    ]
    (balance,) = tape.of(BalanceEvent)
    (position,) = tape.of(PositionEvent)
    assert balance.total == D(100_000) - sum(e.fee for e in order.executions)
    assert balance.reason == position.reason == "order"
    assert position.qty == order.filled_qty
    assert position.entry == order.avg_price


def test_a_resting_um_order_moves_no_balance_and_a_spot_order_its_lock() -> None:
    for engine, expected in ((um(), []), (spot(), [(D(100_000), D(99_010), D(990))])):
        tape = Tape(engine)
        taken(engine.place("me", limit(BUY, 10, 99)))
        told = [(e.total, e.free, e.locked) for e in tape.of(BalanceEvent)]
        assert told == expected


def test_an_unfilled_ioc_is_new_and_then_expired() -> None:
    engine = um()
    tape = Tape(engine)
    order = taken(engine.place("me", ioc(BUY, 1, 99)))
    assert tape.kinds(order.order_id) == [Kind.NEW, Kind.EXPIRED]
    assert tape.orders()[-1].order.end_reason == "ioc"


def test_silent_orders_are_told_as_silent_for_their_whole_life() -> None:
    engine = um()
    tape = Tape(engine)
    order = taken(engine.place("me", limit(BUY, 5, "98.0"), silent=True))
    loud = taken(engine.place("me", limit(BUY, 5, "97.0")))
    engine.set_market(MarketKnobs(drift=jump("-0.05")))
    assert order.status is loud.status is OrderStatus.FILLED
    assert {e.silent for e in tape.orders(order.order_id)} == {True}
    assert {e.silent for e in tape.orders(loud.order_id)} == {False}
    assert [e.silent for e in tape.of(PositionEvent)] == [False], "one of its causes was loud"


def test_a_listener_may_do_without_public_prints() -> None:
    engine = um(instrument(vol_bps_per_min=D(10)))
    heard: list[object] = []
    engine.listen(heard.append, public_trades=False)
    pass_s(engine, 10)
    taken(engine.place("me", market(BUY, 1)))
    assert not any(isinstance(event, TradeEvent) for event in heard)
    assert heard


# -- sweeps and voids -----------------------------------------------------------------------


def ten_orders(seed: int = 7) -> tuple[Engine, list[Order]]:
    engine = um(seed=seed)
    return engine, [taken(engine.place("me", limit(BUY, 1, 90 + n))) for n in range(10)]


@pytest.mark.parametrize("silent", [False, True])
def test_a_share_of_the_resting_orders_is_cancelled_once(silent: bool) -> None:
    engine, orders = ten_orders()
    tape = Tape(engine)
    knobs = EngineKnobs(keep_orders=D("0.7"), silent_cancels=silent, sweep_id=1)
    engine.configure(knobs)
    gone = [order for order in orders if order.status is OrderStatus.CANCELED]
    assert len(gone) == 3
    assert {order.end_reason for order in gone} == {"venue"}
    assert [(e.kind, e.silent) for e in tape.orders()] == [(Kind.CANCELED, silent)] * 3
    engine.configure(knobs)
    engine.configure(EngineKnobs(keep_orders=D("0.7"), sweep_id=1, fills_delay_ms=1))
    assert sum(order.status.is_open for order in orders) == 7
    engine.configure(EngineKnobs(keep_orders=D("0.7"), sweep_id=2))
    assert sum(order.status.is_open for order in orders) in (4, 5)


def test_a_share_of_few_orders_is_the_right_share_over_many_seeds() -> None:
    lost = 0
    for seed in range(200):
        engine = um(seed=seed)
        orders = [taken(engine.place("me", limit(BUY, 1, 90 + n))) for n in range(3)]
        engine.configure(EngineKnobs(keep_orders=D("0.9"), sweep_id=1))
        lost += sum(not order.status.is_open for order in orders)
    assert 35 <= lost <= 85, "a tenth of 600 orders"


def test_which_orders_go_depends_on_the_seed_alone() -> None:
    def gone(seed: int) -> list[int]:
        engine, orders = ten_orders(seed)
        engine.configure(EngineKnobs(keep_orders=D("0.5"), sweep_id=1))
        return [order.order_id for order in orders if not order.status.is_open]

    assert gone(1) == gone(1)
    assert len({tuple(gone(seed)) for seed in range(8)}) > 1


def test_a_whole_order_type_is_cancelled() -> None:
    engine, orders = ten_orders()
    trailing = taken(
        engine.place(
            "me",
            market(SELL, 1, type=TRAILING, trailing_rate=D("0.05")),
        )
    )
    engine.configure(EngineKnobs(mode=EngineMode.HALTED, cancel_types=(TRAILING,)))
    assert trailing.status is OrderStatus.CANCELED
    assert all(order.status.is_open for order in orders)


def test_a_voided_order_is_gone_for_everybody_but_the_truth() -> None:
    engine = spot()
    tape = Tape(engine)
    order = taken(engine.place("me", limit(BUY, 10, 99, client_order_id="ghost")))
    seen = len(tape.orders())
    assert engine.void(order.order_id)
    assert engine.find("me", client_order_id="ghost") is None
    assert engine.find("me", order_id=order.order_id) is None
    assert engine.orders("me") == engine.orders("me", only_open=True) == []
    assert engine.all_orders() == [order]
    assert order.voided
    assert len(tape.orders()) == seen
    assert all(event.silent for event in tape.of(BalanceEvent)[1:])
    assert engine.balances("me")["USDT"].locked == 0
    assert engine.book(SYMBOL, 10).bids[-1].price > D("98.9")
    taken(engine.place("me", limit(BUY, 10, 99, client_order_id="ghost")))


def test_an_order_that_has_filled_cannot_vanish() -> None:
    engine = um()
    engine.open_account("you", balances={"USDT": D(100_000)})
    tape = Tape(engine)
    filled = taken(engine.place("me", market(BUY, 1)))
    partly = taken(engine.place("me", limit(BUY, 5, "100.0")))
    taken(engine.place("you", ioc(SELL, 2, "100.0")))
    assert not engine.void(filled.order_id)
    assert not engine.void(partly.order_id)
    assert engine.find("me", order_id=partly.order_id) is partly
    assert (partly.status, partly.filled_qty) == (OrderStatus.CANCELED, 2)
    assert tape.orders(partly.order_id)[-1].silent
    assert not filled.voided
    assert not partly.voided
