"""An asyncio event loop that lives on virtual time and an in-memory network.

It is CPython's selector loop with another selector (`Kernel`) and other sockets (`SimSocket`).
Everything between those two, transports and servers above all, is the code that runs in production.
This half keeps the time and runs the tasks; `StreamLoop` connects, listens and resolves.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import inspect
import itertools
import math
import random
import threading
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar

from outlast.sim import guard
from outlast.sim.clock import T0, SimClock
from outlast.sim.draws import generator
from outlast.sim.errors import RealWorldReached, SimulationError, UnhandledFailure
from outlast.sim.kernel import Kernel
from outlast.sim.network import Network
from outlast.sim.processes import Process, current_process
from outlast.sim.streams import StreamLoop

__all__ = ["SimLoop"]

T = TypeVar("T")

CLOCK_RESOLUTION_S = 1e-8
"""Timers closer together than this fire together. Must stay above a float's step at the times
simulated: up to 4 years, it does."""

WAITERS_SHOWN_MAX = 12

BURIAL_ROUNDS_MAX = 1_000
"""A task of a dead program may await once more in each of its `finally` blocks."""


class _Ordered:
    """A hash that is the same in every run: sets of tasks then keep their order.

    The default hash is the object's address, so a task group would cancel its tasks in an order
    that changes from process to process.
    """

    _ordinal: int

    def __hash__(self) -> int:
        try:
            return self._ordinal
        except AttributeError:
            self._ordinal = self.get_loop().next_ordinal()  # type: ignore[attr-defined]
            return self._ordinal


class _SimTask(_Ordered, asyncio.Task[Any]):
    process: Process | None = None
    """The program that it is part of."""


class _SimFuture(_Ordered, asyncio.Future[Any]):
    process: Process | None = None


class _Asking:
    """Before it runs, the program that it is part of is asked: that may be dead, or frozen."""

    __slots__ = ()

    if TYPE_CHECKING:
        _context: Context
        _callback: Callable[..., object]
        _args: Sequence[Any]
        _cancelled: bool

    def _run(self) -> None:
        process = self._context.get(current_process)
        if process is None:
            super()._run()  # type: ignore[misc]
        elif process.may_run(self) and not self._cancelled:  # type: ignore[arg-type]
            if process.is_alive:
                super()._run()  # type: ignore[misc]
            else:
                self._run_unheard()

    def _run_unheard(self) -> None:
        """Run as a part of a dying program: nobody is there to hear of what fails in it."""
        with warnings.catch_warnings(), contextlib.suppress(Exception, asyncio.CancelledError):
            warnings.simplefilter("ignore")  # a coroutine that was never awaited, a socket left
            self._context.run(self._callback, *self._args)


class _Step(_Asking, asyncio.Handle):
    __slots__ = ()


class _Timer(_Asking, asyncio.TimerHandle):
    """Timers of one instant fire in the order in which they were set; a heap alone forgets it."""

    __slots__ = ("_ordinal",)

    if TYPE_CHECKING:
        _when: float
        _scheduled: bool

    def __init__(self, ordinal: int, *args: Any) -> None:
        super().__init__(*args)
        self._ordinal = ordinal

    def __lt__(self, other: Any) -> bool:
        return (self._when, self._ordinal) < (other._when, other._ordinal)


class SimLoop(StreamLoop):
    """The event loop of one simulation.

    Args:
        seed: decides every draw of the network and of `random`.
        t0: what the wall clock shows at the beginning, in seconds since the epoch.
        time_limit_s: the run fails when its virtual time passes this; None for no limit.
    """

    if TYPE_CHECKING:
        # The seams of CPython's loop into which this one is fitted; the same from 3.11 to 3.14.
        _scheduled: list[asyncio.TimerHandle]
        _ready: deque[asyncio.Handle]
        _thread_id: int | None
        _default_executor: Any
        _executor_shutdown_called: bool

        def _check_closed(self) -> None: ...
        def _check_thread(self) -> None: ...
        def _check_callback(self, callback: object, method: str) -> None: ...
        def _add_callback_signalsafe(self, handle: asyncio.Handle) -> None: ...

    def __init__(self, *, seed: int, t0: float = T0, time_limit_s: float | None = None) -> None:
        self.seed = seed
        kernel = Kernel(time_limit_s=time_limit_s)
        self.clock = SimClock(kernel, t0=t0)
        self._ordinals = itertools.count()
        self._generators: dict[str, random.Random] = {}
        self._signal_handlers: dict[int, asyncio.Handle] = {}
        super().__init__(kernel, Network(kernel, seed=seed))
        self._clock_resolution = CLOCK_RESOLUTION_S
        self.kernel.next_timer = self._next_timer
        self.kernel.describe_wait = self._describe_wait
        self.kernel.put_back = self._put_back
        self.kernel.bury = self._bury

    def random(self, name: str) -> random.Random:
        """Give the seeded generator of this name: one per component keeps their draws apart."""
        if name not in self._generators:
            self._generators[name] = generator(self.seed, name)
        return self._generators[name]

    def time(self) -> float:
        return self.kernel.now

    def next_ordinal(self) -> int:
        return next(self._ordinals)

    # Running.

    def run_forever(self) -> None:
        with guard.active(self.kernel):
            super().run_forever()

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._check_closed()
        if self.get_debug():
            self._check_thread()
            self._check_callback(callback, "call_at")
        timer = _Timer(next(self._ordinals), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True  # noqa: SLF001 as the loop it extends does
        return timer

    def _call_soon(self, callback: Any, args: Any, context: Context | None) -> asyncio.Handle:
        step = _Step(callback, args, self, context)
        self._ready.append(step)
        return step

    def _add_reader(self, fd: Any, callback: Any, *args: Any) -> asyncio.Handle:
        # The loop above makes a plain handle, of the same layout.
        handle: asyncio.Handle = super()._add_reader(fd, callback, *args)  # type: ignore[misc]
        handle.__class__ = _Step
        return handle

    def _add_writer(self, fd: Any, callback: Any, *args: Any) -> asyncio.Handle:
        handle: asyncio.Handle = super()._add_writer(fd, callback, *args)  # type: ignore[misc]
        handle.__class__ = _Step
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self._thread_id not in {None, threading.get_ident()}:
            raise RealWorldReached("call_soon_threadsafe: a thread reached into the simulation")
        return super().call_soon_threadsafe(callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        future = _SimFuture(loop=self)
        if (process := current_process.get()) is not None:
            future.process = process
        return future

    def create_task(self, coro: Any, *, name: object = None, **settings: Any) -> asyncio.Task[Any]:
        if self.get_task_factory() is not None:
            return super().create_task(coro, name=name, **settings)
        self._check_closed()
        # asyncio numbers its tasks per process; a second run would have other names.
        task = _SimTask(
            coro, loop=self, name=str(name or f"Task-{self.next_ordinal()}"), **settings
        )
        context: Context | None = settings.get("context")
        task.process = current_process.get() if context is None else context.get(current_process)
        if task.process is not None and task.process.is_buried:
            asyncio.Future.cancel(task)
            coro.close()
        return task

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Stop the run: nobody handles what failed here."""
        process = getattr(context.get("task") or context.get("future"), "process", None)
        if process is not None and not process.is_alive:
            return  # nobody is there to hear of it
        if self.is_closed() or self.kernel.has_failed:
            super().default_exception_handler(context)  # the first failure is the one raised
            return
        error = context.get("exception")
        if isinstance(error, asyncio.CancelledError):
            return  # not a failure, though CPython 3.11's stream server reports it as one
        if isinstance(error, SimulationError):
            self.kernel.fail(error)
            return
        where = {
            key: value for key, value in context.items() if key not in {"message", "exception"}
        }
        failure = UnhandledFailure(
            f"t={self.time():.6f}: {context.get('message') or 'unhandled failure'}: "
            f"{error!r} {where}"
        )
        failure.__cause__ = error
        self.kernel.fail(failure)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` here and now: a thread's work takes no virtual time."""
        self._check_closed()
        future: asyncio.Future[T] = self.create_future()
        try:
            result = func(*args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 the caller gets it, as from a thread
            self.call_soon(_settle, future, None, error)
        else:
            self.call_soon(_settle, future, result, None)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._executor_shutdown_called = True
        if self._default_executor is not None:
            self._default_executor.shutdown(wait=True)  # it never got work, so it has no threads

    # Signals: nobody sends any, except a test.

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        if inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self._signal_handlers[sig] = asyncio.Handle(callback, args, self, None)

    def remove_signal_handler(self, sig: int) -> bool:
        return self._signal_handlers.pop(sig, None) is not None

    def raise_signal(self, sig: int) -> None:
        """Run the handler that the program added for this signal.

        Raises:
            SimulationError: it has none, and the real signal would have ended the process.
        """
        handle = self._signal_handlers.get(sig)
        if handle is None:
            raise SimulationError(f"signal {sig}: the program has added no handler for it")
        self._add_callback_signalsafe(handle)

    def close(self) -> None:
        self._signal_handlers.clear()
        super().close()

    # The end of a program.

    def _put_back(self, steps: list[asyncio.Handle]) -> None:
        self._ready.extend(steps)

    def _bury(self, process: Process, rounds: int = 1) -> None:
        """Cancel whatever the tasks of a dead program await, in each round until all have ended.

        Its transports are closed by callbacks: these are let through too, at least for a round.
        """
        tasks = [task for task in asyncio.all_tasks(self) if _process_of(task) is process]
        is_idle = not tasks and not any(_is_step_of(process, step) for step in self._ready)
        if (is_idle and rounds > 1) or rounds > BURIAL_ROUNDS_MAX:
            process.is_buried = True
            for task in tasks:
                asyncio.Future.cancel(task)  # it holds out against being cancelled: it counts as it
            return
        for task in sorted(tasks, key=hash):
            task.cancel()
        self.call_soon(self._bury, process, rounds + 1, context=Context())

    def _asyncgen_finalizer_hook(self, agen: Any) -> None:
        process = current_process.get()
        if process is None or process.is_alive:
            super()._asyncgen_finalizer_hook(agen)  # type: ignore[misc]

    def _next_timer(self) -> float:
        """When the loop's first timer is due; cancelled ones were taken off before."""
        return self._scheduled[0].when() if self._scheduled else math.inf

    def _describe_wait(self) -> str:
        tasks = sorted((task for task in asyncio.all_tasks(self) if not task.done()), key=hash)
        lines = [f"  {task.get_name()}: {_place(task.get_coro())}" for task in tasks]
        hidden = len(lines) - WAITERS_SHOWN_MAX
        if hidden > 0:
            lines = [*lines[:WAITERS_SHOWN_MAX], f"  and {hidden} more"]
        return "Tasks that wait:\n" + "\n".join(lines)


def _process_of(task: asyncio.Task[Any]) -> Process | None:
    return getattr(task, "process", None)


def _is_step_of(process: Process, step: Any) -> bool:
    context: Context = step._context  # noqa: SLF001 handles do not tell it otherwise
    return context.get(current_process) is process


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _place(coro: Any) -> str:
    """Where a suspended coroutine stands: its own line, and what it waits in."""
    places = []
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "ag_frame", None)
        if frame is not None:
            code = frame.f_code
            places.append(f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})")
        coro = getattr(coro, "cr_await", None) or getattr(coro, "ag_await", None)
    return " in ".join(dict.fromkeys((places or ["?"])[index] for index in (0, -1)))
