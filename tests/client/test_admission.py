"""Turns: slots that come back, clocks that are corrected, orders that are known to be live."""

from __future__ import annotations

import asyncio
import math
from decimal import Decimal

import pytest
from call_world import CANCEL, NOON, READ, UM, CallWorld, Says, entry, play, too_many

from outlast import sim
from outlast.client.admission import Admission
from outlast.core.limiter import Granted
from outlast.errors import Failure, Scope
from outlast.model import Order, OrderStatus, OrderType, Side, TimeInForce
from outlast.wire import Cost, Counter, WireReply, WireRequest


async def hold(admission: Admission, request: WireRequest, times: int) -> list[Granted]:
    turns = []
    for _ in range(times):
        turn = await admission.enter(request, math.inf)
        assert isinstance(turn, Granted)
        turns.append(turn)
    return turns


def test_a_slot_granted_to_a_caller_who_was_just_cancelled_comes_back():
    """Cancelled and let out in one and the same round of the loop, in either order."""

    async def story(w: CallWorld) -> None:
        turns = await hold(w.admission, READ, 6)
        for cancel_first in (True, False):
            waiter = asyncio.create_task(w.admission.enter(READ, math.inf))
            await asyncio.sleep(0)
            assert w.admission.waiting == 1
            if cancel_first:
                waiter.cancel()
                w.admission.leave(turns.pop())
            else:
                w.admission.leave(turns.pop())
                waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
            await asyncio.sleep(0)
            assert (w.admission.waiting, w.admission.under_way) == (0, len(turns))
            turns += await hold(w.admission, READ, 1)
        for turn in turns:
            w.admission.leave(turn)
        w.assert_idle()

    play(story)


def test_who_waits_for_a_slot_past_the_deadline_is_told_that_slots_were_short():
    async def story(w: CallWorld) -> None:
        await hold(w.admission, READ, 6)
        began = w.clock.now()
        late = await w.admission.enter(READ, began + 2.0)
        assert isinstance(late, Failure)
        assert "every slot was taken" in late.message
        assert w.clock.now() - began == pytest.approx(2.0, abs=0.01)

    play(story)


def test_a_queue_that_is_full_says_so_and_a_cancel_always_finds_room():
    async def story(w: CallWorld) -> None:
        await hold(w.admission, CANCEL, 30)
        waiters = [asyncio.create_task(w.admission.enter(READ, math.inf)) for _ in range(1_000)]
        waiters += [asyncio.create_task(w.admission.enter(CANCEL, math.inf)) for _ in range(1_100)]
        await asyncio.sleep(0)
        full = await w.admission.enter(READ, math.inf)
        assert isinstance(full, Failure)
        assert "queue of lane DATA is full" in full.message
        assert w.admission.waiting == 2_100
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
        assert w.admission.waiting == 0

    play(story)


def test_until_the_venues_clock_is_measured_more_is_allowed_for():
    error_s = math.inf

    async def story() -> None:
        clock = sim.clock()
        admission = Admission(
            UM.limits(), clock=clock, server_seconds=clock.wall, clock_error_s=lambda: error_s
        )
        # 8 s before the minute ends: within the doubt, so it may be counted in the next one.
        admission.leave((await hold(admission, READ, 1))[0])
        await asyncio.sleep(20)
        assert admission.used("weight_1m") == 1
        nonlocal_error(0.1)
        await asyncio.sleep(40)
        admission.leave((await hold(admission, READ, 1))[0])
        await asyncio.sleep(20)
        assert admission.used("weight_1m") == 0

    def nonlocal_error(value: float) -> None:
        nonlocal error_s
        error_s = value

    sim.run(story, seed=1, t0=NOON + 52)


