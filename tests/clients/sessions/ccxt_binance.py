"""ccxt and ccxt.pro on Binance: spot as it stands, USD-M futures by `ccxt_binanceusdm.py`.

Both check their books: ccxt raises `ChecksumError` where `U`, `u` or `pu` leave a gap.
"""

from __future__ import annotations

from typing import Any

import ccxt.pro
from ccxt_orders import CcxtSession
from ground import BOOK_UPDATES, check_book, client_id, main, refusal


class Play(CcxtSession):
    """`symbol` on Binance spot; the subclass says what futures have otherwise."""

    symbol = "BTC/USDT"
    kind: Any = ccxt.pro.binance
    is_futures = False
    qty = 0.001

    def make(self, secret: str) -> Any:
        rest, stream = self.where["rest"], self.where["stream"]
        section = "linear" if self.is_futures else "spot"
        client = self.kind(
            {
                "apiKey": self.where["key"],
                "secret": secret,
                # Without this ccxt reads the markets of three hosts, of which this is one.
                "options": {"fetchMarkets": {"types": [section]}},
            }
        )
        urls = client.urls["api"]
        for name, url in urls.items():
            if isinstance(url, str):  # keep the path: /api/v3, /fapi/v1, /sapi/v1, …
                urls[name] = f"{rest}/{url.split('/', 3)[3]}"
        requests = f"{stream}/ws-fapi/v1" if self.is_futures else f"{stream}/ws-api/v3"
        urls["ws"][section] = f"{stream}/ws"
        urls["ws"]["ws-api"][section] = requests
        # ccxt tells spot from futures by the host's name, which holds "stream" only on spot.
        client.is_spot_url = lambda socket: not self.is_futures
        return client

    async def book_stream(self) -> str:
        self.needs("precision")
        seen = []
        for _ in range(BOOK_UPDATES):
            book = await self.client.watch_order_book(self.symbol)
            shape = check_book(book["bids"], book["asks"])
            seen.append(book["nonce"])
        assert seen == sorted(seen), f"update ids went back: {seen}"
        assert len(set(seen)) > 3, "the book does not move"
        return f"{len(seen)} updates to {seen[-1]}; {shape}"

    async def ticker_stream(self) -> str:
        self.needs("precision")
        ticker = (await self.client.watch_bids_asks([self.symbol]))[self.symbol]
        assert ticker["bid"] < ticker["ask"]
        return f"{ticker['bid']} / {ticker['ask']}"

    async def query_by_client_id(self) -> str:
        self.needs("order_id")
        named = {"origClientOrderId": self.name}
        order = await self.client.fetch_order(None, self.symbol, named)
        assert order["id"] == self.order_id, order
        return self.order_id

    async def duplicate_id(self) -> str:
        self.needs("order_id")
        price = float(self.client.price_to_precision(self.symbol, self.bid / 2))
        again = self.client.create_order(
            self.symbol, "limit", "buy", self.qty, price, {"clientOrderId": self.name}
        )
        said = await refusal(again, ccxt.BaseError)
        assert ("-4116" if self.is_futures else "-2010") in said, said
        return said

    async def history(self) -> str:
        orders = await self.client.fetch_orders(self.symbol)
        (mine,) = [order for order in orders if order["id"] == self.cancelled]
        assert mine["status"] == "canceled", mine
        return f"{len(orders)} orders"

    async def order_by_stream(self) -> str:
        price = float(self.client.price_to_precision(self.symbol, self.bid / 2))
        order = await self.client.create_order_ws(
            self.symbol, "limit", "buy", self.qty, price, {"clientOrderId": client_id("os")}
        )
        order = await self.client.cancel_order_ws(order["id"], self.symbol)
        assert order["status"] == "canceled", order
        return order["id"]


if __name__ == "__main__":
    main(Play)
