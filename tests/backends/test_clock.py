"""The machine's clocks."""

import asyncio
import time

from outlast.backends.clock import SystemClock


def test_now_is_the_loops_own_time_so_that_deadlines_and_timers_agree():
    async def story():
        loop = asyncio.get_running_loop()
        before = loop.time()
        assert before <= SystemClock().now() <= loop.time()

    asyncio.run(story())


def test_wall_is_seconds_since_the_epoch():
    before = time.time()
    assert before <= SystemClock().wall() <= time.time()


def test_sleep_takes_at_least_as_long_as_asked():
    async def story():
        clock = SystemClock()
        before = clock.now()
        await clock.sleep(0.02)
        assert clock.now() - before >= 0.019

    asyncio.run(story())
