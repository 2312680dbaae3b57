"""A ccxt bot in an outage: as it is, and with one line more.

Half of the orders get the answer "execution status unknown", landed or not. It runs against the
bundled mock, in virtual time. Needs: pip install 'outlast[demo]'
"""

import asyncio

import ccxt.async_support as ccxt

import outlast
from outlast.testing import Mock

SYMBOL = "BTC/USDT:USDT"


def exchange_at(mock: Mock) -> ccxt.binanceusdm:
    """An ordinary ccxt exchange; in real life this is all configuration there is."""
    exchange = ccxt.binanceusdm(
        {"apiKey": mock.key, "secret": mock.secret, "options": {"fetchCurrencies": False}}
    )
    for name, url in exchange.urls["api"].items():
        if isinstance(url, str):
            exchange.urls["api"][name] = mock.url + "/" + url.split("/", 3)[3]
    return exchange


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
        exchange = exchange_at(mock)
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
