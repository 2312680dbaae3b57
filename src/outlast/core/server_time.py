"""What time the venue has: signed requests carry it, and its rate windows turn by it.

Each answer that shows the venue's clock is one sample. It was read somewhere between sending and
receiving, so half the round trip is the most by which the middle can be wrong; the sample with the
shortest round trip is the best one, and averaging it with worse ones would not improve it.

Source of the method: RFC 5905 (NTP), section 10, the clock filter.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor, inf
from typing import Final

from outlast.errors import ConfigurationError

__all__ = ["ServerClock", "ServerClockSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerClockSettings:
    drift_ppm: float = 100.0
    """How much a crystal may be off: 100 ppm are 6 ms a minute."""
    resync_every_s: float = 300.0
    """At 100 ppm the estimate has become 30 ms less certain by then."""
    sample_age_max_s: float = 900.0
    """Older samples give way to newer ones, so that a route that became slower is accepted."""
    rtt_x_max: float = 3.0
    """A round trip of more than so many times the best one says nothing new ..."""
    rtt_slack_ms: float = 20.0
    """... unless it is within this of it."""
    step_ms: float = 250.0
    """Wall and monotonic clock part by more than this only where one was set, or the machine slept.
    """

    def __post_init__(self) -> None:
        for field in ("drift_ppm", "rtt_slack_ms"):
            if not 0 <= getattr(self, field) < inf:
                raise ConfigurationError(
                    f"{field} is {getattr(self, field)}; it must be finite and not negative"
                )
        for field in ("resync_every_s", "sample_age_max_s", "step_ms"):
            if not 0 < getattr(self, field) < inf:
                raise ConfigurationError(
                    f"{field} is {getattr(self, field)}; it must be finite and above 0"
                )
        if not 1 <= self.rtt_x_max < inf:
            raise ConfigurationError(f"rtt_x_max is {self.rtt_x_max}; it must be at least 1")


DEFAULTS: Final = ServerClockSettings()
_SAMPLES_MAX: Final = 16
_REFUSED_MS: Final = 5_000.0
"""Of the offset by which a refused timestamp was made nothing is known but that it is wrong. Most
venues refuse what is 5 s late or 1 s early."""


@dataclass(frozen=True, slots=True)
class _Sample:
    offset_ms: float
    error_ms: float
    rtt_ms: float
    at: float


class ServerClock:
    """The venue's clock as an offset to the local wall clock.

    A step of the wall clock, two samples that contradict each other, or a request that the venue
    refused for its timestamp make every sample so far worthless: `resync_needed` says so, and the
    first sample asked for after it replaces them all.
    """

    def __init__(self, settings: ServerClockSettings = DEFAULTS) -> None:
        self._settings = settings
        self._samples: deque[_Sample] = deque(maxlen=_SAMPLES_MAX)
        self._best: _Sample | None = None
        self._wall_ahead_ms: float | None = None  # wall minus monotonic, when last looked at
        self._stepped_ms = 0.0
        self._doubted_at: float | None = None

    def add_sample(
        self,
        *,
        sent_at: float,
        received_at: float,
        server_ms: int,
        wall_ms: float,
        resolution_ms: float = 1.0,
    ) -> bool:
        """Take in one answer; False when it was no use.

        `sent_at` and `received_at` are monotonic seconds, `wall_ms` the local wall clock at
        `received_at`, `resolution_ms` the step of the venue's figure (1000 where it is seconds).
        """
        assert received_at >= sent_at
        self.check_wall(received_at, wall_ms)
        rtt_ms = (received_at - sent_at) * 1e3
        # A clock that shows n has read anything from n to n + resolution.
        sample = _Sample(
            offset_ms=server_ms + resolution_ms / 2 + rtt_ms / 2 - wall_ms,
            error_ms=rtt_ms / 2 + resolution_ms / 2,
            rtt_ms=rtt_ms,
            at=received_at,
        )
        if self._doubted_at is not None:
            if sent_at < self._doubted_at:
                return False
            self._samples.clear()
            self._best, self._stepped_ms, self._doubted_at = None, 0.0, None
        self._drop_old(received_at, keep=0)
        if self._best is not None:
            if self._is_slow(sample, self._best):
                return False
            if self._contradicts(sample, self._best):
                self._doubted_at = received_at
                return False
        self._samples.append(sample)
        self._choose(received_at)
        return True

    def check_wall(self, now: float, wall_ms: float) -> bool:
        """Compare the two local clocks; True when the wall clock has stepped since the last look.

        Call it now and then, and before signing after a wait. Which of the two is right nobody can
        say (a laptop that slept stops its monotonic clock), so only a new sample helps.
        """
        ahead_ms = wall_ms - now * 1e3
        known, self._wall_ahead_ms = self._wall_ahead_ms, ahead_ms
        if known is None or abs(ahead_ms - known) <= self._settings.step_ms:
            return False
        self._stepped_ms += abs(ahead_ms - known)
        self._doubted_at = now
        return True

    def timestamp_refused(self, sent_at: float) -> None:
        """The venue found a timestamp of ours outside its window (Binance -1021 and the like).

        `sent_at`: when that request left. What was asked since then knows better already: a burst
        of refusals must not make each measurement worthless before it is in.
        """
        if self._samples and self._samples[-1].at > sent_at and self._doubted_at is None:
            return
        self._doubted_at = sent_at if self._doubted_at is None else max(self._doubted_at, sent_at)
        self._stepped_ms = max(self._stepped_ms, _REFUSED_MS)

    def resync_needed(self, now: float) -> bool:
        """True when the venue's time should be asked for before the next signed request."""
        if self._best is None or self._doubted_at is not None:
            return True
        return now - self._samples[-1].at > self._settings.resync_every_s

    def offset_ms(self, now: float) -> float:
        """Venue minus wall clock; 0.0 before the first sample. See `uncertainty_ms`."""
        self._drop_old(now)
        return 0.0 if self._best is None else self._best.offset_ms

    def uncertainty_ms(self, now: float) -> float:
        """By how much `offset_ms` may be wrong, either way; inf before the first sample."""
        self._drop_old(now)
        if self._best is None:
            return inf
        return self._error_ms(self._best, now) + self._stepped_ms

    def server_ms(self, now_wall_ms: float) -> int:
        """The venue's time in whole milliseconds, when the wall clock shows `now_wall_ms`."""
        return floor(now_wall_ms + (0.0 if self._best is None else self._best.offset_ms))

    def earliest_ms(self, now: float, wall_ms: float) -> int | None:
        """An instant of the venue's clock that has surely passed when ours shows `wall_ms`.

        None while nobody can say: before the first sample, or since something made them doubtful.
        """
        self.check_wall(now, wall_ms)
        self._drop_old(now)
        best = self._best
        if self._doubted_at is not None or best is None:
            return None
        return floor(wall_ms + best.offset_ms - self._error_ms(best, now) - self._stepped_ms)

    def _is_slow(self, sample: _Sample, best: _Sample) -> bool:
        limit_ms = max(
            best.rtt_ms * self._settings.rtt_x_max, best.rtt_ms + self._settings.rtt_slack_ms
        )
        return sample.rtt_ms > limit_ms

    def _contradicts(self, sample: _Sample, best: _Sample) -> bool:
        """True when no single offset lies within the errors of both."""
        apart_ms = abs(sample.offset_ms - best.offset_ms)
        return apart_ms > sample.error_ms + self._error_ms(best, sample.at)

    def _error_ms(self, sample: _Sample, now: float) -> float:
        age_s = max(0.0, now - sample.at)
        return sample.error_ms + age_s * self._settings.drift_ppm * 1e-3

    def _drop_old(self, now: float, *, keep: int = 1) -> None:
        known = len(self._samples)
        while (
            len(self._samples) > keep
            and now - self._samples[0].at > self._settings.sample_age_max_s
        ):
            self._samples.popleft()
        if len(self._samples) < known:
            self._choose(now)

    def _choose(self, now: float) -> None:
        self._best = min(
            self._samples, key=lambda sample: self._error_ms(sample, now), default=None
        )
