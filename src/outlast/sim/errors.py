"""What can go wrong with a simulation itself, as opposed to what it simulates."""

from __future__ import annotations

__all__ = [
    "Deadlock",
    "Livelock",
    "RealWorldReached",
    "SimulationError",
    "TimeLimitReached",
    "UnhandledFailure",
]


class SimulationError(RuntimeError):
    """The simulation cannot go on, or was asked for what it does not simulate."""


class Deadlock(SimulationError):
    """Nothing is runnable, no timer is set, no byte is under way, and main is not done."""


class Livelock(SimulationError):
    """The program keeps itself busy without ever letting time pass."""


class TimeLimitReached(SimulationError):
    """The virtual time allowed for the run is over, and main is not done."""


class RealWorldReached(SimulationError):
    """Simulated code asked for a real socket, thread, process or sleep. Nothing was done."""


class UnhandledFailure(SimulationError):
    """Something failed where nobody listens: a callback, a protocol, a forgotten task.

    A loop that lives in the real world logs this and goes on. A simulation stops, because what
    follows would be a run of a broken program. Set an exception handler on the loop to decide
    otherwise.
    """
