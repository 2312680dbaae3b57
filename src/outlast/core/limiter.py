"""Mirrors of the venue's own counters: what may leave now, and when it may if not now.

Binance counts in windows aligned to its own clock (a 1-minute window starts at :00 and the counter
restarts there); so does this. What leaves is counted when it is let go, on every attempt, whatever
becomes of it: 5xx answers cost weight too.

Source: Binance Spot API docs, "LIMITS" (rest-api.md) and `exchangeInfo.rateLimits`; the USD-M
futures docs have the same three limiters.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, inf
from typing import Final

from outlast.errors import ConfigurationError
from outlast.wire import Cost, Lane

__all__ = [
    "LANE_SHARES",
    "CounterSpec",
    "Granted",
    "LaneQueue",
    "Late",
    "Limiter",
    "Ticket",
    "Wait",
]

LANE_SHARES: Final[Mapping[Lane, float]] = {
    Lane.SAFETY: 0.98,
    Lane.RECONCILE: 0.90,
    Lane.TRADE: 0.85,
    Lane.DATA: 0.60,
}
"""How far each lane may fill a window. A reservation, not a loan: what a snapshot has spent does
not come back when a cancel needs it. The last 8 % belong to SAFETY alone: 480 cancels a minute on
Binance spot, 192 on its futures. The 2 % that nobody gets are for what a neighbour on the same IP
sends between two headers."""

_BURST_SHARE: Final = 0.25
"""Of a limit, per second of the venue's clock, for all lanes but SAFETY: a flood of one second must
not empty the minute, and an overloaded venue is not helped by the rest of it arriving at once."""
_BURST_WINDOW_MIN_S: Final = 10.0
"""Shorter windows are a pace of their own."""

_TICK_S: Final = 1e-6
"""Added to every `until`: the sum of an epoch and a window must not round to just before it."""


@dataclass(frozen=True, slots=True)
class CounterSpec:
    """One counter as the venue declares it: at most `limit` units per aligned window."""

    name: str
    window_s: float
    limit: int

    def __post_init__(self) -> None:
        if not 0 < self.window_s < inf:
            raise ConfigurationError(
                f"window_s of counter {self.name!r} is {self.window_s}; give its length in seconds"
            )
        if self.limit < 1:
            raise ConfigurationError(
                f"limit of counter {self.name!r} is {self.limit}; it must be at least 1"
            )


@dataclass(frozen=True, slots=True)
class Granted:
    """It is counted: send it now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing was taken. Ask again at `until_server_s`, which is when it may fit at the earliest.

    It is infinite where the cost is above what this lane may ever take of the counter.
    """

    until_server_s: float
    counter: str


GRANTED: Final = Granted()


class _Window:
    """One counter: the window of now and its two neighbours.

    Our idea of the venue's clock may be off by `doubt_s`, the flight to the venue included. So what
    leaves that close to a boundary may be counted on either side of it, and is charged to both.
    """

    __slots__ = (
        "_burst_max",
        "_burst_second",
        "_burst_used",
        "_ceilings",
        "_doubt_s",
        "_index",
        "_next",
        "_previous",
        "_used",
        "spec",
    )

    def __init__(self, spec: CounterSpec, doubt_s: float) -> None:
        self._index = -1.0  # no window yet
        self._previous = self._used = self._next = 0
        self._burst_second = -1.0
        self._burst_used = 0
        self.spec = spec
        self.configure(spec, doubt_s)

    def configure(self, spec: CounterSpec, doubt_s: float) -> None:
        """Change the limit. What is used stays used, also in a window of another length."""
        if self._index >= 0 and spec.window_s != self.spec.window_s:
            self._index = -1.0
            self._previous = self._used = max(self._previous, self._used, self._next)
            self._next = 0
        self.spec = spec
        # One neighbour on each side is remembered: a doubt longer than a window is not covered.
        self._doubt_s = min(doubt_s, spec.window_s)
        # By lane. Of a small limit SAFETY keeps one unit at least; a limit of 1 is for everybody.
        ceilings = [max(1, floor(LANE_SHARES[lane] * spec.limit)) for lane in sorted(Lane)]
        ceilings[Lane.SAFETY] = max(
            ceilings[Lane.SAFETY], min(spec.limit, ceilings[Lane.RECONCILE] + 1)
        )
        self._ceilings = tuple(ceilings)
        self._burst_max = (
            max(1.0, _BURST_SHARE * spec.limit) if spec.window_s >= _BURST_WINDOW_MIN_S else inf
        )

    def wait_until(self, units: int, lane: Lane, server_now: float) -> float:
        """Return 0.0 when `units` fit now, else when they may."""
        if not units:
            return 0.0
        window_s, doubt_s = self.spec.window_s, self._doubt_s
        into_s = self._roll(server_now)
        room = self._ceilings[lane] - units
        if room < 0:
            return inf
        # The next window needs no look: what it has been charged in advance, this one was as well.
        if self._used > room:
            # As the previous one it still counts for `doubt_s` into its successor.
            return (self._index + 1) * window_s + doubt_s + _TICK_S
        if into_s < doubt_s and self._previous > room:
            return self._index * window_s + doubt_s + _TICK_S
        if (
            lane is not Lane.SAFETY
            and self._burst_used
            and self._burst_used + units > self._burst_max
            and self._burst_second == server_now // 1.0
        ):
            return self._burst_second + 1.0 + _TICK_S
        return 0.0

    def take(self, units: int, server_now: float) -> None:
        into_s = self._roll(server_now)
        self._used += units
        if into_s < self._doubt_s:
            self._previous += units
        if self.spec.window_s - into_s <= self._doubt_s:
            self._next += units
        second = server_now // 1.0
        if second != self._burst_second:
            self._burst_second, self._burst_used = second, 0
        self._burst_used += units

    def observe(self, used: int, server_now: float) -> None:
        into_s = self._roll(server_now)
        if into_s < self._doubt_s:
            # It may be the old window's figure: it must not fill the new one for a whole minute.
            self._previous = max(self._previous, used)
        else:
            self._used = max(self._used, used)

    def used(self, server_now: float) -> int:
        self._roll(server_now)
        return self._used

    def window_end(self, server_now: float) -> float:
        self._roll(server_now)
        return (self._index + 1) * self.spec.window_s

    def pro_rata(self, server_now: float) -> float:
        """What an even use of the whole limit would have taken by now."""
        return self.spec.limit * self._roll(server_now) / self.spec.window_s

    def _roll(self, server_now: float) -> float:
        """Move on to the window of `server_now` and return how far into it that is."""
        index = server_now // self.spec.window_s
        ahead = index - self._index
        if ahead == 0:
            pass
        elif self._index < 0:
            self._index = index
        elif ahead == 1:
            self._previous, self._used, self._next = self._used, self._next, 0
            self._index = index
        elif ahead > 1:
            self._previous = self._next if ahead == 2 else 0
            self._used = self._next = 0
            self._index = index
        elif ahead == -1:
            return 0.0  # The clock was corrected a little: still the start of the present window.
        else:
            # It was wrong by more than a window; which one was charged is anybody's guess.
            self._previous = self._used = max(self._previous, self._used, self._next)
            self._next = 0
            self._index = index
        return server_now - index * self.spec.window_s


class Limiter:
    """Admission to all counters of one scope (an IP, an account) at once: all or nothing.

    Nothing is ever given back, not even for an attempt of which no byte was written. When that is
    known the window may have changed, so that the refund would come out of another one; and in an
    outage, when connections fail by the hundred, refunds would turn the limiter off. Too high a
    mirror costs a little time, too low a one costs a ban.
    """

    def __init__(self, counters: Sequence[CounterSpec], *, clock_doubt_s: float = 1.0) -> None:
        """`clock_doubt_s` covers both the error of `server_now` and the flight to the venue."""
        self._clock_doubt_s = _checked_doubt(clock_doubt_s)
        self._windows: dict[str, _Window] = {}
        self.set_limits(counters)

    def set_limits(self, counters: Iterable[CounterSpec]) -> None:
        """Take over what the venue declares now; what is used stays used.

        Counters that are not mentioned stay as they are: a limit that a reply forgot still holds.
        """
        for spec in counters:
            window = self._windows.get(spec.name)
            if window is None:
                self._windows[spec.name] = _Window(spec, self._clock_doubt_s)
            else:
                window.configure(spec, self._clock_doubt_s)

    def set_clock_doubt(self, clock_doubt_s: float) -> None:
        self._clock_doubt_s = _checked_doubt(clock_doubt_s)
        self.set_limits(self.counters)

    @property
    def counters(self) -> Sequence[CounterSpec]:
        return [window.spec for window in self._windows.values()]

    def try_take(self, costs: Sequence[Cost], lane: Lane, server_now: float) -> Granted | Wait:
        """Count `costs` and return `Granted`, or take nothing and say until when to wait.

        `server_now` is the venue's time in seconds since the epoch, as well as it is known.

        Raises:
            ConfigurationError: a cost names a counter that is not mirrored.
        """
        wait = self.wait_for(costs, lane, server_now)
        if wait is not None:
            return wait
        for cost in costs:
            self._windows[cost.counter].take(cost.units, server_now)
        return GRANTED

    def wait_for(self, costs: Sequence[Cost], lane: Lane, server_now: float) -> Wait | None:
        """Say what `try_take` would wait for, without taking anything; None when it would grant."""
        until, counter = 0.0, ""
        for cost in _merged(costs):
            wait = self._window(cost.counter).wait_until(cost.units, lane, server_now)
            if wait > until:
                until, counter = wait, cost.counter
        return Wait(until, counter) if counter else None

    def observe(self, used: Mapping[str, int], server_now: float) -> None:
        """Raise the mirror to what the venue's headers say; `server_now` is when they arrived.

        A lower figure changes nothing: it left the venue before our latest requests came in.
        Counters that are not mirrored here are passed over, since venues add headers as they like.
        """
        for name, units in used.items():
            window = self._windows.get(name)
            if window is not None:
                window.observe(units, server_now)

    def used(self, counter: str, server_now: float) -> int:
        """What the present window has been charged."""
        return self._window(counter).used(server_now)

    def window_end(self, counter: str, server_now: float) -> float:
        """When the present window ends, by the venue's clock: a 429 without a time ends there."""
        return self._window(counter).window_end(server_now)

    def has_headroom(
        self, costs: Sequence[Cost], server_now: float, *, share: float = 0.70
    ) -> bool:
        """True while the window is used at less than `share` of an even pace, these included.

        A retry of something that the venue certainly did not do may then be paid by the limit that
        would go unused, instead of by the retry budget.
        """
        for cost in costs:
            window = self._window(cost.counter)
            if window.used(server_now) + cost.units > share * window.pro_rata(server_now):
                return False
        return True

    def _window(self, counter: str) -> _Window:
        window = self._windows.get(counter)
        if window is None:
            raise ConfigurationError(
                f"counter {counter!r} is not mirrored; this limiter has {sorted(self._windows)}"
            )
        return window


