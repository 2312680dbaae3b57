"""What an account owns: wallets, spot locks, positions, orders; every change is a named flow."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import Final

from outlast.mock.engine.model import Execution, Instrument, NewOrder, Order, OrderType, Side
from outlast.mock.engine.views import AssetBalance, Flows

__all__ = ["CENTS", "Account", "Position", "Wallet", "fee_lock", "lock_of"]

CENTS: Final = Decimal("0.00000001")
"""Fees, funding and released entry cost are rounded to this, as venues book them."""

_ZERO: Final = Decimal(0)


class Wallet:
    """One asset of one account; `total` is kept equal to the sum of the flows."""

    __slots__ = ("fees", "funding", "insurance", "locked", "start", "total", "traded")

    def __init__(self, start: Decimal = _ZERO) -> None:
        self.start = self.total = start
        self.traded = self.fees = self.funding = self.insurance = _ZERO
        self.locked = _ZERO

    @property
    def free(self) -> Decimal:
        return self.total - self.locked

    def trade(self, amount: Decimal) -> None:
        self.traded += amount
        self.total += amount

    def pay_fee(self, amount: Decimal) -> None:
        self.fees += amount
        self.total -= amount

    def fund(self, amount: Decimal) -> None:
        self.funding += amount
        self.total += amount

    def insure(self) -> None:
        """Bring a negative wallet back to zero with the venue's money."""
        self.insurance -= self.total
        self.total = _ZERO

    def flows(self) -> Flows:
        return Flows(
            start=self.start,
            traded=self.traded,
            fees=self.fees,
            funding=self.funding,
            insurance=self.insurance,
        )


class Position:
    """A one-way position: `cost` is the exact signed sum of price × qty that is still open."""

    __slots__ = ("cost", "qty", "realised", "updated_ms")

    def __init__(self, qty: Decimal = _ZERO, entry: Decimal = _ZERO, now_ms: int = 0) -> None:
        self.qty = qty
        self.cost = qty * entry
        self.realised = _ZERO
        self.updated_ms = now_ms

    @property
    def entry(self) -> Decimal:
        return self.cost / self.qty if self.qty else _ZERO

    def unrealised(self, mark: Decimal) -> Decimal:
        return self.qty * mark - self.cost

    def fill(self, signed_qty: Decimal, price: Decimal, now_ms: int) -> Decimal:
        """Book a fill and return what it realised; a fill larger than the position turns it.

        The last part closed releases all the cost that is left, so that rounding never adds up:
        over a whole round trip the realised sum is the exact difference of the cash flows.
        """
        self.updated_ms = now_ms
        if self.qty * signed_qty >= 0:
            self.qty += signed_qty
            self.cost += signed_qty * price
            return _ZERO
        if abs(signed_qty) >= abs(self.qty):
            closed, released = self.qty, self.cost
        else:
            closed = -signed_qty
            released = (self.cost * closed / self.qty).quantize(CENTS)
        realised = closed * price - released
        turned = signed_qty + closed
        self.qty = self.qty - closed + turned
        self.cost = self.cost - released + turned * price
        self.realised += realised
        return realised


