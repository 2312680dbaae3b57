"""What counts as one intent, what as a duplicate, and when an unknown outcome is settled."""

from decimal import Decimal

from handmade_run import BOT, SPOT, UM, Run, ms

from outlast.mock.engine.model import OrderStatus
from outlast.mock.records import CreateFacts, Landed, Told


def intents(run):
    return run.truth.intents(BOT)


def duplicates(run):
    return [order.order_id for intent in intents(run) for order in intent.duplicates()]


def test_repeats_under_the_same_id_or_of_the_same_shape_are_one_intent():
    run = Run()
    run.create(1, "a", told=Told.REFUSED)
    run.create(2, "a", qty="2", told=Told.REFUSED)  # same id, another size
    run.create(3, "b", qty="2", told=Told.REFUSED)  # another id, same shape
    (intent,) = intents(run)
    assert len(intent.sends) == 3
    assert not intent.orders


def test_another_shape_under_another_id_is_another_intent():
    run = Run()
    run.create(1, "a", told=Told.REFUSED)
    run.create(2, "b", qty="2", told=Told.REFUSED)
    run.create(3, "c", side="buy", told=Told.REFUSED)
    run.create(4, "d", price="99000", told=Told.REFUSED)
    run.create(5, "e", symbol="ETHUSDT", told=Told.REFUSED)
    assert [len(intent.sends) for intent in intents(run)] == [1, 1, 1, 1, 1]


def test_the_same_shape_on_another_venue_is_another_intent():
    run = Run(venues=(UM, SPOT))
    run.create(1, "a", told=Told.REFUSED)
    run.create(2, "a", told=Told.REFUSED, venue=SPOT)
    assert [intent.venue for intent in intents(run)] == [UM, SPOT]


def test_an_id_used_again_belongs_to_the_run_of_its_shape_that_is_still_open():
    run = Run()
    run.create(1, "a")
    _, second = run.create(2, "b", told=Told.AMBIGUOUS, lands=True)
    _, third = run.create(3, "a")
    assert [len(intent.sends) for intent in intents(run)] == [1, 2]
    assert duplicates(run) == [third]
    assert second


def test_an_intent_ends_when_its_order_is_shown_by_the_reply():
    run = Run()
    run.create(1, "a")
    run.create(2, "b")
    assert len(intents(run)) == 2
    assert duplicates(run) == []


def test_an_intent_ends_when_a_later_query_shows_the_order():
    run = Run()
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(2, shown=[first])
    run.create(3, "b")
    assert len(intents(run)) == 2
    assert duplicates(run) == []


def test_an_intent_ends_when_a_stream_shows_the_order():
    run = Run()
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.truth.shown(ms(2), UM, [first])
    run.create(3, "b")
    assert len(intents(run)) == 2


def test_a_query_answered_after_the_repeat_was_sent_comes_too_late():
    run = Run()
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(2, shown=[first], took_s=3)
    _, second = run.create(4, "b")
    assert duplicates(run) == [second]


def test_a_blind_repeat_of_an_order_that_landed_is_a_duplicate():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    _, second = run.create(2, "b")
    (intent,) = intents(run)
    assert len(intent.sends) == 2
    assert duplicates(run) == [second]


def test_the_repeat_of_a_plain_close_is_found_although_it_no_longer_reduces():
    run = Run(positions={"BTCUSDT": "1"})
    _, first = run.create(1, "a", reduces=True, told=Told.AMBIGUOUS, lands=True)
    run.fill(first, 1)
    _, second = run.create(2, "b", reduces=False)
    assert duplicates(run) == [second]


def test_a_repeat_of_an_order_that_never_landed_is_no_duplicate():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS)
    run.query(2, absent=["a"])
    run.create(3, "b")
    (intent,) = intents(run)
    assert len(intent.sends) == 2
    assert duplicates(run) == []


def test_a_queued_order_that_lands_behind_its_repeat_is_the_duplicate():
    run = Run()
    _, late = run.create(1, "a", told=Told.AMBIGUOUS, lands=True, lands_at_s=40)
    _, second = run.create(2, "b")
    assert [order.order_id for order in intents(run)[0].orders] == [second, late]
    assert duplicates(run) == [late]


