"""Looking orders and fills up.

`GET order` and `openOrders` answer from memory; `allOrders` and `myTrades` from a database, which
may be late (`history_lag_ms`). Source: Binance spot API docs, rest-api.md ("Data Sources", Query
order, Current open orders, All orders, Account trade list).
"""

from __future__ import annotations

from typing import Final

from outlast.mock.engine.model import Execution
from outlast.mock.venues.binance_spot import order_views, spot_orders
from outlast.mock.venues.binance_spot.errors import SpotRefusal
from outlast.mock.venues.binance_spot.questions import Given, Question
from outlast.mock.venues.binance_spot.trading import OrderNotes, named

__all__ = ["History"]

_DAY_MS: Final = 86_400_000
_ARCHIVED_MS: Final = 90 * _DAY_MS


class History:
    """The reading order endpoints of one running venue."""

    def __init__(self, notes: OrderNotes) -> None:
        self._notes = notes

    def get(self, q: Question) -> Given:
        """Look one order up; what ended unfilled 90 days ago is archived (-2026)."""
        order = named(
            q,
            q.instrument().symbol,
            q.params.whole("orderId"),
            q.params.text("origClientOrderId"),
            names=("origClientOrderId", "orderId"),
            missing=-2013,
        )
        shown = spot_orders.reported(q.engine, order)
        age_ms = q.engine.now_ms - shown.last.updated_ms
        if not shown.is_open and not shown.filled_qty and age_ms > _ARCHIVED_MS:
            raise SpotRefusal(-2026)
        body = order_views.query(shown, self._notes.of(shown.order_id))
        return Given(body, shown=shown.engine_ids)

    def open_orders(self, q: Question) -> Given:
        symbol = q.instrument().symbol if "symbol" in q.params else None
        everything = (
            spot_orders.reported(q.engine, order)
            for order in spot_orders.listed(q.engine, q.account, symbol)
        )
        shown = [order for order in everything if order.is_open]
        return Given(
            [order_views.query(order, self._notes.of(order.order_id)) for order in shown],
            shown=tuple(part for order in shown for part in order.engine_ids),
        )

    def all_orders(self, q: Question) -> Given:
        """List the orders of a symbol, oldest first; from an order id on, or within a day."""
        symbol = q.instrument().symbol
        from_id = q.params.whole("orderId")
        since_ms, until_ms = _window(q)
        limit = q.params.top(500, 1000)
        cutoff_ms = _cutoff(q)
        known = [
            order
            for order in spot_orders.listed(q.engine, q.account, symbol)
            if order.created_ms <= cutoff_ms
            and (from_id is None or order.order_id >= from_id)
            and since_ms <= order.created_ms <= until_ms
        ]
        forwards = from_id is not None or "startTime" in q.params
        shown = [
            spot_orders.as_of(q.engine, order, cutoff_ms)
            for order in (known[:limit] if forwards else known[-limit:])
        ]
        return Given(
            [order_views.query(order, self._notes.of(order.order_id)) for order in shown],
            shown=tuple(part for order in shown for part in order.engine_ids),
        )

    def my_trades(self, q: Question) -> Given:
        """List the fills of a symbol, oldest first."""
        symbol = q.instrument().symbol
        order_id, from_id = q.params.whole("orderId"), q.params.whole("fromId")
        timed = "startTime" in q.params or "endTime" in q.params
        if timed and (order_id is not None or from_id is not None):
            raise SpotRefusal(-1128)
        since_ms, until_ms = _window(q)
        limit = q.params.top(500, 1000)
        cutoff_ms = _cutoff(q)
        known = [
            (fill, self._number(q, fill))
            for fill in q.engine.executions(q.account, symbol, visible_only=True)
            if fill.visible_ms <= cutoff_ms
            and (from_id is None or fill.execution_id >= from_id)
            and since_ms <= fill.at_ms <= until_ms
        ]
        known = [(fill, number) for fill, number in known if order_id in (None, number)]
        forwards = from_id is not None or "startTime" in q.params
        chosen = known[:limit] if forwards else known[-limit:]
        return Given(
            [order_views.fill(fill, number) for fill, number in chosen],
            shown=tuple(dict.fromkeys(fill.order_id for fill, _ in chosen)),
        )

    def prevented(self, q: Question) -> Given:
        """List prevented matches by number; orders that met themselves expire without one."""
        q.instrument()
        return Given([])

    @staticmethod
    def _number(q: Question, fill: Execution) -> int:
        """The venue's number of the order that was filled."""
        order = q.engine.find(fill.account, order_id=fill.order_id)
        return fill.order_id if order is None else spot_orders.first_of(q.engine, order).order_id


def _cutoff(q: Question) -> int:
    """Give the instant up to which the history is complete."""
    return q.engine.now_ms - q.engine.knobs.history_lag_ms


def _window(q: Question) -> tuple[int, int]:
    """Read startTime and endTime: at most 24 hours apart (-1127); without them, everything."""
    since, until = q.params.whole("startTime"), q.params.whole("endTime")
    if since is not None and until is not None and until - since > _DAY_MS:
        raise SpotRefusal(-1127)
    if since is not None and until is None:
        until = since + _DAY_MS
    if until is not None and since is None:
        since = until - _DAY_MS
    return since or 0, until if until is not None else q.engine.now_ms + _DAY_MS
