"""The book's checksum, and one validator for the venue's recorded stream and the mock's own."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal

import pytest
from mock_kraken_world import DATA, BookKeeper, play

from outlast.mock.engine.views import Level
from outlast.mock.venues.kraken_spot.books import DEPTHS, checksum

DOCUMENTED = [
    json.loads(line, parse_float=Decimal)
    for line in (DATA / "kraken_docs" / "book_checksum_v2_vectors.jsonl").read_text().splitlines()
]
DECIMALS = {"BTC/USD": (1, 8), "MATIC/USD": (4, 8)}


@pytest.mark.parametrize("message", DOCUMENTED, ids=lambda m: m["data"][0]["symbol"])
def test_the_documented_checksums(message):
    (row,) = message["data"]
    price, qty = DECIMALS[row["symbol"]]
    bids, asks = (
        [Level(level["price"], level["qty"]) for level in row[side]] for side in ("bids", "asks")
    )
    made = checksum(bids, asks, price_decimals=price, qty_decimals=qty)
    assert made == row["checksum"]
    BookKeeper(10, price, qty).apply(message)


def test_the_validator_holds_on_the_venues_recorded_stream():
    path = DATA / "python-kraken-sdk" / "kraken_ws_v2_book_btcusd_d10_20230730.json"
    recording = json.loads(path.read_text(), parse_float=Decimal)
    keeper = BookKeeper(10, 1, 8)
    keeper.apply(recording["init"])
    for message in recording["updates"]:
        keeper.apply(message)
    assert keeper.messages == 510


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_same_validator_holds_on_the_mocks_stream(depth):
    async def story(world):
        client = await world.dial()
        await client.say("subscribe", {"channel": "book", "symbol": ["BTC/USD"], "depth": depth})
        # A client's own orders come and go in the book, at the touch and below it.
        for n in range(8):
            await asyncio.sleep(5)
            best = world.engine.best("BTC/USD")[0]
            await world.post(
                "AddOrder",
                pair="XBTUSD",
                type="buy",
                ordertype="limit",
                volume=f"0.0{n + 1}",
                price=best.price - n * Decimal("0.7"),
            )
            await asyncio.sleep(5)
            await world.post("CancelAll")
        await asyncio.sleep(0.15)
        keeper = BookKeeper(depth, 1, 8)
        frames = client.take("book")
        for frame in frames:
            keeper.apply(frame)
        assert frames[0]["type"] == "snapshot"
        assert keeper.messages > 50
        state = world.venue.stage.books.now("BTC/USD")
        assert list(keeper.bids.items()) == [tuple(level) for level in state.bids[:depth]]
        # Numbers keep their zeros: the text is what a client's checksum is made of.
        text = next(text for text in client.texts if '"type":"snapshot"' in text)
        assert re.search(r'"price":[0-9]+\.[0-9],"qty":[0-9]+\.[0-9]{8}\}', text)

    play(story)


def test_a_level_that_is_only_pushed_out_is_never_deleted():
    async def story(world):
        client = await world.dial()
        params = {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}
        await client.say("subscribe", params)
        await asyncio.sleep(2)
        client.take()
        state = world.venue.stage.books.now("BTC/USD")
        last = state.bids[9].price
        price = state.bids[8].price + Decimal("0.1")
        order = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01"}
        await world.post("AddOrder", price=price, **order)
        await asyncio.sleep(0.11)
        told = [level for frame in client.take("book") for level in frame["data"][0]["bids"]]
        assert {"price": price, "qty": Decimal("0.01")} in told
        assert {"price": last, "qty": Decimal(0)} not in told

    play(story)


def test_late_subscribers_start_from_their_own_snapshot():
    async def story(world):
        first = await world.dial()
        params = {"channel": "book", "symbol": ["BTC/USD", "ETH/USD"], "depth": 25}
        await first.say("subscribe", params)
        await asyncio.sleep(7.13)
        second = await world.dial()
        await second.say("subscribe", params)
        await asyncio.sleep(10)
        for client in (first, second):
            keepers = {"BTC/USD": BookKeeper(25, 1, 8), "ETH/USD": BookKeeper(25, 2, 8)}
            for frame in client.take("book"):
                keepers[frame["data"][0]["symbol"]].apply(frame)
            assert keepers["BTC/USD"].messages > 10

    play(story)


def test_bad_checksums_lost_updates_and_bursts_are_made_when_asked_for():
    async def story(world):
        client = await world.dial()
        await client.say("subscribe", {"channel": "book", "symbol": ["BTC/USD"]})
        await asyncio.sleep(2)
        keeper = BookKeeper(10, 1, 8)
        for frame in client.take("book"):
            keeper.apply(frame)
        world.fault("ws.market.stream", stream={"bad_checksum": 1.0})
        await asyncio.sleep(3)
        frame = client.take("book")[0]
        with pytest.raises(AssertionError, match="message"):
            keeper.apply(frame)

    play(story)


def test_a_burst_is_true_and_in_sequence():
    async def story(world):
        client = await world.dial()
        await client.say("subscribe", {"channel": "book", "symbol": ["BTC/USD"]})
        await asyncio.sleep(1)
        world.fault("ws.market.stream", stream={"burst_on_resume": 500})
        await asyncio.sleep(1)
        keeper = BookKeeper(10, 1, 8)
        for frame in client.take("book"):
            keeper.apply(frame)
        assert keeper.messages > 500

    play(story)
