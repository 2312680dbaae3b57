"""What the client knows in the end: for each a planted offender, and a run that keeps it."""

from decimal import Decimal

import pytest
from handmade_run import SPOT, UM, Run, ms

from outlast.mock.belief import BeliefError
from outlast.mock.engine.model import OrderStatus
from outlast.mock.history import Standing
from outlast.mock.records import Landed, Told

RECONCILED = "reconciled_by_end"


def account(run, at_s, **more):
    run.request(at_s, "account.balances", method="GET", path="/fapi/v3/account", **more)


def traded(until=600):
    """An order placed at 10 s and filled at 20 s; position and balance follow."""
    run = Run(RECONCILED)
    _, order = run.create(10, "a", "buy")
    run.fill(order, 20, fee="5")
    run.balance(20, "9995")
    return run.until(until), order


# --- reconciled_by_end, without a belief ---------------------------------------------------------


def test_a_fill_that_was_never_asked_about_breaks_reconciled_by_end():
    run, _ = traded()
    evidence = run.evidence()
    assert "no answer after its last change: order 1 (a)" in evidence
    assert evidence.endswith("; and 2 more")  # the position and the balance


def test_answers_after_the_last_change_keep_reconciled_by_end():
    run, order = traded()
    run.query(30, shown=[order])
    account(run, 31)
    assert run.holds()


def test_the_list_of_open_orders_answers_for_every_order():
    run, _ = traded()
    run.request(30, "orders.open", method="GET", path="/fapi/v1/openOrders")
    account(run, 31)
    assert run.holds()


@pytest.mark.parametrize(
    "params", [{"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}], ids=["same", "other"]
)
def test_the_open_orders_of_one_symbol_are_not_the_whole(params):
    run, _ = traded()
    run.request(30, "orders.open", method="GET", path="/fapi/v1/openOrders", params=params)
    account(run, 31)
    assert not run.holds()


def test_answers_before_the_last_change_do_not_count():
    run, order = traded()
    run.query(15, shown=[order])
    account(run, 16)
    assert not run.holds()


def test_lied_and_failed_answers_do_not_count():
    run, order = traded()
    run.query(30, shown=[order])
    account(run, 31, lied=True)
    account(run, 32, told=Told.REFUSED)
    account(run, 33, told=Told.AMBIGUOUS)
    evidence = run.evidence()
    assert "no true and complete answer about positions after BTCUSDT became 1" in evidence
    assert evidence.endswith("; and 1 more")


def test_leverage_settings_are_no_answer_about_positions():
    run, order = traded()
    run.query(30, shown=[order])
    run.request(31, "account.balances", method="GET", path="/fapi/v3/balance")
    run.request(32, "account.positions", method="GET", path="/fapi/v1/symbolConfig")
    assert "about positions" in run.evidence()
    run.request(33, "account.positions", method="GET", path="/fapi/v3/positionRisk")
    assert run.holds()


def test_a_slow_answer_shows_the_state_it_was_made_from():
    run, order = traded()
    run.query(30, shown=[order])
    account(run, 15, took_s=45, rendered_ms=ms(16))
    assert not run.holds()


def test_a_delayed_fill_must_be_read_after_the_venue_reports_it():
    run = Run(RECONCILED)
    _, order = run.create(10, "a", "buy")
    run.fill(order, 20, visible_s=320)
    run.query(30, shown=[order])
    account(run, 31)
    assert not run.until(600).holds()
    run.query(330, shown=[order])
    account(run, 331)
    assert run.holds()


def test_what_the_venue_does_not_report_yet_and_the_last_seconds_are_not_asked_for():
    run = Run(RECONCILED)
    _, order = run.create(10, "a", "buy")
    run.fill(order, 20, visible_s=5000)
    run.balance(595, "9999")
    assert run.until(600).holds()


def test_an_account_in_which_nothing_changed_needs_no_answer():
    run = Run(RECONCILED, positions={"BTCUSDT": "1"})
    run.order(0, "", "sell", price="111500")
    run.truth.history.of("bot")[0].orders[1].from_the_start = True
    run.request(1, "market.read")
    assert run.until(600).holds()


def test_an_order_that_was_acknowledged_and_vanished_must_be_found_missing():
    run = Run(RECONCILED)
    record, order = run.create(10, "a", "buy")
    record.landed = Landed.VOIDED
    run.truth.voided(ms(35), UM, order)
    run.query(30, absent=["a"])  # the query side was behind: it was still there
    assert not run.until(600).holds()
    run.query(50, absent=["a"])
    assert run.holds()


# --- reconciled_by_end, with a belief ------------------------------------------------------------

RIGHT = {
    "orders": {"a": "FILLED"},
    "positions": {"BTC/USDT:USDT": "1.000"},
    "balances": {"USDT": "9995.00"},
}


def test_a_belief_that_equals_the_truth_keeps_reconciled_by_end_without_a_single_read():
    run, _ = traded()
    assert run.verdict(RIGHT)["evidence"] == "the belief equals the truth on binance-um"
    assert run.holds(RIGHT)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"orders": {"a": "ACCEPTED"}}, "the belief has a as 'open', in truth order 1"),
        ({"orders": {"a": "UNKNOWN"}}, "the belief has a as 'unknown'"),
        ({"orders": {}}, "the belief does not know order 1"),
        ({"orders": {"a": "FILLED", "ghost": "OPEN"}}, "no such order exists"),
        ({"positions": {"BTCUSDT": "0.9"}}, "a position of BTCUSDT of 0.9, in truth it is 1"),
        ({"positions": {}}, "a position of BTCUSDT of 0, in truth it is 1"),
        ({"balances": {"USDT": "10000"}}, "a balance of USDT of 10000, in truth it is 9995"),
        ({"balances": {"USDT": "9995", "BTC": "1"}}, "a balance of BTC of 1, in truth it is 0"),
    ],
)
def test_a_belief_that_differs_breaks_reconciled_by_end(wrong, said):
    run, order = traded()
    run.query(30, shown=[order])
    account(run, 31)  # it was told the truth, and believes something else
    assert said in run.evidence({**RIGHT, **wrong})


