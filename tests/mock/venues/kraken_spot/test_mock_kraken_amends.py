"""Amending and batches of cancels at Kraken, where the page says more than the calls' names."""

from __future__ import annotations

import json
from decimal import Decimal

from mock_kraken_world import World

from outlast.mock.venues.kraken_spot.counters import STARTER


def test_a_post_only_amendment_that_would_take_is_refused_and_the_order_stays():
    world = World()
    txid = world.place(oflags="post")
    ask = world.engine.best("BTC/USD")[1].price
    refused = world.refused("AmendOrder", txid=txid, limit_price=str(ask), post_only="true")
    assert refused == "EOrder:Post only order"
    state = world.state(txid)
    assert (state["status"], state["descr"]["price"]) == ("open", "55000.0")


def test_without_the_flag_the_same_price_takes():
    world = World()
    txid = world.place()
    ask = world.engine.best("BTC/USD")[1].price
    world.ask("AmendOrder", txid=txid, limit_price=str(ask))
    assert Decimal(world.state(txid)["vol_exec"]) > 0


def test_an_order_that_was_amended_is_young_again():
    """Amended at 7 s it costs 1 + 2; the cancel after that counts from there."""
    world = World(tier=STARTER)
    txid = world.place()
    counters = world.dialect.counters
    world.wait(7)
    before = counters.level("trader", "BTC/USD", world.now_ms)
    world.ask("AmendOrder", txid=txid, limit_price="54000.0")
    assert counters.level("trader", "BTC/USD", world.now_ms) - before == 3
    world.wait(36)
    before = counters.level("trader", "BTC/USD", world.now_ms)
    world.ask("CancelOrder", txid=txid)
    assert counters.level("trader", "BTC/USD", world.now_ms) - before == 4


def test_a_batch_of_cancels_passes_over_the_limit():
    """Nine young ones are 72 points, and a Starter account has 60."""
    world = World(tier=STARTER)
    txids = [world.place() for _ in range(9)]
    given = world.ask("CancelOrderBatch", orders=json.dumps(txids))
    assert given == {"count": 9}
    assert {world.state(txid)["status"] for txid in txids} == {"canceled"}
