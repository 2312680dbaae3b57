"""What the venue reports, and when: events, at once or as late as the scenario delays fills.

Events of one order, and those of one account's ledger, are told in the order in which they
happened: what follows a delayed fill waits behind it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from outlast.mock.engine.events import (
    BalanceEvent,
    EngineEvent,
    FundingEvent,
    InstrumentEvent,
    OrderEvent,
    OrderEventKind,
    OrderSnapshot,
    PositionEvent,
    TradeEvent,
)
from outlast.mock.engine.model import Execution, Order
from outlast.mock.engine.views import PublicTrade

__all__ = ["Reports"]

_Late = OrderEvent | BalanceEvent | PositionEvent


class Reports:
    def __init__(self) -> None:
        self._listeners: list[tuple[Callable[[EngineEvent], None], bool]] = []
        self._waiting: list[tuple[int, int, _Late]] = []
        self._count = 0
        self._order_shown_ms: dict[int, int] = {}
        self._ledger_shown_ms: dict[str, int] = {}
        self._told: dict[int, OrderSnapshot] = {}
        self.wants_trades = False

    def listen(self, listener: Callable[[EngineEvent], None], *, public_trades: bool) -> None:
        self._listeners.append((listener, public_trades))
        self.wants_trades = self.wants_trades or public_trades

    # -- telling ----------------------------------------------------------------------------

    def fill_shown_ms(self, order_id: int, now_ms: int, delay_ms: int) -> int:
        """When a fill of this order that happens now will be reported."""
        return max(now_ms + delay_ms, self._order_shown_ms.get(order_id, now_ms))

    def order(
        self,
        kind: OrderEventKind,
        order: Order,
        now_ms: int,
        *,
        silent: bool,
        execution: Execution | None = None,
    ) -> None:
        shown_ms = max(now_ms, self._order_shown_ms.get(order.order_id, now_ms))
        if execution is not None:
            shown_ms = max(shown_ms, execution.visible_ms)
        self._order_shown_ms[order.order_id] = shown_ms
        event = OrderEvent(
            kind=kind,
            account=order.account,
            order=OrderSnapshot.of(order),
            execution=execution,
            at_ms=now_ms,
            shown_ms=shown_ms,
            silent=silent,
        )
        self._send(event, now_ms)

    def ledger_shown_ms(self, account: str, now_ms: int, delay_ms: int) -> int:
        """When a change of this account's ledger that happens now will be reported."""
        shown_ms = max(now_ms + delay_ms, self._ledger_shown_ms.get(account, now_ms))
        self._ledger_shown_ms[account] = shown_ms
        return shown_ms

    def ledger(self, event: BalanceEvent | PositionEvent, now_ms: int) -> None:
        self._send(event, now_ms)

    def funding(self, event: FundingEvent) -> None:
        self._tell(event)

    def instrument(self, event: InstrumentEvent) -> None:
        self._tell(event)

    def trade(self, trade: PublicTrade) -> None:
        for listener, public_trades in self._listeners:
            if public_trades:
                listener(TradeEvent(trade))

    # -- time -------------------------------------------------------------------------------

    def next_ms(self) -> int | None:
        """When the next delayed event is due."""
        return self._waiting[0][0] if self._waiting else None

    def tell_due(self, now_ms: int) -> None:
        """Tell what has become visible."""
        while self._waiting and self._waiting[0][0] <= now_ms:
            self._tell(heapq.heappop(self._waiting)[2])

    def told(self, order_id: int) -> OrderSnapshot | None:
        """The order as last reported."""
        return self._told.get(order_id)

    def oldest_held_back_ms(self) -> int | None:
        """When the oldest event happened that has not been told yet; None: all is told."""
        return min((event.at_ms for _due, _number, event in self._waiting), default=None)

    def is_held_back(self, order_id: int, now_ms: int) -> bool:
        """Whether something of the order is still to be told."""
        return self._order_shown_ms.get(order_id, now_ms) > now_ms

    def forget(self, order_id: int) -> None:
        """Know nothing any more of an order of which all has been told."""
        self._order_shown_ms.pop(order_id, None)
        self._told.pop(order_id, None)

    def _send(self, event: _Late, now_ms: int) -> None:
        if event.shown_ms <= now_ms:
            self._tell(event)
        else:
            self._count += 1
            heapq.heappush(self._waiting, (event.shown_ms, self._count, event))

    def _tell(self, event: _Late | FundingEvent | InstrumentEvent) -> None:
        if isinstance(event, OrderEvent):
            self._told[event.order.order_id] = event.order
        for listener, _ in self._listeners:
            listener(event)
