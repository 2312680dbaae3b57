"""A venue that nobody has tables for, played by a class; and its streams."""

from __future__ import annotations

import asyncio

import ccxt
import ccxt.pro
import pytest

import outlast
from outlast import sim
from outlast.adapters.ccxt.settings import GuardSettings
from outlast.adapters.ccxt.verdict import OrderHeld, StaleStream
from outlast.core.settle import SettleSettings
from outlast.errors import Outcome

QUICK = {
    "seed": 1,
    "horizon_s": 5.0,
    "settle_within_s": 300.0,
    "settle": SettleSettings(engine_gives_up_s=1.0, margin_s=1.0),
}


class Venue(ccxt.pro.bitfinex):
    """Keeps orders in memory, and loses answers when told to. It has no client order ids."""

    def __init__(self) -> None:
        super().__init__({"enableRateLimit": False})
        self.kept: list[dict] = []
        self.lose: str | None = None
        self.sent = 0
        self.books: list[asyncio.Future] = []

    async def fetch(self, url, method="GET", headers=None, body=None):
        if "order/submit" in url:
            self.sent += 1
            if self.lose != "before":
                self.kept.append(dict(self.asked))
            if self.lose is not None:
                self.lose = None
                raise ccxt.RequestTimeout("no answer")
        return [{}]

    async def create_order(self, symbol, type, side, amount, price=None, params=None):  # noqa: A002
        number = len(self.kept) + 1
        self.asked = {
            "id": str(number), "symbol": symbol, "side": side, "type": type, "amount": amount,
            "price": price, "filled": 0.0, "status": "open", "clientOrderId": None,
            "timestamp": self.milliseconds(), "info": {},
        }  # fmt: skip
        await self.privatePostAuthWOrderSubmit(params or {})
        return self.asked

    async def fetch_open_orders(self, symbol=None, since=None, limit=None, params=None):
        return [dict(row) for row in self.kept if row["status"] == "open"]

    async def fetch_closed_orders(self, symbol=None, since=None, limit=None, params=None):
        return [dict(row) for row in self.kept if row["status"] != "open"]

    async def fetch_my_trades(self, symbol=None, since=None, limit=None, params=None):
        return []

    async def watch_order_book(self, symbol, limit=None, params=None):
        self.books.append(asyncio.get_running_loop().create_future())
        return await self.books[-1]

    def sign(self, path, api="public", method="GET", params=None, headers=None, body=None):
        return {
            "url": f"https://api.example.com/{path}",
            "method": method,
            "headers": {},
            "body": "",
        }


def play(story, **settings) -> None:
    async def main() -> None:
        venue = Venue()
        chosen = GuardSettings(**(QUICK | settings))
        outlast.guard(venue, journal=None, settings=chosen, clock=sim.clock())
        await story(venue)
        await venue.close()
        outlast.unguard(venue)

    sim.run(main, seed=1)


def test_an_order_without_an_id_is_recognised_by_its_terms_and_time():
    async def story(venue):
        venue.lose = "after"
        order = await venue.create_order("BTC/USD", "limit", "buy", 0.5, 60000)
        assert order["id"] == "1"
        assert venue.sent == 1

    play(story)


def test_an_equal_order_from_before_is_not_taken_for_it():
    async def story(venue):
        first = await venue.create_order("BTC/USD", "limit", "buy", 0.5, 60000)
        await asyncio.sleep(60)
        venue.lose = "before"
        with pytest.raises(ccxt.RequestTimeout) as caught:
            await venue.create_order("BTC/USD", "limit", "buy", 0.5, 60000)
        assert caught.value.outlast.outcome is Outcome.REFUSED
        assert [row["id"] for row in venue.kept] == [first["id"]]

    play(story)


def test_without_lists_to_look_through_it_stays_unknown_for_ever():
    async def story(venue):
        venue.has = {**venue.has, "fetchClosedOrders": False, "fetchOrders": False}
        venue.has |= {"fetchCanceledAndClosedOrders": False}
        venue.lose = "before"
        with pytest.raises(ccxt.RequestTimeout) as caught:
            await venue.create_order("BTC/USD", "limit", "buy", 0.5, 60000)
        assert caught.value.outlast.outcome is Outcome.UNKNOWN
        await asyncio.sleep(3600)
        with pytest.raises(OrderHeld):
            await venue.create_order("BTC/USD", "limit", "buy", 0.5, 60000)
        await venue.create_order("ETH/USD", "limit", "buy", 0.5, 2000)  # another symbol trades on
        assert venue.sent == 2

    play(story, settle_within_s=20.0)


def test_a_silent_book_is_stale_and_the_wait_behind_it_is_kept():
    async def story(venue):
        with pytest.raises(StaleStream) as caught:
            await venue.watch_order_book("BTC/USD")
        assert isinstance(caught.value, ccxt.RequestTimeout)
        assert len(venue.books) == 1
        again = asyncio.create_task(venue.watch_order_book("BTC/USD"))
        await asyncio.sleep(1)
        venue.books[0].set_result({"bids": [[1.0, 1.0]], "asks": [[2.0, 1.0]]})
        assert (await again)["bids"] == [[1.0, 1.0]]
        assert len(venue.books) == 1

    play(story)


@pytest.mark.parametrize("bid", [2.0, 2.5])
def test_a_crossed_book_is_not_handed_out(bid):
    async def story(venue):
        waiting = asyncio.create_task(venue.watch_order_book("BTC/USD"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        venue.books[0].set_result({"bids": [[bid, 1.0]], "asks": [[2.0, 1.0]]})
        with pytest.raises(StaleStream, match="crossed"):
            await waiting

    play(story)
