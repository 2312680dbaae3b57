"""What the venue does with an account that its margin no longer carries.

Its open orders expire; then the venue takes over one position a step at the mark, the one that
needs most maintenance first, until the margin suffices. Until it has looked again and found so,
the account may place nothing (-2023). What a flat account then owes is the insurance's.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from outlast.mock.engine import margin
from outlast.mock.engine.accounts import Account
from outlast.mock.engine.events import OrderEventKind
from outlast.mock.engine.floor import Floor
from outlast.mock.engine.model import NewOrder, OrderStatus, OrderType, Side

__all__ = ["MarginWatch"]

_ZERO: Final = Decimal(0)
_NEVER: Final = Decimal(-1)
_ALWAYS: Final = Decimal(1)
_HAIR: Final = Decimal("0.999")
"""Divisions are rounded: look a hair too early."""


class MarginWatch:
    """Looks at the margins of all accounts, as often as a mark has moved far enough to matter."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._changes = -1
        self._marks: dict[str, Decimal] = {}
        self._reach = _NEVER
        """While no mark is further than this share from where it was, everybody has enough. Below
        zero somebody has not, and is looked at again at the next step."""

    def look(self) -> None:
        """Take over what must be."""
        floor = self._floor
        marks = {symbol: market.mark for symbol, market in floor.markets.items()}
        if self._changes == floor.changes and all(
            abs(marks[symbol] - before) <= self._reach * before
            for symbol, before in self._marks.items()
        ):
            return
        self._reach = _ALWAYS
        for account in list(floor.accounts.values()):
            if account.positions:
                self._look_at(account, marks)
        self._marks, self._changes = marks, floor.changes

    def _look_at(self, account: Account, marks: Mapping[str, Decimal]) -> None:
        floor = self._floor
        short = self._short(account, marks)
        if short and not account.in_liquidation:
            for order in list(account.open.values()):
                floor.end(order, OrderStatus.EXPIRED, "liquidation")
        account.in_liquidation = bool(short)
        for asset in short:
            _take_over(floor, account, asset)
        if short:
            floor.settle()

    def _short(self, account: Account, marks: Mapping[str, Decimal]) -> list[str]:
        """The margin assets of which the account has less than its positions must have."""
        rooms: dict[str, Decimal] = {}
        exposures: dict[str, Decimal] = {}
        for symbol, position in account.positions.items():
            if not position.qty:
                continue
            instrument = self._floor.markets[symbol].instrument
            asset, rate = instrument.quote, instrument.maintenance_margin
            notional = abs(position.qty) * marks[symbol]
            room = position.unrealised(marks[symbol]) - notional * rate
            rooms[asset] = rooms.get(asset, account.wallet(asset).total) + room
            exposures[asset] = exposures.get(asset, _ZERO) + notional * (1 + rate)
        for asset, room in rooms.items():
            self._reach = min(self._reach, room / exposures[asset] * _HAIR)
        return [
            asset
            for asset, room in rooms.items()
            if room < 0 and margin.is_below_maintenance(account, self._floor.markets, asset)
        ]


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
        int(floor.markets[symbol].mark / instrument.price_unit),
        int(abs(qty) / instrument.qty_step),
        is_maker=False,
        kind=OrderEventKind.CALCULATED,
    )
