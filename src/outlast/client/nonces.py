"""Signed requests written one after the other, in the order of their nonces."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from outlast.client.journal import Journal
from outlast.core.nonces import NonceSource
from outlast.wire import Clock, HttpRequest, HttpTransport, Lane, TransportFault, WireReply

__all__ = ["NonceDesk"]

APART_S: Final = 0.02
"""Between two requests on their way: the flights on two connections differ, and what was written
second must not arrive first. Well under what the venue's limits allow: 50 calls at once take 1 s,
and 50 calls are a minute's worth."""
HOLD_S: Final = 1.0
"""The longest that one request keeps the others from being written: a connection that takes longer
to make must not hold a cancel. If they overtake it, it is refused and signed afresh."""
STRICT_S: Final = 30.0
STRICT_HOLD_S: Final = 3.0
"""After a refused nonce each request waits for the answer of the one before, for so long: what was
written in order arrived out of order, as requests on several connections may."""


class NonceDesk:
    """Numbers, signs and writes the private requests of one key.

    Taking a number, signing and writing are one step: nobody else is let in before the last byte
    has been handed to the connection. Nobody waits for another's answer.
    """

    def __init__(self, transport: HttpTransport, *, clock: Clock, journal: Journal) -> None:
        self._transport = transport
        self._clock = clock
        self._journal = journal
        self._source = NonceSource(floor=journal.history.nonce_floor)
        self._reserved = self._source.reserved
        self._strict_until = float("-inf")
        self._written_at = float("-inf")
        self._is_busy = False
        self._waiting: list[tuple[Lane, int, asyncio.Future[None]]] = []
        self._asked = 0

    async def send(
        self, seal: Callable[[int], HttpRequest], *, lane: Lane
    ) -> tuple[WireReply | TransportFault, int]:
        """Sign with `seal(nonce)`, send, and give the answer with the nonce that it is about."""
        await self._turn(lane)
        try:
            left_s = self._written_at + APART_S - self._clock.now()
            if left_s > 0:
                await self._clock.sleep(left_s)
            nonce = self._next()
            written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

            def mark(*_: object) -> None:
                if not written.done():
                    written.set_result(None)

            is_strict = self._clock.now() < self._strict_until
            message = seal(nonce)
            if not is_strict:
                message = replace(message, on_written=mark)
            sending = asyncio.ensure_future(self._transport.send(message))
            sending.add_done_callback(mark)
            await asyncio.wait({written}, timeout=STRICT_HOLD_S if is_strict else HOLD_S)
            self._written_at = self._clock.now()
        finally:
            self._pass_on()
        return await sending, nonce

    def refused(self, nonce: int) -> None:
        """The venue has seen a higher nonce than this one."""
        self._source.refused(nonce)
        self._strict_until = self._clock.now() + STRICT_S

    def accepted(self, nonce: int) -> None:
        """The venue's answer shows that it took this one."""
        self._source.accepted(nonce)

    def _next(self) -> int:
        nonce = self._source.next(round(self._clock.wall() * 1e9))
        if self._source.reserved != self._reserved:
            self._reserved = self._source.reserved
            self._journal.note_now("nonce.reserved", floor=self._reserved)
        return nonce

    async def _turn(self, lane: Lane) -> None:
        """Wait until nobody is writing; the urgent lanes first, then who came first."""
        if not self._is_busy:
            self._is_busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked += 1
        heapq.heappush(self._waiting, (lane, self._asked, turn))
        await turn  # in a task that nobody cancels: see `CallDesk._launch`

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._is_busy = False
