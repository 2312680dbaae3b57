"""Why the engine says no: one story for each `RejectReason`, and nothing changes by a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from engine_world import (
    BUY,
    HUGE,
    SELL,
    SYMBOL,
    T0,
    D,
    instrument,
    ioc,
    jump,
    limit,
    market,
    pass_s,
    refused,
    stop,
    taken,
)
from engine_world import spot as spot_engine
from engine_world import um as um_engine

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs
from outlast.mock.engine.model import (
    EngineMode,
    NewOrder,
    OrderType,
    RejectReason,
    TimeInForce,
)

LONG = {SYMBOL: (D(10), D(100))}


def with_orders(engine: Engine, *requests: NewOrder) -> Engine:
    for request in requests:
        taken(engine.place("me", request))
    return engine


def swept() -> Engine:
    """No bids are left, as one order took them all."""
    engine = um_engine(instrument(market_take_bound=D("0.5")), balances={"USDT": D(10**7)})
    return with_orders(engine, market(SELL, HUGE))


def deep_under_water() -> Engine:
    """A long position whose loss has used the free margin up, but not yet the maintenance."""
    engine = um_engine(balances={"USDT": D(1_200)}, positions={SYMBOL: (D(100), D(100))})
    taken(engine.place("me", limit(SELL, 60, 105)))
    engine.set_market(MarketKnobs(drift=jump("-0.09")))
    return engine


def in_liquidation() -> Engine:
    engine = um_engine(balances={"USDT": D(1_000)}, positions={SYMBOL: (D(100), D(100))})
    engine.set_market(MarketKnobs(drift=jump("-0.2")))
    pass_s(engine, 0.25)
    return engine


def full_of_orders() -> Engine:
    engine = um_engine(instrument(max_open_orders=3))
    return with_orders(engine, *(limit(BUY, 1, 99 - n) for n in range(3)))


def in_mode(mode: EngineMode) -> Engine:
    engine = um_engine()
    engine.configure(EngineKnobs(mode=mode))
    return engine


CASES: list[tuple[RejectReason, str, Callable[[], Engine], NewOrder]] = [
    (RejectReason.UNKNOWN_SYMBOL, "not listed", um_engine, limit(BUY, 1, 99, symbol="ZZZ")),
    (RejectReason.MODE, "cancel only", lambda: in_mode(EngineMode.CANCEL_ONLY), limit(BUY, 1, 99)),
    (RejectReason.PRICE_TICK, "limit between ticks", um_engine, limit(BUY, 1, "99.05")),
    (RejectReason.PRICE_TICK, "stop between ticks", um_engine, stop(SELL, 1, "99.05")),
    (RejectReason.PRICE_BELOW_MIN, "zero", um_engine, limit(BUY, 1, 0)),
    (RejectReason.PRICE_BELOW_MIN, "less than a tick", um_engine, limit(BUY, 1, "0.05")),
    (
        RejectReason.PRICE_ABOVE_MAX,
        "beyond the highest price",
        um_engine,
        limit(SELL, 1, 1_000_001),
    ),
    (RejectReason.PRICE_ABOVE_BAND, "buy too high", um_engine, limit(BUY, 1, "115.1")),
    (RejectReason.PRICE_BELOW_BAND, "sell too low", um_engine, limit(SELL, 1, "84.9")),
    (RejectReason.QTY_STEP, "between steps", um_engine, limit(BUY, "1.005", 99)),
    (RejectReason.QTY_BELOW_MIN, "nothing", um_engine, limit(BUY, 0, 99)),
    (RejectReason.QTY_BELOW_MIN, "a loss of sign", um_engine, limit(BUY, -1, 99)),
    (RejectReason.QTY_ABOVE_MAX, "limit", um_engine, limit(BUY, 100_001, 99)),
    (RejectReason.QTY_ABOVE_MAX, "market", um_engine, market(BUY, 50_001)),
    (RejectReason.NOTIONAL_BELOW_MIN, "limit", um_engine, limit(BUY, "0.05", 99)),
    (RejectReason.NOTIONAL_BELOW_MIN, "market, by the mark", um_engine, market(BUY, "0.04")),
    (RejectReason.NOTIONAL_BELOW_MIN, "stop, by its price", um_engine, stop(SELL, "0.05", 90)),
    (
        RejectReason.DUPLICATE_CLIENT_ID,
        "among open orders",
        lambda: with_orders(um_engine(), limit(BUY, 1, 99, client_order_id="x")),
        limit(BUY, 1, 98, client_order_id="x"),
    ),
    (RejectReason.INSUFFICIENT_BALANCE, "spot buy", spot_engine, limit(BUY, 1_011, 99)),
    (RejectReason.INSUFFICIENT_BALANCE, "spot sale", spot_engine, limit(SELL, 1_001, 101)),
    (RejectReason.INSUFFICIENT_BALANCE, "spot market buy", spot_engine, market(BUY, 1_001)),
    (RejectReason.INSUFFICIENT_BALANCE, "spot market sale", spot_engine, market(SELL, 1_001)),
    (RejectReason.INSUFFICIENT_BALANCE, "spot stop", spot_engine, stop(SELL, 1_001, 90)),
    (
        RejectReason.INSUFFICIENT_BALANCE,
        "spot, locked by another order",
        lambda: with_orders(spot_engine(), limit(SELL, 600, 101)),
        limit(SELL, 401, 102),
    ),
    (RejectReason.INSUFFICIENT_MARGIN, "limit", um_engine, limit(BUY, 20_300, 99)),
    (RejectReason.INSUFFICIENT_MARGIN, "market", um_engine, market(SELL, 20_001)),
    (
        RejectReason.INSUFFICIENT_MARGIN,
        "used by another order",
        lambda: with_orders(um_engine(), limit(BUY, 12_000, 99)),
        limit(BUY, 9_000, 98),
    ),
    (
        RejectReason.REDUCE_ONLY_REJECTED,
        "no position",
        um_engine,
        market(SELL, 1, reduce_only=True),
    ),
    (
        RejectReason.REDUCE_ONLY_REJECTED,
        "the position's own side",
        lambda: um_engine(positions=LONG),
        market(BUY, 1, reduce_only=True),
    ),
    (
        RejectReason.REDUCE_ONLY_REJECTED,
        "a stale reduce-only order uses the position up",
        lambda: with_orders(um_engine(positions=LONG), limit(SELL, 10, 105, reduce_only=True)),
        market(SELL, 10, reduce_only=True),
    ),
    (
        RejectReason.REDUCE_ONLY_WOULD_FLIP,
        "with the open sales it would flip, and the margin is gone",
        deep_under_water,
        market(SELL, 100, reduce_only=True),
    ),
    (RejectReason.POST_ONLY_WOULD_TAKE, "", um_engine, limit(BUY, 1, "100.1", post_only=True)),
    (
        RejectReason.FOK_UNFILLABLE,
        "",
        um_engine,
        limit(BUY, 1_000, "100.1", time_in_force=TimeInForce.FOK),
    ),
    (RejectReason.NO_LIQUIDITY, "empty", swept, market(SELL, 1)),
    (
        RejectReason.NO_LIQUIDITY,
        "best price beyond the bound",
        lambda: um_engine(instrument(market_take_bound=D("0.0005"))),
        market(SELL, 1),
    ),
    (RejectReason.WOULD_TRIGGER, "sell stop above", um_engine, stop(SELL, 1, "100.1")),
    (RejectReason.WOULD_TRIGGER, "buy stop below", um_engine, stop(BUY, 1, "99.9")),
    (
        RejectReason.WOULD_TRIGGER,
        "take-profit below",
        um_engine,
        stop(SELL, 1, "99.9", type=OrderType.TAKE_PROFIT_MARKET),
    ),
    (
        RejectReason.WOULD_TRIGGER,
        "by the mark",
        um_engine,
        stop(SELL, 1, "100.0", trigger_on_mark=True),
    ),
    (RejectReason.TOO_MANY_OPEN_ORDERS, "", full_of_orders, limit(BUY, 1, 90)),
    (RejectReason.IN_LIQUIDATION, "", in_liquidation, limit(BUY, 1, 79)),
    (
        RejectReason.EXPIRY_INVALID,
        "gtd without a date",
        um_engine,
        limit(BUY, 1, 99, time_in_force=TimeInForce.GTD),
    ),
    (
        RejectReason.EXPIRY_INVALID,
        "gtd in the past",
        um_engine,
        limit(BUY, 1, 99, time_in_force=TimeInForce.GTD, expires_ms=T0),
    ),
    (
        RejectReason.EXPIRY_INVALID,
        "a date without gtd",
        um_engine,
        limit(BUY, 1, 99, expires_ms=T0 + 1),
    ),
]

BY_CANCEL_OR_AMEND = {RejectReason.UNKNOWN_ORDER, RejectReason.NOT_MODIFIED}
BY_THE_DIALECT = {RejectReason.SYMBOL_CLOSED}  # a listing state; the engine's modes are MODE


@pytest.mark.parametrize(
    ("reason", "world", "request_"),
    [(reason, world, request) for reason, _, world, request in CASES],
    ids=[f"{reason.value} {story}".strip() for reason, story, _, _ in CASES],
)
def test_refusal(reason: RejectReason, world: Callable[[], Engine], request_: NewOrder) -> None:
    engine = world()
    before = engine.digest()
    assert refused(engine.place("me", request_)).reason is reason
    assert engine.digest() == before, "a refused order leaves no trace"


def test_every_reason_has_its_story() -> None:
    told = {reason for reason, *_ in CASES} | BY_CANCEL_OR_AMEND | BY_THE_DIALECT
    assert told == set(RejectReason)


def test_just_inside_every_rule_is_taken() -> None:
    for request in (
        limit(BUY, 1, "115.0", time_in_force=TimeInForce.IOC),
        limit(SELL, 1, "85.0", time_in_force=TimeInForce.IOC),
        limit(SELL, 1, 1_000_000),
        limit(BUY, "0.06", 99),
        limit(BUY, 20_000, 99),
        stop(SELL, 1, "99.9"),
        stop(BUY, 1, "100.2"),
        limit(BUY, 1, "99.9", post_only=True),
        limit(BUY, 1, 99, time_in_force=TimeInForce.GTD, expires_ms=T0 + 1),
    ):
        taken(um_engine().place("me", request))


def test_refusals_say_the_rule_that_was_broken() -> None:
    engine = um_engine()
    assert refused(engine.place("me", limit(BUY, 1, "99.05"))).detail == "0.1"
    assert refused(engine.place("me", limit(BUY, "0.05", 99))).detail == "5"
    assert D(refused(engine.place("me", limit(BUY, 1, "115.1"))).detail) == 115
    engine.configure(EngineKnobs(mode=EngineMode.POST_ONLY))
    assert refused(engine.place("me", limit(BUY, 1, 99))).detail == "post_only"


def test_reduce_only_is_free_of_the_smallest_notional() -> None:
    engine = um_engine(positions=LONG)
    order = taken(engine.place("me", market(SELL, "0.01", reduce_only=True)))
    assert order.filled_qty == D("0.01")


def test_a_client_id_is_free_again_once_its_order_has_ended() -> None:
    engine = um_engine()
    for _ in range(3):
        taken(engine.place("me", market(BUY, 1, client_order_id="again")))
    newest = engine.find("me", client_order_id="again")
    assert newest is not None
    assert newest.order_id == 3


def test_orders_of_one_account_do_not_count_against_another() -> None:
    engine = full_of_orders()
    engine.open_account("you", balances={"USDT": D(1_000)})
    taken(engine.place("you", limit(BUY, 1, 90)))


# -- cancels and amendments -----------------------------------------------------------------


def test_cancelling_what_is_not_open_is_an_unknown_order() -> None:
    engine = um_engine()
    engine.open_account("you", balances={"USDT": D(1_000)})
    mine = taken(engine.place("me", limit(BUY, 1, 99)))
    filled = taken(engine.place("me", market(BUY, 1)))
    for account, order_id in (("you", mine.order_id), ("me", filled.order_id), ("me", 99)):
        assert refused(engine.cancel(account, order_id)).reason is RejectReason.UNKNOWN_ORDER
    taken(engine.cancel("me", mine.order_id))
    assert refused(engine.cancel("me", mine.order_id)).reason is RejectReason.UNKNOWN_ORDER


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        (RejectReason.NOT_MODIFIED, {}),
        (RejectReason.NOT_MODIFIED, {"qty": D("10.00"), "price": D("99.0")}),
        (RejectReason.PRICE_TICK, {"price": D("99.05")}),
        (RejectReason.PRICE_ABOVE_BAND, {"price": D(116)}),
        (RejectReason.QTY_STEP, {"qty": D("1.001")}),
        (RejectReason.NOTIONAL_BELOW_MIN, {"qty": D("0.01")}),
        (RejectReason.INSUFFICIENT_MARGIN, {"qty": D(20_300)}),
    ],
)
def test_a_refused_amendment_leaves_the_order_as_it_was(
    reason: RejectReason, change: dict[str, Any]
) -> None:
    engine = um_engine()
    order = taken(engine.place("me", limit(BUY, 10, 99)))
    before = engine.digest()
    assert refused(engine.amend("me", order.order_id, **change)).reason is reason
    assert engine.digest() == before


def test_only_working_limit_orders_can_be_amended() -> None:
    engine = um_engine()
    waiting = taken(engine.place("me", stop(SELL, 1, 90)))
    filled = taken(engine.place("me", market(BUY, 1)))
    for order_id in (waiting.order_id, filled.order_id, 77):
        outcome = refused(engine.amend("me", order_id, qty=D(2)))
        assert outcome.reason is RejectReason.UNKNOWN_ORDER


def test_an_amendment_on_spot_needs_only_the_difference() -> None:
    engine = spot_engine()
    order = taken(engine.place("me", limit(BUY, 1_000, 99)))
    taken(engine.amend("me", order.order_id, qty=D(1_010)))
    short = refused(engine.amend("me", order.order_id, qty=D(1_011)))
    assert short.reason is RejectReason.INSUFFICIENT_BALANCE


# -- what no dialect may let through --------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (replace(limit(BUY, 1, 99), price=None), "limit: price is missing"),
        (replace(stop(SELL, 1, 90), stop_price=None), "stop_market: stop_price is missing"),
        (stop(SELL, 1, 90, type=OrderType.STOP_LIMIT), "stop_limit: price is missing"),
        (market(SELL, 1, type=OrderType.TRAILING_STOP_MARKET), "trailing_rate must be a share"),
        (market(SELL, 1, post_only=True), "post_only is for orders with a limit price"),
        (ioc(SELL, 1, 99, post_only=True), "post_only contradicts time_in_force ioc"),
        (market(SELL, 1, close_position=True), "close_position is for stop and take-profit"),
    ],
)
def test_what_is_no_order_is_an_error(request_: NewOrder, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        um_engine().place("me", request_)


def test_reduce_only_on_spot_is_an_error() -> None:
    with pytest.raises(ValueError, match="no meaning on spot"):
        spot_engine().place("me", market(SELL, 1, reduce_only=True))


def test_an_account_nobody_opened_is_an_error() -> None:
    with pytest.raises(KeyError):
        um_engine().place("nobody", market(BUY, 1))


# -- opening accounts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("me", {}, "exists already"),
        ("you", {"balances": {"USDT": D(-1)}}, "USDT cannot be negative"),
        ("you", {"positions": {"ZZZ": (D(1), D(1))}}, "ZZZ is not listed"),
        ("you", {"positions": {SYMBOL: (D("0.001"), D(1))}}, "must be a multiple of 0.01"),
        ("you", {"positions": {SYMBOL: (D(1), D(0))}}, "entry must be positive"),
        ("you", {"open_orders": (limit(BUY, 1, "99.05"),)}, r"open_orders\[0\].*price_tick 0.1"),
        (
            "you",
            {"open_orders": (limit(BUY, 1, 99), market(SELL, 1, reduce_only=True))},
            r"open_orders\[1\].*reduce_only_rejected",
        ),
    ],
)
def test_an_account_that_cannot_be_opened_leaves_nothing_behind(
    name: str, given: dict[str, Any], message: str
) -> None:
    engine = um_engine()
    with pytest.raises(ValueError, match=message):
        engine.open_account(name, **{"balances": {"USDT": D(1_000)}, **given})
    assert engine.accounts == ("me",)
    assert engine.balances("me")["USDT"].total == D(100_000)
    pass_s(engine, 10)
    assert all(not order.status.is_open for order in engine.all_orders())


def test_positions_on_spot_are_refused() -> None:
    with pytest.raises(ValueError, match="give balances instead"):
        spot_engine().open_account("you", balances={}, positions={SYMBOL: (D(1), D(1))})
