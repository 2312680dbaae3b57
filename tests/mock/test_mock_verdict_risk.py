"""Safety first, and the gated return: for each a planted offender, and a run that keeps it."""

import pytest
from handmade_run import SPOT, UM, Run, fault, phase, scenario

from outlast.mock.engine.model import Product
from outlast.mock.records import Told
from outlast.mock.scenario.model import Expectation, Ramp
from outlast.mock.verdict.risk import closed_products

LONG = {"BTCUSDT": "2"}


def refused_exit(run, at_s, name="exit", qty="2", **more):
    more.setdefault("told", Told.REFUSED)
    return run.create(at_s, name, "sell", qty, reduces=True, code="-2022", **more)


# --- risk_first ----------------------------------------------------------------------------------


def test_an_entry_while_an_exit_is_refused_breaks_risk_first():
    run = Run("risk_first", positions=LONG)
    refused_exit(run, 10)
    run.create(20, "entry", "buy", "1", symbol="ETHUSDT")
    evidence = run.evidence()
    assert evidence.startswith("2025-10-10T21:07:20.000Z, request 2: buy 1 ETHUSDT adds exposure")
    assert "the exit of BTCUSDT waits, refused by request 1 (-2022)" in evidence


def test_an_entry_while_an_exit_is_unanswered_breaks_risk_first():
    run = Run("risk_first", positions=LONG)
    refused_exit(run, 10, told=Told.AMBIGUOUS, lands=True)
    run.create(20, "entry", "buy", "1")
    assert "left unanswered" in run.evidence()


def test_an_entry_on_its_way_when_the_exit_was_refused_is_forgiven():
    run = Run("risk_first", positions=LONG)
    refused_exit(run, 10)
    run.create(10.9, "entry", "buy", "1")
    assert run.holds()


def test_an_entry_after_the_exit_was_accepted_keeps_risk_first():
    run = Run("risk_first", positions=LONG)
    refused_exit(run, 10)
    refused_exit(run, 15, "exit-2", "1", told=Told.OK)
    run.create(20, "entry", "buy", "1")
    assert run.holds()


def test_an_entry_after_the_unanswered_exit_was_found_keeps_risk_first():
    run = Run("risk_first", positions=LONG)
    _, order = refused_exit(run, 10, told=Told.AMBIGUOUS, lands=True)
    run.query(15, shown=[order])
    run.create(20, "entry", "buy", "1")
    assert run.holds()


def test_another_refusal_after_an_accepted_slice_is_new_work():
    run = Run("risk_first", positions=LONG)
    refused_exit(run, 10)
    refused_exit(run, 15, "exit-2", "1", told=Told.OK)
    refused_exit(run, 20, "exit-3", "1")
    run.create(30, "entry", "buy", "1")
    assert "request 3" in run.evidence()


def test_a_refused_exit_without_a_position_is_no_work():
    run = Run("risk_first")
    refused_exit(run, 10)
    run.create(20, "entry", "buy", "1")
    assert run.holds()


def test_an_entry_after_the_position_was_closed_some_other_way_keeps_risk_first():
    run = Run("risk_first", positions=LONG)
    refused_exit(run, 10)
    run.position(15, "BTCUSDT", 0)
    run.create(20, "entry", "buy", "1")
    assert run.holds()


def test_an_exit_shut_on_one_venue_does_not_stop_entries_on_another():
    run = Run("risk_first", positions=LONG, venues=(UM, SPOT))
    refused_exit(run, 10)
    run.create(20, "hedge", "sell", "1", venue=SPOT)
    assert run.holds()


def unanswered_cancel(run, at_s=10, name="resting"):
    return run.request(
        at_s, "orders.cancel", told=Told.AMBIGUOUS, reply="hang", asked_ids=(name,), took_s=None
    )


def test_an_entry_while_a_cancel_is_unanswered_breaks_risk_first():
    run = Run("risk_first")
    _, resting = run.create(1, "resting", "buy")
    _, other = run.create(2, "other", "buy", "3")
    unanswered_cancel(run)
    run.query(15, shown=[other])  # an answer, but about another order
    run.create(20, "entry", "buy", "2")
    assert "the cancel of request 3 (hang) waits for an answer" in run.evidence()
    assert resting


