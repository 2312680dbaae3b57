"""A scenario as data: the one object that the mock runs, the verdict judges and a report prints.

Durations and offsets are seconds as floats; `t0_ms` is venue time in milliseconds since the epoch.
In the classes named `…Settings`, None means *not said here*. What holds at a given instant, with
nothing left open, is a `Moment` (see `moment.py`): `EngineState`, `MarketState`, `AccountState`,
`Limits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from outlast.mock.engine.model import EngineMode, OrderType, Product, Side
from outlast.mock.scenario.fault_model import (
    APPLY,
    NO_EFFECT,
    OK,
    Effect,
    FaultRule,
    Latency,
    Reply,
    StreamFault,
    Where,
)
from outlast.mock.scenario.vocabulary import (
    PRODUCT_OF_VENUE,
    BalanceView,
    CountRule,
    EventKind,
    Fidelity,
    PageState,
    PositionView,
    QueueRule,
    Transfers,
    TriggerRule,
    WaveStart,
)

__all__ = [
    "APPLY",
    "FULL_DEPTH",
    "LIVE_MARK",
    "NO_EFFECT",
    "OK",
    "AccountSettings",
    "AccountSpec",
    "Ban",
    "Change",
    "Connects",
    "Depth",
    "Deviation",
    "Effect",
    "EngineSettings",
    "Event",
    "Expectation",
    "FaultRule",
    "Flap",
    "InstrumentSpec",
    "Latency",
    "LimitSettings",
    "Limits",
    "Mark",
    "MarketSettings",
    "Nonce",
    "OpenOrderSpec",
    "Phase",
    "PositionSpec",
    "Ramp",
    "Reply",
    "Scenario",
    "Score",
    "StatusPageEntry",
    "StreamFault",
    "Where",
    "World",
]


# --- settings of a phase -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """How the mark price behaves: `live`, `frozen`, or `offset` by a share (-0.08: 8 % below)."""

    kind: str = "live"
    offset: Decimal = Decimal(0)


LIVE_MARK: Final = Mark()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    mode: EngineMode | None = None
    matching: bool | None = None
    queue: QueueRule | None = None
    triggers: TriggerRule | None = None
    liquidations: bool | None = None
    fills_delay_s: float | None = None
    mark: Mark | None = None
    keep_orders: Decimal | None = None
    """Share of the resting orders that survives the entry into the phase."""
    silent_cancels: bool | None = None
    cancel_types: tuple[OrderType, ...] | None = None
    """Resting orders of these types are cancelled on entering the phase."""
    inband_lag_s: float | None = None
    """How far SystemStatus and the status channel lag behind the real mode."""
    history_lag_s: float | None = None
    clock_step_s: float | None = None
    """How far the venue's clock is off in this phase, negative: behind."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Factors on the depth of the two sides of the book."""

    bid: Decimal = Decimal(1)
    ask: Decimal = Decimal(1)


FULL_DEPTH: Final = Depth()


