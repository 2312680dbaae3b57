"""The user data of Binance spot, over the WebSocket API.

There is no listen key any more (removed 2026-02-20): a signed request subscribes the connection it
comes over, with any kind of key. It brings no snapshot, and nothing is repeated after a reconnect.

Source: Binance spot docs, user-data-stream.md and web-socket-api.md ("User Data Stream requests"),
2026-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure
from outlast.model import Execution, Instrument, OrderReport, Source
from outlast.private_wire import (
    AccountMoved,
    BalanceTold,
    FillTold,
    Hello,
    Moved,
    News,
    OrderTold,
    StreamEnding,
    Ticket,
    Unrecognised,
)
from outlast.venues import _binance_sockets as sockets
from outlast.venues._answers import UNREADABLE, printable
from outlast.venues._binance_rows import Row, decode, side_of, symbol_of
from outlast.venues.binance_spot import orders
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

SNAPSHOT_TELLS_ORDERS: Final = False
DIAL_COSTS: Final = (Cost("weight_1m", 4), Cost("requests_5m", 2))
"""2 for the connection and 2 for the subscription."""
SILENCE_LIMIT_S: Final[float | None] = None
"""The venue speaks when something happens; its pings, and ours, are of the protocol."""
PING: Final[bytes | None] = None

_SUBSCRIBE: Final = 1
_SILENT: Final = frozenset({"listStatus"})
"""Order lists: their orders are told of one by one."""
_NO_TRADE: Final = -1


def ask_ticket() -> WireRequest | None:
    """None: the subscription itself is signed."""
    return None


def keep_ticket(ticket: Ticket) -> WireRequest | None:
    return None


def read_ticket(request: WireRequest, reply: WireReply) -> Ticket | Failure:
    """Never asked for.

    Raises:
        AssertionError: always.
    """
    raise AssertionError("Binance spot gives no tickets")


def private_url(base_url: str, ticket: Ticket | None) -> str:
    return f"{base_url}/ws-api/v3"


def hello(
    *, key: str, secret: str, ticket: Ticket | None, timestamp_ms: int, valid_for_ms: int
) -> Sequence[Hello]:
    text = sockets.signed(
        "userDataStream.subscribe.signature",
        (),
        number=_SUBSCRIBE,
        key=key,
        secret=secret,
        timestamp_ms=timestamp_ms,
        valid_for_ms=valid_for_ms,
    )
    return (Hello(_SUBSCRIBE, text),)


class _Report(Row):
    """`executionReport`."""

    symbol: str = msgspec.field(name="s")
    client_order_id: str = msgspec.field(name="c")
    original_id: str = msgspec.field(name="C")
    side: str = msgspec.field(name="S")
    type: str = msgspec.field(name="o")
    time_in_force: str = msgspec.field(name="f")
    qty: Decimal = msgspec.field(name="q")
    price: Decimal = msgspec.field(name="p")
    stop_price: Decimal = msgspec.field(name="P")
    what: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    last_qty: Decimal = msgspec.field(name="l")
    filled_qty: Decimal = msgspec.field(name="z")
    last_price: Decimal = msgspec.field(name="L")
    fee: Decimal = msgspec.field(name="n")
    at_ms: int = msgspec.field(name="T")
    trade_id: int = msgspec.field(name="t")
    filled_quote: Decimal = msgspec.field(name="Z")
    created_ms: int = msgspec.field(name="O")
    fee_asset: str | None = msgspec.field(name="N", default=None)
    is_maker: bool = msgspec.field(name="m", default=False)
    reject_reason: str = msgspec.field(name="r", default="NONE")
    expiry_reason: str = msgspec.field(name="eR", default="")


class _Held(Row):
    asset: str = msgspec.field(name="a")
    free: Decimal = msgspec.field(name="f")
    locked: Decimal = msgspec.field(name="l")


class _Account(Row):
    at_ms: int = msgspec.field(name="u")
    balances: list[_Held] = msgspec.field(name="B")


class _Delta(Row):
    asset: str = msgspec.field(name="a")
    amount: Decimal = msgspec.field(name="d")
    at_ms: int = msgspec.field(name="T")


def reader(instruments: Mapping[str, Instrument]) -> Reader:
    return Reader(instruments)


class Reader:
    """Reads what the venue says; every event stands for itself."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments

    def read(self, message: bytes) -> Sequence[News]:
        event = sockets.event_of(message)
        if event is not None:
            kind, body = event
            try:
                return self._event(kind, body)
            except UNREADABLE as error:
                return (Unrecognised(f"{kind}: {error}"),)
        answer = sockets.read_answer(message)
        if answer is None:
            return (Unrecognised(printable(message)),)
        if isinstance(answer, StreamEnding):
            return (answer,)
        if answer.number is None:
            return (StreamEnding("the venue has ended the session of this connection"),)
        told = sockets.subscribe_answer(answer)
        return () if told is None else (told,)

    def _event(self, kind: str, body: msgspec.Raw) -> Sequence[News]:
        match kind:
            case "executionReport":
                return self._order(decode(body, _Report))
            case "outboundAccountPosition":
                account = decode(body, _Account)
                return [
                    BalanceTold(
                        currency=row.asset,
                        total=row.free + row.locked,
                        locked=row.locked,
                        at_ms=account.at_ms,
                    )
                    for row in account.balances
                ]
            case "balanceUpdate" | "externalLockUpdate":
                delta = decode(body, _Delta)
                moved = AccountMoved(
                    kind=Moved.TRANSFER if kind == "balanceUpdate" else Moved.OTHER,
                    cause=kind,
                    at_ms=delta.at_ms,
                    currency=delta.asset,
                    amount=delta.amount,
                )
                return (moved,)
            case "eventStreamTerminated":
                return (StreamEnding("the venue has ended the subscription"),)
            case "serverShutdown":
                return (StreamEnding("the venue is about to close the connection"),)
        return () if kind in _SILENT else (Unrecognised(f"event {kind}"),)

    def _order(self, row: _Report) -> Sequence[News]:
        """The fill comes first: it says exactly when, and the report then adds nothing to it."""
        if row.filled_qty < 0 or row.qty < 0:
            raise ValueError(f"filled {row.filled_qty} of {row.qty}")
        # After a cancel the order's own id is in C, and c is that of the cancel.
        is_renamed = row.what == "CANCELED" and row.original_id
        client_order_id = row.original_id if is_renamed else row.client_order_id
        symbol, side = symbol_of(row.symbol, self._instruments), side_of(row.side)
        new: list[str] = []
        average = row.filled_quote / row.filled_qty if row.filled_qty else None
        report = OrderReport(
            client_order_id=client_order_id,
            venue_order_id=str(row.order_id),
            symbol=symbol,
            status=orders.status_of(row.status, row.filled_qty, new),
            side=side,
            order_type=orders.type_of(row.type, row.price, new),
            qty=row.qty,
            filled_qty=row.filled_qty,
            price=row.price or None,
            stop_price=row.stop_price or None,
            avg_price=average or None,
            time_in_force=orders.time_in_force_of(row.time_in_force, new),
            post_only=row.type == "LIMIT_MAKER",
            created_ms=row.created_ms,
            updated_ms=row.at_ms,
            source=Source.STREAM,
            reason=_reason(row),
            unrecognised=tuple(new),
        )
        if row.what != "TRADE" or row.trade_id == _NO_TRADE:
            return (OrderTold(report),)
        if row.last_qty <= 0 or row.last_price < 0:
            raise ValueError(f"fill of {row.last_qty} at {row.last_price}")
        execution = Execution(
            symbol=symbol,
            execution_id=str(row.trade_id),
            venue_order_id=str(row.order_id),
            side=side,
            price=row.last_price,
            qty=row.last_qty,
            fee=row.fee,
            fee_currency=row.fee_asset or "",
            is_maker=row.is_maker,
            client_order_id=client_order_id,
            venue_time_ms=row.at_ms,
        )
        return (FillTold(execution), OrderTold(report))


def _reason(row: _Report) -> str:
    if row.reject_reason != "NONE":
        return row.reject_reason
    if row.expiry_reason:
        return row.expiry_reason
    return row.status if row.status == "EXPIRED_IN_MATCH" else ""
