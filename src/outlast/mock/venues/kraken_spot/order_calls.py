"""The order calls of REST: what the trading room decides, written as REST answers.

Source: Kraken docs, Add Order, Add Order Batch, Amend Order, Edit Order, Cancel Order, Cancel Order
Batch, Cancel All Orders, Cancel All Orders After X, Get Open Orders, Query Orders Info.
"""

from __future__ import annotations

from typing import Final

from outlast.mock.venues.kraken_spot import order_views
from outlast.mock.venues.kraken_spot.errors import UNKNOWN_ORDER, VenueRefusal, invalid
from outlast.mock.venues.kraken_spot.ids import ORDER_SHAPE
from outlast.mock.venues.kraken_spot.order_log import Entry, OrderState
from outlast.mock.venues.kraken_spot.params import Params
from outlast.mock.venues.kraken_spot.questions import Given, Question
from outlast.mock.venues.kraken_spot.tickets import client_id, description, user_reference
from outlast.mock.venues.kraken_spot.trading import CANCELS_MAX, TIMEOUT_MAX_S, Trading, same_id

__all__ = ["OrderCalls", "engine_ids", "is_asked_for"]

QUERIES_MAX: Final = 50


class OrderCalls:
    """The order endpoints of one running venue."""

    def __init__(self, trading: Trading) -> None:
        self._trading = trading
        self._log = trading.log

    # -- new --------------------------------------------------------------------------------

    def add(self, q: Question) -> Given:
        self._trading.check_deadline(q)
        ticket = self._trading.read(q, q.params)
        descr = {"order": description(ticket)}
        if q.params.flag("validate"):
            self._trading.check(q, ticket)
            return Given({"descr": descr})
        entry = self._trading.place(q, ticket)
        ids = tuple(entry.engine_ids)
        return Given({"descr": descr, "txid": [entry.txid]}, order_ids=ids, shown=ids)

    def add_batch(self, q: Question) -> Given:
        """Place 2 to 15 orders; each line has its own answer."""
        self._trading.check_deadline(q)
        tickets = self._trading.batch(q, q.params.entries("orders"))
        rows: list[dict[str, object]] = []
        made: list[int] = []
        for ticket in tickets:
            row: dict[str, object] = {"descr": {"order": description(ticket)}}
            try:
                if q.params.flag("validate"):
                    self._trading.check(q, ticket)
                else:
                    entry = self._trading.place(q, ticket)
                    made += entry.engine_ids
                    row["txid"] = entry.txid
            except VenueRefusal as refusal:
                row = {"error": refusal.text}
            rows.append(row)
        return Given({"orders": rows}, order_ids=tuple(made), shown=tuple(made))

    # -- amend, edit, cancel ----------------------------------------------------------------

    def amend(self, q: Question) -> Given:
        self._trading.check_deadline(q)
        name = client_id(q.params)
        if name is not None:
            entry = self._trading.by_client_id(q, name)
        else:
            (entry,) = self._trading.named(q, _txid(q.params))
        amend_id = self._trading.amend(q, entry)
        return Given({"amend_id": amend_id}, order_ids=tuple(entry.engine_ids[-1:]))

    def edit(self, q: Question) -> Given:
        self._trading.check_deadline(q)
        (old,) = self._trading.named(q, _txid(q.params))
        entry, ticket = self._trading.edit(q, old)
        ids = tuple(entry.engine_ids)
        body = {
            "status": "ok",
            "txid": entry.txid,
            "originaltxid": old.txid,
            "volume": f"{ticket.request.qty:f}",
            "price": ticket.particulars.price,
            "orders_cancelled": 1,
            "descr": {"order": description(ticket)},
        }
        return Given(body, order_ids=ids, shown=ids)

    def cancel(self, q: Question) -> Given:
        """Cancel by txid, by userref (a group) or by `cl_ord_id`."""
        name = q.params.text("cl_ord_id")
        if name is not None:
            entries = [self._trading.by_client_id(q, name)]
        else:
            entries = self._trading.named(q, q.params.need("txid"))
        gone = self._trading.cancel(q, entries)
        return Given(
            {"count": len(entries), "pending": False}, order_ids=tuple(gone), shown=tuple(gone)
        )

    def cancel_batch(self, q: Question) -> Given:
        """Cancel up to 50; those that are not open are not counted."""
        names = q.params.listed("orders") or q.params.listed("txid")
        client_ids = q.params.listed("cl_ord_ids")
        if not 1 <= len(names) + len(client_ids) <= CANCELS_MAX:
            raise invalid("orders")
        entries: list[Entry] = []
        for text in names:
            entries += self._if_open(q, text)
        for name in client_ids:
            entries += self._if_open(q, name, by_client_id=True)
        entries = list({entry.txid: entry for entry in entries}.values())
        gone = tuple(self._trading.cancel(q, entries, in_batch=True))
        return Given({"count": len(entries)}, order_ids=gone, shown=gone)

    def _if_open(self, q: Question, text: str, *, by_client_id: bool = False) -> list[Entry]:
        try:
            if by_client_id:
                return [self._trading.by_client_id(q, text)]
            return self._trading.named(q, text)
        except VenueRefusal:
            return []

    def cancel_all(self, q: Question) -> Given:
        count, gone = self._trading.cancel_all(q)
        return Given({"count": count}, order_ids=tuple(gone))

    def deadman(self, q: Question) -> Given:
        timeout_s = q.params.whole("timeout", least=0, most=TIMEOUT_MAX_S - 1)
        if timeout_s is None:
            raise invalid("timeout")
        return Given(self._trading.deadman(q, timeout_s))

    # -- look up ----------------------------------------------------------------------------

    def open_orders(self, q: Question) -> Given:
        states = [
            state
            for state in map(self._log.state, self._log.entries(q.account))
            if state.is_open and is_asked_for(q, state)
        ]
        filtered = "userref" in q.params or "cl_ord_id" in q.params
        return Given(
            {"open": self.rows(q, states)},
            shown=engine_ids(states),
            pictures=() if filtered else ("open_orders",),
        )

    def query(self, q: Question) -> Given:
        """Look up orders by txid; the unknown ones are refused with all the rest."""
        names = q.params.words("txid")
        if not 1 <= len(names) <= QUERIES_MAX:
            raise invalid("txid")
        states = []
        for text in names:
            if not ORDER_SHAPE.match(text):
                raise VenueRefusal("EOrder:Invalid order")
            entry = self._log.find(q.account, text)
            if entry is None:
                raise VenueRefusal(UNKNOWN_ORDER)
            state = self._log.state(entry)
            if is_asked_for(q, state):
                states.append(state)
        return Given(self.rows(q, states), shown=engine_ids(states))

    def rows(self, q: Question, states: list[OrderState]) -> dict[str, object]:
        """Orders by their txid, newest first as the venue lists them."""
        with_trades = q.params.flag("trades")
        return {
            state.entry.txid: order_views.order(
                state, q.listing.of(state.entry.symbol), self._log, with_trades=with_trades
            )
            for state in reversed(states)
        }


def engine_ids(states: list[OrderState]) -> tuple[int, ...]:
    """The engine's orders that these rows show."""
    return tuple(order_id for state in states for order_id in state.entry.engine_ids)


def is_asked_for(q: Question, state: OrderState) -> bool:
    """Whether an order passes the filters `userref` and `cl_ord_id`."""
    detail = state.entry.particulars
    reference = user_reference(q.params)
    name = q.params.text("cl_ord_id")
    return (reference is None or detail.userref == reference) and (
        name is None or same_id(detail.cl_ord_id, name)
    )


def _txid(params: Params) -> str:
    text = params.need("txid")
    if text.lstrip("-").isdigit():
        raise invalid("txid")
    return text
