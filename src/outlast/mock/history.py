"""What the engines did, as the truth keeps it: orders, fills, positions and balances over time.

Two times belong to every change: when it happened, and from when on the venue's reports show it
(`fills_delay`). Exposure is counted by the first, what a client may be expected to know by the
second.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from outlast.mock.conditions import Steps
from outlast.mock.engine.events import (
    BalanceEvent,
    EngineEvent,
    OrderEvent,
    OrderSnapshot,
    PositionEvent,
)
from outlast.mock.engine.model import Execution, OrderStatus

__all__ = ["AccountHistory", "History", "OrderHistory", "Standing", "Tracked"]

ZERO: Final = Decimal(0)


@dataclass(slots=True, kw_only=True)
class OrderHistory:
    """One engine order, and what its owner was shown of it."""

    venue: str
    order_id: int
    account: str
    client_order_id: str
    symbol: str
    side: str
    type: str
    qty: Decimal
    price: Decimal | None
    reduces: bool
    """Reduce-only or close-position."""
    created_ms: int
    status: OrderStatus
    filled_qty: Decimal = ZERO
    end_reason: str = ""
    changed_ms: int = 0
    visible_ms: int = 0
    """From when on the venue's reports show the last change."""
    ended_ms: int | None = None
    voided_ms: int | None = None
    """When it vanished without a trace; None when it did not."""
    triggered_from: int | None = None
    from_the_start: bool = False
    """It was there before the client."""
    shown_ms: int | None = None
    """When its owner was first told of it."""
    shown_state_ms: int | None = None
    """Venue time of the newest state its owner was told."""
    showings: array[int] = field(default_factory=lambda: array("q"))
    """Every time its owner was told how it stands; the oldest may be gone."""
    forgotten_ms: int | None = None
    """When the venue forgot it; None while the venue knows it."""

    def show(self, at_ms: int, state_ms: int) -> None:
        """Its owner was told at `at_ms` how it stood at `state_ms`."""
        self.showings.append(at_ms)
        self.shown_ms = at_ms if self.shown_ms is None else min(self.shown_ms, at_ms)
        newest = self.shown_state_ms
        self.shown_state_ms = state_ms if newest is None else max(newest, state_ms)

    @property
    def is_open(self) -> bool:
        return self.status.is_open and self.voided_ms is None

    @property
    def existed(self) -> bool:
        """True when it was live for any time, or filled: it was, or could have been, exposure.

        An order that ended in the instant of its arrival without a fill (IOC, FOK) never was.
        """
        if self.filled_qty > 0 or self.is_open:
            return True
        ended = self.voided_ms if self.ended_ms is None else self.ended_ms
        return ended is not None and ended > self.created_ms

    @property
    def vanished(self) -> bool:
        """Accepted, then gone without a fill, an event or a record."""
        return self.voided_ms is not None and self.filled_qty == 0

    def __str__(self) -> str:
        price = f" at {self.price:f}" if self.price is not None else ""
        return (
            f"order {self.order_id} ({self.client_order_id or 'no client id'}): "
            f"{self.side} {self.qty:f} {self.symbol} {self.type}{price}, {self.status.value}, "
            f"{self.filled_qty:f} filled"
        )


