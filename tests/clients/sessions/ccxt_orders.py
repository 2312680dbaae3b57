"""The part of a ccxt session that is the same on every venue: one order's life, told twice."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
from ground import Session, check_book, client_id, refusal, until


class CcxtSession(Session):
    """A ccxt.pro client, `self.client`. A subclass says how to make it, and what is special."""

    symbol = "BTC/USD"
    qty = 0.001
    signature_refusal = "-1022"

    async def open(self) -> None:
        self.client = self.make(self.where["secret"])
        self.orders: dict[str, list[dict[str, Any]]] = {}

    def make(self, secret: str) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        if "listener" in vars(self):
            self.listener.cancel()
        await self.client.close()

    # -- the market -------------------------------------------------------------------------------

    async def markets(self) -> str:
        markets = await self.client.load_markets()
        market = markets[self.symbol]
        assert market["active"], "the market is not active"
        self.precision = market["precision"]
        assert self.precision["price"], "no price precision"
        assert self.precision["amount"], "no amount precision"
        return f"{len(markets)} markets; {market['id']} in steps of {self.precision}"

    async def server_time(self) -> str:
        return str(await self.client.fetch_time())

    async def system_status(self) -> str:
        status = (await self.client.fetch_status())["status"]
        assert status == "ok", status
        return status

    async def book_rest(self) -> str:
        book = await self.client.fetch_order_book(self.symbol, 10)
        self.bid = book["bids"][0][0]
        return check_book(book["bids"], book["asks"], depth=10)

    async def ticker_rest(self) -> str:
        ticker = await self.client.fetch_ticker(self.symbol)
        assert ticker["last"] > 0
        return f"last {ticker['last']}"

    # -- one order --------------------------------------------------------------------------------

    async def balance(self) -> str:
        total = {k: v for k, v in (await self.client.fetch_balance())["total"].items() if v}
        assert total, "nothing in the account"
        return str(total)

    async def private_stream(self) -> str:
        self.needs("precision")

        async def listen() -> None:
            while True:
                for order in await self.client.watch_orders(self.symbol):
                    self.orders.setdefault(order["id"], []).append(dict(order))

        self.listener = asyncio.create_task(listen())
        done, _ = await asyncio.wait([self.listener], timeout=1.5)
        for failed in done:
            failed.result()
        self.listening = True
        return "subscribed"

    async def place(self) -> str:
        self.name = client_id("oc")
        price = float(self.client.price_to_precision(self.symbol, self.bid / 2))
        order = await self.client.create_order(
            self.symbol, "limit", "buy", self.qty, price, {"clientOrderId": self.name}
        )
        self.order_id = order["id"]
        assert self.order_id, "the order has no id"
        return f"{self.name} is {self.order_id}"

    def told(self, order_id: str, status: str) -> dict[str, Any] | None:
        """What the private stream said last of an order, once it says `status`."""
        seen = self.orders.get(order_id)
        return seen[-1] if seen and seen[-1]["status"] == status else None

    async def place_shown(self) -> str:
        self.needs("listening")
        order_id = self.order_id
        order = await until(lambda: self.told(order_id, "open"), f"{order_id} on the stream")
        assert self.name_of(order) == self.name, order
        return f"{len(self.orders[order_id])} reports"

    def name_of(self, order: dict[str, Any]) -> str:
        return order["clientOrderId"]

    async def query(self) -> str:
        order = await self.client.fetch_order(self.order_id, self.symbol)
        assert (order["status"], order["amount"]) == ("open", self.qty), order
        return f"open, {order['amount']} at {order['price']}"

    async def open_orders(self) -> str:
        listed = await self.client.fetch_open_orders(self.symbol)
        assert self.order_id in [order["id"] for order in listed]
        return f"{len(listed)} open"

    async def cancel(self) -> str:
        await self.client.cancel_order(self.order_id, self.symbol)
        self.cancelled = self.order_id
        return self.cancelled

    async def cancel_shown(self) -> str:
        self.needs("listening")
        order_id = self.cancelled
        order = await until(lambda: self.told(order_id, "canceled"), f"the end of {order_id}")
        assert self.name_of(order) == self.name, order
        return f"{len(self.orders[order_id])} reports"

    async def fill(self) -> str:
        self.needs("precision")
        order = await self.client.create_order(self.symbol, "market", "buy", self.qty)
        self.filled_id = order["id"]
        order = await self.client.fetch_order(self.filled_id, self.symbol)
        assert (order["status"], order["filled"]) == ("closed", self.qty), order
        fills = await self.client.fetch_my_trades(self.symbol)
        mine = [fill for fill in fills if fill["order"] == self.filled_id]
        assert abs(sum(fill["amount"] for fill in mine) - self.qty) < 1e-12, fills
        assert all(fill["fee"]["cost"] > 0 for fill in mine), mine
        return f"{len(mine)} fills at {order['average']}"

    async def fill_shown(self) -> str:
        self.needs("listening")
        order_id = self.filled_id
        order = await until(lambda: self.told(order_id, "closed"), f"the fill of {order_id}")
        assert order["filled"] == self.qty, order
        return f"{order['filled']} filled"

    # -- refusals ---------------------------------------------------------------------------------

    async def unknown_order(self, order_id: str = "987654321") -> str:
        self.needs("precision")
        return await refusal(self.client.cancel_order(order_id, self.symbol), ccxt.OrderNotFound)

    async def wrong_signature(self) -> str:
        other = self.make("AAAA" + self.where["secret"][4:])
        try:
            said = await refusal(other.fetch_balance(), ccxt.BaseError)
        finally:
            await other.close()
        assert self.signature_refusal in said, said
        return said
