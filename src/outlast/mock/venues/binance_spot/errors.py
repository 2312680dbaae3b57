"""The venue's error codes: their words, their HTTP statuses, and what each engine refusal becomes.

The same numbers mean other things on futures: -1013, -2021, -2022 and -2026 among them.
Source: Binance spot API docs, errors.md and rest-api.md ("HTTP Return Codes"). Statuses that the
documentation does not pair with a code follow what public issue threads show.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from outlast.mock.engine.model import EngineMode, NewOrder, OrderType, Rejected, RejectReason
from outlast.mock.venues.binance_um.errors import VenueRefusal

__all__ = ["MESSAGES", "Purpose", "SpotRefusal", "VenueRefusal", "refusal_of", "status_of"]

_CLOSED: Final = "Market is closed."
_DISABLED: Final = "This action is disabled on this account."
_NO_MARKET_ORDERS: Final = "Market orders are not supported for this symbol."

MESSAGES: Final[Mapping[int, str]] = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1007: (
        "Timeout waiting for response from backend server. "
        "Send status unknown; execution status unknown."
    ),
    -1008: (
        "Server is currently overloaded with other requests. Please try again in a few minutes."
    ),
    -1014: "Unsupported order combination.",
    -1016: "This service is no longer available.",
    -1020: "This operation is not supported.",
    -1021: "Timestamp for this request is outside of the recvWindow.",
    -1022: "Signature for this request is not valid.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1122: "Invalid symbolStatus.",
    -1127: "More than 24 hours between startTime and endTime.",
    -1128: "Combination of optional parameters invalid.",
    -1131: "recvWindow must be less than 60000",
    -1134: "strategyType was less than 1000000.",
    -1135: "Invalid JSON Request",
    -1139: "Invalid ticker type.",
    -1145: "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED.",
    -1151: "Symbol is present multiple times in the list.",
    -1193: "WebSocket session not authenticated",
    -1194: "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.",
    -2010: "NEW_ORDER_REJECTED",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2018: "Order list does not exist.",
    -2021: "Order cancel-replace partially failed.",
    -2022: "Order cancel-replace failed.",
    -2026: (
        "Order was canceled or expired with no executed qty over 90 days ago and has been archived."
    ),
    -2028: "HMAC-SHA-256 API key is not supported",
    -2035: "User Data Stream subscription already active.",
    -2036: "User Data Stream subscription not active.",
    -2042: "User Data Stream subscription ids are exhausted; please reconnect.",
    -2039: "Client order ID is not correct for this order ID.",
}

_STATUSES: Final[Mapping[int, int]] = {
    -1000: 500,
    -1001: 500,
    -1007: 504,
    -1008: 503,
    -1016: 503,
    -1193: 401,
    -2014: 401,
    -2015: 401,
    -2021: 409,
}


def status_of(code: int) -> int:
    """Give the HTTP status that travels with a code; 400 unless the venue is known to differ."""
    return _STATUSES.get(code, 400)


class SpotRefusal(VenueRefusal):
    """The venue's own no. `data` is what cancel-replace tells besides."""

    def __init__(
        self, code: int, msg: str | None = None, *, data: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(code, MESSAGES[code] if msg is None else msg)
        self.data = data

    @property
    def status(self) -> int:
        return status_of(self.code)

    @classmethod
    def filter(cls, name: str) -> SpotRefusal:
        return cls(-1013, f"Filter failure: {name}")

    @classmethod
    def precision(cls, name: str) -> SpotRefusal:
        return cls(-1111, f"Parameter '{name}' has too much precision.")


class Purpose(Enum):
    """What a request wants of the engine; the same refusal reads differently for each."""

    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"


_FILTERS: Final[Mapping[RejectReason, str]] = {
    RejectReason.PRICE_TICK: "PRICE_FILTER",
    RejectReason.PRICE_BELOW_MIN: "PRICE_FILTER",
    RejectReason.PRICE_ABOVE_MAX: "PRICE_FILTER",
    RejectReason.PRICE_ABOVE_BAND: "PERCENT_PRICE_BY_SIDE",
    RejectReason.PRICE_BELOW_BAND: "PERCENT_PRICE_BY_SIDE",
    RejectReason.QTY_STEP: "LOT_SIZE",
    RejectReason.QTY_BELOW_MIN: "LOT_SIZE",
    RejectReason.QTY_ABOVE_MAX: "LOT_SIZE",
    RejectReason.NOTIONAL_BELOW_MIN: "NOTIONAL",
    RejectReason.TOO_MANY_OPEN_ORDERS: "MAX_NUM_ORDERS",
}
"""Rejected by the API: -1013, the matching engine never saw it."""

_WORDS: Final[Mapping[RejectReason, str]] = {
    RejectReason.SYMBOL_CLOSED: _CLOSED,
    RejectReason.DUPLICATE_CLIENT_ID: "Duplicate order sent.",
    RejectReason.INSUFFICIENT_BALANCE: "Account has insufficient balance for requested action.",
    RejectReason.POST_ONLY_WOULD_TAKE: "Order would immediately match and take.",
    RejectReason.WOULD_TRIGGER: "Order would trigger immediately.",
}
"""Rejected by the matching engine: -2010, or -2038 for an amendment."""


def refusal_of(rejected: Rejected, *, purpose: Purpose, request: NewOrder) -> SpotRefusal:
    """Translate the engine's no into the venue's code and words."""
    reason = rejected.reason
    if reason is RejectReason.UNKNOWN_SYMBOL:
        return SpotRefusal(-1121)
    if reason is RejectReason.UNKNOWN_ORDER:
        return SpotRefusal(-2011 if purpose is Purpose.CANCEL else -2013)
    if reason is RejectReason.NOT_MODIFIED:
        return SpotRefusal(-2038, "The requested action would change no state; rejecting.")
    if reason is RejectReason.MODE:
        return _mode_refusal(EngineMode(rejected.detail), purpose, request)
    if reason is RejectReason.QTY_ABOVE_MAX and request.type is OrderType.MARKET:
        return SpotRefusal.filter("MARKET_LOT_SIZE")
    if reason in _FILTERS:
        return SpotRefusal.filter(_FILTERS[reason])
    return SpotRefusal(-2038 if purpose is Purpose.AMEND else -2010, _WORDS[reason])


def _mode_refusal(mode: EngineMode, purpose: Purpose, request: NewOrder) -> SpotRefusal:
    """What a mode says to a request.

    The venue documents symbol statuses, not engine modes: a symbol that does not trade answers
    "Market is closed.". Limit-only, post-only and reduce-only exist there as settings of a symbol
    or an account, and get the words whose remedy is the same.
    """
    if purpose is Purpose.CANCEL:
        return SpotRefusal(-2011, _CLOSED)
    if purpose is Purpose.AMEND:
        return SpotRefusal(-2038, _CLOSED)
    if mode in (EngineMode.LIMIT_ONLY, EngineMode.POST_ONLY) and request.type is OrderType.MARKET:
        return SpotRefusal(-1013, _NO_MARKET_ORDERS)
    if mode in (EngineMode.LIMIT_ONLY, EngineMode.POST_ONLY, EngineMode.REDUCE_ONLY):
        return SpotRefusal(-2010, _DISABLED)
    return SpotRefusal(-1013, _CLOSED)