@dataclass(frozen=True, slots=True)
class Deviation:
    """This venue leaves its peers by the share `by` within `peak_s`; `decay_s` later it is back."""

    by: Decimal
    peak_s: float
    decay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSettings:
    drift: Decimal | None = None
    """Share by which prices move over `over_s`, on top of what already moves them."""
    over_s: float | None = None
    """None with a drift: for the rest of the phase."""
    vol_x: Decimal | None = None
    spread_x: Decimal | None = None
    depth_x: Depth | None = None
    deviate: Deviation | None = None
    frozen: bool | None = None
    reopen_gap: Decimal | None = None
    """Share by which prices jump on entering the phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """What the venue shows of the account, which need not be what it knows."""

    balances: BalanceView | None = None
    positions: PositionView | None = None
    transfers: Transfers | None = None


@dataclass(frozen=True, slots=True)
class Ban:
    """After `after_429` ignored 429s a ban of `first_s`, each next one `grow` times as long."""

    after_429: int = 5
    first_s: float = 120.0
    grow: float = 4.0
    max_s: float = 259_200.0


@dataclass(frozen=True, slots=True)
class Connects:
    """At most `max` dials of one address in `per_s`; one more earns a ban of `ban_s`."""

    max: int
    per_s: float
    ban_s: float


@dataclass(frozen=True, slots=True)
class Nonce:
    """How far a nonce may lie behind the highest seen, and when bad ones lock the key out."""

    window: int
    lockout_after: int
    lockout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    enforce: bool | None = None
    count: CountRule | None = None
    factor: float | None = None
    ban: Ban | None = None
    connects: Connects | None = None
    nonce: Nonce | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The rate limits in force: those of the document, with what the phase says on top."""

    enforce: bool = True
    count: CountRule | None = None
    """Which requests count: all, those the engine took, or the unknown ones by half. None: as the
    venue documents it, see `count_on`."""
    factor: float = 1.0
    """The venue's limits times this."""
    ban: Ban = Ban()
    connects: Connects | None = None
    """None: the venue's own."""
    nonce: Nonce | None = None
    """None: the venue's own."""

    def count_on(self, venue: str) -> CountRule:
        """Which requests count on this venue.

        Binance does not count `-1008` and "Service Unavailable", and may count "unknown". Source:
        Binance USD-M futures docs, General Info, HTTP return codes. Kraken enforces its limits in a
        partial outage too. Source: Kraken support, API rate limits.
        """
        if self.count is not None:
            return self.count
        return "unknown_half" if venue.startswith("binance-") else "all"


@dataclass(frozen=True, slots=True)
class Ramp:
    """The share of requests admitted past the faults, climbing in equal-length steps."""

    start: float
    end: float
    steps: int


@dataclass(frozen=True, slots=True)
class Flap:
    """Faults come and go in half-waves."""

    good_s: float
    bad_s: float
    start: WaveStart = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of settings `at_s` after the start of the phase; None: untouched."""

    at_s: float
    engine: EngineSettings | None = None
    market: MarketSettings | None = None
    account: AccountSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens once, `at_s` after the start of the phase.

    `funding`: `symbols` pay or receive `rate` (None: the engine's own). `tick_size_change`: they
    get a new `tick`; orders that rest keep their prices. `listing`: they, declared in the world,
    can be seen and traded from now on, and not before. `notice`: `note` is announced.
    """

    at_s: float
    kind: EventKind
    symbols: tuple[str, ...] = ()
    note: str = ""
    rate: Decimal | None = None
    tick: Decimal | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    name: str
    duration_s: float | None
    """None: to the end (`for: rest`)."""
    ramp: Ramp | None = None
    flap: Flap | None = None
    engine: EngineSettings = EngineSettings()
    market: MarketSettings = MarketSettings()
    account: AccountSettings = AccountSettings()
    faults: tuple[FaultRule, ...] = ()
    limits: LimitSettings = LimitSettings()
    timeline: tuple[Change, ...] = ()
    events: tuple[Event, ...] = ()
    line: int = 0


# --- the world -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentSpec:
    """One instrument as declared; what is None follows `defaults.instrument_defaults`."""

    symbol: str
    """The scenario's own key: the venue's spelling, with a suffix (`BTCUSDT-SPOT`) where two
    products would share it."""
    product: Product
    base: str
    quote: str
    mid: Decimal
    tick: Decimal
    venue: str | None = None
    """The only venue that lists it; None: every venue of its product."""
    depth_levels: int = 50
    vol_bps_per_min: Decimal = Decimal(5)
    qty_step: Decimal | None = None
    qty_min: Decimal | None = None
    qty_max: Decimal | None = None
    market_qty_max: Decimal | None = None
    notional_min: Decimal | None = None
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    leverage: int | None = None
    level_notional: Decimal | None = None

    @property
    def venue_symbol(self) -> str:
        """The name on the wire: the key without its product suffix."""
        return self.symbol.removesuffix("-SPOT").removesuffix("-UM")


