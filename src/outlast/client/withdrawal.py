"""Takes our resting entries out of the market before the venue stands still.

Orders rest through a maintenance, and can fill in one stroke when matching begins again, at prices
that nobody quotes any more. So they are cancelled when new risk is held for an announced
maintenance, and where a venue takes nothing but cancels. Reduce-only orders and orders that wait
for a price (stops) stay: they are what protects. Orders of other programs are never touched.

Source: Kraken's API documentation on trading modes (resting orders survive a maintenance; cancels
are taken in `cancel_only`, not in `maintenance`), and its advice to cancel five minutes before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from outlast.client.bookkeeping import OrderBookkeeper
from outlast.client.events import EventBus, QuotesWithdrawn
from outlast.client.health import HealthDesk
from outlast.client.journal import Journal
from outlast.client.logs import logger
from outlast.client.orders import CancelReport
from outlast.model import Order
from outlast.notices import STANDING_STILL, VenueMode
from outlast.wire import Clock

__all__ = ["QuoteWithdrawal"]

LOOK_EVERY_S: Final = 1.0
AGAIN_S: Final = 5.0
AGAIN_S_MAX: Final = 30.0
"""Between two tries to cancel what could not be cancelled."""


class QuoteWithdrawal:
    def __init__(
        self,
        orders: OrderBookkeeper,
        health: HealthDesk,
        cancel_many: Callable[[Sequence[str]], Awaitable[CancelReport]],
        *,
        clock: Clock,
        journal: Journal,
        events: EventBus,
        venue: str,
    ) -> None:
        """`cancel_many` cancels orders by their ids, as `Session.cancel_many` does."""
        self._orders = orders
        self._health = health
        self._cancel_many = cancel_many
        self._clock = clock
        self._journal = journal
        self._events = events
        self._log = logger(venue=venue)
        self._pause_s = AGAIN_S

    async def watch_for_ever(self) -> None:
        while True:
            await self._clock.sleep(LOOK_EVERY_S)
            due = [(order, why) for order in self._quotes() if (why := self._why(order))]
            if not due:
                self._pause_s = AGAIN_S
                continue
            if not await self._withdraw([order for order, _ in due], due[0][1]):
                await self._clock.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, AGAIN_S_MAX)

    def _quotes(self) -> list[Order]:
        """Our own plain orders that rest and may add risk."""
        return [
            order
            for order in self._orders.ledger.open()
            if not (order.is_external or order.reduce_only or order.order_type.is_conditional)
        ]

    def _why(self, order: Order) -> str:
        """Why it is taken out of the market now; empty while it may stay."""
        modes = self._health.modes
        mode = modes.of(order.symbol)
        if modes.mode in STANDING_STILL or mode in STANDING_STILL:
            return ""  # no cancel is taken there
        if modes.mode is VenueMode.CANCEL_ONLY:
            return "the venue takes only cancels"
        if mode is VenueMode.CANCEL_ONLY:
            return f"{order.symbol} takes only cancels"
        planned = self._health.schedule.closing()
        return "" if planned is None else f"{planned.title!r} is announced"

    async def _withdraw(self, quotes: list[Order], why: str) -> bool:
        """Cancel them, and tell which; True when none is left."""
        report = await self._cancel_many([order.client_order_id for order in quotes])
        gone = [order.client_order_id for order in report.canceled]
        if gone:
            self._log.warning("outlast.quotes_withdrawn", orders=len(gone), reason=why)
            self._journal.note("quotes.withdrawn", client_order_ids=gone, reason=why)
            self._events.publish(QuotesWithdrawn(client_order_ids=tuple(gone), reason=why))
        if report.failed:
            self._log.warning("outlast.quotes_left", orders=len(report.failed), reason=why)
        return not report.failed
