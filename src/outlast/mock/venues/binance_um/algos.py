"""Conditional orders: the venue's algo service.

They rest outside the book until their trigger price is reached, and then become a plain order with
an id of its own. Source: Binance USD-M futures docs, New Algo Order and the endpoints beside it;
Derivatives change log 2025-12-02 (moved away from `/fapi/v1/order`).
"""

from __future__ import annotations

from typing import Final

from outlast.mock.engine.model import Order, OrderStatus
from outlast.mock.venues.binance_um import order_views
from outlast.mock.venues.binance_um.client_ids import ClientIds
from outlast.mock.venues.binance_um.errors import Purpose, VenueRefusal
from outlast.mock.venues.binance_um.questions import Given, Question
from outlast.mock.venues.binance_um.tickets import OrderReader

__all__ = ["Algos"]

_ENDED: Final = {
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.REJECTED: "REJECTED",
    OrderStatus.EXPIRED: "EXPIRED",
}


class Algos:
    """The conditional-order endpoints of one running venue."""

    def __init__(self, ids: ClientIds) -> None:
        self._ids = ids

    def place(self, q: Question) -> Given:
        reader = OrderReader(q.engine.instruments, q.engine.book, self._ids.next, q.now_ms)
        request = reader.algo(q.params).request
        instrument = q.listed(request.symbol)
        order = q.taken(
            q.engine.place(q.account, request, silent=q.view.silent), instrument, Purpose.PLACE
        )
        body = order_views.algo_place(q.engine.reported(order), instrument, self._status(q, order))
        return Given(body, order_ids=(order.order_id,), shown=(order.order_id,))

    def cancel(self, q: Question) -> Given:
        order = self._named(q, missing=-2011)
        self._cancel(q, order)
        body = order_views.algo_cancelled(q.engine.reported(order))
        return Given(body, order_ids=(order.order_id,), shown=(order.order_id,))

    def cancel_all(self, q: Question) -> Given:
        instrument = q.instrument()
        gone: list[int] = []
        for order in self._of(q, instrument.symbol):
            if order.status is OrderStatus.UNTRIGGERED:
                self._cancel(q, order)
                gone.append(order.order_id)
        return Given(
            {"code": 200, "msg": "The operation of cancel all open order is done."},
            order_ids=tuple(gone),
        )

    def get(self, q: Question) -> Given:
        order = self._named(q, missing=-2013)
        return Given(self._queried(q, order), shown=self._ids_shown(order))

    def open_orders(self, q: Question) -> Given:
        symbol = q.instrument().symbol if "symbol" in q.params else None
        algo_id = q.params.whole("algoId")
        listed = [
            order
            for order in self._of(q, symbol)
            if order.status is OrderStatus.UNTRIGGERED
            and (algo_id is None or order.order_id == algo_id)
        ]
        return self._listed(q, listed)

    def history(self, q: Question, *, cutoff_ms: int, since_ms: int, until_ms: int) -> Given:
        """List the conditional orders of a symbol, open and ended, oldest first."""
        algo_id = q.params.whole("algoId")
        limit = q.params.limit(500, 1000)
        known = [
            order
            for order in self._of(q, q.instrument().symbol)
            if order.created_ms <= cutoff_ms
            and (
                order.order_id >= algo_id
                if algo_id is not None
                else since_ms <= order.created_ms <= until_ms
            )
        ]
        oldest_first = algo_id is not None or "startTime" in q.params
        return self._listed(q, known[:limit] if oldest_first else known[-limit:])

    def _listed(self, q: Question, orders: list[Order]) -> Given:
        return Given(
            [self._queried(q, order) for order in orders],
            shown=tuple(number for order in orders for number in self._ids_shown(order)),
        )

    @staticmethod
    def _ids_shown(order: Order) -> tuple[int, ...]:
        return (order.order_id,) if order.became is None else (order.order_id, order.became)

    @staticmethod
    def _of(q: Question, symbol: str | None) -> list[Order]:
        return [o for o in q.engine.orders(q.account, symbol) if o.request.type.is_conditional]

    def _cancel(self, q: Question, order: Order) -> None:
        result = q.engine.cancel(q.account, order.order_id)
        q.taken(result, q.listed(order.request.symbol), Purpose.CANCEL)

    def _queried(self, q: Question, order: Order) -> dict[str, object]:
        child = self._child(q, order)
        return order_views.algo_query(
            q.engine.reported(order),
            q.listed(order.request.symbol),
            self._status(q, order),
            child=None if child is None else q.engine.reported(child),
        )

    @staticmethod
    def _child(q: Question, order: Order) -> Order | None:
        if order.became is None:
            return None
        return q.engine.find(q.account, order_id=order.became)

    def _status(self, q: Question, order: Order) -> str:
        """Give `algoStatus`: FINISHED once the order it became has ended."""
        if order.status is OrderStatus.UNTRIGGERED:
            return "NEW"
        child = self._child(q, order)
        if child is None:
            return _ENDED.get(order.status, "FINISHED")
        return "TRIGGERED" if q.engine.reported(child).status.is_open else "FINISHED"

    def _named(self, q: Question, *, missing: int) -> Order:
        algo_id = q.params.whole("algoId")
        client_id = q.params.text("clientAlgoId")
        if algo_id is None and client_id is None:
            raise VenueRefusal.one_of("algoId", "clientAlgoId")
        for order in reversed(self._of(q, None)):
            if algo_id is not None:
                if order.order_id == algo_id:
                    return order
            elif order_views.client_id_of(order) == client_id:
                return order
        raise VenueRefusal(missing)
