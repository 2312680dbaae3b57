"""Orders as Kraken spot tells them.

The answer to a new order names nothing but its id, and the answer to a cancel not even that: what
the order became is a question of its own (`Traits.tells_state`). Words that are new (a status, a
type) do not make an order unreadable: they are read with the assumption that is careful, and named
in `OrderReport.unrecognised`.

Source: Kraken docs, Add Order, Cancel Order, Get Open Orders, Get Closed Orders, Query Orders Info,
read 2026-05-27.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from outlast.errors import Failure, Layer, Outcome, Remedy, Scope
from outlast.model import (
    Instrument,
    OrderReport,
    OrderStatus,
    OrderType,
    Side,
    Source,
    TimeInForce,
)
from outlast.venues._answers import Meaning, check_amount, meant
from outlast.venues.kraken_spot.codes import DOCS, MEASURED, OURS
from outlast.venues.kraken_spot.replies import (
    PAGE,
    Row,
    Symbols,
    decode,
    milliseconds,
    read,
    side_of,
)
from outlast.venues.kraken_spot.requests import PRICED, canonical, is_venue_id
from outlast.wire import WireReply, WireRequest

__all__ = ["TYPES", "read_order", "read_orders"]

TYPES: Final = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop-loss": OrderType.STOP_MARKET,
    "stop-loss-limit": OrderType.STOP_LIMIT,
    "take-profit": OrderType.TAKE_PROFIT_MARKET,
    "take-profit-limit": OrderType.TAKE_PROFIT_LIMIT,
}
_TIMES_IN_FORCE: Final = {tif.name: tif for tif in TimeInForce}
_ENDED: Final = frozenset({"closed", "canceled", "expired"})

_NO_DETAILS: Final = Meaning(
    Layer.BUSINESS,
    "canceled_without_details",
    Outcome.UNKNOWN,
    Remedy.SETTLE,
    Scope.REQUEST,
    DOCS,
)
"""A cancel is confirmed with a count: what was filled by then takes a query."""
_NOTHING_CANCELED: Final = Meaning(
    Layer.BUSINESS, "unknown_order", Outcome.REFUSED, Remedy.SETTLE, Scope.REQUEST, OURS
)
_NOT_THERE: Final = Meaning(
    Layer.BUSINESS, "order_not_found", Outcome.REFUSED, Remedy.GIVE_UP, Scope.REQUEST, MEASURED
)
_CUT: Final = Meaning(
    Layer.BUSINESS, "answer_truncated", Outcome.REFUSED, Remedy.RETRY, Scope.REQUEST, OURS
)


class _Description(msgspec.Struct):
    pair: str
    type: str
    ordertype: str
    price: str = "0"
    price2: str = "0"


class _OrderRow(Row):
    status: str
    descr: _Description
    vol: Decimal
    vol_exec: Decimal
    opentm: Decimal | None = None
    closetm: Decimal | None = None
    price: Decimal = Decimal(0)
    """The average of the executions."""
    limitprice: Decimal = Decimal(0)
    """The limit in force of an order that was triggered or amended; 0 where `descr` has it."""
    oflags: str = ""
    expiretm: Decimal | None = None
    timeinforce: str | None = None
    cl_ord_id: str | None = None
    reason: str | None = None


class _Placed(msgspec.Struct):
    txid: list[str]


class _Canceled(msgspec.Struct):
    count: int


class _Open(msgspec.Struct):
    open: dict[str, _OrderRow]


class _Closed(msgspec.Struct):
    closed: dict[str, _OrderRow]


def read_order(
    request: WireRequest, reply: WireReply, instrument: Instrument
) -> OrderReport | Failure:
    """The answer to a place, a cancel or a query: of this order and no other, or a failure.

    A place gives what was asked for as accepted. A query that does not show the order gives
    `order_not_found`.
    """

    def values(result: msgspec.Raw) -> OrderReport | Failure:
        if request.name == "order.place":
            return _placed(request, decode(result, _Placed).txid, instrument)
        if request.name == "order.cancel":
            count = decode(result, _Canceled).count
            meaning = _NO_DETAILS if count > 0 else _NOTHING_CANCELED
            return meant(request, reply, meaning, message=f"cancel confirmed, count {count}")
        rows = _rows(request, result)
        symbols = Symbols({instrument.venue_symbol: instrument})
        found = [
            _report(txid, row, symbols)
            for txid, row in rows.items()
            if _is_meant(request, txid, row)
        ]
        if found:
            # Ids may be used again once an order has ended: the newest is the one that was meant.
            report = max(found, key=lambda r: r.created_ms or 0)
            if report.symbol != instrument.symbol:
                raise ValueError(f"answer about an order on {report.symbol}")
            return report
        if len(rows) >= PAGE:
            return meant(request, reply, _CUT, message=f"{len(rows)} rows, and not this order")
        return meant(request, reply, _NOT_THERE, message="the answer does not show it")

    return read(request, reply, values)


def read_orders(
    request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
) -> list[OrderReport] | Failure:
    """The open orders, of the pair that was asked for or of all."""

    def values(result: msgspec.Raw) -> list[OrderReport]:
        symbols = Symbols(instruments)
        reports = [_report(txid, row, symbols) for txid, row in _rows(request, result).items()]
        return [report for report in reports if request.symbol in (None, report.symbol)]

    return read(request, reply, values)


def _rows(request: WireRequest, result: msgspec.Raw) -> Mapping[str, _OrderRow]:
    match request.path.rpartition("/")[2]:
        case "OpenOrders":
            return decode(result, _Open).open
        case "ClosedOrders":
            return decode(result, _Closed).closed
    return decode(result, dict[str, _OrderRow])


def _is_meant(request: WireRequest, txid: str, row: _OrderRow) -> bool:
    """Whether the row is of the order that was asked for: filters are not trusted."""
    if ("txid", txid) in request.params:
        return True
    wanted = dict(request.params).get("cl_ord_id")
    return wanted is not None and canonical(row.cl_ord_id or "") == canonical(wanted)


def _placed(request: WireRequest, txids: list[str], instrument: Instrument) -> OrderReport:
    """What was asked for, as accepted under the id that the venue gave it."""
    asked = dict(request.params)
    if len(txids) != 1 or not is_venue_id(txids[0]):
        raise ValueError(f"txid {txids}")
    order_type = TYPES[asked["ordertype"]]
    stop_price, price = _prices(order_type, asked.get("price", "0"), asked.get("price2", "0"), [])
    return OrderReport(
        client_order_id=asked["cl_ord_id"],
        venue_order_id=txids[0],
        symbol=instrument.symbol,
        status=OrderStatus.ACCEPTED,
        side=Side(asked["type"]),
        order_type=order_type,
        qty=Decimal(asked["volume"]),
        filled_qty=Decimal(0),
        price=price,
        stop_price=stop_price,
        time_in_force=_TIMES_IN_FORCE[asked.get("timeinforce", "GTC")],
        post_only=_is_post_only(asked["oflags"]),
        source=Source.REST,
    )


def _report(txid: str, row: _OrderRow, symbols: Symbols) -> OrderReport:
    """One row. An order without an id of a client's own goes by the venue's."""
    if row.vol < 0 or row.vol_exec < 0:
        raise ValueError(f"vol_exec {row.vol_exec} of vol {row.vol}")
    new: list[str] = []
    status = _status(row, new)
    order_type = TYPES.get(row.descr.ordertype)
    if order_type is None:
        # A trailing stop, an iceberg, a position that is settled: told by whether it has a price.
        new.append(f"ordertype={row.descr.ordertype}")
        priced = _amount(row.descr.price, []) is not None
        order_type = OrderType.LIMIT if priced else OrderType.MARKET
    stop_price, price = _prices(order_type, row.descr.price, row.descr.price2, new)
    if row.limitprice > 0 and order_type in PRICED:
        check_amount("limitprice", row.limitprice)
        price = row.limitprice
    updated = row.closetm if row.status in _ENDED else None
    return OrderReport(
        client_order_id=canonical(row.cl_ord_id) if row.cl_ord_id else txid,
        venue_order_id=txid,
        symbol=symbols.symbol(row.descr.pair),
        status=status,
        side=side_of(row.descr.type),
        order_type=order_type,
        qty=row.vol,
        filled_qty=row.vol_exec,
        price=price,
        stop_price=stop_price,
        avg_price=(row.price or None) if row.vol_exec else None,
        time_in_force=_time_in_force(row, new),
        post_only=_is_post_only(row.oflags),
        created_ms=None if row.opentm is None else milliseconds(row.opentm),
        updated_ms=None if updated is None else milliseconds(updated),
        source=Source.REST,
        reason=row.reason or "",
        unrecognised=tuple(new),
    )


def _status(row: _OrderRow, new: list[str]) -> OrderStatus:
    """What ended says by its quantity whether it was filled; a status that is new may be live."""
    if row.status in _ENDED:
        if row.vol_exec >= row.vol > 0:
            return OrderStatus.FILLED
        return OrderStatus.EXPIRED if row.status == "expired" else OrderStatus.CANCELED
    if row.status not in ("pending", "open"):
        new.append(f"status={row.status}")
    return OrderStatus.PARTIALLY_FILLED if row.vol_exec > 0 else OrderStatus.ACCEPTED


def _prices(
    order_type: OrderType, first: str, second: str, new: list[str]
) -> tuple[Decimal | None, Decimal | None]:
    """(stop_price, price): the first text is the trigger where there is one."""
    if not order_type.is_conditional:
        return None, None if order_type is OrderType.MARKET else _amount(first, new)
    return _amount(first, new), _amount(second, new)


def _amount(text: str, new: list[str]) -> Decimal | None:
    """A price; None for zero, and for an offset such as `+1.0000%`."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        new.append(f"price={text[:20]}")
        return None
    check_amount("price", value)
    return value or None


def _time_in_force(row: _OrderRow, new: list[str]) -> TimeInForce:
    """The venue does not always say; an expiry tells GTD."""
    if row.timeinforce is None:
        return TimeInForce.GTD if row.expiretm else TimeInForce.GTC
    known = _TIMES_IN_FORCE.get(row.timeinforce.upper())
    if known is None:
        new.append(f"timeinforce={row.timeinforce}")
        return TimeInForce.GTC
    return known


def _is_post_only(oflags: str) -> bool:
    return "post" in oflags.split(",")
