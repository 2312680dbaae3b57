"""What becomes of news: each goes into the ledger or the account, once, and is told on.

Nothing in here decides whether the stream is to be relied upon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from outlast.client.account import Account, Instant
from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.instruments import Instruments
from outlast.client.logs import logger
from outlast.client.lookups import CLOCKS_DIFFER_MS, Lookups, is_older_namesake
from outlast.model import Execution, Order, OrderReport
from outlast.private_wire import BalanceTold, OrderTouched, PositionTold

__all__ = ["AccountListener"]

HELD_BACK_S: Final = 0.25
"""An amount that no fill explains yet waits so long for the fill: the venue tells of both at once,
in no order that could be relied upon."""


class AccountListener:
    """Feeds what a stream tells to the rooms that REST feeds as well."""

    def __init__(
        self,
        orders: OrderBookkeeper,
        lookups: Lookups,
        account: Account,
        instruments: Instruments,
        *,
        venue: str,
    ) -> None:
        self._orders = orders
        self._lookups = lookups
        self._account = account
        self._instruments = instruments
        self._log = logger(venue=venue)

    def book(self, execution: Execution) -> bool:
        """Book a fill once; one of an older namesake is no fill of ours."""
        client_order_id = execution.client_order_id
        order = None if client_order_id is None else self._orders.ledger.get(client_order_id)
        if order is not None and order.venue_order_id is None:
            earliest_ms = (order.not_before_ms or 0) - CLOCKS_DIFFER_MS
            if execution.venue_time_ms < earliest_ms:
                return True
        return self._orders.book(execution)

    def hear_order(self, report: OrderReport) -> Order | None:
        """Fold an order in; None for an older namesake, which is not the order that we know."""
        known = self._orders.ledger.get(report.client_order_id)
        if known is not None and is_older_namesake(report, known):
            return None
        for word in report.unrecognised:
            self._log.warning("outlast.word_unrecognised", word=word)
        return self._orders.report(report)

    def hear_amount(self, told: BalanceTold | PositionTold, *, asked: Instant) -> None:
        """`asked`: when the connection subscribed to it."""
        hear: Callable[..., bool] = partial(self._account.hear_balance, asked=asked)
        if isinstance(told, PositionTold):
            hear = self._account.hear_position
        if not hear(told, is_last_call=False):

            def hear_at_last() -> None:
                if not self._orders.is_closed:
                    hear(told, is_last_call=True)

            asyncio.get_running_loop().call_later(HELD_BACK_S, hear_at_last)

    # What the stream tells too little of.

    async def look_into(self, touched: OrderTouched) -> None:
        order = self._orders.ledger.by_venue_id(touched.venue_order_id)
        symbol = order.symbol if order is not None else touched.symbol
        if symbol is None:
            # Not ours as far as we know: the list of what is open tells whether it is.
            await self._lookups.open_orders(None)
            return
        instrument = self._instruments[symbol]
        if order is not None:
            await self._lookups.order(order, instrument)
        elif touched.venue_order_id:
            await self._lookups.adopt(instrument, touched.venue_order_id)

    async def adopt(self, execution: Execution) -> None:
        """A fill of an order that nobody has told of: ask whose it is, then book it."""
        instrument = self._instruments.get(execution.symbol)
        if instrument is None:
            self._log.warning("outlast.fill_unowned", symbol=execution.symbol)
            return
        failure = await self._lookups.adopt(instrument, execution.venue_order_id)
        if failure is not None or not self._orders.book(execution):
            self._log.warning("outlast.fill_unowned", venue_order_id=execution.venue_order_id)
