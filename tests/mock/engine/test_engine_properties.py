"""What holds after any sequence of actions: money, positions, quantities and the book.

Method: two accounts do arbitrary things on a lively market while the scenario turns its knobs;
after every action the books are balanced against the fills, by an independent sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from engine_world import BUY, SELL, SYMBOL, T0, D, instrument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from outlast.mock.engine.engine import Engine
from outlast.mock.engine.events import (
    EngineEvent,
    FundingEvent,
    OrderEvent,
    OrderEventKind,
    OrderSnapshot,
)
from outlast.mock.engine.knobs import (
    Deviation,
    Drift,
    EngineKnobs,
    MarketKnobs,
    QueuePolicy,
    TriggerPolicy,
)
from outlast.mock.engine.model import (
    EngineMode,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Product,
    Side,
    StpMode,
    TimeInForce,
)

OTHER = "BBBUSDT"
NAMES = ("me", "you")
MODEST = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)

sides = st.sampled_from([BUY, SELL])
ticks = st.one_of(st.integers(985, 1015), st.integers(985, 1015), st.integers(850, 1150))
quantities = st.one_of(st.integers(6, 3_000), st.integers(6, 3_000), st.integers(3_000, 200_000))
names = st.sampled_from(NAMES)


@st.composite
def requests(draw: Any, product: Product) -> NewOrder:
    """Any order a dialect could let through, most of them near the market."""
    kind = draw(st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, *OrderType]))
    limited = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    stopped = kind.is_conditional and kind is not OrderType.TRAILING_STOP_MARKET
    post_only = limited and draw(st.booleans())
    in_force = TimeInForce.GTC
    if kind is OrderType.LIMIT and not post_only:
        in_force = draw(st.sampled_from([TimeInForce.GTC, *TimeInForce]))
    return NewOrder(
        symbol=draw(st.sampled_from([SYMBOL, OTHER])),
        side=draw(sides),
        type=kind,
        qty=D(draw(quantities)) / 100,
        price=D(draw(ticks)) / 10 if limited else None,
        stop_price=D(draw(ticks)) / 10 if stopped else None,
        time_in_force=in_force,
        post_only=post_only,
        reduce_only=product is Product.UM and draw(st.sampled_from([True, False, False])),
        client_order_id=draw(st.sampled_from(["", "", "a", "b"])),
        expires_ms=T0 + draw(st.integers(0, 60_000)) if in_force is TimeInForce.GTD else None,
        stp=draw(
            st.sampled_from([StpMode.EXPIRE_MAKER, StpMode.EXPIRE_TAKER, StpMode.EXPIRE_BOTH])
        ),
        trigger_on_mark=draw(st.booleans()),
        trailing_rate=D("0.01") if kind is OrderType.TRAILING_STOP_MARKET else None,
    )


market_settings = st.builds(
    MarketKnobs,
    drift=st.one_of(
        st.none(),
        st.builds(Drift, st.integers(-9, 9).map(lambda n: D(n) / 100), st.integers(0, 20_000)),
    ),
    deviate=st.one_of(
        st.none(),
        st.builds(
            Deviation,
            st.integers(-8, 8).map(lambda n: D(n) / 100),
            st.integers(0, 5_000),
            st.integers(0, 20_000),
        ),
    ),
    vol_x=st.sampled_from([D(1), D(5)]),
    spread_x=st.sampled_from([D(1), D(15)]),
    depth_bid_x=st.sampled_from([D(1), D("0.05")]),
    depth_ask_x=st.sampled_from([D(1), D("0.05")]),
    frozen=st.booleans(),
)
prompt_settings = st.builds(
    EngineKnobs,
    mode=st.sampled_from([EngineMode.ONLINE] * 8 + list(EngineMode)),
    matching=st.sampled_from([True, True, True, False]),
    queue=st.sampled_from(QueuePolicy),
    triggers=st.sampled_from(TriggerPolicy),
    mark_offset=st.sampled_from([D(0), D(0), D("-0.12")]),
    keep_orders=st.sampled_from([D(1), D(1), D(1), D("0.5")]),
    sweep_id=st.integers(0, 5),
)
late_settings = st.builds(replace, prompt_settings, fills_delay_ms=st.sampled_from([0, 500, 5_000]))


class Venue(RuleBasedStateMachine):
    """What both products share; `product` and the opening balances are the subclasses'."""

    product: Product
    opening: dict[str, Decimal]
    holding: dict[str, tuple[Decimal, Decimal]] = {}  # noqa: RUF012

    @initialize(seed=st.integers(0, 10_000))
    def open(self, seed: int) -> None:
        listed = [
            instrument(product=self.product, vol_bps_per_min=D(20)),
            instrument(symbol=OTHER, base="BBB", product=self.product, vol_bps_per_min=D(40)),
        ]
        self.engine = Engine(listed, product=self.product, seed=seed, start_ms=T0, venue="test")
        for name in NAMES:
            self.engine.open_account(name, balances=self.opening, positions=self.holding)
        self.funding = dict.fromkeys(NAMES, Decimal(0))
        self.before: EngineEvent | None = None
        self.last_told: dict[int, OrderSnapshot] = {}
        self.engine.listen(self.hear)

    def hear(self, event: EngineEvent) -> None:
        if isinstance(event, FundingEvent):
            self.funding[event.account] += event.amount
        if isinstance(event, OrderEvent):
            self.last_told[event.order.order_id] = event.order
            limit, fill = event.order.request.price, event.execution
            if limit is not None and fill is not None:
                assert (limit - fill.price) * fill.side.sign >= 0, "worse than its limit"
            # A match of two clients is told as the maker's fill and then the taker's.
            if _fills(event) and _fills(self.before) and event.execution.is_maker is False:
                assert isinstance(self.before, OrderEvent)
                if self.before.execution.is_maker:
                    assert self.before.account != event.account, "traded with itself"
        self.before = event

    @rule(data=st.data(), count=st.integers(1, 6))
    def place(self, data: Any, count: int) -> None:
        for _ in range(count):
            self.engine.place(data.draw(names), data.draw(requests(self.product)))

    @rule(data=st.data(), count=st.integers(1, 6), by_ms=st.integers(0, 3_000))
    def trade_on(self, data: Any, count: int, by_ms: int) -> None:
        self.all_is_well()
        self.place(data, count)
        self.engine.advance(self.engine.now_ms + by_ms)

    @rule(name=names, data=st.data(), qty=quantities, price=ticks, which=st.integers(0, 2))
    def amend(self, name: str, data: Any, qty: int, price: int, which: int) -> None:
        order = self._an_open_order(name, data)
        if order is not None:
            self.engine.amend(
                name,
                order.order_id,
                qty=D(qty) / 100 if which != 1 else None,
                price=D(price) / 10 if which != 0 else None,
            )

    @rule(name=names, data=st.data())
    def cancel(self, name: str, data: Any) -> None:
        order = self._an_open_order(name, data)
        if order is not None:
            self.engine.cancel(name, order.order_id)

    @rule(name=names, symbol=st.sampled_from([None, SYMBOL]))
    def cancel_all(self, name: str, symbol: str | None) -> None:
        self.engine.cancel_all(name, symbol)

    @rule(name=names, data=st.data())
    def void(self, name: str, data: Any) -> None:
        order = self._an_open_order(name, data)
        if order is not None:
            self.engine.void(order.order_id)

    @rule(by_ms=st.one_of(st.integers(0, 1_000), st.integers(1_000, 15_000)))
    def advance(self, by_ms: int) -> None:
        self.engine.advance(self.engine.now_ms + by_ms)

    @rule(knobs=market_settings)
    def set_market(self, knobs: MarketKnobs) -> None:
        self.engine.set_market(knobs)

    @rule(knobs=prompt_settings)
    def configure(self, knobs: EngineKnobs) -> None:
        self.engine.configure(knobs)

    @rule()
    def all_is_well(self) -> None:
        self.engine.set_market(MarketKnobs())
        self.engine.configure(EngineKnobs())

    def _an_open_order(self, name: str, data: Any) -> Order | None:
        still_open = self.engine.orders(name, only_open=True)
        return data.draw(st.sampled_from(still_open)) if still_open else None

    # -- invariants -------------------------------------------------------------------------

    @invariant()
    def orders_are_whole(self) -> None:
        for order in self.engine.all_orders():
            assert order.filled_qty == sum(e.qty for e in order.executions)
            assert order.filled_quote == sum(e.quote_qty for e in order.executions)
            assert 0 <= order.filled_qty <= order.request.qty
            assert (order.status is OrderStatus.FILLED) == (
                order.filled_qty == order.request.qty > 0
            )
            assert bool(order.end_reason) == (
                not order.status.is_open and order.status is not OrderStatus.FILLED
            )
        for name in NAMES:
            named = [o.request.client_order_id for o in self.engine.orders(name, only_open=True)]
            assert all(named.count(label) <= 1 for label in named if label)
            assert all(o.status.is_open for o in self.engine.orders(name, only_open=True))

    @invariant()
    def the_last_report_is_the_truth(self) -> None:
        for order in self.engine.all_orders():
            if not order.voided:
                assert self.last_told[order.order_id] == OrderSnapshot.of(order)
                assert self.engine.reported(order) == OrderSnapshot.of(order)

    @invariant()
    def the_book_is_sorted_and_never_crossed(self) -> None:
        for symbol in (SYMBOL, OTHER):
            book = self.engine.book(symbol, 50)
            bids = [level.price for level in book.bids]
            asks = [level.price for level in book.asks]
            assert bids == sorted(set(bids), reverse=True)
            assert asks == sorted(set(asks))
            assert not bids or not asks or bids[0] < asks[0]
            assert all(level.qty > 0 for level in (*book.bids, *book.asks))
            bid, ask = self.engine.best(symbol)
            assert (bid, ask) == (
                book.bids[0] if bids else None,
                book.asks[0] if asks else None,
            )

    @invariant()
    def money_is_the_sum_of_its_flows(self) -> None:
        for name in NAMES:
            balances, flows = self.engine.balances(name), self.engine.flows(name)
            fills = self.engine.executions(name, visible_only=False)
            for asset, balance in balances.items():
                assert balance.total == flows[asset].total
                assert balance.free >= 0
                assert balance.locked >= 0
                assert flows[asset].fees == sum(e.fee for e in fills if e.fee_currency == asset)
                assert flows[asset].traded == self.traded(asset, fills)
                assert flows[asset].start == self.opening.get(asset, 0)
            assert flows["USDT"].funding == self.funding[name]

    traded: Callable[[str, list[Any]], Decimal]


