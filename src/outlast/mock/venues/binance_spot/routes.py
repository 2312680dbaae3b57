"""Every path of the venue: its name, endpoint class, who may call it and what it costs.

Source: Binance spot API docs, rest-api.md (security type and weight of each endpoint); Wallet docs
for `/sapi`, which has a weight pool of its own that the mock does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from outlast.mock.keys import Account
from outlast.mock.venues.binance_um.routes import Route, Security
from outlast.mock.venues.dialect import Call

__all__ = ["ROUTES", "Route", "Security", "SocketCall", "find", "route_of"]

_N, _K, _S = Security.NONE, Security.KEY, Security.SIGNED

ROUTES: Final[tuple[Route, ...]] = (
    # Reachability and clock
    Route("GET", "/api/v3/ping", "ping", "time", _N),
    Route("GET", "/api/v3/time", "time", "time", _N),
    Route("GET", "/sapi/v1/system/status", "system_status", "system.status", _N, 0),
    # Market
    Route("GET", "/api/v3/exchangeInfo", "exchange_info", "market.meta", _N, 20),
    Route("GET", "/api/v3/executionRules", "execution_rules", "market.meta", _N, 2),
    Route("GET", "/api/v3/depth", "depth", "market.read", _N, 5),
    Route("GET", "/api/v3/trades", "trades", "market.read", _N, 25),
    Route("GET", "/api/v3/historicalTrades", "historical_trades", "market.read", _N, 25),
    Route("GET", "/api/v3/aggTrades", "agg_trades", "market.read", _N, 4),
    Route("GET", "/api/v3/klines", "klines", "market.read", _N, 2),
    Route("GET", "/api/v3/uiKlines", "klines", "market.read", _N, 2),
    Route("GET", "/api/v3/avgPrice", "avg_price", "market.read", _N, 2),
    Route("GET", "/api/v3/ticker", "ticker", "market.read", _N, 4),
    Route("GET", "/api/v3/ticker/24hr", "ticker_24hr", "market.read", _N, 2),
    Route("GET", "/api/v3/ticker/tradingDay", "ticker_day", "market.read", _N, 4),
    Route("GET", "/api/v3/ticker/price", "ticker_price", "market.read", _N, 2),
    Route("GET", "/api/v3/ticker/bookTicker", "book_ticker", "market.read", _N, 2),
    # Orders
    Route("POST", "/api/v3/order", "order_new", "orders.create", _S, 1, 1),
    Route("POST", "/api/v3/order/test", "order_test", "orders.create", _S, 1),
    Route("POST", "/api/v3/order/cancelReplace", "cancel_replace", "orders.create", _S, 1, 1),
    Route("PUT", "/api/v3/order/amend/keepPriority", "order_amend", "orders.amend", _S, 4),
    Route("GET", "/api/v3/order/amendments", "amendments", "orders.query", _S, 4),
    Route("GET", "/api/v3/order", "order_get", "orders.query", _S, 4),
    Route("DELETE", "/api/v3/order", "order_cancel", "orders.cancel", _S, 1),
    Route("GET", "/api/v3/openOrders", "open_orders", "orders.open", _S, 6),
    Route("DELETE", "/api/v3/openOrders", "cancel_all", "orders.cancel_all", _S, 1),
    Route("GET", "/api/v3/allOrders", "all_orders", "orders.query", _S, 20),
    Route("GET", "/api/v3/myTrades", "my_trades", "fills.query", _S, 20),
    Route("GET", "/api/v3/myPreventedMatches", "prevented_matches", "fills.query", _S, 2),
    # Order lists, which no symbol of the mock allows
    Route("POST", "/api/v3/order/oco", "list_new_oco", "orders.create", _S, 1),
    Route("POST", "/api/v3/orderList/oco", "list_new_oco", "orders.create", _S, 1),
    Route("POST", "/api/v3/orderList/oto", "list_new_oto", "orders.create", _S, 1),
    Route("POST", "/api/v3/orderList/otoco", "list_new_oto", "orders.create", _S, 1),
    Route("POST", "/api/v3/orderList/opo", "list_new_oto", "orders.create", _S, 1),
    Route("POST", "/api/v3/orderList/opoco", "list_new_oto", "orders.create", _S, 1),
    Route("DELETE", "/api/v3/orderList", "list_cancel", "orders.cancel", _S, 1),
    Route("GET", "/api/v3/orderList", "list_get", "orders.query", _S, 4),
    Route("GET", "/api/v3/allOrderList", "lists_all", "orders.query", _S, 20),
    Route("GET", "/api/v3/openOrderList", "lists_open", "orders.query", _S, 6),
    # Account
    Route("GET", "/api/v3/account", "account", "account.balances", _S, 20),
    Route("GET", "/api/v3/account/commission", "commission", "market.meta", _S, 20),
    Route("GET", "/api/v3/rateLimit/order", "order_limits", "account.balances", _S, 40),
    # Wallet
    Route("GET", "/sapi/v1/asset/tradeFee", "trade_fee", "market.meta", _S, 0),
    Route("GET", "/sapi/v1/capital/config/getall", "coins", "account.balances", _S, 0),
    Route("POST", "/sapi/v3/asset/getUserAsset", "user_assets", "account.balances", _S, 0),
    Route("GET", "/sapi/v1/account/status", "account_status", "market.meta", _S, 0),
    Route("GET", "/sapi/v1/account/apiTradingStatus", "trading_status", "market.meta", _S, 0),
    Route("GET", "/sapi/v1/account/apiRestrictions", "key_rights", "market.meta", _S, 0),
    Route("GET", "/sapi/v1/margin/allPairs", "margin_pairs", "market.meta", _K, 0),
    Route("GET", "/sapi/v1/margin/allAssets", "margin_pairs", "market.meta", _K, 0),
    Route("GET", "/sapi/v1/margin/isolated/allPairs", "margin_pairs", "market.meta", _S, 0),
    # Removed on 2026-02-20
    Route("POST", "/api/v3/userDataStream", "gone", "stream.key", _N, 0),
    Route("PUT", "/api/v3/userDataStream", "gone", "stream.key", _N, 0),
    Route("DELETE", "/api/v3/userDataStream", "gone", "stream.key", _N, 0),
)

_BY_PATH: Final[Mapping[tuple[str, str], Route]] = {
    (route.method, route.path): route for route in ROUTES
}


def find(method: str, path: str) -> Route | None:
    """Give the route of a request, or None when the venue has no such path or method."""
    return _BY_PATH.get((method, path))


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketCall(Call):
    """A call that came over the WebSocket API."""

    route: Route
    session: Account | None = None
    """Who has logged on to the connection, when the request itself carries no key."""
    microseconds: bool = False
    """Whether the connection was opened with `timeUnit=MICROSECOND`."""


def route_of(call: Call) -> Route:
    """Give the route of a call of either door."""
    if isinstance(call, SocketCall):
        return call.route
    route = find(call.message.method, call.message.path)
    assert route is not None, f"{call.name} was not routed here"
    return route