class Account:
    """One account on one product."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wallets: dict[str, Wallet] = {}
        self.positions: dict[str, Position] = {}
        self.orders: dict[int, Order] = {}
        self.open: dict[int, Order] = {}
        self.executions: dict[int, Execution] = {}
        """By number, oldest first."""
        self.turnover = _ZERO
        """What the forgotten fills were worth, in their quote currencies."""
        self._forgotten = 0
        self._forgotten_hash = sha256()
        self.leverages: dict[str, int] = {}
        self.in_liquidation = False
        self._namesakes: dict[str, list[int]] = {}
        self._locks: dict[int, tuple[str, Decimal]] = {}

    def open_wallet(self, asset: str, start: Decimal) -> None:
        self.wallets[asset] = Wallet(start)

    def wallet(self, asset: str) -> Wallet:
        wallet = self.wallets.get(asset)
        if wallet is None:
            wallet = self.wallets[asset] = Wallet()
        return wallet

    def qty(self, symbol: str) -> Decimal:
        """The signed position."""
        position = self.positions.get(symbol)
        return position.qty if position is not None else _ZERO

    def leverage(self, instrument: Instrument) -> int:
        """What the account trades this instrument with: its own choice, or the listing's."""
        return self.leverages.get(instrument.symbol, instrument.leverage)

    def add(self, order: Order) -> None:
        self.orders[order.order_id] = order
        self.open[order.order_id] = order
        if order.request.client_order_id:
            self._namesakes.setdefault(order.request.client_order_id, []).append(order.order_id)

    def rename(self, order: Order, client_order_id: str) -> None:
        """Let an order be found under another client order id than it has had so far."""
        before = order.request.client_order_id
        if client_order_id == before:
            return
        if before:
            self._unname(order.order_id, before)
        self._namesakes.setdefault(client_order_id, []).append(order.order_id)

    def _unname(self, order_id: int, client_order_id: str) -> None:
        namesakes = self._namesakes[client_order_id]
        namesakes.remove(order_id)
        if not namesakes:
            del self._namesakes[client_order_id]

    def forget(self, order: Order) -> None:
        """Know nothing of an ended order any more, except what it left behind."""
        self._forgotten += 1
        self._forgotten_hash.update(repr(order).encode())
        del self.orders[order.order_id]
        if order.request.client_order_id:
            self._unname(order.order_id, order.request.client_order_id)
        for execution in order.executions:
            del self.executions[execution.execution_id]
            self.turnover += execution.quote_qty

    def named(self, client_order_id: str) -> list[Order]:
        """All orders of this client order id, oldest first."""
        return [self.orders[order_id] for order_id in self._namesakes.get(client_order_id, ())]

    def open_on(self, symbol: str) -> list[Order]:
        return [order for order in self.open.values() if order.request.symbol == symbol]

    def balance(self, asset: str) -> AssetBalance:
        wallet = self.wallet(asset)
        return AssetBalance(wallet.total, wallet.free, wallet.locked)

    # -- spot locks -------------------------------------------------------------------------

    def lock(self, order_id: int, asset: str, amount: Decimal) -> None:
        """Lock exactly this much for an order, instead of what it had locked before."""
        self.unlock(order_id)
        if amount:
            self.wallet(asset).locked += amount
            self._locks[order_id] = (asset, amount)

    def unlock(self, order_id: int) -> str | None:
        """Free what an order had locked; return the asset, or None if there was nothing."""
        had = self._locks.pop(order_id, None)
        if had is None:
            return None
        self.wallet(had[0]).locked -= had[1]
        return had[0]

    def locked_for(self, order_id: int) -> Decimal:
        had = self._locks.get(order_id)
        return _ZERO if had is None else had[1]

    def state(self) -> tuple[object, ...]:
        """For the digest."""
        return (
            self.name,
            [(asset, w.total, w.locked, w.flows()) for asset, w in self.wallets.items()],
            [(s, p.qty, p.cost, p.realised, p.updated_ms) for s, p in self.positions.items()],
            list(self.orders.values()),
            (self._forgotten, self._forgotten_hash.hexdigest()),
            list(self.open),
            self._locks,
            self.leverages,
            self.in_liquidation,
        )


def lock_of(
    request: NewOrder, leaves: Decimal, instrument: Instrument, reference: Decimal
) -> tuple[str, Decimal]:
    """What a spot order must lock, as (asset, amount), for the `leaves` still to be filled.

    A buy that names no limit locks at its stop price or, without one, at `reference`.
    """
    if request.side is Side.SELL:
        return instrument.base, leaves + fee_lock(request, leaves, instrument)
    limited = request.type in (
        OrderType.LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
    )
    price = request.price if limited else request.stop_price
    cost = (reference if price is None else price) * leaves
    return instrument.quote, cost + fee_lock(request, cost, instrument)


def fee_lock(request: NewOrder, given: Decimal, instrument: Instrument) -> Decimal:
    """What a spot order locks for its fee, when that is taken in the asset that is given away."""
    gives = instrument.quote if request.side is Side.BUY else instrument.base
    if request.fee_asset != gives:
        return _ZERO
    return given * max(instrument.taker_fee, instrument.maker_fee)
