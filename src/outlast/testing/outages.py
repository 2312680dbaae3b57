"""Replies of outages, for unit tests of one call: `respx` routes in place of the network.

An order is answered as in the outage of that name; questions about it are answered by what became
of it. `...-landed`: the order lives although its answer says nothing of the kind. `...-lost`: it
never reached the book.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
import respx

from outlast.errors import ConfigurationError

__all__ = ["OUTAGES", "Outage", "respx_outage"]

_HTML: Final = (
    "<html><head><title>502 Bad Gateway</title></head>"
    "<body><center><h1>502 Bad Gateway</h1></center><hr><center>cloudflare</center></body></html>"
)
_NO_WORD: Final = (
    "Timeout waiting for response from backend server. "
    "Send status unknown; execution status unknown."
)


def _html(status: int) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, html=_HTML)


def _timeout() -> httpx.Response:
    raise httpx.ReadTimeout("the answer did not come")


def _reset() -> httpx.Response:
    raise httpx.ReadError("connection reset by peer")


def _refuse() -> httpx.Response:
    raise httpx.ConnectError("connection refused")


@dataclass(frozen=True, slots=True)
class _Reply:
    """What an order is answered, by family of venues; and whether it lives all the same."""

    kraken: Callable[[], httpx.Response]
    binance: Callable[[], httpx.Response]
    landed: bool


def _both(reply: Callable[[], httpx.Response], *, landed: bool) -> _Reply:
    return _Reply(reply, reply, landed)


def _spoken(status: int, kraken: str, code: int, text: str, *, landed: bool) -> _Reply:
    body = {"code": code, "msg": text}
    return _Reply(
        lambda: httpx.Response(200, json={"error": [kraken], "result": {}}),
        lambda: httpx.Response(status, json=body),
        landed,
    )


def _limited(status: int, kraken: str, text: str) -> _Reply:
    return _Reply(
        lambda: httpx.Response(200, json={"error": [kraken], "result": {}}),
        lambda: httpx.Response(
            status, headers={"Retry-After": "30"}, json={"code": -1003, "msg": text}
        ),
        landed=False,
    )


# Bodies: Kraken docs, "Spot Errors"; Binance docs, "Errors" and "HTTP Return Codes"; a CDN's page.
_BUSY: Final = "Service Unavailable."
_UNSURE: Final = "Unknown error, please check your request or try again later."
OUTAGES: Final[Mapping[str, _Reply]] = {
    "502-landed": _both(_html(502), landed=True),
    "502-lost": _both(_html(502), landed=False),
    "503-unknown-landed": _spoken(503, "EService:Unavailable", -1000, _UNSURE, landed=True),
    "503-unknown-lost": _spoken(503, "EService:Unavailable", -1000, _UNSURE, landed=False),
    "503-refused": _spoken(503, "EService:Market in cancel_only mode", -1008, _BUSY, landed=False),
    "backend-timeout-landed": _spoken(408, "EService:Timeout", -1007, _NO_WORD, landed=True),
    "backend-timeout-lost": _spoken(408, "EService:Timeout", -1007, _NO_WORD, landed=False),
    "timeout-landed": _both(_timeout, landed=True),
    "timeout-lost": _both(_timeout, landed=False),
    "reset-landed": _both(_reset, landed=True),
    "reset-lost": _both(_reset, landed=False),
    "connection-refused": _both(_refuse, landed=False),
    "empty-200-landed": _both(lambda: httpx.Response(200, text=""), landed=True),
    "html-200-landed": _both(_html(200), landed=True),
    "rate-limited": _limited(429, "EAPI:Rate limit exceeded", "Too many requests."),
    "locked-out": _limited(418, "EGeneral:Temporary lockout", "Way too many requests; banned."),
}
"""The outages by name."""


class Outage:
    """What the test's client has asked: `orders` by the ids that it gave them."""

    def __init__(self, venue: str, reply: _Reply, router: respx.MockRouter) -> None:
        self.router = router
        self.orders: list[dict[str, str]] = []
        """The parameters of each order that was asked for, oldest first."""
        self._reply = reply
        self._is_kraken = venue == "kraken-spot"
        self._make = reply.kraken if self._is_kraken else reply.binance

    def place(self, request: httpx.Request) -> httpx.Response:
        """Answer a new order as the outage does."""
        self.orders.append(_parameters(request))
        return self._make()

    def row(self) -> dict[str, Any] | None:
        """The first order as the venue shows it; None when it is not in the book."""
        if not self.orders or not self._reply.landed:
            return None
        return (_kraken_row if self._is_kraken else _binance_row)(self.orders[0])

    def one(self, request: httpx.Request) -> httpx.Response:
        """Answer a question for one order by id."""
        row = self.row()
        if self._is_kraken:
            return _kraken({"OUT1AS-T0000-000001": row} if row else {})
        asked = _parameters(request)
        ids = (asked.get("origClientOrderId"), asked.get("orderId"))
        if row is None or not {row["clientOrderId"], str(row["orderId"])} & set(ids):
            return httpx.Response(400, json={"code": -2013, "msg": "Order does not exist."})
        return httpx.Response(200, json=row)

    def listed(self, key: str | None) -> Callable[[httpx.Request], httpx.Response]:
        """Answer a question for a list: of open orders where `key` is `open`, else an empty one."""

        def answer(_: httpx.Request) -> httpx.Response:
            row = self.row() if key in (None, "open") else None
            if self._is_kraken:
                return _kraken({key: {"OUT1AS-T0000-000001": row} if row else {}, "count": 0})
            return httpx.Response(200, json=[row] if row else [])

        return answer


