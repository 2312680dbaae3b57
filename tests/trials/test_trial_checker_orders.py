"""Invariants 1, 2, 3 and promise P2: each broken by hand and caught, each kept and left alone."""

from __future__ import annotations

from decimal import Decimal

from checked_world import BTC, VENUE, WIRE_BTC, HandWorld, calm_trial, failure, tell

import outlast
from outlast.errors import OutcomeUnknown
from outlast.mock.engine.model import OrderType
from outlast.mock.history import Tracked
from outlast.mock.records import Landed, Told
from outlast.trials.watching import End

BUY = outlast.limit(BTC, "buy", "0.01", "60000")


def told_absent(w: HandWorld, name: str = "ol-1") -> None:
    w.request(endpoint="orders.query", asked_ids=(name,), told=Told.REFUSED, told_absent=(name,))


def fenced(w: HandWorld) -> None:
    """The engine answers for something harmless: the cancel of an id that never was."""
    w.request(endpoint="orders.cancel", symbol=WIRE_BTC, told=Told.REFUSED)


def test_an_order_that_goes_well_breaks_nothing():
    async def story(w: HandWorld):
        w.open()
        asked = w.ask(order=BUY)
        w.intend()
        w.change(status="submitted")
        w.request("ol-1", landed=Landed.YES)
        order = w.place()
        w.attempt(client_order_id="ol-1")
        w.change(venue_order_id=str(order.order_id))
        w.answer(asked)
        w.cancel(order)
        w.change(status="canceled", venue_order_id=str(order.order_id))
        assert w.broken == []
        assert w.checker.case.examined["verdicts-stand"] == 3

    tell(story)


# --- one order per intent ------------------------------------------------------------------------


def test_one_call_that_makes_two_intents_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend("ol-1")
        w.intend("ol-2")  # sent again under a new id, though the first may live
        assert w.broken == ["one-order-per-intent"]

    tell(story)


def test_two_equal_calls_may_make_two_intents():
    async def story(w: HandWorld):
        w.open()
        first, second = w.ask(order=BUY), w.ask(order=BUY)
        w.intend("ol-1")
        w.answer(first)
        w.intend("ol-2")
        w.answer(second)
        assert w.broken == []

    tell(story)


def test_an_intent_after_its_call_was_answered_is_caught():
    async def story(w: HandWorld):
        w.open()
        asked = w.ask(order=BUY)
        w.answer(asked, End.RAISED, error=OutcomeUnknown("?", client_order_id="ol-1"))
        w.intend("ol-1")
        assert w.broken == ["one-order-per-intent"]

    tell(story)


def test_two_orders_of_one_id_are_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.place(type=OrderType.MARKET, price=None)  # filled at once, so its id is free again
        w.place()
        assert w.broken == ["one-order-per-intent"]

    tell(story)


def test_an_order_whose_forerunner_vanished_is_no_second_one():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        first = w.place()
        stage = w.mock.run.venues[VENUE].stage
        assert stage.engine.void(first.order_id)
        w.mock.truth.voided(stage.true_ms, VENUE, first.order_id)
        w.place()
        assert w.broken == []

    tell(story)


def test_live_exits_of_more_than_the_position_are_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=outlast.market(BTC, "buy", "0.02"))
        w.intend("ol-1", order_type="market", price=None, qty=Decimal("0.02"))
        w.place("ol-1", type=OrderType.MARKET, price=None, qty=Decimal("0.02"))
        w.ask("close_position", symbol=BTC)
        exit_terms = {"side": "sell", "reduce_only": True, "order_type": "market", "price": None}
        w.intend("ol-2", qty=Decimal("0.01"), **exit_terms)
        w.change("ol-2", "unknown", qty=Decimal("0.01"), **exit_terms)
        w.intend("ol-3", qty=Decimal("0.01"), **exit_terms)
        assert w.broken == []
        w.intend("ol-4", qty=Decimal("0.02"), **exit_terms)
        assert w.broken == []  # a fill that is told late may explain it
        await w.pass_time(60.0)
        assert w.broken == ["one-order-per-intent"]

    tell(story)


def test_an_exit_of_what_the_truth_hears_of_later_is_no_violation():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=outlast.market(BTC, "buy", "0.02"))
        w.intend("ol-1", order_type="market", price=None, qty=Decimal("0.02"))
        w.ask("close_position", symbol=BTC)
        exit_terms = {"side": "sell", "reduce_only": True, "order_type": "market", "price": None}
        w.intend("ol-2", qty=Decimal("0.01"), **exit_terms)
        w.change("ol-2", "unknown", qty=Decimal("0.01"), **exit_terms)
        w.intend("ol-3", qty=Decimal("0.01"), **exit_terms)
        stage = w.mock.run.venues[VENUE].stage
        seen_ms = stage.true_ms
        account = w.mock.truth.history.at(VENUE, w.bot.account)
        account.positions.setdefault(WIRE_BTC, Tracked()).put(seen_ms, seen_ms, Decimal("0.02"))
        await w.pass_time(60.0)
        assert w.broken == []

    tell(story)


def test_an_exit_that_nobody_asked_for_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.intend("ol-1", side="sell", reduce_only=True)
        assert w.broken == ["one-order-per-intent"]

    tell(story)


# --- no blind repeat -----------------------------------------------------------------------------


