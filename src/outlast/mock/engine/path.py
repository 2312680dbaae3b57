"""Where the price goes: seeded noise times drifts, gaps and deviations, step by step.

The path is a function of the seed, the traded pair, the step and the scenario's market knobs;
nothing a client does enters it. It is reckoned in integers (prices in thousandths of a tick,
factors in billionths), so that it is the same on every machine.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Final, NamedTuple

from outlast.mock.engine.knobs import Deviation, Drift, Gap, MarketKnobs
from outlast.mock.engine.model import Instrument

__all__ = ["ONE", "PRICE_UNITS", "STEP_MS", "PricePath", "nano"]

STEP_MS: Final = 250
"""The grid on which the market moves."""

ONE: Final = 10**9
PRICE_UNITS: Final = 1000
"""Price units per tick."""

_BP: Final = 100_000  # one basis point in billionths
_ROOT_STEP: Final = 645_497  # sqrt(STEP_MS / 60 s) in ten-millionths
_SPREAD_OF_FOUR: Final = 37_837  # standard deviation of the sum of four uniform 16-bit numbers
_NOISE_STEPS: Final = 960
"""The noise forgets itself over 4 minutes: it stays a band around the drift, not a walk away from
it, so that a scenario's story is told with every seed."""
_NOISE_MAX: Final = ONE // 2

_USD_LIKE: Final = ("USD", "USDT", "USDC", "FDUSD", "BUSD")


_Move = Drift | Deviation | Gap


def nano(share: Decimal) -> int:
    """A share or factor in billionths."""
    return int(share * ONE)


class _Drift(NamedTuple):
    by: int
    start_ms: int
    over_ms: int

    def factor(self, at_ms: int) -> int:
        return ONE + self.by * _ease(at_ms - self.start_ms, self.over_ms) // ONE

    def is_over(self, at_ms: int) -> bool:
        return at_ms >= self.start_ms + self.over_ms


class _Deviation(NamedTuple):
    by: int
    start_ms: int
    peak_ms: int
    decay_ms: int

    def factor(self, at_ms: int) -> int:
        since = at_ms - self.start_ms
        if since < self.peak_ms:
            share = _ease(since, self.peak_ms)
        else:
            share = ONE - _ease(since - self.peak_ms, self.decay_ms)
        return ONE + self.by * share // ONE

    def is_over(self, at_ms: int) -> bool:
        return at_ms >= self.start_ms + self.peak_ms + self.decay_ms


def _ease(elapsed_ms: int, over_ms: int) -> int:
    """From 0 to ONE without a kink at either end (3u² - 2u³)."""
    if elapsed_ms >= over_ms:
        return ONE
    if elapsed_ms <= 0:
        return 0
    share = elapsed_ms * ONE // over_ms
    return share * share // ONE * (3 * ONE - 2 * share) // ONE


class PricePath:
    """One instrument's price: `own` on this venue, `peer` on the others, in price units."""

    def __init__(self, instrument: Instrument, seed: int) -> None:
        # Keyed by what is traded, not by its spelling: the same coin moves alike on every venue.
        quote = "USD" if instrument.quote in _USD_LIKE else instrument.quote
        self._rng = Random(f"{seed}/{instrument.base}/{quote}/noise")  # noqa: S311
        self._start = int(instrument.mid / instrument.price_unit * PRICE_UNITS)
        self._vol = int(instrument.vol_bps_per_min * _BP) * _ROOT_STEP // 10**7
        self._kick = self._vol
        self._noise = 0
        self._trend = ONE
        self._drifts: list[_Drift] = []
        self._deviations: list[_Deviation] = []
        self._gaps: list[tuple[int, int]] = []
        self._knobs = MarketKnobs()
        self._begun: list[_Move] = []
        self.own = self.peer = self._start

    def set(self, knobs: MarketKnobs, now_ms: int) -> None:
        """Take new knobs; what they start anew begins now, what runs already runs on."""
        old, self._knobs = self._knobs, knobs
        self._kick = self._vol * nano(knobs.vol_x) // ONE
        drift, away, gap = knobs.drift, knobs.deviate, knobs.reopen_gap
        if drift is not None and self._is_new(drift, old.drift):
            start = now_ms if drift.start_ms is None else drift.start_ms
            self._drifts.append(_Drift(nano(drift.by), start, drift.over_ms))
        if away is not None and self._is_new(away, old.deviate):
            start = now_ms if away.start_ms is None else away.start_ms
            self._deviations.append(_Deviation(nano(away.by), start, away.peak_ms, away.decay_ms))
        if gap is not None and self._is_new(gap, old.reopen_gap):
            self._gaps.append((now_ms if gap.start_ms is None else gap.start_ms, nano(gap.by)))
        self._reckon(now_ms)

    def step(self, at_ms: int) -> None:
        """Move by one step of noise and to where the drifts are at `at_ms`."""
        bits = self._rng.getrandbits(64)
        throw = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
        noise = self._noise
        noise += self._kick * (throw - 131_070) // _SPREAD_OF_FOUR - noise // _NOISE_STEPS
        self._noise = min(max(noise, -_NOISE_MAX), _NOISE_MAX)
        self._reckon(at_ms)

    def regrid(self, factor: int) -> None:
        """Go on in price units `factor` times as fine; the path itself stays as it is."""
        self._start *= factor
        self.own *= factor
        self.peer *= factor

    def state(self) -> tuple[object, ...]:
        """Everything that decides where the path goes from here, for the digest."""
        return (
            self.own,
            self.peer,
            self._noise,
            self._trend,
            self._kick,
            tuple(self._drifts),
            tuple(self._deviations),
            tuple(self._gaps),
        )

    def _is_new(self, move: _Move, before: _Move | None) -> bool:
        """Whether a move starts with these knobs; one with a start of its own starts once ever."""
        if move == before or move in self._begun:
            return False
        if move.start_ms is not None:
            self._begun.append(move)
        return True

    def _reckon(self, at_ms: int) -> None:
        if self._gaps:
            for start_ms, by in self._gaps:
                if at_ms >= start_ms:
                    self._trend = self._trend * (ONE + by) // ONE
            self._gaps = [gap for gap in self._gaps if at_ms < gap[0]]
        trend = self._trend
        if self._drifts:
            for drift in self._drifts:
                if drift.is_over(at_ms):
                    self._trend = self._trend * (ONE + drift.by) // ONE
            self._drifts = [drift for drift in self._drifts if not drift.is_over(at_ms)]
            trend = self._trend
            for drift in self._drifts:
                trend = trend * drift.factor(at_ms) // ONE
        peer = self._start * trend // ONE * (ONE + self._noise) // ONE
        self.peer = max(peer, PRICE_UNITS)
        self.own = self.peer
        if self._deviations:
            own = self.peer
            for away in self._deviations:
                own = own * away.factor(at_ms) // ONE
            self.own = max(own, PRICE_UNITS)
            self._deviations = [away for away in self._deviations if not away.is_over(at_ms)]
