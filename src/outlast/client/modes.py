"""What the venue says that it takes, as a whole and on each symbol: asked for, and kept.

Its word closes and restricts. It never opens what our own calls find shut.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from math import inf
from typing import Final

from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.core.backoff import Backoff
from outlast.core.policy import RetryPolicy
from outlast.errors import Failure, ReadFailed
from outlast.notices import STANDING_STILL, SystemStatus, VenueMode
from outlast.wire import Clock, VenueCodec

__all__ = ["Modes"]

ASK_SOON_S: Final = 5.0
"""How often the venue is asked for its mode just after it has left `online`: a cancel-only window
may last a few minutes."""
ASK_LATER_SHARE: Final = 1 / 30
ASK_LATER_S_MAX: Final = 120.0
"""What has lasted for an hour is asked for every two minutes: 49 hours of maintenance cost 1,500
questions."""
ASK_ONCE: Final = RetryPolicy(attempts_max=1, deadline_s=6.0, backoff=Backoff(0.2, 5.0))
"""The next question comes soon enough; a repeated one would only be load."""
RELIST_S: Final = 30.0
"""How often the list of instruments is read while a symbol in use is restricted."""
JITTER: Final = 0.2

_CLOSED: Final = frozenset(
    {VenueMode.MAINTENANCE, VenueMode.CANCEL_ONLY, VenueMode.REDUCE_ONLY, VenueMode.CLOSED}
)
_SHAPED: Final = frozenset({VenueMode.POST_ONLY, VenueMode.LIMIT_ONLY})
_REFUSALS: Final = frozenset(
    {
        "maintenance",
        "post_only_mode",
        "limit_only_mode",
        "only_reduce_allowed",
        "symbol_closed",
        "shutting_down",
    }
)
"""Refusals that tell of a mode: the venue is asked for it at once."""


class Modes:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        instruments: Instruments,
        *,
        clock: Clock,
        journal: Journal,
        rng: random.Random,
        poll_s: float,
    ) -> None:
        """`poll_s`: how often the venue is asked while it is online."""
        self._codec = codec
        self._calls = calls
        self._instruments = instruments
        self._clock = clock
        self._journal = journal
        self._rng = rng
        self._poll_s = poll_s
        self._log = logger(venue=codec.VENUE)
        self.mode = VenueMode.ONLINE
        self.since = clock.now()
        """Since when it is in this mode, monotonic."""
        self.told_at: float | None = None
        """When the venue last said so, monotonic; None where it does not, or has not yet."""
        self.restricted: set[str] = set()
        """Symbols in use that the venue restricts, by its list: it is read again for them."""
        self._asked_at = -inf
        self._relisted_at = -inf
        self._ask_now = asyncio.Event()
        self._still: set[str] = set()
        """Symbols on which nothing moved when the list was read last."""
        self.on_said: Callable[[SystemStatus], None] = lambda _said: None
        """Hears each answer of the venue, before it is taken in."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when the venue's mode has changed."""
        self.on_mode: Callable[[str | None, VenueMode], None] = lambda _symbol, _mode: None
        """Hears what the venue (None) or a symbol takes when that may have changed."""
        self.is_returning: Callable[[], bool] = lambda: False
        """True while an outage is on or being come back from."""

    def of(self, symbol: str) -> VenueMode:
        """What the venue takes on `symbol`, by its list; ONLINE for one that it does not list."""
        instrument = self._instruments.get(symbol)
        return VenueMode.ONLINE if instrument is None else self._codec.symbol_mode(instrument)

    def why_closed(self) -> str | None:
        """Why the venue, by its own word, takes no new risk; None when it does not say so.

        A mode that takes some orders closes nothing by itself. On the way back from an outage it
        counts as closed still: what rests there can fill in one stroke when matching begins.
        """
        if self.mode in _CLOSED or (self.mode in _SHAPED and self.is_returning()):
            return f"the venue says that it is in {self.mode.value} mode"
        return None

    def note(self, said: SystemStatus) -> None:
        """The venue has said how it is."""
        self.told_at = self._clock.now()
        self.on_said(said)
        if said.mode in (VenueMode.UNKNOWN, self.mode):
            return  # a word that nobody has listed changes nothing
        self._log.warning(
            "outlast.venue_mode_changed", mode=said.mode.value, before=self.mode.value
        )
        self._journal.note_now(
            "venue.mode_changed", mode=said.mode.value, before=self.mode.value, word=said.word
        )
        self.mode, self.since = said.mode, self._clock.now()
        self._relisted_at = -inf  # what each symbol takes has changed with it
        self.restricted.update(self._in_use())
        self._tell_modes()
        self.on_change()

    def refused(self, failure: Failure) -> None:
        """The venue has refused an order; where it named a mode, it is asked for it at once."""
        if failure.kind in _REFUSALS:
            self._ask_now.set()

    # Asking.

    async def watch_for_ever(self) -> None:
        """Ask the venue how it is, and read its list again where it restricts what is traded."""
        self.restricted.update(self._in_use())  # the list of the start may already say so
        while True:
            if self._clock.now() - self._asked_at >= ASK_SOON_S:
                await self.ask()
            if self.restricted and self._clock.now() - self._relisted_at >= RELIST_S:
                await self._relist()
            self._ask_now.clear()
            wait_s = self._wait_s() * self._rng.uniform(1 - JITTER, 1 + JITTER)
            try:
                async with asyncio.timeout(wait_s):
                    await self._ask_now.wait()
            except TimeoutError:
                continue
            await self._clock.sleep(1.0)  # a burst of refusals is one question

    async def ask(self) -> Failure | None:
        """Ask the venue how it is, once; what prevented an answer, else None."""
        request = self._codec.query_system_status()
        if request is None:
            return None
        self._asked_at = self._clock.now()
        answer = await self._calls.call(request, policy=ASK_ONCE)
        said = self._codec.read_system_status(request, answer)
        if isinstance(said, Failure):
            return said  # no information: what was known stands
        self.note(said)
        return None

    async def probe(self) -> None:
        """One cheap read for the way back, of which the guard tells what became.

        Where the venue tells how it is, that is the read.
        """
        if self._codec.query_system_status() is None:
            await self._calls.probe(self._codec.probe())
        else:
            await self.ask()

    async def _relist(self) -> None:
        self._relisted_at = self._clock.now()
        try:
            await self._instruments.load()
        except ReadFailed:
            return
        self.restricted = {s for s in self.restricted if self.of(s) is not VenueMode.ONLINE}
        self._tell_modes()

    def _tell_modes(self) -> None:
        """Say what stands still now, and what does not any more."""
        self.on_mode(None, self.mode)
        modes = {symbol: self.of(symbol) for symbol in self._instruments}
        still = {symbol for symbol, mode in modes.items() if mode in STANDING_STILL}
        for symbol in sorted(self._still | still):
            self.on_mode(symbol, modes.get(symbol, VenueMode.CLOSED))
        self._still = still

    def _wait_s(self) -> float:
        if self.mode is VenueMode.ONLINE:
            return self._poll_s
        lasted_s = self._clock.now() - self.since
        return min(ASK_LATER_S_MAX, max(ASK_SOON_S, ASK_LATER_SHARE * lasted_s))

    def _in_use(self) -> Sequence[str]:
        return [s for s in self._instruments if self.of(s) is not VenueMode.ONLINE]
