"""What the bots of a drill do: hold, and get out when the fall begins.

The strategy is one and the same for all; only the client behind `Trader` differs. It is the one of
the night of 11 October 2025: longs are held, and as soon as prices have fallen by some percent
every position is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Protocol

__all__ = ["Trader", "get_out_when_it_falls"]

FALL: Final = Decimal("0.07")
"""More than the 4 % of the slide that came before: the way out begins when the fall speeds up."""

LOOK_EVERY_S: Final = 5.0


class Trader(Protocol):
    """One client library, as far as the strategy needs it. Symbols are the venue's own."""

    async def positions(self) -> Mapping[str, Decimal]:
        """Open positions by symbol, signed."""
        ...

    async def price(self, symbol: str) -> Decimal:
        """The mark price now."""
        ...

    async def close_out(self, symbol: str) -> None:
        """Close the position of `symbol`, by whatever this client has for it."""
        ...


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
