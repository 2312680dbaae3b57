"""What Kraken spot answers, as the model's values.

Money is decoded from its text, exactly; the venue writes it with and without quotes. A row that
cannot be read makes the whole answer unreadable: leaving it out would say that something does not
exist. Orders are in `orders.py`, AssetPairs in `instruments.py`.

Source: Kraken docs, REST API pages on account data and market data, read 2026-05-27.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from outlast.errors import Failure
from outlast.model import Balance, Execution, Instrument, Level, Position, Side, Source
from outlast.venues._answers import UNREADABLE, check_amount, meant
from outlast.venues.kraken_spot.codes import HOLLOW, classify
from outlast.venues.kraken_spot.symbols import currency
from outlast.wire import WireReply, WireRequest

__all__ = [
    "Row",
    "Symbols",
    "decode",
    "milliseconds",
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
]

T = TypeVar("T")

_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
PAGE: Final = 50
"""Rows of one answer about history."""


class Row(msgspec.Struct):
    """A JSON object of the venue. Fields that are not named are ignored."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, Decimal):
                check_amount(name, value)


def decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    """`body` as `kind`. Numbers in quotes are read as what they are.

    Raises:
        one of `UNREADABLE`: it is something else.
    """
    return msgspec.json.decode(body, type=kind, strict=False)


class _Envelope(msgspec.Struct):
    result: msgspec.Raw


def read(
    request: WireRequest, reply: WireReply, values: Callable[[msgspec.Raw], T | Failure]
) -> T | Failure:
    """Classify the reply, then give what `values` makes of its `result`."""
    failure = classify(request, reply)
    if failure is not None:
        return failure
    try:
        return values(decode(reply.body, _Envelope).result)
    except UNREADABLE as error:
        return meant(request, reply, HOLLOW, message=f"{request.name}: {error}")


class Symbols:
    """Finds instruments by whatever the venue calls a pair: `XBTUSD`, `XXBTZUSD`, `XBT/USD`."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._by_alias: dict[str, str] | None = None

    def symbol(self, pair: str) -> str:
        """The unified symbol; the venue's own where it is not listed: nothing is dropped."""
        known = self._instruments.get(pair)
        if known is not None:
            return known.symbol
        if self._by_alias is None:
            self._by_alias = {
                name: instrument.symbol
                for instrument in self._instruments.values()
                for name in (instrument.venue_symbol, *instrument.aliases)
            }
        return self._by_alias.get(pair, pair)


def side_of(text: str) -> Side:
    """Nothing may be assumed about a side. Raises ValueError when it is neither."""
    side = _SIDES.get(text)
    if side is None:
        raise ValueError(f"type {text[:20]!r}")
    return side


def milliseconds(seconds: Decimal) -> int:
    """The venue's seconds with their fraction as whole milliseconds."""
    return int(seconds * 1000)


# Account ------------------------------------------------------------------------------------------


class _TradeRow(Row):
    ordertxid: str
    pair: str
    time: Decimal
    type: str
    price: Decimal
    vol: Decimal
    fee: Decimal = Decimal(0)
    maker: bool = False


class _Trades(msgspec.Struct):
    trades: dict[str, _TradeRow]
    count: int | None = None


def read_executions(
    request: WireRequest, reply: WireReply, instruments: Mapping[str, Instrument]
) -> list[Execution] | Failure:
    """Executions of the pair that was asked for, oldest first. They name the venue's id only.

    Fees are in the quote currency: `place_order` asks for that.
    """

    def values(result: msgspec.Raw) -> list[Execution]:
        symbols = Symbols(instruments)
        quotes = {i.symbol: i.quote for i in instruments.values()}
        rows = [
            _execution(txid, row, symbols, quotes)
            for txid, row in decode(result, _Trades).trades.items()
        ]
        rows.sort(key=lambda row: row.venue_time_ms)
        return [row for row in rows if request.symbol in (None, row.symbol)]

    return read(request, reply, values)


def _execution(txid: str, row: _TradeRow, symbols: Symbols, quotes: Mapping[str, str]) -> Execution:
    if row.vol <= 0 or row.price < 0:
        raise ValueError(f"execution of {row.vol} at {row.price}")
    symbol = symbols.symbol(row.pair)
    return Execution(
        symbol=symbol,
        execution_id=txid,
        venue_order_id=row.ordertxid,
        side=side_of(row.type),
        price=row.price,
        qty=row.vol,
        fee=row.fee,
        fee_currency=quotes.get(symbol, ""),
        is_maker=row.maker,
        venue_time_ms=milliseconds(row.time),
    )


