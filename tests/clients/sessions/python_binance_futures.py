"""python-binance on Binance USD-M futures."""

from __future__ import annotations

from typing import Any

from binance import AsyncClient
from ground import BOOK_UPDATES, client_id, main
from python_binance_spot import SYMBOL, Play


class PlayFutures(Play):
    """The same ground under the client's `futures_` names."""

    qty = "0.010"
    duplicate_code = -4116
    system_status = None  # the flag is spot's; it says nothing of futures

    def call(self, name: str, **params: Any) -> Any:
        name = {"get_order_book": "order_book"}.get(name, name)
        return getattr(self.client, f"futures_{name}")(**params)

    async def markets(self) -> str:
        return self._listed(await self.client.futures_exchange_info())

    async def server_time(self) -> str:
        return str((await self.client.futures_time())["serverTime"])

    async def book_stream(self) -> str:
        """The client keeps no checked book of futures, so the diffs are chained here.

        Source: Binance USD-M futures docs, How to manage a local order book correctly.
        """
        streams, before = [f"{SYMBOL.lower()}@depth@100ms"], None
        async with self.sockets.futures_multiplex_socket(streams, category="public") as stream:
            for _ in range(BOOK_UPDATES):
                event = (await stream.recv())["data"]
                assert event["U"] <= event["u"], event
                assert before in (None, event["pu"]), f"pu {event['pu']} after u {before}"
                before = event["u"]
        return f"{BOOK_UPDATES} events to {before}"

    async def ticker_stream(self) -> str:
        return await self._ticker(self.sockets.symbol_ticker_futures_socket(SYMBOL))

    async def balance(self) -> str:
        rows = (await self.client.futures_account())["assets"]
        wallet = {row["asset"]: row["walletBalance"] for row in rows}
        assert float(wallet["USDT"]) > 0, wallet
        return str(wallet)

    def _user_socket(self) -> Any:
        return self.sockets.futures_user_socket()

    async def position(self) -> str:
        self.needs("filled_id")
        rows = await self.client.futures_position_information(symbol=SYMBOL)
        assert [float(row["positionAmt"]) for row in rows] == [float(self.qty)], rows
        await self.client.futures_create_order(
            symbol=SYMBOL, side="SELL", type="MARKET", quantity=self.qty, reduceOnly=True
        )
        rows = await self.client.futures_position_information(symbol=SYMBOL)
        assert all(float(row["positionAmt"]) == 0 for row in rows), rows
        return f"long {self.qty}, then flat"

    async def order_by_stream(self) -> str:
        order = await self.client.ws_futures_create_order(**self._limit(client_id("os")))
        gone = await self.client.ws_futures_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert gone["status"] == "CANCELED", gone
        return gone["status"]

    async def _account_of(self, client: AsyncClient) -> Any:
        return await client.futures_account()


if __name__ == "__main__":
    main(PlayFutures)