def _fills(event: EngineEvent | None) -> bool:
    return isinstance(event, OrderEvent) and event.kind is OrderEventKind.TRADE


class UmVenue(Venue):
    product = Product.UM
    opening = {"USDT": D(4_000)}  # noqa: RUF012
    holding = {SYMBOL: (D(40), D(101)), OTHER: (D(-60), D(99))}  # noqa: RUF012

    def traded(self, asset: str, fills: list[Any]) -> Decimal:
        return sum((e.realised_pnl for e in fills), Decimal(0)) if asset == "USDT" else Decimal(0)

    @rule(symbol=st.sampled_from([SYMBOL, OTHER]), rate=st.integers(-20, 20))
    def fund(self, symbol: str, rate: int) -> None:
        self.engine.fund(symbol, D(rate) / 10_000)

    @rule(name=names, symbol=st.sampled_from([SYMBOL, OTHER]), side=sides, at=ticks)
    def guard(self, name: str, symbol: str, side: Side, at: int) -> None:
        self.engine.place(
            name,
            NewOrder(
                symbol=symbol,
                side=side,
                type=OrderType.STOP_MARKET,
                qty=D(0),
                stop_price=D(at) / 10,
                close_position=True,
            ),
        )

    @invariant()
    def positions_are_the_sum_of_their_fills(self) -> None:
        for name in NAMES:
            qty = {symbol: held for symbol, (held, _) in self.holding.items()}
            realised = {SYMBOL: Decimal(0), OTHER: Decimal(0)}
            for fill in self.engine.executions(name, visible_only=False):
                before = qty[fill.symbol]
                qty[fill.symbol] += fill.side.sign * fill.qty
                realised[fill.symbol] += fill.realised_pnl
                order = self.engine.find(name, order_id=fill.order_id)
                assert order is not None
                if order.request.reduce_only:
                    assert before * fill.side.sign < 0, "nothing to reduce"
                    assert before * qty[fill.symbol] >= 0, "turned the position"
            for symbol, position in self.engine.positions(name).items():
                assert position.qty == qty[symbol]
                assert position.realised == realised[symbol]

    @invariant()
    def margins_add_up(self) -> None:
        for name in NAMES:
            margin = self.engine.margin(name)
            states = self.engine.positions(name).values()
            assert margin.wallet == self.engine.balances(name)["USDT"].total
            assert margin.unrealised == sum(state.unrealised for state in states)
            assert margin.initial == sum(state.initial_margin for state in states)
            assert margin.maintenance == sum(state.maint_margin for state in states)
            assert margin.order_initial >= 0
            if not any(state.qty for state in states):
                assert margin.wallet >= 0, "insured"


