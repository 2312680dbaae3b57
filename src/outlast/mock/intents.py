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
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise

from outlast.mock.history import AccountHistory, OrderHistory
from outlast.mock.records import CreateFacts, Landed, RequestRecord, Told
from outlast.mock.traffic import settled_ms

__all__ = ["Intent", "Runs", "Send", "Unknown", "sends_of", "unknowns"]


@dataclass(slots=True)
class Send:
    """One order that one request asked for, and the engine orders that came of it."""

    record: RequestRecord
    facts: CreateFacts
    orders: list[OrderHistory] = field(default_factory=list)
    intent: int = -1
    """The number of its intent; -1 before it has one."""
    part: int = 0
    """Which of the orders of its request it is."""
    attempt: int = 0
    """How many sends of its intent came before it."""
    is_past: bool = False
    """Whether it lies before the instant up to which all is known (`folding.py`): what follows from
    its arrival alone has been judged."""
    resolved_ms: int | None = None
    """Of a past one with an open fate: since when the client has known it, if that is known."""
    able_ms: int | None = None
    """Of a past one with an open fate: when the venue next answered what became of orders."""
    willing: tuple[bool, int | None] | None = None
    """Of a past exit: whether the venue let it through in front of it, and since when."""

    def bare(self) -> Send:
        """Itself without orders, for another look at which are its."""
        return Send(
            self.record,
            self.facts,
            [],
            self.intent,
            self.part,
            self.attempt,
            self.is_past,
            self.resolved_ms,
            self.able_ms,
            self.willing,
        )

    @property
    def key(self) -> tuple[int, int]:
        """Its own within the run."""
        return (self.record.ordinal, self.part)

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

    number: int
    account: str | None
    venue: str
    product: str
    facts: CreateFacts
    """As it was first asked for."""
    first_ms: int
    """When it was first asked for."""
    dropped: int = 0
    """How many of its sends need not be kept any more."""
    later: tuple[tuple[int, int, int], ...] = ()
    """Of those dropped, the attempts that somebody may not make: (which, arrival, ordinal)."""
    sends: list[Send] = field(default_factory=list)
    """Those kept."""
    _made: list[OrderHistory] = field(default_factory=list)

    def add(self, send: Send) -> None:
        self.sends.append(send)
        self._made.extend(send.orders)

    @property
    def attempts(self) -> int:
        """How often it was sent."""
        return self.dropped + len(self.sends)

    def attempt(self, number: int) -> tuple[int, int]:
        """Arrival and ordinal of one attempt, counted from 0; it must be one that is known."""
        kept = [(s.attempt, s.at_ms, s.record.ordinal) for s in self.sends]
        return next((at, ordinal) for n, at, ordinal in (*kept, *self.later) if n == number)

    def drop(self, send: Send, bounds: Collection[int]) -> None:
        """Keep of a send only that there was one, and when, if it went beyond a bound."""
        self.dropped += 1
        if send.attempt in bounds:
            self.later += ((send.attempt, send.at_ms, send.record.ordinal),)
        self.sends = [kept for kept in self.sends if kept is not send]

    def bare(self) -> Intent:
        """Itself without sends."""
        return Intent(
            self.number,
            self.account,
            self.venue,
            self.product,
            self.facts,
            self.first_ms,
            self.dropped,
            self.later,
        )

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


_Shape = tuple[str, str, str, Decimal | None, Decimal | None]


def sends_of(records: Iterable[RequestRecord]) -> list[Send]:
    """The orders that `records` ask for, in their order."""
    return [
        Send(record, facts, part=part)
        for record in records
        if record.endpoint == "orders.create" and not record.path.endswith("/order/test")
        for part, facts in enumerate(
            (record.create,) if record.create is not None else record.batch
        )
    ]