def _merged(costs: Sequence[Cost]) -> Sequence[Cost]:
    """The same costs with each counter named once, so that all of it is checked together."""
    if len(costs) < 2 or (len(costs) == 2 and costs[0].counter != costs[1].counter):
        return costs
    units: dict[str, int] = {}
    for cost in costs:
        units[cost.counter] = units.get(cost.counter, 0) + cost.units
    return [Cost(counter, of_it) for counter, of_it in units.items()]


def _checked_doubt(clock_doubt_s: float) -> float:
    if not 0 <= clock_doubt_s < inf:
        raise ConfigurationError(
            f"clock_doubt_s is {clock_doubt_s}; it must be finite and not negative"
        )
    return clock_doubt_s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticket:
    """One attempt that waits for its turn. Two tickets are never equal: use them as keys."""

    lane: Lane
    costs: Sequence[Cost]
    deadline_server_s: float
    """By the venue's clock: it leaves before this or not at all."""


@dataclass(frozen=True, slots=True)
class Late:
    """A ticket that cannot leave before its deadline, and when it could have (inf: never)."""

    ticket: Ticket
    until_server_s: float


class LaneQueue:
    """Who goes next when the limits are short: by lane, then by deadline, nobody overtaken.

    A ticket that has to wait for a counter holds that counter against all that come after it, in
    its own lane and in the lower ones, so that a heavy request is not overtaken for ever by light
    ones. What does not touch the counter goes past.

    The shell's loop is: fail what `pop_late` gives, send what `pop_ready` gives, sleep until
    `next_wakeup` or the next `push`.
    """

    def __init__(self, limiter: Limiter, *, entries_max: int = 1000) -> None:
        """`entries_max` bounds each lane but SAFETY, which is bounded by its deadlines alone."""
        if entries_max < 1:
            raise ConfigurationError(f"entries_max is {entries_max}; it must be at least 1")
        self._limiter = limiter
        self._entries_max = entries_max
        self._lanes: tuple[list[tuple[float, int, Ticket]], ...] = tuple([] for _ in Lane)
        self._pushed = 0
        self._blocked_until = inf

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes)

    def try_take(self, costs: Sequence[Cost], lane: Lane, server_now: float) -> Granted | Wait:
        """As `Limiter.try_take`, but nobody of the same or a higher lane is overtaken."""
        if any(self._lanes):
            counters = {cost.counter for cost in costs if cost.units}
            for ticket in self._tickets(up_to=lane):
                for cost in ticket.costs:
                    if cost.units and cost.counter in counters:
                        return Wait(max(server_now, self._blocked_until), cost.counter)
        return self._limiter.try_take(costs, lane, server_now)

    def push(self, ticket: Ticket) -> bool:
        """Let it wait for its turn; False (and it does not wait) when its lane is full."""
        lane = self._lanes[ticket.lane]
        if ticket.lane is not Lane.SAFETY and len(lane) >= self._entries_max:
            return False
        self._pushed += 1
        insort(lane, (ticket.deadline_server_s, self._pushed, ticket))
        self._blocked_until = -inf  # Whether it has to wait, the next `pop_ready` finds out.
        return True

    def withdraw(self, ticket: Ticket) -> None:
        """Its caller has gone. Nothing happens when it has left the queue already."""
        lane = self._lanes[ticket.lane]
        lane[:] = [entry for entry in lane if entry[2] is not ticket]

    def pop_ready(self, server_now: float) -> Sequence[Ticket]:
        """Take out what may be sent now, in this order; its costs are counted."""
        ready: list[Ticket] = []
        held: dict[str, float] = {}  # counter -> when whoever waits for it may go
        for lane in self._lanes:
            staying = []
            for entry in lane:
                ticket = entry[2]
                if entry[0] < server_now or not self._take(ticket, held, server_now):
                    staying.append(entry)
                else:
                    ready.append(ticket)
            lane[:] = staying
        self._blocked_until = min(held.values(), default=inf)
        return ready

    def pop_late(self, server_now: float) -> Sequence[Late]:
        """Take out what cannot leave before its deadline, even with nobody ahead of it."""
        late: list[Late] = []
        for lane in self._lanes:
            staying = []
            for entry in lane:
                deadline, _, ticket = entry
                wait = self._limiter.wait_for(ticket.costs, ticket.lane, server_now)
                until = server_now if wait is None else wait.until_server_s
                if until > deadline:
                    late.append(Late(ticket, until))
                else:
                    staying.append(entry)
            lane[:] = staying
        return late

    def next_wakeup(self) -> float | None:
        """When to ask again, by the venue's clock: perhaps at once (-inf); None when empty."""
        deadlines = [lane[0][0] for lane in self._lanes if lane]
        return min(self._blocked_until, *deadlines) if deadlines else None

    def _take(self, ticket: Ticket, held: dict[str, float], server_now: float) -> bool:
        if any(cost.units and cost.counter in held for cost in ticket.costs):
            return False
        verdict = self._limiter.try_take(ticket.costs, ticket.lane, server_now)
        if isinstance(verdict, Wait):
            if verdict.until_server_s < inf:  # One that never fits must not stop the rest.
                held[verdict.counter] = verdict.until_server_s
            return False
        return True

    def _tickets(self, *, up_to: Lane) -> Iterator[Ticket]:
        for lane in self._lanes[: up_to + 1]:
            for _, _, ticket in lane:
                yield ticket