class SpotVenue(Venue):
    product = Product.SPOT
    opening = {"USDT": D(50_000), "AAA": D(500), "BBB": D(500)}  # noqa: RUF012

    def traded(self, asset: str, fills: list[Any]) -> Decimal:
        total = Decimal(0)
        for fill in fills:
            if fill.symbol.removesuffix("USDT") == asset:
                total += fill.side.sign * fill.qty
            elif asset == "USDT":
                total -= fill.side.sign * fill.quote_qty
        return total

    @invariant()
    def locks_belong_to_open_orders(self) -> None:
        for name in NAMES:
            sold = {"AAA": Decimal(0), "BBB": Decimal(0)}
            for order in self.engine.orders(name, only_open=True):
                if order.request.side is SELL:
                    sold[order.request.symbol.removesuffix("USDT")] += order.leaves_qty
            balances = self.engine.balances(name)
            assert {asset: balances[asset].locked for asset in sold} == sold
            if not self.engine.orders(name, only_open=True):
                assert balances["USDT"].locked == 0


@pytest.mark.parametrize("venue", [UmVenue, SpotVenue])
def test_the_truth_is_consistent_after_any_sequence_of_actions(venue: type[Venue]) -> None:
    machine = venue.TestCase
    machine.settings = MODEST
    case = machine("runTest")
    case.runTest()