@dataclass(slots=True)
class Tracked:
    """A quantity as it is, and as the venue's reports show it."""

    true: Steps[Decimal] = field(default_factory=Steps)
    reported: Steps[Decimal] = field(default_factory=Steps)

    def put(self, at_ms: int, visible_ms: int, value: Decimal) -> None:
        self.true.put(at_ms, value)
        self.reported.put(visible_ms, value)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands at this instant, as the engine has it."""

    balances: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]
    told_until_ms: int
    """What happened from here on may not have been reported yet."""


@dataclass(slots=True)
class AccountHistory:
    """One account on one venue."""

    venue: str
    account: str
    opened_ms: int
    orders: dict[int, OrderHistory] = field(default_factory=dict)
    """By the engine's order id, in the order in which they came to be."""
    fills: list[Execution] = field(default_factory=list)
    positions: dict[str, Tracked] = field(default_factory=dict)
    """By symbol, signed; those never touched may be missing."""
    balances: dict[str, Tracked] = field(default_factory=dict)
    """Totals by currency."""
    dropped_orders: int = 0
    """How many orders there were besides, that need not be kept any more."""
    dropped_fills: int = 0
    dropped_loss: Decimal = ZERO
    """What their fills have cost: fees less realised profit."""

    def drop(self, order_ids: Collection[int], cost: Callable[[Execution], Decimal]) -> None:
        """Keep of these orders what their fills cost, and that there were so many."""
        for order_id in order_ids:
            del self.orders[order_id]
        self.dropped_orders += len(order_ids)
        stay = []
        for fill in self.fills:
            if fill.order_id in order_ids:
                self.dropped_fills += 1
                self.dropped_loss += cost(fill)
            else:
                stay.append(fill)
        self.fills = stay

    def forget_before(self, at_ms: int) -> None:
        """Nobody will ask for what was held, or shown, before `at_ms` any more."""
        for tracked in (*self.positions.values(), *self.balances.values()):
            tracked.true.forget_before(at_ms)
            tracked.reported.forget_before(at_ms)
        for order in self.orders.values():
            if order.showings and order.showings[0] < at_ms:
                order.showings = array("q", [s for s in order.showings if s >= at_ms])

    def position(self, symbol: str, at_ms: int) -> Decimal:
        tracked = self.positions.get(symbol)
        return ZERO if tracked is None else tracked.true.at(at_ms, ZERO)

    def positions_before(self, at_ms: int) -> dict[str, Decimal]:
        """The open positions just before `at_ms`."""
        held = {s: t.true.before(at_ms, ZERO) for s, t in sorted(self.positions.items())}
        return {symbol: qty for symbol, qty in held.items() if qty != 0}

    def open_positions(self, at_ms: int) -> dict[str, Decimal]:
        held = {s: t.true.at(at_ms, ZERO) for s, t in sorted(self.positions.items())}
        return {symbol: qty for symbol, qty in held.items() if qty != 0}


