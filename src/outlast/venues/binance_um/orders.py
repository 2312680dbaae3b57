"""Orders as Binance USD-M futures tells them: plain ones, and conditional ones of the Algo service.

Words that are new (a status, a type, a time in force) do not make an order unreadable: they are
read with the assumption that is careful, and named in `OrderReport.unrecognised`. Answers come with
and without `avgPrice` and `cumQuote`, which order answers dropped in 2026-07.

Source: Binance USD-M futures docs, Trade endpoints and Common Definition, 2026-09.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import Instrument, OrderReport, OrderStatus, OrderType, Source, TimeInForce
from outlast.venues._binance import Meaning, failure_of, look
from outlast.venues.binance_um.codes import ERRORS, OURS
from outlast.venues.binance_um.replies import Row, check_amount, decode, read, side_of, symbol_of
from outlast.wire import WireReply, WireRequest

__all__ = [
    "POST_ONLY",
    "amount_of",
    "read_order",
    "read_orders",
    "report_of",
    "status_of",
    "time_in_force_of",
    "type_of",
]

_STATUSES: Final = {
    "NEW": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,  # self-trade prevention
    # The Algo service's own. A triggered order goes on as an order of the engine.
    "TRIGGERING": OrderStatus.ACCEPTED,
    "TRIGGERED": OrderStatus.ACCEPTED,
}
_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP_MARKET,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT_MARKET,
}
_TIMES_IN_FORCE: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
    "GTX": TimeInForce.GTC,  # post-only
    "RPI": TimeInForce.GTC,  # post-only, shown to retail users
    "GTE_GTC": TimeInForce.GTC,  # until canceled or until the position is gone
}

POST_ONLY: Final = frozenset({"GTX", "RPI"})

_OTHER_ORDER: Final = Meaning(
    Layer.VENUE, "answer_for_another_order", Outcome.UNKNOWN, Remedy.SETTLE, Scope.PLANE, OURS
)
_NO_DETAILS: Final = Meaning(
    Layer.BUSINESS,
    "canceled_without_details",
    Outcome.UNKNOWN,
    Remedy.SETTLE,
    Scope.REQUEST,
    ERRORS,
)
"""The Algo service may confirm a cancel with no more than the ids: what was filled by then takes a
query."""


class _OrderRow(Row):
    symbol: str
    order_id: int
    client_order_id: str
    status: str
    side: str
    type: str
    orig_qty: Decimal
    executed_qty: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    avg_price: Decimal | None = None
    time_in_force: str = "GTC"
    reduce_only: bool = False
    time: int | None = None
    update_time: int | None = None


class _AlgoRow(Row):
    symbol: str
    client_algo_id: str
    algo_status: str
    order_type: str
    side: str
    quantity: Decimal
    trigger_price: Decimal | None = None
    price: Decimal | None = None
    time_in_force: str = "GTC"
    reduce_only: bool = False
    create_time: int | None = None
    update_time: int | None = None
    # Empty text until the order is triggered.
    actual_order_id: str = ""
    actual_qty: str = ""
    actual_price: str = ""


def read_order(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> OrderReport | Failure:
    """The answer to a place, a cancel or a query: of this order and no other, or a failure."""

    def values(body: bytes) -> OrderReport | Failure:
        head = look(body).fields
        if head is None:
            raise ValueError("the answer is no object")
        if "algoId" in head and "algoStatus" not in head and request.name == "order.cancel":
            return failure_of(request, reply, _NO_DETAILS, message="cancel confirmed by id only")
        report = report_of(body, {instrument.venue_symbol: instrument}, is_algo="algoId" in head)
        if not _is_about(request, report, instrument):
            found = f"answer about {report.client_order_id!r} on {report.symbol}"
            return failure_of(request, reply, _OTHER_ORDER, message=found)
        return report

    return read(request, reply, values)


def _is_about(request: WireRequest, report: OrderReport, instrument: Instrument) -> bool:
    if report.symbol != instrument.symbol:
        return False
    if request.client_order_id is not None:
        return report.client_order_id == request.client_order_id
    return ("orderId", report.venue_order_id) in request.params


def read_orders(
    request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
) -> list[OrderReport] | Failure:
    def values(body: bytes) -> list[OrderReport]:
        return [
            report_of(row, instruments, is_algo="algoId" in decode(row, dict[str, msgspec.Raw]))
            for row in decode(body, list[msgspec.Raw])
        ]

    return read(request, reply, values)


def report_of(
    body: bytes | msgspec.Raw, instruments: Mapping[str, Instrument], *, is_algo: bool
) -> OrderReport:
    """One order in an answer, of the engine or of the Algo service.

    Raises:
        ValueError: it is none, or its numbers cannot be.
    """
    if is_algo:
        return _algo_report(decode(body, _AlgoRow), instruments)
    return _order_report(decode(body, _OrderRow), instruments)


def _order_report(row: _OrderRow, instruments: Mapping[str, Instrument]) -> OrderReport:
    if row.executed_qty < 0 or row.orig_qty < 0:
        raise ValueError(f"executedQty {row.executed_qty} of origQty {row.orig_qty}")
    new: list[str] = []
    return OrderReport(
        client_order_id=row.client_order_id,
        venue_order_id=str(row.order_id),
        symbol=symbol_of(row.symbol, instruments),
        status=status_of(row.status, row.executed_qty, new),
        side=side_of(row.side),
        order_type=type_of(row.type, row.price, new),
        qty=row.orig_qty,
        filled_qty=row.executed_qty,
        price=row.price or None,
        stop_price=row.stop_price or None,
        avg_price=row.avg_price or None,
        time_in_force=time_in_force_of(row.time_in_force, new),
        post_only=row.time_in_force in POST_ONLY,
        reduce_only=row.reduce_only,
        created_ms=row.time,
        updated_ms=row.update_time,
        source=Source.REST,
        reason=row.status if row.status == "EXPIRED_IN_MATCH" else "",
        unrecognised=tuple(new),
    )


def _algo_report(row: _AlgoRow, instruments: Mapping[str, Instrument]) -> OrderReport:
    """A conditional order. `venue_order_id` is that of the engine's order: empty until triggered.

    The Algo service's own id is never needed, and executions come under the engine's.
    """
    filled = amount_of("actualQty", row.actual_qty) or Decimal(0)
    if filled < 0 or row.quantity < 0:
        raise ValueError(f"actualQty {filled} of quantity {row.quantity}")
    new: list[str] = []
    if row.algo_status == "FINISHED":
        status = _finished(row, filled, new)
    else:
        status = status_of(row.algo_status, filled, new)
    return OrderReport(
        client_order_id=row.client_algo_id,
        venue_order_id=row.actual_order_id if row.actual_order_id != "0" else "",
        symbol=symbol_of(row.symbol, instruments),
        status=status,
        side=side_of(row.side),
        order_type=type_of(row.order_type, row.price, new),
        # 0 is an order that closes the whole position, whatever it is by then.
        qty=row.quantity or filled,
        filled_qty=filled,
        price=row.price or None,
        stop_price=row.trigger_price or None,
        avg_price=(amount_of("actualPrice", row.actual_price) or None) if filled else None,
        time_in_force=time_in_force_of(row.time_in_force, new),
        post_only=row.time_in_force in POST_ONLY,
        reduce_only=row.reduce_only,
        created_ms=row.create_time,
        updated_ms=row.update_time,
        source=Source.REST,
        unrecognised=tuple(new),
    )


def _finished(row: _AlgoRow, filled: Decimal, new: list[str]) -> OrderStatus:
    """Triggered, and its order of the engine is done: only the quantity tells how."""
    if not row.actual_qty:
        new.append("actualQty=missing")
        return OrderStatus.ACCEPTED
    return OrderStatus.FILLED if 0 < filled >= row.quantity else OrderStatus.EXPIRED


def status_of(text: str, filled: Decimal, new: list[str]) -> OrderStatus:
    """A status that is new may be live: it counts as exposure and is looked up again."""
    status = _STATUSES.get(text)
    if status is None:
        new.append(f"status={text}")
        status = OrderStatus.ACCEPTED
    if status is OrderStatus.ACCEPTED and filled > 0:
        return OrderStatus.PARTIALLY_FILLED
    return status


def type_of(text: str, price: Decimal | None, new: list[str]) -> OrderType:
    """A type that is new (a trailing stop, a liquidation) is told by whether it has a price."""
    known = _TYPES.get(text)
    if known is None:
        new.append(f"type={text}")
        return OrderType.LIMIT if price else OrderType.MARKET
    return known


def time_in_force_of(text: str, new: list[str]) -> TimeInForce:
    known = _TIMES_IN_FORCE.get(text)
    if known is None:
        new.append(f"timeInForce={text}")
        return TimeInForce.GTC
    return known


def amount_of(name: str, text: str) -> Decimal | None:
    """The amount in a field that may be empty text."""
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{name} is {text[:20]!r}, which is no amount") from None
    check_amount(name, value)
    return value
