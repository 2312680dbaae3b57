"""One answer for all who ask the same.

Where some of all requests fail, several calls of a bot often wait to ask the very same thing again:
the price that three strategies read, the position that the bot and its own upkeep both want. The
first answer that any of them gets is as true for the others, so they need not ask any more.
"""

from __future__ import annotations

import asyncio

from outlast.wire import Clock, WireReply, WireRequest

__all__ = ["SharedAnswers"]


class SharedAnswers:
    """Reads that wait for their next try, and take the answer to the same question instead."""

    __slots__ = ("_clock", "_waiting")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[WireRequest, list[tuple[float, asyncio.Future[WireReply | None]]]] = {}

    @property
    def anybody_waits(self) -> bool:
        return bool(self._waiting)

    async def pause(
        self, request: WireRequest, seconds: float, *, asked_at: float
    ) -> WireReply | None:
        """Wait so long, or until `request` is answered to somebody who sent it after `asked_at`.

        What was sent before may tell of a time before the question. None: nobody was answered.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[WireReply | None] = loop.create_future()
        place = (asked_at, answer)
        self._waiting.setdefault(request, []).append(place)
        timer = loop.create_task(self._clock.sleep(seconds), name="outlast pause")
        timer.add_done_callback(lambda _: None if answer.done() else answer.set_result(None))
        try:
            reply = await answer
            if timer.done():
                timer.result()  # what a broken clock raises is not to be lost
            return reply
        finally:
            timer.cancel()
            self._waiting[request].remove(place)
            if not self._waiting[request]:
                del self._waiting[request]

    def answered(self, request: WireRequest, reply: WireReply) -> None:
        """Tell all who wait to ask for the same."""
        for asked_at, answer in self._waiting.get(request, ()):
            if reply.sent_at >= asked_at and not answer.done():
                answer.set_result(reply)
