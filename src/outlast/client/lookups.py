"""Questions to the venue about orders and fills, each answer booked on the spot."""

from __future__ import annotations

from typing import Final

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.errors import Failure
from outlast.model import Instrument, Order
from outlast.wire import VenueCodec

__all__ = ["CLOCKS_DIFFER_MS", "Lookups"]

CLOCKS_DIFFER_MS: Final = 60_000
"""An order of the same id that is older than our intent by more than this is another one; and this
far back we look for fills. Clocks that are compared here differ by less."""


class Lookups:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        instruments: Instruments,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._instruments = instruments

    async def order(self, order: Order, instrument: Instrument) -> bool | Failure:
        """Ask for one order by its id. True: the venue has none. False: it was found and booked."""
        request = self._codec.query_order(
            instrument,
            client_order_id=order.client_order_id,
            conditional=order.order_type.is_conditional,
        )
        reply = await self._calls.call(request)
        if isinstance(reply, Failure):
            return True if reply.kind == "order_not_found" else reply
        report = self._codec.read_order(request, reply, instrument)
        if isinstance(report, Failure):
            return report
        intended_ms = self._calls.server_ms_at(order.created_at)
        if report.created_ms is not None and report.created_ms < intended_ms - CLOCKS_DIFFER_MS:
            return True
        self._orders.report(report)
        return False

    async def open_orders(
        self, instrument: Instrument | None, *, conditional: bool = False
    ) -> frozenset[str] | Failure:
        """Ask for the open orders of one instrument, or of all; their client order ids."""
        request = self._codec.query_open_orders(instrument, conditional=conditional)
        reply = await self._calls.call(request)
        if isinstance(reply, Failure):
            return reply
        reports = self._codec.read_orders(request, reply, self._instruments.by_venue_symbol)
        if isinstance(reports, Failure):
            return reports
        for report in reports:
            self._orders.report(report)
        return frozenset(report.client_order_id for report in reports)

    async def all_open_orders(self) -> frozenset[str] | Failure:
        """Ask for every open order of the account, conditional ones and other programs' too."""
        shown = await self.open_orders(None)
        if isinstance(shown, Failure) or not self._codec.CONDITIONAL_APART:
            return shown
        waiting = await self.open_orders(None, conditional=True)
        return waiting if isinstance(waiting, Failure) else shown | waiting

    async def executions(self, instrument: Instrument, *, since_ms: int) -> Failure | None:
        """Ask for the fills of one instrument and book each once.

        A fill of an order that we cannot name may be a fill of an unknown one, so the venue is
        asked whose it is.
        """
        request = self._codec.query_executions(instrument, since_ms=since_ms)
        reply = await self._calls.call(request)
        if isinstance(reply, Failure):
            return reply
        executions = self._codec.read_executions(request, reply, self._instruments.by_venue_symbol)
        if isinstance(executions, Failure):
            return executions
        for execution in executions:
            if self._orders.book(execution):
                continue
            failure = await self._adopt(instrument, execution.venue_order_id)
            if failure is not None:
                return failure
            self._orders.book(execution)
        return None

    async def _adopt(self, instrument: Instrument, venue_order_id: str) -> Failure | None:
        """Learn an order that we only know by the venue's own id."""
        request = self._codec.query_order(instrument, venue_order_id=venue_order_id)
        reply = await self._calls.call(request)
        if isinstance(reply, Failure):
            return reply
        report = self._codec.read_order(request, reply, instrument)
        if isinstance(report, Failure):
            return report
        self._orders.report(report)
        return None
