"""The requests of a plain client, one for each endpoint class of each venue, and its own signer."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

HELD = 48
"""So many orders at most rest in every account from the start, `held-0` and so on."""


@dataclass(frozen=True)
class Market:
    """What is traded in the tests of one scenario on one venue."""

    venue: str
    key: str
    """The scenario's own name of the instrument."""
    symbol: str
    """The name on the wire."""
    mid: Decimal
    tick: Decimal
    qty: Decimal
    """Small, and more than the least."""
    side: str = "BUY"
    """Of orders that add exposure and rest far from the market."""

    def away(self, price: Decimal, share: str) -> Decimal:
        """`price` by a share further from the market, on the tick."""
        factor = 1 - Decimal(share) if self.side == "BUY" else 1 + Decimal(share)
        return price * factor // self.tick * self.tick


@dataclass(frozen=True)
class Keys:
    name: str
    key: str
    secret: str


@dataclass(frozen=True)
class Sent:
    """One request as it goes on the wire, and by what its record can be found again."""

    endpoint: str
    method: str
    target: str
    tag: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    account: str = ""
    order: str = ""
    """The client order id that it is about."""
    reduces: bool | None = None
    price: str = ""
    qty: str = ""


_UM = {
    "market.read": ("GET", "/fapi/v1/depth", False),
    "market.meta": ("GET", "/fapi/v1/exchangeInfo", False),
    "time": ("GET", "/fapi/v1/time", False),
    "system.status": ("GET", "/sapi/v1/system/status", False),
    "orders.create": ("POST", "/fapi/v1/order", True),
    "orders.amend": ("PUT", "/fapi/v1/order", True),
    "orders.cancel": ("DELETE", "/fapi/v1/order", True),
    "orders.cancel_all": ("DELETE", "/fapi/v1/allOpenOrders", True),
    "orders.deadman": ("POST", "/fapi/v1/countdownCancelAll", True),
    "orders.query": ("GET", "/fapi/v1/order", True),
    "orders.open": ("GET", "/fapi/v1/openOrders", True),
    "fills.query": ("GET", "/fapi/v1/userTrades", True),
    "account.balances": ("GET", "/fapi/v3/balance", True),
    "account.positions": ("GET", "/fapi/v3/positionRisk", True),
    "stream.key": ("POST", "/fapi/v1/listenKey", True),
}
_SPOT = {
    "market.read": ("GET", "/api/v3/depth", False),
    "market.meta": ("GET", "/api/v3/exchangeInfo", False),
    "time": ("GET", "/api/v3/time", False),
    "system.status": ("GET", "/sapi/v1/system/status", False),
    "orders.create": ("POST", "/api/v3/order", True),
    "orders.amend": ("PUT", "/api/v3/order/amend/keepPriority", True),
    "orders.cancel": ("DELETE", "/api/v3/order", True),
    "orders.cancel_all": ("DELETE", "/api/v3/openOrders", True),
    "orders.query": ("GET", "/api/v3/order", True),
    "orders.open": ("GET", "/api/v3/openOrders", True),
    "fills.query": ("GET", "/api/v3/myTrades", True),
    "account.balances": ("GET", "/api/v3/account", True),
}
_KRAKEN = {
    "market.read": ("GET", "/0/public/Depth", False),
    "market.meta": ("GET", "/0/public/AssetPairs", False),
    "time": ("GET", "/0/public/Time", False),
    "system.status": ("GET", "/0/public/SystemStatus", False),
    "orders.create": ("POST", "/0/private/AddOrder", True),
    "orders.amend": ("POST", "/0/private/AmendOrder", True),
    "orders.cancel": ("POST", "/0/private/CancelOrder", True),
    "orders.cancel_all": ("POST", "/0/private/CancelAll", True),
    "orders.deadman": ("POST", "/0/private/CancelAllOrdersAfter", True),
    "orders.query": ("POST", "/0/private/ClosedOrders", True),
    "orders.open": ("POST", "/0/private/OpenOrders", True),
    "fills.query": ("POST", "/0/private/TradesHistory", True),
    "account.balances": ("POST", "/0/private/Balance", True),
    "account.positions": ("POST", "/0/private/OpenPositions", True),
    "stream.key": ("POST", "/0/private/GetWebSocketsToken", True),
}
PATHS = {"binance-um": _UM, "binance-spot": _SPOT, "kraken-spot": _KRAKEN}
NOT_ON_THE_VENUE = {
    # Transfers between wallets are not among the calls that the mock serves: the venues' own pages
    # for them belong to the wallet, not to the exchange.
    "binance-um": {"account.transfer"},
    # Spot has no positions, no dead-man's switch and, since 2026-02-20, no listen key.
    "binance-spot": {"account.transfer", "account.positions", "orders.deadman", "stream.key"},
    "kraken-spot": {"account.transfer"},
}
"""Endpoint classes of which a venue has no path; rules about them speak of the other venues."""


