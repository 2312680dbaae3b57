"""The clients under test behind one door: `perform(call)` says what became of it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Protocol

import httpx

from benchmarks.resilience.outlast_client import PARTS, outlast_client
from benchmarks.resilience.policies import POLICIES, Held, Policy, make_policy, missing_for
from benchmarks.resilience.rest import Account, RestDesk, entry_price
from benchmarks.resilience.scenarios import SIBLING, VENUE
from benchmarks.resilience.trace import Call, Done, Kind

__all__ = ["CLIENTS", "Client", "made_of", "missing", "opened", "preload"]

CCXT: Final = {"ccxt, 3 retries": 0, "ccxt, 3 retries 1 s apart": 1000}
"""By name: `maxRetriesOnFailureDelay` in milliseconds."""

CLIENTS: Final = (*POLICIES, *CCXT, "outlast", *(f"outlast without {part}" for part in PARTS))


class Client(Protocol):
    async def perform(self, call: Call, now_s: Callable[[], float]) -> Done | None:
        """Make one call, whatever it takes; None when there was nothing to do (no order rests)."""
        ...


def missing(name: str) -> str | None:
    """The package that a client needs and that is not installed."""
    if name in POLICIES:
        return missing_for(name)
    needs = ("ccxt", "aiohttp") if name in CCXT else ()
    for package in needs:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return package
    return None


def made_of(name: str) -> str:
    """The package that makes the client what it is, with its version."""
    if name in POLICIES:
        package = POLICIES[name][0] or ("tenacity" if "tenacity" in name else "httpx")
    else:
        package = "ccxt" if name in CCXT else "outlast"
    return f"{package} {importlib.metadata.version(package)}"


def preload(name: str) -> None:
    """Import before the simulation begins what touches real sockets while it is imported."""
    if name in CCXT:
        importlib.import_module("ccxt.async_support")
        importlib.import_module("outlast.sim.aiohttp")
    elif name in POLICIES:
        make_policy(name)


@contextlib.asynccontextmanager
async def opened(
    name: str,
    accounts: Mapping[str, Account],
    *,
    seed: int,
    clock: Any,
    connector: Callable[[], Any],
) -> AsyncIterator[Client]:
    """`connector` makes an aiohttp connector: the simulation has its own."""
    if name in POLICIES:
        policy, transport = make_policy(name)
        desk = RestDesk(accounts, now_ms=lambda: round(clock.wall() * 1000), transport=transport)
        try:
            yield PlainClient(desk, policy)
        finally:
            await desk.aclose()
    elif name in CCXT:
        aiohttp = importlib.import_module("aiohttp")
        async with aiohttp.ClientSession(connector=connector()) as session:
            client = CcxtClient(accounts, session, delay_ms=CCXT[name])
            try:
                await client.load()
                yield client
            finally:
                await client.aclose()
    else:
        part = name.removeprefix("outlast").removeprefix(" without ")
        async with outlast_client(accounts, without=part, seed=seed, clock=clock) as client:
            yield client


class PlainClient:
    """httpx and a policy."""

    def __init__(self, desk: RestDesk, policy: Policy) -> None:
        self._desk = desk
        self._policy = policy

    async def perform(self, call: Call, now_s: Callable[[], float]) -> Done | None:
        target = None
        if call.kind is Kind.CANCEL:
            if not self._desk.resting:
                return None
            target = self._desk.resting.popleft()

        async def attempt() -> None:
            await self._desk.once(call, target)

        try:
            await self._policy(call, attempt)
        except (httpx.HTTPError, Held) as error:
            if target is not None:
                self._desk.resting.append(target)
            held = isinstance(error, Held)
            return Done(call, now_s(), ok=False, held=held, note=type(error).__name__)
        return Done(call, now_s(), ok=True)


class CcxtClient:
    """ccxt as it comes, with its own retries and its own rate limiter."""

    def __init__(self, accounts: Mapping[str, Account], session: Any, *, delay_ms: int) -> None:
        self._ccxt = importlib.import_module("ccxt")
        module = importlib.import_module("ccxt.async_support")
        kinds = {VENUE: module.binanceusdm, SIBLING: module.binance}
        self._exchanges = {
            venue: _configured(kinds[venue], account, session, delay_ms)
            for venue, account in accounts.items()
        }
        self._resting: deque[str] = deque()

    async def load(self) -> None:
        for exchange in self._exchanges.values():
            await exchange.load_markets()

    async def aclose(self) -> None:
        for exchange in self._exchanges.values():
            await exchange.close()

    async def perform(self, call: Call, now_s: Callable[[], float]) -> Done | None:
        target = None
        if call.kind is Kind.CANCEL:
            if not self._resting:
                return None
            target = self._resting.popleft()
        try:
            await self._once(call, target)
        except self._ccxt.OrderNotFound:
            return Done(call, now_s(), ok=True)  # it rests no more
        except (self._ccxt.BaseError, KeyError, TypeError, IndexError) as error:
            # The last three: what a body that parses and says nothing does to its parsers.
            if target is not None:
                self._resting.append(target)
            return Done(call, now_s(), ok=False, note=type(error).__name__)
        return Done(call, now_s(), ok=True)

    async def _once(self, call: Call, target: str | None) -> None:
        exchange = self._exchanges[call.venue]
        spot = call.venue == SIBLING
        symbol = "BTC/USDT" if spot else "BTC/USDT:USDT"
        match call.kind:
            case Kind.PRICE if spot:
                answer = await exchange.publicGetTickerPrice({"symbol": "BTCUSDT"})
                answer["price"]
            case Kind.PRICE:
                answer = await exchange.fapiPublicGetPremiumIndex({"symbol": "BTCUSDT"})
                answer["markPrice"]
            case Kind.ACCOUNT if spot:
                (await exchange.privateGetAccount())["balances"]
            case Kind.ACCOUNT:
                (await exchange.fapiPrivateV3GetPositionRisk())[0]
            case Kind.ENTRY:
                price = float(entry_price(call))
                lasts = {"timeInForce": "GTC" if call.rests else "IOC"}
                made = await exchange.create_order(symbol, "limit", "buy", 0.002, price, lasts)
                if made["id"] is None:
                    raise TypeError("an order without an id")
                if call.rests and not spot:
                    self._resting.append(made["id"])
            case Kind.CANCEL:
                await exchange.cancel_order(target, symbol)
            case Kind.REDUCE:
                only = {"reduceOnly": True}
                await exchange.create_order(symbol, "market", "sell", 0.002, None, only)


def _configured(kind: Any, account: Account, session: Any, delay_ms: int) -> Any:
    exchange = kind(
        {
            "apiKey": account.key,
            "secret": account.secret,
            "session": session,
            "options": {
                "maxRetriesOnFailure": 3,
                "maxRetriesOnFailureDelay": delay_ms,
                "fetchMargins": False,
                "fetchCurrencies": False,
                "defaultType": "spot",
                "fetchMarkets": ["spot"] if kind.__name__ == "binance" else ["linear"],
            },
        }
    )
    for name, address in exchange.urls["api"].items():
        if isinstance(address, str):
            path = "/" + address.split("/", 3)[3] if address.count("/") > 2 else ""
            exchange.urls["api"][name] = account.url + path
    return exchange
