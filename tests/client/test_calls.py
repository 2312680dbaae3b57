"""One guarded call: lanes and slots, retries and who pays, and callers who leave at any moment."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from call_world import (
    CANCEL,
    OVERLOADED,
    QUERY,
    READ,
    REFUSED,
    TIMES_OUT,
    CallWorld,
    CancelAt,
    Says,
    Sent,
    entry,
    exit_,
    play,
)
from msgspec import structs

import outlast
from outlast.client.raising import order_error, read_error
from outlast.core.breaker import BreakerState
from outlast.core.budget import RetryBudget
from outlast.errors import Failure, Outcome
from outlast.model import Plane
from outlast.wire import FaultKind, WireReply

# Lanes and slots.


def test_a_cancel_and_an_exit_leave_before_five_hundred_queued_calls_and_at_once():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: Says(after_s=0.2)
        reads = [
            asyncio.create_task(w.desk.call(READ, deadline=w.clock.now() + 600)) for _ in range(250)
        ]
        entries = [
            asyncio.create_task(w.desk.call(entry(f"e{n}"), deadline=w.clock.now() + 600))
            for n in range(250)
        ]
        await asyncio.sleep(0.1)
        assert w.admission.waiting == 474
        already = len(w.wire.sent)
        assert already == 6 + 20
        asked_at = w.clock.now()
        urgent = [asyncio.create_task(w.desk.call(request)) for request in (CANCEL, exit_())]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        cancel, reduce = w.wire.sent[already : already + 2]
        assert cancel.is_cancel
        assert reduce.is_order
        assert cancel.at == reduce.at == asked_at
        await asyncio.gather(*urgent, *reads, *entries)
        assert len(w.wire.sent) == 502
        w.assert_idle()

    play(story)


def test_cancels_beyond_their_own_slots_use_all_others_and_then_come_next():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: Says(after_s=1.0)
        cancels = [asyncio.create_task(w.desk.call(CANCEL)) for _ in range(40)]
        reads = [asyncio.create_task(w.desk.call(READ)) for _ in range(20)]
        await asyncio.sleep(0.5)
        assert len(w.wire.sent) == 30
        assert all(sent.is_cancel for sent in w.wire.sent)
        await asyncio.sleep(1.0)
        assert sum(sent.is_cancel for sent in w.wire.sent) == 40
        await asyncio.gather(*cancels, *reads)
        assert w.wire.open_max == 30

    play(story)


def test_snapshots_that_hang_leave_slots_for_finding_out_what_is_true():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda sent: TIMES_OUT if "premiumIndex" in sent.path else Says()
        hanging = [asyncio.create_task(w.desk.call(READ)) for _ in range(50)]
        await asyncio.sleep(0.5)
        began = w.clock.now()
        assert isinstance(await w.desk.call(QUERY), WireReply)
        assert isinstance(await w.desk.call(CANCEL), WireReply)
        assert isinstance(await w.desk.call(entry()), WireReply)
        assert w.clock.now() - began < 0.2
        await asyncio.gather(*hanging)
        await w.desk.drain()
        w.assert_idle()

    play(story)


def test_an_entry_that_cannot_leave_in_time_fails_at_once_with_the_time_at_which_it_could():
    async def story(w: CallWorld) -> None:
        w.admission.observe({"orders_1m": 1_195})
        began = w.clock.now()
        result = await w.desk.call(entry(), deadline=began + 5)
        assert w.clock.now() == began
        assert isinstance(result, Failure)
        assert (result.kind, result.outcome) == ("limiter_full", Outcome.NOT_SENT)
        assert 30.0 <= result.retry_after_s <= 32.0
        error = order_error(
            result,
            venue="binance-um",
            client_order_id="ol-e",
            clock=w.clock,
            evidence_id=None,
            doing="order ol-e",
        )
        assert isinstance(error, outlast.LimiterFull)
        assert error.retry_at == pytest.approx(w.clock.wall() + result.retry_after_s)

    play(story)


def test_a_newer_quote_replaces_the_one_that_waits_and_says_so():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: Says(after_s=1.0)
        busy = [asyncio.create_task(w.desk.call(entry(f"b{n}"))) for n in range(20)]
        await asyncio.sleep(0.1)
        slot = "BTC/USDT:USDT buy 1"
        older = asyncio.create_task(w.desk.call(entry("older"), replaces=slot))
        await asyncio.sleep(0.1)
        newer = asyncio.create_task(w.desk.call(entry("newer"), replaces=slot))
        result = await older
        assert isinstance(result, Failure)
        assert (result.kind, result.outcome) == ("superseded", Outcome.NOT_SENT)
        assert isinstance(await newer, WireReply)
        await asyncio.gather(*busy)
        assert len(w.wire.sent) == 21

    play(story)


# Callers who give up.


def test_twenty_tasks_that_time_out_for_ten_seconds_leave_a_healthy_client():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: TIMES_OUT
        until = w.clock.now() + 10

        async def impatient(n: int) -> None:
            while w.clock.now() < until:
                request = (READ, QUERY, entry(f"e{n}"))[n % 3]
                await w.desk.call(request, deadline=w.clock.now() + 0.3)
                await asyncio.sleep(0.01)

        await asyncio.gather(*(impatient(n) for n in range(20)))
        w.wire.answer = lambda _: Says()
        await w.desk.drain()
        w.assert_idle()
        began = w.clock.now()
        assert isinstance(await w.desk.call(CANCEL), WireReply)
        assert w.clock.now() - began < 0.1
        assert w.wire.open == 0

    play(story)


def test_each_caller_leaves_at_its_own_deadline_however_many_wait_and_in_whatever_order():
    waits_s = (9.0, 2.0, 5.0, 2.0, 7.0)

    async def story(w: CallWorld) -> None:
        began = w.clock.now()

        async def patient(wait_s: float) -> float:
            result = await w.desk.call(READ, deadline=began + wait_s)
            assert isinstance(result, Failure)
            assert result.kind == "deadline_passed_in_flight"
            return w.clock.now() - began

        w.wire.answer = lambda _: Says(after_s=0.5)
        assert isinstance(await w.desk.call(READ, deadline=began + 1.0), WireReply)
        began = w.clock.now()
        w.wire.answer = lambda _: TIMES_OUT
        left = await asyncio.gather(*(patient(wait_s) for wait_s in waits_s))
        assert left == pytest.approx(waits_s)
        await w.desk.drain()
        w.assert_idle()

    play(story)


@pytest.mark.parametrize("late", [False, True], ids=["suspended", "just_answered"])
@pytest.mark.parametrize("how", ["at_once", "queued", "slotless", "retried"])
def test_a_caller_cancelled_at_any_await_leaves_nothing_behind(how, late):
    """Every suspension of a call is cut, one after the other, until one run needs no cut.

    Afterwards no slot, no place, no permit is held, no breaker has moved, and the retry budget has
    lost what was really sent and nothing else.
    """
    steps_seen = []

    def one(step: int) -> bool:
        finished = False

        async def story(w: CallWorld) -> None:
            nonlocal finished
            others: list[asyncio.Task[object]] = []
            request = READ
            if how == "queued":
                w.use_up(1_430)  # DATA may use 1440
                others = [
                    asyncio.create_task(
                        w.desk.call(
                            structs.replace(READ, costs=QUERY.costs, answer_within_s=90),
                            deadline=w.clock.now() + 90,
                        )
                    )
                    for _ in range(5)
                ]
            elif how == "slotless":
                others = [asyncio.create_task(w.desk.call(READ)) for _ in range(6)]
            elif how == "retried":
                w.wire.answer = lambda _: OVERLOADED if len(w.wire.sent) < 3 else Says()
            await asyncio.sleep(0)
            budget = w.desk._budget
            before = budget.available(w.clock.now())
            sent_before = len(w.wire.sent)
            cut = CancelAt(w.desk.call(request, deadline=w.clock.now() + 90), step, late=late)

            async def caller() -> object:
                return await cut

            task = asyncio.create_task(caller())
            try:
                await task
                finished = True
            except asyncio.CancelledError:
                pass
            steps_seen.append(cut.steps)
            await asyncio.gather(*others)
            await w.desk.drain()
            await asyncio.sleep(0)
            w.assert_idle()
            assert all(b.state is BreakerState.CLOSED for b in w.guard.breakers.values())
            if how == "retried":
                retries = max(0, len(w.wire.sent) - sent_before - 1)
                lost = before - budget.available(w.clock.now())
                assert lost <= retries + 1e-9
            if how == "slotless" and not finished:
                assert isinstance(await w.desk.call(READ), WireReply)

        play(story)
        return finished

    step = 1
    while not one(step):
        step += 1
        assert step < 60
    assert step > (1 if how == "at_once" else 2)
    assert max(steps_seen) >= step - 1


# Retries and what pays for them.


def spend_budget(w: CallWorld) -> None:
    while w.desk._budget.try_spend(w.clock.now()):
        pass


def test_where_the_budget_ended_the_attempts_the_failure_says_so():
    async def story(w: CallWorld) -> None:
        spend_budget(w)
        w.wire.answer = lambda _: REFUSED
        w.use_up(1_400)  # no headroom either
        result = await w.desk.call(READ)
        assert isinstance(result, Failure)
        assert len(w.wire.sent) == 1
        assert result.budget_spent
        assert result.retry_after_s == pytest.approx(1.0, abs=0.2)
        error = read_error(result, venue="binance-um", clock=w.clock, what="the mark price")
        assert isinstance(error, outlast.BudgetSpent)
        assert "the retry budget is spent" in str(error)
        assert error.retry_at is not None

    play(story)


def test_a_refusal_that_nobody_could_pay_to_repeat_keeps_its_kind_and_names_the_cause():
    async def story(w: CallWorld) -> None:
        spend_budget(w)
        w.wire.answer = lambda _: OVERLOADED
        w.admission.observe({"orders_1m": 1_000})
        result = await w.desk.call(entry())
        assert isinstance(result, Failure)
        error = order_error(
            result,
            venue="binance-um",
            client_order_id="ol-e",
            clock=w.clock,
            evidence_id=None,
            doing="order ol-e",
        )
        assert isinstance(error, outlast.Overloaded)
        assert isinstance(error.__cause__, outlast.BudgetSpent)
        assert len(w.wire.sent) == 1

    play(story)


def test_a_call_that_gave_up_for_another_reason_does_not_blame_the_budget():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED
        result = await w.desk.call(READ)
        assert isinstance(result, Failure)
        assert len(w.wire.sent) == 4
        assert not result.budget_spent

    play(story)


def test_failing_reads_do_not_spend_what_a_cancel_needs():
    async def story(w: CallWorld) -> None:
        spend_budget(w)
        w.use_up(2_000)
        w.wire.answer = lambda sent: OVERLOADED if len(w.wire.sent) < 4 else Says()
        assert isinstance(await w.desk.call(CANCEL), WireReply)
        assert len(w.wire.sent) == 4

    play(story)


def test_in_an_outage_unused_limits_pay_for_no_cancel_its_own_budget_does():
    """Everything else is held then: the limits would pay for every retry of every cancel."""

    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED
        w.guard.breakers[Plane.ACCOUNT].add_evidence(100.0, w.clock.now())
        w.guard.announce(Plane.ACCOUNT)
        w.desk._safety_budget = RetryBudget(tokens_max=3, per_success=0, per_second=0)
        for _ in range(10):
            assert isinstance(await w.desk.call(CANCEL), Failure)
        assert len(w.wire.sent) == 13

    play(story)


@pytest.mark.parametrize(("says", "retried"), [(OVERLOADED, True), (REFUSED, True)])
def test_what_certainly_was_not_done_is_retried_on_unused_limits(says, retried):
    async def story(w: CallWorld) -> None:
        spend_budget(w)
        w.wire.answer = lambda _: says if len(w.wire.sent) < 3 else Says()
        assert isinstance(await w.desk.call(READ), WireReply) is retried

    play(story)


def test_a_late_retry_is_dear_and_unused_limits_are_no_excuse_for_it():
    """Two retries on what would go unused, and no third one where the budget cannot pay double."""

    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED
        w.desk._budget = RetryBudget(tokens_max=3, per_success=0, per_second=0)
        first, second = [await w.desk.call(READ), len(w.wire.sent)], await w.desk.call(READ)
        assert isinstance(first[0], Failure)
        assert isinstance(second, Failure)
        assert first[1] == 4  # one late one for 2 of the 3 tokens
        assert len(w.wire.sent) == 4 + 3
        assert second.budget_spent
        w.assert_idle()

    play(story)


def test_what_took_long_to_fail_is_not_retried_on_unused_limits():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: replace(OVERLOADED, after_s=1.5)
        spend_budget(w)
        w.desk._budget._as_of = w.clock.now() + 1_000  # time earns nothing in this story
        result = await w.desk.call(READ)
        assert isinstance(result, Failure)
        assert result.budget_spent
        assert len(w.wire.sent) == 1

    play(story)


def test_a_paid_retry_that_never_leaves_costs_nothing():
    """The breaker opens during the back-off: the retry is held, and its token is back."""

    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED

        async def later() -> None:
            await asyncio.sleep(0.051)
            w.guard.force_open(Plane.MARKET_DATA)

        asyncio.get_running_loop().create_task(later())
        before = w.desk._budget.available(w.clock.now())
        result = await w.desk.call(READ)
        assert isinstance(result, Failure)
        assert len(w.wire.sent) == 1
        assert w.desk._budget.available(w.clock.now()) == before

    play(story)


def test_an_unknown_write_is_never_sent_again():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: Says(fault=FaultKind.CONNECTION_LOST)
        result = await w.desk.call(entry())
        assert isinstance(result, Failure)
        assert result.outcome is Outcome.UNKNOWN
        await asyncio.sleep(60)
        assert len(w.wire.sent) == 1

    play(story)


def test_a_codec_that_breaks_leaves_no_slot_and_no_permit_behind():
    async def story(w: CallWorld) -> None:
        w.desk._credentials = outlast.client.calls.Credentials(None, None)
        for _ in range(30):
            with pytest.raises(outlast.ConfigurationError):
                await w.desk.call(CANCEL)
            await asyncio.sleep(0)
        w.assert_idle()
        assert w.wire.sent == []

    play(story)


def test_the_scripted_wire_remembers_what_was_sent():
    async def story(w: CallWorld) -> None:
        await w.desk.call(READ)
        assert w.wire.sent == [Sent(w.wire.sent[0].at, "GET", "/fapi/v1/premiumIndex")]

    play(story)