actions = st.lists(
    st.one_of(
        st.tuples(st.just("place"), requests(Product.UM)),
        st.tuples(st.just("market"), market_settings),
        st.tuples(st.just("engine"), late_settings),
        st.tuples(st.just("cancel_all"), st.none()),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(played=actions, pauses=st.lists(st.integers(0, 4_000), min_size=25, max_size=25))
def test_the_same_calls_give_the_same_truth_however_time_is_cut(
    played: list[tuple[str, Any]], pauses: list[int]
) -> None:
    def run(piece_ms: int) -> tuple[str, list[EngineEvent]]:
        engine = Engine(
            [instrument(vol_bps_per_min=D(20)), instrument(symbol=OTHER, base="BBB")],
            product=Product.UM,
            seed=3,
            start_ms=T0,
            venue="test",
        )
        engine.open_account("me", balances={"USDT": D(5_000)})
        told: list[EngineEvent] = []
        engine.listen(told.append)
        for (what, given_), pause_ms in zip(played, pauses, strict=False):
            if what == "place":
                engine.place("me", given_)
            elif what == "market":
                engine.set_market(given_)
            elif what == "engine":
                engine.configure(given_)
            else:
                engine.cancel_all("me")
            until_ms = engine.now_ms + pause_ms
            while engine.now_ms < until_ms:
                engine.advance(min(until_ms, engine.now_ms + piece_ms))
        return engine.digest(), told

    whole = run(1_000_000)
    shown = [event.shown_ms for event in whole[1] if isinstance(event, OrderEvent)]
    assert shown == sorted(shown), "told in the order of time"
    assert run(1_000_000) == whole
    assert run(333) == whole
