"""The ccxt bot: ccxt as people configure it, with `maxRetriesOnFailure` and a loop around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
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
LIMITER: Final = {"delay": 0.02}
"""ccxt asks its own limiter every so many seconds whether there is room. Its default of a
millisecond is worked off a thousand times a second in virtual time too."""
SMALL: Final = Decimal(200)
FEE_LEFT: Final = Decimal("0.99")
"""Of what was bought on spot, so much is there to sell when the fee was taken from it."""


_CLASSES: Final = {"binance-um": "binanceusdm", "binance-spot": "binance", "kraken-spot": "kraken"}
_SPOT: Final = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}


def configured(venue: str, url: str, *, key: str, secret: str, session: Any) -> Any:
    """An unmodified exchange of ccxt with its URLs replaced."""
    options = {
        "maxRetriesOnFailure": 3,
        "maxRetriesOnFailureDelay": 1000,
        "fetchMargins": False,
        "fetchCurrencies": False,
    }
    made = getattr(ccxt.async_support, _CLASSES[venue])
    exchange: Any = made(
        {
            "apiKey": key,
            "secret": secret,
            "session": session,
            "tokenBucket": LIMITER,
            "options": options | (_SPOT if venue == "binance-spot" else {}),
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
        self._bought: dict[str, Decimal] = {}
        """On spot: what was bought and not sold again."""

    @property
    def _has_positions(self) -> bool:
        return bool(self._exchange.has["fetchPositions"]) and self._exchange.id == "binanceusdm"

    async def positions(self) -> Mapping[str, Decimal]:
        if not self._has_positions:
            return {}
        rows = await self._patiently(self._exchange.fetch_positions)
        held = {row["info"]["symbol"]: Decimal(row["info"]["positionAmt"]) for row in rows}
        return {symbol: qty for symbol, qty in held.items() if qty != 0}

    async def price(self, symbol: str) -> Decimal:
        if not self._has_positions:
            row = await self._patiently(self._exchange.fetch_ticker, self._unified(symbol))
            return Decimal(str(row["last"] or row["bid"]))
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
        qty = SMALL / await self.price(symbol)
        await self._order(symbol, "market", "buy", qty)
        self._bought[symbol] = self._bought.get(symbol, Decimal(0)) + qty

    async def close_out(self, symbol: str) -> None:
        if not self._has_positions:
            if qty := self._bought.pop(symbol, Decimal(0)):
                await self._order(symbol, "market", "sell", qty * FEE_LEFT)
            return
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


async def run(
    strategy: Strategy,
    url: str,
    *,
    venue: str,
    key: str,
    secret: str,
    session: Any,
    guarded_by: Callable[[Any], Any] = lambda exchange: exchange,
) -> None:
    """Trade until cancelled. `guarded_by` is the one line that is added to the script."""
    exchange = guarded_by(configured(venue, url, key=key, secret=secret, session=session))
    try:
        trader = CcxtTrader(exchange)
        await trader._patiently(exchange.load_markets)  # noqa: SLF001 - one bot, two halves
        await strategy(trader)
    finally:
        await exchange.close()
