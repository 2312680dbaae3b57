"""Whether the history of every order in a journal can be true.

The chain of hashes tells that nobody changed a record; this tells that what was written makes
sense: written down before it was sent, never sent again while it may live, never undone by a later
word, each fill counted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from outlast.core.journal import GAP, ChainFault, decode_fields, verify
from outlast.core.orders import TRANSITIONS, is_our_conclusion
from outlast.errors import Outcome
from outlast.model import Amendment, Execution, Order, OrderStatus
from outlast.wire import Record

__all__ = ["Checked", "Histories", "HistoryFault", "check"]

_S = OrderStatus

_SAME_INSTANT_S: Final = 0.01
"""Durations are written in whole milliseconds."""
_REFUTED: Final = frozenset({_S.REJECTED, _S.NOT_PLACED, _S.DENIED})
"""Held for not live; where its fills show after all, what was left of it is gone."""


def _reachable() -> dict[OrderStatus, frozenset[OrderStatus]]:
    """Which statuses can follow which: through others too, since not each step is written."""
    steps: dict[OrderStatus, set[OrderStatus]] = {status: {status} for status in _S}
    for (before, _event), after in TRANSITIONS.items():
        steps[before].add(after)
    for status in _REFUTED:
        steps[status].add(_S.CANCELED)
    steps[_S.ACCEPTED].add(_S.PARTIALLY_FILLED)
    grown = True
    while grown:
        grown = False
        for following in steps.values():
            further = set[OrderStatus]().union(*(steps[status] for status in following))
            grown = grown or not further <= following
            following.update(further)
    return {status: frozenset(after) for status, after in steps.items()}


_CAN_FOLLOW: Final = _reachable()


@dataclass(frozen=True, slots=True)
class HistoryFault:
    """One thing that cannot be true, or must not be."""

    seq: int
    client_order_id: str
    problem: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What one look through a whole journal found."""

    records: int
    orders: int
    chain_fault: ChainFault | None
    order_faults: tuple[HistoryFault, ...]

    @property
    def holds(self) -> bool:
        return self.chain_fault is None and not self.order_faults


@dataclass(slots=True)
class _Life:
    order: Order
    fills: dict[str, Decimal] = field(default_factory=dict)
    """Quantity by the venue's id of the execution."""
    may_live: bool = False
    """Sent, and not known to have failed to arrive."""
    asked: Amendment | None = None
    """New terms that were written down and not told of since."""
    amend_sent: dict[str, Any] | None = None
    """How these were sent, where they are not known to have failed to arrive."""
    was_amended: bool = False
    """An amendment was written down at some time."""
    asked_at: float = 0.0
    """When the last one was, by our clock."""
    refuted: list[Amendment] = field(default_factory=list)
    """Terms that were asked for and held for not in force."""


