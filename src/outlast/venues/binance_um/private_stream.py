"""The user data of Binance USD-M futures: a stream of its own, at an address made of a listen key.

A key is valid for an hour from its last sign of life, and the account has one: asking again gives
the same. When it runs out the socket stays open and goes silent after one word. There is no
snapshot, and nothing is repeated after a reconnect. `TRADE_LITE` tells of fills that
`ORDER_TRADE_UPDATE` tells whole, a moment later, and is left alone.

Source: Binance USD-M futures docs, User Data Streams, 2026-09.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from outlast.errors import Failure
from outlast.model import Execution, Instrument, OrderReport, OrderStatus, Plane, Source
from outlast.private_wire import (
    AccountMoved,
    BalanceTold,
    FillTold,
    Hello,
    Moved,
    News,
    OrderTold,
    OrderTouched,
    PositionTold,
    StreamEnding,
    Ticket,
    Unrecognised,
)
from outlast.venues._answers import UNREADABLE, printable
from outlast.venues.binance_um import orders
from outlast.venues.binance_um.limits import costs
from outlast.venues.binance_um.replies import Row, decode, read, side_of, symbol_of
from outlast.wire import Auth, Cost, Lane, WireReply, WireRequest

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
DIAL_COSTS: Final[tuple[Cost, ...]] = ()
SILENCE_LIMIT_S: Final[float | None] = None
"""The venue speaks when something happens; its pings, and ours, are of the protocol."""
PING: Final[bytes | None] = None
KEY_VALID_S: Final = 3600.0
READ_WITHIN_S: Final = 3.0

_PATH: Final = "/fapi/v1/listenKey"
_SILENT: Final = frozenset({"TRADE_LITE", "STRATEGY_UPDATE", "GRID_UPDATE"})
_OWN_WORK: Final = "ORDER"
"""The cause of an account update that orders explain."""
_TRANSFERS: Final = frozenset(
    {
        "DEPOSIT",
        "WITHDRAW",
        "WITHDRAW_REJECT",
        "ADMIN_DEPOSIT",
        "ADMIN_WITHDRAW",
        "ASSET_TRANSFER",
        "MARGIN_TRANSFER",
        "COIN_SWAP_DEPOSIT",
        "COIN_SWAP_WITHDRAW",
    }
)
_FUNDING: Final = "FUNDING_FEE"
_LIQUIDATIONS: Final = ("autoclose-", "adl_autoclose", "settlement_autoclose-")
"""How the client ids of the venue's own orders begin."""
_TRIGGERED: Final = "8"
"""Why a conditional order has expired: it lives on as the order that it has become."""


def ask_ticket() -> WireRequest:
    return _key_call("stream.ticket", "POST")


def keep_ticket(ticket: Ticket) -> WireRequest:
    """Prolongs the account's key by an hour; -1125 where there is none any more."""
    return _key_call("stream.keep", "PUT")


def _key_call(name: str, method: str) -> WireRequest:
    return WireRequest(
        name=name,
        method=method,
        path=_PATH,
        auth=Auth.KEY,
        plane=Plane.ACCOUNT,
        lane=Lane.RECONCILE,
        costs=costs(method, _PATH, ()),
        answer_within_s=READ_WITHIN_S,
    )


class _Key(Row):
    listen_key: str


def read_ticket(request: WireRequest, reply: WireReply) -> Ticket | Failure:
    def values(body: bytes) -> Ticket:
        key = decode(body, _Key).listen_key
        if not (key.isascii() and key.isalnum()):
            raise ValueError("listenKey is no key")
        return Ticket(text=key, good_for_s=KEY_VALID_S)

    return read(request, reply, values)


def private_url(base_url: str, ticket: Ticket | None) -> str:
    """All events: a list of those that are wanted would have to name the key's own end."""
    assert ticket is not None
    return f"{base_url}/private/ws/{ticket.text}"


def hello(
    *, key: str, secret: str, ticket: Ticket | None, timestamp_ms: int, valid_for_ms: int
) -> Sequence[Hello]:
    """Nothing: the address says it all."""
    return ()


class _Order(Row):
    symbol: str = msgspec.field(name="s")
    client_order_id: str = msgspec.field(name="c")
    side: str = msgspec.field(name="S")
    type: str = msgspec.field(name="o")
    time_in_force: str = msgspec.field(name="f")
    qty: Decimal = msgspec.field(name="q")
    price: Decimal = msgspec.field(name="p")
    average: Decimal = msgspec.field(name="ap")
    what: str = msgspec.field(name="x")
    status: str = msgspec.field(name="X")
    order_id: int = msgspec.field(name="i")
    last_qty: Decimal = msgspec.field(name="l")
    filled_qty: Decimal = msgspec.field(name="z")
    last_price: Decimal = msgspec.field(name="L")
    at_ms: int = msgspec.field(name="T")
    trade_id: int = msgspec.field(name="t")
    stop_price: Decimal = msgspec.field(name="sp", default=Decimal(0))
    fee: Decimal = msgspec.field(name="n", default=Decimal(0))
    fee_asset: str | None = msgspec.field(name="N", default=None)
    is_maker: bool = msgspec.field(name="m", default=False)
    reduce_only: bool = msgspec.field(name="R", default=False)
    realised: Decimal = msgspec.field(name="rp", default=Decimal(0))
    original_type: str = msgspec.field(name="ot", default="")
    expired_by: str = msgspec.field(name="er", default="0")


