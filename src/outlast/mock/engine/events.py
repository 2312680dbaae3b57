"""What the engine tells its listeners, in the order in which the venue reports it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

from outlast.mock.engine.model import Execution, Instrument, NewOrder, Order, OrderStatus
from outlast.mock.engine.views import PublicTrade

__all__ = [
    "BalanceEvent",
    "EngineEvent",
    "FundingEvent",
    "InstrumentEvent",
    "OrderEvent",
    "OrderEventKind",
    "OrderSnapshot",
    "PositionEvent",
    "TradeEvent",
]


class OrderEventKind(Enum):
    NEW = "new"
    TRADE = "trade"
    CANCELED = "canceled"
    EXPIRED = "expired"
    """Ended by the venue; `end_reason` says why (`triggered`: a conditional order that fired)."""
    AMENDED = "amended"
    CALCULATED = "calculated"
    """A liquidation's fill."""
    REJECTED = "rejected"
    """A conditional order that fired and was then refused; `end_reason` is the `RejectReason`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSnapshot:
    """An order's values at one instant."""

    order_id: int
    account: str
    request: NewOrder
    status: OrderStatus
    created_ms: int
    updated_ms: int
    filled_qty: Decimal
    filled_quote: Decimal
    end_reason: str
    triggered_from: int | None
    became: int | None

    @classmethod
    def of(cls, order: Order) -> OrderSnapshot:
        return cls(
            order_id=order.order_id,
            account=order.account,
            request=order.request,
            status=order.status,
            created_ms=order.created_ms,
            updated_ms=order.updated_ms,
            filled_qty=order.filled_qty,
            filled_quote=order.filled_quote,
            end_reason=order.end_reason,
            triggered_from=order.triggered_from,
            became=order.became,
        )

    @property
    def leaves_qty(self) -> Decimal:
        return self.request.qty - self.filled_qty

    @property
    def avg_price(self) -> Decimal:
        return self.filled_quote / self.filled_qty if self.filled_qty else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """`order` is the order right after this event. Events of one order keep their order: what
    follows a delayed fill waits behind it."""

    kind: OrderEventKind
    account: str
    order: OrderSnapshot
    execution: Execution | None
    at_ms: int
    """When it happened; told at `shown_ms`."""
    shown_ms: int
    silent: bool
    """Not for the user stream; truth only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceEvent:
    """An asset's total changed (or, on spot, its lock); told together with the fill it follows."""

    account: str
    asset: str
    total: Decimal
    free: Decimal
    locked: Decimal
    reason: str
    """`order`, `funding` or `insurance` (the venue refills a wallet that ended below zero)."""
    at_ms: int
    shown_ms: int
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEvent:
    account: str
    symbol: str
    qty: Decimal
    entry: Decimal
    unrealised: Decimal
    realised: Decimal
    reason: str
    at_ms: int
    shown_ms: int
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingEvent:
    """One funding payment; `amount` is what the wallet gained (negative: paid)."""

    account: str
    symbol: str
    asset: str
    rate: Decimal
    amount: Decimal
    at_ms: int


@dataclass(frozen=True, slots=True)
class TradeEvent:
    """One print of the public tape."""

    trade: PublicTrade


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentEvent:
    """An instrument was listed, or trades by another tick from now on."""

    instrument: Instrument
    """As it is now."""
    is_new: bool
    at_ms: int


EngineEvent: TypeAlias = (
    OrderEvent | BalanceEvent | PositionEvent | FundingEvent | TradeEvent | InstrumentEvent
)
