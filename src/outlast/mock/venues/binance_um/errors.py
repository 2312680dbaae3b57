"""The venue's error codes: their words, their HTTP statuses, and what each engine refusal becomes.

Source: Binance USD-M futures docs, Error Codes and General Info (HTTP return codes). Statuses that
the documentation does not pair with a code follow what public issue threads show.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

from outlast.mock.engine.model import EngineMode, Instrument, Rejected, RejectReason
from outlast.mock.venues.binance_um.figures import plain

__all__ = ["MESSAGES", "Purpose", "VenueRefusal", "refusal_of", "status_of"]

MESSAGES: Final[Mapping[int, str]] = {
    -1001: "Internal error; unable to process your request. Please try again.",
    -1007: (
        "Timeout waiting for response from backend server. "
        "Send status unknown; execution status unknown."
    ),
    -1016: "This service is no longer available.",
    -1020: "This operation is not supported.",
    -1022: "Signature for this request is not valid.",
    -1023: "Start time is greater than end time.",
    -1111: "Precision is over the maximum defined for this asset.",
    -1115: "Invalid timeInForce.",
    -1116: "Invalid orderType.",
    -1117: "Invalid side.",
    -1120: "Invalid interval.",
    -1121: "Invalid symbol.",
    -1125: (
        "This listenKey does not exist. "
        "Please use `POST /fapi/v1/listenKey` to recreate `listenKey`"
    ),
    -1128: "Combination of optional parameters invalid.",
    -1131: "recvWindow must be less than 60000",
    -1136: "Invalid newOrderRespType.",
    -2010: "NEW_ORDER_REJECTED",
    -2011: "Unknown order sent.",
    -2013: "Order does not exist.",
    -2014: "API-key format invalid.",
    -2015: "Invalid API-key, IP, or permissions for action.",
    -2018: "Balance is insufficient.",
    -2019: "Margin is insufficient.",
    -2021: "Order would immediately trigger.",
    -2022: "ReduceOnly Order is rejected.",
    -2023: "User in liquidation mode now.",
    -2025: "Reach max open order limit.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4001: "Price less than 0.",
    -4002: "Price greater than max price.",
    -4003: "Quantity less than zero.",
    -4004: "Quantity less than min quantity.",
    -4005: "Quantity greater than max quantity.",
    -4006: "Stop price less than zero.",
    -4013: "Price less than min price.",
    -4014: "Price not increased by tick size.",
    -4023: "Qty not increased by step size.",
    -4031: "Invalid parameter working type",
    -4032: "Exceed maximum cancel order size.",
    -4046: "No need to change margin type.",
    -4059: "No need to change position side.",
    -4060: "Invalid position side.",
    -4061: "Order's position side does not match user's setting.",
    -4082: "Invalid number of batch place orders.",
    -4087: "User can only place reduce only order",
    -4088: "User can not place order currently",
    -4116: "ClientOrderId is duplicated.",
    -4118: "ReduceOnly Order Failed. Please check your existing position and open orders",
    -4120: (
        "Order type not supported for this endpoint. "
        "Please use the Algo Order API endpoints instead."
    ),
    -4131: "The counterparty's best price does not meet the PERCENT_PRICE filter limit",
    -4135: "Invalid activation price",
    -4137: "Quantity must be zero with closePosition equals true",
    -4138: "Reduce only must be true with closePosition equals true",
    -4140: "Invalid symbol status for opening position",
    -4141: "Symbol is closed",
    -4171: ("Adjusted asset mode is currently set and does not need to be adjusted repeatedly."),
    -5021: "Due to the order could not be filled immediately, the FOK order has been rejected.",
    -5022: (
        "Due to the order could not be executed as maker, the Post Only order will be rejected."
    ),
    -5024: "Symbol is not in trading status. Order amendment is not permitted.",
    -5025: "Only limit order is supported.",
    -5027: "No need to modify the order.",
    -5028: "Timestamp for this request is outside of the ME recvWindow.",
    -5037: "Invalid price match",
    -5038: "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT",
    -5039: "Invalid self trade prevention mode",
    -5040: (
        "The goodTillDate timestamp must be greater than the current time plus 600 seconds "
        "and smaller than 253402300799000 (UTC 9999-12-31 23:59:59)"
    ),
    -5041: "No depth matches this BBO order",
}

_STATUSES: Final[Mapping[int, int]] = {
    -1001: 503,
    -1007: 408,
    -1016: 503,
    -2014: 401,
    -2015: 401,
}


def status_of(code: int) -> int:
    """Give the HTTP status that travels with a code; 400 unless the venue is known to differ."""
    return _STATUSES.get(code, 400)


class VenueRefusal(Exception):
    """The venue's own no: a code and its words. It never leaves the dialect."""

    def __init__(self, code: int, msg: str | None = None) -> None:
        self.code = code
        self.msg = MESSAGES[code] if msg is None else msg
        super().__init__(f"{code} {self.msg}")

    @property
    def status(self) -> int:
        return status_of(self.code)

    @classmethod
    def mandatory(cls, name: str) -> VenueRefusal:
        return cls(
            -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        )

    @classmethod
    def one_of(cls, first: str, second: str) -> VenueRefusal:
        return cls(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")

    @classmethod
    def illegal(cls, name: str, legal: str) -> VenueRefusal:
        return cls(
            -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
        )

    @classmethod
    def invalid(cls, name: str) -> VenueRefusal:
        return cls(-1130, f"Data sent for parameter '{name}' is not valid.")

    @classmethod
    def not_required(cls, name: str) -> VenueRefusal:
        return cls(-1106, f"Parameter '{name}' sent when not required.")


class Purpose(Enum):
    """What a request wants of the engine; the same refusal reads differently for each."""

    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"


_CODES: Final[Mapping[RejectReason, int]] = {
    RejectReason.UNKNOWN_SYMBOL: -1121,
    RejectReason.SYMBOL_CLOSED: -4141,
    RejectReason.PRICE_TICK: -4014,
    RejectReason.PRICE_BELOW_MIN: -4013,
    RejectReason.PRICE_ABOVE_MAX: -4002,
    RejectReason.QTY_STEP: -4023,
    RejectReason.QTY_BELOW_MIN: -4004,
    RejectReason.QTY_ABOVE_MAX: -4005,
    RejectReason.DUPLICATE_CLIENT_ID: -4116,
    RejectReason.INSUFFICIENT_BALANCE: -2018,
    RejectReason.INSUFFICIENT_MARGIN: -2019,
    RejectReason.REDUCE_ONLY_REJECTED: -2022,
    RejectReason.REDUCE_ONLY_WOULD_FLIP: -4118,
    RejectReason.POST_ONLY_WOULD_TAKE: -5022,
    RejectReason.FOK_UNFILLABLE: -5021,
    RejectReason.NO_LIQUIDITY: -4131,
    RejectReason.WOULD_TRIGGER: -2021,
    RejectReason.TOO_MANY_OPEN_ORDERS: -2025,
    RejectReason.IN_LIQUIDATION: -2023,
    RejectReason.NOT_MODIFIED: -5027,
    RejectReason.EXPIRY_INVALID: -5040,
}

_MODE_CODES: Final[Mapping[EngineMode, int]] = {
    EngineMode.CANCEL_ONLY: -4140,
    EngineMode.HALTED: -4140,
    EngineMode.AUCTION: -4140,
    EngineMode.MAINTENANCE: -4141,
    EngineMode.REDUCE_ONLY: -4087,
    EngineMode.LIMIT_ONLY: -4131,
    EngineMode.POST_ONLY: -4088,
}
"""New orders. The venue documents symbol statuses, not engine modes: -4140/-4141 are its answers
for a symbol that does not trade; reduce-only, limit-only and post-only exist there as account or
market states, and get the code whose remedy is the same."""


def refusal_of(
    rejected: Rejected, *, purpose: Purpose, instrument: Instrument, mark: Decimal
) -> VenueRefusal:
    """Translate the engine's no into the venue's code and words.

    `mark` and the instrument supply the numbers that some texts quote.
    """
    match rejected.reason:
        case RejectReason.MODE:
            return VenueRefusal(_mode_code(rejected.detail, purpose))
        case RejectReason.UNKNOWN_ORDER:
            return VenueRefusal(-2011 if purpose is Purpose.CANCEL else -2013)
        case RejectReason.PRICE_ABOVE_BAND:
            highest = plain(_to_tick(mark * instrument.price_band_up, instrument.tick))
            return VenueRefusal(-4016, f"Limit price can't be higher than {highest}.")
        case RejectReason.PRICE_BELOW_BAND:
            lowest = plain(_to_tick(mark * instrument.price_band_down, instrument.tick))
            return VenueRefusal(-4024, f"Limit price can't be lower than {lowest}.")
        case RejectReason.NOTIONAL_BELOW_MIN:
            least = plain(instrument.notional_min)
            if purpose is Purpose.AMEND:
                return VenueRefusal(-5029, f"Order's notional must be no smaller than {least}")
            return VenueRefusal(
                -4164,
                f"Order's notional must be no smaller than {least} (unless you choose reduce only)",
            )
    return VenueRefusal(_CODES[rejected.reason])


def _mode_code(detail: str, purpose: Purpose) -> int:
    if purpose is Purpose.AMEND:
        return -5024
    if purpose is Purpose.CANCEL:
        return -4141
    return _MODE_CODES.get(EngineMode(detail), -4140)


def _to_tick(price: Decimal, tick: Decimal) -> Decimal:
    return price // tick * tick
