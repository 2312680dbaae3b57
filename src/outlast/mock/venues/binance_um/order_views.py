"""Orders, fills and conditional orders as the venue writes them.

Since July 2026 the answers to placing, amending and cancelling carry no `avgPrice` and no
`cumQuote`; queries still do. Source: Binance USD-M futures docs, New Order, Query Order, Account
Trade List, New Algo Order, Query Algo Order; Derivatives change log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from outlast.mock.engine.events import OrderSnapshot
from outlast.mock.engine.model import (
    Execution,
    Instrument,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    StpMode,
)
from outlast.mock.venues.binance_um.client_ids import letters
from outlast.mock.venues.binance_um.figures import decimals, fixed

__all__ = [
    "TYPES",
    "algo_cancelled",
    "algo_place",
    "algo_query",
    "client_id_of",
    "fill",
    "history_snapshot",
    "place",
    "price_places",
    "query",
    "status_word",
]

TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.STOP_MARKET: "STOP_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT_MARKET",
    OrderType.TRAILING_STOP_MARKET: "TRAILING_STOP_MARKET",
}

_STATUSES: Final[Mapping[OrderStatus, str]] = {
    OrderStatus.NEW: "NEW",
    OrderStatus.UNTRIGGERED: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}

_STP: Final[Mapping[StpMode, str]] = {
    StpMode.NONE: "NONE",
    StpMode.EXPIRE_TAKER: "EXPIRE_TAKER",
    StpMode.EXPIRE_MAKER: "EXPIRE_MAKER",
    StpMode.EXPIRE_BOTH: "EXPIRE_BOTH",
}


def price_places(instrument: Instrument) -> int:
    """Give `pricePrecision`: how many decimals a price may carry and is written with.

    Not the tick: BTCUSDT has a tick of 0.10 and prices with two decimals. One more decimal than
    the tick has is -4014 (not a multiple of it), two more are -1111 (too precise). Nor does it
    shrink when the tick grows: older orders keep their prices.
    """
    return max(2, decimals(instrument.price_unit))


def history_snapshot(order: Order, cutoff_ms: int) -> OrderSnapshot:
    """Give an order as the history knew it at `cutoff_ms`: later fills and ends are not in yet."""
    filled = [e for e in order.executions if e.visible_ms <= cutoff_ms]
    qty = sum((e.qty for e in filled), Decimal(0))
    snapshot = replace(
        OrderSnapshot.of(order),
        filled_qty=qty,
        filled_quote=sum((e.quote_qty for e in filled), Decimal(0)),
    )
    if order.updated_ms <= cutoff_ms and len(filled) == len(order.executions):
        return snapshot
    return replace(
        snapshot,
        status=OrderStatus.PARTIALLY_FILLED if qty else OrderStatus.NEW,
        end_reason="",
        updated_ms=min(order.updated_ms, max([order.created_ms, *(e.at_ms for e in filled)])),
    )


def client_id_of(order: Order | OrderSnapshot) -> str:
    """Give the order's client id; orders that a scenario starts with have one as from the web."""
    named = order.request.client_order_id
    return named or f"web_{letters(18, 'web order', order.order_id)}"


def status_word(order: OrderSnapshot) -> str:
    if order.end_reason == "stp" and not order.status.is_open:
        return "EXPIRED_IN_MATCH"
    return _STATUSES[order.status]


def place(
    order: OrderSnapshot, instrument: Instrument, price_match: str = "NONE"
) -> dict[str, object]:
    """Write the answer to placing, amending or cancelling an order."""
    request = order.request
    price, qty = price_places(instrument), decimals(instrument.qty_step)
    return {
        "orderId": order.order_id,
        "symbol": request.symbol,
        "status": status_word(order),
        "clientOrderId": client_id_of(order),
        "price": fixed(request.price or Decimal(0), price),
        "origQty": fixed(request.qty, qty),
        "executedQty": fixed(order.filled_qty, qty),
        "cumQty": fixed(order.filled_qty, qty),
        "timeInForce": _time_in_force(request),
        "type": TYPES[request.type],
        "reduceOnly": request.reduce_only,
        "closePosition": request.close_position,
        "side": request.side.name,
        "positionSide": "BOTH",
        "stopPrice": fixed(request.stop_price or Decimal(0), price),
        "workingType": "MARK_PRICE" if request.trigger_on_mark else "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": TYPES[request.type],
        "priceMatch": price_match,
        "selfTradePreventionMode": _STP[request.stp],
        "goodTillDate": request.expires_ms or 0,
        "updateTime": order.updated_ms,
    }


