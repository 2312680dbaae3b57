"""Programs are killed at any step, frozen and thawed, and nothing of a dead one has an effect."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import warnings

import pytest
from small_world import echo, now, run, say, served

from outlast import sim


def start(host, program):
    """Start `program` (given its process) on a host; give process and task."""
    network = sim.network()
    with network.process(host) as process:
        task = asyncio.get_running_loop().create_task(program(process))
    return process, task


def test_a_dead_program_does_nothing_more():
    async def main():
        network, said = sim.network(), []

        async def program(_):
            loop = asyncio.get_running_loop()
            loop.call_later(5, said.append, "a timer fired")
            asyncio.create_task(asyncio.sleep(7)).add_done_callback(
                lambda _: said.append("a callback ran")
            )
            try:
                await asyncio.sleep(9)
                said.append("it went on")
            except Exception:  # noqa: BLE001
                said.append("it saw an error")

        process, task = start("bot", program)
        await asyncio.sleep(1)
        network.kill(process)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert now() == 1.0
        await asyncio.sleep(100)
        return said

    assert run(main) == ["a callback ran"]  # of the task that was cancelled as all were


def test_a_dead_program_ends_within_the_instant_however_much_it_cleans_up():
    async def main():
        network, cleaned = sim.network(), []

        async def child():
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(30)

        async def program(_):
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(child())
                    group.create_task(child())
            finally:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(60)
                cleaned.append(now())
                late = asyncio.create_task(asyncio.sleep(1))
                await late
                cleaned.append("and no further")

        process, task = start("bot", program)
        await asyncio.sleep(1)
        network.kill(process)
        await asyncio.wait({task})
        return cleaned, now(), process.is_buried

    assert run(main) == ([1.0], 1.0, True)


def test_a_task_that_will_not_be_cancelled_is_left_behind():
    async def main():
        network, count = sim.network(), [0]

        async def stubborn(_):
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    count[0] += 1
                    await asyncio.sleep(1)

        process, task = start("bot", stubborn)
        await asyncio.sleep(0.5)
        network.kill(process)
        await asyncio.wait({task})
        rounds = count[0]
        await asyncio.sleep(50)
        return now(), task.cancelled(), count[0] - rounds

    assert run(main) == (50.5, True, 0)


@pytest.mark.parametrize("steps", range(12))
def test_a_program_dies_before_any_step_it_would_make(steps):
    """The echo is the program's only trace; whichever step it dies at, nothing is half done."""

    async def main():
        network, log = sim.network(), []
        await served(echo)

        async def program(_):
            reader, writer = await asyncio.open_connection("venue", 80)
            log.append("connected")
            await say(reader, writer)
            log.append("answered")
            writer.close()

        process, task = start("bot", program)
        left = [steps]

        def step():
            if left[0] == 0:
                log.append("dead")
                network.kill(process)
            left[0] -= 1

        process.before_step = step
        await asyncio.wait({task})
        await asyncio.sleep(10)
        return log, network.open_connections

    log, left_open = run(main)
    assert log == ["connected", "answered"][: log.index("dead") if "dead" in log else 2] + (
        ["dead"] if "dead" in log else []
    )
    assert left_open == 0
    if steps == 0:
        assert log == ["dead"]


def test_a_program_that_kills_itself_gets_no_further_than_its_next_await():
    async def main():
        network, log = sim.network(), []

        async def program(process):
            network.kill(process)
            log.append("still in this step")
            await asyncio.sleep(0)
            log.append("and in the next")

        _, task = start("bot", program)
        await asyncio.wait({task})
        return log

    assert run(main) == ["still in this step"]


def test_what_fails_in_a_dying_program_is_nobodys_business():
    async def main():
        network = sim.network()

        async def forgotten():
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("the socket is gone")

        async def program(_):
            asyncio.get_running_loop().tasks = [asyncio.create_task(forgotten())]
            future = asyncio.get_running_loop().create_future()
            try:
                await asyncio.Event().wait()
            finally:
                future.set_exception(OSError("nobody asks"))

        process, task = start("bot", program)
        await asyncio.sleep(1)
        network.kill(process)
        await asyncio.wait({task})
        del asyncio.get_running_loop().tasks
        gc.collect()
        await asyncio.sleep(1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)


def test_a_frozen_program_stands_still_and_then_does_everything_late():
    async def main():
        network, log = sim.network(), []

        async def program(_):
            loop = asyncio.get_running_loop()
            loop.call_later(30, log.append, "second")
            loop.call_later(20, log.append, "first")
            for _ in range(3):
                await asyncio.sleep(10)
                log.append(now())

        process, task = start("bot", program)
        await asyncio.sleep(15)
        network.freeze(process, 60)
        await asyncio.sleep(50)
        assert log == [10.0]
        await task
        return log

    assert run(main) == [10.0, "first", "second", 75.0, 85.0]


