"""What Binance says of its USD-M futures: one word for each symbol, and nothing for the whole.

The platform's flag (`/sapi/v1/system/status`) is about wallet and spot: it stood at normal while
futures were halted on 29 August 2025. So nothing is asked for here, and the session's own calls
judge.

Source: Binance USD-M futures docs, Exchange Information, contract status; Wallet docs, System
Status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.errors import Failure
from outlast.model import Instrument, Plane
from outlast.notices import PageMap, PageRule, SystemStatus, VenueMode
from outlast.wire import WireReply, WireRequest

__all__ = ["STATUS_PAGE", "query_system_status", "read_system_status", "symbol_mode"]

STATUS_PAGE: Final = PageMap(
    # For a page of one's own: a mirror, or the mock's.
    rules=(
        PageRule(
            r"usd.?-?m|um futures|\bfutures\b",
            frozenset({Plane.TRADING, Plane.ACCOUNT, Plane.MARKET_DATA}),
        ),
    ),
    ignored=(r"transfer|deposit|withdraw|coin.?-?m\b|options",),
)

_SYMBOL_MODES: Final[Mapping[str, VenueMode]] = {
    "TRADING": VenueMode.ONLINE,
    "TRADING_CANCEL_ONLY": VenueMode.CANCEL_ONLY,
    "TRADING_HALT": VenueMode.CLOSED,
    "PENDING_TRADING": VenueMode.CLOSED,
    "PRE_SETTLE": VenueMode.CLOSED,
    "SETTLING": VenueMode.CLOSED,
    "PRE_DELIVERING": VenueMode.CLOSED,
    "DELIVERING": VenueMode.CLOSED,
    "DELIVERED": VenueMode.CLOSED,
    "CLOSE": VenueMode.CLOSED,
}


def query_system_status() -> WireRequest | None:
    """None: the product has no status of its own."""
    return None


def read_system_status(request: WireRequest, answer: WireReply | Failure) -> SystemStatus | Failure:
    """For the protocol's sake; there is no such request."""
    del request
    if isinstance(answer, Failure):
        return answer
    return SystemStatus(mode=VenueMode.UNKNOWN, word="")


def symbol_mode(instrument: Instrument) -> VenueMode:
    """What the venue takes on one symbol, as its list said when it was read last."""
    return _SYMBOL_MODES.get(instrument.venue_status, VenueMode.UNKNOWN)
