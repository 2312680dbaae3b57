"""The trading floor: carries out orders, fills and their consequences on books and accounts.

The engine admits, the floor executes. Every public action ends with `settle`, which cancels what
the new positions leave without object and reports the changed ledgers.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

from outlast.mock.engine.accounts import CENTS, Account, Position, fee_lock, lock_of
from outlast.mock.engine.admission import matches
from outlast.mock.engine.events import OrderEventKind
from outlast.mock.engine.knobs import EngineKnobs
from outlast.mock.engine.ledgers import Ledgers
from outlast.mock.engine.market import Flow, Market
from outlast.mock.engine.matching import Fill, OrderBook, Plan, Resting, Stop
from outlast.mock.engine.model import (
    EngineMode,
    Execution,
    Instrument,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Product,
    RejectReason,
    Side,
    TimeInForce,
)
from outlast.mock.engine.reports import Reports
from outlast.mock.engine.triggers import TriggerDesk

__all__ = ["Floor"]

_ZERO = Decimal(0)
_END_KINDS = {
    OrderStatus.CANCELED: OrderEventKind.CANCELED,
    OrderStatus.EXPIRED: OrderEventKind.EXPIRED,
    OrderStatus.REJECTED: OrderEventKind.REJECTED,
}


class Floor:
    def __init__(
        self, instruments: Iterable[Instrument], *, product: Product, seed: int, start_ms: int
    ) -> None:
        self.product = product
        self.now_ms = start_ms
        self.knobs = EngineKnobs()
        self.markets = {
            instrument.symbol: Market(instrument, seed=seed) for instrument in instruments
        }
        self.books = {
            symbol: OrderBook(market.instrument, market.ladder, self.reducible)
            for symbol, market in self.markets.items()
        }
        self.upcoming: dict[str, Market] = {}
        """Markets that are not listed yet; their paths run on unseen."""
        self.quotes = tuple(dict.fromkeys(m.instrument.quote for m in self.markets.values()))
        """The currencies that prices, and on um margins, are in."""
        self.desks = {symbol: TriggerDesk() for symbol in self.markets}
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        """Every order of every account that is not forgotten yet, oldest first."""
        self.ended: deque[int] = deque()
        """Those of them that have ended, in the order in which they did."""
        self.held: dict[int, Order] = {}
        """Taken while nothing matched; they are worked in this order when matching is back."""
        self.reports = Reports()
        self.ledgers = Ledgers(product, self.markets, self.reports)
        self.expiries: list[tuple[int, int]] = []
        """Good-till dates with the orders they belong to: a heap."""
        self._orders_taken = 0
        self._executions = 0
        self.changes = 0
        """Grows whenever something moves a wallet or a position."""
        self._silent: dict[int, None] = {}
        self._moved: dict[tuple[str, str], None] = {}
        """Positions (account, symbol) that fills of this action changed."""

    # -- taking and ending orders -----------------------------------------------------------

    def take(
        self,
        account: Account,
        request: NewOrder,
        *,
        silent: bool,
        triggered_from: int | None = None,
    ) -> Order:
        """Make an order out of an admitted request and report it."""
        order = Order(
            order_id=self.next_order_id,
            account=account.name,
            request=request,
            status=OrderStatus.UNTRIGGERED if request.type.is_conditional else OrderStatus.NEW,
            created_ms=self.now_ms,
            updated_ms=self.now_ms,
            triggered_from=triggered_from,
        )
        self._orders_taken += 1
        self.orders[order.order_id] = order
        account.add(order)
        if silent:
            self._silent[order.order_id] = None
        if request.expires_ms is not None:
            heapq.heappush(self.expiries, (request.expires_ms, order.order_id))
        self.lock(order)
        self.report(OrderEventKind.NEW, order)
        if order.status is OrderStatus.UNTRIGGERED:
            self.desks[request.symbol].watch(order)
        return order

    def end(self, order: Order, status: OrderStatus, reason: str, *, silent: bool = False) -> None:
        """Close an open order: out of the book, its locks freed, reported."""
        self.detach(order)
        order.status = status
        order.end_reason = reason
        order.updated_ms = self.now_ms
        self.report(_END_KINDS[status], order, silent=silent)

    def vanish(self, order: Order) -> None:
        """Close an open order without a word to anybody."""
        self._silent[order.order_id] = None
        self.detach(order)
        order.status, order.end_reason = OrderStatus.CANCELED, "venue"
        order.updated_ms = self.now_ms

    def detach(self, order: Order) -> None:
        """Remove an order from everything that could still act on it."""
        symbol = order.request.symbol
        self.books[symbol].remove(order.order_id)
        self.markets[symbol].update_id += 1
        self.desks[symbol].drop(order.order_id)
        self.held.pop(order.order_id, None)
        self.accounts[order.account].open.pop(order.order_id, None)
        self.ended.append(order.order_id)
        self.unlock(order)

    def lock(self, order: Order) -> None:
        """On spot: lock what is left of the order (a market order at work locks nothing)."""
        request = order.request
        if self.product is not Product.SPOT or (
            request.type is OrderType.MARKET and order.order_id not in self.held
        ):
            return
        market = self.markets[request.symbol]
        asset, amount = lock_of(request, order.leaves_qty, market.instrument, market.mid)
        self.accounts[order.account].lock(order.order_id, asset, amount)
        self._note_balance(order, asset, by_fill=False)

    def unlock(self, order: Order) -> None:
        asset = self.accounts[order.account].unlock(order.order_id)
        if asset is not None:
            self._note_balance(order, asset, by_fill=False)

    def replace(self, order: Order, request: NewOrder) -> None:
        """Change a working order; it goes to the end of its queue, or trades."""
        self.books[request.symbol].remove(order.order_id)
        self.held.pop(order.order_id, None)
        self._change(order, request)
        self.enter(order)

    def shrink(self, order: Order, request: NewOrder) -> None:
        """Take away quantity from a working order; it keeps its place."""
        self._change(order, request)
        place = self.books[request.symbol].place_of(order.order_id)
        if place is not None:
            step = self.markets[request.symbol].instrument.qty_step
            place.steps = int(order.leaves_qty / step)

    def rewrite(self, order: Order, request: NewOrder) -> None:
        """Change an order that is not in the book: it waits for its trigger as before."""
        self._change(order, request)

    def _change(self, order: Order, request: NewOrder) -> None:
        self.accounts[order.account].rename(order, request.client_order_id)
        order.request = request
        order.updated_ms = self.now_ms
        self.markets[request.symbol].update_id += 1
        self.lock(order)
        self.report(OrderEventKind.AMENDED, order)

    @property
    def next_order_id(self) -> int:
        return self._orders_taken + 1

    def is_silent(self, order: Order) -> bool:
        return order.order_id in self._silent

    def forget(self, order: Order) -> None:
        """Know nothing of an ended order any more."""
        self._silent.pop(order.order_id, None)
        self.reports.forget(order.order_id)

    def report(
        self,
        kind: OrderEventKind,
        order: Order,
        *,
        execution: Execution | None = None,
        silent: bool = False,
    ) -> None:
        self.reports.order(
            kind,
            order,
            self.now_ms,
            silent=silent or self.is_silent(order),
            execution=execution,
        )

    # -- working orders ---------------------------------------------------------------------

    def enter(self, order: Order, plan: Plan | None = None) -> None:
        """Match an order, let it rest, or hold it while nothing matches."""
        if matches(self.knobs):
            self.work(order, plan)
        elif self.can_rest(order.request):
            self._rest(order)
        else:
            self.held[order.order_id] = order
            self.lock(order)

    def can_rest(self, request: NewOrder) -> bool:
        """Whether an order could go into the book without trading."""
        if request.type is not OrderType.LIMIT or self.knobs.mode is EngineMode.HALTED:
            return False
        if request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return False
        return not self.would_take(request)

    def would_take(self, request: NewOrder) -> bool:
        assert request.price is not None
        book = self.books[request.symbol]
        ticks = int(request.price / book.instrument.price_unit)
        return book.would_take(request.side, ticks, self.now_ms)

    def plan(self, request: NewOrder, qty: Decimal, account: str) -> Plan:
        """What `qty` of this order would get now."""
        market = self.markets[request.symbol]
        instrument = market.instrument
        if request.type is OrderType.LIMIT and request.price is not None:
            limit = int(request.price / instrument.price_unit)
        else:
            limit = self._bound_ticks(market, request.side)
        return self.books[request.symbol].plan(
            side=request.side,
            steps=int(qty / instrument.qty_step),
            limit_ticks=limit,
            account=account,
            stp=request.stp,
            now_ms=self.now_ms,
        )

    def work(self, order: Order, plan: Plan | None = None) -> None:
        """Match an order against the book; then it rests, or what is left expires."""
        request = order.request
        qty = order.leaves_qty
        if request.reduce_only:
            step = self.markets[request.symbol].instrument.qty_step
            qty = min(qty, step * self.reducible(order))
        if request.post_only and self.would_take(request):
            self.end(order, OrderStatus.EXPIRED, RejectReason.POST_ONLY_WOULD_TAKE.value)
            return
        if plan is None:
            plan = self.plan(request, qty, order.account)
        if request.time_in_force is TimeInForce.FOK and not self.fills_whole(request, plan, qty):
            self.end(order, OrderStatus.EXPIRED, "fok")
            return
        for place in plan.expired:
            self.end(place.order, OrderStatus.EXPIRED, "stp")
        paid = all(self._trade(order, fill) for fill in plan.fills)  # ends at the first unpaid one
        if order.status.is_open:
            reason = self._why_not_resting(order, plan) if paid else "no_funds"
            if reason:
                self.end(order, OrderStatus.EXPIRED, reason)
            else:
                self._rest(order)

    def fills_whole(self, request: NewOrder, plan: Plan, qty: Decimal) -> bool:
        return self.markets[request.symbol].instrument.qty_step * plan.steps >= qty

    def _why_not_resting(self, order: Order, plan: Plan) -> str:
        """The end reason of an order that has matched all it could; empty if it may rest."""
        request = order.request
        if plan.stop is Stop.OWN_ORDER:
            return "stp"
        if request.reduce_only and not self.reducible(order):
            return "reduce_only"
        if request.type is OrderType.MARKET:
            return "market_bound" if plan.stop is Stop.LIMIT else "no_liquidity"
        if request.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            return "ioc"
        return ""

    def _rest(self, order: Order) -> None:
        self.books[order.request.symbol].rest(order, self.now_ms)
        self.markets[order.request.symbol].update_id += 1

    def _bound_ticks(self, market: Market, side: Side) -> int:
        """The worst price a market order may take: a share away from the reference."""
        instrument = market.instrument
        worst = self.reference(market) * (1 + side.sign * instrument.market_take_bound)
        ticks = int(worst / instrument.price_unit)
        return ticks if side is Side.BUY else ticks + (instrument.price_unit * ticks < worst)

    def reference(self, market: Market) -> Decimal:
        """What price rules refer to: the mark; on spot the middle of the market."""
        return market.mark if self.product is Product.UM else market.mid

    def release_held(self) -> None:
        """Work the orders that waited for matching, in order of arrival."""
        for order in list(self.held.values()):
            if order.order_id in self.held:  # an earlier one may have ended it
                del self.held[order.order_id]
                if order.request.type is OrderType.MARKET:
                    self.unlock(order)
                self.work(order)

    # -- fills ------------------------------------------------------------------------------

    def _trade(self, taker: Order, fill: Fill) -> bool:
        """Carry out one planned fill; False when a spot account cannot pay for all of it."""
        market = self.markets[taker.request.symbol]
        steps = fill.steps
        paid_in_full = True
        if self.product is Product.SPOT and taker.request.type is OrderType.MARKET:
            affordable = self._affordable(taker, market, fill.ticks)
            paid_in_full = affordable >= steps
            steps = min(steps, affordable)
        if steps:
            if fill.maker is not None:
                self._fill_resting(fill.maker, steps)
            else:
                against = taker.request.side.opposite
                market.ladder.take(against, fill.ticks, steps, self.now_ms)
                self.books[taker.request.symbol].took_from_makers(against, fill.ticks, steps)
            self.fill(taker, fill.ticks, steps, is_maker=False)
            self._print(market, fill.ticks, steps, taker.request.side)
        return paid_in_full

    def _affordable(self, taker: Order, market: Market, ticks: int) -> int:
        account, instrument = self.accounts[taker.account], market.instrument
        if taker.request.side is Side.SELL:
            asset, each = instrument.base, instrument.qty_step
        else:
            asset, each = instrument.quote, instrument.price_unit * ticks * instrument.qty_step
        each += fee_lock(taker.request, each, instrument)
        return int(account.wallet(asset).free / each)

    def _fill_resting(self, place: Resting, steps: int) -> None:
        """Fill a client order in the book, at its own price."""
        place.steps -= steps
        if not place.steps:
            self.books[place.order.request.symbol].remove(place.order.order_id)
        self.fill(place.order, place.ticks, steps, is_maker=True)

    def _print(self, market: Market, ticks: int, steps: int, taker_side: Side) -> None:
        market.record(ticks, steps, taker_side, self.now_ms, by_client=True)
        market.update_id += 1
        if self.reports.wants_trades:
            self.reports.trade(market.newest_trade())

    def fill(
        self,
        order: Order,
        ticks: int,
        steps: int,
        *,
        is_maker: bool,
        kind: OrderEventKind = OrderEventKind.TRADE,
    ) -> None:
        """Book one fill of a client order on its account."""
        self.changes += 1
        request = order.request
        instrument = self.markets[request.symbol].instrument
        account = self.accounts[order.account]
        price, qty = instrument.price_unit * ticks, instrument.qty_step * steps
        quote_qty = price * qty
        rate = instrument.maker_fee if is_maker else instrument.taker_fee
        realised = _ZERO
        if self.product is Product.UM:
            position = account.positions.setdefault(request.symbol, Position())
            realised = position.fill(request.side.sign * qty, price, self.now_ms)
            fee_currency, fee = instrument.quote, (quote_qty * rate).quantize(CENTS)
            account.wallet(instrument.quote).trade(realised)
            self._moved[account.name, request.symbol] = None
            self.ledgers.note_position(account.name, request.symbol, silent=self.is_silent(order))
        else:
            # The fee is taken from what is received, unless the order wants it otherwise.
            received = instrument.base if request.side is Side.BUY else instrument.quote
            fee_currency = request.fee_asset or received
            amount = qty if fee_currency == instrument.base else quote_qty
            # Never more than what is locked for it.
            rounding = None if fee_currency == received else ROUND_DOWN
            fee = (amount * rate).quantize(CENTS, rounding=rounding)
            account.wallet(instrument.base).trade(request.side.sign * qty)
            account.wallet(instrument.quote).trade(-request.side.sign * quote_qty)
            self._note_balance(order, instrument.base, by_fill=True)
        account.wallet(fee_currency).pay_fee(fee)
        self._note_balance(order, instrument.quote, by_fill=True)
        order.filled_qty += qty
        order.filled_quote += quote_qty
        order.updated_ms = self.now_ms
        self._executions += 1
        execution = Execution(
            execution_id=self._executions,
            order_id=order.order_id,
            account=order.account,
            symbol=request.symbol,
            side=request.side,
            price=price,
            qty=qty,
            quote_qty=quote_qty,
            fee=fee,
            fee_currency=fee_currency,
            realised_pnl=realised,
            is_maker=is_maker,
            at_ms=self.now_ms,
            visible_ms=self.reports.fill_shown_ms(
                order.order_id, self.now_ms, self.knobs.fills_delay_ms
            ),
        )
        order.executions.append(execution)
        account.executions[execution.execution_id] = execution
        if order.filled_qty == request.qty:
            order.status = OrderStatus.FILLED
            self.detach(order)
        else:
            order.status = OrderStatus.PARTIALLY_FILLED
            self.lock(order)
        self.report(kind, order, execution=execution)

    def reducible(self, order: Order) -> int:
        """By how many steps a reduce-only order may still reduce the position."""
        request = order.request
        left = -request.side.sign * self.accounts[order.account].qty(request.symbol)
        return max(0, int(left / self.markets[request.symbol].instrument.qty_step))

    # -- the market against resting orders --------------------------------------------------

    def uncross(self, symbol: str) -> None:
        """Makers whose price has passed a client's resting order trade with it, at its price."""
        market, book = self.markets[symbol], self.books[symbol]
        for side in (Side.BUY, Side.SELL):
            clients = book.side(side)
            while clients:
                place = clients[0]
                level = next(market.ladder.levels(side.opposite, self.now_ms), None)
                if level is None or (level[0] - place.ticks) * side.sign > 0:
                    break
                steps = self._fill_from_market(market, place, level[1])
                if steps:
                    market.ladder.take(side.opposite, level[0], steps, self.now_ms)

    def flow_into(self, symbol: str, flow: Flow) -> None:
        """Let what other traders took reach the client orders whose turn it was."""
        market, book = self.markets[symbol], self.books[symbol]
        left, passed = flow.steps, 0
        quoted = market.ladder.size_at(flow.maker_side, flow.ticks, self.now_ms)
        for place in list(book.side(flow.maker_side)):
            if left <= 0 or (place.ticks - flow.ticks) * flow.maker_side.sign < 0:
                break
            if place.ticks == flow.ticks:
                front = max(0, min(place.ahead, quoted) - passed)
                served = min(front, left)
                passed, left = passed + served, left - served
                place.ahead = front - served
            if left > 0:
                left -= self._fill_from_market(market, place, left)

    def _fill_from_market(self, market: Market, place: Resting, steps: int) -> int:
        """Fill a resting order from the market; one that may no longer reduce expires instead."""
        order = place.order
        steps = min(steps, place.steps)
        if order.request.reduce_only:
            steps = min(steps, self.reducible(order))
            if not steps:
                self.end(order, OrderStatus.EXPIRED, "reduce_only")
                return 0
        self._fill_resting(place, steps)
        self._print(market, place.ticks, steps, order.request.side.opposite)
        return steps

    # -- time -------------------------------------------------------------------------------

    def next_expiry_ms(self) -> int | None:
        return self.expiries[0][0] if self.expiries else None

    def expire_next(self) -> None:
        """End the order whose good-till date is next, if it is still open."""
        order = self.orders.get(heapq.heappop(self.expiries)[1])
        if order is not None and order.status.is_open:
            self.end(order, OrderStatus.EXPIRED, "gtd")
            self.settle()

    # -- afterwards -------------------------------------------------------------------------

    def settle(self) -> None:
        """End what the new positions leave without object; report the changed ledgers."""
        moved, self._moved = self._moved, {}
        for name, symbol in moved:
            account = self.accounts[name]
            for order in account.open_on(symbol):
                # Reduce-only orders with nothing left to reduce expire (Binance: `er` 4).
                if (
                    order.request.reduce_only
                    and order.status is not OrderStatus.UNTRIGGERED
                    and not self.reducible(order)
                ):
                    self.end(order, OrderStatus.EXPIRED, "reduce_only")
            self.ledgers.insure(account, self.markets[symbol].instrument.quote)
        self.ledgers.report(self.accounts, self.now_ms, self.knobs.fills_delay_ms)

    def _note_balance(self, order: Order, asset: str, *, by_fill: bool) -> None:
        self.ledgers.note_balance(
            order.account, asset, by_fill=by_fill, silent=self.is_silent(order)
        )
