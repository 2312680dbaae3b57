"""When garbage is collected: at fixed points of the run, not when memory happens to be short.

Most objects go when their last reference does. Those in cycles wait for the collector, and then
their finalizers close sockets and generators: seen from the simulation, at a moment that depends on
everything the process has done before. So the collector is kept off and called every so many rounds
of the loop.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import warnings
from collections.abc import Iterator

from outlast.sim.kernel import Kernel

__all__ = ["collected_on_time"]

ROUNDS_BETWEEN = 20_000
"""A minute or two of a busy program: tens of megabytes at the most, collected in milliseconds."""

_lock = threading.Lock()
_users: list[Kernel] = []  # the runs under way
_was_on: list[bool] = []  # whether the collector was on before the first of them


@contextlib.contextmanager
def collected_on_time(kernel: Kernel) -> Iterator[None]:
    """Collect what a run leaves behind by its own clock. What was there before is not looked at."""
    kernel.every(ROUNDS_BETWEEN, lambda: _collect(kernel))
    with _lock:
        if not _users:
            _was_on[:] = [gc.isenabled()]
            gc.disable()
            gc.freeze()
        _users.append(kernel)
    try:
        yield
    finally:
        if kernel.has_buried:
            _collect(kernel)
        with _lock:
            _users.remove(kernel)
            if not _users:
                gc.unfreeze()
                if _was_on[0]:
                    gc.enable()


def _collect(kernel: Kernel) -> None:
    with contextlib.ExitStack() as stack:
        if kernel.has_buried:
            # A dead program leaves coroutines that never began and sockets that nobody closed.
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
        gc.collect()
