"""A position bot on Binance USD-M: in, then out, while answers come from orders queued for minutes.

Whatever an order's answer was, its outcome is known before the bot goes on. In virtual time.
"""

import asyncio

import outlast
from outlast import sim
from outlast.mock import MockExchange

SYMBOL, QTY = "BTC/USDT:USDT", "0.010"
ROUNDS = 12


async def enter(venue: outlast.Session) -> bool:
    try:
        order = await venue.submit(outlast.market(SYMBOL, "buy", QTY))
    except outlast.OutcomeUnknown as error:  # never send it again: find out
        order = await venue.settle(error.client_order_id)
    except (outlast.NotSent, outlast.Refused) as error:
        print(f"not in: {error}")
        return False
    return order.filled_qty > 0


async def main() -> None:
    async with MockExchange("late-queue-execution", seed=5) as exchange:
        wires = exchange.describe()["venues"]["binance-um"]
        async with outlast.connect("binance-um", journal=None, clock=sim.clock(), **wires) as venue:
            for _ in range(ROUNDS):
                if await enter(venue):
                    report = await venue.close_position(SYMBOL)  # at it, in bounds, until flat
                    print(f"out after {len(report.attempts)} tries")
                await asyncio.sleep(120)
        card = exchange.truth.scorecard("main")
        print({name: card[name] for name in ("orders", "duplicates", "lost", "unresolved")})
        assert card["duplicates"] == card["lost"] == card["unresolved"] == 0
        assert not card["open_position_at_end"]


if __name__ == "__main__":
    sim.run(main, seed=5)
