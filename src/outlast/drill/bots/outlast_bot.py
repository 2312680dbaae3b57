"""The same strategy on outlast: the exit is one call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from outlast.client.connect import connect
from outlast.client.session import Session
from outlast.client.settings import Settings
from outlast.drill.strategy import get_out_when_it_falls
from outlast.errors import NotSent, Refused
from outlast.wire import Clock

__all__ = ["OutlastTrader", "belief_of", "run"]

PAUSE_S: Final = 5.0
"""After a price that could not be had."""


class OutlastTrader:
    def __init__(self, session: Session, clock: Clock) -> None:
        self._session = session
        self._clock = clock

    async def positions(self) -> Mapping[str, Decimal]:
        held = self._session.positions
        return {symbol: held.peek(symbol).qty for symbol in held}

    async def price(self, symbol: str) -> Decimal:
        while True:
            try:
                return await self._session.mark_price(symbol)
            except (NotSent, Refused) as error:
                wait_s = (error.retry_at or 0.0) - self._clock.wall()
                await self._clock.sleep(max(PAUSE_S, wait_s))

    async def close_out(self, symbol: str) -> None:
        await self._session.close_position(symbol)


async def run(
    url: str,
    *,
    venue: str,
    key: str,
    secret: str,
    clock: Clock,
    seed: int,
    journal: str,
    until_end: asyncio.Event,
) -> dict[str, Any]:
    """Trade until the scenario ends; returns what the bot then believes."""
    settings = Settings(seed=seed)
    async with connect(
        venue,
        key=key,
        secret=secret,
        journal=journal,
        settings=settings,
        endpoints={"rest": url},
        clock=clock,
    ) as session:
        strategy = asyncio.create_task(get_out_when_it_falls(OutlastTrader(session, clock)))
        ended = asyncio.create_task(until_end.wait())
        await asyncio.wait({strategy, ended}, return_when=asyncio.FIRST_COMPLETED)
        await ended
        strategy.cancel()
        await session.reconcile()
        return belief_of(session)


def belief_of(session: Session) -> dict[str, Any]:
    """What a session knows, in the form that the mock compares with its truth."""
    instruments = session.instruments
    return {
        "orders": {o.client_order_id: o.status.value for o in session.orders.all()},
        "positions": {
            instruments[symbol].venue_symbol: str(session.positions.peek(symbol).qty)
            for symbol in session.positions
        },
        "balances": {
            currency: str(session.balances.peek(currency).total) for currency in session.balances
        },
    }
