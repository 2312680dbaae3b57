"""python-binance on Binance spot; on USD-M futures by `python_binance_futures.py`."""

from __future__ import annotations

import asyncio
from typing import Any

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.exceptions import BinanceAPIException
from ground import BOOK_UPDATES, Session, check_book, client_id, main, refusal, until

SYMBOL = "BTCUSDT"


class Play(Session):
    """Every call that spot and futures name differently has a method of its own below."""

    qty = "0.00100"
    duplicate_code = -2010

    async def open(self) -> None:
        rest, stream = self.where["rest"], self.where["stream"]
        AsyncClient.API_URL = f"{rest}/api"
        AsyncClient.MARGIN_API_URL = f"{rest}/sapi"
        AsyncClient.FUTURES_URL = f"{rest}/fapi"
        AsyncClient.WS_API_URL = f"{stream}/ws-api/v3"
        AsyncClient.WS_FUTURES_URL = f"{stream}/ws-fapi/v1"
        BinanceSocketManager.STREAM_URL = f"{stream}/"
        BinanceSocketManager.FSTREAM_URL = f"{stream}/"
        # A ping and a question for the time come first, on futures hosts too.
        self.client = await AsyncClient.create(self.where["key"], self.where["secret"])
        self.sockets = BinanceSocketManager(self.client)
        self.events: list[dict[str, Any]] = []

    async def close(self) -> None:
        if "listener" in vars(self):
            self.listener.cancel()
            await asyncio.wait([self.listener], timeout=2)
        await self.client.close_connection()

    def call(self, name: str, **params: Any) -> Any:
        """The client's method for `name`, which futures have under a prefix."""
        return getattr(self.client, name)(**params)

    # -- the market -------------------------------------------------------------------------------

    async def markets(self) -> str:
        info = await self.client.get_exchange_info()
        return self._listed(info)

    def _listed(self, info: dict[str, Any]) -> str:
        (listed,) = [row for row in info["symbols"] if row["symbol"] == SYMBOL]
        assert listed["status"] == "TRADING", listed
        assert listed["filters"][0]["filterType"] == "PRICE_FILTER", listed["filters"]
        return f"{len(info['symbols'])} symbols"

    async def server_time(self) -> str:
        return str((await self.client.get_server_time())["serverTime"])

    async def system_status(self) -> str:
        status = await self.client.get_system_status()
        assert status["status"] == 0, status
        return status["msg"]

    async def book_rest(self) -> str:
        book = await self.call("get_order_book", symbol=SYMBOL, limit=20)
        assert book["lastUpdateId"] > 0
        self.bid = float(book["bids"][0][0])
        return check_book(book["bids"], book["asks"], depth=20)

    async def book_stream(self) -> str:
        """The client's own book: it reads a snapshot, and another whenever `U` leaves a gap."""
        snapshots = 0
        read = self.client.get_order_book

        async def counted(**params: Any) -> Any:
            nonlocal snapshots
            snapshots += 1
            return await read(**params)

        self.client.get_order_book = counted
        try:
            async with DepthCacheManager(self.client, SYMBOL, ws_interval=100) as manager:
                for n in range(BOOK_UPDATES):
                    cache = await manager.recv()
                    shape = check_book(cache.get_bids(), cache.get_asks())
                    if n == 0:
                        needed = (
                            snapshots  # a first event that overlaps the snapshot is a gap to it
                        )
        finally:
            self.client.get_order_book = read
        assert snapshots == needed, f"{snapshots - needed} gaps in {BOOK_UPDATES} updates"
        return f"{BOOK_UPDATES} updates, {snapshots} snapshots; {shape}"

    async def ticker_stream(self) -> str:
        return await self._ticker(self.sockets.symbol_book_ticker_socket(SYMBOL))

    async def _ticker(self, socket: Any) -> str:
        async with socket as stream:
            message = await stream.recv()
        ticker = message.get("data", message)
        assert float(ticker["b"]) < float(ticker["a"]), ticker
        return f"{ticker['b']} / {ticker['a']}"

    # -- one order --------------------------------------------------------------------------------

    async def balance(self) -> str:
        rows = (await self.client.get_account())["balances"]
        free = {row["asset"]: row["free"] for row in rows}
        assert float(free["USDT"]) > 0, free
        return str(free)

    def _user_socket(self) -> Any:
        return self.sockets.user_socket()

    async def private_stream(self) -> str:
        subscribed = asyncio.Event()

        async def listen() -> None:
            async with self._user_socket() as stream:
                subscribed.set()
                while True:
                    self.events.append(await stream.recv())

        self.listener = asyncio.create_task(listen())
        ready = asyncio.create_task(subscribed.wait())
        await asyncio.wait([self.listener, ready], return_when=asyncio.FIRST_COMPLETED)
        if self.listener.done():
            self.listener.result()
        self.listening = True
        return "subscribed"

    def _limit(self, name: str) -> dict[str, str]:
        return {
            "symbol": SYMBOL,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": self.qty,
            "price": f"{self.bid / 2:.1f}",
            "newClientOrderId": name,
        }

    async def place(self) -> str:
        self.name = client_id("op")
        order = await self.call("create_order", **self._limit(self.name))
        assert (order["clientOrderId"], order["status"]) == (self.name, "NEW"), order
        self.order_id = order["orderId"]
        return f"{self.name} is {self.order_id}"

    def told(self, order_id: int, execution: str) -> dict[str, Any] | None:
        """The private stream's report of an order for one kind of execution, once it is there."""
        for event in self.events:
            report = event["o"] if event["e"] == "ORDER_TRADE_UPDATE" else event
            if report.get("x") == execution and report["i"] == order_id:
                return report
        return None

    async def _shown(self, order_id: int, execution: str) -> dict[str, Any]:
        self.needs("listening")
        return await until(lambda: self.told(order_id, execution), f"{execution} of {order_id}")

    async def place_shown(self) -> str:
        report = await self._shown(self.order_id, "NEW")
        assert report["c"] == self.name, report
        return f"{len(self.events)} events"

    async def query_by_client_id(self) -> str:
        self.needs("order_id")
        order = await self.call("get_order", symbol=SYMBOL, origClientOrderId=self.name)
        assert (order["orderId"], order["status"]) == (self.order_id, "NEW"), order
        return order["status"]

    async def open_orders(self) -> str:
        orders = await self.call("get_open_orders", symbol=SYMBOL)
        assert self.order_id in [order["orderId"] for order in orders], orders
        return f"{len(orders)} open"

    async def duplicate_id(self) -> str:
        self.needs("order_id")
        again = self.call("create_order", **self._limit(self.name))
        said = await refusal(again, BinanceAPIException)
        assert f"code={self.duplicate_code}" in said, said
        return said

    async def cancel(self) -> str:
        self.needs("order_id")
        order = await self.call("cancel_order", symbol=SYMBOL, origClientOrderId=self.name)
        assert order["status"] == "CANCELED", order
        self.cancelled = self.order_id
        return order["status"]

    async def cancel_shown(self) -> str:
        report = await self._shown(self.cancelled, "CANCELED")
        # On spot a cancel has an id of its own, and the order's stands in C.
        assert self.name in (report["c"], report.get("C")), report
        return f"{len(self.events)} events"

    async def history(self) -> str:
        orders = await self.call("get_all_orders", symbol=SYMBOL)
        (mine,) = [order for order in orders if order["orderId"] == self.cancelled]
        assert mine["status"] == "CANCELED", mine
        return f"{len(orders)} orders"

    async def fill(self) -> str:
        order = await self.call(
            "create_order", symbol=SYMBOL, side="BUY", type="MARKET", quantity=self.qty
        )
        self.filled_id = order["orderId"]
        order = await self.call("get_order", symbol=SYMBOL, orderId=self.filled_id)
        assert (order["status"], float(order["executedQty"])) == ("FILLED", float(self.qty)), order
        return order["executedQty"]

    async def fill_shown(self) -> str:
        report = await self._shown(self.filled_id, "TRADE")
        assert float(report["l"]) > 0, report
        assert float(report["L"]) > 0, report
        return f"{report['l']} at {report['L']}, fee {report['n']} {report['N']}"

    async def order_by_stream(self) -> str:
        order = await self.client.ws_create_order(**self._limit(client_id("os")))
        gone = await self.client.ws_cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert gone["status"] == "CANCELED", gone
        return gone["status"]

    async def unknown_order(self) -> str:
        query = self.call("get_order", symbol=SYMBOL, orderId=987654321)
        said = await refusal(query, BinanceAPIException)
        assert "code=-2013" in said, said
        return said

    async def wrong_signature(self) -> str:
        other = AsyncClient(self.where["key"], "x" + self.where["secret"][1:])
        try:
            said = await refusal(self._account_of(other), BinanceAPIException)
        finally:
            await other.close_connection()
        assert "code=-1022" in said, said
        return said

    async def _account_of(self, client: AsyncClient) -> Any:
        return await client.get_account()


if __name__ == "__main__":
    main(Play)
