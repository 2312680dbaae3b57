"""Bans by scope, evidence by plane, and what is our own fault."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from call_world import (
    CANCEL,
    NO_NAME,
    NOON,
    OVERLOADED,
    QUERY,
    READ,
    REFUSED,
    TIMES_OUT,
    UM,
    CallWorld,
    Says,
    entry,
    exit_,
    play,
    too_many,
)
from msgspec import structs

import outlast
from outlast.client.events import EventBus
from outlast.client.guard import Guard
from outlast.client.journal import Journal
from outlast.client.raising import read_error
from outlast.core.breaker import BreakerState
from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import Plane
from outlast.wire import Cost, Counter, FaultKind, WireReply

MARKET_DATA, TRADING, ACCOUNT = Plane.MARKET_DATA, Plane.TRADING, Plane.ACCOUNT
CLOSED, OPEN = BreakerState.CLOSED, BreakerState.OPEN


def banned_until(at_s: float) -> Says:
    said = f"Way too much request weight used; IP banned until {round(at_s * 1000)}. Please use"
    return Says(418, b'{"code":-1003,"msg":"%s"}' % said.encode())


async def fail(w: CallWorld, request, times: int) -> None:
    """So many attempts that fail, whatever is done about them."""
    for _ in range(times):
        await w.desk.call(request, policy=ONCE)


ONCE = outlast.core.policy.EXIT_TRY


# Bans.


@pytest.mark.parametrize(
    ("says", "ends_s"),
    [
        (too_many(20), 20.0),
        (banned_until(NOON + 30 + 120), 120.0),
        (Says(418, b"", (("retry-after", "300"),)), 300.0),
        (Says(403, b"<html>blocked</html>"), 300.0),
    ],
    ids=["429", "418 with its end", "418 with a wait", "firewall"],
)
def test_nothing_of_any_kind_is_sent_during_a_ban_and_one_probe_after_it(says, ends_s):
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: says
        began = w.clock.now()
        waiting = [asyncio.create_task(w.desk.call(READ, deadline=began + 900)) for _ in range(3)]
        await asyncio.sleep(0.2)
        sent = len(w.wire.sent)
        w.wire.answer = lambda _: Says(after_s=2.0)
        while w.clock.now() < began + ends_s - 1.0:
            for request in (READ, QUERY, CANCEL, entry(), exit_()):
                result = await w.desk.call(request, deadline=w.clock.now() + 1)
                assert isinstance(result, Failure)
                assert result.outcome is Outcome.NOT_SENT
                assert result.retry_after_s is not None
            assert await w.desk.probe(UM.probe()) is None
            assert w.guard.held_dial(w.clock.now()) is not None
            await asyncio.sleep(ends_s / 50)
        assert len(w.wire.sent) == sent
        for task in waiting:
            task.cancel()
        await asyncio.sleep(10)  # longer than any jitter; nobody has asked
        asked = [asyncio.create_task(w.desk.call(READ, policy=ONCE)) for _ in range(50)]
        await asyncio.sleep(1.0)
        assert len(w.wire.sent) == sent + 1
        await asyncio.sleep(1.5)
        assert isinstance(await w.desk.call(QUERY), WireReply)
        await asyncio.gather(*asked, *waiting, return_exceptions=True)

    play(story)


def test_a_venue_that_refuses_our_timestamp_answers_and_the_ban_is_over():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: too_many(5)
        await w.desk.call(READ, policy=ONCE)
        await asyncio.sleep(6)
        skewed = b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}'
        w.wire.answer = lambda _: Says(400, skewed)
        await w.desk.call(QUERY, policy=ONCE)
        w.wire.answer = lambda _: Says()
        assert isinstance(await w.desk.call(READ, policy=ONCE), WireReply)

    play(story)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, None, True),
        (503, b"Service Unavailable", False),
        (400, b'{"code":-1021,"msg":"Timestamp for this request is outside of it."}', None),
    ],
)
def test_a_probe_says_nothing_of_the_plane_where_our_own_clock_is_refused(status, body, says):
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: Says(status, body)
        assert await w.desk.probe(QUERY) is says

    play(story)


def test_a_ban_that_names_an_instant_is_kept_by_the_error_of_our_clock_longer():
    async def story(w: CallWorld) -> None:
        now = w.clock.now()
        w.server_clock.add_sample(
            sent_at=now,
            received_at=now + 0.4,
            server_ms=round(w.clock.wall() * 1000) + 200,
            wall_ms=w.clock.wall() * 1000 + 400,
        )
        w.wire.answer = lambda _: banned_until(NOON + 30 + 10)
        await w.desk.call(READ, policy=ONCE)
        assert w.guard.banned_until() - now >= 10.19

    play(story)


def test_too_many_orders_hold_orders_and_not_cancels_or_reads():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda sent: (
            Says(429, b'{"code":-1015,"msg":"Too many new orders"}', (("retry-after", "60"),))
            if sent.is_order
            else Says()
        )
        assert isinstance(await w.desk.call(entry(), policy=ONCE), Failure)
        for held in (entry(), exit_()):
            result = await w.desk.call(held, deadline=w.clock.now() + 5)
            assert isinstance(result, Failure)
            assert result.kind == "banned"
        assert sum(sent.is_order for sent in w.wire.sent) == 1
        assert isinstance(await w.desk.call(CANCEL), WireReply)
        assert isinstance(await w.desk.call(READ), WireReply)
        assert isinstance(await w.desk.call(QUERY), WireReply)

    play(story)


KRAKEN = (
    Counter("public", 15.0, 15, Scope.IP, 1.0),
    Counter("rest", 40.0, 20, Scope.ACCOUNT, 0.5),
    Counter("trading", 60.0, 60, Scope.ACCOUNT, 1.0, per_symbol=True),
)


def kraken_like(w: CallWorld) -> Guard:
    return Guard(
        "kraken-spot",
        clock=w.clock,
        server_clock=w.server_clock,
        journal=Journal(w.store, venue="binance-um", clock=w.clock, rng=w.guard._bans._rng),
        events=EventBus(10),
        rng=w.guard._bans._rng,
        counters=KRAKEN,
    )


PLACE = structs.replace(entry(), costs=(Cost("trading", 1),))
PLACE_ETH = structs.replace(PLACE, symbol="ETH/USD")
CANCEL_IT = structs.replace(CANCEL, costs=(Cost("trading", 0),))
BALANCE = structs.replace(QUERY, costs=(Cost("rest", 1),))
TICKER = structs.replace(READ, costs=(Cost("public", 1),))


def told_to_wait(scope: Scope, wait_s: float | None = 30.0) -> Failure:
    return Failure(
        layer=Layer.VENUE,
        kind="rate_limited",
        outcome=Outcome.REFUSED,
        remedy=Remedy.WAIT_BAN,
        scope=scope,
        retry_after_s=wait_s,
    )


@pytest.mark.parametrize(
    ("scope", "offender", "held", "free"),
    [
        (Scope.KEY, BALANCE, (BALANCE, PLACE, CANCEL_IT), (TICKER,)),
        (Scope.ACCOUNT, BALANCE, (BALANCE,), (PLACE, CANCEL_IT, TICKER)),
        (Scope.SYMBOL, PLACE, (PLACE,), (PLACE_ETH, BALANCE, TICKER)),
        (Scope.ACCOUNT, PLACE, (PLACE, PLACE_ETH), (BALANCE, TICKER)),
        (Scope.IP, TICKER, (TICKER, BALANCE, PLACE, CANCEL_IT), ()),
        (Scope.PRODUCT, BALANCE, (TICKER, BALANCE, PLACE, CANCEL_IT), ()),
    ],
)
def test_a_ban_reaches_as_far_as_its_scope_and_no_further(scope, offender, held, free):
    async def story(w: CallWorld) -> None:
        guard, now = kraken_like(w), w.clock.now()
        guard.feed(offender, None, told_to_wait(scope), sent_at=now)
        for request in held:
            assert guard.held(request, now + 29.9) is not None
            assert guard.held(request, now + 40.0) is None
        for request in free:
            assert guard.held(request, now) is None

    play(story)


def test_a_lockout_without_a_time_lasts_a_quarter_of_an_hour():
    async def story(w: CallWorld) -> None:
        guard, now = kraken_like(w), w.clock.now()
        guard.feed(BALANCE, None, told_to_wait(Scope.KEY, None), sent_at=now)
        assert guard.held(BALANCE, now + 899.9) is not None
        assert guard.held(BALANCE, now + 910.0) is None

    play(story)


def test_a_refused_dial_bans_dials_and_not_calls():
    async def story(w: CallWorld) -> None:
        now = w.clock.now()
        assert w.guard.held_dial(now) is None
        w.guard.dialled(sent_at=now, refused="HTTP 429 at the handshake")
        held = w.guard.held_dial(now + 59)
        assert held is not None
        assert held.retry_after_s == pytest.approx(1.0, abs=3.1)
        assert isinstance(await w.desk.call(READ), WireReply)
        assert w.guard.held_dial(now + 70) is None  # the probe
        assert w.guard.held_dial(now + 70) is not None
        w.guard.dialled(sent_at=now + 70)
        assert w.guard.held_dial(now + 71) is None
        w.guard.dialled(sent_at=now + 71, refused="HTTP 429", retry_after_s=600.0)
        assert w.guard.held_dial(now + 500) is not None

    play(story)


# Breakers.


def test_a_plane_that_fails_counts_against_itself_alone():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda sent: OVERLOADED if sent.is_order else Says()
        await fail(w, entry(), 18)
        states = {plane: breaker.state for plane, breaker in w.guard.breakers.items()}
        assert states.pop(TRADING) is OPEN
        assert set(states.values()) == {CLOSED}
        assert all(b.evidence == 0 for p, b in w.guard.breakers.items() if p is not TRADING)

    play(story)


def test_calls_that_an_open_breaker_turns_away_spend_no_limit():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED
        await fail(w, QUERY, 18)
        assert w.guard.breakers[ACCOUNT].state is OPEN
        used = w.admission.used("weight_1m")
        for _ in range(5):
            result = await w.desk.call(QUERY)
            assert isinstance(result, Failure)
            assert result.kind == "breaker_open"
        assert w.admission.used("weight_1m") == used

    play(story)


def test_anything_that_answers_shortens_the_long_waits_of_the_planes_that_are_down():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED
        await fail(w, entry(), 18)
        trading = w.guard.breakers[TRADING]
        for _ in range(30):
            await w.clock.sleep(trading.next_probe_at() - w.clock.now())
            assert trading.probe_due(w.clock.now())
            trading.probe_result(False, w.clock.now())
        assert trading.next_probe_at() - w.clock.now() > 7
        w.wire.answer = lambda _: Says()
        assert isinstance(await w.desk.call(CANCEL), WireReply)
        assert trading.state is OPEN
        assert trading.next_probe_at() - w.clock.now() < 1

    play(story)


def test_where_nothing_at_all_answers_every_plane_that_fails_is_left_alone_soon():
    """10 failures of each are far too few by themselves; together there are 30 in a row."""

    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED
        for request in (READ, QUERY, entry()):
            await fail(w, request, 9)
        assert {breaker.state for breaker in w.guard.breakers.values()} == {CLOSED}
        for number, request in enumerate((READ, QUERY, entry())):
            await fail(w, request, 1)
            assert w.guard.breakers[request.plane].state is (CLOSED if number < 2 else OPEN)
        for request in (READ, QUERY):
            await fail(w, request, 1)
            assert w.guard.breakers[request.plane].state is OPEN
        assert w.guard.breakers[Plane.STATUS].state is CLOSED  # of which no call has failed

    play(story)


@pytest.mark.parametrize("answered", ["a cancel", "a refusal of the venue's"])
def test_anything_that_the_venue_itself_answers_shows_that_somebody_is_there(answered):
    """Then each plane is judged by its own calls alone."""

    async def story(w: CallWorld) -> None:
        refused = Says(400, b'{"code":-2019,"msg":"Margin is insufficient."}')
        for request in (READ, QUERY, READ, QUERY, READ, QUERY):
            w.wire.answer = lambda _: OVERLOADED
            await fail(w, request, 5)
            w.wire.answer = lambda _: Says() if answered == "a cancel" else refused
            await w.desk.call(CANCEL if answered == "a cancel" else entry())
        assert {breaker.state for breaker in w.guard.breakers.values()} == {CLOSED}
        assert w.guard.breakers[ACCOUNT].evidence > 10

    play(story)


def test_a_host_that_cannot_be_dialled_counts_against_all_its_planes():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: REFUSED
        await fail(w, READ, 18)
        for plane in (MARKET_DATA, TRADING, ACCOUNT):
            assert w.guard.breakers[plane].state is OPEN, plane
        assert w.guard.breakers[Plane.STATUS].state is CLOSED  # another host

    play(story)


def test_a_host_that_answers_again_takes_back_what_its_planes_were_charged():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: REFUSED
        await fail(w, READ, 8)
        assert w.guard.breakers[TRADING].evidence > 5
        w.wire.answer = lambda _: OVERLOADED  # not well, but it answers
        await fail(w, READ, 1)
        assert w.guard.breakers[TRADING].evidence == pytest.approx(0.0, abs=1e-9)
        assert w.guard.breakers[ACCOUNT].evidence == pytest.approx(0.0, abs=1e-9)
        assert w.guard.breakers[MARKET_DATA].evidence > 5

    play(story)


def test_a_page_of_signs_shortens_the_way_of_its_planes():
    async def story(w: CallWorld) -> None:
        w.guard.stream_silent()
        w.guard.user_stream_lost()
        w.guard.component_down([TRADING])
        w.guard.component_degraded([TRADING])
        evidence = {plane: breaker.evidence for plane, breaker in w.guard.breakers.items()}
        assert evidence[MARKET_DATA] == 1.5
        assert evidence[ACCOUNT] == 1.0
        assert evidence[TRADING] == 5.0
        assert evidence[Plane.STATUS] == 0.0
        assert all(breaker.state is CLOSED for breaker in w.guard.breakers.values())

    play(story)


def test_the_operator_forces_and_the_journal_remembers():
    async def story(w: CallWorld) -> None:
        w.guard.force_open(TRADING)
        result = await w.desk.call(entry(), policy=ONCE)
        assert isinstance(result, Failure)
        assert (result.kind, result.retry_after_s) == ("breaker_open", None)
        assert isinstance(await w.desk.call(CANCEL), WireReply)
        w.guard.auto(TRADING)
        assert isinstance(await w.desk.call(entry("ol-2")), WireReply)
        assert w.kinds().count("breaker.forced") == 2
        assert w.kinds().count("breaker.changed") == 2

    play(story)


def test_in_the_shadow_everything_passes_and_everything_is_measured():
    async def story(w: CallWorld) -> None:
        w.guard.shadow()
        w.wire.answer = lambda _: OVERLOADED
        await fail(w, entry(), 20)
        assert len(w.wire.sent) == 20
        assert w.guard.breakers[TRADING].measured_state is OPEN
        assert w.guard.breakers[TRADING].state is CLOSED

    play(story)


def test_an_answer_far_slower_than_usual_is_a_sign_and_no_failure():
    async def story(w: CallWorld) -> None:
        for _ in range(30):
            await w.desk.call(READ)
        w.wire.answer = lambda _: Says(after_s=1.5)
        assert isinstance(await w.desk.call(READ), WireReply)
        assert w.guard.breakers[MARKET_DATA].evidence == pytest.approx(0.3)

    play(story)


# Ourselves.


@pytest.mark.parametrize("kind", [FaultKind.NAME_UNRESOLVED, FaultKind.NO_ROUTE])
def test_no_name_and_no_route_mark_no_venue_as_down_and_pause_the_calls(kind):
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: replace(NO_NAME, fault=kind)
        until = w.clock.now() + 60
        held = 0
        while w.clock.now() < until:
            result = await w.desk.call(READ, policy=ONCE)
            assert isinstance(result, Failure)
            assert result.outcome is Outcome.NOT_SENT
            error = read_error(result, venue="binance-um", clock=w.clock, what="the mark price")
            assert isinstance(error, outlast.ConnectFailed)
            held += result.kind == "own_network_down"
            await asyncio.sleep(0.05)
        assert held > 500
        assert len(w.wire.sent) < 30
        assert all(b.evidence == 0 for b in w.guard.breakers.values())
        assert all(b.state is CLOSED for b in w.guard.breakers.values())
        sent = len(w.wire.sent)
        await w.desk.call(CANCEL, policy=ONCE)
        assert len(w.wire.sent) == sent + 1  # the way out is always tried
        w.wire.answer = lambda _: Says()
        await asyncio.sleep(6)
        assert isinstance(await w.desk.call(READ), WireReply)
        assert isinstance(await w.desk.call(READ), WireReply)

    play(story)


def test_timeouts_of_a_loop_that_stood_still_are_no_evidence():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: replace(TIMES_OUT, after_s=0.4)
        for _ in range(18):
            call = asyncio.create_task(w.desk.call(READ, policy=ONCE))
            await asyncio.sleep(0.05)
            time.sleep(0.5)  # the strategy computes something, on the loop
            await call
        assert w.guard.breakers[MARKET_DATA].state is CLOSED
        assert w.guard.breakers[MARKET_DATA].evidence == 0

    play(story)


def test_the_same_timeouts_with_a_loop_that_runs_are_evidence():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: replace(TIMES_OUT, after_s=0.4)
        await fail(w, READ, 18)
        assert w.guard.breakers[MARKET_DATA].state is OPEN

    play(story)


def test_an_answer_that_came_through_a_stall_is_an_answer():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: OVERLOADED
        for n in range(18):
            call = asyncio.create_task(w.desk.call(entry(f"e{n}"), policy=ONCE))
            await asyncio.sleep(0.01)
            time.sleep(0.5)
            await call
        assert w.guard.breakers[TRADING].state is OPEN

    play(story)
