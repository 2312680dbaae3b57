"""The way back to new risk: reconcile, cool down, then return in steps. A relapse steps back.

        outage          all is reconciled      cool-down over        last step over
  FREE ───────► SHUT ──────────────────► COOLING ────────────► STEPPING ──────────► FREE
                 ▲                          │                      │
                 └───── outage again ───────┴──────────────────────┘

It governs only orders that add risk. Cancels, reduce-only orders and exits never ask it: getting
out is possible from the first moment that the venue takes anything.

A venue that answers again is not yet one to trade on. On 29 August 2025 Binance let traffic back in
by steps, and whoever came back at once with a full book found stale prices and bands (sources:
the scenario `binance-um-halt-2025-08-29`). Never on an announced time: only on what is measured.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Final

from outlast.errors import ConfigurationError

__all__ = ["Recovery", "RecoverySettings", "Stage"]

_MINUTE_S: Final = 60.0
_REMEMBERED_S: Final = 900.0
"""How far back the usual rate of entries is looked for."""


class Stage(Enum):
    FREE = "free"
    """New risk is not held by this."""
    SHUT = "shut"
    """An outage is on, or what it left behind is not yet reconciled."""
    COOLING = "cooling"
    """All is reconciled; the venue has to stay well for a while."""
    STEPPING = "stepping"
    """A growing share of the usual entries passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySettings:
    """How a session comes back. Every default can stand."""

    cool_down_s: float = 60.0
    """How long the venue must stay well, after all is reconciled, before new risk is taken; at
    least. 0 leaves the cool-down out."""
    cool_down_share: float = 1.0
    """Of the outage's length, where that is more: what was down for 20 minutes has to be well for
    20. Where a venue is good and bad in turns of five minutes (Cloudflare, 18 November 2025) no
    good turn is long enough to be trusted. A relapse counts from the beginning of the first."""
    cool_down_s_max: float = 1800.0
    """Of that share. After 49 hours of maintenance the books were wrong for 20 minutes and trading
    was stopped again (Kraken, January 2018)."""
    steps: tuple[float, ...] = (0.10, 0.25, 0.50)
    """Shares of the usual rate of entries, in turn; all of it after the last."""
    step_s: float = 60.0
    """How long each step lasts. The rates are per minute, so a shorter one would round to nothing.
    """
    entries_per_minute: int = 6
    """The usual rate where less was measured: a bot that has just started has no history."""

    def __post_init__(self) -> None:
        for name in ("cool_down_s", "cool_down_share", "cool_down_s_max", "step_s"):
            value = getattr(self, name)
            if not 0 <= value < inf:
                raise ConfigurationError(f"{name} is {value}; it must be finite and not below 0")
        if any(not 0 < share <= 1 for share in self.steps) or list(self.steps) != sorted(
            self.steps
        ):
            raise ConfigurationError(
                f"steps is {self.steps}; give shares above 0 and up to 1 that do not fall"
            )
        if self.entries_per_minute < 1:
            raise ConfigurationError(
                f"entries_per_minute is {self.entries_per_minute}; it must be at least 1"
            )


