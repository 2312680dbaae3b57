"""What a socket needs before it is dialled: its token or listen key, and room in the limits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from outlast.client.admission import Admission
from outlast.client.calls import CallDesk
from outlast.errors import Failure, Remedy
from outlast.model import Plane
from outlast.private_wire import PrivateStreamCodec, Ticket
from outlast.wire import Clock, Cost, Lane, WireRequest

__all__ = ["TicketDesk", "charge_dial"]

KEPT_SHARE: Final = 0.4
"""At this share of its time a ticket is prolonged: one attempt may fail, and another after it."""
FRESH_SHARE: Final = 0.5
"""A ticket older than that is not given out any more: its dial may have to wait."""
HOPELESS_S: Final = 600.0
"""A key that may not have one is not asked for again before: a person has to change it, and the
venue locks out who asks too often."""
KEEP_AGAIN_S: Final = 60.0
ROOM_WITHIN_S: Final = 10.0
"""How long a dial waits for room in the limits."""


class TicketDesk:
    """The ticket of one account at one venue. Venues without any give None at once."""

    def __init__(self, codec: PrivateStreamCodec, calls: CallDesk, *, clock: Clock) -> None:
        self._codec = codec
        self._calls = calls
        self._clock = clock
        self._ticket: Ticket | None = None
        self._given_at = 0.0
        self._hopeless_until = 0.0
        self._asking: asyncio.Task[Ticket | Failure] | None = None

    @property
    def has_none(self) -> bool:
        """True where the venue wants no ticket."""
        return self._codec.ask_ticket() is None

    def at_hand(self) -> Ticket | None:
        """The one that is in use, however old: a connection keeps it alive."""
        return self._ticket

    async def fresh(self) -> Ticket | Failure | None:
        """One that a new connection may come in with; None where none can be had now."""
        now = self._clock.now()
        if (
            self._ticket is not None
            and now - self._given_at < self._ticket.good_for_s * FRESH_SHARE
        ):
            return self._ticket
        if now < self._hopeless_until:
            return None
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def refused(self, ticket: Ticket | None) -> None:
        """The venue does not take it any more: the next one is a new one."""
        if ticket is None or ticket == self._ticket:
            self._ticket = None

    async def keep_for_ever(self) -> None:
        """Prolong what does not live by its connection alone."""
        while True:
            ticket = self._ticket
            if ticket is None or self._codec.keep_ticket(ticket) is None:
                await self._clock.sleep(KEEP_AGAIN_S)
                continue
            due = self._given_at + ticket.good_for_s * KEPT_SHARE
            if self._clock.now() < due:
                await self._clock.sleep(due - self._clock.now())
                continue
            await self._keep(ticket)

    async def _keep(self, ticket: Ticket) -> None:
        request = self._codec.keep_ticket(ticket)
        assert request is not None
        reply = await self._calls.call(request)
        kept = reply if isinstance(reply, Failure) else self._codec.read_ticket(request, reply)
        if isinstance(kept, Ticket):
            self._given_at = self._clock.now()
            if kept != ticket:
                self._ticket = kept
            return
        if kept.remedy is not Remedy.RETRY and not kept.infrastructure:
            self.refused(ticket)  # there is no such key any more: the stream says so itself
        await self._clock.sleep(max(KEEP_AGAIN_S, kept.retry_after_s or 0.0))

    async def _ask(self) -> Ticket | Failure:
        request = self._codec.ask_ticket()
        assert request is not None
        reply = await self._calls.call(request)
        given = reply if isinstance(reply, Failure) else self._codec.read_ticket(request, reply)
        if isinstance(given, Ticket):
            self._ticket, self._given_at = given, self._clock.now()
        elif given.remedy is Remedy.GIVE_UP:
            self._hopeless_until = self._clock.now() + HOPELESS_S
        return given

    def _asked(self, task: asyncio.Task[Ticket | Failure]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # whoever waited for it has been told


async def charge_dial(costs: Sequence[Cost], admission: Admission, clock: Clock) -> bool:
    """Count what a connection takes from the venue's limits; False when they have no room now."""
    if not costs:
        return True
    dial = WireRequest(
        name="socket.dial",
        method="GET",
        path="",
        plane=Plane.ACCOUNT,
        lane=Lane.RECONCILE,
        costs=tuple(costs),
    )
    turn = await admission.enter(dial, clock.now() + ROOM_WITHIN_S)
    if isinstance(turn, Failure):
        return False
    admission.leave(turn)
    return True
