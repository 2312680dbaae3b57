"""Copies of slow reads: which there are, where they go, and what they never do."""

from __future__ import annotations

import asyncio

import pytest
from call_world import (
    CANCEL,
    OVERLOADED,
    QUERY,
    READ,
    REFUSED,
    CallWorld,
    Says,
    entry,
    play,
    too_many,
)
from venue_in_sim import VENUE

import outlast
from outlast.client.connect import connect
from outlast.client.hedging import Hedging
from outlast.core.breaker import BreakerState
from outlast.errors import ConfigurationError
from outlast.model import Plane
from outlast.wire import FaultKind, Lane, WireReply

SLOW = Says(after_s=2.5)


def hedged(w: CallWorld) -> None:
    w.desk.hedging = Hedging(["http://spare", "http://other/"], w.guard, w.clock)


async def warm_up(w: CallWorld, reads: int = 60) -> None:
    """So many that are answered fast: what is usual is known, and three copies are earned."""
    w.wire.answer = lambda _: Says()
    for _ in range(reads):
        assert isinstance(await w.desk.call(READ), WireReply)
    assert {sent.host for sent in w.wire.sent} == {"venue"}


def to(w: CallWorld, host: str) -> int:
    return sum(sent.host == host for sent in w.wire.sent)


def test_a_slow_read_is_asked_elsewhere_and_the_first_answer_wins():
    async def story(w: CallWorld) -> None:
        hedged(w)
        await warm_up(w)
        w.wire.answer = lambda sent: SLOW if sent.host == "venue" else Says()
        began = w.clock.now()
        assert isinstance(await w.desk.call(READ), WireReply)
        assert w.clock.now() - began < 0.25
        assert (to(w, "other"), to(w, "spare")) == (1, 0)
        assert isinstance(await w.desk.call(READ), WireReply)
        assert (to(w, "other"), to(w, "spare")) == (1, 1)
        await w.desk.drain()
        w.assert_idle()

    play(story)


def test_a_fast_read_and_any_write_have_no_copy():
    async def story(w: CallWorld) -> None:
        hedged(w)
        await warm_up(w)
        w.wire.answer = lambda sent: SLOW if sent.method != "GET" else Says()
        await asyncio.gather(w.desk.call(CANCEL), w.desk.call(entry()), w.desk.call(READ))
        assert to(w, "venue") == len(w.wire.sent)

    play(story)


def test_where_everything_is_slow_one_read_in_twenty_is_copied():
    async def story(w: CallWorld) -> None:
        hedged(w)
        await warm_up(w)
        w.wire.answer = lambda _: Says(after_s=0.3)
        before = len(w.wire.sent)
        for _ in range(200):
            assert isinstance(await w.desk.call(READ), WireReply)
        await w.desk.drain()
        copies = to(w, "spare") + to(w, "other")
        assert 3 <= copies <= 0.05 * 260
        assert len(w.wire.sent) - before == 200 + copies
        w.assert_idle()

    play(story)


@pytest.mark.parametrize("why", ["limits", "breaker", "ban"])
def test_in_trouble_nothing_is_copied(why):
    async def story(w: CallWorld) -> None:
        hedged(w)
        await warm_up(w)
        w.wire.answer = lambda _: Says(after_s=1.0)
        if why == "limits":
            w.use_up(1_300)  # an even pace is at 1,200 in the middle of the minute
        reading = asyncio.create_task(w.desk.call(READ))
        await asyncio.sleep(0.01)
        if why == "breaker":
            w.guard.force_open(Plane.MARKET_DATA)
        if why == "ban":
            w.wire.answer = lambda _: too_many(30)
            await w.desk.call(QUERY, deadline=w.clock.now() + 0.06)
        assert isinstance(await reading, WireReply)
        assert to(w, "venue") == len(w.wire.sent)

    play(story)


@pytest.mark.parametrize("says", [REFUSED, OVERLOADED, Says(fault=FaultKind.READ_TIMEOUT)])
def test_another_host_that_fails_is_no_evidence_and_spoils_no_answer(says):
    async def story(w: CallWorld) -> None:
        hedged(w)
        await warm_up(w)
        w.wire.answer = lambda sent: Says(after_s=0.4) if sent.host == "venue" else says
        for _ in range(3):
            assert isinstance(await w.desk.call(READ), WireReply)
        assert to(w, "spare") + to(w, "other") == 3
        for breaker in w.guard.breakers.values():
            assert (breaker.state, breaker.evidence) == (BreakerState.CLOSED, 0.0)
        w.assert_idle()

    play(story)


def test_a_copy_counts_against_the_limits_and_is_told_to_the_journal():
    async def story(w: CallWorld) -> None:
        hedged(w)
        await warm_up(w)
        used = w.admission.used("weight_1m")
        w.wire.answer = lambda sent: SLOW if sent.host == "venue" else Says()
        await w.desk.call(READ)
        assert w.admission.used("weight_1m") - used == 2 * sum(c.units for c in READ.costs)
        await w.desk.drain()
        await asyncio.sleep(1)
        paid = [r.data for r in w.store.records() if b'"paid_by":"hedge"' in r.data]
        assert len(paid) == 1

    play(story)


def test_only_the_usual_host_has_usual_spares_and_a_caller_may_name_one():
    spot = outlast.connect("binance-spot", journal=None)
    assert spot._codec.TRAITS.spare_roots[0] == "https://api1.binance.com"
    with pytest.raises(ConfigurationError, match=r"rest_spare is 'api1'"):
        connect(VENUE, journal=None, endpoints={"rest": "http://x", "rest_spare": "api1"})
    named = connect(VENUE, journal=None, endpoints={"rest": "http://x", "rest_spare": "http://y/"})
    assert named._wiring.urls["rest_spare"] == "http://y"


def test_reads_are_all_that_is_copied():
    assert READ.lane is Lane.DATA
    assert not READ.is_write
