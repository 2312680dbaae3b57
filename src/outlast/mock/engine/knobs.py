"""What a scenario can turn on the engine and on the market; both are replaced as a whole.

The words are the scenario language's (`QueuePolicy("hold")` reads its value directly). Shares and
factors are exact `Decimal`s, durations whole milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from outlast.mock.engine.model import EngineMode, OrderType

__all__ = [
    "Deviation",
    "Drift",
    "EngineKnobs",
    "Gap",
    "MarkPolicy",
    "MarketKnobs",
    "QueuePolicy",
    "TriggerPolicy",
]

_ONE = Decimal(1)


class QueuePolicy(Enum):
    """What happens to a new order that cannot be matched because nothing matches now."""

    HOLD = "hold"
    """Taken, and worked in order of arrival once matching is back."""
    REJECT = "reject"


class TriggerPolicy(Enum):
    """When conditional orders may fire."""

    LIVE = "live"
    """Whenever the engine trades, and in maintenance too, before anybody may cancel."""
    DEAD = "dead"
    """Never, even though the engine trades."""
    ON_RESUME = "on_resume"
    """Whenever the engine trades; on the way back they go first."""
    BEFORE_RESUME = "before_resume"
    """Not now; in the instant in which this setting is taken back, before the next mode holds."""


class MarkPolicy(Enum):
    LIVE = "live"
    FROZEN = "frozen"
    """The mark stays where it was when this was set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineKnobs:
    """The engine's settings; the default is a healthy venue."""

    mode: EngineMode = EngineMode.ONLINE
    matching: bool = True
    """False: nothing trades, whatever the mode."""
    queue: QueuePolicy = QueuePolicy.REJECT
    triggers: TriggerPolicy = TriggerPolicy.ON_RESUME
    liquidations: bool = True
    fills_delay_ms: int = 0
    """How much later than they happen fills, and the balances and positions that follow from
    them, are reported."""
    history_lag_ms: int = 0
    """How far the history queries are behind. The engine only carries it; the dialects apply it."""
    mark: MarkPolicy = MarkPolicy.LIVE
    mark_offset: Decimal = Decimal(0)
    """-0.12: the mark stands 12 % below the index. Not applied to a frozen mark."""
    keep_orders: Decimal = _ONE
    """0.9: a tenth of the resting orders is cancelled, once per `sweep_id`."""
    cancel_types: tuple[OrderType, ...] = ()
    """All open orders of these types are cancelled, once per `sweep_id`."""
    silent_cancels: bool = False
    """The sweep's cancels are not told on the user stream (queries do show them)."""
    sweep_id: int = 0
    """Tells sweeps apart: the index of the phase that asked. The same id, share and types set
    again do nothing."""

    def __post_init__(self) -> None:
        if not 0 <= self.keep_orders <= 1:
            raise ValueError(f"keep_orders is a share between 0 and 1, found {self.keep_orders}")
        if self.mark_offset <= -1:
            raise ValueError(f"mark_offset must be greater than -1, found {self.mark_offset}")
        for name, value in (
            ("fills_delay_ms", self.fills_delay_ms),
            ("history_lag_ms", self.history_lag_ms),
        ):
            if value < 0:
                raise ValueError(f"{name} cannot be negative, found {value}")


@dataclass(frozen=True, slots=True)
class Drift:
    """A smooth move to price × (1 + by), on top of the noise; once reached it stays.

    A drift runs its whole length even if later knobs no longer name it, and drifts that overlap
    multiply. The same drift set again goes on; it does not start again. Give `start_ms` to tell
    two equal ones apart, or to start at another instant than that of the call.
    """

    by: Decimal
    over_ms: int
    start_ms: int | None = None

    def __post_init__(self) -> None:
        if self.by <= -1:
            raise ValueError(f"drift: by must be greater than -1, found {self.by}")
        if self.over_ms < 0:
            raise ValueError(f"drift: over_ms cannot be negative, found {self.over_ms}")


@dataclass(frozen=True, slots=True)
class Deviation:
    """This venue leaves its peers: by `by` after `peak_ms`, and back during the next `decay_ms`.

    Runs on and repeats as `Drift` does.
    """

    by: Decimal
    peak_ms: int
    decay_ms: int
    start_ms: int | None = None

    def __post_init__(self) -> None:
        if self.by <= -1:
            raise ValueError(f"deviate: by must be greater than -1, found {self.by}")
        if self.peak_ms < 0 or self.decay_ms < 0:
            raise ValueError(
                f"deviate: peak_ms and decay_ms cannot be negative, "
                f"found {self.peak_ms} and {self.decay_ms}"
            )


@dataclass(frozen=True, slots=True)
class Gap:
    """A jump of the whole market to price × (1 + by) in one step; it stays."""

    by: Decimal
    start_ms: int | None = None

    def __post_init__(self) -> None:
        if self.by <= -1:
            raise ValueError(f"reopen_gap: by must be greater than -1, found {self.by}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketKnobs:
    """The market's settings, for all instruments of one engine; the default is a quiet day."""

    drift: Drift | None = None
    vol_x: Decimal = _ONE
    spread_x: Decimal = _ONE
    depth_bid_x: Decimal = _ONE
    depth_ask_x: Decimal = _ONE
    deviate: Deviation | None = None
    frozen: bool = False
    """This venue's book and tape stand still; the peers' prices and the index go on."""
    reopen_gap: Gap | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("vol_x", self.vol_x),
            ("depth_bid_x", self.depth_bid_x),
            ("depth_ask_x", self.depth_ask_x),
        ):
            if value < 0:
                raise ValueError(f"{name} cannot be negative, found {value}")
        if self.spread_x <= 0:
            raise ValueError(f"spread_x must be positive, found {self.spread_x}")
