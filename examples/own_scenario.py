"""A bot through a scenario of your own (`own_scenario.yaml`), in virtual time.

The same from the command line: outlast drill own_scenario.yaml --bot outlast
Needs: pip install 'outlast[mock]'
"""

import asyncio
import contextlib
from pathlib import Path

import outlast
from outlast.testing import Mock

STORY = Path(__file__).with_suffix(".yaml")
SYMBOL = "BTC/USDT:USDT"


async def quote(venue: outlast.Session) -> None:
    """One small order under the market, withdrawn after ten seconds."""
    price = await venue.mark_price(SYMBOL)
    order = await venue.quantize(outlast.limit(SYMBOL, "buy", "0.01", price * 99 / 100))
    try:
        placed = await venue.submit(order)
    except outlast.OutcomeUnknown as error:
        placed = await venue.settle(error.client_order_id)
    await asyncio.sleep(10)  # virtual: it costs nothing
    await venue.cancel(placed.client_order_id)


async def bot() -> None:
    async with outlast.connect_from_env("binance-um", journal=None) as venue:
        while True:
            try:
                await quote(venue)
            except outlast.OutlastError as error:
                print(f"{type(error).__name__}: {error}"[:100])
                await asyncio.sleep(30)


async def drill() -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(bot(), timeout=14 * 60)


mock = Mock(STORY)
mock.play(drill)
print({name: mock.truth.scorecard[name] for name in ("orders", "duplicates", "lost", "bans")})
mock.truth.assert_holds()
