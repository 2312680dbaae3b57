"""Cross margin of USD-M futures: what an account needs, has, and where it is liquidated.

Source: Binance USD-M futures docs, `GET /fapi/v3/account` and `/fapi/v3/positionRisk` (the names);
tiers, multi-assets mode and isolated margin are left out: one maintenance rate an instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.engine.accounts import CENTS, Account, Position
from outlast.mock.engine.market import Market
from outlast.mock.engine.model import NewOrder, Order, OrderStatus, OrderType, Side
from outlast.mock.engine.views import MarginSummary, PositionState

__all__ = [
    "added_requirement",
    "headroom",
    "is_below_maintenance",
    "position_state",
    "summary",
    "working_price",
]

_ZERO: Final = Decimal(0)
_Markets = Mapping[str, Market]


def summary(account: Account, markets: _Markets, asset: str) -> MarginSummary:
    wallet = account.wallet(asset).total
    unrealised = initial = maintenance = order_initial = _ZERO
    symbols = dict.fromkeys(account.positions)
    symbols.update(dict.fromkeys(order.request.symbol for order in account.open.values()))
    for symbol in symbols:
        market = markets[symbol]
        instrument = market.instrument
        if instrument.quote != asset:
            continue
        mark = market.mark
        position = account.positions.get(symbol)
        if position is not None:
            notional = abs(position.qty) * mark
            unrealised += position.unrealised(mark)
            initial += notional / account.leverage(instrument)
            maintenance += notional * instrument.maintenance_margin
            order_initial -= notional / account.leverage(instrument)
        order_initial += _requirement(account, market, *_working(account, market))
    margin_balance = wallet + unrealised
    return MarginSummary(
        asset=asset,
        wallet=wallet,
        unrealised=unrealised,
        margin_balance=margin_balance,
        initial=initial,
        order_initial=order_initial,
        maintenance=maintenance,
        available=max(_ZERO, margin_balance - initial - order_initial),
    )


def headroom(account: Account, markets: _Markets, asset: str) -> Decimal:
    """What is left above all initial margins; negative when the account is short of it."""
    now = summary(account, markets, asset)
    return now.margin_balance - now.initial - now.order_initial


def added_requirement(
    account: Account, market: Market, request: NewOrder, *, instead_of: Order | None = None
) -> Decimal:
    """How much more initial margin the account needs with `request` (in the place of an order)."""
    before = _requirement(account, market, *_working(account, market))
    buys, sells = _working(account, market, without=instead_of)
    done = instead_of.filled_qty if instead_of is not None else _ZERO
    notional = (request.qty - done) * working_price(request, market)
    if request.side is Side.BUY:
        buys += notional
    else:
        sells += notional
    return _requirement(account, market, buys, sells) - before


def working_price(request: NewOrder, market: Market) -> Decimal:
    """The price at which an order counts: its own limit, else the mark."""
    if request.price is not None and request.type is OrderType.LIMIT:
        return request.price
    return market.mark


def is_below_maintenance(account: Account, markets: _Markets, asset: str) -> bool:
    """Whether the venue must liquidate."""
    balance = account.wallet(asset).total
    needed = _ZERO
    for symbol, position in account.positions.items():
        if position.qty:
            market = markets[symbol]
            if market.instrument.quote == asset:
                mark = market.mark
                balance += position.unrealised(mark)
                needed += abs(position.qty) * mark * market.instrument.maintenance_margin
    return needed > 0 and balance < needed


def position_state(
    account: Account, markets: _Markets, symbol: str, whole: MarginSummary
) -> PositionState:
    """One position, with the price at which the account would be liquidated by it."""
    market = markets[symbol]
    instrument, mark = market.instrument, market.mark
    position = account.positions[symbol]
    notional = abs(position.qty) * mark
    maintenance = notional * instrument.maintenance_margin
    others = whole.margin_balance - position.unrealised(mark) - (whole.maintenance - maintenance)
    return PositionState(
        symbol=symbol,
        qty=position.qty,
        entry=position.entry,
        mark=mark,
        unrealised=position.unrealised(mark),
        realised=position.realised,
        initial_margin=notional / account.leverage(instrument),
        maint_margin=maintenance,
        liquidation_price=_liquidation_price(position, others, instrument.maintenance_margin),
        updated_ms=position.updated_ms,
    )


def _liquidation_price(position: Position, others: Decimal, rate: Decimal) -> Decimal:
    """Solve others + qty × p - cost = |qty| × p × rate for p."""
    slope = abs(position.qty) * rate - position.qty
    if not slope:
        return _ZERO
    return max(_ZERO, ((others - position.cost) / slope).quantize(CENTS))


def _working(
    account: Account, market: Market, *, without: Order | None = None
) -> tuple[Decimal, Decimal]:
    """Notional of the working orders that could add exposure: (buys, sells).

    Reduce-only orders add none, conditional ones need no margin before they fire (Binance USD-M
    futures docs, change log on the algo service: "no margin check until triggered").
    """
    buys = sells = _ZERO
    symbol = market.instrument.symbol
    for order in account.open.values():
        request = order.request
        if (
            request.symbol != symbol
            or request.reduce_only
            or order.status is OrderStatus.UNTRIGGERED
            or order is without
        ):
            continue
        notional = order.leaves_qty * working_price(request, market)
        if request.side is Side.BUY:
            buys += notional
        else:
            sells += notional
    return buys, sells


def _requirement(account: Account, market: Market, buys: Decimal, sells: Decimal) -> Decimal:
    """Initial margin of one symbol: of the larger of what all buys or all sells would make."""
    held = account.qty(market.instrument.symbol) * market.mark
    largest = max(abs(held + buys), abs(held - sells), abs(held))
    return largest / account.leverage(market.instrument)
