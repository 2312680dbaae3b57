"""The venue's order filters, checked here before anything is sent.

Source of the filters: the venue's own instrument list (Binance: exchangeInfo, "Filters").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from outlast.model import Instrument, OrderRequest, OrderType, Side

__all__ = ["Problem", "find_problem", "quantize"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an order cannot be valid: which field, what is wrong, and what to do."""

    field: str
    message: str


def quantize(order: OrderRequest, instrument: Instrument) -> OrderRequest:
    """`order` on the instrument's grid: quantity down, prices to the passive side of their tick.

    A buy's price is rounded down and a sell's up, so that no one pays more than was asked for.
    """
    towards = ROUND_DOWN if order.side is Side.BUY else ROUND_UP
    return replace(
        order,
        qty=_to_grid(order.qty, instrument.qty_step, ROUND_DOWN),
        price=None if order.price is None else _to_grid(order.price, instrument.tick_size, towards),
        stop_price=(
            None
            if order.stop_price is None
            else _to_grid(order.stop_price, instrument.tick_size, towards)
        ),
    )


def find_problem(
    order: OrderRequest, instrument: Instrument, *, reference: Decimal | None
) -> Problem | None:
    """The first filter that `order` fails, or None.

    `reference` is the mark price for bands and market notionals; None skips those two checks (the
    venue will make them).
    """
    if not instrument.is_tradable:
        return Problem(
            "symbol",
            f"symbol {instrument.symbol} is {instrument.venue_status} at {instrument.venue}; "
            "wait until it trades again",
        )
    return _qty_problem(order, instrument) or _price_problem(order, instrument, reference)


def _qty_problem(order: OrderRequest, instrument: Instrument) -> Problem | None:
    is_market = order.price is None
    qty_min, qty_max = instrument.qty_min, instrument.qty_max
    if is_market:
        qty_min = max(qty_min, instrument.market_qty_min)
        qty_max = min(qty_max, instrument.market_qty_max)
    name = instrument.symbol
    if order.qty < qty_min:
        return Problem("qty", f"qty {order.qty} is below {name}'s minimum of {qty_min}; raise it")
    if order.qty > qty_max:
        return Problem(
            "qty", f"qty {order.qty} is above {name}'s maximum of {qty_max}; split the order"
        )
    if order.qty % instrument.qty_step:
        return Problem(
            "qty",
            f"qty {order.qty} is not a multiple of {name}'s step {instrument.qty_step}; "
            f"use {quantize(order, instrument).qty} (Session.quantize does it)",
        )
    return None


def _price_problem(
    order: OrderRequest, instrument: Instrument, reference: Decimal | None
) -> Problem | None:
    name = instrument.symbol
    for field, price in (("price", order.price), ("stop_price", order.stop_price)):
        if price is None:
            continue
        if not instrument.price_min <= price <= instrument.price_max:
            return Problem(
                field,
                f"{field} {price} is outside {name}'s range of {instrument.price_min} to "
                f"{instrument.price_max}",
            )
        if price % instrument.tick_size:
            return Problem(
                field,
                f"{field} {price} is not a multiple of {name}'s tick {instrument.tick_size}; "
                f"use {getattr(quantize(order, instrument), field)} (Session.quantize does it)",
            )
    valued_at = order.price if order.price is not None else reference
    if (
        valued_at is not None
        and not order.reduce_only
        and order.qty * valued_at < instrument.notional_min
    ):
        return Problem(
            "qty",
            f"qty {order.qty} at {valued_at} is worth {order.qty * valued_at} {instrument.quote}, "
            f"below {name}'s minimum of {instrument.notional_min}; raise it",
        )
    if reference is None or order.order_type is not OrderType.LIMIT or order.price is None:
        return None
    up, down = instrument.price_up_x, instrument.price_down_x
    if order.side is Side.BUY and up is not None and order.price > reference * up:
        return Problem(
            "price", f"price {order.price} is above {name}'s band of {reference * up}; lower it"
        )
    if order.side is Side.SELL and down is not None and order.price < reference * down:
        return Problem(
            "price", f"price {order.price} is below {name}'s band of {reference * down}; raise it"
        )
    return None


def _to_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step
