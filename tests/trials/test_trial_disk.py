"""The simulated disk keeps what a real one does: all after a kill, less after a power cut."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import outlast
from outlast import sim
from outlast.core.journal import Chain, verify
from outlast.errors import ConfigurationError, JournalUnavailable
from outlast.trials.disk import Disk


class Machine:
    """A disk and its clock."""

    def __init__(self, seed: int = 1) -> None:
        self.now_s = 0.0
        self.disk = Disk(lambda: self.now_s, rng=random.Random(seed))
        self.chain = Chain()

    def write(self, store, count: int = 1) -> None:
        for _ in range(count):
            record = self.chain.seal("note", {"text": "x" * 40}, at=self.now_s)
            store.write(record)
            self.chain.accept(record)

    @property
    def numbers(self) -> list[int]:
        return [record.seq for record in self.disk.records()]


def test_records_come_back_equal_and_not_the_same():
    machine = Machine()
    store = machine.disk.open()
    record = machine.chain.seal("note", {"text": "héllo"}, at=1.25)
    store.write(record)
    (back,) = store.records()
    assert back == record == store.last()
    assert back.data is not record.data


def test_a_kill_loses_nothing_and_frees_the_lock():
    machine = Machine()
    store = machine.disk.open()
    machine.write(store, 3)
    with pytest.raises(ConfigurationError, match="in use"):
        machine.disk.open()
    machine.disk.kill()
    assert [r.seq for r in machine.disk.open().records()] == [1, 2, 3]


def test_late_writes_of_a_dead_process_go_nowhere():
    machine, heard = Machine(), []
    machine.disk.on_write = heard.append
    dead = machine.disk.open()
    machine.write(dead, 2)
    machine.disk.kill()
    living = machine.disk.open()
    machine.write(dead)
    dead.checkpoint()
    dead.close()
    assert machine.numbers == [1, 2]
    assert [record.seq for record in heard] == [1, 2]
    with pytest.raises(ConfigurationError, match="in use"):
        machine.disk.open()  # closing the dead one has not let go of the living one's lock
    living.close()
    machine.disk.open()


def test_power_takes_what_was_never_synced_and_leaves_a_chain_that_holds():
    lost = set()
    for seed in range(30):
        machine = Machine(seed)
        store = machine.disk.open()
        machine.write(store, 5)
        store.checkpoint()
        machine.write(store, 5)
        lost.add(machine.disk.lose_power())
        left = list(machine.disk.records())
        assert len(left) >= 5, f"seed {seed}: synced records are gone"
        assert verify(left) is None
        assert not machine.disk.lose_power(), "what a start has recovered is on the disk"
    assert len(lost) > 3, lost


def test_what_is_old_enough_the_kernel_has_written_back():
    machine = Machine()
    store = machine.disk.open()
    machine.write(store, 3)
    machine.now_s = 36.0
    machine.write(store, 3)
    assert machine.disk.lose_power() <= 3
    assert machine.numbers[:3] == [1, 2, 3]


def test_after_a_torn_write_the_journal_goes_on():
    """Cut the file at every byte: what is read is whole records, and the next one fits."""
    whole = Machine()
    store = whole.disk.open()
    whole.write(store, 3)
    size = len(whole.disk._bytes)
    for cut in range(size + 1):
        machine = Machine()
        machine.disk._bytes += whole.disk._bytes[:cut]
        machine.disk._rng = random.Random(cut)
        machine.disk._safe = cut
        machine.disk.lose_power()
        store = machine.disk.open()
        last = store.last()
        machine.chain = Chain() if last is None else Chain(seq=last.seq, tip=last.chain_hash)
        machine.write(store)
        assert verify(machine.disk.records()) is None
        assert len(machine.numbers) == cut * 3 // size + 1


def test_a_byte_that_was_changed_ends_the_journal_there():
    machine = Machine()
    machine.write(machine.disk.open(), 3)
    machine.disk._bytes[len(machine.disk._bytes) // 2] ^= 0xFF
    assert machine.numbers == [1]


def test_a_full_disk_refuses_and_what_was_written_stays():
    machine = Machine()
    store = machine.disk.open()
    machine.write(store)
    machine.disk.is_full = True
    for attempt in (lambda: machine.write(store), store.checkpoint):
        with pytest.raises(JournalUnavailable, match="disk full"):
            attempt()
    machine.disk.kill()
    with pytest.raises(ConfigurationError, match="disk full"):
        machine.disk.open()
    machine.disk.is_full = False
    machine.write(machine.disk.open())
    assert machine.numbers == [1, 2]


def test_a_number_is_written_once():
    machine = Machine()
    store = machine.disk.open()
    record = machine.chain.seal("note", {}, at=0.0)
    store.write(record)
    with pytest.raises(JournalUnavailable, match="#1 is in the journal"):
        store.write(record)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from(["write", "sync", "wait", "kill", "power"]), max_size=40),
)
def test_whatever_happens_a_prefix_is_left_that_holds_what_was_safe(seed, steps):
    machine = Machine(seed)
    store, safe = machine.disk.open(), 0
    for step in steps:
        if step == "write":
            machine.write(store)
        elif step == "sync":
            store.checkpoint()
            safe = len(machine.numbers)
        elif step == "wait":
            machine.now_s += 36.0
            safe = len(machine.numbers)
        else:
            before = machine.numbers
            machine.disk.kill() if step == "kill" else machine.disk.lose_power()
            after = machine.numbers
            assert before[: len(after)] == after
            assert len(after) >= (len(before) if step == "kill" else safe)
            safe = len(after) if step == "power" else safe
            store = machine.disk.open()
            last = store.last()
            machine.chain = Chain() if last is None else Chain(seq=last.seq, tip=last.chain_hash)
        assert verify(machine.disk.records()) is None


def test_a_session_keeps_its_journal_in_a_store_of_its_callers_and_closes_it():
    machine = Machine()

    async def main():
        store = machine.disk.open()
        session = outlast.connect(
            "binance-um",
            journal=store,
            endpoints={"rest": "http://nowhere.test"},
            clock=sim.clock(),
        )
        with pytest.raises(outlast.ReadFailed):
            async with session:
                pass

    sim.run(main, seed=1)
    kinds = [record.kind for record in machine.disk.records()]
    assert kinds[0] == "journal.opened"
    assert "attempt" in kinds
    machine.disk.open()  # the lock is free


def test_what_is_neither_path_nor_store_is_refused_as_a_journal():
    with pytest.raises(ConfigurationError, match="pass a path, a RecordStore, or None"):
        outlast.connect("binance-um", journal=3)
