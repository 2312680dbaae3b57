"""The truth as a whole: its documents, several accounts, memory, and bad input."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from handmade_run import BOT, SPOT, T0_MS, UM, Run, ms, scenario

from outlast.mock.belief import Belief
from outlast.mock.records import RequestRecord, Told
from outlast.mock.scenario.model import Expectation
from outlast.mock.scenario.vocabulary import EXPECTATIONS
from outlast.mock.truth import VERSION, Truth
from outlast.mock.verdict import INVARIANTS


def a_run():
    run = Run(
        "no_duplicate_exposure", Expectation("attempts_per_intent", 2), positions={"BTCUSDT": "2"}
    )
    _, order = run.create(1, "a", price="99000.50", params={"symbol": "BTCUSDT"})
    run.fill(order, 2, qty="0.4", price="99000.50", fee="1.5", pnl="-3")
    run.create(3, "b", told=Told.AMBIGUOUS)
    run.request(4, "market.read", account=None)
    run.truth.lies(ms(5), ["balances:zero"])
    run.truth.phase(ms(6), "lockout", mode="cancel_only")
    return run


def test_the_truth_document_holds_orders_fills_positions_and_intents():
    document = a_run().truth.as_json()
    assert json.loads(json.dumps(document)) == document
    assert document["version"] == VERSION
    assert (document["scenario"], document["seed"]) == ("handmade", 7)
    assert document["phase"] == "lockout"
    assert document["at"] == "2025-10-10T21:07:06.000Z"
    venue = document["venues"][UM]
    assert (venue["lies"], venue["mode"]) == (["balances:zero"], "cancel_only")
    account = venue["accounts"][BOT]
    (order,) = account["orders"]
    assert order["client_order_id"] == "a"
    assert (order["price"], order["filled_qty"]) == ("99000.50", "0.4")
    assert (order["status"], order["shown_ms"]) == ("partially_filled", ms(1.1))
    assert [fill["qty"] for fill in account["fills"]] == ["0.4"]
    assert account["positions"] == {"BTCUSDT": "1.6"}
    assert account["balances"] == {"USDT": "10000"}
    first, second = document["intents"][BOT]
    assert (first["attempts"], first["orders"], first["told_ms"]) == (1, [1], ms(1.1))
    assert (second["client_order_ids"], second["orders"], second["told_ms"]) == (["b"], [], None)


def test_the_requests_document_can_be_one_class_of_them():
    truth = a_run().truth
    everything = truth.requests_json()
    assert json.loads(json.dumps(everything)) == everything
    assert (everything["version"], everything["total"], everything["kept"]) == (VERSION, 3, 3)
    assert [r["ordinal"] for r in everything["requests"]] == [1, 2, 3]
    creates = truth.requests_json("orders.create")["requests"]
    assert [(r["told"], r["landed"], r["order_ids"]) for r in creates] == [
        ("ok", "yes", [1]),
        ("ambiguous", "no", []),
    ]
    assert creates[0]["params"] == {"symbol": "BTCUSDT"}


def test_the_verdict_document_has_every_expectation_and_every_accounts_card():
    run = a_run()
    document = run.truth.verdict_json()
    assert json.loads(json.dumps(document)) == document
    assert document["version"] == VERSION
    assert [sorted(result) for result in document["verdict"]] == [
        ["evidence", "holds", "invariant"]
    ] * 2
    assert [result["invariant"] for result in document["verdict"]] == [
        "no_duplicate_exposure",
        "attempts_per_intent",
    ]
    assert document["scorecards"] == {BOT: run.card()}


def test_the_same_run_gives_the_same_documents():
    first, second = a_run().truth, a_run().truth
    assert json.dumps(first.as_json()) == json.dumps(second.as_json())
    assert json.dumps(first.verdict_json()) == json.dumps(second.verdict_json())


def test_every_invariant_of_the_language_is_judged_and_no_other():
    assert set(INVARIANTS) == set(EXPECTATIONS)
    assert all(judge.__doc__ for judge in INVARIANTS.values())


def test_an_expectation_nobody_knows_is_an_error_that_lists_the_known_ones():
    run = Run("no_such_thing")
    run.request(1, "market.read")
    with pytest.raises(ValueError, match="unknown invariant 'no_such_thing'; known are no_dup"):
        run.truth.verdict()


def test_a_belief_of_the_wrong_shape_is_refused_by_verdict_and_scorecard():
    run = a_run()
    for ask in (run.truth.verdict, lambda belief: run.truth.scorecard(BOT, belief)):
        with pytest.raises(ValueError, match="belief: unknown field 'position'"):
            ask({"position": {}})


def test_verdicts_of_several_accounts_name_the_offender():
    run = Run(Expectation("attempts_per_intent", 1))
    for account, repeats in (("good", 1), ("bad", 2)):
        run.truth.open_account(T0_MS, UM, account, balances={}, positions={})
        for at_s in range(repeats):
            run.create(at_s, f"{account}{at_s}", told=Told.REFUSED, account=account)
    assert run.truth.accounts() == ["bad", "good"]  # the default account did nothing
    evidence = run.evidence()
    assert evidence.startswith("account bad: ")
    assert "good" not in evidence
    assert run.truth.verdict(account="good")[0]["holds"]


def test_a_belief_may_say_whose_it_is():
    run = Run("evidence_complete")
    for account in ("one", "two"):
        run.request(1, "market.read", account=account)
    journal = {"journal": {"records": 1, "verified": True, "requests": 1}}
    assert run.holds(journal)
    assert run.evidence({**journal, "account": "one"}) == ("account two: no journal was handed in")


def test_intents_and_requests_of_one_account_are_not_anothers():
    run = Run()
    run.create(1, "x", told=Told.REFUSED, account="one")
    run.create(2, "x", told=Told.REFUSED, account="two")
    run.request(3, "market.read", account=None)
    for name in ("one", "two"):
        card = run.truth.scorecard(name)
        assert (card["intents"], card["requests"]) == (1, 2)


def test_wire_and_unified_spellings_find_the_scenarios_symbol():
    truth = Truth(scenario(venues=(UM, SPOT)))
    for spelled in ("BTCUSDT", "BTC/USDT:USDT", "BTC/USDT"):
        assert truth.instrument(UM, spelled) is truth.scenario.world.instruments["BTCUSDT"]
        assert truth.instrument(SPOT, spelled) is truth.scenario.world.instruments["BTCUSDT-SPOT"]
    assert truth.traded_as(SPOT, "BTCUSDT-SPOT") == "BTCUSDT"
    assert truth.traded_as(UM, "DOGEUSDT") == "DOGEUSDT"
    assert truth.qty_step(UM, "BTCUSDT") == Decimal("0.001")
    assert truth.qty_step(UM, "DOGEUSDT") == 0


def test_reads_beyond_the_bound_are_counted_and_let_go_and_writes_are_kept():
    run = Run(reads_max=3)
    for at_s in range(10):
        run.request(at_s, "market.read", params={"n": str(at_s)})
        run.create(at_s, f"a{at_s}", told=Told.REFUSED, params={"n": str(at_s)})
    document = run.truth.requests_json()
    assert (document["total"], document["kept"]) == (20, 13)
    reads = [r for r in document["requests"] if r["endpoint"] == "market.read"]
    assert [r["params"] for r in reads] == [{"n": "7"}, {"n": "8"}, {"n": "9"}]
    creates = [r for r in document["requests"] if r["endpoint"] == "orders.create"]
    assert [r["params"].get("n") for r in creates] == [None] * 7 + ["7", "8", "9"]
    assert run.card()["requests"] == 20


def test_an_order_shown_before_the_engine_spoke_of_it_is_known():
    run = Run("no_orphans")
    run.truth.shown(ms(1), UM, [1])
    run.order(0.5, "a")
    assert run.holds()


def test_a_stop_and_its_sends_settled_out_of_order_are_read_in_order_of_arrival():
    run = Run("no_duplicate_exposure")
    run.create(5, "b")  # settled first, arrived second
    slow = RequestRecord(
        ordinal=0,
        venue=UM,
        product="um",
        endpoint="orders.create",
        account=BOT,
        arrived_ms=ms(1),
        replied_ms=ms(31),
        told=Told.AMBIGUOUS,
        create=run.truth.intents(BOT)[0].facts,
    )
    run.truth.request(slow)
    (intent,) = run.truth.intents(BOT)
    assert [send.record.ordinal for send in intent.sends] == [0, 1]


# --- docs/mock.md --------------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs" / "mock.md"


def documented_json():
    """The JSON examples of the page from the chapter "Truth" on, in order."""
    _, _, from_truth = DOCS.read_text().partition("\n## Truth\n")
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", from_truth, re.DOTALL)]


def test_the_page_names_every_invariant_measure_and_field():
    text = DOCS.read_text()
    run = a_run()
    names = [*INVARIANTS, *run.card()]
    assert [name for name in names if f"`{name}" not in text] == []
    truth, requests, *_ = documented_json()
    real = run.truth.as_json()
    assert set(truth) == set(real)
    order, fill = (truth["venues"][UM]["accounts"]["main"][part][0] for part in ("orders", "fills"))
    account = real["venues"][UM]["accounts"][BOT]
    assert set(order) == set(account["orders"][0])
    assert set(fill) == set(account["fills"][0])
    assert set(truth["intents"]["main"][0]) == set(real["intents"][BOT][0])
    assert set(requests["requests"][0]) == set(run.truth.requests_json()["requests"][0])


def test_the_pages_belief_is_one_that_is_read():
    (belief,) = [example for example in documented_json() if "journal" in example]
    assert Belief.read(belief) is not None
