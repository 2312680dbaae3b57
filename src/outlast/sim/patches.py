"""Virtual time and seeded randomness for code that asks the standard library for them.

httpcore ages its idle connections by `time.monotonic`, ccxt paces and stamps by `time.time`,
websockets masks its frames with `secrets`, and bots do all of it. Inside these contexts such calls
are answered by the simulation, in the thread that runs it and in no other: the time module,
`datetime.now`, the random module, generators made without a seed, `os.urandom` and what is built on
it (`secrets`, `uuid4`). What would tell of this machine, `uuid1` and `getnode`, is refused.

Out of reach are functions that were stored outside a module's namespace (a default argument, a
class attribute), and generators of other libraries: give those a clock, or a seed.
"""

from __future__ import annotations

import contextlib
import os
import random
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from outlast.sim import datetimes
from outlast.sim.clock import SimClock
from outlast.sim.draws import generator
from outlast.sim.errors import RealWorldReached
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
    "ctime": time.ctime,
    "asctime": time.asctime,
    "strftime": time.strftime,
    "urandom": os.urandom,
    "seed": random.seed,
    "uuid1": uuid.uuid1,
    "getnode": uuid.getnode,
}
for _name in ("clock_gettime", "clock_gettime_ns"):  # not on Windows
    if hasattr(time, _name):
        _REAL[_name] = getattr(time, _name)
if hasattr(os, "getrandom"):  # Linux
    _REAL["getrandom"] = os.getrandom

_real_seed = random.Random.seed
_own_generator: random.Random = random.seed.__self__  # type: ignore[attr-defined]

_CPU_CLOCKS = {
    getattr(time, name, None) for name in ("CLOCK_PROCESS_CPUTIME_ID", "CLOCK_THREAD_CPUTIME_ID")
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

    def __call__(self, *args: Any, **settings: Any) -> Any:
        answers = _answers.get(threading.get_ident())
        if answers is None:
            return self._real(*args, **settings)
        return answers.get(self._name, self._real)(*args, **settings)


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

    def ctime(at: float | None = None) -> str:
        return _text("ctime", clock.wall() if at is None else at)

    def asctime(moment: Any = None) -> str:
        return _text("asctime", localtime() if moment is None else moment)

    def strftime(form: str, moment: Any = None) -> str:
        return _text("strftime", form, localtime() if moment is None else moment)

    def clock_gettime_ns(which: int) -> int:
        if which in _CPU_CLOCKS:
            real: int = _REAL["clock_gettime_ns"](which)
            return real
        is_wall = which == time.CLOCK_REALTIME
        return clock.wall_ns() if is_wall else nanoseconds()

    def refused(name: str) -> Function:
        def refuse(*_args: Any, **_settings: Any) -> Any:
            failure = RealWorldReached(
                f"t={kernel.now:.6f}: uuid.{name}: it tells of this machine; use uuid.uuid4"
            )
            kernel.fail(failure)
            raise failure

        return refuse

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
        "ctime": ctime,
        "asctime": asctime,
        "strftime": strftime,
        "clock_gettime": lambda which: clock_gettime_ns(which) / 1e9,
        "clock_gettime_ns": clock_gettime_ns,
        "uuid1": refused("uuid1"),
        "getnode": refused("getnode"),
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
        draw = generator(seed, "urandom").randbytes
        answers: dict[str, Function] = {
            "urandom": draw,
            "getrandom": lambda size, _flags=0: draw(size),
            "seed": _own_generator.seed,
        }
        with _answering(answers):
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
            datetimes.put_in_place(_told_time)
            random.Random.seed = _seed  # type: ignore[method-assign]
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
                datetimes.put_back()
                random.Random.seed = _real_seed  # type: ignore[method-assign]


def _told_time() -> float | None:
    """The wall clock of the simulation in this thread; None where there is none."""
    tell = _answers.get(threading.get_ident(), {}).get("time")
    return None if tell is None else float(tell())


def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    """`random.Random.seed`: a generator made without a seed gets one from the simulation."""
    if a is None:
        draw = _answers.get(threading.get_ident(), {}).get("urandom")
        a = None if draw is None else int.from_bytes(draw(32), "big")
    _real_seed(self, a, version)


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


def _text(name: str, *args: Any) -> str:
    text: str = _REAL[name](*args)
    return text
