"""A market maker on Kraken through lost answers and 502s, in virtual time.

It quotes one bid around a live book, pulls it when the book cannot be trusted, and leaves a dead
man's switch at the venue. What it sent is judged by the exchange's own books in the end.
"""

import asyncio
from decimal import Decimal

import outlast
from outlast import sim
from outlast.mock import MockExchange

SYMBOL, QTY = "BTC/USD", "0.001"
MINUTES = 6


async def quote(venue: outlast.Session, resting: outlast.Order | None) -> outlast.Order | None:
    """One step: where the quote should be now; the order that rests afterwards."""
    try:
        book = await venue.book(SYMBOL)
        price = book.best_bid.price - Decimal("50.0")
    except outlast.StaleData:  # never price off a book that may not be true
        await venue.cancel_all(SYMBOL)
        return None
    if resting is not None and abs(price - resting.price) < Decimal("20.0"):
        return resting
    try:
        if resting is not None:
            await venue.cancel(resting.client_order_id)
        return await venue.submit(outlast.limit(SYMBOL, "buy", QTY, price, post_only=True))
    except outlast.OutcomeUnknown as error:  # it is being settled; quoting waits for it
        return await venue.settle(error.client_order_id)
    except (outlast.NotSent, outlast.Refused) as error:  # nothing is live because of this call
        print(f"no quote: {type(error).__name__}")
        return None


async def main() -> None:
    async with MockExchange("gateway-lost-reply", venues=["kraken-spot"], seed=3) as exchange:
        wires = exchange.describe()["venues"]["kraken-spot"]
        async with (
            outlast.connect("kraken-spot", journal=None, clock=sim.clock(), **wires) as venue,
            venue.dead_mans_switch(timeout_s=60),
        ):
            order = None
            for _ in range(MINUTES * 4):
                order = await quote(venue, order)
                await asyncio.sleep(15)
            await venue.cancel_all()
        card = exchange.truth.scorecard("main")
        print({name: card[name] for name in ("orders", "duplicates", "lost", "bans")})
        assert card["duplicates"] == card["lost"] == card["bans"] == 0


if __name__ == "__main__":
    sim.run(main, seed=3)