class Runs:
    """The intents of one account, as far as its sends have been taken: which belongs to which."""

    def __init__(self) -> None:
        self.sends: list[Send] = []
        """Those kept, in the order of arrival, without their orders."""
        self.intents: dict[int, Intent] = {}
        """Those kept by number, oldest first, without their sends."""
        self.fates: list[Send] = []
        """Sends with an open fate that made no order, of intents that are not kept."""
        self._by_id: dict[tuple[str, str], int] = {}
        self._by_shape: dict[tuple[str, _Shape], int] = {}
        self._made = 0

    def copy(self) -> Runs:
        copied = Runs()
        copied.sends = [send.bare() for send in self.sends]
        copied.fates = [send.bare() for send in self.fates]
        copied.intents = {number: intent.bare() for number, intent in self.intents.items()}
        copied._by_id, copied._by_shape = dict(self._by_id), dict(self._by_shape)
        copied._made = self._made
        return copied

    def with_fresh(
        self, fresh: Iterable[Send], histories: Iterable[AccountHistory]
    ) -> list[Intent]:
        """The intents, oldest first, with their sends and the orders that came of them.

        `fresh` are sends that have not been taken, in the order of arrival. They are told their
        intents; nothing of them is remembered.
        """
        intents = self._told(fresh, histories, dict(self._by_id), dict(self._by_shape))
        return list(intents.values())

    def take(self, fresh: Iterable[Send], histories: Iterable[AccountHistory]) -> list[Intent]:
        """The same, and remember `fresh`: what follows has arrived after them."""
        fresh = list(fresh)
        intents = self._told(fresh, histories, self._by_id, self._by_shape)
        taken = [send.bare() for send in fresh]
        for send in taken:
            send.is_past = True
        self.sends += taken
        self.intents |= {n: i.bare() for n, i in intents.items() if n not in self.intents}
        self._made = max(self._made, *(number + 1 for number in intents), 0)
        return list(intents.values())

    def _told(
        self,
        fresh: Iterable[Send],
        histories: Iterable[AccountHistory],
        by_id: dict[tuple[str, str], int],
        by_shape: dict[tuple[str, _Shape], int],
    ) -> dict[int, Intent]:
        kept = [send.bare() for send in self.sends]
        fresh = list(fresh)
        _link([*kept, *fresh], {history.venue: history for history in histories})
        intents = {number: intent.bare() for number, intent in self.intents.items()}
        for send in kept:
            intents[send.intent].add(send)
        made = self._made
        for send in fresh:
            venue, named = send.record.venue, send.facts.client_order_id
            shape = (venue, _shape(send.facts))
            intent = intents.get(by_id.get((venue, named), -1)) if named else None
            if intent is None or _over(intent, send.at_ms):
                intent = intents.get(by_shape.get(shape, -1))
            if intent is None or _over(intent, send.at_ms):
                record = send.record
                intent = Intent(made, record.account, venue, record.product, send.facts, send.at_ms)
                intents[made] = intent
                made += 1
            send.intent, send.attempt = intent.number, intent.attempts
            intent.add(send)
            by_shape[shape] = intent.number
            if named:
                by_id[venue, named] = intent.number
        return intents

    # -- letting go -------------------------------------------------------------------------

    def drop_sends(self, gone: Collection[tuple[int, int]], bounds: Collection[int]) -> None:
        """Keep of the sends with these keys that there were so many, and who went beyond a bound.

        Their client order ids do not lead to their intents any more; that they ask for the same
        does.
        """
        for send in self.sends:
            if send.key in gone:
                self.intents[send.intent].drop(send, bounds)
        self.sends = [send for send in self.sends if send.key not in gone]
        self._forget_names()

    def drop_intents(self, gone: Collection[int]) -> None:
        """Know nothing of these intents any more: nobody will join them."""
        self.intents = {n: intent for n, intent in self.intents.items() if n not in gone}
        self.sends = [send for send in self.sends if send.intent not in gone]
        self._forget_names()

    def _forget_names(self) -> None:
        ids = {(send.record.venue, send.facts.client_order_id) for send in self.sends}
        shapes = {(send.record.venue, _shape(send.facts)) for send in self.sends}
        shapes |= {(intent.venue, _shape(intent.facts)) for intent in self.intents.values()}
        self._by_id = {key: n for key, n in self._by_id.items() if n in self.intents and key in ids}
        self._by_shape = {
            key: n for key, n in self._by_shape.items() if n in self.intents and key in shapes
        }


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
    intents: Iterable[Intent],
    fates: Iterable[Send],
    absent: Mapping[tuple[str, str], array[int]],
) -> list[Unknown]:
    """Every send with an open fate, in the order of arrival; `fates` belong to no intent kept.

    It is resolved by being shown (the order, or another one under the same client order id), or by
    a complete answer that the id does not exist, given after the reply; not if the order landed
    later than that answer, or was there all the same.

    Args:
        absent: by (venue, client order id), the venue times of answers that it does not exist.
    """
    found: list[Unknown] = []
    shown_by_id: dict[tuple[str, str], list[int]] = {}
    sends = [*fates, *(send for intent in intents for send in intent.sends)]
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
        answers = shown + gone + ([] if send.resolved_ms is None else [send.resolved_ms])
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
