"""Orders as Binance spot tells them.

Words that are new (a status, a type, a time in force) do not make an order unreadable: they are
read with the assumption that is careful, and named in `OrderReport.unrecognised`. After a cancel
the order's own id is in `origClientOrderId`, and `clientOrderId` is that of the cancel.

Source: Binance spot REST docs, Trading endpoints, and Enums, 2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import (
    Execution,
    Instrument,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
    Source,
    TimeInForce,
)
from outlast.venues._binance import Meaning, failure_of, look
from outlast.venues._binance_rows import Row, decode, side_of, symbol_of
from outlast.venues.binance_spot.codes import OURS
from outlast.venues.binance_spot.replies import read
from outlast.venues.binance_spot.verdicts import nothing_was_open
from outlast.wire import WireReply, WireRequest

__all__ = [
    "OTHER_ORDER",
    "read_order",
    "read_orders",
    "status_of",
    "time_in_force_of",
    "type_of",
]

_STATUSES: Final = {
    "NEW": OrderStatus.ACCEPTED,
    "PENDING_NEW": OrderStatus.ACCEPTED,  # waits for another order of its list
    "PENDING_CANCEL": OrderStatus.ACCEPTED,  # documented, and not in use
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "REJECTED": OrderStatus.REJECTED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,  # self-trade prevention
}
_TYPES: Final = {
    "LIMIT": OrderType.LIMIT,
    "LIMIT_MAKER": OrderType.LIMIT,
    "MARKET": OrderType.MARKET,
    "STOP_LOSS": OrderType.STOP_MARKET,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_MARKET,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
_TIMES_IN_FORCE: Final = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
}

OTHER_ORDER: Final = Meaning(
    Layer.VENUE, "answer_for_another_order", Outcome.UNKNOWN, Remedy.SETTLE, Scope.PLANE, OURS
)
_NO_DETAILS: Final = Meaning(
    Layer.BUSINESS,
    "accepted_without_details",
    Outcome.UNKNOWN,
    Remedy.SETTLE,
    Scope.REQUEST,
    "Binance spot REST docs, New order, response ACK",
)
"""An ACK names the order and no more: it may be resting, filled or expired. A query tells."""


class _FillRow(Row):
    trade_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str


class _OrderRow(Row):
    symbol: str
    order_id: int
    client_order_id: str
    status: str
    side: str
    type: str
    orig_qty: Decimal
    executed_qty: Decimal
    orig_client_order_id: str | None = None
    # The venue's spelling. Below zero: not known, for old orders.
    cummulative_quote_qty: Decimal = Decimal(-1)
    price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: str = "GTC"
    time: int | None = None
    update_time: int | None = None
    transact_time: int | None = None
    expiry_reason: str | None = None
    fills: list[_FillRow] = msgspec.field(default_factory=list)


def read_order(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> OrderReport | Failure:
    """The answer to a place, a cancel or a query: of this order and no other, or a failure."""

    def values(body: bytes) -> OrderReport | Failure:
        if "status" not in decode(body, dict[str, msgspec.Raw]):
            return failure_of(request, reply, _NO_DETAILS, message="acknowledged by id only")
        report = _report(body, {instrument.venue_symbol: instrument})
        if not _is_about(request, report, instrument):
            found = f"answer about {report.client_order_id!r} on {report.symbol}"
            return failure_of(request, reply, OTHER_ORDER, message=found)
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
    """Open orders, or those that a cancel of all has canceled: none where none was open.

    Rows that tell of an order list, not of an order, name its orders in rows of their own.
    """
    if nothing_was_open(request, reply.status, look(reply.body)):
        return []

    def values(body: bytes) -> list[OrderReport]:
        reports = []
        for row in decode(body, list[msgspec.Raw]):
            of_list = decode(row, dict[str, msgspec.Raw]).get("orderReports")
            rows = [row] if of_list is None else decode(of_list, list[msgspec.Raw])
            reports += [_report(one, instruments) for one in rows]
        return reports

    return read(request, reply, values)


def _report(body: bytes | msgspec.Raw, instruments: Mapping[str, Instrument]) -> OrderReport:
    row = decode(body, _OrderRow)
    if row.executed_qty < 0 or row.orig_qty < 0:
        raise ValueError(f"executedQty {row.executed_qty} of origQty {row.orig_qty}")
    symbol, side = symbol_of(row.symbol, instruments), side_of(row.side)
    new: list[str] = []
    return OrderReport(
        client_order_id=row.orig_client_order_id or row.client_order_id,
        venue_order_id=str(row.order_id),
        symbol=symbol,
        status=status_of(row.status, row.executed_qty, new),
        side=side,
        order_type=type_of(row.type, row.price, new),
        qty=row.orig_qty,
        filled_qty=row.executed_qty,
        price=row.price or None,
        stop_price=row.stop_price or None,
        avg_price=_avg_price(row),
        time_in_force=time_in_force_of(row.time_in_force, new),
        post_only=row.type == "LIMIT_MAKER",
        created_ms=row.time,
        updated_ms=row.update_time if row.update_time is not None else row.transact_time,
        source=Source.REST,
        reason=_reason(row),
        unrecognised=tuple(new),
        executions=tuple(_execution(fill, row, symbol, side) for fill in row.fills),
    )


def _execution(fill: _FillRow, row: _OrderRow, symbol: str, side: Side) -> Execution:
    """A fill in the answer to a new order: it met the book on arrival, so it took."""
    if fill.qty <= 0 or fill.price < 0:
        raise ValueError(f"fill of {fill.qty} at {fill.price}")
    return Execution(
        symbol=symbol,
        execution_id=str(fill.trade_id),
        venue_order_id=str(row.order_id),
        side=side,
        price=fill.price,
        qty=fill.qty,
        fee=fill.commission,
        fee_currency=fill.commission_asset,
        is_maker=False,
        client_order_id=row.client_order_id,
        venue_time_ms=row.transact_time or 0,
    )


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
    """A type that is new is told by whether it has a price."""
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


def _avg_price(row: _OrderRow) -> Decimal | None:
    """What was paid by what was filled; None while nothing is, or where the venue does not know."""
    if row.executed_qty == 0 or row.cummulative_quote_qty < 0:
        return None
    return row.cummulative_quote_qty / row.executed_qty or None


def _reason(row: _OrderRow) -> str:
    if row.expiry_reason:
        return row.expiry_reason
    return row.status if row.status == "EXPIRED_IN_MATCH" else ""
