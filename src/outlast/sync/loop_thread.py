"""One event loop in one thread, asked from others."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Generic, TypeVar

from outlast.errors import ConfigurationError

__all__ = ["LoopThread", "Steps"]

T = TypeVar("T")


class LoopThread:
    """Runs an event loop until `stop`. Its methods are for other threads."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            leftover = asyncio.all_tasks(self._loop)
            for task in leftover:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*leftover, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()

    def result(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and wait for it. Ctrl-C stops the waiting and cancels the work.

        Raises:
            ConfigurationError: called from asynchronous code, which would stand still.
        """
        try:
            refuse_running_loop()
            if not self._thread.is_alive():
                raise ConfigurationError("the session is closed; connect again")
        except ConfigurationError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def ask(self, function: Callable[[], T]) -> T:
        """Call `function` on the loop: what lives there is looked at by nobody else."""

        async def call() -> T:
            return function()

        return self.result(call())

    @contextmanager
    def held(self, context: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """`context`, entered and left by one and the same task."""
        entered: asyncio.Future[T] = self.ask(self._loop.create_future)
        leave = self.ask(asyncio.Event)

        async def hold() -> None:
            try:
                async with context as value:
                    entered.set_result(value)
                    await leave.wait()
            except BaseException as error:
                if entered.done():
                    raise
                entered.set_exception(error)

        async def wait() -> T:
            return await asyncio.shield(entered)

        async def end() -> None:
            leave.set()
            await holding

        holding = self.ask(lambda: self._loop.create_task(hold()))
        try:
            value = self.result(wait())
        except BaseException:
            self.ask(holding.cancel)
            raise
        try:
            yield value
        finally:
            self.result(end())

    def stop(self) -> None:
        """End the loop and its thread. A second call does nothing."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()


class Steps(Generic[T]):
    """An asynchronous iterator as a plain one."""

    def __init__(self, thread: LoopThread, steps: AsyncIterator[T]) -> None:
        self._thread = thread
        self._steps = steps

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        async def step() -> tuple[T] | None:
            try:
                return (await anext(self._steps),)
            except StopAsyncIteration:
                return None

        found = self._thread.result(step())
        if found is None:
            raise StopIteration
        return found[0]

    def close(self) -> None:
        """Let go of it before its end."""
        aclose = getattr(self._steps, "aclose", None)
        if aclose is not None:
            self._thread.result(aclose())


def refuse_running_loop() -> None:
    """Raises ConfigurationError where an event loop runs in this very thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigurationError(
        "outlast.sync was used where an event loop is running, which would stand still meanwhile; "
        "use outlast.connect and `async with` there"
    )