def request(
    endpoint: str,
    market: Market,
    keys: Keys,
    *,
    number: int,
    now_ms: int,
    order: str = "",
    price: Decimal | None = None,
    **terms: Any,
) -> Sent:
    """One request of this class; `number` is unlike that of any other request of the run.

    `order` is the client order id it is about, `price` that of a new or amended order; `terms` are
    parameters of the venue's own, in place of those that a plain client sends.
    """
    method, path, signed = PATHS[market.venue][endpoint]
    ours: dict[str, Any] = _PARAMS[market.venue](endpoint, market, order, price)
    params = {k: str(v) for k, v in (ours | terms).items() if v is not None}
    reduces = params.get("reduceOnly") == "true" if endpoint == "orders.create" else None
    what = {"account": keys.name, "order": order, "reduces": reduces, "price": str(price or "")}
    what["qty"] = params.get("newQty", "")
    if market.venue == "kraken-spot":
        if not signed:
            return Sent(endpoint, method, _with(path, params | {"tag": str(number)}), str(number))
        return _on_kraken(endpoint, path, params, keys, now_ms * 1_000_000 + number, what)
    params["tag"] = str(number)
    if not signed:
        return Sent(endpoint, method, _with(path, params), str(number))
    query = urlencode({**params, "recvWindow": "60000", "timestamp": str(now_ms)})
    signature = hmac.new(keys.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
    target = f"{path}?{query}&signature={signature}"
    return Sent(endpoint, method, target, str(number), {"X-MBX-APIKEY": keys.key}, **what)


def _with(path: str, params: dict[str, str]) -> str:
    return f"{path}?{urlencode(params)}"


def _on_kraken(
    endpoint: str, path: str, params: dict[str, str], keys: Keys, nonce: int, what: dict[str, Any]
) -> Sent:
    body = urlencode({"nonce": str(nonce), **params}).encode()
    digest = hashlib.sha256(str(nonce).encode() + body).digest()
    secret = base64.b64decode(keys.secret)
    signature = base64.b64encode(hmac.new(secret, path.encode() + digest, hashlib.sha512).digest())
    headers = {
        "API-Key": keys.key,
        "API-Sign": signature.decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return Sent(endpoint, "POST", path, str(nonce), headers, body, **what)


def spot_subscription(keys: Keys, *, now_ms: int) -> dict[str, Any]:
    """The request for one's own events on Binance spot's WebSocket API. Its signature is made over
    the parameters in alphabetical order."""
    params = {"apiKey": keys.key, "timestamp": now_ms}
    text = urlencode(sorted(params.items()))
    signature = hmac.new(keys.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    method = "userDataStream.subscribe.signature"
    return {"id": 1, "method": method, "params": {**params, "signature": signature}}


def _binance(endpoint: str, market: Market, order: str, price: Decimal | None) -> dict[str, Any]:
    symbol, spot = market.symbol, market.venue == "binance-spot"
    limit = {"side": market.side, "quantity": market.qty, "price": price}
    return {
        "market.read": {"symbol": symbol, "limit": 20},
        "orders.create": {
            "symbol": symbol,
            "type": "LIMIT",
            "timeInForce": "GTC",
            "newClientOrderId": order,
            **limit,
        },
        "orders.amend": {"symbol": symbol, "origClientOrderId": order, **limit}
        if not spot
        else {"symbol": symbol, "origClientOrderId": order, "newQty": market.qty / 2},
        "orders.cancel": {"symbol": symbol, "origClientOrderId": order},
        "orders.query": {"symbol": symbol, "origClientOrderId": order},
        "orders.cancel_all": {"symbol": symbol},
        "orders.deadman": {"symbol": symbol, "countdownTime": 0},
        "fills.query": {"symbol": symbol},
    }.get(endpoint, {})


def _kraken(endpoint: str, market: Market, order: str, price: Decimal | None) -> dict[str, Any]:
    pair = market.symbol.replace("BTC", "XBT").replace("/", "")
    return {
        "market.read": {"pair": pair, "count": 20},
        "orders.create": {
            "pair": pair,
            "type": market.side.lower(),
            "ordertype": "limit",
            "volume": market.qty,
            "price": price,
            "cl_ord_id": order,
        },
        "orders.amend": {"cl_ord_id": order, "limit_price": price},
        "orders.cancel": {"cl_ord_id": order},
        "orders.query": {"cl_ord_id": order},
        "orders.deadman": {"timeout": 0},
    }.get(endpoint, {})


_PARAMS = {"binance-um": _binance, "binance-spot": _binance, "kraken-spot": _kraken}
