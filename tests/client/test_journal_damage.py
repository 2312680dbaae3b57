"""A journal's file that is cut off, overwritten or emptied: mended or refused, never begun anew.

OUTLAST_JOURNAL_CUTS=all cuts the file at every byte; otherwise a few dozen places are tried.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
from pathlib import Path

import pytest

from outlast.backends.journal import FileStore, JournalDamaged, MemoryStore, read_records
from outlast.backends.journal_pages import is_cut, records_in_pages
from outlast.backends.journal_salvage import finish_replacing, replace_journal
from outlast.client.journal import ChainBroken, Journal
from outlast.client.journal_file import open_journal, salvage
from outlast.core.histories import check
from outlast.core.journal import GAP, SALVAGED, Chain, decode_fields, verify
from outlast.errors import ConfigurationError
from outlast.wire import Record

SEED = 1
ALL = os.environ.get("OUTLAST_JOURNAL_CUTS") == "all"
RECORDS = 160


class StoppedClock:
    def now(self) -> float:
        return 5.0

    def wall(self) -> float:
        return 2_000.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a journal does not wait")


make = functools.partial(Journal, venue="binance-um", clock=StoppedClock(), rng=random.Random(SEED))


def opened(place):
    return open_journal(place, make, venue="binance-um")


def clear(path: Path) -> None:
    for file in path.parent.glob(path.name + "*"):
        file.unlink()


def fill(path: Path, *, sizes=(0, 40, 300, 900, 3_000), count: int = RECORDS) -> list[Record]:
    """A journal at rest, with records of all sizes; some have pages of their own."""
    rng = random.Random(SEED)
    with contextlib.closing(FileStore(path)) as store:
        chain = Chain()
        opening = {"prefix": "olabcdef", "run": "aaaaa", "venue": "binance-um"}
        for number in range(count):
            pad = {"pad": "x" * rng.choice(sizes), "n": number}
            kind, fields = ("journal.opened", opening) if number == 0 else ("note", pad)
            record = chain.seal(kind, fields, at=1_000.0 + number + rng.random() * (number % 3))
            store.write(record)
            chain.accept(record)
        return list(store.records())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bot.journal"


def test_the_pages_give_every_record_without_sqlite(path):
    records = fill(path)
    found = list(records_in_pages(path))
    assert {record.seq: record for record in found} == {record.seq: record for record in records}


def test_the_pages_of_the_log_count_too(path, tmp_path):
    copy = tmp_path / "copy.journal"
    with contextlib.closing(FileStore(path)) as store:
        chain = Chain()
        for number in range(50):
            record = chain.seal("note", {"pad": "x" * 200 * (number % 9)}, at=1.5 + number)
            store.write(record)
            chain.accept(record)
        shutil.copy(path, copy)
        shutil.copy(f"{path}-wal", f"{copy}-wal")
        records = list(store.records())
    assert {r.seq for r in records_in_pages(copy)} == {r.seq for r in records}


def places(size: int) -> list[int]:
    if ALL:
        return list(range(1, size))
    rng = random.Random(SEED)
    edges = [1, 15, 16, 50, 99, 100, 101, 511, 512, 1023, 1024, 1025, 2048, 3071, size - 1]
    return sorted({*edges, *(rng.randrange(1, size) for _ in range(25))})


def test_a_file_that_is_cut_anywhere_opens_with_all_that_is_whole_or_is_refused(path, tmp_path):
    """What is lost is what was cut off, and at most the records of one torn page of 1 KiB."""
    records = fill(path)
    raw = path.read_bytes()
    cut = tmp_path / "cut.journal"
    opened_count, before = 0, 0
    for size in places(len(raw)):
        clear(cut)
        cut.write_bytes(raw[:size])
        whole = {r.seq for r in records_in_pages(cut) if r in records}
        assert is_cut(cut)
        if not whole:
            with pytest.raises(ConfigurationError, match=r"journal salvage|restore it"):
                opened(cut)
            assert cut.read_bytes() == raw[:size]
            continue
        opened_count += 1
        store, journal = opened(cut)
        found = list(store.records())
        store.close()
        kept = [r for r in found if r.seq <= RECORDS and r.kind != GAP and r in records]
        assert {r.seq for r in kept} == whole, size
        assert journal.history.prefix == "olabcdef"
        assert check(read_records(cut)).holds, size
        assert cut.with_name(f"{cut.name}.damaged-1").read_bytes() == raw[:size]
        # From one end to the other at most the rows of one page are missing in between.
        holes = [r for r in found if r.kind == GAP]
        assert sum(r.seq - decode_fields(r.data)["first"] + 1 for r in holes) <= 6, size
        assert max(whole) >= before, size
        before = max(whole)
    assert opened_count > 20


def test_a_file_that_is_cut_while_its_log_is_there_loses_nothing_that_the_log_has(path, tmp_path):
    cut = tmp_path / "cut.journal"
    with contextlib.closing(FileStore(path)) as store:
        chain, records = Chain(), []
        for number in range(60):
            fields = {"pad": "x" * 400, "prefix": "ol", "run": "a", "venue": "binance-um"}
            record = chain.seal("journal.opened" if number == 0 else "note", fields, at=1.5)
            store.write(record)
            chain.accept(record)
            records.append(record)
            if number == 40:
                store.checkpoint()
        shutil.copy(f"{path}-wal", f"{cut}-wal")
        raw = path.read_bytes()
    cut.write_bytes(raw[: len(raw) // 2 + 700])
    store, _ = opened(cut)
    found = list(store.records())
    store.close()
    assert {r.seq for r in records[41:]} <= {r.seq for r in found if r in records}
    assert check(read_records(cut)).holds
    assert cut.with_name(f"{cut.name}.damaged-1").exists()


def overwritten(path: Path, records: list[Record], number: int) -> None:
    """Zeros over one record in the middle of the file."""
    raw = bytearray(path.read_bytes())
    at = raw.index(records[number].chain_hash.encode())
    raw[at : at + 40] = bytes(40)
    path.write_bytes(raw)


def test_a_file_that_is_damaged_in_the_middle_is_refused_with_the_remedy(path, tmp_path):
    records = fill(path, sizes=(100,))
    overwritten(path, records, 50)
    with pytest.raises(ChainBroken, match="outlast journal salvage FILE -o NEW"):
        opened(path)
    damaged = path.read_bytes()
    new = tmp_path / "new.journal"
    mended = salvage(path, new)
    assert mended.lost == ((51, 51),)
    assert path.read_bytes() == damaged
    found = list(read_records(new))
    assert verify(found) is None
    assert [r.seq for r in found if r in records] == [r.seq for r in records if r.seq != 51]
    assert decode_fields(found[-1].data)["source"] == path.name
    store, _ = opened(new)
    store.close()


def test_a_page_of_zeros_in_the_middle_is_refused_and_salvaged(path, tmp_path):
    records = fill(path, sizes=(100,))
    raw = bytearray(path.read_bytes())
    raw[8_192 : 8_192 + 3 * 1_024] = bytes(3 * 1_024)
    path.write_bytes(raw)
    with pytest.raises(JournalDamaged) as error:
        opened(path)
    assert not error.value.is_cut
    mended = salvage(path, tmp_path / "new.journal")
    assert mended.count > RECORDS - 20
    assert all(r in records for r in mended.records if r.kind != GAP)
    assert check(read_records(tmp_path / "new.journal")).holds


def test_a_file_whose_header_is_gone_can_still_be_salvaged(path, tmp_path):
    records = fill(path, sizes=(100,))
    raw = bytearray(path.read_bytes())
    raw[:1_024] = b"not a database, " * 64
    path.write_bytes(raw)
    with pytest.raises(ConfigurationError, match=r"salvage bot\.journal -o NEW"):
        opened(path)
    assert salvage(path, tmp_path / "new.journal").count == len(records)


def test_an_emptied_journal_is_not_taken_for_a_new_one(path):
    fill(path, count=20)
    path.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="is empty, but had 20 records; restore it"):
        opened(path)
    path.with_name(path.name + ".lock").unlink()
    store, _ = opened(path)  # as the message says
    store.close()


def test_an_emptied_journal_whose_log_is_there_is_refused_before_sqlite_throws_that_away(path):
    store = FileStore(path)
    store.write(Chain().seal("note", {}, at=1.0))
    log = path.with_name(path.name + "-wal")
    left, content = path.with_name("left.journal"), log.read_bytes()
    store.close()
    for is_there in (True, False):
        clear(left)
        if is_there:
            left.touch()
        left.with_name(left.name + "-wal").write_bytes(content)
        with pytest.raises(ConfigurationError, match="restore"):
            opened(left)
        assert left.with_name(left.name + "-wal").read_bytes() == content


def test_a_journal_that_was_taken_away_begins_anew(path):
    fill(path, count=20)
    list(read_records(path))  # which leaves an empty log behind
    path.unlink()
    path.with_name(path.name + "-wal").touch()
    store, journal = opened(path)
    store.close()
    assert journal.history.prefix is None


@pytest.mark.parametrize("dies_before", ["it is whole", "link", "it is in its place"])
def test_a_process_that_dies_while_it_mends_leaves_one_of_the_two_whole(
    dies_before, path, monkeypatch
):
    records = fill(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) - 5_000])
    calls = 0

    class Died(Exception):
        pass

    is_link = dies_before == "link"
    real = os.link if is_link else Path.replace
    wanted = {"it is whole": 1, "link": 1, "it is in its place": 2}[dies_before]

    def dying(*arguments):
        nonlocal calls
        calls += 1
        if calls == wanted:
            raise Died
        return real(*arguments)

    monkeypatch.setattr("os.link" if is_link else "pathlib.Path.replace", dying)
    with pytest.raises(Died):
        opened(path)
    monkeypatch.undo()
    store, _ = opened(path)
    found = list(store.records())
    store.close()
    assert len([r for r in found if r in records]) > RECORDS - 20
    assert check(read_records(path)).holds
    assert not path.with_name(path.name + ".mended").exists()


def test_what_stands_beside_a_journal_in_use_is_not_put_in_its_place(path):
    records = fill(path, count=5)
    store = FileStore(path)
    try:
        with pytest.raises(ConfigurationError, match="in use by another process"):
            replace_journal(path, records)
        with pytest.raises(ConfigurationError, match="in use"):
            opened(path)
    finally:
        store.close()
    assert finish_replacing(path) is None


def test_salvage_refuses_what_has_nothing_and_what_is_there(path, tmp_path):
    (tmp_path / "diary").write_text("dear diary " * 500)
    with pytest.raises(ConfigurationError, match="no whole record"):
        salvage(tmp_path / "diary", tmp_path / "new")
    with pytest.raises(ConfigurationError, match="does not exist"):
        salvage(tmp_path / "nowhere", tmp_path / "new")
    fill(path, count=3)
    with pytest.raises(ConfigurationError, match="is there already"):
        salvage(path, tmp_path / "diary")


def test_an_own_store_or_memory_is_used_as_it_is():
    own = MemoryStore()
    assert opened(own)[0] is own
    assert isinstance(opened(None)[0], MemoryStore)


def test_a_salvaged_journal_says_so_in_itself_and_loudly(path, caplog):
    fill(path)
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with caplog.at_level("CRITICAL", logger="outlast"):
        store, _ = opened(path)
    kinds = [r.kind for r in store.records()]
    store.close()
    assert SALVAGED in kinds
    assert "outlast.journal_salvaged" in caplog.text
    assert "bot.journal.damaged-1" in caplog.text


def random_bytes_in(raw: bytes, rng: random.Random) -> bytes:
    """Damage of any kind: a few bytes, a few hundred, or thousands, at random."""
    made = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        size = rng.choice((1, 8, 100, 1_024, 5_000))
        at = rng.randrange(len(made))
        made[at : at + size] = rng.randbytes(len(made[at : at + size]))
    return bytes(made)


@pytest.mark.parametrize("seed", range(40 if ALL else 12))
def test_any_damage_is_either_harmless_or_refused_and_salvage_never_invents(seed, path, tmp_path):
    records = fill(path)
    rng = random.Random(seed)
    path.write_bytes(random_bytes_in(path.read_bytes(), rng))
    try:
        store, _ = opened(path)
    except ConfigurationError:
        pass
    else:
        found = list(store.records())
        store.close()
        assert [r for r in found if r.seq <= RECORDS] == records, f"seed {seed}"
    mended = salvage(path, tmp_path / "new.journal")
    assert check(read_records(tmp_path / "new.journal")).chain_fault is None
    kept = [r for r in mended.records if r.kind != GAP and r.seq <= RECORDS]
    unproved = {first - 1 for first, _ in mended.lost} | {last + 1 for _, last in mended.lost}
    assert all(r in records or r.seq in unproved for r in kept), f"seed {seed}"
    assert len(kept) > RECORDS // 2, f"seed {seed}"
