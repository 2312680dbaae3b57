"""The dead man's switch: the venue cancels orders by itself when it has not heard of us in time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Literal, Self

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.events import DeadMansSwitchChanged, EventBus
from outlast.client.health import HealthDesk
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.raising import read_error
from outlast.core.policy import EXIT_TRY
from outlast.errors import ConfigurationError, Failure, Outcome, Scope
from outlast.notices import VenueMode
from outlast.wire import Clock, VenueCodec

__all__ = ["DeadMansSwitch", "check_during_maintenance", "check_timeout"]

TIMEOUT_MIN_S: Final = 10
"""The venues' timers are for tens of seconds; a shorter one fires at any hiccup of the network."""
TIMEOUT_MAX_S: Final = 3600
_REFRESHES: Final = 4
"""In each timeout: three may fail before it fires. Both venues advise 15 to 30 s for 60 to 120."""
_BEGIN_WITHIN_S: Final = 60.0
"""How long the beginning is tried: the last answers of a bad minute must not keep a bot from it."""
_LOOK_EVERY_S: Final = 1.0
_OFF_BEFORE_S: Final = 60.0
"""How long before an announced maintenance it is switched off, at least: starts are estimates, and
what is left of a longer timeout must not fire in it."""
_JITTER: Final = 0.1
_ALL: Final = ""
"""Stands for the symbol where one timer is the account's."""


