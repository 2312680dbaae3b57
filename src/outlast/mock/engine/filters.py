"""The trading rules of an instrument: what an order must look like before anything else counts.

Source: Binance spot and USD-M futures docs, "Filters" / exchange information.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import (
    Instrument,
    NewOrder,
    OrderType,
    Product,
    Rejected,
    RejectReason,
    Side,
    TimeInForce,
)

__all__ = ["check_shape", "refusal"]

_PRICED: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
_STOPPED: Final = (
    OrderType.STOP_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT_MARKET,
    OrderType.TAKE_PROFIT_LIMIT,
)


def check_shape(request: NewOrder, product: Product) -> None:
    """Raise if the dialect let through what is no order at all.

    Raises:
        ValueError: a field that this type needs is missing, or one that it cannot have is there.
    """
    kind = request.type
    if kind in _PRICED and request.price is None:
        raise ValueError(f"{kind.value}: price is missing; give the limit price")
    if kind in _STOPPED and request.stop_price is None:
        raise ValueError(f"{kind.value}: stop_price is missing; give the price that triggers it")
    if kind is OrderType.TRAILING_STOP_MARKET and not (
        request.trailing_rate is not None and 0 < request.trailing_rate < 1
    ):
        raise ValueError(
            f"{kind.value}: trailing_rate must be a share between 0 and 1, "
            f"found {request.trailing_rate}"
        )
    if request.post_only and kind not in _PRICED:
        raise ValueError(f"{kind.value}: post_only is for orders with a limit price")
    if request.post_only and request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        raise ValueError(f"post_only contradicts time_in_force {request.time_in_force.value}")
    if request.close_position and kind not in (
        OrderType.STOP_MARKET,
        OrderType.TAKE_PROFIT_MARKET,
    ):
        raise ValueError(f"{kind.value}: close_position is for stop and take-profit market orders")
    if product is Product.SPOT and (request.reduce_only or request.close_position):
        raise ValueError("reduce_only and close_position have no meaning on spot; leave them out")


def refusal(
    request: NewOrder,
    instrument: Instrument,
    *,
    reference: Decimal,
    now_ms: int,
    before: NewOrder | None = None,
) -> Rejected | None:
    """Why the rules refuse this order, or None; `reference` is the mark (spot: the mid).

    `before`: the order that it amends. The prices which that has may be off today's tick.
    """
    return (
        _price_refusal(request, instrument, reference, before)
        or _qty_refusal(request, instrument, reference)
        or _expiry_refusal(request, now_ms)
    )


def _price_refusal(
    request: NewOrder, instrument: Instrument, reference: Decimal, before: NewOrder | None
) -> Rejected | None:
    known = () if before is None else (before.price, before.stop_price)
    prices = [request.stop_price] if request.stop_price is not None else []
    if request.type in _PRICED and request.price is not None:
        prices.append(request.price)
    for price in prices:
        if price < instrument.tick:
            return Rejected(RejectReason.PRICE_BELOW_MIN, str(instrument.tick))
        if price > instrument.price_max:
            return Rejected(RejectReason.PRICE_ABOVE_MAX, str(instrument.price_max))
        if price % instrument.tick and price not in known:
            return Rejected(RejectReason.PRICE_TICK, str(instrument.tick))
    if request.type is OrderType.LIMIT and request.price is not None:
        return _band_refusal(request.side, request.price, instrument, reference)
    return None


def _band_refusal(
    side: Side, price: Decimal, instrument: Instrument, reference: Decimal
) -> Rejected | None:
    if side is Side.BUY and price > reference * instrument.price_band_up:
        return Rejected(RejectReason.PRICE_ABOVE_BAND, str(reference * instrument.price_band_up))
    if side is Side.SELL and price < reference * instrument.price_band_down:
        return Rejected(RejectReason.PRICE_BELOW_BAND, str(reference * instrument.price_band_down))
    return None


def _qty_refusal(request: NewOrder, instrument: Instrument, reference: Decimal) -> Rejected | None:
    if request.close_position:
        return None
    qty_max = instrument.qty_max if request.type in _PRICED else instrument.market_qty_max
    if request.qty < instrument.qty_min or request.qty <= 0:
        return Rejected(RejectReason.QTY_BELOW_MIN, str(instrument.qty_min))
    if request.qty > qty_max:
        return Rejected(RejectReason.QTY_ABOVE_MAX, str(qty_max))
    if request.qty % instrument.qty_step:
        return Rejected(RejectReason.QTY_STEP, str(instrument.qty_step))
    if request.reduce_only:  # "unless you choose reduce only" (-4164)
        return None
    price = request.price if request.type in _PRICED else request.stop_price
    if request.qty * (price if price is not None else reference) < instrument.notional_min:
        return Rejected(RejectReason.NOTIONAL_BELOW_MIN, str(instrument.notional_min))
    return None


def _expiry_refusal(request: NewOrder, now_ms: int) -> Rejected | None:
    if request.time_in_force is TimeInForce.GTD:
        if request.expires_ms is None:
            return Rejected(RejectReason.EXPIRY_INVALID, "gtd needs an expiry")
        if request.expires_ms <= now_ms:
            return Rejected(RejectReason.EXPIRY_INVALID, "the expiry has passed")
    elif request.expires_ms is not None:
        return Rejected(RejectReason.EXPIRY_INVALID, "an expiry is for gtd only")
    return None
