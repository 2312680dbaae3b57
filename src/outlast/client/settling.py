"""Settling unknown orders: asks what `core.settle` wants asked, until the order is known."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.client.lookups import Lookups
from outlast.client.settings import Settings
from outlast.core.orders import OrderEvent
from outlast.core.settle import AbsenceProof, Lookup
from outlast.errors import Failure, Outcome
from outlast.model import Instrument, Order, OrderStatus
from outlast.wire import Clock, VenueCodec

__all__ = ["Settler", "Spawn"]

Spawn = Callable[[Coroutine[Any, Any, None]], object]

_UNSETTLED: Final = (OrderStatus.UNKNOWN, OrderStatus.SUBMITTED)


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
                proof.stuck(now=sent_at)
            else:
                proof.trouble(now=sent_at)
        if is_new:
            self._spawn(self._settle(client_order_id, proof))

    async def _settle(self, client_order_id: str, proof: AbsenceProof) -> None:
        try:
            while (order := self._orders.ledger.get(client_order_id)) is not None:
                if order.status not in _UNSETTLED:
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
                    await self._take(proof, step.lookup, order)
        finally:
            self._running.pop(client_order_id, None)

    async def _take(self, proof: AbsenceProof, lookup: Lookup, order: Order) -> None:
        asked_at = self._clock.now()
        absent = await self._ask(lookup, order, self._instruments[order.symbol])
        now = self._clock.now()
        if isinstance(absent, Failure):
            if lookup is Lookup.FENCE and absent.outcome is Outcome.UNKNOWN:
                proof.trouble(now=now)
            proof.failed(now=now, retry_after_s=absent.retry_after_s or 0.0)
        elif absent:
            proof.absent(lookup, asked_at=asked_at, now=now)

    async def _ask(self, lookup: Lookup, order: Order, instrument: Instrument) -> bool | Failure:
        """True: a complete answer without the order. False: it was found and is booked."""
        match lookup:
            case Lookup.ORDER:
                return await self._lookups.order(order, instrument)
            case Lookup.OPEN_ORDERS:
                shown = await self._lookups.open_orders(
                    instrument, conditional=order.order_type.is_conditional
                )
                return shown if isinstance(shown, Failure) else order.client_order_id not in shown
            case Lookup.EXECUTIONS:
                failure = await self._lookups.executions(
                    instrument, since_ms=self._lookups.since_ms(order)
                )
                if failure is not None:
                    return failure
                known = self._orders.ledger.get(order.client_order_id)
                return known is not None and known.status in _UNSETTLED
            case Lookup.FENCE:
                return await self._ask_fence(instrument)

    async def _ask_fence(self, instrument: Instrument) -> bool | Failure:
        """Have the engine answer for something harmless: the cancel of an id that never was."""
        request = self._codec.cancel_order(instrument, self._fence_id())
        reply = await self._calls.call(request)
        if isinstance(reply, Failure) and reply.kind != "unknown_order":
            return reply
        return True
