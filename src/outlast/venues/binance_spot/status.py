"""What Binance says of its spot side: one flag for the platform, one word for each symbol.

The flag tells of declared maintenance only. Binance has no status page that machines read.

Source: Binance Wallet docs, System Status; spot REST docs, enums, Symbol status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from outlast.errors import Failure
from outlast.model import Instrument, Plane
from outlast.notices import PageMap, PageRule, SystemStatus, VenueMode
from outlast.venues.binance_spot.requests import READ_WITHIN_S
from outlast.wire import Lane, WireReply, WireRequest

__all__ = ["STATUS_PAGE", "query_system_status", "read_system_status", "symbol_mode"]

STATUS_PAGE: Final = PageMap(
    # For a page of one's own: a mirror, or the mock's.
    rules=(PageRule(r"\bspot\b", frozenset({Plane.TRADING, Plane.ACCOUNT, Plane.MARKET_DATA})),),
    ignored=(r"transfer|deposit|withdraw|futures|margin|earn|p2p",),
)

_SYMBOL_MODES: Final[Mapping[str, VenueMode]] = {
    "TRADING": VenueMode.ONLINE,
    "CANCEL_ONLY": VenueMode.CANCEL_ONLY,
    "HALT": VenueMode.CLOSED,
    "BREAK": VenueMode.CLOSED,
    "END_OF_DAY": VenueMode.CLOSED,
    "PRE_TRADING": VenueMode.CLOSED,
    "POST_TRADING": VenueMode.CLOSED,
    "AUCTION_MATCH": VenueMode.CLOSED,
}
_NORMAL: Final = 0
_MAINTENANCE: Final = 1


class _Answer(msgspec.Struct):
    status: int
    msg: str = ""


def query_system_status() -> WireRequest:
    """The platform's flag. It counts against a pool of its own (sapi), not against the spot API."""
    return WireRequest(
        name="status.read",
        method="GET",
        path="/sapi/v1/system/status",
        plane=Plane.STATUS,
        lane=Lane.DATA,
        answer_within_s=READ_WITHIN_S,
    )


def read_system_status(request: WireRequest, answer: WireReply | Failure) -> SystemStatus | Failure:
    """`maintenance` or `online`. An answer without the flag says nothing."""
    del request
    if isinstance(answer, Failure):
        return answer
    try:
        told = msgspec.json.decode(answer.body, type=_Answer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        odd = ("the answer to system/status cannot be read",)
        return SystemStatus(mode=VenueMode.UNKNOWN, word="", oddities=odd)
    if told.status == _NORMAL:
        return SystemStatus(mode=VenueMode.ONLINE, word=told.msg or "normal")
    if told.status == _MAINTENANCE:
        return SystemStatus(mode=VenueMode.MAINTENANCE, word=told.msg or "system_maintenance")
    odd = (f"system status {told.status} is not known",)
    return SystemStatus(mode=VenueMode.UNKNOWN, word=str(told.status), oddities=odd)


def symbol_mode(instrument: Instrument) -> VenueMode:
    """What the venue takes on one symbol, as its list said when it was read last."""
    return _SYMBOL_MODES.get(instrument.venue_status, VenueMode.UNKNOWN)
