"""A busy bot in a process of its own, which is killed at some point of its work."""

from __future__ import annotations

import asyncio
import random
from multiprocessing.synchronize import Event
from typing import Any

import outlast
from outlast.core.recovery import RecoverySettings

MIDS = {"BTC": "68000", "ETH": "2050", "SOL": "150", "XRP": "2.5", "ADA": "0.8", "LTC": "90"}
SYMBOLS = {f"{coin}/USDT:USDT": mid for coin, mid in MIDS.items()}


def connect(wires: dict[str, Any], journal: str) -> outlast.Session:
    return outlast.connect(
        "binance-um",
        key=wires["key"],
        secret=wires["secret"],
        endpoints=wires["endpoints"],
        journal=journal,
        settings=outlast.Settings(recovery=RecoverySettings(cool_down_s=0.0)),
    )


async def trade(venue: outlast.Session, symbol: str, rng: random.Random) -> None:
    """Place, cancel, take and give back, for ever."""
    mid = float(SYMBOLS[symbol])
    while True:
        instrument = venue.instrument(symbol)
        qty = instrument.qty_step * (
            int(rng.uniform(200, 500) / mid / float(instrument.qty_step)) + 1
        )
        price = instrument.tick_size * round(mid * 0.97 / float(instrument.tick_size))
        kind = rng.choice(("quote", "quote", "take"))
        try:
            if kind == "quote":
                order = await venue.submit(outlast.limit(symbol, "buy", qty, price))
                await venue.cancel(order.client_order_id)
            else:
                side = rng.choice(("buy", "sell"))
                await venue.submit(outlast.market(symbol, side, qty))
        except outlast.OutlastError:
            await asyncio.sleep(0.01)  # refused, held or unknown: the next try comes soon enough


def main(wires: dict[str, Any], journal: str, seed: int, begins: Event) -> None:
    rng = random.Random(seed)
    begins.set()

    async def run() -> None:
        async with connect(wires, journal) as venue, asyncio.TaskGroup() as tasks:
            for symbol in SYMBOLS:
                tasks.create_task(trade(venue, symbol, rng))

    asyncio.run(run())