def query(
    order: OrderSnapshot, instrument: Instrument, price_match: str = "NONE"
) -> dict[str, object]:
    """Write one order as `GET order`, `openOrder`, `openOrders` and `allOrders` do."""
    body = place(order, instrument, price_match)
    del body["cumQty"]
    body["avgPrice"] = fixed(order.avg_price, price_places(instrument) + 3)
    body["cumQuote"] = fixed(order.filled_quote, 5)
    body["time"] = order.created_ms
    return body


def fill(execution: Execution, instrument: Instrument) -> dict[str, object]:
    """Write one fill as `GET userTrades` does. `commission` is positive when it was paid."""
    return {
        "symbol": execution.symbol,
        "id": execution.execution_id,
        "orderId": execution.order_id,
        "side": execution.side.name,
        "price": fixed(execution.price, price_places(instrument)),
        "qty": fixed(execution.qty, decimals(instrument.qty_step)),
        "realizedPnl": fixed(execution.realised_pnl),
        "quoteQty": fixed(execution.quote_qty),
        "commission": fixed(execution.fee),
        "commissionAsset": execution.fee_currency,
        "time": execution.at_ms,
        "positionSide": "BOTH",
        "buyer": execution.side.sign > 0,
        "maker": execution.is_maker,
        "marginAsset": instrument.quote,
        "baseQty": fixed(execution.qty, decimals(instrument.qty_step)),
        "pair": execution.symbol,
    }


def algo_place(order: OrderSnapshot, instrument: Instrument, status: str) -> dict[str, object]:
    """Write the answer to a new conditional order; `status` is the venue's `algoStatus`."""
    request = order.request
    price = price_places(instrument)
    trailing = request.type is OrderType.TRAILING_STOP_MARKET
    stop = request.stop_price
    return {
        "algoId": order.order_id,
        "clientAlgoId": client_id_of(order),
        "algoType": "CONDITIONAL",
        "orderType": TYPES[request.type],
        "symbol": request.symbol,
        "side": request.side.name,
        "positionSide": "BOTH",
        "timeInForce": _time_in_force(request),
        "quantity": fixed(request.qty, decimals(instrument.qty_step)),
        "algoStatus": status,
        "triggerPrice": fixed(Decimal(0) if trailing else stop or Decimal(0), price),
        "price": fixed(request.price or Decimal(0), price),
        "icebergQuantity": None,
        "selfTradePreventionMode": _STP[request.stp],
        "workingType": "MARK_PRICE" if request.trigger_on_mark else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": request.close_position,
        "priceProtect": False,
        "reduceOnly": request.reduce_only,
        "activatePrice": fixed(stop, price) if trailing and stop is not None else "",
        "callbackRate": _percent(request.trailing_rate),
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
        "triggerTime": 0,
        "goodTillDate": request.expires_ms or 0,
    }


def algo_query(
    order: OrderSnapshot, instrument: Instrument, status: str, *, child: OrderSnapshot | None
) -> dict[str, object]:
    """Write a conditional order as the queries do; `child` is the order it became, if it did."""
    body = algo_place(order, instrument, status)
    price = price_places(instrument)
    body["actualOrderId"] = "" if child is None else str(child.order_id)
    body["actualPrice"] = fixed(Decimal(0), price + 3)
    if child is not None:
        body["actualPrice"] = fixed(child.avg_price, price + 3)
        body["actualQty"] = fixed(child.filled_qty, decimals(instrument.qty_step))
        body["actualType"] = TYPES[child.request.type]
        body["triggerTime"] = child.created_ms
        body["updateTime"] = child.updated_ms
    for name in ("tpTriggerPrice", "tpPrice", "slTriggerPrice", "slPrice"):
        body[name] = fixed(Decimal(0), price)
    body["tpOrderType"] = ""
    return body


def algo_cancelled(order: OrderSnapshot) -> dict[str, object]:
    """Write the answer to cancelling a conditional order; its `code` is text."""
    return {
        "algoId": order.order_id,
        "clientAlgoId": client_id_of(order),
        "code": "200",
        "msg": "success",
    }


def _time_in_force(request: NewOrder) -> str:
    if request.post_only:
        return "GTX"
    return request.time_in_force.name


def _percent(rate: Decimal | None) -> str:
    return "" if rate is None else fixed(rate * 100, 1)
