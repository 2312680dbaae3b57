"""Waiting for one's turn: lanes in strict order, against a mirror of the venue's own counters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from math import inf, isinf
from typing import Final

from outlast.client.guard import local_failure
from outlast.core.limiter import (
    CounterSpec,
    DataShare,
    Granted,
    LaneQueue,
    Limiter,
    Move,
    MoveKind,
    Slots,
    SlotSettings,
    Ticket,
    Wait,
)
from outlast.errors import Failure, Remedy
from outlast.model import Order, OrderStatus
from outlast.wire import Clock, Cost, Counter, Lane, WireRequest

__all__ = ["Admission"]

_MOVES: Final[Mapping[str, MoveKind]] = {
    "order.place": MoveKind.PLACE,
    "order.amend": MoveKind.AMEND,
    "order.edit": MoveKind.EDIT,
    "order.cancel": MoveKind.CANCEL,
    "orders.cancel_many": MoveKind.CANCEL_MANY,
    "orders.cancel": MoveKind.CANCEL_ALL,
}
"""What the requests of this name do to orders; any other only costs its units."""

_LIVE: Final = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN)

_FLIGHT_S: Final = 1.0
"""Allowed between the instant when an attempt is counted here and when the venue counts it."""
_DOUBT_S_MAX: Final = 10.0
"""Of the venue's clock before it was measured: a machine that keeps time at all is nearer."""
_GRANTED: Final = tuple(Granted(lane) for lane in Lane)
_LOOK_EVERY_S: Final = 0.1
"""Between two looks at the venue's clock: as if its correction had come in so much later."""
_DOUBT_EVERY_S: Final = 5.0
_DOUBT_STEP_S: Final = 0.1


