"""Trading bots that outlast their exchange's outages.

`connect` gives a session at one venue; `limit`, `market` and `stop` make orders for it. Every
failure says what became of the order: `NotSent`, `Refused`, or `OutcomeUnknown`.
"""

from outlast.client.connect import connect, connect_from_env
from outlast.client.exits import CloseReport
from outlast.client.orders import CancelReport
from outlast.client.session import ReconcileReport, Session
from outlast.client.settings import Settings
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
    Instrument,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    Side,
    TimeInForce,
    TradingState,
    limit,
    market,
    stop,
)
from outlast.venues import venues

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
    "BreakerOpen",
    "BudgetSpent",
    "CancelReport",
    "CloseReport",
    "ConfigurationError",
    "ConnectFailed",
    "DeadlinePassed",
    "Execution",
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
    "Position",
    "ReadFailed",
    "ReconcileReport",
    "Refused",
    "RefusedTooOften",
    "Session",
    "Settings",
    "Side",
    "StaleData",
    "Throttled",
    "TimeInForce",
    "TradingHalted",
    "TradingState",
    "UnknownInstrument",
    "UnknownOrder",
    "connect",
    "connect_from_env",
    "limit",
    "market",
    "stop",
    "venues",
]