class History:
    """All accounts of all venues. Engines tell it everything; it asks nothing."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[str, str], AccountHistory] = {}
        self._owner: dict[tuple[str, int], AccountHistory] = {}
        # What was shown of orders that the engine has not spoken of yet.
        self._shown_early: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self._newest: dict[str, int] = {}  # the highest order id that each engine has spoken of

    def open_account(
        self,
        at_ms: int,
        venue: str,
        account: str,
        *,
        balances: Mapping[str, Decimal],
        positions: Mapping[str, Decimal],
        orders: Iterable[OrderSnapshot],
    ) -> None:
        """Begin an account with what it has before its client does anything."""
        history = self._account(venue, account, at_ms)
        for currency, total in balances.items():
            history.balances.setdefault(currency, Tracked()).put(at_ms, at_ms, total)
        for symbol, qty in positions.items():
            history.positions.setdefault(symbol, Tracked()).put(at_ms, at_ms, qty)
        for snapshot in orders:
            self._order(venue, snapshot, at_ms).from_the_start = True

    def take(self, venue: str, event: EngineEvent) -> None:
        """Take one event of a venue's engine. The public tape and funding notices say nothing of
        their own here: the balance that funding changes comes as an event as well."""
        if isinstance(event, OrderEvent):
            self._take_order(venue, event)
        elif isinstance(event, PositionEvent):
            history = self._account(venue, event.account, event.at_ms)
            tracked = history.positions.setdefault(event.symbol, Tracked())
            tracked.put(event.at_ms, event.shown_ms, event.qty)
        elif isinstance(event, BalanceEvent):
            history = self._account(venue, event.account, event.at_ms)
            tracked = history.balances.setdefault(event.asset, Tracked())
            tracked.put(event.at_ms, event.shown_ms, event.total)

    def _take_order(self, venue: str, event: OrderEvent) -> None:
        order = self._order(venue, event.order, event.at_ms)
        order.status = event.order.status
        order.filled_qty = event.order.filled_qty
        order.end_reason = event.order.end_reason
        order.qty, order.price = event.order.request.qty, event.order.request.price
        order.changed_ms = max(order.changed_ms, event.at_ms)
        order.visible_ms = max(order.visible_ms, event.shown_ms)
        if not order.status.is_open and order.ended_ms is None:
            order.ended_ms = event.at_ms
        if event.execution is not None:
            self._owner[venue, order.order_id].fills.append(event.execution)

    def _order(self, venue: str, snapshot: OrderSnapshot, at_ms: int) -> OrderHistory:
        history = self._account(venue, snapshot.account, at_ms)
        known = history.orders.get(snapshot.order_id)
        if known is not None:
            return known
        request = snapshot.request
        order = OrderHistory(
            venue=venue,
            order_id=snapshot.order_id,
            account=snapshot.account,
            client_order_id=request.client_order_id,
            symbol=request.symbol,
            side=request.side.value,
            type=request.type.value,
            qty=request.qty,
            price=request.price,
            reduces=request.reduce_only or request.close_position,
            created_ms=snapshot.created_ms,
            status=snapshot.status,
            filled_qty=snapshot.filled_qty,
            end_reason=snapshot.end_reason,
            changed_ms=snapshot.updated_ms,
            visible_ms=snapshot.updated_ms,
            triggered_from=snapshot.triggered_from,
        )
        history.orders[order.order_id] = order
        self._owner[venue, order.order_id] = history
        self._newest[venue] = max(self._newest.get(venue, 0), order.order_id)
        for shown_ms, state_ms in self._shown_early.pop((venue, order.order_id), ()):
            order.show(shown_ms, state_ms)
        return order

    def show(self, venue: str, order_id: int, at_ms: int, state_ms: int) -> None:
        """The owner was told of the order at `at_ms`, as it stood at `state_ms`."""
        owner = self._owner.get((venue, order_id))
        if owner is not None:
            owner.orders[order_id].show(at_ms, state_ms)
        elif order_id > self._newest.get(venue, 0):
            self._shown_early.setdefault((venue, order_id), []).append((at_ms, state_ms))

    def void(self, venue: str, order_id: int, at_ms: int) -> None:
        """The order has vanished. One that the engine never spoke of is not worth remembering."""
        owner = self._owner.get((venue, order_id))
        if owner is not None:
            owner.orders[order_id].voided_ms = at_ms

    def forgotten(self, venue: str, order_id: int, at_ms: int) -> None:
        """The venue no longer knows the order."""
        owner = self._owner.get((venue, order_id))
        if owner is not None:
            owner.orders[order_id].forgotten_ms = at_ms

    def drop(
        self,
        history: AccountHistory,
        order_ids: Collection[int],
        cost: Callable[[Execution], Decimal],
    ) -> None:
        """Nothing will be asked about these orders any more: keep their sums."""
        for order_id in order_ids:
            del self._owner[history.venue, order_id]
        history.drop(order_ids, cost)

    def order(self, venue: str, order_id: int) -> OrderHistory | None:
        owner = self._owner.get((venue, order_id))
        return None if owner is None else owner.orders[order_id]

    def accounts(self) -> list[str]:
        return sorted({account for _venue, account in self._accounts})

    def of(self, account: str) -> list[AccountHistory]:
        """The account on each venue, in the order of the venues' names."""
        mine = [key for key in self._accounts if key[1] == account]
        return [self._accounts[key] for key in sorted(mine)]

    def at(self, venue: str, account: str) -> AccountHistory | None:
        return self._accounts.get((venue, account))

    def all(self) -> list[AccountHistory]:
        return [self._accounts[key] for key in sorted(self._accounts)]

    def _account(self, venue: str, account: str, at_ms: int) -> AccountHistory:
        key = (venue, account)
        if key not in self._accounts:
            self._accounts[key] = AccountHistory(venue, account, at_ms)
        return self._accounts[key]
