"""Conditional orders: when they fire, what they become, and what the scenario does to them."""

from __future__ import annotations

from typing import Any

import pytest
from engine_world import (
    BUY,
    SELL,
    SYMBOL,
    T0,
    D,
    Tape,
    instrument,
    jump,
    limit,
    market,
    pass_s,
    spot,
    stop,
    taken,
    um,
)

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import OrderEventKind as Kind
from outlast.mock.engine.knobs import Drift, EngineKnobs, MarketKnobs, MarkPolicy, TriggerPolicy
from outlast.mock.engine.model import (
    EngineMode,
    Order,
    OrderStatus,
    OrderType,
    RejectReason,
    TimeInForce,
)

LONG = {SYMBOL: (D(10), D(100))}
FILLED, EXPIRED, UNTRIGGERED = OrderStatus.FILLED, OrderStatus.EXPIRED, OrderStatus.UNTRIGGERED


def child_of(engine: Engine, order: Order) -> Order:
    assert order.became is not None
    child = engine.find("me", order_id=order.became)
    assert child is not None
    assert child.triggered_from == order.order_id
    return child


def move(engine: Engine, by: object) -> None:
    """The whole market jumps; a step later the tape has seen it."""
    engine.set_market(MarketKnobs(drift=jump(by)))
    pass_s(engine, 3)


# -- when -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "side", "at", "up_fires"),
    [
        (OrderType.STOP_MARKET, SELL, 95, False),
        (OrderType.STOP_MARKET, BUY, 105, True),
        (OrderType.TAKE_PROFIT_MARKET, SELL, 105, True),
        (OrderType.TAKE_PROFIT_MARKET, BUY, 95, False),
    ],
)
def test_the_side_of_the_price_on_which_an_order_fires(
    kind: OrderType, side: Any, at: int, up_fires: bool
) -> None:
    for up in (True, False):
        engine = um()
        order = taken(engine.place("me", stop(side, 1, at, type=kind)))
        pass_s(engine, 10)
        assert order.status is UNTRIGGERED
        move(engine, "0.06" if up else "-0.06")
        assert (order.status is EXPIRED) == (up == up_fires)
        if up == up_fires:
            assert order.end_reason == "triggered"
            child = child_of(engine, order)
            assert (child.request.type, child.status) == (OrderType.MARKET, FILLED)
            assert child.request.side is side


def test_it_fires_at_its_price_and_not_before() -> None:
    engine = um()
    order = taken(engine.place("me", stop(SELL, 1, "97.0")))
    engine.set_market(MarketKnobs(drift=Drift(D("-0.05"), 100_000)))
    while order.status is UNTRIGGERED:
        assert engine.last_price(SYMBOL) > D("97.0")
        engine.advance(engine.now_ms + 250)
    assert D("96.6") <= child_of(engine, order).avg_price <= D("97.0")


def test_a_stop_on_the_mark_does_not_look_at_the_last_price() -> None:
    engine = um()
    on_mark = taken(engine.place("me", stop(SELL, 1, 95, trigger_on_mark=True)))
    on_last = taken(engine.place("me", stop(SELL, 1, 95)))
    engine.configure(EngineKnobs(mark_offset=D("-0.06")))
    pass_s(engine, 1)
    assert (on_mark.status, on_last.status) == (EXPIRED, UNTRIGGERED)
    engine.configure(EngineKnobs(mark=MarkPolicy.FROZEN))
    move(engine, "-0.06")
    assert on_last.status is EXPIRED


