"""What is closed is folded into sums: an endless run stays small, and its figures stay exact."""

import importlib
import random
from pathlib import Path

import pytest
from folding_world import ACCOUNTS, LATECOMER, Story, figures, story_scenario
from handmade_run import BOT, UM, Run, ms
from hypothesis import given, settings
from hypothesis import strategies as st

from outlast import sim
from outlast.mock import MockExchange
from outlast.mock import run as mock_run
from outlast.mock.records import Told
from outlast.mock.scenario.load import loads
from outlast.mock.scenario.model import Expectation
from outlast.mock.truth import Truth

ROOT = Path(__file__).parent.parent.parent
EVERYBODY = ("", *ACCOUNTS, LATECOMER)


# -- the same figures -----------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    share=st.sampled_from((1.0, 0.2, 0.03)),
    ended_max=st.sampled_from((0, 3, 25)),
)
def test_folding_at_any_instants_gives_the_figures_of_a_truth_that_keeps_all(
    seed, share, ended_max
):
    wanted = story_scenario(150)
    whole, folding = Truth(wanted), Truth(wanted, reads_max=5, fold_every=1)
    story = Story(seed, whole, folding, length_s=150, ended_max=ended_max)
    cuts = random.Random(seed)
    for _ in range(250):
        story.step()
        if cuts.random() < share:
            story.fold(folding)
            if cuts.random() < 0.1:
                assert figures(folding) == figures(whole)
    story.finish()
    assert figures(folding) == figures(whole)
    story.pass_s(60)
    story.fold(folding)
    assert figures(folding) == figures(whole)
    if ended_max == 0:
        assert sum(folding.past(account).intents for account in ACCOUNTS) > 10


def sizes(truth):
    """How many of everything a truth keeps."""
    pasts = [truth.past(account) for account in EVERYBODY]
    histories = truth.history.all()
    return {
        "rows": truth.traffic.backlog,
        "records": truth.traffic.kept_count,
        "sends": sum(len(past.runs.sends) for past in pasts),
        "intents": sum(len(past.runs.intents) for past in pasts),
        "orders": sum(len(history.orders) for history in histories),
        "fills": sum(len(history.fills) for history in histories),
        "steps": sum(
            len(tracked.true) + len(tracked.reported)
            for history in histories
            for kind in (history.positions, history.balances)
            for tracked in kind.values()
        ),
        "showings": sum(len(o.showings) for h in histories for o in h.orders.values()),
        "absent": sum(len(told) for told in truth._absent.values()),
        "quiets": len(truth.traffic.quiets),
        "quotes": sum(len(steps) for steps in truth.conditions._quotes.values()),
        "dials": len(truth.conditions.dials) // 1_001,
    }