def test_a_wall_clock_that_is_set_does_not_empty_the_window():
    ahead_s = 0.0

    async def story() -> None:
        nonlocal ahead_s
        clock = sim.clock()
        admission = Admission(
            UM.limits(), clock=clock, server_seconds=lambda: clock.wall() + ahead_s
        )
        admission.observe({"weight_1m": 2_000})
        ahead_s = 3_600.0
        assert admission.used("weight_1m") == 2_000
        ahead_s = -90.0
        assert admission.used("weight_1m") == 2_000

    sim.run(story, seed=1, t0=NOON + 20)


# Counters per symbol.

TRADING = Counter("trading", 60.0, 60, Scope.ACCOUNT, 1.0, per_symbol=True)


def order(name: str, status: OrderStatus, *, created_at: float = NOON) -> Order:
    return Order(
        client_order_id=name,
        venue_order_id=None,
        symbol="BTC/USD",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=Decimal(1),
        price=Decimal(1),
        stop_price=None,
        time_in_force=TimeInForce.GTC,
        post_only=False,
        reduce_only=False,
        status=status,
        created_at=created_at,
        as_of=created_at,
    )


def place(name: str) -> WireRequest:
    request = entry(name)
    fields = {f: getattr(request, f) for f in request.__slots__}
    return WireRequest(**fields | {"symbol": "BTC/USD", "costs": (Cost("trading", 1),)})


def kraken_like() -> Admission:
    clock = sim.clock()
    return Admission((TRADING,), clock=clock, server_seconds=clock.wall)


def test_never_place_what_you_could_not_cancel():
    async def story() -> None:
        admission = kraken_like()
        for n in range(6):
            turn = await admission.enter(place(f"o{n}"), 0.5)
            assert isinstance(turn, Granted), n
            admission.leave(turn)
        held = await admission.enter(place("o6"), 0.5)
        assert isinstance(held, Failure)
        assert held.retry_after_s is not None
        assert held.retry_after_s > 0
        admission.order_changed(order("o0", OrderStatus.ACCEPTED))
        assert isinstance(await admission.enter(place("o7"), 0.5), Failure)
        admission.order_changed(order("o0", OrderStatus.FILLED))
        assert isinstance(await admission.enter(place("o8"), 0.5), Granted)

    sim.run(story, seed=1, t0=NOON)


def test_an_order_that_ends_lets_the_one_that_waits_leave_at_once():
    async def story() -> None:
        admission = kraken_like()
        for n in range(6):
            turn = await admission.enter(place(f"o{n}"), 60.0)
            assert isinstance(turn, Granted)
            admission.leave(turn)
        waiter = asyncio.create_task(admission.enter(place("next"), 60.0))
        await asyncio.sleep(0)
        assert admission.waiting == 1
        admission.order_changed(order("o3", OrderStatus.CANCELED))
        await asyncio.sleep(0)
        assert isinstance(await waiter, Granted)
        assert sim.clock().now() == pytest.approx(0.0, abs=0.001)

    sim.run(story, seed=1, t0=NOON)


def test_what_rests_since_before_this_session_is_reserved_for():
    async def story() -> None:
        admission = kraken_like()
        for n in range(7):
            admission.order_changed(order(f"old{n}", OrderStatus.ACCEPTED, created_at=NOON - 2))
        assert isinstance(await admission.enter(place("new"), 0.5), Failure)
        (counter,) = admission._limiter.trading
        assert counter.reserve("BTC/USD", sim.clock().now()) == 56

    sim.run(story, seed=1, t0=NOON)


def test_after_a_429_what_can_wait_gives_way_and_comes_back_in_minutes():
    async def story(w: CallWorld) -> None:
        w.wire.answer = lambda _: too_many(1)
        await w.desk.call(READ, deadline=w.clock.now() + 0.5)
        assert w.admission.data_share == 0.5
        w.wire.answer = lambda _: Says()
        await asyncio.sleep(75)
        assert isinstance(await w.desk.call(READ), WireReply)
        assert w.admission.data_share == 0.6
        await asyncio.sleep(300)
        assert isinstance(await w.desk.call(READ), WireReply)
        assert w.admission.data_share == 1.0
        assert w.kinds().count("limits.squeezed") == 1

    play(story)
