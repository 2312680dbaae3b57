"""Intents: what a client wanted, read off the wire, whatever it was written in.

An intent is a run of `orders.create` requests of one account on one venue that ask for the same
thing: the same client order id, or the same symbol, side, type, quantity and price. It ends when
the venue has told the client about an order of the run, by the reply or later by a query, a list or
a stream. What is sent after that is a new intent.

Whether the order may only reduce is left out of the comparison: the flag of a plain closing order
depends on the position, which its own first copy may have closed.

Two orders alike that are sent side by side, the second before the answer to the first, are one
intent here. On the wire they cannot be told from a blind repeat.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from outlast.mock.history import AccountHistory, OrderHistory
from outlast.mock.records import CreateFacts, Landed, RequestRecord, Told
from outlast.mock.traffic import settled_ms

__all__ = ["Intent", "Send", "Unknown", "track", "unknowns"]


@dataclass(slots=True)
class Send:
    """One order that one request asked for, and the engine orders that came of it."""

    record: RequestRecord
    facts: CreateFacts
    orders: list[OrderHistory] = field(default_factory=list)

    @property
    def at_ms(self) -> int:
        return self.record.arrived_ms

    @property
    def settled_ms(self) -> int:
        return settled_ms(self.record)

    @property
    def accepted(self) -> bool:
        """True when an order came of it, whatever the client was told."""
        return bool(self.orders)


@dataclass(slots=True)
class Intent:
    """A run of sends, in the order of their arrival."""

    account: str | None
    venue: str
    product: str
    sends: list[Send] = field(default_factory=list)
    _made: list[OrderHistory] = field(default_factory=list)

    def add(self, send: Send) -> None:
        self.sends.append(send)
        self._made.extend(send.orders)

    @property
    def facts(self) -> CreateFacts:
        """As it was first asked for."""
        return self.sends[0].facts

    @property
    def orders(self) -> list[OrderHistory]:
        """The engine orders that its sends produced, in the order in which they landed."""
        return sorted(self._made, key=lambda order: (order.created_ms, order.order_id))

    def told_ms(self) -> int | None:
        """When the client was first told about an order of this run; None while it was not."""
        shown = [order.shown_ms for order in self._made if order.shown_ms is not None]
        return min(shown) if shown else None

    def duplicates(self) -> list[OrderHistory]:
        """The orders beyond the first that were live or filled.

        One that had vanished without a fill before the next landed is not held against the client:
        the venue itself had proved it absent.
        """
        lasting: list[OrderHistory | None] = [order for order in self.orders if order.existed]
        held = [
            order
            for order, following in pairwise([*lasting, None])
            if order is not None and not _gone_before(order, following)
        ]
        return held[1:]

    def describe(self) -> str:
        facts = self.facts
        qty = "everything" if facts.qty is None else f"{facts.qty:f}"
        price = f" at {facts.price:f}" if facts.price is not None else ""
        return f"{facts.side.lower()} {qty} {facts.symbol} {facts.type.lower()}{price}"


def _gone_before(order: OrderHistory, following: OrderHistory | None) -> bool:
    if following is None or not order.vanished or order.voided_ms is None:
        return False
    return order.voided_ms <= following.created_ms


def track(records: Iterable[RequestRecord], histories: Iterable[AccountHistory]) -> list[Intent]:
    """The intents behind `records` (in order of arrival), with the orders that came of them."""
    by_venue = {history.venue: history for history in histories}
    sends = [
        Send(record, facts)
        for record in records
        if record.endpoint == "orders.create" and not record.path.endswith("/order/test")
        for facts in ((record.create,) if record.create is not None else record.batch)
    ]
    _link(sends, by_venue)
    intents: list[Intent] = []
    by_id: dict[tuple[str, str], Intent] = {}
    by_shape: dict[tuple[str, _Shape], Intent] = {}
    for send in sends:
        venue, named = send.record.venue, send.facts.client_order_id
        intent = by_id.get((venue, named)) if named else None
        if intent is None or _over(intent, send.at_ms):
            intent = by_shape.get((venue, _shape(send.facts)))
        if intent is None or _over(intent, send.at_ms):
            intent = Intent(send.record.account, venue, send.record.product)
            intents.append(intent)
        intent.add(send)
        by_shape[venue, _shape(send.facts)] = intent
        if named:
            by_id[venue, named] = intent
    return intents


_Shape = tuple[str, str, str, Decimal | None, Decimal | None]


def _shape(facts: CreateFacts) -> _Shape:
    return (facts.symbol, facts.side.lower(), facts.type.lower(), facts.qty, facts.price)


def _over(intent: Intent, at_ms: int) -> bool:
    told = intent.told_ms()
    return told is not None and told <= at_ms


def _link(sends: list[Send], by_venue: Mapping[str, AccountHistory]) -> None:
    """Give every send its orders: those its record names, else by client order id."""
    claimed: set[tuple[str, int]] = set()
    for send in sends:
        history = by_venue.get(send.record.venue)
        if history is None:
            continue
        for order_id in send.record.order_ids:
            order = history.orders.get(order_id)
            # A batch names the orders of all its sends.
            named = send.record.create is not None or (
                order is not None and order.client_order_id == send.facts.client_order_id
            )
            if order is not None and named and (order.venue, order_id) not in claimed:
                claimed.add((order.venue, order_id))
                send.orders.append(order)
    # A queued request lands after its reply, when its record may be closed already.
    waiting: dict[tuple[str, str], list[OrderHistory]] = {}
    for venue, history in by_venue.items():
        for order in history.orders.values():
            free = (venue, order.order_id) not in claimed
            if free and order.client_order_id and not order.from_the_start:
                waiting.setdefault((venue, order.client_order_id), []).append(order)
    for send in sends:
        if send.orders or send.record.landed is Landed.NO:
            continue
        found = waiting.get((send.record.venue, send.facts.client_order_id), [])
        for order in found:
            if order.created_ms >= send.at_ms:
                send.orders.append(order)
                found.remove(order)
                break


@dataclass(frozen=True, slots=True)
class Unknown:
    """A create request whose reply left its fate open."""

    send: Send
    since_ms: int
    resolved_ms: int | None
    """When the client had a definite and lasting answer; None: it never had."""

    def describe(self) -> str:
        record, facts = self.send.record, self.send.facts
        fate = "; ".join(str(order) for order in self.send.orders) or "it never landed"
        name = facts.client_order_id or "an order without client id"
        return f"the reply to {name} was {record.reply!r} and {fate}"


def unknowns(
    intents: Iterable[Intent], absent: Mapping[tuple[str, str], array[int]]
) -> list[Unknown]:
    """Every send with an open fate, in the order of arrival.

    It is resolved by being shown (the order, or another one under the same client order id), or by
    a complete answer that the id does not exist, given after the reply; not if the order landed
    later than that answer, or was there all the same.

    Args:
        absent: by (venue, client order id), the venue times of answers that it does not exist.
    """
    found: list[Unknown] = []
    shown_by_id: dict[tuple[str, str], list[int]] = {}
    sends = [send for intent in intents for send in intent.sends]
    for send in sends:
        for order in send.orders:
            if order.client_order_id and order.shown_ms is not None:
                key = (order.venue, order.client_order_id)
                shown_by_id.setdefault(key, []).append(order.shown_ms)
    for send in sorted(sends, key=lambda s: (s.at_ms, s.record.ordinal)):
        if send.record.told is not Told.AMBIGUOUS:
            continue
        key = (send.record.venue, send.facts.client_order_id)
        shown = [t for order in send.orders if (t := order.shown_ms) is not None]
        if not send.orders and key[1]:
            shown += [t for t in shown_by_id.get(key, []) if t >= send.settled_ms]
        gone = [] if not key[1] else [t for t in absent.get(key, ()) if _proves(t, send)]
        answers = shown + gone
        found.append(Unknown(send, send.settled_ms, min(answers) if answers else None))
    return found


def _proves(absent_ms: int, send: Send) -> bool:
    """Whether an answer "no such order" at `absent_ms` was true, and stayed so."""
    if absent_ms < send.settled_ms:
        return False
    return all(
        order.vanished and order.voided_ms is not None and order.voided_ms <= absent_ms
        for order in send.orders
    )
