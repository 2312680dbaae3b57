"""The private channels of WebSocket v2: `executions` and `balances`.

Both begin with a snapshot. What happens to an order afterwards comes in pieces that name little
more than its id, so the reader keeps what was said before. Each channel numbers its messages: one
that is missing makes all that follows unreliable.

Source: Kraken docs, WebSocket v2 channels executions and balances, read 2026-05-27. That numbers
have no gaps is read off the examples there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from outlast.errors import Failure
from outlast.model import (
    Execution,
    Instrument,
    OrderReport,
    OrderStatus,
    OrderType,
    Source,
    TimeInForce,
)
from outlast.private_wire import (
    AccountMoved,
    AmountsShown,
    BalanceTold,
    FillsTold,
    FillTold,
    Hello,
    Moved,
    News,
    OpenOrdersTold,
    OrderTold,
    OrderTouched,
    StreamEnding,
    Ticket,
    Unrecognised,
)
from outlast.venues._answers import UNREADABLE, printable
from outlast.venues.kraken_spot import _frames as frames
from outlast.venues.kraken_spot.orders import TYPES
from outlast.venues.kraken_spot.replies import Row, Symbols, decode, side_of
from outlast.venues.kraken_spot.requests import canonical
from outlast.venues.kraken_spot.symbols import currency
from outlast.wire import Cost, WireReply, WireRequest

__all__ = [
    "DIAL_COSTS",
    "PING",
    "SILENCE_LIMIT_S",
    "SNAPSHOT_TELLS_ORDERS",
    "ask_ticket",
    "hello",
    "keep_ticket",
    "private_url",
    "read_ticket",
    "reader",
]

SNAPSHOT_TELLS_ORDERS: Final = True
DIAL_COSTS: Final[tuple[Cost, ...]] = ()
SILENCE_LIMIT_S: Final[float | None] = 10.0
"""Heartbeats come every second when nothing else does."""
PING: Final[bytes | None] = frames.PING

_EXECUTIONS, _BALANCES = 1, 2
_FILLS_SHOWN: Final = 50
_ENDED_KEPT: Final = 1_000
"""Orders that have ended and may still be named: a last fill, a word about the end."""
_TRANSFERS: Final = frozenset({"deposit", "withdrawal", "transfer"})
_QUIET: Final = frozenset({"heartbeat", "status", "pong"})
_STATUSES: Final = {
    "new": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "triggered": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
}
_ENDED: Final = frozenset({"filled", "canceled", "expired"})
_TIMES_IN_FORCE: Final = {tif.value: tif for tif in TimeInForce}


def ask_ticket() -> WireRequest:
    return frames.ask_ticket()


def keep_ticket(ticket: Ticket) -> WireRequest | None:
    """None: it lives as long as the connection that came in with it."""
    return None


def read_ticket(request: WireRequest, reply: WireReply) -> Ticket | Failure:
    return frames.read_ticket(request, reply)


def private_url(base_url: str, ticket: Ticket | None) -> str:
    return f"{base_url}/v2"


def hello(
    *, key: str, secret: str, ticket: Ticket | None, timestamp_ms: int, valid_for_ms: int
) -> Sequence[Hello]:
    assert ticket is not None
    executions = {
        "channel": "executions",
        "snap_orders": True,
        "snap_trades": True,
        "order_status": True,
        "token": ticket.text,
    }
    balances = {"channel": "balances", "snapshot": True, "token": ticket.text}
    return (
        Hello(_EXECUTIONS, frames.request("subscribe", executions, _EXECUTIONS)),
        Hello(_BALANCES, frames.request("subscribe", balances, _BALANCES)),
    )


class _Fee(Row):
    asset: str
    qty: Decimal


class _Trigger(Row):
    price: Decimal | None = None


class _Execution(Row):
    """One row of `executions`. Only what names the order is always there."""

    order_id: str
    exec_type: str
    timestamp: datetime
    order_status: str | None = None
    cl_ord_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    order_type: str | None = None
    order_qty: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    triggers: _Trigger | None = None
    time_in_force: str | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    cum_qty: Decimal | None = None
    avg_price: Decimal | None = None
    reason: str | None = None
    exec_id: str | None = None
    last_qty: Decimal | None = None
    last_price: Decimal | None = None
    liquidity_ind: str | None = None
    fees: list[_Fee] = msgspec.field(default_factory=list)


class _Wallet(Row):
    type: str
    balance: Decimal


class _Balance(Row):
    asset: str
    balance: Decimal
    wallets: list[_Wallet] | None = None
    type: str = ""
    wallet_type: str = "spot"
    amount: Decimal | None = None
    timestamp: datetime | None = None


class _Message(msgspec.Struct):
    channel: str | None = None
    type: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")
    sequence: int | None = None
    method: str | None = None
    req_id: int | None = None
    success: bool | None = None
    error: str | None = None
    # One refusal has been seen with a capital letter.
    loud_error: str | None = msgspec.field(name="Error", default=None)


_MERGED: Final = (
    "cl_ord_id",
    "symbol",
    "side",
    "order_type",
    "order_qty",
    "limit_price",
    "stop_price",
    "triggers",
    "time_in_force",
    "post_only",
    "reduce_only",
    "cum_qty",
    "avg_price",
    "reason",
    "order_status",
)


class _Known:
    """What was said of one order so far."""

    __slots__ = ("created_ms", "said")

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self.created_ms: int | None = None

    def take(self, row: _Execution) -> None:
        for name in _MERGED:
            value = getattr(row, name)
            if value is not None:
                self.said[name] = value

    @property
    def is_ended(self) -> bool:
        return self.said.get("order_status") in _ENDED


def reader(instruments: Mapping[str, Instrument]) -> Reader:
    return Reader(instruments)


class Reader:
    """Puts the pieces together that one connection brings."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._symbols = Symbols(instruments)
        self._known: dict[str, _Known] = {}
        self._ended: dict[str, None] = {}
        self._sequences: dict[str, int] = {}

    def read(self, message: bytes) -> Sequence[News]:
        try:
            told = decode(message, _Message)
        except UNREADABLE:
            return (Unrecognised(printable(message)),)
        if told.channel is None:
            return self._answer(told, message)
        if told.channel in _QUIET:
            return ()
        if told.channel not in ("executions", "balances"):
            return (Unrecognised(f"channel {told.channel[:40]!r}"),)
        if told.sequence is not None:
            before = self._sequences.get(told.channel, 0)
            if told.type != "snapshot" and told.sequence <= before:
                return ()  # said before
            if told.type != "snapshot" and told.sequence > before + 1:
                gap = f"{told.channel} jumps from message {before} to {told.sequence}"
                return (StreamEnding(gap),)
            self._sequences[told.channel] = told.sequence
        try:
            if told.channel == "balances":
                return self._balances(decode(told.data, list[_Balance]), told.type)
            rows = decode(told.data, list[_Execution])
            return self._snapshot(rows) if told.type == "snapshot" else self._updates(rows)
        except UNREADABLE as error:
            # What it changed is lost: whatever comes next is told of an account we do not know.
            return (
                Unrecognised(f"{told.channel}: {error}; {printable(message)}"),
                StreamEnding(f"a message of {told.channel} cannot be read"),
            )

    def _answer(self, told: _Message, message: bytes) -> Sequence[News]:
        error = told.error or told.loud_error or ""
        if told.method == "subscribe" and told.req_id is not None:
            if told.success is not True and not error:
                error = "neither success nor error"
            return (frames.subscribe_answer(told.req_id, error),)
        if told.method == "pong":
            return ()
        if error:
            return (StreamEnding(f"the venue says {error}"),)
        return (Unrecognised(printable(message)),)

    # -- executions -------------------------------------------------------------------------

    def _snapshot(self, rows: Sequence[_Execution]) -> Sequence[News]:
        self._known.clear()
        self._ended.clear()
        fills = [self._fill(row) for row in rows if row.exec_type == "trade"]
        reports = []
        touched: list[News] = []
        for row in rows:
            if row.exec_type == "trade":
                continue
            known = self._take(row)
            if known.created_ms is None:
                known.created_ms = frames.milliseconds_of(row.timestamp)
            report = self._report(row, known)
            if report is None:
                touched.append(OrderTouched(row.order_id, None))
            else:
                reports.append(report)
        fills.sort(key=lambda fill: fill.venue_time_ms)
        since_ms = fills[0].venue_time_ms if len(fills) >= _FILLS_SHOWN else None
        return [
            FillsTold(tuple(fills), since_ms),
            OpenOrdersTold(tuple(reports)),
            *touched,
        ]

    def _updates(self, rows: Sequence[_Execution]) -> Sequence[News]:
        news: list[News] = []
        for row in rows:
            known = self._take(row)
            if row.exec_type == "pending_new":
                known.created_ms = frames.milliseconds_of(row.timestamp)
                continue  # on its way to the engine: `new` says that it is there
            if row.exec_type == "trade":
                news.append(FillTold(self._fill(row)))
            report = self._report(row, known)
            news.append(OrderTouched(row.order_id, None) if report is None else OrderTold(report))
        return news

    def _take(self, row: _Execution) -> _Known:
        known = self._known.setdefault(row.order_id, _Known())
        known.take(row)
        if known.is_ended:
            self._ended[row.order_id] = None
            if len(self._ended) > _ENDED_KEPT:
                oldest = next(iter(self._ended))
                del self._ended[oldest], self._known[oldest]
        return known

    def _report(self, row: _Execution, known: _Known) -> OrderReport | None:
        """The order as it stands; None while its terms are not known."""
        said = known.said
        if any(said.get(name) is None for name in ("symbol", "side", "order_type", "order_qty")):
            return None
        new: list[str] = []
        qty, filled = said["order_qty"], said.get("cum_qty") or Decimal(0)
        if qty < 0 or filled < 0:
            raise ValueError(f"cum_qty {filled} of order_qty {qty}")
        price = said.get("limit_price") or None
        order_type = TYPES.get(said["order_type"])
        if order_type is None:
            new.append(f"order_type={said['order_type']}")
            order_type = OrderType.LIMIT if price else OrderType.MARKET
        trigger = said.get("triggers")
        stop_price = (trigger.price if trigger is not None else None) or said.get("stop_price")
        tif = _TIMES_IN_FORCE.get((said.get("time_in_force") or "gtc").lower())
        if tif is None:
            new.append(f"time_in_force={said['time_in_force']}")
        cl_ord_id = said.get("cl_ord_id")
        return OrderReport(
            client_order_id=canonical(cl_ord_id) if cl_ord_id else row.order_id,
            venue_order_id=row.order_id,
            symbol=self._symbols.symbol(said["symbol"]),
            status=_status(said.get("order_status"), qty, filled, new),
            side=side_of(said["side"]),
            order_type=order_type,
            qty=qty,
            filled_qty=filled,
            price=price if order_type is not OrderType.MARKET else None,
            stop_price=(stop_price or None) if order_type.is_conditional else None,
            avg_price=(said.get("avg_price") or None) if filled else None,
            time_in_force=tif or TimeInForce.GTC,
            post_only=bool(said.get("post_only")),
            reduce_only=bool(said.get("reduce_only")),
            created_ms=known.created_ms,
            updated_ms=frames.milliseconds_of(row.timestamp),
            source=Source.STREAM,
            reason=said.get("reason") or "",
            unrecognised=tuple(new),
        )

    def _fill(self, row: _Execution) -> Execution:
        known = self._known.get(row.order_id)
        said = {} if known is None else known.said
        symbol, side = row.symbol or said.get("symbol"), row.side or said.get("side")
        if row.exec_id is None or row.last_qty is None or row.last_price is None:
            raise ValueError("a trade without exec_id, last_qty or last_price")
        if symbol is None or side is None or row.last_qty <= 0 or row.last_price < 0:
            raise ValueError(f"a trade of {row.last_qty} at {row.last_price} on {symbol}")
        cl_ord_id = row.cl_ord_id or said.get("cl_ord_id")
        return Execution(
            symbol=self._symbols.symbol(symbol),
            execution_id=row.exec_id,
            venue_order_id=row.order_id,
            side=side_of(side),
            price=row.last_price,
            qty=row.last_qty,
            fee=sum((fee.qty for fee in row.fees[:1]), Decimal(0)),
            fee_currency=row.fees[0].asset if row.fees else "",
            is_maker=row.liquidity_ind == "m",
            client_order_id=canonical(cl_ord_id) if cl_ord_id else None,
            venue_time_ms=frames.milliseconds_of(row.timestamp),
        )

    # -- balances ---------------------------------------------------------------------------

    @staticmethod
    def _balances(rows: Sequence[_Balance], kind: str) -> Sequence[News]:
        """Totals of the spot wallet; what is staked or earns cannot be traded."""
        news: list[News] = []
        for row in rows:
            if row.wallet_type != "spot":
                continue
            total = row.balance
            if kind == "snapshot" and row.wallets is not None:
                spot = (wallet.balance for wallet in row.wallets if wallet.type == "spot")
                total = sum(spot, Decimal(0))
            at_ms = None if row.timestamp is None else frames.milliseconds_of(row.timestamp)
            asset = currency(row.asset)
            news.append(
                BalanceTold(currency=asset, total=total, locked=None, at_ms=at_ms, cause=row.type)
            )
            if kind != "snapshot" and row.type not in ("trade", ""):
                news.append(
                    AccountMoved(
                        kind=Moved.TRANSFER if row.type in _TRANSFERS else Moved.OTHER,
                        cause=row.type,
                        at_ms=at_ms or 0,
                        currency=asset,
                        amount=row.amount,
                    )
                )
        if kind == "snapshot":
            news.append(AmountsShown())
        return news


def _status(text: str | None, qty: Decimal, filled: Decimal, new: list[str]) -> OrderStatus:
    """What ended says by its quantity whether it was filled; a status that is new may be live."""
    if text in _ENDED and filled >= qty > 0:
        return OrderStatus.FILLED
    status = _STATUSES.get(text or "")
    if status is None:
        new.append(f"order_status={text}")
        status = OrderStatus.ACCEPTED
    if status is OrderStatus.ACCEPTED and filled > 0:
        return OrderStatus.PARTIALLY_FILLED
    return status
