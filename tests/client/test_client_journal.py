"""The journal over a store: what it writes, what it reads back, what it does on a full disk."""

import logging
import random
from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest

from outlast.backends.journal import FileStore, MemoryStore
from outlast.client.journal import Journal, read_history
from outlast.core.journal import Chain, decode_fields, verify
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.model import Execution, Order, OrderStatus, OrderType, Side

ORDER = Order(
    client_order_id="olabcdef-7",
    symbol="BTC/USDT:USDT",
    side=Side.SELL,
    order_type=OrderType.LIMIT,
    qty=Decimal("0.010"),
    price=Decimal("100000.10"),
    status=OrderStatus.SUBMITTED,
    reduce_only=True,
    created_at=1000.25,
    as_of=1000.5,
)
EXECUTION = Execution(
    symbol="BTC/USDT:USDT",
    execution_id="e1",
    venue_order_id="77",
    side=Side.SELL,
    price=Decimal("100000.10"),
    qty=Decimal("0.004"),
    fee=Decimal("0.00000001"),
    fee_currency="BNB",
)


class StoppedClock:
    def __init__(self, wall=1000.0):
        self._wall = wall

    def now(self):
        return 5.0

    def wall(self):
        return self._wall

    async def sleep(self, seconds):
        raise AssertionError("a journal does not wait")


class FullStore(MemoryStore):
    """A disk that can be full."""

    is_full = False

    def write(self, record):
        if self.is_full:
            raise JournalUnavailable("journal 'x' cannot be written (database or disk is full)")
        super().write(record)

    def checkpoint(self):
        if self.is_full:
            raise JournalUnavailable("journal 'x' cannot be tidied (database or disk is full)")


def journal_on(store, *, venue="binance-um", seed=1):
    return Journal(store, venue=venue, clock=StoppedClock(), rng=random.Random(seed))


def test_a_new_journal_begins_with_its_prefix_and_venue():
    store = MemoryStore()
    journal = journal_on(store)
    (first,) = store.records()
    assert first.kind == "journal.opened"
    assert decode_fields(first.data) == {"prefix": journal.ids.prefix, "venue": "binance-um"}
    assert first.at == 1000.0


def test_every_record_is_chained_and_named():
    store = MemoryStore()
    journal = journal_on(store)
    assert journal.append("order.intent", {"n": 1}) == "#2"
    assert journal.note("attempt", took_ms=3) == "#3"
    records = list(store.records())
    assert [record.kind for record in records] == ["journal.opened", "order.intent", "attempt"]
    assert verify(records) is None


def test_a_journal_that_is_opened_again_keeps_prefix_and_counts_on():
    store = MemoryStore()
    before = journal_on(store)
    order = replace(ORDER, client_order_id=before.ids.next())
    before.append("order.intent", {"order": msgspec.to_builtins(order)})
    after = journal_on(store, seed=99)
    assert after.ids.prefix == before.ids.prefix
    assert after.ids.next() != order.client_order_id
    assert after.append("attempt", {}) == "#3"
    assert verify(list(store.records())) is None


def test_orders_and_fills_come_back_exactly(tmp_path):
    path = tmp_path / "bot.journal"
    store = FileStore(path)
    journal = journal_on(store)
    later = replace(ORDER, status=OrderStatus.PARTIALLY_FILLED, filled_qty=Decimal("0.004"))
    journal.append("order.intent", {"order": msgspec.to_builtins(ORDER)})
    journal.note("order.changed", order=msgspec.to_builtins(later), because="report")
    journal.note("execution", execution=msgspec.to_builtins(EXECUTION))
    journal.note("attempt", request="order.place")
    journal.close()
    store = FileStore(path)
    history = read_history(store)
    store.close()
    assert history.orders == {"olabcdef-7": later}
    assert str(history.orders["olabcdef-7"].qty) == "0.010"
    assert history.executions == [EXECUTION]


def test_each_venue_has_a_journal_of_its_own():
    store = MemoryStore()
    journal_on(store)
    with pytest.raises(ConfigurationError, match="belongs to binance-um, not kraken-spot"):
        journal_on(store, venue="kraken-spot")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("order.intent", {}),
        ("order.intent", {"order": {"client_order_id": "x"}}),
        ("order.changed", {"order": msgspec.to_builtins(ORDER) | {"status": "vanished"}}),
        ("order.changed", {"order": msgspec.to_builtins(ORDER) | {"qty": "ten"}}),
        ("execution", {"execution": 7}),
        ("journal.opened", {"venue": "binance-um"}),
    ],
)
def test_a_record_that_cannot_be_read_back_is_named(kind, fields):
    store = MemoryStore()
    store.write(Chain().seal(kind, fields, at=1.0))
    with pytest.raises(ConfigurationError, match=rf"record #1 \({kind}\)"):
        journal_on(store)


def test_a_record_of_broken_json_is_named():
    store = MemoryStore()
    store.write(replace(Chain().seal("order.intent", {}, at=1.0), data=b"{"))
    with pytest.raises(ConfigurationError, match="#1"):
        journal_on(store)


def test_an_intent_that_cannot_be_written_is_raised_and_leaves_no_hole():
    store = FullStore()
    journal = journal_on(store)
    store.is_full = True
    with pytest.raises(JournalUnavailable):
        journal.append("order.intent", {"n": 1})
    store.is_full = False
    assert journal.append("order.intent", {"n": 2}) == "#2"
    assert verify(list(store.records())) is None


def test_evidence_that_cannot_be_written_is_said_once_and_loudly(caplog):
    """A full disk must not stop an exit; nor must it write a line per attempt to the log."""
    store = FullStore()
    journal = journal_on(store)
    store.is_full = True
    with caplog.at_level(logging.DEBUG, logger="outlast"):
        assert [journal.note("attempt", n=n) for n in range(5)] == [None] * 5
        assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
        assert "outlast.journal_unavailable" in caplog.text
        store.is_full = False
        assert journal.note("attempt", n=6) == "#2"
        store.is_full = True
        journal.note("attempt", n=7)
        assert len(caplog.records) == 2  # the next outage is news again
    assert verify(list(store.records())) is None


def test_housekeeping_that_fails_does_not_end_the_session(caplog):
    store = FullStore()
    journal = journal_on(store)
    store.is_full = True
    with caplog.at_level(logging.DEBUG, logger="outlast"):
        journal.checkpoint()
    assert "outlast.journal_not_tidied" in caplog.text


def test_what_can_be_no_record_is_our_own_mistake_and_advances_nothing():
    store = MemoryStore()
    journal = journal_on(store)
    with pytest.raises(TypeError):
        journal.append("attempt", {"object": object()})
    assert journal.append("attempt", {}) == "#2"
