"""What the clients of `mock_load` say on each venue's wire: the same seven things in three tongues.

Everything is written here by hand, so that the load does not depend on anybody's client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlencode

__all__ = ["STREAMS", "Ask", "Binance", "Kraken", "Tongue", "tongue_of"]

STREAMS: Final = {
    "binance-um": ("/public/stream?streams=btcusdt@depth@100ms", ""),
    "binance-spot": ("/stream?streams=btcusdt@depth@100ms", ""),
    "kraken-spot": (
        "/v2",
        '{"method":"subscribe","params":{"channel":"book","symbol":["BTC/USD"],"depth":25}}',
    ),
}
"""Where each venue's book is streamed, and what has to be said there first."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, as it goes over the wire."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class Tongue(Protocol):
    """One account of one venue. `now_ms` is the venue's time."""

    def book(self) -> Ask: ...
    def time(self) -> Ask: ...
    def balances(self, now_ms: int) -> Ask: ...
    def open_orders(self, now_ms: int) -> Ask: ...
    def cancel(self, name: str, now_ms: int) -> Ask: ...
    def market(self, name: str, side: str, now_ms: int) -> Ask: ...
    def limit(self, name: str, price: str, now_ms: int) -> Ask: ...
    def is_unsure(self, status: int, body: bytes) -> bool:
        """Whether an answer leaves open what happened, or asks to come again."""
        ...


class Binance:
    """Spot, or USD-M futures: the paths differ, the rest is alike."""

    def __init__(self, key: str, secret: str, *, is_futures: bool) -> None:
        self._key, self._secret = key, secret
        self._root = "/fapi/v1" if is_futures else "/api/v3"
        self._account = "/fapi/v3/account" if is_futures else "/api/v3/account"

    def _signed(self, method: str, path: str, now_ms: int, **params: str) -> Ask:
        query = urlencode({**params, "timestamp": str(now_ms), "recvWindow": "60000"})
        digest = hmac.new(self._secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = (("X-MBX-APIKEY", self._key),)
        return Ask(method, f"{path}?{query}&signature={digest}", headers)

    def book(self) -> Ask:
        return Ask("GET", f"{self._root}/depth?symbol=BTCUSDT&limit=20")

    def time(self) -> Ask:
        return Ask("GET", f"{self._root}/time")

    def balances(self, now_ms: int) -> Ask:
        return self._signed("GET", self._account, now_ms)

    def open_orders(self, now_ms: int) -> Ask:
        return self._signed("GET", f"{self._root}/openOrders", now_ms, symbol="BTCUSDT")

    def cancel(self, name: str, now_ms: int) -> Ask:
        order = {"symbol": "BTCUSDT", "origClientOrderId": name}
        return self._signed("DELETE", f"{self._root}/order", now_ms, **order)

    def market(self, name: str, side: str, now_ms: int) -> Ask:
        return self._place(now_ms, newClientOrderId=name, side=side.upper(), type="MARKET")

    def limit(self, name: str, price: str, now_ms: int) -> Ask:
        terms = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": price}
        return self._place(now_ms, newClientOrderId=name, **terms)

    def is_unsure(self, status: int, body: bytes) -> bool:
        return status >= 500

    def _place(self, now_ms: int, **terms: str) -> Ask:
        order = {"symbol": "BTCUSDT", "quantity": "0.001", **terms}
        return self._signed("POST", f"{self._root}/order", now_ms, **order)


class Kraken:
    """Spot. Its nonces count from 1: the account has no other user."""

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret = key, base64.b64decode(secret)
        self._nonce = 0

    def _signed(self, method: str, **params: str) -> Ask:
        self._nonce += 1
        path, body = f"/0/private/{method}", urlencode({"nonce": str(self._nonce), **params})
        inner = hashlib.sha256(f"{self._nonce}{body}".encode()).digest()
        outer = hmac.new(self._secret, path.encode() + inner, hashlib.sha512).digest()
        headers = (
            ("API-Key", self._key),
            ("API-Sign", base64.b64encode(outer).decode()),
            ("Content-Type", "application/x-www-form-urlencoded"),
        )
        return Ask("POST", path, headers, body)

    def book(self) -> Ask:
        return Ask("GET", "/0/public/Depth?pair=XXBTZUSD&count=20")

    def time(self) -> Ask:
        return Ask("GET", "/0/public/Time")

    def balances(self, now_ms: int) -> Ask:
        return self._signed("Balance")

    def open_orders(self, now_ms: int) -> Ask:
        return self._signed("OpenOrders")

    def cancel(self, name: str, now_ms: int) -> Ask:
        return self._signed("CancelOrder", cl_ord_id=name)

    def market(self, name: str, side: str, now_ms: int) -> Ask:
        return self._place(cl_ord_id=name, type=side, ordertype="market")

    def limit(self, name: str, price: str, now_ms: int) -> Ask:
        return self._place(cl_ord_id=name, type="buy", ordertype="limit", price=price)

    def is_unsure(self, status: int, body: bytes) -> bool:
        return status >= 500 or b"EService" in body or b"EGeneral" in body

    def _place(self, **terms: str) -> Ask:
        return self._signed("AddOrder", pair="XXBTZUSD", volume="0.001", **terms)


def tongue_of(venue: str, key: str, secret: str) -> Tongue:
    """How an account of `venue` speaks."""
    if venue == "kraken-spot":
        return Kraken(key, secret)
    return Binance(key, secret, is_futures=venue == "binance-um")
