"""What may leave now, and when it may if not now: the venue's own limits, mirrored, and lanes.

`windows` and `levels` are its two kinds of counter, `trading` the one that Kraken keeps per pair,
`counters` all of them at once, `lanes` and `slots` who goes first, `data_share` who gives way,
`sliding` dials and messages.
"""

from outlast.core.limiter.counters import Limiter
from outlast.core.limiter.data_share import DataShare
from outlast.core.limiter.lanes import Busy, LaneQueue, Late, Ticket
from outlast.core.limiter.shares import LANE_SHARES
from outlast.core.limiter.sliding import (
    BINANCE_DIALS,
    BINANCE_MESSAGES,
    KRAKEN_DIALS,
    SlidingLimit,
    SlidingSpec,
)
from outlast.core.limiter.slots import SLOTS, Slots, SlotSettings
from outlast.core.limiter.terms import CounterSpec, Granted, Move, MoveKind, Wait
from outlast.core.limiter.trading import TradingCounter

__all__ = [
    "BINANCE_DIALS",
    "BINANCE_MESSAGES",
    "KRAKEN_DIALS",
    "LANE_SHARES",
    "SLOTS",
    "Busy",
    "CounterSpec",
    "DataShare",
    "Granted",
    "LaneQueue",
    "Late",
    "Limiter",
    "Move",
    "MoveKind",
    "SlidingLimit",
    "SlidingSpec",
    "SlotSettings",
    "Slots",
    "Ticket",
    "TradingCounter",
    "Wait",
]
