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

from outlast.errors import Failure
from outlast.model import (
    Balance,
    Execution,
    Instrument,
    Level,
    Position,
    Side,
    Source,
)
from outlast.venues._binance import UNREADABLE, failure_of
from outlast.venues.binance_um.codes import HOLLOW, classify
from outlast.wire import WireReply, WireRequest

__all__ = [
    "Row",
    "check_amount",
    "decode",
    "read",
    "read_balances",
    "read_book",
    "read_executions",
    "read_mark_price",
    "read_positions",
    "read_time",
    "side_of",
    "symbol_of",
]

T = TypeVar("T")

_SIDES: Final = {"BUY": Side.BUY, "SELL": Side.SELL}
_DIGITS_MAX: Final = 40
"""No amount of money has its first digit further than this from the point."""


def check_amount(name: str, value: Decimal) -> None:
    """Let through what money can be: `Decimal` itself also reads NaN and 1E+999999."""
    if not value.is_finite() or abs(value.adjusted()) > _DIGITS_MAX:
        raise ValueError(f"{name} is {value}, which is no amount")


class Row(msgspec.Struct, rename="camel"):
    """A JSON object of the venue. Fields that are not named are ignored."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                check_amount(name, value)


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


class _Book(msgspec.Struct):
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]


class _MarkPrice(Row):
    symbol: str
    mark_price: Decimal


class _Time(Row):
    server_time: int


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """`body` as `kind`. Numbers and truths in quotes are read as what they are.

    Raises:
        one of `UNREADABLE`: it is something else.
    """
    return msgspec.json.decode(body, type=kind, strict=False)


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


def symbol_of(venue_symbol: str, instruments: Mapping[str, Instrument]) -> str:
    """The unified symbol; the venue's own where it is not listed, so that nothing is dropped."""
    known = instruments.get(venue_symbol)
    if known is not None and known.venue_symbol == venue_symbol:
        return known.symbol
    for instrument in instruments.values():
        if instrument.venue_symbol == venue_symbol:
            return instrument.symbol
    return venue_symbol


def side_of(text: str) -> Side:
    """Nothing may be assumed about a side.

    Raises:
        ValueError: it is neither.
    """
    side = _SIDES.get(text)
    if side is None:
        raise ValueError(f"side {text[:20]!r}")
    return side


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
        book = decode(body, _Book)
        return _levels(book.bids), _levels(book.asks)

    return read(request, reply, values)


def _levels(side: list[tuple[Decimal, Decimal]]) -> list[Level]:
    for price, qty in side:
        check_amount("price", price)
        check_amount("qty", qty)
        if price <= 0 or qty < 0:
            raise ValueError(f"level {price} × {qty}")
    return [Level(price, qty) for price, qty in side]


def read_mark_price(request: WireRequest, reply: WireReply) -> Decimal | Failure:
    def values(body: bytes) -> Decimal:
        price = decode(body, _MarkPrice).mark_price
        if price <= 0:
            raise ValueError(f"markPrice {price}")
        return price

    return read(request, reply, values)


def read_time(request: WireRequest, reply: WireReply) -> int | Failure:
    """The venue's clock, in ms since the epoch."""
    return read(request, reply, lambda body: decode(body, _Time).server_time)
