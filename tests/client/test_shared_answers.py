"""Reads that wait for a retry take the answer that another call for the same has got."""

import asyncio
from dataclasses import replace

from call_world import CANCEL, QUERY, READ, CallWorld, Says, play

from outlast.errors import Failure
from outlast.wire import WireReply

COME_BACK = Says(503, b"Service Unavailable", (("retry-after", "5"),))
"""Refused by the gateway: the retry follows in 5 s and a little."""


def fails_once(w: CallWorld, path: str | None = None) -> None:
    """The first request (of a path) is told to come back, all others are served."""
    told: list[str] = []

    def answer(sent):
        if told or (path is not None and sent.path != path):
            return Says()
        told.append(sent.path)
        return COME_BACK

    w.wire.answer = answer


def test_a_read_that_waits_takes_the_answer_that_a_later_call_for_the_same_gets():
    async def story(w: CallWorld) -> None:
        fails_once(w)
        began = w.clock.now()
        tokens = w.desk._budget.available(began)
        first = asyncio.ensure_future(w.desk.call(READ))
        await asyncio.sleep(1.0)
        second = await w.desk.call(READ)
        reply = await first
        assert isinstance(reply, WireReply)
        assert reply is second
        assert w.clock.now() - began < 1.2
        await asyncio.sleep(10.0)
        assert len(w.wire.sent) == 2  # and no retry
        assert w.desk._budget.available(w.clock.now()) == tokens
        assert not w.desk._shared.anybody_waits
        w.assert_idle()

    play(story)


def test_one_retry_serves_all_who_wait_for_the_same():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: COME_BACK if len(w.wire.sent) <= 8 else Says()
        replies = await asyncio.gather(*(w.desk.call(READ) for _ in range(8)))
        assert all(isinstance(reply, WireReply) for reply in replies)
        # Back-offs of up to 0.2 s: a second one may have left before the first was answered.
        assert 9 <= len(w.wire.sent) <= 8 + 5
        assert len({id(reply) for reply in replies}) <= 5
        w.assert_idle()

    play(story)


def test_what_was_sent_before_the_question_does_not_answer_it():
    """The slow answer shows the venue as it was before the second call was made."""

    async def story(w: CallWorld) -> None:
        answers = [replace(Says(), after_s=2.0), COME_BACK, Says()]
        w.wire.answer = lambda _: answers.pop(0)
        slow = asyncio.ensure_future(w.desk.call(READ))
        await asyncio.sleep(0.5)
        asked_at = w.clock.now()
        reply = await w.desk.call(READ)
        assert isinstance(reply, WireReply)
        assert reply is not await slow
        assert reply.sent_at >= asked_at + 5.0
        assert len(w.wire.sent) == 3

    play(story)


def test_another_question_is_another_question():
    async def story(w: CallWorld) -> None:
        fails_once(w, path="/fapi/v1/premiumIndex")
        first = asyncio.ensure_future(w.desk.call(READ))
        await asyncio.sleep(1.0)
        assert isinstance(await w.desk.call(QUERY), WireReply)
        await asyncio.sleep(1.0)
        assert not first.done()
        assert isinstance(await first, WireReply)
        assert len(w.wire.sent) == 3

    play(story)


def test_a_write_is_answered_by_its_own_answer_only():
    async def story(w: CallWorld) -> None:
        fails_once(w)
        first = asyncio.ensure_future(w.desk.call(CANCEL))
        await asyncio.sleep(1.0)
        second = await w.desk.call(CANCEL)
        await asyncio.sleep(1.0)
        assert not first.done()
        assert await first is not second
        assert len(w.wire.sent) == 3

    play(story)


def test_who_is_cancelled_while_waiting_leaves_nothing_behind_and_the_others_are_served():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: COME_BACK if len(w.wire.sent) <= 2 else Says()
        gone, stays = (asyncio.ensure_future(w.desk.call(READ)) for _ in range(2))
        await asyncio.sleep(1.0)
        assert w.desk._shared.anybody_waits
        gone.cancel()
        await asyncio.sleep(0)
        served = await w.desk.call(READ)
        assert await stays is served
        assert gone.cancelled()
        assert len(w.wire.sent) == 3
        assert not w.desk._shared.anybody_waits
        w.assert_idle()

    play(story)


def test_a_failure_of_another_call_ends_no_wait():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: COME_BACK if len(w.wire.sent) <= 2 else Says()
        first = asyncio.ensure_future(w.desk.call(READ))
        await asyncio.sleep(1.0)
        assert isinstance(await w.desk.call(READ, deadline=w.clock.now() + 2.0), Failure)
        assert not first.done()
        assert isinstance(await first, WireReply)
        assert len(w.wire.sent) == 3

    play(story)
