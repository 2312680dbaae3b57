"""Who goes next when limits or slots are short: by lane, then by deadline, nobody overtaken."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Final

from outlast.core.limiter.counters import Limiter
from outlast.core.limiter.slots import Slots
from outlast.core.limiter.terms import Granted, Move, Wait
from outlast.errors import ConfigurationError
from outlast.wire import Cost, Lane

__all__ = ["Busy", "LaneQueue", "Late", "Ticket"]


@dataclass(slots=True, kw_only=True, eq=False)
class Ticket:
    """One attempt that waits for its turn. Two tickets are never equal: use them as keys."""

    lane: Lane
    costs: Sequence[Cost]
    deadline: float
    """Monotonic: it leaves before this or not at all."""
    move: Move | None = None
    replaces: str | None = None
    """A waiting ticket of the same name is thrown out by this one: the newer quote for the same
    symbol, side and slot. None replaces nobody."""
    slot: Lane | None = None
    """What it was let out with; the queue fills it in."""
    touched: Sequence[str] = ()
    """The counters that it waits for; the queue fills it in."""
    order: tuple[float, int] = field(default=(0.0, 0), repr=False)


@dataclass(frozen=True, slots=True)
class Late:
    """A ticket that cannot leave before its deadline, and when it could have (inf: never)."""

    ticket: Ticket
    until: float


@dataclass(frozen=True, slots=True)
class Busy:
    """The limits have room, the slots have not: ask again when one is given back."""


BUSY: Final = Busy()
_GRANTED: Final = tuple(Granted(lane) for lane in Lane)


class LaneQueue:
    """A ticket that has to wait for a counter holds that counter against all that come after it, in
    its own lane and in the lower ones, so that a heavy request is not overtaken for ever by light
    ones. What does not touch the counter goes past. One that waits for a slot holds nothing: the
    slots of another lane would be no use to it.

    The shell's loop is: fail what `pop_late` gives, send what `pop_ready` gives, sleep until
    `next_wakeup`, the next `push` or the next `give_back`.
    """

    def __init__(
        self, limiter: Limiter, *, slots: Slots | None = None, entries_max: int = 1000
    ) -> None:
        """`entries_max` bounds each lane but SAFETY, which is bounded by its deadlines alone.

        Without `slots` any number may be under way at a time.
        """
        if entries_max < 1:
            raise ConfigurationError(f"entries_max is {entries_max}; it must be at least 1")
        self._limiter = limiter
        self._slots = slots
        self._entries_max = entries_max
        self._lanes: tuple[list[tuple[tuple[float, int], Ticket]], ...] = tuple([] for _ in Lane)
        self._replaceable: dict[str, Ticket] = {}
        self._pushed = 0
        self._blocked_until = inf

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes)

    def try_take(
        self, costs: Sequence[Cost], lane: Lane, now: float, *, move: Move | None = None
    ) -> Granted | Wait | Busy:
        """As `Limiter.try_take`, but nobody of the same or a higher lane is overtaken."""
        slot = None
        if self._slots is not None:
            slot = self._slots.find(lane)
            if slot is None:
                return BUSY
        if any(self._lanes):
            touched = set(self._limiter.touched(costs, move))
            for ticket in self._tickets(up_to=lane):
                for counter in ticket.touched:
                    if counter in touched:
                        return Wait(max(now, self._blocked_until), counter)
            if self._lanes[lane] and self._slots is not None and not touched:
                return BUSY  # who waits in this lane for a slot was here before
        verdict = self._limiter.try_take(costs, lane, now, move=move)
        if slot is None or isinstance(verdict, Wait):
            return verdict
        assert self._slots is not None
        self._slots.take(slot)
        return _GRANTED[slot]

    def give_back(self, slot: Lane) -> None:
        """A request has been answered, or never left: the next may have its slot."""
        assert self._slots is not None
        self._slots.give_back(slot)
        self._blocked_until = -inf  # Who can use it, the next `pop_ready` finds out.

    def push(self, ticket: Ticket, *, until: float = -inf) -> bool:
        """Let it wait for its turn; False (and it does not wait) when its lane is full.

        `until` is what `try_take` has just said of it; left out, the next `pop_ready` finds out.
        """
        lane = self._lanes[ticket.lane]
        if ticket.lane is not Lane.SAFETY and len(lane) >= self._entries_max:
            return False
        self._pushed += 1
        ticket.order = (ticket.deadline, self._pushed)
        ticket.touched = self._limiter.touched(ticket.costs, ticket.move)
        insort(lane, (ticket.order, ticket))
        if ticket.replaces is not None:
            self._replaceable[ticket.replaces] = ticket
        self._blocked_until = min(self._blocked_until, until)
        return True

    def pop_replaced(self, name: str) -> Ticket | None:
        """Take out the waiting ticket of this name, for a newer one."""
        ticket = self._replaceable.pop(name, None)
        if ticket is not None:
            self._remove(ticket)
        return ticket

    def withdraw(self, ticket: Ticket) -> None:
        """Its caller has gone. Nothing happens when it has left the queue already."""
        self._remove(ticket)
        self._left(ticket)

    def cannot_make_it(
        self, costs: Sequence[Cost], lane: Lane, deadline: float, now: float, move: Move | None
    ) -> float | None:
        """When it could leave, for one that cannot before `deadline`, those ahead of it included.

        None where it can, as far as anybody knows. An estimate on the hopeful side: cancels that
        come in meanwhile go first, and are not known yet.
        """
        ahead: dict[str, int] = {}
        for ticket in self._tickets(up_to=lane):
            if ticket.lane is lane and ticket.deadline > deadline:
                continue
            for cost in ticket.costs:
                if cost.units:
                    ahead[cost.counter] = ahead.get(cost.counter, 0) + cost.units
        # A counter per symbol has a queue per symbol; what is ahead there is not added up.
        for trading in self._limiter.trading:
            ahead.pop(trading.spec.name, None)
        wait = self._limiter.wait_for(costs, lane, now, move=move, ahead=ahead)
        return None if wait is None or wait.until <= deadline else wait.until

    def pop_ready(self, now: float) -> Sequence[Ticket]:
        """Take out what may be sent now, in this order; its costs are counted, its slot taken."""
        ready: list[Ticket] = []
        held: dict[str, float] = {}  # counter -> when whoever waits for it may go
        for lane_name in Lane:
            lane = self._lanes[lane_name]
            if not lane or not self._has_slot(lane_name):
                continue
            staying = []
            for at, entry in enumerate(lane):
                ticket = entry[1]
                if ticket.deadline < now or not self._take(ticket, held, now):
                    staying.append(entry)
                    continue
                ready.append(ticket)
                self._left(ticket)
                if not self._has_slot(lane_name):
                    staying.extend(lane[at + 1 :])
                    break
            lane[:] = staying
        self._blocked_until = min(held.values(), default=inf)
        return ready

    def pop_late(self, now: float) -> Sequence[Late]:
        """Take out what cannot leave before its deadline, even with nobody ahead of it."""
        late: list[Late] = []
        seen: dict[tuple[Lane, tuple[Cost, ...]], float] = {}  # many tickets cost the same
        for lane in self._lanes:
            staying = []
            for entry in lane:
                ticket = entry[1]
                until = self._earliest(ticket, now, seen)
                if until > ticket.deadline:
                    late.append(Late(ticket, until))
                    self._left(ticket)
                else:
                    staying.append(entry)
            if len(staying) < len(lane):
                lane[:] = staying
        return late

    def next_wakeup(self) -> float | None:
        """When to ask again: perhaps at once (-inf); None when empty."""
        deadlines = [lane[0][1].deadline for lane in self._lanes if lane]
        return min(self._blocked_until, *deadlines) if deadlines else None

    def _earliest(
        self, ticket: Ticket, now: float, seen: dict[tuple[Lane, tuple[Cost, ...]], float]
    ) -> float:
        key = (ticket.lane, tuple(ticket.costs)) if ticket.move is None else None
        known = None if key is None else seen.get(key)
        if known is not None:
            return known
        wait = self._limiter.wait_for(ticket.costs, ticket.lane, now, move=ticket.move)
        until = now if wait is None else wait.until
        if key is not None:
            seen[key] = until
        return until

    def _take(self, ticket: Ticket, held: dict[str, float], now: float) -> bool:
        if held and any(counter in held for counter in ticket.touched):
            return False
        slot = None if self._slots is None else self._slots.find(ticket.lane)
        verdict = self._limiter.try_take(ticket.costs, ticket.lane, now, move=ticket.move)
        if isinstance(verdict, Wait):
            if verdict.until < inf:  # One that never fits must not stop the rest.
                for counter in ticket.touched:
                    if counter.partition(" ")[0] == verdict.counter:
                        held[counter] = verdict.until
            return False
        if slot is not None:
            assert self._slots is not None
            self._slots.take(slot)
            ticket.slot = slot
        return True

    def _has_slot(self, lane: Lane) -> bool:
        return self._slots is None or self._slots.find(lane) is not None

    def _remove(self, ticket: Ticket) -> None:
        lane = self._lanes[ticket.lane]
        at = bisect_left(lane, ticket.order, key=lambda entry: entry[0])
        if at < len(lane) and lane[at][1] is ticket:
            del lane[at]

    def _left(self, ticket: Ticket) -> None:
        if ticket.replaces is not None and self._replaceable.get(ticket.replaces) is ticket:
            del self._replaceable[ticket.replaces]

    def _tickets(self, *, up_to: Lane) -> Iterator[Ticket]:
        for lane in self._lanes[: up_to + 1]:
            for _, ticket in lane:
                yield ticket
