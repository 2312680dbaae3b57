"""An order as a ccxt bot asks for it, and as ccxt shows it, in this package's own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from outlast.model import (
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)

__all__ = ["Terms", "amount_of", "id_of", "report_of", "shows"]

_STATUSES: Final[Mapping[str, OrderStatus]] = {
    "open": OrderStatus.ACCEPTED,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
    "canceling": OrderStatus.ACCEPTED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}
"""Source: ccxt manual, "Order structure"."""
_TRIGGERS: Final = (
    "triggerPrice",
    "stopPrice",
    "stopLossPrice",
    "takeProfitPrice",
    "trailingPercent",
    "trailingDelta",
    "trailingAmount",
    "callbackRate",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What tells one intent from another. Two calls with equal terms ask for the same."""

    symbol: str
    type: str
    side: str
    qty: Decimal | None
    price: Decimal | None
    reduce_only: bool
    trigger: Decimal | None
    on_margin: bool = field(default=False, compare=False)
    post_only: bool = field(default=False, compare=False)
    """Both are left out of the comparison: a journal does not tell them."""

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Terms:
        params = asked.get("params") or {}
        trigger = next((params[name] for name in _TRIGGERS if params.get(name) is not None), None)
        close = params.get("closePosition")
        return cls(
            symbol=str(asked.get("symbol")),
            type=str(asked.get("type") or "").lower(),
            side=str(asked.get("side") or "").lower(),
            qty=amount_of(asked.get("amount")),
            price=amount_of(asked.get("price")),
            reduce_only=_is_true(params.get("reduceOnly")) or _is_true(close),
            trigger=amount_of(trigger),
            on_margin=any(params.get(name) for name in ("leverage", "margin", "marginMode")),
            post_only=_is_true(params.get("postOnly"))
            or str(params.get("timeInForce")).upper() in ("PO", "GTX"),
        )

    @property
    def is_conditional(self) -> bool:
        return self.trigger is not None or self.type not in ("limit", "market")

    @property
    def shape(self) -> str:
        """For the circuit of refusals: the terms that funds, position and mode depend on."""
        reduce = " reduce_only" if self.reduce_only else ""
        return f"{self.side} {self.type} qty={self.qty}{reduce}"

    def request(self, client_order_id: str | None) -> OrderRequest:
        return OrderRequest(
            symbol=self.symbol,
            side=Side.SELL if self.side == "sell" else Side.BUY,
            order_type=self._order_type(),
            qty=self.qty or Decimal(0),
            price=self.price,
            stop_price=self.trigger,
            time_in_force=TimeInForce.GTC,
            reduce_only=self.reduce_only,
            client_order_id=client_order_id,
        )

    def _order_type(self) -> OrderType:
        if not self.is_conditional:
            return OrderType.MARKET if self.type == "market" else OrderType.LIMIT
        return OrderType.STOP_MARKET if self.price is None else OrderType.STOP_LIMIT


def report_of(shown: Mapping[str, Any], order: Order) -> OrderReport:
    """What a ccxt order structure says of `order`. What it leaves out stays as it was asked for."""
    filled = amount_of(shown.get("filled")) or Decimal(0)
    qty = amount_of(shown.get("amount")) or order.qty
    status = _STATUSES.get(str(shown.get("status") or "open"), OrderStatus.ACCEPTED)
    if status is OrderStatus.ACCEPTED and filled > 0:
        status = OrderStatus.PARTIALLY_FILLED
    timestamp = shown.get("timestamp")
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=str(shown.get("id") or ""),
        symbol=order.symbol,
        status=status,
        side=order.side,
        order_type=order.order_type,
        qty=qty,
        filled_qty=filled,
        price=order.price,
        stop_price=order.stop_price,
        avg_price=amount_of(shown.get("average")),
        reduce_only=order.reduce_only,
        created_ms=timestamp if isinstance(timestamp, int) else None,
    )


def id_of(shown: Mapping[str, Any]) -> str | None:
    """Our id on an order as ccxt shows it; ccxt 4.4 leaves Kraken's in the venue's own words."""
    info = shown.get("info")
    own = info.get("cl_ord_id") if isinstance(info, dict) else None
    found = own or shown.get("clientOrderId")
    return None if not found else str(found)


def shows(shown: Mapping[str, Any], order: Order, terms: Terms | None, *, since_ms: float) -> bool:
    """Whether a ccxt order structure is of `order`.

    By our id where the venue has kept it; else, where none could be given, by its terms and time.
    """
    if (client_order_id := id_of(shown)) is not None:
        return client_order_id == order.client_order_id
    if terms is None:
        return False
    at = shown.get("timestamp")
    return (
        shown.get("symbol") == order.symbol
        and shown.get("side") == order.side.value
        and amount_of(shown.get("amount")) == order.qty
        and (order.price is None or amount_of(shown.get("price")) == order.price)
        and isinstance(at, int | float)
        and at >= since_ms
    )


def amount_of(value: Any) -> Decimal | None:
    """ccxt's floats are what their shortest text says; None stays None."""
    if value is None or isinstance(value, bool):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount.normalize() if amount.is_finite() else None


def _is_true(value: Any) -> bool:
    return value is True or str(value).lower() == "true"
