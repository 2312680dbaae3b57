"""ccxt and ccxt.pro on Kraken spot."""

from __future__ import annotations

import zlib
from typing import Any

import ccxt.pro
from ccxt_orders import CcxtSession
from ground import BOOK_UPDATES, check_book, client_id, main


class Kraken(ccxt.pro.kraken):
    """ccxt's own client. After each message its book is held against the venue's CRC32.

    ccxt has that check switched off, and it cannot be switched on: it works on text, the books
    hold floats. So the text is made here, with the decimals that the markets' precision says.
    Source: Kraken docs, "Book Checksum (v2)".
    """

    verified = 0
    wrong = ""

    def handle_order_book(self, client: Any, message: Any) -> None:
        super().handle_order_book(client, message)
        (data,) = message["data"]
        book, precision = self.orderbooks[data["symbol"]], self.markets[data["symbol"]]["precision"]
        text = ""
        for side in ("asks", "bids"):
            for price, qty, *_ in book[side][:10]:
                for value, step in ((price, precision["price"]), (qty, precision["amount"])):
                    decimals = self.precision_from_string(self.number_to_string(step))
                    text += f"{value:.{decimals}f}".replace(".", "").lstrip("0")
        if zlib.crc32(text.encode()) == data["checksum"]:
            self.verified += 1
        else:
            self.wrong = f"checksum of {message}"  # to raise here would end ccxt's reading


class Play(CcxtSession):
    """`symbol` on Kraken spot."""

    symbol = "BTC/USD"
    qty = 0.001
    signature_refusal = "EAPI:Invalid"

    def make(self, secret: str) -> Kraken:
        rest, stream = self.where["rest"], self.where["stream"]
        sockets = {"public": stream, "private": stream}
        sockets |= {"publicV2": f"{stream}/v2", "privateV2": f"{stream}/v2"}
        urls = {"api": {"public": rest, "private": rest, "ws": sockets}}
        return Kraken({"apiKey": self.where["key"], "secret": secret, "urls": urls})

    async def book_stream(self) -> str:
        self.needs("precision")
        seen = set()
        for _ in range(BOOK_UPDATES):
            book = await self.client.watch_order_book(self.symbol, 10)
            assert not self.client.wrong, self.client.wrong
            shape = check_book(book["bids"], book["asks"], depth=10)
            seen.add(repr((book["bids"], book["asks"])))
        assert len(seen) > 3, "the book does not move"
        assert self.client.verified >= BOOK_UPDATES
        return f"{self.client.verified} checksums; {shape}"

    async def ticker_stream(self) -> str:
        self.needs("precision")
        ticker = await self.client.watch_ticker(self.symbol)
        assert ticker["bid"] < ticker["ask"]
        return f"{ticker['bid']} / {ticker['ask']}"

    def name_of(self, order: dict[str, Any]) -> str:
        return order["info"].get("cl_ord_id", "")  # ccxt leaves it there

    async def private_stream(self) -> str:
        balance = await self.client.watch_balance()
        assert balance["total"], "no balances on the stream"
        return f"balances; {await super().private_stream()}"

    async def query_by_client_id(self) -> str:
        self.needs("order_id")
        found = await self.client.fetch_open_orders(self.symbol, params={"cl_ord_id": self.name})
        assert [order["id"] for order in found] == [self.order_id], found
        return self.order_id

    async def history(self) -> str:
        order = await self.client.fetch_order(self.cancelled, self.symbol)
        closed = await self.client.fetch_closed_orders(self.symbol)
        assert order["status"] == "canceled", order
        assert self.cancelled in [order["id"] for order in closed]
        return f"{len(closed)} closed"

    async def order_by_stream(self) -> str:
        price = float(self.client.price_to_precision(self.symbol, self.bid / 2))
        order = await self.client.create_order_ws(
            self.symbol, "limit", "buy", self.qty, price, {"cl_ord_id": client_id("os")}
        )
        assert order["id"], order
        await self.client.cancel_order_ws(order["id"])
        return order["id"]

    async def unknown_order(self) -> str:
        return await super().unknown_order("OAAAAA-BBBBB-CCCCCC")


if __name__ == "__main__":
    main(Play)