def test_what_is_kept_does_not_grow_with_the_run_and_the_figures_are_exact():
    # Clients that ask what became of their orders; requests 25 ms apart. The same holds for 200,000
    # requests, which take some minutes.
    steps = 10_000
    wanted = story_scenario(steps * 0.006)
    whole = Truth(wanted)
    folding = Truth(wanted, reads_max=50, refused_max=50, fold_every=100)
    story = Story(
        5,
        whole,
        folding,
        length_s=steps * 0.006,
        ended_max=300,
        calm=True,
        pauses_s=(0.001, 0.02, 0.05),
    )
    largest = [dict.fromkeys(sizes(folding), 0) for _ in range(2)]
    for number in range(steps):
        story.step()
        if number % 10 == 0:
            story.fold(folding)
        half = largest[number * 2 // steps]
        if number % 50 == 0:
            half.update({part: max(half[part], size) for part, size in sizes(folding).items()})
    early, late = largest
    assert all(late[part] < 1.5 * early[part] + 20 for part in late), largest
    assert len(story.engine.all_orders()) < 350
    story.finish()
    assert figures(folding) == figures(whole)
    assert figures(folding)["cards"]["ann"]["orders"] > 300


def test_an_exchange_that_forgets_early_comes_to_the_same_figures_on_every_venue(monkeypatch):
    # The load of the benchmark in virtual time, through all three dialects and their faults.
    monkeypatch.syspath_prepend(str(ROOT))
    load = importlib.import_module("benchmarks.mock_load")

    def played(ended_max, fold_every):
        monkeypatch.setattr(mock_run, "ENDED_ORDERS_MAX", ended_max)

        async def run():
            async with MockExchange(loads(load.SCENARIO.format(seed=3))) as exchange:
                truth = exchange.truth
                truth._fold_every = fold_every
                doors = []
                for venue in load.VENUES * 2:
                    opened = exchange.run.open_account()[1][venue]
                    roots = exchange.endpoints(venue)
                    door = load.Door(
                        venue, roots["rest"], roots["stream"], opened.key, opened.secret
                    )
                    doors.append(door)
                await load.drive(doors, per_minute=2_400, seconds=40.0, seed=3)
                known = [len(v.stage.engine.all_orders()) for v in exchange.run.venues.values()]
            cards = {account: truth.scorecard(account) for account in truth.accounts()}
            return cards, known, truth.as_json()["not_listed"]

        return sim.run(run, seed=3)

    whole, all_known, none = played(10**9, 10**9)
    cards, known, not_listed = played(15, 10)
    assert cards == whole
    assert sum(card["orders"] for card in cards.values()) > 100
    assert sum(known) < sum(all_known) / 2
    assert sum(gone["orders"] for gone in not_listed.values()) > 50
    assert not any(gone["orders"] for gone in none.values())


# -- what stays whole -----------------------------------------------------------------------------


def folded(run, at_s, *, forget=()):
    """Tell the run's truth that the venue forgot these orders, and that all is told."""
    run.truth.forgotten(ms(at_s), UM, forget)
    run.until(at_s + 30)
    run.truth._fold_every = 0
    run.truth.complete_until(ms(at_s + 30))
    return run


def test_an_order_stays_whole_as_long_as_the_venue_knows_it():
    run = Run("no_duplicate_exposure")
    for number in range(3):
        _, order = run.create(number, f"a{number}", qty=str(number + 1))
        run.fill(order, number + 0.5, fee="1", pnl="0")
    folded(run, 10, forget=[1, 2])
    document = run.truth.as_json()
    account = document["venues"][UM]["accounts"][BOT]
    assert [order["order_id"] for order in account["orders"]] == [3]
    assert [fill["order_id"] for fill in account["fills"]] == [3]
    assert [intent["orders"] for intent in document["intents"][BOT]] == [[3]]
    assert document["not_listed"] == {BOT: {"orders": 2, "fills": 2, "intents": 2}}
    card = run.card()
    assert (card["intents"], card["orders"], card["realised_loss"]) == (3, 3, "3")


def test_an_unknown_order_can_still_be_resolved_after_the_venue_forgot_everything_else():
    run = Run(Expectation("unknowns_resolved", 5))
    run.create(1, "lost", told=Told.AMBIGUOUS)
    folded(run, 10)
    assert run.card()["unresolved"] == 1
    run.query(50, absent=["lost"])
    folded(run, 60)
    assert run.card()["unresolved"] == 0
    assert run.holds()


def test_a_refused_order_that_is_sent_again_and_again_is_one_intent_with_all_its_attempts():
    run = Run(Expectation("attempts_per_intent", 2))
    run.truth._refused_max = 3
    for number in range(50):
        run.create(number, f"r{number}", told=Told.REFUSED)
        folded(run, number)
    card = run.card()
    assert (card["intents"], card["requests"]) == (1, 50)
    assert run.evidence() == (
        "2025-10-10T21:07:02.000Z, request 3: attempt 3 of 50 for one intent "
        "(sell 1 BTCUSDT limit), 2 allowed"
    )
    assert sizes_of(run)["sends"] == 3


def test_refusals_beside_an_order_that_still_rests_do_not_pile_up_either():
    run = Run(Expectation("attempts_per_intent", 2), "no_duplicate_exposure")
    run.truth._refused_max = 3
    run.create(0, "landed", told=Told.AMBIGUOUS, lands=True)  # it rests, and nobody knows
    for number in range(1, 50):
        run.create(number, f"r{number}", told=Told.REFUSED)
        folded(run, number)
    assert sizes_of(run) == {"sends": 4, "intents": 1}
    assert (run.card()["intents"], run.card()["requests"]) == (1, 50)
    _, again = run.create(50.5, "again", told=Told.AMBIGUOUS, lands=True)
    attempts, duplicates = run.truth.verdict()
    assert "attempt 3 of 51 for one intent" in attempts["evidence"]
    assert f"order {again} (again)" in duplicates["evidence"]


def sizes_of(run):
    past = run.truth.past(BOT)
    return {"sends": len(past.runs.sends), "intents": len(past.runs.intents)}


def test_beyond_the_bound_the_oldest_open_fates_are_taken_as_they_stand():
    run = Run(Expectation("unknowns_resolved", 5))
    run.truth._open_max = run.truth._refused_max = 4
    for number in range(40):
        run.create(number, f"u{number}", qty=str(number + 1), told=Told.AMBIGUOUS)
        folded(run, number)
    assert run.card()["unresolved"] == 40
    assert run.card()["intents"] == 40
    assert sizes_of(run) == {"sends": 4, "intents": 8}
    run.query(80, absent=["u0", "u39"])  # the first comes too late to be believed
    assert run.card()["unresolved"] == 39


def test_nothing_is_dropped_that_may_still_be_told_of():
    run = Run("no_orphans")
    _, order = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.fill(order, 2)
    run.truth.forgotten(ms(3), UM, [order])
    run.truth._fold_every = 0
    run.until(60)
    run.truth.complete_until(ms(2.5))  # a question under way since then may be answered with it
    assert order in run.truth.history.at(UM, BOT).orders
    assert run.card()["lost"] == 1
    run.truth.shown(ms(61), UM, [order])
    assert run.holds()
    folded(run, 70)
    assert not run.truth.history.at(UM, BOT).orders
    assert run.holds()
    assert run.card()["lost"] == 0


def test_a_stream_that_tells_late_of_an_order_that_is_gone_changes_nothing():
    run = Run("no_orphans")
    _, order = run.create(1, "a", told=Told.AMBIGUOUS, lands=True)
    run.fill(order, 2)
    folded(run, 10, forget=[order])
    run.create(50, "b", told=Told.OK)
    folded(run, 60, forget=[2])
    run.truth.shown(ms(100), UM, [order])
    assert run.truth.history._shown_early == {}


def test_a_belief_may_name_ended_orders_that_are_not_kept_but_no_others():
    run = Run("reconciled_by_end")
    for number in range(3):
        _, order = run.create(number, f"a{number}", qty=str(number + 1))
        run.end(order, number + 0.5)
    folded(run, 20, forget=[1, 2])
    truth = {"a0": "canceled", "a1": "canceled", "a2": "canceled"}
    assert run.holds({"orders": truth})
    assert run.holds({"orders": {"a2": "canceled"}})
    assert "no such order exists" in run.evidence({"orders": {**truth, "b": "filled"}})
    assert "no such order exists" in run.evidence({"orders": {"b": "open", "a2": "canceled"}})


def test_folding_waits_for_enough_requests():
    run = Run()
    for number in range(10):
        run.request(number, "market.read")
    run.until(60)
    run.truth._fold_every = 11
    run.truth.complete_until(ms(60))
    assert run.truth.traffic.backlog == 10
    run.request(61, "market.read")
    run.truth.complete_until(ms(61))
    assert run.truth.traffic.backlog == 1  # it arrived just now
    assert run.card()["requests"] == 11


def test_the_arrivals_that_breaker_scope_needs_are_kept_and_others_are_not():
    for expected, count in ((Expectation("breaker_scope", ("spot",)), 30), ("no_ban", 0)):
        run = Run(expected)
        for number in range(30):
            run.request(number, "market.read")
        folded(run, 40)
        assert sum(len(a) for a in run.truth.past(BOT).asked.arrivals.values()) == count


@pytest.mark.parametrize("which", ["one", "two"])
def test_what_nobody_asked_counts_for_an_account_that_comes_later(which):
    run = Run(Expectation("requests_total", 100))
    for number in range(5):
        run.request(number, "market.read", account=None)
    run.request(5, "market.read", account="one")
    folded(run, 10)
    run.truth.open_account(ms(50), UM, "two", balances={}, positions={})
    run.request(51, "market.read", account="two")
    folded(run, 60)
    assert run.truth.scorecard(which)["requests"] == 6
