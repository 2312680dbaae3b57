"""Invariants about single orders: for each a planted offender, and a run that keeps it."""

from handmade_run import UM, Run, ms

from outlast.mock.engine.model import OrderStatus
from outlast.mock.records import Landed, Told
from outlast.mock.scenario.model import Expectation

RESOLVED = Expectation("unknowns_resolved", 60.0)
ATTEMPTS = Expectation("attempts_per_intent", 3)


# --- no_duplicate_exposure -----------------------------------------------------------------------


def test_a_blind_repeat_breaks_no_duplicate_exposure_and_is_named():
    run = Run("no_duplicate_exposure")
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.create(2, "b")
    run.create(3, "other", qty="3")
    evidence = run.evidence()
    assert evidence.startswith("2025-10-10T21:07:02.000Z, request 2: a second order for one intent")
    assert "sell 1 BTCUSDT limit" in evidence
    assert "more" not in evidence


def test_the_evidence_counts_the_further_duplicates():
    run = Run("no_duplicate_exposure")
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.create(2, "b", told=Told.AMBIGUOUS, lands=True)
    run.create(3, "c")
    assert run.evidence().endswith("; and 1 more")


def test_settling_before_the_repeat_keeps_no_duplicate_exposure():
    run = Run("no_duplicate_exposure")
    run.create(1, "a", told=Told.AMBIGUOUS)
    run.query(2, absent=["a"])
    run.create(3, "b")
    run.create(4, "c", told=Told.AMBIGUOUS, lands=True)
    run.query(5, shown=[2])
    assert run.holds()


# --- no_orphans ----------------------------------------------------------------------------------


def test_an_order_never_shown_is_an_orphan():
    run = Run("no_orphans")
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    evidence = run.evidence()
    assert "never shown to the client" in evidence
    assert "(a)" in evidence


def test_an_order_that_was_there_before_the_client_must_be_adopted():
    run = Run("no_orphans")
    run.order(0, "", "sell", price="111500")
    assert not run.holds()
    run.query(1, endpoint="orders.open", shown=[1])
    assert run.holds()


def test_an_order_cancelled_before_anybody_saw_it_is_still_an_orphan():
    run = Run("no_orphans")
    _, first = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.end(first, 30)
    assert not run.holds()


def test_what_a_triggered_stop_became_is_known_from_the_stop_shown_afterwards():
    run = Run("no_orphans")
    _, stop = run.create(1, "stop")
    run.order(10, "", triggered_from=stop)
    assert not run.holds()  # the stop was shown before it fired
    run.query(11, shown=[stop])
    assert run.holds()


def test_orders_that_never_were_exposure_are_no_orphans():
    run = Run("no_orphans")
    _, unfilled = run.create(1, "ioc", told=Told.AMBIGUOUS, lands=True)
    run.end(unfilled, 1, OrderStatus.EXPIRED)
    record, vanished = run.create(2, "v", told=Told.AMBIGUOUS, lands=True)
    record.landed = Landed.VOIDED
    run.truth.voided(ms(20), UM, vanished)
    assert run.holds()


# --- unknowns_resolved ---------------------------------------------------------------------------


def test_an_unknown_left_alone_while_the_venue_answers_breaks_unknowns_resolved():
    run = Run(RESOLVED)
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(10, absent=["somebody else's"])
    run.until(200)
    evidence = run.evidence()
    assert "2025-10-10T21:07:01.100Z, request 1" in evidence
    assert "within 60 s of 2025-10-10T21:07:10.100Z, resolved never" in evidence


def test_an_unknown_that_nobody_asked_about_counts_from_its_reply():
    run = Run(RESOLVED)
    run.create(1, "a", told=Told.AMBIGUOUS)
    run.until(61)
    assert run.holds()  # not due yet
    run.until(62)
    assert not run.holds()


def test_a_late_resolution_breaks_unknowns_resolved():
    run = Run(RESOLVED)
    _, order = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(10)
    run.query(75, shown=[order])
    run.until(200)
    assert "only 65.0 s later" in run.evidence()


def test_asking_in_vain_for_an_hour_keeps_unknowns_resolved():
    run = Run(RESOLVED)
    _, order = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    for at_s in range(10, 3600, 30):
        run.query(at_s, told=Told.REFUSED, code="-1008")
    run.query(3610, shown=[order])
    run.until(4000)
    assert run.holds()


def test_a_venue_that_never_answers_keeps_unknowns_resolved_while_it_is_asked():
    run = Run(RESOLVED)
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    for at_s in range(10, 3600, 30):
        run.query(at_s, told=Told.REFUSED, code="-1008")
    assert run.until(3620).holds()
    assert not run.until(3700).holds()  # it has stopped asking


def test_giving_up_after_asking_in_vain_breaks_unknowns_resolved():
    run = Run(RESOLVED)
    run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.query(10, told=Told.REFUSED, code="-1008")
    run.until(4000)
    assert not run.holds()


# --- attempts_per_intent -------------------------------------------------------------------------


def test_the_fourth_attempt_breaks_attempts_per_intent_of_three():
    run = Run(ATTEMPTS)
    for at_s in range(1, 7):
        run.create(at_s, f"a{at_s}", reduces=True, told=Told.REFUSED, code="-2022")
    evidence = run.evidence()
    assert evidence.startswith("2025-10-10T21:07:04.000Z, request 4: attempt 4 of 6")


def test_three_attempts_and_another_shape_keep_attempts_per_intent():
    run = Run(ATTEMPTS)
    for at_s in (1, 2, 3):
        run.create(at_s, f"a{at_s}", told=Told.REFUSED)
    run.create(4, "b", qty="0.5", told=Told.REFUSED)
    assert run.holds()