class _OrderEvent(Row):
    order: _Order = msgspec.field(name="o")


class _Algo(Row):
    client_algo_id: str = msgspec.field(name="caid")
    type: str = msgspec.field(name="o")
    symbol: str = msgspec.field(name="s")
    side: str = msgspec.field(name="S")
    time_in_force: str = msgspec.field(name="f")
    qty: Decimal = msgspec.field(name="q")
    status: str = msgspec.field(name="X")
    trigger_price: Decimal = msgspec.field(name="tp")
    price: Decimal = msgspec.field(name="p")
    reduce_only: bool = msgspec.field(name="R", default=False)
    actual_id: str = msgspec.field(name="ai", default="")
    actual_price: str = msgspec.field(name="ap", default="")
    actual_qty: str = msgspec.field(name="aq", default="")
    reason: str = msgspec.field(name="rm", default="")


class _AlgoEvent(Row):
    at_ms: int = msgspec.field(name="T")
    order: _Algo = msgspec.field(name="o")


class _Wallet(Row):
    asset: str = msgspec.field(name="a")
    total: Decimal = msgspec.field(name="wb")
    changed: Decimal = msgspec.field(name="bc", default=Decimal(0))


class _Holding(Row):
    symbol: str = msgspec.field(name="s")
    qty: Decimal = msgspec.field(name="pa")
    entry: Decimal = msgspec.field(name="ep")
    unrealised: Decimal = msgspec.field(name="up")


class _Changes(Row):
    cause: str = msgspec.field(name="m")
    wallets: list[_Wallet] = msgspec.field(name="B", default_factory=list)
    holdings: list[_Holding] = msgspec.field(name="P", default_factory=list)
    symbol: str | None = msgspec.field(name="S", default=None)


class _AccountEvent(Row):
    at_ms: int = msgspec.field(name="T")
    changes: _Changes = msgspec.field(name="a")


class _Called(Row):
    symbol: str = msgspec.field(name="s")


class _MarginCall(Row):
    at_ms: int = msgspec.field(name="E")
    holdings: list[_Called] = msgspec.field(name="p")


class _Rejected(Row):
    symbol: str = msgspec.field(name="s")
    order_id: int = msgspec.field(name="i")


class _TriggerRejected(Row):
    order: _Rejected = msgspec.field(name="or")


class _Setting(Row):
    at_ms: int = msgspec.field(name="E")
    of_symbol: _Called | None = msgspec.field(name="ac", default=None)


class _Event(msgspec.Struct):
    kind: str = msgspec.field(name="e", default="")


def reader(instruments: Mapping[str, Instrument]) -> Reader:
    return Reader(instruments)


