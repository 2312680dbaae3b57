"""A trial that is told by hand: real venue engine and truth, a journal and a session of our own.

A test says what happens, event by event, and asks the checker what it found. Nothing of the client
runs here, so a test can tell any lie that a broken client would.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from outlast import sim
from outlast.client.settings import Settings
from outlast.core.journal import Chain
from outlast.errors import StaleData
from outlast.mock.engine.model import NewOrder, Order, OrderType, Rejected, Side
from outlast.mock.exchange import MockExchange
from outlast.mock.records import CreateFacts, RequestRecord
from outlast.mock.scenario.builder import ScenarioBuilder
from outlast.model import Balance, Position, Source, TradingState
from outlast.model import Order as ClientOrder
from outlast.trials.checker import Checker
from outlast.trials.model import Action, ActionKind, ClientPlan, Trial, Violation
from outlast.trials.watching import Answer, Asked, End, Ending
from outlast.wire import Record

VENUE, NAME, BTC, WIRE_BTC = "binance-um", "bot-1", "BTC/USDT:USDT", "BTCUSDT"
READ = Action(at_s=0.0, kind=ActionKind.READ, symbol=BTC)


def calm_trial(**changes: Any) -> Trial:
    scenario = ScenarioBuilder("by-hand", venue=VENUE)
    scenario.instrument(WIRE_BTC, product="um", mid="68000", tick="0.1", vol_bps_per_min="0.1")
    scenario.account(balances={"USDT": "100000"})
    arguments: dict[str, Any] = {
        "seed": 1,
        "scenario": scenario.phase("all", "rest").build(),
        "clients": (ClientPlan(name=NAME, venue=VENUE, actions=(READ,)),),
        "disruptions": (),
        "safety_s": 100.0,
        "liveness_s": 300.0,
    }
    return Trial(**(arguments | changes))


@dataclass
class Listed:
    symbol: str
    venue_symbol: str


@dataclass
class HandOrders:
    """What the session says of its orders."""

    known: dict[str, ClientOrder] = field(default_factory=dict)

    def get(self, name: str) -> ClientOrder | None:
        return self.known.get(name)

    def all(self) -> list[ClientOrder]:
        return list(self.known.values())

    def open(self) -> list[ClientOrder]:
        return [o for o in self.all() if o.status.value in ("accepted", "partially_filled")]

    def unknown(self) -> list[ClientOrder]:
        return [o for o in self.all() if o.status.value == "unknown"]


class HandCache(dict[str, Any]):
    """Balances or positions: a value that is stale raises."""

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise StaleData(f"{name} was never read", age_s=None)
        if value.is_stale:
            raise StaleData(f"{name} is stale", age_s=None)
        return value


@dataclass
class HandSession:
    settings: Settings = field(default_factory=lambda: Settings(seed=1))
    orders: HandOrders = field(default_factory=HandOrders)
    balances: HandCache = field(default_factory=HandCache)
    positions: HandCache = field(default_factory=HandCache)
    under_way: dict[str, int] = field(
        default_factory=lambda: {"waiting": 0, "in_flight": 0, "chores": 0}
    )
    state: TradingState = TradingState.ACTIVE
    instruments: Mapping[str, Listed] = field(
        default_factory=lambda: {BTC: Listed(BTC, WIRE_BTC), WIRE_BTC: Listed(BTC, WIRE_BTC)}
    )

    def backlog(self) -> Mapping[str, int]:
        return self.under_way

    def trading_state(self, _symbol: str) -> TradingState:
        return self.state


@dataclass
class HandDisk:
    kept: list[Record] = field(default_factory=list)

    def records(self):
        return iter(self.kept)


@dataclass
class HandClient:
    plan: ClientPlan
    clock: sim.SimClock
    session: HandSession | None = None
    incarnation: int = 0
    is_alive: bool = True
    is_frozen: bool = False
    disk: HandDisk = field(default_factory=HandDisk)
    chain: Chain = field(default_factory=Chain)

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def venue(self) -> str:
        return self.plan.venue

    @property
    def account(self) -> str:
        return self.plan.name


class HandWorld:
    """What a test tells its story with."""

    def __init__(self, trial: Trial, mock: MockExchange) -> None:
        self.trial, self.mock = trial, mock
        self.keys = {}
        for plan in trial.clients:
            _name, accounts = mock.run.open_account(plan.name)
            self.keys[plan.name] = accounts[plan.venue]
        self.clients = {p.name: HandClient(p, sim.clock().skewed(0.0)) for p in trial.clients}
        self.checker = Checker()
        self.checker.began(self)
        self._ordinals = itertools.count(1)
        self._numbers = itertools.count(1)

    # What a watcher sees as World.

    @property
    def now_s(self) -> float:
        return sim.clock().now()

    @property
    def is_safety_over(self) -> bool:
        return self.checker.case.safety_over_s is not None

    # Time and sessions.

    async def pass_time(self, seconds: float) -> None:
        await sim.clock().sleep(seconds)
        self.mock.run.clock.catch_up()
        self.checker.venue_changed()

    @property
    def bot(self) -> HandClient:
        return self.clients[NAME]

    def open(self, session: HandSession | None = None) -> HandSession:
        self.bot.incarnation += 1
        self.bot.session = HandSession() if session is None else session
        self.bot.session.positions.setdefault(BTC, position("0", as_of=self.bot.clock.wall()))
        self.checker.session_opened(self.bot)
        return self.bot.session

    def end(self, how: Ending = Ending.KILLED) -> None:
        self.checker.session_ended(self.bot, how)
        self.bot.session = None

    # The client's journal.

    def write(self, kind: str, **fields: Any) -> None:
        record = self.bot.chain.seal(kind, fields, at=self.bot.clock.wall())
        self.bot.chain.accept(record)
        self.bot.disk.kept.append(record)
        self.checker.recorded(self.bot, record)

    def intend(self, name: str = "ol-1", **changes: Any) -> None:
        self.write("order.intent", order=order_fields(name, status="initialized", **changes))

    def change(self, name: str = "ol-1", status: str = "accepted", **changes: Any) -> None:
        because = changes.pop("because", "report")
        order = order_fields(name, status=status, **changes)
        self.write("order.changed", order=order, because=because)

    def attempt(self, request: str = "order.place", **changes: Any) -> None:
        now = self.bot.clock.now()
        fields: dict[str, Any] = {
            "request": request,
            "method": "POST" if request == "order.place" else "GET",
            "path": f"/{request}",
            "params": {},
            "plane": "trading" if request.startswith("order") else "account",
            "lane": "trade" if request == "order.place" else "data",
            "costs": {"weight": 1},
            "client_order_id": None,
            "timestamp_ms": None,
            "number": 1,
            "paid_by": None,
            "era": 0,
            "asked_at": now,
            "sent_at": now,
            "deadline_at": now + 10,
            "took_ms": 0,
            "http_status": 200,
            "failure": None,
        }
        self.write("attempt", **(fields | changes))

    # The strategy.

    def ask(self, call: str = "submit", **what: Any) -> Asked:
        asked = Asked(
            number=next(self._numbers),
            client=NAME,
            incarnation=self.bot.incarnation,
            action=READ,
            call=call,
            at_s=self.now_s,
            **what,
        )
        self.checker.asked(self.bot, asked)
        return asked

    def answer(self, asked: Asked, end: End = End.RETURNED, **what: Any) -> None:
        self.checker.answered(self.bot, asked, Answer(end=end, at_s=self.now_s, **what))

    # The venue.

    def place(self, name: str = "ol-1", **changes: Any) -> Order:
        """An order at the venue's engine, as if a request for it had arrived."""
        terms: dict[str, Any] = {
            "symbol": WIRE_BTC,
            "side": Side.BUY,
            "type": OrderType.LIMIT,
            "qty": Decimal("0.01"),
            "price": Decimal(60000),
            "client_order_id": name,
        }
        self.mock.run.clock.catch_up()
        placed = self.mock.run.venues[VENUE].stage.engine.place(NAME, NewOrder(**(terms | changes)))
        assert not isinstance(placed, Rejected), placed
        self.checker.venue_changed()
        return placed

    def cancel(self, order: Order) -> None:
        self.mock.run.clock.catch_up()
        self.mock.run.venues[VENUE].stage.engine.cancel(NAME, order.order_id)
        self.checker.venue_changed()

    def request(self, name: str | None = None, **changes: Any) -> RequestRecord:
        """A request that the venue has settled; one for a new order with `name`."""
        self.mock.run.clock.catch_up()
        now_ms = self.mock.run.clock.now_ms
        fields: dict[str, Any] = {
            "ordinal": next(self._ordinals),
            "venue": VENUE,
            "product": "um",
            "endpoint": "account.positions" if name is None else "orders.create",
            "account": NAME,
            "method": "GET" if name is None else "POST",
            "path": "/positions.read" if name is None else "/order.place",
            "arrived_ms": now_ms,
            "replied_ms": now_ms,
            "status": 200,
        }
        if name is not None:
            fields["create"] = CreateFacts(
                client_order_id=name,
                symbol=WIRE_BTC,
                side="buy",
                type="limit",
                qty=Decimal("0.01"),
                price=Decimal(60000),
                reduces=False,
            )
        record = RequestRecord(**(fields | changes))
        self.mock.truth.request(record)
        self.checker.venue_changed()
        return record

    # The end.

    def safety_over(self) -> None:
        self.checker.safety_over()

    def finish(self) -> list[Violation]:
        return list(self.checker.finish())

    @property
    def broken(self) -> list[str]:
        """What did not hold so far, each once."""
        return list(dict.fromkeys(v.invariant for v in self.checker.case.violations))