def test_a_repeat_after_no_answer_is_caught_at_the_venue():
    async def story(w: HandWorld):
        w.open()
        w.request("ol-1", told=Told.AMBIGUOUS, reply="hang")
        await w.pass_time(5)
        w.request("ol-1")
        assert w.broken == ["no-blind-repeat"]

    tell(story)


def test_a_repeat_after_a_refusal_is_fine_and_one_before_it_is_not():
    async def story(w: HandWorld):
        w.open()
        w.request("ol-1", told=Told.REFUSED, reply="overload")
        await w.pass_time(1)
        w.request("ol-1")
        assert w.broken == []
        late_ms = w.mock.run.clock.now_ms + 5_000
        w.request("ol-2", told=Told.REFUSED, reply="overload", replied_ms=late_ms)
        await w.pass_time(1)
        w.request("ol-2")
        assert w.broken == ["no-blind-repeat"]

    tell(story)


def test_a_repeat_of_an_unknown_attempt_is_caught_in_the_journal():
    async def story(w: HandWorld):
        w.open()
        unknown = failure("read_timeout", "unknown", layer="transport")
        w.attempt(client_order_id="ol-1", http_status=None, failure=unknown)
        await w.pass_time(1)
        w.attempt(client_order_id="ol-1", number=2, paid_by="budget")
        assert w.broken == ["no-blind-repeat"]

    tell(story)


def test_a_repeat_of_a_refused_attempt_is_fine():
    async def story(w: HandWorld):
        w.open()
        w.attempt(client_order_id="ol-1", http_status=503, failure=failure())
        await w.pass_time(1)
        w.attempt(client_order_id="ol-1", number=2, paid_by="budget")
        assert w.broken == []

    tell(story)


# --- verdicts ------------------------------------------------------------------------------------


def test_an_absent_order_that_the_venue_has_is_caught_whichever_comes_first():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.request("ol-1", told=Told.AMBIGUOUS)
        await w.pass_time(30)
        fenced(w)
        told_absent(w)
        w.change(status="not_placed", because="proved_absent")
        assert w.broken == []
        w.request("ol-1", told=Told.AMBIGUOUS)
        w.place()
        assert w.broken == ["no-blind-repeat", "verdicts-stand"]

    tell(story)


def test_a_rejected_order_that_lives_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.place()
        w.change(status="rejected")
        assert w.broken == ["verdicts-stand"]

    tell(story)


def test_what_the_venue_took_after_it_had_refused_it_is_its_own_contradiction():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.request("ol-1", told=Told.REFUSED, reply="overload", landed=Landed.YES)
        w.place()
        w.change(status="rejected")
        assert w.broken == []

    tell(story)


def test_an_application_beyond_the_horizon_is_the_venues_own_contradiction():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.request("ol-1", told=Told.AMBIGUOUS, landed=Landed.LATER)
        await w.pass_time(19)
        fenced(w)
        told_absent(w)
        w.change(status="not_placed")
        await w.pass_time(2)
        w.place()
        assert w.broken == []

    tell(story)


def test_an_order_that_the_venue_never_had_is_caught_as_live():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.change(status="accepted")
        assert w.broken == ["verdicts-stand"]

    tell(story)


def test_more_fills_than_there_were_are_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.place()
        w.change(status="partially_filled", filled_qty=Decimal("0.005"))
        assert w.broken == ["verdicts-stand"]

    tell(story)


def test_an_order_held_for_cancelled_that_is_open_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.place()
        w.change(status="canceled")
        assert w.broken == ["verdicts-stand"]

    tell(story)


def test_states_that_go_back_are_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        order = w.place()
        w.change(status="accepted")
        w.change(status="submitted")
        assert w.broken == ["verdicts-stand"]
        w.cancel(order)
        w.change(status="canceled")
        w.change(status="accepted")
        told = [v.detail for v in w.checker.case.violations]
        assert "went back to submitted" in told[0]
        assert "had ended" in told[1]

    tell(story)


def test_a_doubted_order_may_become_unknown_again():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.place()
        w.change(status="accepted")
        w.change(status="unknown", because="doubted")
        assert w.broken == []

    tell(story)


# --- unknown ends by proof -----------------------------------------------------------------------


def test_an_unknown_order_that_ends_by_a_timer_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.request("ol-1", told=Told.AMBIGUOUS)
        told_absent(w)  # before the order's validity is over: that proves nothing
        await w.pass_time(60)
        w.change(status="not_placed", because="proved_absent")
        assert w.broken == ["p2-unknown-ends-by-proof"]

    tell(story)


def test_an_unknown_order_that_may_still_stand_in_the_engines_queue_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        fenced(w)  # before the order was sent: that proves nothing
        w.request("ol-1", told=Told.AMBIGUOUS)
        await w.pass_time(30)
        told_absent(w)
        w.change(status="not_placed", because="proved_absent")
        assert w.broken == ["p2-unknown-ends-by-proof"]

    tell(story)


def test_what_nobody_can_be_held_to_is_counted_and_not_told():
    async def story(w: HandWorld):
        w.open()
        w.ask(order=BUY)
        w.intend()
        w.change(status="accepted")
        assert w.broken == []
        [finding] = [f for f in w.checker.findings() if f.invariant.slug == "verdicts-stand"]
        assert finding.verdict == "not held to"

    tell(story, trial=calm_trial(not_held_to={"verdicts-stand": "the venue breaks its word"}))