class Reader:
    """Reads what the venue says; every event stands for itself."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments

    def read(self, message: bytes) -> Sequence[News]:
        kind = "message"
        try:
            kind = decode(message, _Event).kind
            return self._event(kind, message)
        except UNREADABLE as error:
            return (Unrecognised(f"{kind}: {error}; {printable(message)}"),)

    def _event(self, kind: str, body: bytes) -> Sequence[News]:
        match kind:
            case "ORDER_TRADE_UPDATE":
                return self._order(decode(body, _OrderEvent).order)
            case "ALGO_UPDATE":
                event = decode(body, _AlgoEvent)
                return (self._algo(event.order, event.at_ms),)
            case "ACCOUNT_UPDATE":
                told = decode(body, _AccountEvent)
                return self._account(told.changes, told.at_ms)
            case "listenKeyExpired":
                return (StreamEnding("the listen key has run out", ticket_is_dead=True),)
            case "CONDITIONAL_ORDER_TRIGGER_REJECT":
                order = decode(body, _TriggerRejected).order
                return (OrderTouched(str(order.order_id), self._symbol(order.symbol)),)
            case "MARGIN_CALL":
                call = decode(body, _MarginCall)
                return [
                    AccountMoved(
                        kind=Moved.MARGIN_CALL,
                        cause=kind,
                        at_ms=call.at_ms,
                        symbol=self._symbol(row.symbol),
                    )
                    for row in call.holdings
                ]
            case "ACCOUNT_CONFIG_UPDATE":
                setting = decode(body, _Setting)
                symbol = None if setting.of_symbol is None else setting.of_symbol.symbol
                moved = AccountMoved(
                    kind=Moved.SETTINGS,
                    cause=kind,
                    at_ms=setting.at_ms,
                    symbol=None if symbol is None else self._symbol(symbol),
                )
                return (moved,)
        return () if kind in _SILENT else (Unrecognised(f"event {kind!r}"),)

    def _symbol(self, venue_symbol: str) -> str:
        return symbol_of(venue_symbol, self._instruments)

    def _order(self, row: _Order) -> Sequence[News]:
        """The fill comes first: it says exactly when, and the report then adds nothing to it."""
        if row.filled_qty < 0 or row.qty < 0:
            raise ValueError(f"filled {row.filled_qty} of {row.qty}")
        if row.what == "EXPIRED" and row.expired_by == _TRIGGERED:
            return ()  # ALGO_UPDATE tells of it
        symbol, side = self._symbol(row.symbol), side_of(row.side)
        new: list[str] = []
        report = OrderReport(
            client_order_id=row.client_order_id,
            venue_order_id=str(row.order_id),
            symbol=symbol,
            status=orders.status_of(row.status, row.filled_qty, new),
            side=side,
            order_type=orders.type_of(row.type, row.price, new),
            qty=row.qty,
            filled_qty=row.filled_qty,
            price=row.price or None,
            stop_price=row.stop_price or None,
            avg_price=row.average or None,
            time_in_force=orders.time_in_force_of(row.time_in_force, new),
            post_only=row.time_in_force in orders.POST_ONLY,
            reduce_only=row.reduce_only,
            created_ms=row.at_ms if row.what == "NEW" else None,
            updated_ms=row.at_ms,
            source=Source.STREAM,
            reason=row.status if row.status == "EXPIRED_IN_MATCH" else "",
            unrecognised=tuple(new),
        )
        news: list[News] = [OrderTold(report)]
        if row.trade_id and row.last_qty > 0:
            news.insert(0, FillTold(_fill(row, symbol, report)))
        if row.what == "CALCULATED" or row.client_order_id.startswith(_LIQUIDATIONS):
            moved = AccountMoved(
                kind=Moved.LIQUIDATION, cause=row.client_order_id, at_ms=row.at_ms, symbol=symbol
            )
            news.append(moved)
        return news

    def _algo(self, row: _Algo, at_ms: int) -> News:
        filled = orders.amount_of("aq", row.actual_qty) or Decimal(0)
        if filled < 0 or row.qty < 0:
            raise ValueError(f"filled {filled} of {row.qty}")
        symbol = self._symbol(row.symbol)
        actual_id = row.actual_id if row.actual_id != "0" else ""
        new: list[str] = []
        if row.status != "FINISHED":
            status = orders.status_of(row.status, filled, new)
        elif not row.actual_qty:
            return OrderTouched(actual_id, symbol)  # done, and not said how
        else:
            is_whole = 0 < filled >= row.qty
            status = OrderStatus.FILLED if is_whole else OrderStatus.EXPIRED
        average = orders.amount_of("ap", row.actual_price) if filled else None
        report = OrderReport(
            client_order_id=row.client_algo_id,
            venue_order_id=actual_id,
            symbol=symbol,
            status=status,
            side=side_of(row.side),
            order_type=orders.type_of(row.type, row.price, new),
            qty=row.qty or filled,
            filled_qty=filled,
            price=row.price or None,
            stop_price=row.trigger_price or None,
            avg_price=average or None,
            time_in_force=orders.time_in_force_of(row.time_in_force, new),
            post_only=row.time_in_force in orders.POST_ONLY,
            reduce_only=row.reduce_only,
            updated_ms=at_ms,
            source=Source.STREAM,
            reason=row.reason,
            unrecognised=tuple(new),
        )
        return OrderTold(report)

    def _account(self, changes: _Changes, at_ms: int) -> Sequence[News]:
        """Only what has changed. A resting order reserves margin without a word."""
        cause = changes.cause
        news: list[News] = [
            BalanceTold(currency=row.asset, total=row.total, locked=None, at_ms=at_ms, cause=cause)
            for row in changes.wallets
        ]
        news += [
            PositionTold(
                symbol=self._symbol(row.symbol),
                qty=row.qty,
                entry_price=row.entry,
                unrealised_pnl=row.unrealised,
                at_ms=at_ms,
                cause=cause,
            )
            for row in changes.holdings
        ]
        if cause != _OWN_WORK:
            symbol = None if changes.symbol is None else self._symbol(changes.symbol)
            news += [
                AccountMoved(
                    kind=_kind_of(cause),
                    cause=cause,
                    at_ms=at_ms,
                    currency=row.asset,
                    amount=row.changed,
                    symbol=symbol,
                )
                for row in changes.wallets
            ]
        return news


def _kind_of(cause: str) -> Moved:
    if cause in _TRANSFERS:
        return Moved.TRANSFER
    return Moved.FUNDING if cause == _FUNDING else Moved.OTHER


def _fill(row: _Order, symbol: str, report: OrderReport) -> Execution:
    if row.last_price < 0:
        raise ValueError(f"fill of {row.last_qty} at {row.last_price}")
    return Execution(
        symbol=symbol,
        execution_id=str(row.trade_id),
        venue_order_id=str(row.order_id),
        side=report.side,
        price=row.last_price,
        qty=row.last_qty,
        fee=row.fee,
        fee_currency=row.fee_asset or "",
        realised_pnl=row.realised,
        is_maker=row.is_maker,
        client_order_id=row.client_order_id,
        venue_time_ms=row.at_ms,
    )
