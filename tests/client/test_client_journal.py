"""The journal over a store: what it writes, what it reads back, what it does on a full disk."""

import asyncio
import logging
import random
from decimal import Decimal

import msgspec
import pytest
from msgspec import structs

from outlast.backends.journal import FileStore, MemoryStore
from outlast.client.journal import Journal, PastBan, read_history
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

    def write(self, *records):
        if self.is_full:
            raise JournalUnavailable("journal 'x' cannot be written (database or disk is full)")
        super().write(*records)

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
    begun = {"prefix": journal.ids.prefix, "run": journal.ids.run, "venue": "binance-um"}
    assert decode_fields(first.data) == begun
    assert first.at == 1000.0


def test_every_record_is_chained_and_named():
    store = MemoryStore()
    journal = journal_on(store)
    assert journal.append("order.intent", {"n": 1}) == "#2"
    assert journal.note_now("attempt", took_ms=3) == "#3"
    records = list(store.records())
    assert [record.kind for record in records] == ["journal.opened", "order.intent", "attempt"]
    assert verify(records) is None


def test_a_journal_that_is_opened_again_keeps_prefix_and_counts_on():
    store = MemoryStore()
    before = journal_on(store)
    order = structs.replace(ORDER, client_order_id=before.ids.next())
    before.append("order.intent", {"order": msgspec.to_builtins(order)})
    after = journal_on(store, seed=99)
    assert after.ids.prefix == before.ids.prefix
    assert after.ids.next() != order.client_order_id
    *_, last = store.records()
    assert (last.id, last.kind) == ("#3", "journal.resumed")
    assert decode_fields(last.data) == {"run": after.ids.run}
    assert verify(list(store.records())) is None


def test_no_id_comes_again_though_all_but_the_first_record_is_lost():
    """A loss of power keeps a beginning of the journal: every opening begins from the same one."""
    whole = MemoryStore()
    journal_on(whole)
    begun = next(whole.records())
    seen = set()
    for opening in range(6):
        kept = MemoryStore()
        kept.write(begun)
        clock = StoppedClock(wall=2000.0 + opening)
        journal = Journal(kept, venue="binance-um", clock=clock, rng=random.Random(1))
        fresh = {journal.ids.next() for _ in range(5)}
        assert all(journal.ids.is_ours(name) for name in fresh)
        assert not fresh & seen
        seen |= fresh


def test_an_opening_that_cannot_be_written_down_takes_ids_of_its_own_all_the_same(caplog):
    store = FullStore()
    before = journal_on(store)
    used = {before.ids.next() for _ in range(5)}  # by exits, which go out on a full disk too
    store.is_full = True
    after = journal_on(store)
    assert not {after.ids.next() for _ in range(5)} & used
    assert "outlast.journal_unavailable" in caplog.text


def test_orders_and_fills_come_back_exactly(tmp_path):
    path = tmp_path / "bot.journal"
    store = FileStore(path)
    journal = journal_on(store)
    later = structs.replace(ORDER, status=OrderStatus.PARTIALLY_FILLED, filled_qty=Decimal("0.004"))
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


def test_an_order_of_an_older_journal_which_leaves_nothing_out_reads_the_same():
    store = MemoryStore()
    journal = journal_on(store)
    told = {name: msgspec.to_builtins(getattr(ORDER, name)) for name in ORDER.__struct_fields__}
    assert told["venue_order_id"] is None
    journal.append("order.intent", {"order": told})
    assert read_history(store).orders == {ORDER.client_order_id: ORDER}
    journal.append("order.changed", {"order": ORDER, "because": "report"})
    written = decode_fields(store.last().data)["order"]
    assert written.items() < told.items()
    assert "venue_order_id" not in written
    assert read_history(store).orders == {ORDER.client_order_id: ORDER}


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
    store.write(structs.replace(Chain().seal("order.intent", {}, at=1.0), data=b"{"))
    with pytest.raises(ConfigurationError, match="#1"):
        journal_on(store)


