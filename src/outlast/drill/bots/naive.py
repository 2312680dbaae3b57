"""The naive bot: httpx, and tenacity's retry as its README shows it, around every call.

What it gets wrong is what such bots get wrong: it repeats one and the same order whatever the venue
says, it takes a lost answer for a failure, it has no client order ids, and it believes every 200.
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import httpx
import tenacity

from outlast.drill.strategy import Strategy

__all__ = ["NaiveTrader", "run"]

ORDER_MAX: Final = Decimal(3_000_000)
"""The largest single order that was tried that night (DOGE)."""
SMALL: Final = Decimal(200)
"""What a small order is worth, in USDT."""
SHARE: Final = Decimal("0.8")
"""A smaller position was reduced by four fifths at a time (XRP: 5,860.88 of 7,326.10)."""


class NaiveTrader:
    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        key: str,
        secret: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._key = key
        self._secret = secret
        self._now_ms = now_ms
        self._grids: dict[str, tuple[Decimal, Decimal]] = {}

    @tenacity.retry(wait=tenacity.wait_exponential(multiplier=1, max=30))
    async def _call(self, method: str, path: str, *, signed: bool, **params: str) -> Any:
        return await self._once(method, path, signed=signed, **params)

    async def _once(self, method: str, path: str, *, signed: bool = True, **params: str) -> Any:
        headers = {}
        if signed:
            params["timestamp"] = str(self._now_ms())
            query = urllib.parse.urlencode(params)
            digest = hmac.new(self._secret.encode(), query.encode(), hashlib.sha256)
            params["signature"] = digest.hexdigest()
            headers["X-MBX-APIKEY"] = self._key
        response = await self._client.request(method, path, params=params, headers=headers)
        response.raise_for_status()
        return response.json()

    async def positions(self) -> Mapping[str, Decimal]:
        rows = await self._call("GET", "/fapi/v3/positionRisk", signed=True)
        held = {row["symbol"]: Decimal(row["positionAmt"]) for row in rows}
        return {symbol: qty for symbol, qty in held.items() if qty != 0}

    async def price(self, symbol: str) -> Decimal:
        row = await self._call("GET", "/fapi/v1/premiumIndex", signed=False, symbol=symbol)
        return Decimal(row["markPrice"])

    async def symbols(self) -> list[str]:
        listed = await self._call("GET", "/fapi/v1/exchangeInfo", signed=False)
        return [row["symbol"] for row in listed["symbols"]]

    async def quote(self, symbol: str, price: Decimal) -> Any:
        step, tick = await self._grid(symbol)
        answer = await self._order(
            symbol=symbol,
            side="BUY",
            type="LIMIT",
            timeInForce="GTC",
            quantity=_floored(SMALL / price, step),
            price=_floored(price, tick),
        )
        return answer["orderId"]

    async def withdraw(self, symbol: str, quote: Any) -> None:
        try:
            # A cancel is tried once: an order that has filled would be asked for until the end.
            await self._once("DELETE", "/fapi/v1/order", symbol=symbol, orderId=str(quote))
        except httpx.HTTPError:
            return

    async def buy(self, symbol: str) -> None:
        step, _ = await self._grid(symbol)
        quantity = _floored(SMALL / await self.price(symbol), step)
        await self._order(symbol=symbol, side="BUY", type="MARKET", quantity=quantity)

    async def close_out(self, symbol: str) -> None:
        while (qty := (await self.positions()).get(symbol, Decimal(0))) != 0:
            step, _ = await self._grid(symbol)
            wanted = min(abs(qty), ORDER_MAX, max(abs(qty) * SHARE, 10 * step))
            await self._order(
                symbol=symbol,
                side="SELL" if qty > 0 else "BUY",
                type="MARKET",
                quantity=_floored(wanted, step),
                reduceOnly="true",
            )

    async def _order(self, **params: str) -> Any:
        return await self._call("POST", "/fapi/v1/order", signed=True, **params)

    async def _grid(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Step and tick."""
        if not self._grids:
            listed = await self._call("GET", "/fapi/v1/exchangeInfo", signed=False)
            for row in listed["symbols"]:
                filters = {each["filterType"]: each for each in row["filters"]}
                step = Decimal(filters["LOT_SIZE"]["stepSize"])
                tick = Decimal(filters["PRICE_FILTER"]["tickSize"])
                self._grids[row["symbol"]] = step, tick
        return self._grids[symbol]


def _floored(value: Decimal, step: Decimal) -> str:
    return f"{value // step * step:f}"


async def run(
    strategy: Strategy, url: str, *, key: str, secret: str, now_ms: Callable[[], int]
) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        await strategy(NaiveTrader(client, key=key, secret=secret, now_ms=now_ms))
