"""What a user may set, with the reason for each number beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from outlast.core.exits import ExitSettings
from outlast.core.limiter import SlotSettings
from outlast.core.recovery import RecoverySettings
from outlast.core.settle import SettleSettings

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Pass to `outlast.connect(settings=...)`. Every default can stand."""

    valid_for_s: float = 5.0
    """How long the venue may take to begin with an order (Binance recvWindow, Kraken deadline).
    Small, because it bounds how long an unknown order can still appear."""

    tier: str | None = None
    """What the account is entitled to, where the venue grades its limits and no answer tells the
    grade: at Kraken starter, intermediate or pro, by the account's verification. None: the lowest,
    with which no limit is ever exceeded."""

    submit_deadline_s: float | None = None
    """How long `submit` waits for the outcome when its caller says nothing. None: as long as the
    kind of order is worth (new risk 10 s, reduce-only 25 s)."""

    settle: SettleSettings = field(default_factory=SettleSettings)
    exit: ExitSettings = field(default_factory=ExitSettings)

    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    """How orders that add risk come back after an outage."""

    slots: SlotSettings = field(default_factory=SlotSettings)
    """How many requests may be under way at a time, by what they are for."""

    account_poll_s: float = 60.0
    """How often balances, positions and open orders are read while no stream tells of them. Costs
    11 of USD-M's 2,400 weight a minute."""

    account_age_max_s: float = 150.0
    """Older than this they are stale: two polls may fail before reading them raises."""

    clock_resync_s: float = 300.0
    """How often the venue's clock is measured when nothing asks for it sooner. Quartz drifts by a
    few ms in that time; signatures allow 1,000."""

    checkpoint_s: float = 60.0
    """How often the journal's write-ahead log is moved into its file, off the event loop."""

    events_max: int = 10_000
    """How many events a reader of `events()` may be behind before the oldest are dropped."""

    seed: int | None = None
    """Makes every random choice (jitter, ids) repeat. For tests; None for real use."""

    def __post_init__(self) -> None:
        if not 0 < self.valid_for_s <= 60:
            raise ValueError(
                f"valid_for_s is {self.valid_for_s}; the venues allow more than 0 and at most 60"
            )
        for name in ("account_poll_s", "account_age_max_s", "clock_resync_s", "checkpoint_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
