"""ccxt's own static vectors, and a wire without a network to play them on."""

from __future__ import annotations

import inspect
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import requests

import outlast
from outlast import sim
from outlast.adapters.ccxt.settings import GuardSettings

FOLDER = Path(__file__).parents[2] / "data" / "ccxt"
ROOMS = {"sync": ccxt, "async": ccxt.async_support, "pro": ccxt.pro}
EXCHANGES = ("kraken", "binance", "binanceusdm")
SETTINGS = GuardSettings(settle_within_s=0.0, pause_s=0.0, seed=1)
AT_MS = 1_700_000_000_000


def vectors(kind: str, exchange_id: str) -> list[dict[str, Any]]:
    found = json.loads((FOLDER / kind / f"{exchange_id}.json").read_text(encoding="utf-8"))
    return found["vectors"]


class Wire:
    """Stands in place of ccxt's HTTP session: notes each request, and answers at once."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.sent: list[tuple[str, str, dict[str, str], str]] = []

    def note(self, method: str, url: Any, headers: Any, data: Any) -> bytes:
        body = data.decode() if isinstance(data, bytes) else data or ""
        self.sent.append((method.upper(), str(url), dict(headers or {}), body))
        return json.dumps(self.answer).encode()


class SyncSession:
    trust_env = False

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def request(self, method: str, url: str, *, data: Any, headers: Any, **_: Any) -> Any:
        response = requests.Response()
        response._content = self.wire.note(method, url, headers, data)
        response.status_code, response.reason = 200, "OK"
        response.headers["Content-Type"] = "application/json"
        return response

    def close(self) -> None:
        """Nothing is open."""


class _AsyncResponse:
    status, reason = 200, "OK"

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.headers = {"Content-Type": "application/json"}

    async def text(self, **_: Any) -> str:
        return self.content.decode()

    async def read(self) -> bytes:
        return self.content


class AsyncSession:
    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.headers: dict[str, str] = {}

    def __getattr__(self, verb: str) -> Any:
        @asynccontextmanager
        async def send(url: Any, *, data: Any = None, headers: Any = None, **_: Any):
            yield _AsyncResponse(self.wire.note(verb, url, headers, data))

        return send


def exchange_of(room: str, exchange_id: str, wire: Wire) -> Any:
    """An exchange with markets of its own, a clock that stands still, and `wire` under it."""
    session = SyncSession(wire) if room == "sync" else AsyncSession(wire)
    exchange = getattr(ROOMS[room], exchange_id)(
        {
            "apiKey": "key",
            "secret": "c2VjcmV0",
            "session": session,
            "enableRateLimit": False,
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }
    )
    exchange.milliseconds = lambda: AT_MS
    exchange.set_markets([_market(exchange, *row) for row in _MARKETS[exchange_id == "kraken"]])
    if exchange_id != "kraken":
        brackets = [["0", "0.004"], ["50000", "0.005"]]
        exchange.options["leverageBrackets"] = {
            "BTC/USDT:USDT": brackets,
            "LTC/USDT:USDT": brackets,
        }
    return exchange


_MARKETS = {
    True: [
        ("LTCUSDT", "LTC", "USDT", "LTCUSDT"),
        ("XLTCZUSD", "LTC", "USD", "LTCUSD"),
        ("XXBTZUSD", "BTC", "USD", "XBTUSD"),
        ("XBTUSDT", "BTC", "USDT", "XBTUSDT"),
        ("ETHUSDT", "ETH", "USDT", "ETHUSDT"),
    ],
    False: [
        *((f"{base}USDT", base, "USDT", "spot") for base in ("BTC", "ETH", "LTC", "SOL")),
        *((f"{base}USDT", base, "USDT", "swap") for base in ("BTC", "ETH", "LTC")),
    ],
}


_ORDER_TYPES = ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT"]


def _market(exchange: Any, market_id: str, base: str, quote: str, kind: str) -> dict[str, Any]:
    is_swap = kind == "swap"
    fine = 0.00001 if base == "BTC" and not is_swap else 0.001
    if exchange.id == "kraken":
        fine = 1e-8
    return exchange.safe_market_structure(
        {
            "id": market_id,
            "symbol": f"{base}/{quote}" + (f":{quote}" if is_swap else ""),
            "altname": kind,
            "base": base,
            "quote": quote,
            "settle": quote if is_swap else None,
            "baseId": base,
            "quoteId": quote,
            "settleId": quote if is_swap else None,
            "type": "swap" if is_swap else "spot",
            "spot": not is_swap,
            "margin": not is_swap,
            "swap": is_swap,
            "future": False,
            "option": False,
            "contract": is_swap,
            "linear": True if is_swap else None,
            "inverse": False if is_swap else None,
            "contractSize": 1 if is_swap else None,
            "active": True,
            "darkpool": False,
            "precision": {"amount": fine, "price": 0.01, "base": 1e-8, "quote": 1e-8},
            "limits": {"amount": {"min": fine}, "price": {}, "cost": {}, "leverage": {}},
            "info": {"altname": kind, "orderTypes": _ORDER_TYPES, "permissionSets": []},
        }
    )


Played = tuple[list[tuple[str, str, dict[str, str], str]], Any]
"""The requests that left, and what was returned; or the name of the error that was raised."""


def play(
    room: str, exchange_id: str, told: list[tuple[dict[str, Any], Any]], *, guarded: bool
) -> list[Played | None]:
    """Each of (vector, answer) in turn; None where this version has no such method."""

    async def run() -> list[Played | None]:
        wire = Wire(None)
        exchange = exchange_of(room, exchange_id, wire)
        played: list[Played | None] = []
        for vector, answer in told:
            wire.answer, wire.sent = answer, []
            if not hasattr(exchange, vector["method"]):
                played.append(None)
                continue
            if guarded:
                outlast.guard(exchange, journal=None, settings=SETTINGS)
            try:
                result = getattr(exchange, vector["method"])(*vector["input"])
                result = await result if inspect.isawaitable(result) else result
            except ccxt.BaseError as error:
                result = type(error).__name__
            played.append((wire.sent, result))
            outlast.unguard(exchange)
        if room != "sync":
            await exchange.close()
        return played

    return sim.run(run, seed=1)  # ccxt takes a while to close, which is none in virtual time