def test_a_belief_is_compared_with_what_the_venue_reports_by_then():
    run = Run(RECONCILED)
    _, order = run.create(10, "a", "buy")
    run.fill(order, 20, visible_s=320)
    unfilled = {"orders": {"a": "ACCEPTED"}, "positions": {}}
    filled = {"orders": {"a": "FILLED"}, "positions": {"BTCUSDT": "1"}}
    assert run.until(300).holds(unfilled)
    assert not run.until(330).holds(unfilled)
    assert run.holds(filled)


def test_a_belief_may_name_venue_orders_by_the_venues_id_and_forget_what_vanished():
    run, _ = traded()
    made_by_venue = run.order(40, "")
    record, gone = run.create(50, "gone", "buy")
    record.landed = Landed.VOIDED
    run.truth.voided(ms(60), UM, gone)
    run.until(600)
    orders = {"a": "filled", str(made_by_venue): "new", "never-sent": "not_placed"}
    assert run.holds({**RIGHT, "orders": orders})
    assert not run.holds({**RIGHT, "orders": {**orders, "gone": "new"}})


def test_an_order_that_the_venue_named_itself_is_told_by_its_state():
    run = Run(RECONCILED)
    first, second = run.order(5, ""), run.order(6, "")
    run.end(second, 20)
    run.request(30, "account.balances")
    run.until(600)
    assert first
    assert run.holds({"orders": {"web_1": "ACCEPTED", "web_2": "CANCELED"}})
    assert run.holds({"orders": {"web_1": "CANCELED", "web_2": "ACCEPTED"}})
    assert not run.holds({"orders": {"web_1": "ACCEPTED"}})
    assert not run.holds({"orders": {"web_1": "ACCEPTED", "web_2": "FILLED"}})
    third = {"orders": {"web_1": "ACCEPTED", "web_2": "CANCELED", "web_3": "ACCEPTED"}}
    assert "web_3 as 'open'; no such order exists" in run.evidence(third)


