"""What the guard costs a call that succeeds at once, against the usual stack of libraries.

    python -m benchmarks.guard

Both guard the same coroutine, which returns without waiting:

- outlast: ban clock, lanes, slots, weights of the venue, breaker, usual latency, retry budget. As
  `CallDesk` calls them, the short way and now and then the long one; signing, transport and journal
  left out.
- the usual stack: tenacity around asyncio.timeout around purgatory around aiolimiter. What is not
  installed is left out and named (`pip install purgatory aiolimiter`).

Rows are JSON: nanoseconds of CPU per call and their ratio, each the median of the rounds.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import tenacity

from outlast.backends.clock import SystemClock
from outlast.backends.journal import MemoryStore
from outlast.client.admission import Admission
from outlast.client.events import EventBus
from outlast.client.guard import Guard
from outlast.client.journal import Journal
from outlast.core.breaker import Permit
from outlast.core.budget import RETRIES, RetryBudget
from outlast.core.limiter import Granted
from outlast.core.server_time import ServerClock
from outlast.errors import Scope
from outlast.model import Plane
from outlast.wire import Cost, Counter, Lane, WireRequest

CALLS: Final = 5_000
ROUNDS: Final = 15
HUGE: Final = 10**9

Call = Callable[[], Awaitable[object]]


async def answer() -> int:
    return 1


def outlast_guard() -> Call:
    clock, rng = SystemClock(), random.Random(1)
    server_clock = ServerClock()
    counters = (
        Counter("weight_1m", 60.0, HUGE, Scope.IP),
        Counter("orders_10s", 10.0, HUGE, Scope.ACCOUNT),
        Counter("orders_1m", 60.0, HUGE, Scope.ACCOUNT),
    )
    guard = Guard(
        "binance-um",
        clock=clock,
        server_clock=server_clock,
        journal=Journal(MemoryStore(), venue="binance-um", clock=clock, rng=rng),
        events=EventBus(10),
        rng=rng,
        counters=counters,
    )
    admission = Admission(
        counters,
        clock=clock,
        server_seconds=lambda: server_clock.server_ms(clock.wall() * 1000) / 1000,
        clock_error_s=lambda: 0.01,
    )
    budget = RetryBudget.of(RETRIES)
    order = WireRequest(
        name="order.place",
        method="POST",
        path="/fapi/v1/order",
        plane=Plane.TRADING,
        lane=Lane.SAFETY,  # no burst cap: the rounds are faster than any venue allows
        is_write=True,
        safe_to_repeat=False,
        costs=(Cost("orders_10s", 1), Cost("orders_1m", 1)),
    )

    async def enter(now: float) -> tuple[Permit, Granted]:
        """The long way, a few times a second: when the venue's clock is to be looked at."""
        assert guard.shut(order, now) is None
        turn = await admission.enter(order, now + 10.0)
        permit = guard.permit(order, clock.now())
        assert isinstance(turn, Granted)
        assert isinstance(permit, Permit)
        return permit, turn

    async def call() -> object:
        now = clock.now()
        calm = guard.calm_permit(order)
        granted = None if calm is None else admission.enter_at_once(order, now)
        if calm is not None and granted is not None:
            permit, turn = calm, granted
        else:
            permit, turn = await enter(now)
        try:
            result = await answer()
            answered_at = clock.now()
            guard.succeeded(order, permit, now, answered_at)
            budget.earn(answered_at)
            return result
        finally:
            admission.leave(turn)

    return call


def usual_stack() -> tuple[Call, list[str]]:
    """The libraries that there are, innermost last, and the names of those that there are not."""
    missing: list[str] = []
    limiter: Any = None
    breakers: Any = None
    try:
        limiter = importlib.import_module("aiolimiter").AsyncLimiter(HUGE, 60)
    except ImportError:
        missing.append("aiolimiter")
    try:
        breakers = importlib.import_module("purgatory").AsyncCircuitBreakerFactory()
    except ImportError:
        missing.append("purgatory")

    async def limited() -> object:
        if limiter is None:
            return await answer()
        async with limiter:
            return await answer()

    async def broken() -> object:
        if breakers is None:
            return await limited()
        async with await breakers.get_breaker("orders"):
            return await limited()

    @tenacity.retry(
        stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_random_exponential(max=5)
    )
    async def call() -> object:
        async with asyncio.timeout(10):
            return await broken()

    return call, missing


async def measure(call: Call) -> float:
    """Nanoseconds of CPU of one call."""
    began = time.process_time_ns()
    for _ in range(CALLS):
        await call()
    return (time.process_time_ns() - began) / CALLS


async def main() -> None:
    guard, (stack, missing) = outlast_guard(), usual_stack()
    ours, theirs = [], []
    for _ in range(ROUNDS):  # in turns: another process on the machine slows all of them down
        bare = await measure(answer)
        ours.append(await measure(guard) - bare)
        theirs.append(await measure(stack) - bare)
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    print(json.dumps({"what": "outlast guard", "ns": round(statistics.median(ours))}))
    print(
        json.dumps(
            {
                "what": "usual stack",
                "ns": round(statistics.median(theirs)),
                "without": missing,
            }
        )
    )
    print(json.dumps({"what": "ratio", "value": round(ratio, 3)}))


if __name__ == "__main__":
    asyncio.run(main())
