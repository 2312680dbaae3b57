"""One order as the venue counts it.

In the engine a conditional order that fires becomes a second order; on this venue it stays the
same one, keeps its number and starts to work. Everything the dialect shows goes through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import OrderSnapshot
from outlast.mock.engine.model import Execution, Order, OrderStatus
from outlast.mock.venues.binance_um.client_ids import letters
from outlast.mock.venues.binance_um.order_views import history_snapshot

__all__ = ["SpotOrder", "as_of", "find", "first_of", "listed", "reported", "working_part"]

_STATUSES: Final = {
    OrderStatus.NEW: "NEW",
    OrderStatus.UNTRIGGERED: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "EXPIRED",  # it fired and could not be worked; see `expiry_reason`
}
_EXPIRY_REASONS: Final = {
    "venue": "EXCHANGE_CANCELED",
    "ioc": "UNFILLED_IOC_QUANTITY_EXPIRED",
    "fok": "UNFILLED_FOK_ORDER_EXPIRED",
    "no_liquidity": "INSUFFICIENT_LIQUIDITY",
    "market_bound": "EXECUTION_RULE_PRICE_RANGE_EXCEEDED",
}


@dataclass(frozen=True, slots=True)
class SpotOrder:
    """An order at one instant; `fills` are those the venue's reports show."""

    first: OrderSnapshot
    """As it was placed."""
    last: OrderSnapshot
    """What works now: the same, or what the conditional order became."""
    fills: tuple[Execution, ...] = ()

    @property
    def order_id(self) -> int:
        return self.first.order_id

    @property
    def engine_ids(self) -> tuple[int, ...]:
        """The engine's orders that it is made of."""
        return tuple(dict.fromkeys((self.first.order_id, self.last.order_id)))

    @property
    def client_id(self) -> str:
        """The client's id; orders that a scenario starts with have one as from the web."""
        named = self.last.request.client_order_id
        return named or f"web_{letters(18, 'web order', self.order_id)}"

    @property
    def is_working(self) -> bool:
        """False while it waits for its stop price, and when it ended waiting."""
        return not self.first.request.type.is_conditional or self.last is not self.first

    @property
    def working_ms(self) -> int:
        """Since when it has been on the book; -1 when never."""
        return self.last.created_ms if self.is_working else -1

    @property
    def is_open(self) -> bool:
        return self.last.status.is_open

    @property
    def status(self) -> str:
        """The venue's status word.

        What the venue itself ends is EXPIRED, never CANCELED. Source: Binance spot docs, enums.md.
        """
        last = self.last
        if not last.status.is_open and last.end_reason == "stp":
            return "EXPIRED_IN_MATCH"
        if last.status is OrderStatus.CANCELED and last.end_reason == "venue":
            return "EXPIRED"
        return _STATUSES[last.status]

    @property
    def expiry_reason(self) -> str | None:
        """Why it is EXPIRED, or None when it is not."""
        if self.status != "EXPIRED":
            return None
        return _EXPIRY_REASONS.get(self.last.end_reason, "REJECTED")

    @property
    def filled_qty(self) -> Decimal:
        return self.last.filled_qty

    @property
    def filled_quote(self) -> Decimal:
        return self.last.filled_quote


def reported(engine: Engine, order: Order) -> SpotOrder:
    """The order as the venue's reports show it now; `order` may be either part of it."""
    first = first_of(engine, order)
    last = working_part(engine, first)
    fills = tuple(e for e in last.executions if e.visible_ms <= engine.now_ms)
    told = engine.reported(first)
    return SpotOrder(told, told if last is first else engine.reported(last), fills)


def as_of(engine: Engine, order: Order, cutoff_ms: int) -> SpotOrder:
    """The order as a history that is late knew it at `cutoff_ms`."""
    first = first_of(engine, order)
    last = working_part(engine, first)
    told = history_snapshot(first, cutoff_ms)
    if last is first or last.created_ms > cutoff_ms:
        return SpotOrder(told, told)
    return SpotOrder(told, history_snapshot(last, cutoff_ms))


def first_of(engine: Engine, order: Order) -> Order:
    """The conditional order that `order` came from, or itself."""
    if order.triggered_from is None:
        return order
    return engine.find(order.account, order_id=order.triggered_from) or order


def working_part(engine: Engine, first: Order) -> Order:
    """The engine's order that can be filled or cancelled now."""
    if first.became is None:
        return first
    return engine.find(first.account, order_id=first.became) or first


def find(
    engine: Engine, account: str, symbol: str, order_id: int | None, client_id: str | None
) -> Order | None:
    """The first part of the order with this number, or the newest with this client id."""
    if order_id is not None:
        order = engine.find(account, symbol=symbol, order_id=order_id)
        # The second part's number is the engine's own affair.
        return None if order is None or order.triggered_from is not None else order
    order = engine.find(account, symbol=symbol, client_order_id=client_id)
    if order is None and client_id is not None and client_id.startswith("web_"):
        for other in engine.orders(account, symbol):
            if reported(engine, other).client_id == client_id:
                return first_of(engine, other)
    return None if order is None else first_of(engine, order)


def listed(engine: Engine, account: str, symbol: str | None) -> list[Order]:
    """The first parts of all orders, oldest first."""
    return [order for order in engine.orders(account, symbol) if order.triggered_from is None]
