"""New terms for a live order: what may be asked, what proves them, what the ledger makes of it."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from msgspec import structs

from outlast.core.amendments import adds_risk, confirms, find_problem
from outlast.core.orders import OrderEvent, OrderLedger
from outlast.model import (
    Amendment,
    Execution,
    Instrument,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    Pending,
    Product,
    Side,
    limit,
)

S = "BTC/USDT:USDT"
ID = "ol-1"
D = Decimal

BTC = Instrument(
    venue="binance-um",
    symbol=S,
    venue_symbol="BTCUSDT",
    product=Product.USDM_FUTURES,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=D("0.1"),
    qty_step=D("0.001"),
    qty_min=D("0.001"),
    qty_max=D(1000),
    market_qty_min=D("0.001"),
    market_qty_max=D(120),
    notional_min=D(5),
    price_min=D("0.1"),
    price_max=D(1_000_000),
)
ORDER = Order(
    client_order_id=ID,
    symbol=S,
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    qty=D(4),
    status=OrderStatus.ACCEPTED,
    price=D(100),
    venue_order_id="77",
    venue_time_ms=1000,
)


def order(**changes):
    return structs.replace(ORDER, **changes)


def report(**changes):
    terms = {
        "client_order_id": ID,
        "venue_order_id": "77",
        "symbol": S,
        "status": OrderStatus.ACCEPTED,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "qty": D(4),
        "filled_qty": D(0),
        "price": D(100),
        "updated_ms": 2000,
    }
    return OrderReport(**(terms | changes))


def fill(qty, number="1"):
    return Execution(
        symbol=S,
        execution_id=number,
        venue_order_id="77",
        side=Side.BUY,
        price=D(100),
        qty=D(qty),
        fee=D(0),
        fee_currency="USDT",
        client_order_id=ID,
        venue_time_ms=1500,
    )


# -- what may be asked --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "terms", "field", "words"),
    [
        ({"status": OrderStatus.FILLED}, (100, 5), "client_order_id", "has ended"),
        ({"status": OrderStatus.UNKNOWN}, (100, 5), "client_order_id", "not known yet"),
        ({"status": OrderStatus.SUBMITTED}, (100, 5), "client_order_id", r"settle\('ol-1'\)"),
        (
            {"amendment": Amendment(qty=D(5), price=D(100), asked_at=1.0)},
            (100, 6),
            "client_order_id",
            "under way",
        ),
        ({}, (100, 4), "price", "has these terms already"),
        ({"filled_qty": D(2)}, (100, 2), "qty", "not above the 2 that are filled.*cancel it"),
        (
            {"price": None, "order_type": OrderType.STOP_MARKET},
            (100, 4),
            "price",
            "leave price out",
        ),
        ({}, ("100.05", 4), "price", "not a multiple"),
        ({}, (100, "4.0005"), "qty", "not a multiple"),
        ({}, (100, 2000), "qty", "maximum"),
        ({}, ("0.2", "0.001"), "qty", "minimum"),
    ],
)
def test_what_cannot_be_is_named_with_its_remedy(held, terms, field, words):
    price, qty = terms
    problem = find_problem(order(**held), BTC, price=D(price), qty=D(qty))
    assert problem is not None
    assert problem.field == field
    assert re.search(words, problem.message)


def test_a_price_that_stays_may_be_off_a_tick_that_has_changed():
    assert find_problem(order(price=D("100.05")), BTC, price=D("100.05"), qty=D(3)) is None


@pytest.mark.parametrize(
    ("side", "price", "qty", "is_risk"),
    [
        (Side.BUY, 100, 5, True),
        (Side.BUY, 100, 3, False),
        (Side.BUY, 101, 4, True),
        (Side.BUY, 101, 3, True),
        (Side.BUY, 99, 4, False),
        (Side.SELL, 99, 4, True),
        (Side.SELL, 101, 4, False),
        (Side.SELL, 101, 5, True),
    ],
)
def test_more_of_it_or_nearer_to_the_market_is_risk(side, price, qty, is_risk):
    held = order(side=side)
    assert adds_risk(held, price=D(price), qty=D(qty)) is is_risk
    assert not adds_risk(order(side=side, reduce_only=True), price=D(price), qty=D(qty))


def test_an_order_without_a_price_is_risk_by_quantity_only():
    held = order(price=None, order_type=OrderType.STOP_MARKET)
    assert adds_risk(held, price=None, qty=D(5))
    assert not adds_risk(held, price=None, qty=D(3))


# -- what proves it -----------------------------------------------------------------------------


def asked(**changes):
    terms = {"qty": D(3), "price": D(101), "asked_at": 5.0, "after_ms": 1000}
    return order(amendment=Amendment(**(terms | changes)))


@pytest.mark.parametrize(
    ("asking", "told", "is_proof"),
    [
        ({}, {}, False),  # the old terms
        ({}, {"qty": D(3), "price": D(101)}, True),
        ({}, {"qty": D(3)}, False),  # a half
        ({}, {"qty": D(3), "price": D(101), "updated_ms": 999}, False),  # older than the asking
        ({}, {"qty": D(3), "price": D(101), "updated_ms": 1000}, True),
        ({}, {"qty": D(3), "price": D(101), "updated_ms": None}, True),
        ({"after_ms": None}, {"qty": D(3), "price": D(101), "updated_ms": 1}, True),
        ({"is_return": True}, {"qty": D(3), "price": D(101), "updated_ms": None}, False),
        ({"is_return": True}, {"qty": D(3), "price": D(101), "updated_ms": 1000}, False),
        ({"is_return": True}, {"qty": D(3), "price": D(101), "updated_ms": 1001}, True),
    ],
)
def test_the_new_terms_in_newer_words_are_the_proof(asking, told, is_proof):
    assert confirms(asked(**asking), report(**told)) is is_proof


def test_a_reduce_only_order_may_get_less_than_was_asked():
    held = structs.replace(asked(), reduce_only=True)
    assert confirms(held, report(qty=D(2), price=D(101)))
    assert not confirms(held, report(qty=D(2), price=D(100)))
    assert not confirms(order(), report(qty=D(2)))


# -- the ledger ---------------------------------------------------------------------------------


def ledger(**changes):
    made = OrderLedger()
    made.restore(order(**changes))
    return made


def test_while_it_is_not_known_the_larger_quantity_counts():
    book = ledger()
    book.ask_amend(ID, price=D(100), qty=D(6), at=5.0)
    assert book.exposure(S, Side.BUY) == 6
    assert book.get(ID).pending is Pending.AMEND
    assert not book.has_unknown
    book.amend_unanswered(ID, at=6.0, reason="lost")
    assert book.has_unknown
    assert [o.client_order_id for o in book.unsure(S)] == [ID]
    assert book.unsure("another") == []
    book.amend_settled(ID, at=7.0)
    assert book.exposure(S, Side.BUY) == 4
    assert not book.has_unknown


def test_less_counts_only_when_it_is_known():
    book = ledger()
    book.ask_amend(ID, price=D(100), qty=D(1), at=5.0)
    assert book.exposure(S, Side.BUY) == 4
    change = book.amend_settled(ID, at=6.0, terms=(D(100), D(1)))
    assert change.amended
    assert (change.after.qty, change.after.pending) == (D(1), Pending.NOTHING)
    assert book.exposure(S, Side.BUY) == 1


def test_the_streams_word_settles_it_before_the_answer():
    book = ledger()
    book.ask_amend(ID, price=D(101), qty=D(3), at=5.0)
    change = book.report(report(price=D(101), qty=D(3)), at=6.0)
    assert change.amended
    assert (change.after.price, change.after.qty, change.after.amendment) == (D(101), D(3), None)
    assert not book.amend_settled(ID, at=7.0, terms=(D(101), D(3))).is_news
    assert not book.amend_settled(ID, at=7.0).is_news


def test_nobody_elses_terms_are_taken_over():
    book = ledger()
    assert book.report(report(price=D(90), qty=D(9)), at=6.0).after.qty == 4


def test_a_fill_that_the_old_terms_had_no_room_for_proves_the_new_ones():
    book = ledger()
    book.ask_amend(ID, price=D(101), qty=D(6), at=5.0)
    change = book.book(fill(5), at=6.0)
    assert change.amended
    assert (change.after.qty, change.after.status) == (D(6), OrderStatus.PARTIALLY_FILLED)


def test_filled_by_the_old_terms_is_not_the_end_while_it_may_be_more():
    book = ledger()
    book.ask_amend(ID, price=D(100), qty=D(6), at=5.0)
    assert book.book(fill(4), at=6.0).after.status is OrderStatus.PARTIALLY_FILLED
    assert book.amend_settled(ID, at=7.0).after.status is OrderStatus.FILLED


def test_the_end_of_the_order_is_the_end_of_the_question():
    book = ledger()
    book.ask_amend(ID, price=D(101), qty=D(3), at=5.0)
    book.amend_unanswered(ID, at=6.0, reason="lost")
    ended = book.report(report(status=OrderStatus.CANCELED), at=7.0).after
    assert (ended.amendment, ended.pending, ended.qty) == (None, Pending.NOTHING, D(4))
    assert not book.has_unknown
    assert not book.amend_unanswered(ID, at=8.0, reason="late").is_news


def test_terms_that_were_held_for_refused_and_show_contradict():
    book = ledger()
    book.ask_amend(ID, price=D(101), qty=D(3), at=5.0)
    book.amend_settled(ID, at=6.0, reason="no trace")
    stale = book.report(report(price=D(101), qty=D(3), updated_ms=900), at=7.0)
    assert not stale.amended
    change = book.report(report(price=D(101), qty=D(3)), at=8.0)
    assert change.amended
    assert change.contradicts
    assert change.after.qty == 3


def test_words_without_a_time_contradict_only_by_terms_that_never_were():
    book = ledger()
    book.ask_amend(ID, price=D(101), qty=D(3), at=5.0)
    book.amend_settled(ID, at=6.0, reason="no trace")
    assert book.report(report(price=D(101), qty=D(3), updated_ms=None), at=7.0).contradicts
    book.ask_amend(ID, price=D(100), qty=D(4), at=8.0)  # back
    book.amend_settled(ID, at=9.0, reason="no trace")
    assert not book.report(report(updated_ms=None), at=10.0).amended


def test_old_words_do_not_take_a_later_amendment_back():
    book = ledger()
    book.ask_amend(ID, price=D(101), qty=D(4), at=5.0)
    book.report(report(price=D(101)), at=6.0)
    assert book.report(report(updated_ms=1500), at=7.0).after.price == 101
    change = book.ask_amend(ID, price=D(100), qty=D(4), at=8.0)
    assert change.after.amendment.is_return
    assert not book.report(report(updated_ms=1500), at=9.0).amended
    assert not book.report(report(updated_ms=None), at=9.0).amended
    assert book.report(report(updated_ms=2001), at=9.0).amended


def test_a_cancel_under_way_stays_under_way():
    book = ledger()
    book.ask_amend(ID, price=D(101), qty=D(3), at=5.0)
    book.ask_cancel(ID, asked=True)
    assert book.amend_settled(ID, at=6.0).after.pending is Pending.CANCEL


def test_a_new_order_is_not_amended_by_its_first_report():
    book = OrderLedger()
    book.create(ID, limit(S, "buy", 4, 100), at=1.0)
    book.apply(ID, OrderEvent.SENT, at=1.0)
    assert not book.report(report(price=D(99)), at=2.0).amended
    assert book.get(ID).price == 100
