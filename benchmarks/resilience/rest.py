"""One signed request to either Binance over httpx: what the clients without outlast are made of."""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from benchmarks.resilience.scenarios import SIBLING, VENUE
from benchmarks.resilience.trace import Call, Kind

__all__ = ["Account", "RestDesk", "VenueError", "entry_price"]

SPOT: Final = SIBLING
UNKNOWN_ORDER: Final = "-2011"
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """Where one venue is, and who asks."""

    url: str
    key: str
    secret: str
    endpoints: Mapping[str, str]
    """All roots of the venue by name, streams included; `url` is that of `rest`."""


class VenueError(httpx.HTTPError):
    """The venue answered, and not with what was asked for."""

    def __init__(self, status: int, code: str | None, retry_after_s: float | None) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.retry_after_s = status, code, retry_after_s


def entry_price(call: Call) -> str:
    """One price per call: a tenth for each number, from 2 % above the market or 6 % below it."""
    start = 63_900 if call.rests else 69_500
    return f"{start + call.number / 10:.1f}"


class RestDesk:
    """Makes one attempt of a call. What to do when it fails is the policies' business."""

    def __init__(
        self,
        accounts: Mapping[str, Account],
        *,
        now_ms: Callable[[], int],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._accounts = accounts
        self._now_ms = now_ms
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        own = transport if transport is not None else httpx.AsyncHTTPTransport(limits=limits)
        self._client = httpx.AsyncClient(transport=own, timeout=TIMEOUT_S, trust_env=False)
        self.resting: deque[str] = deque()

    async def aclose(self) -> None:
        await self._client.aclose()

    async def once(self, call: Call, target: str | None) -> None:
        """Raises httpx.HTTPError when it failed. `target`: the order that a cancel is about."""
        method, path, params, signed = _wire(call, target)
        account = self._accounts[call.venue]
        headers = {}
        if signed:
            params["timestamp"] = str(self._now_ms())
            query = urllib.parse.urlencode(params)
            digest = hmac.new(account.secret.encode(), query.encode(), hashlib.sha256)
            params["signature"] = digest.hexdigest()
            headers["X-MBX-APIKEY"] = account.key
        url = f"{account.url}{path}?{urllib.parse.urlencode(params)}"
        response = await self._client.request(method, url, headers=headers)
        answer = _read(response)
        if call.kind is Kind.ENTRY and call.rests and call.venue == VENUE:
            self.resting.append(str(answer["orderId"]))


def _wire(call: Call, target: str | None) -> tuple[str, str, dict[str, str], bool]:
    spot = call.venue == SPOT
    root = "/api/v3" if spot else "/fapi/v1"
    symbol = {"symbol": "BTCUSDT"}
    match call.kind:
        case Kind.PRICE:
            return "GET", f"{root}/ticker/price" if spot else f"{root}/premiumIndex", symbol, False
        case Kind.ACCOUNT:
            return "GET", f"{root}/account" if spot else "/fapi/v3/positionRisk", {}, True
        case Kind.ENTRY:
            lasts = "GTC" if call.rests else "IOC"
            terms = {"side": "BUY", "type": "LIMIT", "timeInForce": lasts, "quantity": "0.002"}
            return "POST", f"{root}/order", symbol | terms | {"price": entry_price(call)}, True
        case Kind.CANCEL:
            assert target is not None
            return "DELETE", f"{root}/order", symbol | {"orderId": target}, True
        case Kind.REDUCE:
            terms = {"side": "SELL", "type": "MARKET", "quantity": "0.002", "reduceOnly": "true"}
            return "POST", f"{root}/order", symbol | terms, True


def _read(response: httpx.Response) -> Any:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    is_error = isinstance(answer, dict) and "code" in answer
    if response.is_success and isinstance(answer, dict | list) and answer and not is_error:
        return answer
    code = str(answer["code"]) if isinstance(answer, dict) and "code" in answer else None
    if code == UNKNOWN_ORDER:
        return answer  # it was cancelled by an earlier attempt, or has filled: it rests no more
    told = response.headers.get("retry-after", "")
    raise VenueError(response.status_code, code, float(told) if told.isdigit() else None)