def test_a_clients_trades_fire_stops_at_once_and_they_may_fire_others() -> None:
    engine = um(instrument(market_take_bound=D("0.5")), balances={"USDT": D(10**7)})
    engine.open_account("you", balances={"USDT": D(10**7)})
    bids = engine.book(SYMBOL, 10).bids
    first = taken(engine.place("me", stop(SELL, bids[2].qty + bids[3].qty + 1, "99.7")))
    second = taken(engine.place("me", stop(SELL, 1, "99.5")))
    third = taken(engine.place("me", stop(SELL, 1, "99.4")))
    taken(engine.place("you", market(SELL, bids[0].qty + bids[1].qty)))
    assert first.status is UNTRIGGERED, "the last price is 99.8"
    taken(engine.place("you", market(SELL, "0.1")))
    assert (first.status, second.status) == (EXPIRED, EXPIRED)
    assert third.status is UNTRIGGERED
    assert child_of(engine, second).avg_price == D("99.5")


# -- what it becomes ------------------------------------------------------------------------


def test_a_stop_limit_becomes_a_limit_order_with_its_own_time_in_force() -> None:
    engine = um()
    request = stop(
        SELL,
        2,
        95,
        type=OrderType.STOP_LIMIT,
        price=D("96.0"),
        time_in_force=TimeInForce.GTD,
        expires_ms=T0 + 60_000,
        client_order_id="protect",
    )
    order = taken(engine.place("me", request))
    move(engine, "-0.06")
    child = child_of(engine, order)
    assert (child.request.type, child.request.price) == (OrderType.LIMIT, D("96.0"))
    assert child.request.stop_price is None
    assert child.status is OrderStatus.NEW
    assert engine.find("me", client_order_id="protect") is child
    assert engine.best(SYMBOL)[1] is not None
    pass_s(engine, 60)
    assert (child.status, child.end_reason) == (EXPIRED, "gtd")


def test_the_events_tell_the_story_in_order() -> None:
    engine = um()
    tape = Tape(engine)
    order = taken(engine.place("me", stop(SELL, 1, 95)))
    move(engine, "-0.06")
    assert tape.kinds(order.order_id) == [Kind.NEW, Kind.EXPIRED]
    told = tape.orders(order.order_id)[-1].order
    assert (told.end_reason, told.became) == ("triggered", order.became)
    assert tape.kinds(child_of(engine, order).order_id) == [Kind.NEW, Kind.TRADE]


def test_close_position_closes_whatever_is_open_then() -> None:
    engine = um(positions=LONG)
    order = taken(engine.place("me", stop(SELL, 0, 95, close_position=True)))
    taken(engine.place("me", market(BUY, 5)))
    move(engine, "-0.06")
    child = child_of(engine, order)
    assert (child.request.qty, child.request.reduce_only) == (D(15), True)
    assert engine.positions("me")[SYMBOL].qty == 0


def test_close_position_with_nothing_to_close_is_rejected_when_it_fires() -> None:
    engine = um()
    tape = Tape(engine)
    order = taken(engine.place("me", stop(SELL, 0, 95, close_position=True)))
    move(engine, "-0.06")
    assert order.status is OrderStatus.REJECTED
    assert order.end_reason == RejectReason.REDUCE_ONLY_REJECTED.value
    assert order.became is None
    assert tape.kinds(order.order_id)[-1] is Kind.REJECTED


def test_a_stop_goes_before_the_resting_take_profit_of_the_same_position() -> None:
    engine = um(positions=LONG)
    profit = taken(engine.place("me", limit(SELL, 10, 105, reduce_only=True)))
    guard = taken(engine.place("me", stop(SELL, 10, 95, reduce_only=True)))
    move(engine, "-0.06")
    assert child_of(engine, guard).status is FILLED
    assert engine.positions("me")[SYMBOL].qty == 0
    assert (profit.status, profit.end_reason) == (EXPIRED, "reduce_only")


def test_um_asks_for_margin_only_when_the_order_fires() -> None:
    engine = um(balances={"USDT": D(100)})
    order = taken(engine.place("me", stop(BUY, 1_000, 105)))
    move(engine, "0.06")
    assert order.status is OrderStatus.REJECTED
    assert order.end_reason == RejectReason.INSUFFICIENT_MARGIN.value


