"""The time module and the system's randomness answer from the simulation, and only there."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
import time
import types
import uuid
from datetime import UTC, datetime
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
