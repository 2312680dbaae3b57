"""Machines, and the programs that run on them: alive, frozen or dead.

A program is everything that is started inside `with network.process(...)`: its tasks, and every
callback that they set. The loop asks before it runs one of them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outlast.sim.sockets import SimSocket

__all__ = ["Host", "Process", "current_process"]

EPHEMERAL_FIRST, EPHEMERAL_LAST = 32_768, 60_999  # Linux, ip_local_port_range

current_process: ContextVar[Process | None] = ContextVar("outlast_sim_process", default=None)
"""The program that is running; None for what was started in none: it runs on `localhost`."""


@dataclass(slots=True, eq=False)
class Host:
    """A machine. `has_power` is False from `Network.vanish` to `Network.revive`."""

    name: str
    addresses: tuple[str, ...]
    has_power: bool = True
    next_port: int = EPHEMERAL_FIRST
    processes: list[Process] = field(default_factory=list)
    """The programs that run on it."""


@dataclass(slots=True, eq=False)
class Process:
    """A program on a host.

    Once it is not alive, its sockets are closed and it gets no others. Its tasks end within that
    instant, each of their awaits cancelled; then it is buried, and nothing of it runs any more.
    """

    host: Host
    is_alive: bool = True
    is_buried: bool = False
    sockets: dict[int, SimSocket] = field(default_factory=dict)
    context: Context | None = None
    """That of its first task."""
    before_step: Callable[[], None] | None = None
    """Called before each of its steps: a task that goes on, a timer, news of a socket. May kill or
    freeze the program; that step is then not made."""
    frozen_until: float = -math.inf
    """Its thawing; in the past if it is not frozen."""
    is_frozen: bool = False
    held: list[asyncio.Handle] = field(default_factory=list)
    """Steps that are due and wait for it to thaw, in their order."""

    def may_run(self, step: asyncio.Handle) -> bool:
        """Whether a step that is due is made now. One of a frozen program is kept for later."""
        if self.is_alive and not self.is_frozen and self.before_step is not None:
            self.before_step()
        if self.is_alive and self.is_frozen:
            self.held.append(step)
            return False
        return not self.is_buried
