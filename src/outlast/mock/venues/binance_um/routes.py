"""Every path of the venue: its name, endpoint class, who may call it and what it costs.

Source: Binance USD-M futures docs, one page per endpoint (security type, "Request Weight",
"Order Rate Limit"); Wallet docs for `/sapi`. Endpoint classes are the scenario language's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["ROUTES", "Route", "Security", "find"]


class Security(Enum):
    """What a path asks for: nothing, the key header, or key, timestamp and signature."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    name: str
    endpoint: str
    security: Security
    weight: int = 1
    """Request weight; `weights.py` corrects the ones that depend on parameters."""
    orders: int = 0
    """What a successful call adds to the order counters."""


_N, _K, _S = Security.NONE, Security.KEY, Security.SIGNED

ROUTES: Final[tuple[Route, ...]] = (
    # Reachability and clock. Some clients ask spot's paths on the futures host.
    Route("GET", "/fapi/v1/ping", "ping", "time", _N),
    Route("GET", "/fapi/v1/time", "time", "time", _N),
    Route("GET", "/api/v3/ping", "ping", "time", _N),
    Route("GET", "/api/v3/time", "time", "time", _N),
    Route("GET", "/sapi/v1/system/status", "system_status", "system.status", _N),
    # Market
    Route("GET", "/fapi/v1/exchangeInfo", "exchange_info", "market.meta", _N),
    Route("GET", "/fapi/v1/depth", "depth", "market.read", _N, 10),
    Route("GET", "/fapi/v1/trades", "trades", "market.read", _N, 5),
    Route("GET", "/fapi/v1/historicalTrades", "historical_trades", "market.read", _K, 200),
    Route("GET", "/fapi/v1/aggTrades", "agg_trades", "market.read", _N, 20),
    Route("GET", "/fapi/v1/klines", "klines", "market.read", _N, 2),
    Route("GET", "/fapi/v1/premiumIndex", "premium_index", "market.read", _N),
    Route("GET", "/fapi/v1/fundingRate", "funding_rate", "market.read", _N),
    Route("GET", "/fapi/v1/ticker/24hr", "ticker_24hr", "market.read", _N),
    Route("GET", "/fapi/v1/ticker/price", "ticker_price", "market.read", _N),
    Route("GET", "/fapi/v2/ticker/price", "ticker_price", "market.read", _N),
    Route("GET", "/fapi/v1/ticker/bookTicker", "book_ticker", "market.read", _N, 2),
    # Orders
    Route("POST", "/fapi/v1/order", "order_new", "orders.create", _S, 0, 1),
    Route("POST", "/fapi/v1/order/test", "order_test", "orders.create", _S, 0),
    Route("PUT", "/fapi/v1/order", "order_amend", "orders.amend", _S, 0, 1),
    Route("GET", "/fapi/v1/order", "order_get", "orders.query", _S),
    Route("DELETE", "/fapi/v1/order", "order_cancel", "orders.cancel", _S),
    Route("POST", "/fapi/v1/batchOrders", "batch_new", "orders.create", _S, 5, 5),
    Route("DELETE", "/fapi/v1/batchOrders", "batch_cancel", "orders.cancel", _S),
    Route("GET", "/fapi/v1/openOrder", "open_order_get", "orders.query", _S),
    Route("GET", "/fapi/v1/openOrders", "open_orders", "orders.open", _S),
    Route("DELETE", "/fapi/v1/allOpenOrders", "cancel_all", "orders.cancel_all", _S),
    Route("GET", "/fapi/v1/allOrders", "all_orders", "orders.query", _S, 5),
    Route("GET", "/fapi/v1/userTrades", "user_trades", "fills.query", _S, 5),
    Route("GET", "/fapi/v1/income", "income", "fills.query", _S, 30),
    Route("POST", "/fapi/v1/countdownCancelAll", "countdown", "orders.deadman", _S, 10),
    # Conditional orders
    Route("POST", "/fapi/v1/algoOrder", "algo_new", "orders.create", _S, 0, 1),
    Route("DELETE", "/fapi/v1/algoOrder", "algo_cancel", "orders.cancel", _S),
    Route("GET", "/fapi/v1/algoOrder", "algo_get", "orders.query", _S),
    Route("GET", "/fapi/v1/openAlgoOrders", "open_algos", "orders.open", _S),
    Route("GET", "/fapi/v1/allAlgoOrders", "all_algos", "orders.query", _S, 5),
    Route("DELETE", "/fapi/v1/algoOpenOrders", "cancel_all_algos", "orders.cancel_all", _S),
    # Account
    Route("GET", "/fapi/v2/account", "account_v2", "account.balances", _S, 5),
    Route("GET", "/fapi/v3/account", "account_v3", "account.balances", _S, 5),
    Route("GET", "/fapi/v2/balance", "balance", "account.balances", _S, 5),
    Route("GET", "/fapi/v3/balance", "balance", "account.balances", _S, 5),
    Route("GET", "/fapi/v2/positionRisk", "position_risk_v2", "account.positions", _S, 5),
    Route("GET", "/fapi/v3/positionRisk", "position_risk_v3", "account.positions", _S, 5),
    # Settings of the account
    Route("POST", "/fapi/v1/leverage", "leverage", "account.positions", _S),
    Route("POST", "/fapi/v1/marginType", "margin_type", "account.positions", _S),
    Route("GET", "/fapi/v1/leverageBracket", "leverage_bracket", "market.meta", _S),
    Route("GET", "/fapi/v1/symbolConfig", "symbol_config", "account.positions", _S, 5),
    Route("GET", "/fapi/v1/accountConfig", "account_config", "account.positions", _S, 5),
    Route("GET", "/fapi/v1/positionSide/dual", "position_side", "account.positions", _S, 30),
    Route("POST", "/fapi/v1/positionSide/dual", "position_side_set", "account.positions", _S),
    Route("GET", "/fapi/v1/multiAssetsMargin", "multi_assets", "account.positions", _S, 30),
    Route("POST", "/fapi/v1/multiAssetsMargin", "multi_assets_set", "account.positions", _S),
    Route("GET", "/fapi/v1/commissionRate", "commission_rate", "market.meta", _S, 20),
    Route("GET", "/fapi/v1/rateLimit/order", "order_limits", "account.positions", _S),
    Route("GET", "/fapi/v1/apiTradingStatus", "trading_status", "account.positions", _S),
    Route("GET", "/sapi/v1/capital/config/getall", "coins", "market.meta", _S),
    Route("GET", "/sapi/v1/margin/allPairs", "margin_pairs", "market.meta", _K),
    # The user stream's key
    Route("POST", "/fapi/v1/listenKey", "listen_key_new", "stream.key", _K),
    Route("PUT", "/fapi/v1/listenKey", "listen_key_keep", "stream.key", _K),
    Route("DELETE", "/fapi/v1/listenKey", "listen_key_drop", "stream.key", _K),
)

_BY_PATH: Final[Mapping[tuple[str, str], Route]] = {
    (route.method, route.path): route for route in ROUTES
}


def find(method: str, path: str) -> Route | None:
    """Give the route of a request, or None when the venue has no such path or method."""
    return _BY_PATH.get((method, path))
