"""The exchange itself: one product of one venue, pure, synchronous, told the time.

Call `advance(now_ms)` first, then act; nothing here reads a clock. The same seed, knobs and calls
give the same truth to the byte (`digest`), and the market's own path never depends on clients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from types import MappingProxyType

from outlast.mock.engine import admission, margin, relisting
from outlast.mock.engine.accounts import Account
from outlast.mock.engine.events import EngineEvent, InstrumentEvent, OrderSnapshot
from outlast.mock.engine.floor import Floor
from outlast.mock.engine.forgetting import forget_ended
from outlast.mock.engine.intake import Intake
from outlast.mock.engine.knobs import EngineKnobs, MarketKnobs, TriggerPolicy
from outlast.mock.engine.liquidation import MarginWatch
from outlast.mock.engine.market import Market
from outlast.mock.engine.model import (
    Execution,
    Instrument,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Product,
    Rejected,
    RejectReason,
    Side,
)
from outlast.mock.engine.openings import open_account
from outlast.mock.engine.path import STEP_MS
from outlast.mock.engine.sweep import doomed_orders
from outlast.mock.engine.views import (
    AssetBalance,
    BookSnapshot,
    Flows,
    Level,
    MarginSummary,
    PositionState,
    PublicTrade,
)

__all__ = ["Engine"]


class Engine:
    """One venue's matching engine, accounts and market for one product.

    Unknown symbols and accounts raise `KeyError` everywhere except in `place`, where a client may
    name any symbol and is refused.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        product: Product,
        seed: int,
        start_ms: int,
        venue: str,
        upcoming: Iterable[Instrument] = (),
        ended_max: int | None = None,
    ) -> None:
        """List `instruments` and start their markets at `start_ms` (venue time).

        `upcoming` are listed later, by `list_instrument`. Of all ended orders the newest
        `ended_max` are remembered; None: every one.

        Raises:
            ValueError: an instrument is of another product, or is listed twice.
        """
        listed: dict[str, Instrument] = {}
        later = {instrument.symbol: instrument for instrument in upcoming}
        for instrument in (*instruments, *later.values()):
            if instrument.product is not product:
                raise ValueError(
                    f"{instrument.symbol}: product is {instrument.product.value}, "
                    f"this engine trades {product.value}"
                )
            if instrument.symbol in listed:
                raise ValueError(f"{instrument.symbol}: listed twice; symbols must be unique")
            listed[instrument.symbol] = instrument
        self.venue = venue
        self.product = product
        self._listed = {s: instrument for s, instrument in listed.items() if s not in later}
        self.instruments: Mapping[str, Instrument] = MappingProxyType(self._listed)
        """What is listed now, by symbol; it follows what is listed later."""
        self._seed = seed
        self._floor = Floor(self._listed.values(), product=product, seed=seed, start_ms=start_ms)
        for symbol, instrument in later.items():
            self._floor.upcoming[symbol] = Market(instrument, seed=seed)
        self._intake = Intake(self._floor)
        self._margins = MarginWatch(self._floor)
        self._market_knobs = MarketKnobs()
        self._next_step_ms = start_ms + STEP_MS
        self._swept: tuple[object, ...] = ()
        self._ended_max = ended_max
        self._forgetters: list[Callable[[Sequence[Order]], None]] = []

    @property
    def now_ms(self) -> int:
        return self._floor.now_ms

    @property
    def knobs(self) -> EngineKnobs:
        """The settings in force."""
        return self._floor.knobs

    @property
    def market_knobs(self) -> MarketKnobs:
        return self._market_knobs

    @property
    def accounts(self) -> tuple[str, ...]:
        return tuple(self._floor.accounts)

    @property
    def next_order_id(self) -> int:
        """The number that the next order gets."""
        return self._floor.next_order_id

    # -- settings ---------------------------------------------------------------------------

    def open_account(
        self,
        account: str,
        *,
        balances: Mapping[str, Decimal],
        positions: Mapping[str, tuple[Decimal, Decimal]] | None = None,
        open_orders: Sequence[NewOrder] = (),
    ) -> None:
        """Open an account with these wallets, positions as (signed qty, entry), and orders.

        The orders are placed as a client would, whatever the mode; a stop that the market has
        passed already fires as soon as triggers run.

        Raises:
            ValueError: the account exists, an amount is negative, a symbol is not listed, or the
                engine refuses one of the orders (the message says which and why).
        """
        open_account(
            self._floor,
            self._intake,
            account,
            balances=balances,
            positions=positions or {},
            open_orders=open_orders,
        )

    def configure(self, knobs: EngineKnobs) -> None:
        """Replace the engine's settings from `now_ms` on.

        If both change in one instant, call `set_market` first: what resumes then meets the new
        market. On the way back conditional orders fire first, then held orders are worked, then
        the market meets the resting orders.
        """
        floor = self._floor
        old = floor.knobs
        if old.triggers is TriggerPolicy.BEFORE_RESUME and knobs.triggers is not old.triggers:
            self._requote()
            self._fire()
        floor.knobs = knobs
        for market in floor.markets.values():
            market.set_mark(knobs)
        self._sweep()
        self._requote_if_live()
        if admission.triggers_run(knobs):
            self._fire()
        self._meet()
        floor.settle()

    def set_market(self, knobs: MarketKnobs) -> None:
        """Replace the market's settings at `now_ms`; what drifts and deviates already goes on."""
        self._market_knobs = knobs
        for market in (*self._floor.markets.values(), *self._floor.upcoming.values()):
            market.set(knobs, self.now_ms)
        self._requote_if_live()
        self._meet()
        self._floor.settle()

    def list_instrument(self, symbol: str) -> Instrument:
        """Let an upcoming instrument be traded from now on; give it as it is listed.

        Its price has gone its way since the start, as that of a coin that is traded elsewhere.

        Raises:
            KeyError: no upcoming instrument of this name.
        """
        instrument = relisting.list_instrument(self._floor, symbol)
        self._listed[symbol] = instrument
        self._requote_if_live()
        self._floor.reports.instrument(
            InstrumentEvent(instrument=instrument, is_new=True, at_ms=self.now_ms)
        )
        return instrument

    def change_tick(self, symbol: str, tick: Decimal) -> Instrument:
        """Let new orders name prices on another tick from now on; give the instrument as it is now.

        Orders that rest or wait for their trigger keep their prices, on the new tick or off it, and
        are traded there. Source: Binance announcement "Updates on Tick Size for Spot Trading
        Pairs", 2024-01-12 (futures: the like in September 2024). Kraken documents nothing of it.

        Raises:
            ValueError: `tick` is not positive.
        """
        instrument = relisting.change_tick(self._floor, symbol, tick)
        self._listed[symbol] = instrument
        self._floor.reports.instrument(
            InstrumentEvent(instrument=instrument, is_new=False, at_ms=self.now_ms)
        )
        self._requote_if_live()
        self._meet()
        self._floor.settle()
        return instrument

    def leverage(self, account: str, symbol: str) -> int:
        """What the account trades `symbol` with."""
        return self._account(account).leverage(self.instruments[symbol])

    def set_leverage(self, account: str, symbol: str, leverage: int) -> Rejected | None:
        """Let the account trade `symbol` with this leverage from now on, or say why not.

        Raises:
            ValueError: `leverage` is less than 1.
        """
        if leverage < 1:
            raise ValueError(f"leverage must be at least 1, found {leverage}")
        opened, instrument = self._account(account), self.instruments[symbol]
        before = opened.leverage(instrument)
        opened.leverages[symbol] = leverage
        room = margin.headroom(opened, self._floor.markets, instrument.quote)
        if leverage < before and room < 0:
            opened.leverages[symbol] = before
            return Rejected(RejectReason.INSUFFICIENT_MARGIN, f"{-room} of margin are missing")
        return None

    def listen(
        self, listener: Callable[[EngineEvent], None], *, public_trades: bool = True
    ) -> None:
        """Tell `listener` every event from now on; public prints only with `public_trades`.

        The listener must not call back into the engine.
        """
        self._floor.reports.listen(listener, public_trades=public_trades)

    def on_forgotten(self, listener: Callable[[Sequence[Order]], None]) -> None:
        """Tell `listener` which ended orders the engine no longer knows, each time it forgets."""
        self._forgetters.append(listener)

    @property
    def told_until_ms(self) -> int:
        """All that happened before this instant has been told to the listeners."""
        held_back = self._floor.reports.oldest_held_back_ms()
        return self.now_ms if held_back is None else min(held_back, self.now_ms)

    # -- time -------------------------------------------------------------------------------

    def advance(self, now_ms: int) -> None:
        """Let time pass up to and including `now_ms`; in one call or in many, the same happens.

        Raises:
            ValueError: `now_ms` lies before the engine's own time.
        """
        if now_ms < self.now_ms:
            raise ValueError(f"advance: time is {self.now_ms} already, found {now_ms}")
        while self._next_step_ms <= now_ms:
            self._pass_to(self._next_step_ms)
            self._step()
            self._next_step_ms += STEP_MS
        self._pass_to(now_ms)
        self._forget()

    def _forget(self) -> None:
        """Between two actions, so that what an action has ended can still be answered for."""
        if self._ended_max is None:
            return
        forgotten = forget_ended(self._floor, self._ended_max)
        if forgotten:
            for listener in self._forgetters:
                listener(forgotten)

    def _pass_to(self, at_ms: int) -> None:
        """Let everything happen that is due between two steps of the market."""
        floor, reports = self._floor, self._floor.reports
        while True:
            shown_ms, expiry_ms = reports.next_ms(), floor.next_expiry_ms()
            if (
                shown_ms is not None
                and shown_ms <= at_ms
                and (expiry_ms is None or shown_ms <= expiry_ms)
            ):
                floor.now_ms = shown_ms
                reports.tell_due(shown_ms)
            elif expiry_ms is not None and expiry_ms <= at_ms:
                floor.now_ms = expiry_ms
                floor.expire_next()
            else:
                break
        floor.now_ms = at_ms

    def _step(self) -> None:
        """One step of every market, and what it does to the clients."""
        floor, knobs = self._floor, self._floor.knobs
        moving = admission.quotes_move(knobs)
        matching = admission.matches(knobs)
        running = admission.venue_runs(knobs)
        firing = admission.triggers_run(knobs)
        for market in floor.upcoming.values():
            market.step(floor.now_ms, live=False, flowing=False)
        for symbol, market in floor.markets.items():
            live = moving and not self._market_knobs.frozen
            flow = market.step(floor.now_ms, live=live, flowing=live and matching)
            if flow is not None and floor.reports.wants_trades:
                floor.reports.trade(market.newest_trade())
            if live and matching and floor.books[symbol]:
                floor.uncross(symbol)
                if flow is not None:
                    floor.flow_into(symbol, flow)
            if firing:
                self._intake.fire_due(symbol)
        if self.product is Product.UM and running and knobs.liquidations:
            self._margins.look()
        floor.settle()

    # -- orders -----------------------------------------------------------------------------

    def place(self, account: str, request: NewOrder, *, silent: bool = False) -> Order | Rejected:
        """Take an order, or say why not. `silent`: no event of it is for the user stream.

        A reduce-only order for more than is left to reduce is taken for what is left.

        Raises:
            ValueError: a field is missing or impossible for this order type (`check_shape`).
        """
        outcome = self._intake.place(self._account(account), request, silent=silent)
        self._fire_after(outcome)
        return outcome

    def amend(
        self,
        account: str,
        order_id: int,
        *,
        qty: Decimal | None = None,
        price: Decimal | None = None,
        stop_price: Decimal | None = None,
        client_order_id: str | None = None,
    ) -> Order | Rejected:
        """Change a working limit order, or on spot a conditional one that waits.

        None keeps what it has; only a working order can get another client order id. See
        `Intake.amend`.
        """
        outcome = self._intake.amend(
            self._account(account),
            order_id,
            qty=qty,
            price=price,
            stop_price=stop_price,
            client_order_id=client_order_id,
        )
        self._fire_after(outcome)
        return outcome

    def would_take(self, order: Order, price: Decimal) -> bool:
        """Whether a limit order would trade at once if it had this price."""
        return order.request.type is OrderType.LIMIT and self._floor.would_take(
            replace(order.request, price=price)
        )

    def cancel(self, account: str, order_id: int, *, reason: str = "client") -> Order | Rejected:
        """Cancel what is left of an open order; `reason` becomes its `end_reason`."""
        order = self._account(account).open.get(order_id)
        if order is None:
            return Rejected(RejectReason.UNKNOWN_ORDER, str(order_id))
        refusal = self._cancel_refusal(reason)
        if refusal is not None:
            return refusal
        self._floor.end(order, OrderStatus.CANCELED, reason)
        self._floor.settle()
        return order

    def cancel_all(
        self, account: str, symbol: str | None = None, *, reason: str = "client"
    ) -> list[Order] | Rejected:
        """Cancel every open order (of `symbol`), conditional ones too; return those cancelled."""
        opened = self._account(account)
        refusal = self._cancel_refusal(reason)
        if refusal is not None:
            return refusal
        ended = list(opened.open.values() if symbol is None else opened.open_on(symbol))
        for order in ended:
            self._floor.end(order, OrderStatus.CANCELED, reason)
        self._floor.settle()
        return ended

    def void(self, order_id: int) -> bool:
        """Make an accepted order vanish: no event, no record for queries; truth keeps it, flagged.

        An order that has filled cannot vanish: what is left of it is cancelled silently and its
        record stays. Returns whether it vanished.
        """
        order = self._floor.orders.get(order_id)
        if order is None:
            return False  # forgotten: it ended long ago
        if order.filled_qty:
            if order.status.is_open:
                self._floor.end(order, OrderStatus.CANCELED, "venue", silent=True)
                self._floor.settle()
            return False
        if order.status.is_open:
            self._floor.vanish(order)
            self._floor.settle()
        order.voided = True
        return True

    def find(
        self,
        account: str,
        *,
        symbol: str | None = None,
        order_id: int | None = None,
        client_order_id: str | None = None,
    ) -> Order | None:
        """The order with this id, or the newest of this client order id; None if voided.

        Given both, the order must have both.
        """
        opened = self._account(account)
        if order_id is not None:
            found = opened.orders.get(order_id)
            candidates = [] if found is None else [found]
        else:
            candidates = opened.named(client_order_id or "")
        for order in reversed(candidates):
            if (
                not order.voided
                and symbol in (None, order.request.symbol)
                and client_order_id in (None, order.request.client_order_id)
            ):
                return order
        return None

    def orders(
        self, account: str, symbol: str | None = None, *, only_open: bool = False
    ) -> list[Order]:
        """The account's orders, oldest first, without voided ones."""
        opened = self._account(account)
        among = opened.open if only_open else opened.orders
        return [
            order
            for order in among.values()
            if not order.voided and symbol in (None, order.request.symbol)
        ]

    def all_orders(self) -> list[Order]:
        """Truth: every order that is not forgotten, of all accounts, voided ones too."""
        return list(self._floor.orders.values())

    def reported(self, order: Order) -> OrderSnapshot:
        """The order as the venue's reports show it now: without fills that are still delayed."""
        return self._floor.reports.told(order.order_id) or OrderSnapshot.of(order)

    def executions(
        self, account: str, symbol: str | None = None, *, visible_only: bool = True
    ) -> list[Execution]:
        """The account's fills, oldest first."""
        return [
            execution
            for execution in self._account(account).executions.values()
            if symbol in (None, execution.symbol)
            and not (visible_only and execution.visible_ms > self.now_ms)
        ]

    def turnover(self, account: str) -> Decimal:
        """What all reported fills of the account were worth, forgotten ones too."""
        known = (fill.quote_qty for fill in self.executions(account))
        return sum(known, self._account(account).turnover)

    # -- accounts ---------------------------------------------------------------------------

    def balances(self, account: str) -> Mapping[str, AssetBalance]:
        """Every asset the account was opened with or has traded."""
        opened = self._account(account)
        ledgers = self._floor.ledgers
        return {asset: ledgers.balance(opened, asset) for asset in opened.wallets}

    def flows(self, account: str) -> Mapping[str, Flows]:
        """Truth: where each asset's total came from."""
        return {asset: wallet.flows() for asset, wallet in self._account(account).wallets.items()}

    def positions(self, account: str) -> Mapping[str, PositionState]:
        """Open positions and, with zero qty, closed ones; empty on spot."""
        opened, markets = self._account(account), self._floor.markets
        if not opened.positions:
            return {}
        wholes = {quote: margin.summary(opened, markets, quote) for quote in self._floor.quotes}
        return {
            symbol: margin.position_state(
                opened, markets, symbol, wholes[self.instruments[symbol].quote]
            )
            for symbol in opened.positions
        }

    def margin(self, account: str, asset: str | None = None) -> MarginSummary:
        """The cross-margin account in `asset` (default: the first instrument's quote).

        Raises:
            ValueError: on spot.
        """
        if self.product is Product.SPOT:
            raise ValueError("margin: spot accounts have none; use balances")
        return margin.summary(
            self._account(account), self._floor.markets, asset or self._floor.quotes[0]
        )

    def fund(self, symbol: str, rate: Decimal) -> None:
        """Pay funding on every position: longs pay position × mark × rate, shorts receive it."""
        self._floor.changes += 1
        for account in self._floor.accounts.values():
            if account.qty(symbol):
                self._floor.ledgers.fund(account, symbol, rate, self.now_ms)
        self._floor.settle()

    # -- market data ------------------------------------------------------------------------

    def book(self, symbol: str, depth: int) -> BookSnapshot:
        """The best `depth` prices of each side."""
        bids, asks = (self._levels(symbol, side, depth) for side in (Side.BUY, Side.SELL))
        return BookSnapshot(bids, asks, self._market(symbol).update_id, self.now_ms)

    def book_version(self, symbol: str) -> tuple[int, int]:
        """As long as this stays the same, so does the book."""
        market = self._market(symbol)
        return market.update_id, market.ladder.absent(self.now_ms)

    def best(self, symbol: str) -> tuple[Level | None, Level | None]:
        """Best bid and best ask; None where that side is empty."""
        instrument, book = self.instruments[symbol], self._floor.books[symbol]

        def level(side: Side) -> Level | None:
            top = book.top(side, self.now_ms)
            if top is None:
                return None
            return Level(instrument.price_unit * top[0], instrument.qty_step * top[1])

        return level(Side.BUY), level(Side.SELL)

    def last_price(self, symbol: str) -> Decimal:
        return self._market(symbol).last

    def mark_price(self, symbol: str) -> Decimal:
        """The index, shifted or frozen by the scenario; on spot the middle of the market."""
        return self._floor.reference(self._market(symbol))

    def index_price(self, symbol: str) -> Decimal:
        """What the peers trade at."""
        return self._market(symbol).peer

    def peer_price(self, symbol: str) -> Decimal:
        """The reference the other venues trade at: this market's path without `deviate`."""
        return self._market(symbol).peer

    def tape(self, symbol: str, limit: int) -> list[PublicTrade]:
        """The newest prints, oldest first, at most `limit`."""
        return self._market(symbol).tape(limit)

    # -- truth ------------------------------------------------------------------------------

    def digest(self) -> str:
        """A hash of the whole truth: the same seed, knobs and calls give the same one."""
        floor = self._floor
        hashed = sha256()
        for part in (
            (self.venue, self.product, self._seed, self.now_ms, floor.knobs, self._market_knobs),
            *(market.state() for market in floor.markets.values()),
            *(market.state() for market in floor.upcoming.values()),
            *(book.state() for book in floor.books.values()),
            *(desk.state() for desk in floor.desks.values()),
            *(account.state() for account in floor.accounts.values()),
            tuple(floor.held),
        ):
            hashed.update(repr(part).encode())
        return hashed.hexdigest()

    # -- inside -----------------------------------------------------------------------------

    def _account(self, account: str) -> Account:
        return self._floor.accounts[account]

    def _market(self, symbol: str) -> Market:
        return self._floor.markets[symbol]

    def _levels(self, symbol: str, side: Side, depth: int) -> tuple[Level, ...]:
        instrument = self.instruments[symbol]
        unit = instrument.price_unit
        levels = self._floor.books[symbol].levels(side, self.now_ms)
        return tuple(
            Level(unit * ticks, instrument.qty_step * steps)
            for (ticks, steps), _ in zip(levels, range(depth), strict=False)
        )

    def _cancel_refusal(self, reason: str) -> Rejected | None:
        """The venue's own cancels pass in every mode; a client's and its dead man's do not."""
        if reason == "venue" or admission.cancels_pass(self.knobs):
            return None
        return Rejected(RejectReason.MODE, self.knobs.mode.value)

    def _requote(self) -> None:
        for market in self._floor.markets.values():
            market.requote()

    def _requote_if_live(self) -> None:
        if admission.quotes_move(self.knobs) and not self._market_knobs.frozen:
            self._requote()

    def _fire(self) -> None:
        for symbol in self._floor.markets:
            self._intake.fire_due(symbol, at_market=True)

    def _fire_after(self, outcome: Order | Rejected) -> None:
        """A client's trades may have reached conditional orders."""
        if isinstance(outcome, Order) and admission.triggers_run(self.knobs):
            self._intake.fire_due(outcome.request.symbol)
            self._floor.settle()

    def _meet(self) -> None:
        """Bring together what may trade now."""
        if admission.matches(self.knobs):
            self._floor.release_held()
            if not self._market_knobs.frozen:
                for symbol in self._floor.markets:
                    self._floor.uncross(symbol)

    def _sweep(self) -> None:
        """Cancel the share of orders and the types that these knobs ask for, once."""
        knobs, floor = self.knobs, self._floor
        sweep = (knobs.sweep_id, knobs.keep_orders, knobs.cancel_types)
        if sweep == self._swept:
            return
        self._swept = sweep
        for order in doomed_orders(floor, self._seed):
            floor.end(order, OrderStatus.CANCELED, "venue", silent=knobs.silent_cancels)
