"""Every method of the venue: its name, endpoint class, and what it costs.

Source: Kraken docs, REST API pages and "Spot REST Rate Limits" (2026-05-27: history calls 4, other
private calls 1; order entry has the trading engine's counter instead). Endpoint classes are the
scenario language's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["ROUTES", "Route", "find"]

_HISTORY_COST: Final = 4


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    """The method as it stands in the path."""
    endpoint: str
    private: bool = False
    calls: int = 0
    """What it adds to the private call counter."""

    @property
    def path(self) -> str:
        return f"/0/{'private' if self.private else 'public'}/{self.name}"


def _private(name: str, endpoint: str, calls: int = 1) -> Route:
    return Route(name, endpoint, private=True, calls=calls)


ROUTES: Final[tuple[Route, ...]] = (
    Route("Time", "time"),
    Route("SystemStatus", "system.status"),
    Route("MaintenanceSchedule", "system.status"),
    Route("Assets", "market.meta"),
    Route("AssetPairs", "market.meta"),
    Route("Ticker", "market.read"),
    Route("OHLC", "market.read"),
    Route("Depth", "market.read"),
    Route("Trades", "market.read"),
    Route("Spread", "market.read"),
    _private("AddOrder", "orders.create", 0),
    _private("AddOrderBatch", "orders.create", 0),
    _private("AmendOrder", "orders.amend", 0),
    _private("EditOrder", "orders.amend", 0),
    _private("CancelOrder", "orders.cancel", 0),
    _private("CancelOrderBatch", "orders.cancel", 0),
    _private("CancelAll", "orders.cancel_all", 0),
    _private("CancelAllOrdersAfter", "orders.deadman", 0),
    _private("OpenOrders", "orders.open"),
    _private("QueryOrders", "orders.query"),
    _private("ClosedOrders", "orders.query", _HISTORY_COST),
    _private("TradesHistory", "fills.query", _HISTORY_COST),
    _private("QueryTrades", "fills.query"),
    _private("Ledgers", "fills.query", _HISTORY_COST),
    _private("QueryLedgers", "fills.query", _HISTORY_COST),
    _private("Balance", "account.balances"),
    _private("BalanceEx", "account.balances"),
    _private("TradeBalance", "account.balances"),
    _private("TradeVolume", "account.balances"),
    _private("OpenPositions", "account.positions"),
    _private("GetWebSocketsToken", "stream.key"),
)

_BY_PATH: Final[Mapping[str, Route]] = {route.path: route for route in ROUTES}


def find(method: str, path: str) -> Route | None:
    """The method that this request calls: public ones by GET or POST, private ones by POST."""
    route = _BY_PATH.get(path.rstrip("/"))
    if route is None or method not in ("GET", "POST") or (route.private and method != "POST"):
        return None
    return route
