"""The same strategy on outlast: the exit is one call; on spot what was bought is sold again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from outlast.client.connect import connect
from outlast.client.gate_settings import GateSettings
from outlast.client.session import Session
from outlast.client.settings import Settings
from outlast.drill.strategy import Strategy
from outlast.errors import NotSent, OutcomeUnknown, ReadFailed, Refused
from outlast.model import Order, OrderRequest, Side, limit, market
from outlast.wire import Clock

__all__ = ["OutlastTrader", "belief_of", "run"]

SMALL: Final = Decimal(200)
"""What a small order is worth, in the quote currency."""
ACCOUNT_FRESH_S: Final = 3.0
"""What an entry is based on is no older: an account that shows zeros is seen before the order."""
PAUSE_S: Final = 5.0
"""After a price, or a session, that could not be had."""


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

    async def symbols(self) -> list[str]:
        return list(self._session.instruments)

    async def quote(self, symbol: str, price: Decimal) -> Any:
        order = limit(symbol, "buy", SMALL / price, price)
        placed = await self._submit(order)
        return None if placed is None or placed.status.is_final else placed.client_order_id

    async def withdraw(self, symbol: str, quote: Any) -> None:
        try:
            await self._session.cancel(quote)
        except (NotSent, Refused, OutcomeUnknown):
            return  # it is looked after: the next quote is held while this one is in doubt

    async def buy(self, symbol: str) -> None:
        await self._submit(market(symbol, "buy", SMALL / await self.price(symbol)))

    async def close_out(self, symbol: str) -> None:
        instrument = self._session.instrument(symbol)
        if instrument.product.has_positions:
            await self._session.close_position(symbol)
            return
        bought = self._bought(instrument.symbol)
        if bought >= max(instrument.qty_min, instrument.qty_step):
            await self._submit(market(symbol, "sell", bought))

    def _bought(self, symbol: str) -> Decimal:
        """On spot: what our own orders have bought and not sold again."""
        ours = [o for o in self._session.orders.all() if o.symbol == symbol and not o.is_external]
        return sum(
            (o.filled_qty if o.side is Side.BUY else -o.filled_qty for o in ours), Decimal(0)
        )

    async def _submit(self, order: OrderRequest) -> Order | None:
        """The order, or None where there is none: the strategy just goes on."""
        try:
            return await self._session.submit(await self._session.quantize(order))
        except (NotSent, Refused):
            return None
        except OutcomeUnknown as error:
            return await self._session.settle(error.client_order_id)


async def run(
    strategy: Strategy,
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
    """Trade until the scenario ends; returns what the bot then believes.

    A session that cannot open is opened again later, as whoever keeps a bot running does.
    """
    while True:
        session = connect(
            venue,
            key=key,
            secret=secret,
            journal=journal,
            settings=Settings(seed=seed, gate=GateSettings(account_fresh_s=ACCOUNT_FRESH_S)),
            endpoints={"rest": url},
            clock=clock,
        )
        try:
            async with session:
                return await _trade(strategy, session, clock, until_end)
        except ReadFailed:
            if until_end.is_set():
                raise
            await clock.sleep(PAUSE_S)


async def _trade(
    strategy: Strategy, session: Session, clock: Clock, until_end: asyncio.Event
) -> dict[str, Any]:
    trading = asyncio.ensure_future(strategy(OutlastTrader(session, clock)))
    ended = asyncio.create_task(until_end.wait())
    await asyncio.wait({trading, ended}, return_when=asyncio.FIRST_COMPLETED)
    await ended
    if trading.done():
        trading.result()  # a strategy that fell over must not look like one that was done
    trading.cancel()
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
