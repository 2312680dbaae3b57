"""What the bots of a drill do. The strategy is the same for all; only the client differs.

Where a scenario tells of a fall with positions held, the bots do what was done on the night of
11 October 2025: they hold, and close everything as soon as the fall speeds up. Everywhere else they
make a market in a small way: a quote every half minute, withdrawn after a while, and now and then a
little bought at the market and closed again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from outlast.mock.scenario.model import Scenario

__all__ = ["Strategy", "Trader", "get_out_when_it_falls", "make_quotes", "strategy_for"]

FALL: Final = Decimal("0.07")
"""More than the 4 % of the slide that came before: the way out begins when the fall speeds up."""
LOOK_EVERY_S: Final = 5.0

QUOTE_BELOW: Final = Decimal("0.005")
"""A quote rests half a percent under the mark: near enough to be hit in a rough market."""
QUOTE_HOLD_S: Final = 15.0
QUOTE_PAUSE_S: Final = 15.0
TAKE_EVERY: Final = 4
"""Every so many quotes a little is bought at the market, and closed two quotes later."""


class Trader(Protocol):
    """One client library, as far as the strategies need it. Sizes are the trader's own, small."""

    async def symbols(self) -> list[str]:
        """What is listed, in the order of the venue."""
        ...

    async def positions(self) -> Mapping[str, Decimal]:
        """Open positions by symbol, signed."""
        ...

    async def price(self, symbol: str) -> Decimal:
        """The mark price now."""
        ...

    async def quote(self, symbol: str, price: Decimal) -> Any:
        """Rest a small buy order; what `withdraw` needs, or None where it did not come to rest."""
        ...

    async def withdraw(self, symbol: str, quote: Any) -> None:
        """Cancel a quote."""
        ...

    async def buy(self, symbol: str) -> None:
        """Buy a little at the market."""
        ...

    async def close_out(self, symbol: str) -> None:
        """Close the position of `symbol`, by whatever this client has for it; sell, on spot."""
        ...


Strategy = Callable[[Trader], Awaitable[None]]


def strategy_for(scenario: Scenario) -> Strategy:
    """What the bots do in `scenario`."""
    falls = any(
        phase.market.drift is not None and phase.market.drift <= -FALL for phase in scenario.phases
    )
    return get_out_when_it_falls if falls and scenario.world.account.positions else make_quotes


async def get_out_when_it_falls(trader: Trader) -> None:
    """Hold every position until the first of them has fallen by 7 %, then close them all."""
    held = sorted(await trader.positions())
    began_at = {symbol: await trader.price(symbol) for symbol in held}
    while True:
        if await _has_fallen(trader, began_at):
            break
        await asyncio.sleep(LOOK_EVERY_S)
    async with asyncio.TaskGroup() as exits:
        for symbol in held:
            exits.create_task(trader.close_out(symbol))


async def _has_fallen(trader: Trader, began_at: Mapping[str, Decimal]) -> bool:
    for symbol, first in began_at.items():
        if await trader.price(symbol) <= first * (1 - FALL):
            return True
    return not began_at


async def make_quotes(trader: Trader) -> None:
    """Quote, withdraw, take a little and close it again, for as long as it lasts."""
    symbol = (await trader.symbols())[0]
    for turn in itertools.count(1):
        price = await trader.price(symbol)
        quote = await trader.quote(symbol, price * (1 - QUOTE_BELOW))
        await asyncio.sleep(QUOTE_HOLD_S)
        if quote is not None:
            await trader.withdraw(symbol, quote)
        if turn % TAKE_EVERY == 0:
            await trader.buy(symbol)
        elif turn % TAKE_EVERY == TAKE_EVERY // 2:
            await trader.close_out(symbol)
        await asyncio.sleep(QUOTE_PAUSE_S)
