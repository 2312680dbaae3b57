"""What a trial is made of, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Literal

from outlast.mock.scenario.model import Scenario

__all__ = [
    "Action",
    "ActionKind",
    "ClientPlan",
    "Disruption",
    "DisruptionKind",
    "DrawnFault",
    "OrderEntry",
    "Trial",
    "TrialResult",
    "Violation",
]


OrderEntry = Literal["rest", "websocket-first"]
"""Which way orders and cancels travel: see `Settings.order_entry`."""


class ActionKind(Enum):
    """What a strategy asks of its session."""

    QUOTE = "quote"
    """Rest a limit order away from the market; cancelled `hold_s` later unless that is None."""
    TAKE = "take"
    """A market order."""
    EXIT = "exit"
    """`close_position`."""
    CANCEL = "cancel"
    """Cancel the newest open order on the symbol, if there is one."""
    CANCEL_ALL = "cancel_all"
    RESIZE = "resize"
    """Cancel the newest open order on the symbol and rest another of `worth` at `price_off`."""
    RECONCILE = "reconcile"
    READ = "read"
    """Read balances, positions and a price as a strategy does before it decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing a strategy does, `at_s` seconds after the trial began."""

    at_s: float
    kind: ActionKind
    symbol: str
    """The unified spelling; for CANCEL_ALL "" means every symbol."""
    side: str = "buy"
    worth: Decimal = Decimal(200)
    """In the quote currency; the world turns it into a quantity at the price it reads."""
    price_off: Decimal = Decimal("0.005")
    """QUOTE and RESIZE: how far from the market the order rests, as a share of the price."""
    hold_s: float | None = None
    deadline_s: float | None = None
    gives_up_after_s: float | None = None
    """The strategy cancels its own task after so long, wherever that is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientPlan:
    """One process of a user: its own session, journal, key and account."""

    name: str
    """Also the name of its simulated host, such as `bot-1`."""
    venue: str
    actions: tuple[Action, ...]
    streams: bool = False
    """Whether its session listens to the stream of its account."""
    order_entry: OrderEntry = "rest"
    has_few_slots: bool = False
    """Whether its settings let few requests be under way at a time."""


class DisruptionKind(Enum):
    """What happens to a client's machine or to its way to the venue (faults *of* the venue are in
    the trial's scenario)."""

    KILL = "kill"
    """`kill -9` at the `awaits`-th step of its tasks after `at_s`; started again after `for_s`."""
    POWER_LOSS = "power_loss"
    """As KILL, and what was not on the disk is gone; the last write may be torn."""
    FREEZE = "freeze"
    """SIGSTOP for `for_s`."""
    CLOCK_STEP = "clock_step"
    """The wall clock jumps by `by_s`."""
    DISK_FULL = "disk_full"
    """The journal cannot be written for `for_s`."""
    PARTITION = "partition"
    """Nothing passes between the client and the venue for `for_s`, and nobody is told."""
    RESET = "reset"
    """Every open connection of the client is reset."""
    REFUSE = "refuse"
    """New connections are refused for `for_s`."""
    SLOW = "slow"
    """Each segment takes `by_s` longer, with a heavy tail, for `for_s`."""
    DNS_FAILURE = "dns_failure"
    """The venue's name does not resolve for `for_s`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disruption:
    at_s: float
    client: str
    kind: DisruptionKind
    for_s: float = 0.0
    by_s: float = 0.0
    awaits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFault:
    """One fault that a seed has drawn, and where in the trial it is to be found."""

    fault: str
    """Its type, by the slugs of `generator.FAULT_TYPES`."""
    at_s: float
    until_s: float
    """Seconds since the trial began between which it may strike."""
    rule_id: str = ""
    """The scenario's fault rule that carries it, as `RequestRecord.rule` names it. "": no rule but
    a setting of engine, account, market, limits or status page, a disruption, or an action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Everything that a seed decides. The same trial plays the same way, to the byte.

    In the first `safety_s` seconds anything may go wrong; in the `liveness_s` after that nothing
    does, and all must converge.
    """

    seed: int
    scenario: Scenario
    clients: tuple[ClientPlan, ...]
    disruptions: tuple[Disruption, ...]
    safety_s: float
    liveness_s: float
    switched_off: frozenset[str] = frozenset()
    """The fault types that this seed goes without (swarm testing)."""
    faults: tuple[DrawnFault, ...] = ()
    """What was drawn, disruptions and actions included. A scenario of the catalogue brings faults
    of its own, which are not listed here."""
    is_header_honest: bool = True
    """False: at some time the venue allows less than it says, as when a stranger shares the address
    and uses up the limit. A 429 is then no proof that the client asked too much; asking again
    before its time still is."""
    late_apply_max_s: float = 0.0
    """The longest that the venue may sit on a request before it carries it out."""
    not_held_to: Mapping[str, str] = field(default_factory=dict)
    """What no client can promise in this trial, because of what was drawn: the invariant's slug,
    and the reason in a sentence."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One invariant that did not hold."""

    invariant: str
    """Its slug, as `docs/simulation.md` lists them: `one-order-per-intent`."""
    at_s: float
    detail: str
    last_events: tuple[str, ...] = ()
    """What happened just before, oldest first, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    seed: int
    violations: tuple[Violation, ...]
    log_hash: str
    """SHA-256 over every event of the run: packets, journal records, verdicts."""
    virtual_s: float
    requests: int
    faults: Mapping[str, int] = field(default_factory=dict)
    """How often each fault type struck, by the slugs of `generator.FAULT_TYPES`."""
    crashes: int = 0
    cpu_s: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.violations
