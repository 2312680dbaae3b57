"""Virtual time, tasks, failures: the loop without its network."""

from __future__ import annotations

import asyncio
import gc
import signal
import time

import pytest

from outlast import sim
from outlast.sim import kernel as kernel_module


def test_two_hours_of_sleep_take_no_real_time():
    async def main():
        await asyncio.sleep(7200)
        return asyncio.get_running_loop().time()

    before = time.process_time()
    assert sim.run(main, seed=1) == 7200.0
    assert time.process_time() - before < 1.0


def test_timers_fire_at_their_time_to_the_last_digit():
    async def main():
        loop, fired = asyncio.get_running_loop(), []
        for delay in (0.1, 0.2, 0.3, 1 / 3, 1e5):
            loop.call_later(delay, lambda: fired.append(loop.time()))
        await asyncio.sleep(1e5)
        return fired

    assert sim.run(main, seed=1) == [0.1, 0.2, 0.3, 1 / 3, 1e5]


def test_timers_of_one_instant_fire_in_the_order_they_were_set():
    async def main():
        woken = []

        async def sleeper(number):
            await asyncio.sleep(1.0)
            woken.append(number)

        await asyncio.gather(*(sleeper(number) for number in range(50)))
        return woken

    assert sim.run(main, seed=1) == list(range(50))


def test_a_timer_set_after_a_year_still_fires():
    async def main():
        await asyncio.sleep(3.15e7)
        await asyncio.sleep(0.001)
        return asyncio.get_running_loop().time()

    assert sim.run(main, seed=1) == pytest.approx(31_500_000.001)


def test_time_stands_still_while_something_is_runnable():
    async def main():
        loop = asyncio.get_running_loop()
        loop.call_later(1e-6, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time()

    assert sim.run(main, seed=1) == 0.0


def test_cancelled_timers_are_thrown_away():
    async def main():
        loop = asyncio.get_running_loop()
        for _ in range(5000):
            loop.call_later(924.6, lambda: None).cancel()
        await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        return len(loop._scheduled)

    assert sim.run(main, seed=1) < 200


def test_a_timeout_fires_exactly_and_cancels():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert sim.run(main, seed=1) == 10.0


def test_deadlock_is_an_error_that_names_who_waits():
    async def waits_for_godot():
        await asyncio.Event().wait()

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(waits_for_godot(), name="vladimir")

    with pytest.raises(sim.Deadlock, match=r"(?s)t=0\.0.*vladimir.*test_sim_loop"):
        sim.run(main, seed=1)


def test_sleeping_for_ever_is_a_deadlock_too():
    async def main():
        await asyncio.sleep(float("inf"))

    with pytest.raises(sim.Deadlock):
        sim.run(main, seed=1)


def test_the_time_limit_ends_a_run_that_would_go_on():
    async def main():
        while True:
            await asyncio.sleep(20)

    with pytest.raises(sim.TimeLimitReached, match=r"t=100\.0"):
        sim.run(main, seed=1, time_limit_s=110)


def test_spinning_without_waiting_is_an_error(monkeypatch):
    monkeypatch.setattr(kernel_module, "POLLS_MAX_AT_ONE_INSTANT", 1000)

    async def main():
        while True:
            await asyncio.sleep(0)

    with pytest.raises(sim.Livelock):
        sim.run(main, seed=1)


def test_what_main_raises_comes_out():
    async def main():
        raise KeyError("BTC/USDT")

    with pytest.raises(KeyError, match="BTC/USDT"):
        sim.run(main, seed=1)


@pytest.mark.parametrize("lasts", [0, 5])
def test_a_failing_callback_fails_the_run(lasts):
    async def main():
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(lasts)

    with pytest.raises(sim.UnhandledFailure, match="ZeroDivisionError") as caught:
        sim.run(main, seed=1)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_forgotten_task_that_fails_fails_the_run():
    async def fails():
        raise ValueError("nobody looks")

    async def main():
        task = asyncio.ensure_future(fails())
        await asyncio.sleep(1)
        del task
        gc.collect()
        await asyncio.sleep(1)

    with pytest.raises(sim.UnhandledFailure, match="nobody looks"):
        sim.run(main, seed=1)


def test_a_handler_of_the_program_decides_instead():
    async def main():
        seen = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))
        loop.call_soon(lambda: 1 / 0)
        await asyncio.sleep(1)
        return seen

    assert isinstance(sim.run(main, seed=1)[0], ZeroDivisionError)


def test_the_first_failure_is_raised_even_if_closing_fails_as_well():
    async def stubborn():
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.Event().wait()  # never ends, so closing the run cannot end either

    async def main():
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(1)
        assert not task.done()
        raise LookupError("the first")

    with pytest.raises(LookupError, match="the first") as caught:
        sim.run(main, seed=1)
    assert any("while closing" in note for note in caught.value.__notes__)


