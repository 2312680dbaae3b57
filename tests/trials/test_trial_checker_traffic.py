"""Invariants 4, 7, 10, 12 and 13, promises P3 and P4: limits, lanes, budgets, deadlines, queues."""

from __future__ import annotations

import asyncio

from checked_world import HandWorld, calm_trial, failure, tell

from outlast.errors import BreakerOpen, NotSent
from outlast.mock.records import Told
from outlast.trials.model import Disruption, DisruptionKind
from outlast.trials.watching import End, Ending

THROTTLED = failure("rate_limited", remedy="wait_ban", scope="ip", http_status=429)


# --- limits --------------------------------------------------------------------------------------


def test_a_request_over_a_limit_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.request(limited="429", status=429, told=Told.REFUSED)
        assert w.broken == ["limits-kept"]

    tell(story)


def test_a_429_that_the_scenario_plays_is_nobodys_fault():
    async def story(w: HandWorld):
        w.open()
        w.request(rule="all/0", status=429, told=Told.REFUSED)
        assert w.broken == []

    tell(story)


def test_no_limit_is_held_against_the_client_while_the_header_lies():
    async def story(w: HandWorld):
        w.open()
        w.request(limited="429", status=429, told=Told.REFUSED)
        assert w.broken == []

    tell(story, trial=calm_trial(is_header_honest=False))


def test_asking_again_before_a_429_is_over_is_caught():
    async def story(w: HandWorld):
        w.open()
        turned_away = {"status": 429, "retry_after_s": 20.0, "told": Told.REFUSED}
        w.request(path="/positions.read", **turned_away)
        w.attempt("positions.read", http_status=429, failure=THROTTLED)
        await w.pass_time(19)
        w.attempt("positions.read")
        assert w.broken == ["limits-kept"]

    tell(story)


def test_what_was_sent_before_the_429_was_read_is_fine_and_so_is_what_waited():
    async def story(w: HandWorld):
        w.open()
        await w.pass_time(1)
        sent_at = w.bot.clock.now() - 0.5
        w.request(path="/positions.read", status=429, retry_after_s=20.0, told=Told.REFUSED)
        w.attempt("positions.read", http_status=429, failure=THROTTLED)
        w.attempt("balances.read", sent_at=sent_at)
        await w.pass_time(21)
        w.attempt("positions.read")
        assert w.broken == []

    tell(story)


def test_an_order_counter_that_is_full_does_not_forbid_reads():
    async def story(w: HandWorld):
        w.open()
        w.request(path="/order.place", method="POST", status=429, code="-1015", retry_after_s=20.0)
        w.attempt(http_status=429, failure=THROTTLED)
        await w.pass_time(1)
        w.attempt("positions.read")
        assert w.broken == []
        w.attempt()
        assert w.broken == ["limits-kept"]

    tell(story)


def test_an_answer_that_is_spelled_out_in_full_says_which_counter_is_full():
    async def story(w: HandWorld):
        w.open()
        w.request(path="/order.place", method="POST", status=429, retry_after_s=20.0)
        w.attempt(http_status=429, failure=failure("orders_full", venue_code="-1015"))
        await w.pass_time(1)
        w.attempt("positions.read")
        assert w.broken == []

    tell(story)


def test_leaving_inside_its_own_ban_is_caught_also_after_a_restart():
    async def story(w: HandWorld):
        w.open()
        w.write("ban.began", scope="ip", until=w.bot.clock.wall() + 60, failure=THROTTLED)
        await w.pass_time(5)
        w.end(Ending.KILLED)
        w.open()
        w.attempt("time.read")
        assert w.broken == ["limits-kept"]

    tell(story)


def test_a_ban_of_one_counter_stops_what_takes_from_it():
    async def story(w: HandWorld):
        w.open()
        w.write("ban.began", scope="orders_10s", until=w.bot.clock.wall() + 60, failure=THROTTLED)
        await w.pass_time(5)
        w.attempt("order.cancel", lane="safety")
        assert w.broken == []
        w.attempt(costs={"weight": 0, "orders_10s": 1})
        assert w.broken == ["limits-kept"]

    tell(story)


# --- the retry budget ----------------------------------------------------------------------------


def test_a_retry_that_nobody_paid_for_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.attempt("positions.read", number=2)
        assert w.broken == ["retry-budget-balances"]

    tell(story)


def test_more_retries_than_were_earned_are_caught():
    async def story(w: HandWorld):
        w.open()
        retry = {"number": 2, "paid_by": "budget", "http_status": 503, "failure": failure()}
        for _ in range(27):  # the budget's 20, and those that may be told out of order
            w.attempt("positions.read", **retry)
        assert w.broken == []
        w.attempt("positions.read", **retry)
        assert w.broken == ["retry-budget-balances"]

    tell(story)


def test_time_and_successes_earn_retries():
    async def story(w: HandWorld):
        w.open()
        retry = {"number": 2, "paid_by": "budget", "http_status": 503, "failure": failure()}
        for _ in range(20):
            w.attempt("positions.read", **retry)
        await w.pass_time(2)
        for _ in range(5):
            w.attempt("positions.read")
        for _ in range(3):
            w.attempt("positions.read", **retry)
        assert w.broken == []

    tell(story)


# --- lanes ---------------------------------------------------------------------------------------


