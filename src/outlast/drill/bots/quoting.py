"""A small bid every few seconds, through ccxt: for bots that are compared by when they stop.

It tries nothing twice and hides no error: what to make of one is the bot's own business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import ccxt
import ccxt.async_support

__all__ = ["TURN_S", "CcxtQuotes", "Heard"]

TURN_S: Final = 5.0
"""How often the bot decides whether to have a bid in the market."""
BID_WORTH: Final = Decimal(200)
BID_BELOW: Final = Decimal("0.02")
"""Far enough from the market that a bid of five seconds is rarely hit."""
CANCELS_MAX: Final = 3
"""Of bids that could not be withdrawn before, so many are tried again in a turn."""
AGAIN_S: Final = 5.0

Heard = Callable[[bool], None]
"""Hears of each turn whether the bot tried to enter (True) or held itself back."""


class CcxtQuotes:
    """One bid at a time, two percent under the market."""

    def __init__(self, exchange: Any) -> None:
        exchange.options["maxRetriesOnFailure"] = 0  # its default; every error is to be seen
        self._exchange = exchange
        self._symbol = ""
        self._price: Decimal | None = None
        self._resting: list[str] = []

    async def begin(self) -> None:
        """Read the list of markets, however long that takes."""
        while not self._exchange.markets:
            try:
                await self._asked(self._exchange.load_markets)
            except ccxt.BaseError:  # type: ignore[attr-defined]
                await asyncio.sleep(AGAIN_S)
        self._symbol = next(iter(self._exchange.markets.values()))["symbol"]

    async def enter(self) -> None:
        """Put a fresh bid in the place of the last one.

        Raises:
            ccxt.BaseError: the price or the order failed, whatever the reason.
        """
        await self.withdraw()
        if self._price is None:
            await self._read_price()
        assert self._price is not None
        bid = self._price * (1 - BID_BELOW)
        amount = self._exchange.amount_to_precision(self._symbol, float(BID_WORTH / bid))
        price = self._exchange.price_to_precision(self._symbol, float(bid))
        create = self._exchange.create_order
        order = await self._asked(create, self._symbol, "limit", "buy", float(amount), float(price))
        self._resting.append(order["id"])
        await self._read_price()

    async def withdraw(self) -> None:
        """Cancel what rests. What cannot be cancelled is tried again in the next turn."""
        for order_id in self._resting[-CANCELS_MAX:]:
            try:
                await self._asked(self._exchange.cancel_order, order_id, self._symbol)
            except ccxt.OrderNotFound:  # type: ignore[attr-defined]
                pass  # it has filled, or ended otherwise
            except ccxt.BaseError:  # type: ignore[attr-defined]
                return
            self._resting.remove(order_id)

    async def _read_price(self) -> None:
        if self._exchange.id == "binanceusdm":
            row = await self._asked(self._exchange.fetch_funding_rate, self._symbol)
            price = row["info"]["markPrice"]
        else:
            row = await self._asked(self._exchange.fetch_ticker, self._symbol)
            price = row["last"] or row["bid"]
        if price is None:
            raise ccxt.BadResponse(f"no price of {self._symbol}")  # type: ignore[attr-defined]
        self._price = Decimal(str(price))

    async def _asked(self, call: Any, *arguments: Any) -> Any:
        """What `call` gives. ccxt falls over some hollow answers; that is an error as any other."""
        try:
            return await call(*arguments)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise ccxt.BadResponse(repr(error)) from error  # type: ignore[attr-defined]
