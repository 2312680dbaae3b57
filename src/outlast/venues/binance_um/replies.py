"""What Binance USD-M futures answers, as the model's values.

Money is decoded from its text, exactly. A row that cannot be read makes the whole answer
unreadable: leaving it out would say that an order or a position does not exist. `positionRisk` and
`balance` are read in their shapes of v2 and v3. Orders are in `orders.py`, exchangeInfo in
`instruments.py` and `limits.py`.

Source: Binance USD-M futures docs, Account and Market Data endpoints, 2026-09.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from outlast.errors import Failure
from outlast.model import (
    Balance,
    Execution,
    Instrument,
    Level,
    Position,
    Source,
)
from outlast.venues._binance import UNREADABLE, failure_of
from outlast.venues._binance_rows import (
    BookRow,
    Row,
    check_amount,
    decode,
    levels,
    side_of,
    symbol_of,
)
from outlast.venues.binance_um.codes import HOLLOW, classify
from outlast.venues.binance_um.requests import EXECUTIONS_MAX
from outlast.wire import WireReply, WireRequest

__all__ = [
    "Row",
    "check_amount",
    "decode",
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
    "side_of",
    "symbol_of",
]

T = TypeVar("T")

_WINDOW_MS: Final = 7 * 24 * 3600 * 1000
"""How much time one answer about executions covers. Source: Account Trade List."""


class _ExecutionRow(Row):
    symbol: str
    id: int
    order_id: int
    side: str
    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    realized_pnl: Decimal = Decimal(0)
    maker: bool = False


class _PositionRow(Row):
    symbol: str
    position_amt: Decimal
    entry_price: Decimal
    unrealised_pnl: Decimal = msgspec.field(name="unRealizedProfit")
    mark_price: Decimal | None = None
    update_time: int | None = None


class _BalanceRow(Row):
    asset: str
    balance: Decimal
    available_balance: Decimal
    update_time: int | None = None


class _MarkPrice(Row):
    symbol: str
    mark_price: Decimal
    index_price: Decimal | None = None


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


def next_page(request: WireRequest, reply: WireReply, *, now_ms: int) -> WireRequest | None:
    """After a full page of executions since a time: those since the last one's time.

    The last one comes again; executions are booked once. A page that is not full covers a week.
    """
    rows = read_executions(request, reply, {})
    since = dict(request.params).get("startTime")
    if isinstance(rows, Failure) or since is None:
        return None
    if len(rows) < EXECUTIONS_MAX:
        next_ms = int(since) + _WINDOW_MS
        if next_ms > now_ms:
            return None
    else:
        next_ms = max(row.venue_time_ms for row in rows)
        if next_ms <= int(since):
            return None
    params = ((k, str(next_ms) if k == "startTime" else v) for k, v in request.params)
    return replace(request, params=tuple(params))


def _execution(row: _ExecutionRow, instruments: Mapping[str, Instrument]) -> Execution:
    if row.qty <= 0 or row.price < 0:
        raise ValueError(f"execution of {row.qty} at {row.price}")
    return Execution(
        symbol=symbol_of(row.symbol, instruments),
        execution_id=str(row.id),
        venue_order_id=str(row.order_id),
        side=side_of(row.side),
        price=row.price,
        qty=row.qty,
        fee=row.commission,
        fee_currency=row.commission_asset,
        realised_pnl=row.realized_pnl,
        is_maker=row.maker,
        venue_time_ms=row.time,
    )


def read_positions(
    request: WireRequest,
    reply: WireReply,
    instruments: Mapping[str, Instrument],
    *,
    as_of: float,
) -> list[Position] | Failure:
    """Positions that are not zero; v3 also lists symbols that only have resting orders.

    In hedge mode a symbol may come twice, long and short; they are not netted.
    """

    def values(body: bytes) -> list[Position]:
        return [
            Position(
                symbol=symbol_of(row.symbol, instruments),
                qty=row.position_amt,
                entry_price=row.entry_price,
                mark_price=row.mark_price,
                unrealised_pnl=row.unrealised_pnl,
                as_of=as_of,
                source=Source.REST,
                venue_time_ms=row.update_time,
            )
            for row in decode(body, list[_PositionRow])
            if row.position_amt != 0
        ]

    return read(request, reply, values)


def read_balances(
    request: WireRequest, reply: WireReply, *, as_of: float
) -> list[Balance] | Failure:
    """Wallet balances. `free` may carry a new order; what is not free counts as locked.

    With several assets as margin `free` may exceed `total`; nothing is locked then.
    """

    def values(body: bytes) -> list[Balance]:
        return [
            Balance(
                currency=row.asset,
                total=row.balance,
                free=row.available_balance,
                locked=max(row.balance - row.available_balance, Decimal(0)),
                as_of=as_of,
                source=Source.REST,
                venue_time_ms=row.update_time,
            )
            for row in decode(body, list[_BalanceRow])
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
    def values(body: bytes) -> Decimal:
        price = decode(body, _MarkPrice).mark_price
        if price <= 0:
            raise ValueError(f"markPrice {price}")
        return price

    return read(request, reply, values)


def read_index_price(request: WireRequest, reply: WireReply) -> Decimal | Failure | None:
    """What the coin costs on average at the spot markets of the index.

    Source: Binance USD-M futures docs, Mark Price (`indexPrice`).
    """

    def values(body: bytes) -> Decimal | None:
        price = decode(body, _MarkPrice).index_price
        if price is not None and price <= 0:
            raise ValueError(f"indexPrice {price}")
        return price

    return read(request, reply, values)


class _Countdown(msgspec.Struct, rename="camel"):
    countdown_time: str


def read_dead_mans_switch(request: WireRequest, reply: WireReply) -> float | Failure:
    """In how many seconds it fires; 0.0 when it is off."""
    return read(request, reply, lambda body: int(decode(body, _Countdown).countdown_time) / 1000)


def read_time(request: WireRequest, reply: WireReply) -> int | Failure:
    """The venue's clock, in ms since the epoch."""
    return read(request, reply, lambda body: decode(body, _Time).server_time)
