"""One plane's verdict: the worst that is believed, at once; better again only after a while.

Getting worse is taken over at once, because the evidence was weighed before (a breaker opens on a
hundred thousand to one). Getting better waits until it has lasted: `well_for_s`, twice that after
each relapse. So a venue that is good and bad in turns changes its verdict ever more rarely, and
what hangs on it does not flap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Final

from outlast.core.health.evidence import SEVERITY, Evidence, Witness, believed
from outlast.errors import ConfigurationError
from outlast.model import Health

__all__ = ["HEALTH", "HealthSettings", "PlaneHealth", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """How verdicts are made."""

    well_for_s: float = 15.0
    """How long it must look better before the verdict says so. Two polls and some calls."""
    well_for_s_max: float = 600.0
    """Of its doublings, one for each relapse of the last two hours."""
    relapse_within_s: float = 7200.0
    page_word_s: float = 3600.0
    """How long a red page is heeded while everything that is measured is well. Incidents are left
    open for days, and after an hour of health a page tells of something else. It stays a warning.
    """

    def __post_init__(self) -> None:
        for name in ("well_for_s", "well_for_s_max", "relapse_within_s", "page_word_s"):
            value = getattr(self, name)
            if not 0 <= value < inf:
                raise ConfigurationError(f"{name} is {value}; it must be finite and not below 0")
        if self.well_for_s_max < self.well_for_s:
            raise ConfigurationError(
                f"well_for_s_max is {self.well_for_s_max}, below well_for_s {self.well_for_s}; "
                "raise it"
            )


HEALTH: Final = HealthSettings()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a plane fares, since when, and why."""

    health: Health
    since: float
    """Monotonic; the caller's clock turns it into a time of day."""
    evidence: tuple[Evidence, ...]
    """What speaks against it, the weightiest first; what has expired or is well is left out."""
    better_at: float | None = None
    """When a better verdict follows at the earliest, while only time is missing."""

    @property
    def why(self) -> str:
        """One clause: the weightiest evidence; empty when there is none."""
        return (
            ""
            if not self.evidence
            else f"{self.evidence[0].witness.value}: {self.evidence[0].detail}"
        )


class PlaneHealth:
    """Fuses what all witnesses say of one plane. It is told the time and never asks for it."""

    def __init__(self, settings: HealthSettings = HEALTH, *, now: float = 0.0) -> None:
        self._settings = settings
        self._evidence: dict[tuple[Witness, str], Evidence] = {}
        """By witness and what it speaks about: two streams are two pieces of evidence."""
        self._health = Health.HEALTHY
        self._since = now
        self._better_since: float | None = None
        self._improved_at: float | None = None
        self._relapses: deque[float] = deque(maxlen=16)

    def note(
        self,
        witness: Witness,
        says: Health,
        *,
        now: float,
        detail: str = "",
        about: str = "",
        for_s: float | None = None,
    ) -> None:
        """Take in what `witness` says now; HEALTHY takes back what it said before.

        `for_s`: how long it counts unless it is said again; None until it is taken back.
        """
        key = (witness, about)
        if says is Health.HEALTHY:
            self._evidence.pop(key, None)
        else:
            known = self._evidence.get(key)
            since = known.since if known is not None and known.says is says else now
            until = None if for_s is None else now + for_s
            self._evidence[key] = Evidence(witness, says, detail, since, until)
        self.verdict(now)

    def verdict(self, now: float) -> Verdict:
        """The verdict as of `now`."""
        against = self._against(now)
        target = _sum(against)
        if SEVERITY[target] >= SEVERITY[self._health]:
            self._better_since = None
            if target is not self._health:
                self._enter(target, now)
        elif self._better_since is None:
            self._better_since = now
        better_at = None
        if self._better_since is not None:
            better_at = self._better_since + self._wait_s(now)
            if now >= better_at:
                self._better_since = better_at = None
                self._improved_at = now
                self._enter(target, now)
        return Verdict(self._health, self._since, against, better_at)

    def _against(self, now: float) -> tuple[Evidence, ...]:
        for key, evidence in list(self._evidence.items()):
            if evidence.until is not None and now >= evidence.until:
                del self._evidence[key]
        is_measured_well = not any(
            e.witness in (Witness.CALLS, Witness.STREAM, Witness.VENUE)
            for e in self._evidence.values()
        )
        page_word_s = self._settings.page_word_s
        counted = [
            evidence
            for evidence in self._evidence.values()
            if evidence.witness is not Witness.PAGE
            or not is_measured_well
            or now - evidence.since < page_word_s
        ]
        order = list(Witness)
        return tuple(
            sorted(counted, key=lambda e: (-SEVERITY[believed(e)], order.index(e.witness)))
        )

    def _wait_s(self, now: float) -> float:
        recent = [at for at in self._relapses if now - at < self._settings.relapse_within_s]
        most = self._settings.well_for_s_max
        return float(min(most, self._settings.well_for_s * 2.0 ** len(recent)))

    def _enter(self, health: Health, now: float) -> None:
        is_worse = SEVERITY[health] > SEVERITY[self._health]
        improved_at, within_s = self._improved_at, self._settings.relapse_within_s
        if is_worse and improved_at is not None and now - improved_at < within_s:
            self._relapses.append(now)
        self._health, self._since = health, now


def _sum(against: tuple[Evidence, ...]) -> Health:
    """The worst that is believed. Where the venue itself says maintenance, that is what it is:
    calls that fail then are no news."""
    if any(e.witness is Witness.VENUE and believed(e) is Health.MAINTENANCE for e in against):
        return Health.MAINTENANCE
    return max((believed(e) for e in against), key=SEVERITY.__getitem__, default=Health.HEALTHY)
