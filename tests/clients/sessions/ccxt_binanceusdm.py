"""ccxt and ccxt.pro on Binance USD-M futures."""

from __future__ import annotations

import ccxt.pro
from ccxt_binance import Play
from ground import main


class PlayFutures(Play):
    """What futures have that spot has not: positions, and a way out of them."""

    symbol = "BTC/USDT:USDT"
    kind = ccxt.pro.binanceusdm
    is_futures = True
    qty = 0.01

    async def position(self) -> str:
        self.needs("filled_id")
        (held,) = await self.client.fetch_positions([self.symbol])
        assert (held["side"], held["contracts"]) == ("long", self.qty), held
        await self.client.create_order(
            self.symbol, "market", "sell", self.qty, None, {"reduceOnly": True}
        )
        assert await self.client.fetch_positions([self.symbol]) == []
        return f"long {self.qty}, then flat"


if __name__ == "__main__":
    main(PlayFutures)
