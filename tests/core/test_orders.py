"""The life of an order: the whole table, and what the ledger makes of reports and fills."""

from dataclasses import replace
from decimal import Decimal

import pytest
from msgspec import structs

from outlast.core.orders import TRANSITIONS, Change, OrderEvent, OrderLedger
from outlast.model import (
    Execution,
    Order,
    OrderReport,
    OrderStatus,
    OrderType,
    Pending,
    Side,
    Source,
    limit,
)

S = "BTC/USDT:USDT"
ID = "olabcdef-1"

# Row: where it is. Column: what happens. A dot is illegal. Written out by hand, so that a slip in
# the code's own table shows as a difference.
OURS = ["DENIED", "SENT", "UNSENT", "UNANSWERED", "DOUBTED", "REJECTED", "PROVED_ABSENT"]
EVENTS = [*OURS, "ACCEPTED", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"]
SHORT = {
    "D": "DENIED",
    "S": "SUBMITTED",
    "U": "UNKNOWN",
    "A": "ACCEPTED",
    "P": "PARTIALLY_FILLED",
    "F": "FILLED",
    "C": "CANCELED",
    "E": "EXPIRED",
    "R": "REJECTED",
    "N": "NOT_PLACED",
}
GRID = {
    #                   DEN SENT UNS UNA DOU REJ ABS  ACC PAR FIL CAN EXP
    "INITIALIZED":      "D   S   .   .   .   .   .    .   .   .   .   .",
    "DENIED":           ".   .   .   .   .   .   .    A   P   F   C   E",
    "SUBMITTED":        ".   S   D   U   .   R   .    A   P   F   C   E",
    "UNKNOWN":          ".   .   .   .   .   R   N    A   P   F   C   E",
    "ACCEPTED":         ".   .   .   .   U   R   .    .   P   F   C   E",
    "PARTIALLY_FILLED": ".   .   .   .   U   .   .    .   P   F   C   E",
    "FILLED":           ".   .   .   .   .   .   .    .   .   .   .   .",
    "CANCELED":         ".   .   .   .   .   .   .    .   .   F   .   .",
    "EXPIRED":          ".   .   .   .   .   .   .    .   .   F   .   .",
    "REJECTED":         ".   .   .   .   .   .   .    A   P   F   C   E",
    "NOT_PLACED":       ".   .   .   .   .   .   .    A   P   F   C   E",
}  # fmt: skip

PAIRS = [
    (OrderStatus[status], OrderEvent[event], cell)
    for status, row in GRID.items()
    for event, cell in zip(EVENTS, row.split(), strict=True)
]
LEGAL = [(status, event, OrderStatus[SHORT[cell]]) for status, event, cell in PAIRS if cell != "."]
ILLEGAL = [(status, event) for status, event, cell in PAIRS if cell == "."]


def order_in(status, **fields):
    known = {"pending": Pending.CANCEL, "venue_order_id": "77", "filled_qty": Decimal("0.2")}
    return Order(
        client_order_id=ID,
        symbol=S,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal(1),
        price=Decimal(100),
        status=status,
        created_at=1000.0,
        as_of=1000.0,
        **(known | fields),
    )


def ledger_with(status, **fields):
    ledger = OrderLedger()
    ledger.restore(order_in(status, **fields))
    return ledger


def report(status=OrderStatus.ACCEPTED, filled="0", **fields):
    known = {
        "client_order_id": ID,
        "venue_order_id": "77",
        "symbol": S,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "qty": Decimal(1),
        "price": Decimal(100),
        "created_ms": 1_000_100,
        "updated_ms": 1_000_200,
    }
    return OrderReport(**(known | {"status": status, "filled_qty": Decimal(filled)} | fields))


def fill(execution_id, qty, price="100", **fields):
    known = {
        "symbol": S,
        "venue_order_id": "77",
        "side": Side.BUY,
        "fee": Decimal(0),
        "fee_currency": "USDT",
        "venue_time_ms": 1_000_300,
    }
    return Execution(
        **(known | {"execution_id": execution_id, "qty": Decimal(qty), "price": Decimal(price)})
        | fields
    )


def submitted():
    """A ledger with one order on its way."""
    ledger = OrderLedger()
    ledger.create(ID, limit(S, "buy", 1, 100), at=1000.0)
    ledger.apply(ID, OrderEvent.SENT, at=1000.0)
    return ledger


# The table.


def test_the_grid_is_the_whole_table():
    assert {(status, event): to for status, event, to in LEGAL} == dict(TRANSITIONS)
    assert len(PAIRS) == len(OrderStatus) * len(OrderEvent)


@pytest.mark.parametrize(("status", "event", "to"), LEGAL)
def test_a_legal_event_moves_the_order(status, event, to):
    ledger = ledger_with(status, filled_qty=Decimal(0))
    change = ledger.apply(ID, event, at=2000.0, reason="why")
    assert change.before.status is status
    assert change.after.status is to
    assert change.after.as_of == 2000.0
    assert change.after.reason == "why"
    assert ledger.get(ID) == change.after


@pytest.mark.parametrize(("status", "event"), ILLEGAL)
def test_an_illegal_event_changes_nothing(status, event):
    ledger = ledger_with(status)
    before = ledger.get(ID)
    change = ledger.apply(ID, event, at=2000.0, reason="why")
    assert change == Change(before, before)
    assert not change.is_news
    assert ledger.get(ID) is before


@pytest.mark.parametrize("status", OrderStatus)
def test_only_the_venue_can_move_an_order_out_of_a_final_state(status):
    own = (OrderEvent.DENIED, OrderEvent.SENT, OrderEvent.UNSENT, OrderEvent.UNANSWERED)
    own += (OrderEvent.DOUBTED, OrderEvent.PROVED_ABSENT)
    if status.is_final:
        assert not [event for event in own if (status, event) in TRANSITIONS]


def test_unknown_is_left_only_by_an_answer_or_by_proof():
    ways_out = {event for (status, event) in TRANSITIONS if status is OrderStatus.UNKNOWN}
    assert ways_out == {
        OrderEvent.REJECTED,
        OrderEvent.PROVED_ABSENT,
        OrderEvent.ACCEPTED,
        OrderEvent.PARTIALLY_FILLED,
        OrderEvent.FILLED,
        OrderEvent.CANCELED,
        OrderEvent.EXPIRED,
    }


# The same table by reports.


VENUE_STATES = {
    OrderStatus.ACCEPTED: OrderEvent.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED: OrderEvent.PARTIALLY_FILLED,
    OrderStatus.FILLED: OrderEvent.FILLED,
    OrderStatus.CANCELED: OrderEvent.CANCELED,
    OrderStatus.EXPIRED: OrderEvent.EXPIRED,
    OrderStatus.REJECTED: OrderEvent.REJECTED,
}


@pytest.mark.parametrize("before", OrderStatus)
@pytest.mark.parametrize("says", VENUE_STATES)
def test_a_report_follows_the_table_and_marks_contradictions(before, says):
    ledger = ledger_with(before, filled_qty=Decimal(0))
    change = ledger.report(report(says), at=2000.0)
    expected = TRANSITIONS.get((before, VENUE_STATES[says]), before)
    assert change.after.status is expected
    held_for_gone = {OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.NOT_PLACED}
    assert change.contradicts == (before in held_for_gone and says is not OrderStatus.REJECTED)


@pytest.mark.parametrize(
    "says", [s for s in OrderStatus if s not in VENUE_STATES], ids=lambda s: s.value
)
def test_a_report_of_a_state_that_no_venue_has_moves_nothing(says):
    ledger = ledger_with(OrderStatus.ACCEPTED, filled_qty=Decimal(0))
    assert ledger.report(report(says), at=2000.0).after.status is OrderStatus.ACCEPTED


def test_an_older_report_neither_takes_fills_back_nor_turns_time_back():
    ledger = submitted()
    ledger.report(report(OrderStatus.PARTIALLY_FILLED, "0.6", updated_ms=1_000_500), at=2000.0)
    after = ledger.report(report(OrderStatus.ACCEPTED, "0", updated_ms=1_000_200), at=2001.0).after
    assert after.status is OrderStatus.PARTIALLY_FILLED
    assert after.filled_qty == Decimal("0.6")
    assert after.venue_time_ms == 1_000_500


def test_a_cancelled_order_keeps_the_fills_that_are_told_late():
    ledger = submitted()
    ledger.report(report(OrderStatus.CANCELED, "0.2"), at=2000.0)
    after = ledger.report(report(OrderStatus.PARTIALLY_FILLED, "0.5"), at=2001.0).after
    assert after.status is OrderStatus.CANCELED
    assert after.filled_qty == Decimal("0.5")
    assert after.leaves_qty == 0


def test_an_accepted_order_with_fills_is_partially_filled():
    ledger = submitted()
    after = ledger.report(report(OrderStatus.ACCEPTED, "0.3"), at=2000.0).after
    assert after.status is OrderStatus.PARTIALLY_FILLED


def test_the_answer_to_a_submit_ends_what_is_pending():
    ledger = submitted()
    assert ledger.get(ID).pending is Pending.SUBMIT
    assert ledger.report(report(), at=2000.0).after.pending is Pending.NOTHING


def test_a_fill_that_comes_before_the_answer_ends_what_is_pending_too():
    ledger = submitted()
    ledger.book(fill("e1", "0.4", client_order_id=ID), at=2000.0)
    # The answer itself is lost; that the order lives is known all the same.
    ledger.apply(ID, OrderEvent.UNANSWERED, at=2001.0)
    order = ledger.get(ID)
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert order.pending is Pending.NOTHING


ENDS = {
    "report": lambda ledger: ledger.report(report(OrderStatus.CANCELED), at=2000.0),
    "fill": lambda ledger: ledger.book(fill("e1", "1"), at=2000.0),
    "proof": lambda ledger: (
        ledger.apply(ID, OrderEvent.DOUBTED, at=2000.0),
        ledger.apply(ID, OrderEvent.PROVED_ABSENT, at=2001.0),
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_nothing_is_pending_on_an_order_that_has_ended(how):
    ledger = ledger_with(OrderStatus.ACCEPTED, filled_qty=Decimal(0), pending=Pending.NOTHING)
    ledger.ask_cancel(ID, True)
    assert ledger.get(ID).pending is Pending.CANCEL
    ENDS[how](ledger)
    assert ledger.get(ID).status.is_final
    assert ledger.get(ID).pending is Pending.NOTHING


def test_an_order_with_fills_was_placed_whatever_the_venue_shows_now():
    """NOT_PLACED means that it never reached the book; fills prove that it did."""
    ledger = ledger_with(OrderStatus.PARTIALLY_FILLED, pending=Pending.NOTHING)
    ledger.apply(ID, OrderEvent.DOUBTED, at=2000.0)
    after = ledger.apply(ID, OrderEvent.PROVED_ABSENT, at=2030.0).after
    assert after.status is OrderStatus.CANCELED
    assert after.filled_qty == Decimal("0.2")
    assert after.leaves_qty == 0
    assert after.source is Source.DERIVED


def held_for_gone() -> OrderLedger:
    """0.2 are filled, at 1 s of the venue's clock; that the rest is gone nobody says but we."""
    ledger = ledger_with(OrderStatus.PARTIALLY_FILLED, pending=Pending.NOTHING, venue_time_ms=1000)
    ledger.apply(ID, OrderEvent.DOUBTED, at=2000.0)
    ledger.apply(ID, OrderEvent.PROVED_ABSENT, at=2030.0)
    return ledger


def test_the_rest_of_an_order_that_we_held_for_gone_and_that_the_venue_shows_is_live_again():
    ledger = held_for_gone()
    partly = report(OrderStatus.PARTIALLY_FILLED, filled_qty=Decimal("0.2"), updated_ms=1000)
    change = ledger.report(partly, at=2040.0)
    assert change.contradicts
    assert change.after.status is OrderStatus.PARTIALLY_FILLED
    assert ledger.open() == [change.after]
    assert ledger.exposure(S, change.after.side) == change.after.qty - Decimal("0.2")


@pytest.mark.parametrize("old", [("0.1", 1000), ("0.1", None), ("0.2", 999)], ids=str)
def test_an_old_word_does_not_bring_back_what_we_held_for_gone_but_a_new_one_still_does(old):
    ledger = held_for_gone()
    filled, at_ms = old
    late = report(OrderStatus.PARTIALLY_FILLED, filled_qty=Decimal(filled), updated_ms=at_ms)
    change = ledger.report(late, at=2040.0)
    assert not change.contradicts
    assert change.after.status is OrderStatus.CANCELED
    new = report(OrderStatus.PARTIALLY_FILLED, filled_qty=Decimal("0.3"), updated_ms=1001)
    assert ledger.report(new, at=2041.0).contradicts
    assert ledger.get(ID).status is OrderStatus.PARTIALLY_FILLED


@pytest.mark.parametrize("end", [OrderStatus.CANCELED, OrderStatus.EXPIRED])
def test_what_the_venue_itself_has_ended_never_comes_back(end):
    ledger = held_for_gone()
    change = ledger.report(report(end, filled_qty=Decimal("0.2"), updated_ms=1001), at=2040.0)
    assert not change.contradicts  # gone it is
    assert change.after.status is end
    partly = report(OrderStatus.PARTIALLY_FILLED, filled_qty=Decimal("0.3"), updated_ms=1002)
    assert ledger.report(partly, at=2041.0).after.status is end


# Fills.


def test_a_fill_is_booked_once_whichever_path_brings_it():
    ledger = submitted()
    ledger.report(report(), at=2000.0)
    by_stream = fill("e1", "0.25", "100")
    by_rest = replace(by_stream, fee=Decimal("0.01"), client_order_id=ID)
    assert ledger.book(by_stream, at=2001.0).executions == (by_stream,)
    again = ledger.book(by_rest, at=2002.0)
    assert not again.is_news
    assert ledger.executions(ID) == [by_stream]
    assert ledger.executions() == [by_stream]
    assert ledger.get(ID).filled_qty == Decimal("0.25")


def test_the_same_execution_id_on_another_order_is_another_fill():
    ledger = submitted()
    ledger.report(report(), at=2000.0)
    ledger.report(report(client_order_id="other", venue_order_id="78"), at=2000.0)
    ledger.book(fill("e1", "0.25"), at=2001.0)
    ledger.book(fill("e1", "0.5", venue_order_id="78"), at=2001.0)
    assert ledger.get(ID).filled_qty == Decimal("0.25")
    assert ledger.get("other").filled_qty == Decimal("0.5")


def test_a_report_and_the_fills_it_counts_are_not_added_up():
    ledger = submitted()
    ledger.report(report(OrderStatus.PARTIALLY_FILLED, "0.5", avg_price=Decimal(101)), at=2000.0)
    ledger.book(fill("e1", "0.2", "100"), at=2001.0)
    assert ledger.get(ID).filled_qty == Decimal("0.5")
    assert ledger.get(ID).avg_price == Decimal(101)
    ledger.book(fill("e2", "0.3", "103"), at=2002.0)
    assert ledger.get(ID).filled_qty == Decimal("0.5")
    assert ledger.get(ID).avg_price == Decimal("101.8")  # from the fills, now that all are there


def test_the_last_fill_fills_the_order_even_after_its_cancel():
    ledger = submitted()
    ledger.report(report(OrderStatus.CANCELED, "0.4"), at=2000.0)
    ledger.book(fill("e1", "0.4"), at=2001.0)
    assert ledger.get(ID).status is OrderStatus.CANCELED
    ledger.book(fill("e2", "0.6"), at=2002.0)
    assert ledger.get(ID).status is OrderStatus.FILLED


def test_a_fill_of_an_order_that_was_held_for_absent_contradicts():
    ledger = ledger_with(OrderStatus.NOT_PLACED, filled_qty=Decimal(0), venue_order_id=None)
    change = ledger.book(fill("e1", "0.4", client_order_id=ID), at=2000.0)
    assert change.contradicts
    assert change.after.status is OrderStatus.PARTIALLY_FILLED
    assert change.after.venue_order_id == "77"
    assert ledger.by_venue_id("77") == change.after


def test_a_fill_of_nobody_we_know_is_not_booked():
    ledger = submitted()
    assert ledger.book(fill("e1", "0.4", client_order_id="someone"), at=2000.0) is None
    assert ledger.book(fill("e1", "0.4"), at=2000.0) is None  # "77" is not known to be ours yet
    assert ledger.executions() == []
    assert ledger.get(ID).filled_qty == 0


# Namesakes and orders of others.


@pytest.mark.parametrize(
    ("reduce_only", "told", "holds"),
    [(True, "0.4", "0.4"), (True, "2", "1"), (True, "0", "1"), (False, "0.4", "1")],
)
def test_only_the_venue_cuts_a_reduce_only_order_and_only_down(reduce_only, told, holds):
    ledger = ledger_with(OrderStatus.ACCEPTED, filled_qty=Decimal("0.2"), reduce_only=reduce_only)
    change = ledger.report(report(filled="0.2", qty=Decimal(told)), at=1001.0)
    assert change.after.qty == Decimal(holds)


def test_a_cut_order_is_filled_by_what_it_was_cut_to():
    ledger = ledger_with(OrderStatus.ACCEPTED, filled_qty=Decimal(0), reduce_only=True)
    filled = report(OrderStatus.FILLED, filled="0.4", qty=Decimal("0.4"))
    order = ledger.report(filled, at=1001.0).after
    assert (order.status, order.qty, order.leaves_qty) == (
        OrderStatus.FILLED,
        Decimal("0.4"),
        Decimal(0),
    )


def test_an_order_is_never_cut_below_what_is_filled():
    ledger = ledger_with(OrderStatus.ACCEPTED, filled_qty=Decimal("0.5"), reduce_only=True)
    assert ledger.report(report(qty=Decimal("0.4")), at=1001.0).after.qty == Decimal("0.5")


def test_an_unknown_id_is_adopted_as_external():
    ledger = OrderLedger()
    change = ledger.report(
        report(OrderStatus.PARTIALLY_FILLED, "0.3", client_order_id="web_1"), at=5.0
    )
    order = ledger.get("web_1")
    assert change.after == order
    assert order.is_external
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert (order.filled_qty, order.leaves_qty) == (Decimal("0.3"), Decimal("0.7"))
    assert order.created_at == 1000.1  # the venue's time, where it says so
    assert ledger.by_venue_id("77") == order
    assert ledger.exposure(S, Side.BUY) == Decimal("0.7")


def test_an_external_order_lives_on_like_any_other():
    ledger = OrderLedger()
    ledger.report(report(client_order_id="web_1", created_ms=None), at=5.0)
    assert ledger.get("web_1").created_at == 5.0
    ledger.book(fill("e1", "1"), at=6.0)
    assert ledger.get("web_1").status is OrderStatus.FILLED
    assert ledger.get("web_1").is_external


@pytest.mark.parametrize("status", [s for s in VENUE_STATES if s is not OrderStatus.REJECTED])
def test_a_namesake_says_nothing_about_our_order(status):
    """Both venues let an id be used again once its order is closed; the venue's own id differs."""
    ledger = submitted()
    ledger.report(report(), at=2000.0)
    before = ledger.get(ID)
    change = ledger.report(report(status, "1", venue_order_id="99"), at=2001.0)
    assert not change.is_news
    assert ledger.get(ID) == before
    assert ledger.by_venue_id("99") is None


def test_the_fill_of_a_namesake_is_not_ours():
    ledger = submitted()
    ledger.report(report(), at=2000.0)
    before = ledger.get(ID)
    namesakes = fill("e9", "1", venue_order_id="99", client_order_id=ID)
    assert ledger.book(namesakes, at=2001.0) is None
    assert ledger.get(ID) == before


def test_a_late_namesake_does_not_wake_an_order_that_has_ended():
    ledger = submitted()
    ledger.report(report(OrderStatus.CANCELED), at=2000.0)
    ledger.report(report(OrderStatus.FILLED, "1", venue_order_id="99"), at=9000.0)
    assert ledger.get(ID).status is OrderStatus.CANCELED
    assert ledger.get(ID).filled_qty == 0


def test_a_conditional_order_gets_its_engine_id_when_it_triggers():
    """Until then the venue's answers name none."""
    ledger = submitted()
    ledger.report(report(venue_order_id=""), at=2000.0)
    assert ledger.get(ID).venue_order_id is None
    ledger.report(report(venue_order_id="501"), at=2001.0)
    assert ledger.get(ID).venue_order_id == "501"
    ledger.report(report(OrderStatus.CANCELED, venue_order_id=""), at=2002.0)
    assert ledger.get(ID).venue_order_id == "501"
    assert ledger.get(ID).status is OrderStatus.CANCELED


# Intents, questions to the ledger.


def test_an_id_names_one_order_for_ever():
    ledger = submitted()
    with pytest.raises(ValueError, match="was used before"):
        ledger.create(ID, limit(S, "sell", 2, 90), at=2000.0)
    assert ledger.get(ID).side is Side.BUY


def test_an_intent_that_was_not_written_down_can_be_taken_back():
    ledger = OrderLedger()
    ledger.create(ID, limit(S, "buy", 1, 100), at=1.0)
    ledger.forget(ID)
    assert ledger.get(ID) is None
    ledger.create(ID, limit(S, "buy", 1, 100), at=1.0)
    ledger.apply(ID, OrderEvent.SENT, at=1.0)
    with pytest.raises(AssertionError):
        ledger.forget(ID)


def test_create_keeps_every_term_of_the_request():
    request = limit(
        S, "sell", 2, 90, time_in_force="gtc", post_only=True, reduce_only=True, client_order_id=ID
    )
    order = OrderLedger().create(ID, request, at=7.0)
    for name in ("symbol", "side", "order_type", "qty", "price", "stop_price"):
        assert getattr(order, name) == getattr(request, name)
    for name in ("time_in_force", "post_only", "reduce_only"):
        assert getattr(order, name) == getattr(request, name)
    assert order.status is OrderStatus.INITIALIZED
    assert order.source is Source.DERIVED
    assert not order.is_external


def test_exposure_counts_what_may_be_live_and_nothing_else():
    ledger = OrderLedger()
    for number, status in enumerate(OrderStatus):
        ledger.restore(
            structs.replace(order_in(status), client_order_id=f"b{number}", venue_order_id=None)
        )
    sold = structs.replace(order_in(OrderStatus.UNKNOWN), client_order_id="s", side=Side.SELL)
    ledger.restore(sold)
    assert ledger.exposure(S, Side.BUY) == 4 * Decimal("0.8")
    assert ledger.exposure(S, Side.SELL) == Decimal("0.8")
    assert ledger.exposure("ETH/USDT:USDT", Side.BUY) == 0


def test_open_and_unknown_list_by_symbol():
    ledger = OrderLedger()
    for number, status in enumerate(OrderStatus):
        ledger.restore(structs.replace(order_in(status), client_order_id=f"o{number}"))
    ledger.restore(
        structs.replace(
            order_in(OrderStatus.UNKNOWN), client_order_id="eth", symbol="ETH/USDT:USDT"
        )
    )
    live = {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}
    doubtful = {OrderStatus.UNKNOWN, OrderStatus.SUBMITTED}
    assert {order.status for order in ledger.open()} == live
    assert {order.status for order in ledger.unknown(S)} == doubtful
    assert [o.client_order_id for o in ledger.unknown("ETH/USDT:USDT")] == ["eth"]
    assert ledger.open("ETH/USDT:USDT") == []
    assert len(ledger) == len(list(ledger)) == len(OrderStatus) + 1


def test_a_restored_ledger_is_the_one_that_was_left():
    ledger = submitted()
    ledger.report(report(OrderStatus.PARTIALLY_FILLED, "0.5"), at=2000.0)
    ledger.book(fill("e1", "0.5"), at=2001.0)
    again = OrderLedger()
    again.restore(ledger.get(ID))
    again.book(fill("e1", "0.5"), at=3000.0)
    assert again.by_venue_id("77").client_order_id == ID
    assert again.get(ID) == structs.replace(ledger.get(ID), as_of=3000.0)
    assert again.executions(ID) == ledger.executions(ID)