@pytest.mark.parametrize(
    "believed",
    [
        {"stop": "FILLED", "limit": "CANCELED"},
        {"stop": "CANCELED", "market": "FILLED", "limit": "CANCELED"},
    ],
    ids=["one order", "two orders"],
)
def test_an_order_that_fired_and_what_it_became_are_one_or_two_as_the_venue_shows_them(believed):
    run = Run(RECONCILED)
    stop, limit = run.order(5, ""), run.order(6, "")
    run.end(stop, 20, OrderStatus.EXPIRED, "triggered")
    run.fill(run.order(20, "", triggered_from=stop), 20)
    run.end(limit, 30)
    run.until(600)
    assert run.holds({"orders": believed})
    assert not run.holds({"orders": {**believed, "stop": "ACCEPTED"}})
    assert not run.holds({"orders": {"limit": "CANCELED"}})
    assert not run.holds({"orders": {"stop": "FILLED"}})


def test_a_belief_may_be_ahead_of_late_reports_where_the_account_itself_was_read():
    run, _ = traded()
    now = Standing(
        balances={"USDT": Decimal(9990)}, positions={"BTCUSDT": Decimal(3)}, told_until_ms=ms(590)
    )
    run.truth.engines[UM] = lambda _: now
    assert run.holds(RIGHT)
    assert run.holds({"positions": {"BTCUSDT": "3"}, "balances": {"USDT": "9990"}})
    assert not run.holds({"positions": {"BTCUSDT": "2"}})
    assert not run.holds({"balances": {"USDT": "9992"}})


def test_an_expired_order_may_be_believed_cancelled():
    run = Run(RECONCILED)
    _, order = run.create(10, "a", "buy")
    run.end(order, 20)
    assert run.holds({"orders": {"a": "EXPIRED"}})
    assert not run.holds({"orders": {"a": "FILLED"}})


def test_a_belief_about_two_venues_must_say_which_is_which():
    run = Run(RECONCILED, venues=(UM, SPOT))
    run.request(1, "account.balances")
    run.request(2, "account.balances", venue=SPOT)
    with pytest.raises(BeliefError, match="put them under `venues`, keyed by venue"):
        run.verdict({"balances": {"USDT": "10000"}})
    good = {"venues": {UM: {"balances": {"USDT": "10000"}}, SPOT: {"balances": {"USDT": "10000"}}}}
    assert run.holds(good)
    bad = {"venues": {UM: {"balances": {"USDT": "10000"}}, SPOT: {"balances": {"USDT": "9000"}}}}
    assert not run.holds(bad)


# --- evidence_complete ---------------------------------------------------------------------------


def journal(**changed):
    return {"journal": {"records": 9, "verified": True, "requests": 3, **changed}}


def three_requests():
    run = Run("evidence_complete")
    for at_s in (1, 2, 3):
        run.request(at_s, "market.read")
    return run


def test_without_a_journal_evidence_is_not_complete():
    assert three_requests().evidence() == "no journal was handed in"


@pytest.mark.parametrize(
    ("belief", "said"),
    [
        (journal(verified=False), "the chain of the journal was not verified"),
        (journal(requests=2), "2 requests are journaled and 3 arrived"),
        (journal(requests=[1, 2, 2]), "1 requests are journaled more than once"),
        (journal(requests={"orders.create": 1, "market.read": 1}), "2 requests are journaled"),
        (journal(records=2), "2 records cannot hold 3 requests"),
    ],
)
def test_a_journal_with_gaps_breaks_evidence_complete(belief, said):
    assert said in three_requests().evidence(belief)


@pytest.mark.parametrize("requests", [3, 4, [1, 2, 3], {"market.read": 3}])
def test_a_journal_of_every_request_keeps_evidence_complete(requests):
    assert three_requests().holds(journal(requests=requests))


def test_a_belief_has_a_balance_as_exactly_as_the_venue_shows_it():
    run, _ = traded()
    run.balance(40, "9994.123456")
    run.truth.shown_balances[UM] = lambda _currency, amount: round(amount, 4)
    run.until(600)
    assert run.holds({**RIGHT, "balances": {"USDT": "9994.1235"}})
    assert run.holds({**RIGHT, "balances": {"USDT": "9994.123456"}})
    assert not run.holds({**RIGHT, "balances": {"USDT": "9994.1234"}})
