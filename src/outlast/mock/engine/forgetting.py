"""Ended orders that the venue no longer knows: the oldest, so that an endless run stays small.

What an order did to wallets, positions and the tape stays; gone are the order, its fills and its
client order id. A conditional order is known for as long as the order that it became.
"""

from __future__ import annotations

from outlast.mock.engine.floor import Floor
from outlast.mock.engine.model import Order

__all__ = ["forget_ended"]

_EXPIRIES_SLACK = 64
"""Good-till dates of ended orders that may wait before the list of them is made anew."""


def forget_ended(floor: Floor, ended_max: int) -> list[Order]:
    """Keep the newest `ended_max` ended orders; give those that were forgotten now.

    An order whose reports are still held back (`fills_delay`) is waited for.
    """
    forgotten: list[Order] = []
    while len(floor.ended) > ended_max:
        order = floor.orders[floor.ended[0]]
        if floor.reports.is_held_back(order.order_id, floor.now_ms):
            break
        floor.ended.popleft()
        if order.became is not None and order.became in floor.orders:
            continue  # it goes with the order that it became
        forgotten.append(_forget(floor, order))
        if order.triggered_from is not None and order.triggered_from in floor.orders:
            parent = floor.orders[order.triggered_from]
            forgotten.append(_forget(floor, parent))
    if forgotten:
        _forget_expiries(floor)
    return forgotten


def _forget(floor: Floor, order: Order) -> Order:
    del floor.orders[order.order_id]
    floor.forget(order)
    account = floor.accounts.get(order.account)
    if account is not None:  # one that could not be opened is gone
        account.forget(order)
    return order


def _forget_expiries(floor: Floor) -> None:
    if len(floor.expiries) > 2 * len(floor.orders) + _EXPIRIES_SLACK:
        floor.expiries = sorted(e for e in floor.expiries if e[1] in floor.orders)
