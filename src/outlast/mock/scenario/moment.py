"""What holds at one instant of a scenario, with nothing left open."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from outlast.mock.engine.model import EngineMode, OrderType, Product
from outlast.mock.scenario.model import FULL_DEPTH, LIVE_MARK, Depth, Limits, Mark, Phase
from outlast.mock.scenario.vocabulary import (
    PRODUCT_OF_VENUE,
    BalanceView,
    PositionView,
    QueueRule,
    Transfers,
    TriggerRule,
)

__all__ = [
    "HEALTHY",
    "AccountState",
    "EngineState",
    "Jump",
    "MarketState",
    "Moment",
    "RunningDeviation",
    "RunningDrift",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """The engine's settings; the defaults are a healthy venue.

    What a mode implies (nothing matches while halted) is the engine's business; `matching: false`
    stops it in any mode. `keep_orders`, `silent_cancels` and `cancel_types` are done once, at the
    instant `sweep_s`: not again whenever something else changes.
    """

    mode: EngineMode = EngineMode.ONLINE
    matching: bool = True
    queue: QueueRule = "reject"
    triggers: TriggerRule = "on_resume"
    liquidations: bool = True
    fills_delay_s: float = 0.0
    mark: Mark = LIVE_MARK
    keep_orders: Decimal = Decimal(1)
    silent_cancels: bool = False
    cancel_types: tuple[OrderType, ...] = ()
    inband_lag_s: float = 0.0
    history_lag_s: float = 0.0
    clock_step_s: float = 0.0
    sweep_s: float = 0.0
    """When resting orders were last to be swept, since the start of the scenario."""


HEALTHY = EngineState()


@dataclass(frozen=True, slots=True)
class RunningDrift:
    """A drift under way: prices move by the share `by` in the `over_s` seconds after `since_s`.

    It runs its full length, beyond its phase if that ends first, and beyond a later drift, which
    comes on top. So set each one once and let it run.
    """

    by: Decimal
    over_s: float
    since_s: float


@dataclass(frozen=True, slots=True)
class RunningDeviation:
    """A deviation under way. It runs its full length, as a drift does."""

    by: Decimal
    peak_s: float
    decay_s: float
    since_s: float


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump of the market by the share `by` at the instant `at_s`, once."""

    by: Decimal
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """The market's settings; of drifts, deviations and jumps the last that this phase has said."""

    drift: RunningDrift | None = None
    vol_x: Decimal = Decimal(1)
    spread_x: Decimal = Decimal(1)
    depth_x: Depth = FULL_DEPTH
    deviate: RunningDeviation | None = None
    frozen: bool = False
    reopen_gap: Jump | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """What the account endpoints show; `…_since_s`: since when without a break, for `stale`."""

    balances: BalanceView = "true_value"
    positions: PositionView = "true_value"
    transfers: Transfers = "ok"
    balances_since_s: float = 0.0
    positions_since_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One instant. After the end of the scenario (`ended`) the venue is healthy again."""

    phase: Phase
    phase_index: int
    phase_elapsed_s: float
    elapsed_s: float
    engine: EngineState
    """Of the venues in the scenario's scope; see `engine_on`."""
    market: MarketState
    account: AccountState
    limits: Limits
    admitted_share: float
    """The share of requests that passes the phase's faults (ramp); 0.0 when there is no ramp."""
    faults_active: bool
    """False in the good half-waves of a flap, and after the end."""
    ended: bool
    scope: tuple[Product, ...] = ()

    def engine_on(self, venue: str) -> EngineState:
        """The engine's settings on this venue: healthy where the scenario fails another product."""
        if self.scope and PRODUCT_OF_VENUE[venue] not in self.scope:
            return HEALTHY
        return self.engine
