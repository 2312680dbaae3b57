"""Conditional orders that wait for their price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import NewOrder, Order, OrderType, Side

__all__ = ["TriggerDesk", "is_reached"]

_STOPS: Final = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
_ONE: Final = Decimal(1)


def is_reached(request: NewOrder, price: Decimal) -> bool:
    """Whether a stop or take-profit fires at this price.

    A stop fires when the price has moved against the order's side (a sell stop at or below its
    stop price), a take-profit the other way round. A trailing stop never fires by this alone.
    """
    stop = request.stop_price
    if stop is None or request.type is OrderType.TRAILING_STOP_MARKET:
        return False
    fires_below = (request.side is Side.SELL) == (request.type in _STOPS)
    return price <= stop if fires_below else price >= stop


@dataclass(slots=True)
class _Watch:
    order: Order
    extreme: Decimal | None = None
    """Trailing stops: the best price since activation."""


class TriggerDesk:
    """The conditional orders of one instrument."""

    def __init__(self) -> None:
        self._watches: dict[int, _Watch] = {}

    def __bool__(self) -> bool:
        return bool(self._watches)

    def watch(self, order: Order) -> None:
        self._watches[order.order_id] = _Watch(order)

    def drop(self, order_id: int) -> None:
        self._watches.pop(order_id, None)

    def due(self, price: Decimal, mark: Decimal) -> list[Order]:
        """Look at a new price; return the orders that fire, oldest first."""
        fired = []
        for watch in self._watches.values():
            request = watch.order.request
            seen = mark if request.trigger_on_mark else price
            if request.type is OrderType.TRAILING_STOP_MARKET:
                if _trails(watch, seen):
                    fired.append(watch.order)
            elif is_reached(request, seen):
                fired.append(watch.order)
        return fired

    def state(self) -> tuple[object, ...]:
        """For the digest."""
        return tuple((key, watch.extreme) for key, watch in self._watches.items())


def _trails(watch: _Watch, price: Decimal) -> bool:
    """Follow the price; `stop_price`, if given, is where the trailing starts.

    A sell starts at or above its activation price and fires when the price has fallen from its
    highest by `trailing_rate`; a buy mirrors it.
    """
    request = watch.order.request
    assert request.trailing_rate is not None
    sells = request.side is Side.SELL
    if watch.extreme is None:
        start = request.stop_price
        if start is not None and (price < start if sells else price > start):
            return False
        watch.extreme = price
    if sells:
        watch.extreme = max(watch.extreme, price)
        return price <= watch.extreme * (_ONE - request.trailing_rate)
    watch.extreme = min(watch.extreme, price)
    return price >= watch.extreme * (_ONE + request.trailing_rate)
