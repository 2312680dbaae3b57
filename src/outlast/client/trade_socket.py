"""Orders by socket: the same guarded call, another way over the wire.

A request that was handed to the connection is there for good: no answer means that nobody knows.
Before that REST takes over within the same attempt. An answer that comes too late for its caller is
still used.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Final

from outlast.client.admission import Admission
from outlast.client.calls import Credentials
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.streams.dialler import Dialler
from outlast.client.streams.line import Sent, StreamLine
from outlast.client.tickets import TicketDesk, charge_dial
from outlast.core.paths import PathChoice
from outlast.errors import Failure
from outlast.private_wire import SocketAnswer, StreamEnding, Ticket, TradeSocketCodec
from outlast.wire import Clock, FaultKind, TransportFault, WireReply, WireRequest

__all__ = ["TradeSocket"]

LATE_MAX: Final = 1_000
"""Requests whose answer was given up and may still come."""


Heard = Callable[[WireReply | TransportFault | None], None]


class _Carried:
    """One request on its way."""

    __slots__ = ("era", "heard", "patience", "request", "sent_at", "ticket")

    def __init__(
        self, request: WireRequest, era: int, sent_at: float, ticket: Ticket | None, heard: Heard
    ) -> None:
        self.request, self.era, self.sent_at = request, era, sent_at
        self.ticket, self.heard = ticket, heard
        self.patience: asyncio.TimerHandle | None = None


class TradeSocket:
    """Carries writes while the socket is well. `CallDesk` asks it first."""

    def __init__(
        self,
        codec: TradeSocketCodec,
        tickets: TicketDesk,
        admission: Admission,
        dialler: Dialler,
        *,
        venue: str,
        url: str,
        credentials: Credentials,
        valid_for_s: float,
        clock: Clock,
        journal: Journal,
        rng: random.Random,
    ) -> None:
        self._codec = codec
        self._tickets = tickets
        self._admission = admission
        self._url = url
        self._credentials = credentials
        self._valid_for_ms = round(valid_for_s * 1000)
        self._clock = clock
        self._journal = journal
        self._log = logger(venue=venue)
        self._choice = PathChoice()
        self._numbers = count(1)
        self._under_way: dict[int, _Carried] = {}
        self._late: OrderedDict[int, _Carried] = OrderedDict()
        self.on_late: Callable[[WireRequest, WireReply], None] = lambda _, __: None
        """Hears answers that came after their attempt had been given up."""
        ping = codec.PING
        self.line = StreamLine(
            name="trade",
            dialler=dialler,
            clock=clock,
            rng=rng,
            where=self._where,
            on_up=self._greet,
            on_message=self._on_message,
            on_down=self._on_down,
            silence_limit_s=codec.SILENCE_LIMIT_S,
            ping=None if ping is None else lambda: ping,
            urgent=True,
        )

    async def run_for_ever(self) -> None:
        """Keep it up until cancelled."""
        try:
            await self.line.run_for_ever()
        finally:
            self._give_up("the session was closed", era=None)

    @property
    def is_usable(self) -> bool:
        """True while new requests would go by socket."""
        return self.line.is_up and self._choice.may_use_socket(self._clock.now())

    def begin(self, request: WireRequest, *, timestamp_ms: int, heard: Heard) -> bool:
        """See `calls.SocketPath`."""
        if not self.is_usable:
            return False
        key, secret = self._credentials.key, self._credentials.secret
        assert key is not None
        assert secret is not None
        number = next(self._numbers)
        ticket = self._tickets.at_hand() if self._codec.NEEDS_TICKET else None
        frame = self._codec.frame(
            request,
            number=number,
            key=key,
            secret=secret,
            ticket=ticket,
            timestamp_ms=timestamp_ms,
            valid_for_ms=self._valid_for_ms,
        )
        if frame is None:
            return False
        carried = _Carried(request, self.line.era, self._clock.now(), ticket, heard)
        if self.line.send_now(frame) is Sent.NOTHING:
            return False
        self._under_way[number] = carried
        loop = asyncio.get_running_loop()
        carried.patience = loop.call_later(request.answer_within_s, self._unanswered, number)
        return True

    def judged(self, failure: Failure | None) -> None:
        """What the tables made of an answer that came by socket."""
        is_infrastructure = failure is not None and failure.infrastructure
        self._choice.answered(self._clock.now(), is_infrastructure_failure=is_infrastructure)

    # The line.

    async def _where(self) -> str | None:
        if self._codec.NEEDS_TICKET and not isinstance(await self._tickets.fresh(), Ticket):
            return None
        if not await charge_dial(self._codec.DIAL_COSTS, self._admission, self._clock):
            return None
        return self._codec.trade_url(self._url)

    async def _greet(self, line: StreamLine) -> None:
        ticket = self._tickets.at_hand() if self._codec.NEEDS_TICKET else None
        greeting = self._codec.greeting(ticket)
        if greeting is not None and await line.send(greeting) is Sent.NOTHING:
            line.drop("the greeting could not be sent")
            return
        self._journal.note("stream.up", stream="trade", era=line.era)

    def _on_message(self, message: bytes) -> None:
        answer = self._codec.read_answer(message)
        if answer is None:
            return
        if isinstance(answer, StreamEnding):
            if self.line.message_era == self.line.era:
                self.line.renew(answer.reason)
            return
        if answer.number is None:
            self._give_up("the venue answered nobody in particular", era=self.line.message_era)
            self.line.drop("the venue has ended the session of the connection")
            return
        carried = self._take(answer.number)
        if carried is not None:
            self._answered(carried, answer)
            return
        late = self._late.pop(answer.number, None)
        if late is not None:
            self._log.warning("outlast.answer_late", request=late.request.name)
            self.on_late(late.request, self._reply(answer, late.sent_at))

    def _answered(self, carried: _Carried, answer: SocketAnswer) -> None:
        if self._codec.refuses_ticket(answer):
            # Nothing was done: the same attempt may go on by the other door.
            self._journal.note(
                "socket.turned_away",
                request=carried.request.name,
                params=dict(carried.request.params),
                client_order_id=carried.request.client_order_id,
                sent_at=carried.sent_at,
                reason="the venue does not take the token of this connection any more",
            )
            self._tickets.refused(carried.ticket)
            self.line.drop("the token is no good any more")
            carried.heard(None)
            return
        carried.heard(self._reply(answer, carried.sent_at))

    def _unanswered(self, number: int) -> None:
        """As long as the venue may take has passed. Its answer is used all the same if it comes."""
        carried = self._take(number)
        assert carried is not None, "an answer ends the wait for it"
        self._late[number] = carried
        if len(self._late) > LATE_MAX:
            self._late.popitem(last=False)
        self._choice.swallowed(self._clock.now())
        said = f"no answer by the socket within {carried.request.answer_within_s:g} s"
        carried.heard(self._fault(FaultKind.READ_TIMEOUT, said, carried))

    def _on_down(self, reason: str) -> None:
        self._journal.note("stream.down", stream="trade", reason=reason)
        self._give_up(reason, era=self.line.lost_era)

    def _give_up(self, reason: str, *, era: int | None) -> None:
        """No answer will come to what went by the connection of this number; None: by any."""
        lost = [n for n, carried in self._under_way.items() if era in (None, carried.era)]
        if lost:
            self._choice.swallowed(self._clock.now())
        for number in lost:
            carried = self._take(number)
            assert carried is not None
            carried.heard(self._fault(FaultKind.CONNECTION_LOST, reason, carried))

    # Inside.

    def _take(self, number: int) -> _Carried | None:
        carried = self._under_way.pop(number, None)
        if carried is not None and carried.patience is not None:
            carried.patience.cancel()
        return carried

    def _reply(self, answer: SocketAnswer, sent_at: float) -> WireReply:
        return WireReply(
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
            sent_at=sent_at,
            received_at=self._clock.now(),
        )

    def _fault(self, kind: FaultKind, detail: str, carried: _Carried) -> TransportFault:
        return TransportFault(
            kind=kind,
            detail=detail,
            sent_at=carried.sent_at,
            received_at=self._clock.now(),
        )
