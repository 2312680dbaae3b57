"""The venue's error strings, and what each engine refusal becomes.

Source: Kraken docs, "Spot Errors" and support article "API error messages" (read 2026-05-27):
`<E|W><Category>:<Type>[:<extra>]`, over HTTP 200, clients match by prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlast.mock.engine.model import EngineMode, Rejected, RejectReason
from outlast.mock.venues.kraken_spot.figures import places
from outlast.mock.venues.kraken_spot.symbols import Pair

__all__ = [
    "BUSY",
    "DEADLINE_ELAPSED",
    "INTERNAL",
    "INVALID_KEY",
    "INVALID_NONCE",
    "INVALID_ORDER",
    "INVALID_SIGNATURE",
    "INVALID_TOKEN",
    "LOCKOUT",
    "NO_POSITION",
    "ORDER_RATE",
    "POST_ONLY",
    "RATE",
    "TOO_MANY",
    "UNAVAILABLE",
    "UNKNOWN_METHOD",
    "UNKNOWN_ORDER",
    "UNKNOWN_PAIR",
    "VenueRefusal",
    "invalid",
    "refusal_of",
]

BUSY: Final = "EService:Busy"
UNAVAILABLE: Final = "EService:Unavailable"
DEADLINE_ELAPSED: Final = "EService:Deadline elapsed"
INTERNAL: Final = "EGeneral:Internal error"
LOCKOUT: Final = "EGeneral:Temporary lockout"
TOO_MANY: Final = "EGeneral:Too many requests"
UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
INVALID_KEY: Final = "EAPI:Invalid key"
INVALID_SIGNATURE: Final = "EAPI:Invalid signature"
INVALID_NONCE: Final = "EAPI:Invalid nonce"
INVALID_TOKEN: Final = "EAPI:Invalid token"  # noqa: S105  # an error text
RATE: Final = "EAPI:Rate limit exceeded"
ORDER_RATE: Final = "EOrder:Rate limit exceeded"
UNKNOWN_PAIR: Final = "EQuery:Unknown asset pair"
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
INVALID_ORDER: Final = "EOrder:Invalid order"
NO_POSITION: Final = "EOrder:Reduce only:No position exists"
POST_ONLY: Final = "EOrder:Post only order"


class VenueRefusal(Exception):
    """The venue's own no, in its words. It never leaves the dialect."""

    def __init__(
        self,
        text: str,
        *,
        limited: str | None = None,
        absent: tuple[str, ...] = (),
    ) -> None:
        super().__init__(text)
        self.text = text
        self.limited = limited
        """`429` when a counter of the venue's own is full, `418` when it locks the key out."""
        self.absent = absent
        """Client order ids that the refusal says do not exist."""


def invalid(field: str) -> VenueRefusal:
    """The refusal of a field that is missing or cannot be understood."""
    return VenueRefusal(f"EGeneral:Invalid arguments:{field}")


_TEXTS: Final[Mapping[RejectReason, str]] = {
    RejectReason.UNKNOWN_SYMBOL: UNKNOWN_PAIR,
    RejectReason.SYMBOL_CLOSED: "EService:Market in cancel_only mode",
    RejectReason.PRICE_TICK: "EOrder:Tick size check failed",
    RejectReason.QTY_BELOW_MIN: "EOrder:Order minimum not met",
    RejectReason.NOTIONAL_BELOW_MIN: "EOrder:Cost minimum not met",
    RejectReason.DUPLICATE_CLIENT_ID: "EGeneral:Invalid arguments:cl_ord_id not unique",
    RejectReason.INSUFFICIENT_BALANCE: "EOrder:Insufficient funds",
    RejectReason.INSUFFICIENT_MARGIN: "EOrder:Insufficient margin",
    RejectReason.REDUCE_ONLY_REJECTED: NO_POSITION,
    RejectReason.REDUCE_ONLY_WOULD_FLIP: "EOrder:Reduce only:Position is closed",
    RejectReason.POST_ONLY_WOULD_TAKE: POST_ONLY,
    RejectReason.FOK_UNFILLABLE: INVALID_ORDER,
    RejectReason.NO_LIQUIDITY: INVALID_ORDER,
    RejectReason.WOULD_TRIGGER: "EOrder:Invalid price",
    RejectReason.TOO_MANY_OPEN_ORDERS: "EOrder:Orders limit exceeded",
    RejectReason.IN_LIQUIDATION: "EOrder:Margin level too low",
    RejectReason.UNKNOWN_ORDER: UNKNOWN_ORDER,
    RejectReason.NOT_MODIFIED: "EGeneral:Invalid arguments:no change",
    RejectReason.EXPIRY_INVALID: "EGeneral:Invalid arguments:expiretm",
}
"""The refusals with fixed words. Which string the venue gives for an amendment that changes nothing
is not documented beyond being an error."""

_MODES: Final[Mapping[EngineMode, str]] = {
    EngineMode.CANCEL_ONLY: "EService:Market in cancel_only mode",
    EngineMode.POST_ONLY: "EService:Market in post_only mode",
    EngineMode.LIMIT_ONLY: "EService:Market in limit_only mode",
    EngineMode.REDUCE_ONLY: "EService:Market in reduce_only mode",
    EngineMode.AUCTION: "EService:Market in post_only mode",
    EngineMode.MAINTENANCE: UNAVAILABLE,
    EngineMode.HALTED: UNAVAILABLE,
}
"""An auction takes resting limit orders only: of the venue's own modes post_only is nearest."""


def refusal_of(rejected: Rejected, pair: Pair) -> VenueRefusal:
    """Translate the engine's no into the venue's words."""
    match rejected.reason:
        case RejectReason.MODE:
            return VenueRefusal(_MODES.get(EngineMode(rejected.detail), UNAVAILABLE))
        case RejectReason.PRICE_BELOW_MIN | RejectReason.PRICE_ABOVE_MAX:
            return VenueRefusal(f"EOrder:Invalid price:{pair.wsname} price is out of range")
        case RejectReason.PRICE_ABOVE_BAND | RejectReason.PRICE_BELOW_BAND:
            return VenueRefusal(
                f"EOrder:Invalid price:{pair.wsname} price is too far from the market"
            )
        case RejectReason.QTY_STEP:
            decimals = places(pair.instrument.qty_step)
            return VenueRefusal(
                f"EGeneral:Invalid arguments:volume can only be specified up to {decimals} decimals"
            )
        case RejectReason.QTY_ABOVE_MAX:
            return VenueRefusal("EGeneral:Invalid arguments:volume maximum exceeded")
    return VenueRefusal(_TEXTS[rejected.reason])
