"""All WebSocket dials of a session: one at a time per host, within a budget, never into a ban."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Final
from urllib.parse import urlsplit

from outlast.client.guard import Guard
from outlast.client.logs import logger
from outlast.core.dialling import DIALS, DialBudget, DialSettings
from outlast.stream_wire import (
    DialFault,
    OnClosed,
    OnMessage,
    Socket,
    SocketTransport,
)
from outlast.wire import Clock

__all__ = ["Dialler"]

OPEN_WITHIN_S: Final = 5.0
"""TCP, TLS and upgrade. Longer than three lost packets; a venue that needs more is not there."""
_BANNING: Final = frozenset({403, 418, 429})
"""The venue, or its front, wants no more dials from this address."""


class Dialler:
    """The one door through which sockets are opened. `StreamLine` uses it."""

    def __init__(
        self,
        transport: SocketTransport,
        guard: Guard,
        *,
        clock: Clock,
        venue: str,
        settings: DialSettings = DIALS,
    ) -> None:
        self._transport = transport
        self._guard = guard
        self._clock = clock
        self._log = logger(venue=venue)
        self._budget = DialBudget(settings)
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.settings = settings
        self.dials = 0
        """How many were made since the session began."""

    async def dial(
        self, url: str, *, urgent: bool, on_message: OnMessage, on_closed: OnClosed
    ) -> Socket | DialFault:
        """Wait for the turn, for the end of bans and for room in the budget; then dial once."""
        host = urlsplit(url).netloc
        async with self._turns[host]:
            await self._may_leave(urgent=urgent)
            sent_at = self._clock.now()
            self._budget.spend(sent_at)
            self.dials += 1
            answer = await self._transport.dial(
                url, on_message=on_message, on_closed=on_closed, open_within_s=OPEN_WITHIN_S
            )
        if not isinstance(answer, DialFault):
            self._guard.dialled(sent_at=sent_at)
        elif answer.http_status in _BANNING:
            self._guard.dialled(
                sent_at=sent_at, refused=answer.describe(), retry_after_s=answer.retry_after_s
            )
        return answer

    async def drain(self) -> None:
        """Wait until every socket is gone. Those that were told to close are cut within 2 s."""
        await self._transport.drain()

    async def _may_leave(self, *, urgent: bool) -> None:
        """Bans are asked last: one may have begun while there was no room."""
        while True:
            now = self._clock.now()
            free_at = self._budget.free_at(now, urgent=urgent)
            if free_at > now:
                self._log.warning("outlast.dial_held", by="budget", wait_s=round(free_at - now, 1))
                await self._clock.sleep(free_at - now)
                continue
            held = self._guard.held_dial(now)
            if held is None:
                return
            wait_s = held.retry_after_s
            assert wait_s is not None, "a ban says when it ends"
            self._log.warning("outlast.dial_held", by="ban", wait_s=round(wait_s, 1))
            await self._clock.sleep(max(0.05, wait_s))
