"""The guard's journal: let go with the exchange, taken again when it goes on."""

from __future__ import annotations

import gc

import ccxt
import pytest
from guard_in_sim import PASSIVE, World, play

import outlast
from outlast.adapters.ccxt.keeping import LettingStore
from outlast.backends.journal import FileStore, MemoryStore
from outlast.core.journal import Chain
from outlast.errors import JournalUnavailable, Outcome


def test_a_closed_exchange_lets_go_of_its_journal_and_says_what_bare_ccxt_says(tmp_path):
    async def story(w: World):
        exchange = w.guarded()
        await w.buy(exchange)
        await exchange.close()
        FileStore(tmp_path / "bot.journal").close()  # nobody holds it
        with pytest.raises(ccxt.ExchangeClosedByUser) as caught:
            await w.buy(exchange, PASSIVE - 1)
        assert caught.value.outlast.outcome is Outcome.NOT_SENT
        assert exchange.outlast.unknown() == []
        assert len(w.orders) == 1

    play(story, tmp_path)


def test_what_another_has_written_meanwhile_is_not_written_over(tmp_path):
    async def story(w: World):
        first = w.guarded()
        await w.buy(first)
        await first.close()
        second = w.guarded()
        await w.buy(second, PASSIVE - 1)
        sent = len(w.requests("orders.create"))
        with pytest.raises(ccxt.ExchangeNotAvailable, match="in use by another process") as caught:
            await w.buy(first, PASSIVE - 2)
        assert caught.value.outlast.outcome is Outcome.NOT_SENT
        await second.close()
        with pytest.raises(ccxt.ExchangeNotAvailable, match="was used by another guard"):
            await w.buy(first, PASSIVE - 2)
        assert len(w.requests("orders.create")) == sent

    play(story, tmp_path)


def test_a_full_disk_stops_new_risk_and_no_exit(tmp_path):
    class Full(MemoryStore):
        full = False

        def write(self, *records):
            if self.full:
                raise JournalUnavailable("the disk is full")
            super().write(*records)

    async def story(w: World):
        store = Full()
        exchange = outlast.guard(w.bare(), journal=store)
        await exchange.create_order(w.symbol, "market", "buy", 0.01)
        store.full = True
        with pytest.raises(ccxt.ExchangeNotAvailable, match="the disk is full") as caught:
            await w.buy(exchange)
        assert caught.value.outlast.outcome is Outcome.NOT_SENT
        await exchange.create_order(w.symbol, "market", "sell", 0.01, None, {"reduceOnly": True})
        assert len(w.orders) == 2

    play(story, tmp_path)


def test_whoever_drops_the_exchange_leaves_no_file_open(tmp_path):
    exchange = outlast.guard(ccxt.kraken(), journal=tmp_path / "a.journal")
    del exchange
    gc.collect()
    FileStore(tmp_path / "a.journal").close()


def test_the_store_keeps_the_chain_across_a_pause(tmp_path):
    store, chain = LettingStore(tmp_path / "a.journal"), Chain()
    for number in range(3):
        record = chain.seal("note", {"number": number}, at=float(number))
        store.write(record)
        chain.accept(record)
        store.close()
        store.sync()
        store.checkpoint()
    assert [record.seq for record in store.records()] == [1, 2, 3]
    assert store.last() == record
    store.close()