def test_spot_locks_the_money_of_a_waiting_order_and_frees_it_for_what_it_becomes() -> None:
    engine = spot()
    order = taken(engine.place("me", stop(SELL, 600, 95)))
    buying = taken(engine.place("me", stop(BUY, 500, 105, type=OrderType.STOP_LIMIT, price=D(106))))
    assert engine.balances("me")["AAA"].locked == 600
    assert engine.balances("me")["USDT"].locked == 53_000
    move(engine, "-0.06")
    assert child_of(engine, order).filled_qty == 600
    assert engine.balances("me")["AAA"].locked == 0
    taken(engine.cancel("me", buying.order_id))
    assert engine.balances("me")["USDT"].locked == 0


def test_a_spot_stop_limit_may_use_the_whole_balance() -> None:
    engine = spot(balances={"USDT": D(10_600)})
    request = stop(BUY, 100, 105, type=OrderType.STOP_LIMIT, price=D(106))
    order = taken(engine.place("me", request))
    assert engine.balances("me")["USDT"].free == 0
    move(engine, "0.055")
    assert child_of(engine, order).status is FILLED


def test_a_spot_stop_whose_money_runs_out_fills_what_it_can() -> None:
    engine = spot(balances={"USDT": D(10_500)})
    order = taken(engine.place("me", stop(BUY, 100, 105)))
    move(engine, "0.08")
    child = child_of(engine, order)
    assert (child.status, child.end_reason) == (EXPIRED, "no_funds")
    assert D(90) < child.filled_qty < D(100)
    assert engine.balances("me")["USDT"].free >= 0


# -- trailing -------------------------------------------------------------------------------


def trailing(side: Any, rate: str, **rest: Any) -> Any:
    return market(side, 1, type=OrderType.TRAILING_STOP_MARKET, trailing_rate=D(rate), **rest)


def test_a_trailing_stop_follows_the_best_price_and_fires_behind_it() -> None:
    engine = um()
    order = taken(engine.place("me", trailing(SELL, "0.05")))
    move(engine, "-0.04")
    assert order.status is UNTRIGGERED
    move(engine, "0.25")  # 120
    move(engine, "-0.04")  # 115.2
    assert order.status is UNTRIGGERED
    move(engine, "-0.02")  # 112.9
    assert order.status is EXPIRED
    assert child_of(engine, order).avg_price < D(114)


def test_a_trailing_buy_mirrors_it() -> None:
    engine = um()
    order = taken(engine.place("me", trailing(BUY, "0.05")))
    move(engine, "-0.10")  # 90
    move(engine, "0.04")  # 93.6
    assert order.status is UNTRIGGERED
    move(engine, "0.02")  # 95.5
    assert order.status is EXPIRED


def test_a_trailing_stop_starts_at_its_activation_price() -> None:
    engine = um()
    order = taken(engine.place("me", trailing(SELL, "0.05", stop_price=D(110))))
    move(engine, "-0.10")  # 90: not active yet
    assert order.status is UNTRIGGERED
    move(engine, "0.25")  # 112.5
    move(engine, "-0.06")
    assert order.status is EXPIRED


# -- the scenario's setting -----------------------------------------------------------------


def test_dead_triggers_do_not_fire_and_fire_late_when_they_live_again() -> None:
    engine = um()
    order = taken(engine.place("me", stop(SELL, 1, 95)))
    engine.configure(EngineKnobs(triggers=TriggerPolicy.DEAD))
    move(engine, "-0.10")
    assert order.status is UNTRIGGERED
    engine.configure(EngineKnobs())
    assert order.status is EXPIRED
    assert child_of(engine, order).avg_price < D(91)


def test_on_resume_stops_go_before_held_orders_and_clients() -> None:
    engine = um(positions=LONG)
    order = taken(engine.place("me", stop(SELL, 10, 95, reduce_only=True)))
    engine.configure(EngineKnobs(mode=EngineMode.HALTED))
    engine.set_market(MarketKnobs(drift=jump("-0.10")))
    pass_s(engine, 60)
    assert order.status is UNTRIGGERED
    engine.configure(EngineKnobs(triggers=TriggerPolicy.ON_RESUME))
    assert order.status is EXPIRED
    assert child_of(engine, order).executions[0].at_ms == engine.now_ms
    assert engine.place("me", market(SELL, 10, reduce_only=True)).reason is (
        RejectReason.REDUCE_ONLY_REJECTED
    )


