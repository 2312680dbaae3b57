"""Mirrors of all counters of the venue's at once: what may leave now, and when if not now.

What leaves is counted when it is let go, on every attempt, whatever becomes of it: 5xx answers cost
weight too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf
from typing import Final

from outlast.core.limiter.levels import Level
from outlast.core.limiter.terms import GRANTED, CounterSpec, Granted, Mirror, Move, Wait
from outlast.core.limiter.trading import TradingCounter
from outlast.core.limiter.windows import Window
from outlast.errors import ConfigurationError
from outlast.wire import Cost, Lane

__all__ = ["Limiter"]

_NOBODY: Final[Mapping[str, int]] = {}
_OFFSET_NOISE_S: Final = 0.05
"""Reading two clocks one after the other, and whole milliseconds: the doubt covers it."""


class Limiter:
    """Admission to all counters of one scope (an IP, an account) at once: all or nothing.

    Nothing is ever given back, not even for an attempt of which no byte was written. When that is
    known the window may have changed, so that the refund would come out of another one; and in an
    outage, when connections fail by the hundred, refunds would turn the limiter off. Too high a
    mirror costs a little time, too low a one costs a ban.

    Every `now` is monotonic; `set_offset` says what the venue's clock shows meanwhile.
    """

    def __init__(
        self,
        counters: Sequence[CounterSpec],
        *,
        clock_doubt_s: float = 1.0,
        flight_s: float = 1.0,
    ) -> None:
        """`clock_doubt_s` covers both the error of the offset and the flight to the venue.

        `flight_s` is by how much two flights may differ: what drains cares for no clock.
        """
        self._clock_doubt_s = _checked_doubt(clock_doubt_s)
        self._flight_s = _checked_doubt(flight_s)
        self._offset_s = 0.0
        self._mirrors: dict[str, Mirror] = {}
        self.set_limits(counters)

    def set_limits(self, counters: Iterable[CounterSpec]) -> None:
        """Take over what the venue declares now; what is used stays used.

        Counters that are not mentioned stay as they are: a limit that a reply forgot still holds.
        """
        for spec in counters:
            mirror = self._mirrors.get(spec.name)
            if mirror is not None and _is_like(mirror.spec, spec):
                doubt_s = self._clock_doubt_s if spec.decay_per_s is None else self._flight_s
                mirror.configure(spec, doubt_s)
            else:
                self._mirrors[spec.name] = self._new_mirror(spec)

    def _new_mirror(self, spec: CounterSpec) -> Mirror:
        if spec.per_symbol:
            return TradingCounter(spec, self._flight_s)
        if spec.decay_per_s is not None:
            return Level(spec, self._flight_s)
        return Window(spec, self._clock_doubt_s, offset_s=self._offset_s)

    def set_clock_doubt(self, clock_doubt_s: float) -> None:
        """The venue's clock is known worse, or better, than before."""
        self._clock_doubt_s = _checked_doubt(clock_doubt_s)
        self.set_limits(self.counters)

    def set_data_share(self, share: float) -> None:
        """DATA may use this part of its share of each window: see `DataShare`.

        What drains has no neighbours behind the same address, and stays as it is.
        """
        for mirror in self._mirrors.values():
            if isinstance(mirror, Window):
                mirror.squeeze(share)

    def set_offset(self, offset_s: float, now: float) -> None:
        """The venue's clock is ahead of `now` by this. A correction is no time that has passed."""
        if abs(offset_s - self._offset_s) <= _OFFSET_NOISE_S:
            return
        self._offset_s = offset_s
        for mirror in self._mirrors.values():
            if isinstance(mirror, Window):
                mirror.set_offset(offset_s, now)

    @property
    def counters(self) -> Sequence[CounterSpec]:
        return [mirror.spec for mirror in self._mirrors.values()]

    @property
    def trading(self) -> Sequence[TradingCounter]:
        """The counters that are kept per symbol, and want to know of orders that ended."""
        return [m for m in self._mirrors.values() if isinstance(m, TradingCounter)]

    def try_take(
        self, costs: Sequence[Cost], lane: Lane, now: float, *, move: Move | None = None
    ) -> Granted | Wait:
        """Count `costs` and return `Granted`, or take nothing and say until when to wait.

        `move` says which order it is about, for counters that are kept per symbol.

        Raises:
            ConfigurationError: a cost names a counter that is not mirrored.
        """
        if move is None and self.take_at_once(costs, lane, now):
            return GRANTED
        wait = self.wait_for(costs, lane, now, move=move)
        if wait is not None:
            return wait
        for cost in costs:
            self._mirrors[cost.counter].take(cost.units, now, move=move)
        return GRANTED

    def take_at_once(self, costs: Sequence[Cost], lane: Lane, now: float) -> bool:
        """Count `costs` where all counters show at first sight that there is room.

        False where one does not: nothing was taken, and `try_take` knows better.
        """
        mirrors = self._mirrors
        for taken, cost in enumerate(costs):
            mirror = mirrors.get(cost.counter)
            if mirror is None or not mirror.take_at_once(cost.units, lane, now):
                for before in costs[:taken]:
                    mirrors[before.counter].untake(before.units)
                return False
        return True

    def wait_for(
        self,
        costs: Sequence[Cost],
        lane: Lane,
        now: float,
        *,
        move: Move | None = None,
        ahead: Mapping[str, int] = _NOBODY,
    ) -> Wait | None:
        """Say what `try_take` would wait for, without taking anything; None when it would grant.

        `ahead` is what others will take first, by counter.
        """
        until, counter = 0.0, ""
        for cost in _merged(costs):
            before = ahead.get(cost.counter, 0) if ahead else 0
            mirror = self._mirror(cost.counter)
            wait = mirror.wait_until(cost.units, lane, now, move=move, ahead=before)
            if wait > until:
                until, counter = wait, cost.counter
        return Wait(until, counter) if counter else None

    def touched(self, costs: Sequence[Cost], move: Move | None) -> list[str]:
        """The counters that `costs` take from, each symbol's own told apart."""
        names = []
        for cost in costs:
            if self._mirror(cost.counter).spec.per_symbol:
                names.append(f"{cost.counter} {move.symbol if move is not None else None}")
            elif cost.units:
                names.append(cost.counter)
        return names

    def observe(
        self, used: Mapping[str, int], now: float, *, asked_at: float | None = None
    ) -> None:
        """Raise the mirror to what the venue's headers say; `now` is when they arrived.

        `asked_at` is when the request left that they answer: a slow answer may tell of a window
        that has ended. None: just now.

        A lower figure changes nothing: it left the venue before our latest requests came in.
        Counters that are not mirrored here are passed over, since venues add headers as they like.
        """
        for name, units in used.items():
            mirror = self._mirrors.get(name)
            if mirror is not None:
                mirror.observe(units, now, asked_at=asked_at)

    def used(self, counter: str, now: float) -> float:
        """What the present window has been charged, or where the level stands."""
        return self._mirror(counter).used(now)

    def window_end(self, counter: str, now: float) -> float:
        """When the present window ends: a 429 without a time ends there."""
        return self._mirror(counter).ends_at(now)

    def has_headroom(self, costs: Sequence[Cost], now: float, *, share: float = 0.70) -> bool:
        """True while the counters are used at less than `share` of an even pace, these included.

        A retry of something that the venue certainly did not do may then be paid by the limit that
        would go unused, instead of by the retry budget.
        """
        return all(
            self._mirror(cost.counter).has_headroom(cost.units, now, share=share) for cost in costs
        )

    def _mirror(self, counter: str) -> Mirror:
        mirror = self._mirrors.get(counter)
        if mirror is None:
            raise ConfigurationError(
                f"counter {counter!r} is not mirrored; this limiter has {sorted(self._mirrors)}"
            )
        return mirror


def _is_like(known: CounterSpec, spec: CounterSpec) -> bool:
    """True where one kind of mirror serves both."""
    is_window = known.decay_per_s is None
    return is_window == (spec.decay_per_s is None) and known.per_symbol == spec.per_symbol


def _merged(costs: Sequence[Cost]) -> Sequence[Cost]:
    """The same costs with each counter named once, so that all of it is checked together."""
    if len(costs) < 2 or (len(costs) == 2 and costs[0].counter != costs[1].counter):
        return costs
    units: dict[str, int] = {}
    for cost in costs:
        units[cost.counter] = units.get(cost.counter, 0) + cost.units
    return [Cost(counter, of_it) for counter, of_it in units.items()]


def _checked_doubt(clock_doubt_s: float) -> float:
    if not 0 <= clock_doubt_s < inf:
        raise ConfigurationError(
            f"clock_doubt_s is {clock_doubt_s}; it must be finite and not negative"
        )
    return clock_doubt_s
