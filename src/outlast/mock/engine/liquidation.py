"""What the venue does with an account that its margin no longer carries.

Its open orders expire; then the venue takes over one position a step at the mark, the one that
needs most maintenance first, until the margin suffices. Until it has looked again and found so,
the account may place nothing (-2023). What a flat account then owes is the insurance's.
"""

from __future__ import annotations

from decimal import Decimal

from outlast.mock.engine import margin
from outlast.mock.engine.accounts import Account
from outlast.mock.engine.events import OrderEventKind
from outlast.mock.engine.floor import Floor
from outlast.mock.engine.model import NewOrder, OrderStatus, OrderType, Side

__all__ = ["liquidate"]


def liquidate(floor: Floor) -> None:
    """Look at every account once; take over what must be."""
    for account in floor.accounts.values():
        if not account.positions:
            continue
        short = [
            asset
            for asset in floor.quotes
            if margin.is_below_maintenance(account, floor.markets, asset)
        ]
        if short and not account.in_liquidation:
            for order in list(account.open.values()):
                floor.end(order, OrderStatus.EXPIRED, "liquidation")
        account.in_liquidation = bool(short)
        for asset in short:
            _take_over(floor, account, asset)
        if short:
            floor.settle()


def _take_over(floor: Floor, account: Account, asset: str) -> None:
    def maintenance(symbol: str) -> Decimal:
        market = floor.markets[symbol]
        return abs(account.qty(symbol)) * market.mark * market.instrument.maintenance_margin

    symbol = max(
        (symbol for symbol in account.positions if floor.markets[symbol].instrument.quote == asset),
        key=maintenance,
    )
    qty = account.qty(symbol)
    instrument = floor.markets[symbol].instrument
    order = floor.take(
        account,
        NewOrder(
            symbol=symbol,
            side=Side.SELL if qty > 0 else Side.BUY,
            type=OrderType.MARKET,
            qty=abs(qty),
            reduce_only=True,
            client_order_id=f"autoclose-{floor.next_order_id}",
        ),
        silent=False,
    )
    floor.fill(
        order,
        int(floor.markets[symbol].mark / instrument.tick),
        int(abs(qty) / instrument.qty_step),
        is_maker=False,
        kind=OrderEventKind.CALCULATED,
    )