def order_fields(name: str, **changes: Any) -> dict[str, Any]:
    """An order as the journal writes it."""
    fields: dict[str, Any] = {
        "client_order_id": name,
        "symbol": BTC,
        "side": "buy",
        "order_type": "limit",
        "qty": Decimal("0.01"),
        "price": Decimal(60000),
        "status": "accepted",
        "filled_qty": Decimal(0),
        "venue_order_id": None,
        "reduce_only": False,
        "is_external": False,
        "reason": "",
    }
    return fields | changes


def failure(kind: str = "overloaded", outcome: str = "refused", **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "layer": "venue",
        "kind": kind,
        "outcome": outcome,
        "remedy": "retry",
        "scope": "request",
        "http_status": 503,
    }
    return fields | changes


def balance(total: str, *, as_of: float, **changes: Any) -> Balance:
    amount = Decimal(total)
    return Balance(
        currency="USDT",
        total=amount,
        free=amount,
        locked=Decimal(0),
        as_of=as_of,
        source=Source.REST,
        **changes,
    )


def position(qty: str, *, as_of: float, **changes: Any) -> Position:
    return Position(
        symbol=BTC,
        qty=Decimal(qty),
        entry_price=Decimal(68000),
        mark_price=None,
        unrealised_pnl=Decimal(0),
        as_of=as_of,
        source=Source.REST,
        **changes,
    )


def tell(story: Callable[[HandWorld], Awaitable[None]], *, trial: Trial | None = None) -> None:
    """Tell one story in virtual time."""
    told = calm_trial() if trial is None else trial

    async def main() -> None:
        async with MockExchange(told.scenario) as mock:
            await story(HandWorld(told, mock))

    sim.run(functools.partial(main), seed=1, t0=told.scenario.t0_ms / 1000, time_limit_s=3600)