@contextmanager
def respx_outage(
    venue: str, outage: str, *, router: respx.MockRouter | None = None
) -> Iterator[Outage]:
    """Let every client on httpx meet one outage of `venue` for as long as the block lasts.

    Args:
        outage: a name of `OUTAGES`.
        router: respx routes of your own, for the other requests of the client under test.

    Raises:
        ConfigurationError: no such venue or outage; the message lists them.
    """
    paths = _PATHS.get(venue)
    reply = OUTAGES.get(outage)
    if paths is None:
        raise ConfigurationError(f"venue {venue!r} is unknown; choose from {', '.join(_PATHS)}")
    if reply is None:
        raise ConfigurationError(f"outage {outage!r} is unknown; choose from {', '.join(OUTAGES)}")
    used = router or respx.MockRouter(assert_all_called=False, assert_all_mocked=True)
    made = Outage(venue, reply, used)
    for method, path, what in paths:
        answer = {
            "place": made.place,
            "one": made.one,
            "open": made.listed("open"),
            "closed": made.listed("closed"),
            "trades": made.listed("trades"),
        }[what]
        pattern = rf"^https?://[^/]+{re.escape(path)}(\?|$)"
        used.route(method=method, url__regex=pattern).mock(side_effect=answer)
    if router is not None:
        yield made
        return
    with used:
        yield made


_PATHS: Final[Mapping[str, tuple[tuple[str, str, str], ...]]] = {
    "kraken-spot": (
        ("POST", "/0/private/AddOrder", "place"),
        ("POST", "/0/private/QueryOrders", "one"),
        ("POST", "/0/private/OpenOrders", "open"),
        ("POST", "/0/private/ClosedOrders", "closed"),
        ("POST", "/0/private/TradesHistory", "trades"),
    ),
    "binance-spot": (
        ("POST", "/api/v3/order", "place"),
        ("GET", "/api/v3/order", "one"),
        ("GET", "/api/v3/openOrders", "open"),
        ("GET", "/api/v3/allOrders", "open"),
        ("GET", "/api/v3/myTrades", "trades"),
    ),
    "binance-um": (
        ("POST", "/fapi/v1/order", "place"),
        ("GET", "/fapi/v1/order", "one"),
        ("GET", "/fapi/v1/openOrders", "open"),
        ("GET", "/fapi/v1/allOrders", "open"),
        ("GET", "/fapi/v1/userTrades", "trades"),
    ),
}


def _parameters(request: httpx.Request) -> dict[str, str]:
    query = urlsplit(str(request.url)).query
    body = request.content.decode("utf-8", "replace")
    if body.startswith("{"):
        return {name: str(value) for name, value in json.loads(body).items()}
    return dict(parse_qsl(query)) | dict(parse_qsl(body))


def _kraken(result: Mapping[Any, Any]) -> httpx.Response:
    return httpx.Response(200, json={"error": [], "result": dict(result)})


def _kraken_row(asked: Mapping[str, str]) -> dict[str, Any]:
    """Source: Kraken docs, Get Open Orders."""
    price = asked.get("price", "0")
    return {
        "refid": None,
        "userref": None,
        "cl_ord_id": asked.get("cl_ord_id"),
        "status": "open",
        "opentm": 1772460000.0,
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": asked.get("pair"),
            "type": asked.get("type"),
            "ordertype": asked.get("ordertype"),
            "price": price,
            "price2": "0",
            "leverage": "none",
            "order": "",
            "close": "",
        },
        "vol": asked.get("volume"),
        "vol_exec": "0.00000000",
        "cost": "0.00000",
        "fee": "0.00000",
        "price": "0.00000",
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": asked.get("oflags", "fciq"),
        "trades": [],
    }


def _binance_row(asked: Mapping[str, str]) -> dict[str, Any]:
    """Source: Binance spot REST docs, Query order; the futures docs have the same names."""
    return {
        "symbol": asked.get("symbol"),
        "orderId": 1,
        "orderListId": -1,
        "clientOrderId": asked.get("newClientOrderId"),
        "price": asked.get("price", "0"),
        "origQty": asked.get("quantity"),
        "executedQty": "0",
        "cumQuote": "0",
        "cummulativeQuoteQty": "0",
        "avgPrice": "0",
        "status": "NEW",
        "timeInForce": asked.get("timeInForce", "GTC"),
        "type": asked.get("type"),
        "origType": asked.get("type"),
        "side": asked.get("side"),
        "stopPrice": "0",
        "reduceOnly": asked.get("reduceOnly") == "true",
        "closePosition": False,
        "positionSide": "BOTH",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "time": 1772460000000,
        "updateTime": 1772460000000,
        "isWorking": True,
    }
