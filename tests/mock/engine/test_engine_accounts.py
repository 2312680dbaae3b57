"""Money: fees, realised profit, margin, reduce-only, liquidation, insurance and funding."""

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

from outlast.mock.engine.accounts import Position
from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import (
    BalanceEvent,
    FundingEvent,
    OrderEventKind,
    PositionEvent,
)
from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs
from outlast.mock.engine.model import EngineMode, OrderStatus, RejectReason
from outlast.mock.engine.views import AssetBalance

LONG = {SYMBOL: (D(10), D(100))}


def trade(engine: Engine, side: object, qty: object, price: object) -> None:
    """`me` trades exactly there, against another account."""
    if "you" not in engine.accounts:
        engine.open_account("you", balances={"USDT": D(10**9), "AAA": D(10**6)})
    ahead = limit(side, qty, price)
    taken(engine.place("you", limit(ahead.side.opposite, qty, price, post_only=True)))
    assert taken(engine.place("me", ahead)).filled_qty == D(str(qty))


# -- spot -----------------------------------------------------------------------------------


def test_spot_fees_are_taken_from_what_is_received() -> None:
    engine = spot()
    trade(engine, BUY, 10, "100.0")
    assert engine.balances("me") == {
        "USDT": AssetBalance(D(99_000), D(99_000), D(0)),
        "AAA": AssetBalance(D("1009.995"), D("1009.995"), D(0)),
    }
    trade(engine, SELL, 4, "100.0")
    assert engine.balances("me")["USDT"].total == D("99399.8")
    assert engine.balances("me")["AAA"].total == D("1005.995")
    bought, sold = engine.executions("me")
    assert (bought.fee, bought.fee_currency) == (D("0.005"), "AAA")
    assert (sold.fee, sold.fee_currency) == (D("0.2"), "USDT")


def test_spot_locks_follow_the_order_through_partial_fills() -> None:
    engine = spot()
    engine.open_account("you", balances={"AAA": D(100)})
    order = taken(engine.place("me", limit(BUY, 10, "100.0")))
    assert engine.balances("me")["USDT"].locked == 1_000
    taken(engine.place("you", ioc(SELL, 4, "100.0")))
    assert engine.balances("me")["USDT"] == AssetBalance(D(99_600), D(99_000), D(600))
    taken(engine.cancel("me", order.order_id))
    assert engine.balances("me")["USDT"] == AssetBalance(D(99_600), D(99_600), D(0))


def test_spot_has_no_positions_and_no_margin() -> None:
    engine = spot()
    taken(engine.place("me", market(BUY, 1)))
    assert engine.positions("me") == {}
    with pytest.raises(ValueError, match="spot accounts have none"):
        engine.margin("me")


# -- positions ------------------------------------------------------------------------------


def test_a_round_trip_realises_exactly_the_difference() -> None:
    engine = um()
    trade(engine, BUY, 10, "100.0")
    trade(engine, BUY, 20, "100.1")
    assert engine.positions("me")[SYMBOL].entry == D(3_002) / 30
    trade(engine, SELL, 7, "99.9")
    trade(engine, SELL, 23, "100.0")
    position = engine.positions("me")[SYMBOL]
    assert (position.qty, position.entry) == (0, 0)
    assert position.realised == 7 * D("99.9") + 23 * D("100.0") - 3_002
    flows = engine.flows("me")["USDT"]
    assert flows.traded == position.realised
    assert flows.fees == sum(execution.fee for execution in engine.executions("me"))
    assert engine.balances("me")["USDT"].total == flows.total


def test_a_fill_larger_than_the_position_turns_it() -> None:
    engine = um(positions=LONG)
    trade(engine, SELL, 15, "99.9")
    position = engine.positions("me")[SYMBOL]
    assert (position.qty, position.entry, position.realised) == (-5, D("99.9"), -1)
    trade(engine, BUY, 15, "100.0")
    position = engine.positions("me")[SYMBOL]
    assert (position.qty, position.entry) == (10, 100)
    assert position.realised == D("-1.5")


