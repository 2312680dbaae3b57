"""Callers who leave while the venue hangs: afterwards the client is as healthy as before.

Over connections of our own and over a plain `httpx.AsyncClient` that the caller has made, whose
pool keeps the slot of a request that is cancelled (encode/httpcore issue 1093).
"""

from __future__ import annotations

import asyncio

import httpx
import pytest
from venue_in_sim import BTC, World, builder, play

import outlast
from outlast.client.session import Session
from outlast.core.breaker import BreakerState
from outlast.model import OrderStatus, TradingState

LASTS_S = 10.0


async def impatient(w: World, venue: Session, n: int, until: float) -> int:
    """Asks, waits 0.3 s, goes away, and asks again."""
    left = 0
    while w.clock.now() < until:
        try:
            async with asyncio.timeout(0.3):
                if n % 4 == 3:
                    await venue.submit(outlast.limit(BTC, "buy", "0.01", 60_000 + n))
                elif n % 4 == 2:
                    await venue.reconcile()
                else:
                    await venue.mark_price(BTC)
        except TimeoutError:
            left += 1
        except outlast.OutlastError:
            await asyncio.sleep(0.05)
    return left


async def back_to_business(venue: Session) -> None:
    """Ten orders, one each 3 s, once the session takes as many as ever.

    Where everything hung, the breaker of orders may have opened. By itself it comes back as far as
    its canary; from there on only orders that succeed close it.
    """
    shut = (BreakerState.OPEN, BreakerState.PROBING)
    assert not any(view.state in shut for view in venue.breakers)
    async with asyncio.timeout(180):  # a cool-down as long as it took to know of every order
        await venue.wait_until(TradingState.ACTIVE, BTC)
    await asyncio.sleep(180)  # 10, 25 and 50 % of the usual, a minute each
    for n in range(10):
        order = await venue.submit(outlast.limit(BTC, "buy", "0.01", 60_000 + n))
        assert order.status is OrderStatus.ACCEPTED
        assert (await venue.cancel(order.client_order_id)).status is OrderStatus.CANCELED
        await asyncio.sleep(3)


@pytest.mark.parametrize("over", ["own", "httpx"])
def test_twenty_tasks_that_time_out_for_ten_seconds_leave_a_healthy_session(over, tmp_path):
    async def story(w: World):
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
            terms = {} if over == "own" else {"http": client}
            async with w.connect(**terms) as venue:
                hanging = w.fault("*", reply={"hang": "30s"}, effect="none")
                until = w.clock.now() + LASTS_S
                left = await asyncio.gather(*(impatient(w, venue, n, until) for n in range(20)))
                assert sum(left) > 20, "nobody was impatient"
                w.mock.run.desk.remove(hanging)
                await asyncio.sleep(60)  # every request has ended by its own timeouts
                assert venue.backlog()["waiting"] == 0
                for order in venue.orders.unknown():
                    await venue.settle(order.client_order_id, timeout_s=300)
                await back_to_business(venue)
                assert all(view.state is BreakerState.CLOSED for view in venue.breakers)
                began = w.clock.now()
                await asyncio.gather(*(venue.mark_price(BTC) for _ in range(8)))
                assert w.clock.now() - began < 0.5
            assert all(count == 0 for count in venue.backlog().values())
        assert w.scorecard()["duplicates"] == 0

    play(story, tmp_path, scenario=builder().phase("all", "rest").build())
