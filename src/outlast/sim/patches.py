"""Virtual time and seeded randomness for code that asks the standard library for them.

httpcore ages its idle connections by `time.monotonic`, ccxt paces and stamps by `time.time`,
websockets masks its frames with `secrets`, and bots do all of it. Inside these contexts such calls
are answered by the simulation, in the thread that runs it and in no other.

Out of reach are `datetime.now`, `uuid.uuid1`, generators made by `random.Random()` without a seed,
and functions that were stored outside a module's namespace (a default argument, a class
attribute): give those a clock, `datetime.fromtimestamp(time.time(), UTC)`, or a seed.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from outlast.sim.clock import SimClock
from outlast.sim.draws import generator
from outlast.sim.kernel import Kernel

__all__ = ["patched_entropy", "patched_time"]

Function = Callable[..., Any]

# In a dict, where the search through modules does not find them.
_REAL: dict[str, Function] = {
    "time": time.time,
    "time_ns": time.time_ns,
    "monotonic": time.monotonic,
    "monotonic_ns": time.monotonic_ns,
    "perf_counter": time.perf_counter,
    "perf_counter_ns": time.perf_counter_ns,
    "sleep": time.sleep,
    "gmtime": time.gmtime,
    "localtime": time.localtime,
    "urandom": os.urandom,
}

_answers: dict[int, dict[str, Function]] = {}  # by the thread that runs the simulation
_lock = threading.Lock()
_users: list[int] = []  # the threads that have stand-ins put in place


class _StandIn:
    """Takes a function's place in every module; asks the simulation of its thread, if it has one.

    An object, not a function: as a class attribute it must not turn into a method, since what it
    stands in for would not.
    """

    __slots__ = ("_name", "_real")

    def __init__(self, name: str, real: Function) -> None:
        self._name = name
        self._real = real

    def __repr__(self) -> str:
        return f"<simulated {self._name}>"

    def __call__(self, *args: Any) -> Any:
        answers = _answers.get(threading.get_ident())
        if answers is None:
            return self._real(*args)
        return answers.get(self._name, self._real)(*args)


_STAND_INS = {name: _StandIn(name, real) for name, real in _REAL.items()}


@contextlib.contextmanager
def patched_time(kernel: Kernel, clock: SimClock) -> Iterator[None]:
    """Let the time module tell virtual time: `time`, `monotonic`, `perf_counter`, `sleep` ...

    `time.sleep` moves the clock with the whole program standing still, as a blocking call does.
    What must be measured for real is `time.process_time`.
    """

    def nanoseconds() -> int:
        return round(kernel.now * 1e9)

    def seconds() -> float:
        return kernel.now

    def gmtime(at: float | None = None) -> time.struct_time:
        return _real_struct_time("gmtime", clock, at)

    def localtime(at: float | None = None) -> time.struct_time:
        return _real_struct_time("localtime", clock, at)

    answers: dict[str, Function] = {
        "time": clock.wall,
        "time_ns": clock.wall_ns,
        "monotonic": seconds,
        "monotonic_ns": nanoseconds,
        "perf_counter": seconds,
        "perf_counter_ns": nanoseconds,
        "sleep": kernel.advance,
        "gmtime": gmtime,
        "localtime": localtime,
    }
    with _answering(answers):
        yield


@contextlib.contextmanager
def patched_entropy(seed: int) -> Iterator[None]:
    """Seed the random module's own generator, and what `os.urandom` gives to `secrets` and `uuid4`.

    The generator goes on afterwards where it was before.
    """
    state = random.getstate()
    random.seed(f"{seed}/random")
    try:
        with _answering({"urandom": generator(seed, "urandom").randbytes}):
            yield
    finally:
        random.setstate(state)


@contextlib.contextmanager
def _answering(answers: Mapping[str, Function]) -> Iterator[None]:
    thread = threading.get_ident()
    before = _answers.get(thread)
    with _lock:
        if not _users:
            _swap({id(real): _STAND_INS[name] for name, real in _REAL.items()})
        _users.append(thread)
    _answers[thread] = {**(before or {}), **answers}
    try:
        yield
    finally:
        if before is None:
            del _answers[thread]
        else:
            _answers[thread] = before
        with _lock:
            _users.remove(thread)
            if not _users:
                _swap({id(_STAND_INS[name]): real for name, real in _REAL.items()})


def _swap(replacements: Mapping[int, Function]) -> None:
    """Replace functions, by identity, in the namespace of every module there is."""
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", None)
        if type(namespace) is not dict:
            continue
        for name, value in list(namespace.items()):
            replacement = replacements.get(id(value))
            if replacement is not None:
                namespace[name] = replacement


def _real_struct_time(name: str, clock: SimClock, at: float | None) -> time.struct_time:
    result: time.struct_time = _REAL[name](clock.wall() if at is None else at)
    return result