def test_tasks_left_over_are_cancelled_and_may_clean_up():
    ends = []

    async def background():
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.5)
            ends.append(asyncio.get_running_loop().time())

    async def main():
        task = asyncio.create_task(background())
        await asyncio.sleep(1)
        assert not task.done()

    sim.run(main, seed=1)
    assert ends == [1.5]


def test_async_generators_are_shut_down():
    ends = []

    async def ticks():
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(0)
            ends.append("closed")

    async def main():
        generator = ticks()
        await anext(generator)
        sim.loop().kept = generator

    sim.run(main, seed=1)
    assert ends == ["closed"]


def test_executor_work_runs_inline_and_yields_once():
    async def main():
        loop = asyncio.get_running_loop()
        order = []
        loop.call_soon(order.append, "loop")
        order.append(await asyncio.to_thread(lambda: "thread"))
        assert await loop.run_in_executor(None, pow, 2, 10) == 1024
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)
        return order, loop.time()

    assert sim.run(main, seed=1) == (["loop", "thread"], 0.0)


def test_executor_results_nobody_waits_for_any_more_are_dropped():
    async def main():
        future = asyncio.get_running_loop().run_in_executor(None, lambda: 1)
        future.cancel()
        await asyncio.sleep(1)
        return future.cancelled()

    assert sim.run(main, seed=1)


def test_sets_of_tasks_and_futures_keep_their_order():
    async def main():
        async def idle():
            await asyncio.sleep(1)

        tasks = {asyncio.create_task(idle()) for _ in range(40)}
        names = [task.get_name() for task in tasks]
        await asyncio.wait(tasks)
        futures = [asyncio.get_running_loop().create_future() for _ in range(40)]
        return names, [futures.index(each) for each in set(futures)]

    first = sim.run(main, seed=1)
    ballast = [object() for _ in range(1000)]  # moves the addresses of the second run
    assert sim.run(main, seed=1) == first
    del ballast


def test_a_task_group_cancels_in_the_order_of_creation():
    cancelled = []

    async def child(number):
        try:
            await asyncio.sleep(100)
        finally:
            cancelled.append(number)

    async def main():
        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(child(number))
            await asyncio.sleep(1)
            raise LookupError

    with pytest.raises(ExceptionGroup):
        sim.run(main, seed=1)
    assert cancelled == list(range(30))


def test_debug_mode_works():
    async def main():
        assert asyncio.get_running_loop().get_debug()
        await asyncio.gather(*(asyncio.sleep(1) for _ in range(3)))
        return await asyncio.to_thread(lambda: "done")

    assert sim.run(main, seed=1, debug=True) == "done"


def test_the_loop_fits_asyncio_runner():
    async def main():
        await asyncio.sleep(60)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=lambda: sim.SimLoop(seed=1)) as runner:
        assert runner.run(main()) == 60.0
        assert runner.run(main()) == 120.0


def test_signal_handlers_run_when_a_test_raises_the_signal():
    async def main():
        loop, stop = sim.loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.call_later(5, loop.raise_signal, signal.SIGTERM)
        await stop.wait()
        assert loop.remove_signal_handler(signal.SIGTERM)
        with pytest.raises(sim.SimulationError, match="no handler"):
            loop.raise_signal(signal.SIGTERM)
        return loop.time()

    assert sim.run(main, seed=1) == 5.0


def test_call_soon_threadsafe_works_from_the_loop_s_own_thread():
    async def main():
        done = asyncio.Event()
        asyncio.get_running_loop().call_soon_threadsafe(done.set)
        await done.wait()

    sim.run(main, seed=1)


def test_a_coroutine_instead_of_a_function_is_refused_with_the_remedy():
    async def main():
        pass

    coro = main()
    with pytest.raises(TypeError, match=r"run\(main, seed"):
        sim.run(coro, seed=1)
    coro.close()


def test_accessors_outside_a_simulation_say_so():
    for accessor in (sim.loop, sim.network, sim.clock):
        with pytest.raises(sim.SimulationError, match=r"inside sim\.run"):
            accessor()


def test_generators_are_seeded_by_name():
    async def main():
        return sim.random("bot").random(), sim.random("other").random(), sim.random("bot").random()

    one, two = sim.run(main, seed=1), sim.run(main, seed=2)
    assert one == sim.run(main, seed=1)
    assert len({*one, *two}) == 6


def test_the_clock_tells_loop_time_and_a_wall_that_can_be_wrong():
    async def main():
        clock = sim.clock()
        fast = clock.skewed(2.5)
        await clock.sleep(10)
        told = [clock.now(), clock.wall(), fast.wall()]
        clock.step(-3600)
        return [*told, clock.now(), clock.wall(), fast.wall()]

    assert sim.run(main, seed=1, t0=1000.0) == [10.0, 1010.0, 1012.5, 10.0, -2590.0, 1012.5]
