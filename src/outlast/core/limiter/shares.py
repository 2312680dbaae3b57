"""How much of each counter belongs to whom."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor
from typing import Final

from outlast.wire import Lane

__all__ = ["LANE_SHARES", "level_ceilings", "window_ceilings"]

LANE_SHARES: Final[Mapping[Lane, float]] = {
    Lane.SAFETY: 0.98,
    Lane.RECONCILE: 0.90,
    Lane.TRADE: 0.85,
    Lane.DATA: 0.60,
}
"""How far each lane may fill a window. A reservation, not a loan: what a snapshot has spent does
not come back when a cancel needs it. The last 8 % belong to SAFETY alone: 480 cancels a minute on
Binance spot, 192 on its futures. The 2 % that nobody gets are for what a neighbour on the same IP
sends between two headers."""

_RECONCILE_POINTS: Final = 5.0
"""Of a draining counter: what TRADE and DATA leave alone. One look at the open orders and one at
the closed ones (1 + 4 on Kraken) must fit at any time, since settling an order takes both."""


def window_ceilings(limit: int, *, data_share: float = 1.0) -> tuple[int, ...]:
    """By lane. Of a small limit SAFETY keeps one unit at least; a limit of 1 is for everybody.

    `data_share` is the part of its own that DATA may use: see `DataShare`.
    """
    ceilings = [max(1, floor(LANE_SHARES[lane] * limit)) for lane in sorted(Lane)]
    ceilings[Lane.SAFETY] = max(ceilings[Lane.SAFETY], min(limit, ceilings[Lane.RECONCILE] + 1))
    ceilings[Lane.DATA] = max(1, floor(data_share * ceilings[Lane.DATA]))
    return tuple(ceilings)


def level_ceilings(limit: int, *, doubt: float) -> tuple[float, ...]:
    """By lane, for a counter that drains. `doubt` is what it may stand higher than we think.

    Such counters are small (15 to 20 points) and nobody else fills them, so SAFETY has all of it,
    and the shares of the others are whole points rather than percentages.
    """
    safety = max(1.0, limit - doubt)
    reconcile = max(1.0, min(LANE_SHARES[Lane.RECONCILE] * limit, safety - 1.0))
    trade = max(1.0, min(LANE_SHARES[Lane.TRADE] * limit, reconcile - _RECONCILE_POINTS))
    data = max(1.0, min(LANE_SHARES[Lane.DATA] * limit, trade))
    return (safety, reconcile, trade, data)
