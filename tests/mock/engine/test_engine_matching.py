"""The book of one instrument by itself: places in the queue, and what a plan leaves alone."""

from __future__ import annotations

import pytest
from engine_world import BUY, SELL, STILL, SYMBOL, T0, D, Tape, ioc, limit, market, taken, um

from outlast.mock.engine.knobs import EngineKnobs
from outlast.mock.engine.ladder import Ladder
from outlast.mock.engine.matching import Fill, OrderBook, Plan, Stop
from outlast.mock.engine.model import Order, OrderStatus, Side, StpMode, TimeInForce

LATER = T0 + 60_000  # every maker is back


def book_with(*requests: tuple[Side, int, str]) -> OrderBook:
    ladder = Ladder(STILL, 7)
    ladder.quote(1_000_000, 0)
    book = OrderBook(STILL, ladder, lambda order: 10**9)
    for number, (side, qty, price) in enumerate(requests, start=1):
        order = Order(
            order_id=number,
            account=f"account-{number}",
            request=limit(side, qty, price),
            status=OrderStatus.NEW,
            created_ms=T0,
            updated_ms=T0,
        )
        book.rest(order, T0)
    return book


def plan(book: OrderBook, side: Side, steps: int, **rest: object) -> Plan:
    asked = {"limit_ticks": None, "account": "taker", "stp": StpMode.NONE, "now_ms": T0, **rest}
    return book.plan(side=side, steps=steps, **asked)


def takers(fills: list[Fill]) -> list[tuple[int, int, int | None]]:
    return [(f.ticks, f.steps, f.maker.order.order_id if f.maker else None) for f in fills]


def test_what_others_take_from_the_makers_moves_a_client_up() -> None:
    book = book_with((BUY, 1, "99.9"))
    quoted = book.ladder.size_at(BUY, 999, T0)
    place = book.place_of(1)
    assert place is not None
    assert place.ahead == quoted
    book.ladder.take(BUY, 999, quoted - 5, T0)
    book.took_from_makers(BUY, 999, quoted - 5)
    assert book.ladder.size_at(BUY, 999, LATER) == quoted, "the makers are back, behind it"
    filled = takers(plan(book, SELL, 200, now_ms=LATER).fills)
    assert filled == [(999, 5, None), (999, 100, 1), (999, 95, None)]


def test_taking_at_one_price_moves_nobody_at_another() -> None:
    book = book_with((BUY, 1, "99.9"), (BUY, 1, "99.8"), (BUY, 1, "99.7"))
    before = [place.ahead for place in book.bids]
    book.took_from_makers(BUY, 998, 5)
    assert [place.ahead for place in book.bids] == [before[0], before[1] - 5, before[2]]


def test_a_plan_changes_nothing() -> None:
    book = book_with((SELL, 3, "100.0"), (SELL, 2, "100.0"))
    state, levels = book.state(), list(book.levels(SELL, T0))
    one, two = (plan(book, BUY, 40_000) for _ in range(2))
    assert one == two
    assert (book.state(), list(book.levels(SELL, T0))) == (state, levels)
    assert takers(one.fills)[:2] == [(1000, 300, 1), (1000, 200, 2)]


@pytest.mark.parametrize(
    ("steps", "limit_ticks", "stop"),
    [(100, None, Stop.NONE), (10**7, None, Stop.EMPTY), (10**7, 1003, Stop.LIMIT)],
)
def test_a_plan_says_why_it_ends(steps: int, limit_ticks: int | None, stop: Stop) -> None:
    made = plan(book_with(), BUY, steps, limit_ticks=limit_ticks)
    assert made.stop is stop
    assert made.steps == sum(fill.steps for fill in made.fills)
    assert (made.steps == steps) == (stop is Stop.NONE)
    assert made.cost_ticks() == sum(fill.ticks * fill.steps for fill in made.fills)


def test_makers_that_would_cross_a_client_are_not_in_the_book() -> None:
    book = book_with((BUY, 1, "100.3"))
    assert next(book.levels(SELL, T0))[0] == 1004
    assert book.best(BUY, T0) == 1003
    assert book.best(SELL, T0) == 1004
    assert takers(plan(book, BUY, 1).fills)[0][0] == 1004
    assert takers(plan(book, SELL, 1).fills)[0] == (1003, 1, 1)


def test_levels_add_up_what_stands_at_one_price() -> None:
    book = book_with((BUY, 2, "99.9"), (BUY, 3, "99.9"), (BUY, 4, "98.0"))
    quoted = book.ladder.size_at(BUY, 999, T0)
    levels = dict(book.levels(BUY, T0))
    assert levels[999] == quoted + 500
    assert list(levels) == sorted(levels, reverse=True)
    book.remove(1)
    book.remove(1)
    assert dict(book.levels(BUY, T0))[999] == quoted + 300


def test_a_plan_counts_what_earlier_fills_of_a_maker_leave_to_reduce() -> None:
    """Two reduce-only sales of 100 stand against a position of 150."""
    ladder = Ladder(STILL, 7)
    ladder.quote(1_000_000, 0)
    book = OrderBook(STILL, ladder, lambda order: 150)
    for number in (1, 2):
        order = Order(
            order_id=number,
            account="holder",
            request=limit(SELL, 1, "100.0", reduce_only=True),
            status=OrderStatus.NEW,
            created_ms=T0,
            updated_ms=T0,
        )
        book.rest(order, T0)
    by_another = takers(plan(book, BUY, 200).fills)
    assert by_another == [(1000, 100, 1), (1000, 50, 2), (1001, 50, None)]
    by_itself = takers(plan(book, BUY, 200, account="holder").fills)
    assert by_itself == [(1000, 100, 1), (1000, 100, 2)], "its position does not move"


def test_expiries_and_delayed_reports_happen_in_the_order_of_time() -> None:
    engine = um()
    engine.configure(EngineKnobs(fills_delay_ms=10_100))
    tape = Tape(engine)
    taken(engine.place("me", market(BUY, 1)))
    for at_ms in (10_050, 10_150):  # all in one step of the market
        taken(
            engine.place(
                "me", limit(BUY, 1, 99, time_in_force=TimeInForce.GTD, expires_ms=T0 + at_ms)
            )
        )
    engine.advance(T0 + 60_000)
    assert [event.shown_ms - T0 for event in tape.orders()] == [0, 0, 0, 10_050, 10_100, 10_150]
    assert [event.at_ms - T0 for event in tape.orders()] == [0, 0, 0, 10_050, 0, 10_150]


def test_the_ladder_forgets_what_has_come_back() -> None:
    engine = um()
    bid = engine.best(SYMBOL)[0]
    assert bid is not None
    taken(engine.place("me", ioc(SELL, bid.qty, bid.price)))
    taken(engine.place("me", ioc(BUY, D(5), "100.1")))
    ladder = engine._floor.markets[SYMBOL].ladder
    assert ladder.state()[-2:] != ((), ())
    engine.advance(T0 + 30_000)
    assert ladder.state()[-2:] == ((), ())
