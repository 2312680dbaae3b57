"""Whether the engine takes an order: its mode, and the account's funds, margin and position."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from outlast.mock.engine import margin
from outlast.mock.engine.accounts import Account
from outlast.mock.engine.knobs import EngineKnobs, QueuePolicy, TriggerPolicy
from outlast.mock.engine.market import Market
from outlast.mock.engine.model import (
    EngineMode,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Product,
    Rejected,
    RejectReason,
    Side,
    TimeInForce,
)

__all__ = [
    "cancels_pass",
    "margin_refusal",
    "matches",
    "mode_refusal",
    "quotes_move",
    "reduce_only_share",
    "triggers_run",
    "venue_runs",
]

_TRADING: Final = (EngineMode.ONLINE, EngineMode.LIMIT_ONLY, EngineMode.REDUCE_ONLY)
_RESTING: Final = (TimeInForce.GTC, TimeInForce.GTD)


def matches(knobs: EngineKnobs) -> bool:
    """Whether client orders trade."""
    return knobs.matching and knobs.mode in _TRADING


def venue_runs(knobs: EngineKnobs) -> bool:
    """Whether the venue's own orders trade: fired conditional orders and liquidations.

    They do whenever clients trade, and in maintenance if the scenario says `triggers: live`.
    """
    in_maintenance = knobs.mode is EngineMode.MAINTENANCE and knobs.triggers is TriggerPolicy.LIVE
    return knobs.matching and (knobs.mode in _TRADING or in_maintenance)


def triggers_run(knobs: EngineKnobs) -> bool:
    """Whether conditional orders fire when their price is reached."""
    return venue_runs(knobs) and knobs.triggers in (TriggerPolicy.LIVE, TriggerPolicy.ON_RESUME)


def quotes_move(knobs: EngineKnobs) -> bool:
    """Whether the makers can follow the price; the book stands still otherwise."""
    return knobs.mode in _TRADING or knobs.mode is EngineMode.POST_ONLY or venue_runs(knobs)


def cancels_pass(knobs: EngineKnobs) -> bool:
    return knobs.mode not in (EngineMode.MAINTENANCE, EngineMode.HALTED)


def mode_refusal(
    request: NewOrder, knobs: EngineKnobs, product: Product, *, amends: bool = False
) -> Rejected | None:
    """Why the mode refuses this new order (or amended one), or None."""
    mode = knobs.mode
    if mode in (EngineMode.CANCEL_ONLY, EngineMode.MAINTENANCE):
        passes = False
    elif mode is EngineMode.HALTED:
        passes = knobs.queue is QueuePolicy.HOLD and not amends
    elif mode is EngineMode.POST_ONLY:
        passes = request.type is OrderType.LIMIT and request.post_only
    elif mode is EngineMode.LIMIT_ONLY:
        passes = request.type is OrderType.LIMIT
    elif mode is EngineMode.REDUCE_ONLY:
        passes = reduces(request, product)
    elif mode is EngineMode.AUCTION:
        passes = request.type is OrderType.LIMIT and request.time_in_force in _RESTING
    else:
        passes = True
    return None if passes else Rejected(RejectReason.MODE, mode.value)


def reduces(request: NewOrder, product: Product) -> bool:
    """Whether the order says itself that it can only reduce; on spot every sale does."""
    if product is Product.SPOT:
        return request.side is Side.SELL
    return request.reduce_only or request.close_position


def reduce_only_share(
    account: Account,
    request: NewOrder,
    markets: Mapping[str, Market],
    *,
    instead_of: Order | None = None,
    displaces: bool = False,
) -> NewOrder | Rejected:
    """Cut a reduce-only order to what is left to reduce, or say why there is nothing.

    `displaces`: a conditional order that fires goes before resting reduce-only orders; they expire
    once the position is gone.

    Source: Binance USD-M futures docs, Error Codes: -2022 (conflicts with open orders or no
    position left) and -4118 (existing position and open orders: with the open orders of its side
    it would flip the position, and the margin for that is short).
    """
    market = markets[request.symbol]
    position = -request.side.sign * account.qty(request.symbol)
    if position <= 0:
        return Rejected(RejectReason.REDUCE_ONLY_REJECTED, "no position to reduce")
    reserved = others = Decimal(0)
    for order in account.open.values():
        asked = order.request
        if (
            asked.symbol != request.symbol
            or asked.side is not request.side
            or order.status is OrderStatus.UNTRIGGERED
            or order is instead_of
        ):
            continue
        if not asked.reduce_only:
            others += order.leaves_qty
        elif not displaces:
            reserved += order.leaves_qty
    if reserved >= position:
        return Rejected(
            RejectReason.REDUCE_ONLY_REJECTED, "open reduce-only orders use the position up"
        )
    done = instead_of.filled_qty if instead_of is not None else Decimal(0)
    qty = min(request.qty - done, position - reserved)
    flipped = max(Decimal(0), reserved + others + qty - position) if others else Decimal(0)
    if flipped:
        needed = flipped * market.mark / account.leverage(market.instrument)
        room = margin.headroom(account, markets, market.instrument.quote)
        if needed > room:
            return Rejected(
                RejectReason.REDUCE_ONLY_WOULD_FLIP,
                f"needs {needed} of margin, free are {max(room, Decimal(0))}",
            )
    return replace(request, qty=done + qty)


def margin_refusal(
    account: Account,
    request: NewOrder,
    markets: Mapping[str, Market],
    *,
    instead_of: Order | None = None,
) -> Rejected | None:
    """Why the margin does not carry this order, or None. What needs no more always passes."""
    market = markets[request.symbol]
    added = margin.added_requirement(account, market, request, instead_of=instead_of)
    if added <= 0:
        return None
    room = margin.headroom(account, markets, market.instrument.quote)
    if added <= room:
        return None
    return Rejected(
        RejectReason.INSUFFICIENT_MARGIN, f"needs {added}, free are {max(room, Decimal(0))}"
    )