@pytest.mark.parametrize("sign", [1, -1])
def test_rounded_parts_add_up_to_the_whole(sign: int) -> None:
    position = Position()
    cash = Decimal(0)
    for qty, price in ((3, "0.24803"), (3, "0.2480"), (1, "0.24799")):
        position.fill(D(sign * qty), D(price), T0)
        cash -= sign * qty * D(price)
    realised = Decimal(0)
    for qty in (2, 2, 3):
        realised += position.fill(D(-sign * qty), D("0.25"), T0)
        cash += sign * qty * D("0.25")
    assert position.qty == position.cost == 0
    assert realised == cash


# -- margin ---------------------------------------------------------------------------------


def test_the_margin_summary_adds_up() -> None:
    engine = um(positions=LONG)
    engine.set_market(MarketKnobs(drift=jump("-0.05")))
    taken(engine.place("me", limit(BUY, 20, "90.0")))
    taken(engine.place("me", limit(SELL, 5, "99.0", reduce_only=True)))
    margin = engine.margin("me")
    assert margin.wallet == 100_000
    assert margin.unrealised == -50
    assert margin.margin_balance == 99_950
    assert margin.initial == D("47.5")
    assert margin.order_initial == 90
    assert margin.maintenance == D("9.5")
    assert margin.available == D("99812.5")
    balance = engine.balances("me")["USDT"]
    assert (balance.total, balance.free, balance.locked) == (100_000, D("99812.5"), D("137.5"))
    position = engine.positions("me")[SYMBOL]
    assert (position.initial_margin, position.maint_margin) == (D("47.5"), D("9.5"))
    assert (position.mark, position.unrealised) == (95, -50)


def test_orders_against_the_position_need_margin_only_beyond_it() -> None:
    engine = um(balances={"USDT": D(60)}, positions=LONG)
    taken(engine.place("me", limit(SELL, 20, "100.5")))
    assert engine.margin("me").order_initial == pytest.approx(Decimal("0.5"))
    short = refused(engine.place("me", limit(SELL, 10, "100.5")))
    assert short.reason is RejectReason.INSUFFICIENT_MARGIN


def test_two_currencies_are_two_margins() -> None:
    engine = um(
        instrument(),
        instrument(symbol="AAAUSDC", quote="USDC"),
        balances={"USDT": D(100), "USDC": D(50)},
    )
    taken(engine.place("me", market(BUY, 10, symbol="AAAUSDC")))
    assert engine.margin("me").initial == 0
    assert engine.margin("me", "USDC").initial == 50
    assert engine.margin("me", "USDC").available == 0
    taken(engine.place("me", market(BUY, 10)))


def test_the_liquidation_price_is_where_the_account_is_liquidated() -> None:
    for qty in (D(50), D(-50)):
        engine = um(balances={"USDT": D(500)}, positions={SYMBOL: (qty, D(100))})
        price = engine.positions("me")[SYMBOL].liquidation_price
        assert price == ((D(90) / D("0.99")) if qty > 0 else (D(110) / D("1.01"))).quantize(
            D("1e-8")
        )
        just_before = price * (D("1.002") if qty > 0 else D("0.998"))
        engine.set_market(MarketKnobs(drift=jump(just_before / 100 - 1)))
        pass_s(engine, 1)
        assert engine.positions("me")[SYMBOL].qty == qty
        engine.set_market(MarketKnobs(drift=jump("-0.004" if qty > 0 else "0.004")))
        pass_s(engine, 1)
        assert engine.positions("me")[SYMBOL].qty == 0


def test_a_rich_account_has_no_liquidation_price() -> None:
    assert um(positions=LONG).positions("me")[SYMBOL].liquidation_price == 0


def test_leverage_is_the_accounts_own_and_moves_its_margin() -> None:
    engine = um(positions=LONG)
    engine.open_account("you", balances={"USDT": D(1_000)}, positions=LONG)
    assert engine.leverage("me", SYMBOL) == 20
    assert engine.set_leverage("me", SYMBOL, 5) is None
    assert engine.margin("me").initial == engine.positions("me")[SYMBOL].initial_margin == 200
    assert engine.margin("you").initial == 50
    taken(engine.place("me", limit(BUY, 10, 90)))
    assert engine.margin("me").order_initial == 180
    with pytest.raises(ValueError, match="at least 1"):
        engine.set_leverage("me", SYMBOL, 0)


