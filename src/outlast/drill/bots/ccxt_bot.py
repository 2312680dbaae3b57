"""The ccxt bot: ccxt as people configure it, with `maxRetriesOnFailure` and a loop around it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import ccxt
import ccxt.async_support

from outlast.drill.strategy import get_out_when_it_falls

__all__ = ["CcxtTrader", "run"]

PAUSE_S: Final = 5.0
"""What the usual `except ccxt.BaseError:  # type: ignore[attr-defined] sleep` waits before it goes round again."""
ORDER_MAX: Final = Decimal(3_000_000)
SHARE: Final = Decimal("0.8")


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
        unified = self._exchange.markets_by_id[symbol][0]["symbol"]
        row = await self._patiently(self._exchange.fetch_funding_rate, unified)
        return Decimal(row["info"]["markPrice"])

    async def close_out(self, symbol: str) -> None:
        market = self._exchange.markets_by_id[symbol][0]
        while (qty := (await self.positions()).get(symbol, Decimal(0))) != 0:
            wanted = min(abs(qty), ORDER_MAX, max(abs(qty) * SHARE, Decimal(10)))
            amount = self._exchange.amount_to_precision(market["symbol"], float(wanted))
            side = "sell" if qty > 0 else "buy"
            await self._patiently(
                self._exchange.create_order,
                market["symbol"],
                "market",
                side,
                float(amount),
                None,
                {"reduceOnly": True},
            )

    async def _patiently(self, call: Any, *arguments: Any) -> Any:
        while True:
            try:
                return await call(*arguments)
            except ccxt.BaseError:  # type: ignore[attr-defined]
                await asyncio.sleep(PAUSE_S)


async def run(url: str, *, key: str, secret: str, session: Any) -> None:
    exchange = configured(url, key=key, secret=secret, session=session)
    try:
        trader = CcxtTrader(exchange)
        await trader._patiently(exchange.load_markets)  # noqa: SLF001 - one bot, two halves
        await get_out_when_it_falls(trader)
    finally:
        await exchange.close()