def test_before_resume_stops_fire_when_the_setting_is_taken_back() -> None:
    engine = um(positions=LONG)
    order = taken(engine.place("me", stop(SELL, 10, 95, trigger_on_mark=True)))
    waiting = EngineKnobs(
        mode=EngineMode.MAINTENANCE,
        triggers=TriggerPolicy.BEFORE_RESUME,
        mark=MarkPolicy.FROZEN,
    )
    engine.configure(waiting)
    engine.set_market(MarketKnobs(drift=jump("-0.10")))
    pass_s(engine, 60)
    assert order.status is UNTRIGGERED
    on_last = stop(SELL, 1, 95)
    assert engine.place("me", on_last).reason is RejectReason.MODE
    engine.configure(EngineKnobs(mode=EngineMode.CANCEL_ONLY))
    assert order.status is UNTRIGGERED, "its frozen mark had not moved"
    engine.configure(EngineKnobs())
    assert order.status is EXPIRED


def test_before_resume_nobody_can_cancel_in_time() -> None:
    engine = um(positions=LONG)
    order = taken(engine.place("me", stop(SELL, 10, 95)))
    engine.configure(EngineKnobs(mode=EngineMode.MAINTENANCE, triggers=TriggerPolicy.BEFORE_RESUME))
    engine.set_market(MarketKnobs(drift=jump("-0.10")))
    pass_s(engine, 60)
    assert engine.cancel("me", order.order_id).reason is RejectReason.MODE
    engine.configure(EngineKnobs(mode=EngineMode.CANCEL_ONLY))
    assert order.status is EXPIRED
    assert engine.positions("me")[SYMBOL].qty == 0


@pytest.mark.parametrize(
    ("triggers", "fires"), [(TriggerPolicy.LIVE, True), (TriggerPolicy.ON_RESUME, False)]
)
def test_in_maintenance_only_live_triggers_fire(triggers: TriggerPolicy, fires: bool) -> None:
    engine = um(positions=LONG)
    order = taken(engine.place("me", stop(SELL, 10, 95, reduce_only=True)))
    engine.configure(EngineKnobs(mode=EngineMode.MAINTENANCE, triggers=triggers))
    engine.set_market(MarketKnobs(drift=jump("-0.10")))
    pass_s(engine, 1)
    assert (order.status is EXPIRED) == fires
    assert (engine.positions("me")[SYMBOL].qty == 0) == fires


def test_nothing_fires_while_the_engine_is_halted_or_does_not_match() -> None:
    for knobs in (
        EngineKnobs(mode=EngineMode.HALTED, triggers=TriggerPolicy.LIVE),
        EngineKnobs(matching=False, triggers=TriggerPolicy.LIVE),
        EngineKnobs(mode=EngineMode.POST_ONLY),
    ):
        engine = um()
        order = taken(engine.place("me", stop(SELL, 1, 95, trigger_on_mark=True)))
        engine.configure(knobs)
        move(engine, "-0.10")
        assert order.status is UNTRIGGERED, knobs


def test_a_stop_that_the_market_has_passed_is_taken_with_the_account_and_fires_at_once() -> None:
    engine = um()
    engine.set_market(MarketKnobs(drift=jump("-0.10")))
    pass_s(engine, 1)
    given = stop(SELL, 10, 95, reduce_only=True)
    engine.open_account("late", balances={"USDT": D(100_000)}, positions=LONG, open_orders=[given])
    (order,) = engine.orders("late")
    pass_s(engine, 1)
    assert order.status is EXPIRED
    assert engine.positions("late")[SYMBOL].qty == 0
