"""What Binance spot answers, as the model's values.

A row that cannot be read makes the whole answer unreadable: leaving it out would say that an order
or a balance does not exist. Orders are in `orders.py`, exchangeInfo in `instruments.py` and
`limits.py`.

Source: Binance spot REST docs, Account and Market Data endpoints, 2026-07.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

from outlast.errors import Failure
from outlast.model import Balance, Execution, Instrument, Level, Position, Side, Source
from outlast.venues._binance import UNREADABLE, failure_of
from outlast.venues._binance_rows import BookRow, Row, decode, levels, symbol_of
from outlast.venues.binance_spot.codes import HOLLOW
from outlast.venues.binance_spot.requests import (
    EXECUTIONS_MAX,
    VENUE,
    executions_after,
    executions_since,
)
from outlast.venues.binance_spot.verdicts import classify
from outlast.wire import WireReply, WireRequest

__all__ = [
    "next_page",
    "read",
    "read_balances",
    "read_book",
    "read_dead_mans_switch",
    "read_executions",
    "read_index_price",
    "read_mark_price",
    "read_positions",
    "read_time",
]

T = TypeVar("T")

_WINDOW_MS: Final = 24 * 3600 * 1000
"""How much time one answer about executions covers. Source: Account trade list."""


class _ExecutionRow(Row):
    symbol: str
    id: int
    order_id: int
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool = False


class _BalanceRow(Row):
    asset: str
    free: Decimal
    locked: Decimal


class _Account(Row):
    balances: list[_BalanceRow]
    update_time: int | None = None


class _BookTicker(Row):
    symbol: str
    bid_price: Decimal
    ask_price: Decimal


class _Time(Row):
    server_time: int


def read(
    request: WireRequest, reply: WireReply, values: Callable[[bytes], T | Failure]
) -> T | Failure:
    """Classify the reply, then give what `values` makes of its body."""
    failure = classify(request, reply)
    if failure is not None:
        return failure
    try:
        return values(reply.body)
    except UNREADABLE as error:
        return failure_of(request, reply, HOLLOW, message=f"{request.name}: {error}")


# Account ------------------------------------------------------------------------------------------


def read_executions(
    request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
) -> list[Execution] | Failure:
    """Executions, as the venue orders them. They name its own order id only."""
    return read(
        request,
        reply,
        lambda body: [_execution(row, instruments) for row in decode(body, list[_ExecutionRow])],
    )


def _execution(row: _ExecutionRow, instruments: Mapping[str, Instrument]) -> Execution:
    if row.qty <= 0 or row.price < 0:
        raise ValueError(f"execution of {row.qty} at {row.price}")
    return Execution(
        symbol=symbol_of(row.symbol, instruments),
        execution_id=str(row.id),
        venue_order_id=str(row.order_id),
        side=Side.BUY if row.is_buyer else Side.SELL,
        price=row.price,
        qty=row.qty,
        fee=row.commission,
        fee_currency=row.commission_asset,
        is_maker=row.is_maker,
        venue_time_ms=row.time,
    )


def next_page(request: WireRequest, reply: WireReply, *, now_ms: int) -> WireRequest | None:
    """What to ask for the executions that `reply` left out; None at the end.

    From the first execution on it goes by their ids, which know no window of 24 hours: only a time
    in which nothing was executed is walked through a day at a time. `now_ms` is the venue's.
    """
    rows = read_executions(request, reply, {})
    if isinstance(rows, Failure):
        return None
    asked = dict(request.params)
    start = asked.get("startTime")
    covers_ms = None if start is None else int(start) + _WINDOW_MS
    is_cut = covers_ms is not None and covers_ms <= now_ms
    if rows and (is_cut or len(rows) >= EXECUTIONS_MAX):
        return executions_after(request, max(int(row.execution_id) for row in rows))
    if is_cut and covers_ms is not None:
        return executions_since(request, covers_ms)
    return None


def read_positions(
    request: WireRequest,
    reply: WireReply,
    instruments: Mapping[str, Instrument],
    *,
    as_of: float,
) -> list[Position] | Failure:
    """There are none: a trade changes balances and nothing else (`Product.has_positions`).

    Raises:
        AssertionError: always.
    """
    raise AssertionError(f"{VENUE} has no positions; read its balances")


def read_balances(
    request: WireRequest, reply: WireReply, *, as_of: float
) -> list[Balance] | Failure:
    """What the account holds; currencies that it holds nothing of are left out by the venue.

    `locked` is what open orders hold. The time is that of the account's last change, whichever
    currency it was.
    """

    def values(body: bytes) -> list[Balance]:
        account = decode(body, _Account)
        return [
            Balance(
                currency=row.asset,
                total=row.free + row.locked,
                free=row.free,
                locked=row.locked,
                as_of=as_of,
                source=Source.REST,
                venue_time_ms=account.update_time,
            )
            for row in account.balances
        ]

    return read(request, reply, values)


# Market data --------------------------------------------------------------------------------------


def read_book(request: WireRequest, reply: WireReply) -> tuple[list[Level], list[Level]] | Failure:
    """Bids and asks, best first."""

    def values(body: bytes) -> tuple[list[Level], list[Level]]:
        book = decode(body, BookRow)
        return levels(book.bids), levels(book.asks)

    return read(request, reply, values)


def read_mark_price(request: WireRequest, reply: WireReply) -> Decimal | Failure:
    """The middle of best bid and ask. A book with an empty side has none, and is a failure."""

    def values(body: bytes) -> Decimal:
        ticker = decode(body, _BookTicker)
        bid, ask = ticker.bid_price, ticker.ask_price
        if not 0 < bid <= ask:
            raise ValueError(f"bid {bid} and ask {ask} have no middle")
        return (bid + ask) / 2

    return read(request, reply, values)


def read_index_price(request: WireRequest, reply: WireReply) -> Decimal | Failure | None:
    """Spot has no index: it is what an index is made of."""
    del request, reply
    return None


def read_dead_mans_switch(request: WireRequest, reply: WireReply) -> float | Failure:
    """There is none, so it is off."""
    return read(request, reply, lambda _body: 0.0)


def read_time(request: WireRequest, reply: WireReply) -> int | Failure:
    """The venue's clock, in ms since the epoch."""
    return read(request, reply, lambda body: decode(body, _Time).server_time)
