"""The venue's own record of orders: ids, what the client asked for in its words, what became of it.

The engine makes a new order of a conditional one that fires; here both are one order with one txid.
The log listens to the engine, so that it also knows the orders a scenario starts with.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import (
    EngineEvent,
    OrderEvent,
    OrderEventKind,
    OrderSnapshot,
    TradeEvent,
)
from outlast.mock.engine.model import (
    Execution,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
)
from outlast.mock.venues.kraken_spot.ids import Ids

__all__ = ["ORDER_WORDS", "Entry", "OrderLog", "OrderState", "Particulars"]

_UNSTARTED_KEPT: Final = 1_000
"""Scheduled orders that have ended before they reached the engine; it knows nothing of them."""

ORDER_WORDS: Final = {
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.STOP_MARKET: "stop-loss",
    OrderType.STOP_LIMIT: "stop-loss-limit",
    OrderType.TAKE_PROFIT_MARKET: "take-profit",
    OrderType.TAKE_PROFIT_LIMIT: "take-profit-limit",
    OrderType.TRAILING_STOP_MARKET: "trailing-stop",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Particulars:
    """What the venue keeps of an order that the engine does not need to know."""

    ordertype: str
    userref: int = 0
    cl_ord_id: str = ""
    price: str = "0"
    """As it stands in `descr`: the limit price, or what triggers; `+1.0000%` for trailing stops."""
    price2: str = "0"
    oflags: tuple[str, ...] = ("fciq",)
    trigger: str = "last"
    display_qty: Decimal | None = None
    starts_ms: int | None = None
    expires_ms: int | None = None
    volume_in_quote: Decimal | None = None


@dataclass(slots=True)
class Entry:
    """One order of a client."""

    txid: str
    account: str
    symbol: str
    particulars: Particulars
    opened_ms: int
    engine_ids: list[int] = field(default_factory=list)
    """The engine's orders that it has been, newest last; empty while it is only scheduled."""
    request: NewOrder | None = None
    """Scheduled orders: what will be placed."""
    ended: str = ""
    """Scheduled orders that never reached the engine: why."""
    ended_ms: int | None = None
    replaced: bool = False
    """EditOrder has put another order in its place."""
    amended_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """How an order stands as the venue reports it, at the instant of the question."""

    entry: Entry
    request: NewOrder
    status: str
    """`pending`, `open`, `closed`, `canceled`, `expired`."""
    reason: str | None
    closed_ms: int | None
    filled_qty: Decimal
    filled_quote: Decimal
    fee: Decimal
    """In the quote currency, whatever asset it was taken in."""
    executions: tuple[Execution, ...]
    triggered: bool

    @property
    def is_open(self) -> bool:
        return self.status in ("pending", "open")

    @property
    def avg_price(self) -> Decimal:
        return self.filled_quote / self.filled_qty if self.filled_qty else Decimal(0)


_REASONS: Final = {
    "client": "User requested",
    "deadman": "Cancel all orders after timeout",
    "venue": "Cancelled by the system",
    "post_only_would_take": "Post only order",
    "gtd": "Order expired",
    "ioc": "Immediate or cancel",
    "fok": "Fill or kill",
    "stp": "Self trade prevention",
    "no_liquidity": "Insufficient liquidity",
    "market_bound": "Market price protection",
    "no_funds": "Insufficient funds",
    "insufficient_balance": "Insufficient funds",
    "amend": "Order amended",
    "edit": "Order replaced",
}
"""`User requested` and `Post only order` are documented; the venue has words of its own for the
others that are not."""


def reason_of(end_reason: str) -> str | None:
    """The words that the venue has for why an order ended; None when it was filled."""
    return _REASONS.get(end_reason, "Cancelled by the system") if end_reason else None