class CountingStore(MemoryStore):
    """Remembers how many records each write brought."""

    def __init__(self):
        super().__init__()
        self.writes = []

    def write(self, *records):
        self.writes.append(len(records))
        super().write(*records)


def test_evidence_waits_for_company_and_is_written_before_the_next_intent_in_one_go():
    store = CountingStore()
    journal = journal_on(store)

    async def story():
        journal.note("attempt", n=1)
        journal.note("order.changed", n=2)
        assert store.writes == [1], "nothing yet but the opening"
        assert journal.append("order.intent", {"n": 3}) == "#4"
        assert store.writes == [1, 3]
        for _ in range(5):
            await asyncio.sleep(0)
        assert store.writes == [1, 3], "nothing is written twice"

    asyncio.run(story())
    kinds = [record.kind for record in store.records()]
    assert kinds == ["journal.opened", "attempt", "order.changed", "order.intent"]
    assert verify(list(store.records())) is None


def test_evidence_that_nothing_follows_is_written_within_a_few_turns_of_the_loop():
    store = CountingStore()
    journal = journal_on(store)

    async def story():
        for round_ in range(3):
            journal.note("attempt", n=round_)
            await asyncio.sleep(0)
            journal.note("attempt", n=round_)
            for _ in range(2):
                await asyncio.sleep(0)
            assert store.writes == [1] + [2] * (round_ + 1)

    asyncio.run(story())


def test_what_waits_is_written_when_the_journal_is_closed():
    store = MemoryStore()
    journal = journal_on(store)

    async def story():
        journal.note("attempt", n=1)
        journal.close()

    asyncio.run(story())
    assert [record.kind for record in store.records()] == ["journal.opened", "attempt"]


def test_a_flood_of_evidence_does_not_wait_for_the_turn_to_end():
    store = CountingStore()
    journal = journal_on(store)

    async def story():
        for n in range(250):
            journal.note("attempt", n=n)
        assert store.writes == [1, 100, 100]

    asyncio.run(story())
    assert store.writes[:3] == [1, 100, 100]


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
        assert [journal.note_now("attempt", n=n) for n in range(5)] == [None] * 5
        assert [record.levelno for record in caplog.records] == [logging.CRITICAL]
        assert "outlast.journal_unavailable" in caplog.text
        store.is_full = False
        assert journal.note_now("attempt", n=6) == "#2"
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


def test_a_ban_of_before_is_told_by_the_clock_that_can_be_trusted():
    ban = PastBan(until=1100.0, for_s=100.0, at=50.0, reason="429")
    assert ban.left_s(now=80.0, wall=1030.0) == 70.0
    assert ban.left_s(now=80.0, wall=99_000.0) == 70.0  # the wall clock was set since
    assert ban.left_s(now=151.0, wall=1.0) == 0.0
    assert ban.left_s(now=5.0, wall=1030.0) == 70.0  # the machine has started anew since
    assert ban.left_s(now=5.0, wall=1.0) == 100.0
    assert ban.left_s(now=5.0, wall=2000.0) == 0.0
    damaged = PastBan(until=9e15, for_s=9e15, at=50.0, reason="418")
    assert damaged.left_s(now=50.0, wall=1000.0) == 259_200.0


def test_what_became_of_an_order_is_written_once_the_disk_has_room_again():
    store = FullStore()
    journal = journal_on(store)
    store.is_full = True
    journal.note_now("order.changed", order=msgspec.to_builtins(ORDER), because="report")
    journal.note_now("attempt", n=1)
    with pytest.raises(JournalUnavailable):
        journal.append("order.intent", {"n": 2})
    store.is_full = False
    journal.note_now("attempt", n=3)
    assert [r.kind for r in store.records()] == ["journal.opened", "order.changed", "attempt"]
    assert verify(list(store.records())) is None
    assert read_history(store).orders == {"olabcdef-7": ORDER}
