"""A ccxt bot in an outage: as it is, and with one line more.

Half of the orders get the answer "execution status unknown", landed or not. It runs against the
bundled mock, in virtual time. Needs: pip install 'outlast[demo]'
"""

import asyncio

import ccxt.async_support as ccxt

import outlast
from outlast.testing import Mock, aim

SYMBOL = "BTC/USDT:USDT"


async def bot(exchange: ccxt.binanceusdm) -> None:
    """Twelve orders, each tried until ccxt says that it worked."""
    for number in range(12):
        while True:
            try:
                await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 60000 + number)
                break
            except ccxt.NetworkError:
                await asyncio.sleep(1)


def drill(*, guarded: bool) -> None:
    mock = Mock("unknown-503-landed", phase="unknown", seed=1)

    async def play() -> None:
        exchange = aim(ccxt.binanceusdm())  # in real life: your own, with your key
        if guarded:
            outlast.guard(exchange, journal=None)  # the one line
        try:
            await bot(exchange)
        finally:
            await exchange.close()

    mock.play(play)
    card = mock.truth.scorecard
    name = "guarded" if guarded else "bare"
    print(f"{name:8} wanted 12 orders, made {card['orders']}; duplicates: {card['duplicates']}")


drill(guarded=False)
drill(guarded=True)
