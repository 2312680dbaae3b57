"""Trading bots that outlast their exchange's outages.

`connect` gives a session at one venue; `limit`, `market`, `stop` and `take_profit` make orders for
it. Every failure says what became of the order: `NotSent`, `Refused`, or `OutcomeUnknown`.

`guard` puts the same on an existing ccxt exchange, in one line; nothing of ccxt is loaded before.
"""

import importlib
import typing

from outlast.errors import (
    AuthenticationFailed,
    BannedByVenue,
    BreakerOpen,
    BudgetSpent,
    ConfigurationError,
    ConnectFailed,
    DeadlinePassed,
    InvalidOrder,
    JournalUnavailable,
    LimiterFull,
    Maintenance,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    OutlastError,
    Overloaded,
    ReadFailed,
    Refused,
    RefusedTooOften,
    StaleData,
    Throttled,
    TradingHalted,
    UnknownInstrument,
    UnknownOrder,
)
from outlast.model import (
    Balance,
    Execution,
    Health,
    Instrument,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Plane,
    Position,
    Side,
    TimeInForce,
    TradingState,
    limit,
    market,
    stop,
    take_profit,
)
from outlast.venues import venues  # at once: the package of this name would hide it

if typing.TYPE_CHECKING:
    from outlast.adapters.ccxt import guard, unguard
    from outlast.client.connect import connect, connect_from_env
    from outlast.client.exits import CloseReport
    from outlast.client.gate_settings import GateSettings
    from outlast.client.hedges import Hedge, HedgeOffer, HedgeReport
    from outlast.client.orders import CancelReport
    from outlast.client.session import ReconcileReport, Session
    from outlast.client.settings import Settings
    from outlast.client.several import Venues, connect_many
    from outlast.client.venue_health import VenueHealth
    from outlast.core.books import BookPeek, BookSettings, BookView, ResyncSettings, Sweep
    from outlast.stream_wire import Candle, PublicTrade, Ticker

ACTIVE = TradingState.ACTIVE
REDUCING = TradingState.REDUCING
CANCEL_ONLY = TradingState.CANCEL_ONLY
HALTED = TradingState.HALTED

__all__ = [
    "ACTIVE",
    "CANCEL_ONLY",
    "HALTED",
    "REDUCING",
    "AuthenticationFailed",
    "Balance",
    "BannedByVenue",
    "BookPeek",
    "BookSettings",
    "BookView",
    "BreakerOpen",
    "BudgetSpent",
    "CancelReport",
    "Candle",
    "CloseReport",
    "ConfigurationError",
    "ConnectFailed",
    "DeadlinePassed",
    "Execution",
    "GateSettings",
    "Health",
    "Hedge",
    "HedgeOffer",
    "HedgeReport",
    "Instrument",
    "InvalidOrder",
    "JournalUnavailable",
    "LimiterFull",
    "Maintenance",
    "NotSent",
    "Order",
    "OrderRejected",
    "OrderRequest",
    "OrderStatus",
    "OrderType",
    "OutcomeUnknown",
    "OutlastError",
    "Overloaded",
    "Plane",
    "Position",
    "PublicTrade",
    "ReadFailed",
    "ReconcileReport",
    "Refused",
    "RefusedTooOften",
    "ResyncSettings",
    "Session",
    "Settings",
    "Side",
    "StaleData",
    "Sweep",
    "Throttled",
    "Ticker",
    "TimeInForce",
    "TradingHalted",
    "TradingState",
    "UnknownInstrument",
    "UnknownOrder",
    "VenueHealth",
    "Venues",
    "connect",
    "connect_from_env",
    "connect_many",
    "guard",
    "limit",
    "market",
    "stop",
    "take_profit",
    "unguard",
    "venues",
]

_LATER = {
    "BookPeek": "outlast.core.books",
    "BookSettings": "outlast.core.books",
    "BookView": "outlast.core.books",
    "CancelReport": "outlast.client.orders",
    "Candle": "outlast.stream_wire",
    "CloseReport": "outlast.client.exits",
    "GateSettings": "outlast.client.gate_settings",
    "Hedge": "outlast.client.hedges",
    "HedgeOffer": "outlast.client.hedges",
    "HedgeReport": "outlast.client.hedges",
    "PublicTrade": "outlast.stream_wire",
    "ReconcileReport": "outlast.client.session",
    "ResyncSettings": "outlast.core.books",
    "Session": "outlast.client.session",
    "Settings": "outlast.client.settings",
    "Sweep": "outlast.core.books",
    "Ticker": "outlast.stream_wire",
    "VenueHealth": "outlast.client.venue_health",
    "Venues": "outlast.client.several",
    "connect": "outlast.client.connect",
    "connect_from_env": "outlast.client.connect",
    "connect_many": "outlast.client.several",
    "guard": "outlast.adapters.ccxt",
    "unguard": "outlast.adapters.ccxt",
}
"""What is loaded when it is first asked for: the front door itself opens at once."""


def __getattr__(name: str) -> typing.Any:
    if name in ("adapters", "sync", "testing"):
        return importlib.import_module(f"outlast.{name}")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
