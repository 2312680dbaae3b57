"""Orders and fills as the venue writes them: eight decimals everywhere.

Source: Binance spot API docs, rest-api.md (New order, Query order, Cancel order, Account trade
list, Order Amend Keep Priority) and enums.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import Execution, NewOrder, OrderType, StpMode
from outlast.mock.venues.binance_spot.spot_orders import SpotOrder
from outlast.mock.venues.binance_um.figures import fixed

__all__ = [
    "STP_WORDS",
    "Note",
    "ack",
    "amended",
    "cancelled",
    "fill",
    "full",
    "query",
    "result",
    "type_word",
]

_TYPES: Final = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP_MARKET: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
STP_WORDS: Final = {
    StpMode.NONE: "NONE",
    StpMode.EXPIRE_TAKER: "EXPIRE_TAKER",
    StpMode.EXPIRE_MAKER: "EXPIRE_MAKER",
    StpMode.EXPIRE_BOTH: "EXPIRE_BOTH",
}
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Note:
    """What a client said with its order that the engine has no use for."""

    quote_qty: Decimal = _ZERO
    strategy_id: int | None = None
    strategy_type: int | None = None


def type_word(request: NewOrder) -> str:
    """The venue's order type: a limit order that may only rest is a type of its own."""
    return "LIMIT_MAKER" if request.post_only else _TYPES[request.type]


def ack(order: SpotOrder) -> dict[str, object]:
    """Write the shortest answer to a new order. It has no status: look for it elsewhere."""
    return {
        "symbol": order.first.request.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.last.updated_ms,
    }


def result(order: SpotOrder, note: Note) -> dict[str, object]:
    """Write the answer to a new order with its state."""
    return (
        ack(order)
        | _state(order, note)
        | _extras(order, note)
        | {
            "workingTime": order.working_ms,
            "selfTradePreventionMode": STP_WORDS[order.first.request.stp],
        }
    )


def full(order: SpotOrder, note: Note) -> dict[str, object]:
    """Write the answer to a new order with its state and fills."""
    fills = [
        {
            "price": fixed(execution.price),
            "qty": fixed(execution.qty),
            "commission": fixed(execution.fee),
            "commissionAsset": execution.fee_currency,
            "tradeId": execution.execution_id,
        }
        for execution in order.fills
    ]
    return result(order, note) | {"fills": fills}


def cancelled(order: SpotOrder, note: Note, cancel_id: str) -> dict[str, object]:
    """Write the answer to a cancel: `clientOrderId` is the cancel's own id."""
    return (
        {
            "symbol": order.first.request.symbol,
            "origClientOrderId": order.client_id,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": cancel_id,
            "transactTime": order.last.updated_ms,
        }
        | _state(order, note)
        | _extras(order, note)
        | {"selfTradePreventionMode": STP_WORDS[order.first.request.stp]}
    )


def query(order: SpotOrder, note: Note) -> dict[str, object]:
    """Write one order as `GET order`, `openOrders` and `allOrders` do."""
    request = order.first.request
    return (
        {
            "symbol": request.symbol,
            "orderId": order.order_id,
            "orderListId": -1,
            "clientOrderId": order.client_id,
        }
        | _state(order, note)
        | {
            "stopPrice": fixed(request.stop_price or _ZERO),
            "icebergQty": fixed(_ZERO),
            "time": order.first.created_ms,
            "updateTime": order.last.updated_ms,
            "isWorking": order.is_working,
            "workingTime": order.working_ms,
        }
        | _strategy(note)
        | {"selfTradePreventionMode": STP_WORDS[request.stp]}
    )


def amended(order: SpotOrder, original_id: str) -> dict[str, object]:
    """Write the order in the answer to an amendment, where quantities have names of their own.

    Source: Binance spot API docs, rest-api.md, Order Amend Keep Priority.
    """
    request = order.last.request
    return {
        "symbol": request.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "origClientOrderId": original_id,
        "clientOrderId": order.client_id,
        "price": fixed(request.price or _ZERO),
        "qty": fixed(request.qty),
        "executedQty": fixed(order.filled_qty),
        "preventedQty": fixed(_ZERO),
        "quoteOrderQty": fixed(_ZERO),
        "cumulativeQuoteQty": fixed(order.filled_quote),
        "status": order.status,
        "timeInForce": request.time_in_force.name,
        "type": type_word(request),
        "side": request.side.name,
        "workingTime": order.working_ms,
        "selfTradePreventionMode": STP_WORDS[request.stp],
    }


def fill(execution: Execution, order_id: int) -> dict[str, object]:
    """Write one fill as `GET myTrades` does; `order_id` is the venue's number of the order."""
    return {
        "symbol": execution.symbol,
        "id": execution.execution_id,
        "orderId": order_id,
        "orderListId": -1,
        "price": fixed(execution.price),
        "qty": fixed(execution.qty),
        "quoteQty": fixed(execution.quote_qty),
        "commission": fixed(execution.fee),
        "commissionAsset": execution.fee_currency,
        "time": execution.at_ms,
        "isBuyer": execution.side.sign > 0,
        "isMaker": execution.is_maker,
        "isBestMatch": True,
    }


def _state(order: SpotOrder, note: Note) -> dict[str, object]:
    request = order.first.request
    body: dict[str, object] = {
        "price": fixed(request.price or _ZERO),
        "origQty": fixed(order.last.request.qty),
        "executedQty": fixed(order.filled_qty),
        "origQuoteOrderQty": fixed(note.quote_qty),
        "cummulativeQuoteQty": fixed(order.filled_quote),
        "status": order.status,
        "timeInForce": request.time_in_force.name,
        "type": type_word(request),
        "side": request.side.name,
    }
    if order.expiry_reason is not None:
        body["expiryReason"] = order.expiry_reason
    return body


def _extras(order: SpotOrder, note: Note) -> dict[str, object]:
    """What answers carry only when the order has it."""
    stop = order.first.request.stop_price
    return ({} if stop is None else {"stopPrice": fixed(stop)}) | _strategy(note)


def _strategy(note: Note) -> dict[str, object]:
    said = {"strategyId": note.strategy_id, "strategyType": note.strategy_type}
    return {name: value for name, value in said.items() if value is not None}
