"""Placing, replacing, amending and cancelling orders.

Source: Binance spot API docs, rest-api.md, Trading endpoints; faqs/order_amend_keep_priority.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from outlast.mock.engine import filters
from outlast.mock.engine.model import Instrument, NewOrder, Order, OrderType
from outlast.mock.venues.binance_spot import order_views, spot_orders
from outlast.mock.venues.binance_spot.errors import (
    Purpose,
    SpotRefusal,
    VenueRefusal,
    refusal_of,
    status_of,
)
from outlast.mock.venues.binance_spot.order_views import Note
from outlast.mock.venues.binance_spot.params import SpotParams
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_spot.tickets import OrderReader, Ticket
from outlast.mock.venues.binance_um.client_ids import ClientIds
from outlast.mock.venues.binance_um.figures import fixed

__all__ = ["ALGO_ORDERS_MAX", "AMENDS_MAX", "OrderNotes", "Trading"]

ALGO_ORDERS_MAX: Final = 5
AMENDS_MAX: Final = 10
_RESTRICTIONS: Final = {"ONLY_NEW": "NEW", "ONLY_PARTIALLY_FILLED": "PARTIALLY_FILLED"}


@dataclass(slots=True)
class OrderNotes:
    """What the venue remembers of orders besides what the engine does."""

    notes: dict[int, Note] = field(default_factory=dict)
    cancel_ids: dict[int, str] = field(default_factory=dict)
    """The id that each cancel went by: user events carry it."""
    renamed: dict[int, str] = field(default_factory=dict)
    """What an amended order was called before."""
    amendments: defaultdict[int, list[dict[str, object]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def of(self, order_id: int) -> Note:
        return self.notes.get(order_id, Note())

    def forget(self, orders: Sequence[Order]) -> None:
        """The engine no longer knows these orders."""
        for order in orders:
            for known in (self.notes, self.cancel_ids, self.renamed, self.amendments):
                known.pop(order.order_id, None)


class Trading:
    """The order endpoints of one running venue."""

    def __init__(self, ids: ClientIds, notes: OrderNotes) -> None:
        self._ids, self._notes = ids, notes

    # -- new --------------------------------------------------------------------------------

    def place(self, q: Question) -> Given:
        body, order_id = self._place(q, self._read(q, q.params))
        return Given(body, order_ids=(order_id,), shown=(order_id,))

    def test(self, q: Question) -> Given:
        """Check an order and answer with nothing, or with its fees; none is placed."""
        request = self._read(q, q.params).request
        instrument = q.listed(request.symbol)
        checked = filters.refusal(
            request,
            instrument,
            reference=q.engine.mark_price(request.symbol),
            now_ms=q.engine.now_ms,
        )
        if checked is not None:
            raise refusal_of(checked, purpose=Purpose.PLACE, request=request)
        if not q.params.flag("computeCommissionRates"):
            return Given({})
        return Given(
            {
                "standardCommissionForOrder": _rates(instrument.maker_fee, instrument.taker_fee),
                "specialCommissionForOrder": _rates(Decimal(0), Decimal(0)),
                "taxCommissionForOrder": _rates(Decimal(0), Decimal(0)),
                "discount": discount(),
            }
        )

    def _read(self, q: Question, params: SpotParams) -> Ticket:
        engine = q.engine
        reader = OrderReader(engine.instruments, engine.book, engine.mark_price, self._ids.next)
        return reader.order(params)

    def _place(self, q: Question, ticket: Ticket) -> tuple[dict[str, object], int]:
        request = ticket.request
        if request.type.is_conditional and self._waiting(q, request) >= ALGO_ORDERS_MAX:
            raise SpotRefusal.filter("MAX_NUM_ALGO_ORDERS")
        # Events of the order are told while it is being placed: the note has to be there first.
        order_id = self._next_order_id(q)
        self._notes.notes[order_id] = ticket.note
        try:
            order = q.taken(
                q.engine.place(q.account, request, silent=q.view.silent), request, Purpose.PLACE
            )
        except VenueRefusal:
            del self._notes.notes[order_id]
            raise
        assert order.order_id == order_id
        shown = spot_orders.reported(q.engine, order)
        match ticket.response:
            case "ACK":
                body = order_views.ack(shown)
            case "RESULT":
                body = order_views.result(shown, ticket.note)
            case _:
                body = order_views.full(shown, ticket.note)
        return body, order_id

    @staticmethod
    def _next_order_id(q: Question) -> int:
        return q.engine.next_order_id

    @staticmethod
    def _waiting(q: Question, request: NewOrder) -> int:
        open_orders = q.engine.orders(q.account, request.symbol, only_open=True)
        return sum(order.request.type.is_conditional for order in open_orders)

    # -- cancel -----------------------------------------------------------------------------

    def cancel(self, q: Question) -> Given:
        instrument = q.instrument()
        body, ids = self._cancel(
            q,
            instrument,
            order_id=q.params.whole("orderId"),
            client_id=q.params.text("origClientOrderId"),
            names=("origClientOrderId", "orderId"),
            cancel_id=q.params.client_id("newClientOrderId"),
        )
        return Given(body, order_ids=ids, shown=ids)

    def cancel_all(self, q: Question) -> Given:
        """Cancel everything open on a symbol; -2011 when there is nothing."""
        symbol = q.instrument().symbol
        open_orders = q.engine.orders(q.account, symbol, only_open=True)
        if not open_orders:
            raise SpotRefusal(-2011)
        cancel_id = self._ids.next()
        bodies: list[object] = []
        gone: list[int] = []
        for order in open_orders:
            bodies.append(self._end(q, order, cancel_id))
            gone += spot_orders.reported(q.engine, order).engine_ids
        return Given(bodies, order_ids=tuple(gone), shown=tuple(gone))

    def _cancel(
        self,
        q: Question,
        instrument: Instrument,
        *,
        order_id: int | None,
        client_id: str | None,
        names: tuple[str, str],
        cancel_id: str | None,
    ) -> tuple[dict[str, object], tuple[int, ...]]:
        order = named(q, instrument.symbol, order_id, client_id, names=names, missing=-2011)
        working = spot_orders.working_part(q.engine, order)
        shown = spot_orders.reported(q.engine, order)
        if not working.status.is_open:
            raise SpotRefusal(-2011)
        restriction = q.params.text("cancelRestrictions")
        if restriction is not None:
            if restriction not in _RESTRICTIONS:
                raise SpotRefusal(-1145)
            if shown.status != _RESTRICTIONS[restriction]:
                raise SpotRefusal(-2011, "Order was not canceled due to cancel restrictions.")
        return self._end(q, working, cancel_id or self._ids.next()), shown.engine_ids

    def _end(self, q: Question, order: Order, cancel_id: str) -> dict[str, object]:
        first = spot_orders.first_of(q.engine, order)
        self._notes.cancel_ids[first.order_id] = cancel_id
        try:
            q.taken(q.engine.cancel(q.account, order.order_id), order.request, Purpose.CANCEL)
        except VenueRefusal:
            del self._notes.cancel_ids[first.order_id]
            raise
        shown = spot_orders.reported(q.engine, order)
        return order_views.cancelled(shown, self._notes.of(shown.order_id), cancel_id)

    # -- cancel and place -------------------------------------------------------------------

    def cancel_replace(self, q: Question) -> Given:
        """Cancel one order and place another, in one call; either half may fail.

        400 with -2022 when nothing was done, 409 with -2021 when one half was.
        """
        stops = q.params.need("cancelReplaceMode")
        if stops not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
            raise VenueRefusal.invalid("cancelReplaceMode")
        if q.params.text("orderRateLimitExceededMode") not in (None, "DO_NOTHING", "CANCEL_ONLY"):
            raise VenueRefusal.invalid("orderRateLimitExceededMode")
        ticket = self._read(q, q.params)
        instrument = q.listed(ticket.request.symbol)
        order_id = q.params.whole("cancelOrderId")
        client_id = q.params.text("cancelOrigClientOrderId")
        cancel_id = q.params.client_id("cancelNewClientOrderId")
        data: dict[str, object] = {}
        shown: tuple[int, ...] = ()
        made: tuple[int, ...] = ()  # the new order alone: the other was made by another request
        cancelled = placed = False
        try:
            data["cancelResponse"], shown = self._cancel(
                q,
                instrument,
                order_id=order_id,
                client_id=client_id,
                names=("cancelOrigClientOrderId", "cancelOrderId"),
                cancel_id=cancel_id,
            )
            cancelled = True
        except VenueRefusal as refusal:
            if refusal.code == -1102:
                raise
            data["cancelResponse"] = _error_body(refusal)
        attempted = cancelled or stops == "ALLOW_FAILURE"
        data["newOrderResponse"] = None
        if attempted:
            try:
                data["newOrderResponse"], new_id = self._place(q, ticket)
                placed = True
                made, shown = (new_id,), (*shown, new_id)
            except VenueRefusal as refusal:
                data["newOrderResponse"] = _error_body(refusal)
        body = {
            "cancelResult": "SUCCESS" if cancelled else "FAILURE",
            "newOrderResult": _outcome(attempted=attempted, placed=placed),
            **data,
        }
        if cancelled and placed:
            return Given(body, order_ids=made, shown=shown)
        code = -2021 if cancelled or placed else -2022
        whole = {"code": code, "msg": SpotRefusal(code).msg, "data": body}
        return Given(whole, order_ids=made, shown=shown, status=status_of(code), code=code)

    # -- amend ------------------------------------------------------------------------------

    def amend(self, q: Question) -> Given:
        """Take quantity off an order that keeps its place in the queue."""
        instrument = q.instrument()
        order = named(
            q,
            instrument.symbol,
            q.params.whole("orderId"),
            q.params.text("origClientOrderId"),
            names=("origClientOrderId", "orderId"),
            missing=-2013,
        )
        q.params.need("newQty")
        qty = q.params.amount("newQty")
        assert qty is not None
        old = order.request
        shown = spot_orders.reported(q.engine, order)
        if not shown.is_open or old.type is not OrderType.LIMIT:
            raise SpotRefusal(-2038, "Unknown order sent.")
        if qty > old.qty:
            raise SpotRefusal(-2038, "Order amend (quantity increase) is not supported.")
        if qty == old.qty or qty <= order.filled_qty:
            raise SpotRefusal(-2038, "The requested action would change no state; rejecting.")
        if len(self._notes.amendments[order.order_id]) >= AMENDS_MAX:
            raise SpotRefusal.filter("MAX_NUM_ORDER_AMENDS")
        before, after = shown.client_id, q.params.client_id("newClientOrderId") or self._ids.next()
        self._notes.renamed[order.order_id] = before
        result = q.engine.amend(q.account, order.order_id, qty=qty, client_order_id=after)
        q.taken(result, old, Purpose.AMEND)
        amendments = self._notes.amendments[order.order_id]
        execution_id = order.order_id * 1000 + len(amendments)
        amendments.append(
            {
                "symbol": instrument.symbol,
                "orderId": order.order_id,
                "executionId": execution_id,
                "origClientOrderId": before,
                "newClientOrderId": after,
                "origQty": fixed(old.qty),
                "newQty": fixed(qty),
                "time": q.now_ms,
            }
        )
        body = {
            "transactTime": q.now_ms,
            "executionId": execution_id,
            "amendedOrder": order_views.amended(spot_orders.reported(q.engine, order), before),
        }
        return Given(body, order_ids=(order.order_id,), shown=(order.order_id,))

    def amendments(self, q: Question) -> Given:
        q.instrument()
        q.params.need("orderId")
        order_id = q.params.whole("orderId")
        assert order_id is not None
        return Given(list(self._notes.amendments.get(order_id, ()))[: q.params.top(500, 1000)])

    # -- order lists ------------------------------------------------------------------------

    def list_oco(self, q: Question) -> Given:
        """Refuse: exchangeInfo says `ocoAllowed: false` for every symbol."""
        q.instrument()
        raise SpotRefusal(-1013, "OCO orders are not supported for this symbol")

    def list_oto(self, q: Question) -> Given:
        """Refuse: exchangeInfo says `otoAllowed: false` for every symbol."""
        q.instrument()
        raise SpotRefusal(-1013, "OTO orders are not supported for this symbol")

    def list_cancel(self, q: Question) -> Given:
        q.instrument()
        raise SpotRefusal(-2011, "Unknown order list sent.")

    def list_get(self, _q: Question) -> Given:
        raise SpotRefusal(-2018)

    def lists(self, _q: Question) -> Given:
        return Given([])


def named(
    q: Question,
    symbol: str,
    order_id: int | None,
    client_id: str | None,
    *,
    names: tuple[str, str],
    missing: int,
) -> Order:
    """Give the order that a number, a client id or both name.

    With both, the number finds it and the client id has to fit (-2039). `missing` is the code when
    there is none.
    """
    if order_id is None and client_id is None:
        raise VenueRefusal.one_of(*names)
    order = spot_orders.find(q.engine, q.account, symbol, order_id, client_id)
    if order is None:
        raise SpotRefusal(missing)
    both = order_id is not None and client_id is not None
    if both and spot_orders.reported(q.engine, order).client_id != client_id:
        raise SpotRefusal(-2039)
    return order


def discount() -> dict[str, object]:
    """Fees are paid in what is received; nothing is taken off for paying in BNB."""
    return {
        "enabledForAccount": False,
        "enabledForSymbol": False,
        "discountAsset": "BNB",
        "discount": fixed(Decimal("0.25")),
    }


def _rates(maker: Decimal, taker: Decimal) -> dict[str, object]:
    return {"maker": fixed(maker), "taker": fixed(taker)}


def _outcome(*, attempted: bool, placed: bool) -> str:
    if not attempted:
        return "NOT_ATTEMPTED"
    return "SUCCESS" if placed else "FAILURE"


def _error_body(refusal: VenueRefusal) -> dict[str, object]:
    return {"code": refusal.code, "msg": refusal.msg}
