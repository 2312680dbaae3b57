"""Settling lost amendments: asks the order itself, until its terms tell what became of them.

The new terms in the venue's words are the proof that they are in force. The old ones prove nothing
before the amendment can no longer land: the proof is that of an order's absence, with "the order
has its old terms" in the place of "the venue has no such order".
"""

from __future__ import annotations

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.instruments import Instruments
from outlast.client.lookups import Lookups
from outlast.client.settings import Settings
from outlast.client.settling import Settler, Spawn
from outlast.core.settle import AbsenceProof, Lookup
from outlast.errors import Failure, Outcome
from outlast.model import Amendment, Order
from outlast.wire import Clock

__all__ = ["AmendSettler"]

_LOOKUPS = (Lookup.ORDER, Lookup.OPEN_ORDERS, Lookup.EXECUTIONS)
"""One answer about the order tells as much of its terms as all three of them."""


class AmendSettler:
    """One background task per unknown amendment."""

    def __init__(
        self,
        orders: OrderBookkeeper,
        lookups: Lookups,
        settler: Settler,
        instruments: Instruments,
        *,
        clock: Clock,
        settings: Settings,
        spawn: Spawn,
    ) -> None:
        self._orders = orders
        self._lookups = lookups
        self._settler = settler
        self._instruments = instruments
        self._clock = clock
        self._settings = settings
        self._spawn = spawn
        self._running: dict[str, AbsenceProof] = {}
        """By order: the proof about the amendment that was asked for last."""

    def begin(self, client_order_id: str, *, sent_at: float, silent_s: float | None = None) -> None:
        """Settle in the background; see `Settler.begin`."""
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
        order = self._orders.ledger.get(client_order_id)
        assert order is not None
        assert order.amendment is not None
        self._spawn(self._settle(client_order_id, order.amendment, proof))

    async def _settle(self, client_order_id: str, asked: Amendment, proof: AbsenceProof) -> None:
        try:
            while (order := self._unsure(client_order_id, asked)) is not None:
                step = proof.next_step(self._clock.now())
                if step is None:
                    self._orders.amend_settled(
                        client_order_id,
                        terms=None,
                        because="amend_not_in_force",
                        reason="the order has its old terms, long after the new ones could land",
                    )
                    return
                await self._orders.changed(client_order_id, until=step.at)
                if self._clock.now() >= step.at and self._unsure(client_order_id, asked):
                    await self._take(proof, step.lookup, order, asked)
        finally:
            if self._running.get(client_order_id) is proof:
                del self._running[client_order_id]

    def _unsure(self, client_order_id: str, asked: Amendment) -> Order | None:
        """The order while it is this amendment of which nobody knows; a later one is another's."""
        order = self._orders.ledger.get(client_order_id)
        return order if order is not None and order.amendment == asked else None

    async def _take(
        self, proof: AbsenceProof, lookup: Lookup, order: Order, asked: Amendment
    ) -> None:
        asked_at = self._clock.now()
        instrument = self._instruments[order.symbol]
        if lookup is Lookup.FENCE:
            passed = await self._settler.ask_fence(instrument)
            now = self._clock.now()
            if not isinstance(passed, Failure):
                proof.absent(lookup, asked_at=asked_at, now=now)
                return
            if passed.outcome is Outcome.UNKNOWN:
                proof.trouble(now=now)
            proof.failed(now=now, retry_after_s=passed.retry_after_s or 0.0)
            return
        report = await self._lookups.shown(order, instrument)
        now = self._clock.now()
        if isinstance(report, Failure):
            proof.failed(now=now, retry_after_s=report.retry_after_s or 0.0)
        elif report is None:
            proof.failed(now=now)  # queries lag: an order that was there is not gone for that
        elif self._unsure(order.client_order_id, asked) is None:
            return  # by this answer, or while it was under way
        elif (report.price, report.qty) == (asked.price, asked.qty) and asked_at >= proof.horizon:
            # Words without a time, of terms that it had before: by now they are today's.
            terms = (report.price, report.qty)
            self._orders.amend_settled(order.client_order_id, terms=terms, because="amended")
        else:
            for each in _LOOKUPS:
                proof.absent(each, asked_at=asked_at, now=now)