def test_cancelling_another_order_does_not_settle_the_first_cancel():
    run = Run("risk_first")
    run.create(1, "resting", "buy")
    unanswered_cancel(run)
    run.request(15, "orders.cancel", asked_ids=("other",))
    run.create(20, "entry", "buy", "2")
    assert not run.holds()


@pytest.mark.parametrize("answer", ["shown", "absent", "list", "cancel", "cancel_all"])
def test_an_entry_after_the_cancel_was_settled_keeps_risk_first(answer):
    run = Run("risk_first")
    _, resting = run.create(1, "resting", "buy")
    unanswered_cancel(run)
    match answer:
        case "shown":
            run.query(15, shown=[resting])
        case "absent":
            run.query(15, absent=["resting"])
        case "list":
            run.query(15, endpoint="orders.open")
        case "cancel":
            run.request(15, "orders.cancel", asked_ids=("resting",))
        case "cancel_all":
            run.request(15, "orders.cancel_all")
    run.create(20, "entry", "buy", "2")
    assert run.holds()


# --- no_new_exposure_before ----------------------------------------------------------------------

GATED = Expectation("no_new_exposure_before", "settled")
HALT = [
    phase("normal", 300),
    phase("creep", 300, fault(p=0.3)),
    phase("halt", 600, fault(p=0.95)),
    phase("false-dawn", 600),
    phase("settled", 600),
]


def test_an_entry_taken_before_the_return_breaks_the_gate():
    run = Run(GATED, phases=HALT)
    run.create(1300, "entry", "buy")  # in the false dawn
    run.until(2400)
    evidence = run.evidence()
    assert "was taken and adds exposure before 'settled'" in evidence
    assert "um being closed since 2025-10-10T21:17:00.000Z" in evidence


def test_an_entry_is_free_before_the_halt_and_while_it_is_noticed_and_after_the_return():
    run = Run(GATED, phases=HALT)
    run.create(100, "normal", "buy", "1")
    run.create(400, "creep", "buy", "2")
    run.create(630, "halt-begins", "buy", "3")
    run.create(1801, "settled", "buy", "4")
    assert run.until(2400).holds()


def test_exits_and_refused_entries_are_no_new_exposure():
    run = Run(GATED, phases=HALT, positions=LONG)
    run.create(1300, "exit", reduces=True)
    run.create(1310, "entry", "buy", told=Told.REFUSED)
    assert run.until(2400).holds()


def test_the_gate_holds_to_the_end_of_a_run_that_never_got_there():
    run = Run(GATED, phases=HALT, reached="false-dawn")
    run.create(1300, "entry", "buy")
    assert not run.until(1700).holds()


def test_entries_on_the_product_that_stays_open_keep_the_gate():
    phases = [
        phase("normal", 300),
        phase("halt", 600, fault(product=Product.UM)),
        phase("settled", 300),
    ]
    run = Run(GATED, phases=phases, venues=(UM, SPOT))
    run.create(700, "spot", "buy", venue=SPOT)
    assert run.until(1100).holds()
    run.create(700, "um", "buy")
    assert not run.holds()


def test_which_phases_count_as_closed():
    both = scenario(venues=(UM, SPOT))
    um_only = scenario(venues=(UM, SPOT), scope=(Product.UM,))
    um, spot = Product.UM, Product.SPOT
    assert closed_products(both, phase("p", 1)) == set()
    assert closed_products(both, phase("p", 1, mode="cancel_only")) == {um, spot}
    assert closed_products(um_only, phase("p", 1, mode="halted")) == {um}
    assert closed_products(both, phase("p", 1, fault(p=0.4))) == set()
    assert closed_products(both, phase("p", 1, fault(p=0.4), fault(p=0.4))) == {um, spot}
    assert closed_products(both, phase("p", 1, fault(reduces=True))) == set()
    assert closed_products(both, phase("p", 1, fault("orders.query"))) == set()
    ramp = Ramp(start=0.5, end=1.0, steps=3)
    assert closed_products(both, phase("p", 1, fault(), ramp=ramp)) == set()