def next_page(request: WireRequest, reply: WireReply, *, now_ms: int) -> WireRequest | None:
    """The next 50 executions. One that happens meanwhile moves the pages: some come again."""
    trades = read(request, reply, lambda result: decode(result, _Trades))
    if isinstance(trades, Failure) or not trades.trades:
        return None
    seen = int(dict(request.params).get("ofs", "0")) + len(trades.trades)
    if seen >= trades.count if trades.count is not None else len(trades.trades) < PAGE:
        return None
    params = [pair for pair in request.params if pair[0] != "ofs"]
    return replace(request, params=(*params, ("ofs", str(seen))))


def read_positions(
    request: WireRequest,
    reply: WireReply,
    instruments: Mapping[str, Instrument],
    *,
    as_of: float,
) -> list[Position]:
    """None, whatever the reply: spot has balances, not positions."""
    return []


class _BalanceRow(Row):
    balance: Decimal
    hold_trade: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    credit_used: Decimal = Decimal(0)


def read_balances(
    request: WireRequest, reply: WireReply, *, as_of: float
) -> list[Balance] | Failure:
    """Balances that are not zero. What open orders hold is locked; a credit line counts as free."""

    def values(result: msgspec.Raw) -> list[Balance]:
        rows = decode(result, dict[str, _BalanceRow])
        return [_balance(code, row, as_of) for code, row in rows.items() if row.balance]

    return read(request, reply, values)


def _balance(code: str, row: _BalanceRow, as_of: float) -> Balance:
    return Balance(
        currency=currency(code),
        total=row.balance,
        free=row.balance + row.credit - row.credit_used - row.hold_trade,
        locked=row.hold_trade,
        as_of=as_of,
        source=Source.REST,
    )


# Market data --------------------------------------------------------------------------------------


class _Book(msgspec.Struct):
    bids: list[tuple[Decimal, Decimal, msgspec.Raw]]
    asks: list[tuple[Decimal, Decimal, msgspec.Raw]]


def read_book(request: WireRequest, reply: WireReply) -> tuple[list[Level], list[Level]] | Failure:
    """Bids and asks, best first."""

    def values(result: msgspec.Raw) -> tuple[list[Level], list[Level]]:
        book = _only(decode(result, dict[str, _Book]))
        return _levels(book.bids), _levels(book.asks)

    return read(request, reply, values)


def _levels(side: list[tuple[Decimal, Decimal, msgspec.Raw]]) -> list[Level]:
    for price, qty, _ in side:
        check_amount("price", price)
        check_amount("volume", qty)
        if price <= 0 or qty < 0:
            raise ValueError(f"level {price} × {qty}")
    return [Level(price, qty) for price, qty, _ in side]


class _Ticker(msgspec.Struct):
    a: tuple[Decimal, msgspec.Raw, msgspec.Raw]
    b: tuple[Decimal, msgspec.Raw, msgspec.Raw]
    c: tuple[Decimal, msgspec.Raw]


def read_mark_price(request: WireRequest, reply: WireReply) -> Decimal | Failure:
    """The middle of the best prices; the last trade where one side is empty or they are crossed.

    Spot has no mark price. The middle follows the market also where nothing trades, and a single
    trade far off does not move it.
    """

    def values(result: msgspec.Raw) -> Decimal:
        ticker = _only(decode(result, dict[str, _Ticker]))
        ask, bid, last = ticker.a[0], ticker.b[0], ticker.c[0]
        for name, price in (("ask", ask), ("bid", bid), ("last", last)):
            check_amount(name, price)
        price = (ask + bid) / 2 if 0 < bid < ask else last
        if price <= 0:
            raise ValueError(f"ask {ask}, bid {bid} and last trade {last}")
        return price

    return read(request, reply, values)


def _only(rows: Mapping[str, T]) -> T:
    """The one value of an answer about one pair, which may be keyed by another of its names."""
    if len(rows) != 1:
        raise ValueError(f"{len(rows)} pairs in an answer about one")
    return next(iter(rows.values()))


class _Time(msgspec.Struct):
    unixtime: int


class _Timer(msgspec.Struct, rename="camel"):
    current_time: str
    trigger_time: str | int | None = None


def read_index_price(request: WireRequest, reply: WireReply) -> Decimal | Failure | None:
    """Spot has no index: it is what an index is made of."""
    del request, reply
    return None


def read_dead_mans_switch(request: WireRequest, reply: WireReply) -> float | Failure:
    """In how many seconds it fires; 0.0 when it is off.

    The venue writes that as "0", or leaves it out.

    Source: Kraken docs, Cancel All Orders After X.
    """

    def values(result: msgspec.Raw) -> float:
        timer = decode(result, _Timer)
        if timer.trigger_time in (None, "0", 0):
            return 0.0
        fires_at = datetime.fromisoformat(str(timer.trigger_time))
        return (fires_at - datetime.fromisoformat(timer.current_time)).total_seconds()

    return read(request, reply, values)


def read_time(request: WireRequest, reply: WireReply) -> int | Failure:
    """The venue's clock, in ms since the epoch; it shows whole seconds."""
    return read(request, reply, lambda result: decode(result, _Time).unixtime * 1000)
