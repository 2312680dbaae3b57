"""What a session reads when it opens; and how one that opens in an outage catches up.

Without the venue's list of instruments nothing can be sent. Where it cannot be had, a session that
has used some of them before opens with what its journal kept: it shows what was last believed, with
its age, and takes no new risk. Once the venue answers it reads everything, by itself.
"""

from __future__ import annotations

import random
from typing import Final

from outlast.client.assembly import Rooms
from outlast.client.events import EventBus, InstrumentsChanged
from outlast.client.logs import logger
from outlast.client.raising import read_error
from outlast.errors import AuthenticationFailed, Failure, ReadFailed
from outlast.wire import Clock

__all__ = ["Opening"]

OPEN_WITHIN_S: Final = 30.0
"""How long a start goes on asking for the instruments: longer than the restart of a gateway, short
enough that a bot that is started into an outage learns of it while somebody watches."""
OPEN_KNOWN_WITHIN_S: Final = 10.0
"""Where the journal has kept them: what rests at the venue wants watching, and a list that is slow
to come will be read all the same."""
OPEN_EVERY_S: Final = 1.0
CATCH_UP_FIRST_S: Final = 1.0
CATCH_UP_MOST_S: Final = 10.0
"""How often the list is asked for in an outage: at Binance 20 of 2,400 weight a minute, ten times
less than the probes that find out that the venue is back."""


class Opening:
    """One session's."""

    def __init__(
        self, rooms: Rooms, events: EventBus, *, clock: Clock, venue: str, has_keys: bool
    ) -> None:
        self._rooms = rooms
        self._events = events
        self._clock = clock
        self._venue = venue
        self._has_keys = has_keys
        self._log = logger(venue=venue)

    async def load(self) -> None:
        """Ask for what a session cannot begin without, and for what it would rather know.

        Raises:
            ReadFailed, NotSent, Refused: there is no list of instruments, neither the venue's nor
                one in the journal.
            AuthenticationFailed: the venue does not take the key.
        """
        rooms = self._rooms
        needed = self._needed()
        can_wait = bool(rooms.journal.history.instruments) and needed <= set(
            rooms.journal.history.instruments
        )
        until = self._clock.now() + (OPEN_KNOWN_WITHIN_S if can_wait else OPEN_WITHIN_S)
        while True:
            try:
                await rooms.instruments.load(deadline=until if can_wait else None)
                break
            except ReadFailed as error:
                if error.failure is not None:
                    rooms.recovery.opened_into(error.failure)
                told_s = 0.0 if error.failure is None else error.failure.retry_after_s or 0.0
                wait_s = max(OPEN_EVERY_S, told_s)
                if self._clock.now() + wait_s < until:
                    await self._clock.sleep(wait_s)
                    continue
                if rooms.instruments.restore(needed):
                    self._open_stale(error)
                    return
                if error.failure is not None and error.failure.kind == "banned":
                    raise read_error(
                        error.failure,
                        venue=self._venue,
                        clock=self._clock,
                        what="the list of instruments",
                    ) from error
                raise
        await self._read_account()

    async def learn_orders(self) -> None:
        """Learn what rests at the venue."""
        shown = await self._rooms.lookups.all_open_orders()
        if isinstance(shown, Failure):
            self._rooms.recovery.opened_into(shown)
            self._log.error("outlast.orders_unread", reason=shown.describe())

    async def catch_up(self, rng: random.Random) -> None:
        """Where the session has opened by the journal's list: return when instruments and account
        were read, as `load` does."""
        rooms, pause_s = self._rooms, CATCH_UP_FIRST_S
        while not rooms.instruments.is_current:
            await self._clock.sleep(pause_s * rng.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, CATCH_UP_MOST_S)
            try:
                await rooms.instruments.load()
            except ReadFailed:
                continue
        rooms.recovery.look()
        self._log.warning("outlast.instruments_read")
        self._events.publish(InstrumentsChanged(is_current=True, reason="", age_s=None))
        try:
            await self._read_account()
        except AuthenticationFailed as error:  # nobody waits for it who could be told
            self._log.critical("outlast.account_unread", reason=str(error))

    # Inside.

    def _needed(self) -> set[str]:
        """The symbols of what the session before left open: it cannot be looked after without."""
        history = self._rooms.journal.history
        needed = {o.symbol for o in history.orders.values() if not o.status.is_final}
        if history.believed is not None:
            needed |= {position.symbol for position in history.believed.positions if position.qty}
        return needed

    def _open_stale(self, error: ReadFailed) -> None:
        rooms = self._rooms
        rooms.recovery.look()
        age_s = rooms.instruments.age_s
        self._log.critical("outlast.opened_in_outage", reason=str(error), age_s=age_s)
        self._events.publish(InstrumentsChanged(is_current=False, reason=str(error), age_s=age_s))

    async def _read_account(self) -> None:
        """Measure the venue's clock, and read the account.

        Raises:
            AuthenticationFailed: the venue does not take the key.
        """
        rooms = self._rooms
        unmeasured = await rooms.calls.sync_clock()
        if unmeasured is not None:
            self._log.error("outlast.clock_unread", reason=unmeasured.describe())
        for what in rooms.account.readable if self._has_keys else ():
            failure = await rooms.account.refresh(what)
            if failure is None:
                continue
            rooms.recovery.opened_into(failure)
            unread = read_error(failure, venue=self._venue, clock=self._clock, what=what)
            if isinstance(unread, AuthenticationFailed):
                raise unread
            # The venue may be down just now: the session opens, and says that it does not know.
            self._log.error("outlast.account_unread", what=what, reason=failure.describe())
