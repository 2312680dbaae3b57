"""Waiting for one's turn: lanes in strict order, against a mirror of the venue's own counters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from math import isinf

from outlast.client.guard import local_failure
from outlast.core.limiter import CounterSpec, Granted, LaneQueue, Limiter, Ticket
from outlast.errors import Failure, Remedy
from outlast.wire import Clock, Cost, Counter, WireRequest

__all__ = ["Admission"]


class Admission:
    """Lets attempts out when the limits have room for them, the urgent ones first."""

    def __init__(
        self, counters: Sequence[Counter], *, clock: Clock, server_seconds: Callable[[], float]
    ) -> None:
        """`server_seconds` gives the venue's time, by which its windows are aligned."""
        self._limiter = Limiter(_specs(counters))
        self._queue = LaneQueue(self._limiter)
        self._clock = clock
        self._server_seconds = server_seconds
        self._waiting: dict[Ticket, asyncio.Future[Failure | None]] = {}
        self._wakeup: asyncio.TimerHandle | None = None

    async def enter(self, request: WireRequest, deadline: float) -> Failure | None:
        """Wait until `request` may leave; its costs are counted then.

        A failure of outcome NOT_SENT where it cannot leave before `deadline` (monotonic): at once,
        not when the deadline has come, and with the time at which it could.
        """
        server_now = self._server_seconds()
        if isinstance(self._queue.try_take(request.costs, request.lane, server_now), Granted):
            return None
        ticket = Ticket(
            lane=request.lane,
            costs=request.costs,
            deadline_server_s=server_now + deadline - self._clock.now(),
        )
        if not self._queue.push(ticket):
            return local_failure(
                "limiter_full",
                f"the queue of lane {request.lane.name} is full",
                remedy=Remedy.RETRY,
            )
        turn: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = turn
        self._pump()
        try:
            return await turn
        finally:
            if self._waiting.pop(ticket, None) is not None:
                self._queue.withdraw(ticket)
                self._pump()

    def observe(self, used: Mapping[str, int]) -> None:
        """Raise the mirror to what the venue's answer says is used."""
        if used:
            self._limiter.observe(used, self._server_seconds())

    def set_limits(self, counters: Sequence[Counter]) -> None:
        """Take over the limits as the venue declares them now."""
        self._limiter.set_limits(_specs(counters))

    def has_headroom(self, costs: Sequence[Cost]) -> bool:
        """True while the windows are used at well under an even pace."""
        return self._limiter.has_headroom(costs, self._server_seconds())

    def used(self, counter: str) -> int:
        return self._limiter.used(counter, self._server_seconds())

    def _pump(self) -> None:
        """Let out what may leave, fail what cannot make it, and come back when more may."""
        if self._wakeup is not None:
            self._wakeup.cancel()
            self._wakeup = None
        server_now = self._server_seconds()
        for late in self._queue.pop_late(server_now):
            wait_s = late.until_server_s - server_now
            self._answer(
                late.ticket,
                local_failure(
                    "limiter_full",
                    "the venue's limits leave no room for it before its deadline",
                    remedy=Remedy.RETRY,
                    retry_after_s=None if isinf(wait_s) else max(0.0, wait_s),
                ),
            )
        for ticket in self._queue.pop_ready(server_now):
            self._answer(ticket, None)
        wakeup = self._queue.next_wakeup()
        if wakeup is not None:
            delay_s = max(0.001, wakeup - server_now)
            self._wakeup = asyncio.get_running_loop().call_later(delay_s, self._pump)

    def _answer(self, ticket: Ticket, failure: Failure | None) -> None:
        turn = self._waiting.pop(ticket, None)
        if turn is not None and not turn.done():
            turn.set_result(failure)


def _specs(counters: Sequence[Counter]) -> list[CounterSpec]:
    return [CounterSpec(c.name, c.window_s, c.limit) for c in counters]
