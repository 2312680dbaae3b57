"""krakenex, and pykrakenapi on top of it, on Kraken spot. Both know REST only."""

from __future__ import annotations

import time
from typing import Any

import krakenex
from ground import Session, check_book, client_id, main
from pykrakenapi import KrakenAPI

PAIR = "XXBTZUSD"
QTY = "0.001"


class Play(Session):
    """The raw client does the trading; pykrakenapi reads the same account as tables."""

    async def open(self) -> None:
        self.client = krakenex.API(self.where["key"], self.where["secret"])
        self.client.uri = self.where["rest"]
        self.tables = KrakenAPI(self.client, tier="Pro", retry=0, crl_sleep=0)

    async def close(self) -> None:
        self.client.close()

    def public(self, method: str, **params: Any) -> Any:
        return self._result(self.client.query_public(method, params, timeout=15))

    def private(self, method: str, **params: Any) -> Any:
        time.sleep(0.002)  # its nonces are milliseconds: two calls in one would collide
        return self._result(self.client.query_private(method, params, timeout=15))

    def _result(self, answer: dict[str, Any]) -> Any:
        if answer["error"]:
            raise RuntimeError(answer["error"])
        return answer["result"]

    # -- the market -------------------------------------------------------------------------------

    async def markets(self) -> str:
        pair = self.public("AssetPairs", pair=PAIR)[PAIR]
        assert pair["status"] == "online", pair
        assert self.public("Assets")["XXBT"]["altname"] == "XBT"
        assert PAIR in self.tables.get_tradable_asset_pairs().index
        return f"{pair['wsname']} in steps of {pair['tick_size']}"

    async def server_time(self) -> str:
        return str(self.public("Time")["unixtime"])

    async def system_status(self) -> str:
        status = self.public("SystemStatus")["status"]
        assert status == "online", status
        return status

    async def book_rest(self) -> str:
        book = self.public("Depth", pair=PAIR, count=10)[PAIR]
        self.bid = float(book["bids"][0][0])
        time.sleep(1.05)  # pykrakenapi allows itself one public call a second
        asks, bids = self.tables.get_order_book(PAIR, count=10)
        assert (len(asks), len(bids)) == (10, 10)
        return check_book(book["bids"], book["asks"], depth=10)

    async def ticker_rest(self) -> str:
        ticker = self.public("Ticker", pair=PAIR)[PAIR]
        assert float(ticker["b"][0]) < float(ticker["a"][0]), ticker
        return f"{ticker['b'][0]} / {ticker['a'][0]}"

    # -- one order --------------------------------------------------------------------------------

    async def balance(self) -> str:
        balance = self.private("Balance")
        time.sleep(0.002)
        table = self.tables.get_account_balance()["vol"].to_dict()
        assert {k: float(v) for k, v in balance.items()} == table, (balance, table)
        return str(balance)

    def _limit(self, **more: Any) -> dict[str, Any]:
        price = f"{self.bid / 2:.1f}"
        order = {"pair": PAIR, "type": "buy", "ordertype": "limit", "volume": QTY, "price": price}
        return order | more

    async def place(self) -> str:
        self.name = client_id("ok")
        (self.order_id,) = self.private("AddOrder", **self._limit(cl_ord_id=self.name))["txid"]
        return f"{self.name} is {self.order_id}"

    async def query(self) -> str:
        order = self.private("QueryOrders", txid=self.order_id)[self.order_id]
        assert (order["status"], order["cl_ord_id"]) == ("open", self.name), order
        return f"open, {order['vol_exec']} of {order['vol']}"

    async def query_by_client_id(self) -> str:
        found = self.private("OpenOrders", cl_ord_id=self.name)["open"]
        assert list(found) == [self.order_id], found
        return self.order_id

    async def open_orders(self) -> str:
        self.needs("order_id")
        time.sleep(0.002)
        table = self.tables.get_open_orders()
        assert self.order_id in table.index, table
        return f"{len(table)} open"

    async def cancel(self) -> str:
        self.needs("order_id")
        assert self.private("CancelOrder", cl_ord_id=self.name)["count"] == 1
        self.cancelled = self.order_id
        return self.cancelled

    async def history(self) -> str:
        closed = self.private("ClosedOrders")["closed"]
        assert closed[self.cancelled]["status"] == "canceled", closed[self.cancelled]
        return f"{len(closed)} closed"

    async def fill(self) -> str:
        sent = self.private("AddOrder", pair=PAIR, type="buy", ordertype="market", volume=QTY)
        (order_id,) = sent["txid"]
        order = self.private("QueryOrders", txid=order_id, trades=True)[order_id]
        assert (order["status"], float(order["vol_exec"])) == ("closed", float(QTY)), order
        fills = self.private("TradesHistory")["trades"]
        mine = {name: fill for name, fill in fills.items() if fill["ordertxid"] == order_id}
        assert sorted(mine) == sorted(order["trades"]), (order, fills)
        assert abs(sum(float(fill["vol"]) for fill in mine.values()) - float(QTY)) < 1e-12, mine
        return f"{len(mine)} fills at {order['price']}"

    async def deadman(self) -> str:
        armed = self.private("CancelAllOrdersAfter", timeout=60)
        assert armed["triggerTime"] > armed["currentTime"], armed
        self.private("CancelAllOrdersAfter", timeout=0)
        return str(armed)

    # -- refusals ---------------------------------------------------------------------------------

    async def unknown_order(self) -> str:
        return self._refused(
            "EOrder:Unknown order", self.private, "CancelOrder", txid="OAAAAA-BBBBB-CCCCCC"
        ) + self._refused("EQuery:Unknown asset pair", self.public, "Depth", pair="NOSUCHPAIR")

    async def wrong_signature(self) -> str:
        self.client.secret = "AAAA" + self.where["secret"][4:]
        try:
            refusal = self._refused("EAPI:Invalid signature", self.private, "Balance")
        finally:
            self.client.secret = self.where["secret"]
        own, self.client._nonce = self.client._nonce, lambda: 1
        try:
            return refusal + self._refused("EAPI:Invalid nonce", self.private, "Balance")
        finally:
            self.client._nonce = own

    def _refused(self, why: str, call: Any, *args: Any, **params: Any) -> str:
        try:
            answer = call(*args, **params)
        except RuntimeError as error:
            said = str(error)
        else:
            said = f"it was accepted: {answer}"
        assert why in said, f"{said} instead of {why}"
        return said


if __name__ == "__main__":
    main(Play)