class Recovery:
    """The stages of one product. Told what happens; says whether an entry may pass."""

    def __init__(self, settings: RecoverySettings | None = None) -> None:
        self._settings = settings if settings is not None else RecoverySettings()
        self._stage = Stage.FREE
        self._why = ""
        self._since = 0.0
        self._ended = False
        """The outage itself is over: a reconciliation that began since may open the way."""
        self._ended_at = 0.0
        self._out_since = 0.0
        """When the outage began, with all its relapses."""
        self._is_ours = False
        """Nothing of it is the venue's doing."""
        self._cool_down_s = 0.0
        """Of the cool-down that is on."""
        self._step = 0
        self._step_at_relapse: int | None = None
        self._entries: deque[float] = deque()
        """When entries passed, while FREE or STEPPING."""
        self._usual = 0

    @property
    def stage(self) -> Stage:
        return self._stage

    @property
    def since(self) -> float:
        """When this stage began, monotonic."""
        return self._since

    def outage(
        self, why: str, *, now: float, since: float | None = None, is_ours: bool = False
    ) -> bool:
        """Trading has failed, or what is known of the account no longer holds. True if it is new.

        `why` is one clause that completes "new risk is held: …". `since`: when it began, where that
        was before anybody here knew. `is_ours`: the venue is well and only keeps us out (a ban), so
        its length says nothing of how long to watch it.
        """
        if self._stage is Stage.FREE:
            self._is_ours = is_ours
        self._is_ours = self._is_ours and is_ours
        if self._stage is Stage.SHUT:
            self._ended = False
            return False
        if self._stage is Stage.FREE:
            self._usual = self._busiest_minute(now)
            self._out_since = now if since is None else min(now, since)
        elif self._stage is Stage.STEPPING:
            self._step_at_relapse = self._step
        self._why, self._ended = why, False
        self._enter(Stage.SHUT, now)
        return True

    def over(self, *, now: float) -> None:
        """Trading answers again. What the outage left behind is still to be reconciled."""
        if self._stage is Stage.SHUT and not self._ended:
            self._ended, self._ended_at = True, now

    @property
    def out_since(self) -> float:
        """When the outage that is being come back from began (monotonic)."""
        return self._out_since

    @property
    def is_ours(self) -> bool:
        """Nothing of what is being come back from is the venue's doing: it only kept us out."""
        return self._is_ours

    @property
    def cool_down_s(self) -> float:
        """How long the last cool-down was to be; 0.0 before the first."""
        return self._cool_down_s

    @property
    def ended_at(self) -> float:
        """When the last outage was over: what was asked for since then may be believed."""
        return self._ended_at

    @property
    def wants_reconciliation(self) -> bool:
        """True when the outage is over and only a reconciliation is missing."""
        return self._stage is Stage.SHUT and self._ended

    def reconciled(self, *, began_at: float, now: float) -> None:
        """A complete comparison with the venue that began at `began_at` has ended.

        One that began while the outage was on proves nothing: it may have asked before the end.
        """
        if self.wants_reconciliation and began_at >= self._ended_at:
            self._cool_down_s = self._cool_down(now)
            self._enter(Stage.COOLING, now)

    def held(self, *, now: float) -> tuple[str, float | None] | None:
        """Why an entry may not pass now, and when to ask again (monotonic) if that is known."""
        self._advance(now)
        match self._stage:
            case Stage.FREE:
                return None
            case Stage.SHUT:
                missing = "it is over, and not all is reconciled yet" if self._ended else "it is on"
                return f"after an outage ({self._why}): {missing}", None
            case Stage.COOLING:
                until = self._since + self._cool_down_s
                return f"cooling down after an outage ({self._why})", until
            case Stage.STEPPING:
                room_at = self._room_at(now)
                if room_at is None:
                    return None
                share = round(self._settings.steps[self._step] * 100)
                return f"returning after an outage ({self._why}): {share} % of the usual", room_at

    def passed(self, *, now: float) -> None:
        """An entry has been let through."""
        self._entries.append(now)
        while self._entries[0] < now - _REMEMBERED_S:
            self._entries.popleft()

    def _advance(self, now: float) -> None:
        """Take the steps that time alone brings."""
        if self._stage is Stage.COOLING and now >= self._since + self._cool_down_s:
            # After a relapse one step earlier than where it broke: the same dose broke it before.
            self._step = max(0, (self._step_at_relapse or 0) - 1)
            begun = self._since + self._cool_down_s
            self._enter(Stage.STEPPING if self._settings.steps else Stage.FREE, begun)
        while self._stage is Stage.STEPPING and now >= self._since + self._settings.step_s:
            begun = self._since + self._settings.step_s
            self._step += 1
            if self._step >= len(self._settings.steps):
                self._step_at_relapse = None
                self._enter(Stage.FREE, begun)
            else:
                self._enter(Stage.STEPPING, begun)

    def _cool_down(self, now: float) -> float:
        """For an outage that lasted until all was reconciled: a venue that answers a little may
        look well long before."""
        settings = self._settings
        if settings.cool_down_s == 0 or self._is_ours:
            return settings.cool_down_s
        lasted_s = now - self._out_since
        share_s = min(settings.cool_down_s_max, settings.cool_down_share * lasted_s)
        return max(settings.cool_down_s, share_s)

    def _room_at(self, now: float) -> float | None:
        """None when an entry fits into the step's rate now; else when the next one does."""
        share = self._settings.steps[self._step]
        allowed = max(1, int(max(self._usual, self._settings.entries_per_minute) * share))
        recent = [at for at in self._entries if at > now - _MINUTE_S]
        if len(recent) < allowed:
            return None
        return min(recent[-allowed] + _MINUTE_S, self._since + self._settings.step_s)

    def _busiest_minute(self, now: float) -> int:
        times = [at for at in self._entries if at >= now - _REMEMBERED_S]
        busiest, first = 0, 0
        for last, at in enumerate(times):
            while times[first] <= at - _MINUTE_S:
                first += 1
            busiest = max(busiest, last - first + 1)
        return busiest

    def _enter(self, stage: Stage, at: float) -> None:
        self._stage, self._since = stage, at
