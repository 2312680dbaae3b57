"""Binance USD-M futures. The module itself is the venue's codec: see `outlast.wire.VenueCodec`."""

from outlast.venues.binance_um.codes import classify, classify_fault
from outlast.venues.binance_um.instruments import read_instruments
from outlast.venues.binance_um.limits import limits, read_limits, read_usage
from outlast.venues.binance_um.orders import read_order, read_orders
from outlast.venues.binance_um.replies import (
    read_balances,
    read_book,
    read_executions,
    read_mark_price,
    read_positions,
    read_time,
)
from outlast.venues.binance_um.requests import (
    CONDITIONAL_APART,
    DEFAULT_ENDPOINTS,
    PRODUCT,
    VENUE,
    cancel_all_orders,
    cancel_order,
    place_order,
    probe,
    query_balances,
    query_book,
    query_executions,
    query_instruments,
    query_mark_price,
    query_open_orders,
    query_order,
    query_positions,
    query_time,
)
from outlast.venues.binance_um.signing import sign

__all__ = [
    "CONDITIONAL_APART",
    "DEFAULT_ENDPOINTS",
    "PRODUCT",
    "VENUE",
    "cancel_all_orders",
    "cancel_order",
    "classify",
    "classify_fault",
    "limits",
    "place_order",
    "probe",
    "query_balances",
    "query_book",
    "query_executions",
    "query_instruments",
    "query_mark_price",
    "query_open_orders",
    "query_order",
    "query_positions",
    "query_time",
    "read_balances",
    "read_book",
    "read_executions",
    "read_instruments",
    "read_limits",
    "read_mark_price",
    "read_order",
    "read_orders",
    "read_positions",
    "read_time",
    "read_usage",
    "sign",
]
