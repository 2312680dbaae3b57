"""One guard for both kinds of exchange: how calls, waits and background work are carried out.

The guard itself is written once, as coroutines. For an exchange that blocks, none of them ever
suspends: `SyncDriver` does each call and each wait on the spot, and a coroutine that never suspends
is run to its end by one step.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from outlast.wire import Clock

__all__ = ["AsyncDriver", "Driver", "SyncDriver"]


class Driver(Protocol):
    is_async: bool
    clock: Clock

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any: ...

    def expose(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """`function` as users of this exchange call it: to be awaited, or not."""
        ...

    async def run_apart(
        self, name: str, job: Callable[[float], Coroutine[Any, Any, None]], until: float
    ) -> None:
        """Carry `job` on, and wait for its end until `until` (monotonic) at most.

        It goes on behind where there is an event loop. Without one it is told when to stop, and
        carried on with the next call.
        """
        ...

    async def close(self) -> None: ...


class _LoopClock:
    """The loop's time; the machine's while none runs yet, as when a guard is put on at import."""

    def now(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class AsyncDriver:
    """For `ccxt.async_support` and `ccxt.pro`."""

    is_async = True

    def __init__(self, clock: Clock | None) -> None:
        self.clock: Clock = _LoopClock() if clock is None else clock
        self._jobs: dict[str, asyncio.Task[None]] = {}

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    def expose(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        async def exposed(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        return exposed

    async def run_apart(
        self, name: str, job: Callable[[float], Coroutine[Any, Any, None]], until: float
    ) -> None:
        task = self._jobs.get(name)
        if task is None or task.done():
            task = self._jobs[name] = asyncio.create_task(job(float("inf")))
            task.add_done_callback(lambda done: self._forget(name, done))
        left_s = until - self.clock.now()
        if left_s > 0:
            await asyncio.wait({task}, timeout=left_s)

    def _forget(self, name: str, task: asyncio.Task[None]) -> None:
        if self._jobs.get(name) is task:
            del self._jobs[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": "settling an order failed", "exception": error, "task": task}
            )

    async def close(self) -> None:
        jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


class _BlockingClock:
    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - nothing else runs in this loopless coroutine


class SyncDriver:
    """For plain `ccxt`. A clock of the caller's must not suspend in `sleep`."""

    is_async = False

    def __init__(self, clock: Clock | None) -> None:
        self.clock: Clock = _BlockingClock() if clock is None else clock

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    def expose(self, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        def exposed(*args: Any, **kwargs: Any) -> Any:
            return _finish(function(*args, **kwargs))

        return exposed

    async def run_apart(
        self, name: str, job: Callable[[float], Coroutine[Any, Any, None]], until: float
    ) -> None:
        await job(until)

    async def close(self) -> None:
        """Nothing runs behind."""


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise RuntimeError("a guard around a blocking exchange must not suspend; use a blocking clock")