class DeadMansSwitch:
    """Made by `Session.dead_mans_switch`; use it with `async with`.

    While the block runs the venue's timer is started anew every quarter of the timeout, ahead of
    everything else. When the process dies, freezes or loses its network, the venue cancels the
    open orders by itself.

    At the end of the block it is switched off and the orders stay. When the block ends by an
    exception (a cancelled task too) it is left to fire: nobody watches the orders any more.

    Before an announced maintenance of trading it is switched off, unless it is to be kept: there it
    could not be started anew, would fire, and cancel everything at the venue's return. It is armed
    again, after a look at what happened meanwhile, when the maintenance is over.

    Where timers are per symbol, those with live orders have one, and a symbol gets its own as soon
    as an order of ours appears on it.
    """

    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        instruments: Instruments,
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        rng: random.Random,
        timeout_s: int,
        valid_for_s: float,
        during_maintenance: Literal["disarm", "keep"],
        health: HealthDesk,
        after_gap: Callable[[], Awaitable[object]],
    ) -> None:
        """`after_gap` compares with the venue; it runs before the timers are started anew."""
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._instruments = instruments
        self._clock = clock
        self._journal = journal
        self._events = events
        self._rng = rng
        self._timeout_s = timeout_s
        self._valid_for_s = valid_for_s
        self._during_maintenance = during_maintenance
        self._health = health
        self._after_gap = after_gap
        self._rests_for = ""
        """The maintenance for which it is switched off; empty while it is not."""
        self._log = logger(venue=codec.VENUE)
        self._fires_at: dict[str, float] = {}
        """By symbol, when its timer fires if nothing more arrives there (monotonic)."""
        self._perhaps: set[str] = set()
        """Symbols whose timer may run, for a start that got no answer."""
        self._due_at: dict[str, float] = {}
        self._unanswered_until = 0.0
        """Until then a start that got no answer may still reach the venue (monotonic)."""
        self._told: dict[str, str] = {}
        self._work: asyncio.Task[None] | None = None

    @property
    def is_armed(self) -> bool:
        """Whether every timer that is needed is known to run."""
        now = self._clock.now()
        wanted = self._wanted()
        return bool(self._fires_at) and all(self._fires_at.get(s, 0.0) > now for s in wanted)

    @property
    def fires_at(self) -> dict[str, float]:
        """By symbol, when its timer fires unless it is started anew (seconds since the epoch).

        The key is "" where one timer is the account's.
        """
        wall_ahead = self._clock.wall() - self._clock.now()
        return {symbol: at + wall_ahead for symbol, at in self._fires_at.items()}

    async def __aenter__(self) -> Self:
        """Start the timers.

        Raises:
            NotSent, Refused, ReadFailed: one could not be started; none is left running.
        """
        until = self._clock.now() + _BEGIN_WITHIN_S
        self._rests_for = self._maintenance()
        for symbol in [] if self._rests_for else self._wanted():
            while (failure := await self._start(symbol)) is not None:
                if self._due_at[symbol] >= until:
                    await self.disarm()
                    raise read_error(
                        failure,
                        venue=self._codec.VENUE,
                        clock=self._clock,
                        what="the dead man's switch",
                        which=f"could not be set {f'for {symbol} ' if symbol else ''}at",
                    )
                await self._clock.sleep(self._due_at[symbol] - self._clock.now())
        self._work = asyncio.create_task(self._keep_for_ever(), name="outlast dead man's switch")
        self._work.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._work is not None
        self._work.cancel()
        await asyncio.wait([self._work])
        if error is None:
            await self.disarm()
        else:
            for symbol in self._fires_at:
                self._tell(symbol, "left_armed", f"the block ended by {type(error).__name__}")
        if not self._work.cancelled():
            self._work.result()  # what it failed of is nothing to be kept quiet

    def _ended(self, work: asyncio.Task[None]) -> None:
        if not work.cancelled():  # a mistake of ours; the venue's timers do what they are for
            error = repr(work.exception())
            self._log.critical("outlast.dead_mans_switch_stopped", error=error)

    async def disarm(self, reason: str = "") -> None:
        """Switch off every timer.

        What could not be switched off is said in an event and in the log, and will fire.
        """
        for symbol in sorted(self._fires_at.keys() | self._perhaps):
            failure = await self._set(symbol, 0)
            if failure is None and self._clock.now() < self._unanswered_until:
                # A start that got no answer may still be under way, and would undo this.
                await self._clock.sleep(self._unanswered_until - self._clock.now())
                failure = await self._set(symbol, 0)
            if failure is not None:
                self._tell(symbol, "left_armed", failure.describe())
                continue
            self._fires_at.pop(symbol, None)
            self._perhaps.discard(symbol)
            self._due_at.pop(symbol, None)
            self._tell(symbol, "disarmed", reason)

    def _wanted(self) -> list[str]:
        """The symbols that need a timer: those with live orders, and those that have one."""
        if self._codec.TRAITS.dead_mans_switch is Scope.ACCOUNT:
            return [_ALL]
        ledger = self._orders.ledger
        live = {o.symbol for o in (*ledger.open(), *ledger.unknown()) if not o.is_external}
        return sorted(live | self._fires_at.keys() | self._perhaps)

    async def _keep_for_ever(self) -> None:
        """Start each timer anew in time. After a gap in which one may have fired, look first."""
        looked_at = self._clock.now()
        while True:
            if await self._rest():
                looked_at = self._clock.now()
                await self._clock.sleep(_LOOK_EVERY_S)
                continue
            now = self._clock.now()
            was_frozen = now - looked_at > self._timeout_s / 2
            looked_at = now
            fired = [symbol for symbol, at in self._fires_at.items() if at <= now]
            for symbol in fired:
                self._tell(symbol, "expired", "it was not started anew in time")
                del self._fires_at[symbol]
            if fired or was_frozen:
                await self._after_gap()
            due = [s for s in self._wanted() if self._due_at.get(s, 0.0) <= self._clock.now()]
            # At once, not one behind the other: each waits for its own answer.
            await asyncio.gather(*(self._start(symbol) for symbol in due))
            looked_at = self._clock.now()
            await self._clock.sleep(_LOOK_EVERY_S)

    async def _rest(self) -> bool:
        """Switch it off for an announced maintenance; True while it is off for one."""
        rested_for, self._rests_for = self._rests_for, self._maintenance()
        if self._rests_for:
            if self._fires_at or self._perhaps:
                await self.disarm(f"{self._rests_for!r} is announced")
            return True
        if rested_for:
            await self._after_gap()
        return False

    def _maintenance(self) -> str:
        """The maintenance for which it has to be off now; empty for none.

        One that was announced may last longer than that: until the venue says that it is over.
        """
        if self._during_maintenance == "keep":
            return ""
        lead_s = max(_OFF_BEFORE_S, self._timeout_s)
        planned = self._health.schedule.closing(lead_s)
        if planned is not None:
            return planned.title
        return self._rests_for if self._health.modes.mode is VenueMode.MAINTENANCE else ""

    async def _start(self, symbol: str) -> Failure | None:
        failure = await self._set(symbol, self._timeout_s)
        now = self._clock.now()
        if failure is None:
            self._tell(symbol, "armed", "")
            pause_s = self._timeout_s / _REFRESHES
        else:
            self._tell(symbol, "unrefreshed", failure.describe())
            pause_s = max(failure.retry_after_s or 0.0, self._timeout_s / _REFRESHES / 4)
        self._due_at[symbol] = now + pause_s * self._rng.uniform(1 - _JITTER, 1)
        return failure

    async def _set(self, symbol: str, timeout_s: int) -> Failure | None:
        """Start one timer, or end it; what the venue did not confirm is a failure."""
        instrument = None if symbol == _ALL else self._instruments[symbol]
        request = self._codec.dead_mans_switch(instrument, timeout_s=timeout_s)
        assert request is not None
        asked_at = self._clock.now()
        deadline = asked_at + self._timeout_s / _REFRESHES
        # A start is tried once a call, so that an answer speaks for all that left with it.
        policy = EXIT_TRY if timeout_s else None
        try:
            reply = await self._calls.call(request, deadline=deadline, policy=policy)
        except asyncio.CancelledError:
            if timeout_s:
                self._unanswered(symbol)
            raise
        if isinstance(reply, Failure):
            failure = reply
        else:
            fires_in_s = self._codec.read_dead_mans_switch(request, reply)
            if not isinstance(fires_in_s, Failure):
                if timeout_s:  # counted from before it was sent: the venue's own began later
                    self._fires_at[symbol] = reply.sent_at + fires_in_s
                    self._perhaps.discard(symbol)
                return None
            failure = fires_in_s
        if timeout_s and failure.outcome is Outcome.UNKNOWN:
            self._unanswered(symbol)
        return failure

    def _unanswered(self, symbol: str) -> None:
        self._unanswered_until = self._clock.now() + self._valid_for_s
        self._perhaps.add(symbol)

    def _tell(self, symbol: str, state: str, reason: str) -> None:
        if self._told.get(symbol) == state:
            return
        self._told[symbol] = state
        fires_at = self.fires_at.get(symbol)
        self._journal.note(
            "dead_mans_switch", symbol=symbol, state=state, reason=reason, fires_at=fires_at
        )
        self._events.publish(
            DeadMansSwitchChanged(symbol=symbol, state=state, reason=reason, fires_at=fires_at)
        )
        if state in ("unrefreshed", "expired", "left_armed"):
            self._log.warning("outlast.dead_mans_switch", symbol=symbol, state=state, reason=reason)


def check_timeout(codec: VenueCodec, timeout_s: float) -> int:
    """Raises ConfigurationError where the venue has no such switch, ValueError for the timeout."""
    if codec.TRAITS.dead_mans_switch is None:
        raise ConfigurationError(
            f"{codec.VENUE} has no dead man's switch; cancel_all() before leaving, "
            "or let orders expire (time_in_force='gtd')",
            venue=codec.VENUE,
        )
    if timeout_s != int(timeout_s) or not TIMEOUT_MIN_S <= timeout_s <= TIMEOUT_MAX_S:
        raise ValueError(
            f"timeout_s is {timeout_s}; give whole seconds from {TIMEOUT_MIN_S} to {TIMEOUT_MAX_S}"
        )
    return int(timeout_s)


def check_during_maintenance(choice: str) -> Literal["disarm", "keep"]:
    """Raises ValueError for any other word."""
    if choice == "disarm":
        return "disarm"
    if choice == "keep":
        return "keep"
    raise ValueError(f"during_maintenance is {choice!r}; choose 'disarm' or 'keep'")
