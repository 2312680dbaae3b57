"""Orders that the venue itself cancels when a phase begins (`keep_orders`, `cancel_types`)."""

from __future__ import annotations

from decimal import Decimal

from outlast.mock.engine.draws import key_of
from outlast.mock.engine.floor import Floor
from outlast.mock.engine.model import Order

__all__ = ["doomed_orders"]


def doomed_orders(floor: Floor, seed: int) -> list[Order]:
    """The open orders that the knobs in force cancel: whole types, and a share of the others.

    Which ones is drawn per order. So is the fraction of an order that a share leaves over: a
    tenth of three orders is one of them in three runs of ten, not never.
    """
    knobs = floor.knobs
    still_open = [order for order in floor.orders.values() if order.status.is_open]
    doomed = [order for order in still_open if order.request.type in knobs.cancel_types]
    others = [order for order in still_open if order.request.type not in knobs.cancel_types]
    others.sort(key=lambda order: key_of(seed, "sweep", knobs.sweep_id, order.order_id))
    left_over = Decimal(key_of(seed, "sweep", knobs.sweep_id) >> 11) / (1 << 53)
    count = int(len(others) * (1 - knobs.keep_orders) + left_over)
    return doomed + others[:count]