class OrderLog:
    """The orders of all accounts of one running venue."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._engine: Engine | None = None
        self._by_txid: dict[str, Entry] = {}
        self._by_engine_id: dict[int, Entry] = {}
        self._by_account: dict[str, dict[str, Entry]] = {}
        self._by_trade: dict[str, Execution] = {}
        self._prints: dict[_Print, int] = {}
        """The public trades that clients were a side of, by what their fills look like."""
        self._sides: Counter[_Print] = Counter()
        self._unstarted: deque[Entry] = deque()
        self._coming: Entry | None = None
        self._numbers = 0

    def attach(self, engine: Engine) -> None:
        if self._engine is None:
            self._engine = engine
            engine.listen(self._hear)
            engine.on_forgotten(self._forget)

    # -- writing ----------------------------------------------------------------------------

    def expect(self, account: str, request: NewOrder, particulars: Particulars) -> Entry:
        """Make the entry of an order that is about to be given to the engine."""
        entry = Entry(self._next_txid(), account, request.symbol, particulars, self.engine.now_ms)
        self._coming = entry
        return entry

    def expect_again(self, entry: Entry) -> None:
        """The next order that the engine takes is this one, back or at last."""
        self._coming = entry

    def refused(self) -> None:
        """The engine did not take what was expected."""
        self._coming = None

    def schedule(self, account: str, request: NewOrder, particulars: Particulars) -> Entry:
        """Enter an order that goes to the engine later (`starttm`)."""
        entry = Entry(self._next_txid(), account, request.symbol, particulars, self.engine.now_ms)
        entry.request = request
        self._enter(entry)
        return entry

    def _next_txid(self) -> str:
        self._numbers += 1
        return self._ids.order(self._numbers)

    def _enter(self, entry: Entry) -> None:
        if entry.txid not in self._by_txid:
            self._by_txid[entry.txid] = entry
            self._by_account.setdefault(entry.account, {})[entry.txid] = entry

    def end_unstarted(self, entry: Entry, reason: str) -> None:
        """A scheduled order has ended before it reached the engine."""
        entry.ended, entry.ended_ms = reason, self.engine.now_ms
        self._unstarted.append(entry)
        if len(self._unstarted) > _UNSTARTED_KEPT:
            self._leave(self._unstarted.popleft())

    def _leave(self, entry: Entry) -> None:
        del self._by_txid[entry.txid]
        del self._by_account[entry.account][entry.txid]

    # -- finding ----------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "the log has not been attached to an engine"
        return self._engine

    def find(self, account: str, txid: str) -> Entry | None:
        entry = self._by_txid.get(txid)
        if entry is None or entry.account != account or self._vanished(entry):
            return None
        return entry

    def of(self, order_id: int) -> Entry:
        """The entry of an engine order."""
        return self._by_engine_id[order_id]

    def entries(self, account: str) -> list[Entry]:
        """The account's orders, oldest first, without those that vanished (`apply_then_void`)."""
        return [e for e in self._of(account) if not self._vanished(e)]

    def _of(self, account: str) -> Iterable[Entry]:
        return self._by_account.get(account, {}).values()

    def open_entries(self, account: str) -> list[Entry]:
        """The account's orders that are open in truth, oldest first."""
        working = {order.order_id for order in self.engine.orders(account, only_open=True)}
        return [
            entry
            for entry in self._of(account)
            if (entry.engine_ids and entry.engine_ids[-1] in working)
            or (not entry.engine_ids and not entry.ended)
        ]

    def trade_id(self, execution: Execution) -> str:
        """The id of one fill."""
        text = self._ids.trade(execution.execution_id)
        self._by_trade[text] = execution
        return text

    def trade(self, account: str, text: str) -> Execution | None:
        """The fill with this id, if it is the account's and has been reported."""
        if text not in self._by_trade:
            for execution in self.engine.executions(account):
                self.trade_id(execution)
        found = self._by_trade.get(text)
        if found is None or found.account != account or found.visible_ms > self.engine.now_ms:
            return None
        return found

    def print_id(self, execution: Execution) -> int:
        """The number of the public trade that this fill was a side of."""
        known = self._prints.get(_print_of(execution))
        if known is not None:
            return known
        tape = self.engine.tape(execution.symbol, 1)
        return tape[-1].trade_id + 1 if tape else 1  # it is being printed right now

    def _vanished(self, entry: Entry) -> bool:
        return bool(entry.engine_ids) and (
            self.engine.find(entry.account, order_id=entry.engine_ids[0]) is None
        )

    # -- states -----------------------------------------------------------------------------

    def state(self, entry: Entry, cutoff_ms: int | None = None) -> OrderState:
        """How the order stands; with `cutoff_ms` as the history knew it then."""
        if not entry.engine_ids:
            return self._scheduled_state(entry)
        orders = [self._order(entry, order_id) for order_id in entry.engine_ids]
        last = orders[-1]
        told = self.engine.reported(last)
        until_ms = self.engine.now_ms if cutoff_ms is None else cutoff_ms
        made = [fill for order in orders for fill in order.executions]
        fills = tuple(fill for fill in made if fill.visible_ms <= until_ms)
        status, reason = _status(entry, told)
        ended = status not in ("pending", "open")
        if ended and (told.updated_ms > until_ms or len(fills) < len(made)):
            status, reason = "open", None  # the history does not know of the end yet
        return OrderState(
            entry=entry,
            request=self._described(orders),
            status=status,
            reason=reason,
            closed_ms=None if status in ("pending", "open") else told.updated_ms,
            filled_qty=sum((fill.qty for fill in fills), Decimal(0)),
            filled_quote=sum((fill.quote_qty for fill in fills), Decimal(0)),
            fee=sum((self.fee_in_quote(fill) for fill in fills), Decimal(0)),
            executions=fills,
            triggered=len(orders) > 1,
        )

    def fee_in_quote(self, fill: Execution) -> Decimal:
        quote = self.engine.instruments[fill.symbol].quote
        return fill.fee if fill.fee_currency == quote else fill.fee * fill.price

    def _order(self, entry: Entry, order_id: int) -> Order:
        order = self.engine.find(entry.account, order_id=order_id)
        assert order is not None, f"{entry.txid} has vanished"
        return order

    @staticmethod
    def _described(orders: list[Order]) -> NewOrder:
        """What the client asked for: of an order that fired, the conditional one."""
        return orders[0].request if len(orders) > 1 else orders[-1].request

    def _scheduled_state(self, entry: Entry) -> OrderState:
        assert entry.request is not None
        return OrderState(
            entry=entry,
            request=entry.request,
            status="canceled" if entry.ended else "pending",
            reason=reason_of(entry.ended),
            closed_ms=entry.ended_ms,
            filled_qty=Decimal(0),
            filled_quote=Decimal(0),
            fee=Decimal(0),
            executions=(),
            triggered=False,
        )

    # -- listening --------------------------------------------------------------------------

    def _hear(self, event: EngineEvent) -> None:
        if isinstance(event, OrderEvent):
            if event.kind is OrderEventKind.NEW:
                self._adopt(event.order)
            if event.execution is not None:
                self._sides[_print_of(event.execution)] += 1
        elif isinstance(event, TradeEvent) and event.trade.by_client:
            trade = event.trade
            self._prints[trade.symbol, trade.at_ms, trade.price, trade.qty] = trade.trade_id

    def _forget(self, orders: Sequence[Order]) -> None:
        """The engine no longer knows these orders, nor does the venue."""
        for order in orders:
            entry = self._by_engine_id.pop(order.order_id)
            entry.engine_ids.remove(order.order_id)
            if not entry.engine_ids:
                self._leave(entry)
            for fill in order.executions:
                self._by_trade.pop(self._ids.trade(fill.execution_id), None)
                self._forget_print(_print_of(fill))

    def _forget_print(self, key: _Print) -> None:
        """Both sides of a public trade may be clients' orders."""
        self._sides[key] -= 1
        if self._sides[key] <= 0:
            del self._sides[key]
            self._prints.pop(key, None)

    def _adopt(self, order: OrderSnapshot) -> None:
        if order.triggered_from is not None:
            entry = self._by_engine_id[order.triggered_from]
        elif self._coming is not None:
            entry, self._coming = self._coming, None
        else:
            entry = Entry(
                self._next_txid(),
                order.account,
                order.request.symbol,
                described(order.request),
                order.created_ms,
            )
        entry.engine_ids.append(order.order_id)
        self._by_engine_id[order.order_id] = entry
        self._enter(entry)


_Print = tuple[str, int, Decimal, Decimal]


def _print_of(fill: Execution) -> _Print:
    return (fill.symbol, fill.at_ms, fill.price, fill.qty)


def described(request: NewOrder) -> Particulars:
    """What the venue would keep of an order that a scenario starts with."""
    trailing = request.trailing_rate
    price = request.price if request.stop_price is None else request.stop_price
    limited = request.price is not None and request.stop_price is not None
    return Particulars(
        ordertype=ORDER_WORDS[request.type],
        cl_ord_id=request.client_order_id,
        price=f"+{trailing * 100:.4f}%" if trailing is not None else f"{price or Decimal(0):f}",
        price2=f"{request.price:f}" if limited else "0",
        oflags=("fciq", "post") if request.post_only else ("fciq",),
        expires_ms=request.expires_ms,
    )


def _status(entry: Entry, told: OrderSnapshot) -> tuple[str, str | None]:
    if told.status.is_open:
        return "open", None
    if told.status is OrderStatus.FILLED:
        return "closed", None
    if told.end_reason == "triggered":
        return "open", None  # its next life has not been reported yet
    reason = reason_of("edit" if entry.replaced else told.end_reason)
    return ("expired" if told.end_reason == "gtd" else "canceled"), reason
