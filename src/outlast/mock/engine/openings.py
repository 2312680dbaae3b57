"""Opening an account with what a scenario gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from outlast.mock.engine.accounts import Account, Position
from outlast.mock.engine.floor import Floor
from outlast.mock.engine.intake import Intake
from outlast.mock.engine.model import NewOrder, OrderStatus, Product, Rejected

__all__ = ["open_account"]


def open_account(
    floor: Floor,
    intake: Intake,
    name: str,
    *,
    balances: Mapping[str, Decimal],
    positions: Mapping[str, tuple[Decimal, Decimal]],
    open_orders: Sequence[NewOrder],
) -> None:
    """Open an account; nothing of it stays if something of it is refused.

    Raises:
        ValueError: see `Engine.open_account`.
    """
    if name in floor.accounts:
        raise ValueError(f"account {name!r} exists already; use another name")
    account = Account(name)
    for asset, amount in balances.items():
        if amount < 0:
            raise ValueError(f"balances: {asset} cannot be negative, found {amount}")
        account.open_wallet(asset, amount)
    for symbol, (qty, entry) in positions.items():
        _check_position(floor, symbol, qty, entry)
        account.positions[symbol] = Position(qty, entry, floor.now_ms)
    floor.accounts[name] = account
    floor.changes += 1
    for number, request in enumerate(open_orders):
        taken = intake.place(account, request, silent=False, whatever_mode=True)
        refusal = taken if isinstance(taken, Rejected) else None
        if refusal is not None:
            for order in list(account.open.values()):
                floor.end(order, OrderStatus.CANCELED, "venue")
            floor.settle()
            del floor.accounts[name]
            raise ValueError(
                f"open_orders[{number}] ({request.side.value} {request.qty} {request.symbol}) "
                f"was refused: {refusal.reason.value} {refusal.detail}".rstrip()
                + "; change the order or the account"
            )


def _check_position(floor: Floor, symbol: str, qty: Decimal, entry: Decimal) -> None:
    if floor.product is Product.SPOT:
        raise ValueError(f"positions: {symbol} is spot, which has none; give balances instead")
    if symbol not in floor.markets:
        raise ValueError(f"positions: {symbol} is not listed; add it to the instruments")
    step = floor.markets[symbol].instrument.qty_step
    if qty % step:
        raise ValueError(f"positions: {symbol} qty must be a multiple of {step}, found {qty}")
    if entry <= 0:
        raise ValueError(f"positions: {symbol} entry must be positive, found {entry}")
