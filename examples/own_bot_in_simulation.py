"""A bot of your own, on plain httpx, through 44 minutes of outage in virtual time: some seconds.

Nothing of the bot is changed for it: `outlast.sim.run` puts time and network under it.
"""

import asyncio
import hashlib
import hmac
import time
import urllib.parse

import httpx

from outlast import sim
from outlast.mock import MockExchange

BUYS = 40


async def buy(client: httpx.AsyncClient, key: str, secret: str) -> str:
    """Buy a little, and again until it is answered: what most bots do."""
    for _ in range(5):
        terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.002"}
        query = urllib.parse.urlencode(terms | {"timestamp": str(int(time.time() * 1000))})
        signature = hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"/fapi/v1/order?{query}&signature={signature}"
        try:
            answer = await client.post(url, headers={"X-MBX-APIKEY": key}, timeout=5)
            answer.raise_for_status()
        except httpx.HTTPError:
            await asyncio.sleep(1)  # virtual: it costs nothing
        else:
            return "bought"
    return "gave up"


async def main() -> None:
    async with MockExchange("unknown-503-landed") as exchange:
        wires = exchange.describe()["venues"]["binance-um"]
        async with httpx.AsyncClient(base_url=wires["endpoints"]["rest"]) as client:
            ends = []
            for _ in range(BUYS):
                ends.append(await buy(client, wires["key"], wires["secret"]))
                await asyncio.sleep(60)
        card = exchange.truth.scorecard("main")
        print(f"{BUYS} buys wanted; the bot says: {ends.count('bought')} bought")
        print(f"orders at the venue: {card['orders']}, of them duplicates: {card['duplicates']}")


if __name__ == "__main__":
    began = time.monotonic()
    sim.run(main, seed=7)  # the same seed, the same night, to the byte
    print(f"took {time.monotonic() - began:.1f} s")
