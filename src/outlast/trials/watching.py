"""Who watches a trial: what the world tells it while it plays, and what it may look at.

The world calls a watcher between two steps of the simulation, never in the middle of one: what it
sees then is complete. A watcher only looks. It must not await, and must not ask a session for
anything that reaches the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from outlast.client.session import Session
from outlast.errors import OutlastError
from outlast.mock.exchange import MockExchange
from outlast.model import OrderRequest
from outlast.sim import SimClock
from outlast.trials.disk import Disk
from outlast.trials.model import Action, ClientPlan, Disruption, Trial, Violation
from outlast.wire import Record

__all__ = ["Answer", "Asked", "Client", "End", "Ending", "NoWatcher", "Watcher", "World"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call of a strategy to its session; an action may need several.

    Calls that a watcher is told of: `submit`, `settle`, `cancel`, `cancel_all`, `close_position`,
    `reconcile`, `mark_price`, `balances`, `positions`.
    """

    number: int
    """From 1, in the order in which they were made, over all clients."""
    client: str
    incarnation: int
    """Of the process that called."""
    action: Action
    call: str
    at_s: float
    symbol: str = ""
    order: OrderRequest | None = None
    """SUBMIT: what was asked for."""
    client_order_id: str | None = None
    """`settle` and `cancel`: of what."""
    deadline_s: float | None = None


class End(Enum):
    """How a call ended."""

    RETURNED = "returned"
    RAISED = "raised"
    """With an error of the outlast tree, which strategies expect."""
    GIVEN_UP = "given_up"
    """The strategy cancelled its own task."""
    CUT_OFF = "cut_off"
    """The process died, or its session ended, while the call was under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    end: End
    at_s: float
    value: object = None
    """RETURNED: what the call gave: `Order`, `CancelReport`, `CloseReport`, …"""
    error: OutlastError | TimeoutError | None = None
    """RAISED: the error."""


class Ending(Enum):
    """How a session ended."""

    CLOSED = "closed"
    """In order, at the end of the trial."""
    KILLED = "killed"
    POWER_LOST = "power_lost"
    UNOPENED = "unopened"
    """It could not be opened: the venue, or the journal's disk, did not answer for too long."""
    FAILED = "failed"
    """By an exception of its own. The world reports that as a violation."""


class Client(Protocol):
    """One user's program, over all its incarnations."""

    @property
    def name(self) -> str: ...
    @property
    def plan(self) -> ClientPlan: ...
    @property
    def venue(self) -> str: ...
    @property
    def account(self) -> str:
        """Its name in the mock's truth: `mock.truth.history.at(venue, account)`."""
        ...

    @property
    def session(self) -> Session | None:
        """None while none is open: before the first, after a kill, between two attempts."""
        ...

    @property
    def incarnation(self) -> int:
        """How many processes have been started, this one included; 0 before the first."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether a process runs (a frozen one does)."""
        ...

    @property
    def is_frozen(self) -> bool: ...
    @property
    def clock(self) -> SimClock:
        """Its wall clock, steps included."""
        ...

    @property
    def disk(self) -> Disk:
        """Where its journal is: `disk.records()` is what a process started now would read."""
        ...


class World(Protocol):
    """A trial being played."""

    @property
    def trial(self) -> Trial: ...
    @property
    def mock(self) -> MockExchange:
        """All venues of the trial: `mock.truth` knows what really happened."""
        ...

    @property
    def clients(self) -> Mapping[str, Client]: ...
    @property
    def now_s(self) -> float:
        """Seconds since the trial began."""
        ...

    @property
    def is_safety_over(self) -> bool:
        """True from `safety_s` on: no fault and no disruption holds any more."""
        ...


class Watcher(Protocol):
    """Hears everything; says at the end what did not hold."""

    def began(self, world: World) -> None: ...

    def session_opened(self, client: Client) -> None: ...

    def session_ended(self, client: Client, how: Ending) -> None:
        """`client.session` is the one that ended, for the last time.

        None where it was never open: UNOPENED, or a process that died before it was.
        """
        ...

    def recorded(self, client: Client, record: Record) -> None:
        """A journal record is with the operating system; what it announces has not been done."""
        ...

    def asked(self, client: Client, asked: Asked) -> None: ...

    def answered(self, client: Client, asked: Asked, answer: Answer) -> None: ...

    def venue_changed(self) -> None:
        """The mock's truth has changed: orders, fills, balances, a request settled, a lie told.

        Once per step of the simulation in which anything did.
        """
        ...

    def disrupted(self, disruption: Disruption) -> None:
        """It strikes now. A KILL is told of when the process dies, not when it is armed."""
        ...

    def safety_over(self) -> None:
        """From now on nothing goes wrong."""
        ...

    def finish(self) -> Sequence[Violation]:
        """All is reconciled and sessions are still open: the last look, and the verdict."""
        ...

    def closed(self) -> Sequence[Violation]:
        """All sessions are closed: what was found since `finish`."""
        ...


class NoWatcher:
    """Looks at nothing and finds nothing."""

    def began(self, world: World) -> None: ...
    def session_opened(self, client: Client) -> None: ...
    def session_ended(self, client: Client, how: Ending) -> None: ...
    def recorded(self, client: Client, record: Record) -> None: ...
    def asked(self, client: Client, asked: Asked) -> None: ...
    def answered(self, client: Client, asked: Asked, answer: Answer) -> None: ...
    def venue_changed(self) -> None: ...
    def disrupted(self, disruption: Disruption) -> None: ...
    def safety_over(self) -> None: ...
    def finish(self) -> Sequence[Violation]:
        return ()

    def closed(self) -> Sequence[Violation]:
        return ()
