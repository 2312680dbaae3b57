"""What comes in: new orders, amendments and conditional orders that fire, checked in one order.

symbol → liquidation → mode → shape and price rules → expiry → client id → order count → trigger →
reduce-only → post-only → money → liquidity. The first refusal is the answer.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from outlast.mock.engine import admission, filters
from outlast.mock.engine.accounts import Account, fee_lock, lock_of
from outlast.mock.engine.floor import Floor
from outlast.mock.engine.knobs import QueuePolicy
from outlast.mock.engine.matching import Plan, Stop
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
from outlast.mock.engine.triggers import is_reached

__all__ = ["Intake"]


class Intake:
    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    # -- new orders -------------------------------------------------------------------------

    def place(
        self, account: Account, request: NewOrder, *, silent: bool, whatever_mode: bool = False
    ) -> Order | Rejected:
        """Check an order and carry it out."""
        floor = self._floor
        filters.check_shape(request, floor.product)
        market = floor.markets.get(request.symbol)
        if market is None:
            return Rejected(RejectReason.UNKNOWN_SYMBOL, request.symbol)
        refusal = self._entry_refusal(account, request, whatever_mode=whatever_mode)
        if refusal is not None:
            return refusal
        if request.type.is_conditional:
            return self._wait_for_trigger(
                account, request, silent=silent, may_be_reached=whatever_mode
            )
        checked = self._risk_checked(account, request)
        if isinstance(checked, Rejected):
            return checked
        request = checked
        if not admission.matches(floor.knobs):
            if not floor.can_rest(request) and not whatever_mode and not self._may_wait():
                return Rejected(RejectReason.MODE, floor.knobs.mode.value)
            broke = self._lock_refusal(account, request)
            if broke is not None:
                return broke
            plan = None
        else:
            plan = floor.plan(request, request.qty, account.name)
            refused = self._plan_refusal(account, request, plan)
            if refused is not None:
                return refused
        order = floor.take(account, request, silent=silent)
        floor.enter(order, plan)
        floor.settle()
        return order

    def _entry_refusal(
        self, account: Account, request: NewOrder, *, whatever_mode: bool
    ) -> Rejected | None:
        floor = self._floor
        market = floor.markets[request.symbol]
        if account.in_liquidation:
            return Rejected(RejectReason.IN_LIQUIDATION)
        if not whatever_mode:
            refusal = admission.mode_refusal(request, floor.knobs, floor.product)
            if refusal is not None:
                return refusal
        refusal = filters.refusal(
            request,
            market.instrument,
            reference=floor.reference(market),
            now_ms=floor.now_ms,
        )
        if refusal is not None:
            return refusal
        if _is_taken(account, request.client_order_id):
            return Rejected(RejectReason.DUPLICATE_CLIENT_ID, request.client_order_id)
        if len(account.open_on(request.symbol)) >= market.instrument.max_open_orders:
            return Rejected(
                RejectReason.TOO_MANY_OPEN_ORDERS, str(market.instrument.max_open_orders)
            )
        return None

    def _wait_for_trigger(
        self,
        account: Account,
        request: NewOrder,
        *,
        silent: bool,
        may_be_reached: bool = False,
    ) -> Order | Rejected:
        """Take a conditional order; only spot asks for its money before it fires.

        `may_be_reached`: it is as if it had been there before the market came by, so it is taken
        and fires as soon as triggers run.
        """
        floor = self._floor
        market = floor.markets[request.symbol]
        price = market.mark if request.trigger_on_mark else self._seen_price(request.symbol)
        if is_reached(request, price) and not may_be_reached:
            return Rejected(RejectReason.WOULD_TRIGGER, f"the price is {price}")
        refusal = self._lock_refusal(account, request)
        if refusal is not None:
            return refusal
        order = floor.take(account, request, silent=silent)
        floor.settle()
        return order

    def _may_wait(self) -> bool:
        knobs = self._floor.knobs
        return knobs.mode is EngineMode.AUCTION or knobs.queue is QueuePolicy.HOLD

    # -- money ------------------------------------------------------------------------------

    def _risk_checked(
        self, account: Account, request: NewOrder, *, displaces: bool = False
    ) -> NewOrder | Rejected:
        """The request, cut to what it may reduce; or why position, book or margin refuse it."""
        floor = self._floor
        if request.reduce_only:
            share = admission.reduce_only_share(
                account, request, floor.markets, displaces=displaces
            )
            if isinstance(share, Rejected):
                return share
            request = share
        if request.post_only and not request.ends_if_taking and floor.would_take(request):
            return Rejected(RejectReason.POST_ONLY_WOULD_TAKE)
        if floor.product is Product.UM and not request.reduce_only:
            refusal = admission.margin_refusal(account, request, floor.markets)
            if refusal is not None:
                return refusal
        return request

    def _lock_refusal(self, account: Account, request: NewOrder) -> Rejected | None:
        """On spot: whether the account has what the order would lock."""
        floor = self._floor
        if floor.product is not Product.SPOT:
            return None
        market = floor.markets[request.symbol]
        asset, amount = lock_of(request, request.qty, market.instrument, market.mid)
        return _short_of(account, asset, amount)

    def _plan_refusal(self, account: Account, request: NewOrder, plan: Plan) -> Rejected | None:
        """Why a worked order is refused by what it would get."""
        floor = self._floor
        instrument = floor.markets[request.symbol].instrument
        if floor.product is Product.SPOT:
            # Spot orders that cannot be filled are taken and expire; see `Floor.work`.
            if request.type is OrderType.MARKET and request.side is Side.BUY:
                cost = plan.cost_ticks() * instrument.price_unit * instrument.qty_step
                cost += fee_lock(request, cost, instrument)
                return _short_of(account, instrument.quote, cost)
            return self._lock_refusal(account, request)
        if request.time_in_force is TimeInForce.FOK and not floor.fills_whole(
            request, plan, request.qty
        ):
            return Rejected(RejectReason.FOK_UNFILLABLE)
        if request.type is OrderType.MARKET and not (plan.steps or plan.expired):
            if plan.stop is Stop.EMPTY:
                return Rejected(RejectReason.NO_LIQUIDITY, "no_liquidity")
            if plan.stop is Stop.LIMIT:
                return Rejected(RejectReason.NO_LIQUIDITY, "market_bound")
        return None

    # -- amendments -------------------------------------------------------------------------

    def amend(
        self,
        account: Account,
        order_id: int,
        *,
        qty: Decimal | None,
        price: Decimal | None,
        stop_price: Decimal | None = None,
        client_order_id: str | None = None,
    ) -> Order | Rejected:
        """Change price or quantity of a working limit order, or a spot order that waits.

        An order whose new quantity is already filled, or a post-only one whose new price would
        take, is cancelled by its amendment. On spot less quantity at the same price keeps the
        place in the queue, anything else loses it.
        Source: Binance USD-M futures docs, "Modify Order"; spot docs, "Order Amend Keep Priority".
        """
        floor = self._floor
        order = account.open.get(order_id)
        if (
            order is not None
            and order.request.type.is_conditional
            and floor.product is Product.SPOT
        ):
            return self._amend_waiting(account, order, qty=qty, price=price, stop_price=stop_price)
        if order is None or order.request.type is not OrderType.LIMIT:
            return Rejected(RejectReason.UNKNOWN_ORDER, str(order_id))
        old = order.request
        new = replace(
            old,
            qty=old.qty if qty is None else qty,
            price=old.price if price is None else price,
            client_order_id=old.client_order_id if client_order_id is None else client_order_id,
        )
        refusal = self._amend_refusal(order, new)
        if refusal is not None:
            return refusal
        if new.qty <= order.filled_qty or (
            new.post_only and new.price != old.price and floor.would_take(new)
        ):
            floor.end(order, OrderStatus.CANCELED, "amend")
            floor.settle()
            return order
        funded = self._amend_funded(account, order, new)
        if isinstance(funded, Rejected):
            return funded
        keeps_place = floor.product is Product.SPOT and new.price == old.price and qty is not None
        if keeps_place and new.qty < old.qty:
            floor.shrink(order, funded)
        else:
            floor.replace(order, funded)
        floor.settle()
        return order

    def _amend_waiting(
        self,
        account: Account,
        order: Order,
        *,
        qty: Decimal | None,
        price: Decimal | None,
        stop_price: Decimal | None,
    ) -> Order | Rejected:
        """Change a conditional order that has not fired; it keeps waiting."""
        floor, old = self._floor, order.request
        new = replace(
            old,
            qty=old.qty if qty is None else qty,
            price=old.price if price is None else price,
            stop_price=old.stop_price if stop_price is None else stop_price,
        )
        refusal = self._amend_refusal(order, new)
        if refusal is not None:
            return refusal
        if is_reached(new, self._seen_price(new.symbol)):
            return Rejected(RejectReason.WOULD_TRIGGER)
        funded = self._amend_funded(account, order, new)
        if isinstance(funded, Rejected):
            return funded
        floor.rewrite(order, funded)
        floor.settle()
        return order

    def _amend_refusal(self, order: Order, new: NewOrder) -> Rejected | None:
        floor = self._floor
        market = floor.markets[new.symbol]
        refusal = admission.mode_refusal(new, floor.knobs, floor.product, amends=True)
        if refusal is not None:
            return refusal
        if new == order.request:
            return Rejected(RejectReason.NOT_MODIFIED)
        if new.client_order_id != order.request.client_order_id and _is_taken(
            floor.accounts[order.account], new.client_order_id
        ):
            return Rejected(RejectReason.DUPLICATE_CLIENT_ID, new.client_order_id)
        refusal = filters.refusal(
            new,
            market.instrument,
            reference=floor.reference(market),
            now_ms=floor.now_ms,
            before=order.request,
        )
        if refusal is not None:
            return refusal
        idle = not admission.matches(floor.knobs) and not new.type.is_conditional
        if idle and not floor.can_rest(new) and not self._may_wait():
            return Rejected(RejectReason.MODE, floor.knobs.mode.value)
        return None

    def _amend_funded(self, account: Account, order: Order, new: NewOrder) -> NewOrder | Rejected:
        floor = self._floor
        if new.reduce_only:
            return admission.reduce_only_share(account, new, floor.markets, instead_of=order)
        if floor.product is Product.UM:
            refusal = admission.margin_refusal(account, new, floor.markets, instead_of=order)
        else:
            market = floor.markets[new.symbol]
            asset, amount = lock_of(new, new.qty - order.filled_qty, market.instrument, market.mid)
            refusal = _short_of(account, asset, amount - account.locked_for(order.order_id))
        return new if refusal is None else refusal

    # -- conditional orders that fire -------------------------------------------------------

    def fire_due(self, symbol: str, *, at_market: bool = False) -> None:
        """Let the conditional orders of a symbol fire that the price of now has reached.

        What they trade may reach others: it goes on until none is left. `at_market`: look at the
        market instead of the last trade, which is old on the way back from a halt.
        """
        floor = self._floor
        desk, market = floor.desks[symbol], floor.markets[symbol]
        fired = bool(desk)
        while fired:
            price = market.mid if at_market else self._seen_price(symbol)
            fired = False
            for order in desk.due(price, market.mark):
                if order.status is OrderStatus.UNTRIGGERED:  # an earlier one may have ended it
                    self._fire(order)
                    fired = True

    def _fire(self, order: Order) -> None:
        floor = self._floor
        account = floor.accounts[order.account]
        floor.unlock(order)
        checked = self._fired_request(account, order.request)
        if isinstance(checked, Rejected):
            floor.end(order, OrderStatus.REJECTED, checked.reason.value)
            return
        order.became = floor.next_order_id
        floor.end(order, OrderStatus.EXPIRED, "triggered")
        child = floor.take(
            account,
            checked,
            silent=floor.is_silent(order),
            triggered_from=order.order_id,
        )
        floor.work(child)

    def _fired_request(self, account: Account, request: NewOrder) -> NewOrder | Rejected:
        """The order that a conditional order becomes, or why it may not become one."""
        qty = request.qty
        if request.close_position:
            qty = abs(account.qty(request.symbol))
        limited = request.type in (OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
        fired = replace(
            request,
            type=OrderType.LIMIT if limited else OrderType.MARKET,
            qty=qty,
            price=request.price if limited else None,
            stop_price=None,
            trailing_rate=None,
            time_in_force=request.time_in_force if limited else TimeInForce.GTC,
            expires_ms=request.expires_ms if limited else None,
            reduce_only=request.reduce_only or request.close_position,
            close_position=False,
        )
        checked = self._risk_checked(account, fired, displaces=True)
        if isinstance(checked, Rejected):
            return checked
        if limited:
            broke = self._lock_refusal(account, checked)
            if broke is not None:
                return broke
        return checked

    def _seen_price(self, symbol: str) -> Decimal:
        """What conditional orders look at: the last trade, or the market while none are made."""
        market = self._floor.markets[symbol]
        return market.last if admission.matches(self._floor.knobs) else market.mid


def _is_taken(account: Account, client_order_id: str) -> bool:
    """Whether an open order has this client order id."""
    if not client_order_id:
        return False
    return any(order.status.is_open for order in account.named(client_order_id))


def _short_of(account: Account, asset: str, amount: Decimal) -> Rejected | None:
    free = account.wallet(asset).free
    if amount <= free:
        return None
    return Rejected(RejectReason.INSUFFICIENT_BALANCE, f"needs {amount} {asset}, free are {free}")
