"""Settling unknown orders: asks what `core.settle` wants asked, until the order is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.client.lookups import Lookups
from outlast.client.settings import Settings
from outlast.core.orders import OrderEvent
from outlast.core.settle import AbsenceProof, Lookup, Step
from outlast.errors import Failure, Outcome
from outlast.model import Instrument, Order, OrderStatus
from outlast.wire import Clock, VenueCodec

__all__ = ["Settler", "Spawn"]

Spawn = Callable[[Coroutine[Any, Any, None]], object]

_UNSETTLED: Final = (OrderStatus.UNKNOWN, OrderStatus.SUBMITTED)
_LANDED: Final = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
    OrderStatus.EXPIRED,
)


class Settler:
    """One background task per unknown order."""

    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        lookups: Lookups,
        instruments: Instruments,
        *,
        clock: Clock,
        settings: Settings,
        spawn: Spawn,
        fence_id: Callable[[], str],
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._lookups = lookups
        self._instruments = instruments
        self._clock = clock
        self._settings = settings
        self._spawn = spawn
        self._fence_id = fence_id
        self._running: dict[str, AbsenceProof] = {}
        self._seen_late_s = 0.0
        """How long after its sending the latest order has landed that was seen to."""
        self._line = asyncio.Lock()
        """Where the limits are short proofs stand in line: what each asks for then completes."""

    def begin(self, client_order_id: str, *, sent_at: float, silent_s: float | None = None) -> None:
        """Settle in the background; `sent_at` (monotonic) is the last attempt's instant.

        `silent_s`: how long the venue said nothing at all to it, not even that it does not know.
        None: it said something. What is learned of an order that is being settled counts too.
        """
        proof = self._running.get(client_order_id)
        is_new = proof is None
        if proof is None:
            proof = self._running[client_order_id] = AbsenceProof(
                self._settings.settle,
                sent_at=sent_at,
                valid_for_s=self._settings.valid_for_s,
                needs_fence=True,
            )
        if silent_s is not None:
            if silent_s >= self._settings.settle.engine_gives_up_s:
                proof.stuck(now=sent_at, seen_late_s=self._seen_late_s)
            else:
                proof.trouble(now=sent_at)
        if is_new:
            self._spawn(self._settle(client_order_id, proof))

    def is_settling(self, client_order_id: str) -> bool:
        """True while the venue is being asked for it: nobody else need ask as well."""
        return client_order_id in self._running

    async def _settle(self, client_order_id: str, proof: AbsenceProof) -> None:
        try:
            while (order := self._orders.ledger.get(client_order_id)) is not None:
                if order.status not in _UNSETTLED:
                    if order.status in _LANDED:
                        self._seen_late_s = max(self._seen_late_s, proof.absent_for_s)
                    return
                step = proof.next_step(self._clock.now())
                if step is None:
                    self._orders.apply(
                        client_order_id,
                        OrderEvent.PROVED_ABSENT,
                        reason="the venue shows no trace of it, long after it could still arrive",
                    )
                    return
                await self._orders.changed(client_order_id, until=step.at)
                if self._clock.now() >= step.at:
                    await self._take(proof, step, order)
        finally:
            self._running.pop(client_order_id, None)

    async def _take(self, proof: AbsenceProof, step: Step, order: Order) -> None:
        instrument = self._instruments[order.symbol]
        if step.lookup is Lookup.FENCE or self._lookups.has_headroom(order, instrument):
            await self._answer(proof, step.lookup, order, instrument)
            return
        async with self._line:
            now, known = self._clock.now(), self._orders.ledger.get(order.client_order_id)
            if known is None or known.status not in _UNSETTLED:
                return
            due = proof.next_step(now)
            if due is None or due.lookup is not step.lookup or due.at > now:
                return  # the answer to one that was before us in the line has told it
            if due.proves:
                await self._answer(proof, step.lookup, known, instrument)
            else:
                await self._look(proof, known, instrument)

    async def _look(self, proof: AbsenceProof, order: Order, instrument: Instrument) -> None:
        """Ask by the cheapest question whether it is there."""
        is_open = await self._lookups.is_open(order, instrument)
        if isinstance(is_open, Failure):
            proof.failed(now=self._clock.now(), retry_after_s=is_open.retry_after_s or 0.0)
        elif not is_open:
            proof.not_seen(now=self._clock.now())

    async def _answer(
        self, proof: AbsenceProof, lookup: Lookup, order: Order, instrument: Instrument
    ) -> None:
        asked_at = self._clock.now()
        absent = await self._ask(lookup, order, instrument)
        now = self._clock.now()
        # What was left unanswered and asked again is no sign that the queue moves.
        is_slow = proof.is_stuck and now - asked_at >= self._settings.settle.engine_gives_up_s
        if lookup is Lookup.FENCE and is_slow:
            proof.trouble(now=now)
            return
        if isinstance(absent, Failure):
            if lookup is Lookup.FENCE and absent.outcome is Outcome.UNKNOWN:
                proof.trouble(now=now)
            proof.failed(now=now, retry_after_s=absent.retry_after_s or 0.0)
            return
        for client_order_id in absent:
            if client_order_id == order.client_order_id:
                proof.absent(lookup, asked_at=asked_at, now=now)
            elif client_order_id in self._running:
                self._running[client_order_id].absent_too(lookup, asked_at=asked_at, now=now)

    async def _ask(
        self, lookup: Lookup, order: Order, instrument: Instrument
    ) -> tuple[str, ...] | Failure:
        """The ids of unsettled orders that a complete answer does not show.

        What was found is booked.
        """
        own = (order.client_order_id,)
        match lookup:
            case Lookup.ORDER:
                absent = await self._lookups.order(order, instrument)
                return absent if isinstance(absent, Failure) else own if absent else ()
            case Lookup.OPEN_ORDERS:
                beside = self._beside(order)
                shown = await self._lookups.open_orders(
                    instrument, conditional=order.order_type.is_conditional
                )
                if isinstance(shown, Failure):
                    return shown
                return tuple(name for name in beside if name not in shown)
            case Lookup.EXECUTIONS:
                beside = self._beside(order)
                failure = await self._lookups.executions(
                    instrument, since_ms=min(map(self._lookups.since_ms, beside.values()))
                )
                return tuple(beside) if failure is None else failure
            case Lookup.FENCE:
                passed = await self.ask_fence(instrument)
                return passed if isinstance(passed, Failure) else own

    def _beside(self, order: Order) -> dict[str, Order]:
        """The orders that are being settled and are in the same lists, `order` among them."""
        ledger, of_account = self._orders.ledger, self._codec.TRAITS.lists_account
        known = [ledger.get(client_order_id) for client_order_id in self._running]
        apart = self._codec.CONDITIONAL_APART
        return {
            other.client_order_id: other
            for other in (order, *known)
            if other is not None
            and (of_account or other.symbol == order.symbol)
            and not (apart and other.order_type.is_conditional != order.order_type.is_conditional)
        }

    async def ask_fence(self, instrument: Instrument) -> bool | Failure:
        """Have the engine answer for something harmless: the cancel of an id that never was."""
        request = self._codec.cancel_order(instrument, self._fence_id())
        reply = await self._calls.call(request)
        if isinstance(reply, Failure) and reply.kind != "unknown_order":
            return reply
        return True