def test_leverage_that_the_margin_does_not_carry_is_refused() -> None:
    engine = um(balances={"USDT": D(60)}, positions=LONG)
    refusal = engine.set_leverage("me", SYMBOL, 10)
    assert refusal is not None
    assert refusal.reason is RejectReason.INSUFFICIENT_MARGIN
    assert engine.leverage("me", SYMBOL) == 20
    assert engine.set_leverage("me", SYMBOL, 50) is None


# -- reduce-only ----------------------------------------------------------------------------


def test_a_reduce_only_order_is_cut_to_the_position() -> None:
    engine = um(positions=LONG)
    order = taken(engine.place("me", market(SELL, 25, reduce_only=True)))
    assert (order.request.qty, order.status) == (10, OrderStatus.FILLED)
    assert engine.positions("me")[SYMBOL].qty == 0


def test_resting_reduce_only_orders_count_against_the_next_one() -> None:
    engine = um(positions=LONG)
    resting = taken(engine.place("me", limit(SELL, 6, 105, reduce_only=True)))
    order = taken(engine.place("me", limit(SELL, 9, 106, reduce_only=True)))
    assert order.request.qty == 4
    assert refused(engine.place("me", market(SELL, 1, reduce_only=True))).reason is (
        RejectReason.REDUCE_ONLY_REJECTED
    )
    taken(engine.cancel("me", resting.order_id))
    assert taken(engine.place("me", market(SELL, 9, reduce_only=True))).filled_qty == 6


def test_a_waiting_reduce_only_stop_does_not_use_the_position_up() -> None:
    engine = um(positions=LONG)
    taken(engine.place("me", stop(SELL, 10, 90, reduce_only=True)))
    assert taken(engine.place("me", market(SELL, 10, reduce_only=True))).filled_qty == 10


def test_reduce_only_orders_expire_once_there_is_nothing_to_reduce() -> None:
    engine = um(positions=LONG)
    resting = taken(engine.place("me", limit(SELL, 10, 105, reduce_only=True)))
    taken(engine.place("me", market(SELL, 6)))
    assert resting.status is OrderStatus.NEW
    taken(engine.place("me", market(SELL, 6)))
    assert (resting.status, resting.end_reason) == (OrderStatus.EXPIRED, "reduce_only")


def test_a_resting_reduce_only_order_never_turns_the_position() -> None:
    for by_market in (True, False):
        engine = um(positions=LONG)
        engine.open_account("you", balances={"USDT": D(10**6)})
        resting = taken(engine.place("me", limit(SELL, 10, "100.5", reduce_only=True)))
        taken(engine.place("me", market(SELL, 7)))
        if by_market:
            engine.set_market(MarketKnobs(drift=jump("0.02")))
        else:
            taken(engine.place("you", limit(BUY, 5_000, "100.5")))
        assert engine.positions("me")[SYMBOL].qty == 0
        assert resting.filled_qty == 3
        assert (resting.status, resting.end_reason) == (OrderStatus.EXPIRED, "reduce_only")


def test_with_margin_to_spare_a_reduce_only_order_beside_other_sales_is_taken() -> None:
    engine = um(positions=LONG)
    taken(engine.place("me", limit(SELL, 5, 105)))
    assert taken(engine.place("me", market(SELL, 10, reduce_only=True))).filled_qty == 10


# -- liquidation ----------------------------------------------------------------------------


def doomed() -> Engine:
    """Two positions: the larger one's end saves the smaller one."""
    engine = um(
        instrument(),
        instrument(symbol="BBBUSDT", base="BBB"),
        balances={"USDT": D(1_000)},
        positions={SYMBOL: (D(8), D(100)), "BBBUSDT": (D(90), D(100))},
    )
    taken(engine.place("me", limit(BUY, 1, 70)))
    taken(engine.place("me", stop(SELL, 1, 60)))
    engine.set_market(MarketKnobs(drift=jump("-0.096")))
    return engine


