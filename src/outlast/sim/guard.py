"""Keeps simulated code away from real sockets, threads, processes and sleeps.

An audit hook sees such calls wherever they are made, C code included, before they take effect. It
refuses them in the thread that runs a simulation and leaves every other thread alone. The breach
also ends the run, as the code that tried may swallow the exception or take it for a network error.

Reading a clock or the system's randomness raises no audit event: see `patches`.
"""

from __future__ import annotations

import _thread
import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from outlast.sim.errors import RealWorldReached
from outlast.sim.kernel import Kernel

__all__ = ["active"]

_NETWORK = "the simulation has a network of its own: use asyncio's connections and servers"
_THREAD = (
    "nothing runs beside the simulation: use tasks, or loop.run_in_executor, which runs inline"
)
_PROCESS = "a process would leave the simulation"

# Source: Python documentation, Audit events table.
_REFUSED = {
    "socket.bind": _NETWORK,
    "socket.connect": _NETWORK,
    "socket.getaddrinfo": _NETWORK,
    "socket.gethostbyaddr": _NETWORK,
    "socket.gethostbyname": _NETWORK,
    "socket.getnameinfo": _NETWORK,
    "socket.sendmsg": _NETWORK,
    "socket.sendto": _NETWORK,
    "_thread.start_joinable_thread": _THREAD,
    "_thread.start_new_thread": _THREAD,
    "os.exec": _PROCESS,
    "os.fork": _PROCESS,
    "os.forkpty": _PROCESS,
    "os.posix_spawn": _PROCESS,
    "os.spawn": _PROCESS,
    "os.startfile": _PROCESS,
    "os.system": _PROCESS,
    "subprocess.Popen": _PROCESS,
    "time.sleep": "a real sleep costs real time: use await asyncio.sleep, or the clock's sleep",
}

# Calls that older Pythons do not report: a wrapper reports them while a simulation runs.
_UNREPORTED: list[tuple[Any, str, Callable[..., Any]]] = []
if sys.version_info < (3, 12):
    _UNREPORTED.append((threading, "_start_new_thread", _thread.start_new_thread))
if sys.version_info < (3, 13):
    _UNREPORTED.append((time, "sleep", time.sleep))

_kernels: dict[int, Kernel] = {}  # by the thread that runs the simulation
_lock = threading.Lock()
_hooks: list[Callable[..., None]] = []


@contextlib.contextmanager
def active(kernel: Kernel) -> Iterator[None]:
    """Guard the calling thread. A hook cannot be taken out again; outside it does nothing."""
    thread = threading.get_ident()
    with _lock:
        if not _hooks:
            _hooks.append(_audit)
            sys.addaudithook(_audit)
        if not _kernels:
            _replace_unreported()
        _kernels[thread] = kernel
    try:
        yield
    finally:
        with _lock:
            del _kernels[thread]
            if not _kernels:
                _restore_unreported()


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if not _kernels or event not in _REFUSED:
        return
    kernel = _kernels.get(threading.get_ident())
    if kernel is not None:
        failure = RealWorldReached(f"t={kernel.now:.6f}: {event}{args!r}: {_REFUSED[event]}")
        kernel.fail(failure)
        raise failure


class _Reporting:
    """A call that is reported as an audit event before it is made."""

    def __init__(self, event: str, real: Callable[..., Any]) -> None:
        self._event = event
        self._real = real

    def __call__(self, *args: Any) -> Any:
        _audit(self._event, args)
        return self._real(*args)


def _replace_unreported() -> None:
    for module, name, real in _UNREPORTED:
        if getattr(module, name) is real:  # and not one that answers from the simulation already
            event = "time.sleep" if module is time else "_thread.start_new_thread"
            setattr(module, name, _Reporting(event, real))


def _restore_unreported() -> None:
    for module, name, real in _UNREPORTED:
        if isinstance(getattr(module, name), _Reporting):
            setattr(module, name, real)