class Histories:
    """Give `fold` the records of one journal, oldest first."""

    def __init__(self) -> None:
        self._lives: dict[str, _Life] = {}
        self._by_venue_id: dict[str, str] = {}
        self._has_gaps = False
        """Records are missing, and the chain says so: orders may have begun in them."""

    def __len__(self) -> int:
        """How many orders there are, other programs' included."""
        return len(self._lives)

    def fold(self, record: Record) -> Iterator[HistoryFault]:
        """What `record` contradicts. A record that cannot be read is a fault of its own."""
        if record.kind == GAP:
            self._has_gaps = True
            return
        try:
            fields = decode_fields(record.data)
            if record.kind in ("order.intent", "order.changed"):
                order = msgspec.convert(fields["order"], Order)
                name, problems = order.client_order_id, self._told(record.kind, order)
            elif record.kind == "order.amend":
                order = msgspec.convert(fields["order"], Order)
                name, problems = order.client_order_id, self._asked(order)
            elif record.kind == "execution":
                execution = msgspec.convert(fields["execution"], Execution)
                name = self._owner(execution)
                problems = self._filled(name, execution)
            elif record.kind == "attempt" and fields["request"] == "order.place":
                name = fields["client_order_id"]
                problems = self._sent(name, fields["failure"])
            elif record.kind == "attempt" and fields["request"] == "order.amend":
                name = fields["client_order_id"]
                problems = self._amend_sent(name, fields, record.at)
            else:
                return
            for problem in problems:
                yield HistoryFault(record.seq, name, problem)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            yield HistoryFault(record.seq, "", f"{record.kind} cannot be read: {error}")

    def _told(self, kind: str, order: Order) -> Iterator[str]:
        life = self._lives.get(order.client_order_id)
        if kind == "order.intent" and life is not None:
            yield "it was written down as a new intent, but the id had been used"
        if life is None:
            # With a full disk an order that only reduces goes out all the same (and says so).
            may_begin = order.is_external or order.reduce_only or self._has_gaps
            if kind != "order.intent" and not may_begin:
                yield f"it is {order.status.value}, but was never written down as an intent"
            self._lives[order.client_order_id] = _Life(order)
        else:
            before, life.order = life.order, order
            if kind != "order.intent":
                yield from _differences(before, order)
                yield from _amended(life, before, order)
        if order.filled_qty > order.qty_at_most:
            yield f"{order.filled_qty:f} of {order.qty:f} are filled"
        if order.venue_order_id is not None:
            owner = self._by_venue_id.setdefault(order.venue_order_id, order.client_order_id)
            if owner != order.client_order_id:
                yield f"the venue's order {order.venue_order_id} is said to be {owner}'s too"

    def _asked(self, order: Order) -> Iterator[str]:
        """An amendment was written down; nothing but what is asked is new about the order."""
        life = self._lives.get(order.client_order_id)
        if life is None:
            if not self._has_gaps:
                yield "it was to be amended, but was never written down as an intent"
            return
        if life.asked is not None:
            yield "it was to be amended again while the first amendment was not known"
        life.order, life.asked, life.amend_sent = order, order.amendment, None
        life.was_amended = True
        life.asked_at = 0.0 if order.amendment is None else order.amendment.asked_at

    def _amend_sent(self, name: str, attempt: dict[str, Any], at: float) -> Iterator[str]:
        failure = attempt["failure"]
        outcome = None if failure is None else failure["outcome"]
        if outcome == Outcome.NOT_SENT.value:
            return
        life = self._lives.get(name)
        if life is None or not life.was_amended:
            # With a full disk what takes risk away goes out all the same (and says so).
            if attempt["lane"] != "safety":
                yield "an amendment was sent, but never written down"
            return
        if at - attempt["took_ms"] / 1000 < life.asked_at - _SAME_INSTANT_S:
            return  # of an earlier amendment: its order had told of that before its answer came
        if life.amend_sent == attempt["params"]:
            yield "an amendment was sent again while the first may be in force"
        if outcome != Outcome.REFUSED.value:
            life.amend_sent = attempt["params"]

    def _owner(self, execution: Execution) -> str:
        by_venue_id = self._by_venue_id.get(execution.venue_order_id)
        return by_venue_id or execution.client_order_id or ""

    def _filled(self, name: str, execution: Execution) -> Iterator[str]:
        life = self._lives.get(name)
        if life is None:
            if not self._has_gaps:
                yield f"execution {execution.execution_id} is of no order that was written down"
            return
        if execution.execution_id in life.fills:
            yield f"execution {execution.execution_id} is booked twice"
        life.fills[execution.execution_id] = execution.qty
        booked = sum(life.fills.values(), Decimal(0))
        most = life.order.qty_at_most
        if booked > most:
            yield f"its executions add up to {booked:f} of {most:f}"

    def _sent(self, name: str, failure: dict[str, Any] | None) -> Iterator[str]:
        outcome = None if failure is None else failure["outcome"]
        if outcome == Outcome.NOT_SENT.value:
            return
        life = self._lives.get(name)
        if life is None:
            if not self._has_gaps:
                yield "it was sent, but never written down as an intent"
            return
        if life.may_live:
            yield "it was sent again while the first may live"
        life.may_live = outcome != Outcome.REFUSED.value


def _differences(before: Order, after: Order) -> Iterator[str]:
    """What the later word about one order undoes of the earlier one."""
    held = _S.NOT_PLACED if is_our_conclusion(before) else before.status
    if after.status not in _CAN_FOLLOW[held]:
        yield f"it was {before.status.value} and then {after.status.value}"
    if after.filled_qty < before.filled_qty:
        yield f"{before.filled_qty:f} were filled, then only {after.filled_qty:f}"
    if before.venue_order_id not in (None, after.venue_order_id):
        yield f"the venue's id changed from {before.venue_order_id} to {after.venue_order_id}"
    for name in ("symbol", "side", "order_type", "reduce_only"):
        if getattr(before, name) != getattr(after, name):
            yield f"its {name} changed"


def _amended(life: _Life, before: Order, after: Order) -> Iterator[str]:
    """Whether what changed of the terms was asked for; the venue may cut what only reduces."""
    asked, life.asked = life.asked, after.amendment
    if (after.price, after.qty) == (before.price, before.qty):
        if asked is not None and life.asked is None:
            life.refuted.append(asked)
        return
    is_cut = after.reduce_only and after.price == before.price and after.qty < before.qty
    meant = [*life.refuted, *([asked] if asked is not None else [])]
    was_asked_for = any(
        after.price == terms.price
        and (after.qty == terms.qty or (after.reduce_only and after.qty < terms.qty))
        for terms in meant
    )
    # More may have been filled by then than was left to it: then that is all of it.
    is_full = asked is not None and after.qty == after.filled_qty
    if not (is_cut or was_asked_for or is_full or after.is_external):
        yield (
            f"its terms changed from {before.qty:f} at {before.price} to {after.qty:f} at "
            f"{after.price}, which nobody asked for"
        )


def check(records: Iterable[Record]) -> Checked:
    """Whether a journal is as it was written, and whether what was written can be true.

    Histories are looked into up to the first record that breaks the chain.
    """
    histories = Histories()
    faults: list[HistoryFault] = []
    count = 0

    def looked_into() -> Iterator[Record]:
        nonlocal count
        for record in records:
            count += 1
            faults.extend(histories.fold(record))
            yield record

    chain_fault = verify(looked_into())
    return Checked(count, len(histories), chain_fault, tuple(faults))
