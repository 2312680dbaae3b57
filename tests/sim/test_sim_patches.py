"""The time module and the system's randomness answer from the simulation, and only there."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
import threading
import time
import types
import uuid
from datetime import UTC, date, datetime
from time import monotonic

import pytest

from outlast import sim


def test_the_time_module_tells_virtual_time():
    async def main():
        await asyncio.sleep(3600)
        return (
            time.time(),
            time.time_ns(),
            time.monotonic(),
            time.monotonic_ns(),
            time.perf_counter(),
            time.perf_counter_ns(),
            monotonic(),  # taken from the module before the run
            time.gmtime().tm_hour,
            datetime.fromtimestamp(time.time(), UTC).isoformat(),
        )

    told = sim.run(main, seed=1, t0=0.0)
    assert told == (
        3600.0,
        3_600_000_000_000,
        3600.0,
        3_600_000_000_000,
        3600.0,
        3_600_000_000_000,
        3600.0,
        1,
        "1970-01-01T01:00:00+00:00",
    )


def test_a_blocking_sleep_stops_the_whole_program_while_time_passes():
    async def main():
        loop, fired = asyncio.get_running_loop(), []
        loop.call_later(1.0, lambda: fired.append(loop.time()))
        time.sleep(120)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return fired

    assert sim.run(main, seed=1) == [120.0]


def test_afterwards_everything_is_as_before():
    real, state = (time.time, time.monotonic, monotonic, os.urandom), random.getstate()

    async def main():
        assert time.time is not real[0]
        random.random()
        late = types.ModuleType("imported_late")
        late.clock = time.monotonic
        sys.modules["imported_late"] = late

    try:
        sim.run(main, seed=1)
        assert sys.modules["imported_late"].clock is real[1]
    finally:
        del sys.modules["imported_late"]
    assert (time.time, time.monotonic, monotonic, os.urandom) == real
    assert random.getstate() == state
    assert time.time() > sim.T0


def test_a_stand_in_kept_too_long_tells_the_truth_again():
    async def main():
        class Stored:
            clock = time.time

        return Stored

    assert sim.run(main, seed=1)().clock() > sim.T0 + 1000


def test_system_randomness_comes_from_the_seed():
    async def main():
        return (
            os.urandom(8),
            secrets.token_hex(8),
            uuid.uuid4(),
            random.random(),
            random.SystemRandom().random(),
        )

    one = sim.run(main, seed=1)
    assert sim.run(main, seed=1) == one
    assert all(mine != theirs for mine, theirs in zip(one, sim.run(main, seed=2), strict=True))


def test_without_patches_the_modules_are_untouched():
    real = time.time

    async def main():
        return time.time is real

    assert sim.run(main, seed=1, patch=False)


def test_patched_time_serves_a_loop_that_is_run_by_hand():
    async def main():
        await asyncio.sleep(5)
        return time.monotonic()

    with asyncio.Runner(loop_factory=lambda: sim.SimLoop(seed=1)) as runner:
        with sim.patched_time(runner.get_loop()):
            assert runner.run(main()) == 5.0
        assert runner.run(main()) != 10.0


def test_negative_sleep_is_refused_as_the_real_one_refuses_it():
    async def main():
        time.sleep(-1)

    with pytest.raises(ValueError, match="0 or more"):
        sim.run(main, seed=1)


def test_datetime_tells_virtual_time():
    real = datetime.now

    class Stamp(datetime):
        pass

    async def main():
        await asyncio.sleep(90)
        return (
            datetime.now(UTC),
            datetime.now(),  # noqa: DTZ005
            datetime.now(tz=UTC).tzinfo,
            datetime.today(),  # noqa: DTZ002
            date.today(),  # noqa: DTZ011
            Stamp.now(UTC),
            type(datetime.now(UTC)) is datetime,
        )

    aware, naive, zone, today, day, stamp, is_exact = sim.run(main, seed=1)
    moment = datetime.fromtimestamp(sim.T0 + 90, UTC)
    local = datetime.fromtimestamp(sim.T0 + 90)  # noqa: DTZ006
    assert (aware, naive, zone, today, day) == (moment, local, UTC, local, local.date())
    assert stamp == moment
    assert isinstance(stamp, Stamp)
    assert is_exact
    assert datetime.now(UTC).timestamp() > sim.T0 + 1000
    assert datetime.now == real


def test_datetime_tells_other_threads_the_truth():
    told = []

    async def main():
        thread_may_ask.set()
        answered.wait()
        return datetime.now(UTC)

    def outside():
        thread_may_ask.wait()
        told.append(datetime.now(UTC))
        answered.set()

    thread_may_ask, answered = threading.Event(), threading.Event()
    thread = threading.Thread(target=outside, daemon=True)
    thread.start()
    inside = sim.run(main, seed=1)
    thread.join()
    assert inside.timestamp() == sim.T0
    assert told[0].timestamp() > sim.T0 + 1000


def test_texts_and_raw_clocks_tell_virtual_time():
    async def main():
        await asyncio.sleep(1)
        return (
            time.strftime("%s"),
            time.strftime("%Y", time.gmtime(0)),
            time.ctime() == time.ctime(time.time()),
            time.asctime() == time.ctime(),
            time.clock_gettime(time.CLOCK_REALTIME),
            time.clock_gettime_ns(time.CLOCK_MONOTONIC),
            time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) > 0,
        )

    told = sim.run(main, seed=1, t0=5.0)
    assert told == ("6", "1970", True, True, 6.0, 1_000_000_000, True)


def test_generators_without_a_seed_get_one():
    async def main():
        random.seed()
        own = random.Random()
        again = random.Random(3)
        return random.random(), own.random(), again.random(), uuid.uuid4()

    one = sim.run(main, seed=1)
    assert sim.run(main, seed=1) == one
    assert one[2] == random.Random(3).random()
    assert random.Random().random() != random.Random().random()


@pytest.mark.parametrize("name", ["uuid1", "getnode"])
def test_what_tells_of_this_machine_is_refused(name):
    async def main():
        try:
            getattr(uuid, name)()
        except sim.RealWorldReached:
            await asyncio.sleep(1)
        pytest.fail("the run went on")

    with pytest.raises(sim.RealWorldReached, match="uuid4"):
        sim.run(main, seed=1)
    assert uuid.getnode()
