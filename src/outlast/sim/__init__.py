"""Deterministic simulation: asyncio programs on virtual time and an in-memory network.

    async def main():
        network = sim.network()
        ...                         # servers, clients, httpx, aiohttp, websockets, unchanged

    sim.run(main, seed=1)

Time passes only when nothing is left to do: it jumps to the next timer or the next byte's arrival,
so two hours take seconds. The same seed gives the same run, to the byte. Real sockets, threads and
processes are refused, and an attempt fails the run; work given to an executor runs inline.

The time module, `datetime.now`, `os.urandom` and the random module answer from the simulation while
it runs (see `patched_time`, `patched_entropy`). Programs may run in processes of their own, which
can be killed and frozen (`Network.process`). Not in its hands: the order of sets of strings
(PYTHONHASHSEED) and of sets of other objects than tasks and futures.
TLS is not simulated: endpoints are http:// and ws://.
"""

from __future__ import annotations

import asyncio
import contextlib
import decimal
import random as _random
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from outlast.sim.clock import T0, SimClock
from outlast.sim.connections import Packet
from outlast.sim.draws import Latency, fixed, heavy_tailed, lognormal, uniform
from outlast.sim.errors import (
    Deadlock,
    Livelock,
    RealWorldReached,
    SimulationError,
    TimeLimitReached,
    UnhandledFailure,
)
from outlast.sim.garbage import collected_on_time
from outlast.sim.links import ANY, Direction, Kind, Link
from outlast.sim.loop import SimLoop
from outlast.sim.names import NameService
from outlast.sim.network import Network
from outlast.sim.patches import patched_entropy
from outlast.sim.patches import patched_time as _patched_time
from outlast.sim.processes import Host, Process
from outlast.sim.trace import Trace

__all__ = [
    "ANY",
    "T0",
    "Deadlock",
    "Direction",
    "Host",
    "Kind",
    "Latency",
    "Link",
    "Livelock",
    "NameService",
    "Network",
    "Packet",
    "Process",
    "RealWorldReached",
    "SimClock",
    "SimLoop",
    "SimulationError",
    "TimeLimitReached",
    "Trace",
    "UnhandledFailure",
    "clock",
    "fixed",
    "heavy_tailed",
    "lognormal",
    "loop",
    "network",
    "patched_entropy",
    "patched_time",
    "random",
    "run",
    "uniform",
]

T = TypeVar("T")


def run(
    main: Callable[[], Awaitable[T]],
    *,
    seed: int,
    t0: float = T0,
    time_limit_s: float | None = None,
    patch: bool = True,
    debug: bool | None = None,
) -> T:
    """Run `main` in a simulation of its own and return its result.

    Args:
        seed: decides everything that is left to chance.
        t0: what the wall clock shows at the beginning, in seconds since the epoch.
        time_limit_s: the most virtual seconds the run may take; None for no limit.
        patch: answer the time module and the system's randomness from the simulation.
        debug: asyncio's debug mode; None as the environment says.

    Raises:
        Deadlock, Livelock, TimeLimitReached: main cannot end, or not in time.
        RealWorldReached: simulated code asked for a real socket, thread or process, even if it
            swallowed the refusal.
        UnhandledFailure: a callback, protocol or forgotten task failed and nobody listened.
        BaseException: whatever main raises.
    """
    if not callable(main):
        raise TypeError(
            f"main: expected a function, got {main!r}; write run(main, seed=...), "
            "and functools.partial(main, ...) if it takes arguments"
        )

    async def call() -> T:
        # Libraries set the rounding of whoever calls them (ccxt does): no run depends on that.
        decimal.setcontext(decimal.Context())
        return await main()

    def new_loop() -> SimLoop:
        return SimLoop(seed=seed, t0=t0, time_limit_s=time_limit_s)

    runner = asyncio.Runner(loop_factory=new_loop, debug=debug)
    simulation = cast("SimLoop", runner.get_loop())
    kernel = simulation.kernel
    with contextlib.ExitStack() as stack:
        stack.enter_context(collected_on_time(kernel))
        if patch:
            stack.enter_context(patched_time(simulation))
            stack.enter_context(patched_entropy(seed))
        try:
            result = runner.run(call())
            kernel.raise_failure()  # of the round in which main ended
        except BaseException as error:
            kernel.has_failed = True  # from here on failures follow from this one
            simulation.network.thaw_all()  # or what is frozen could not end
            _close_after(error, runner)
            if kernel.failure is not None and isinstance(error, Exception):
                raise kernel.failure from error
            raise
        simulation.network.thaw_all()
        runner.close()
        kernel.raise_failure()
    return result


def _close_after(error: BaseException, runner: asyncio.Runner) -> None:
    try:
        runner.close()
    except SimulationError as second:
        error.add_note(f"Then, while closing: {second}")


def patched_time(of: SimLoop) -> contextlib.AbstractContextManager[None]:
    """Let the time module tell a loop's virtual time; `run` does so unless told otherwise.

    `time.sleep` moves the clock with the whole program standing still, as a blocking call does.
    What must be measured for real is `time.process_time`.
    """
    return _patched_time(of.kernel, of.clock)


def loop() -> SimLoop:
    """Give the loop of the simulation that is running.

    Raises:
        SimulationError: none is.
    """
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if not isinstance(running, SimLoop):
        raise SimulationError("no simulation is running here: call this inside sim.run(...)")
    return running


def network() -> Network:
    """Give the network of the simulation that is running."""
    return loop().network


def clock() -> SimClock:
    """Give the clock of the simulation that is running: what its time module shows."""
    return loop().clock


def random(name: str) -> _random.Random:
    """Give the simulation's seeded generator of this name; each component takes its own."""
    return loop().random(name)