def test_an_order_that_ended_at_once_without_a_fill_was_never_exposure():
    run = Run()
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.end(first, 1, OrderStatus.EXPIRED)
    run.create(2, "b")
    assert duplicates(run) == []


def test_an_order_cancelled_later_was_exposure():
    run = Run()
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.end(first, 1.5)
    _, second = run.create(2, "b")
    assert duplicates(run) == [second]


def test_an_order_that_vanished_before_the_repeat_is_no_duplicate():
    run = Run()
    record, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    record.landed = Landed.VOIDED
    run.truth.voided(ms(10), UM, first)
    run.query(11, absent=["a"])
    run.create(12, "b")
    assert duplicates(run) == []


def test_an_order_that_vanished_after_the_repeat_had_landed_is_a_duplicate():
    run = Run()
    record, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    record.landed = Landed.VOIDED
    _, second = run.create(2, "b")
    run.truth.voided(ms(10), UM, first)
    assert duplicates(run) == [second]


def test_the_orders_of_a_batch_are_intents_of_their_own():
    run = Run()
    facts = [
        CreateFacts(
            client_order_id=name,
            symbol="BTCUSDT",
            side="buy",
            type="limit",
            qty=Decimal(1),
            price=Decimal(price),
            reduces=False,
        )
        for name, price in (("a", 99_000), ("b", 98_000))
    ]
    ids = (run.order(1, "a", "buy", price="99000"), run.order(1, "b", "buy", price="98000"))
    run.request(1, "orders.create", batch=tuple(facts), order_ids=ids, landed=Landed.YES)
    assert [[o.order_id for o in intent.orders] for intent in intents(run)] == [[1], [2]]


def test_a_test_order_is_no_intent():
    run = Run()
    run.create(1, "a", lands=False, path="/fapi/v1/order/test")
    assert intents(run) == []


# --- unknown outcomes ----------------------------------------------------------------------------


def resolved_s(run):
    """(seconds after the start of the run, or None) for each unknown outcome."""
    return [
        None if unknown.resolved_ms is None else (unknown.resolved_ms - ms(0)) / 1000
        for unknown in run.truth.unknowns(BOT)
    ]


def test_a_refusal_or_success_leaves_nothing_unknown():
    run = Run()
    run.create(1, "a", told=Told.REFUSED)
    run.create(2, "b")
    assert resolved_s(run) == []


def test_being_shown_the_order_resolves():
    run = Run()
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(5, shown=[first])
    assert resolved_s(run) == [5.1]


def test_absence_told_after_the_reply_resolves_what_never_landed():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS, took_s=10)
    run.query(5, absent=["a"])  # before the reply: it proves nothing yet
    assert resolved_s(run) == [None]
    run.query(20, absent=["a"])
    assert resolved_s(run) == [20.1]


def test_a_hanging_request_may_be_settled_while_it_hangs():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS, took_s=60, reply="hang")
    run.query(20, absent=["a"])
    assert resolved_s(run) == [20.1]


def test_absence_does_not_resolve_an_order_that_landed_after_it():
    run = Run()
    _, late = run.create(1, "a", told=Told.AMBIGUOUS, lands=True, lands_at_s=40)
    run.query(20, absent=["a"])
    assert resolved_s(run) == [None]
    run.query(50, shown=[late])
    assert resolved_s(run) == [50.1]


def test_absence_told_by_a_lagging_history_does_not_resolve():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(5, absent=["a"])
    assert resolved_s(run) == [None]


def test_absence_resolves_an_order_that_has_vanished():
    run = Run()
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(5, absent=["a"])
    run.truth.voided(ms(26), UM, first)
    run.query(30, absent=["a"])
    assert resolved_s(run) == [30.1]


def test_a_repeat_under_the_same_id_that_is_shown_resolves_the_first():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS)
    run.create(3, "a")
    assert resolved_s(run) == [3.1]


def test_a_repeat_under_another_id_resolves_nothing():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS)
    run.create(3, "b")
    assert resolved_s(run) == [None]


def test_an_error_in_place_of_the_answer_resolves_nothing():
    run = Run()
    run.create(1, "a", told=Told.AMBIGUOUS)
    run.query(5, told=Told.REFUSED)
    run.query(6, told=Told.AMBIGUOUS)
    assert resolved_s(run) == [None]
