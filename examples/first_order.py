"""First success in a minute: a mock exchange, one order, its cancel, a position and its end."""

import asyncio
import tempfile
from pathlib import Path

import outlast
from outlast.mock import MockExchange


async def main() -> None:
    async with MockExchange(venues=["binance-um"]) as exchange:
        wires = exchange.describe()["venues"]["binance-um"]
        journal = Path(tempfile.mkdtemp()) / "bot.journal"
        async with outlast.connect(
            "binance-um",
            key=wires["key"],
            secret=wires["secret"],
            endpoints=wires["endpoints"],
            journal=journal,
        ) as venue:
            symbol = "BTC/USDT:USDT"
            price = await venue.mark_price(symbol)
            print(f"{symbol} at {price}")

            resting = await venue.quantize(outlast.limit(symbol, "buy", "0.01", price / 2))
            order = await venue.submit(resting)
            print(f"{order.client_order_id} is {order.status.value} at {order.price}")
            order = await venue.cancel(order.client_order_id)
            print(f"{order.client_order_id} is {order.status.value}")

            await venue.submit(outlast.market(symbol, "buy", "0.01"))
            report = await venue.close_position(symbol)
            print(f"flat: {report.is_flat}, after {len(report.attempts)} order(s)")


if __name__ == "__main__":
    asyncio.run(main())
