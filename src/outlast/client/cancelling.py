"""Cancelling several orders: in as few requests as the venue takes, each accounted for by itself.

Kraken charges eight cancels of young orders more than its counter holds, and takes a batch of them
all the same; Binance USD-M takes ten in a request. What a batch does not tell of an order by itself
is asked of the venue, as after any cancel: an order that is not open any more may be filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.calls import CallDesk
from outlast.client.instruments import Instruments
from outlast.client.lookups import Lookups
from outlast.client.orders import CancelReport, OrderDesk
from outlast.client.raising import order_error
from outlast.errors import Failure, Layer, Outcome, OutlastError, Remedy, UnknownOrder
from outlast.model import Instrument, Order, OrderReport, OrderStatus
from outlast.wire import Clock, VenueCodec, WireReply, WireRequest

__all__ = ["CancelDesk"]

STREAM_FIRST_S: Final = 1.0
"""A stream that is well has told by then what became of them."""
LOOK_FIRST_S: Final = 0.5
LOOK_WITHIN_S: Final = 5.0
"""A cancel that was confirmed may not be effective yet (Kraken's `pending`); longer than this it is
left to the polls."""

_OPEN: Final = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
_STILL_OPEN: Final = Failure(
    layer=Layer.BUSINESS,
    kind="canceled_without_details",
    outcome=Outcome.UNKNOWN,
    remedy=Remedy.SETTLE,
    message="the cancel was confirmed, and the venue still shows the order as open",
)


class CancelDesk:
    def __init__(
        self,
        codec: VenueCodec,
        calls: CallDesk,
        orders: OrderBookkeeper,
        desk: OrderDesk,
        lookups: Lookups,
        instruments: Instruments,
        *,
        clock: Clock,
    ) -> None:
        self._codec = codec
        self._calls = calls
        self._orders = orders
        self._desk = desk
        self._lookups = lookups
        self._instruments = instruments
        self._clock = clock

    async def cancel_many(self, client_order_ids: Iterable[str]) -> CancelReport:
        """See `Session.cancel_many`."""
        if isinstance(client_order_ids, str):
            raise TypeError(
                f"client_order_ids is {client_order_ids!r}, one text; pass a list of ids, or use "
                "cancel() for one"
            )
        return await self._cancel(
            [self._required(name) for name in dict.fromkeys(client_order_ids)]
        )

    async def cancel_all(self, symbol: str | None = None) -> CancelReport:
        """See `Session.cancel_all`."""
        wanted = None if symbol is None else self._instruments[symbol].symbol
        ledger = self._orders.ledger
        mine = [o for o in ledger.open(wanted) if not o.is_external]
        mine += [o for o in ledger.unknown(wanted) if not o.is_external]
        return await self._cancel(mine)

    async def _cancel(self, orders: Sequence[Order]) -> CancelReport:
        batches = [*self._batches(orders)]
        in_batches = {order.client_order_id for batch in batches for order in batch}
        alone = [o for o in orders if o.client_order_id not in in_batches]
        done = await asyncio.gather(
            *(self._cancel_batch(batch) for batch in batches),
            *(self._cancel_one(order) for order in alone),
        )
        results: dict[str, Order | OutlastError] = {}
        for part in done:
            results |= part
        canceled: list[Order] = []
        otherwise: list[Order] = []
        failed: list[tuple[str, OutlastError]] = []
        for order in orders:
            result = results[order.client_order_id]
            if isinstance(result, OutlastError):
                failed.append((order.client_order_id, result))
            else:
                (canceled if result.status is OrderStatus.CANCELED else otherwise).append(result)
        return CancelReport(tuple(canceled), tuple(otherwise), tuple(failed))

    def _batches(self, orders: Sequence[Order]) -> Iterator[list[Order]]:
        """Those that can go together, by symbol; two at least."""
        most = self._codec.TRAITS.cancels_at_once
        if most < 2:
            return
        together = [order for order in orders if self._may_share(order)]
        for _, of_symbol in groupby(sorted(together, key=_symbol), key=_symbol):
            rest = [*of_symbol]
            while len(rest) > 1:
                yield rest[:most]
                rest = rest[most:]

    def _may_share(self, order: Order) -> bool:
        """One that may be live, or not, has questions of its own."""
        is_apart = self._codec.CONDITIONAL_APART and order.order_type.is_conditional
        return order.status in _OPEN and order.venue_order_id is not None and not is_apart

    async def _cancel_one(self, order: Order) -> Mapping[str, Order | OutlastError]:
        name = order.client_order_id
        try:
            return {name: await self._desk.cancel(name)}
        except OutlastError as error:
            return {name: error}

    async def _cancel_batch(self, orders: Sequence[Order]) -> Mapping[str, Order | OutlastError]:
        names = [order.client_order_id for order in orders]
        instrument = self._instruments[orders[0].symbol]
        request = self._codec.cancel_orders(instrument, orders)
        assert request is not None, "the venue says that it takes several"
        for name in names:
            self._orders.ask_cancel(name, asked=True)
        try:
            failures = await self._ask(request, names, instrument)
        finally:
            for name in names:
                if not self._known(name).status.is_final:
                    self._orders.ask_cancel(name, asked=False)
        return {name: self._result(name, failures.get(name)) for name in names}

    async def _ask(
        self, request: WireRequest, names: Sequence[str], instrument: Instrument
    ) -> Mapping[str, Failure]:
        """Send the cancel and find out what became of each; why, for those of which it is not known
        or which it has not ended.
        """
        answer = await self._calls.call(
            request, on_late=lambda _, late: self._heard_late(request, instrument, late)
        )
        told: Mapping[str, OrderReport | Failure] | Failure
        if isinstance(answer, Failure):
            told = answer
        else:
            told = self._codec.read_canceled(request, answer, instrument)
        if isinstance(told, Failure):
            if told.outcome is Outcome.UNKNOWN:
                await self._look(names, instrument)
            return dict.fromkeys(names, told)
        failures: dict[str, Failure] = {}
        for name, word in told.items():
            if isinstance(word, Failure):
                failures[name] = word
            else:
                self._orders.report(word)
        await self._find_out([n for n in names if _needs_look(failures.get(n))], instrument)
        return dict.fromkeys(names, _STILL_OPEN) | failures

    def _heard_late(
        self, request: WireRequest, instrument: Instrument, answer: WireReply | Failure
    ) -> None:
        if isinstance(answer, Failure):
            return
        told = self._codec.read_canceled(request, answer, instrument)
        if not isinstance(told, Failure):
            for word in told.values():
                if not isinstance(word, Failure):
                    self._orders.report(word)

    async def _find_out(self, names: Sequence[str], instrument: Instrument) -> None:
        """Wait for the stream to tell how they ended, and ask for those of which it does not."""
        if self._desk.stream_is_live():
            until = self._clock.now() + STREAM_FIRST_S
            await asyncio.gather(*(self._told_of_end(name, until) for name in names))
        until, pause_s = self._clock.now() + LOOK_WITHIN_S, LOOK_FIRST_S
        while left := [name for name in names if not self._known(name).status.is_final]:
            await self._look(left, instrument)
            wait_s = min(pause_s, until - self._clock.now())
            if wait_s <= 0 or all(self._known(name).status.is_final for name in left):
                return
            await self._clock.sleep(wait_s)
            pause_s *= 2

    async def _told_of_end(self, name: str, until: float) -> None:
        while not self._known(name).status.is_final:
            if not await self._orders.changed(name, until=until):
                return

    async def _look(self, names: Sequence[str], instrument: Instrument) -> None:
        """Ask the venue for them: all at once where it tells of several."""
        orders = [self._known(name) for name in names if not self._known(name).status.is_final]
        shown = await self._lookups.several(orders, instrument) if orders else frozenset[str]()
        if shown is None or (isinstance(shown, Failure) and not shown.infrastructure):
            await asyncio.gather(*(self._desk.look_for(order, instrument) for order in orders))

    def _result(self, name: str, failure: Failure | None) -> Order | OutlastError:
        order = self._known(name)
        if order.status.is_final:
            return order
        assert failure is not None
        if failure.kind == "unknown_order":
            failure = replace(failure, outcome=Outcome.UNKNOWN)
        return order_error(
            failure,
            venue=self._codec.VENUE,
            client_order_id=name,
            clock=self._clock,
            evidence_id=None,
            doing=f"the cancel of order {name}",
            is_cancel=True,
        )

    def _required(self, name: str) -> Order:
        order = self._orders.ledger.get(name)
        if order is None:
            raise UnknownOrder(
                f"no order {name!r} is known to this session, so none of them was cancelled; ids "
                "come from Order.client_order_id",
                venue=self._codec.VENUE,
            )
        return order

    def _known(self, name: str) -> Order:
        order = self._orders.ledger.get(name)
        assert order is not None
        return order


def _symbol(order: Order) -> str:
    return order.symbol


def _needs_look(failure: Failure | None) -> bool:
    """True where the answer does not tell how the order stands."""
    if failure is None:
        return True
    return failure.kind == "unknown_order" or failure.outcome is Outcome.UNKNOWN
