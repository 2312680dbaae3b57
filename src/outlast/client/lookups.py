"""Questions to the venue about orders and fills, each answer booked on the spot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.errors import Failure
from outlast.model import Execution, Instrument, Order, OrderReport
from outlast.wire import VenueCodec, WireRequest

__all__ = ["CLOCKS_DIFFER_MS", "Lookups", "is_older_namesake"]

CLOCKS_DIFFER_MS: Final = 60_000
"""An order of the same id that is older than our intent by more than this is another one; and this
far back we look for fills. Clocks of one venue differ by less."""

UNMEASURED_MS: Final = 86_400_000
"""So much further back we look where the venue's time of the intent was not measured: our own clock
of then may have been set since. A day is more than a wrong time zone."""

PAGE_WITHIN_S: Final = 30.0
"""For one page of a history. At Kraken's lowest tier each costs 12 s of the counter's decay."""


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
        """Ask for one order by its id. True: the venue has none. False: it was found and booked.

        Where the venue lists those that have ended apart, they are asked for second: an order that
        ends between the two questions is in the second answer.
        """
        shown = await self.shown(order, instrument)
        return True if shown is None else shown if isinstance(shown, Failure) else False

    async def is_open(self, order: Order, instrument: Instrument) -> bool | Failure:
        """By the quickest question there is. False: it is not open, or this question hides it."""
        shown = await self._ask(self._query(order, instrument), instrument, order)
        return shown if isinstance(shown, Failure) else shown is not None

    async def shown(self, order: Order, instrument: Instrument) -> OrderReport | Failure | None:
        """As `order`, and what the venue says of it, which is booked; None: it has none."""
        since_ms = self.since_ms(order)
        request = self._query(order, instrument)
        shown = await self._ask(request, instrument, order)
        if shown is None and order.venue_order_id is None:
            closed = self._codec.query_closed_order(
                instrument, order.client_order_id, since_ms=since_ms
            )
            if closed is not None:
                # The first answer is paid for, and worth nothing without the second.
                deadline = self._calls.now() + PAGE_WITHIN_S
                return await self._ask(closed, instrument, order, deadline=deadline)
        return shown

    def since_ms(self, order: Order) -> int:
        """The venue's time from which on its history can tell of `order`."""
        if order.not_before_ms is not None:
            return order.not_before_ms - CLOCKS_DIFFER_MS
        guessed_ms = self._calls.server_ms_at(order.created_at)
        return min(guessed_ms, self._calls.server_now_ms()) - UNMEASURED_MS

    def has_headroom(self, order: Order, instrument: Instrument) -> bool:
        """True while the limits would be left in part unused if nobody asked for `order`."""
        return self._calls.has_headroom(self._query(order, instrument).costs)

    def _query(self, order: Order, instrument: Instrument) -> WireRequest:
        """By the venue's id where only that finds what has ended, too."""
        if order.venue_order_id is not None and not self._codec.TRAITS.tells_state:
            return self._codec.query_order(instrument, venue_order_id=order.venue_order_id)
        return self._codec.query_order(
            instrument,
            client_order_id=order.client_order_id,
            conditional=order.order_type.is_conditional,
        )

    async def _ask(
        self,
        request: WireRequest,
        instrument: Instrument,
        order: Order,
        *,
        deadline: float | None = None,
    ) -> OrderReport | Failure | None:
        reply = await self._calls.call(request, deadline=deadline)
        report: OrderReport | Failure
        if isinstance(reply, Failure):
            report = reply
        else:
            report = self._codec.read_order(request, reply, instrument)
        if isinstance(report, Failure):
            return None if report.kind == "order_not_found" else report
        if is_older_namesake(report, order):
            return None
        self._orders.report(report)
        return report

    async def several(
        self, orders: Sequence[Order], instrument: Instrument
    ) -> frozenset[str] | Failure | None:
        """Ask for several orders of one instrument at once; the ids of those that were shown.

        None where the venue does not tell of several, or one of them has no id of the venue's.
        """
        names = [order.venue_order_id for order in orders if order.venue_order_id is not None]
        request = self._codec.query_orders(instrument, names) if len(names) == len(orders) else None
        if request is None:
            return None
        return await self._listed_now(request)

    async def open_orders(
        self, instrument: Instrument | None, *, conditional: bool = False
    ) -> frozenset[str] | Failure:
        """Ask for the open orders of one instrument, or of all; their client order ids."""
        if self._codec.TRAITS.lists_account:
            instrument = None
        request = self._codec.query_open_orders(instrument, conditional=conditional)
        return await self._listed_now(request)

    async def _listed_now(self, request: WireRequest) -> frozenset[str] | Failure:
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
        """Ask for the fills of one instrument and book each once; what else is listed, too.

        A fill of an order that we cannot name may be a fill of an unknown one, so the venue is
        asked whose it is.
        """
        of_account = self._codec.TRAITS.lists_account
        async for page in self._pages(instrument, since_ms, of_account=of_account):
            if isinstance(page, Failure):
                return page
            for execution in page:
                owner = self._instruments.get(execution.symbol) or instrument
                failure = await self._book(execution, owner)
                if failure is not None:
                    return failure
        return None

    async def executions_of(self, symbols: Iterable[str], *, since_ms: int) -> Failure | None:
        """As `executions` for each symbol; the first failure."""
        names = sorted(symbols)
        for symbol in names[:1] if self._codec.TRAITS.lists_account else names:
            failure = await self.executions(self._instruments[symbol], since_ms=since_ms)
            if failure is not None:
                return failure
        return None

    async def listed(
        self, wanted: Mapping[str, int]
    ) -> tuple[dict[str, list[Execution]], Failure | None]:
        """As `executions` for each symbol of `wanted`, since its instant (venue ms).

        Gives the complete lists that could be had, by symbol, and the first failure. A fill whose
        order the venue does not show is in its list all the same: it moved the account, whoever
        sent the order.
        """
        if self._codec.TRAITS.lists_account and len(wanted) > 1:
            first = min(wanted, key=lambda symbol: wanted[symbol])
            fills = await self._list(self._instruments[first], wanted[first], of_account=True)
            if isinstance(fills, Failure):
                return {}, fills
            return {s: [e for e in fills if e.symbol == s] for s in wanted}, None
        lists: dict[str, list[Execution]] = {}
        for symbol, since_ms in sorted(wanted.items()):
            fills = await self._list(self._instruments[symbol], since_ms, of_account=False)
            if isinstance(fills, Failure):
                return lists, fills
            lists[symbol] = fills
        return lists, None

    async def _list(
        self, instrument: Instrument, since_ms: int, *, of_account: bool
    ) -> list[Execution] | Failure:
        listed: list[Execution] = []
        async for page in self._pages(instrument, since_ms, of_account=of_account):
            if isinstance(page, Failure):
                return page
            listed += page
            for execution in page:
                await self._book(execution, self._instruments.get(execution.symbol) or instrument)
        return list({(e.venue_order_id, e.execution_id): e for e in listed}.values())

    async def _pages(
        self, instrument: Instrument, since_ms: int, *, of_account: bool = False
    ) -> AsyncGenerator[Sequence[Execution] | Failure, None]:
        """The fills of one instrument, page by page; it ends with the first failure.

        Pages may overlap.
        """
        first = self._codec.query_executions(instrument, since_ms=since_ms)
        page: WireRequest | None = replace(first, symbol=None) if of_account else first
        while page is not None:
            deadline = self._calls.now() + PAGE_WITHIN_S
            reply = await self._calls.call(page, deadline=deadline)
            if isinstance(reply, Failure):
                yield reply
                return
            executions = self._codec.read_executions(page, reply, self._instruments.by_venue_symbol)
            yield executions
            if isinstance(executions, Failure):
                return
            page = self._codec.next_page(page, reply, now_ms=self._calls.server_now_ms())

    async def _book(self, execution: Execution, instrument: Instrument) -> Failure | None:
        if self._orders.book(execution):
            return None
        failure = await self.adopt(instrument, execution.venue_order_id)
        if failure is None:
            self._orders.book(execution)
        return failure

    async def adopt(self, instrument: Instrument, venue_order_id: str) -> Failure | None:
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


def is_older_namesake(report: OrderReport, order: Order) -> bool:
    """True when the venue's own clock shows that it is another order of the same id.

    Where the venue's time of our intent was not measured it is taken for ours: to adopt a namesake
    is loud and soon mended, to call a live order absent doubles it.
    """
    if report.created_ms is None or order.not_before_ms is None:
        return False
    return report.created_ms < order.not_before_ms - CLOCKS_DIFFER_MS
