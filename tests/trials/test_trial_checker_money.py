"""Invariants 5 and 6, promise P5: books that balance, and nothing stale that is called fresh."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from checked_world import (
    BTC,
    NAME,
    READ,
    VENUE,
    WIRE_BTC,
    HandWorld,
    balance,
    calm_trial,
    position,
    tell,
)

import outlast
from outlast.mock.engine.events import BalanceEvent, PositionEvent
from outlast.mock.engine.model import Order, OrderType
from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.model import Order as ClientOrder
from outlast.model import OrderStatus
from outlast.model import OrderType as ClientOrderType
from outlast.model import Side as ClientSide
from outlast.trials.model import ClientPlan
from outlast.trials.watching import Ending


def buy(w: HandWorld, name: str = "ol-1", qty: str = "0.01") -> Order:
    w.ask(order=outlast.market(BTC, "buy", qty))
    w.intend(name, order_type="market", price=None, qty=Decimal(qty))
    return w.place(name, type=OrderType.MARKET, price=None, qty=Decimal(qty))


def book(w: HandWorld, order: Order, **changes: str) -> None:
    """The client books the first fill of an order."""
    fill = order.executions[0]
    fields = {
        "symbol": BTC,
        "execution_id": str(fill.execution_id),
        "venue_order_id": str(order.order_id),
        "side": "buy",
        "price": str(fill.price),
        "qty": str(fill.qty),
    }
    w.write("execution", execution=fields | changes)


# --- at the venue --------------------------------------------------------------------------------


def test_a_venue_whose_positions_are_the_sum_of_its_fills_is_fine():
    async def story(w: HandWorld):
        w.open()
        buy(w)
        await w.pass_time(2)
        assert w.broken == []
        assert w.checker.case.examined["books-balance"] > 0

    tell(story)


def test_a_position_that_no_fill_explains_is_caught():
    async def story(w: HandWorld):
        w.open()
        buy(w)
        stage = w.mock.run.venues[VENUE].stage
        event = PositionEvent(
            account="bot-1",
            symbol=WIRE_BTC,
            qty=Decimal("0.5"),
            entry=Decimal(0),
            unrealised=Decimal(0),
            realised=Decimal(0),
            reason="order",
            at_ms=stage.true_ms,
            shown_ms=stage.true_ms,
            silent=False,
        )
        w.checker._listener(VENUE)(event)
        await w.pass_time(2)
        assert w.broken == []  # a fill that explains it may be reported late
        await w.pass_time(60)
        assert w.broken == ["books-balance"]

    tell(story)


def test_a_balance_that_no_fill_explains_is_caught():
    async def story(w: HandWorld):
        w.open()
        buy(w)
        stage = w.mock.run.venues[VENUE].stage
        event = BalanceEvent(
            account="bot-1",
            asset="USDT",
            total=Decimal(1),
            free=Decimal(1),
            locked=Decimal(0),
            reason="order",
            at_ms=stage.true_ms,
            shown_ms=stage.true_ms,
            silent=False,
        )
        w.checker._listener(VENUE)(event)
        await w.pass_time(2)
        assert w.broken == []  # a fill that explains it may be reported late
        await w.pass_time(60)
        assert w.broken == ["books-balance"]

    tell(story)


# --- fills in the client -------------------------------------------------------------------------


def test_a_fill_that_is_booked_once_is_fine_and_twice_is_caught():
    async def story(w: HandWorld):
        w.open()
        order = buy(w)
        book(w, order)
        assert w.broken == []
        book(w, order)
        assert w.broken == ["books-balance"]

    tell(story)


def test_a_fill_with_a_wrong_price_is_caught():
    async def story(w: HandWorld):
        w.open()
        book(w, buy(w), price="1")
        assert w.broken == ["books-balance"]

    tell(story)


def test_one_fill_under_two_ids_is_caught():
    async def story(w: HandWorld):
        w.open()
        order = buy(w)
        book(w, order)
        book(w, order, execution_id="other")
        assert w.broken == ["books-balance"]

    tell(story)


def test_a_fill_whose_booking_a_loss_of_power_took_may_be_booked_again():
    async def story(w: HandWorld):
        w.open()
        order = buy(w)
        book(w, order)
        w.end(Ending.POWER_LOST)
        w.bot.disk.kept = []
        w.bot.chain = type(w.bot.chain)()
        w.open()
        book(w, order)
        assert w.broken == []

    tell(story)


def known(w: HandWorld, filled: str) -> ClientOrder:
    del w
    return ClientOrder(
        client_order_id="ol-1",
        symbol=BTC,
        side=ClientSide.BUY,
        order_type=ClientOrderType.MARKET,
        qty=Decimal("0.01"),
        status=OrderStatus.FILLED,
        filled_qty=Decimal(filled),
    )


def test_after_the_last_reconcile_the_clients_fills_are_all_of_them():
    async def story(w: HandWorld):
        session = w.open()
        buy(w)
        session.orders.known["ol-1"] = known(w, "0.01")
        w.finish()
        assert "books-balance" not in w.broken
        session.orders.known["ol-1"] = known(w, "0.004")
        w.finish()
        assert "books-balance" in w.broken

    tell(story)


# --- what is handed out --------------------------------------------------------------------------


def test_a_balance_that_is_true_is_fine_and_one_that_is_not_is_caught():
    async def story(w: HandWorld):
        session = w.open()
        session.balances["USDT"] = balance("100000", as_of=w.bot.clock.wall())
        await w.pass_time(6)
        assert w.broken == []
        session.balances["USDT"] = balance("0", as_of=w.bot.clock.wall())
        await w.pass_time(6)
        session.balances["USDT"] = balance("100000", as_of=w.bot.clock.wall())
        await w.pass_time(60)  # a fill that is reported late may explain much
        assert w.broken == ["nothing-stale-as-fresh"]

    tell(story)


def test_a_balance_may_be_rounded_as_the_venue_shows_it_and_no_further():
    """Kraken shows four decimals of its dollars."""
    scenario = ScenarioBuilder("by-hand", venue="kraken-spot")
    scenario.instrument("BTC/USD", product="spot", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    scenario.account(balances={"USD": "100000.00004"})
    client = ClientPlan(name=NAME, venue="kraken-spot", actions=(READ,))
    trial = calm_trial(scenario=scenario.phase("all", "rest").build(), clients=(client,))

    async def story(w: HandWorld):
        session = w.open()
        session.balances["USD"] = balance("100000.0000", as_of=w.bot.clock.wall())
        await w.pass_time(60)
        assert w.broken == []
        session.balances["USD"] = balance("100000.0001", as_of=w.bot.clock.wall())
        await w.pass_time(6)
        await w.pass_time(60)
        assert w.broken == ["nothing-stale-as-fresh"]

    tell(story, trial=trial)


def test_a_position_without_a_fill_that_the_client_has_heard_of_is_caught():
    """It was true at its time. But whoever knows of a fill must not say what was before it."""

    async def story(w: HandWorld):
        session = w.open()
        read_at = w.bot.clock.wall()
        await w.pass_time(5)
        made = buy(w)
        await w.pass_time(5)
        assert w.broken == []  # nobody has told the client yet
        terms = {"order_type": "market", "price": None, "venue_order_id": str(made.order_id)}
        w.change(status="filled", filled_qty=Decimal("0.01"), **terms)
        session.positions[BTC] = position("0.01", as_of=read_at)
        await w.pass_time(6)
        await w.pass_time(60)
        assert w.broken == []
        session.positions[BTC] = position("0", as_of=w.bot.clock.wall() - 71)
        await w.pass_time(6)
        await w.pass_time(60)
        assert w.broken == ["nothing-stale-as-fresh"]

    tell(story)


def test_a_balance_that_says_that_it_is_stale_may_be_wrong():
    async def story(w: HandWorld):
        session = w.open()
        session.balances["USDT"] = balance("0", as_of=w.bot.clock.wall(), is_stale=True)
        await w.pass_time(6)
        assert w.broken == []

    tell(story)


def test_a_position_may_be_as_old_as_it_says_and_no_older():
    async def story(w: HandWorld):
        session = w.open()
        flat = position("0", as_of=w.bot.clock.wall())
        session.positions[BTC] = flat
        await w.pass_time(10)
        buy(w)
        await w.pass_time(6)
        assert w.broken == []  # it says that it is of before the fill
        session.positions[BTC] = replace(flat, as_of=w.bot.clock.wall())
        await w.pass_time(6)
        w.finish()
        assert w.broken == ["nothing-stale-as-fresh"]

    tell(story)


def test_a_stepped_clock_is_no_excuse_for_more_than_the_age_that_counts_as_fresh():
    async def story(w: HandWorld):
        session = w.open()
        session.positions[BTC] = position("0", as_of=w.bot.clock.wall())
        buy(w)
        w.bot.clock.step(3600)
        await w.pass_time(100)
        assert w.broken == []
        await w.pass_time(100)
        w.finish()
        assert w.broken == ["nothing-stale-as-fresh"]

    tell(story)


def test_a_mark_price_is_that_of_the_venue():
    async def story(w: HandWorld):
        w.open()
        await w.pass_time(5)
        mark = w.mock.run.venues[VENUE].stage.engine.mark_price(WIRE_BTC)
        w.answer(w.ask("mark_price", symbol=BTC), value=mark)
        await w.pass_time(2)
        assert w.broken == []
        w.answer(w.ask("mark_price", symbol=BTC), value=mark * Decimal("1.02"))
        await w.pass_time(2)
        assert w.broken == ["nothing-stale-as-fresh"]

    tell(story)