def test_liquidation_ends_the_orders_and_takes_the_largest_position_over_at_the_mark() -> None:
    engine = doomed()
    tape = Tape(engine)
    fees_before = engine.flows("me")["USDT"].fees
    engine.advance(T0 + 250)
    positions = engine.positions("me")
    assert (positions["BBBUSDT"].qty, positions[SYMBOL].qty) == (0, 8)
    assert {(o.status, o.end_reason) for o in engine.orders("me")[:2]} == {
        (OrderStatus.EXPIRED, "liquidation")
    }
    closing = engine.orders("me")[-1]
    assert closing.request.client_order_id == f"autoclose-{closing.order_id}"
    assert closing.status is OrderStatus.FILLED
    (execution,) = closing.executions
    assert execution.price == engine.mark_price("BBBUSDT") == D("90.4")
    assert execution.realised_pnl == 90 * D("-9.6")
    assert engine.flows("me")["USDT"].fees - fees_before == execution.fee
    assert tape.kinds(closing.order_id) == [OrderEventKind.NEW, OrderEventKind.CALCULATED]
    assert len(tape.of(PositionEvent)) == len(tape.of(BalanceEvent)) == 1


def test_an_account_in_liquidation_may_place_nothing_until_it_is_over() -> None:
    engine = doomed()
    engine.advance(T0 + 250)
    assert refused(engine.place("me", limit(BUY, 1, 89))).reason is RejectReason.IN_LIQUIDATION
    engine.advance(T0 + 500)
    taken(engine.place("me", limit(BUY, 1, 89)))
    assert engine.positions("me")[SYMBOL].qty == 8, "the rest carries itself"


def test_what_a_liquidated_account_owes_is_the_insurances() -> None:
    engine = um(balances={"USDT": D(1_000)}, positions={SYMBOL: (D(100), D(100))})
    tape = Tape(engine)
    engine.set_market(MarketKnobs(drift=jump("-0.30")))
    pass_s(engine, 1)
    flows = engine.flows("me")["USDT"]
    assert flows.traded == -3_000
    assert flows.insurance == 3_000 + flows.fees - 1_000
    assert flows.total == engine.balances("me")["USDT"].total == 0
    assert [event.reason for event in tape.of(BalanceEvent)] == ["insurance"]


@pytest.mark.parametrize(
    "knobs",
    [
        EngineKnobs(liquidations=False),
        EngineKnobs(mode=EngineMode.HALTED),
        EngineKnobs(mode=EngineMode.MAINTENANCE),
        EngineKnobs(matching=False),
    ],
)
def test_no_liquidation_while_the_venue_does_not_run_it(knobs: EngineKnobs) -> None:
    engine = doomed()
    engine.configure(knobs)
    pass_s(engine, 10)
    assert engine.positions("me")["BBBUSDT"].qty == 90
    engine.configure(EngineKnobs())
    pass_s(engine, 1)
    assert engine.positions("me")["BBBUSDT"].qty == 0


def test_a_shifted_mark_liquidates_where_the_market_would_not() -> None:
    engine = um(balances={"USDT": D(1_000)}, positions={SYMBOL: (D(80), D(100))})
    engine.configure(EngineKnobs(mark_offset=D("-0.12")))
    pass_s(engine, 1)
    assert engine.positions("me")[SYMBOL].qty == 0
    assert engine.executions("me")[0].price == D("88.0")


# -- funding --------------------------------------------------------------------------------


def test_longs_pay_funding_and_shorts_receive_it_on_the_mark() -> None:
    engine = um(positions=LONG)
    engine.open_account("you", balances={"USDT": D(1_000)}, positions={SYMBOL: (D(-4), D(100))})
    engine.open_account("idle", balances={"USDT": D(1_000)})
    engine.set_market(MarketKnobs(drift=jump("0.10")))
    tape = Tape(engine)
    engine.fund(SYMBOL, D("0.0001"))
    assert [(e.account, e.amount, e.asset) for e in tape.of(FundingEvent)] == [
        ("me", D("-0.11"), "USDT"),
        ("you", D("0.044"), "USDT"),
    ]
    assert [e.reason for e in tape.of(BalanceEvent)] == ["funding", "funding"]
    assert tape.of(PositionEvent) == []
    assert engine.flows("me")["USDT"].funding == D("-0.11")
    assert engine.balances("you")["USDT"].total == D("1000.044")
    assert engine.balances("idle")["USDT"].total == 1_000
