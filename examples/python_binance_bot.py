"""python-binance with limits, bans and breakers kept underneath, in an outage of the bundled mock.

The middleware repeats reads and never an order; what became of one whose answer was lost is asked
for by its id, which is why each order is given one. Needs: pip install python-binance
'outlast[mock,aiohttp]'
"""

import asyncio

import aiohttp
from binance import AsyncClient
from binance.exceptions import BinanceAPIException

from outlast.adapters.aiohttp import HeldBack, middleware
from outlast.testing import scenario

UNKNOWN_CODES = (-1006, -1007)  # no 5xx, and yet: "execution status unknown"


async def place(client: AsyncClient, name: str, **terms: str) -> str:
    """What became of one order, in a word."""
    try:
        order = await client.futures_create_order(newClientOrderId=name, **terms)
        return order["status"]
    except HeldBack as error:
        return f"not sent, ask again in {error.retry_after_s} s"
    except BinanceAPIException as error:
        if error.status_code < 500 and error.code not in UNKNOWN_CODES:
            return f"refused: {error.message}"
    except (aiohttp.ClientError, TimeoutError):
        pass  # sent, and no answer
    try:
        found = await client.futures_get_order(symbol=terms["symbol"], origClientOrderId=name)
        return f"answer lost, found {found['status']}"
    except BinanceAPIException:
        return "answer lost, not found yet: to be settled before it is sent again"


async def main() -> None:
    with scenario("unknown-503-landed", phase="unknown", seed=1) as mock:
        guard = middleware("binance-um", journal="requests.journal")
        client = AsyncClient(mock.key, mock.secret, session_params={"middlewares": (guard,)})
        client.FUTURES_URL = f"{mock.url}/fapi"
        try:
            for number in range(6):
                terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
                told = await place(client, f"bot-{number}", quantity="0.01", price="60000", **terms)
                print(f"bot-{number}: {told}")
        finally:
            await client.close_connection()
            guard.close()


asyncio.run(main())