def test_a_cancel_that_data_overtakes_is_caught():
    async def story(w: HandWorld):
        w.open()
        asked_at = w.bot.clock.now()
        await w.pass_time(2)
        w.attempt("book.read", sent_at=asked_at + 1)
        w.attempt("order.cancel", lane="safety", asked_at=asked_at)
        assert w.broken == ["safety-lane-first"]

    tell(story)


def test_data_that_reports_later_than_the_cancel_it_overtook_is_caught_too():
    async def story(w: HandWorld):
        w.open()
        asked_at = w.bot.clock.now()
        await w.pass_time(2)
        w.attempt("order.cancel", lane="safety", asked_at=asked_at)
        await w.pass_time(2)
        w.attempt("book.read", sent_at=asked_at + 1)
        assert w.broken == ["safety-lane-first"]

    tell(story)


def test_what_takes_from_another_counter_may_pass_a_waiting_exit():
    async def story(w: HandWorld):
        w.open()
        asked_at = w.bot.clock.now()
        await w.pass_time(2)
        w.attempt("book.read", sent_at=asked_at + 1, costs={"weight": 5})
        w.attempt("order.place", lane="safety", asked_at=asked_at, costs={"orders_10s": 1})
        assert w.broken == []

    tell(story)


def test_a_cancel_that_waits_for_its_nonce_is_not_overtaken_by_what_needs_none():
    """Requests with nonces are written one by one: what is being written already goes first."""

    async def story(w: HandWorld):
        w.open()
        asked_at = w.bot.clock.now()
        await w.pass_time(2)
        w.attempt("book.read", sent_at=asked_at + 1)
        w.attempt("order.place", sent_at=asked_at + 1.1, nonce=7, path="/place")
        w.attempt("order.cancel", lane="safety", asked_at=asked_at, nonce=8)
        assert w.broken == []
        await w.pass_time(4)
        w.attempt("order.place", sent_at=asked_at + 5, nonce=9)
        w.attempt("order.cancel", lane="safety", asked_at=asked_at + 1, nonce=10)
        assert w.broken == ["safety-lane-first"]

    tell(story)


def test_an_exit_that_is_shed_is_caught():
    async def story(w: HandWorld):
        w.open()
        asked = w.ask("cancel", client_order_id="ol-1")
        w.answer(asked, End.RAISED, error=BreakerOpen("left alone"))
        assert w.broken == ["p4-exits-never-shed"]

    tell(story)


def test_an_order_that_adds_risk_may_be_shed():
    async def story(w: HandWorld):
        w.open()
        w.answer(w.ask("submit"), End.RAISED, error=BreakerOpen("left alone"))
        w.answer(w.ask("cancel"), End.RAISED, error=NotSent("no connection"))
        assert w.broken == []

    tell(story)


# --- deadlines -----------------------------------------------------------------------------------


def test_an_attempt_that_starts_after_its_deadline_is_caught():
    async def story(w: HandWorld):
        w.open()
        w.attempt("positions.read", deadline_at=w.bot.clock.now() - 0.1)
        assert w.broken == ["deadlines-kept"]

    tell(story)


def test_a_call_that_outlasts_its_deadline_is_caught():
    async def story(w: HandWorld):
        w.open()
        asked = w.ask("submit", deadline_s=2.0)
        await w.pass_time(2.2)
        w.answer(asked)
        assert w.broken == []
        asked = w.ask("submit", deadline_s=2.0)
        await w.pass_time(3)
        w.answer(asked)
        assert w.broken == ["deadlines-kept"]

    tell(story)


def test_a_frozen_process_is_not_held_to_its_deadlines():
    async def story(w: HandWorld):
        w.open()
        asked = w.ask("submit", deadline_s=2.0)
        frozen = Disruption(at_s=0, client="bot-1", kind=DisruptionKind.FREEZE, for_s=30)
        w.checker.disrupted(frozen)
        await w.pass_time(30)
        w.answer(asked)
        assert w.broken == []

    tell(story)


# --- queues and tasks ----------------------------------------------------------------------------


def test_a_queue_beyond_its_bound_is_caught():
    async def story(w: HandWorld):
        session = w.open()
        await w.pass_time(2)
        assert w.broken == []
        session.under_way["waiting"] = 100_000
        await w.pass_time(2)
        assert w.broken == ["queues-bounded"]

    tell(story)


def test_a_closed_session_with_something_under_way_is_caught():
    async def story(w: HandWorld):
        session = w.open()
        session.under_way["in_flight"] = 1
        w.end(Ending.CLOSED)
        assert w.broken == ["queues-bounded"]

    tell(story)


def test_a_task_that_a_closed_session_leaves_behind_is_caught():
    from outlast.core.budget import RetryBudget  # any code of the client's house

    async def leaky() -> None:
        await asyncio.sleep(60)

    code = leaky.__code__.replace(co_filename=RetryBudget.try_spend.__code__.co_filename)
    leaky.__code__ = code

    async def story(w: HandWorld):
        w.open()
        task = asyncio.create_task(leaky())
        await w.pass_time(1)
        w.end(Ending.CLOSED)
        assert w.broken == ["queues-bounded"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    tell(story)


def test_a_session_that_closes_cleanly_is_fine():
    async def story(w: HandWorld):
        w.open()
        await w.pass_time(1)
        w.end(Ending.CLOSED)
        assert w.broken == []

    tell(story)
