"""The ccxt bot: ccxt as people configure it, with `maxRetriesOnFailure` and a loop around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import ccxt
import ccxt.async_support

from outlast.drill.strategy import Strategy

__all__ = ["CcxtTrader", "run"]

PAUSE_S: Final = 5.0
"""What the usual `except ccxt.BaseError: sleep` waits before it goes round again."""
ORDER_MAX: Final = Decimal(3_000_000)
SHARE: Final = Decimal("0.8")
SMALL: Final = Decimal(200)


def configured(url: str, *, key: str, secret: str, session: Any) -> Any:
    """An unmodified `binanceusdm` with its URLs replaced."""
    exchange: Any = ccxt.async_support.binanceusdm(  # type: ignore[attr-defined]
        {
            "apiKey": key,
            "secret": secret,
            "session": session,
            "options": {
                "maxRetriesOnFailure": 3,
                "maxRetriesOnFailureDelay": 1000,
                "fetchMargins": False,
                "fetchCurrencies": False,
            },
        }
    )
    for name, address in exchange.urls["api"].items():
        if isinstance(address, str):
            path = "/" + address.split("/", 3)[3] if address.count("/") > 2 else ""
            exchange.urls["api"][name] = url + path
    return exchange


class CcxtTrader:
    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange

    async def positions(self) -> Mapping[str, Decimal]:
        rows = await self._patiently(self._exchange.fetch_positions)
        held = {row["info"]["symbol"]: Decimal(row["info"]["positionAmt"]) for row in rows}
        return {symbol: qty for symbol, qty in held.items() if qty != 0}

    async def price(self, symbol: str) -> Decimal:
        row = await self._patiently(self._exchange.fetch_funding_rate, self._unified(symbol))
        return Decimal(row["info"]["markPrice"])

    async def symbols(self) -> list[str]:
        return [market["id"] for market in self._exchange.markets.values()]

    async def quote(self, symbol: str, price: Decimal) -> Any:
        return (await self._order(symbol, "limit", "buy", SMALL / price, price))["id"]

    async def withdraw(self, symbol: str, quote: Any) -> None:
        try:
            await self._exchange.cancel_order(quote, self._unified(symbol))
        except ccxt.BaseError:  # type: ignore[attr-defined]
            return

    async def buy(self, symbol: str) -> None:
        await self._order(symbol, "market", "buy", SMALL / await self.price(symbol))

    async def close_out(self, symbol: str) -> None:
        while (qty := (await self.positions()).get(symbol, Decimal(0))) != 0:
            wanted = min(abs(qty), ORDER_MAX, max(abs(qty) * SHARE, Decimal(10)))
            side = "sell" if qty > 0 else "buy"
            await self._order(symbol, "market", side, min(wanted, abs(qty)), reduceOnly=True)

    async def _order(
        self,
        symbol: str,
        order_type: str,
        side: str,
        qty: Decimal,
        price: Decimal | None = None,
        **params: Any,
    ) -> Any:
        unified = self._unified(symbol)
        amount = float(self._exchange.amount_to_precision(unified, float(qty)))
        limit = None
        if price is not None:
            limit = float(self._exchange.price_to_precision(unified, float(price)))
        create = self._exchange.create_order
        return await self._patiently(create, unified, order_type, side, amount, limit, params)

    def _unified(self, symbol: str) -> str:
        name: str = self._exchange.markets_by_id[symbol][0]["symbol"]
        return name

    async def _patiently(self, call: Any, *arguments: Any) -> Any:
        while True:
            try:
                return await call(*arguments)
            except ccxt.BaseError:  # type: ignore[attr-defined]
                await asyncio.sleep(PAUSE_S)


async def run(strategy: Strategy, url: str, *, key: str, secret: str, session: Any) -> None:
    exchange = configured(url, key=key, secret=secret, session=session)
    try:
        trader = CcxtTrader(exchange)
        await trader._patiently(exchange.load_markets)  # noqa: SLF001 - one bot, two halves
        await strategy(trader)
    finally:
        await exchange.close()