def test_bytes_pile_up_before_a_frozen_program_until_its_window_is_full():
    async def main():
        network, got = sim.network(), []

        async def take(reader, writer):
            while data := await reader.read(65_536):
                got.append((now(), len(data)))
            writer.close()

        with network.process("venue") as venue:
            await served(take)
        _, writer = await asyncio.open_connection("venue", 80)
        network.freeze(venue)
        writer.write(bytes(100_000))
        await asyncio.sleep(20)
        writer.write(bytes(1_000_000))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await writer.drain()
        assert got == []
        network.thaw(venue)
        await writer.drain()
        writer.close()
        await asyncio.sleep(10)
        return min(at for at, _ in got), sum(size for _, size in got)

    assert run(main) == (40.2, 1_100_000)


def test_a_frozen_server_lets_connect_and_answers_when_it_thaws():
    async def main():
        network = sim.network()
        with network.process("venue") as venue:
            await served(echo)
        network.freeze(venue, 30)
        reader, writer = await asyncio.open_connection("venue", 80)
        connected = now()
        await say(reader, writer)
        writer.close()
        return connected, now()

    assert run(main) == (0.2, 30.1)


def test_the_longer_of_two_freezes_counts():
    async def main():
        network = sim.network()

        async def program(_):
            await asyncio.sleep(1)
            return now()

        process, task = start("bot", program)
        await asyncio.sleep(0.5)
        network.freeze(process, 60)
        network.freeze(process, 10)
        return await task

    assert run(main) == 60.5


def test_a_frozen_program_can_be_killed_and_a_dead_one_cannot_be_frozen():
    async def main():
        network, log = sim.network(), []

        async def program(_):
            await asyncio.sleep(1)
            log.append("alive")

        process, task = start("bot", program)
        network.freeze(process)
        await asyncio.sleep(5)
        network.kill(process)
        await asyncio.wait({task})
        network.freeze(process)
        return log, process.is_frozen, now()

    assert run(main) == ([], False, 5.0)


def test_a_run_may_end_while_something_is_frozen():
    async def main():
        network = sim.network()

        async def program(_):
            await asyncio.sleep(1000)

        process, _ = start("bot", program)
        await asyncio.sleep(1)
        network.freeze(process)
        await asyncio.sleep(1)
        return now()

    assert run(main) == 2.0


def test_a_power_cut_ends_what_runs_there_and_the_host_can_start_anew():
    async def main():
        network, log = sim.network(), []

        async def program(_):
            while True:
                await asyncio.sleep(1)
                log.append(now())

        _, task = start("bot", program)
        await asyncio.sleep(2.5)
        network.vanish("bot")
        await asyncio.wait({task})
        await asyncio.sleep(10)
        network.revive("bot")
        process, again = start("bot", program)
        await asyncio.sleep(1.5)
        network.kill(process)
        await asyncio.wait({again})
        return log

    assert run(main) == [1.0, 2.0, 13.5]


def test_freezing_for_less_than_no_time_is_refused():
    async def main():
        async def program(_):
            await asyncio.sleep(1)

        process, _ = start("bot", program)
        with pytest.raises(ValueError, match="seconds"):
            sim.network().freeze(process, -1)

    run(main)


def test_garbage_goes_at_the_same_moment_in_every_run():
    """A generator in a cycle is closed by the collector, and says when."""

    async def main():
        said = []

        async def numbers(keep):
            try:
                yield 1
            finally:
                said.append(asyncio.get_running_loop().next_ordinal())

        async def spill():
            cycle = []
            cycle.append(numbers(cycle))
            await anext(cycle[0])

        await spill()
        for _ in range(50_000):
            await asyncio.sleep(0.001)
        return said

    first = run(main)
    junk = [[] for _ in range(5_000)]
    for each in junk:
        each.append(each)  # moves the real collector's own schedule
    del junk, each
    assert first
    assert run(main) == first
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_a_task_made_for_a_program_that_is_buried_never_begins():
    async def main():
        network, said = sim.network(), []

        async def program(_):
            await asyncio.sleep(100)

        async def late():
            said.append("began")

        process, task = start("bot", program)
        await asyncio.sleep(1)
        network.kill(process)
        await asyncio.wait({task})
        await asyncio.sleep(1)
        tasks = [asyncio.create_task(late(), context=process.context.copy())]
        await asyncio.wait(tasks)
        return said, tasks[0].cancelled(), now()

    assert run(main) == ([], True, 2.0)
