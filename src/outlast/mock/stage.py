"""What the script makes of one venue: engine and market settings, lies about accounts, events.

The stage is told when to act (`enter` at each change, `step` at least once a second) and reports
the conditions it makes to the truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from outlast.mock.announcements import Announced, announced_at
from outlast.mock.clock import VenueClock
from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import OrderSnapshot
from outlast.mock.engine.model import EngineMode, NewOrder, OrderType, Product
from outlast.mock.faults import FaultDesk, RequestFacts
from outlast.mock.history import Standing
from outlast.mock.keys import Account, KeyRing
from outlast.mock.scenario.defaults import T0_MS_DEFAULT
from outlast.mock.scenario.model import Event, InstrumentSpec, OpenOrderSpec
from outlast.mock.scenario.moment import AccountState, EngineState, MarketState, Moment
from outlast.mock.scenario.script import Script
from outlast.mock.script_knobs import engine_knobs, market_knobs
from outlast.mock.streams.books import BookFeed
from outlast.mock.truth import Truth
from outlast.mock.view import AccountPicture, Lies, Picture

__all__ = ["Stage"]

_MARKET_EVERY_MS: Final = 1000
FUNDING_RATE: Final = Decimal("0.0001")
"""What an event `funding` without a rate pays: 0.01 %, the interest component alone. Source:
Binance USD-M futures docs, Introduction to Funding Rates."""


class Stage:
    """One venue's engine, driven by the script."""

    def __init__(
        self,
        *,
        venue: str,
        product: Product,
        engine: Engine,
        keys: KeyRing,
        clock: VenueClock,
        script: Script,
        desk: FaultDesk,
        truth: Truth,
    ) -> None:
        self.venue, self.product = venue, product
        self.engine, self.keys = engine, keys
        self.books = BookFeed(engine)
        self.lies = Lies()
        self.pictures: dict[str, AccountPicture] = {}
        self._clock, self._script = clock, script
        self._desk, self._truth = desk, truth
        self._specs: Mapping[str, InstrumentSpec] = {
            spec.venue_symbol: spec for spec in script.scenario.world.listed_on(venue)
        }
        self._set: tuple[EngineState, MarketState] | None = None
        self._shown_state = AccountState()
        self._marketed_ms: int | None = None
        self._modes: list[tuple[float, EngineMode]] = []
        self._books_doubted: frozenset[str] = frozenset()

    # -- what holds now ---------------------------------------------------------------------------

    @property
    def moment(self) -> Moment:
        return self._script.at(self._clock.elapsed_s)

    @property
    def true_ms(self) -> int:
        """The venue's true time."""
        return self._clock.now_ms

    @property
    def shown_ms(self) -> int:
        """The time that the venue's servers believe: off by the scenario's `clock_step`."""
        step_s = self.moment.engine_on(self.venue).clock_step_s
        return self._clock.now_ms + round(step_s * 1000)

    @property
    def protocol_ms(self) -> int:
        """The date whose protocol is spoken, where the venue has changed it: that of the story."""
        if not self._script.scenario.begins_now:
            return self.shown_ms
        return self.shown_ms - self._clock.t0_ms + T0_MS_DEFAULT

    @property
    def shown_mode(self) -> EngineMode:
        """The engine mode that the venue's own status reports show: `inband_lag` behind."""
        then_s = self._clock.elapsed_s - self.moment.engine_on(self.venue).inband_lag_s
        shown = [mode for since_s, mode in self._modes if since_s <= then_s]
        return shown[-1] if shown else EngineMode.ONLINE

    def announced(self) -> Announced:
        """What the operator has announced so far."""
        return announced_at(self._script, self._clock.elapsed_s, t0_ms=self._clock.t0_ms)

    def key_of(self, symbol: str) -> str:
        """The scenario's own key of an instrument, given its name on the wire."""
        spec = self._specs.get(symbol)
        return spec.symbol if spec else symbol

    # -- driving ----------------------------------------------------------------------------------

    def step(self) -> None:
        """The clock has moved: let the market and the engine follow."""
        self.engine.advance(self._clock.now_ms)
        self._truth.advance(self._clock.now_ms)
        if self._marketed_ms is None or self.true_ms - self._marketed_ms >= _MARKET_EVERY_MS:
            self.report_market()

    def enter(self) -> None:
        """Something of the moment has changed: set the engine, tell or stop telling lies."""
        moment = self.moment
        state = moment.engine_on(self.venue)
        self._take_pictures(moment.account)
        self.lies = Lies(
            balances=moment.account.balances,
            positions=moment.account.positions,
            transfers=moment.account.transfers,
        )
        # The market first: an engine that resumes in this instant meets the new market.
        if self._set is None or self._set[1] != moment.market:
            self.engine.set_market(market_knobs(moment.market, t0_ms=self._clock.t0_ms))
        if self._set is None or self._set[0] != state:
            self.engine.configure(engine_knobs(state))
        self._set = (state, moment.market)
        self.keys.limits = moment.limits
        if not self._modes or self._modes[-1][1] is not state.mode:
            self._modes.append((self._clock.elapsed_s, state.mode))
        self._truth.phase(self.true_ms, moment.phase.name, mode=state.mode.value, venue=self.venue)
        self._report_lies()
        for account in self.keys:
            self.report_willingness(account.name)

    def fire(self, event: Event) -> None:
        """Do one event of the script that falls to this venue."""
        meant = [s for s, spec in self._specs.items() if spec.symbol in event.symbols]
        for symbol in meant:
            match event.kind:
                case "funding" if self.product is Product.UM and symbol in self.engine.instruments:
                    rate = FUNDING_RATE if event.rate is None else event.rate
                    self.engine.fund(symbol, rate)
                case "tick_size_change":
                    assert event.tick is not None, "a reader's mistake: it asks for the tick"
                    self.engine.change_tick(symbol, event.tick)
                case "listing":
                    self.engine.list_instrument(symbol)
        if meant:
            self.report_market()

    def refuses_dials(self) -> bool:
        """True while every request would be refused: then nothing listens on the venue's port."""
        return self._desk.refuses_all(self.moment, venue=self.venue, product=self.product)

    # -- accounts ---------------------------------------------------------------------------------

    def open_account(self, name: str) -> Account:
        """A fresh account with what the scenario's world gives each, known to the truth."""
        spec = self._script.scenario.world.account
        account = self.keys.issue(name)
        listed = {s.symbol: s.venue_symbol for s in self._specs.values()}
        positions = (
            {
                listed[key]: (position.qty, position.entry)
                for key, position in spec.positions.items()
                if key in listed
            }
            if self.product is Product.UM
            else {}
        )
        orders = [_order(o, listed[o.symbol]) for o in spec.open_orders if o.symbol in listed]
        self.engine.open_account(
            name, balances=dict(spec.balances), positions=positions, open_orders=orders
        )
        self._truth.open_account(
            self.true_ms,
            self.venue,
            name,
            balances={a: b.total for a, b in self.engine.balances(name).items()},
            positions={s: p.qty for s, p in self.engine.positions(name).items()},
            orders=[OrderSnapshot.of(order) for order in self.engine.orders(name)],
        )
        state = self.moment.account
        self._take_picture(
            name, balances=state.balances == "stale", positions=state.positions == "stale"
        )
        self.report_willingness(name)
        return account

    def standing(self, name: str) -> Standing | None:
        """How an account stands at this instant; None for one that is not here."""
        if all(account.name != name for account in self.keys):
            return None
        return Standing(
            balances={a: b.total for a, b in self.engine.balances(name).items()},
            positions={s: p.qty for s, p in self.engine.positions(name).items()},
            told_until_ms=self.engine.told_until_ms,
        )

    def _take_pictures(self, state: AccountState) -> None:
        """Keep what `stale` will show from now on: the account as it is at this instant."""
        before, self._shown_state = self._shown_state, state
        balances = state.balances == "stale" and (
            before.balances != "stale" or before.balances_since_s != state.balances_since_s
        )
        positions = state.positions == "stale" and (
            before.positions != "stale" or before.positions_since_s != state.positions_since_s
        )
        for account in self.keys:
            self._take_picture(account.name, balances=balances, positions=positions)

    def _take_picture(self, name: str, *, balances: bool, positions: bool) -> None:
        if not balances and not positions:
            return
        engine = self.engine
        margin = engine.margin(name) if self.product is Product.UM else None
        picture = self.pictures.get(name, AccountPicture())
        if balances:
            picture = replace(picture, balances=Picture(dict(engine.balances(name)), margin))
        if positions:
            picture = replace(picture, positions=Picture(dict(engine.positions(name)), margin))
        self.pictures[name] = picture

    # -- reports ----------------------------------------------------------------------------------

    def report_market(self) -> None:
        """Tell the truth what things cost here and at the peers."""
        self._marketed_ms = self.true_ms
        for symbol in self.engine.instruments:
            self._truth.market(
                self.true_ms,
                self._specs[symbol].symbol,
                self.engine.last_price(symbol),
                self.engine.peer_price(symbol),
                self.engine.mark_price(symbol) if self.product is Product.UM else None,
                venue=self.venue,
            )

    def books_doubted(self, symbols: Iterable[str]) -> None:
        """The streams have sent somebody other books of these instruments than the engine's."""
        doubted = frozenset(symbols)
        if doubted != self._books_doubted:
            self._books_doubted = doubted
            self._report_lies()

    def _report_lies(self) -> None:
        told = self._lies_told(self.moment.engine_on(self.venue))
        told += [f"book:{symbol}" for symbol in self._books_doubted]
        self._truth.lies(self.true_ms, told, venue=self.venue)

    def report_willingness(self, name: str, *, ordinal: int = 0) -> None:
        """Tell the truth whether the next exit of an account would get through to the engine."""
        facts = RequestFacts(
            endpoint="orders.create",
            venue=self.venue,
            product=self.product,
            symbol=self._held(name),
            reduces=True,
            post_only=False,
            type="MARKET",
            account=name,
        )
        yes = self._desk.would_accept(facts, self.moment, ordinal)
        self._truth.willing(self.true_ms, name, yes)

    def _held(self, name: str) -> str | None:
        """The key of the first open position: the exit that matters."""
        for symbol, state in self.engine.positions(name).items():
            if state.qty:
                return self.key_of(symbol)
        return None

    def _lies_told(self, state: EngineState) -> list[str]:
        told = []
        if self.lies.balances != "true_value":
            told.append(f"balances:{self.lies.balances}")
        if self.lies.positions != "true_value" and self.product is Product.UM:
            told.append(f"positions:{self.lies.positions}")
        if self.moment.market.frozen:
            told.append("book")  # it stands still while the market moves
        if state.mark.kind != "live" and self.product is Product.UM:
            told.append("mark:frozen" if state.mark.kind == "frozen" else "mark:shifted")
        return told


def _order(spec: OpenOrderSpec, symbol: str) -> NewOrder:
    reduces_all = spec.reduces and spec.type is not OrderType.LIMIT and spec.qty == 0
    return NewOrder(
        symbol=symbol,
        side=spec.side,
        type=spec.type,
        qty=spec.qty,
        price=spec.price,
        stop_price=spec.stop,
        reduce_only=spec.reduces,
        close_position=reduces_all,
        client_order_id=spec.client_order_id,
        trailing_rate=spec.trailing_rate,
    )
