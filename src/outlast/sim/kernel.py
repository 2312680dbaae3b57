"""The operating system of a simulation: its clock, its socket readiness, what is under way.

To asyncio this is a selector. Where a real one would wait for a descriptor or a timeout, this one
moves the clock to whatever comes first: the loop's next timer or the network's next event.
"""

from __future__ import annotations

import heapq
import itertools
import math
import selectors
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from outlast.sim.errors import Deadlock, Livelock, RealWorldReached, TimeLimitReached

if TYPE_CHECKING:
    import asyncio

    from outlast.sim.processes import Process
    from outlast.sim.sockets import SimSocket

__all__ = ["Kernel", "KernelEvent"]

POLLS_MAX_AT_ONE_INSTANT = 1_000_000
"""A burst of work at one instant takes hundreds of rounds of the loop; this many is a spin."""


class KernelEvent:
    """Something that happens outside the program at a known time."""

    __slots__ = ("callback", "cancelled")

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Kernel(selectors.BaseSelector):
    """Time, and which sockets are ready. Nothing happens in it except inside `select`.

    Args:
        time_limit_s: the run fails when the clock would pass this; None for no limit.
    """

    def __init__(self, *, time_limit_s: float | None = None) -> None:
        self.now = 0.0
        """Seconds since the simulation began. Moves only in `select` and `advance`."""
        self.failure: BaseException | None = None
        """The first thing that must stop the run; raised by the next `select`."""
        self.has_failed = False
        """Stays True once something has failed."""
        self.has_buried = False
        """Whether a program has been killed in this run."""
        self.next_timer: Callable[[], float] = lambda: math.inf
        """When the loop's next timer is due; set by the loop."""
        self.describe_wait: Callable[[], str] = str
        """Who waits for what, for the message of a deadlock; set by the loop."""
        self.put_back: Callable[[list[asyncio.Handle]], None] = _nowhere
        """Takes steps that were held back, to make them now; set by the loop."""
        self.bury: Callable[[Process], None] = _nowhere
        """Ends the tasks of a dead program; set by the loop."""
        self._time_limit_s = math.inf if time_limit_s is None else time_limit_s
        self._events: list[tuple[float, int, KernelEvent]] = []
        self._ordinals = itertools.count()
        self._descriptors = itertools.count(1_000_000)  # far above any real one, never used twice
        self._sockets: dict[int, SimSocket] = {}
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._candidates: dict[int, None] = {}  # an ordered set: who became ready first is first
        self._polls_at_this_instant = 0
        self._has_resumed = False
        self._rounds = 0
        self._chore: tuple[int, Callable[[], object]] | None = None

    def every(self, rounds: int, chore: Callable[[], object]) -> None:
        """Do a chore of the simulation's own between two rounds of the loop, every so many."""
        self._chore = (rounds, chore)

    # For the network.

    def at(self, when: float, callback: Callable[[], None]) -> KernelEvent:
        """Call back when the clock reads `when`, events of one instant in the order given."""
        event = KernelEvent(callback)
        heapq.heappush(self._events, (max(when, self.now), next(self._ordinals), event))
        return event

    def open(self, sock: SimSocket) -> int:
        descriptor = next(self._descriptors)
        self._sockets[descriptor] = sock
        return descriptor

    def forget(self, descriptor: int) -> None:
        """A socket was closed: no more news of it."""
        self._sockets.pop(descriptor, None)
        self._keys.pop(descriptor, None)
        self._candidates.pop(descriptor, None)

    def touch(self, descriptor: int) -> None:
        """A socket changed: look at it in the next round."""
        if descriptor in self._keys:
            self._candidates[descriptor] = None

    def resume(self, steps: list[asyncio.Handle]) -> None:
        """Let the loop make these steps in its next round, at this instant."""
        self.put_back(steps)
        self._has_resumed = True

    def advance(self, seconds: float) -> None:
        """Let time pass with the whole program standing still, as in a blocking sleep."""
        if not seconds >= 0:
            raise ValueError(f"seconds: expected 0 or more, got {seconds!r}")
        self._move_to(self.now + seconds)

    def fail(self, failure: BaseException) -> None:
        """Stop the run at the next round, whoever swallows the exception until then.

        Only the first failure counts: what fails while the run is being closed follows from it.
        """
        if not self.has_failed:
            self.has_failed = True
            self.failure = failure

    def raise_failure(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    # For asyncio: the selector.

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor_of(fileobj)
        if descriptor not in self._sockets:
            failure = RealWorldReached(
                f"descriptor {fileobj!r}: the loop was asked to watch a real file or socket; "
                "only sockets of the simulated network can be watched"
            )
            self.fail(failure)
            raise failure
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is already registered")
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._keys[descriptor] = key
        self._candidates[descriptor] = None
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        descriptor = _descriptor_of(fileobj)
        self._candidates.pop(descriptor, None)
        return self._keys.pop(descriptor)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor_of(fileobj)
        if descriptor not in self._keys:
            raise KeyError(f"{fileobj!r} is not registered")
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._keys[descriptor] = key
        self._candidates[descriptor] = None
        return key

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._events.clear()
        self._sockets.clear()
        self._keys.clear()
        self._candidates.clear()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Give the sockets that are ready; if none is and the program is idle, let time pass.

        Raises:
            Deadlock: nothing will ever happen again.
            Livelock: the program has been busy for a million rounds at one instant.
            TimeLimitReached: the next thing to happen lies behind the limit of the run.
        """
        self.raise_failure()
        self._rounds += 1
        if self._chore is not None and self._rounds % self._chore[0] == 0:
            self._chore[1]()
        self._polls_at_this_instant += 1
        if self._polls_at_this_instant > POLLS_MAX_AT_ONE_INSTANT:
            raise Livelock(
                f"t={self.now:.6f}: a million rounds of the loop and no time has passed; "
                f"something spins without waiting.\n{self.describe_wait()}"
            )
        self._run_due()
        ready = self._poll()
        idle = (timeout is None or timeout > 0) and not self._has_resumed
        if idle and not ready:
            target = min(self.next_timer(), self._next_event())
            if target == math.inf:
                raise Deadlock(
                    f"t={self.now:.6f}: nothing is runnable, no timer is set, no byte is under "
                    f"way, and main is not done.\n{self.describe_wait()}"
                )
            self._move_to(target)
            self._run_due()
            ready = self._poll()
        self._has_resumed = False
        return ready

    def _poll(self) -> list[tuple[selectors.SelectorKey, int]]:
        ready = []
        for descriptor in list(self._candidates):
            key, sock = self._keys[descriptor], self._sockets[descriptor]
            mask = 0 if sock.process.is_frozen else key.events & sock.ready_mask()
            if mask:
                ready.append((key, mask))  # and stays a candidate: readiness is a level
            else:
                del self._candidates[descriptor]
        return ready

    def _next_event(self) -> float:
        while self._events and self._events[0][2].cancelled:
            heapq.heappop(self._events)
        return self._events[0][0] if self._events else math.inf

    def _run_due(self) -> None:
        while self._next_event() <= self.now:
            event = heapq.heappop(self._events)[2]
            event.callback()

    def _move_to(self, target: float) -> None:
        if target > self._time_limit_s:
            raise TimeLimitReached(
                f"t={self.now:.6f}: the run was given {self._time_limit_s} s of virtual time, the "
                f"next thing to happen is at {target:.6f}, and main is not done.\n"
                f"{self.describe_wait()}"
            )
        if target > self.now:
            self.now = target
            self._polls_at_this_instant = 0


def _nowhere(_: object) -> None:
    """What stands here until the loop is there."""


def _descriptor_of(fileobj: Any) -> int:
    return fileobj if isinstance(fileobj, int) else int(fileobj.fileno())
