"""A bot dies in the middle of an order. The next start, on the same journal, finds out what became
of it before it takes new risk on that symbol. In virtual time.
"""

import asyncio
import tempfile
from pathlib import Path

import outlast
from outlast import sim
from outlast.mock import MockExchange
from outlast.mock.scenario import ScenarioBuilder, fault

SYMBOL = "BTC/USDT:USDT"

night = ScenarioBuilder("answers-never-come", venue="binance-um")
night.instrument("BTCUSDT", product="um", mid="68000", tick="0.1")
night.account(balances={"USDT": "10000"})
night.phase("lost", "30s", faults=[fault("orders.create", reply={"hang": "60s"}, effect="apply")])
night.phase("well", "rest")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with MockExchange(night.build()) as exchange:
            terms = exchange.describe()["venues"]["binance-um"]
            terms |= {"journal": Path(folder) / "bot.journal", "clock": sim.clock()}

            async def first_life() -> None:
                async with outlast.connect("binance-um", **terms) as venue:
                    await venue.submit(outlast.market(SYMBOL, "buy", "0.010"))

            bot = asyncio.create_task(first_life())
            await asyncio.sleep(2)
            bot.cancel()  # as a deployment does; `kill -9` would leave the same journal
            await asyncio.wait([bot])

            async with outlast.connect("binance-um", **terms) as venue:
                for order in venue.orders.unknown():
                    print(f"in doubt: {order.side.value} {order.qty} {order.symbol}")
                    settled = await venue.settle(order.client_order_id)
                    print(f"settled: {settled.status.value}")
                print(f"position: {venue.positions[SYMBOL].qty}")
            assert exchange.truth.scorecard("main")["orders"] == 1


if __name__ == "__main__":
    sim.run(main, seed=1)