class Admission:
    """Lets attempts out when limits and slots have room for them, the urgent ones first.

    Each `enter` that grants owes one `leave`.
    """

    def __init__(
        self,
        counters: Sequence[Counter],
        *,
        clock: Clock,
        server_seconds: Callable[[], float],
        clock_error_s: Callable[[], float] | None = None,
        slots: SlotSettings | None = None,
    ) -> None:
        """`server_seconds` gives the venue's time, by which its windows are aligned.

        `clock_error_s` says by how much that may be wrong, inf before it was measured; without it
        1 s is allowed for that and the flight together.
        """
        self._limiter = Limiter(_specs(counters), clock_doubt_s=_FLIGHT_S, flight_s=_FLIGHT_S)
        self._slots = Slots(SlotSettings() if slots is None else slots)
        self._queue = LaneQueue(self._limiter, slots=self._slots)
        self._clock = clock
        self._server_seconds = server_seconds
        self._clock_error_s = clock_error_s
        self._doubt_s, self._doubt_due = _FLIGHT_S, -inf
        self._look_due = -inf
        self._data_share = DataShare()
        self._data_at = 1.0
        self._tells_moves = bool(self._limiter.trading)
        self._waiting: dict[Ticket, asyncio.Future[Granted | Failure]] = {}
        self._wakeup: asyncio.TimerHandle | None = None
        self._wake_at = inf
        self._is_pump_due = False
        self._under_way = 0

    def enter_at_once(self, request: WireRequest, now: float) -> Granted | None:
        """As `enter`, where nobody waits and there is room at first sight; None: ask `enter`."""
        if self._waiting or self._tells_moves or now >= self._look_due:
            return None
        slot = self._slots.take_at_once(request.lane)
        if slot is None:
            return None
        if not self._limiter.take_at_once(request.costs, request.lane, now):
            self._slots.give_back(slot)
            return None
        self._under_way += 1
        return _GRANTED[slot]

    def enter_now(self, request: WireRequest) -> Granted | None:
        """As `enter`, without ever waiting: None where it would have to."""
        now = self._look_at_clocks()
        turn = self._queue.try_take(request.costs, request.lane, now, move=self._move(request))
        if not isinstance(turn, Granted):
            return None
        self._under_way += 1
        return turn

    async def enter(
        self, request: WireRequest, deadline: float, *, replaces: str | None = None
    ) -> Granted | Failure:
        """Wait until `request` may leave; its costs are counted then, and it holds a slot.

        A failure of outcome NOT_SENT where it cannot leave before `deadline` (monotonic): at once
        where that can be foreseen, with the time at which it could. `replaces` names a waiting
        request that this one makes pointless, such as the older quote in the same slot.
        """
        now = self._look_at_clocks()
        lane, move = request.lane, self._move(request)
        if replaces is not None:
            self._throw_out(replaces)
        verdict = self._queue.try_take(request.costs, lane, now, move=move)
        if isinstance(verdict, Granted):
            self._under_way += 1
            return verdict
        if isinstance(verdict, Wait):
            until = self._queue.cannot_make_it(request.costs, lane, deadline, now, move)
            if until is not None:
                return _too_late(until - now)
        ticket = Ticket(
            lane=lane, costs=request.costs, deadline=deadline, move=move, replaces=replaces
        )
        until = verdict.until if isinstance(verdict, Wait) else inf
        if not self._queue.push(ticket, until=until):
            return local_failure(
                "limiter_full", f"the queue of lane {lane.name} is full", remedy=Remedy.RETRY
            )
        turn: asyncio.Future[Granted | Failure] = asyncio.get_running_loop().create_future()
        self._waiting[ticket] = turn
        self._sleep(now)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                granted = turn.result()
                if isinstance(granted, Granted):
                    self.leave(granted)  # and its caller left in the same instant
            raise
        finally:
            if self._waiting.pop(ticket, None) is not None:
                self._queue.withdraw(ticket)
                self._pump_soon()

    def leave(self, granted: Granted) -> None:
        """Give back the slot of a request that was answered, failed, or never left after all."""
        slot = granted.slot
        assert slot is not None
        self._under_way -= 1
        if self._waiting:
            self._queue.give_back(slot)
            self._pump()
        else:
            self._slots.give_back(slot)

    def order_changed(self, order: Order) -> None:
        """Keep in mind which orders are live: counters per symbol reserve what cancels cost."""
        if not self._tells_moves:
            return
        for counter in self._limiter.trading:
            if order.status.is_final:
                counter.ended(order.client_order_id)
            elif order.status in _LIVE:
                age_s = max(0.0, self._clock.wall() - order.created_at)
                born_at = self._clock.now() - age_s
                counter.adopt(order.symbol, order.client_order_id, born_at=born_at)
        if self._waiting and order.status.is_final:
            self._pump()

    def observe(
        self, used: Mapping[str, int], *, asked_at: float | None = None, now: float | None = None
    ) -> None:
        """Raise the mirror to what the venue's answer says is used; its request left `asked_at`."""
        if used:
            now = self._clock.now() if now is None else now
            self._limiter.observe(used, now, asked_at=asked_at)

    def throttled(self) -> bool:
        """The venue has told this address that it asks too much: what can wait gives way.

        True when that was news: see `DataShare`.
        """
        now = self._clock.now()
        is_news = self._data_share.throttled(now)
        self._set_data_share(now)
        return is_news

    @property
    def data_share(self) -> float:
        """Which part of its share of the limits DATA may use now."""
        return self._data_at

    def _set_data_share(self, now: float) -> None:
        share = self._data_share.value(now)
        if share != self._data_at:
            self._data_at = share
            self._limiter.set_data_share(share)

    def set_limits(self, counters: Sequence[Counter]) -> None:
        """Take over the limits as the venue declares them now."""
        self._limiter.set_limits(_specs(counters))
        self._tells_moves = bool(self._limiter.trading)

    def has_headroom(self, costs: Sequence[Cost], *, share: float = 0.70) -> bool:
        """True while the windows are used at less than `share` of an even pace."""
        return self._limiter.has_headroom(costs, self._look_at_clocks(), share=share)

    def used(self, counter: str) -> float:
        return self._limiter.used(counter, self._look_at_clocks())

    @property
    def waiting(self) -> int:
        """How many attempts wait for their turn, in all lanes."""
        return len(self._waiting)

    @property
    def under_way(self) -> int:
        """How many slots are in use."""
        return self._under_way

    def _look_at_clocks(self) -> float:
        """The monotonic time; the limiter is told how far the venue's clock is from it."""
        now = self._clock.now()
        self._look_due = now + _LOOK_EVERY_S
        self._limiter.set_offset(self._server_seconds() - now, now)
        if self._data_at < 1.0:
            self._set_data_share(now)
        if now >= self._doubt_due and self._clock_error_s is not None:
            doubt_s = _FLIGHT_S + min(_DOUBT_S_MAX, self._clock_error_s())
            is_measured = doubt_s < _FLIGHT_S + _DOUBT_S_MAX
            self._doubt_due = now + (_DOUBT_EVERY_S if is_measured else 0.0)
            if abs(doubt_s - self._doubt_s) > _DOUBT_STEP_S:
                self._doubt_s = doubt_s
                self._limiter.set_clock_doubt(doubt_s)
        return now

    def _move(self, request: WireRequest) -> Move | None:
        if not self._tells_moves:
            return None
        kind = _MOVES.get(request.name, MoveKind.CANCEL_ALL)
        return Move(kind, request.symbol, request.client_order_id, request.client_order_ids)

    def _throw_out(self, name: str) -> None:
        older = self._queue.pop_replaced(name)
        if older is not None:
            said = "a newer request took its place before it could leave"
            self._answer(older, local_failure("superseded", said))

    def _pump_soon(self) -> None:
        """Once, however many callers leave in this round."""
        if not self._is_pump_due:
            self._is_pump_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Let out what may leave, fail what cannot make it, and come back when more may."""
        self._is_pump_due = False
        now = self._look_at_clocks()
        for late in self._queue.pop_late(now):
            self._answer(late.ticket, _too_late(late.until - now))
        for ticket in self._queue.pop_ready(now):
            assert ticket.slot is not None
            self._under_way += 1
            self._answer(ticket, Granted(ticket.slot))
        self._sleep(now)

    def _sleep(self, now: float) -> None:
        """Have `_pump` called when more may leave, or something becomes late."""
        wakeup = self._queue.next_wakeup()
        if self._wakeup is not None:
            if wakeup is not None and self._wake_at <= wakeup:
                return  # It is woken before that, and looks again then.
            self._wakeup.cancel()
            self._wakeup = None
        if wakeup is not None and wakeup < inf:
            self._wake_at = max(now + 0.001, wakeup)
            loop = asyncio.get_running_loop()
            self._wakeup = loop.call_later(self._wake_at - now, self._wake)

    def _wake(self) -> None:
        self._wakeup = None  # a timer may fire a little early, and has to be set again then
        self._pump()

    def _answer(self, ticket: Ticket, answer: Granted | Failure) -> None:
        turn = self._waiting.pop(ticket, None)
        if turn is not None and not turn.done():
            turn.set_result(answer)
        elif isinstance(answer, Granted):
            # Its caller was cancelled in this very round: nobody will use the slot.
            asyncio.get_running_loop().call_soon(self.leave, answer)


def _too_late(wait_s: float) -> Failure:
    if wait_s <= 0:
        said = "every slot was taken, by requests that were not answered before its deadline"
    else:
        said = "the venue's limits leave no room for it before its deadline"
    return local_failure(
        "limiter_full",
        said,
        remedy=Remedy.RETRY,
        retry_after_s=None if isinf(wait_s) else max(0.0, wait_s),
    )


def _specs(counters: Sequence[Counter]) -> list[CounterSpec]:
    return [CounterSpec(c.name, c.window_s, c.limit, c.decay_per_s, c.per_symbol) for c in counters]