@dataclass(frozen=True, slots=True)
class PositionSpec:
    qty: Decimal
    """Signed: negative is short."""
    entry: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderSpec:
    symbol: str
    side: Side
    type: OrderType
    qty: Decimal
    price: Decimal | None = None
    stop: Decimal | None = None
    trailing_rate: Decimal | None = None
    reduces: bool = False
    client_order_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    balances: Mapping[str, Decimal] = field(default_factory=dict)
    positions: Mapping[str, PositionSpec] = field(default_factory=dict)
    open_orders: tuple[OpenOrderSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    instruments: Mapping[str, InstrumentSpec]
    account: AccountSpec
    peers: tuple[str, ...] = ()
    """Reference venues that stay healthy."""

    def listed_on(self, venue: str) -> tuple[InstrumentSpec, ...]:
        """The instruments of one venue, in the order of the document."""
        product = PRODUCT_OF_VENUE[venue]
        return tuple(
            spec
            for spec in self.instruments.values()
            if spec.venue == venue or (spec.venue is None and spec.product is product)
        )

    def balances_on(self, venue: str) -> Mapping[str, Decimal]:
        """The balances that are kept at one venue: of what it trades; on futures, of the margin.

        An asset that no instrument trades lies on every spot venue.
        """
        listed = self.listed_on(venue)
        here = {spec.quote for spec in listed}
        if PRODUCT_OF_VENUE[venue] is Product.SPOT:
            traded = {a for spec in self.instruments.values() for a in (spec.base, spec.quote)}
            here |= {spec.base for spec in listed} | (set(self.account.balances) - traded)
        return {asset: qty for asset, qty in self.account.balances.items() if asset in here}

    def positions_on(self, venue: str) -> Mapping[str, PositionSpec]:
        """The positions at one venue; none on spot."""
        listed = {spec.symbol for spec in self.listed_on(venue)}
        return {s: position for s, position in self.account.positions.items() if s in listed}

    def open_orders_on(self, venue: str) -> tuple[OpenOrderSpec, ...]:
        listed = {spec.symbol for spec in self.listed_on(venue)}
        return tuple(order for order in self.account.open_orders if order.symbol in listed)


# --- the document --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPageEntry:
    """What the status page says from `at_s` after the start of the scenario."""

    at_s: float
    page: PageState
    component: str = ""
    incident: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """An invariant and its argument: seconds, a count, a phase, products, or None."""

    name: str
    argument: float | int | str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Score:
    """A measure to report next to that of the bot `compare_with`."""

    name: str
    symbols: tuple[str, ...] = ()
    compare_with: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    scenario: str
    """The slug."""
    title: str
    incidents: tuple[str, ...]
    fidelity: Fidelity
    venues: tuple[str, ...]
    seed: int
    t0_ms: int
    world: World
    limits: LimitSettings
    phases: tuple[Phase, ...]
    status_page: tuple[StatusPageEntry, ...] = ()
    expect: tuple[Expectation, ...] = ()
    score: tuple[Score, ...] = ()
    scope: tuple[Product, ...] = ()
    """The products whose engine the phases' `engine` speaks of; empty: all. Said by `scope`, or by
    `breaker_scope` in `expect`: where only one product may be seen to fail, only one fails."""
    begins_now: bool = False
    """It tells of no day: where there is a clock to go by it begins at its time, and the venues
    speak as they did on the day of the default `t0`."""
    source: str = ""
    """Where it was read: a file name or a slug."""
    text: str = field(default="", repr=False, compare=False)
    """The document as it was written."""

    @property
    def duration_s(self) -> float | None:
        """The length of all phases together; None when the last has no end."""
        total = 0.0
        for phase in self.phases:
            if phase.duration_s is None:
                return None
            total += phase.duration_s
        return round(total, 6)

    @property
    def listed_later(self) -> frozenset[str]:
        """The instruments that an event lists; until then nobody can trade them."""
        return frozenset(
            symbol
            for phase in self.phases
            for event in phase.events
            if event.kind == "listing"
            for symbol in event.symbols
        )

    def expectation(self, name: str) -> Expectation | None:
        return next((item for item in self.expect if item.name == name), None)
