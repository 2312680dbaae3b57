"""What is usual: a running estimate of the 95th percentile, and what is far above it."""

from __future__ import annotations

from typing import Final

__all__ = ["UsualLatency"]

_QUANTILE: Final = 0.95
_STEP: Final = 0.05
_UP: Final = 1 + _STEP * _QUANTILE
_DOWN: Final = 1 - _STEP * (1 - _QUANTILE)
_CALLS_MIN: Final = 20
"""Before so many calls nothing is usual yet."""
_SLOW_X: Final = 5.0
_SLOW_S_MIN: Final = 0.5
"""On a fast line five times the usual is still fast: less than this is slow for nobody."""


class UsualLatency:
    """The 95th percentile of one kind of call, by stochastic approximation: two numbers of state.

    Each sample above the estimate raises it by 19 parts, each below lowers it by 1, so that it
    rests where 5 % are above. Steps are shares of the estimate, so any scale is found.
    """

    __slots__ = ("_calls", "_p95_s")

    def __init__(self) -> None:
        self._calls = 0
        self._p95_s = 0.0

    @property
    def p95_s(self) -> float | None:
        return self._p95_s if self._calls >= _CALLS_MIN else None

    def is_slow(self, took_s: float) -> bool:
        """Take in one call that was answered; True when it took more than five times the usual."""
        self._calls += 1
        if self._calls <= _CALLS_MIN:
            self._p95_s = max(self._p95_s, took_s)
            return False
        usual_s = self._p95_s
        self._p95_s = usual_s * (_UP if took_s > usual_s else _DOWN)
        return took_s > _SLOW_S_MIN and took_s > _SLOW_X * usual_s
